//! Certificates of keyless signatures: to whom they were issued, and whether the trust root covers them.

use sigstore::cosign::bundle::Bundle;
use sigstore::cosign::signature_layers::CertificateSubject;
use sigstore::crypto::{CosignVerificationKey, Signature};
use webpki::{EndEntityCert, KeyUsage};
use x509_cert::Certificate;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::pem::PemLabel as _;
use x509_cert::der::{Decode, DecodePem, Encode};
use x509_cert::ext::pkix::KeyUsage as KeyUsageExtension;
use x509_cert::ext::pkix::KeyUsages;

use super::error::SignatureError;
use super::trust::Trust;

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

/// To whom a certificate was issued. Checked as in Kubewarden: issued by an authority of the trust root, for code signing,
/// valid when the signature was logged.
pub(super) fn identify_pem(
    pem: &str,
    log_entry: Option<&Bundle>,
    trust: Option<&Trust>,
) -> Result<Identity, SignatureError> {
    let certificate = Certificate::from_pem(pem).map_err(SignatureError::invalid("certificate"))?;
    let der = certificate.to_der().map_err(SignatureError::invalid("certificate"))?;
    identify(&certificate, &der, log_entry, trust)
}

/// The same for a certificate in DER.
pub(super) fn identify_der(
    der: &[u8],
    log_entry: Option<&Bundle>,
    trust: Option<&Trust>,
) -> Result<Identity, SignatureError> {
    let certificate = Certificate::from_der(der).map_err(SignatureError::invalid("certificate"))?;
    identify(&certificate, der, log_entry, trust)
}

/// The bytes of a certificate in PEM; none where it is something else.
pub(super) fn der_of_pem(pem: &[u8]) -> Option<Vec<u8>> {
    let (label, der) = x509_cert::der::pem::decode_vec(pem).ok()?;
    (label == Certificate::PEM_LABEL).then_some(der)
}

fn identify(
    certificate: &Certificate,
    der: &[u8],
    log_entry: Option<&Bundle>,
    trust: Option<&Trust>,
) -> Result<Identity, SignatureError> {
    let trust = trust.ok_or(SignatureError::NoTrustRoot)?;
    let log_entry = log_entry.ok_or(SignatureError::NoLogEntry)?;
    issued_by_authority(certificate, der, trust)?;
    valid_at(certificate, log_entry.payload.integrated_time)?;
    let subject =
        CertificateSubject::from_certificate(certificate).map_err(SignatureError::invalid("certificate subject"))?;
    let (subject, is_uri) = match subject {
        CertificateSubject::Email(address) => (address, false),
        CertificateSubject::Uri(uri) => (uri, true),
    };
    let key = CosignVerificationKey::try_from(certificate.tbs_certificate().subject_public_key_info())
        .map_err(SignatureError::invalid("certificate key"))?;
    Ok(Identity { issuer: issuer(certificate)?, subject, is_uri, key })
}

/// Authorities issue for minutes and outlive their own certificates, so the chain is checked at the time of issue.
fn issued_by_authority(certificate: &Certificate, der: &[u8], trust: &Trust) -> Result<(), SignatureError> {
    let der = der.into();
    let untrusted = |error: webpki::Error| SignatureError::UntrustedCertificate(error.to_string());
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
        _ => Err(SignatureError::CertificateUsage),
    }
}

/// The time is in seconds since 1970, as the log has signed it.
fn valid_at(certificate: &Certificate, logged: i64) -> Result<(), SignatureError> {
    let validity = certificate.tbs_certificate().validity();
    let second = |time: &x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    if (second(&validity.not_before)..=second(&validity.not_after)).contains(&logged) {
        return Ok(());
    }
    let logged = jiff::Timestamp::from_second(logged).map_or_else(|_| logged.to_string(), |time| time.to_string());
    Err(SignatureError::CertificateExpired {
        not_before: validity.not_before.to_string(),
        not_after: validity.not_after.to_string(),
        logged,
    })
}

fn issuer(certificate: &Certificate) -> Result<Option<String>, SignatureError> {
    let extensions = certificate.tbs_certificate().extensions().map(Vec::as_slice).unwrap_or_default();
    let Some(extension) = extensions.iter().find(|extension| extension.extn_id == ISSUER) else { return Ok(None) };
    let text = String::from_utf8(extension.extn_value.as_bytes().to_vec());
    text.map(Some).map_err(SignatureError::invalid("certificate issuer"))
}

impl Identity {
    /// The identity, if its key made this signature (base64) of this payload. policy-server accepts the certificate without
    /// this check, so any valid certificate next to an invalid signature passes there.
    pub(super) fn that_signed(self, signature: &str, payload: &[u8]) -> Result<Self, SignatureError> {
        match self.key.verify_signature(Signature::Base64Encoded(signature.as_bytes()), payload) {
            Ok(()) => Ok(self),
            Err(_) => Err(SignatureError::OtherCertificateKey),
        }
    }
}
