//! A host call, as kwctl's recordings write it.
//!
//! Guests call by namespace and operation, and two operations may make the same request (`v1/verify` and `v2/verify`).
//! kwctl records the request, so recordings and tables are compared with that.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::wire::Payload;
use super::wire::crypto::CryptoIsCertificateTrusted;
use super::wire::kubernetes::{
    KubernetesCanI, KubernetesGetResource, KubernetesListResourceAll, KubernetesListResourceNamespace,
};
use super::wire::net::DNSLookupHost;
use super::wire::oci::{
    OciManifest, OciManifestAndConfig, OciManifestDigest, SigstoreCertificateVerify, SigstoreGithubActionsVerify,
    SigstoreKeylessPrefixVerify, SigstoreKeylessVerify, SigstorePubKeyVerify,
};
use super::wire::rego::{HasKubernetesListResourceAllResultChangedSinceInstant, KubernetesGetResourcePluralName};
use policy_verify_model::hosting::PLURAL_NAME;

/// Makes the enum of all requests from a table: the payload, which is also the tag in recordings, and the capability that
/// sends it; where two capabilities send the same request, the newer one.
macro_rules! requests {
    ($($payload:ident => $capability:expr,)*) => {
        /// A request to the host.
        #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Request {
            $(#[doc = concat!("See [`", stringify!($payload), "`].")] $payload($payload),)*
        }

        /// The tags of recorded requests.
        pub(super) const TAGS: &[&str] = &[$(stringify!($payload)),*];

        impl Request {
            /// The full name of the capability.
            pub fn capability(&self) -> &'static str {
                match self {
                    $(Self::$payload(_) => $capability,)*
                }
            }

            fn payload(&self) -> &dyn Payload {
                match self {
                    $(Self::$payload(payload) => payload,)*
                }
            }
        }

        $(impl From<$payload> for Request {
            fn from(payload: $payload) -> Self {
                Self::$payload(payload)
            }
        })*
    };
}

requests! {
    CryptoIsCertificateTrusted => "crypto/v1/is_certificate_trusted",
    DNSLookupHost => "net/v1/dns_lookup_host",
    HasKubernetesListResourceAllResultChangedSinceInstant => "kubernetes/list_resources_all",
    KubernetesCanI => "kubernetes/can_i",
    KubernetesGetResource => "kubernetes/get_resource",
    KubernetesGetResourcePluralName => PLURAL_NAME,
    KubernetesListResourceAll => "kubernetes/list_resources_all",
    KubernetesListResourceNamespace => "kubernetes/list_resources_by_namespace",
    OciManifest => "oci/v1/oci_manifest",
    OciManifestAndConfig => "oci/v1/oci_manifest_config",
    OciManifestDigest => "oci/v1/manifest_digest",
    SigstoreCertificateVerify => "oci/v2/verify",
    SigstoreGithubActionsVerify => "oci/v2/verify",
    SigstoreKeylessPrefixVerify => "oci/v2/verify",
    SigstoreKeylessVerify => "oci/v2/verify",
    SigstorePubKeyVerify => "oci/v2/verify",
}

impl Request {
    /// The request in one line: the key in `host:` tables and the text in reports.
    pub fn short(&self) -> String {
        self.payload().short()
    }

    /// Tag and members as recordings hold them.
    pub(super) fn to_recorded(&self) -> (String, Value) {
        let tagged = serde_json::to_value(self).expect("a request holds only texts, numbers, lists and maps of texts");
        match tagged {
            Value::Object(tagged) => tagged.into_iter().next().expect("an enum is written as one tag and its members"),
            other => unreachable!("an enum of structs is never written as {other}"),
        }
    }

    /// The opposite of `Request::to_recorded`.
    pub fn from_recorded(tag: &str, members: &Value) -> Option<Self> {
        serde_json::from_value(Value::Object(Map::from_iter([(tag.to_owned(), members.clone())]))).ok()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.payload().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_recorded_request_is_read_back() {
        let request = Request::DNSLookupHost(DNSLookupHost { host: "registry.acme.test".into() });
        let (tag, members) = request.to_recorded();
        assert_eq!((tag.as_str(), &members), ("DNSLookupHost", &json!({"host": "registry.acme.test"})));
        assert_eq!(Request::from_recorded(&tag, &members), Some(request));
        assert_eq!(Request::from_recorded("DNSLookupHost", &json!({})), None);
    }

    #[test]
    fn the_debug_text_is_that_of_kwctl() {
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
