//! What a suite puts its requests to, as entries of `policies.yml`.

use std::time::Duration;

use policy_verify_model::hosting::{ContextAware, Grants};
use policy_verify_model::policy::{Metadata, Settings};
use policy_verify_model::suite::{Deployment, PolicyIndex, PolicyUse, Step, Suite};
use policy_verify_model::yaml::emit::Node;

use super::entry::Entry;

/// A module as a server loads it.
#[derive(Debug, Clone)]
pub(crate) struct ServedModule {
    /// Where the server finds it.
    pub(crate) uri: String,
    /// What stands for it in ids: the digest of its bytes, or its URI where it is fetched by the server.
    pub(crate) identity: String,
    /// Its metadata, where the module was read.
    pub(crate) metadata: Option<Metadata>,
}

/// Why a server does not serve a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotServed {
    /// policy-server demands a protocol version, which only metadata has.
    #[error("the module of `{0}` has no metadata, and policy-server does not serve such a module")]
    NoMetadata(String),
}

/// The entry for a step of a case. `module` gives the modules of policies.
///
/// # Errors
///
/// A policy that no server serves.
pub(crate) fn entry(
    suite: &Suite,
    step: &Step,
    module: &dyn Fn(PolicyIndex) -> Result<ServedModule, NotServed>,
) -> Result<Entry, NotServed> {
    match step {
        Step::Policy(used) => {
            let spec = &suite.policies[used.policy.0];
            let served = module(used.policy)?;
            let identity = vec![served.identity.clone()];
            let mut document = mode(&spec.deployment);
            document.push("allowedToMutate", Node::Bool(spec.deployment.allowed_to_mutate));
            append(&mut document, served_policy(&served, used, &spec.grants, spec.deployment.timeout));
            if let Some(message) = &spec.deployment.message {
                document.push("message", Node::text(message));
            }
            Ok(Entry::new(&spec.deployment.policy_id(&spec.name, None), document, &identity))
        }
        Step::Group(index) => {
            let group = &suite.groups[index.0];
            let mut document = mode(&group.deployment);
            document.push("message", Node::text(&group.message));
            document.push("expression", Node::text(&group.expression.value));
            let (mut members, mut identity) = (Node::map([]), Vec::new());
            for member in &group.members {
                let spec = &suite.policies[member.policy.policy.0];
                let served = module(member.policy.policy)?;
                identity.push(served.identity.clone());
                let policy = served_policy(&served, &member.policy, &spec.grants, spec.deployment.timeout);
                members.push(&member.id, policy);
            }
            document.push("policies", members);
            Ok(Entry::new(&group.deployment.policy_id(&group.name, None), document, &identity))
        }
    }
}

fn mode(deployment: &Deployment) -> Node {
    Node::map([("policyMode", Node::text(if deployment.is_monitor { "monitor" } else { "protect" }))])
}

/// What policies and members of groups have in common.
fn served_policy(served: &ServedModule, used: &PolicyUse, grants: &Grants, timeout: Option<Duration>) -> Node {
    let mut policy = Node::map([("module", Node::text(&served.uri)), ("settings", settings(&used.settings))]);
    let resources: Vec<Node> = match (&grants.context_aware, &served.metadata) {
        (ContextAware::Listed(listed), _) => listed.iter().map(resource).collect(),
        (ContextAware::Declared, Some(metadata)) => metadata.context_aware_resources.iter().map(resource).collect(),
        (ContextAware::Declared, None) | (ContextAware::Nothing, _) => Vec::new(),
    };
    if !resources.is_empty() {
        policy.push("contextAwareResources", Node::List(resources));
    }
    let capabilities = grants.host_capabilities.clone().unwrap_or_else(|| vec!["*".to_owned()]);
    policy.push("hostCapabilities", Node::List(capabilities.into_iter().map(Node::text).collect()));
    if let Some(timeout) = timeout {
        // The server counts whole seconds.
        let seconds = timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0);
        policy.push("timeoutEvalSeconds", Node::Number(seconds.into()));
    }
    policy
}

fn settings(settings: &Settings) -> Node {
    Node::of(settings).expect("settings are JSON")
}

fn resource(resource: &policy_verify_model::policy::ContextAwareResource) -> Node {
    Node::map([("apiVersion", Node::text(&resource.api_version)), ("kind", Node::text(&resource.kind))])
}

fn append(document: &mut Node, more: Node) {
    let Node::Map(members) = more else { return };
    members.into_iter().for_each(|(key, value)| document.push(&key, value));
}
