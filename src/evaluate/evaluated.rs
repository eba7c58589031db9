//! What evaluating a case gives: the answer, what each step and member answered, and what happened on the way.

use policy_verify_host::Journal;
use policy_verify_model::answer::{AdmissionResponse, Answer};
use policy_verify_model::hosting::GuestLog;
use policy_verify_model::outcome::{PartReport, PartVerdict};
use policy_verify_model::request::Request;

/// The result of evaluating a case.
pub(crate) struct Evaluated<T> {
    /// The answer.
    pub(crate) answer: T,
    /// What happened between the policies and their host.
    pub(crate) journal: Journal,
    /// What the policies logged or printed.
    pub(crate) log: GuestLog,
    /// Whether a policy trapped or took too long in code that may be replaced by better code.
    pub(crate) is_doubtful: bool,
}

/// The answers to a request.
pub(crate) struct RequestAnswers {
    /// The verdict of the last step, or of all steps of a chain; or why the request would not be sent.
    pub(crate) answer: Result<Answer, NotApplicable>,
    /// The answer to the follow-up question, if one was asked.
    pub(crate) second: Option<Answer>,
    /// What each step answered.
    pub(crate) steps: Vec<PartReport>,
    /// The request as the only step saw it, where it was converted to another version.
    pub(crate) converted: Option<Request>,
}

/// Why the API server would not send the request to the policy.
pub(crate) struct NotApplicable(pub(crate) String);

/// The report about a part that was evaluated once.
pub(crate) fn evaluated(name: &str, answer: &Answer) -> PartReport {
    let verdict = match answer {
        Err(_) => PartVerdict::Fault,
        Ok(AdmissionResponse { allowed: false, .. }) => PartVerdict::Deny,
        Ok(AdmissionResponse { patch: Some(_), .. }) => PartVerdict::Mutate,
        Ok(_) => PartVerdict::Allow,
    };
    PartReport {
        response: answer.as_ref().ok().cloned(),
        fault: answer.as_ref().err().cloned(),
        evaluations: 1,
        ..not_evaluated(name, verdict)
    }
}

/// The report about a part that was not evaluated.
pub(super) fn not_evaluated(name: &str, verdict: PartVerdict) -> PartReport {
    PartReport {
        name: name.to_owned(),
        policy: name.to_owned(),
        verdict,
        evaluations: 0,
        response: None,
        monitored: None,
        fault: None,
        calls: Vec::new(),
        members: Vec::new(),
    }
}
