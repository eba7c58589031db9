//! What the group and the kind of an object tell without its definition.

use serde_json::Value;

/// Kinds of Kubernetes that are in no namespace.
const CLUSTER_WIDE: &[&str] = &[
    "APIService",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterRoleBinding",
    "CSIDriver",
    "CSINode",
    "CustomResourceDefinition",
    "FlowSchema",
    "IngressClass",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PodSecurityPolicy",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "RuntimeClass",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "VolumeAttachment",
];

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Whether the object is in no namespace, by its kind.
pub(crate) fn is_cluster_wide(object: &Value) -> bool {
    CLUSTER_WIDE.contains(&text(object, "/kind"))
}

/// What a suite has to say about a kind that is not one of Kubernetes.
pub(crate) fn custom(object: &Value) -> Option<String> {
    let group = text(object, "/apiVersion").split_once('/')?.0;
    let is_built_in = !group.contains('.') || group.ends_with(".k8s.io") || group == "policies.kubewarden.io";
    let kind = text(object, "/kind");
    (!is_built_in).then(|| format!("the kind {kind} of {group} is a custom resource: name its definition under `crds`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn custom_resources_are_told_from_those_of_kubernetes() {
        for (version, is_custom) in [
            ("v1", false),
            ("apps/v1", false),
            ("networking.k8s.io/v1", false),
            ("policies.kubewarden.io/v1", false),
            ("networking.istio.io/v1", true),
        ] {
            assert_eq!(custom(&json!({ "apiVersion": version, "kind": "A" })).is_some(), is_custom, "{version}");
        }
    }
}
