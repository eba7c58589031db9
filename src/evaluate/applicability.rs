//! Whether the API server would send a request to a policy, as far as manifests and metadata can tell.

use super::policies::Policies;
use super::rules;
use super::scope::{self, Standing};
use policy_verify_model::cluster::Cluster;
use policy_verify_model::policy::PolicyType;
use policy_verify_model::request::{AdmissionRequest, Request};
use policy_verify_model::suite::{Expectation, PolicyIndex, RequestCase, RulesMode, Step};

/// Whether the API server would send a request to a policy.
pub(crate) enum Applicability {
    /// It would, as far as rules are known; the remarks say what could not be decided.
    Applicable(Vec<String>),
    /// It would not, for this reason.
    NotApplicable(String),
}

/// Whether any step of a case would be asked about its request.
pub(crate) fn applicability(body: &RequestCase, policies: &Policies<'_>) -> Applicability {
    let mut reasons = Vec::new();
    for step in &body.subject.steps {
        match of_step(step, body, &body.request, policies) {
            applicable @ Applicability::Applicable(_) => return applicable,
            Applicability::NotApplicable(reason) => reasons.push(reason),
        }
    }
    Applicability::NotApplicable(reasons.join("; "))
}

/// Holds a request against the rules of what a step asks.
pub(super) fn of_step(step: &Step, body: &RequestCase, request: &Request, policies: &Policies<'_>) -> Applicability {
    if let Some(reason) = mixture(body, policies) {
        return Applicability::NotApplicable(reason);
    }
    let is_held = body.rules != RulesMode::Ignore || matches!(*body.expect, Expectation::NotApplicable);
    let Request::Admission(request) = request else { return Applicability::Applicable(Vec::new()) };
    if !is_held {
        return Applicability::Applicable(Vec::new());
    }
    let deployment = match step {
        Step::Policy(used) => &policies.spec(used.policy).deployment,
        Step::Group(group) => &policies.group(*group).deployment,
    };
    // Without a manifest the metadata of a member says what it wants to see: a group is deployed where that happens.
    let Some(scope) = &deployment.scope else {
        return of_metadata(&policies.suite.policies_of(step), request, policies);
    };
    let clusters = [&body.answers.own_cluster, &body.answers.default_cluster];
    let clusters: Vec<&Cluster> = clusters.into_iter().flatten().map(|cluster| &**cluster).collect();
    match scope::standing(scope, request, &clusters) {
        Standing::Excluded(reason) => Applicability::NotApplicable(reason),
        Standing::Selected(remarks) => {
            let name = policies.suite.name_of(step);
            Applicability::Applicable(remarks.into_iter().map(|remark| format!("`{name}`: {remark}")).collect())
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
            _ => return Applicability::Applicable(Vec::new()),
        }
    }
    if rules::selects(&all_rules, request) {
        return Applicability::Applicable(Vec::new());
    }
    Applicability::NotApplicable(rules::explain(&all_rules, request, "the metadata"))
}

/// Raw policies are asked by programs of their own, never by the API server.
fn mixture(body: &RequestCase, policies: &Policies<'_>) -> Option<String> {
    let all: Vec<PolicyIndex> = body.subject.steps.iter().flat_map(|step| policies.suite.policies_of(step)).collect();
    let name = |is_wanted: bool| {
        let found = all.iter().find(|policy| policies.is_raw(**policy) == is_wanted)?;
        Some(policies.spec(*found).name.as_str())
    };
    let (raw, other) = (name(true)?, name(false)?);
    Some(format!("`{raw}` is a raw policy and `{other}` is not, so no request reaches both"))
}
