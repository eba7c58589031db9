//! Tag form: a layer of the signature's manifest becomes a signature.
//!
//! The blob is the signed document in Red Hat's "simple signing" format; signature, certificate and log entry are
//! annotations of the layer.

use sigstore::cosign::SignatureLayer;
use sigstore::cosign::bundle_content::BundleContent;
use sigstore::cosign::payload::simple_signing::SimpleSigning;

use super::certificate::{self, Identity};
use super::error::SignatureError;
use super::rekor;
use super::stored::Layer;
use super::trust::Trust;

/// Media type of the layers. Policy-server refuses a manifest that has others.
pub(super) const MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// Annotation with the signature, base64.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// Annotation with the entry of the transparency log.
const LOG_ENTRY: &str = "dev.sigstore.cosign/bundle";

/// Annotation with the certificate of a keyless signature, PEM.
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";

/// Parses a layer that signs the manifest `digest`.
pub(super) fn read(
    layer: &Layer,
    digest: &str,
    trust: Option<&Trust>,
) -> Result<(SignatureLayer, Result<Identity, SignatureError>), SignatureError> {
    let payload = layer.payload.as_ref().map_err(|error| SignatureError::DocumentSkipped(error.message.clone()))?;
    let simple_signing: SimpleSigning =
        serde_json::from_slice(payload).map_err(SignatureError::invalid("signed document"))?;
    let signed = &simple_signing.critical.image.docker_manifest_digest;
    if signed != digest {
        return Err(SignatureError::OtherManifest { signed: signed.clone(), expected: digest.to_owned() });
    }
    let annotation = |name: &str| layer.descriptor.annotations.get(name);
    let signature = annotation(SIGNATURE).ok_or(SignatureError::MissingAnnotation(SIGNATURE))?;
    let log_entry = match (annotation(LOG_ENTRY), trust) {
        (Some(entry), Some(trust)) => Some(rekor::verified(entry, payload, signature, trust)?),
        _ => None,
    };
    let identity = match annotation(CERTIFICATE) {
        None => Err(SignatureError::NoCertificate),
        Some(pem) => certificate::identify_pem(pem, log_entry.as_ref(), trust)
            .and_then(|identity| identity.that_signed(signature, payload)),
    };
    let layer = SignatureLayer {
        simple_signing,
        oci_digest: layer.descriptor.digest.clone(),
        certificate_signature: None,
        bundle: log_entry.map(BundleContent::RekorBundle),
        signature: Some(signature.clone()),
        raw_data: payload.clone(),
    };
    Ok((layer, identity))
}
