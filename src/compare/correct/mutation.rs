//! How an object is mutated.

use policy_verify_model::answer::AdmissionResponse;
use policy_verify_model::patch::decode;
use policy_verify_model::source::{Span, Spanned};
use policy_verify_model::suite::MutateExpectation;
use serde_json::Value;

use super::document;
use super::part::{Facts, Part};
use crate::compare::diff;
use crate::compare::patch::{is_within, mutated_document};

/// The operations of the patch of a response.
pub(super) fn operations(response: &AdmissionResponse) -> Option<Value> {
    decode(response.patch.as_deref()?).ok()
}

/// The object before and after, where a patch changes something.
pub(super) fn change<'a>(response: &AdmissionResponse, facts: &'a Facts<'_>) -> Option<(&'a Value, Value)> {
    let before = facts.request.mutable_document()?;
    let after = mutated_document(facts.request, response).ok()??;
    (*before != after).then_some((before, after))
}

/// The parts of the description of a mutation.
pub(super) fn parts(
    expect: &MutateExpectation,
    span: &Span,
    response: &AdmissionResponse,
    facts: &Facts<'_>,
) -> Vec<Part> {
    let Some((before, after)) = change(response, facts) else {
        return vec![Part::left(span, "the patch cannot be applied, or changes nothing")];
    };
    let operations = operations(response).unwrap_or_default();
    let documents = [&expect.object, &expect.exactly].into_iter().flatten();
    let mut parts: Vec<Part> = documents.map(|expected| document::part(expected, &after)).collect();
    parts.extend(expect.only.as_ref().map(|only| self::only(only, before, &after)));
    for wanted in expect.includes.iter().flat_map(|includes| &includes.value) {
        parts.push(included(wanted, &operations));
    }
    parts.extend(expect.patch.as_ref().map(|patch| Part::new(&patch.span, patch.value.clone(), operations)));
    parts
}

/// The paths outside of which nothing changes: those that are written, and each further change.
fn only(only: &Spanned<Vec<Spanned<String>>>, before: &Value, after: &Value) -> Part {
    let written: Vec<Value> = only.value.iter().map(|path| path.value.as_str().into()).collect();
    let is_outside = |place: &str| !only.value.iter().any(|allowed| is_within(place, &allowed.value));
    let found = diff::changed_leaves(before, after, &is_outside);
    if found.more > 0 {
        return Part::left(&only.span, "too much changes outside of it");
    }
    let mut new = written.clone();
    new.extend(found.first.into_iter().map(|change| Value::from(change.pointer)));
    Part::new(&only.span, Value::Array(written), Value::Array(new))
}

/// An operation with the values that the operation at its path has.
fn included(wanted: &Spanned<Value>, operations: &Value) -> Part {
    let none = serde_json::Map::new();
    let keys = wanted.value.as_object().unwrap_or(&none);
    let given = operations.as_array().map(Vec::as_slice).unwrap_or_default();
    let fits = |operation: &&Value| keys.iter().all(|(key, value)| operation.get(key) == Some(value));
    let is_alike =
        |key: &'static str| move |operation: &&Value| keys.get(key).is_some_and(|it| operation.get(key) == Some(it));
    let found = given.iter().find(fits).or_else(|| given.iter().find(is_alike("path")));
    let found = found.or_else(|| given.iter().find(is_alike("value"))).or(match given {
        [only] => Some(only),
        _ => None,
    });
    let Some(found) = found else { return Part::left(&wanted.span, "no operation of the patch is like it") };
    let new = keys.keys().filter_map(|key| Some((key.clone(), found.get(key)?.clone()))).collect();
    Part::new(&wanted.span, wanted.value.clone(), Value::Object(new))
}
