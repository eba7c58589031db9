//! What the cases exercise of the rules of each policy: a row for each request that the rules select.

use policy_verify_model::outcome::RunReport;
use policy_verify_model::rule_coverage::{Exercise, RequestCoverage, RuleCoverage};

use super::tables::{self, Row, Table};
use crate::place::path_of;

/// The tables; nothing where no policy has rules, or the run cannot tell.
pub(super) fn section(run: &RunReport) -> String {
    let shown = run.rules.iter().filter(|rules| run.shard.is_none() && !rules.requests.is_empty());
    tables::section("rules", "Rules", shown.map(|rules| table(run, rules)))
}

fn table<'a>(run: &'a RunReport, rules: &'a RuleCoverage) -> Table<'a> {
    let (exercised, all) = (rules.exercised(), rules.requests.len());
    Table {
        policy: &rules.policy,
        suite: path_of(&run.suites, rules.suite),
        summary: format!("{exercised} of {all} requests of the rules have a case"),
        is_open: exercised < all,
        columns: &["request", "allowed", "mutated", "rejected"],
        rows: rules.requests.iter().map(row).collect(),
        notes: rules.mistakes.iter().chain(&rules.notes).map(String::as_str).collect(),
    }
}

fn row(request: &RequestCoverage) -> Row {
    let verdicts = request.verdicts;
    Row {
        name: request.to_string(),
        numbers: vec![verdicts.allowed, verdicts.mutated, verdicts.rejected],
        is_missing: request.exercise() == Exercise::Never,
    }
}
