//! `oci`: digests, manifests and signatures of images.

use serde::Deserialize;
use serde_json::{Value, from_slice, json};

use super::capability::{Capability, Operation, describe, to_bytes};
use super::request::Request;
use super::wire::oci::{
    OciManifest, OciManifestAndConfig, OciManifestDigest, SigstoreCertificateVerify, SigstoreGithubActionsVerify,
    SigstoreKeylessPrefixVerify, SigstoreKeylessVerify, SigstorePubKeyVerify, Verification,
};

/// The payload of `v1/verify`.
#[derive(Deserialize)]
enum VerifyV1 {
    SigstorePubKeyVerify(SigstorePubKeyVerify),
    SigstoreKeylessVerify(SigstoreKeylessVerify),
}

/// The payload of `v2/verify`.
#[derive(Deserialize)]
#[serde(tag = "type")]
#[expect(clippy::enum_variant_names, reason = "guests write these names")]
enum VerifyV2 {
    SigstorePubKeyVerify(SigstorePubKeyVerify),
    SigstoreKeylessVerify(SigstoreKeylessVerify),
    SigstoreKeylessPrefixVerify(SigstoreKeylessPrefixVerify),
    SigstoreGithubActionsVerify(SigstoreGithubActionsVerify),
    SigstoreCertificateVerify(SigstoreCertificateVerify),
}

/// The namespace `oci`.
pub(super) struct Oci;

impl Capability for Oci {
    fn namespace(&self) -> &'static str {
        "oci"
    }

    fn operations(&self) -> &'static [Operation] {
        &[
            Operation {
                capability: "oci/v1/manifest_digest",
                name: "v1/manifest_digest",
                read: |payload| Ok(Request::OciManifestDigest(OciManifestDigest { image: from_slice(payload)? })),
                reply: |value, _| manifest_digest(value),
                example: |_| r#""sha256:…""#.into(),
            },
            Operation {
                capability: "oci/v1/oci_manifest",
                name: "v1/oci_manifest",
                read: |payload| Ok(Request::OciManifest(OciManifest { image: from_slice(payload)? })),
                reply: |value, _| manifest(value),
                example: |_| "fixtures/manifest.json".into(),
            },
            Operation {
                capability: "oci/v1/oci_manifest_config",
                name: "v1/oci_manifest_config",
                read: |payload| Ok(Request::OciManifestAndConfig(OciManifestAndConfig { image: from_slice(payload)? })),
                reply: |value, _| manifest_and_config(value),
                example: |_| "fixtures/manifest-and-config.json".into(),
            },
            Operation {
                capability: "oci/v1/verify",
                name: "v1/verify",
                read: |payload| from_slice::<VerifyV1>(payload).map(Request::from),
                reply: verification,
                example: |_| r#""sha256:…""#.into(),
            },
            Operation {
                capability: "oci/v2/verify",
                name: "v2/verify",
                read: |payload| from_slice::<VerifyV2>(payload).map(Request::from),
                reply: verification,
                example: |_| r#""sha256:…""#.into(),
            },
        ]
    }
}

impl From<VerifyV1> for Request {
    fn from(payload: VerifyV1) -> Self {
        match payload {
            VerifyV1::SigstorePubKeyVerify(asked) => Self::SigstorePubKeyVerify(asked),
            VerifyV1::SigstoreKeylessVerify(asked) => Self::SigstoreKeylessVerify(asked),
        }
    }
}

impl From<VerifyV2> for Request {
    fn from(payload: VerifyV2) -> Self {
        match payload {
            VerifyV2::SigstorePubKeyVerify(asked) => Self::SigstorePubKeyVerify(asked),
            VerifyV2::SigstoreKeylessVerify(asked) => Self::SigstoreKeylessVerify(asked),
            VerifyV2::SigstoreKeylessPrefixVerify(asked) => Self::SigstoreKeylessPrefixVerify(asked),
            VerifyV2::SigstoreGithubActionsVerify(asked) => Self::SigstoreGithubActionsVerify(asked),
            VerifyV2::SigstoreCertificateVerify(asked) => Self::SigstoreCertificateVerify(asked),
        }
    }
}

/// A digest, alone or in the shape of the reply.
fn manifest_digest(value: &Value) -> Result<Vec<u8>, String> {
    let digest = match value {
        Value::String(digest) => digest,
        Value::Object(reply) if reply.len() == 1 => match reply.get("digest") {
            Some(Value::String(digest)) => digest,
            _ => return Err(wants_digest(value)),
        },
        _ => return Err(wants_digest(value)),
    };
    to_bytes(&json!({ "digest": digest }))
}

fn wants_digest(value: &Value) -> String {
    format!("expected a digest such as \"sha256:…\", or {{digest: …}}, not {}", describe(value))
}

/// The manifest itself.
fn manifest(value: &Value) -> Result<Vec<u8>, String> {
    match value {
        Value::Object(_) => to_bytes(value),
        _ => Err(format!("expected the manifest or the index as a document, not {}", describe(value))),
    }
}

/// The three members of the reply; policies read all of them.
fn manifest_and_config(value: &Value) -> Result<Vec<u8>, String> {
    let has_all = value["manifest"].is_object() && value["digest"].is_string() && value.get("config").is_some();
    if has_all { to_bytes(value) } else { Err("expected an object with `manifest`, `digest` and `config`".into()) }
}

