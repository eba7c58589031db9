//! Entries of a transparency log: whether the log itself vouches for them, and whether they are about this signature.

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sigstore::cosign::bundle::{Bundle, SignedArtifactBundle};

use super::Trust;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A log entry whose timestamp the log has signed, and that is about this signature of this payload.
///
/// policy-server checks the first only: an entry about something else, made at a convenient time, would do there.
pub(super) fn verified(entry: &str, payload: &[u8], signature: &str, trust: &Trust) -> Result<Bundle, String> {
    let bundle = timestamped(entry, trust)?;
    let body = Body::read(&bundle.payload.body)?;
    match body.kind.as_str() {
        "hashedrekord" | "rekord" => {}
        kind => return Err(format!("its log entry is of kind {kind:?}, not of a signed document")),
    }
    let same_document = body.text("/data/hash/value") == Some(&hex::encode(Sha256::digest(payload)));
    let same_signature = body.text("/signature/content").map(str::trim) == Some(signature.trim());
    if same_document && same_signature { Ok(bundle) } else { Err("its log entry is about something else".to_owned()) }
}

/// A log entry whose timestamp the log has signed.
pub(super) fn timestamped(entry: &str, trust: &Trust) -> Result<Bundle, String> {
    let entry: Value = serde_json::from_str(entry).map_err(|error| format!("its log entry cannot be read: {error}"))?;
    // The way to the check in `sigstore` leads through the document that `cosign sign-blob` writes.
    let artifact = json!({ "base64Signature": "", "cert": "", "rekorBundle": entry });
    SignedArtifactBundle::new_verified(&artifact.to_string(), &trust.rekor)
        .map(|artifact| artifact.rekor_bundle)
        .map_err(|error| format!("its log entry is not vouched for: {error}"))
}

/// What was logged.
#[derive(Deserialize)]
pub(super) struct Body {
    pub(super) kind: String,
    spec: Value,
}

impl Body {
    /// Reads the body of an entry, base64.
    pub(super) fn read(base64: &str) -> Result<Self, String> {
        let bytes = STANDARD.decode(base64).map_err(|error| format!("its log entry is not base64: {error}"))?;
        serde_json::from_slice(&bytes).map_err(|error| format!("its log entry cannot be read: {error}"))
    }

    /// A text inside `spec`, by JSON pointer.
    pub(super) fn text(&self, pointer: &str) -> Option<&str> {
        self.spec.pointer(pointer)?.as_str()
    }
}
