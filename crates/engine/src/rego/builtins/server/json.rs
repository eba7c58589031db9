//! `json.is_valid` and `json.patch`.

use json_patch::{Patch, PatchOperation};
use serde_json::Value;

use super::builtin::{BuiltinError, Outcome, failed, text};
use crate::rego::builtins::environment::Environment;

/// How deep a patched document may be.
const MAX_DEPTH: usize = 500;

/// Values that the operations of one patch may add; copies could double the document each time.
const MAX_ADDED: usize = 1_000_000;

/// Modules of OPA 1 bring their own; this one is for modules that do not.
pub(crate) fn is_valid(_: &Environment, arguments: &[Value]) -> Outcome {
    Ok(serde_json::from_str::<Value>(text("json.is_valid", arguments, 0)?).is_ok().into())
}

/// Patches objects only. A list that is no JSON Patch of RFC 6902 ends the worker.
pub(crate) fn patch(_: &Environment, arguments: &[Value]) -> Outcome {
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
    let mut left = MAX_ADDED;
    for (index, operation) in operations.iter().enumerate() {
        left = room_after(operation, &document, left)?;
        json_patch::patch(&mut document, std::slice::from_ref(operation)).map_err(|mut error| {
            error.operation = index;
            failed(NAME, format!("cannot apply patch: {error:?}"))
        })?;
    }
    Ok(document)
}

/// The number of values that may still be added after an operation.
fn room_after(operation: &PatchOperation, document: &Value, left: usize) -> Result<usize, BuiltinError> {
    let (path, added) = match operation {
        PatchOperation::Add(add) => (&add.path, Some(&add.value)),
        PatchOperation::Replace(replace) => (&replace.path, Some(&replace.value)),
        PatchOperation::Copy(copy) => (&copy.path, document.pointer(copy.from.as_str())),
        PatchOperation::Move(it) => (&it.path, document.pointer(it.from.as_str())),
        PatchOperation::Remove(_) | PatchOperation::Test(_) => return Ok(left),
    };
    let Some((size, depth)) = added.map(extent) else { return Ok(left) };
    match left.checked_sub(size) {
        Some(left) if path.as_str().matches('/').count() + depth <= MAX_DEPTH => Ok(left),
        _ => Err(BuiltinError::Limit(format!(
            "the patch makes a document deeper than {MAX_DEPTH} levels, or adds {MAX_ADDED} values"
        ))),
    }
}

/// How many values a value is made of, and how deep they are nested.
fn extent(value: &Value) -> (usize, usize) {
    let sum = |parts: &mut dyn Iterator<Item = &Value>| {
        parts.map(extent).fold((1, 1), |(size, depth), part| (size + part.0, depth.max(part.1 + 1)))
    };
    match value {
        Value::Array(values) => sum(&mut values.iter()),
        Value::Object(members) => sum(&mut members.values()),
        _ => (1, 1),
    }
}
