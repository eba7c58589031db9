//! What the host requests by itself, on behalf of Rego policies: complete lists of what they may read, and plural names.
//!
//! Rego makes no calls, so policy-server gathers the data before it evaluates. Patterns of `hostCapabilities` do not apply
//! then: the server checks them where a guest calls. The data is what the policy is granted, no more.

use std::collections::BTreeSet;

use super::capability::Operation;
use super::host::Host;
use super::kubernetes::LIST_ALL;
use super::reply::{Reply, to_bytes};
use super::request::Request;
use super::wire::kubernetes::KubernetesListResourceAll;
use super::wire::rego::KubernetesGetResourcePluralName;
use policy_verify_model::answer::Fault;
use policy_verify_model::hosting::PLURAL_NAME;
use policy_verify_model::policy::ContextAwareResource;

/// The look-up of a plural name. It is no capability, so `host:` cannot mock it.
const PLURAL: Operation = Operation {
    capability: PLURAL_NAME,
    name: "get_resource_plural_name",
    read: |payload| serde_json::from_slice(payload).map(Request::KubernetesGetResourcePluralName),
    reply: |value, _| Ok(to_bytes(value)),
    example: |_| String::new(),
};

impl Host {
    /// The resources whose objects a Rego policy is given, in the order of the server's requests.
    ///
    /// A fault if the metadata declares some and the suite does not state whether they are granted: the policy would find
    /// none, and give another verdict without any sign of it.
    pub fn readable(&self) -> Result<&BTreeSet<ContextAwareResource>, Fault> {
        self.access().readable()
    }

    /// All objects of a resource, as a List document.
    pub fn list_all(&self, resource: &ContextAwareResource) -> Reply {
        let ContextAwareResource { api_version, kind } = resource.clone();
        let request = KubernetesListResourceAll {
            api_version,
            kind,
            label_selector: None,
            field_selector: None,
            field_masks: None,
        };
        self.answer(&LIST_ALL, &request.into())
    }

    /// The plural name of a kind, as a text in JSON.
    pub fn plural_name(&self, resource: &ContextAwareResource) -> Reply {
        let ContextAwareResource { api_version, kind } = resource.clone();
        self.answer(&PLURAL, &KubernetesGetResourcePluralName { api_version, kind }.into())
    }
}
