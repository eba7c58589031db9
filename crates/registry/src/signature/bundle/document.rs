//! The documents inside a bundle, as JSON.
//!
//! Formats: `sigstore_bundle.proto`, `sigstore_rekor.proto` and `intoto.proto` of Sigstore, and the in-toto statement of
//! version 1. Numbers are texts, as protobuf has it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use sigstore::cosign::SignatureLayer;
use sigstore::cosign::bundle::Bundle as LogEntry;
use sigstore::cosign::payload::simple_signing::SimpleSigning;

use super::super::certificate::Identity;
use super::super::error::SignatureError;
use super::super::rekor;
use super::super::trust::Trust;

/// Media type of the document, and the artifact type under which registries list it.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// What cosign signs about an image.
const PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

const STATEMENT: &str = "https://in-toto.io/Statement/v1";

const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A signature, and its signer according to a trusted certificate.
pub(crate) type Read = (SignatureLayer, Result<Identity, SignatureError>);

/// The digest of a bundle.
pub(super) fn digest_of(bundle: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bundle)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bundle {
    pub(super) media_type: String,
    pub(super) verification_material: Material,
    dsse_envelope: Option<Envelope>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Material {
    pub(super) certificate: Option<RawCertificate>,
    pub(super) x509_certificate_chain: Option<Chain>,
    /// The hint of a signature with a key: its content does not matter.
    pub(super) public_key: Option<Value>,
    #[serde(default)]
    pub(super) tlog_entries: Vec<Entry>,
}

/// The older form of the certificate, followed by its chain.
#[derive(Deserialize)]
pub(super) struct Chain {
    #[serde(default)]
    pub(super) certificates: Vec<RawCertificate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawCertificate {
    raw_bytes: String,
}

impl RawCertificate {
    pub(super) fn der(&self) -> Result<Vec<u8>, SignatureError> {
        decoded(&self.raw_bytes)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    sig: String,
    #[serde(default)]
    keyid: String,
}

/// An entry of a transparency log.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    #[serde(default)]
    log_index: String,
    log_id: Option<LogId>,
    #[serde(default)]
    integrated_time: String,
    pub(super) inclusion_promise: Option<Promise>,
    pub(super) inclusion_proof: Option<Proof>,
    #[serde(default)]
    pub(super) canonicalized_body: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogId {
    key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Promise {
    signed_entry_timestamp: String,
}

/// Where the entry is in the tree of the log.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Proof {
    #[serde(default)]
    pub(super) log_index: String,
    #[serde(default)]
    pub(super) root_hash: String,
    #[serde(default)]
    pub(super) tree_size: String,
    #[serde(default)]
    pub(super) hashes: Vec<String>,
    pub(super) checkpoint: Option<Checkpoint>,
}

#[derive(Deserialize)]
pub(super) struct Checkpoint {
    pub(super) envelope: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    #[serde(default)]
    predicate_type: String,
    #[serde(default)]
    pub(super) subject: Vec<StatementSubject>,
}

#[derive(Deserialize)]
pub(super) struct StatementSubject {
    #[serde(default)]
    pub(super) digest: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) annotations: Map<String, Value>,
}

/// The one signature of an envelope, and what it is made of.
pub(super) struct Signed {
    /// The bytes that are signed.
    pub(super) encoded: Vec<u8>,
    pub(super) payload: Vec<u8>,
    /// Base64.
    pub(super) signature: String,
    /// The envelope as the log has seen it.
    pub(super) envelope: String,
    pub(super) statement: Statement,
}

impl Bundle {
    /// The signed statement about an image.
    pub(super) fn signed(&self) -> Result<Signed, SignatureError> {
        let envelope = self.dsse_envelope.as_ref().ok_or(SignatureError::NoEnvelope)?;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(SignatureError::UnsupportedPayload(envelope.payload_type.clone()));
        }
        let [signature] = &envelope.signatures[..] else {
            return Err(SignatureError::SignatureCount(envelope.signatures.len()));
        };
        let payload = decoded(&envelope.payload)?;
        let statement: Statement = serde_json::from_slice(&payload).map_err(SignatureError::invalid("bundle"))?;
        if statement.kind != STATEMENT {
            return Err(SignatureError::OtherStatement(statement.kind));
        }
        if statement.predicate_type != PREDICATE {
            return Err(SignatureError::OtherStatement(statement.predicate_type));
        }
        Ok(Signed {
            encoded: pre_authentication_encoding(&envelope.payload_type, &payload),
            envelope: envelope.canonical(),
            payload,
            signature: signature.sig.clone(),
            statement,
        })
    }
}

impl Envelope {
    /// The envelope as cosign hands it to the log: no blanks, and no empty key id.
    fn canonical(&self) -> String {
        let signatures = self.signatures.iter().map(|signature| {
            let keyid = if signature.keyid.is_empty() {
                String::new()
            } else {
                format!(",\"keyid\":{}", Value::from(signature.keyid.as_str()))
            };
            format!("{{\"sig\":{}{keyid}}}", Value::from(signature.sig.as_str()))
        });
        let signatures = signatures.collect::<Vec<_>>().join(",");
        let (payload, kind) = (Value::from(self.payload.as_str()), Value::from(self.payload_type.as_str()));
        format!("{{\"payload\":{payload},\"payloadType\":{kind},\"signatures\":[{signatures}]}}")
    }
}

impl Entry {
    /// The id of the log, in hexadecimal.
    pub(super) fn log(&self) -> Result<String, SignatureError> {
        let log_id = self.log_id.as_ref().ok_or(SignatureError::IncompleteLogEntry("log id"))?;
        Ok(hex::encode(decoded(&log_id.key_id)?))
    }

    /// The entry in the older form, if the log signed its time.
    pub(super) fn timestamped(&self, trust: &Trust) -> Result<LogEntry, SignatureError> {
        let promise = self.inclusion_promise.as_ref().ok_or(SignatureError::IncompleteLogEntry("signed time"))?;
        let entry = json!({
            "SignedEntryTimestamp": promise.signed_entry_timestamp,
            "Payload": {
                "body": self.canonicalized_body,
                "integratedTime": number(&self.integrated_time)?,
                "logIndex": number(&self.log_index)?,
                "logID": self.log()?,
            },
        });
        rekor::timestamped(&entry.to_string(), trust)
    }
}

/// A number that is written as a text; zero where it is left out.
pub(super) fn number(text: &str) -> Result<i64, SignatureError> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(SignatureError::invalid("number in the log entry"))
}

/// What is signed instead of the payload (DSSE's PAE), so that one type cannot pass for another.
fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut encoded = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    encoded.extend_from_slice(payload);
    encoded
}

/// The statement in the form constraints look at.
pub(super) fn as_simple_signing(
    image: &str,
    digest: &str,
    annotations: Map<String, Value>,
) -> Result<SimpleSigning, SignatureError> {
    let optional = if annotations.is_empty() { Value::Null } else { Value::Object(annotations) };
    let document = json!({
        "critical": {
            "identity": { "docker-reference": image },
            "image": { "docker-manifest-digest": digest },
            "type": PREDICATE,
        },
        "optional": optional,
    });
    serde_json::from_value(document).map_err(SignatureError::invalid("statement"))
}

pub(super) fn decoded(base64: &str) -> Result<Vec<u8>, SignatureError> {
    STANDARD.decode(base64).map_err(SignatureError::invalid("base64 in the bundle"))
}
