//! Whether the API server would send a request to a policy, as far as manifests and metadata can tell.

use super::convert;
use super::policies::Policies;
use super::rules;
use super::scope::{self, Standing};
use policy_verify_model::answer::Fault;
use policy_verify_model::cluster::Cluster;
use policy_verify_model::conversion::Equivalent;
use policy_verify_model::policy::{PolicyType, Rule};
use policy_verify_model::request::{AdmissionRequest, Request};
use policy_verify_model::scope::{MatchPolicy, Scope};
use policy_verify_model::suite::{Expectation, PolicyIndex, RequestCase, RulesMode, Step};

/// Kinds of `admissionregistration.k8s.io` about which no webhook is asked, so that none can lock a cluster. Source:
/// `IsExemptAdmissionConfigurationResource` of k8s.io/apiserver; recorded in `testdata/kube-apiserver`.
const NEVER_SENT: [&str; 6] = [
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "MutatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
];

/// Whether the API server would send a request to a policy.
pub(crate) enum Applicability {
    /// It would, as far as rules are known; the remarks say what could not be decided.
    Applicable(Vec<String>),
    /// It would, converted to another version of the resource.
    Converted(Vec<String>, Box<Converted>),
    /// It would, in another version to which it cannot be converted here.
    Unconvertible(Fault),
    /// It would not, for this reason.
    NotApplicable(String),
    /// A condition of the manifest has no result.
    Undecided(Fault),
}

/// A request in another version of its resource.
pub(crate) struct Converted {
    pub(super) request: Request,
    pub(super) equivalent: Equivalent,
}

/// Whether any step of a case would be asked about its request.
pub(crate) fn applicability(body: &RequestCase, policies: &Policies<'_>) -> Applicability {
    let mut reasons = Vec::new();
    let request = body.request.get();
    for step in &body.subject.steps {
        match of_step(step, body, &request, policies) {
            Applicability::NotApplicable(reason) => reasons.push(reason),
            applicable => return applicable,
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
    if let Some(reason) = exempt(request) {
        return Applicability::NotApplicable(reason);
    }
    match as_it_is(step, scope_of(step, policies), body, request, policies) {
        Applicability::NotApplicable(reason) => {
            let converted = in_another_version(step, body, request, policies);
            converted.unwrap_or(Applicability::NotApplicable(reason))
        }
        found => found,
    }
}

/// Why no webhook is asked about a request, whatever its rules.
fn exempt(request: &AdmissionRequest) -> Option<String> {
    let kind = &request.kind;
    let is_exempt = kind.group == "admissionregistration.k8s.io" && NEVER_SENT.contains(&kind.kind.as_str());
    is_exempt.then(|| format!("the API server sends no webhook a request about {}", kind.kind))
}

fn scope_of<'a>(step: &Step, policies: &Policies<'a>) -> Option<&'a Scope> {
    policies.deployment_of(step).scope.as_ref()
}

/// Holds a request against rules and selectors without conversion.
fn as_it_is(
    step: &Step,
    scope: Option<&Scope>,
    body: &RequestCase,
    request: &AdmissionRequest,
    policies: &Policies<'_>,
) -> Applicability {
    // Without a manifest the metadata of a member says what it wants to see: a group is deployed where that happens.
    let Some(scope) = scope else {
        return of_metadata(&policies.suite.policies_of(step), request, policies);
    };
    let clusters = [&body.answers.own_cluster, &body.answers.default_cluster];
    let clusters: Vec<&Cluster> = clusters.into_iter().flatten().map(|cluster| &**cluster).collect();
    match scope::standing(scope, request, &clusters) {
        Standing::Excluded(reason) => Applicability::NotApplicable(reason),
        Standing::Undecided(fault) => Applicability::Undecided(fault),
        Standing::Selected(remarks) => {
            let name = policies.suite.name_of(step);
            Applicability::Applicable(remarks.into_iter().map(|remark| format!("`{name}`: {remark}")).collect())
        }
    }
}

/// The request in the first version that a rule matches, earlier rules first. Nothing where a rule matches it as it is, or
/// where none matches any version. Source: `Webhook.ShouldCallHook` of k8s.io/apiserver.
fn in_another_version(
    step: &Step,
    body: &RequestCase,
    request: &AdmissionRequest,
    policies: &Policies<'_>,
) -> Option<Applicability> {
    let scope = scope_of(step, policies);
    let rules = match scope {
        Some(Scope { match_policy: MatchPolicy::Exact, .. }) => return None,
        Some(scope) => scope::rules_for(scope, request),
        None => rules_of(&policies.suite.policies_of(step), policies)?,
    };
    if rules::selects(&rules, request) {
        return None;
    }
    let matched = |rule: &Rule| {
        let is_match = |to: &&Equivalent| rules::is_selected_by(rule, &convert::retargeted(request, to));
        body.equivalents.iter().find(is_match)
    };
    let equivalent = rules.iter().find_map(matched)?;
    let converted = match convert::request(request, equivalent) {
        Ok(converted) => converted,
        Err(fault) => {
            // Namespaces and labels decide without a conversion; conditions would see the converted object.
            let scope = scope.map(|scope| Scope { match_conditions: Vec::new(), ..scope.clone() });
            let request = convert::retargeted(request, equivalent);
            return match as_it_is(step, scope.as_ref(), body, &request, policies) {
                excluded @ Applicability::NotApplicable(_) => Some(excluded),
                _ => Some(Applicability::Unconvertible(fault)),
            };
        }
    };
    match as_it_is(step, scope, body, &converted, policies) {
        Applicability::Applicable(remarks) => {
            let request = Request::Admission(Box::new(converted));
            let converted = Converted { request, equivalent: equivalent.clone() };
            Some(Applicability::Converted(remarks, Box::new(converted)))
        }
        other => Some(other),
    }
}

/// The rules of the metadata of all policies; nothing if one of them has none and may be asked about everything.
pub(super) fn rules_of(wanted: &[PolicyIndex], policies: &Policies<'_>) -> Option<Vec<Rule>> {
    let mut all_rules = Vec::new();
    for policy in wanted {
        match &policies.prepared(*policy).metadata {
            Some(metadata) if metadata.policy_type == PolicyType::Kubernetes => {
                all_rules.extend(metadata.rules.iter().cloned());
            }
            _ => return None,
        }
    }
    Some(all_rules)
}

/// One rule of one of the policies is enough.
fn of_metadata(wanted: &[PolicyIndex], request: &AdmissionRequest, policies: &Policies<'_>) -> Applicability {
    let Some(rules) = rules_of(wanted, policies).filter(|rules| !rules::selects(rules, request)) else {
        return Applicability::Applicable(Vec::new());
    };
    Applicability::NotApplicable(rules::explain(&rules, request, "the metadata"))
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
