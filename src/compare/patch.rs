//! Mutations: compares the patched object with the expected one.
//!
//! `only` and `idempotent` compare the documents before and after, not the operations: a patch may replace a value by the
//! same one.

use std::cell::LazyCell;
use std::collections::HashMap;

use serde_json::Value;

use policy_verify_model::answer::{AdmissionResponse, Answer, Fault};
use policy_verify_model::budget::{Budget, Exceeded};
use policy_verify_model::outcome::{Mismatch, MismatchKind};
use policy_verify_model::patch::{PatchError, apply, decode};
use policy_verify_model::request::Request;
use policy_verify_model::source::{Span, Spanned};
use policy_verify_model::suite::MutateExpectation;

use super::describe;
use super::diff::{self, Difference, Mode};

/// Where the pointers of a mutated object begin.
const OBJECT: &str = "/object";

/// How many missing operations are named one by one.
const MOST_MISSING: usize = 20;

/// The operations of a patch that has none.
static EMPTY: Value = Value::Array(Vec::new());

/// Why there is no mutated object although the response has a patch.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MutationError {
    /// For example a DELETE, which has only an old object.
    #[error("the request has no object to patch")]
    NoObject,
    #[error(transparent)]
    Patch(#[from] PatchError),
}

/// The object after the patch of the response; none without a patch.
pub(crate) fn mutated_document(
    request: &Request,
    response: &AdmissionResponse,
) -> Result<Option<Value>, MutationError> {
    let Some(patch) = &response.patch else { return Ok(None) };
    let document = request.mutable_document().ok_or(MutationError::NoObject)?;
    Ok(Some(apply(document, patch, &Budget::default())?))
}

/// Compares an allowed response that has a patch. The error is the fault of a second pass that gave no answer.
pub(super) fn compare(
    expect: &MutateExpectation,
    span: &Span,
    request: &Request,
    response: &AdmissionResponse,
    second: Option<&Answer>,
) -> Result<Vec<Mismatch>, Fault> {
    let (original, mutated) = match (request.mutable_document(), mutated_document(request, response)) {
        (Some(original), Ok(Some(mutated))) => (original, mutated),
        (_, Err(error)) => return Ok(vec![at_patch("a patch that can be applied", error.to_string(), span)]),
        (_, Ok(_)) => return Ok(vec![at_patch("a patch", "(absent)", span)]),
    };
    if *original == mutated {
        return Ok(vec![at_patch("allowed and mutated", "a patch that changes nothing", span)]);
    }
    let mut mismatches = Vec::new();
    if let Some(object) = &expect.object {
        let mode = if object.is_exact { Mode::Exact } else { Mode::Subset };
        let found = diff::differences(&object.expected.value, &mutated, mode);
        let span_of = |pointer: &str| diff::nearest_span(object, pointer);
        mismatches.extend(diff::mismatches(&found, MismatchKind::Mutation, OBJECT, span_of));
    }
    if let Some(exactly) = &expect.exactly {
        let found = diff::differences(&exactly.expected.value, &mutated, Mode::Exact);
        let span_of = |pointer: &str| diff::nearest_span(exactly, pointer);
        mismatches.extend(diff::mismatches(&found, MismatchKind::Mutation, OBJECT, span_of));
    }
    if let Some(only) = &expect.only {
        mismatches.extend(outside(only, original, &mutated));
    }
    let operations = response.patch.as_deref().and_then(|patch| decode(patch).ok()).unwrap_or(Value::Null);
    if let Some(includes) = &expect.includes {
        mismatches.extend(missing_operations(&includes.value, &operations));
    }
    if let Some(patch) = &expect.patch {
        let found = diff::differences(&patch.value, &operations, Mode::Exact);
        mismatches.extend(diff::mismatches(&found, MismatchKind::Mutation, "/patch", |_| patch.span.clone()));
    }
    if let Some(idempotent) = expect.idempotent.as_ref().filter(|idempotent| idempotent.value) {
        mismatches.extend(second_pass(&mutated, second, &idempotent.span)?);
    }
    Ok(mismatches)
}

/// What changed outside of the given pointers.
fn outside(only: &Spanned<Vec<Spanned<String>>>, original: &Value, mutated: &Value) -> Vec<Mismatch> {
    let is_outside = |place: &str| !only.value.iter().any(|allowed| is_within(place, &allowed.value));
    let found = diff::changed_leaves(original, mutated, &is_outside);
    let each = |change: &Difference| {
        let (before, after) = diff::render_pair(change.expected.as_ref(), change.actual.as_ref());
        let expected = if change.expected.is_some() { format!("unchanged: {before}") } else { "not added".to_owned() };
        Mismatch {
            kind: MismatchKind::Mutation,
            at: diff::place(OBJECT, &change.pointer),
            expected,
            actual: after,
            span: only.span.clone(),
        }
    };
    diff::at_most(&found, MismatchKind::Mutation, OBJECT, only.span.clone(), each)
}

