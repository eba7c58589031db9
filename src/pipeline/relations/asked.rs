//! The policy of a case, asked about a request of a relation.

use policy_verify_model::answer::{AdmissionResponse, Answer, Fault};
use policy_verify_model::request::Request;
use policy_verify_model::suite::{Case, RequestCase};

use crate::evaluate::{self, NotApplicable, Policies};

/// What came of asking.
pub(super) enum Asked {
    /// No rule selects the request.
    NotSelected,
    /// There is no verdict.
    Fault(Fault),
    /// There is one.
    Answered(Box<Answered>),
}

/// A request and the answer to it.
pub(super) struct Answered {
    /// The request as the policy saw it.
    pub(super) request: Request,
    /// The answer, of the policy itself where its deployment lets everything pass.
    pub(super) response: AdmissionResponse,
}

/// Asks the policy of a case, with its settings, mocks and clock; `body` says whether rules have to select the request.
pub(super) fn ask(case: &Case, body: &RequestCase, request: &Request, policies: &Policies<'_>) -> Asked {
    let evaluated = policies.settled(case, || evaluate::request(case, body, request, policies, &|_, _| None));
    let monitored = evaluated.answer.steps.first().and_then(|step| step.monitored.clone());
    let answer: Result<Answer, NotApplicable> = evaluated.answer.answer;
    match answer {
        Err(NotApplicable(_)) => Asked::NotSelected,
        Ok(Err(fault)) => Asked::Fault(fault),
        Ok(Ok(response)) => Asked::Answered(Box::new(Answered {
            request: evaluated.answer.converted.unwrap_or_else(|| request.clone()),
            response: monitored.unwrap_or(response),
        })),
    }
}
