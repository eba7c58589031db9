//! The verdict, the code, the warnings and the audit annotations.
//!
//! A wrong verdict is the only mismatch of its case: that the message or the code differ as well follows from it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use policy_verify_model::answer::{AdmissionResponse, Answer, Fault};
use policy_verify_model::outcome::{Mismatch, MismatchKind};
use policy_verify_model::request::Request;
use policy_verify_model::source::Span;
use policy_verify_model::suite::{VerdictExpectation, VerdictWord};

use super::diff::{render, render_pair};
use super::{describe, patch, text};

/// Where the message of a denial is.
const MESSAGE: text::Place = text::Place { kind: MismatchKind::Message, at: "/status/message" };

/// Compares a response with the expected verdict. The error is the fault of a second pass that gave no answer.
pub(super) fn compare(
    expect: &VerdictExpectation,
    span: &Span,
    request: &Request,
    response: &AdmissionResponse,
    second: Option<&Answer>,
) -> Result<Vec<Mismatch>, Fault> {
    let expects_allowed = !matches!(expect.word, VerdictWord::Deny(_));
    if response.allowed != expects_allowed {
        return Ok(vec![verdict_mismatch(MismatchKind::Verdict, "/allowed", expect, response, span)]);
    }
    let mut mismatches = match &expect.word {
        VerdictWord::Accept => Vec::new(),
        VerdictWord::Allow => unexpected_patch(expect, response, span),
        VerdictWord::Deny(message) => {
            let mut mismatches = unexpected_patch(expect, response, span);
            mismatches.extend(text::compare(message, response.message(), MESSAGE));
            mismatches
        }
        VerdictWord::Mutate(_) if response.patch.is_none() => {
            vec![verdict_mismatch(MismatchKind::Mutation, "/patch", expect, response, span)]
        }
        VerdictWord::Mutate(mutation) => patch::compare(mutation, span, request, response, second)?,
    };
    mismatches.extend(code_and_annotations(expect, response));
    Ok(mismatches)
}

fn unexpected_patch(expect: &VerdictExpectation, response: &AdmissionResponse, span: &Span) -> Vec<Mismatch> {
    if response.patch.is_none() {
        return Vec::new();
    }
    vec![verdict_mismatch(MismatchKind::Mutation, "/patch", expect, response, span)]
}

/// The expected verdict and the response, both in one line.
fn verdict_mismatch(
    kind: MismatchKind,
    at: &str,
    expect: &VerdictExpectation,
    response: &AdmissionResponse,
    span: &Span,
) -> Mismatch {
    mismatch(kind, at, describe::expected(&expect.word), describe::response(response), span)
}

/// The code, the warnings and the audit annotations.
fn code_and_annotations(expect: &VerdictExpectation, response: &AdmissionResponse) -> Vec<Mismatch> {
    let mut mismatches = Vec::new();
    if let Some(code) = &expect.code
        && response.code() != Some(code.value)
    {
        let actual = render(response.code().map(Value::from).as_ref());
        let expected = code.value.to_string();
        mismatches.push(mismatch(MismatchKind::Message, "/status/code", expected, actual, &code.span));
    }
    if let Some(warnings) = &expect.warnings {
        let actual = response.warnings.as_deref().unwrap_or_default();
        if actual != warnings.value {
            let (expected, actual) = render_pair(Some(&json!(warnings.value)), Some(&json!(actual)));
            mismatches.push(mismatch(MismatchKind::Warnings, "/warnings", expected, actual, &warnings.span));
        }
    }
    if let Some(annotations) = &expect.audit_annotations {
        let none = BTreeMap::new();
        let actual = response.audit_annotations.as_ref().unwrap_or(&none);
        if *actual != annotations.value {
            let (expected, actual) = render_pair(Some(&json!(annotations.value)), Some(&json!(actual)));
            let span = &annotations.span;
            mismatches.push(mismatch(MismatchKind::Warnings, "/auditAnnotations", expected, actual, span));
        }
    }
    mismatches
}

fn mismatch(
    kind: MismatchKind,
    at: &str,
    expected: impl Into<String>,
    actual: impl Into<String>,
    span: &Span,
) -> Mismatch {
    Mismatch { kind, at: at.to_owned(), expected: expected.into(), actual: actual.into(), span: span.clone() }
}
