//! Signatures for tests of this folder: the fixtures as bytes, and keyless signatures of a certificate authority of its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, SanType, SigningKey as _,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sigstore::crypto::CosignVerificationKey;

use super::stored::{Descriptor, Layer, StoredSignatures, TagForm};
use super::testing::{blob, fixture, folder};
use super::trust::Trust;

/// The digest of some bytes, `sha256:…`.
pub(super) fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// What the fixtures hold about the image of a repository, for instance `by-key`.
pub(super) fn stored(repository: &str) -> StoredSignatures {
    let manifests = folder().join("registry/signed").join(repository);
    let digest = digest_of(&std::fs::read(manifests.join("v1.json")).unwrap());
    let mut stored = StoredSignatures {
        image: format!("registry.acme.test/signed/{repository}:v1"),
        digest: digest.clone(),
        ..StoredSignatures::default()
    };
    let mut names: Vec<_> = std::fs::read_dir(&manifests).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for path in names {
        let manifest: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        if path.to_string_lossy().ends_with(".sig.json") {
            let layers: Vec<Descriptor> = serde_json::from_value(manifest["layers"].clone()).unwrap();
            let layer = |descriptor: Descriptor| Layer { payload: Ok(blob(&descriptor.digest)), descriptor };
            stored.tag = TagForm::Layers(layers.into_iter().map(layer).collect());
        } else if manifest["subject"]["digest"] == digest.as_str() {
            stored.bundles.push(blob(manifest["layers"][0]["digest"].as_str().unwrap()));
        }
    }
    stored
}

/// The trust root of the keyless fixtures.
pub(super) fn trust() -> Trust {
    Trust::from_config(&fixture("keyless/trust-config.json")).unwrap()
}

/// A certificate authority and a transparency log.
pub(super) struct Authority {
    ca: Issuer<'static, KeyPair>,
    log: KeyPair,
    trust: Trust,
}

/// What a keyless signature is about, and what may be wrong with it.
#[derive(Clone)]
pub(super) struct Keyless {
    pub(super) digest: String,
    pub(super) issuer: String,
    pub(super) subject: SanType,
    /// First and last second of the certificate, since 1970.
    pub(super) validity: (i64, i64),
    /// When the log claims to have seen the signature.
    pub(super) logged: i64,
    pub(super) usage: Vec<ExtendedKeyUsagePurpose>,
}

/// What of a bundle is changed before it is signed and logged.
pub(super) struct Changes {
    pub(super) statement: fn(&mut Value),
    pub(super) payload_type: &'static str,
    /// The entry of the log.
    pub(super) body: fn(&mut Value),
    /// The signed part of the checkpoint.
    pub(super) note: fn(&mut String),
}

impl Default for Changes {
    fn default() -> Self {
        Self { statement: |_| (), payload_type: "application/vnd.in-toto+json", body: |_| (), note: |_| () }
    }
}

impl Keyless {
    /// A valid one, of a workflow of `acme/policies`.
    pub(super) fn by_workflow(digest: &str) -> Self {
        Self::by_uri(digest, "https://github.com/acme/policies/.github/workflows/release.yml@refs/tags/v1")
    }

    /// A valid one, of a workflow with another URI.
    pub(super) fn by_uri(digest: &str, uri: &str) -> Self {
        Self {
            digest: digest.into(),
            issuer: "https://token.actions.githubusercontent.com".into(),
            subject: SanType::URI(uri.try_into().unwrap()),
            validity: (1_700_000_000, 1_700_000_600),
            logged: 1_700_000_300,
            usage: vec![ExtendedKeyUsagePurpose::CodeSigning],
        }
    }
}

