//! JSON patches as AdmissionResponses carry them: operations of RFC 6902 as JSON in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use json_patch::PatchOperation;
use serde_json::Value;

/// How much the `copy` operations of a patch may add, in bytes: the limit of the API server, which a doubling patch would
/// otherwise turn into all the memory there is. Source: `JSONPatchMaxCopyBytes`.
pub(crate) const MOST_COPIED: usize = 3 * 1024 * 1024;

/// The difference as the server sends it; none when there is no difference.
pub fn between(original: &Value, mutated: &Value) -> Option<String> {
    let operations = json_patch::diff(original, mutated);
    if operations.0.is_empty() {
        return None;
    }
    let text = serde_json::to_vec(&operations).expect("a patch can always be written as JSON");
    Some(STANDARD.encode(text))
}

/// The operations of a patch as a document.
pub fn decode(patch: &str) -> Result<Value, String> {
    let bytes = STANDARD.decode(patch).map_err(|error| format!("the patch is not base64: {error}"))?;
    serde_json::from_slice(&bytes).map_err(|error| format!("the patch is not JSON: {error}"))
}

/// Applies a patch that some policy wrote: nothing about it is trusted.
///
/// The operations run one by one on a copy, without the crate's way of undoing them: that one gives up with a panic on
/// some patches, and the copy is thrown away anyway.
pub fn apply(document: &Value, patch: &str) -> Result<Value, String> {
    let operations: json_patch::Patch =
        serde_json::from_value(decode(patch)?).map_err(|error| format!("the patch is not a JSON patch: {error}"))?;
    let mut patched = document.clone();
    let mut copied = 0;
    for (index, operation) in operations.iter().enumerate() {
        if let PatchOperation::Copy(copy) = operation {
            copied += patched.pointer(copy.from.as_str()).map_or(0, size);
            if copied > MOST_COPIED {
                return Err(format!("the patch cannot be applied: it copies more than {MOST_COPIED} bytes"));
            }
        }
        json_patch::patch_unsafe(&mut patched, std::slice::from_ref(operation)).map_err(|error| {
            format!("the patch cannot be applied: operation {index} at `{}`: {}", error.path, error.kind)
        })?;
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
