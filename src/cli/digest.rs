//! `verify digest`: what a reference leads to.

use std::path::Path;

use policy_verify::report::escape;

use super::args::policy::DigestArgs;
use super::console;
use super::exit_code::ExitCode;

/// `verify digest`. The reference is printed as it was typed, as kwctl does.
pub(crate) fn digest(arguments: &DigestArgs) -> ExitCode {
    if let Some(reason) = instead_of_reference(&arguments.uri) {
        console::complain(&reason);
        return ExitCode::Usage;
    }
    match policy_verify::digest(&arguments.uri, &arguments.network.network()) {
        Ok(reference) => console::print(&format!("{}\n", escape::terminal_line(&reference))),
        Err(error) => console::refuse(&error),
    }
}

/// What to do with a file where a reference to a registry is expected; nothing where the text is no file. Without this,
/// a file that is there would be looked for on Docker Hub.
pub(super) fn instead_of_reference(text: &str) -> Option<String> {
    let is_file = !text.contains("://") && Path::new(text).is_file();
    is_file.then(|| {
        format!(
            "`{text}` is a file; `verify inspect {}` shows its digest\n  help: write `registry://{text}` for what a registry \
             has under this name",
            escape::shell(text)
        )
    })
}
