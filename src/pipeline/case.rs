//! One case through evaluation and comparison, to its report.

use std::sync::Arc;
use std::time::Instant;

use crate::compare::{self, Judgement};
use crate::evaluate::{self, Applicability};
use crate::model::answer::{AdmissionResponse, Fault, FaultKind};
use crate::model::hosting::{GuestLog, HostCall};
use crate::model::outcome::{CaseKind, CaseReport, Mismatch, MismatchKind, Outcome, Unavailable};
use crate::model::request::Request;
use crate::model::suite::{Case, CaseBody, Expectation, PolicySpec, RequestCase, RulesMode, SettingsCase};
use crate::prepare::{self, PreparedPolicy};

/// What became of a case that was taken up. There is no third way: what was not judged cannot pass.
enum Verdict {
    /// The policy was not asked although it could be, for this reason.
    Skipped(String),
    /// The answer was held against the expectation.
    Judged(Judgement),
}

/// What is known about a case beside its outcome.
#[derive(Default)]
struct Findings {
    request: Option<Arc<Request>>,
    response: Option<AdmissionResponse>,
    fault: Option<Fault>,
    calls: Vec<HostCall>,
    log: GuestLog,
    warnings: Vec<String>,
    /// Answers nobody asked for, and calls that do not fit the expectation.
    about_calls: Vec<Mismatch>,
}

/// Runs one case and settles how it ended. `suite` is the index of its suite in the run.
pub(super) fn report(
    suite: usize,
    case: &Case,
    spec: &PolicySpec,
    policy: &Result<PreparedPolicy, Arc<Unavailable>>,
) -> CaseReport {
    let start = Instant::now();
    let (findings, outcome) = match (&case.skip, policy) {
        (Some(reason), _) => (Findings::default(), Outcome::Skipped(reason.clone())),
        (None, Err(unavailable)) => (Findings::default(), Outcome::Unavailable(Arc::clone(unavailable))),
        (None, Ok(policy)) => {
            let (verdict, mut findings) = run(case, spec, policy);
            let outcome = match verdict {
                Verdict::Skipped(reason) => Outcome::Skipped(reason),
                Verdict::Judged(judgement) => outcome(case, judgement, &mut findings),
            };
            (findings, outcome)
        }
    };
    let is_skipped = matches!(outcome, Outcome::Skipped(_));
    let kind = match case.body {
        CaseBody::Request(_) => CaseKind::Case,
        CaseBody::Settings(_) => CaseKind::Settings,
        CaseBody::Check(_) => CaseKind::Check,
    };
    CaseReport {
        id: case.id.clone(),
        name: case.name.clone(),
        suite,
        policy: spec.name.clone(),
        kind,
        outcome,
        span: case.span.clone(),
        duration: start.elapsed(),
        request: findings.request,
        response: findings.response,
        fault: findings.fault,
        calls: findings.calls,
        log: findings.log,
        warnings: findings.warnings,
        is_weak: case.is_weak() && !is_skipped,
    }
}

fn run(case: &Case, spec: &PolicySpec, policy: &PreparedPolicy) -> (Verdict, Findings) {
    match &case.body {
        CaseBody::Request(asked) => run_request(case, asked, spec, policy),
        CaseBody::Settings(asked) => run_settings(case, asked, spec, policy),
        CaseBody::Check(check) => {
            let mismatches = prepare::check::check(check, policy.metadata.as_ref(), policy.module.len() as u64);
            (Verdict::Judged(mismatches.into()), Findings::default())
        }
    }
}

