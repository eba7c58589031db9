//! JSON patches: between two documents, and from a policy.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy_verify::fuzzing::{changed_leaves, differences};
use policy_verify_model::budget::Budget;
use policy_verify_model::patch::{apply, between, decode};
use serde_json::Value;

/// Two documents, a line each: the patch between them makes the second of the first, and the comparison agrees. The same
/// lines are also a document and the patch of a policy.
pub fn patch(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Some((first, second)) = text.split_once('\n') else { return from_policy(&Value::Null, &text) };
    let Ok(before) = serde_json::from_str::<Value>(first) else { return };
    from_policy(&before, second);
    let Ok(after) = serde_json::from_str::<Value>(second) else { return };
    compared(&before, &after);
    from_policy(&before, &STANDARD.encode(after.to_string()));
    match between(&before, &after, &budget()) {
        Ok(Some(patch)) => {
            assert_ne!(before, after);
            let applied = apply(&before, &patch, &budget());
            assert_eq!(applied.as_ref().ok(), Some(&after), "{applied:?} by {:?}", decode(&patch));
        }
        Ok(None) => assert_eq!(before, after, "no patch"),
        Err(exceeded) => assert!(!exceeded.to_string().is_empty()),
    }
}

/// A policy's patch changes nothing but a copy, and what it cannot do has a reason.
fn from_policy(document: &Value, patch: &str) {
    match apply(document, patch, &budget()) {
        Ok(patched) => compared(document, &patched),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The comparisons find a difference exactly where there is one.
fn compared(before: &Value, after: &Value) {
    let is_equal = before == after;
    assert_eq!(differences(before, after, true) == 0, is_equal, "exactly: {before} and {after}");
    assert_eq!(differences(before, before, true), 0, "{before}");
    assert_eq!(differences(before, before, false), 0, "a part of itself: {before}");
    let (places, number) = changed_leaves(before, after);
    assert_eq!(number == 0, is_equal, "leaves: {before} and {after}");
    for place in places {
        assert_ne!(before.pointer(&place), after.pointer(&place), "{place}: {before} and {after}");
    }
}

fn budget() -> Budget {
    let budget = Budget::default();
    budget.begin(Duration::from_secs(2), 0);
    budget
}
