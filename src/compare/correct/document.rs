//! Documents: objects and responses.

use policy_verify_model::answer::AdmissionResponse;
use policy_verify_model::source::Span;
use policy_verify_model::suite::DocumentExpectation;
use serde_json::{Map, Value};

use super::part::Part;
use crate::compare::response::without_nulls;

/// The whole document, with the values that are there.
pub(super) fn part(expect: &DocumentExpectation, actual: &Value) -> Part {
    let expected = &expect.expected.value;
    let new = if expect.is_exact { actual.clone() } else { fitted(expected, actual) };
    of(expect, expected, new)
}

/// The same of a response, in which null is as good as nothing.
pub(super) fn response(expect: &DocumentExpectation, response: &AdmissionResponse) -> Part {
    let actual = serde_json::to_value(response).unwrap_or_default();
    let written = &expect.expected.value;
    let is_review = written.get("kind").is_some_and(|kind| kind == "AdmissionReview");
    let expected = if is_review { &written["response"] } else { written };
    let new = if expect.is_exact { with_nulls_of(expected, &actual) } else { fitted(expected, &actual) };
    let new = match is_review {
        true => {
            let mut review = written.clone();
            review["response"] = new;
            review
        }
        false => new,
    };
    of(expect, written, new)
}

fn of(expect: &DocumentExpectation, expected: &Value, new: Value) -> Part {
    let place: &Span = expect.spans.get("").unwrap_or(&expect.expected.span);
    if new.as_object().is_some_and(Map::is_empty) && *expected != new {
        return Part::left(place, "nothing of what is expected is there");
    }
    Part::new(place, expected.clone(), new)
}

/// What the given keys have to say: those that are absent go, except where null says so.
fn fitted(expected: &Value, actual: &Value) -> Value {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            let member = |(key, wanted): (&String, &Value)| match actual.get(key) {
                Some(value) => Some((key.clone(), fitted(wanted, value))),
                None => wanted.is_null().then(|| (key.clone(), Value::Null)),
            };
            Value::Object(expected.iter().filter_map(member).collect())
        }
        (Value::Array(expected), Value::Array(actual)) => {
            expected.iter().zip(actual).map(|(wanted, value)| fitted(wanted, value)).collect()
        }
        // It matches anything.
        (Value::Object(wanted), _) if wanted.is_empty() => expected.clone(),
        _ => actual.clone(),
    }
}

/// The whole response without its nulls, but with those that are written.
fn with_nulls_of(expected: &Value, actual: &Value) -> Value {
    let mut new = without_nulls(actual);
    if let (Some(new), Some(expected)) = (new.as_object_mut(), expected.as_object()) {
        let nulls = expected.iter().filter(|(_, value)| value.is_null());
        let missing: Vec<String> =
            nulls.filter(|(key, _)| !new.contains_key(*key)).map(|(key, _)| key.clone()).collect();
        new.extend(missing.into_iter().map(|key| (key, Value::Null)));
    }
    new
}
