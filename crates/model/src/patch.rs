//! JSON patches as AdmissionResponses carry them: operations of RFC 6902 as JSON in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use json_patch::PatchOperation;
use serde_json::Value;

use super::budget::{Budget, Exceeded, Room};

/// How much the `copy` operations of a patch may add, in bytes: the limit of the API server. A patch that doubles the
/// document again and again would otherwise use all memory. Source: `JSONPatchMaxCopyBytes`.
const MOST_COPIED: usize = 3 * 1024 * 1024;

/// Items of a list that are moved in one step.
const MOVED_IN_A_STEP: u64 = 4;

/// Bytes of an operation beside its path and value.
const OPERATION: u64 = 64;

/// Why a patch cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// It is not base64.
    #[error("the patch is not base64: {0}")]
    Base64(base64::DecodeError),
    /// It is not JSON.
    #[error("the patch is not JSON: {0}")]
    Json(serde_json::Error),
    /// It is JSON, but not a list of operations.
    #[error("the patch is not a JSON patch: {0}")]
    Operations(serde_json::Error),
    /// Its `copy` operations would copy too much.
    #[error("the patch cannot be applied: it copies more than {MOST_COPIED} bytes")]
    CopiesTooMuch,
    /// To apply it would take too long, or too much memory.
    #[error("the patch cannot be applied: it {0}")]
    Exceeded(#[from] Exceeded),
    /// An operation does not fit the document.
    #[error("the patch cannot be applied: operation {index} at `{}`: {}", .error.path, .error.kind)]
    Operation {
        /// Which operation, counted from 0.
        index: usize,
        /// Why.
        error: json_patch::PatchError,
    },
}

/// The difference as the server sends it; none when there is no difference.
///
/// # Errors
///
/// It would take too long, or too much memory: each operation has a path, which repeats the keys on the way.
pub fn between(original: &Value, mutated: &Value, budget: &Budget) -> Result<Option<String>, Exceeded> {
    let measured = Measured { budget, room: budget.room() };
    measured.difference(original, mutated, 0)?;
    let operations = json_patch::diff(original, mutated);
    if operations.0.is_empty() {
        return Ok(None);
    }
    let text = serde_json::to_vec(&operations).expect("a patch can always be written as JSON");
    Ok(Some(STANDARD.encode(text)))
}

/// Counts what a difference takes before it is made.
struct Measured<'a> {
    budget: &'a Budget,
    room: Room,
}

impl Measured<'_> {
    /// Counts the operations between two values whose path has this many bytes.
    fn difference(&self, original: &Value, mutated: &Value, path: u64) -> Result<(), Exceeded> {
        self.budget.spend(1)?;
        match (original, mutated) {
            (Value::Object(left), Value::Object(right)) => {
                for (key, value) in right {
                    let path = path + key.len() as u64 + 1;
                    // Going into a member copies its path.
                    self.budget.spend(key.len() as u64)?;
                    match left.get(key) {
                        Some(before) => self.difference(before, value, path)?,
                        None => self.operation(Some(value), path)?,
                    }
                }
                for key in left.keys().filter(|key| !right.contains_key(*key)) {
                    self.operation(None, path + key.len() as u64 + 1)?;
                }
                Ok(())
            }
            (Value::Array(left), Value::Array(right)) => {
                const INDEX: u64 = 8;
                for (before, after) in left.iter().zip(right) {
                    self.difference(before, after, path + INDEX)?;
                }
                right.iter().skip(left.len()).try_for_each(|added| self.operation(Some(added), path + INDEX))?;
                left.iter().skip(right.len()).try_for_each(|_| self.operation(None, path + INDEX))
            }
            (original, mutated) if original == mutated => Ok(()),
            (_, mutated) => self.operation(Some(mutated), path),
        }
    }

    /// Counts an operation: its path and value, as values and as text.
    fn operation(&self, value: Option<&Value>, path: u64) -> Result<(), Exceeded> {
        let value = value.map_or(Ok(0), |value| weight(value, self.budget))?;
        self.room.take(OPERATION.saturating_add(path.saturating_mul(2)).saturating_add(value.saturating_mul(2)))
    }
}

/// Bytes of a value in memory.
///
/// # Errors
///
/// Counting them takes too long.
pub fn weight(value: &Value, budget: &Budget) -> Result<u64, Exceeded> {
    const VALUE: u64 = size_of::<Value>() as u64;
    const MEMBER: u64 = 64;
    budget.spend(1)?;
    match value {
        Value::Array(items) => items.iter().try_fold(VALUE, |sum, item| Ok(sum + weight(item, budget)?)),
        Value::Object(members) => members
            .iter()
            .try_fold(VALUE, |sum, (key, member)| Ok(sum + MEMBER + key.len() as u64 + weight(member, budget)?)),
        Value::String(text) => Ok(VALUE + text.len() as u64),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(VALUE),
    }
}

