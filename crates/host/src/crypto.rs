//! `crypto`: chains of certificates.
//!
//! Certificates make poor keys, so the short form of a request is the beginning of the leaf's SHA-256 fingerprint,
//! `sha256:` and twelve hexadecimal digits, taken from the DER form as `openssl x509 -fingerprint -sha256` does.
//! Most suites will write `*` instead.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, from_slice};
use sha2::{Digest as _, Sha256};

use super::capability::{Capability, Operation, describe, to_bytes};
use super::request::Request;

/// Whether a certificate is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CryptoIsCertificateTrusted {
    /// What is asked.
    pub request: CertificateVerificationRequest,
}

/// The payload, which recordings keep whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateVerificationRequest {
    /// The certificate.
    pub cert: Certificate,
    /// Its chain, from the intermediate to the root; none means the public roots.
    pub cert_chain: Option<Vec<Certificate>>,
    // Has to be present, as on the server; the empty text counts as null.
    #[serde(deserialize_with = "text_or_nothing")]
    /// The time at which it must be valid, RFC 3339.
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

impl CryptoIsCertificateTrusted {
    /// The beginning of the leaf's fingerprint.
    pub(super) fn short(&self) -> String {
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

/// The namespace `crypto`.
pub(super) struct Crypto;

impl Capability for Crypto {
    fn namespace(&self) -> &'static str {
        "crypto"
    }

    fn operations(&self) -> &'static [Operation] {
        &[Operation {
            capability: "crypto/v1/is_certificate_trusted",
            name: "v1/is_certificate_trusted",
            read: |payload| {
                Ok(Request::CryptoIsCertificateTrusted(CryptoIsCertificateTrusted { request: from_slice(payload)? }))
            },
            reply: |value, _| trust(value),
            example: |_| "true".into(),
        }]
    }
}

/// The reply.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateVerificationResponse {
    /// Whether the certificate is trusted.
    pub trusted: bool,
    #[serde(default)]
    /// Why not; empty for trusted ones.
    pub reason: String,
}

/// `true`, or the reply itself. Mistrust needs a reason: the server always gives one.
fn trust(value: &Value) -> Result<Vec<u8>, String> {
    let reply = match value {
        Value::Bool(true) => CertificateVerificationResponse { trusted: true, reason: String::new() },
        Value::Object(_) => serde_json::from_value(value.clone()).map_err(|error| format!("{error}; {SHAPE}"))?,
        _ => return Err(format!("{SHAPE}, not {}", describe(value))),
    };
    if !reply.trusted && reply.reason.is_empty() {
        return Err("a certificate that is not trusted needs a reason, for instance { trusted: false, reason: \
                    Certificate is not trusted by the provided cert chain }"
            .into());
    }
    to_bytes(&reply)
}

const SHAPE: &str = "expected `true`, or {trusted: false, reason: …}";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(payload: &Value) -> serde_json::Result<Request> {
        (Crypto.operations()[0].read)(payload.to_string().as_bytes())
    }

    #[test]
    fn the_short_form_is_the_same_in_pem_and_der() {
        let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(b"leaf"));
        let der = read(&json!({"cert": {"encoding": "Der", "data": b"leaf"}, "not_after": null})).unwrap();
        let pem = read(&json!({"cert": {"encoding": "Pem", "data": pem.as_bytes()}, "not_after": null})).unwrap();
        assert_eq!(der.short(), pem.short());
        assert_eq!(der.short(), format!("sha256:{}", &hex::encode(Sha256::digest(b"leaf"))[..12]));
    }

    #[test]
    fn an_empty_time_is_no_time_but_has_to_be_there() {
        let empty = read(&json!({"cert": {"encoding": "Der", "data": []}, "not_after": ""})).unwrap();
        let null = read(&json!({"cert": {"encoding": "Der", "data": []}, "not_after": null})).unwrap();
        assert_eq!(empty, null);
        let absent = read(&json!({"cert": {"encoding": "Der", "data": []}})).unwrap_err();
        assert!(absent.to_string().starts_with("missing field `not_after`"), "{absent}");
    }

    #[test]
    fn mistrust_needs_a_reason() {
        assert_eq!(trust(&json!(true)).unwrap(), br#"{"trusted":true,"reason":""}"#);
        assert_eq!(trust(&json!({"trusted": false, "reason": "old"})).unwrap(), br#"{"trusted":false,"reason":"old"}"#);
        assert!(trust(&json!({"trusted": false})).unwrap_err().contains("needs a reason"));
        assert!(trust(&json!(false)).unwrap_err().contains("expected `true`"));
        assert!(trust(&json!({"is_trusted": true})).unwrap_err().contains("unknown field `is_trusted`"));
    }
}
