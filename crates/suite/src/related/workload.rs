//! The same pod in a workload of another kind.

use std::sync::LazyLock;

use serde_json::Value;

use super::operation::is_whole;
use crate::kinds::Kinds;
use crate::request::{HeldPod, equivalents_of};
use policy_verify_model::conversion::Equivalent;
use policy_verify_model::request::AdmissionRequest;
use policy_verify_model::workload::Workload;

static KINDS: LazyLock<Kinds> = LazyLock::new(Kinds::default);

/// A request about another resource.
#[derive(Debug, Clone, PartialEq)]
pub struct RelatedRequest {
    /// The request.
    pub request: AdmissionRequest,
    /// Other versions of its resource.
    pub equivalents: Vec<Equivalent>,
}

/// The request about the same pod in a workload of this kind. Nothing where the request is about no pod, about this kind
/// already, or about a workload whose labels or annotations are others than those of its pod: a Pod has them once.
pub fn in_workload(request: &AdmissionRequest, workload: Workload) -> Option<RelatedRequest> {
    let is_stored = ["CREATE", "UPDATE"].contains(&request.operation.as_str());
    let object = request.object.as_ref().filter(|_| is_stored && is_whole(request))?;
    let is_it = object.get("kind").and_then(Value::as_str) == Some(&request.kind.kind);
    if !is_it || request.kind.kind == workload.kind() {
        return None;
    }
    let info = KINDS.lookup(workload.api_version(), workload.kind())?;
    let (kind, resource) = (info.group_version_kind(), info.group_version_resource());
    let old_object = match &request.old_object {
        Some(old) => Some(held_by(old, workload)?),
        None => None,
    };
    let request = AdmissionRequest {
        object: Some(held_by(object, workload)?),
        old_object,
        request_kind: request.request_kind.as_ref().map(|_| kind.clone()),
        request_resource: request.request_resource.as_ref().map(|_| resource.clone()),
        kind,
        resource,
        ..request.clone()
    };
    let equivalents = equivalents_of(&request, &KINDS);
    Some(RelatedRequest { request, equivalents })
}

fn held_by(object: &Value, workload: Workload) -> Option<Value> {
    let held = HeldPod::of(object).filter(|held| workload != Workload::Pod || held.is_described_once())?;
    Some(held.restarted_as(workload).in_workload(workload))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(operation: &str, object: &Value, old_object: &Value) -> AdmissionRequest {
        let kind = json!({ "group": "", "kind": "Pod", "version": "v1" });
        let resource = json!({ "group": "", "resource": "pods", "version": "v1" });
        let request = json!({
            "kind": kind, "requestKind": kind, "resource": resource, "requestResource": resource, "operation": operation,
            "uid": "1", "userInfo": {}, "object": object, "oldObject": old_object,
        });
        serde_json::from_value(request).unwrap()
    }

    #[test]
    fn a_request_about_a_pod_is_one_about_a_workload() {
        let pod =
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" }, "spec": { "containers": [] } });
        let RelatedRequest { request: made, .. } =
            in_workload(&request("CREATE", &pod, &Value::Null), Workload::CronJob).unwrap();
        assert_eq!((made.kind.kind.as_str(), made.resource.resource.as_str()), ("CronJob", "cronjobs"));
        assert_eq!(
            (made.request_kind.as_ref(), made.request_resource.as_ref()),
            (Some(&made.kind), Some(&made.resource))
        );
        let object = made.object.unwrap();
        assert_eq!(object["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"], json!([]));
        let updated = in_workload(&request("UPDATE", &pod, &pod), Workload::Deployment).unwrap().request;
        assert_eq!(updated.object, updated.old_object);
    }

    #[test]
    fn what_is_no_pod_is_in_no_workload() {
        let pod = json!({ "apiVersion": "v1", "kind": "Pod" });
        let service = json!({ "apiVersion": "v1", "kind": "Service" });
        for request in [
            request("DELETE", &Value::Null, &pod),
            request("CREATE", &service, &Value::Null),
            request("UPDATE", &pod, &service),
            AdmissionRequest { sub_resource: Some("status".into()), ..request("UPDATE", &pod, &pod) },
        ] {
            assert_eq!(in_workload(&request, Workload::Job), None, "{request:?}");
        }
        assert_eq!(in_workload(&request("CREATE", &pod, &Value::Null), Workload::Pod), None);
    }
}
