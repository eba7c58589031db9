//! What all built-ins have in common: their error, and the reading of arguments.

use policy_verify_model::budget::Exceeded;
use serde_json::Value;

use crate::rego::builtins::environment::Environment;

/// The result of a built-in.
pub(super) type Outcome = Result<Value, BuiltinError>;

/// A built-in.
pub(crate) type Function = fn(&Environment, &[Value]) -> Outcome;

/// Why a built-in has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BuiltinError {
    /// It fails, and the evaluation with it: the request is rejected with code 500.
    #[error("{message}")]
    Failed {
        /// Its name as the error of the server has it.
        name: &'static str,
        /// In the server's words.
        message: String,
    },
    /// It ends the worker that evaluates the request: the connection is closed without a response.
    #[error("{0}")]
    Panicked(String),
    /// The result would be too large. The limit is ours.
    #[error("{0}")]
    Limit(String),
    /// It would take too long, or too much memory. The limit is ours.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
}

/// The error of the built-in `name`.
pub(super) fn failed(name: &'static str, message: impl Into<String>) -> BuiltinError {
    BuiltinError::Failed { name, message: message.into() }
}

/// An argument that must be a text; `index` counts from 0.
pub(super) fn text<'a>(name: &'static str, arguments: &'a [Value], index: usize) -> Result<&'a str, BuiltinError> {
    arguments
        .get(index)
        .and_then(Value::as_str)
        .ok_or_else(|| failed(name, format!("{} parameter is not a string", ordinal(index))))
}

/// The number of an argument as the server writes it.
fn ordinal(index: usize) -> &'static str {
    ["1st", "2nd", "3rd", "4th"].get(index).copied().unwrap_or("last")
}
