//! Runs in which a stranger wrote every text.

use std::sync::Arc;
use std::time::Duration;

use policy_verify_model::answer::{AdmissionResponse, Fault, FaultKind, Status};
use policy_verify_model::baseline::{BaselineChange, MissingChange, NotComparable, SuiteChanges};
use policy_verify_model::behaviour::Class;
use policy_verify_model::code::Code;
use policy_verify_model::cost::{CaseUse, SuiteUse};
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::hosting::{AnsweredBy, GuestLog, HostCall};
use policy_verify_model::outcome::{
    CaseKind, CaseReport, Mismatch, MismatchKind, Outcome, PartReport, PartVerdict, PolicyReport, RunReport,
    SuiteSummary, Unavailable, UnavailableStage,
};
use policy_verify_model::policy::{ContextAwareResource, Digest, RuleOperation};
use policy_verify_model::privilege::{PrivilegeSet, Privileges};
use policy_verify_model::publication::Publication;
use policy_verify_model::release::Release;
use policy_verify_model::rule_coverage::{RequestCoverage, RuleCoverage, RuleOrigin, SentKind, VerdictCounts};
use policy_verify_model::sabotage::HollowCases;
use policy_verify_model::settings_coverage::{ChoiceCoverage, KeyCoverage, SettingsCoverage};
use policy_verify_model::source::{SourceFile, Span};
use policy_verify_model::weakness::Weakness;
use policy_verify_report::{Style, by_name};
use serde_json::json;

/// What a format writes about a run.
pub(crate) fn written(format: &str, run: &RunReport) -> String {
    let mut bytes = Vec::new();
    let format = by_name(format, &Style::default()).expect("a known format");
    format.write(run, &mut bytes).expect("a vector takes everything");
    String::from_utf8(bytes).expect("every format writes UTF-8")
}

/// A run with every outcome, in which every text is this one.
pub(crate) fn hostile(text: &str) -> RunReport {
    let file = Arc::new(SourceFile { path: text.into(), text: text.into() });
    let place = Span { file: Arc::clone(&file), offset: 0, len: text.len(), line: 1, column: 1 };
    let cases = outcomes(text, &place).into_iter().enumerate();
    RunReport {
        suites: vec![SuiteSummary {
            name: text.into(),
            path: text.into(),
            argument: text.into(),
            span: Span::start_of(&file),
            kubewarden: Release::default(),
        }],
        policies: vec![policy(text, &place)],
        cases: cases.map(|(position, outcome)| case(text, &place, outcome, position)).collect(),
        warnings: vec![diagnostic(text).at(&place)],
        rules: vec![rules(text, &place)],
        settings: vec![settings(text, &place)],
        hollow: vec![HollowCases { suite: 0, tried: 1, names: vec![text.into()] }],
        changes: vec![changes(text)],
        uses: vec![uses(text)],
        gates: Vec::new(),
        publications: vec![Publication {
            suite: Some(0),
            warnings: vec![text.into()],
            ..Publication::refused(text, text, text.into(), Some(text.into()))
        }],
        coverage: Vec::new(),
        started_at: Default::default(),
        duration: Duration::from_micros(41_300),
        shard: None,
        seed: None,
        flags: vec![text.into()],
        errors: Vec::new(),
    }
}

/// A run that did not take place because of one mistake.
pub(crate) fn not_started(text: &str) -> RunReport {
    let file = Arc::new(SourceFile { path: text.into(), text: text.into() });
    RunReport::not_started(vec![diagnostic(text).at(&Span::start_of(&file))], Default::default())
}

fn diagnostic(text: &str) -> Diagnostic {
    Diagnostic::new(Code::Mistake, text).with_help(text.to_owned())
}

fn policy(text: &str, place: &Span) -> PolicyReport {
    PolicyReport {
        name: text.into(),
        suite: 0,
        uri: text.into(),
        source_digest: None,
        remarks: vec![text.into()],
        digest: Some(Digest::of(text.as_bytes())),
        size: Some(1),
        execution_mode: None,
        compilers: Vec::new(),
        compile_time: Duration::from_millis(820),
        span: place.clone(),
        unavailable: None,
        position: 0,
        verdicts: VerdictCounts::default(),
        privileges: Some(privileges(text)),
    }
}

fn privileges(text: &str) -> Privileges {
    let set = |name: &str| PrivilegeSet {
        host_capabilities: [format!("{text}{name}")].into(),
        context_aware_resources: [ContextAwareResource { api_version: text.into(), kind: name.into() }].into(),
    };
    Privileges { declared: set("*"), used: set("b"), found: [text.to_owned()].into(), patch: Some(text.into()) }
}

