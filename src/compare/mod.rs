//! Step 5: compares an answer with what the case expects. Pure functions; no policy is evaluated here.
//!
//! A fault where a verdict was expected is not a mismatch but [`Judgement::Fault`]: a type of its own keeps it from being
//! mistaken for a denial.

mod calls;
pub(crate) mod correct;
mod describe;
pub(crate) mod diff;
mod judgement;
mod members;
mod monitor;
mod patch;
mod response;
mod server;
pub(crate) mod snapshot;
mod text;
mod verdict;

use policy_verify_model::answer::{AdmissionResponse, Answer, Fault, FaultKind, SettingsVerdict};
use policy_verify_model::outcome::{Mismatch, MismatchKind};
use policy_verify_model::request::Request;
use policy_verify_model::source::Span;
use policy_verify_model::suite::{Expectation, FaultExpectation, SettingsExpectation, VerdictWord};

pub(crate) use calls::calls;
pub(crate) use describe::response as described;
pub(crate) use judgement::Judgement;
pub(crate) use members::with_members;
pub(crate) use monitor::with_monitored;
pub(crate) use patch::{mutated_document, second_pass};
pub(crate) use server::{of_server, responses};
pub(crate) use snapshot::with_snapshot;

/// Whether the comparison needs a second evaluation, of the mutated object.
pub(crate) fn needs_second_pass(expect: &Expectation) -> bool {
    let Expectation::Verdict(expected) = expect else { return false };
    let VerdictWord::Mutate(mutation) = &expected.word else { return false };
    mutation.idempotent.as_ref().is_some_and(|idempotent| idempotent.value)
}

/// Compares an answer with what the case expects.
///
/// `second` is the answer to the mutated object: only where [`needs_second_pass`] is true and the first answer has a
/// patch. Whether a rule matches the request is decided before the policy is evaluated; any answer to a request that
/// should not be applicable is a mismatch.
pub(crate) fn answer(
    expect: &Expectation,
    expect_span: &Span,
    request: &Request,
    answer: &Answer,
    second: Option<&Answer>,
) -> Judgement {
    match (expect, answer) {
        (Expectation::Fault(expected), Err(fault)) if fault.kind == expected.kind.value => {
            let place = text::Place { kind: MismatchKind::Fault, at: "" };
            text::compare(&expected.text, Some(&fault.message), place).into()
        }
        (_, Err(fault)) => Judgement::Fault(fault.clone()),
        (Expectation::Fault(expected), Ok(response)) => vec![not_a_fault(expected, response)].into(),
        (Expectation::Verdict(expected), Ok(response)) => {
            verdict::compare(expected, expect_span, request, response, second).into()
        }
        (Expectation::Response(expected), Ok(response)) => response::document(expected, response).into(),
        (Expectation::NotApplicable, Ok(response)) => vec![Mismatch {
            kind: MismatchKind::Verdict,
            at: "/allowed".into(),
            expected: "not applicable: no rule in the metadata matches the request".into(),
            actual: describe::response(response),
            span: expect_span.clone(),
        }]
        .into(),
    }
}

fn not_a_fault(expected: &FaultExpectation, response: &AdmissionResponse) -> Mismatch {
    Mismatch {
        kind: MismatchKind::Fault,
        at: "/allowed".into(),
        expected: format!("fault: {}", expected.kind.value),
        actual: describe::response(response),
        span: expected.kind.span.clone(),
    }
}

/// What a policy says against settings, as far as it says anything; nothing if it accepts them.
///
/// An error that the guest reports while it reads the settings counts as a rejection; its text is then the message.
///
/// # Errors
///
/// Any other fault.
pub(crate) fn rejection(verdict: &Result<SettingsVerdict, Fault>) -> Result<Option<Option<&str>>, &Fault> {
    match verdict {
        Ok(verdict) if verdict.valid => Ok(None),
        Ok(verdict) => Ok(Some(verdict.message.as_deref())),
        Err(fault) if fault.kind == FaultKind::Guest => Ok(Some(Some(fault.message.as_str()))),
        Err(fault) => Err(fault),
    }
}

/// Compares the verdict of the settings validation with what a settings case expects: see [`rejection`].
pub(crate) fn settings(
    expect: &SettingsExpectation,
    expect_span: &Span,
    verdict: &Result<SettingsVerdict, Fault>,
) -> Judgement {
    let rejection = match rejection(verdict) {
        Ok(rejection) => rejection,
        Err(fault) => return Judgement::Fault(fault.clone()),
    };
    let mismatch = |expected: &str, actual: String| Mismatch {
        kind: MismatchKind::Settings,
        at: "/valid".into(),
        expected: expected.into(),
        actual,
        span: expect_span.clone(),
    };
    match (expect, rejection) {
        (SettingsExpectation::Valid, None) => Judgement::Holds,
        (SettingsExpectation::Valid, Some(message)) => {
            let actual = match message {
                Some(message) => format!("invalid: {}", diff::quote(message, 0)),
                None => "invalid, without a message".into(),
            };
            vec![mismatch("valid", actual)].into()
        }
        (SettingsExpectation::Invalid(_), None) => vec![mismatch("invalid", "valid".into())].into(),
        (SettingsExpectation::Invalid(expected), Some(message)) => {
            text::compare(expected, message, text::Place { kind: MismatchKind::Settings, at: "/message" }).into()
        }
    }
}

#[cfg(test)]
mod tests;
