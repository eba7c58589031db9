//! `oci`: digests, manifests and signatures of images.

use oci_spec::image::{ImageConfiguration, ImageIndex, ImageManifest};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, from_slice, json};

use super::capability::{Capability, Operation};
use super::reply::{InvalidMock, to_bytes};
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
            VerifyV1::SigstorePubKeyVerify(request) => Self::SigstorePubKeyVerify(request),
            VerifyV1::SigstoreKeylessVerify(request) => Self::SigstoreKeylessVerify(request),
        }
    }
}

impl From<VerifyV2> for Request {
    fn from(payload: VerifyV2) -> Self {
        match payload {
            VerifyV2::SigstorePubKeyVerify(request) => Self::SigstorePubKeyVerify(request),
            VerifyV2::SigstoreKeylessVerify(request) => Self::SigstoreKeylessVerify(request),
            VerifyV2::SigstoreKeylessPrefixVerify(request) => Self::SigstoreKeylessPrefixVerify(request),
            VerifyV2::SigstoreGithubActionsVerify(request) => Self::SigstoreGithubActionsVerify(request),
            VerifyV2::SigstoreCertificateVerify(request) => Self::SigstoreCertificateVerify(request),
        }
    }
}

/// A digest, alone or in the shape of the reply.
fn manifest_digest(value: &Value) -> Result<Vec<u8>, InvalidMock> {
    const SHAPE: &str = "a digest such as \"sha256:…\", or {digest: …}";
    let digest = match value {
        Value::Object(reply) if reply.len() == 1 => reply.get("digest").and_then(Value::as_str),
        value => value.as_str(),
    };
    let digest = digest.ok_or_else(|| InvalidMock::of_type(value, SHAPE))?;
    Ok(to_bytes(&json!({ "digest": digest })))
}

/// The manifest itself.
fn manifest(value: &Value) -> Result<Vec<u8>, InvalidMock> {
    let value = with_version(value);
    check_manifest(&value)?;
    Ok(to_bytes(&value))
}

/// A manifest or index with its `schemaVersion`, which is always 2.
fn with_version(value: &Value) -> Value {
    with_default(value, "schemaVersion", || json!(2))
}

/// A configuration with a `rootfs`: few policies read the layers, and all need the member.
fn with_root(value: &Value) -> Value {
    with_default(value, "rootfs", || json!({ "type": "layers", "diff_ids": [] }))
}

/// A document with a member that it may leave out. An empty document is left as it is: nothing of it is there.
fn with_default(value: &Value, key: &str, default: impl FnOnce() -> Value) -> Value {
    let mut filled = value.clone();
    if let Some(members) = filled.as_object_mut().filter(|members| !members.is_empty()) {
        members.entry(key).or_insert_with(default);
    }
    filled
}

/// Checks a manifest or an index against the types of OCI: the policy would report its own parse error as a denial.
fn check_manifest(value: &Value) -> Result<(), InvalidMock> {
    if value.get("manifests").is_some() {
        return check::<ImageIndex>(value, "an OCI index: {schemaVersion: 2, manifests: [{mediaType, digest, size}]}");
    }
    const SHAPE: &str = "an OCI manifest: {schemaVersion: 2, config: {mediaType, digest, size}, layers: […]}";
    check::<ImageManifest>(value, SHAPE)
}

/// Checks the shape of a document.
fn check<T: DeserializeOwned>(value: &Value, shape: &'static str) -> Result<(), InvalidMock> {
    match value {
        Value::Object(_) => T::deserialize(value).map(drop).map_err(|error| InvalidMock::of_members(&error, shape)),
        _ => Err(InvalidMock::of_type(value, shape)),
    }
}

/// The three members of the reply; policies read all of them.
fn manifest_and_config(value: &Value) -> Result<Vec<u8>, InvalidMock> {
    const SHAPE: &str = "an object with `manifest`, `digest` and `config`";
    const CONFIG: &str = "an OCI configuration: {architecture, os, rootfs: {type: layers, diff_ids: […]}}";
    let has_all = value["manifest"].is_object() && value["digest"].is_string() && value.get("config").is_some();
    match value {
        _ if has_all => {
            let mut filled = value.clone();
            (filled["manifest"], filled["config"]) = (with_version(&value["manifest"]), with_root(&value["config"]));
            check_manifest(&filled["manifest"])?;
            check::<ImageConfiguration>(&filled["config"], CONFIG)?;
            Ok(to_bytes(&filled))
        }
        Value::Object(_) => Err(InvalidMock::of_members(&"missing member", SHAPE)),
        _ => Err(InvalidMock::of_type(value, SHAPE)),
    }
}

