//! Why a part of a bats test cannot be translated.

use super::shell::SyntaxError;

/// What cannot be translated, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    #[error("invalid shell syntax: {0}")]
    Syntax(SyntaxError),
    #[error("unsupported command `{0}`")]
    Command(String),
    #[error("unsupported arguments of `{0}`")]
    Arguments(String),
    #[error("the value of `{0}` is unknown")]
    Variable(String),
    #[error("no file matches `{0}`")]
    Glob(String),
    #[error("unsupported jq filter `{0}`")]
    Jq(String),
    #[error("invalid pattern `{0}`")]
    Pattern(String),
    #[error("a branch depends on the answer of the policy")]
    Branch,
    #[error("one of several answers is accepted")]
    Alternative,
    #[error("no expectation for `{0}`")]
    Claim(String),
    #[error("contradicting assertions")]
    Contradiction,
    #[error("no assertion about the answer")]
    NoAssertion,
    #[error("no `kwctl run`")]
    NoRun,
    #[error("unsupported flag `{0}` of kwctl")]
    Flag(String),
    #[error("kwctl is called without `{0}`")]
    MissingFlag(&'static str),
    #[error("`{0}` is not inside of the repository")]
    Path(String),
    #[error("invalid {0}")]
    Document(&'static str),
    #[error("the exit code of kwctl is not 0, and no reason is asserted")]
    Failure,
    #[error("the verdict is not asserted; a message is, so a rejection is expected")]
    GuessedDenial,
    #[error("`{0}` holds for every answer")]
    Vacuous(String),
    #[error("bash does not fail a test for `{0}` here")]
    Ignored(&'static str),
    #[error("`grep -v` finds any line that differs")]
    AnyLine,
    #[error("`grep -c` counts lines, and `{0}` may be a key of the response")]
    Counted(String),
    #[error("limit reached: {0}")]
    Limit(&'static str),
}

impl Problem {
    /// Whether nothing more can be read of the test.
    pub(super) fn is_fatal(&self) -> bool {
        matches!(self, Self::Limit(_))
    }
}
