//! The JSON document of a report, for writing and for reading: keys, their order and their values.
//!
//! These types are not the model with derived serde: the document has keys that are computed (`outcome`, `code`), suites by
//! path instead of by index, places without their text, and places spread over their object. Keys and order are a
//! contract; later keys are at the end of their object. Text is complete and unchanged, and is escaped by the format that
//! shows it. A report that is read back gives the same run.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use policy_verify_model::answer::{AdmissionResponse, Fault};
use policy_verify_model::code::Code;
use policy_verify_model::compiler::Compiler;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::hosting::{GuestLog, HostCall};
use policy_verify_model::outcome::{
    CaseKind, CaseReport, Mismatch, MismatchKind, Outcome, PartReport, PartVerdict, PolicyReport, RunReport, Shard,
    SuiteSummary, Unavailable,
};
use policy_verify_model::policy::ExecutionMode;
use policy_verify_model::privilege::Privileges;
use policy_verify_model::publication::Publication;
use policy_verify_model::release::Release;
use policy_verify_model::rule_coverage::VerdictCounts;
use policy_verify_model::source::Span;
use policy_verify_model::stored_request::StoredRequest;
use policy_verify_model::weakness::Weakness;

use crate::exercised::{self, RulesEntry, SettingsEntry};
use crate::gates::{self, ChangesEntry, GateEntry, HollowEntry, UsesEntry};
use crate::place::{Place, path_of};
use crate::{coverage, publication};

/// Lines quoted of a place that spans several.
const MOST_LINES: usize = 6;

/// Characters kept of a quoted line.
const LONGEST_LINE: usize = 2_000;

/// The whole report.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Document<'a> {
    pub(super) version: u8,
    pub(super) tool: Tool<'a>,
    pub(super) summary: Counts,
    pub(super) policies: Vec<Policy<'a>>,
    pub(super) cases: Vec<Case<'a>>,
    pub(super) suites: Vec<Suite<'a>>,
    pub(super) started_at: jiff::Timestamp,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) published: Vec<publication::Document<'a>>,
    pub(super) duration_us: u64,
    pub(super) shard: Option<Cow<'a, Shard>>,
    pub(super) seed: Option<u64>,
    /// The lines that findings quote: by file and number.
    pub(super) sources: Sources<'a>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<Warning<'a>>,
    /// Why nothing was run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) errors: Vec<Warning<'a>>,
    /// What a command that repeats a case needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) flags: Vec<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) rules: Vec<RulesEntry<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) settings: Vec<SettingsEntry<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) hollow: Vec<HollowEntry<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) changes: Vec<ChangesEntry<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) uses: Vec<UsesEntry<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) gates: Vec<GateEntry<'a>>,
    /// Which code of the policies was executed, in a run that measured it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) coverage: Vec<coverage::document::Document<'a>>,
}

/// Lines of files, by path and number.
pub(super) type Sources<'a> = BTreeMap<Cow<'a, str>, BTreeMap<usize, Cow<'a, str>>>;

/// What is known when a run starts: the first line of the stream. A whole document on one line has more keys.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Opening<'a> {
    pub(super) version: u8,
    pub(super) tool: Tool<'a>,
    pub(super) suites: Vec<Suite<'a>>,
}

/// What is known when it is over: the last line of the stream.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Closing<'a> {
    pub(super) summary: Counts,
    pub(super) policies: Vec<Policy<'a>>,
    pub(super) started_at: jiff::Timestamp,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) published: Vec<publication::Document<'a>>,
    pub(super) duration_us: u64,
    pub(super) shard: Option<Cow<'a, Shard>>,
    pub(super) seed: Option<u64>,
    pub(super) sources: Sources<'a>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<Warning<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) errors: Vec<Warning<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) flags: Vec<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) rules: Vec<RulesEntry<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) settings: Vec<SettingsEntry<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) hollow: Vec<HollowEntry<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) changes: Vec<ChangesEntry<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) uses: Vec<UsesEntry<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) gates: Vec<GateEntry<'a>>,
    /// Which code of the policies was executed, in a run that measured it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) coverage: Vec<coverage::document::Document<'a>>,
}

