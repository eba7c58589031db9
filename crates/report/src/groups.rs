//! The cases of a run by suite and policy: the grouping that all formats with headings share.

use indexmap::IndexMap;

use policy_verify_model::outcome::{CaseReport, PolicyReport, RunReport, Summary};

/// The cases of one policy in one suite.
pub(super) struct Group<'a> {
    /// Index into [`RunReport::suites`].
    pub(super) suite: usize,
    /// Name of the policy.
    pub(super) name: &'a str,
    /// What is known about the policy; none for names that stand for several policies at once.
    pub(super) policy: Option<&'a PolicyReport>,
    /// The cases, in suite order; never empty.
    pub(super) cases: Vec<&'a CaseReport>,
    /// The position of each of them in the run.
    pub(super) numbers: Vec<usize>,
}

impl Group<'_> {
    /// The counts of these cases.
    pub(super) fn summary(&self) -> Summary {
        Summary::of(self.cases.iter().copied())
    }

    /// Time these cases took, one after the other.
    pub(super) fn duration(&self) -> std::time::Duration {
        self.cases.iter().map(|case| case.duration).sum()
    }
}

/// The groups of `run`, suite by suite, policies in suite order. A policy without cases has no group.
pub(super) fn of(run: &RunReport) -> Vec<Group<'_>> {
    let mut groups: IndexMap<(usize, &str), Group<'_>> = IndexMap::new();
    for policy in &run.policies {
        let group = Group {
            suite: policy.suite,
            name: &policy.name,
            policy: Some(policy),
            cases: Vec::new(),
            numbers: Vec::new(),
        };
        groups.entry((policy.suite, &policy.name)).or_insert(group);
    }
    for (number, case) in run.cases.iter().enumerate() {
        let group =
            Group { suite: case.suite, name: &case.policy, policy: None, cases: Vec::new(), numbers: Vec::new() };
        let group = groups.entry((case.suite, &case.policy)).or_insert(group);
        group.cases.push(case);
        group.numbers.push(number);
    }
    let mut groups: Vec<_> = groups.into_values().filter(|group| !group.cases.is_empty()).collect();
    groups.sort_by_key(|group| group.suite);
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn groups_follow_the_suite_and_leave_out_idle_policies() {
        let run = testing::sample();
        let groups = of(&run);
        let names: Vec<(usize, &str)> = groups.iter().map(|group| (group.suite, group.name)).collect();
        assert_eq!(names, [(0, "safe-labels"), (0, "verify-images"), (1, "unique-ingress")]);
        assert_eq!(groups.iter().map(|group| group.cases.len()).sum::<usize>(), run.cases.len());
    }
}
