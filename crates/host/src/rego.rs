//! What the host asks by itself, on behalf of Rego policies: complete lists of what they may read, and plural names.
//!
//! Rego calls nobody, so policy-server gathers the data before it evaluates. No pattern of `hostCapabilities` is looked
//! at then: the server checks patterns where a guest calls. What is gathered is what the policy is granted, no more.

use std::collections::BTreeSet;

use super::Host;
use super::capability::{Operation, to_bytes};
use super::kubernetes::LIST_ALL;
use super::request::Request;
use super::wire::kubernetes::KubernetesListResourceAll;
use super::wire::rego::KubernetesGetResourcePluralName;
use policy_verify_model::answer::Fault;
use policy_verify_model::cluster::ClusterKinds;
use policy_verify_model::hosting::PLURAL_NAME;
use policy_verify_model::policy::ContextAwareResource;

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