/// What in a suite is valid and most likely not meant, or why nothing was run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Warning<'a> {
    pub(super) code: Code,
    pub(super) message: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) help: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) place: Option<Place<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Tool<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) version: Cow<'a, str>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) total: usize,
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) errors: usize,
    pub(super) skipped: usize,
    pub(super) xfailed: usize,
    pub(super) weak: usize,
    #[serde(default)]
    pub(super) warned: usize,
    pub(super) duration_ms: u64,
    pub(super) not_run: usize,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Policy<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) suite: Cow<'a, str>,
    pub(super) uri: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source_digest: Option<Cow<'a, str>>,
    pub(super) digest: Option<String>,
    pub(super) execution_mode: Option<ExecutionMode>,
    pub(super) size: Option<u64>,
    #[serde(default, skip_serializing_if = "<[Compiler]>::is_empty")]
    pub(super) compilers: Cow<'a, [Compiler]>,
    pub(super) compile_us: u64,
    pub(super) error: Option<ErrorEntry<'a>>,
    #[serde(default, skip_serializing_if = "<[String]>::is_empty")]
    pub(super) remarks: Cow<'a, [String]>,
    pub(super) position: usize,
    pub(super) place: Place<'a>,
    #[serde(default)]
    pub(super) verdicts: VerdictCounts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) privileges: Option<Cow<'a, Privileges>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Case<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) suite: Cow<'a, str>,
    pub(super) policy: Cow<'a, str>,
    pub(super) kind: CaseKind,
    pub(super) outcome: Cow<'a, str>,
    pub(super) file: Cow<'a, str>,
    pub(super) line: usize,
    pub(super) duration_us: u64,
    pub(super) response: Option<Cow<'a, AdmissionResponse>>,
    /// What a policy in monitor mode answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) monitored: Option<Cow<'a, AdmissionResponse>>,
    pub(super) fault: Option<ErrorEntry<'a>>,
    pub(super) mismatches: Vec<Difference<'a>>,
    pub(super) calls: Cow<'a, [HostCall]>,
    pub(super) name: Cow<'a, str>,
    pub(super) weak: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) weakness: Option<Weakness>,
    pub(super) skip_reason: Option<Cow<'a, str>>,
    pub(super) xfail_reason: Option<Cow<'a, str>>,
    pub(super) warnings: Cow<'a, [String]>,
    pub(super) log: Cow<'a, GuestLog>,
    pub(super) request: Option<Cow<'a, StoredRequest>>,
    pub(super) steps: Vec<Part<'a>>,
    pub(super) members: Vec<Part<'a>>,
    pub(super) code: Option<Code>,
    pub(super) position: usize,
    pub(super) column: usize,
    pub(super) length: usize,
    /// Where its row or object is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) origin: Option<Place<'a>>,
}

/// A step of a chain or a member of a group.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Part<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) policy: Cow<'a, str>,
    pub(super) verdict: Cow<'a, str>,
    pub(super) reason: Option<Cow<'a, str>>,
    pub(super) evaluations: usize,
    pub(super) response: Option<Cow<'a, AdmissionResponse>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) monitored: Option<Cow<'a, AdmissionResponse>>,
    pub(super) fault: Option<ErrorEntry<'a>>,
    pub(super) calls: Cow<'a, [HostCall]>,
    pub(super) members: Vec<Part<'a>>,
}

/// A fault, or the reason why a policy is unavailable.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ErrorEntry<'a> {
    pub(super) kind: Cow<'a, str>,
    pub(super) message: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) help: Option<Cow<'a, str>>,
    pub(super) code: Code,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) place: Option<Place<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Difference<'a> {
    pub(super) at: Cow<'a, str>,
    pub(super) expected: Cow<'a, str>,
    pub(super) actual: Cow<'a, str>,
    pub(super) line: usize,
    pub(super) kind: MismatchKind,
    pub(super) file: Cow<'a, str>,
    pub(super) code: Code,
    pub(super) column: usize,
    pub(super) length: usize,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Suite<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) path: Cow<'a, str>,
    pub(super) argument: Cow<'a, str>,
    /// Release of Kubewarden whose verdicts its cases have.
    #[serde(default)]
    pub(super) kubewarden: Release,
}

impl<'a> Document<'a> {
    /// The document whose parts a stream has in lines of their own.
    pub(super) fn of(opening: Opening<'a>, cases: Vec<Case<'a>>, closing: Closing<'a>) -> Self {
        let Opening { version, tool, suites } = opening;
        let Closing {
            summary,
            policies,
            started_at,
            published,
            duration_us,
            shard,
            seed,
            sources,
            warnings,
            errors,
            flags,
            rules,
            settings,
            hollow,
            changes,
            uses,
            gates,
            coverage,
        } = closing;
        Self {
            version,
            tool,
            summary,
            policies,
            cases,
            suites,
            started_at,
            published,
            duration_us,
            shard,
            seed,
            sources,
            warnings,
            errors,
            flags,
            rules,
            settings,
            hollow,
            changes,
            uses,
            gates,
            coverage,
        }
    }
}

