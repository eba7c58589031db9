//! What a run exercises of its policies, and whether it reaches the gates of its suites.

use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::gate::{Gate, Goal};
use policy_verify_model::gate_reports;
use policy_verify_model::outcome::{CaseReport, RunReport};
use policy_verify_model::rule_coverage::{RuleCoverage, RuleOrigin};
use policy_verify_model::source::Spanned;
use policy_verify_model::suite::{Case, Suite, SuiteIndex};

use super::options::{Options, Progress};
use super::ready::{Loaded, Ready};
use super::{diff, privileges, sabotage, uses};
use crate::coverage::{self, Coverage};

/// Adds what the cases exercise, what is wrong with the rules, and a report for each gate.
pub(super) fn add(report: &mut RunReport, ready: &Ready<'_>, options: &Options, progress: &dyn Progress) {
    let Loaded { suites, selected, .. } = ready.loaded;
    let total: usize = suites.iter().map(|suite| suite.cases.len()).sum();
    let left_out = total - selected.total;
    let coverage = of_suites(&report.cases, ready);
    for (policy, record) in report.policies.iter_mut().zip(ready.records) {
        let coverage = &coverage[record.key.suite.0];
        policy.verdicts = coverage.verdicts_of(record.key.policy);
        let used = coverage.privileges_of(record.key.policy).filter(|_| left_out == 0);
        policy.privileges = used
            .zip(record.prepared.as_ref().ok())
            .map(|(privileges, prepared)| privileges::explained(privileges, record.key.spec(suites), prepared));
    }
    for of_suite in coverage {
        report.rules.extend(of_suite.rules);
        report.settings.extend(of_suite.settings);
    }
    for warning in report.rules.iter().filter_map(selects_nothing) {
        // Two suites may be about one manifest.
        if !report.warnings.contains(&warning) {
            report.warnings.push(warning);
        }
    }
    // Nobody wrote cases for what was typed.
    if left_out > 0 || options.written.is_some() {
        report.rules.clear();
        report.settings.clear();
    } else {
        report.hollow = sabotage::hollow(ready, &report.cases, options);
        report.changes = diff::changes(ready, options);
        report.uses = uses::of_run(ready, &report.cases, options);
    }
    let skipped = (left_out > 0).then(|| format!("the run leaves out {left_out} of {total} cases"));
    report.gates = suites.iter().enumerate().flat_map(|(index, suite)| gates(index, suite, skipped.as_ref())).collect();
    let reports = gate_reports::reports(report);
    if !reports.is_empty() {
        reports.iter().for_each(|gate| progress.case_finished(gate));
        report.cases.extend(reports);
        report.cases.sort_by_key(|case| (case.suite, case.position));
    }
}

fn gates<'a>(index: usize, suite: &'a Suite, skipped: Option<&'a String>) -> impl Iterator<Item = Gate> + 'a {
    let gate = move |goal: &Spanned<Goal>| Gate {
        suite: index,
        goal: goal.value,
        span: goal.span.clone(),
        skipped: skipped.cloned(),
    };
    suite.gates.iter().map(gate)
}

/// What the cases of each suite exercise.
fn of_suites(reports: &[CaseReport], ready: &Ready<'_>) -> Vec<Coverage> {
    let mut cases: Vec<Vec<(&Case, &CaseReport)>> = vec![Vec::new(); ready.loaded.suites.len()];
    for (selected, report) in ready.loaded.selected.cases.iter().zip(reports) {
        cases[selected.suite.0].push((selected.case, report));
    }
    let of_suite = |(index, cases)| coverage::of(SuiteIndex(index), &ready.policies[index], cases);
    cases.into_iter().enumerate().map(of_suite).collect()
}

/// The warning about rules of which a part selects nothing.
fn selects_nothing(rules: &RuleCoverage) -> Option<Diagnostic> {
    let (first, others) = rules.mistakes.split_first()?;
    let origin = match rules.origin {
        RuleOrigin::Metadata => "metadata",
        RuleOrigin::Manifest => "manifest",
    };
    let more = if others.is_empty() { String::new() } else { format!(" (and {} more)", others.len()) };
    let message =
        format!("a part of the rules in the {origin} of `{}` selects no request: {first}{more}", rules.policy);
    let help =
        "correct the rules; resources have their plural name, and those of a CustomResourceDefinition need `crds:`";
    Some(Diagnostic::new(Code::SelectsNothing, message).at(&rules.span).with_help(help.to_owned()))
}
