//! What a policy replies to `validate`, `validate_settings` and `protocol_version`.

use policy_verify_engine::fuzzing;
use policy_verify_model::answer::{Fault, FaultKind};
use policy_verify_model::budget::Budget;
use policy_verify_model::patch;
use policy_verify_model::request::Request;
use serde_json::{Value, json};

/// A reply is the response that it says, or a fault; never a verdict that the policy did not give.
pub fn reply(bytes: &[u8]) {
    let requests = [json!({ "uid": "1", "a": [1, { "b": null }] }), json!({}), json!([])];
    for document in requests {
        validation(bytes, &document);
    }
    match fuzzing::settings(bytes) {
        Ok(verdict) => {
            if let Some(said) = document(bytes) {
                assert_eq!(said["valid"], json!(verdict.valid), "{said}");
            }
        }
        Err(fault) => is_bounded(&fault, bytes),
    }
    if let Err(fault) = fuzzing::protocol_version(bytes) {
        is_bounded(&fault, bytes);
    }
}

fn validation(bytes: &[u8], document: &Value) {
    let response = match fuzzing::validation(bytes, &Request::Raw(document.clone())) {
        Ok(response) => response,
        Err(fault) => return is_bounded(&fault, bytes),
    };
    let Some(said) = self::document(bytes) else { return };
    assert_eq!(said["accepted"], json!(response.allowed), "{said}");
    assert_eq!(said["message"].as_str(), response.message(), "{said}");
    let mutated = said.get("mutated_object").filter(|mutated| !mutated.is_null()).unwrap_or(document);
    let patched = match &response.patch {
        Some(patch) => patch::apply(document, patch, &Budget::default()).expect("a patch of the server can be applied"),
        None => document.clone(),
    };
    assert_eq!(patched, *mutated, "{said}");
    serde_json::to_string(&response).expect("a response can be written");
}

/// The whole reply; none where a member that is not read is no JSON, or the members are in a list: the server reads both.
fn document(reply: &[u8]) -> Option<Value> {
    serde_json::from_slice(reply).ok().filter(Value::is_object)
}

/// A fault says what is wrong, and no more of the reply than there is.
fn is_bounded(fault: &Fault, reply: &[u8]) {
    assert!([FaultKind::InvalidResponse, FaultKind::Timeout, FaultKind::Memory].contains(&fault.kind), "{fault:?}");
    assert!(!fault.message.is_empty() && fault.message.len() < 2_000 + 8 * reply.len(), "{}", fault.message.len());
}
