//! What the parts of an expectation are made of.

use policy_verify_model::answer::{AdmissionResponse, Answer};
use policy_verify_model::hosting::HostCall;
use policy_verify_model::outcome::PartReport;
use policy_verify_model::request::Request;
use policy_verify_model::source::Span;
use serde_json::{Value, json};

/// A part of an expectation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    /// Where its value is written.
    pub(crate) place: Span,
    /// The value, as it is read there; null where nobody needs to know.
    pub(crate) old: Value,
    /// The value that would hold, or why there is none.
    pub(crate) new: Result<Value, String>,
}

impl Part {
    pub(super) fn new(place: &Span, old: Value, new: Value) -> Self {
        Self { place: place.clone(), old, new: Ok(new) }
    }

    /// A part that holds.
    pub(super) fn held(place: &Span) -> Self {
        Self::new(place, Value::Null, Value::Null)
    }

    /// A value that is written anew, whatever was there.
    pub(super) fn written(place: &Span, new: Value) -> Self {
        Self::new(place, Value::Null, new)
    }

    /// A part that does not hold, and for which there is no value.
    pub(super) fn left(place: &Span, reason: impl Into<String>) -> Self {
        Self { place: place.clone(), old: Value::Null, new: Err(reason.into()) }
    }
}

/// What became of a case.
pub(crate) struct Facts<'a> {
    /// The answer that its expectation is about.
    pub(crate) answer: &'a Answer,
    /// The request as it was sent.
    pub(crate) request: &'a Request,
    /// The host calls.
    pub(crate) calls: &'a [HostCall],
    /// The members of its group.
    pub(crate) members: Vec<&'a PartReport>,
    /// Whether a policy in monitor mode let the request pass, and the expectation is about the response.
    pub(crate) is_passed_on: bool,
    /// Whether expectations that hold for different answers are made strict.
    pub(crate) strengthens: bool,
}

/// The message of a response, as an expectation of a denial.
pub(super) fn denial(response: &AdmissionResponse) -> Value {
    match response.message() {
        Some(message) => json!({ "deny": message }),
        None => json!("deny"),
    }
}
