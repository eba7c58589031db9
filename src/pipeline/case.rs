//! One case through evaluation and comparison, to its report.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::against::{Comparison, OwnResult, Referee};
use super::relations::{self, Judged};
use crate::compare::{self, Judgement, with_snapshot};
use crate::evaluate::{self, Applicability, Evaluated, NotApplicable, Policies, Sent};
use crate::form::{self, Flaw, FormFindings};
use crate::prepare;
use policy_verify_draft::first::Questions;
use policy_verify_host::record::Recorded;
use policy_verify_model::answer::{AdmissionResponse, Fault, FaultKind};
use policy_verify_model::hosting::{GuestLog, HostCall};
use policy_verify_model::outcome::{CaseKind, CaseReport, Mismatch, MismatchKind, Outcome, PartReport};
use policy_verify_model::policy::{PolicyRef, Settings};
use policy_verify_model::request::Request;
use policy_verify_model::source::{SourceFile, Span, Spanned};
use policy_verify_model::stored_request::StoredRequest;
use policy_verify_model::suite::{
    Case, CaseBody, Check, Expectation, PolicyIndex, PolicyUse, RequestCase, RulesMode, SettingsCase,
    SettingsExpectation, Snapshot, SuiteIndex, Xfail,
};
use policy_verify_model::weakness::Weakness;

/// The result of a case that was begun. Only a judgement can pass.
enum Verdict {
    /// The request would not be sent to the policy, for this reason.
    Skipped(String),
    /// The answer was compared with the expectation.
    Judged(Judgement),
}

/// What is known about a case besides its outcome.
#[derive(Default)]
struct Findings {
    request: Option<Arc<StoredRequest>>,
    response: Option<AdmissionResponse>,
    monitored: Option<AdmissionResponse>,
    fault: Option<Fault>,
    calls: Vec<HostCall>,
    log: GuestLog,
    warnings: Vec<String>,
    weakness: Option<Weakness>,
    steps: Vec<PartReport>,
    recorded: Option<Vec<Recorded>>,
    /// 0 where they are not counted.
    instructions: u64,
    /// 0 where no policy ran.
    memory: u64,
    /// Unused mocks, and calls that do not match the expectation.
    about_calls: Vec<Mismatch>,
    /// Whether a policy trapped or took too long in code that may be replaced by better code.
    is_doubtful: bool,
}

/// The report of a case that was not begun because the run was stopped, for this reason.
pub(super) fn not_run(suite: SuiteIndex, case: &Case, reason: &str) -> CaseReport {
    let outcome = match &case.skip {
        Some(reason) => Outcome::Skipped(reason.clone()),
        None => Outcome::NotRun(reason.to_owned()),
    };
    finished(suite, case, Findings::default(), outcome, Duration::ZERO)
}

/// Runs one case and settles how it ended. The second part are the answered host
/// calls, if they are recorded.
pub(super) fn report(
    suite: SuiteIndex,
    case: &Case,
    policies: &Policies<'_>,
    referee: Option<&Referee>,
) -> (CaseReport, Option<Vec<Recorded>>) {
    let start = Instant::now();
    let (findings, outcome) = match (&case.skip, policies.unavailable_for(case)) {
        (Some(reason), _) => (Findings::default(), Outcome::Skipped(reason.clone())),
        (None, Some(unavailable)) => (Findings::default(), Outcome::Unavailable(Arc::clone(unavailable))),
        (None, None) => {
            let (verdict, mut findings) = run_settled(case, policies, referee);
            let outcome = match verdict {
                Verdict::Skipped(reason) => Outcome::Skipped(reason),
                Verdict::Judged(judgement) => outcome(case, judgement, &mut findings),
            };
            (findings, outcome)
        }
    };
    let (mut findings, is_skipped) = (findings, matches!(outcome, Outcome::Skipped(_)));
    findings.weakness = case.weakness(policies.suite).filter(|_| !is_skipped);
    let recorded = findings.recorded.take();
    (finished(suite, case, findings, outcome, start.elapsed()), recorded)
}