/// Whether a pointer is the other one or lies below it.
pub(super) fn is_within(pointer: &str, parent: &str) -> bool {
    pointer.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The wanted operations that no operation of the patch fits: each key that is given must be equal.
fn missing_operations(includes: &[Spanned<Value>], operations: &Value) -> Vec<Mismatch> {
    let given = operations.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut of_path: HashMap<Option<&str>, Vec<&Value>> = HashMap::new();
    for operation in given {
        of_path.entry(path_of(operation)).or_default().push(operation);
    }
    let budget = Budget::default();
    let actual = LazyCell::new(|| diff::render(Some(operations).filter(|it| it.is_array()).or(Some(&EMPTY))));
    let mut mismatches = Vec::new();
    let mut more = 0;
    for wanted in includes {
        let is_there = match path_of(&wanted.value) {
            path @ Some(_) => any_fits(&wanted.value, of_path.get(&path).into_iter().flatten().copied(), &budget),
            None => any_fits(&wanted.value, given.iter(), &budget),
        };
        match is_there {
            Ok(true) => {}
            Err(exceeded) => {
                let actual = format!("to compare `includes` with the patch {exceeded}");
                mismatches.push(at_patch("fewer or more exact operations in `includes`", actual, &wanted.span));
                break;
            }
            Ok(false) if mismatches.len() < MOST_MISSING => {
                let expected = format!("includes {}", diff::render(Some(&wanted.value)));
                mismatches.push(at_patch(expected, actual.as_str(), &wanted.span));
            }
            Ok(false) => more += 1,
        }
    }
    if more > 0 {
        let last = &includes[includes.len() - 1].span;
        mismatches.push(at_patch("no further operations", format!("{more} more are missing"), last));
    }
    mismatches
}

fn path_of(operation: &Value) -> Option<&str> {
    operation.get("path")?.as_str()
}

/// Whether an operation has all keys of the wanted one.
fn any_fits<'a>(wanted: &Value, mut given: impl Iterator<Item = &'a Value>, budget: &Budget) -> Result<bool, Exceeded> {
    const COMPARED: u64 = 10;
    let fits = |given: &Value| match wanted.as_object() {
        Some(keys) => keys.iter().all(|(key, value)| given.get(key) == Some(value)),
        None => wanted == given,
    };
    loop {
        let Some(given) = given.next() else { return Ok(false) };
        budget.spend(COMPARED)?;
        if fits(given) {
            return Ok(true);
        }
    }
}

/// Whether the second pass left the mutated object as it was.
pub(crate) fn second_pass(mutated: &Value, second: Option<&Answer>, span: &Span) -> Result<Option<Mismatch>, Fault> {
    const EXPECTED: &str = "no change in the second pass";
    let response = match second {
        None => return Ok(Some(at_patch(EXPECTED, "no second pass", span))),
        Some(Err(fault)) => {
            let message = format!("in the second pass, over the mutated object: {}", fault.message);
            return Err(Fault { message, ..fault.clone() });
        }
        Some(Ok(response)) => response,
    };
    if !response.allowed {
        let actual = format!("second pass: {}", describe::response(response));
        return Ok(Some(Mismatch { at: "/allowed".into(), ..at_patch(EXPECTED, actual, span) }));
    }
    Ok(match response.patch.as_deref().map(|patch| apply(mutated, patch, &Budget::default())) {
        None => None,
        Some(Ok(again)) if again == *mutated => None,
        Some(Ok(_)) => Some(at_patch(EXPECTED, format!("second pass: {}", describe::response(response)), span)),
        Some(Err(reason)) => Some(at_patch(EXPECTED, format!("second pass: {reason}"), span)),
    })
}

