//! Sigstore bundles: one document that refers to the image, with the signed statement, the signature and its proofs.
//!
//! <https://docs.sigstore.dev/about/bundle/>, version 0.3, with a DSSE envelope around an in-toto statement, as cosign 3
//! writes it for images. Only log entries of Rekor v1, which have a signed time, are supported; entries of v2 have none, so
//! keyless signatures with them are not accepted.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use sigstore::cosign::SignatureLayer;
use sigstore::cosign::bundle::Bundle as LogEntry;
use sigstore::cosign::bundle_content::BundleContent;
use sigstore::cosign::payload::simple_signing::SimpleSigning;

use super::certificate::{self, Identity};
use super::error::SignatureError;
use super::rekor;
use super::trust::Trust;

/// Media type of the document, and the artifact type under which registries list it.
pub(super) const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// What cosign signs about an image.
const PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

const STATEMENT: &str = "https://in-toto.io/Statement/v1";

const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Option<Envelope>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    certificate: Option<RawCertificate>,
    x509_certificate_chain: Option<Chain>,
    #[serde(default)]
    tlog_entries: Vec<Entry>,
}

/// The older form of the certificate, followed by its chain.
#[derive(Deserialize)]
struct Chain {
    #[serde(default)]
    certificates: Vec<RawCertificate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCertificate {
    raw_bytes: String,
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
}

/// An entry of a transparency log. Numbers are texts, as protobuf has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    log_index: String,
    log_id: Option<LogId>,
    #[serde(default)]
    integrated_time: String,
    inclusion_promise: Option<Promise>,
    #[serde(default)]
    canonicalized_body: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogId {
    key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Promise {
    signed_entry_timestamp: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    #[serde(default)]
    predicate_type: String,
    #[serde(default)]
    subject: Vec<StatementSubject>,
}

#[derive(Deserialize)]
struct StatementSubject {
    #[serde(default)]
    digest: BTreeMap<String, String>,
    #[serde(default)]
    annotations: Map<String, Value>,
}

/// Parses a bundle that signs the manifest `digest` of `image`.
pub(super) fn read(
    bundle: &[u8],
    digest: &str,
    image: &str,
    trust: Option<&Trust>,
) -> Result<(SignatureLayer, Result<Identity, SignatureError>), SignatureError> {
    let bundle_digest = format!("sha256:{}", hex::encode(Sha256::digest(bundle)));
    let bundle: Bundle = serde_json::from_slice(bundle).map_err(SignatureError::invalid("bundle"))?;
    if bundle.media_type != MEDIA_TYPE {
        return Err(SignatureError::UnsupportedBundle(bundle.media_type));
    }
    let envelope = bundle.dsse_envelope.ok_or(SignatureError::NoEnvelope)?;
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(SignatureError::UnsupportedPayload(envelope.payload_type));
    }
    let [EnvelopeSignature { sig: signature }] = &envelope.signatures[..] else {
        return Err(SignatureError::SignatureCount(envelope.signatures.len()));
    };
    let payload = decoded(&envelope.payload)?;
    let statement: Statement = serde_json::from_slice(&payload).map_err(SignatureError::invalid("bundle"))?;
    let annotations = statement.about(digest)?;
    let signed = pre_authentication_encoding(&envelope.payload_type, &payload);
    let log_entry = match (&bundle.verification_material.tlog_entries[..], trust) {
        ([entry, ..], Some(trust)) if entry.inclusion_promise.is_some() => {
            Some(entry.verified(&payload, signature, trust)?)
        }
        _ => None,
    };
    let identity = match bundle.verification_material.certificate() {
        None => Err(SignatureError::NoCertificate),
        Some(certificate) => decoded(&certificate.raw_bytes)
            .and_then(|der| certificate::identify_der(&der, log_entry.as_ref(), trust))
            .and_then(|identity| identity.that_signed(signature, &signed)),
    };
    let layer = SignatureLayer {
        simple_signing: as_simple_signing(image, digest, annotations)?,
        oci_digest: bundle_digest,
        certificate_signature: None,
        bundle: log_entry.map(BundleContent::RekorBundle),
        signature: Some(signature.clone()),
        raw_data: signed,
    };
    Ok((layer, identity))
}

impl Material {
    fn certificate(&self) -> Option<&RawCertificate> {
        let first_of_chain = || self.x509_certificate_chain.as_ref()?.certificates.first();
        self.certificate.as_ref().or_else(first_of_chain)
    }
}

impl Statement {
    /// The annotations of the subject with this digest.
    fn about(self, digest: &str) -> Result<Map<String, Value>, SignatureError> {
        if self.kind != STATEMENT || self.predicate_type != PREDICATE {
            return Err(SignatureError::OtherStatement(self.predicate_type));
        }
        let wanted = digest.strip_prefix("sha256:");
        let subject =
            self.subject.into_iter().find(|subject| subject.digest.get("sha256").map(String::as_str) == wanted);
        match subject {
            Some(subject) if wanted.is_some() => Ok(subject.annotations),
            _ => Err(SignatureError::ManifestNotSigned(digest.to_owned())),
        }
    }
}

impl Entry {
    /// The entry in the older form, if the log signed its time and it is about this signature.
    fn verified(&self, payload: &[u8], signature: &str, trust: &Trust) -> Result<LogEntry, SignatureError> {
        let number = |text: &str| text.parse::<i64>().map_err(SignatureError::invalid("number in the log entry"));
        let log_id = self.log_id.as_ref().ok_or(SignatureError::IncompleteLogEntry("log id"))?;
        let promise = self.inclusion_promise.as_ref().ok_or(SignatureError::IncompleteLogEntry("signed time"))?;
        let entry = json!({
            "SignedEntryTimestamp": promise.signed_entry_timestamp,
            "Payload": {
                "body": self.canonicalized_body,
                "integratedTime": number(&self.integrated_time)?,
                "logIndex": number(&self.log_index)?,
                "logID": hex::encode(decoded(&log_id.key_id)?),
            },
        });
        let entry = rekor::timestamped(&entry.to_string(), trust)?;
        let body = rekor::Body::read(&self.canonicalized_body)?;
        if body.kind != "dsse" {
            return Err(SignatureError::LogEntryKind { found: body.kind, expected: "dsse" });
        }
        let same_document = body.text("/payloadHash/value") == Some(&hex::encode(Sha256::digest(payload)));
        let same_signature = body.text("/signatures/0/signature") == Some(signature);
        if same_document && same_signature { Ok(entry) } else { Err(SignatureError::OtherLogEntry) }
    }
}

/// What is signed instead of the payload (DSSE's PAE), so that one type cannot pass for another.
fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut encoded = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    encoded.extend_from_slice(payload);
    encoded
}

/// The statement in the form constraints look at.
fn as_simple_signing(
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

fn decoded(base64: &str) -> Result<Vec<u8>, SignatureError> {
    STANDARD.decode(base64).map_err(SignatureError::invalid("base64 in the bundle"))
}