fn finished(suite: SuiteIndex, case: &Case, findings: Findings, outcome: Outcome, duration: Duration) -> CaseReport {
    let kind = match case.body {
        CaseBody::Request(_) => CaseKind::Case,
        CaseBody::Settings(_) => CaseKind::Settings,
        CaseBody::Check { .. } => CaseKind::Check,
        CaseBody::Relation(_) => CaseKind::Relation,
    };
    // A chain tells of its steps, a group of its members, and a single policy is the case itself.
    let (steps, members) = match findings.steps.len() {
        0 | 1 => (Vec::new(), findings.steps.into_iter().flat_map(|step| step.members).collect()),
        _ => (findings.steps, Vec::new()),
    };
    let origin = rejected_settings(case, &outcome).or(case.origin.as_ref()).cloned();
    CaseReport {
        id: case.id.clone(),
        name: case.name.clone(),
        suite: suite.0,
        policy: case.subject.clone(),
        kind,
        outcome,
        span: case.span.clone(),
        origin,
        duration,
        instructions: Some(findings.instructions).filter(|number| *number > 0),
        memory: Some(findings.memory).filter(|bytes| *bytes > 0),
        request: findings.request,
        response: findings.response,
        monitored: findings.monitored,
        fault: findings.fault,
        calls: findings.calls,
        log: findings.log,
        warnings: findings.warnings,
        weakness: findings.weakness,
        steps,
        members,
        position: 0,
    }
}

/// Where the settings are written that the policy of a case rejects.
fn rejected_settings<'a>(case: &'a Case, outcome: &Outcome) -> Option<&'a Span> {
    match (&case.body, outcome) {
        (CaseBody::Request(body), Outcome::Error(fault)) if fault.kind == FaultKind::Settings => {
            body.settings_span.as_ref()
        }
        _ => None,
    }
}

/// Runs a case, and once more with the best code of its policies where it decides: the quick compiler's code needs more time
/// and more of the stack.
fn run_settled(case: &Case, policies: &Policies<'_>, referee: Option<&Referee>) -> (Verdict, Findings) {
    let (verdict, mut findings) = run(case, policies, referee);
    if !findings.is_doubtful {
        return (verdict, findings);
    }
    match policies.settle(case) {
        Ok(()) => run(case, policies, referee),
        Err(error) => {
            findings.warnings.push(format!("could not be repeated with optimised code: {error}"));
            (verdict, findings)
        }
    }
}

fn run(case: &Case, policies: &Policies<'_>, referee: Option<&Referee>) -> (Verdict, Findings) {
    let (verdict, findings, unsent) = match &case.body {
        CaseBody::Request(body) if matches!(*body.expect, Expectation::NotApplicable) => {
            let (verdict, findings) = run_not_applicable(case, body, policies);
            (verdict, findings, "the API server sends no such request")
        }
        CaseBody::Request(body) => return run_request(case, body, policies, referee),
        CaseBody::Settings(body) => {
            let (verdict, findings) = run_settings(case, body, policies);
            (verdict, findings, "a server has no request that validates settings")
        }
        CaseBody::Check { policy, check: Check::Questions(form) } => {
            let (judgement, findings) = run_form(case, *policy, form, policies);
            (Verdict::Judged(judgement), findings, "a server has no request that validates settings")
        }
        CaseBody::Check { policy, check } => {
            let policy = policies.prepared(*policy);
            let mismatches = prepare::check::check(check, policy.metadata.as_ref(), policy.module.len() as u64);
            (Verdict::Judged(mismatches.into()), Findings::default(), "a check sends no request")
        }
        CaseBody::Relation(relation) => {
            let Judged { judgement, warnings } = relations::judge(case, relation, policies);
            let verdict = judgement.map_or_else(Verdict::Skipped, Verdict::Judged);
            (
                verdict,
                Findings { warnings, ..Findings::default() },
                "a relation compares answers of the policy with each other",
            )
        }
    };
    match referee {
        Some(_) => not_compared(case, verdict, findings, unsent),
        None => (verdict, findings),
    }
}

/// A case that would pass without the server's answer is skipped: a run against a server is green only where that server
/// agreed.
fn not_compared(case: &Case, verdict: Verdict, mut findings: Findings, reason: &str) -> (Verdict, Findings) {
    let reason = format!("not compared with policy-server: {reason}");
    match verdict {
        Verdict::Judged(Judgement::Holds) if findings.about_calls.is_empty() && case.xfail.is_none() => {
            (Verdict::Skipped(reason), findings)
        }
        verdict => {
            findings.warnings.push(reason);
            (verdict, findings)
        }
    }
}

