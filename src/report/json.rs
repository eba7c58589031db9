//! The complete report: one JSON document from which every other format could be written.
//!
//! The keys and their order are a contract (conventions, section 10). Keys that were added later stand at the end of
//! their object, so that the contract's examples stay literal. Text is complete and unchanged; whoever shows it is
//! responsible for where.

use std::io;

use serde::Serialize;

use crate::model::answer::{AdmissionResponse, Fault};
use crate::model::code::Code;
use crate::model::hosting::{GuestLog, HostCall};
use crate::model::outcome::{
    CaseKind, CaseReport, Mismatch, MismatchKind, Outcome, PartReport, PartVerdict, PolicyReport, RunReport,
    Unavailable,
};
use crate::model::request::Request;

use super::{Format, escape, publication};

/// The complete report as one JSON document.
pub(super) struct Json;

impl Format for Json {
    fn write(&self, run: &RunReport, out: &mut dyn io::Write) -> io::Result<()> {
        let text = serde_json::to_string_pretty(&document(run))?;
        writeln!(out, "{}", escape::json(&text))
    }
}

#[derive(Serialize)]
struct Document<'a> {
    version: u8,
    tool: Tool,
    summary: Counts,
    policies: Vec<Policy<'a>>,
    cases: Vec<Case<'a>>,
    suites: Vec<Suite<'a>>,
    started_at: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    published: Vec<publication::Document<'a>>,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Counts {
    total: usize,
    passed: usize,
    failed: usize,
    errors: usize,
    skipped: usize,
    xfailed: usize,
    weak: usize,
    duration_ms: u128,
}

#[derive(Serialize)]
struct Policy<'a> {
    name: &'a str,
    suite: &'a str,
    uri: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_digest: Option<&'a str>,
    digest: Option<String>,
    execution_mode: Option<String>,
    size: Option<u64>,
    compile_us: u128,
    error: Option<Trouble<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    remarks: &'a [String],
}

#[derive(Serialize)]
struct Case<'a> {
    id: &'a str,
    suite: &'a str,
    policy: &'a str,
    kind: CaseKind,
    outcome: &'static str,
    file: &'a str,
    line: usize,
    duration_us: u128,
    response: Option<&'a AdmissionResponse>,
    fault: Option<Trouble<'a>>,
    mismatches: Vec<Difference<'a>>,
    calls: &'a [HostCall],
    name: &'a str,
    weak: bool,
    skip_reason: Option<&'a str>,
    xfail_reason: Option<&'a str>,
    warnings: &'a [String],
    log: &'a GuestLog,
    request: Option<&'a Request>,
    steps: Vec<Part<'a>>,
    members: Vec<Part<'a>>,
    code: Option<String>,
}

/// A step of a chain or a member of a group.
#[derive(Serialize)]
struct Part<'a> {
    name: &'a str,
    policy: &'a str,
    verdict: &'static str,
    reason: Option<&'a str>,
    evaluations: usize,
    response: Option<&'a AdmissionResponse>,
    fault: Option<Trouble<'a>>,
    calls: &'a [HostCall],
    members: Vec<Part<'a>>,
}

/// A fault, or the reason why a policy could not be had.
#[derive(Serialize)]
struct Trouble<'a> {
    kind: String,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
    code: String,
}

#[derive(Serialize)]
struct Difference<'a> {
    at: &'a str,
    expected: &'a str,
    actual: &'a str,
    line: usize,
    kind: MismatchKind,
    file: &'a str,
    code: String,
}

#[derive(Serialize)]
struct Suite<'a> {
    name: &'a str,
    path: &'a str,
    argument: &'a str,
}

fn document(run: &RunReport) -> Document<'_> {
    let summary = run.summary();
    Document {
        version: 1,
        tool: Tool { name: "verify", version: env!("CARGO_PKG_VERSION") },
        summary: Counts {
            total: summary.total,
            passed: summary.passed,
            failed: summary.failed,
            errors: summary.errors,
            skipped: summary.skipped,
            xfailed: summary.xfailed,
            weak: summary.weak,
            duration_ms: run.duration.as_millis(),
        },
        policies: run.policies.iter().map(|report| policy(run, report)).collect(),
        cases: run.cases.iter().map(|report| case(run, report)).collect(),
        suites: run
            .suites
            .iter()
            .map(|suite| Suite { name: &suite.name, path: &suite.path, argument: &suite.argument })
            .collect(),
        started_at: run.started_at.to_string(),
        published: run.publications.iter().map(publication::document).collect(),
    }
}

