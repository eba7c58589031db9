//! What cases cost: each runs several times on one thread, and once in code that counts its instructions.

use std::time::Duration;

use policy_verify_model::cost::{CaseCost, Costs, Times};
use policy_verify_model::outcome::{CaseReport, Outcome};
use policy_verify_suite::SnapshotUse;

use super::case;
use super::options::{Options, Progress};
use super::ready::{self, Code, Ready};
use crate::error::Error;
use crate::select::SelectedCase;

/// Times every selected case so many `rounds`. A round runs all of them, so that whatever else the machine does meets them
/// alike. Policies have their best code, and their settings were validated before, as in policy-server. Cases that do not pass
/// are not timed.
///
/// # Errors
///
/// When nothing could be run: see [`verify`](super::verify()).
pub fn bench(options: &Options, rounds: usize, progress: &dyn Progress) -> Result<Costs, Error> {
    ready::with_suites(options, SnapshotUse::Compared, progress, |loaded| {
        let counted: Vec<Option<u64>> = loaded.with_policies(options, Code::Counting, &(), |ready| {
            // Settings are validated by the first of the cases that share them: that is over before anything counts.
            let mut runs = (0..2).map(|_| all(ready, options).map(|report| report?.instructions).collect());
            runs.nth(1).unwrap_or_default()
        })?;
        let costs = |ready: &Ready<'_>| costs(ready, options, rounds, &counted, progress);
        loaded.with_policies(options, Code::Plain, progress, costs)
    })
}

fn costs(
    ready: &Ready<'_>,
    options: &Options,
    rounds: usize,
    counted: &[Option<u64>],
    progress: &dyn Progress,
) -> Costs {
    let selected = &ready.loaded.selected.cases;
    for SelectedCase { suite, case } in selected {
        let policies = &ready.policies[suite.0];
        // What cannot be compiled better is timed as it is.
        let _ = policies.unavailable_for(case).is_none().then(|| policies.settle(case));
    }
    let first: Vec<Option<CaseReport>> = all(ready, options).collect();
    let is_timed = |report: &Option<CaseReport>| report.as_ref().is_some_and(|it| it.outcome == Outcome::Passed);
    let timed: Vec<usize> = (0..selected.len()).filter(|index| is_timed(&first[*index])).collect();
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); selected.len()];
    for _ in 0..rounds {
        for index in &timed {
            times[*index].extend(run(ready, options, selected[*index]).map(|report| report.duration));
        }
    }
    let results = selected.iter().zip(first).zip(times).zip(counted);
    let cases = results.filter_map(|(((SelectedCase { case, .. }, report), times), counted)| {
        let report = report?;
        progress.case_finished(&report);
        Some(CaseCost {
            id: report.id,
            policy: report.policy,
            file: case.place().file.path.clone(),
            line: case.place().line,
            reason: reason(&report.outcome),
            outcome: match report.outcome {
                Outcome::Unavailable(_) => "unavailable".to_owned(),
                outcome => outcome.word().to_owned(),
            },
            time: Times::of(times),
            instructions: *counted,
        })
    });
    Costs { version: env!("CARGO_PKG_VERSION").to_owned(), rounds, cases: cases.collect() }
}

/// Why a case is not timed.
fn reason(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Passed => None,
        Outcome::Failed(mismatches) => {
            mismatches.first().map(|it| format!("expected {}, got {}", it.expected, it.actual))
        }
        Outcome::Error(fault) => Some(fault.message.clone()),
        Outcome::Unavailable(why) => Some(why.message.clone()),
        Outcome::Skipped(reason) | Outcome::NotRun(reason) | Outcome::Xfailed(reason) | Outcome::Xpassed(reason) => {
            Some(reason.clone())
        }
    }
}

/// Runs all cases, one after the other.
fn all<'a>(ready: &'a Ready<'_>, options: &'a Options) -> impl Iterator<Item = Option<CaseReport>> + 'a {
    ready.loaded.selected.cases.iter().map(|selected| run(ready, options, *selected))
}

/// Runs a case; not once the run is interrupted.
fn run(ready: &Ready<'_>, options: &Options, SelectedCase { suite, case }: SelectedCase<'_>) -> Option<CaseReport> {
    if options.interrupt.is_stopped() {
        return None;
    }
    let (report, _) = case::report(suite, case, &ready.policies[suite.0], None);
    Some(report).filter(|_| !options.interrupt.is_stopped())
}
