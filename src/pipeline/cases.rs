//! Steps 4 and 5 of a run: its cases, each evaluated and compared, in parallel.

use std::collections::HashMap;

use policy_verify_host::record::{self, Recorded};
use policy_verify_model::outcome::CaseReport;
use rayon::prelude::*;

use super::options::{Options, Progress};
use super::order;
use super::policies::PolicyRecord;
use super::ready::{Loaded, Ready};
use super::recording::{self, Recording};
use super::runner::CaseRunner;
use super::summary;
use crate::select::{self, SelectedCase};

/// Runs the selected cases. The reports are in suite order, whatever the order in which the cases ran.
pub(super) fn run(ready: &Ready<'_>, options: &Options, progress: &dyn Progress) -> Vec<CaseReport> {
    let Loaded { suites, selected, referee, .. } = ready.loaded;
    let (selected, policies) = (&selected.cases, &ready.policies);
    let positions = order::positions(suites);
    let file_names = options.is_recorded.then(|| recording::names(suites));
    let runner = CaseRunner::new(options, referee.as_ref(), selected.len());
    let cases = order::shuffled(selected, options.seed).into_par_iter().map(|selected| {
        let (mut report, recorded) = runner.run(selected, &policies[selected.suite.0]);
        report.position = positions.of(selected.case);
        if let Some((names, recorded)) = file_names.as_ref().zip(recorded) {
            progress.recorded(&session(selected, names, &recorded));
        }
        progress.case_finished(&report);
        report
    });
    let mut cases: Vec<CaseReport> = cases.collect();
    cases.sort_by_key(|case| (case.suite, case.position));
    cases
}

fn session(selected: SelectedCase<'_>, names: &HashMap<String, String>, recorded: &[Recorded]) -> Recording {
    let id = &selected.case.id;
    Recording { suite: selected.suite.0, case: id.clone(), name: names[id].clone(), text: record::session(recorded) }
}

/// Adds a report for every unavailable policy that no selected case uses: it decides about the exit code.
pub(super) fn add_unused_policies(cases: &mut Vec<CaseReport>, ready: &Ready<'_>, progress: &dyn Progress) {
    let (suites, records) = (ready.loaded.suites, ready.records);
    let used = select::used_policies(suites, &ready.loaded.selected.cases);
    let unused = records.iter().filter(|record| !used.contains(&record.key));
    let reports = unused.filter_map(|record| Some((record, summary::unused_policy(suites, record)?)));
    let reports: Vec<(&PolicyRecord, CaseReport)> = reports.collect();
    if reports.is_empty() {
        return;
    }
    let positions = order::positions(suites);
    for (record, mut report) in reports {
        report.position = positions.before(record.key.suite, &report.span);
        progress.case_finished(&report);
        cases.push(report);
    }
    cases.sort_by_key(|case| (case.suite, case.position));
}
