//! What all built-ins have in common: their signature, result and error, and the reading of arguments.

use policy_verify_model::budget::Exceeded;

use crate::rego::value::Value;

pub(super) use crate::rego::builtins::environment::Environment;

/// The value of a built-in; none when it is undefined.
pub(super) type Outcome = Option<Value>;

/// A built-in.
pub(crate) type Function = fn(&Environment, &[Value]) -> Result<Outcome, BuiltinError>;

/// Why a built-in has no value. OPA takes it for undefined then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BuiltinError {
    /// An argument has another type.
    #[error("operand {number} must be {expected} but got {got}")]
    Operand { number: usize, expected: &'static str, got: &'static str },
    /// An argument has an invalid value. The text is that of the parser, mostly as Go words it.
    #[error("{0}")]
    Value(String),
    /// The result would be too large.
    #[error("{0}")]
    Limit(String),
    /// It would take too long, or too much memory.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
}

impl BuiltinError {
    /// Whether only we have no value, and OPA may.
    pub(crate) fn is_limit(&self) -> bool {
        matches!(self, Self::Limit(_) | Self::Exceeded(_))
    }
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
    Ok(Some(Value::Bool(value)))
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
