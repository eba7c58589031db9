//! Fixtures of several tests.

use std::sync::Arc;

use policy_verify_model::cluster::{Cluster, ClusterKind};
use policy_verify_model::policy::ContextAwareResource;
use serde_json::{Value, json};

/// A cluster with two deployments, a namespace, and the kinds `Pod` and `Node` of which it holds nothing.
pub(crate) fn cluster() -> Cluster {
    let mut cluster = Cluster::default();
    let kinds = [
        ("v1", "Namespace", "namespaces", false),
        ("v1", "Node", "nodes", false),
        ("v1", "Pod", "pods", true),
        ("apps/v1", "Deployment", "deployments", true),
    ];
    let resource =
        |api_version: &str, kind: &str| ContextAwareResource { api_version: api_version.into(), kind: kind.into() };
    cluster.kinds = Arc::new(
        kinds
            .into_iter()
            .map(|(api_version, kind, plural, is_namespaced)| {
                (resource(api_version, kind), ClusterKind { plural: plural.into(), is_namespaced })
            })
            .collect(),
    );
    let mut add = |namespace: &str, object: Value| {
        let text = |pointer: &str| object.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let (resource, name) = (resource(&text("/apiVersion"), &text("/kind")), text("/metadata/name"));
        cluster.objects.entry(resource).or_default().insert((namespace.into(), name), Arc::new(object));
    };
    add("", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web"}}));
    add(
        "web",
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "namespace": "web",
            "labels": {"tier": "back", "app": "x"}, "managedFields": [{"manager": "kubectl"}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "a"}},
            "spec": {"replicas": 2, "paused": false,
                "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}}),
    );
    add(
        "batch",
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "job", "namespace": "batch"},
            "spec": {"replicas": 1}, "status": {}}),
    );
    cluster
}