/// A case that expects that no rule matches: no policy is evaluated.
fn run_not_applicable(case: &Case, body: &RequestCase, policies: &Policies<'_>) -> (Verdict, Findings) {
    let request = Some(evaluate::effective_request(body, policies).stored);
    let judgement = match evaluate::applicability(body, policies) {
        Applicability::NotApplicable(_) => with_snapshot(Judgement::Holds, case, &compare::snapshot::not_applicable),
        Applicability::Undecided(fault) => Judgement::Fault(fault),
        _ => Judgement::Mismatches(vec![Mismatch {
            kind: MismatchKind::Verdict,
            at: String::new(),
            expected: "not applicable: no rule in the metadata matches the request".into(),
            actual: match policies.has_rules_for(case) {
                true => "a rule matches the request: the policy is evaluated".into(),
                false => "the policy has no metadata and therefore no rules".into(),
            },
            span: case.expect_span.clone(),
        }]),
    };
    (Verdict::Judged(judgement), Findings { request, ..Findings::default() })
}

fn run_request(
    case: &Case,
    body: &RequestCase,
    policies: &Policies<'_>,
    referee: Option<&Referee>,
) -> (Verdict, Findings) {
    let Sent { request: sent, stored } = evaluate::effective_request(body, policies);
    let needs_second_pass = compare::needs_second_pass(&body.expect);
    let follow_up = |request: &Request, response: &AdmissionResponse| {
        let changed = compare::mutated_document(request, response).ok().flatten().filter(|_| needs_second_pass)?;
        Some(request.with_document(changed))
    };
    let Evaluated { answer: found, mut journal, log, is_doubtful } =
        evaluate::request(case, body, &sent, policies, &follow_up);
    let (recorded, instructions, memory) = (journal.recorded.take(), journal.instructions, journal.memory);
    let (calls, warnings, mut about_calls) = from_journal(journal);
    let (sent, stored) = match found.converted {
        None => (sent, stored),
        Some(converted) => (Cow::Owned(converted.clone()), Arc::new(StoredRequest::from(converted))),
    };
    let findings = Findings {
        request: Some(stored),
        steps: found.steps,
        recorded,
        instructions,
        memory,
        log,
        warnings,
        is_doubtful,
        ..Findings::default()
    };
    let answer = match found.answer {
        Ok(answer) => answer,
        Err(NotApplicable(reason)) if body.rules == RulesMode::Skip => {
            // The rules are for those who want to change them.
            let (reason, _) = reason.split_once("; rules:").unwrap_or((&reason, ""));
            return (Verdict::Skipped(format!("not applicable: {reason}")), findings);
        }
        Err(NotApplicable(reason)) => {
            let fault = Fault::new(FaultKind::NotApplicable, reason).with_help(remedies(case, body, policies));
            return (
                Verdict::Judged(Judgement::Fault(fault.clone())),
                Findings { fault: Some(fault), calls, ..findings },
            );
        }
    };
    let monitored = findings.steps.first().filter(|_| findings.steps.len() == 1).and_then(|it| it.monitored.clone());
    let members = findings.steps.iter().flat_map(|step| &step.members);
    let expected = evaluate::expected_answer(&body.expect, &answer, &findings.steps);
    let judgement = compare::answer(&body.expect, &case.expect_span, &sent, &expected, found.second.as_ref());
    let judgement = compare::with_members(judgement, &body.expect, members);
    let judgement = compare::with_monitored(judgement, &body.expect, monitored.as_ref());
    let told = |snapshot: &Snapshot| compare::snapshot::evaluated(snapshot, &answer, &findings.steps);
    let judgement = with_snapshot(judgement, case, &told);
    about_calls.extend(compare::calls(&body.expect, &calls));
    let comparison = referee.filter(|_| is_worth_comparing(&judgement)).map(|referee| {
        let (sent, answer, calls, judgement) = (&*sent, &answer, calls.as_slice(), &judgement);
        let own = OwnResult { case, body, sent, answer, calls, judgement, follow_up: &follow_up };
        referee.judge(&own, policies)
    });
    let (response, fault) = match answer {
        Ok(response) => (Some(response), None),
        Err(fault) => (None, Some(fault)),
    };
    let findings = Findings { response, monitored, fault, calls, about_calls, ..findings };
    match comparison {
        None => (Verdict::Judged(judgement), findings),
        Some(comparison) => with_comparison(case, judgement, comparison, findings),
    }
}