/// The digest that stands for "some digest" where the suite only says that the image is trusted.
const UNKNOWN_DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// `true`, the digest of the trusted image, or the reply itself. The server has no way of answering "not trusted": it
/// fails instead, and so must a suite.
fn verification(value: &Value, request: Option<&Request>) -> Result<Vec<u8>, String> {
    let digest = match value {
        Value::Bool(true) => request.and_then(pinned_digest).unwrap_or_else(|| UNKNOWN_DIGEST.into()),
        Value::String(digest) => digest.clone(),
        Value::Object(_) => {
            let reply: Verification =
                serde_json::from_value(value.clone()).map_err(|error| format!("{error}; {VERIFICATION_SHAPE}"))?;
            if !reply.is_trusted {
                return Err(UNTRUSTED.into());
            }
            reply.digest
        }
        Value::Bool(false) => return Err(UNTRUSTED.into()),
        _ => return Err(format!("{VERIFICATION_SHAPE}, not {}", describe(value))),
    };
    to_bytes(&Verification { is_trusted: true, digest })
}

const VERIFICATION_SHAPE: &str = "expected `true`, the digest of the image, or {is_trusted: true, digest: …}";

const UNTRUSTED: &str = "the server never answers that an image is not trusted, the call fails instead: \
                         write { error: \"Image verification failed: missing signatures\" }";

/// The digest an image is pinned to.
fn pinned_digest(request: &Request) -> Option<String> {
    request.short().split_once('@').map(|(_, digest)| digest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(name: &str) -> &'static Operation {
        Oci.operations().iter().find(|operation| operation.name == name).unwrap()
    }

    fn text(reply: Result<Vec<u8>, String>) -> String {
        String::from_utf8(reply.unwrap()).unwrap()
    }

    #[test]
    fn both_versions_of_verify_ask_the_same_question() {
        let v1 = br#"{"SigstorePubKeyVerify":{"image":"app:1","pub_keys":["k"],"annotations":null}}"#;
        let v2 = br#"{"type":"SigstorePubKeyVerify","image":"app:1","pub_keys":["k"]}"#;
        let (v1, v2) = ((operation("v1/verify").read)(v1).unwrap(), (operation("v2/verify").read)(v2).unwrap());
        assert_eq!(v1, v2);
        assert_eq!(v1.short(), "app:1");
    }

    #[test]
    fn unreadable_payloads_give_the_texts_of_serde() {
        let no_type = (operation("v2/verify").read)(b"{}").unwrap_err();
        assert!(no_type.to_string().starts_with("missing field `type`"), "{no_type}");
        let no_image = (operation("v2/verify").read)(br#"{"type":"SigstorePubKeyVerify"}"#).unwrap_err();
        assert!(no_image.to_string().starts_with("missing field `image`"), "{no_image}");
        let too_new = (operation("v1/verify").read)(br#"{"SigstoreGithubActionsVerify":{}}"#).unwrap_err();
        assert_eq!(
            too_new.to_string(),
            "unknown variant `SigstoreGithubActionsVerify`, expected `SigstorePubKeyVerify` or \
             `SigstoreKeylessVerify` at line 1 column 30"
        );
        let not_text = (operation("v1/manifest_digest").read)(b"1").unwrap_err();
        assert_eq!(not_text.to_string(), "invalid type: integer `1`, expected a string at line 1 column 1");
    }

    #[test]
    fn a_digest_may_be_bare() {
        for value in [json!("sha256:a"), json!({"digest": "sha256:a"})] {
            assert_eq!(text(manifest_digest(&value)), r#"{"digest":"sha256:a"}"#);
        }
        assert!(manifest_digest(&json!(["sha256:a"])).unwrap_err().contains("not a list"));
        assert!(manifest_digest(&json!({"digets": "sha256:a"})).is_err());
    }

    #[test]
    fn a_trusted_image_has_a_digest_in_any_case() {
        let pinned =
            (operation("v2/verify").read)(br#"{"type":"SigstorePubKeyVerify","image":"a@sha256:b","pub_keys":[]}"#);
        let pinned = pinned.unwrap();
        assert_eq!(text(verification(&json!(true), Some(&pinned))), r#"{"is_trusted":true,"digest":"sha256:b"}"#);
        assert_eq!(text(verification(&json!("sha256:c"), None)), r#"{"is_trusted":true,"digest":"sha256:c"}"#);
        assert!(text(verification(&json!(true), None)).contains(UNKNOWN_DIGEST));
    }

    #[test]
    fn an_untrusted_image_has_to_be_an_error() {
        for value in [json!(false), json!({"is_trusted": false, "digest": ""})] {
            assert!(verification(&value, None).unwrap_err().contains("write { error:"), "{value}");
        }
    }

    #[test]
    fn a_manifest_is_a_document() {
        assert_eq!(text(manifest(&json!({"schemaVersion": 2}))), r#"{"schemaVersion":2}"#);
        assert!(manifest(&json!("fixtures/index.json")).is_err());
        assert!(manifest_and_config(&json!({"manifest": {}, "digest": "sha256:a", "config": {}})).is_ok());
        assert!(manifest_and_config(&json!({"manifest": {}, "digest": "sha256:a"})).is_err());
    }
}
