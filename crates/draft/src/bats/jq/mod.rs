//! Filters of jq, evaluated on an answer that is not known yet: paths, comparisons, `select`, `any`, `test` and such.

mod call;
pub(super) mod eval;
mod parse;

pub(super) use call::JqCall;
use serde_json::Value;

use super::claim::{Cond, Place};
use super::problem::Problem;

/// What a filter gives.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
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
    pub(super) fn truth(self) -> Cond {
        match self {
            Self::At(place, conds) => {
                Cond::all(conds.into_iter().chain([Cond::Claim(super::claim::Claim::Present(place))]))
            }
            Self::Truth(cond) => cond,
            Self::Known(value) => Cond::Known(!matches!(value, Value::Null | Value::Bool(false))),
            Self::Length(_) | Self::Selected(_) => Cond::Known(true),
        }
    }
}

/// Evaluates a filter on a part of an answer. `items` counts the iterations of `[]`, which are told apart by number.
pub(super) fn evaluate(
    filter: &str,
    input: Place,
    variables: &dyn Fn(&str) -> Option<Value>,
    items: &mut usize,
) -> Result<Found, Problem> {
    let expression = parse::parse(filter).ok_or_else(|| Problem::Jq(filter.to_owned()))?;
    let mut evaluation = eval::Evaluation { variables, items };
    evaluation.of(&expression, Found::At(input, Vec::new())).ok_or_else(|| Problem::Jq(filter.to_owned()))
}
