//! Whether anybody would be asked about a request at all, as far as manifests and metadata can tell.

use super::scope::{self, Standing};
use super::{Policies, rules};
use policy_verify_model::cluster::Cluster;
use policy_verify_model::policy::PolicyType;
use policy_verify_model::request::{AdmissionRequest, Request};
use policy_verify_model::suite::{Expectation, PolicyIndex, RequestCase, RulesMode, Step};

/// Whether a policy would be asked about a request at all.
pub(crate) enum Applicability {
    /// It is asked, or nothing says that it is not; the remarks say what could not be decided.
    Asked(Vec<String>),
    /// It is not, for this reason.
    NotAsked(String),
}

/// Whether any step of a case would be asked about its request.
pub(crate) fn applicability(asked: &RequestCase, policies: &Policies<'_>) -> Applicability {
    let mut reasons = Vec::new();
    for step in &asked.subject.steps {
        match of_step(step, asked, &asked.request, policies) {
            asked @ Applicability::Asked(_) => return asked,
            Applicability::NotAsked(reason) => reasons.push(reason),
        }
    }
    Applicability::NotAsked(reasons.join("; "))
}

/// Holds a request against the rules of what a step asks.
pub(super) fn of_step(step: &Step, asked: &RequestCase, request: &Request, policies: &Policies<'_>) -> Applicability {
    if let Some(reason) = mixture(asked, policies) {
        return Applicability::NotAsked(reason);
    }
    let is_held = asked.rules != RulesMode::Ignore || matches!(*asked.expect, Expectation::NotApplicable);
    let Request::Admission(request) = request else { return Applicability::Asked(Vec::new()) };
    if !is_held {
        return Applicability::Asked(Vec::new());
    }
    let deployment = match step {
        Step::Policy(used) => &policies.spec(used.policy).deployment,
        Step::Group(group) => &policies.group(*group).deployment,
    };
    // Without a manifest the metadata of a member says what it wants to see: a group is deployed where that happens.
    let Some(scope) = &deployment.scope else {
        return of_metadata(&policies.suite.policies_of(step), request, policies);
    };
    let clusters = [&asked.answers.own_cluster, &asked.answers.default_cluster];
    let clusters: Vec<&Cluster> = clusters.into_iter().flatten().map(|cluster| &**cluster).collect();
    match scope::standing(scope, request, &clusters) {
        Standing::Excluded(reason) => Applicability::NotAsked(reason),
        Standing::Selected(remarks) => {
            let name = policies.suite.name_of(step);
            Applicability::Asked(remarks.into_iter().map(|remark| format!("`{name}`: {remark}")).collect())
        }
    }
}

/// One rule of one of the policies is enough; a policy without metadata may be asked about everything.
fn of_metadata(wanted: &[PolicyIndex], request: &AdmissionRequest, policies: &Policies<'_>) -> Applicability {
    let mut all_rules = Vec::new();
    for policy in wanted {
        match &policies.prepared(*policy).metadata {
            Some(metadata) if metadata.policy_type == PolicyType::Kubernetes => {
                all_rules.extend(metadata.rules.iter().cloned());
            }
            _ => return Applicability::Asked(Vec::new()),
        }
    }
    if rules::selects(&all_rules, request) {
        return Applicability::Asked(Vec::new());
    }
    Applicability::NotAsked(rules::explain(&all_rules, request, "the metadata"))
}

/// Raw policies are asked by programs of their own, never by the API server.
fn mixture(asked: &RequestCase, policies: &Policies<'_>) -> Option<String> {
    let all: Vec<PolicyIndex> = asked.subject.steps.iter().flat_map(|step| policies.suite.policies_of(step)).collect();
    let name = |is_wanted: bool| {
        let found = all.iter().find(|policy| policies.is_raw(**policy) == is_wanted)?;
        Some(policies.spec(*found).name.as_str())
    };
    let (raw, other) = (name(true)?, name(false)?);
    Some(format!("`{raw}` is a raw policy and `{other}` is not, so no request reaches both"))
}
