//! JSON patches as AdmissionResponses carry them: operations of RFC 6902 as JSON in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use json_patch::PatchOperation;
use serde_json::Value;

/// How much the `copy` operations of a patch may add, in bytes: the limit of the API server. A patch that doubles the
/// document again and again would otherwise use all memory. Source: `JSONPatchMaxCopyBytes`.
const MOST_COPIED: usize = 3 * 1024 * 1024;

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
pub fn between(original: &Value, mutated: &Value) -> Option<String> {
    let operations = json_patch::diff(original, mutated);
    if operations.0.is_empty() {
        return None;
    }
    let text = serde_json::to_vec(&operations).expect("a patch can always be written as JSON");
    Some(STANDARD.encode(text))
}

/// The operations of a patch as a document.
///
/// # Errors
///
/// [`PatchError::Base64`] and [`PatchError::Json`].
pub fn decode(patch: &str) -> Result<Value, PatchError> {
    let bytes = STANDARD.decode(patch).map_err(PatchError::Base64)?;
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
pub fn apply(document: &Value, patch: &str) -> Result<Value, PatchError> {
    let operations: json_patch::Patch = serde_json::from_value(decode(patch)?).map_err(PatchError::Operations)?;
    let mut patched = document.clone();
    let mut copied = 0;
    for (index, operation) in operations.iter().enumerate() {
        if let PatchOperation::Copy(copy) = operation {
            copied += patched.pointer(copy.from.as_str()).map_or(0, size);
            if copied > MOST_COPIED {
                return Err(PatchError::CopiesTooMuch);
            }
        }
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
