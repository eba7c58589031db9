//! `crypto`: chains of certificates.
//!
//! Certificates make poor keys, so the short form of a request is the beginning of the leaf's SHA-256 fingerprint,
//! `sha256:` and twelve hexadecimal digits, taken from the DER form as `openssl x509 -fingerprint -sha256` does.
//! Most suites will write `*` instead.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};

use super::Payload;

/// Whether a certificate is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CryptoIsCertificateTrusted {
    /// The certificate, its chain and the time.
    pub request: CertificateVerificationRequest,
}

/// The payload, which recordings keep whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateVerificationRequest {
    /// The certificate.
    pub cert: Certificate,
    /// Its chain, from the intermediate to the root; none means the public roots.
    pub cert_chain: Option<Vec<Certificate>>,
    /// The time at which it must be valid, RFC 3339.
    // Must be present, as on the server; the empty text counts as null.
    #[serde(deserialize_with = "text_or_nothing")]
    pub not_after: Option<String>,
}

/// A certificate as guests send it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// How `data` is encoded.
    pub encoding: CertificateEncoding,
    /// The bytes.
    pub data: Vec<u8>,
}

/// How the bytes of a certificate are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CertificateEncoding {
    /// DER.
    Der,
    /// PEM.
    Pem,
}

fn text_or_nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

impl Payload for CryptoIsCertificateTrusted {
    /// The beginning of the leaf's fingerprint.
    fn short(&self) -> String {
        let fingerprint = hex::encode(Sha256::digest(self.request.cert.der()));
        format!("sha256:{}", &fingerprint[..12])
    }
}

impl Certificate {
    /// The certificate in DER; bytes that cannot be converted are returned as they are, since any name will do.
    fn der(&self) -> Vec<u8> {
        let from_pem = || {
            let text = std::str::from_utf8(&self.data).ok()?;
            let (_, body) = text.split_once("-----BEGIN CERTIFICATE-----")?;
            let (body, _) = body.split_once("-----END CERTIFICATE-----")?;
            STANDARD.decode(body.split_whitespace().collect::<String>()).ok()
        };
        match self.encoding {
            CertificateEncoding::Der => self.data.clone(),
            CertificateEncoding::Pem => from_pem().unwrap_or_else(|| self.data.clone()),
        }
    }
}

/// Whether a certificate is trusted, as the host replies.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateVerificationResponse {
    /// Whether the certificate is trusted.
    pub trusted: bool,
    /// Why not; empty for trusted ones.
    #[serde(default)]
    pub reason: String,
}