fn run_request(case: &Case, asked: &RequestCase, spec: &PolicySpec, policy: &PreparedPolicy) -> (Verdict, Findings) {
    let sent = evaluate::as_the_policy_takes_it(&asked.request, policy);
    let request = Some(Arc::clone(&sent));
    match (evaluate::applicability(asked, policy), &*asked.expect) {
        (Applicability::NotAsked(_), Expectation::NotApplicable) => {
            return (Verdict::Judged(Judgement::Holds), Findings { request, ..Findings::default() });
        }
        (Applicability::NotAsked(reason), _) if asked.rules == RulesMode::Skip => {
            let skipped = Verdict::Skipped(format!("not applicable: {reason}"));
            return (skipped, Findings { request, ..Findings::default() });
        }
        (Applicability::NotAsked(reason), _) => {
            let fault = Fault::new(FaultKind::NotApplicable, format!("the policy would not be asked: {reason}"))
                .with_help("write `expect: not-applicable`, `rules: skip` to pass over such requests, or `rules: ignore` to ask it all the same");
            let judgement = Judgement::Fault(fault.clone());
            return (Verdict::Judged(judgement), Findings { request, fault: Some(fault), ..Findings::default() });
        }
        (Applicability::Asked, Expectation::NotApplicable) => {
            let mismatch = Mismatch {
                kind: MismatchKind::Verdict,
                at: String::new(),
                expected: "not applicable: no rule of the metadata selects the request".into(),
                actual: match policy.metadata {
                    Some(_) => "a rule selects it, so the policy is asked".into(),
                    None => "the policy has no metadata, so nothing says what it is asked".into(),
                },
                span: case.expect_span.clone(),
            };
            let judgement = Judgement::Mismatches(vec![mismatch]);
            return (Verdict::Judged(judgement), Findings { request, ..Findings::default() });
        }
        (Applicability::Asked, _) => {}
    }
    let wants_second_pass = compare::wants_second_pass(&asked.expect);
    let follow_up = |request: &Request, response: &AdmissionResponse| {
        let changed = compare::mutated_document(request, response).ok().flatten().filter(|_| wants_second_pass)?;
        Some(request.with_document(changed))
    };
    let evaluated = evaluate::request(case, asked, &sent, policy, spec, &follow_up);
    let judgement =
        compare::answer(&asked.expect, &case.expect_span, &sent, &evaluated.answer, evaluated.second.as_ref());
    let (response, fault) = match evaluated.answer {
        Ok(response) => (Some(response), None),
        Err(fault) => (None, Some(fault)),
    };
    let (calls, warnings, mut about_calls) = from_journal(evaluated.journal);
    about_calls.extend(compare::calls(&asked.expect, &calls));
    let log = evaluated.log;
    (Verdict::Judged(judgement), Findings { request, response, fault, calls, log, warnings, about_calls })
}

fn run_settings(case: &Case, asked: &SettingsCase, spec: &PolicySpec, policy: &PreparedPolicy) -> (Verdict, Findings) {
    let evaluated = evaluate::settings(case, asked, policy, spec);
    let judgement = compare::settings(&asked.expect, &case.expect_span, &evaluated.answer);
    let (calls, warnings, about_calls) = from_journal(evaluated.journal);
    let (fault, log) = (evaluated.answer.err(), evaluated.log);
    (Verdict::Judged(judgement), Findings { fault, calls, log, warnings, about_calls, ..Findings::default() })
}

/// Calls, remarks, and a mismatch for every answer that nobody asked for.
fn from_journal(journal: crate::host::Journal) -> (Vec<HostCall>, Vec<String>, Vec<Mismatch>) {
    let unused = journal.unused.into_iter().map(|unused| Mismatch {
        kind: MismatchKind::Calls,
        at: String::new(),
        expected: format!("the policy asks {} about {}", unused.capability, unused.request),
        actual: "it never did: the answer is unused".into(),
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
    match (&case.xfail, outcome) {
        (Some(reason), Outcome::Passed) => Outcome::Xpassed(reason.value.clone()),
        // Only what the policy answers can be known trouble: no bug of ours, and no case that is set up wrongly.
        (Some(_), Outcome::Error(fault))
            if matches!(fault.kind, FaultKind::Internal | FaultKind::Settings | FaultKind::NotApplicable) =>
        {
            Outcome::Error(fault)
        }
        (Some(reason), Outcome::Failed(_) | Outcome::Error(_)) => Outcome::Xfailed(reason.value.clone()),
        (_, outcome) => outcome,
    }
}
