//! Bundles that count in Kubewarden: keyless ones, with everything that proves the time of the signature.
//!
//! Source: crate sigstore 0.14, `cosign/signature_layers.rs`, which policy-server 1.36 and later use. A bundle that fails
//! one check is ignored there. A certificate that the trust root does not cover only takes the signer from it.

use serde_json::{Map, json};
use sha2::{Digest as _, Sha256};
use sigstore::cosign::SignatureLayer;
use sigstore::cosign::bundle_content::BundleContent;
use sigstore::rekor::models::InclusionProof;

use super::super::certificate;
use super::super::error::SignatureError;
use super::super::rekor;
use super::super::trust::Trust;
use super::document::{
    Bundle, Entry, Material, Proof, Read, Signed, Statement, as_simple_signing, decoded, digest_of, number,
};

/// The kind and the version of a log entry about an envelope.
const ENTRY: (&str, &str) = ("dsse", "0.0.1");

/// Most hashes of a path: a tree with more levels has more than 2^64 leaves.
const MOST_HASHES: usize = 64;

/// Reads a bundle that signs the manifest `digest` of `image`.
pub(crate) fn counted(bundle: &[u8], digest: &str, image: &str, trust: Option<&Trust>) -> Result<Read, SignatureError> {
    let bundle_digest = digest_of(bundle);
    let bundle: Bundle = serde_json::from_slice(bundle).map_err(SignatureError::invalid("bundle"))?;
    let signed = bundle.signed()?;
    first_subject_is(&signed.statement, digest)?;
    let certificate = single_certificate(&bundle.verification_material)?;
    let [entry] = &bundle.verification_material.tlog_entries[..] else {
        return Err(SignatureError::LogEntryCount(bundle.verification_material.tlog_entries.len()));
    };
    let trust = trust.ok_or(SignatureError::NoTrustRoot)?;
    let in_log = entry.timestamped(trust)?;
    is_included(entry, trust)?;
    is_about(entry, &signed, &certificate)?;
    let identity = certificate::identify_der(&certificate, Some(&in_log), Some(trust))
        .and_then(|identity| identity.that_signed(&signed.signature, &signed.encoded));
    let layer = SignatureLayer {
        // Annotations of the statement are not looked at.
        simple_signing: as_simple_signing(image, digest, Map::new())?,
        oci_digest: bundle_digest,
        certificate_signature: None,
        bundle: Some(BundleContent::RekorBundle(in_log)),
        signature: Some(signed.signature),
        raw_data: signed.encoded,
    };
    Ok((layer, identity))
}

/// Only the first subject is looked at.
fn first_subject_is(statement: &Statement, digest: &str) -> Result<(), SignatureError> {
    let first = statement.subject.first().and_then(|subject| subject.digest.get("sha256"));
    let is_meant = first.is_some_and(|first| digest.strip_prefix("sha256:") == Some(first));
    is_meant.then_some(()).ok_or_else(|| SignatureError::ManifestNotSigned(digest.to_owned()))
}

/// The certificate, in DER. Neither a chain nor the hint of a key will do.
fn single_certificate(material: &Material) -> Result<Vec<u8>, SignatureError> {
    if material.public_key.is_some() {
        return Err(SignatureError::SignedWithKey);
    }
    match (&material.certificate, &material.x509_certificate_chain) {
        (Some(certificate), None) => certificate.der(),
        (_, Some(_)) => Err(SignatureError::CertificateChain),
        (None, None) => Err(SignatureError::NoCertificate),
    }
}

/// The log has signed the root of a tree that has the entry.
fn is_included(entry: &Entry, trust: &Trust) -> Result<(), SignatureError> {
    let proof = entry.inclusion_proof.as_ref().ok_or(SignatureError::IncompleteLogEntry("inclusion proof"))?;
    if proof.checkpoint.as_ref().is_none_or(|checkpoint| checkpoint.envelope.is_empty()) {
        return Err(SignatureError::IncompleteLogEntry("checkpoint"));
    }
    let log = entry.log()?;
    let key = trust.rekor.get(&log).ok_or(SignatureError::UnknownLog(log))?;
    let unproven = |error: sigstore::errors::SigstoreError| SignatureError::NotIncluded(error.to_string());
    inclusion_proof(proof)?.verify(&decoded(&entry.canonicalized_body)?, key).map_err(unproven)
}

/// The proof in the form that `sigstore` verifies.
fn inclusion_proof(proof: &Proof) -> Result<InclusionProof, SignatureError> {
    if proof.hashes.len() > MOST_HASHES {
        return Err(SignatureError::NotIncluded(format!("more than {MOST_HASHES} hashes in the path")));
    }
    let hashes: Vec<Vec<u8>> = proof.hashes.iter().map(|hash| decoded(hash)).collect::<Result<_, _>>()?;
    let document = json!({
        "logIndex": number(&proof.log_index)?,
        "rootHash": decoded(&proof.root_hash)?,
        "treeSize": number(&proof.tree_size)?,
        "hashes": hashes,
        "checkpoint": proof.checkpoint.as_ref().map(|checkpoint| &checkpoint.envelope),
    });
    serde_json::from_value(document).map_err(SignatureError::invalid("inclusion proof"))
}

/// The entry is about this envelope, signature and certificate.
fn is_about(entry: &Entry, signed: &Signed, certificate: &[u8]) -> Result<(), SignatureError> {
    let body = rekor::Body::read(&entry.canonicalized_body)?;
    if body.kind != ENTRY.0 {
        return Err(SignatureError::LogEntryKind { found: body.kind, expected: ENTRY.0 });
    }
    if body.api_version != ENTRY.1 {
        return Err(SignatureError::LogEntryVersion(body.api_version));
    }
    let has_hash = |name: &str, bytes: &[u8]| {
        body.text(&format!("/{name}/algorithm")) == Some("sha256")
            && body.text(&format!("/{name}/value")) == Some(&hex::encode(Sha256::digest(bytes)))
    };
    let has_bytes = |pointer: &str, bytes: &[u8]| {
        let found = body.text(pointer).and_then(|text| decoded(text).ok());
        found.is_some_and(|found| found == bytes)
    };
    let has_certificate = body
        .text("/signatures/0/verifier")
        .and_then(|verifier| decoded(verifier).ok())
        .and_then(|pem| certificate::der_of_pem(&pem))
        .is_some_and(|der| der == certificate);
    let is_about = has_hash("envelopeHash", signed.envelope.as_bytes())
        && has_hash("payloadHash", &signed.payload)
        && body.count("/signatures") == 1
        && has_bytes("/signatures/0/signature", &decoded(&signed.signature)?)
        && has_certificate;
    if is_about { Ok(()) } else { Err(SignatureError::OtherLogEntry) }
}
