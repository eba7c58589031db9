//! The result of a comparison.

use policy_verify_model::answer::Fault;
use policy_verify_model::outcome::Mismatch;

/// The result of comparing an answer with its expectation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Judgement {
    /// Everything expected holds.
    Holds,
    /// The answer differs from the expectation; at least one mismatch.
    Mismatches(Vec<Mismatch>),
    /// There was no usable answer where one was expected, or another fault than the expected one.
    Fault(Fault),
}

impl From<Vec<Mismatch>> for Judgement {
    fn from(mismatches: Vec<Mismatch>) -> Self {
        if mismatches.is_empty() { Self::Holds } else { Self::Mismatches(mismatches) }
    }
}

impl From<Result<Vec<Mismatch>, Fault>> for Judgement {
    fn from(result: Result<Vec<Mismatch>, Fault>) -> Self {
        result.map_or_else(Self::Fault, Self::from)
    }
}