fn settings(text: &str, place: &Span) -> SettingsCoverage {
    let choices = vec![ChoiceCoverage { value: text.into(), cases: 0 }];
    SettingsCoverage {
        suite: 0,
        policy: text.into(),
        form: Some(text.into()),
        span: place.clone(),
        keys: vec![KeyCoverage { key: text.into(), cases: 1, rejections: 0, choices }],
        notes: vec![text.into()],
    }
}

fn rules(text: &str, place: &Span) -> RuleCoverage {
    let request = RequestCoverage {
        group: text.into(),
        version: Some(text.into()),
        resource: text.into(),
        operation: RuleOperation::Create,
        object: Some(SentKind { api_version: text.into(), kind: text.into() }),
        verdicts: VerdictCounts::default(),
    };
    RuleCoverage {
        suite: 0,
        policy: text.into(),
        origin: RuleOrigin::Metadata,
        span: place.clone(),
        requests: vec![request],
        notes: vec![text.into()],
        mistakes: vec![text.into()],
    }
}

fn changes(text: &str) -> SuiteChanges {
    let (subject, place, class) = (String::from(text), String::from(text), Class::NewDenial);
    let (old, new, about) = (text.into(), text.into(), Some(text.into()));
    SuiteChanges {
        suite: 0,
        compared: 1,
        missing: vec![MissingChange { subject: subject.clone(), place: place.clone(), class }],
        not_compared: vec![NotComparable { subject: subject.clone(), place: place.clone(), reason: text.into() }],
        changes: vec![BaselineChange { subject, place, class, about, old, new, is_expected: false }],
    }
}

fn uses(text: &str) -> SuiteUse {
    let (name, place) = (text.into(), text.into());
    let case = CaseUse { name, place, instructions: 1, memory: 65_536, baseline: Some(1) };
    SuiteUse { suite: 0, cases: vec![case], problems: vec![text.into()] }
}

fn case(text: &str, place: &Span, outcome: Outcome, position: usize) -> CaseReport {
    // Ids are unique, so that a merged report has all of them.
    let (id, kind) = (format!("{text} {position}"), CaseKind::Case);
    let report = CaseReport::without_answer((0, text), text.into(), text.into(), kind, outcome, place.clone());
    CaseReport {
        id,
        duration: Duration::from_micros(143),
        response: Some(response(text)),
        monitored: Some(response(text)),
        calls: calls(text),
        log: GuestLog { lines: vec![text.into()], stdout: text.into(), stderr: text.into(), ..GuestLog::default() },
        warnings: vec![text.into()],
        weakness: Some(Weakness::AnyRejection),
        steps: vec![PartReport { members: vec![part(text)], ..part(text) }],
        members: vec![part(text)],
        position,
        ..report
    }
}

fn calls(text: &str) -> Vec<HostCall> {
    let (capability, request, error) = (text.into(), text.into(), Some(text.into()));
    vec![HostCall { capability, request, answered_by: AnsweredBy::Unanswered, error, resource: None, reply: None }]
}

fn response(text: &str) -> AdmissionResponse {
    let mut response = AdmissionResponse {
        uid: text.into(),
        status: Some(Status { message: Some(text.into()), ..Status::default() }),
        warnings: Some(vec![text.into()]),
        ..AdmissionResponse::default()
    };
    response.audit_annotations = serde_json::from_value(json!({ text: text })).expect("a map of texts");
    response
}

fn part(text: &str) -> PartReport {
    PartReport {
        name: text.into(),
        policy: text.into(),
        verdict: PartVerdict::NotApplicable(text.into()),
        evaluations: 2,
        response: Some(response(text)),
        monitored: None,
        fault: None,
        calls: calls(text),
        members: Vec::new(),
    }
}

/// Every outcome, with the text wherever it has one.
fn outcomes(text: &str, place: &Span) -> Vec<Outcome> {
    let mismatch =
        |kind, actual: String| Mismatch { kind, at: text.into(), expected: text.into(), actual, span: place.clone() };
    let unavailable = Unavailable {
        stage: UnavailableStage::Compile,
        message: text.into(),
        help: Some(text.into()),
        span: Some(place.clone()),
    };
    vec![
        Outcome::Passed,
        Outcome::Failed(vec![
            mismatch(MismatchKind::Verdict, text.into()),
            mismatch(MismatchKind::Message, format!("{text}\nactual")),
        ]),
        Outcome::Error(Fault::new(FaultKind::Host, text).with_help(text)),
        Outcome::Unavailable(Arc::new(unavailable)),
        Outcome::Skipped(text.into()),
        Outcome::NotRun(text.into()),
        Outcome::Xfailed(text.into()),
        Outcome::Xpassed(text.into()),
    ]
}
