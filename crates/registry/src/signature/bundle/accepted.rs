//! Bundles that count with `acceptBundles` only: signatures with a key, annotations of the statement, several entries.
//!
//! Only log entries of Rekor v1, which have a signed time, are supported; entries of v2 have none, so keyless signatures
//! with them are not accepted.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use sigstore::cosign::bundle::Bundle as LogEntry;
use sigstore::cosign::bundle_content::BundleContent;

use super::super::certificate;
use super::super::error::SignatureError;
use super::super::rekor;
use super::super::trust::Trust;
use super::document::{
    Bundle, Entry, MEDIA_TYPE, Material, RawCertificate, Read, Signed, Statement, as_simple_signing, digest_of,
};

/// Reads a bundle that signs the manifest `digest` of `image`.
pub(crate) fn accepted(
    bundle: &[u8],
    digest: &str,
    image: &str,
    trust: Option<&Trust>,
) -> Result<Read, SignatureError> {
    let bundle_digest = digest_of(bundle);
    let bundle: Bundle = serde_json::from_slice(bundle).map_err(SignatureError::invalid("bundle"))?;
    if bundle.media_type != MEDIA_TYPE {
        return Err(SignatureError::UnsupportedBundle(bundle.media_type));
    }
    let signed = bundle.signed()?;
    let log_entry = match (&bundle.verification_material.tlog_entries[..], trust) {
        ([entry, ..], Some(trust)) if entry.inclusion_promise.is_some() => Some(logged(entry, &signed, trust)?),
        _ => None,
    };
    let identity = match certificate_of(&bundle.verification_material) {
        None => Err(SignatureError::NoCertificate),
        Some(certificate) => certificate
            .der()
            .and_then(|der| certificate::identify_der(&der, log_entry.as_ref(), trust))
            .and_then(|identity| identity.that_signed(&signed.signature, &signed.encoded)),
    };
    let annotations = annotations(signed.statement, digest)?;
    let layer = sigstore::cosign::SignatureLayer {
        simple_signing: as_simple_signing(image, digest, annotations)?,
        oci_digest: bundle_digest,
        certificate_signature: None,
        bundle: log_entry.map(BundleContent::RekorBundle),
        signature: Some(signed.signature),
        raw_data: signed.encoded,
    };
    Ok((layer, identity))
}

fn certificate_of(material: &Material) -> Option<&RawCertificate> {
    let first_of_chain = || material.x509_certificate_chain.as_ref()?.certificates.first();
    material.certificate.as_ref().or_else(first_of_chain)
}

/// The annotations of the subject with this digest.
fn annotations(statement: Statement, digest: &str) -> Result<Map<String, Value>, SignatureError> {
    let wanted = digest.strip_prefix("sha256:");
    let mut subjects = statement.subject.into_iter();
    let subject = subjects.find(|subject| subject.digest.get("sha256").map(String::as_str) == wanted);
    match subject {
        Some(subject) if wanted.is_some() => Ok(subject.annotations),
        _ => Err(SignatureError::ManifestNotSigned(digest.to_owned())),
    }
}

/// The entry, if the log signed its time and it is about this signature.
fn logged(entry: &Entry, signed: &Signed, trust: &Trust) -> Result<LogEntry, SignatureError> {
    let in_log = entry.timestamped(trust)?;
    let body = rekor::Body::read(&entry.canonicalized_body)?;
    if body.kind != "dsse" {
        return Err(SignatureError::LogEntryKind { found: body.kind, expected: "dsse" });
    }
    let same_document = body.text("/payloadHash/value") == Some(&hex::encode(Sha256::digest(&signed.payload)));
    let same_signature = body.text("/signatures/0/signature") == Some(&signed.signature);
    if same_document && same_signature { Ok(in_log) } else { Err(SignatureError::OtherLogEntry) }
}
