//! What an expectation would have to say to hold: for each part of it, where it is written, and the value to write there.
//! Parts that hold are told too, because another case may want them otherwise.

mod document;
mod mutation;
mod part;
mod text;
mod verdict;

use policy_verify_model::answer::{AdmissionResponse, Fault, FaultKind, SettingsVerdict};
use policy_verify_model::source::Span;
use policy_verify_model::suite::{Expectation, FaultExpectation, SettingsExpectation};
use serde_json::json;

pub(crate) use self::part::{Facts, Part};

/// The parts of what a case expects of its answer. `span` is where the expectation is written.
pub(crate) fn request(expect: &Expectation, span: &Span, facts: &Facts<'_>) -> Vec<Part> {
    if let Ok(response) = facts.answer
        && is_of_fault(response)
    {
        return vec![Part::left(span, "policy-server answers so to a fault, which is never written down")];
    }
    match (expect, facts.answer) {
        (Expectation::Fault(expected), Err(fault)) => self::fault(expected, fault),
        (_, Err(fault)) => vec![Part::left(span, format!("there is no answer to write down: {}", fault.message))],
        (Expectation::NotApplicable, _) => {
            vec![Part::left(span, "a rule matches the request: write what the policy answers")]
        }
        (Expectation::Verdict(expected), Ok(response)) => verdict::parts(expected, span, response, facts),
        (Expectation::Fault(_), Ok(response)) => vec![Part::written(span, verdict::of(response, facts, None))],
        (Expectation::Response(expected), Ok(response)) => vec![document::response(expected, response)],
    }
}

/// Whether a response is what policy-server makes of a fault.
fn is_of_fault(response: &AdmissionResponse) -> bool {
    response.code() == Some(500)
        && response.message().is_some_and(|message| message.starts_with("internal server error: "))
}

fn fault(expected: &FaultExpectation, fault: &Fault) -> Vec<Part> {
    if expected.kind.value != fault.kind && !fault.kind.is_word_of_suites() {
        return vec![Part::left(&expected.kind.span, fault.message.clone())];
    }
    if fault.kind == FaultKind::Host && !expected.text.is_empty() {
        return vec![Part::left(&expected.kind.span, "the text of this fault is none of the policy's")];
    }
    let kind = &expected.kind;
    let mut parts = vec![Part::new(&kind.span, kind.value.to_string().into(), fault.kind.to_string().into())];
    parts.extend(text::parts(&expected.text, Some(&fault.message)));
    parts
}

/// The parts of what a settings case expects.
pub(crate) fn settings(
    expect: &SettingsExpectation,
    span: &Span,
    verdict: &Result<SettingsVerdict, Fault>,
    strengthens: bool,
) -> Vec<Part> {
    let rejection = match verdict {
        Ok(verdict) if verdict.valid => None,
        Ok(verdict) => Some(verdict.message.as_deref()),
        Err(fault) if fault.kind == FaultKind::Guest => Some(Some(fault.message.as_str())),
        Err(fault) => return vec![Part::left(span, format!("there is no answer to write down: {}", fault.message))],
    };
    let invalid = |message: Option<&str>| match message {
        Some(message) => json!({ "invalid": message }),
        None => json!("invalid"),
    };
    match (expect, rejection) {
        (SettingsExpectation::Valid, None) => vec![Part::held(span)],
        (SettingsExpectation::Valid, Some(message)) => vec![Part::written(span, invalid(message))],
        (SettingsExpectation::Invalid(_), None) => vec![Part::written(span, json!("valid"))],
        (SettingsExpectation::Invalid(expected), Some(message @ Some(_))) if expected.is_empty() && strengthens => {
            vec![Part::written(span, invalid(message))]
        }
        (SettingsExpectation::Invalid(expected), _) if expected.is_empty() => vec![Part::held(span)],
        (SettingsExpectation::Invalid(expected), Some(message)) => text::parts(expected, message),
    }
}

#[cfg(test)]
mod tests;
