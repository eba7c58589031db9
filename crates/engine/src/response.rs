//! What passes between a policy and us as JSON: the payload of `validate`, the reading of replies, and the
//! AdmissionResponse the server makes of them.
//!
//! Post-processing (monitor mode, forbidden mutations, custom messages) comes later and elsewhere.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use policy_verify_model::answer::{
    AdmissionResponse, Answer, Fault, FaultKind, SETTINGS_ARE_INVALID, ServerAnswer, SettingsVerdict, Status,
    ValidationResponse,
};
use policy_verify_model::budget::{Budget, Exceeded, Room};
use policy_verify_model::patch;
use policy_verify_model::policy::Settings;
use policy_verify_model::request::Request;

/// The server's own words for a mutation of a request without an object.
const NOTHING_TO_MUTATE: &str = "Incoming object is null, which happens only with DELETE operations, but the policy \
                                 is attempting a mutation. This is not allowed";

/// Characters of an unreadable reply that are quoted.
const QUOTED: usize = 80;

/// The document `validate` is called with: compact, keys sorted.
pub(super) fn payload(request: &Request, settings: &Settings) -> Vec<u8> {
    #[derive(Serialize)]
    struct Payload<'a> {
        request: &'a Request,
        settings: &'a Settings,
    }
    to_json(&Payload { request, settings })
}

/// The document settings validation is called with: the settings themselves.
pub(super) fn settings_payload(settings: &Settings) -> Vec<u8> {
    to_json(settings)
}

fn to_json(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("a JSON value can always be written as JSON")
}

/// Reads the reply to a settings validation. `problem` is what the server says about a reply it cannot read.
pub(super) fn settings_verdict(
    reply: &[u8],
    problem: impl Fn(&serde_json::Error) -> String,
) -> Result<SettingsVerdict, Fault> {
    afford(reply)?;
    serde_json::from_slice(reply).map_err(|error| {
        Fault::new(FaultKind::InvalidResponse, unreadable(reply, "settings validation response", &error))
            .at_server(invalid_settings(&problem(&error)))
    })
}

/// The server's rejection of every request for a policy whose settings it takes for invalid.
pub(super) fn invalid_settings(reason: &str) -> ServerAnswer {
    ServerAnswer::NotServed(format!("{SETTINGS_ARE_INVALID}{reason}"))
}

/// Reads the reply to `validate` and makes the server's response of it. `problem` is what the server says before the
/// parser's text when it cannot.
pub(super) fn answer(reply: &[u8], request: &Request, problem: &str) -> Answer {
    read_or(reply, "validation response", problem).and_then(|response| admission_response(response, request))
}

/// Reads any reply; `what` says what it ought to be.
pub(super) fn read<T: DeserializeOwned>(reply: &[u8], what: &str) -> Result<T, Fault> {
    read_or(reply, what, "").map_err(|fault| Fault { at_server: None, ..fault })
}

/// Reads any reply where `problem` is what the server says before the parser's text when it cannot.
pub(super) fn read_or<T: DeserializeOwned>(reply: &[u8], what: &str, problem: &str) -> Result<T, Fault> {
    afford(reply)?;
    serde_json::from_slice(reply).map_err(|error| {
        Fault::new(FaultKind::InvalidResponse, unreadable(reply, what, &error))
            .at_server(internal_error(&format_args!("{problem}: {error}")))
    })
}

/// Refuses a reply that would take too much memory: a short text can make many values.
fn afford(reply: &[u8]) -> Result<(), Fault> {
    Room::default().take_json(reply).map_err(|exceeded| too_large("the policy's reply", exceeded))
}

/// The fault of a policy that answers too much.
fn too_large(what: &str, exceeded: Exceeded) -> Fault {
    exceeded.fault(what).with_help("the limit is fixed: let the policy answer less, or give it a smaller object")
}

/// The message about a reply that cannot be read.
fn unreadable(reply: &[u8], what: &str, error: &serde_json::Error) -> String {
    if reply.is_empty() {
        return format!("the policy's reply is empty instead of a {what}: {error}");
    }
    format!("the policy's reply is not a {what}: {error}; it begins with `{}`", quoted(reply))
}

/// The server's rejection for what it takes for an internal error.
pub(super) fn internal_error(text: &dyn fmt::Display) -> ServerAnswer {
    ServerAnswer::Rejects(format!("internal server error: {text}"))
}

