//! Made-up runs for the tests of the formats: a pretty one, a hostile one and a huge one.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use policy_verify_model::answer::{AdmissionResponse, Fault, FaultKind, Status};
use policy_verify_model::code::Code;
use policy_verify_model::compiler::Compiler;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::hosting::{AnsweredBy, HostCall};
use policy_verify_model::outcome::{
    CaseKind, CaseReport, Mismatch, MismatchKind, Outcome, PartReport, PartVerdict, PolicyReport, RunReport,
    SuiteSummary, Unavailable, UnavailableStage,
};
use policy_verify_model::policy::{Digest, ExecutionMode, RuleOperation};
use policy_verify_model::publication::Publication;
use policy_verify_model::release::Release;
use policy_verify_model::request::Request;
use policy_verify_model::rule_coverage::{RequestCoverage, RuleCoverage, RuleOrigin, SentKind, VerdictCounts};
use policy_verify_model::settings_coverage::{ChoiceCoverage, KeyCoverage, SettingsCoverage};
use policy_verify_model::source::{SourceFile, Span};
use policy_verify_model::weakness::Weakness;

use crate::format::Format;

pub(super) const SUITE: &str = r#"version: 1
name: acme label policies

policies:
  safe-labels:
    uri: policies/safe-labels.wasm
    settings: { mandatory_labels: [owner] }
  verify-images:
    uri: policies/verify-images.wasm

defaults:
  policy: safe-labels

cases:
  - name: accepts a pod with an owner
    object: fixtures/pod.yaml
    expect: allow

  # taking the label away
  - name: rejects a pod without an owner
    object: fixtures/pod.yaml
    unset: [metadata.labels.owner]
    expect:
      deny: "The following mandatory labels are missing: owner"
      code: 400

  - name: an endless regular expression is cut off
    settings: { constrained_labels: { owner: "(a+)+$" } }
    object: fixtures/pod.yaml
    expect: allow

  - name: deletes never reach this policy
    oldObject: fixtures/pod.yaml
    expect: not-applicable

  - name: gateway objects
    object: fixtures/gateway.yaml
    skip: needs the v2 settings
    expect: deny

  - name: labels are listed in a stable order
    object: fixtures/pod.yaml
    xfail: "acme/safe-labels#41"
    expect: deny

  - name: pins the image to its digest
    policy: verify-images
    object: fixtures/pod.yaml
    expect:
      mutate:
        exactly: expected/pod.yaml

  - name: an empty label is refused
    object: fixtures/pod.yaml
    expect: { deny: { contains: owner } }
"#;

/// What a format writes about a run.
pub(super) fn written(format: &dyn Format, run: &RunReport) -> String {
    let mut bytes = Vec::new();
    format.write(run, &mut bytes).expect("a vector takes everything");
    String::from_utf8(bytes).expect("every format writes UTF-8")
}

/// A file that exists only here.
pub(super) fn file(path: &str, text: &str) -> Arc<SourceFile> {
    Arc::new(SourceFile { path: path.into(), text: text.into() })
}

/// The first place of `needle` in `file`; the beginning where it does not occur.
pub(super) fn span(file: &Arc<SourceFile>, needle: &str) -> Span {
    let Some(offset) = file.text.find(needle) else { return Span::start_of(file) };
    let before = &file.text[..offset];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    Span { file: Arc::clone(file), offset, len: needle.len(), line, column }
}

fn suite(name: &str, file: &Arc<SourceFile>) -> SuiteSummary {
    SuiteSummary {
        name: name.into(),
        path: file.path.clone(),
        argument: file.path.clone(),
        span: Span::start_of(file),
        kubewarden: Release::default(),
    }
}

fn policy(name: &str, suite: usize, file: &Arc<SourceFile>) -> PolicyReport {
    PolicyReport {
        name: name.into(),
        suite,
        uri: format!("file:///work/acme/policies/{name}.wasm"),
        source_digest: None,
        remarks: Vec::new(),
        digest: Some(Digest::of(name.as_bytes())),
        size: Some(131_072),
        execution_mode: Some(ExecutionMode::KubewardenWapc),
        compilers: vec![Compiler::Winch, Compiler::Cranelift],
        compile_time: Duration::from_millis(820),
        span: span(file, name),
        unavailable: None,
        position: 0,
        verdicts: VerdictCounts::default(),
        privileges: None,
    }
}

