//! Entries of a transparency log: whether the log signed them, and whether they are about this signature.

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sigstore::cosign::bundle::{Bundle, SignedArtifactBundle};

use super::error::SignatureError;
use super::trust::Trust;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A log entry whose timestamp the log has signed, and that is about this signature of this payload.
///
/// policy-server checks the first only: an entry about something else, made at a convenient time, would do there.
pub(super) fn verified(entry: &str, payload: &[u8], signature: &str, trust: &Trust) -> Result<Bundle, SignatureError> {
    let bundle = timestamped(entry, trust)?;
    let body = Body::read(&bundle.payload.body)?;
    match body.kind.as_str() {
        "hashedrekord" | "rekord" => {}
        kind => {
            return Err(SignatureError::LogEntryKind { found: kind.to_owned(), expected: "hashedrekord or rekord" });
        }
    }
    let same_document = body.text("/data/hash/value") == Some(&hex::encode(Sha256::digest(payload)));
    let same_signature = body.text("/signature/content").map(str::trim) == Some(signature.trim());
    if same_document && same_signature { Ok(bundle) } else { Err(SignatureError::OtherLogEntry) }
}

/// A log entry whose timestamp the log has signed.
pub(super) fn timestamped(entry: &str, trust: &Trust) -> Result<Bundle, SignatureError> {
    let entry: Value = serde_json::from_str(entry).map_err(SignatureError::invalid("log entry"))?;
    // `sigstore` checks a log entry only as part of the document that `cosign sign-blob` writes.
    let artifact = json!({ "base64Signature": "", "cert": "", "rekorBundle": entry });
    SignedArtifactBundle::new_verified(&artifact.to_string(), &trust.rekor)
        .map(|artifact| artifact.rekor_bundle)
        .map_err(|error| SignatureError::UnverifiedLogEntry(error.to_string()))
}

/// What was logged.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body {
    pub(super) kind: String,
    #[serde(default)]
    pub(super) api_version: String,
    spec: Value,
}

impl Body {
    /// Reads the body of an entry, base64.
    pub(super) fn read(base64: &str) -> Result<Self, SignatureError> {
        let bytes = STANDARD.decode(base64).map_err(SignatureError::invalid("base64 of the log entry"))?;
        serde_json::from_slice(&bytes).map_err(SignatureError::invalid("log entry"))
    }

    /// How many items a list inside `spec` has.
    pub(super) fn count(&self, pointer: &str) -> usize {
        self.spec.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len)
    }

    /// A text inside `spec`, by JSON pointer.
    pub(super) fn text(&self, pointer: &str) -> Option<&str> {
        self.spec.pointer(pointer)?.as_str()
    }
}
