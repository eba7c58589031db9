//! Mutants of the modules of a run: which of them its cases notice.
//!
//! Only instructions of a policy's own code that the cases execute are changed. A mutant that no case notices gets a second
//! look: other requests, made of those of the cases. If one of them is answered differently, the suite lacks that case;
//! if none is, the mutant may well mean the same as the policy.

mod effort;
mod fate;
mod hunt;
mod kept;

use policy_verify_model::outcome::{CaseReport, Outcome};
use policy_verify_model::sabotage::PolicyMutants;

pub use self::effort::MutantEffort;
use self::hunt::Hunt;
pub(super) use self::kept::KeptFates;
use super::coverage;
use super::options::Options;
use super::ready::Ready;
use crate::select::SelectedCase;

/// What the selected cases of a run notice; `reports` are theirs, in their order. Cases that do not pass are left out. What is
/// `kept` of earlier runs need not run again.
pub(super) fn of_run(
    ready: &Ready<'_>,
    reports: &[CaseReport],
    effort: &MutantEffort,
    kept: &KeptFates,
    options: &Options,
) -> Vec<PolicyMutants> {
    let passing: Vec<SelectedCase<'_>> = ready
        .loaded
        .selected
        .cases
        .iter()
        .zip(reports)
        .filter(|(_, report)| report.outcome == Outcome::Passed)
        .map(|(selected, _)| *selected)
        .filter(|selected| selected.case.body.has_own_requests())
        .collect();
    let executed = coverage::executed(ready, reports, options);
    let time = effort.time / u32::try_from(executed.len().max(1)).unwrap_or(u32::MAX);
    let hunts: Vec<Hunt<'_>> = executed.iter().map(|module| Hunt::of(module, &passing, ready, kept, options)).collect();
    kept.keep_only(hunts.iter().map(Hunt::subject));
    hunts.iter().map(|hunt| hunt.run(effort, time)).collect()
}