impl Authority {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).unwrap();
        let anchor = webpki::anchor_from_trusted_cert(certificate.der()).unwrap().to_owned();
        let log = KeyPair::generate().unwrap();
        let public = CosignVerificationKey::try_from_der(&log.subject_public_key_info()).unwrap();
        let id = hex::encode(Sha256::digest(log.subject_public_key_info()));
        let trust = Trust { authorities: vec![anchor], rekor: [(id, public)].into() };
        Self { ca: Issuer::new(params, key), log, trust }
    }

    pub(super) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// A signature in tag form.
    pub(super) fn layer(&self, of: &Keyless) -> Layer {
        let (certificate, key) = self.certificate(of);
        let payload = json!({
            "critical": {
                "identity": { "docker-reference": "registry.acme.test/app" },
                "image": { "docker-manifest-digest": of.digest },
                "type": "cosign container image signature",
            },
            "optional": null,
        });
        let payload = payload.to_string().into_bytes();
        let signature = STANDARD.encode(key.sign(&payload).unwrap());
        let body = json!({
            "apiVersion": "0.0.1",
            "kind": "hashedrekord",
            "spec": {
                "data": { "hash": { "algorithm": "sha256", "value": hex::encode(Sha256::digest(&payload)) } },
                "signature": { "content": signature, "publicKey": { "content": STANDARD.encode(certificate.pem()) } },
            },
        });
        let (promise, entry) = self.logged(&body, of.logged);
        let annotations = [
            ("dev.cosignproject.cosign/signature", signature),
            ("dev.sigstore.cosign/certificate", certificate.pem()),
            ("dev.sigstore.cosign/bundle", json!({ "SignedEntryTimestamp": promise, "Payload": entry }).to_string()),
        ];
        layer(payload, annotations.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// The same signature as a bundle.
    pub(super) fn bundle(&self, of: &Keyless) -> Value {
        self.changed_bundle(of, &Changes::default())
    }

    /// The same, wrong in some way before it is signed and logged.
    pub(super) fn changed_bundle(&self, of: &Keyless, changes: &Changes) -> Value {
        let (certificate, key) = self.certificate(of);
        let mut statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "digest": { "sha256": of.digest.strip_prefix("sha256:").unwrap() } }],
            "predicateType": "https://sigstore.dev/cosign/sign/v1",
            "predicate": {},
        });
        (changes.statement)(&mut statement);
        let (payload, payload_type) = (statement.to_string(), changes.payload_type);
        let signed = format!("DSSEv1 {} {payload_type} {} {payload}", payload_type.len(), payload.len());
        let signature = STANDARD.encode(key.sign(signed.as_bytes()).unwrap());
        let payload = STANDARD.encode(payload);
        let envelope = format!(
            r#"{{"payload":"{payload}","payloadType":"{payload_type}","signatures":[{{"sig":"{signature}"}}]}}"#
        );
        let sha256 = |bytes: &[u8]| json!({ "algorithm": "sha256", "value": hex::encode(Sha256::digest(bytes)) });
        let mut body = json!({
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": sha256(envelope.as_bytes()),
                "payloadHash": sha256(&STANDARD.decode(&payload).unwrap()),
                "signatures": [{ "signature": signature, "verifier": STANDARD.encode(certificate.pem()) }],
            },
        });
        (changes.body)(&mut body);
        let (promise, entry) = self.logged(&body, of.logged);
        let log_id = STANDARD.encode(hex::decode(entry["logID"].as_str().unwrap()).unwrap());
        let leaf = STANDARD.decode(entry["body"].as_str().unwrap()).unwrap();
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": { "rawBytes": STANDARD.encode(certificate.der()) },
                "tlogEntries": [{
                    "logIndex": "7",
                    "logId": { "keyId": log_id },
                    "kindVersion": { "kind": "dsse", "version": "0.0.1" },
                    "integratedTime": of.logged.to_string(),
                    "inclusionPromise": { "signedEntryTimestamp": promise },
                    "inclusionProof": self.inclusion(&leaf, changes),
                    "canonicalizedBody": entry["body"],
                }],
            },
            "dsseEnvelope": {
                "payload": payload,
                "payloadType": payload_type,
                "signatures": [{ "sig": signature }],
            },
        })
    }

    /// The proof that `leaf` is the third of five entries. RFC 6962, section 2.1.
    fn inclusion(&self, leaf: &[u8], changes: &Changes) -> Value {
        let of_leaf = |leaf: &[u8]| Sha256::digest([&[0], leaf].concat()).to_vec();
        let of_node = |left: &[u8], right: &[u8]| Sha256::digest([&[1], left, right].concat()).to_vec();
        let others: Vec<Vec<u8>> = (0..4_u8).map(|number| of_leaf(&[number])).collect();
        let first_two = of_node(&others[0], &others[1]);
        let root = of_node(&of_node(&first_two, &of_node(&of_leaf(leaf), &others[2])), &others[3]);
        let mut note = format!("log.acme.test - 1\n5\n{}\n", STANDARD.encode(&root));
        (changes.note)(&mut note);
        let signature = self.log.sign(note.as_bytes()).unwrap();
        let signature = STANDARD.encode([&[1, 2, 3, 4], &signature[..]].concat());
        let hashes = [&others[2], &first_two, &others[3]].map(|hash| STANDARD.encode(hash));
        json!({
            "logIndex": "2",
            "rootHash": STANDARD.encode(&root),
            "treeSize": "5",
            "hashes": hashes,
            "checkpoint": { "envelope": format!("{note}\n\u{2014} log.acme.test {signature}\n") },
        })
    }

    /// The certificate of a signer, for a few minutes.
    fn certificate(&self, of: &Keyless) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![of.subject.clone()];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = of.usage.clone();
        params.not_before = rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(of.validity.0 as u64);
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(of.validity.1 as u64);
        let issuer = of.issuer.clone().into_bytes();
        params.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 57264, 1, 1], issuer)];
        (params.signed_by(&key, &self.ca).unwrap(), key)
    }

    /// An entry of the log and its promise.
    fn logged(&self, body: &Value, time: i64) -> (String, Value) {
        let id = hex::encode(Sha256::digest(self.log.subject_public_key_info()));
        let body = STANDARD.encode(body.to_string());
        // Sorted and without blanks, as the log signs it.
        let signed = format!(r#"{{"body":"{body}","integratedTime":{time},"logID":"{id}","logIndex":7}}"#);
        let promise = STANDARD.encode(self.log.sign(signed.as_bytes()).unwrap());
        (promise, serde_json::from_str(&signed).unwrap())
    }
}

/// A layer in tag form.
pub(super) fn layer(payload: Vec<u8>, annotations: std::collections::BTreeMap<String, String>) -> Layer {
    Layer { descriptor: Descriptor { digest: digest_of(&payload), annotations }, payload: Ok(payload) }
}