/// Remedies for a request that no rule matches, the likeliest first.
fn remedies(case: &Case, body: &RequestCase, policies: &Policies<'_>) -> String {
    let is_one_of_many = case.place().file.path != case.span.file.path;
    let is_own = |policy: &PolicyIndex| {
        let spec = &policies.suite.policies[policy.0];
        spec.metadata.is_some() || matches!(spec.uri.value, PolicyRef::File(_))
    };
    let rules = match body.subject.steps.iter().any(|step| policies.suite.deployment_of(step).scope.is_some()) {
        true => Some("the manifest"),
        // What a registry serves cannot be changed here.
        false => policies.suite.policies_for(case).iter().all(is_own).then_some("the metadata"),
    };
    let skip = is_one_of_many.then(|| "write `rules: skip` to pass over objects that no rule matches".to_owned());
    let rule = rules.map(|rules| format!("add a rule to {rules} if the policy should see such requests"));
    let others = [
        "write `expect: not-applicable` if it should not",
        "write `rules: ignore` to evaluate the policy all the same",
    ];
    let lines = skip.into_iter().chain(rule).chain(others.map(str::to_owned));
    lines.map(|line| format!("- {line}")).collect::<Vec<_>>().join("\n")
}

/// Whether the policy gave an answer, or a fault that the server could know: neither a bug nor a case that is set up wrongly.
fn is_worth_comparing(judgement: &Judgement) -> bool {
    !matches!(judgement, Judgement::Fault(fault) if matches!(fault.kind, FaultKind::Internal | FaultKind::Settings | FaultKind::Host))
}

/// Joins our judgement and what the server answered.
fn with_comparison(
    case: &Case,
    judgement: Judgement,
    comparison: Comparison,
    mut findings: Findings,
) -> (Verdict, Findings) {
    let judgement = match (judgement, comparison) {
        (judgement, Comparison::NotComparable(reason)) => {
            return not_compared(case, Verdict::Judged(judgement), findings, &reason);
        }
        (Judgement::Holds, Comparison::Fault(fault)) => Judgement::Fault(fault),
        (judgement, Comparison::Fault(fault)) => {
            findings.warnings.push(fault.message);
            judgement
        }
        (Judgement::Holds, Comparison::Compared(found)) => found.into(),
        (Judgement::Mismatches(mut own), Comparison::Compared(found)) => {
            if found.is_empty() {
                findings.warnings.push("policy-server gives the same answer".to_owned());
            }
            own.extend(found);
            Judgement::Mismatches(own)
        }
        (Judgement::Fault(fault), Comparison::Compared(found)) => {
            let differences = found.iter().map(|it| format!("{}: {}, {}", it.at, it.expected, it.actual));
            findings.warnings.push(match found.is_empty() {
                true => "policy-server rejects the request, as it does after such a fault".to_owned(),
                false => format!("policy-server answers otherwise: {}", differences.collect::<Vec<_>>().join("; ")),
            });
            Judgement::Fault(fault)
        }
    };
    (Verdict::Judged(judgement), findings)
}

fn run_settings(case: &Case, body: &SettingsCase, policies: &Policies<'_>) -> (Verdict, Findings) {
    let Evaluated { answer, mut journal, log, is_doubtful } = evaluate::settings(case, body, policies);
    let (recorded, instructions, memory) = (journal.recorded.take(), journal.instructions, journal.memory);
    let judgement = compare::settings(&body.expect, &case.expect_span, &answer);
    let judgement = with_snapshot(judgement, case, &|snapshot| compare::snapshot::settings(snapshot, &answer));
    let (calls, warnings, about_calls) = from_journal(journal);
    let fault = answer.err();
    let findings = Findings {
        fault,
        calls,
        log,
        warnings,
        recorded,
        instructions,
        memory,
        about_calls,
        is_doubtful,
        ..Findings::default()
    };
    (Verdict::Judged(judgement), findings)
}

