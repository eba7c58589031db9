//! A case with other guests in place of those of its policies: everything else about the policies stays.

use std::sync::Arc;

use policy_verify_engine::Policy;
use policy_verify_model::outcome::{CaseReport, Unavailable};
use policy_verify_model::suite::PolicyIndex;

use super::case;
use crate::evaluate::Policies;
use crate::prepare::PreparedPolicy;
use crate::select::SelectedCase;

/// Runs a case with what `guest` makes of these policies.
pub(super) fn report_with(
    SelectedCase { suite, case }: SelectedCase<'_>,
    policies: &Policies<'_>,
    targets: &[PolicyIndex],
    guest: &dyn Fn(Arc<dyn Policy>) -> Arc<dyn Policy>,
) -> CaseReport {
    let other = |index: &PolicyIndex| {
        let real = policies.prepared(*index);
        Ok(real.with_guest(guest(Arc::clone(&real.guest))))
    };
    let replaced: Vec<Result<PreparedPolicy, Arc<Unavailable>>> = targets.iter().map(other).collect();
    let mut prepared = policies.prepared.clone();
    for (index, replaced) in targets.iter().zip(&replaced) {
        prepared[index.0] = Some(replaced);
    }
    let (report, _) = case::report(suite, case, &Policies { prepared, ..policies.clone() }, None);
    report
}
