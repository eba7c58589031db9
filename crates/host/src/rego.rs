//! What the host asks by itself, on behalf of Rego policies: complete lists of what they may read, and plural names.
//!
//! Rego calls nobody, so policy-server gathers the data before it evaluates. No pattern of `hostCapabilities` is looked
//! at then: the server checks patterns where a guest calls. What is gathered is what the policy is granted, no more.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Host;
use super::capability::{Operation, to_bytes};
use super::kubernetes::{KubernetesListResourceAll, LIST_ALL};
use super::request::Request;
use policy_verify_model::answer::Fault;
use policy_verify_model::cluster::ClusterKinds;
use policy_verify_model::hosting::PLURAL_NAME;
use policy_verify_model::policy::ContextAwareResource;

/// Asks for the plural name of a kind. No guest can ask this; recordings of OPA policies hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubernetesGetResourcePluralName {
    /// Group and version, `apps/v1`.
    pub api_version: String,
    /// The kind, `Pod`.
    pub kind: String,
}

impl KubernetesGetResourcePluralName {
    pub(super) fn short(&self) -> String {
        format!("{}/{}", self.api_version, self.kind)
    }
}

/// Asks whether a list is still the same. No guest can ask this; recordings of Gatekeeper policies hold it where one
/// process evaluated several times. Each case is a process of its own, so it is never asked here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HasKubernetesListResourceAllResultChangedSinceInstant {
    api_version: String,
    kind: String,
    label_selector: Option<String>,
    field_selector: Option<String>,
    field_masks: Option<BTreeSet<String>>,
    since: Duration,
}

impl HasKubernetesListResourceAllResultChangedSinceInstant {
    pub(super) fn short(&self) -> String {
        format!("{}/{}", self.api_version, self.kind)
    }
}

/// The look-up of a plural name. It is no capability, so nobody can answer it under `host:`.
const PLURAL: Operation = Operation {
    capability: PLURAL_NAME,
    name: "get_resource_plural_name",
    read: |payload| serde_json::from_slice(payload).map(Request::KubernetesGetResourcePluralName),
    reply: |value, _| to_bytes(value),
    example: |_| String::new(),
};

impl Host {
    /// The resources whose objects a Rego policy is given, in the order in which the server asks for them.
    ///
    /// A fault if the metadata declares some and the suite does not say whether they are granted: the policy would find
    /// nothing, and quietly answer something else.
    pub fn readable(&self) -> Result<&BTreeSet<ContextAwareResource>, Fault> {
        self.access.readable()
    }

    /// All objects of a resource, as a List document. The error is that of whoever answered.
    pub fn list_all(&self, resource: &ContextAwareResource) -> Result<Vec<u8>, String> {
        let ContextAwareResource { api_version, kind } = resource.clone();
        let asked = KubernetesListResourceAll {
            api_version,
            kind,
            label_selector: None,
            field_selector: None,
            field_masks: None,
        };
        self.ask(&LIST_ALL, &Request::KubernetesListResourceAll(asked))
    }

    /// The plural name of a kind, as a text in JSON. The error is that of whoever answered.
    pub fn plural_name(&self, resource: &ContextAwareResource) -> Result<Vec<u8>, String> {
        let ContextAwareResource { api_version, kind } = resource.clone();
        let asked = KubernetesGetResourcePluralName { api_version, kind };
        self.ask(&PLURAL, &Request::KubernetesGetResourcePluralName(asked))
    }

    fn ask(&self, operation: &Operation, request: &Request) -> Result<Vec<u8>, String> {
        self.state().answer(&self.answers, operation, request, |text| text)
    }
}

/// The plural name from the kinds that the suite knows. An API server could not tell otherwise, so they need no
/// cluster.
pub(super) fn plural(kinds: &ClusterKinds, request: &Request) -> Option<Result<Vec<u8>, String>> {
    let Request::KubernetesGetResourcePluralName(asked) = request else { return None };
    let resource = ContextAwareResource { api_version: asked.api_version.clone(), kind: asked.kind.clone() };
    kinds.get(&resource).map(|known| to_bytes(&known.plural))
}
