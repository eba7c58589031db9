//! Why nothing could be run. What goes wrong with a policy or a case is in the report instead.

use std::fmt;
use std::path::Path;

use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::outcome::Unavailable;
use policy_verify_model::source::Span;
use policy_verify_model::suite::Case;
use policy_verify_suite::RepositoryLink;

/// Why nothing could be run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The suites are invalid: every mistake that was found.
    Suites(Vec<Diagnostic>),
    /// A policy named on the command line is unavailable, or cannot be used: every problem that was found.
    Policy(Vec<Diagnostic>),
    /// A flag or an argument is invalid.
    Usage(Box<Diagnostic>),
    /// Flags or arguments are invalid, or name what cannot be read: every problem that was found.
    Arguments(Vec<Diagnostic>),
    /// The run would write a file that it reads, or one behind a link of a repository: nothing may be written.
    Overwrites(Box<Diagnostic>),
    /// The selection leaves nothing to run.
    NothingSelected(Box<Diagnostic>),
    /// The sources file, or the lock of a suite, cannot be used.
    Sources(Box<Diagnostic>),
    /// The Wasm engine could not be set up.
    Engine(Box<Diagnostic>),
}

/// Why `only:` is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnlyRefusal {
    /// This is CI.
    Ci,
    /// Nobody is at a terminal who would see that cases are missing.
    NoTerminal,
}

impl Error {
    /// An invalid flag or argument.
    pub(crate) fn usage(message: impl Into<String>, help: impl Into<Option<String>>) -> Self {
        Self::Usage(Box::new(Diagnostic::new(Code::Usage, message).with_help(help)))
    }

    /// A file that would replace one that the run reads; `what` it is, such as a report.
    pub(crate) fn overwrites(what: &str, output: &Path, input: &Path) -> Self {
        let (output, input) = (output.display(), input.display());
        let message = format!("the {what} `{output}` would overwrite `{input}`, which the run reads");
        let help = format!("name another file for the {what}");
        Self::Overwrites(Box::new(Diagnostic::new(Code::Output, message).with_help(help)))
    }

    /// A report for the same file as a recording, or for the folder of all recordings.
    pub(crate) fn replaces_recordings(output: &Path, recording: Option<&Path>) -> Self {
        let output = output.display();
        let message = match recording {
            Some(recording) => {
                format!("the report `{output}` and the recording `{}` are the same file", recording.display())
            }
            None => format!("the report `{output}` is the folder of the recordings"),
        };
        let help = "name another file for the report".to_owned();
        Self::Overwrites(Box::new(Diagnostic::new(Code::Output, message).with_help(help)))
    }

    /// A report behind a link of a repository.
    pub(crate) fn behind_link(output: &Path, link: &RepositoryLink) -> Self {
        let message = format!("cannot write the report `{}`: {link}", output.display());
        let help = RepositoryLink::HELP.to_owned();
        Self::Overwrites(Box::new(Diagnostic::new(Code::Output, message).with_help(help)))
    }

    /// A file whose text is quoted or published, behind a link out of the repository.
    pub(crate) fn read_behind_link(path: &Path, link: &RepositoryLink) -> Self {
        let message = format!("cannot read `{}`: {link}", path.display());
        let help = RepositoryLink::HELP.to_owned();
        Self::Usage(Box::new(Diagnostic::new(Code::OutsideRepository, message).with_help(help)))
    }

    /// What keeps the engine from being set up.
    pub(crate) fn engine(error: &impl fmt::Display) -> Self {
        Self::Engine(Box::new(Diagnostic::new(Code::Engine, format!("cannot set up the Wasm engine: {error}"))))
    }

    /// A sources file or a lock that cannot be used.
    pub(crate) fn sources(diagnostic: Diagnostic) -> Self {
        Self::Sources(Box::new(diagnostic))
    }

    /// What makes a policy unusable that the command line names. `place` stands for the command line.
    pub(crate) fn policy(problems: Vec<Unavailable>, place: &Span) -> Self {
        Self::Policy(problems.into_iter().map(|problem| Diagnostic::from(problem).at(place)).collect())
    }

    /// `only:` where it is refused.
    pub(crate) fn only(cases: &[&Case], refusal: OnlyRefusal) -> Self {
        let (place, help) = match refusal {
            OnlyRefusal::Ci => ("in CI", "remove it before you commit"),
            OnlyRefusal::NoTerminal => {
                ("where stdout is no terminal", "remove it, or run with `--allow-only`; `--filter` selects cases, too")
            }
        };
        let message = format!("`only` would hide the other cases, and is refused {place}");
        let mistakes = cases
            .iter()
            .map(|case| Diagnostic::new(Code::OnlyInCi, message.as_str()).with_help(help.to_owned()).at(&case.span));
        Self::Suites(mistakes.collect())
    }

    /// Everything that is wrong, in reading order.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Self::Suites(mistakes) | Self::Policy(mistakes) | Self::Arguments(mistakes) => mistakes,
            Self::Usage(one)
            | Self::Overwrites(one)
            | Self::NothingSelected(one)
            | Self::Sources(one)
            | Self::Engine(one) => std::slice::from_ref(one),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.diagnostics()) {
            (Self::Suites(_), [_]) => f.write_str("invalid suite: 1 mistake; nothing was run"),
            (Self::Suites(_), several) => write!(f, "invalid suite: {} mistakes; nothing was run", several.len()),
            (_, [first, ..]) => write!(f, "{first}"),
            (_, []) => f.write_str("the policy cannot be used"),
        }
    }
}

impl std::error::Error for Error {}
