//! Which host capabilities and Kubernetes resources the cases make each policy use.

use policy_verify_host::known_capabilities;
use policy_verify_model::hosting::HostCall;
use policy_verify_model::outcome::{CaseReport, PartReport};
use policy_verify_model::policy::ExecutionMode;
use policy_verify_model::privilege::{PrivilegeSet, Privileges};
use policy_verify_model::suite::{Case, CaseBody, PolicyIndex, Step, Suite};

use crate::evaluate::Policies;

/// Resources of one policy that are told apart.
const MOST_RESOURCES: usize = 200;

/// The privileges of each policy of a suite, by its index; nothing for those that are unavailable.
pub(super) fn of(policies: &Policies<'_>, cases: &[(&Case, &CaseReport)]) -> Vec<Option<Privileges>> {
    let declared = (0..policies.suite.policies.len()).map(|index| declared(policies, PolicyIndex(index)));
    let mut all: Vec<Option<Privileges>> = declared.collect();
    for (policy, call) in cases.iter().flat_map(|(case, report)| calls(case, report, policies.suite)) {
        let Some(privileges) = all[policy.0].as_mut() else { continue };
        add(&mut privileges.used, call, is_given_resources(policies, policy));
    }
    all
}

/// What the metadata of a policy declares; a policy without metadata declares nothing.
fn declared(policies: &Policies<'_>, policy: PolicyIndex) -> Option<Privileges> {
    let prepared = policies.prepared[policy.0]?.as_ref().ok()?;
    let metadata = prepared.metadata.as_ref();
    let capabilities = metadata.and_then(|metadata| metadata.host_capabilities.clone());
    let declared = PrivilegeSet {
        // Nothing asks for those of a policy that makes no calls.
        host_capabilities: capabilities.filter(|_| !is_given_resources(policies, policy)).unwrap_or_default(),
        context_aware_resources: metadata.map(|metadata| metadata.context_aware_resources.clone()).unwrap_or_default(),
    };
    Some(Privileges { declared, ..Privileges::default() })
}

/// Whether the host reads the declared resources for the policy, which makes no calls itself: Rego.
fn is_given_resources(policies: &Policies<'_>, policy: PolicyIndex) -> bool {
    matches!(policies.prepared(policy).execution_mode, ExecutionMode::Opa | ExecutionMode::Gatekeeper)
}

fn add(used: &mut PrivilegeSet, call: &HostCall, is_by_host: bool) {
    if !is_by_host && known_capabilities().contains(&call.capability.as_str()) {
        used.host_capabilities.insert(call.capability.clone());
    }
    let resources = &mut used.context_aware_resources;
    resources.extend(call.resource.clone().filter(|_| resources.len() < MOST_RESOURCES));
}

/// The host calls of a case, each with the policy that made it.
fn calls<'r>(case: &Case, report: &'r CaseReport, suite: &Suite) -> Vec<(PolicyIndex, &'r HostCall)> {
    let mut found = Vec::new();
    let mut add = |policy: PolicyIndex, calls: &'r [HostCall]| found.extend(calls.iter().map(|call| (policy, call)));
    let steps = match &case.body {
        CaseBody::Request(body) => &body.subject.steps,
        CaseBody::Settings(body) => {
            add(body.policy.policy, &report.calls);
            return found;
        }
        CaseBody::Check { .. } | CaseBody::Relation(_) => return found,
    };
    for (index, step) in steps.iter().enumerate() {
        // A case of one step has no steps of its own.
        let part: Option<&PartReport> = report.steps.get(index);
        match step {
            Step::Policy(used) => match part {
                Some(part) => add(used.policy, &part.calls),
                None if steps.len() == 1 => add(used.policy, &report.calls),
                None => {}
            },
            Step::Group(group) => {
                let members = part.map_or(&report.members, |part| &part.members);
                for member in &suite.groups[group.0].members {
                    let own = members.iter().filter(|part| part.name == member.id);
                    own.for_each(|part| add(member.policy.policy, &part.calls));
                }
            }
        }
    }
    found
}
