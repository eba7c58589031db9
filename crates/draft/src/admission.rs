//! A recorded request as the keys of a case: as it is if it is complete, else its parts, which verify completes.

use policy_verify_model::request::AdmissionRequest;
use policy_verify_model::yaml::emit::Node;
use serde::Deserialize as _;
use serde_json::Value;

use crate::draft::Entry;
use crate::imported::Fixtures;
use crate::tree::node_of;

/// Members of a request that verify makes of the object itself, or that no policy sees.
const MADE: &[&str] = &["uid", "kind", "resource", "requestKind", "requestResource", "requestSubResource", "name"];

/// Members that are keys of a case.
const KEYS: &[&str] =
    &["object", "oldObject", "operation", "userInfo", "namespace", "subResource", "dryRun", "options"];

/// Whether policy-server would take the request.
pub(crate) fn is_complete(request: &Value) -> bool {
    AdmissionRequest::deserialize(request).is_ok()
}

/// A member of a request; `null` is absent.
pub(crate) fn member<'a>(request: &'a Value, key: &str) -> Option<&'a Value> {
    request.get(key).filter(|value| !value.is_null())
}

/// Adds the request to a case by its parts; what is told about it, or why there is no case.
pub(crate) fn add_parts(request: &Value, case: &mut Entry, fixtures: &mut Fixtures) -> Result<Vec<String>, String> {
    let operation = member(request, "operation").and_then(Value::as_str).unwrap_or("CREATE");
    let (object, old) = (member(request, "object"), member(request, "oldObject"));
    let (object, old) = if operation == "DELETE" { (None, old.or(object)) } else { (object, old) };
    let Some(main) = object.or(old) else { return Err("the request has neither `object` nor `oldObject`".into()) };
    let title = title(request, main, operation);
    let mut notes = Vec::new();
    if let Some(object) = object {
        case.push("object", Node::text(fixtures.add(&title, object)));
    }
    if let Some(old) = old {
        let title = if object.is_some() { format!("{title} old") } else { title };
        case.push("oldObject", Node::text(fixtures.add(&title, old)));
    }
    match operation {
        "CREATE" if old.is_none() => {}
        "UPDATE" if old.is_none() => {
            case.push("operation", Node::text("UPDATE"));
            notes.push("the request has no old object: the object is sent as both".to_owned());
        }
        "DELETE" => {}
        "UPDATE" if object.is_some() => {}
        other => case.push("operation", Node::text(other)),
    }
    add_rest(request, main, case);
    let is_known = |key: &str| MADE.contains(&key) || KEYS.contains(&key);
    let members = request.as_object().into_iter().flatten();
    notes
        .extend(members.filter(|(key, _)| !is_known(key)).map(|(key, _)| format!("`{key}` of the request is unknown")));
    Ok(notes)
}

fn add_rest(request: &Value, main: &Value, case: &mut Entry) {
    if let Some(user) = member(request, "userInfo").and_then(user) {
        case.push("user", user);
    }
    let namespace = member(request, "namespace").and_then(Value::as_str).filter(|it| !it.is_empty());
    let own = main.pointer("/metadata/namespace").and_then(Value::as_str);
    let is_namespace = main.get("kind").and_then(Value::as_str) == Some("Namespace");
    if let Some(namespace) = namespace.filter(|namespace| own != Some(*namespace) && !is_namespace) {
        case.push("namespace", Node::text(namespace));
    }
    if let Some(part) = member(request, "subResource").and_then(Value::as_str).filter(|it| !it.is_empty()) {
        case.push("subresource", Node::text(part));
    }
    if member(request, "dryRun").and_then(Value::as_bool) == Some(true) {
        case.push("dryRun", Node::Bool(true));
    }
    let mut options = member(request, "options").cloned().unwrap_or_default();
    if let Some(members) = options.as_object_mut() {
        members.retain(|key, _| !["apiVersion", "kind", "dryRun"].contains(&key.as_str()));
        if !members.is_empty() {
            case.push("options", node_of(&options));
        }
    }
}

