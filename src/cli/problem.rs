//! What is wrong with a command line, or with a file it names for output: diagnostics without a place.

use std::fmt::Display;
use std::io;
use std::path::Path;

use policy_verify::model::code::Code;
use policy_verify::model::diagnostic::Diagnostic;

/// An invalid flag or argument.
pub(crate) fn usage(message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Code::Usage, message)
}

/// A file that cannot be written; `what` says what it is, such as `the report`.
pub(crate) fn cannot_write(what: &str, path: &Path, error: &impl Display) -> Diagnostic {
    Diagnostic::new(Code::Output, format!("cannot write {what} `{}`: {error}", path.display()))
}

/// The same for a file that outgrew a limit of the process, which is no fault of the file.
pub(crate) fn failed_to_write(what: &str, path: &Path, error: &io::Error) -> Diagnostic {
    let problem = cannot_write(what, path, error);
    let is_limit = error.kind() == io::ErrorKind::FileTooLarge;
    problem.with_help(is_limit.then(|| "raise the limit for the size of files: `ulimit -f unlimited`".to_owned()))
}
