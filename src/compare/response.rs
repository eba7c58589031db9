//! Responses as documents.

use serde_json::Value;

use policy_verify_model::answer::AdmissionResponse;
use policy_verify_model::outcome::{Mismatch, MismatchKind};
use policy_verify_model::suite::DocumentExpectation;

use super::diff;

/// The response as a document. An expected AdmissionReview stands for the response it wraps.
pub(super) fn document(expect: &DocumentExpectation, response: &AdmissionResponse) -> Vec<Mismatch> {
    let actual = serde_json::to_value(response).expect("a response holds nothing that JSON cannot");
    let (expected, prefix) = match expect.expected.value.get("response") {
        Some(wrapped) if expect.expected.value.get("kind").is_some_and(|kind| kind == "AdmissionReview") => {
            (wrapped, "/response")
        }
        _ => (&expect.expected.value, ""),
    };
    let mut differences = if expect.is_exact {
        diff::differences(&without_nulls(expected), &without_nulls(&actual), diff::Mode::Exact)
    } else {
        diff::differences(expected, &actual, diff::Mode::Subset)
    };
    for difference in differences.first.iter_mut().filter(|difference| difference.pointer == "/patch") {
        readable_patch(difference);
    }
    let span_of = |pointer: &str| diff::nearest_span(expect, &format!("{prefix}{pointer}"));
    diff::mismatches(&differences, MismatchKind::Response, "", span_of)
}

/// In a response `null` means absent: policy-server writes some of its empty members and leaves out others.
pub(super) fn without_nulls(response: &Value) -> Value {
    match response {
        Value::Object(members) => members
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value)))
            .collect(),
        other => other.clone(),
    }
}

/// Shows the operations instead of their base64, unless that hides the difference.
pub(super) fn readable_patch(difference: &mut diff::Difference) {
    let decoded = |value: &Option<Value>| match value.as_ref().and_then(Value::as_str) {
        Some(text) => policy_verify_model::patch::decode(text).ok(),
        None => value.clone(),
    };
    let (expected, actual) = (decoded(&difference.expected), decoded(&difference.actual));
    if expected != actual {
        difference.expected = expected.or(difference.expected.take());
        difference.actual = actual.or(difference.actual.take());
    }
}
