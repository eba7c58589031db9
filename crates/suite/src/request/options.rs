//! The `options` of a request: kind of the operation, dry run, what a deletion is given by the server, and the members
//! that a case writes.

use serde_json::{Map, Value, json};

use crate::mistake::{Mistakes, mistake};
use crate::schema::{CaseEntry, Operation};
use policy_verify_model::code::Code;
use policy_verify_model::request::GroupVersionResource;

/// How long a Pod that does not say may take to end, in seconds: the default of `terminationGracePeriodSeconds`.
const GRACE_PERIOD: i64 = 30;

/// The options of a request about `old_object`; a CONNECT has none.
pub(crate) fn of(
    case: &CaseEntry,
    operation: Operation,
    resource: &GroupVersionResource,
    old_object: Option<&Value>,
    mistakes: &mut Mistakes,
) -> Option<Value> {
    let kind = match operation {
        Operation::Create => "CreateOptions",
        Operation::Update => "UpdateOptions",
        Operation::Delete => "DeleteOptions",
        Operation::Connect => {
            refuse_on_connect(case, mistakes);
            return None;
        }
    };
    let mut options = Map::new();
    if let (Operation::Delete, Some(object)) = (operation, old_object) {
        options.extend(of_deletion(resource, object));
    }
    if is_dry_run(case) {
        options.insert("dryRun".into(), json!(["All"]));
    }
    options.extend(written(case));
    if let (Operation::Delete, "pods", Some(object)) = (operation, resource.resource.as_str(), old_object)
        && resource.group.is_empty()
    {
        let asked = options.get("gracePeriodSeconds").and_then(Value::as_i64);
        options.insert("gracePeriodSeconds".into(), grace_period(object, asked).into());
    }
    options.insert("apiVersion".into(), "meta.k8s.io/v1".into());
    options.insert("kind".into(), kind.into());
    Some(Value::Object(options))
}

/// Whether the case is a dry run.
pub(crate) fn is_dry_run(case: &CaseEntry) -> bool {
    case.dry_run.as_ref().is_some_and(|dry_run| dry_run.value)
}

fn written(case: &CaseEntry) -> Map<String, Value> {
    let members = case.options.as_ref().into_iter().flat_map(|options| &options.value.0);
    members.map(|(key, value)| (key.value.clone(), value.0.to_json())).collect()
}

fn refuse_on_connect(case: &CaseEntry, mistakes: &mut Mistakes) {
    let options = case.options.as_ref().map(|options| ("options", &options.span));
    let dry_run = case.dry_run.as_ref().filter(|dry_run| dry_run.value).map(|dry_run| ("dryRun", &dry_run.span));
    for (key, span) in [options, dry_run].into_iter().flatten() {
        let mistake = mistake(span, format!("`{key}` cannot be combined with CONNECT")).with_code(Code::Contradiction);
        mistakes.push(mistake.with_help(format!("remove `{key}`: a CONNECT has no options and no dry run")));
    }
}

/// A Namespace is deleted only as long as it is the same one. Recorded: the step `delete Namespace`.
fn of_deletion(resource: &GroupVersionResource, object: &Value) -> Option<(String, Value)> {
    let is_namespace = resource.group.is_empty() && resource.resource == "namespaces";
    let uid = object.pointer("/metadata/uid").filter(|_| is_namespace)?;
    Some(("preconditions".into(), json!({ "uid": uid })))
}

/// The grace period that the server writes into the options of every deletion of a Pod. Source: `CheckGracefulDelete` of
/// Kubernetes' registry of pods; recorded for Pods without a node, measured by a test for one on a node.
fn grace_period(pod: &Value, asked: Option<i64>) -> i64 {
    let phase = pod.pointer("/status/phase").and_then(Value::as_str);
    let node = pod.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or_default();
    if node.is_empty() || matches!(phase, Some("Failed" | "Succeeded")) {
        return 0;
    }
    let of_pod = || pod.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64);
    let period = asked.or_else(of_pod).unwrap_or(GRACE_PERIOD);
    if period < 0 { 1 } else { period }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_on_a_node_have_time_to_end() {
        for (pod, asked, wanted) in [
            (json!({}), None, 0),
            (json!({}), Some(60), 0),
            (json!({ "spec": { "nodeName": "n" } }), None, 30),
            (json!({ "spec": { "nodeName": "n", "terminationGracePeriodSeconds": 5 } }), None, 5),
            (json!({ "spec": { "nodeName": "n", "terminationGracePeriodSeconds": 5 } }), Some(60), 60),
            (json!({ "spec": { "nodeName": "n", "terminationGracePeriodSeconds": -5 } }), None, 1),
            (json!({ "spec": { "nodeName": "n" }, "status": { "phase": "Succeeded" } }), None, 0),
        ] {
            assert_eq!(grace_period(&pod, asked), wanted, "{pod}");
        }
    }
}
