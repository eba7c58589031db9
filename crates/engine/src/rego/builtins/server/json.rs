//! `json.is_valid` and `json.patch`.

use json_patch::{Patch, PatchOperation};
use serde_json::Value;

use super::builtin::{BuiltinError, Outcome, failed, text};
use crate::rego::builtins::environment::Environment;

/// How deep a patched document may be.
const MAX_DEPTH: usize = 500;

/// Modules of OPA 1 bring their own; this one is for modules that do not.
pub(crate) fn is_valid(environment: &Environment, arguments: &[Value]) -> Outcome {
    let text = text("json.is_valid", arguments, 0)?;
    // Numbers are valid only where they fit into a value, so it is made.
    environment.budget.room().take_json(text.as_bytes())?;
    Ok(serde_json::from_str::<Value>(text).is_ok().into())
}

/// Patches objects only. A list that is no JSON Patch of RFC 6902 ends the worker.
pub(crate) fn patch(environment: &Environment, arguments: &[Value]) -> Outcome {
    const NAME: &str = "json.patch";
    let [target, operations] = arguments else { return Err(failed(NAME, "wrong number of arguments")) };
    if !target.is_object() {
        return Err(failed(NAME, "1st parameter is not an object"));
    }
    if !operations.is_array() {
        return Err(failed(NAME, "2nd parameter is not an array"));
    }
    // From text, as the server reads it, so that the error has its place.
    let operations: Patch =
        serde_json::from_str(&operations.to_string()).map_err(|error| BuiltinError::Panicked(format!("{error:?}")))?;
    let mut document = target.clone();
    let (budget, room) = (&environment.budget, environment.budget.room());
    for (index, operation) in operations.iter().enumerate() {
        policy_verify_model::patch::spend(operation, &document, budget, &room)?;
        refuse_depth(operation, &document)?;
        json_patch::patch(&mut document, std::slice::from_ref(operation)).map_err(|mut error| {
            error.operation = index;
            failed(NAME, format!("cannot apply patch: {error:?}"))
        })?;
    }
    Ok(document)
}

/// Refuses an operation that makes a document too deep: copies could double its depth each time.
fn refuse_depth(operation: &PatchOperation, document: &Value) -> Result<(), BuiltinError> {
    let (path, added) = match operation {
        PatchOperation::Add(add) => (&add.path, Some(&add.value)),
        PatchOperation::Replace(replace) => (&replace.path, Some(&replace.value)),
        PatchOperation::Copy(copy) => (&copy.path, document.pointer(copy.from.as_str())),
        PatchOperation::Move(it) => (&it.path, document.pointer(it.from.as_str())),
        PatchOperation::Remove(_) | PatchOperation::Test(_) => return Ok(()),
    };
    match added.map(depth) {
        Some(depth) if path.as_str().matches('/').count() + depth > MAX_DEPTH => {
            Err(BuiltinError::Limit(format!("the patch makes a document deeper than {MAX_DEPTH} levels")))
        }
        _ => Ok(()),
    }
}

/// How deep a value is nested.
fn depth(value: &Value) -> usize {
    let deepest = |parts: &mut dyn Iterator<Item = &Value>| 1 + parts.map(depth).max().unwrap_or(0);
    match value {
        Value::Array(values) => deepest(&mut values.iter()),
        Value::Object(members) => deepest(&mut members.values()),
        _ => 1,
    }
}