/// The document of `run`.
pub(super) fn document(run: &RunReport) -> Document<'_> {
    let cases = run.cases.iter().map(|report| case(&run.suites, report)).collect();
    Document::of(opening(&run.suites), cases, closing(run))
}

/// What is known of a run that starts.
pub(super) fn opening(suites: &[SuiteSummary]) -> Opening<'_> {
    let suite = |suite: &'_ SuiteSummary| Suite {
        name: suite.name.clone().into(),
        path: suite.path.clone().into(),
        argument: suite.argument.clone().into(),
        kubewarden: suite.kubewarden,
    };
    Opening {
        version: 1,
        tool: Tool { name: "verify".into(), version: env!("CARGO_PKG_VERSION").into() },
        suites: suites.iter().map(suite).collect(),
    }
}

/// What a finished run adds to its cases.
pub(super) fn closing(run: &RunReport) -> Closing<'_> {
    let summary = run.summary();
    let suite_of = |it: &Publication| it.suite.map(|suite| path_of(&run.suites, suite));
    Closing {
        summary: Counts {
            total: summary.total,
            passed: summary.passed,
            failed: summary.failed,
            errors: summary.errors,
            skipped: summary.skipped,
            xfailed: summary.xfailed,
            weak: summary.weak,
            warned: summary.warned,
            duration_ms: micros(run.duration) / 1_000,
            not_run: summary.not_run,
        },
        policies: run.policies.iter().map(|report| policy(&run.suites, report)).collect(),
        started_at: run.started_at,
        published: run.publications.iter().map(|it| publication::document(it, suite_of(it))).collect(),
        duration_us: micros(run.duration),
        shard: run.shard.as_ref().map(Cow::Borrowed),
        seed: run.seed,
        sources: sources(run),
        warnings: run.warnings.iter().map(Warning::from).collect(),
        errors: run.errors.iter().map(Warning::from).collect(),
        flags: run.flags.iter().map(Cow::from).collect(),
        rules: exercised::rules(run),
        settings: exercised::settings(run),
        hollow: gates::hollow(run),
        changes: gates::changes(run),
        uses: gates::uses(run),
        gates: gates::gates(run),
        coverage: run
            .coverage
            .iter()
            .map(|it| coverage::document::document(it, path_of(&run.suites, it.suite)))
            .collect(),
    }
}

impl<'a> From<&'a Diagnostic> for Warning<'a> {
    fn from(it: &'a Diagnostic) -> Self {
        let Diagnostic { code, message, help, span, .. } = it;
        Self {
            code: *code,
            message: message.into(),
            help: help.as_ref().map(Cow::from),
            place: span.as_ref().map(Place::from),
        }
    }
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn policy<'a>(suites: &'a [SuiteSummary], report: &'a PolicyReport) -> Policy<'a> {
    Policy {
        name: (&report.name).into(),
        suite: path_of(suites, report.suite).into(),
        uri: (&report.uri).into(),
        source_digest: report.source_digest.as_deref().map(Cow::from),
        digest: report.digest.map(|digest| digest.to_string()),
        execution_mode: report.execution_mode,
        size: report.size,
        compilers: (&report.compilers).into(),
        compile_us: micros(report.compile_time),
        error: report.unavailable.as_deref().map(ErrorEntry::from),
        remarks: (&report.remarks).into(),
        position: report.position,
        place: Place::from(&report.span),
        verdicts: report.verdicts,
        privileges: report.privileges.as_ref().map(Cow::Borrowed),
    }
}