/// A case of the suite in `file`, with everything but its name and outcome filled in plainly.
pub(super) fn case(file: &Arc<SourceFile>, suite_name: &str, policy: &str, name: &str, outcome: Outcome) -> CaseReport {
    let report = CaseReport::without_answer(
        (0, suite_name),
        name.into(),
        policy.into(),
        CaseKind::Case,
        outcome,
        span(file, name),
    );
    CaseReport {
        duration: Duration::from_micros(143),
        request: Some(Arc::new(Request::Raw(json!({"uid": "1", "operation": "CREATE"})).into())),
        response: Some(AdmissionResponse { uid: "1".into(), allowed: true, ..AdmissionResponse::default() }),
        ..report
    }
}

pub(super) fn mismatch(kind: MismatchKind, at: &str, expected: &str, actual: &str, span: Span) -> Mismatch {
    Mismatch { kind, at: at.into(), expected: expected.into(), actual: actual.into(), span }
}

/// A run with every outcome, as a user could see it.
pub(super) fn sample() -> RunReport {
    let first = file("suite.yml", SUITE);
    let second = file(
        "ingress/suite.yml",
        "version: 1\npolicies:\n  unique-ingress:\n    uri: policies/unique-ingress.wasm\ncases:\n  - name: a host taken by another ingress is refused\n    expect: deny\n",
    );
    let name = "acme label policies";
    let new = |policy: &str, case_name: &str, outcome| case(&first, name, policy, case_name, outcome);

    let rejects = {
        let message = "The following mandatory labels are missing: owner";
        let outcome = Outcome::Failed(vec![
            mismatch(
                MismatchKind::Message,
                "/status/message",
                message,
                "The following mandatory labels are missing: cost-center, owner",
                span(&first, &format!("\"{message}\"")),
            ),
            mismatch(MismatchKind::Message, "/status/code", "400", "no code", span(&first, "400")),
        ]);
        let mut case = new("safe-labels", "rejects a pod without an owner", outcome);
        case.response = Some(AdmissionResponse {
            uid: "1".into(),
            allowed: false,
            status: Some(Status {
                message: Some("The following mandatory labels are missing: cost-center, owner".into()),
                ..Status::default()
            }),
            ..AdmissionResponse::default()
        });
        case.log.lines = vec!["INFO validating pod nginx".into(), "WARN no label owner".into()];
        case
    };
    let endless = {
        let fault = Fault::new(FaultKind::Timeout, "the policy was still running after its deadline of 2 s")
            .with_help("raise `timeout:` if the policy needs longer, or expect it: `fault: timeout`");
        let mut case = new("safe-labels", "an endless regular expression is cut off", Outcome::Error(fault.clone()));
        case.fault = Some(fault);
        case.response = None;
        case.duration = Duration::from_millis(2_004);
        case
    };
    let skipped = {
        let mut case = new("safe-labels", "gateway objects", Outcome::Skipped("needs the v2 settings".into()));
        case.response = None;
        case.duration = Duration::ZERO;
        case.weakness = Some(Weakness::AnyRejection);
        case
    };
    let xfailed = {
        let outcome = Outcome::Xfailed("acme/safe-labels#41".into());
        let mut case = new("safe-labels", "labels are listed in a stable order", outcome);
        case.weakness = Some(Weakness::AnyRejection);
        case
    };
    let pins = {
        let pod = |image: &str| {
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "nginx", "labels": {"owner": "team-a"}},
                "spec": {"containers": [{"name": "nginx", "image": image}]}});
            serde_json::to_string_pretty(&pod).unwrap()
        };
        let outcome = Outcome::Failed(vec![mismatch(
            MismatchKind::Mutation,
            "/object",
            &pod("ghcr.io/acme/app:1@sha256:0abc"),
            &pod("ghcr.io/acme/app:1"),
            span(&first, "expected/pod.yaml"),
        )]);
        let mut case = new("verify-images", "pins the image to its digest", outcome);
        case.duration = Duration::from_micros(2_410);
        case.calls = vec![
            HostCall {
                capability: "oci/v1/manifest_digest".into(),
                request: "ghcr.io/acme/app:1".into(),
                answered_by: AnsweredBy::Host,
                error: Some("503 from registry".into()),
                resource: None,
                reply: None,
            },
            HostCall {
                capability: "oci/v2/verify".into(),
                request: "ghcr.io/acme/app:1".into(),
                answered_by: AnsweredBy::Replay,
                error: None,
                resource: None,
                reply: None,
            },
        ];
        case.warnings = vec!["one exchange of sessions/signed.yml was not asked for".into()];
        case
    };
    let unavailable = Arc::new(Unavailable {
        stage: UnavailableStage::Fetch,
        message: "ingress/policies/unique-ingress.wasm: no such file".into(),
        help: Some("build the policy first, or correct `uri:`".into()),
        span: Some(span(&second, "policies/unique-ingress.wasm")),
    });
    let ingress = {
        let name = "a host taken by another ingress is refused";
        let mut case =
            case(&second, "ingress/suite.yml", "unique-ingress", name, Outcome::Unavailable(Arc::clone(&unavailable)));
        (case.suite, case.response, case.duration) = (1, None, Duration::ZERO);
        case
    };
    let mut unique_ingress = policy("unique-ingress", 1, &second);
    (unique_ingress.digest, unique_ingress.size, unique_ingress.execution_mode) = (None, None, None);
    unique_ingress.unavailable = Some(unavailable);
    unique_ingress.uri = "policies/unique-ingress.wasm".into();

    let mut cases = vec![
        new("safe-labels", "accepts a pod with an owner", Outcome::Passed),
        rejects,
        endless,
        new("safe-labels", "deletes never reach this policy", Outcome::Passed),
        skipped,
        xfailed,
        pins,
        new("safe-labels", "an empty label is refused", Outcome::Passed),
    ];
    for kind in ["Pod", "Deployment", "CronJob", "Job", "ReplicaSet"] {
        let name = format!("{kind} is held to the same rule");
        cases.push(case(&first, name_of_first(), "safe-labels", &name, Outcome::Passed));
    }
    cases.push(ingress);
    let mut run = RunReport {
        warnings: Vec::new(),
        suites: vec![suite(name, &first), suite("ingress/suite.yml", &second)],
        policies: vec![
            policy("safe-labels", 0, &first),
            policy("verify-images", 0, &first),
            policy("idle", 0, &first),
            unique_ingress,
        ],
        cases,
        rules: Vec::new(),
        settings: Vec::new(),
        hollow: Vec::new(),
        changes: Vec::new(),
        uses: Vec::new(),
        gates: Vec::new(),
        publications: Vec::new(),
        coverage: Vec::new(),
        started_at: "2026-10-01T12:00:00.123Z".parse().unwrap(),
        duration: Duration::from_micros(41_300),
        shard: None,
        seed: None,
        flags: Vec::new(),
        errors: Vec::new(),
    };
    numbered(&mut run.cases);
    for (position, policy) in run.policies.iter_mut().enumerate() {
        policy.position = position;
    }
    run
}

