//! Certificates of keyless signatures: who got them, and whether that can be believed.

use sigstore::cosign::bundle::Bundle;
use sigstore::cosign::signature_layers::CertificateSubject;
use sigstore::crypto::{CosignVerificationKey, Signature};
use webpki::{EndEntityCert, KeyUsage};
use x509_cert::Certificate;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode, DecodePem, Encode};
use x509_cert::ext::pkix::KeyUsage as KeyUsageExtension;
use x509_cert::ext::pkix::KeyUsages;

use super::Trust;

/// Extension with the identity provider: its text alone, without any encoding (Fulcio's first form).
const ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.1");

/// Extended key usage for signing code, as the content of an object identifier.
const CODE_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];

/// Who signed, according to a certificate that an authority of the trust root has issued.
#[derive(Debug)]
pub(super) struct Identity {
    /// The identity provider.
    pub(super) issuer: Option<String>,
    /// E-mail address or URI.
    pub(super) subject: String,
    /// Whether the subject is a URI.
    pub(super) is_uri: bool,
    key: CosignVerificationKey,
}

/// Who a certificate was issued to. As Kubewarden does it: issued by the authority, meant for signing, valid when the
/// log has seen the signature.
pub(super) fn identify_pem(pem: &str, log_entry: Option<&Bundle>, trust: Option<&Trust>) -> Result<Identity, String> {
    let certificate = Certificate::from_pem(pem).map_err(|error| format!("its certificate cannot be read: {error}"))?;
    let der = certificate.to_der().map_err(|error| format!("its certificate cannot be read: {error}"))?;
    identify(&certificate, &der, log_entry, trust)
}

/// The same for a certificate in DER.
pub(super) fn identify_der(der: &[u8], log_entry: Option<&Bundle>, trust: Option<&Trust>) -> Result<Identity, String> {
    let certificate = Certificate::from_der(der).map_err(|error| format!("its certificate cannot be read: {error}"))?;
    identify(&certificate, der, log_entry, trust)
}

fn identify(
    certificate: &Certificate,
    der: &[u8],
    log_entry: Option<&Bundle>,
    trust: Option<&Trust>,
) -> Result<Identity, String> {
    let trust = trust.ok_or("without a trust root no certificate is believed")?;
    let log_entry = log_entry.ok_or("it has no entry of a transparency log, so nobody knows when it was made")?;
    issued_by_authority(certificate, der, trust)?;
    valid_at(certificate, log_entry.payload.integrated_time)?;
    let subject = CertificateSubject::from_certificate(certificate).map_err(|error| error.to_string())?;
    let (subject, is_uri) = match subject {
        CertificateSubject::Email(address) => (address, false),
        CertificateSubject::Uri(uri) => (uri, true),
    };
    let key = CosignVerificationKey::try_from(certificate.tbs_certificate().subject_public_key_info())
        .map_err(|error| format!("the key of its certificate cannot be used: {error}"))?;
    Ok(Identity { issuer: issuer(certificate)?, subject, is_uri, key })
}

/// Authorities issue for minutes and outlive their own certificates, so the chain is checked at the time of issue.
fn issued_by_authority(certificate: &Certificate, der: &[u8], trust: &Trust) -> Result<(), String> {
    let der = der.into();
    let untrusted = |error: webpki::Error| format!("its certificate is from no authority of the trust root: {error}");
    let end_entity = EndEntityCert::try_from(&der).map_err(untrusted)?;
    let issued = certificate.tbs_certificate().validity().not_before.to_unix_duration();
    let verified = end_entity.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &trust.authorities,
        &[],
        rustls_pki_types::UnixTime::since_unix_epoch(issued),
        KeyUsage::required(CODE_SIGNING),
        None,
        None,
    );
    verified.map_err(untrusted)?;
    match certificate.tbs_certificate().get_extension::<KeyUsageExtension>() {
        Ok(Some((_, usage))) if usage.0.contains(KeyUsages::DigitalSignature) => Ok(()),
        _ => Err("its certificate is not meant for signatures".to_owned()),
    }
}

/// The time is in seconds since 1970, as the log has signed it.
fn valid_at(certificate: &Certificate, logged: i64) -> Result<(), String> {
    let validity = certificate.tbs_certificate().validity();
    let second = |time: &x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    if (second(&validity.not_before)..=second(&validity.not_after)).contains(&logged) {
        return Ok(());
    }
    let logged = jiff::Timestamp::from_second(logged).map_or_else(|_| logged.to_string(), |time| time.to_string());
    Err(format!(
        "its certificate was valid from {} to {}, the signature was logged at {logged}",
        validity.not_before, validity.not_after
    ))
}

fn issuer(certificate: &Certificate) -> Result<Option<String>, String> {
    let extensions = certificate.tbs_certificate().extensions().map(Vec::as_slice).unwrap_or_default();
    let Some(extension) = extensions.iter().find(|extension| extension.extn_id == ISSUER) else { return Ok(None) };
    let text = String::from_utf8(extension.extn_value.as_bytes().to_vec());
    text.map(Some).map_err(|_| "the issuer named in its certificate is not text".to_owned())
}

impl Identity {
    /// The identity, if it made this signature (base64) of this payload. policy-server believes the certificate without
    /// this check, so a stranger's certificate beside a worthless signature would do there.
    pub(super) fn that_signed(self, signature: &str, payload: &[u8]) -> Result<Self, String> {
        match self.key.verify_signature(Signature::Base64Encoded(signature.as_bytes()), payload) {
            Ok(()) => Ok(self),
            Err(_) => Err("the key of its certificate did not make it".to_owned()),
        }
    }
}
