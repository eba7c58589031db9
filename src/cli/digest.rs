//! `verify digest`: what a reference leads to.

use std::path::Path;

use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::report::escape;

use super::args::policy::DigestArgs;
use super::console;
use super::exit_code::ExitCode;
use super::problem::usage;

/// `verify digest`. The reference is printed as it was typed, as kwctl does.
pub(crate) fn digest(arguments: &DigestArgs) -> ExitCode {
    if let Some(reason) = instead_of_reference(&arguments.uri) {
        return console::refuse_usage(reason);
    }
    match policy_verify::digest(&arguments.uri, &arguments.network.network()) {
        Ok(reference) => console::print(&format!("{}\n", escape::terminal_line(&reference))),
        Err(error) => console::refuse(&error),
    }
}

/// An error for a file where a reference to a registry is expected: its name would be looked up on Docker Hub.
pub(super) fn instead_of_reference(text: &str) -> Option<Diagnostic> {
    let is_file = !text.contains("://") && Path::new(text).is_file();
    is_file.then(|| {
        let inspect = format!("to see its digest: verify inspect {}", escape::shell(text));
        usage(format!("`{text}` is a file, not a reference to a registry"))
            .with_help(format!("{inspect}\nfor a policy of this name in a registry, write `registry://{text}`"))
    })
}