/// The document of one case; `suites` are those of its run.
pub(super) fn case<'a>(suites: &'a [SuiteSummary], report: &'a CaseReport) -> Case<'a> {
    let fault = match &report.outcome {
        Outcome::Error(fault) => Some(ErrorEntry::from(fault)),
        Outcome::Unavailable(why) => Some(ErrorEntry::from(&**why)),
        _ => report.fault.as_ref().map(ErrorEntry::from),
    };
    let mismatches = match &report.outcome {
        Outcome::Failed(mismatches) => mismatches.iter().map(Difference::from).collect(),
        _ => Vec::new(),
    };
    let skip_reason = match &report.outcome {
        Outcome::Skipped(reason) | Outcome::NotRun(reason) => Some(reason.into()),
        _ => None,
    };
    let xfail_reason = match &report.outcome {
        Outcome::Xfailed(reason) | Outcome::Xpassed(reason) => Some(reason.into()),
        _ => None,
    };
    Case {
        id: (&report.id).into(),
        suite: path_of(suites, report.suite).into(),
        policy: (&report.policy).into(),
        kind: report.kind,
        outcome: report.outcome.word().into(),
        file: (&report.span.file.path).into(),
        line: report.span.line,
        duration_us: micros(report.duration),
        response: report.response.as_ref().map(Cow::Borrowed),
        monitored: report.monitored.as_ref().map(Cow::Borrowed),
        fault,
        mismatches,
        calls: (&report.calls).into(),
        name: (&report.name).into(),
        weak: report.weakness.is_some(),
        weakness: report.weakness,
        skip_reason,
        xfail_reason,
        warnings: (&report.warnings).into(),
        log: Cow::Borrowed(&report.log),
        request: report.request.as_deref().map(Cow::Borrowed),
        steps: report.steps.iter().map(Part::from).collect(),
        members: report.members.iter().map(Part::from).collect(),
        code: report.code(),
        position: report.position,
        column: report.span.column,
        length: report.span.len,
        origin: report.origin.as_ref().map(Place::from),
    }
}

impl<'a> From<&'a PartReport> for Part<'a> {
    fn from(part: &'a PartReport) -> Self {
        let reason = match &part.verdict {
            PartVerdict::NotApplicable(reason) => Some(reason.into()),
            _ => None,
        };
        Self {
            name: (&part.name).into(),
            policy: (&part.policy).into(),
            verdict: part.verdict.word().into(),
            reason,
            evaluations: part.evaluations,
            response: part.response.as_ref().map(Cow::Borrowed),
            monitored: part.monitored.as_ref().map(Cow::Borrowed),
            fault: part.fault.as_ref().map(ErrorEntry::from),
            calls: (&part.calls).into(),
            members: part.members.iter().map(Part::from).collect(),
        }
    }
}

impl<'a> From<&'a Fault> for ErrorEntry<'a> {
    fn from(fault: &'a Fault) -> Self {
        Self {
            kind: fault.kind.to_string().into(),
            message: (&fault.message).into(),
            help: fault.help.as_deref().map(Cow::from),
            code: fault.kind.into(),
            place: None,
        }
    }
}

impl<'a> From<&'a Unavailable> for ErrorEntry<'a> {
    fn from(why: &'a Unavailable) -> Self {
        Self {
            kind: why.stage.word().into(),
            message: (&why.message).into(),
            help: why.help.as_deref().map(Cow::from),
            code: why.stage.into(),
            place: why.span.as_ref().map(Place::from),
        }
    }
}

impl<'a> From<&'a Mismatch> for Difference<'a> {
    fn from(mismatch: &'a Mismatch) -> Self {
        Self {
            at: (&mismatch.at).into(),
            expected: (&mismatch.expected).into(),
            actual: (&mismatch.actual).into(),
            line: mismatch.span.line,
            kind: mismatch.kind,
            file: (&mismatch.span.file.path).into(),
            code: mismatch.kind.into(),
            column: mismatch.span.column,
            length: mismatch.span.len,
        }
    }
}

/// The lines that reports about `run` may quote: those of findings.
fn sources(run: &RunReport) -> Sources<'_> {
    let mut sources = Sources::new();
    run.warnings.iter().chain(&run.errors).filter_map(|it| it.span.as_ref()).for_each(|span| keep(&mut sources, span));
    for case in run.cases.iter().filter(|case| case.outcome.is_bad()) {
        keep(&mut sources, &case.span);
        case.origin.iter().for_each(|origin| keep(&mut sources, origin));
        match &case.outcome {
            Outcome::Failed(mismatches) => mismatches.iter().for_each(|mismatch| keep(&mut sources, &mismatch.span)),
            Outcome::Unavailable(why) => why.span.iter().for_each(|span| keep(&mut sources, span)),
            _ => {}
        }
    }
    sources
}

fn keep<'a>(sources: &mut Sources<'a>, span: &'a Span) {
    if span.file.text.is_empty() {
        return;
    }
    let end = (span.offset + span.len).min(span.file.text.len());
    let covered = span.file.text.get(span.offset..end).unwrap_or("").trim_end().matches('\n').count() + 1;
    let lines = sources.entry((&span.file.path).into()).or_default();
    for (offset, line) in span.lines().take(covered.min(MOST_LINES)).enumerate() {
        let end = line.char_indices().nth(LONGEST_LINE).map_or(line.len(), |(index, _)| index);
        lines.insert(span.line + offset, line[..end].into());
    }
}