/// Counts what an operation takes that is applied to a document: the value it adds, and the items that move when one is put
/// into a list or taken out of it.
///
/// # Errors
///
/// It takes too long, or too much memory.
pub fn spend(operation: &PatchOperation, document: &Value, budget: &Budget, room: &Room) -> Result<(), Exceeded> {
    let path = operation.path().as_str();
    budget.spend(1 + path.len() as u64)?;
    let moved = |path: &str| {
        let list = path.rsplit_once('/').and_then(|(parent, _)| document.pointer(parent)).and_then(Value::as_array);
        budget.spend(list.map_or(0, |items| items.len() as u64 / MOVED_IN_A_STEP))
    };
    match operation {
        PatchOperation::Add(add) => {
            moved(path)?;
            room.take(weight(&add.value, budget)?)
        }
        PatchOperation::Replace(replace) => room.take(weight(&replace.value, budget)?),
        PatchOperation::Remove(_) => moved(path),
        PatchOperation::Move(from) => {
            moved(from.from.as_str())?;
            moved(path)?;
            document.pointer(from.from.as_str()).map_or(Ok(0), |value| weight(value, budget)).map(drop)
        }
        PatchOperation::Copy(copy) => {
            moved(path)?;
            let copied = document.pointer(copy.from.as_str()).map_or(Ok(0), |value| weight(value, budget))?;
            room.take(copied)
        }
        PatchOperation::Test(test) => weight(&test.value, budget).map(drop),
    }
}

/// The operations of a patch as a document.
///
/// # Errors
///
/// [`PatchError::Base64`] and [`PatchError::Json`]; [`PatchError::Exceeded`] for a patch that would take too much memory.
pub fn decode(patch: &str) -> Result<Value, PatchError> {
    let bytes = STANDARD.decode(patch).map_err(PatchError::Base64)?;
    Room::default().take_json(&bytes)?;
    serde_json::from_slice(&bytes).map_err(PatchError::Json)
}

/// Applies a patch of a policy, which is untrusted.
///
/// The operations run one by one on a copy, without the crate's way of undoing them, which panics on some patches; the
/// copy is dropped in case of an error.
///
/// # Errors
///
/// Why the patch cannot be used.
pub fn apply(document: &Value, patch: &str, budget: &Budget) -> Result<Value, PatchError> {
    let operations: json_patch::Patch = serde_json::from_value(decode(patch)?).map_err(PatchError::Operations)?;
    let room = budget.room();
    room.take(weight(document, budget)?)?;
    let mut patched = document.clone();
    let mut copied = 0;
    for (index, operation) in operations.iter().enumerate() {
        if let PatchOperation::Copy(copy) = operation {
            copied += patched.pointer(copy.from.as_str()).map_or(0, size);
            if copied > MOST_COPIED {
                return Err(PatchError::CopiesTooMuch);
            }
        }
        spend(operation, &patched, budget, &room)?;
        json_patch::patch_unsafe(&mut patched, std::slice::from_ref(operation))
            .map_err(|error| PatchError::Operation { index, error })?;
    }
    Ok(patched)
}

/// About how many bytes a value takes as JSON.
fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(|item| size(item) + 1).sum::<usize>() + 2,
        Value::Object(members) => members.iter().map(|(key, member)| key.len() + size(member) + 4).sum::<usize>() + 2,
        Value::String(text) => text.len() + 2,
        Value::Null | Value::Bool(_) | Value::Number(_) => 4,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn encoded(operations: &Value) -> String {
        STANDARD.encode(operations.to_string())
    }

    /// A budget for a small piece of work.
    fn budget() -> Budget {
        let budget = Budget::default();
        budget.begin(Duration::from_secs(3600), 0);
        budget
    }

    #[test]
    fn a_difference_is_measured_before_it_is_made() {
        let key = "k".repeat(1 << 20);
        let members = |value: i32| (0..100).map(|number| (number.to_string(), json!(value))).collect::<Value>();
        let (before, after) = (json!({ &key: members(1) }), json!({ &key: members(2) }));
        assert!(matches!(between(&before, &after, &budget()), Err(Exceeded::Memory(_))), "a long key in each path");
        assert!(matches!(between(&json!({ &key: 1 }), &json!({ &key: 2 }), &budget()), Ok(Some(_))));
        assert_eq!(between(&before, &before, &budget()), Ok(None));
        let long = |length: usize| Value::from(vec![0; length]);
        for (before, after) in [(long(1_000_000), long(0)), (long(0), long(1_000_000))] {
            assert!(matches!(between(&before, &after, &budget()), Err(Exceeded::Memory(_))));
        }
        let budget = Budget::default();
        budget.begin(Duration::from_millis(1), 0);
        assert!(matches!(between(&long(200_000), &long(200_000), &budget), Err(Exceeded::Steps(_))));
    }

    #[test]
    fn work_of_a_patch_is_bounded() {
        let list = json!({"l": vec![0; 200_000]});
        let remove = json!({"op": "remove", "path": "/l/0"});
        let insert = json!({"op": "add", "path": "/l/0", "value": 1});
        let shift = json!({"op": "move", "from": "/l/0", "path": "/l/-"});
        for operation in [remove, insert, shift] {
            let budget = Budget::default();
            let few = encoded(&vec![operation.clone(); 10].into());
            assert!(apply(&list, &few, &budget).is_ok(), "{operation}");
            let many = encoded(&vec![operation.clone(); 20_000].into());
            let result = apply(&list, &many, &budget);
            assert!(matches!(result, Err(PatchError::Exceeded(Exceeded::Steps(_)))), "{operation}");
        }
        let test = json!({"op": "test", "path": "/l", "value": vec![0; 10_000]});
        let result = apply(&json!({"l": vec![0; 10_000]}), &encoded(&vec![test; 100].into()), &{
            let budget = Budget::default();
            budget.begin(Duration::from_millis(10), 0);
            budget
        });
        assert!(matches!(result, Err(PatchError::Exceeded(_))), "{result:?}");
        let small = encoded(&Value::from(vec![json!({}); 200_000]));
        assert!(matches!(apply(&list, &small, &Budget::default()), Err(PatchError::Exceeded(Exceeded::Memory(_)))));
    }
}