fn quoted(reply: &[u8]) -> String {
    // A character has at most four bytes.
    let beginning = &reply[..reply.len().min(4 * QUOTED)];
    String::from_utf8_lossy(beginning).chars().take(QUOTED).collect()
}

fn admission_response(response: ValidationResponse, request: &Request) -> Answer {
    let uid = request.uid().to_owned();
    let patch = match (&response.mutated_object, request.mutable_document()) {
        (None, _) => None,
        (Some(_), None) => {
            let status = Status { message: Some(NOTHING_TO_MUTATE.into()), ..Status::default() };
            return Ok(AdmissionResponse { uid, allowed: false, status: Some(status), ..AdmissionResponse::default() });
        }
        (Some(mutated), Some(original)) => patch::between(original, mutated, &Budget::default())
            .map_err(|exceeded| too_large("the patch to the mutated object", exceeded))?,
    };
    let has_status = response.message.is_some() || response.code.is_some();
    Ok(AdmissionResponse {
        uid,
        allowed: response.accepted,
        patch_type: patch.is_some().then(|| "JSONPatch".into()),
        patch,
        status: has_status.then(|| Status { message: response.message, code: response.code, ..Status::default() }),
        audit_annotations: response.audit_annotations,
        warnings: response.warnings,
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::{Value, json};

    use super::*;

    fn raw(document: Value) -> Request {
        Request::Raw(document)
    }

    fn answered(reply: Value, request: &Request) -> Value {
        serde_json::to_value(answer(reply.to_string().as_bytes(), request, "").unwrap()).unwrap()
    }

    fn patch_text(original: Value, mutated: Value) -> Option<String> {
        let patch = patch::between(&original, &mutated, &Budget::default()).unwrap()?;
        Some(String::from_utf8(STANDARD.decode(patch).unwrap()).unwrap())
    }

    fn deletion() -> Request {
        Request::Admission(Box::new(
            serde_json::from_value(json!({
                "uid": "u1",
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "operation": "DELETE",
                "userInfo": {},
                "object": null,
                "oldObject": {"kind": "Pod"}
            }))
            .unwrap(),
        ))
    }

    #[test]
    fn a_bare_acceptance_still_has_both_nulls() {
        let answer = answer(br#"{"accepted":true}"#, &raw(json!({"uid": "u1"})), "").unwrap();
        assert_eq!(
            serde_json::to_string(&answer).unwrap(),
            r#"{"uid":"u1","allowed":true,"auditAnnotations":null,"warnings":null}"#
        );
    }

    #[test]
    fn everything_a_policy_can_say_arrives() {
        let reply = json!({
            "accepted": false, "message": "m", "code": 422, "mutated_object": null, "unknown": 1,
            "audit_annotations": {"b": "2", "a": "1"}, "warnings": ["w"]
        });
        assert_eq!(
            answered(reply, &raw(json!({}))),
            json!({
                "uid": "", "allowed": false, "status": {"message": "m", "code": 422},
                "auditAnnotations": {"a": "1", "b": "2"}, "warnings": ["w"]
            })
        );
    }

    #[test]
    fn a_message_or_a_code_alone_makes_a_status_even_when_allowed() {
        let request = raw(json!({}));
        assert_eq!(answered(json!({"accepted": true, "code": 299}), &request)["status"], json!({"code": 299}));
        assert_eq!(answered(json!({"accepted": true, "message": ""}), &request)["status"], json!({"message": ""}));
    }

    #[test]
    fn a_patch_is_computed_even_for_a_rejection() {
        let request = raw(json!({"a": 1}));
        let response = answered(json!({"accepted": false, "mutated_object": {"a": 2}}), &request);
        assert_eq!(response["patchType"], "JSONPatch");
        assert_eq!(response["patch"], STANDARD.encode(r#"[{"op":"replace","path":"/a","value":2}]"#));
        assert_eq!(response["allowed"], false);
    }

    #[test]
    fn an_equal_object_is_no_mutation() {
        let request = raw(json!({"a": [1, {"b": null}]}));
        let response = answered(json!({"accepted": true, "mutated_object": {"a": [1, {"b": null}]}}), &request);
        assert_eq!((response.get("patch"), response.get("patchType")), (None, None));
    }

    #[test]
    fn mutating_a_deletion_is_a_rejection_without_a_code() {
        let reply = json!({"accepted": true, "mutated_object": {}, "code": 299, "warnings": ["w"]});
        assert_eq!(
            answered(reply, &deletion()),
            json!({
                "uid": "u1", "allowed": false, "status": {"message": NOTHING_TO_MUTATE},
                "auditAnnotations": null, "warnings": null
            })
        );
        assert_eq!(answered(json!({"accepted": true, "mutated_object": null}), &deletion())["allowed"], true);
    }

    #[test]
    fn patches_are_those_of_the_server() {
        for (original, mutated, expected) in [
            (
                json!({"a": 1, "z": 1}),
                json!({"b": 2, "z": 3}),
                r#"[{"op":"add","path":"/b","value":2},{"op":"replace","path":"/z","value":3},{"op":"remove","path":"/a"}]"#,
            ),
            (
                json!([1, 2, 3]),
                json!([0, 1, 2, 3]),
                r#"[{"op":"replace","path":"/0","value":0},{"op":"replace","path":"/1","value":1},{"op":"replace","path":"/2","value":2},{"op":"add","path":"/3","value":3}]"#,
            ),
            (
                json!({"l": [1, 2, 3]}),
                json!({"l": [1]}),
                r#"[{"op":"remove","path":"/l/1"},{"op":"remove","path":"/l/1"}]"#,
            ),
            (json!({"a": 1}), json!([]), r#"[{"op":"replace","path":"","value":[]}]"#),
            (json!({"a/b~": 1}), json!({"a/b~": 2}), r#"[{"op":"replace","path":"/a~1b~0","value":2}]"#),
            (json!({"a": 1}), json!({"a": 1.0}), r#"[{"op":"replace","path":"/a","value":1.0}]"#),
        ] {
            assert_eq!(patch_text(original, mutated).as_deref(), Some(expected));
        }
    }

    #[test]
    fn patches_are_padded() {
        let patch = patch::between(&json!({}), &json!({"a": 1}), &Budget::default()).unwrap().unwrap();
        assert_eq!(patch, "W3sib3AiOiJhZGQiLCJwYXRoIjoiL2EiLCJ2YWx1ZSI6MX1d");
        let patch = patch::between(&json!({}), &json!({"a": 10}), &Budget::default()).unwrap().unwrap();
        assert_eq!(patch, "W3sib3AiOiJhZGQiLCJwYXRoIjoiL2EiLCJ2YWx1ZSI6MTB9XQ==");
    }

    #[test]
    fn the_payload_is_compact_and_sorted() {
        let settings = json!({"z": 1, "a": {"y": 12345678901234567890_u64, "b": 1.0}});
        let payload = payload(&raw(json!({"z": [], "a": "é"})), settings.as_object().unwrap());
        assert_eq!(
            String::from_utf8(payload).unwrap(),
            r#"{"request":{"a":"é","z":[]},"settings":{"a":{"b":1.0,"y":12345678901234567890},"z":1}}"#
        );
    }

    #[test]
    fn absent_members_of_a_request_are_left_out() {
        let payload = payload(&deletion(), &Settings::new());
        assert_eq!(
            String::from_utf8(payload).unwrap(),
            concat!(
                r#"{"request":{"kind":{"group":"","kind":"Pod","version":"v1"},"oldObject":{"kind":"Pod"},"#,
                r#""operation":"DELETE","resource":{"group":"","resource":"pods","version":"v1"},"uid":"u1","#,
                r#""userInfo":{}},"settings":{}}"#
            )
        );
    }

    #[test]
    fn unreadable_replies_say_what_the_parser_says() {
        for (reply, expected) in [
            (&b""[..], "EOF while parsing a value"),
            (b"nonsense", "it begins with `nonsense`"),
            (br#"{"valid":true}"#, "missing field `accepted`"),
            (br#"{"accepted":true,"code":65536}"#, "expected u16"),
            (br#"{"accepted":true} trailing"#, "trailing characters"),
            (b"\xff", "it begins with"),
        ] {
            let fault = answer(reply, &raw(json!({})), "unreadable").unwrap_err();
            assert_eq!(fault.kind, FaultKind::InvalidResponse);
            assert!(fault.message.contains(expected), "{}", fault.message);
            let Some(ServerAnswer::Rejects(text)) = fault.at_server else { panic!("the server rejects") };
            assert!(text.starts_with("internal server error: unreadable: "), "{text}");
        }
    }

    #[test]
    fn a_long_reply_is_not_quoted_whole() {
        let fault = answer("é".repeat(10_000).as_bytes(), &raw(json!({})), "").unwrap_err();
        assert!(fault.message.contains(&"é".repeat(QUOTED)));
        assert!(!fault.message.contains(&"é".repeat(QUOTED + 1)));
    }
}
