//! What all namespaces of host calls have in common: a table of operations, each of which reads a request and turns the
//! value of a mock into a reply.

use serde_json::Value;

use super::reply::InvalidMock;
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
    /// Full name, `oci/v1/manifest_digest`: the key in `host:` tables, and in `hostCapabilities`.
    pub(super) capability: &'static str,
    /// The part behind the namespace, as guests name it.
    pub(super) name: &'static str,
    /// Reads the payload. The error text is what the server hands to the guest.
    pub(super) read: fn(&[u8]) -> serde_json::Result<Request>,
    /// Turns the value of a mock into the reply. Without a request only the shape of the value is checked.
    pub(super) reply: fn(&Value, Option<&Request>) -> Result<Vec<u8>, InvalidMock>,
    /// The value of a mock in YAML, to be pasted into a suite and corrected there.
    pub(super) example: fn(&Request) -> String,
}
