//! Digests, manifests, configurations and signatures of images, from their registries.
//!
//! Manifests are written anew from the types of `oci-client`, as policy-server does: members it does not know are lost.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use oci_client::Reference;
use serde_json::{Value, json};

use policy_verify_host::live::{LiveFailure, LiveReply};

use super::signatures;
use policy_verify_host::reply::to_bytes;
use policy_verify_host::request::Request;
use policy_verify_host::wire::oci::Verification;
use policy_verify_model::signature::Requirement;
use policy_verify_registry::Registry;
use policy_verify_registry::error::{Class, RegistryError};
use policy_verify_registry::signature::{Refusal, TrustRoot, Verifier, VerifyError};

/// Cached replies. Further requests go to the registry each time.
const MAX_CACHED: usize = 1000;

/// The remark on an image with a bundle that does not count in Kubewarden.
const ONLY_A_BUNDLE: &str = "only a Sigstore bundle satisfies this, and Kubewarden does not count it: sign with `cosign \
                             sign --new-bundle-format=false --use-signing-config=false`";

/// Registries, and their replies. policy-server caches successful replies for a minute; here they last for the run.
pub(super) struct Images {
    registry: Registry,
    verifier: Verifier,
    /// By request.
    cache: Mutex<HashMap<String, Vec<u8>>>,
}

impl Images {
    pub(super) fn new(registry: Registry, trust_root: TrustRoot) -> Self {
        Self { verifier: Verifier::new(registry.clone(), trust_root), registry, cache: Mutex::default() }
    }

    /// The reply to a request about an image, from the cache or its registry.
    pub(super) async fn reply(&self, request: &Request) -> LiveReply {
        let key = serde_json::to_string(request).map_err(|error| LiveFailure::Refused(error.to_string()))?;
        if let Some(reply) = self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(reply.clone());
        }
        let reply = self.fetch(request).await?;
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() < MAX_CACHED {
            cache.insert(key, reply.clone());
        }
        Ok(reply)
    }

    async fn fetch(&self, request: &Request) -> LiveReply {
        let wanted = signatures::requirement(request).transpose()?;
        let image: Reference = request.short().parse().map_err(|error| LiveFailure::Refused(format!("{error}")))?;
        Ok(match (wanted, request) {
            (Some(wanted), _) => to_bytes(&self.verify(&image, wanted).await?),
            (None, Request::OciManifestDigest(_)) => {
                let digest = self.registry.digest(&image).await.map_err(failure)?;
                to_bytes(&json!({ "digest": digest.as_str() }))
            }
            (None, Request::OciManifest(_)) => {
                to_bytes(&self.registry.manifest(&image).await.map_err(failure)?.manifest)
            }
            (None, _) => {
                let image = self.registry.manifest_with_config(&image).await.map_err(failure)?;
                let config: Value = serde_json::from_slice(&image.config).map_err(|error| {
                    LiveFailure::Refused(format!("the configuration of the image is no JSON: {error}"))
                })?;
                to_bytes(&ManifestAndConfig { manifest: image.manifest, digest: image.digest.as_str(), config })
            }
        })
    }

    /// Only signatures that Kubewarden counts do.
    async fn verify(&self, image: &Reference, wanted: Requirement) -> Result<Verification, LiveFailure> {
        match self.verifier.verify(image, &[wanted]).await {
            Ok(verified) => Ok(Verification { is_trusted: true, digest: verified.digest }),
            Err(VerifyError::Untrusted(Refusal { text, bundles_would_do: true, .. })) => {
                Err(LiveFailure::Unseen { text, remark: ONLY_A_BUNDLE.to_owned() })
            }
            Err(VerifyError::Untrusted(refusal)) => Err(LiveFailure::Refused(refusal.text)),
            Err(VerifyError::Registry(error)) => Err(failure(error)),
            Err(error) => Err(LiveFailure::Outage { text: error.message(), help: error.help() }),
        }
    }
}

/// The members in the server's order.
#[derive(serde::Serialize)]
struct ManifestAndConfig<'a> {
    manifest: oci_client::manifest::OciImageManifest,
    digest: &'a str,
    config: Value,
}

