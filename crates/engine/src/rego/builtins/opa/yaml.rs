//! `yaml.is_valid`, `yaml.marshal`, `yaml.unmarshal`: YAML 1.1 as Go's libraries read and write it.
//!
//! The parser's events are read here rather than through serde, because `yes` is true and `017` is 15 in this dialect.
//! Of several documents the first is read.

mod emit;
mod load;

use super::builtin::{BuiltinError, Environment, Outcome, text, truth};
use crate::rego::value::Value;

pub(crate) fn is_valid(_: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    truth(matches!(arguments, [Value::Text(text)] if load::document(text).is_ok()))
}

pub(crate) fn unmarshal(_: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    load::document(text(arguments, 0)?).map(Into::into)
}

pub(crate) fn marshal(_: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    Ok(Value::text(emit::document(arguments.first().unwrap_or(&Value::Null))).into())
}
