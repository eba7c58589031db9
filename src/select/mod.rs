//! Which cases of the suites run, and which policies they need.

mod advice;
mod partition;
mod selected;
mod selection;

use policy_verify_model::suite::{Case, PolicyIndex, Suite, SuiteIndex};

use crate::error::{Error, OnlyRefusal};

pub(crate) use self::advice::advice;
pub use self::partition::{Partition, Timings};
pub(crate) use self::selected::{PolicyKey, Selected, SelectedCase, used_policies};
pub use self::selection::{Selection, TagExpression};

/// The selected cases and what they need.
///
/// # Errors
///
/// When `only:` is used where it is refused.
pub(crate) fn select<'a>(
    suites: &'a [Suite],
    selection: &Selection,
    refuses_only: Option<OnlyRefusal>,
) -> Result<Selected<'a>, Error> {
    let indices = || (0..).map(SuiteIndex).zip(suites);
    let all = || indices().flat_map(|(suite, read)| read.cases.iter().map(move |case| SelectedCase { suite, case }));
    let marked: Vec<&Case> = all().map(|selected| selected.case).filter(|case| case.is_only).collect();
    if let Some(refusal) = refuses_only.filter(|_| !marked.is_empty()) {
        return Err(Error::only(&marked, refusal));
    }
    let is_focused = |case: &Case| marked.is_empty() || case.is_only;
    let mut cases: Vec<_> = all().filter(|it| is_focused(it.case) && selection.selects(it.case)).collect();
    let is_preferred = |selected: &SelectedCase<'_>| selection.preferred.contains(&selected.case.id);
    if cases.iter().any(is_preferred) {
        cases.retain(is_preferred);
    }
    let mut policies = used_policies(suites, &cases);
    if selection.is_everything() {
        let of_suite = |(suite, read): (SuiteIndex, &'a Suite)| {
            let declared = (0..read.policies.len()).map(PolicyIndex).filter(|policy| is_wanted(read, *policy));
            declared.map(move |policy| PolicyKey { suite, policy })
        };
        policies.extend(indices().flat_map(of_suite));
    }
    let (total, policies) = (cases.len(), policies.into_iter().collect());
    let whole = Selected { cases, policies, total, shard: None };
    Ok(match selection.partition {
        Some(partition) => partition::take(partition, &selection.timings, suites, whole),
        None => whole,
    })
}

/// Whether a policy is prepared although no case uses it. Those of a file that is included are for other suites, too.
fn is_wanted(suite: &Suite, policy: PolicyIndex) -> bool {
    let is_published = suite.publish.iter().any(|published| published.policy == policy);
    is_published || suite.policies[policy.0].span.file.path == suite.file.path
}
