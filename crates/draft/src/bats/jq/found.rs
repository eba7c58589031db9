//! What a filter finds in an answer that is not known yet.

use serde_json::Value;

use crate::bats::claim::{Claim, Cond, Place};

/// What a filter gives.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::bats) enum Found {
    /// A part of the answer; with conditions that it was selected by.
    At(Place, Vec<Cond>),
    Truth(Cond),
    Known(Value),
    Length(Place),
    /// How many items were selected: some if the condition holds.
    Selected(Cond),
}

impl Found {
    /// Whether jq takes it for true.
    pub(in crate::bats) fn truth(self) -> Cond {
        match self {
            Self::At(place, conds) => Cond::all(conds.into_iter().chain([Cond::Claim(Claim::Present(place))])),
            Self::Truth(cond) => cond,
            Self::Known(value) => Cond::Known(!matches!(value, Value::Null | Value::Bool(false))),
            Self::Length(_) | Self::Selected(_) => Cond::Known(true),
        }
    }
}
