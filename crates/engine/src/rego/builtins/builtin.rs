//! What all built-ins have in common: their signature, result and error, and the reading of arguments.

use crate::rego::value::Value;

/// What a built-in depends on besides its arguments.
pub(crate) struct Environment {
    /// The date and time the policy sees.
    pub(crate) now: jiff::Timestamp,
}

/// The result of a built-in.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// Its value; none when it is undefined.
    pub(crate) value: Option<Value>,
    /// Lines for the log.
    pub(crate) log: Vec<String>,
}

impl From<Value> for Outcome {
    fn from(value: Value) -> Self {
        Self { value: Some(value), log: Vec::new() }
    }
}

/// A built-in.
pub(crate) struct Builtin {
    pub(crate) name: &'static str,
    pub(super) arity: usize,
    pub(super) evaluate: fn(&Environment, &[Value]) -> Result<Outcome, BuiltinError>,
}

/// Why a built-in has no result. OPA takes its value for undefined then; policy-server fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BuiltinError {
    /// The module passes another number of arguments.
    #[error("it takes {expected} arguments and was given {given}")]
    Arity { expected: usize, given: usize },
    /// An argument has another type.
    #[error("operand {number} must be {expected} but got {got}")]
    Operand { number: usize, expected: &'static str, got: &'static str },
    /// An argument has an invalid value. The text is that of the parser, mostly as Go words it.
    #[error("{0}")]
    Value(String),
    /// The result would be too large.
    #[error("{0}")]
    Limit(String),
}

impl From<&str> for BuiltinError {
    fn from(text: &str) -> Self {
        Self::Value(text.into())
    }
}

impl From<String> for BuiltinError {
    fn from(text: String) -> Self {
        Self::Value(text)
    }
}

/// An argument that must be a text.
pub(super) fn text(arguments: &[Value], index: usize) -> Result<&str, BuiltinError> {
    match arguments.get(index) {
        Some(Value::Text(text)) => Ok(text),
        other => Err(wrong_type(index, "string", other)),
    }
}

/// The error about an argument of the wrong type.
pub(super) fn wrong_type(index: usize, expected: &'static str, value: Option<&Value>) -> BuiltinError {
    let got = match value {
        None => "nothing",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Number(_)) => "number",
        Some(Value::Text(_)) => "string",
        Some(Value::Array(_)) => "array",
        Some(Value::Set(_)) => "set",
        Some(Value::Object(_)) => "object",
    };
    BuiltinError::Operand { number: index + 1, expected, got }
}

/// The result of a predicate.
pub(super) fn truth(value: bool) -> Result<Outcome, BuiltinError> {
    Ok(Value::Bool(value).into())
}

/// Bytes as text as Go prints them: each wrong byte is replaced.
pub(super) fn go_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}
