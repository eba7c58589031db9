//! `oci`: digests, manifests and signatures of images.
//!
//! The short form of a request is the image as the policy wrote it; nothing is added to it, so `nginx` and
//! `docker.io/library/nginx:latest` are two different requests, as they are in a recording.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Payload;

/// The digest of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OciManifestDigest {
    /// The image as the policy wrote it.
    pub image: String,
}

/// A manifest or index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OciManifest {
    /// The image as the policy wrote it.
    pub image: String,
}

/// A manifest, its digest and the configuration of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OciManifestAndConfig {
    /// The image as the policy wrote it.
    pub image: String,
}

/// Signatures by public keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigstorePubKeyVerify {
    /// The image as the policy wrote it.
    pub image: String,
    /// Public keys in PEM; each must have signed.
    pub pub_keys: Vec<String>,
    /// Annotations that each signature must have.
    pub annotations: Option<BTreeMap<String, String>>,
}

/// Keyless signatures by exact subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigstoreKeylessVerify {
    /// The image as the policy wrote it.
    pub image: String,
    /// Identities; each must have signed.
    pub keyless: Vec<KeylessInfo>,
    /// Annotations that each signature must have.
    pub annotations: Option<BTreeMap<String, String>>,
}

/// Keyless signatures by prefix of the subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigstoreKeylessPrefixVerify {
    /// The image as the policy wrote it.
    pub image: String,
    /// Identities by the beginning of their URL; each must have signed.
    pub keyless_prefix: Vec<KeylessPrefixInfo>,
    /// Annotations that each signature must have.
    pub annotations: Option<BTreeMap<String, String>>,
}

/// Keyless signatures made by GitHub Actions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigstoreGithubActionsVerify {
    /// The image as the policy wrote it.
    pub image: String,
    /// Owner of the repositories on GitHub.
    pub owner: String,
    /// Repository; none means any of the owner.
    pub repo: Option<String>,
    /// Annotations that each signature must have.
    pub annotations: Option<BTreeMap<String, String>>,
}

/// Signatures by a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigstoreCertificateVerify {
    /// The image as the policy wrote it.
    pub image: String,
    /// The certificate in PEM.
    pub certificate: Vec<u8>,
    /// Its chain in PEM.
    pub certificate_chain: Option<Vec<Vec<u8>>>,
    /// Whether there must be a proof of the transparency log.
    pub require_rekor_bundle: bool,
    /// Annotations that each signature must have.
    pub annotations: Option<BTreeMap<String, String>>,
}

/// Who signed, exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeylessInfo {
    /// Who vouches for the identity, an URL.
    pub issuer: String,
    /// The identity.
    pub subject: String,
}

/// Who signed, by prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeylessPrefixInfo {
    /// Who vouches for the identity, an URL.
    pub issuer: String,
    /// What the URL of the identity begins with.
    pub url_prefix: String,
}

impl Payload for OciManifestDigest {
    fn short(&self) -> String {
        self.image.clone()
    }
}

impl Payload for OciManifest {
    fn short(&self) -> String {
        self.image.clone()
    }
}

impl Payload for OciManifestAndConfig {
    fn short(&self) -> String {
        self.image.clone()
    }
}

impl Payload for SigstorePubKeyVerify {
    fn short(&self) -> String {
        self.image.clone()
    }
}

impl Payload for SigstoreKeylessVerify {
    fn short(&self) -> String {
        self.image.clone()
    }
}

impl Payload for SigstoreKeylessPrefixVerify {
    fn short(&self) -> String {
        self.image.clone()
    }
}

impl Payload for SigstoreGithubActionsVerify {
    fn short(&self) -> String {
        self.image.clone()
    }
}

impl Payload for SigstoreCertificateVerify {
    fn short(&self) -> String {
        self.image.clone()
    }
}

/// The reply for an image whose signatures meet the request.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// Whether the image is signed as required.
    pub is_trusted: bool,
    /// Digest of the manifest.
    pub digest: String,
}