/// Gives cases the places that a run gives them.
fn numbered(cases: &mut [CaseReport]) {
    for (position, case) in cases.iter_mut().enumerate() {
        case.position = position;
    }
}

fn name_of_first() -> &'static str {
    "acme label policies"
}

/// Names and messages that break careless formats.
pub(super) const HOSTILE: &[&str] = &[
    "emoji 👩‍💻 日本語",
    "]]><script>alert('x')</script>&amp;\"",
    "\x1b[31mred\x1b[0m\x07\0\r",
    "::error::owned\n::set-env name=X::y\n  ::add-mask::a\n##[group]g\n##vso[task.complete]",
    "%0A%25 100%",
    "``````\n| a | b |\n# heading @team",
    "\u{202e}\u{feff}\u{fffe}\u{ffff}",
    "it's $HOME `id` \"quoted\" \\",
    "",
];

/// A run in which everything that comes from outside is one of the [`HOSTILE`] texts, in every outcome.
pub(super) fn hostile() -> RunReport {
    let mut run = sample();
    let text: String = HOSTILE.join("\n");
    let file = file("weird, name:%.yml", &text);
    run.suites = vec![suite(HOSTILE[3], &file)];
    run.policies = HOSTILE.iter().map(|name| policy(name, 0, &file)).collect();
    run.cases.clear();
    for name in HOSTILE {
        for outcome in outcomes(name, &file) {
            let id = format!("{name} {}", run.cases.len());
            let mut case = case(&file, HOSTILE[3], name, &id, outcome);
            case.log.lines = vec![(*name).into()];
            case.log.stderr = text.clone();
            case.log.stdout = text.clone();
            case.warnings = vec![text.clone()];
            case.weakness = Some(Weakness::AnyRejection);
            case.steps = vec![part(name)];
            case.calls = vec![HostCall {
                capability: "net/v1/dns_lookup_host".into(),
                request: (*name).into(),
                answered_by: AnsweredBy::Unanswered,
                error: Some(text.clone()),
                resource: None,
                reply: None,
            }];
            run.cases.push(case);
        }
    }
    numbered(&mut run.cases);
    run.rules = HOSTILE.iter().map(|text| rules(text, &file)).collect();
    run.settings = HOSTILE.iter().map(|text| settings(text, &file)).collect();
    run.publications = HOSTILE.iter().map(|text| refused(text)).collect();
    run
}

