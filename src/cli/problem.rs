//! What is wrong with a command line, or with a file it names for output: diagnostics without a place.

use std::fmt::Display;
use std::io;
use std::path::Path;

use policy_verify::RepositoryLink;
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

/// Refuses a file behind a link of a repository, which a stranger may have put there. `root` is that of the command line.
///
/// # Errors
///
/// There is such a link.
pub(crate) fn check_links(what: &str, path: &Path, root: Option<&Path>) -> Result<(), Diagnostic> {
    match RepositoryLink::on_the_way_to(path, root) {
        Some(link) => Err(cannot_write(what, path, &link).with_help(RepositoryLink::HELP.to_owned())),
        None => Ok(()),
    }
}

/// The same for a file that outgrew a limit of the process, which is no fault of the file.
pub(crate) fn failed_to_write(what: &str, path: &Path, error: &io::Error) -> Diagnostic {
    let problem = cannot_write(what, path, error);
    let is_limit = error.kind() == io::ErrorKind::FileTooLarge;
    problem.with_help(is_limit.then(|| "raise the limit for the size of files: `ulimit -f unlimited`".to_owned()))
}

/// What the parser of the command line says, `text`, as a diagnostic: its first paragraph, and its tip if it has one.
pub(crate) fn parsed(text: &str) -> Diagnostic {
    let text = text.trim_start().strip_prefix("error: ").unwrap_or(text);
    let (what, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    let message: Vec<&str> = what.lines().map(str::trim).collect();
    let tip = rest.lines().find_map(|line| line.trim().strip_prefix("tip: "));
    usage(message.join(" ")).with_help(tip.unwrap_or("run `verify help` for all commands and flags").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_the_parser_is_taken_apart() {
        for (text, message, help) in [
            (
                "error: the following required arguments were not provided:\n  <REPORT>...\n\nUsage: verify merge <REPORT>...\n",
                "the following required arguments were not provided: <REPORT>...",
                "run `verify help` for all commands and flags",
            ),
            (
                "error: unexpected argument '--x' found\n\n  tip: to pass '--x' as a value, use '-- --x'\n\nUsage: verify\n",
                "unexpected argument '--x' found",
                "to pass '--x' as a value, use '-- --x'",
            ),
            ("odd", "odd", "run `verify help` for all commands and flags"),
        ] {
            let problem = parsed(text);
            assert_eq!((problem.message.as_str(), problem.help.as_deref()), (message, Some(help)));
        }
    }
}
