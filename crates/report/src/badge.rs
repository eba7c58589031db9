//! A badge for a README: the JSON that Shields.io reads from an endpoint (<https://shields.io/badges/endpoint-badge>).
//!
//! It is green only for a run that shows something and in which nothing is red. No text of suites or policies is in it.

use std::io;

use policy_verify_model::outcome::RunReport;
use policy_verify_model::rule_coverage::RuleCoverage;
use serde::Serialize;

use crate::format::Format;
use crate::json;

/// Badge of Shields.io.
pub(super) struct Badge;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    schema_version: u8,
    label: &'static str,
    message: String,
    color: &'static str,
    /// Whether the colour is that of an error, whatever the address of the badge asks for.
    is_error: bool,
}

impl Format for Badge {
    fn write(&self, run: &RunReport, out: &mut dyn io::Write) -> io::Result<()> {
        let (message, color) = state(run);
        json::write(&Endpoint { schema_version: 1, label: "policies", message, color, is_error: color == RED }, out)
    }
}

const GREEN: &str = "brightgreen";
const GREY: &str = "lightgrey";
const RED: &str = "red";

fn state(run: &RunReport) -> (String, &'static str) {
    let summary = run.summary();
    let red = summary.failed + summary.errors;
    let is_unavailable = run.policies.iter().any(|policy| policy.unavailable.is_some());
    if !run.errors.is_empty() {
        ("nothing was run".to_owned(), RED)
    } else if red > 0 || is_unavailable {
        (format!("{red} of {} failed", summary.total), RED)
    } else if summary.not_run > 0 {
        (format!("{} of {} not run", summary.not_run, summary.total), RED)
    } else if run.shows_nothing() {
        ("nothing passed".to_owned(), GREY)
    } else {
        (format!("{} passed{}", summary.passed, rules(run)), GREEN)
    }
}

/// ` · 75% of rules`, rounded down; nothing for a shard, which cannot tell, and where there are no rules.
fn rules(run: &RunReport) -> String {
    let declared: usize = run.rules.iter().map(|rules| rules.requests.len()).sum();
    let exercised: usize = run.rules.iter().map(RuleCoverage::exercised).sum();
    if declared == 0 || run.shard.is_some() {
        return String::new();
    }
    format!(" · {}% of rules", exercised * 100 / declared)
}

#[cfg(test)]
mod tests {
    use policy_verify_model::outcome::Outcome;
    use serde_json::Value;

    use super::*;
    use crate::testing;

    fn badge(run: &RunReport) -> (String, String) {
        let value: Value = serde_json::from_str(&testing::written(&Badge, run)).unwrap();
        assert_eq!((&value["schemaVersion"], &value["label"]), (&1.into(), &"policies".into()));
        assert_eq!(value["isError"], value["color"] == RED);
        (value["message"].as_str().unwrap().to_owned(), value["color"].as_str().unwrap().to_owned())
    }

    #[test]
    fn only_a_run_that_shows_something_is_green() {
        let mut run = testing::sample();
        assert_eq!(badge(&run), ("4 of 14 failed".into(), RED.into()));
        run.cases.retain(|case| !case.outcome.is_bad());
        run.policies.retain(|policy| policy.unavailable.is_none());
        let passed = run.summary().passed;
        assert_eq!(badge(&run), (format!("{passed} passed"), GREEN.into()));
        run.cases[0].outcome = Outcome::NotRun("stopped".into());
        assert_eq!(badge(&run).1, RED);
        run.cases.iter_mut().for_each(|case| case.outcome = Outcome::Skipped("later".into()));
        assert_eq!(badge(&run), ("nothing passed".into(), GREY.into()));
        run.cases.clear();
        assert_eq!(badge(&run), ("nothing passed".into(), GREY.into()));
        assert_eq!(badge(&testing::not_started()), ("nothing was run".into(), RED.into()));
    }

    #[test]
    fn texts_of_policies_are_not_shown() {
        let text = testing::written(&Badge, &testing::hostile());
        assert!(testing::HOSTILE.iter().all(|hostile| hostile.is_empty() || !text.contains(hostile)), "{text}");
    }
}
