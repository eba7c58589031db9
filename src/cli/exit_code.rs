//! The contract with CI: what each exit code means.

use std::process::Termination;

use policy_verify::Error;
use policy_verify::model::answer::FaultKind;
use policy_verify::model::outcome::{Outcome, RunReport};

/// How the process ends. Higher reasons outrank lower ones where several apply; see [`ExitCode::of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// Every selected case met its expectation.
    Success = 0,
    /// A case failed or met a fault, or an `xfail` passed.
    Failure = 1,
    /// Bad flags, a suite with mistakes, a report that cannot be written.
    Usage = 2,
    /// A policy is unavailable.
    Unavailable = 3,
    /// Nothing was selected, or no case passed: all were skipped, or failed as known.
    NothingSelected = 4,
    /// Verified, but not published, or not completely.
    Unpublished = 5,
    /// A bug in verify itself.
    Bug = 70,
    /// Ctrl-C, SIGTERM or SIGHUP.
    Interrupted = 130,
}

impl ExitCode {
    /// The code of a finished run. A run in which no case passed has shown nothing; of a shard that is for the merged run
    /// to say.
    pub(crate) fn of(run: &RunReport, is_forgiving: bool, allows_empty: bool) -> Self {
        if !run.errors.is_empty() {
            return Self::Usage;
        }
        let is_unavailable = run.policies.iter().any(|policy| policy.unavailable.is_some());
        let outcomes: Vec<&Outcome> = run.cases.iter().map(|case| &case.outcome).collect();
        let allows_empty = allows_empty || run.shard.is_some();
        match Self::of_cases(&outcomes, is_unavailable, is_forgiving, allows_empty) {
            Self::Success if run.shows_nothing() && !allows_empty => Self::NothingSelected,
            Self::Success if run.publications.iter().any(|publication| !publication.is_done()) => Self::Unpublished,
            code => code,
        }
    }

    /// The code of cases that ended so.
    pub(crate) fn of_cases(
        outcomes: &[&Outcome],
        is_unavailable: bool,
        is_forgiving: bool,
        allows_empty: bool,
    ) -> Self {
        let is_bug = |outcome: &&Outcome| matches!(outcome, Outcome::Error(fault) if fault.kind == FaultKind::Internal);
        if outcomes.iter().any(is_bug) {
            Self::Bug
        } else if is_unavailable {
            Self::Unavailable
        } else if outcomes.iter().any(|outcome| outcome.is_bad()) && !is_forgiving {
            Self::Failure
        } else if outcomes.iter().any(|outcome| outcome.is_not_run()) {
            // `--no-fail` forgives failures; what did not run cannot be known to be one.
            Self::Failure
        } else if !allows_empty && outcomes.iter().all(|outcome| outcome.shows_nothing()) {
            Self::NothingSelected
        } else {
            Self::Success
        }
    }
}

impl From<&Error> for ExitCode {
    /// The code when nothing could be run.
    fn from(error: &Error) -> Self {
        match error {
            Error::Policy(_) => Self::Unavailable,
            Error::NothingSelected(_) => Self::NothingSelected,
            Error::Engine(_) => Self::Bug,
            _ => Self::Usage,
        }
    }
}

impl Termination for ExitCode {
    fn report(self) -> std::process::ExitCode {
        std::process::ExitCode::from(self as u8)
    }
}
