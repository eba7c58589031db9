//! Policies that the controller does not deploy: no case can expect anything of them but that they are not asked.

use super::mistake::Mistakes;
use super::policies::Policies;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::suite::{Case, CaseBody, Deployment, Expectation, GroupIndex, PolicyIndex, Step};

/// Adds a mistake for every policy that is not deployed, unless all of its cases expect `not-applicable`.
pub(super) fn check(policies: &Policies, cases: &[Case], mistakes: &mut Mistakes) {
    for (index, spec) in policies.specs.iter().enumerate() {
        let is_meant = |step: &Step| matches!(step, Step::Policy(used) if used.policy == PolicyIndex(index));
        report(reason(&spec.deployment), cases, &is_meant, mistakes);
    }
    for (index, group) in policies.groups.iter().enumerate() {
        let is_meant = |step: &Step| matches!(step, Step::Group(found) if *found == GroupIndex(index));
        report(reason(&group.deployment), cases, &is_meant, mistakes);
    }
}

fn reason(deployment: &Deployment) -> Option<&Diagnostic> {
    deployment.scope.as_ref()?.not_deployed.as_ref()
}

fn report(reason: Option<&Diagnostic>, cases: &[Case], is_meant: &dyn Fn(&Step) -> bool, mistakes: &mut Mistakes) {
    let Some(reason) = reason else { return };
    let mut expectations = cases.iter().filter_map(|case| match &case.body {
        CaseBody::Request(body) if body.subject.steps.iter().any(is_meant) => Some(&*body.expect),
        _ => None,
    });
    let is_wanted = |expect: &Expectation| matches!(expect, Expectation::NotApplicable);
    let is_expected = expectations.next().is_some_and(is_wanted) && expectations.all(is_wanted);
    if !is_expected {
        let help =
            "name allowed resources, or add them to `namespacedPoliciesAllowedResources` of `kubewarden:` in the suite";
        mistakes.push(reason.clone().with_help(help.to_owned()));
    }
}
