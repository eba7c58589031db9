//! Filters of jq, evaluated on an answer that is not known yet: paths, comparisons, `select`, `any`, `test` and such.

mod call;
pub(super) mod eval;
mod found;
mod parse;

pub(super) use call::JqCall;
pub(super) use found::Found;
use serde_json::Value;

use super::claim::Place;
use super::problem::Problem;

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
