//! The policies that the cases of a suite are evaluated with.

use std::sync::Arc;

use policy_verify_host::HostBackend;
use policy_verify_model::outcome::Unavailable;
use policy_verify_model::policy::PolicyType;
use policy_verify_model::suite::{Case, CaseBody, GroupIndex, GroupSpec, PolicyIndex, PolicySpec, Step, Suite};

use crate::prepare::PreparedPolicy;

/// The policies of a suite, ready to be evaluated.
pub(crate) struct Policies<'a> {
    /// The suite.
    pub(crate) suite: &'a Suite,
    /// Its policies by index; `None` for those that the run does not need.
    pub(crate) prepared: Vec<Option<&'a Result<PreparedPolicy, Arc<Unavailable>>>>,
    /// What answers host calls after the suite.
    pub(crate) backend: HostBackend,
}

impl<'a> Policies<'a> {
    pub(super) fn spec(&self, policy: PolicyIndex) -> &'a PolicySpec {
        &self.suite.policies[policy.0]
    }

    pub(super) fn group(&self, group: GroupIndex) -> &'a GroupSpec {
        &self.suite.groups[group.0]
    }

    /// The policy itself; a case is evaluated only if all its policies are available.
    pub(crate) fn prepared(&self, policy: PolicyIndex) -> &'a PreparedPolicy {
        let prepared = self.prepared[policy.0].and_then(|prepared| prepared.as_ref().ok());
        prepared.expect("the policies of an evaluated case are available")
    }

    /// Why a case cannot be evaluated: the first of its policies that is unavailable.
    pub(crate) fn unavailable_for(&self, case: &Case) -> Option<&'a Arc<Unavailable>> {
        let mut wanted = self.suite.policies_for(case).into_iter();
        wanted.find_map(|policy| self.prepared[policy.0]?.as_ref().err())
    }

    /// Whether rules of metadata or of a manifest say what a case is about.
    pub(crate) fn has_rules_for(&self, case: &Case) -> bool {
        let has_scope = |step: &Step| match step {
            Step::Policy(used) => self.spec(used.policy).deployment.scope.is_some(),
            Step::Group(group) => self.group(*group).deployment.scope.is_some(),
        };
        let has_metadata = |step: &Step| {
            self.suite.policies_of(step).into_iter().all(|policy| self.prepared(policy).metadata.is_some())
        };
        let CaseBody::Request(asked) = &case.body else { return false };
        asked.subject.steps.iter().all(|step| has_scope(step) || has_metadata(step))
    }

    pub(super) fn is_raw(&self, policy: PolicyIndex) -> bool {
        let metadata = self.prepared(policy).metadata.as_ref();
        metadata.is_some_and(|metadata| metadata.policy_type == PolicyType::Raw)
    }
}
