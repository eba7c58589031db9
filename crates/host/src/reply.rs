//! What a guest receives for a host call, and why the value of a mock cannot become that.

use serde::Serialize;
use serde_json::Value;

/// The text of a failed call. The text is all there is: policy-server hands errors to guests as texts, policies quote
/// them in their messages, and recordings hold them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CallError(pub String);

impl From<&str> for CallError {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// The bytes of a reply, or the error.
pub type Reply = Result<Vec<u8>, CallError>;

/// The bytes of a reply.
pub fn to_bytes(reply: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(reply).expect("a reply holds only texts, numbers, lists and maps of texts")
}

/// Why the value of a mock cannot be turned into a reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMock {
    /// There is no such capability.
    #[error("unknown host capability `{0}`")]
    UnknownCapability(String),
    /// The value has another type.
    #[error("expected {expected}, not {found}")]
    Type {
        /// The values that can be turned into a reply.
        expected: &'static str,
        /// What the value is.
        found: &'static str,
    },
    /// The value is an object without the members of a reply.
    #[error("{problem}; expected {expected}")]
    Members {
        /// What is wrong, in the words of the JSON parser.
        problem: String,
        /// The values that can be turned into a reply.
        expected: &'static str,
    },
    /// The value is a list with something else than addresses.
    #[error("invalid IP address {0}")]
    Address(Value),
    /// The value lacks what policy-server always sends.
    #[error(
        "missing `reason`: a certificate that is not trusted needs one, for instance {{ trusted: false, reason: \
         Certificate is not trusted by the provided cert chain }}"
    )]
    NoReason,
    /// The value is a reply that policy-server never sends.
    #[error(
        "an image cannot be \"not trusted\": the call fails in policy-server; write {{ error: \"Image verification \
         failed: missing signatures\" }}"
    )]
    Untrusted,
}

impl InvalidMock {
    /// A value of the wrong type.
    pub(crate) fn of_type(value: &Value, expected: &'static str) -> Self {
        let found = match value {
            Value::Null => "null",
            Value::Bool(true) => "`true`",
            Value::Bool(false) => "`false`",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        Self::Type { expected, found }
    }

    /// An object whose members are wrong.
    pub(crate) fn of_members(problem: &dyn ToString, expected: &'static str) -> Self {
        Self::Members { problem: problem.to_string(), expected }
    }
}