/// A refusal of a registry is a reply; an unreachable registry, or broken credentials, are an outage.
fn failure(error: RegistryError) -> LiveFailure {
    match error.class {
        Class::NotFound | Class::Denied | Class::WrongContent | Class::TooLarge => {
            LiveFailure::Refused(error.to_string())
        }
        Class::Credentials
        | Class::Unreachable
        | Class::TimedOut
        | Class::Unavailable
        | Class::Refused
        | Class::Offline => LiveFailure::Outage { text: error.to_string(), help: error.help },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy_verify_registry::testing::FakeRegistry;

    const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";

    fn ask(images: &Images, tag: &str, image: &str) -> Result<Value, String> {
        let request = Request::from_recorded(tag, &json!({ "image": image })).unwrap();
        match policy_verify_registry::network::wait(images.reply(&request)) {
            Ok(reply) => Ok(serde_json::from_slice(&reply).unwrap()),
            Err(LiveFailure::Refused(text) | LiveFailure::Unseen { text, .. }) => Err(text),
            Err(LiveFailure::Outage { text, .. }) => Err(format!("outage: {text}")),
        }
    }

    #[test]
    fn replies_about_images_match_policy_server() {
        let server = FakeRegistry::start();
        let config = br#"{"os":"linux","zeta":1,"architecture":"amd64"}"#;
        let config_digest = server.add_blob("acme/web", config);
        let image = json!({"schemaVersion": 2, "mediaType": IMAGE, "unknown": 1, "layers": [],
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config_digest, "size": config.len()},
            "annotations": {"a": "b"}});
        let digest = server.add_manifest("acme/web", "1", IMAGE, image.to_string().as_bytes());
        let platform = json!({"os": std::env::consts::OS, "architecture": match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        }});
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
            {"mediaType": IMAGE, "digest": digest, "size": image.to_string().len(), "platform": platform}]});
        server.add_manifest("acme/web", "all", INDEX, index.to_string().as_bytes());
        let images = Images::new(server.client("{}"), TrustRoot::default());
        let [one, all] = ["1", "all"].map(|tag| format!("{}/acme/web:{tag}", server.host()));
        assert_eq!(ask(&images, "OciManifestDigest", &one), Ok(json!({ "digest": digest })));
        let mut known = image.clone();
        known.as_object_mut().unwrap().remove("unknown");
        assert_eq!(ask(&images, "OciManifest", &one), Ok(known.clone()));
        assert_eq!(ask(&images, "OciManifest", &all).unwrap()["manifests"][0]["digest"], digest.as_str());
        let config: Value = serde_json::from_slice(config).unwrap();
        let whole = json!({"manifest": known, "digest": digest, "config": config});
        assert_eq!(ask(&images, "OciManifestAndConfig", &one), Ok(whole.clone()));
        assert_eq!(ask(&images, "OciManifestAndConfig", &all), Ok(whole));
        let before = server.seen().len();
        assert!(ask(&images, "OciManifest", &one).is_ok());
        assert_eq!(server.seen().len(), before, "a registry is asked once");
    }

    #[test]
    fn a_refusal_is_a_reply_and_an_unreachable_registry_an_outage() {
        let server = FakeRegistry::start();
        let images = Images::new(server.client("{}"), TrustRoot::default());
        let missing = ask(&images, "OciManifest", &format!("{}/acme/none:1", server.host())).unwrap_err();
        assert!(missing.starts_with("cannot fetch the manifest of `registry://"), "{missing}");
        let prefixed = ask(&images, "OciManifestDigest", "registry://ghcr.io/acme/web:1").unwrap_err();
        assert_eq!(prefixed, "invalid reference format");
        let unreachable = ask(&images, "OciManifestDigest", "127.0.0.1:1/acme/web:1").unwrap_err();
        assert!(unreachable.starts_with("outage: cannot look up `registry://127.0.0.1:1/acme/web:1`"), "{unreachable}");
    }
}
