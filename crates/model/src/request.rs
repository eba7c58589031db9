//! What arrives at a policy: an admission request or any JSON.
//!
//! Members are declared in the order of their names, because that is the order in which the guest sees them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a case sends to the policy. Written as JSON it is the document the guest sees: sorted keys, absent members left
/// out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Request {
    /// A Kubernetes admission request.
    Admission(Box<AdmissionRequest>),
    /// Any JSON document, for raw policies.
    Raw(Value),
}

/// A report holds the document the policy saw; what it was made from is not told by it.
impl<'de> Deserialize<'de> for Request {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::Raw)
    }
}

impl Request {
    /// The document the guest sees.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Admission(request) => {
                serde_json::to_value(request).expect("an admission request holds nothing that JSON cannot")
            }
            Self::Raw(document) => document.clone(),
        }
    }

    /// The namespace of an admission request; none for other requests and outside of namespaces.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Admission(request) => request.namespace.as_deref().filter(|namespace| !namespace.is_empty()),
            Self::Raw(_) => None,
        }
    }

    /// The uid the response must carry: of a raw request its string member `uid`, else nothing.
    pub fn uid(&self) -> &str {
        match self {
            Self::Admission(request) => &request.uid,
            Self::Raw(document) => document.get("uid").and_then(Value::as_str).unwrap_or(""),
        }
    }

    /// The same request about another object: the one a policy made of it.
    #[must_use]
    pub fn with_document(&self, document: Value) -> Self {
        match self {
            Self::Admission(request) => {
                Self::Admission(Box::new(AdmissionRequest { object: Some(document), ..(**request).clone() }))
            }
            Self::Raw(_) => Self::Raw(document),
        }
    }

    /// What a mutated object is compared with; none for requests without an object (deletions).
    pub fn mutable_document(&self) -> Option<&Value> {
        match self {
            Self::Admission(request) => request.object.as_ref(),
            Self::Raw(document) => Some(document),
        }
    }
}

/// `apps/v1` of a group and a version; `v1` in the core group, whose name is empty.
pub fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// The group and the version of `apps/v1` or `v1`.
pub fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// Group, version and kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupVersionKind {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// API version.
    pub version: String,
}

/// Group, version and plural resource name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupVersionResource {
    /// API group; empty for the core group.
    pub group: String,
    /// Plural resource name.
    pub resource: String,
    /// API version.
    pub version: String,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UserInfo {
    /// Anything the authenticator added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Value>,
    /// Groups of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// Unique id of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Name of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// A Kubernetes admission request with exactly the members policy-server knows; it drops all others, so the policy
/// never sees them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionRequest {
    /// Whether nothing is to be stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// Type of the object sent.
    pub kind: GroupVersionKind,
    /// Name of the object; absent when the server is to generate it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Namespace of the object, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The object; `null` counts as absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Value>,
    /// The object before the change; `null` counts as absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_object: Option<Value>,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`; any text is let through, as the server does.
    pub operation: String,
    /// Options of the operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Value>,
    /// Type of the original request, before conversion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_kind: Option<GroupVersionKind>,
    /// Resource of the original request, before conversion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_resource: Option<GroupVersionResource>,
    /// Subresource of the original request, before conversion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_sub_resource: Option<String>,
    /// Resource asked for.
    pub resource: GroupVersionResource,
    /// Subresource asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_resource: Option<String>,
    /// Identifies the request; copied into the response.
    pub uid: String,
    /// Who asks.
    pub user_info: UserInfo,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_written_in_the_order_of_their_names() {
        let kind = json!({"group": "apps", "kind": "Deployment", "version": "v1"});
        let resource = json!({"group": "apps", "resource": "deployments", "version": "v1"});
        let complete = json!({
            "dryRun": true, "kind": kind, "name": "web", "namespace": "team-a", "object": {"b": 1, "a": 2},
            "oldObject": {}, "operation": "UPDATE", "options": {}, "requestKind": kind, "requestResource": resource,
            "requestSubResource": "scale", "resource": resource, "subResource": "scale", "uid": "u1",
            "userInfo": {"extra": {}, "groups": ["g"], "uid": "u2", "username": "n"},
        });
        let request = Request::Admission(Box::new(serde_json::from_value(complete.clone()).unwrap()));
        assert_eq!(serde_json::to_string(&request).unwrap(), complete.to_string());
        assert_eq!(request.to_json(), complete);
    }
}
