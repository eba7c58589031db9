//! `yaml.is_valid`, `yaml.marshal`, `yaml.unmarshal`: YAML 1.1 as Go's libraries read and write it.
//!
//! The parser's events are read here rather than through serde, because `yes` is true and `017` is 15 in this dialect.
//! Of several documents the first is read.

mod emit;
mod load;

use super::super::value::Value;
use super::{Outcome, Surroundings, text, truth};

pub(super) fn is_valid(_: &Surroundings, arguments: &[Value]) -> Result<Outcome, String> {
    truth(matches!(arguments, [Value::Text(text)] if load::document(text).is_ok()))
}

pub(super) fn unmarshal(_: &Surroundings, arguments: &[Value]) -> Result<Outcome, String> {
    load::document(text(arguments, 0)?).map(Into::into)
}

pub(super) fn marshal(_: &Surroundings, arguments: &[Value]) -> Result<Outcome, String> {
    Ok(Value::text(emit::document(arguments.first().unwrap_or(&Value::Null))).into())
}
