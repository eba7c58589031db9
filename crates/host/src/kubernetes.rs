//! `kubernetes`: objects of the cluster, and what its users may do.

use serde::{Deserialize, Serialize};
use serde_json::{Value, from_slice, json};

use super::capability::{Capability, Operation};
use super::reply::{InvalidMock, to_bytes};
use super::request::Request;
use super::wire::kubernetes::{KubernetesCanI, ObjectList, SubjectAccessReview};
use policy_verify_model::policy::ContextAwareResource;

/// The payload of `can_i`; recordings call its first member `request`.
#[derive(Deserialize)]
struct CanIRequest {
    subject_access_review: SubjectAccessReview,
    disable_cache: bool,
}

/// The resource that a list or a look-up reads.
pub(super) fn resource_of(request: &Request) -> Option<(&str, &str)> {
    match request {
        Request::KubernetesListResourceNamespace(request) => Some((&request.api_version, &request.kind)),
        Request::KubernetesListResourceAll(request) => Some((&request.api_version, &request.kind)),
        Request::KubernetesGetResource(request) => Some((&request.api_version, &request.kind)),
        _ => None,
    }
}

/// Bytes of an API version or a kind that a cluster may have.
const LONGEST_NAME: usize = 320;

/// The resource that a list or a look-up reads; nothing for a name that no cluster has.
pub(super) fn resource(request: &Request) -> Option<ContextAwareResource> {
    let (api_version, kind) = resource_of(request)?;
    let is_possible = api_version.len().max(kind.len()) <= LONGEST_NAME;
    is_possible.then(|| ContextAwareResource { api_version: api_version.to_owned(), kind: kind.to_owned() })
}

/// `list_resources_all`, which the host also calls itself.
pub(super) const LIST_ALL: Operation = Operation {
    capability: "kubernetes/list_resources_all",
    name: "list_resources_all",
    read: |payload| from_slice(payload).map(Request::KubernetesListResourceAll),
    reply: list,
    example: |_| "[]".into(),
};

/// The namespace `kubernetes`.
pub(super) struct Kubernetes;

impl Capability for Kubernetes {
    fn namespace(&self) -> &'static str {
        "kubernetes"
    }

    fn operations(&self) -> &'static [Operation] {
        &[
            Operation {
                capability: "kubernetes/can_i",
                name: "can_i",
                read: |payload| {
                    let CanIRequest { subject_access_review: request, disable_cache } = from_slice(payload)?;
                    Ok(Request::KubernetesCanI(KubernetesCanI { request, disable_cache }))
                },
                reply: |value, _| access(value),
                example: |_| "true".into(),
            },
            Operation {
                capability: "kubernetes/get_resource",
                name: "get_resource",
                read: |payload| from_slice(payload).map(Request::KubernetesGetResource),
                reply: |value, _| object(value),
                example: |request| match request {
                    Request::KubernetesGetResource(request) => request.example(),
                    _ => "fixtures/object.yaml".into(),
                },
            },
            LIST_ALL,
            Operation {
                capability: "kubernetes/list_resources_by_namespace",
                name: "list_resources_by_namespace",
                read: |payload| from_slice(payload).map(Request::KubernetesListResourceNamespace),
                reply: list,
                example: |_| "[]".into(),
            },
        ]
    }
}

/// Status of a SubjectAccessReview, with the members Kubernetes gives it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SubjectAccessReviewStatus {
    allowed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    denied: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evaluation_error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// `true`, `false`, or the status.
fn access(value: &Value) -> Result<Vec<u8>, InvalidMock> {
    const SHAPE: &str = "`true`, `false`, or {allowed, denied, reason, evaluationError}";
    match value {
        Value::Bool(allowed) => Ok(to_bytes(&json!({ "allowed": allowed }))),
        Value::Object(_) => {
            let status: SubjectAccessReviewStatus =
                serde_json::from_value(value.clone()).map_err(|error| InvalidMock::of_members(&error, SHAPE))?;
            Ok(to_bytes(&status))
        }
        _ => Err(InvalidMock::of_type(value, SHAPE)),
    }
}

/// The object itself.
fn object(value: &Value) -> Result<Vec<u8>, InvalidMock> {
    match value {
        Value::Object(_) => Ok(to_bytes(value)),
        _ => Err(InvalidMock::of_type(value, "the object as a document, or { error: … } for a missing one")),
    }
}

