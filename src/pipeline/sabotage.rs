//! What a suite notices: each case runs again with policies that do something else, or have other settings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use policy_verify_engine::Policy;
use policy_verify_model::gate::Goal;
use policy_verify_model::outcome::{CaseReport, Outcome};
use policy_verify_model::sabotage::{Attempt, HollowCases, LeftOut, LeftOutBecause, Sabotage, SabotagedCase, StandIn};
use policy_verify_model::suite::{CaseBody, PolicyIndex, SuiteIndex};
use policy_verify_suite::SnapshotUse;
use rayon::prelude::*;

use super::mutants::{KeptFates, MutantEffort};
use super::options::{Options, Progress};
use super::ready::{self, Code, Ready};
use super::{case, dead_settings, mutants};
use crate::error::Error;
use crate::evaluate::Policies;
use crate::prepare::PreparedPolicy;
use crate::sabotage::Sabotaged;
use crate::select::SelectedCase;

/// Runs every selected case with each stand-in for each of its policies. A case that does not pass with the policies
/// themselves is left out, and so is one that asks none. With an `effort`, mutants of the modules run as well.
///
/// # Errors
///
/// When nothing could be run: see [`verify`](super::verify()); or the file of earlier results is none.
pub fn sabotage(options: &Options, effort: Option<&MutantEffort>, progress: &dyn Progress) -> Result<Sabotage, Error> {
    let kept = KeptFates::open(effort.and_then(|effort| effort.resume.as_deref()), progress)?;
    ready::with_suites(options, SnapshotUse::Compared, progress, |loaded| {
        loaded.with_policies(options, Code::Plain, progress, |ready| {
            let selected = &loaded.selected.cases;
            let reports: Vec<CaseReport> = selected.par_iter().map(|case| report(*case, ready, progress)).collect();
            // A relation is no case: it notices what several of them do not look at.
            let cases = selected.par_iter().zip(&reports);
            let cases = cases.filter(|(selected, _)| !matches!(selected.case.body, CaseBody::Relation(_)));
            let cases = cases.filter(|_| !options.interrupt.is_stopped());
            let results = cases.map(|(selected, report)| of_case(*selected, report, ready));
            let mut sabotage = Sabotage { version: env!("CARGO_PKG_VERSION").to_owned(), ..Sabotage::default() };
            for result in results.collect::<Vec<_>>() {
                match result {
                    Ok(case) => sabotage.cases.push(case),
                    Err(left_out) => sabotage.left_out.push(left_out),
                }
            }
            sabotage.settings = dead_settings::of_run(ready, options);
            if let Some(effort) = effort {
                sabotage.mutants = mutants::of_run(ready, &reports, effort, &kept, options);
                kept.finish(progress);
            }
            ready.engine.finish();
            sabotage
        })
    })
}

/// Which cases of the suites that have a gate about it notice nothing; `reports` are those of the selected cases. Nothing is known
/// once the run is interrupted.
pub(super) fn hollow(ready: &Ready<'_>, reports: &[CaseReport], options: &Options) -> Vec<HollowCases> {
    let of_suite = |suite: SuiteIndex| {
        let selected = ready.loaded.selected.cases.par_iter().zip(reports);
        let own = selected.filter(|(selected, _)| selected.suite == suite && !options.interrupt.is_stopped());
        let tried: Vec<_> =
            own.filter_map(|(case, report)| Some((report, of_case(*case, report, ready).ok()?))).collect();
        let hollow = tried.iter().filter(|(_, case)| case.is_hollow());
        HollowCases {
            suite: suite.0,
            tried: tried.len(),
            names: hollow.map(|(report, _)| report.name.clone()).collect(),
        }
    };
    let has_gate = |suite: &SuiteIndex| ready.loaded.suites[suite.0].has_gate(|goal| matches!(goal, Goal::Hollow(_)));
    let hollow = (0..ready.loaded.suites.len()).map(SuiteIndex).filter(has_gate).map(of_suite).collect();
    if options.interrupt.is_stopped() { Vec::new() } else { hollow }
}

/// Runs a case with the policies themselves.
fn report(SelectedCase { suite, case }: SelectedCase<'_>, ready: &Ready<'_>, progress: &dyn Progress) -> CaseReport {
    let (report, _) = case::report(suite, case, &ready.policies[suite.0], None);
    progress.case_finished(&report);
    report
}

/// Runs a case with each stand-in; `report` is what it is without.
fn of_case(selected: SelectedCase<'_>, report: &CaseReport, ready: &Ready<'_>) -> Result<SabotagedCase, LeftOut> {
    let SelectedCase { suite, case } = selected;
    let policies = &ready.policies[suite.0];
    let left_out = |because| LeftOut { id: case.id.clone(), because };
    match report.outcome {
        Outcome::Passed => {}
        Outcome::Skipped(_) | Outcome::Xfailed(_) => return Err(left_out(LeftOutBecause::Skipped)),
        _ => return Err(left_out(LeftOutBecause::Failing)),
    }
    let is_about_settings = match case.body {
        CaseBody::Request(_) => false,
        CaseBody::Settings(_) => true,
        CaseBody::Check { .. } | CaseBody::Relation(_) => return Err(left_out(LeftOutBecause::Check)),
    };
    // A fault is expected: whatever the policies answer beside it means nothing.
    if report.fault.is_some() {
        return Err(left_out(LeftOutBecause::NoVerdict));
    }
    let mut asked = policies.suite.policies_for(case);
    asked.sort_unstable();
    asked.dedup();
    let mut targets: Vec<(String, Vec<PolicyIndex>)> =
        asked.iter().map(|policy| (policies.suite.policies[policy.0].name.clone(), vec![*policy])).collect();
    // What one of several policies does may not matter: all of them do it, too.
    if asked.len() > 1 {
        targets.push((case.subject.clone(), asked));
    }
    let stand_ins = || StandIn::ALL.into_iter().filter(|it| it.is_about_settings() == is_about_settings);
    let each = targets.iter().flat_map(|target| stand_ins().map(move |stand_in| (target, stand_in)));
    let attempts: Vec<Attempt> = each
        .filter_map(|((name, targets), stand_in)| {
            let is_noticed = attempt(selected, policies, targets, stand_in)?;
            Some(Attempt { policy: name.clone(), stand_in, is_noticed })
        })
        .collect();
    if attempts.is_empty() {
        return Err(left_out(LeftOutBecause::NoVerdict));
    }
    let place = case.place();
    let (id, policy) = (report.id.clone(), report.policy.clone());
    Ok(SabotagedCase { id, policy, file: place.file.path.clone(), line: place.line, attempts })
}

/// Runs a case with a stand-in for these policies, and says whether it noticed; nothing where that changes no answer.
fn attempt(
    SelectedCase { suite, case }: SelectedCase<'_>,
    policies: &Policies<'_>,
    targets: &[PolicyIndex],
    stand_in: StandIn,
) -> Option<bool> {
    let has_changed = Arc::new(AtomicBool::new(false));
    let stand_in_for = |policy: &PreparedPolicy| -> Arc<dyn Policy> {
        Arc::new(Sabotaged::new(Arc::clone(&policy.guest), stand_in, Arc::clone(&has_changed)))
    };
    let outcome = policies.with_guests(targets, stand_in_for, |sabotaged| {
        // What the policy itself has accepted was not answered by the stand-in.
        let accepted = sabotaged.accepted.clone().filter(|_| !stand_in.is_about_settings());
        case::report(suite, case, &Policies { accepted, ..sabotaged }, None).0.outcome
    });
    has_changed.load(Ordering::Relaxed).then_some(outcome != Outcome::Passed)
}
