//! SARIF 2.1.0, for GitHub's code scanning and other collectors of findings: failed and weak cases.
//!
//! Cases that passed have no result. One run per suite, because GitHub replaces the findings of a run by those
//! of the next with the same `automationDetails.id`.
//!
//! Limits of GitHub: 20 runs in a file, 25,000 results of which 5,000 are shown, 10 MB compressed.

use std::io;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::outcome::{CaseReport, Outcome, RunReport};
use policy_verify_model::source::Span;
use policy_verify_model::weakness::Weakness;

use crate::format::Format;
use crate::{escape, json, phrases};

/// Results that GitHub shows of one run.
const MOST_RESULTS: usize = 5_000;

/// Runs that GitHub takes in one file.
const MOST_RUNS: usize = 20;

/// Characters of a message.
const LONGEST_MESSAGE: usize = 2_000;

/// Where the schema is published.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// Static Analysis Results Interchange Format.
pub(super) struct Sarif;

impl Format for Sarif {
    fn write(&self, run: &RunReport, out: &mut dyn io::Write) -> io::Result<()> {
        let runs = if !run.errors.is_empty() {
            vec![not_started(run)]
        } else if run.suites.len() > MOST_RUNS {
            vec![sarif_run(run, "policy-verify/", |_| true)]
        } else {
            let of_suite = |index: usize| {
                let id = format!("policy-verify/{}/", escape::visible(&run.suites[index].path));
                let mut part = sarif_run(run, &id, move |case| case.suite == index);
                part["properties"] = json!({ "kubewarden": run.suites[index].kubewarden });
                part
            };
            (0..run.suites.len()).map(of_suite).collect()
        };
        json::write(&document(runs), out)
    }
}

/// A document with these runs.
pub(crate) fn document(runs: Vec<Value>) -> Value {
    json!({ "$schema": SCHEMA, "version": "2.1.0", "runs": runs })
}

/// A result of a rule at a place of a file; `identity` stays the same when lines move.
pub(crate) struct Located<'a> {
    pub(crate) rule: &'a str,
    /// Index into the rules of the run.
    pub(crate) index: usize,
    pub(crate) level: &'static str,
    pub(crate) message: &'a str,
    pub(crate) path: &'a str,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) identity: &'a str,
}

impl Located<'_> {
    pub(crate) fn result(&self) -> Value {
        let digest = hex::encode(Sha256::digest(format!("{}\n{}", self.rule, self.identity)));
        let message = escape::shorten(self.message, LONGEST_MESSAGE);
        json!({
            "ruleId": self.rule,
            "ruleIndex": self.index,
            "level": self.level,
            "message": { "text": escape::visible(&message) },
            "locations": [{ "physicalLocation": {
                "artifactLocation": { "uri": relative_uri(self.path), "uriBaseId": "%SRCROOT%" },
                "region": { "startLine": self.line.max(1), "startColumn": self.column.max(1) },
            } }],
            "partialFingerprints": { "primaryLocationLineHash": format!("{}:1", &digest[..16]) },
        })
    }
}

/// One result.
struct Finding {
    code: Code,
    level: &'static str,
    message: String,
    span: Span,
    /// Identifies the finding when line numbers change.
    identity: String,
}

fn sarif_run(run: &RunReport, id: &str, is_wanted: impl Fn(&CaseReport) -> bool) -> Value {
    let cases: Vec<&CaseReport> = run.cases.iter().filter(|case| is_wanted(case)).collect();
    let findings = findings(&cases);
    let mut rules: Vec<Code> = findings.iter().map(|finding| finding.code).collect();
    rules.sort_unstable();
    rules.dedup();
    let results: Vec<Value> = findings.iter().take(MOST_RESULTS).map(|finding| result(finding, &rules)).collect();
    let mut invocation = json!({
        "executionSuccessful": !cases.iter().any(|case| matches!(case.outcome, Outcome::Unavailable(_) | Outcome::NotRun(_))),
        "startTimeUtc": run.started_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    });
    if findings.len() > MOST_RESULTS {
        let text = format!("{} more findings are in the other reports", findings.len() - MOST_RESULTS);
        invocation["toolExecutionNotifications"] = json!([{ "level": "warning", "message": { "text": text } }]);
    }
    json!({
        "tool": { "driver": {
            "name": "policy-verify",
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "rules": rules.iter().copied().map(rule).collect::<Vec<_>>(),
        } },
        "automationDetails": { "id": id },
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation],
        "results": results,
    })
}

/// A run that did not take place. What has no place, such as an invalid flag, is a notification: every result needs one.
fn not_started(run: &RunReport) -> Value {
    let mut document = sarif_run(run, "policy-verify/", |_| false);
    let placed = |error: &Diagnostic| {
        let span = error.span.clone().filter(|span| !span.file.path.is_empty())?;
        let identity = format!("{}\n{}", span.file.path, error.message);
        Some(Finding { code: error.code, level: "error", message: error.message.clone(), span, identity })
    };
    let findings: Vec<Finding> = run.errors.iter().filter_map(placed).collect();
    let mut rules: Vec<Code> = findings.iter().map(|finding| finding.code).collect();
    rules.sort_unstable();
    rules.dedup();
    let others = run.errors.iter().filter(|error| placed(error).is_none());
    let notes = others.map(|error| json!({ "level": "error", "message": { "text": escape::visible(&error.message) } }));
    document["tool"]["driver"]["rules"] = rules.iter().copied().map(rule).collect();
    document["results"] = findings.iter().take(MOST_RESULTS).map(|finding| result(finding, &rules)).collect();
    document["invocations"][0]["executionSuccessful"] = json!(false);
    document["invocations"][0]["toolExecutionNotifications"] = notes.collect();
    document
}

