//! Events of Kubernetes' audit log as the requests that a webhook got.
//!
//! An event has the object as the client sent it, and the answer. It never has the old object, and nothing of a request
//! that its level leaves out.

use serde_json::{Value, json};

use super::record::{NoRequest, Recorded};
use crate::admission::member;

/// Subresources that are connected to.
const CONNECTED: &[&str] = &["exec", "attach", "portforward", "proxy"];

fn text<'a>(event: &'a Value, pointer: &str) -> &'a str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The request of an event, or why it has none.
pub(super) fn request(event: &Value) -> Result<Recorded, NoRequest> {
    let verb = text(event, "/verb");
    let resource = match text(event, "/objectRef/subresource") {
        "" => text(event, "/objectRef/resource").to_owned(),
        part => format!("{}/{part}", text(event, "/objectRef/resource")),
    };
    let none = |why: String| NoRequest { what: format!("{verb} {resource}").trim_end().to_owned(), why };
    let found = objects(event).and_then(|objects| built(event, objects));
    found.map_err(none)
}

/// What an event knows of its objects.
struct Objects {
    operation: &'static str,
    object: Option<Value>,
    old: Option<Value>,
    notes: Vec<String>,
    lost: Vec<String>,
}

fn objects(event: &Value) -> Result<Objects, String> {
    let stage = text(event, "/stage");
    if !["", "ResponseComplete"].contains(&stage) {
        return Err(format!("stage {stage}: the event of the complete answer has the request"));
    }
    if CONNECTED.contains(&text(event, "/objectRef/subresource")) {
        return Err("the audit log has no options of connections".to_owned());
    }
    let verb = text(event, "/verb");
    if ["get", "list", "watch", "proxy", ""].contains(&verb) {
        return Err("reads are not sent to webhooks".to_owned());
    }
    let code = event.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or(200);
    if !(200..300).contains(&code) && denial(event).is_none() {
        return Err(format!("the request failed with status {code}: it may never have reached a webhook"));
    }
    let object =
        |key: &str| member(event, key).filter(|it| it.get("kind").is_some_and(|kind| kind != "Status")).cloned();
    let level = || format!("the event has no object: its level is {}", text(event, "/level"));
    let update = |object: Value| Objects {
        operation: "UPDATE",
        old: Some(object.clone()),
        object: Some(object),
        notes: Vec::new(),
        lost: vec!["the old object: the audit log has none, the new one is sent as both".to_owned()],
    };
    match verb {
        "create" => {
            let object = object("requestObject").ok_or_else(level)?;
            Ok(Objects { operation: "CREATE", object: Some(object), old: None, notes: Vec::new(), lost: Vec::new() })
        }
        "update" => Ok(update(object("requestObject").ok_or_else(level)?)),
        "patch" => {
            let mut found = update(object("responseObject").ok_or_else(|| match denial(event) {
                Some(_) => "a patch that was denied: the audit log does not have the object".to_owned(),
                None => level(),
            })?);
            found.notes.push("a patch: the object is the one that was stored".to_owned());
            Ok(found)
        }
        "delete" => {
            let old = object("responseObject").ok_or("a deletion whose answer does not have the object")?;
            Ok(Objects { operation: "DELETE", object: None, old: Some(old), notes: Vec::new(), lost: Vec::new() })
        }
        "deletecollection" => Err("a webhook gets one request for each object, the event has none of them".to_owned()),
        other => Err(format!("the verb {other} is unknown")),
    }
}

fn built(event: &Value, mut objects: Objects) -> Result<Recorded, String> {
    let reference = member(event, "objectRef").ok_or("the event has no `objectRef`")?;
    let of = |key: &str| reference.get(key).and_then(Value::as_str).unwrap_or_default();
    let main = objects.object.as_ref().or(objects.old.as_ref());
    let kind = main.and_then(kind).ok_or("the object has no `apiVersion` and `kind`")?;
    let name = match of("name") {
        "" => main.map(|it| text(it, "/metadata/name")).unwrap_or_default().to_owned(),
        name => name.to_owned(),
    };
    [&mut objects.object, &mut objects.old].into_iter().flatten().for_each(|it| place(it, of("namespace")));
    let group = of("apiGroup");
    let version = if of("apiVersion").is_empty() { "v1" } else { of("apiVersion") };
    let resource = json!({ "group": group, "version": version, "resource": of("resource") });
    let mut request = json!({
        "kind": kind, "requestKind": kind, "resource": resource, "requestResource": resource,
        "operation": objects.operation, "userInfo": user(event), "uid": text(event, "/auditID"), "dryRun": is_dry_run(event),
    });
    for (key, value) in [("name", name.as_str()), ("namespace", of("namespace")), ("subResource", of("subresource"))] {
        if !value.is_empty() {
            request[key] = value.into();
        }
    }
    if !of("subresource").is_empty() {
        request["requestSubResource"] = of("subresource").into();
    }
    for (key, value) in [("object", objects.object), ("oldObject", objects.old)] {
        if let Some(value) = value {
            request[key] = value;
        }
    }
    let (mut notes, mut response) = (objects.notes, None);
    if let Some((webhook, message)) = denial(event) {
        notes.push(format!("denied by the webhook {webhook}"));
        response = Some(json!({ "allowed": false, "status": { "message": message } }));
    }
    Ok(Recorded { request, response, notes, lost: objects.lost })
}

/// The API server puts objects into their namespace before webhooks get them.
fn place(object: &mut Value, namespace: &str) {
    let is_namespace = object.get("kind").is_some_and(|kind| kind == "Namespace");
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
        && !namespace.is_empty()
        && !is_namespace
    {
        metadata.entry("namespace").or_insert_with(|| namespace.into());
    }
}

