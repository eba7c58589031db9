//! What is published, and where to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use oci_client::Reference;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::policy::Metadata;
use policy_verify_model::reference::parse;
use policy_verify_model::source::Span;

/// A module to publish.
pub struct Artifact {
    /// Name of the policy.
    pub policy: String,
    /// Index of its suite in the run; `None` on the command line.
    pub suite: Option<usize>,
    /// The module, metadata attached.
    pub module: Arc<[u8]>,
    /// Its metadata; none where it is published without.
    pub metadata: Option<Metadata>,
    /// The repository. Its tag is ignored; a digest must be that of the manifest.
    pub repository: Reference,
    /// The tags to point to it.
    pub tags: Vec<String>,
    /// Those among them that are never moved.
    pub immutable: BTreeSet<String>,
    /// Annotations of the manifest in addition to those of the metadata.
    pub annotations: BTreeMap<String, String>,
    /// The entry of the suite.
    pub span: Option<Span>,
}

/// Parses a reference, with or without `registry://`, with or without tag or digest.
pub fn reference(text: &str) -> Result<Reference, Diagnostic> {
    let name = text.strip_prefix("registry://").unwrap_or(text);
    if let Some((scheme, rest)) = name.split_once("://") {
        return Err(Diagnostic::new(Code::Usage, format!("unsupported scheme `{scheme}://` in `{text}`"))
            .with_help(format!("write `registry://{rest}`")));
    }
    parse(name).map_err(|error| Diagnostic::new(Code::Usage, error.message).with_help(error.help))
}

/// The name of a repository, `ghcr.io/acme/policies/safe-labels`.
pub fn repository_name(repository: &Reference) -> String {
    format!("{}/{}", repository.registry(), repository.repository())
}