/// Asks a policy about what its form sends. Host calls have no mocks there.
fn run_form(
    case: &Case,
    policy: PolicyIndex,
    form: &Spanned<Arc<SourceFile>>,
    policies: &Policies<'_>,
) -> (Judgement, Findings) {
    let questions = match Questions::read(&form.value.path, &form.value.text) {
        Ok(questions) => questions,
        Err(error) => {
            let span = error.span.unwrap_or_else(|| form.span.clone());
            let (kind, at, expected) = (MismatchKind::Check, "/questions".to_owned(), "a form".to_owned());
            let mismatch = Mismatch { kind, at, expected, actual: error.message, span };
            return (vec![mismatch].into(), Findings::default());
        }
    };
    let own: Vec<&Settings> = policies.suite.policies[policy.0].settings.iter().map(|it| &**it).collect();
    let mut findings = Findings::default();
    let mut ask = |settings: &Settings| {
        let body = SettingsCase {
            policy: PolicyUse { policy, settings: Arc::new(settings.clone()) },
            answers: Arc::default(),
            expect: Arc::new(SettingsExpectation::Valid),
        };
        let evaluated = evaluate::settings(case, &body, policies);
        findings.is_doubtful |= evaluated.is_doubtful;
        let rejection = compare::rejection(&evaluated.answer).map_err(Fault::clone)?;
        Ok(rejection.map(|message| message.unwrap_or("no reason given").to_owned()))
    };
    let found = form::judge(&questions, &own, &mut ask);
    let FormFindings { flaws, remarks } = match found {
        Ok(found) => found,
        Err(fault) => {
            findings.fault = Some(fault.clone());
            return (Judgement::Fault(fault), findings);
        }
    };
    findings.warnings = remarks;
    let mismatch = |Flaw { line, at, expected, actual }| {
        let span = form.value.line(line);
        Mismatch { kind: MismatchKind::Check, at, expected, actual, span }
    };
    (flaws.into_iter().map(mismatch).collect::<Vec<_>>().into(), findings)
}

/// Calls, remarks, and a mismatch for every unused mock.
fn from_journal(journal: policy_verify_host::Journal) -> (Vec<HostCall>, Vec<String>, Vec<Mismatch>) {
    let unused = journal.unused.into_iter().map(|unused| Mismatch {
        kind: MismatchKind::Calls,
        at: String::new(),
        expected: format!("host call {}({})", unused.capability, unused.request),
        actual: "not made: the mock is unused".into(),
        span: unused.span,
    });
    (journal.calls, journal.warnings, unused.collect())
}

/// Settles the outcome: mismatches about calls count, and a case that is known to fail must do so.
fn outcome(case: &Case, judgement: Judgement, findings: &mut Findings) -> Outcome {
    let outcome = match judgement {
        Judgement::Holds if findings.about_calls.is_empty() => Outcome::Passed,
        Judgement::Holds => Outcome::Failed(std::mem::take(&mut findings.about_calls)),
        Judgement::Mismatches(mut mismatches) => {
            mismatches.append(&mut findings.about_calls);
            Outcome::Failed(mismatches)
        }
        Judgement::Fault(fault) => {
            findings.fault = Some(fault.clone());
            Outcome::Error(fault)
        }
    };
    let Some(xfail) = &case.xfail else { return outcome };
    match outcome {
        Outcome::Passed => Outcome::Xpassed(xfail.reason.clone()),
        Outcome::Failed(_) if xfail.covers(None) => Outcome::Xfailed(xfail.reason.clone()),
        Outcome::Error(fault) if xfail.covers(Some(fault.kind)) => Outcome::Xfailed(xfail.reason.clone()),
        Outcome::Error(fault) => Outcome::Error(with_xfail_help(fault, xfail)),
        outcome => outcome,
    }
}

/// A fault that a case is not known for. Only those can be known that a suite can name.
fn with_xfail_help(fault: Fault, xfail: &Xfail) -> Fault {
    if fault.help.is_some() || !fault.kind.is_word_of_suites() {
        return fault;
    }
    let reason = serde_json::Value::from(xfail.reason.as_str());
    let help = format!(
        "`xfail` covers no such fault; if it is known, write `xfail: {{ reason: {reason}, fault: {} }}`",
        fault.kind
    );
    fault.with_help(help)
}
