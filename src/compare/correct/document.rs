//! Documents: objects and responses.

use policy_verify_model::answer::AdmissionResponse;
use policy_verify_model::source::Span;
use policy_verify_model::suite::DocumentExpectation;
use serde_json::Value;

use super::part::Part;
use crate::compare::response::without_nulls;

/// The whole document, with the values that are there.
pub(super) fn part(expect: &DocumentExpectation, actual: &Value) -> Part {
    let expected = &expect.expected.value;
    let new = if expect.is_exact { Ok(actual.clone()) } else { fitted(expected, actual) };
    of(expect, expected, new)
}

/// The same of a response, in which null is as good as nothing.
pub(super) fn response(expect: &DocumentExpectation, response: &AdmissionResponse) -> Part {
    let actual = serde_json::to_value(response).unwrap_or_default();
    let written = &expect.expected.value;
    let is_review = written.get("kind").is_some_and(|kind| kind == "AdmissionReview");
    let expected = if is_review { &written["response"] } else { written };
    let new = if expect.is_exact { Ok(with_nulls_of(expected, &actual)) } else { fitted(expected, &actual) };
    let in_review = |new: Value| {
        let mut review = written.clone();
        review["response"] = new;
        review
    };
    of(expect, written, if is_review { new.map(in_review) } else { new })
}

fn of(expect: &DocumentExpectation, expected: &Value, new: Result<Value, String>) -> Part {
    let place: &Span = expect.spans.get("").unwrap_or(&expect.expected.span);
    match new {
        Ok(new) => Part::new(place, expected.clone(), new),
        Err(reason) => Part::left(place, reason),
    }
}

/// What the given keys have to say. For what is absent that is null; of an item that is absent nothing can be said.
fn fitted(expected: &Value, actual: &Value) -> Result<Value, String> {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            let member = |(key, wanted): (&String, &Value)| {
                let value = actual.get(key).map_or(Ok(Value::Null), |value| fitted(wanted, value))?;
                Ok((key.clone(), value))
            };
            expected.iter().map(member).collect::<Result<_, String>>().map(Value::Object)
        }
        (Value::Array(expected), Value::Array(actual)) => items(expected, actual).map(Value::Array),
        // It matches anything.
        (Value::Object(wanted), _) if wanted.is_empty() => Ok(expected.clone()),
        _ => Ok(actual.clone()),
    }
}

/// Items are compared as the comparison does it: by their names where all have one.
fn items(expected: &[Value], actual: &[Value]) -> Result<Vec<Value>, String> {
    let all_named = |items: &[Value]| !items.is_empty() && items.iter().all(|item| name_of(item).is_some());
    if all_named(expected) && all_named(actual) {
        let fit = |wanted: &Value| {
            let name = name_of(wanted).unwrap_or_default();
            let found = actual.iter().find(|item| name_of(item) == Some(name));
            fitted(wanted, found.ok_or_else(|| format!("there is no item `{name}` any more"))?)
        };
        return expected.iter().map(fit).collect();
    }
    if expected.len() > actual.len() {
        return Err("a list has fewer items than expected".to_owned());
    }
    expected.iter().zip(actual).map(|(wanted, value)| fitted(wanted, value)).collect()
}

fn name_of(item: &Value) -> Option<&str> {
    item.get("name")?.as_str()
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
