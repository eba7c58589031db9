//! `crypto`: chains of certificates.

use serde_json::{Value, from_slice};

use super::capability::{Capability, Operation};
use super::reply::{InvalidMock, to_bytes};
use super::request::Request;
use super::wire::crypto::{CertificateVerificationResponse, CryptoIsCertificateTrusted};

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

/// `true`, or the reply itself. An untrusted certificate needs a reason: the server always gives one.
fn trust(value: &Value) -> Result<Vec<u8>, InvalidMock> {
    let reply = match value {
        Value::Bool(true) => CertificateVerificationResponse { trusted: true, reason: String::new() },
        Value::Object(_) => {
            serde_json::from_value(value.clone()).map_err(|error| InvalidMock::of_members(&error, SHAPE))?
        }
        _ => return Err(InvalidMock::of_type(value, SHAPE)),
    };
    if !reply.trusted && reply.reason.is_empty() {
        return Err(InvalidMock::NoReason);
    }
    Ok(to_bytes(&reply))
}

const SHAPE: &str = "`true`, or {trusted: false, reason: …}";

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;
    use sha2::{Digest as _, Sha256};

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
    fn an_empty_time_equals_null_and_an_absent_one_is_an_error() {
        let empty = read(&json!({"cert": {"encoding": "Der", "data": []}, "not_after": ""})).unwrap();
        let null = read(&json!({"cert": {"encoding": "Der", "data": []}, "not_after": null})).unwrap();
        assert_eq!(empty, null);
        let absent = read(&json!({"cert": {"encoding": "Der", "data": []}})).unwrap_err();
        assert!(absent.to_string().starts_with("missing field `not_after`"), "{absent}");
    }

    #[test]
    fn an_untrusted_certificate_needs_a_reason() {
        assert_eq!(trust(&json!(true)).unwrap(), br#"{"trusted":true,"reason":""}"#);
        assert_eq!(trust(&json!({"trusted": false, "reason": "old"})).unwrap(), br#"{"trusted":false,"reason":"old"}"#);
        assert!(trust(&json!({"trusted": false})).unwrap_err().to_string().contains("missing `reason`"));
        assert!(trust(&json!(false)).unwrap_err().to_string().contains("expected `true`"));
        assert!(trust(&json!({"is_trusted": true})).unwrap_err().to_string().contains("unknown field `is_trusted`"));
    }
}
