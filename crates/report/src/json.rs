//! Results as one JSON document each. From that of a run every other format could be written, and is by `verify merge`.

use std::io;

use policy_verify_model::outcome::RunReport;
use serde::Serialize;

use crate::format::Format;
use crate::{document, escape};

/// The complete report as one JSON document.
pub(super) struct Json;

impl Format for Json {
    fn write(&self, run: &RunReport, out: &mut dyn io::Write) -> io::Result<()> {
        write(&document::document(run), out)
    }
}

/// Writes `result` as one document, in which nothing can be taken for a command of a terminal or a CI runner.
pub fn write(result: &impl Serialize, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "{}", escape::json(&serde_json::to_string_pretty(result)?))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::testing;

    fn parsed(run: &RunReport) -> Value {
        serde_json::from_str(&testing::written(&Json, run)).expect("the report is one JSON document")
    }

    /// The lines that open a key at the given depth, in the order in which they are written.
    fn keys_at(text: &str, depth: usize) -> Vec<&str> {
        let indent = "  ".repeat(depth);
        text.lines()
            .filter_map(|line| line.strip_prefix(&indent)?.strip_prefix('"')?.split_once("\": "))
            .map(|(key, _)| key)
            .collect()
    }

    #[test]
    fn keys_come_in_the_order_of_the_contract() {
        let mut run = testing::sample();
        run.cases = vec![run.cases[1].clone()];
        run.policies.truncate(1);
        let text = testing::written(&Json, &run);
        assert!(text.ends_with("}\n"));
        assert_eq!(
            keys_at(&text, 1),
            [
                "version",
                "tool",
                "summary",
                "policies",
                "cases",
                "suites",
                "started_at",
                "duration_us",
                "shard",
                "seed",
                "sources"
            ]
        );
        let case = &text[text.find("\"cases\"").unwrap()..];
        assert_eq!(
            keys_at(case, 3)[..12],
            [
                "id",
                "suite",
                "policy",
                "kind",
                "outcome",
                "file",
                "line",
                "duration_us",
                "response",
                "fault",
                "mismatches",
                "calls"
            ]
        );
        let mismatch = &case[case.find("\"mismatches\"").unwrap()..];
        assert_eq!(keys_at(mismatch, 5)[..4], ["at", "expected", "actual", "line"]);
    }

    #[test]
    fn outcomes_and_faults_are_told_apart() {
        let report = parsed(&testing::sample());
        assert_eq!(report["summary"]["duration_ms"], 41);
        assert_eq!(report["summary"]["xfailed"], 1);
        let by_outcome = |word: &str| {
            report["cases"].as_array().unwrap().iter().filter(|case| case["outcome"] == word).collect::<Vec<_>>()
        };
        assert_eq!(by_outcome("failed")[0]["mismatches"][0]["line"], 24);
        assert_eq!(by_outcome("failed")[0]["mismatches"][0]["at"], "/status/message");
        assert_eq!(by_outcome("error")[0]["fault"]["kind"], "timeout");
        assert_eq!(by_outcome("error")[1]["fault"]["kind"], "fetch");
        assert_eq!(by_outcome("skipped")[0]["skip_reason"], "needs the v2 settings");
        assert_eq!(report["policies"][3]["error"]["kind"], "fetch");
        assert_eq!(by_outcome("passed")[0]["response"]["auditAnnotations"], Value::Null);
    }

    #[test]
    fn hostile_text_comes_back_unchanged() {
        let run = testing::hostile();
        let report = parsed(&run);
        assert!(!testing::written(&Json, &run).contains("##"));
        for (case, read) in run.cases.iter().zip(report["cases"].as_array().unwrap()) {
            assert_eq!(read["id"], case.id);
        }
    }

    #[test]
    fn a_megabyte_is_not_cut() {
        let report = parsed(&testing::failures(1, 1_000_000));
        assert!(report["cases"][0]["mismatches"][0]["actual"].as_str().unwrap().len() >= 1_000_000);
    }
}