/// Rules that say `text` wherever they can, of which no request has a case.
fn rules(text: &str, file: &Arc<SourceFile>) -> RuleCoverage {
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
        span: span(file, text),
        requests: vec![request],
        notes: vec![text.into()],
        mistakes: vec![text.into()],
    }
}

/// Settings that say `text` wherever they can, of which no case sets any.
fn settings(text: &str, file: &Arc<SourceFile>) -> SettingsCoverage {
    let choices = vec![ChoiceCoverage { value: text.into(), cases: 0 }];
    let key = |key: &str, cases, choices| KeyCoverage { key: key.into(), cases, rejections: 0, choices };
    SettingsCoverage {
        suite: 0,
        policy: text.into(),
        form: Some(text.into()),
        span: span(file, text),
        keys: vec![key(text, 1, choices), key("never", 0, Vec::new())],
        notes: vec![text.into()],
    }
}

/// A policy called `text` that was not published because of it.
fn refused(text: &str) -> Publication {
    Publication {
        suite: Some(0),
        warnings: vec![text.into()],
        ..Publication::refused(text, "ghcr.io/acme/policy", text.into(), Some(text.into()))
    }
}

/// A step that is a group with one member, both called `name` and saying so.
fn part(name: &str) -> PartReport {
    let response = AdmissionResponse {
        status: Some(Status { message: Some(name.into()), ..Status::default() }),
        ..AdmissionResponse::default()
    };
    let member = PartReport {
        name: name.into(),
        policy: name.into(),
        verdict: PartVerdict::Deny,
        evaluations: 2,
        response: Some(response),
        monitored: None,
        fault: None,
        calls: Vec::new(),
        members: Vec::new(),
    };
    PartReport { members: vec![member.clone()], ..member }
}

/// Every outcome, saying `text` wherever it can.
fn outcomes(text: &str, file: &Arc<SourceFile>) -> Vec<Outcome> {
    let difference = |kind| mismatch(kind, "/status/message", text, &format!("{text}\nactual"), span(file, text));
    let fault = Fault::new(FaultKind::Host, text).with_help(text);
    let unavailable =
        Unavailable { stage: UnavailableStage::Compile, message: text.into(), help: Some(text.into()), span: None };
    vec![
        Outcome::Passed,
        Outcome::Failed(vec![difference(MismatchKind::Verdict), difference(MismatchKind::Warnings)]),
        Outcome::Error(fault),
        Outcome::Unavailable(Arc::new(unavailable)),
        Outcome::Skipped(text.into()),
        Outcome::NotRun(text.into()),
        Outcome::Xfailed(text.into()),
        Outcome::Xpassed(text.into()),
    ]
}

/// A run of `number` failures, each with messages of `size` characters.
pub(super) fn failures(number: usize, size: usize) -> RunReport {
    let mut run = sample();
    let file = Arc::clone(&run.cases[0].span.file);
    let text = "long text of a policy\n".repeat(size / 22 + 1);
    run.cases = (0..number)
        .map(|n| {
            let difference = mismatch(MismatchKind::Message, "/status/message", "short", &text, span(&file, "400"));
            case(&file, name_of_first(), "safe-labels", &format!("failure {n}"), Outcome::Failed(vec![difference]))
        })
        .collect();
    numbered(&mut run.cases);
    run
}

/// A run that did not take place: a mistake in a suite, one in no file, and a hostile one.
pub(super) fn not_started() -> RunReport {
    let file = file("tests/suite.yml", SUITE);
    let mistake = Diagnostic::new(Code::UnknownKey, "unknown key `expct`").at(&span(&file, "expect"));
    let hostile =
        Diagnostic::new(Code::Mistake, "::error::x\n<script>\u{1b}[2J ##[warning] | a |").at(&span(&file, "unset"));
    let errors = vec![
        mistake.with_help("did you mean `expect`?".to_owned()),
        Diagnostic::new(Code::Usage, "no suite.yml in this folder"),
        hostile,
    ];
    RunReport::not_started(errors, sample().started_at)
}
