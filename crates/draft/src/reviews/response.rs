//! A recorded answer as an expectation.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy_verify_model::yaml::emit::Node;
use serde_json::Value;

use crate::admission::member;
use crate::tree::node_of;

/// What a case expects.
#[derive(Debug)]
pub(super) struct Expectation {
    pub(super) node: Node,
    pub(super) is_weak: bool,
    /// What the answer has and the expectation does not.
    pub(super) lost: Vec<String>,
}

/// The expectation that only this answer meets.
pub(super) fn expectation(response: &Value) -> Option<Expectation> {
    let is_allowed = member(response, "allowed").and_then(Value::as_bool)?;
    let mut lost = Vec::new();
    let (word, value) = if is_allowed { allowed(response, &mut lost) } else { denied(response) };
    let is_weak = value.is_none() && word != "allow";
    let mut members = vec![(word.to_owned(), value.unwrap_or(Node::Bool(true)))];
    let code = response.pointer("/status/code").filter(|_| !is_allowed).filter(|it| it.is_number());
    let warnings = member(response, "warnings").filter(|it| it.is_array());
    let annotations = member(response, "auditAnnotations").filter(|it| it.is_object());
    for (key, value) in [("code", code), ("warnings", warnings), ("auditAnnotations", annotations)] {
        members.extend(value.map(|value| (key.to_owned(), node_of(value))));
    }
    let is_word = members.len() == 1 && members[0].1 == Node::Bool(true);
    let node = if is_word { Node::text(word) } else { Node::Map(members.into_iter().collect()) };
    Some(Expectation { node, is_weak, lost })
}

fn allowed(response: &Value, lost: &mut Vec<String>) -> (&'static str, Option<Node>) {
    let Some(patch) = member(response, "patch") else { return ("allow", None) };
    match operations(patch) {
        Some(Value::Array(patch)) if patch.is_empty() => ("allow", None),
        Some(patch) => ("mutate", Some(Node::map([("patch", node_of(&patch))]))),
        None => {
            lost.push("the patch of the recorded response is unreadable".to_owned());
            ("mutate", None)
        }
    }
}

/// The operations of a patch, which is base64 in JSON.
pub(super) fn operations(patch: &Value) -> Option<Value> {
    let bytes = STANDARD.decode(patch.as_str()?.trim()).ok()?;
    serde_json::from_slice::<Value>(&bytes).ok().filter(Value::is_array)
}

fn denied(response: &Value) -> (&'static str, Option<Node>) {
    let message = response.pointer("/status/message").and_then(Value::as_str).filter(|it| !it.is_empty());
    ("deny", message.map(Node::text))
}

#[cfg(test)]
mod tests {
    use policy_verify_model::yaml::flow;
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_expected_as_they_were() {
        let patch = STANDARD.encode("[{\"op\":\"add\",\"path\":\"/a\",\"value\":1}]");
        for (response, wanted, is_weak) in [
            (json!({ "allowed": true }), "allow", false),
            (json!({ "allowed": true, "patch": null, "warnings": null }), "allow", false),
            (json!({ "allowed": true, "patch": STANDARD.encode("[]") }), "allow", false),
            (json!({ "allowed": true, "warnings": ["w"] }), "{ allow: true, warnings: [w] }", false),
            (
                json!({ "allowed": true, "patch": patch }),
                "{ mutate: { patch: [{ op: add, path: /a, value: 1 }] } }",
                false,
            ),
            (json!({ "allowed": true, "patch": "?" }), "mutate", true),
            (json!({ "allowed": false }), "deny", true),
            (json!({ "allowed": false, "status": { "message": "nope" } }), "{ deny: nope }", false),
            (
                json!({ "allowed": false, "status": { "message": "nope", "code": 400 }, "auditAnnotations": { "a": "b" } }),
                "{ deny: nope, code: 400, auditAnnotations: { a: b } }",
                false,
            ),
            (json!({ "allowed": false, "status": { "code": 400 } }), "{ deny: true, code: 400 }", true),
        ] {
            let found = expectation(&response).unwrap();
            assert_eq!((flow::flow(&found.node).as_str(), found.is_weak), (wanted, is_weak), "{response}");
        }
        assert!(expectation(&json!({ "uid": "a" })).is_none());
    }
}
