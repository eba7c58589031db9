//! `kubernetes`: objects of the cluster, and what its users may do.
//!
//! Short forms, with `apiVersion/Kind` in front: `apps/v1/Deployment` (all), `apps/v1/Deployment/web` (a namespace),
//! `v1/Namespace/web` and `apps/v1/Deployment/web/api` (one object). Selectors and field masks are no part of them, and
//! they are not applied to an answer: what a table holds is what the policy receives. (A `cluster:` applies them.)
//!
//! A `can_i` reads like a sentence, `bob create apps/deployments web/api`: user, verb, group and resource (and
//! `/subresource`), then `namespace`, `namespace/name` or, for objects outside of namespaces, `/name`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Payload;

/// All objects of a kind in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubernetesListResourceNamespace {
    /// Group and version, `apps/v1`.
    pub api_version: String,
    /// The kind, `Pod`.
    pub kind: String,
    /// The namespace.
    pub namespace: String,
    /// Label selector.
    pub label_selector: Option<String>,
    /// Field selector.
    pub field_selector: Option<String>,
    /// The members of each object that are needed; none means all.
    pub field_masks: Option<BTreeSet<String>>,
}

/// All objects of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubernetesListResourceAll {
    /// Group and version, `apps/v1`.
    pub api_version: String,
    /// The kind, `Pod`.
    pub kind: String,
    /// Label selector.
    pub label_selector: Option<String>,
    /// Field selector.
    pub field_selector: Option<String>,
    /// The members of each object that are needed; none means all.
    pub field_masks: Option<BTreeSet<String>>,
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubernetesGetResource {
    /// Group and version, `apps/v1`.
    pub api_version: String,
    /// The kind, `Pod`.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// The namespace; none for cluster-wide resources.
    pub namespace: Option<String>,
    /// Whether the answer must be fresh.
    pub disable_cache: bool,
    /// The members that are needed; none means all.
    pub field_masks: Option<BTreeSet<String>>,
}

/// Whether a user may do something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubernetesCanI {
    pub(crate) request: SubjectAccessReview,
    pub(crate) disable_cache: bool,
}

/// A user and an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SubjectAccessReview {
    groups: Option<Vec<String>>,
    resource_attributes: ResourceAttributes,
    user: String,
}

/// An action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ResourceAttributes {
    group: Option<String>,
    name: Option<String>,
    namespace: Option<String>,
    resource: String,
    subresource: Option<String>,
    verb: String,
    version: Option<String>,
}

impl Payload for KubernetesListResourceNamespace {
    fn short(&self) -> String {
        format!("{}/{}/{}", self.api_version, self.kind, self.namespace)
    }
}

impl Payload for KubernetesListResourceAll {
    fn short(&self) -> String {
        format!("{}/{}", self.api_version, self.kind)
    }
}

impl Payload for KubernetesGetResource {
    fn short(&self) -> String {
        match given(self.namespace.as_ref()) {
            Some(namespace) => format!("{}/{}/{namespace}/{}", self.api_version, self.kind, self.name),
            None => format!("{}/{}/{}", self.api_version, self.kind, self.name),
        }
    }
}

impl KubernetesGetResource {
    /// The server's text for an object that does not exist.
    pub fn not_found(&self) -> String {
        let Self { api_version, kind, name, namespace, .. } = self;
        format!("Cannot find {api_version}/{kind} named '{name}' inside of namespace '{namespace:?}'")
    }

    /// The server's text for an object without the namespace it needs.
    pub fn without_namespace(&self) -> String {
        format!("Resource {}/{} is namespaced, but no namespace was provided", self.api_version, self.kind)
    }

    /// The smallest object that has the right identity.
    pub(crate) fn example(&self) -> String {
        let namespace = given(self.namespace.as_ref()).map(|name| format!(", namespace: {name}")).unwrap_or_default();
        let Self { api_version, kind, name, .. } = self;
        format!("{{ apiVersion: {api_version}, kind: {kind}, metadata: {{ name: {name}{namespace} }} }}")
    }
}

impl Payload for KubernetesCanI {
    fn short(&self) -> String {
        let ResourceAttributes { group, name, namespace, resource, subresource, verb, version: _ } =
            &self.request.resource_attributes;
        let group = given(group.as_ref()).map(|group| format!("{group}/")).unwrap_or_default();
        let subresource = given(subresource.as_ref()).map(|sub| format!("/{sub}")).unwrap_or_default();
        let object = match (given(namespace.as_ref()), given(name.as_ref())) {
            (Some(namespace), Some(name)) => format!(" {namespace}/{name}"),
            (Some(namespace), None) => format!(" {namespace}"),
            (None, Some(name)) => format!(" /{name}"),
            (None, None) => String::new(),
        };
        format!("{} {verb} {group}{resource}{subresource}{object}", self.request.user)
    }
}

impl KubernetesCanI {
    /// The request as Kubernetes writes it: the `spec` of a SubjectAccessReview.
    pub fn spec(&self) -> Value {
        let SubjectAccessReview { groups, resource_attributes, user } = &self.request;
        json!({ "user": user, "groups": groups, "resourceAttributes": resource_attributes })
    }
}

/// SDKs send the empty text as well as null for what is not given.
fn given(text: Option<&String>) -> Option<&String> {
    text.filter(|text| !text.is_empty())
}

/// A list document as the server writes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectList<'a> {
    /// Group and version, `apps/v1`.
    pub api_version: &'a str,
    /// The kind, `Pod`.
    pub kind: String,
    /// Metadata of the list.
    pub metadata: Value,
    /// The objects.
    pub items: &'a [Value],
}
