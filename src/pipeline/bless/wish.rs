//! What cases want to have written, and what is left.

use std::path::PathBuf;

use policy_verify_model::source::Span;
use policy_verify_model::suite::SuiteIndex;

use crate::compare::correct::Part;

/// What a case wants to have written.
pub(super) struct Wish {
    pub(super) id: String,
    pub(super) suite: SuiteIndex,
    pub(super) is_failed: bool,
    pub(super) row: Option<Span>,
    pub(super) parts: Vec<Part>,
    /// The snapshot that is to be written.
    pub(super) snapshot: Option<WantedSnapshot>,
}

/// A snapshot that is to be written.
pub(super) struct WantedSnapshot {
    pub(super) path: PathBuf,
    pub(super) shown: String,
    /// What the file holds, if it is there.
    pub(super) before: Option<String>,
    pub(super) after: String,
    /// Where the case is.
    pub(super) place: Span,
}

impl Wish {
    /// The expectation stays, for this reason. Nobody asked about one that holds.
    pub(super) fn left(&self, place: &Span, reason: impl Into<String>) -> Option<Left> {
        self.is_failed.then(|| Left { id: self.id.clone(), place: place.clone(), reason: reason.into() })
    }

    /// The same for all parts of it.
    pub(super) fn left_as_a_whole(&self, reason: impl Into<String>) -> Option<Left> {
        self.left(&self.parts.first()?.place, reason)
    }
}

/// An expectation that stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Left {
    /// The case.
    pub id: String,
    /// Where it is written.
    pub place: Span,
    /// Why it stays.
    pub reason: String,
}
