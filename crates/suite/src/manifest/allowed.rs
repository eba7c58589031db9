//! Whether the controller deploys a namespaced policy: the resources it may target. Source: `namespaced_policies_allow_list.go`
//! of the controller 1.38, and `policy_validation.go` before it.

use std::collections::BTreeSet;

use super::entry::RuleEntry;
use policy_verify_model::code::Code;
use policy_verify_model::deployed::PolicyKind;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::installation::{AllowedResources, Kubewarden};
use policy_verify_model::source::Spanned;

const REMEDY: &str = "To deploy this policy, ask the cluster administrator to add the resources that the policy targets to the Helm value namespacedPoliciesAllowedResources.";

/// Why a policy is not deployed, in the words of its condition `PolicyActive`, at the first resource that is not allowed.
pub(super) fn reason_against(
    rules: &[Spanned<RuleEntry>],
    kind: PolicyKind,
    kubewarden: &Kubewarden,
) -> Option<Diagnostic> {
    if kind.is_cluster() || !kubewarden.release.has_allowed_resources() {
        return None;
    }
    let allowed = &kubewarden.installation.allowed_resources;
    let mut place = None;
    let mut targets = BTreeSet::new();
    for rule in rules {
        for group in &rule.value.api_groups {
            for resource in &rule.value.resources {
                if !is_allowed(allowed, &group.value, &resource.value) {
                    place.get_or_insert(&resource.span);
                    targets.insert(target(&group.value, &resource.value));
                }
            }
        }
    }
    let targets: Vec<String> = targets.into_iter().collect();
    Some(Diagnostic::new(Code::Mistake, message(&targets, allowed)).at(place?))
}

/// A subresource is allowed where its parent is; a wildcard never.
fn is_allowed(allowed: &[AllowedResources], group: &str, resource: &str) -> bool {
    let parent = resource.split('/').next().unwrap_or_default();
    if group.contains('*') || parent.is_empty() || parent.contains('*') {
        return false;
    }
    let holds = |list: &[String], wanted: &str| list.iter().any(|item| item == wanted);
    allowed.iter().any(|entry| holds(&entry.api_groups, group) && holds(&entry.resources, parent))
}

/// `deployments.apps`, `pods`
fn target(group: &str, resource: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

fn message(targets: &[String], allowed: &[AllowedResources]) -> String {
    let reason = match allowed {
        [] => "The allow list of resources for namespaced policies is empty.".to_owned(),
        _ => format!(
            "The cluster administrator does not allow namespaced policies to target these resources \
             (resource.apiGroup): {}.",
            targets.join(", ")
        ),
    };
    let has_wildcard = targets.iter().any(|target| target.contains('*'));
    let wildcards = "Namespaced policies cannot use wildcards in apiGroups or resources. Replace each wildcard with a resource name. ";
    let wildcards = if has_wildcard { wildcards } else { "" };
    format!("The policy is not deployed. {reason} {wildcards}{REMEDY}")
}

/// What the controller's webhook refused before 1.38. It held the `apiVersions` of a rule for its `apiGroups`, so only
/// `apiVersions: ["*"]` was ever refused.
pub(super) fn refusal_before_the_allow_list(rule: &RuleEntry) -> Option<&'static str> {
    let has = |list: &[Spanned<String>], wanted: &dyn Fn(&str) -> bool| list.iter().any(|item| wanted(&item.value));
    if !has(&rule.api_versions, &|version| version == "*") {
        return None;
    }
    if has(&rule.resources, &|resource| matches!(resource, "*" | "*/*")) {
        return Some(
            "apiGroups cannot use wildcards when using AdmissionPolicy or AdmissionPolicyGroup; \
             resources cannot use wildcards when using AdmissionPolicy or AdmissionPolicyGroup",
        );
    }
    let is_report = |resource: &str| resource == "policyreports" || resource.starts_with("policyreports/");
    has(&rule.resources, &is_report).then_some(
        "{APIGroup: wgpolicyk8s.io, Resource: policyreports} resources cannot be targeted by AdmissionPolicy or \
         AdmissionPolicyGroup",
    )
}
