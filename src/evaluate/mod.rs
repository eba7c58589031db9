//! Step 4: a case becomes an answer. Each case has its own instances and its own host; whatever goes wrong in one of
//! them stays there.

mod accepted_settings;
mod applicability;
mod audit;
mod call_time;
mod chain;
mod compat;
mod convert;
mod deploy;
mod evaluated;
mod evaluation;
mod group;
mod policies;
mod rules;
mod scope;
mod step;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use policy_verify_model::answer::{AdmissionResponse, Answer, Fault, SettingsVerdict};
use policy_verify_model::outcome::PartReport;
use policy_verify_model::request::Request;
use policy_verify_model::stored_request::StoredRequest;
use policy_verify_model::suite::{Case, Expectation, RequestCase, SettingsCase};

pub(crate) use self::accepted_settings::{AcceptedSettings, validations};
pub(crate) use self::applicability::{Applicability, applicability};
pub(crate) use self::audit::AuditScope;
pub(crate) use self::call_time::CallTime;
pub(crate) use self::evaluated::{Evaluated, NotApplicable, RequestAnswers, evaluated};
use self::evaluation::{CaseEvaluation, guarded};
pub(crate) use self::policies::{Policies, View};
pub(crate) use self::step::StepEvaluator;

/// Puts `sent`, which [`effective_request`] gave, to the policies of a case. `follow_up` makes the next request out of the response, for
/// expectations about a second pass.
pub(crate) fn request(
    case: &Case,
    body: &RequestCase,
    sent: &Request,
    policies: &Policies<'_>,
    follow_up: &dyn Fn(&Request, &AdmissionResponse) -> Option<Request>,
) -> Evaluated<RequestAnswers> {
    let mut evaluation = CaseEvaluation::new(case, &body.answers, policies);
    let (answer, steps, converted) = chain::evaluate(&mut evaluation, body, sent, policies);
    let sent = converted.as_ref().unwrap_or(sent);
    let next = answer.as_ref().ok().and_then(|answer| {
        let expected = expected_answer(&body.expect, answer, &steps);
        let response = expected.as_ref().as_ref().ok()?;
        follow_up(sent, response)
    });
    let mut again = None;
    let second = next.and_then(|next| {
        let mut evaluation = CaseEvaluation::new(case, &body.answers, policies);
        let (answer, steps, _) = chain::evaluate(&mut evaluation, body, &next, policies);
        again = Some(evaluation.finish(()));
        Some(expected_answer(&body.expect, &answer.ok()?, &steps).into_owned())
    });
    let mut evaluated = evaluation.finish(RequestAnswers { answer, second, steps, converted });
    if let Some(again) = again {
        evaluated.is_doubtful |= again.is_doubtful;
        evaluated.journal.record_more(again.journal);
    }
    evaluated
}

/// The answer that the expectation is about: the response, or with `mode: monitor` what the only step answered before its
/// deployment let the request pass.
pub(crate) fn expected_answer<'a>(
    expect: &Expectation,
    answer: &'a Answer,
    steps: &'a [PartReport],
) -> Cow<'a, Answer> {
    let monitored = steps.first().filter(|_| expect.is_monitored()).and_then(|step| step.monitored.as_ref());
    monitored.map_or(Cow::Borrowed(answer), |response| Cow::Owned(Ok(response.clone())))
}

/// The same with another program that evaluates the steps.
pub(crate) fn request_elsewhere(
    evaluator: &mut dyn StepEvaluator,
    body: &RequestCase,
    sent: &Request,
    policies: &Policies<'_>,
    follow_up: &dyn Fn(&Request, &AdmissionResponse) -> Option<Request>,
) -> RequestAnswers {
    let (answer, steps, converted) = chain::evaluate(evaluator, body, sent, policies);
    let sent = converted.as_ref().unwrap_or(sent);
    let next = match &answer {
        Ok(Ok(response)) => follow_up(sent, response),
        _ => None,
    };
    let second = next.and_then(|next| chain::evaluate(evaluator, body, &next, policies).0.ok());
    RequestAnswers { answer, second, steps, converted }
}

/// Asks the policy about the settings of a case.
pub(crate) fn settings(
    case: &Case,
    body: &SettingsCase,
    policies: &Policies<'_>,
) -> Evaluated<Result<SettingsVerdict, Fault>> {
    let mut evaluation = CaseEvaluation::new(case, &body.answers, policies);
    let mut instance = evaluation.new_instance(body.policy.policy, policies.spec(body.policy.policy).compat);
    let verdict = guarded(|| instance.validate_settings(&body.policy.settings));
    let verdict = evaluation.close(instance, verdict);
    evaluation.finish(verdict)
}

/// The request of a case, as the policies see it.
pub(crate) struct Sent<'a> {
    /// The request.
    pub(crate) request: Cow<'a, Request>,
    /// The same, for the report.
    pub(crate) stored: Arc<StoredRequest>,
}

/// The request as the policies see it: raw policies get a plain document.
pub(crate) fn effective_request<'a>(body: &'a RequestCase, policies: &Policies<'_>) -> Sent<'a> {
    let mut policies_of_case = body.subject.steps.iter().flat_map(|step| policies.suite.policies_of(step));
    let request = body.request.get();
    if matches!(*request, Request::Admission(_)) && policies_of_case.all(|policy| policies.is_raw(policy)) {
        let request = Request::Raw(request.to_json());
        let stored = Arc::new(StoredRequest::from(request.clone()));
        return Sent { request: Cow::Owned(request), stored };
    }
    Sent { request, stored: Arc::clone(&body.request) }
}
