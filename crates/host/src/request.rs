//! A host call, in the words of kwctl's recordings.
//!
//! Guests ask by namespace and operation, and two operations may ask the same question (`v1/verify` and `v2/verify`).
//! kwctl records the question, so recordings and tables are compared with that. The structs stand with their namespace
//! and are named like the tags of the recording: their `Debug` text is what kwctl prints when a replay goes wrong.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::crypto::CryptoIsCertificateTrusted;
use super::kubernetes::{
    KubernetesCanI, KubernetesGetResource, KubernetesListResourceAll, KubernetesListResourceNamespace,
};
use super::net::DNSLookupHost;
use super::oci::{
    OciManifest, OciManifestAndConfig, OciManifestDigest, SigstoreCertificateVerify, SigstoreGithubActionsVerify,
    SigstoreKeylessPrefixVerify, SigstoreKeylessVerify, SigstorePubKeyVerify,
};
use super::rego::{HasKubernetesListResourceAllResultChangedSinceInstant, KubernetesGetResourcePluralName};
use policy_verify_model::hosting::PLURAL_NAME;

/// The tags of recorded requests, in alphabetical order.
pub(super) const TAGS: [&str; 16] = [
    "CryptoIsCertificateTrusted",
    "DNSLookupHost",
    "HasKubernetesListResourceAllResultChangedSinceInstant",
    "KubernetesCanI",
    "KubernetesGetResource",
    "KubernetesGetResourcePluralName",
    "KubernetesListResourceAll",
    "KubernetesListResourceNamespace",
    "OciManifest",
    "OciManifestAndConfig",
    "OciManifestDigest",
    "SigstoreCertificateVerify",
    "SigstoreGithubActionsVerify",
    "SigstoreKeylessPrefixVerify",
    "SigstoreKeylessVerify",
    "SigstorePubKeyVerify",
];

/// What a guest asks its host.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// `oci/v1/manifest_digest`
    OciManifestDigest(OciManifestDigest),
    /// `oci/v1/oci_manifest`
    OciManifest(OciManifest),
    /// `oci/v1/oci_manifest_config`
    OciManifestAndConfig(OciManifestAndConfig),
    /// `oci/v1/verify`, `oci/v2/verify`
    SigstorePubKeyVerify(SigstorePubKeyVerify),
    /// `oci/v1/verify`, `oci/v2/verify`
    SigstoreKeylessVerify(SigstoreKeylessVerify),
    /// `oci/v2/verify`
    SigstoreKeylessPrefixVerify(SigstoreKeylessPrefixVerify),
    /// `oci/v2/verify`
    SigstoreGithubActionsVerify(SigstoreGithubActionsVerify),
    /// `oci/v2/verify`
    SigstoreCertificateVerify(SigstoreCertificateVerify),
    /// `net/v1/dns_lookup_host`
    DNSLookupHost(DNSLookupHost),
    /// `crypto/v1/is_certificate_trusted`
    CryptoIsCertificateTrusted(CryptoIsCertificateTrusted),
    /// `kubernetes/list_resources_by_namespace`
    KubernetesListResourceNamespace(KubernetesListResourceNamespace),
    /// `kubernetes/list_resources_all`, and what Rego policies are given
    KubernetesListResourceAll(KubernetesListResourceAll),
    /// `kubernetes/get_resource`
    KubernetesGetResource(KubernetesGetResource),
    /// `kubernetes/can_i`
    KubernetesCanI(KubernetesCanI),
    /// Asked by the host itself on behalf of OPA policies.
    KubernetesGetResourcePluralName(KubernetesGetResourcePluralName),
    /// Asked by the host itself on behalf of Gatekeeper policies.
    HasKubernetesListResourceAllResultChangedSinceInstant(HasKubernetesListResourceAllResultChangedSinceInstant),
}

