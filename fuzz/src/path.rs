//! Paths of `set` and `unset`.

use policy_verify::fuzzing::changed_leaves;
use policy_verify_suite::fuzzing;
use serde_json::{Value, json};

use super::checks;

/// A path, and on the lines below it a value and a document: a path is read as it is shown, and `set` and `unset` change
/// its place and no other.
pub fn path(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.splitn(3, '\n');
    let path = lines.next().unwrap_or_default();
    let mut json = |default: Value| lines.next().and_then(|line| serde_json::from_str(line).ok()).unwrap_or(default);
    let (value, document) = (json(json!("x")), json(pod()));
    match fuzzing::path(path) {
        Ok((shown, pointer)) => {
            assert_eq!(fuzzing::path(&shown).ok(), Some((shown.clone(), pointer.clone())), "{path:?} as it is shown");
            changed(path, &pointer, &value, &document);
        }
        Err(mistake) => {
            checks::mistake(&mistake);
            assert!(fuzzing::changed(document, path, Some(&value)).is_err(), "{path:?}");
        }
    }
}

fn changed(path: &str, pointer: &str, value: &Value, document: &Value) {
    match fuzzing::changed(document.clone(), path, Some(value)) {
        Ok(after) => {
            only_there(document, &after, pointer);
            let place = resolved(&after, pointer, 1);
            assert_eq!(after.pointer(&place), Some(value), "{path:?} of {document}: {after}");
        }
        Err(mistakes) => mistakes.iter().for_each(checks::mistake),
    }
    match fuzzing::changed(document.clone(), path, None) {
        Ok(after) => assert_ne!(after, *document, "{path:?} was unset"),
        Err(mistakes) => mistakes.iter().for_each(checks::mistake),
    }
}

/// Every change is at the place or around it: mappings on the way may be new.
fn only_there(before: &Value, after: &Value, pointer: &str) {
    let place = resolved(after, pointer, 1);
    for changed in changed_leaves(before, after).0 {
        let is_there = changed.starts_with(&place) || place.starts_with(&changed);
        assert!(is_there, "{changed} instead of {place}: {before} and {after}");
    }
}

/// The pointer with the index that `-` at its end is, in a list that has `more` items since.
fn resolved(document: &Value, pointer: &str, more: usize) -> String {
    let Some(parent) = pointer.strip_suffix("/-") else { return pointer.to_owned() };
    let items = document.pointer(parent).and_then(Value::as_array);
    items.map_or(pointer.to_owned(), |items| format!("{parent}/{}", items.len().saturating_sub(more)))
}

fn pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "web", "labels": { "owner": "a" }, "annotations": { "example.com/team": "x" } },
        "spec": { "containers": [{ "name": "web", "image": "web:1", "ports": [{ "containerPort": 80 }] }] },
    })
}