fn path_of(run: &RunReport, suite: usize) -> &str {
    run.suites.get(suite).map_or("", |suite| &suite.path)
}

fn policy<'a>(run: &'a RunReport, report: &'a PolicyReport) -> Policy<'a> {
    Policy {
        name: &report.name,
        suite: path_of(run, report.suite),
        uri: &report.uri,
        source_digest: report.source_digest.as_deref(),
        digest: report.digest.map(|digest| digest.to_string()),
        execution_mode: report.execution_mode.map(|mode| mode.to_string()),
        size: report.size,
        compile_us: report.compile_time.as_micros(),
        error: report.unavailable.as_deref().map(Trouble::from),
        remarks: &report.remarks,
    }
}

fn case<'a>(run: &'a RunReport, report: &'a CaseReport) -> Case<'a> {
    let fault = match &report.outcome {
        Outcome::Error(fault) => Some(Trouble::from(fault)),
        Outcome::Unavailable(why) => Some(Trouble::from(&**why)),
        _ => report.fault.as_ref().map(Trouble::from),
    };
    let mismatches = match &report.outcome {
        Outcome::Failed(mismatches) => mismatches.iter().map(Difference::from).collect(),
        _ => Vec::new(),
    };
    let skip_reason = match &report.outcome {
        Outcome::Skipped(reason) => Some(reason.as_str()),
        _ => None,
    };
    let xfail_reason = match &report.outcome {
        Outcome::Xfailed(reason) | Outcome::Xpassed(reason) => Some(reason.as_str()),
        _ => None,
    };
    Case {
        id: &report.id,
        suite: path_of(run, report.suite),
        policy: &report.policy,
        kind: report.kind,
        outcome: report.outcome.word(),
        file: &report.span.file.path,
        line: report.span.line,
        duration_us: report.duration.as_micros(),
        response: report.response.as_ref(),
        fault,
        mismatches,
        calls: &report.calls,
        name: &report.name,
        weak: report.is_weak,
        skip_reason,
        xfail_reason,
        warnings: &report.warnings,
        log: &report.log,
        request: report.request.as_deref(),
        steps: report.steps.iter().map(Part::from).collect(),
        members: report.members.iter().map(Part::from).collect(),
        code: Code::of(report).map(|code| code.to_string()),
    }
}

impl<'a> From<&'a PartReport> for Part<'a> {
    fn from(part: &'a PartReport) -> Self {
        let reason = match &part.verdict {
            PartVerdict::NotApplicable(reason) => Some(reason.as_str()),
            _ => None,
        };
        Self {
            name: &part.name,
            policy: &part.policy,
            verdict: part.verdict.word(),
            reason,
            evaluations: part.evaluations,
            response: part.response.as_ref(),
            fault: part.fault.as_ref().map(Trouble::from),
            calls: &part.calls,
            members: part.members.iter().map(Part::from).collect(),
        }
    }
}

impl<'a> From<&'a Fault> for Trouble<'a> {
    fn from(fault: &'a Fault) -> Self {
        let code = Code::from(fault.kind).to_string();
        Self { kind: fault.kind.to_string(), message: &fault.message, help: fault.help.as_deref(), code }
    }
}

impl<'a> From<&'a Unavailable> for Trouble<'a> {
    fn from(why: &'a Unavailable) -> Self {
        let code = Code::from(why.stage).to_string();
        Self { kind: why.stage.word().to_owned(), message: &why.message, help: why.help.as_deref(), code }
    }
}

impl<'a> From<&'a Mismatch> for Difference<'a> {
    fn from(mismatch: &'a Mismatch) -> Self {
        Self {
            at: &mismatch.at,
            expected: &mismatch.expected,
            actual: &mismatch.actual,
            line: mismatch.span.line,
            kind: mismatch.kind,
            file: &mismatch.span.file.path,
            code: Code::from(mismatch.kind).to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::testing;
    use super::*;

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
        assert_eq!(keys_at(&text, 1), ["version", "tool", "summary", "policies", "cases", "suites", "started_at"]);
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
