//! The readers of what a policy replies, for the fuzz targets, which have bytes instead of a module. They are no part of
//! the interface and may change at any time.

use policy_verify_model::answer::{Answer, Fault, SettingsVerdict};
use policy_verify_model::policy::ProtocolVersion;
use policy_verify_model::request::Request;

use super::response;

/// Reads the reply to `validate`, and makes the response of the server.
pub fn validation(reply: &[u8], request: &Request) -> Answer {
    response::answer(reply, request, "invalid response from policy")
}

/// Reads the reply to `validate_settings`.
///
/// # Errors
///
/// The fault of a policy with such a reply.
pub fn settings(reply: &[u8]) -> Result<SettingsVerdict, Fault> {
    response::settings_verdict(reply, ToString::to_string)
}

/// Reads the reply to `protocol_version`.
///
/// # Errors
///
/// The fault of a policy with such a reply.
pub fn protocol_version(reply: &[u8]) -> Result<ProtocolVersion, Fault> {
    response::read(reply, "protocol version")
}
