//! The cluster a case takes place in: which kinds there are, and the objects it holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::policy::ContextAwareResource;

/// Objects a policy can read, indexed. Cases share it.
#[derive(Debug, Default)]
pub struct Cluster {
    /// All kinds the suite knows, whether the cluster holds objects of them or not.
    pub kinds: Arc<ClusterKinds>,
    /// The objects of each kind, by namespace (empty outside of namespaces) and name: the order of lists.
    pub objects: BTreeMap<ContextAwareResource, BTreeMap<(String, String), Arc<Value>>>,
}

/// What a cluster knows of each kind.
pub type ClusterKinds = BTreeMap<ContextAwareResource, ClusterKind>;

/// What a cluster knows of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterKind {
    /// Plural name of the resource, `ingresses`.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub is_namespaced: bool,
}