fn kind(object: &Value) -> Option<Value> {
    let (version, kind) = (object.get("apiVersion")?.as_str()?, object.get("kind")?.as_str()?);
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    Some(json!({ "group": group, "version": version, "kind": kind }))
}

/// Who is asked about: the user that is impersonated, if there is one.
fn user(event: &Value) -> Value {
    let user = member(event, "impersonatedUser").or(member(event, "user"));
    user.filter(|user| user.is_object()).cloned().unwrap_or_else(|| json!({}))
}

fn is_dry_run(event: &Value) -> bool {
    text(event, "/requestURI").contains("dryRun=All")
}

/// The webhook that denied the request, and its message.
fn denial(event: &Value) -> Option<(&str, &str)> {
    let text = text(event, "/responseStatus/message");
    let (webhook, rest) = text.split_once("admission webhook \"")?.1.split_once('"')?;
    let message = rest.strip_prefix(" denied the request")?;
    Some((webhook, message.strip_prefix(": ").unwrap_or("")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(changes: Value) -> Value {
        let mut event = json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse", "stage": "ResponseComplete",
            "auditID": "1", "verb": "create", "requestURI": "/api/v1/namespaces/shop/pods?dryRun=All",
            "user": { "username": "alice" }, "responseStatus": { "code": 201 },
            "objectRef": { "resource": "pods", "namespace": "shop", "name": "web", "apiVersion": "v1" },
            "requestObject": { "apiVersion": "v1", "kind": "Pod", "metadata": {} },
        });
        for (key, value) in changes.as_object().unwrap() {
            event[key] = value.clone();
        }
        event
    }

    #[test]
    fn an_event_is_the_request_that_a_webhook_got() {
        let found = request(&event(json!({}))).unwrap();
        let of = json!({ "group": "", "version": "v1", "kind": "Pod" });
        let resource = json!({ "group": "", "version": "v1", "resource": "pods" });
        let wanted = json!({
            "kind": of, "requestKind": of, "resource": resource, "requestResource": resource, "operation": "CREATE",
            "userInfo": { "username": "alice" }, "uid": "1", "name": "web", "namespace": "shop", "dryRun": true,
            "object": { "apiVersion": "v1", "kind": "Pod", "metadata": { "namespace": "shop" } },
        });
        assert_eq!(found.request, wanted);
        assert!(crate::admission::is_complete(&found.request) && found.lost.is_empty());
    }

    #[test]
    fn verbs_are_operations() {
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" } });
        for (changes, operation, has_object, has_old, lost) in [
            (json!({ "verb": "update" }), "UPDATE", true, true, 1),
            (
                json!({ "verb": "patch", "requestObject": { "spec": {} }, "responseObject": pod }),
                "UPDATE",
                true,
                true,
                1,
            ),
            (json!({ "verb": "delete", "responseObject": pod }), "DELETE", false, true, 0),
            (json!({ "impersonatedUser": { "username": "bob" } }), "CREATE", true, false, 0),
        ] {
            let found = request(&event(changes.clone())).unwrap();
            let request = &found.request;
            let shape = (
                request["operation"].as_str().unwrap(),
                request.get("object").is_some(),
                request.get("oldObject").is_some(),
            );
            assert_eq!((shape, found.lost.len()), ((operation, has_object, has_old), lost), "{changes}");
            let user = if changes.get("impersonatedUser").is_some() { "bob" } else { "alice" };
            assert_eq!(request["userInfo"]["username"], user);
        }
    }

    #[test]
    fn subresources_keep_the_resource_they_belong_to() {
        let changes = json!({
            "objectRef": { "resource": "pods", "subresource": "eviction", "namespace": "shop", "name": "web", "apiVersion": "v1" },
            "requestObject": { "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": "web" } },
        });
        let found = request(&event(changes)).unwrap().request;
        assert_eq!(
            (&found["kind"]["group"], &found["resource"]["resource"], &found["subResource"]),
            (&json!("policy"), &json!("pods"), &json!("eviction"))
        );
    }

    #[test]
    fn a_denial_by_a_webhook_is_the_recorded_answer() {
        let message = "admission webhook \"w.example\" denied the request: no owner";
        let found = request(&event(json!({ "responseStatus": { "code": 403, "message": message } }))).unwrap();
        assert_eq!(found.response.unwrap(), json!({ "allowed": false, "status": { "message": "no owner" } }));
        assert!(found.notes[0].contains("w.example"));
    }

    #[test]
    fn events_without_a_request_say_why() {
        for (changes, why) in [
            (json!({ "verb": "get" }), "reads"),
            (json!({ "verb": "watch" }), "reads"),
            (json!({ "stage": "RequestReceived" }), "stage RequestReceived"),
            (json!({ "requestObject": null, "level": "Metadata" }), "level is Metadata"),
            (json!({ "responseStatus": { "code": 403, "message": "forbidden" } }), "status 403"),
            (json!({ "responseStatus": { "code": 409 } }), "status 409"),
            (json!({ "verb": "patch" }), "no object"),
            (json!({ "verb": "delete", "responseObject": { "kind": "Status" } }), "deletion"),
            (json!({ "verb": "deletecollection" }), "one request for each"),
            (json!({ "verb": "bind" }), "verb bind"),
            (json!({ "objectRef": null }), "objectRef"),
            (json!({ "objectRef": { "resource": "pods", "subresource": "exec" } }), "connections"),
            (json!({ "requestObject": { "kind": "Pod" } }), "`apiVersion`"),
        ] {
            let none = request(&event(changes.clone())).unwrap_err();
            assert!(none.why.contains(why), "{changes}: {}", none.why);
        }
    }
}