/// A list of objects, or the whole List document.
fn list(value: &Value, request: Option<&Request>) -> Result<Vec<u8>, InvalidMock> {
    const SHAPE: &str = "a list of objects, or a List document with `items`";
    let items = match value {
        Value::Object(document) if document.get("items").is_some_and(Value::is_array) => return Ok(to_bytes(value)),
        Value::Object(_) => return Err(InvalidMock::of_members(&"missing `items`", SHAPE)),
        Value::Array(items) => match items.iter().find(|item| !item.is_object()) {
            None => items,
            Some(item) => return Err(InvalidMock::of_type(item, "a list of objects")),
        },
        _ => return Err(InvalidMock::of_type(value, SHAPE)),
    };
    let (api_version, kind) = request.and_then(resource_of).unwrap_or(("v1", ""));
    Ok(to_bytes(&ObjectList { api_version, kind: format!("{kind}List"), metadata: json!({}), items }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, payload: &Value) -> serde_json::Result<Request> {
        let operation = Kubernetes.operations().iter().find(|operation| operation.name == name).unwrap();
        (operation.read)(payload.to_string().as_bytes())
    }

    fn can_i(attributes: Value) -> String {
        let review = json!({"user": "bob", "resource_attributes": attributes});
        read("can_i", &json!({"subject_access_review": review, "disable_cache": false})).unwrap().short()
    }

    #[test]
    fn short_forms_are_paths() {
        let all = json!({"api_version": "apps/v1", "kind": "Deployment"});
        assert_eq!(read("list_resources_all", &all).unwrap().short(), "apps/v1/Deployment");
        let some = json!({"api_version": "apps/v1", "kind": "Deployment", "namespace": "web"});
        assert_eq!(read("list_resources_by_namespace", &some).unwrap().short(), "apps/v1/Deployment/web");
        let one = json!({"api_version": "v1", "kind": "Namespace", "name": "web", "disable_cache": false});
        assert_eq!(read("get_resource", &one).unwrap().short(), "v1/Namespace/web");
        let mut inside = json!({"api_version": "apps/v1", "kind": "Deployment", "name": "api", "disable_cache": true});
        inside["namespace"] = json!("web");
        assert_eq!(read("get_resource", &inside).unwrap().short(), "apps/v1/Deployment/web/api");
    }

    #[test]
    fn the_short_form_of_can_i_is_user_verb_and_resource() {
        assert_eq!(
            can_i(
                json!({"verb": "create", "group": "apps", "resource": "deployments", "namespace": "web", "name": ""})
            ),
            "bob create apps/deployments web"
        );
        assert_eq!(
            can_i(json!({"verb": "get", "resource": "pods", "subresource": "log", "namespace": "web", "name": "x"})),
            "bob get pods/log web/x"
        );
        assert_eq!(can_i(json!({"verb": "get", "resource": "nodes", "name": "n1"})), "bob get nodes /n1");
    }

    #[test]
    fn members_that_the_server_requires_are_required() {
        let one = json!({"api_version": "v1", "kind": "Namespace", "name": "web"});
        let error = read("get_resource", &one).unwrap_err().to_string();
        assert!(error.starts_with("missing field `disable_cache`"), "{error}");
        let review = json!({"user": "bob", "resourceAttributes": {"verb": "get", "resource": "pods"}});
        let error = read("can_i", &json!({"subject_access_review": review, "disable_cache": false})).unwrap_err();
        assert!(error.to_string().starts_with("missing field `resource_attributes`"), "{error}");
    }

    #[test]
    fn a_list_becomes_a_list_document() {
        let request = read("list_resources_all", &json!({"api_version": "apps/v1", "kind": "Deployment"})).unwrap();
        assert_eq!(
            String::from_utf8(list(&json!([{"kind": "Deployment"}]), Some(&request)).unwrap()).unwrap(),
            r#"{"apiVersion":"apps/v1","kind":"DeploymentList","metadata":{},"items":[{"kind":"Deployment"}]}"#
        );
        let whole = json!({"kind": "DeploymentList", "items": []});
        assert_eq!(list(&whole, Some(&request)).unwrap(), whole.to_string().as_bytes());
        assert!(list(&json!(["web"]), None).is_err());
        assert!(list(&json!({"kind": "Deployment"}), None).is_err());
    }

    #[test]
    fn access_is_a_boolean_or_a_status() {
        assert_eq!(access(&json!(false)).unwrap(), br#"{"allowed":false}"#);
        assert_eq!(
            access(&json!({"reason": "no", "allowed": false, "denied": true})).unwrap(),
            br#"{"allowed":false,"denied":true,"reason":"no"}"#
        );
        assert!(access(&json!({"alowed": true})).unwrap_err().to_string().contains("unknown field `alowed`"));
        assert!(object(&json!([])).is_err());
    }
}
