//! `verify digest`: what a reference leads to.

use policy_verify::report::escape;

use super::args::policy::DigestArgs;
use super::console;
use super::exit_code::ExitCode;

/// `verify digest`. The reference is printed as it was typed, as kwctl does.
pub(crate) fn digest(arguments: &DigestArgs) -> ExitCode {
    match policy_verify::digest(&arguments.uri, &arguments.network.network()) {
        Ok(reference) => console::print(&format!("{}\n", escape::terminal_line(&reference))),
        Err(error) => console::refuse(&error),
    }
}