/// `user` of a case: the name alone where nothing else is known.
pub(crate) fn user(info: &Value) -> Option<Node> {
    let members = info.as_object()?;
    let kept = ["username", "uid", "groups", "extra"];
    let found: Vec<(&str, &Value)> =
        kept.iter().filter_map(|key| members.get(*key).filter(|it| !it.is_null()).map(|it| (*key, it))).collect();
    match found.as_slice() {
        [] => None,
        [("username", Value::String(name))] => Some(Node::text(name)),
        found => Some(Node::Map(found.iter().map(|(key, it)| ((*key).to_owned(), node_of(it))).collect())),
    }
}

/// `UPDATE Pod nginx`
fn title(request: &Value, main: &Value, operation: &str) -> String {
    let kind = main.get("kind").and_then(Value::as_str).unwrap_or("object");
    let name = main.pointer("/metadata/name").or_else(|| request.get("name")).and_then(Value::as_str);
    format!("{operation} {kind} {}", name.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn case(request: Value) -> (String, Vec<String>) {
        let (mut case, mut fixtures) = (Entry::named("a"), Fixtures::default());
        let notes = add_parts(&request, &mut case, &mut fixtures).unwrap();
        case.keys.shift_remove("name");
        (serde_json::to_string(&case.keys).unwrap(), notes)
    }

    #[test]
    fn every_part_of_a_request_is_a_key_of_the_case() {
        let pod = json!({ "kind": "Pod", "metadata": { "name": "web" } });
        let other = json!({ "kind": "Pod", "metadata": { "name": "web", "labels": {} } });
        for (request, keys) in [
            (json!({ "object": pod }), json!({ "object": "fixtures/create-pod-web.json" })),
            (
                json!({ "operation": "UPDATE", "object": pod, "oldObject": other }),
                json!({ "object": "fixtures/update-pod-web.json", "oldObject": "fixtures/update-pod-web-old.json" }),
            ),
            (
                json!({ "operation": "UPDATE", "object": pod, "oldObject": null }),
                json!({ "object": "fixtures/update-pod-web.json", "operation": "UPDATE" }),
            ),
            (
                json!({ "operation": "DELETE", "oldObject": pod }),
                json!({ "oldObject": "fixtures/delete-pod-web.json" }),
            ),
            (json!({ "operation": "DELETE", "object": pod }), json!({ "oldObject": "fixtures/delete-pod-web.json" })),
            (
                json!({ "object": pod, "namespace": "shop", "subResource": "status", "dryRun": true,
                    "userInfo": { "username": "alice" }, "options": { "kind": "CreateOptions", "fieldManager": "x" } }),
                json!({ "object": "fixtures/create-pod-web.json", "user": "alice", "namespace": "shop",
                    "subresource": "status", "dryRun": true, "options": { "fieldManager": "x" } }),
            ),
            (
                json!({ "object": pod, "userInfo": { "username": "a", "groups": ["b"], "extra": { "c": ["d"] } } }),
                json!({ "object": "fixtures/create-pod-web.json",
                    "user": { "username": "a", "groups": ["b"], "extra": { "c": ["d"] } } }),
            ),
        ] {
            let (written, _) = case(request.clone());
            let written: Value = serde_json::from_str(&written).unwrap();
            assert_eq!(written, keys, "{request}");
        }
    }

    #[test]
    fn what_is_no_key_is_told() {
        let (_, notes) = case(json!({ "object": {}, "operation": "UPDATE", "futureMember": 1 }));
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(notes[1].contains("`futureMember`"), "{notes:?}");
        let none = add_parts(&json!({ "operation": "CREATE" }), &mut Entry::named("a"), &mut Fixtures::default());
        assert!(none.unwrap_err().contains("neither"));
    }
}
