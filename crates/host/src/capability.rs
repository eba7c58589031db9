//! What every namespace of host calls has in common: a table of operations that read a question and write an answer.
//!
//! Nothing here decides who answers; that is the router's job, in the folder's `mod.rs`.

use serde::Serialize;
use serde_json::Value;

use super::request::Request;

/// One namespace of calls a policy can make to its host.
pub(super) trait Capability: Send + Sync {
    /// The namespace as guests name it.
    fn namespace(&self) -> &'static str;
    /// Its operations.
    fn operations(&self) -> &'static [Operation];
}

/// One operation of a namespace.
pub(super) struct Operation {
    /// Full name, `oci/v1/manifest_digest`: the key in `host:` tables and the word of `hostCapabilities`.
    pub(super) capability: &'static str,
    /// The part behind the namespace, as guests name it.
    pub(super) name: &'static str,
    /// Reads what the guest asks. The error text is what the server hands to the guest.
    pub(super) read: fn(&[u8]) -> serde_json::Result<Request>,
    /// Turns the value of a `host:` entry into the reply. Without a request only the shape of the value is of interest.
    pub(super) reply: fn(&Value, Option<&Request>) -> Result<Vec<u8>, String>,
    /// An answer in YAML, to be pasted into a suite and corrected there.
    pub(super) example: fn(&Request) -> String,
}

/// The bytes of a reply.
pub fn to_bytes(reply: &impl Serialize) -> Result<Vec<u8>, String> {
    serde_json::to_vec(reply).map_err(|error| error.to_string())
}

/// What a value is, for messages about a value of the wrong kind.
pub(super) fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(true) => "`true`",
        Value::Bool(false) => "`false`",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