/// Errors first: what exceeds the limit is then the least.
fn findings(cases: &[&CaseReport]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut unavailable = Vec::new();
    for case in cases {
        // One finding for an unavailable policy, not one for each of its cases.
        if let Outcome::Unavailable(why) = &case.outcome {
            if unavailable.contains(&why) {
                continue;
            }
            unavailable.push(why);
        }
        findings.extend(failure(case));
    }
    findings.extend(cases.iter().filter(|case| case.weakness.is_some()).map(|case| Finding {
        code: Code::Weak,
        level: "warning",
        message: format!("{}: the expectation matches {}", case.name, case.weakness.map_or("", Weakness::matches)),
        span: case.place().clone(),
        identity: case.id.clone(),
    }));
    findings
}

fn failure(case: &CaseReport) -> Option<Finding> {
    let code = case.code().filter(|_| case.outcome.is_bad())?;
    let (span, subject) = match &case.outcome {
        Outcome::Unavailable(why) => (why.span.as_ref().unwrap_or(case.place()), &case.policy),
        _ => (phrases::place(case), &case.name),
    };
    let message = format!("{subject}: {}", phrases::headline(case));
    Some(Finding { code, level: "error", message, span: span.clone(), identity: case.id.clone() })
}

fn rule(code: Code) -> Value {
    let help = format!("{}\n\n{}", code.title(), code.explanation());
    json!({
        "id": code.to_string(),
        "name": code.name(),
        "shortDescription": { "text": code.title() },
        "fullDescription": { "text": code.meaning().replace('\n', " ") },
        "help": { "text": help, "markdown": help },
        "defaultConfiguration": { "level": if code == Code::Weak { "warning" } else { "error" } },
        "properties": { "tags": ["kubewarden", "policy"] },
    })
}

fn result(finding: &Finding, rules: &[Code]) -> Value {
    let located = Located {
        rule: &finding.code.to_string(),
        index: rules.iter().position(|code| *code == finding.code).unwrap_or_default(),
        level: finding.level,
        message: &finding.message,
        path: &finding.span.file.path,
        line: finding.span.line,
        column: finding.span.column,
        identity: &finding.identity,
    };
    located.result()
}

/// A path as a relative reference of RFC 3986.
fn relative_uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::testing;

    fn document(run: &RunReport) -> Value {
        serde_json::from_str(&testing::written(&Sarif, run)).unwrap()
    }

    fn schema() -> jsonschema::Validator {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/sarif-2.1.0.schema.json");
        // OASIS published a pattern with a bracket that nothing opens.
        let text = std::fs::read_to_string(path).unwrap().replace("[a-zA-Z]{2}]?$", "[a-zA-Z]{2}$");
        let schema: Value = serde_json::from_str(&text).unwrap();
        jsonschema::validator_for(&schema).unwrap()
    }

    #[test]
    fn every_run_validates_against_the_schema_of_oasis() {
        let schema = schema();
        let mut empty = testing::sample();
        empty.cases.clear();
        let mut many = testing::sample();
        many.suites = (0..30).map(|_| many.suites[0].clone()).collect();
        for run in
            [testing::sample(), testing::hostile(), testing::failures(20, 100_000), testing::not_started(), empty, many]
        {
            let document = document(&run);
            let errors: Vec<String> =
                schema.iter_errors(&document).map(|error| format!("{error} at {}", error.instance_path())).collect();
            assert!(errors.is_empty(), "{errors:#?}");
        }
        assert!(!schema.is_valid(&json!({ "version": "2.1.0" })));
    }

    #[test]
    fn findings_have_places_rules_and_lasting_names() {
        let document = document(&testing::sample());
        let runs = document["runs"].as_array().unwrap();
        assert_eq!(runs.len(), 2);
        assert_eq!(runs[1]["automationDetails"]["id"], "policy-verify/ingress/suite.yml/");
        let results = runs[0]["results"].as_array().unwrap();
        let rules: Vec<&str> = results.iter().map(|result| result["ruleId"].as_str().unwrap()).collect();
        assert_eq!(rules, ["PV011", "PV032", "PV012", "PV002", "PV002"]);
        let place = &results[0]["locations"][0]["physicalLocation"];
        assert_eq!(
            (&place["artifactLocation"]["uri"], &place["region"]["startLine"]),
            (&json!("suite.yml"), &json!(24))
        );
        for result in results {
            let rule = &runs[0]["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
            assert_eq!(rule["id"], result["ruleId"]);
            for text in ["/shortDescription/text", "/fullDescription/text", "/help/text", "/help/markdown"] {
                assert!(rule.pointer(text).and_then(Value::as_str).is_some_and(|text| !text.is_empty()), "{rule}");
            }
        }
        let mut moved = testing::sample();
        moved.cases[1].span.line += 7;
        let print = |document: &Value| document["runs"][0]["results"][0]["partialFingerprints"].clone();
        assert_eq!(print(&document), print(&self::document(&moved)));
    }

    #[test]
    fn limits_of_the_reader_are_kept() {
        let document = document(&testing::failures(6_000, 10));
        let runs = document["runs"].as_array().unwrap();
        assert_eq!(runs[0]["results"].as_array().unwrap().len(), MOST_RESULTS);
        let note = &runs[0]["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"];
        assert_eq!(note, "1000 more findings are in the other reports");
    }

    #[test]
    fn paths_are_references() {
        assert_eq!(relative_uri("a b/ü#?.yml"), "a%20b/%C3%BC%23%3F.yml");
    }
}