fn at_patch(expected: impl Into<String>, actual: impl Into<String>, span: &Span) -> Mismatch {
    Mismatch {
        kind: MismatchKind::Mutation,
        at: "/patch".into(),
        expected: expected.into(),
        actual: actual.into(),
        span: span.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;
    use crate::compare::tests::{allowed, denied, mutated, mutated_by, patched, raw, span, spanned};
    use policy_verify_model::answer::FaultKind;
    use policy_verify_model::suite::DocumentExpectation;

    /// The object before the patch: `{"a": 1, "b": {"c": [1, 2]}}`.
    fn original() -> Value {
        json!({"a": 1, "b": {"c": [1, 2]}})
    }

    fn check(expect: &MutateExpectation, after: &Value) -> Vec<String> {
        let response = mutated(&original(), after);
        shown(&compare(expect, &span("expect"), &raw(original()), &response, None).unwrap())
    }

    fn shown(mismatches: &[Mismatch]) -> Vec<String> {
        assert!(mismatches.iter().all(|m| m.kind == MismatchKind::Mutation));
        mismatches.iter().map(|m| format!("{}: {} but {}", m.at, m.expected, m.actual)).collect()
    }

    fn object(expected: Value) -> MutateExpectation {
        let spans = [("/b".to_owned(), span("b")), ("/b/c".to_owned(), span("c"))];
        let spans = Arc::new(spans.into());
        let document = DocumentExpectation { expected: spanned(expected, "object"), spans, is_exact: false };
        MutateExpectation { object: Some(document), ..Default::default() }
    }

    fn exactly(expected: Value) -> MutateExpectation {
        let expected = spanned(expected, "exactly");
        let document = DocumentExpectation { expected, spans: Arc::default(), is_exact: true };
        MutateExpectation { exactly: Some(document), ..Default::default() }
    }

    fn only(pointers: &[&str]) -> MutateExpectation {
        let pointers = pointers.iter().map(|pointer| spanned((*pointer).to_owned(), "pointer")).collect();
        MutateExpectation { only: Some(spanned(pointers, "only")), ..Default::default() }
    }

    fn includes(operations: &[Value]) -> MutateExpectation {
        let operations = operations.iter().map(|operation| spanned(operation.clone(), "operation")).collect();
        MutateExpectation { includes: Some(spanned(operations, "includes")), ..Default::default() }
    }

    fn patch(operations: Value) -> MutateExpectation {
        MutateExpectation { patch: Some(spanned(operations, "patch")), ..Default::default() }
    }

    fn idempotent(value: bool) -> MutateExpectation {
        MutateExpectation { idempotent: Some(spanned(value, "idempotent")), ..Default::default() }
    }

    #[test]
    fn descriptions_of_a_mutation() {
        let after = json!({"a": 2, "b": {"c": [1, 3], "d": {"e": 1}}});
        // The patch: replace /a, replace /b/c/1, add /b/d.
        let add = json!({"op": "add", "path": "/b/d", "value": {"e": 1}});
        for (expect, wanted) in [
            (MutateExpectation::default(), [].as_slice()),
            (object(json!({})), &[]),
            (object(json!({"a": 2, "b": {"c": [1], "x": null}})), &[]),
            (object(json!({"a": 1})), &["/object/a: 1 but 2"]),
            (object(json!({"b": {"c": [1, 2]}})), &["/object/b/c/1: 2 but 3"]),
            (exactly(after.clone()), &[]),
            (exactly(json!({"a": 2, "b": {"c": [1, 3]}})), &[r#"/object/b/d: (absent) but {"e":1}"#]),
            (only(&[""]), &[]),
            (only(&["/a", "/b"]), &[]),
            (only(&["/a", "/b/c/1", "/b/d/e"]), &[]),
            (only(&["/a", "/b/c"]), &["/object/b/d/e: not added but 1"]),
            (only(&["/b/d", "/b/c/10"]), &["/object/a: unchanged: 1 but 2", "/object/b/c/1: unchanged: 2 but 3"]),
            (includes(std::slice::from_ref(&add)), &[]),
            (includes(&[json!({"op": "replace"}), json!({"path": "/b/d"})]), &[]),
            (includes(&[json!({})]), &[]),
            (
                includes(&[add.clone(), json!({"op": "add", "path": "/b/d", "value": {}})]),
                &[concat!(
                    r#"/patch: includes {"op":"add","path":"/b/d","value":{}} but "#,
                    r#"[{"op":"replace","path":"/a","value":2},{"op":"replace","path":"/b/c/1","value":3},"#,
                    r#"{"op":"add","path":"/b/d","value":{"e":1}}]"#
                )],
            ),
            (
                patch(json!([
                    {"op": "replace", "path": "/a", "value": 2},
                    {"op": "replace", "path": "/b/c/1", "value": 3},
                    add,
                ])),
                &[],
            ),
            (
                patch(
                    json!([{"op": "replace", "path": "/a", "value": 2}, {"op": "replace", "path": "/b/c/1", "value": 4}]),
                ),
                &["/patch/1/value: 4 but 3", r#"/patch/2: (absent) but {"op":"add","path":"/b/d","value":{"e":1}}"#],
            ),
        ] {
            assert_eq!(check(&expect, &after), wanted, "{expect:?}");
        }
    }

    #[test]
    fn mismatches_of_the_object_stand_at_the_nearest_place() {
        let response = mutated(&original(), &json!({"a": 2, "b": {"c": [1, 3]}}));
        let expect = object(json!({"a": 1, "b": {"c": [1, 2], "d": 5}}));
        let found = compare(&expect, &span("expect"), &raw(original()), &response, None).unwrap();
        let places: Vec<(&str, &str)> = found.iter().map(|m| (m.at.as_str(), m.span.file.path.as_str())).collect();
        assert_eq!(places, [("/object/a", "object"), ("/object/b/c/1", "c"), ("/object/b/d", "b")]);
    }

    #[test]
    fn a_pointer_covers_whole_members_only() {
        assert!(is_within("/a/b", "/a") && is_within("/a", "/a") && is_within("/a", ""));
        assert!(!is_within("/ab", "/a") && !is_within("/a", "/a/b") && !is_within("/a", "/a/"));
    }

    #[test]
    fn a_second_pass_must_change_nothing() {
        let after = json!({"a": 2, "b": {"c": [1, 2]}});
        let same = json!([{"op": "replace", "path": "/a", "value": 2}]);
        let fault = Fault::new(FaultKind::Timeout, "too slow");
        for (expect, second, wanted) in [
            (idempotent(false), None, [].as_slice()),
            (idempotent(true), None, &["/patch: no change in the second pass but no second pass"]),
            (idempotent(true), Some(Ok(allowed())), &[]),
            (idempotent(true), Some(Ok(mutated_by(&same))), &[]),
            (
                idempotent(true),
                Some(Ok(mutated(&after, &json!({"a": 3, "b": {"c": [1, 2]}})))),
                &["/patch: no change in the second pass but second pass: allowed and mutated: replace /a"],
            ),
            (
                idempotent(true),
                Some(Ok(denied("no"))),
                &[r#"/allowed: no change in the second pass but second pass: denied: "no""#],
            ),
            (
                idempotent(true),
                Some(Ok(patched("?"))),
                &[concat!(
                    "/patch: no change in the second pass but second pass: ",
                    "the patch is not base64: Invalid symbol 63, offset 0."
                )],
            ),
            (idempotent(true), Some(Err(fault)), &["fault timeout"]),
        ] {
            let response = mutated(&original(), &after);
            let found = match compare(&expect, &span("expect"), &raw(original()), &response, second.as_ref()) {
                Ok(found) => shown(&found),
                Err(fault) => vec![format!("fault {}", fault.kind)],
            };
            assert_eq!(found, wanted, "{second:?}");
        }
    }

    #[test]
    fn unusable_patches_are_mismatches() {
        let double = |i| json!({"op": "copy", "from": "", "path": format!("/x{i}")});
        let doubling = mutated_by(&(0..60).map(double).collect());
        for (response, wanted) in [
            (patched("?"), "the patch is not base64"),
            (patched(&STANDARD.encode("{")), "the patch is not JSON"),
            (patched(&STANDARD.encode("{}")), "the patch is not a JSON patch"),
            (mutated_by(&json!([{"op": "jump"}])), "the patch is not a JSON patch"),
            (
                mutated_by(&json!([{"op": "add", "path": "/b/c/-", "value": 1}, {"op": "remove", "path": "/x"}])),
                "the patch cannot be applied: operation 1 at `/x`: path is invalid",
            ),
            (doubling, "the patch cannot be applied: it copies more than"),
            (mutated_by(&json!([])), "a patch that changes nothing"),
            (mutated_by(&json!([{"op": "replace", "path": "/a", "value": 1}])), "a patch that changes nothing"),
        ] {
            let expect = MutateExpectation::default();
            let found = compare(&expect, &span("expect"), &raw(original()), &response, None).unwrap();
            assert_eq!(found.len(), 1);
            assert!(found[0].actual.starts_with(wanted), "{:?}", found[0]);
        }
    }

    #[test]
    fn the_mutated_document_is_the_patched_object() {
        let after = json!({"a": 2});
        let patched = mutated_document(&raw(original()), &mutated(&original(), &after)).unwrap();
        assert_eq!(patched, Some(after));
        assert_eq!(mutated_document(&raw(original()), &allowed()).unwrap(), None);
    }

    #[test]
    fn many_wanted_operations_are_found_by_their_path_or_not_at_all() {
        let operation = |path: usize, value: usize| json!({"op": "add", "path": format!("/{path}"), "value": value});
        let given: Value = (0..20_000).map(|number| operation(number, number)).collect();
        let spanned = |wanted: Vec<Value>| wanted.into_iter().map(|it| spanned(it, "wanted")).collect::<Vec<_>>();
        let there = spanned((0..5_000).map(|number| operation(number, number)).collect());
        assert_eq!(missing_operations(&there, &given), []);
        let missing =
            missing_operations(&spanned((0..5_000).map(|number| operation(number, number + 1)).collect()), &given);
        assert_eq!(missing.len(), MOST_MISSING + 1);
        assert_eq!(missing[MOST_MISSING].actual, "4980 more are missing");
        // Without a path every operation is compared.
        let values = spanned((0..5_000).map(|number| json!({"value": 1_000_000 + number})).collect());
        let missing = missing_operations(&values, &given);
        let last = &missing[MOST_MISSING].actual;
        assert!(last.contains("needs more than 100000000 steps"), "{last}");
    }
}
