//! Where a policy is: paths and URIs of a suite become references.

use super::files::Files;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::location;
use policy_verify_model::policy::PolicyRef;
use policy_verify_model::source::Spanned;

/// The policy a path or URI names.
pub(super) fn policy_ref(uri: &Spanned<String>, files: &Files) -> Result<PolicyRef, Diagnostic> {
    if let Some((scheme, _)) = uri.value.split_once("://")
        && scheme != "file"
    {
        return location::parse(scheme, &uri.value).map_err(|mistake| mistake.at(&uri.span));
    }
    files.resolve(uri).map(PolicyRef::File)
}

/// The URI in reports: from the root of the repository, so that it is the same on every machine.
pub(super) fn shown(uri: &PolicyRef, files: &Files) -> String {
    match uri {
        PolicyRef::File(path) => format!("file://{}", files.shown(path)),
        PolicyRef::Registry(name) => format!("registry://{name}"),
        PolicyRef::Web(url) => url.clone(),
    }
}