/// The digest in the reply where the mock is only `true`.
const UNKNOWN_DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// `true`, the digest of the trusted image, or the reply itself. The server never replies "not trusted": the call fails.
fn verification(value: &Value, request: Option<&Request>) -> Result<Vec<u8>, InvalidMock> {
    const SHAPE: &str = "`true`, the digest of the image, or {is_trusted: true, digest: …}";
    let digest = match value {
        Value::Bool(true) => request.and_then(pinned_digest).unwrap_or_else(|| UNKNOWN_DIGEST.into()),
        Value::String(digest) => digest.clone(),
        Value::Object(_) => {
            let reply: Verification =
                serde_json::from_value(value.clone()).map_err(|error| InvalidMock::of_members(&error, SHAPE))?;
            if !reply.is_trusted {
                return Err(InvalidMock::Untrusted);
            }
            reply.digest
        }
        Value::Bool(false) => return Err(InvalidMock::Untrusted),
        _ => return Err(InvalidMock::of_type(value, SHAPE)),
    };
    Ok(to_bytes(&Verification { is_trusted: true, digest }))
}

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

    fn text(reply: Result<Vec<u8>, InvalidMock>) -> String {
        String::from_utf8(reply.unwrap()).unwrap()
    }

    #[test]
    fn documents_of_images_have_the_types_of_oci() {
        let descriptor = json!({"mediaType": "application/vnd.oci.image.config.v1+json", "digest": format!("sha256:{}", "0".repeat(64)), "size": 2});
        let manifest = json!({"schemaVersion": 2, "config": descriptor, "layers": [descriptor]});
        let config = json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}});
        let reply = |manifest: &Value, config: &Value| {
            let value = json!({"manifest": manifest, "digest": "sha256:0", "config": config});
            (operation("v1/oci_manifest_config").reply)(&value, None)
        };
        assert!(reply(&manifest, &config).is_ok());
        for (change, problem) in [
            (json!({"architecture": null}), "invalid type: null"),
            (json!({"os": 1}), "invalid type: integer `1`"),
            (json!({"rootfs": "layers"}), "invalid type: string"),
            (json!({"config": {"Labels": ["a"]}}), "invalid type: sequence"),
            (json!({"config": {"Env": {"A": "b"}}}), "invalid type: map"),
        ] {
            let mut wrong = config.clone();
            wrong.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let error = reply(&manifest, &wrong).unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains("expected an OCI configuration"), "{change}: {error}");
        }
        let error = reply(&manifest, &json!({"os": "linux"})).unwrap_err().to_string();
        assert!(error.starts_with("missing field `architecture`"), "{error}");
        let asked = |value: &Value| (operation("v1/oci_manifest").reply)(value, None);
        assert!(asked(&manifest).is_ok() && asked(&json!({"schemaVersion": 2, "manifests": [descriptor]})).is_ok());
        for (wrong, shape) in [
            (json!({"schemaVersion": 2, "layers": []}), "an OCI manifest"),
            (json!({"schemaVersion": 2, "config": descriptor, "layers": "none"}), "an OCI manifest"),
            (json!({"schemaVersion": 2, "manifests": [{"digest": "x"}]}), "an OCI index"),
            (json!({}), "an OCI manifest"),
            (json!([]), "an OCI manifest"),
        ] {
            assert!(asked(&wrong).unwrap_err().to_string().contains(shape), "{wrong}");
        }
    }

    #[test]
    fn members_with_one_possible_value_may_be_left_out() {
        let descriptor = json!({"mediaType": "application/vnd.oci.image.config.v1+json", "digest": format!("sha256:{}", "0".repeat(64)), "size": 2});
        let asked = |value: &Value| -> Value {
            from_slice(&(operation("v1/oci_manifest").reply)(value, None).unwrap()).unwrap()
        };
        assert_eq!(asked(&json!({"config": descriptor, "layers": []}))["schemaVersion"], 2);
        assert_eq!(asked(&json!({"manifests": [descriptor]}))["schemaVersion"], 2);
        assert_eq!(asked(&json!({"schemaVersion": 1, "manifests": []}))["schemaVersion"], 1);
        let manifest = json!({"config": descriptor, "layers": []});
        let value =
            json!({"manifest": manifest, "digest": "sha256:0", "config": {"architecture": "amd64", "os": "linux"}});
        let reply = (operation("v1/oci_manifest_config").reply)(&value, None).unwrap();
        let reply: Value = from_slice(&reply).unwrap();
        assert_eq!(reply["config"]["rootfs"], json!({"type": "layers", "diff_ids": []}));
        assert_eq!(reply["manifest"]["schemaVersion"], 2);
        // What a policy decides by is not made up.
        for config in [json!({"os": "linux"}), json!({"architecture": "amd64"}), json!({})] {
            let value = json!({"manifest": manifest, "digest": "sha256:0", "config": config});
            assert!((operation("v1/oci_manifest_config").reply)(&value, None).is_err(), "{config}");
        }
    }

    #[test]
    fn both_versions_of_verify_make_the_same_request() {
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
    fn a_digest_is_a_string_or_a_reply() {
        for value in [json!("sha256:a"), json!({"digest": "sha256:a"})] {
            assert_eq!(text(manifest_digest(&value)), r#"{"digest":"sha256:a"}"#);
        }
        assert!(manifest_digest(&json!(["sha256:a"])).unwrap_err().to_string().contains("not a list"));
        assert!(manifest_digest(&json!({"digets": "sha256:a"})).is_err());
    }

    #[test]
    fn a_trusted_image_always_has_a_digest() {
        let pinned =
            (operation("v2/verify").read)(br#"{"type":"SigstorePubKeyVerify","image":"a@sha256:b","pub_keys":[]}"#);
        let pinned = pinned.unwrap();
        assert_eq!(text(verification(&json!(true), Some(&pinned))), r#"{"is_trusted":true,"digest":"sha256:b"}"#);
        assert_eq!(text(verification(&json!("sha256:c"), None)), r#"{"is_trusted":true,"digest":"sha256:c"}"#);
        assert!(text(verification(&json!(true), None)).contains(UNKNOWN_DIGEST));
    }

    #[test]
    fn an_untrusted_image_must_be_an_error() {
        for value in [json!(false), json!({"is_trusted": false, "digest": ""})] {
            assert!(verification(&value, None).unwrap_err().to_string().contains("write { error:"), "{value}");
        }
    }
}
