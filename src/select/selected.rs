//! The cases and policies of a run.

use std::collections::BTreeSet;

use policy_verify_model::outcome::Shard;
use policy_verify_model::suite::{Case, PolicyIndex, PolicySpec, Suite, SuiteIndex};

/// A case of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SelectedCase<'a> {
    /// Its suite.
    pub(crate) suite: SuiteIndex,
    /// The case.
    pub(crate) case: &'a Case,
}

/// Which policy of which suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PolicyKey {
    /// Its suite.
    pub(crate) suite: SuiteIndex,
    /// The policy in the suite.
    pub(crate) policy: PolicyIndex,
}

impl PolicyKey {
    /// The policy as its suite declares it.
    pub(crate) fn spec(self, suites: &[Suite]) -> &PolicySpec {
        &suites[self.suite.0].policies[self.policy.0]
    }
}

/// What was selected.
#[derive(Debug)]
pub(crate) struct Selected<'a> {
    /// The cases, in suite order.
    pub(crate) cases: Vec<SelectedCase<'a>>,
    /// The policies the run needs, sorted: those of the cases, and every declared one when nothing is left out.
    pub(crate) policies: Vec<PolicyKey>,
    /// How many cases were selected before they were divided.
    pub(crate) total: usize,
    /// Which part of them this is.
    pub(crate) shard: Option<Shard>,
}

/// The policies of the given cases.
pub(crate) fn used_policies(suites: &[Suite], cases: &[SelectedCase<'_>]) -> BTreeSet<PolicyKey> {
    let of_case = |&SelectedCase { suite, case }: &SelectedCase<'_>| {
        let policies = suites[suite.0].policies_for(case).into_iter();
        policies.map(move |policy| PolicyKey { suite, policy }).collect::<Vec<_>>()
    };
    cases.iter().flat_map(of_case).collect()
}