impl Request {
    /// The full name of the capability that asks this; for questions with two names, the newer one.
    pub fn capability(&self) -> &'static str {
        match self {
            Self::OciManifestDigest(_) => "oci/v1/manifest_digest",
            Self::OciManifest(_) => "oci/v1/oci_manifest",
            Self::OciManifestAndConfig(_) => "oci/v1/oci_manifest_config",
            Self::SigstorePubKeyVerify(_)
            | Self::SigstoreKeylessVerify(_)
            | Self::SigstoreKeylessPrefixVerify(_)
            | Self::SigstoreGithubActionsVerify(_)
            | Self::SigstoreCertificateVerify(_) => "oci/v2/verify",
            Self::DNSLookupHost(_) => "net/v1/dns_lookup_host",
            Self::CryptoIsCertificateTrusted(_) => "crypto/v1/is_certificate_trusted",
            Self::KubernetesListResourceNamespace(_) => "kubernetes/list_resources_by_namespace",
            Self::KubernetesListResourceAll(_) | Self::HasKubernetesListResourceAllResultChangedSinceInstant(_) => {
                "kubernetes/list_resources_all"
            }
            Self::KubernetesGetResource(_) => "kubernetes/get_resource",
            Self::KubernetesCanI(_) => "kubernetes/can_i",
            Self::KubernetesGetResourcePluralName(_) => PLURAL_NAME,
        }
    }

    /// What is asked, in one line: the key in `host:` tables and the text in reports.
    pub fn short(&self) -> String {
        match self {
            Self::OciManifestDigest(asked) => asked.image.clone(),
            Self::OciManifest(asked) => asked.image.clone(),
            Self::OciManifestAndConfig(asked) => asked.image.clone(),
            Self::SigstorePubKeyVerify(asked) => asked.image.clone(),
            Self::SigstoreKeylessVerify(asked) => asked.image.clone(),
            Self::SigstoreKeylessPrefixVerify(asked) => asked.image.clone(),
            Self::SigstoreGithubActionsVerify(asked) => asked.image.clone(),
            Self::SigstoreCertificateVerify(asked) => asked.image.clone(),
            Self::DNSLookupHost(asked) => asked.host.clone(),
            Self::CryptoIsCertificateTrusted(asked) => asked.short(),
            Self::KubernetesListResourceNamespace(asked) => asked.short(),
            Self::KubernetesListResourceAll(asked) => asked.short(),
            Self::KubernetesGetResource(asked) => asked.short(),
            Self::KubernetesCanI(asked) => asked.short(),
            Self::KubernetesGetResourcePluralName(asked) => asked.short(),
            Self::HasKubernetesListResourceAllResultChangedSinceInstant(asked) => asked.short(),
        }
    }

    /// Tag and members as recordings hold them.
    pub(super) fn to_recorded(&self) -> (String, Value) {
        let tagged = serde_json::to_value(self).expect("a request holds only texts, numbers, lists and maps of texts");
        match tagged {
            Value::Object(tagged) => tagged.into_iter().next().expect("an enum is written as one tag and its members"),
            other => unreachable!("an enum of structs is never written as {other}"),
        }
    }

    /// The opposite of [`Request::to_recorded`].
    pub fn from_recorded(tag: &str, members: &Value) -> Option<Self> {
        serde_json::from_value(Value::Object(Map::from_iter([(tag.to_owned(), members.clone())]))).ok()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OciManifestDigest(asked) => asked.fmt(f),
            Self::OciManifest(asked) => asked.fmt(f),
            Self::OciManifestAndConfig(asked) => asked.fmt(f),
            Self::SigstorePubKeyVerify(asked) => asked.fmt(f),
            Self::SigstoreKeylessVerify(asked) => asked.fmt(f),
            Self::SigstoreKeylessPrefixVerify(asked) => asked.fmt(f),
            Self::SigstoreGithubActionsVerify(asked) => asked.fmt(f),
            Self::SigstoreCertificateVerify(asked) => asked.fmt(f),
            Self::DNSLookupHost(asked) => asked.fmt(f),
            Self::CryptoIsCertificateTrusted(asked) => asked.fmt(f),
            Self::KubernetesListResourceNamespace(asked) => asked.fmt(f),
            Self::KubernetesListResourceAll(asked) => asked.fmt(f),
            Self::KubernetesGetResource(asked) => asked.fmt(f),
            Self::KubernetesCanI(asked) => asked.fmt(f),
            Self::KubernetesGetResourcePluralName(asked) => asked.fmt(f),
            Self::HasKubernetesListResourceAllResultChangedSinceInstant(asked) => asked.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_request_survives_the_words_of_a_recording() {
        let request = Request::DNSLookupHost(DNSLookupHost { host: "registry.acme.test".into() });
        let (tag, members) = request.to_recorded();
        assert_eq!((tag.as_str(), &members), ("DNSLookupHost", &json!({"host": "registry.acme.test"})));
        assert_eq!(Request::from_recorded(&tag, &members), Some(request));
        assert_eq!(Request::from_recorded("DNSLookupHost", &json!({})), None);
    }

    #[test]
    fn the_debug_text_is_kwctls() {
        let request = Request::OciManifestDigest(OciManifestDigest { image: "ghcr.io/acme/app:1".into() });
        assert_eq!(format!("{request:?}"), r#"OciManifestDigest { image: "ghcr.io/acme/app:1" }"#);
    }

    #[test]
    fn the_list_of_tags_is_that_of_the_enum() {
        let error = serde_json::from_value::<Request>(json!({"Nonsense": {}})).unwrap_err().to_string();
        for tag in TAGS {
            assert!(error.contains(&format!("`{tag}`")), "{tag} is not a variant: {error}");
        }
        assert_eq!(error.matches('`').count(), 2 * (TAGS.len() + 1), "{error}");
    }
}
