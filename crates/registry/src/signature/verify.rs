//! Fetches the signatures of an image, and the trust root where it is needed, then judges them.

use std::collections::{BTreeMap, HashMap};

use oci_client::Reference;
use oci_client::manifest::{OciDescriptor, OciImageManifest, OciManifest};

use super::error::TrustError;
use super::judge::{Verified, judge};
use super::refusal::Refusal;
use super::stored::{Descriptor, Layer, StoredSignatures, TagForm};
use super::trust::{Trust, TrustRoot};
use super::{bundle, payload};
use crate::client::Registry;
use crate::digest::OciDigest;
use crate::error::{Class, RegistryError};
use policy_verify_model::inspection::{ListedSignature, SignatureForm};
use policy_verify_model::signature::Requirement;

/// Real signed documents and bundles have a few hundred bytes, with a log entry a few thousand.
const MAX_DOCUMENT_BYTES: u64 = 1024 * 1024;

/// Documents and bundles checked for one image.
const MAX_SIGNATURES: usize = 500;

/// Judges signatures of images in registries.
#[derive(Debug, Clone)]
pub struct Verifier {
    registry: Registry,
    trust_root: TrustRoot,
}

/// Why an image is not verified.
#[derive(Debug)]
pub enum VerifyError {
    /// Its signatures are not as required.
    Untrusted(Refusal),
    /// The registry returned an error.
    Registry(RegistryError),
    /// The trust root is needed and unavailable.
    TrustRoot(TrustError),
}

impl VerifyError {
    /// What happened, in kwctl's words where kwctl has some.
    pub fn message(&self) -> String {
        match self {
            Self::Untrusted(refusal) => refusal.text.trim_end().to_owned(),
            Self::Registry(error) => error.to_string(),
            Self::TrustRoot(error) => format!("Error building Sigstore trust root: {error}"),
        }
    }

    /// Reasons of the single signatures, and what to do.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Untrusted(refusal) => {
                let mut lines = refusal.reasons.clone();
                if refusal.bundles_would_do {
                    lines.push("to accept it here, set `acceptBundles: true`".to_owned());
                }
                (!lines.is_empty()).then(|| lines.join("\n"))
            }
            Self::Registry(error) => error.help.clone(),
            Self::TrustRoot(_) => Some("pass a trust root with `--sigstore-trust-config FILE`".to_owned()),
        }
    }
}

impl From<RegistryError> for VerifyError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl Verifier {
    /// Asks through `registry`, and `trust_root` only where a requirement needs it.
    pub fn new(registry: Registry, trust_root: TrustRoot) -> Self {
        Self { registry, trust_root }
    }

    /// Whether the signatures of an image meet all requirements; the digest is that of the manifest they are about.
    pub async fn verify(&self, image: &Reference, wanted: &[Requirement]) -> Result<Verified, VerifyError> {
        let digest = self.registry.digest(image).await?;
        self.verify_manifest(image, &digest, wanted).await
    }

    /// The same for the manifest of this digest, wherever the tag of `image` points now.
    pub async fn verify_manifest(
        &self,
        image: &Reference,
        digest: &OciDigest,
        wanted: &[Requirement],
    ) -> Result<Verified, VerifyError> {
        let trust = if wanted.iter().any(Requirement::needs_trust_root) {
            Some(self.trust_root.get().await.map_err(VerifyError::TrustRoot)?)
        } else {
            // Where it costs nothing, entries of the log are looked at as well, as in policy-server.
            self.trust_root.if_loaded()
        };
        let tag = self.in_tag_form(image, digest).await?;
        let mut stored =
            StoredSignatures { image: image.whole(), digest: digest.to_string(), tag, bundles: Vec::new() };
        let judged = judge_all(&stored, wanted, trust.as_deref());
        let Err(refusal) = judged else { return judged.map_err(VerifyError::Untrusted) };
        // Bundles can only add to the list, so they matter when the others do not suffice.
        match self.bundles(image, digest).await {
            Ok(bundles) => stored.bundles = bundles,
            Err(error) if error.class == Class::Denied && wanted.iter().all(|wanted| !wanted.accepts_bundles) => {
                // A registry that keeps its list of referrers to itself; policy-server only logs it.
                return Err(VerifyError::Untrusted(refusal.with_remarks(vec![error.to_string()])));
            }
            Err(error) => return Err(error.into()),
        }
        judge_all(&stored, wanted, trust.as_deref()).map_err(VerifyError::Untrusted)
    }

    /// The signatures stored with an image, unverified. No trust root is needed.
    pub async fn listed(&self, image: &Reference) -> Result<Vec<ListedSignature>, RegistryError> {
        let digest = self.registry.digest(image).await?;
        let mut listed = Vec::new();
        if let TagForm::Layers(layers) = self.in_tag_form(image, &digest).await? {
            let descriptors = layers.into_iter().map(|layer| layer.descriptor);
            listed.extend(descriptors.map(|Descriptor { digest, annotations }| ListedSignature {
                form: SignatureForm::Tag,
                digest,
                annotations,
            }));
        }
        let bundles = self.bundles(image, &digest).await?;
        listed.extend(bundles.iter().map(|bundle| ListedSignature {
            form: SignatureForm::Bundle,
            digest: OciDigest::of(bundle).to_string(),
            annotations: BTreeMap::new(),
        }));
        Ok(listed)
    }

    /// The manifest that lists the signatures of an image, where there is one.
    pub async fn manifest(&self, image: &Reference) -> Result<Option<OciImageManifest>, RegistryError> {
        let digest = self.registry.digest(image).await?;
        match self.registry.manifest(&signatures_of(image, &digest)).await.map(|fetched| fetched.manifest) {
            Ok(OciManifest::Image(manifest)) => Ok(Some(manifest)),
            Ok(OciManifest::ImageIndex(_)) => Ok(None),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is under the tag `sha256-….sig`.
    async fn in_tag_form(&self, image: &Reference, digest: &OciDigest) -> Result<TagForm, RegistryError> {
        let signatures = signatures_of(image, digest);
        let manifest = match self.registry.manifest(&signatures).await {
            Ok(fetched) => fetched.manifest,
            Err(error) if error.is_not_found() => return Ok(TagForm::Absent),
            Err(error) => return Err(error),
        };
        // policy-server treats an index as no signatures.
        let OciManifest::Image(manifest) = manifest else { return Ok(TagForm::Absent) };
        let unusable = |what: String| Ok(TagForm::Unusable(format!("cannot use `{}`: {what}", signatures.whole())));
        if manifest.layers.is_empty() {
            return unusable("no layers".to_owned());
        }
        if let Some(other) = manifest.layers.iter().find(|layer| layer.media_type != payload::MEDIA_TYPE) {
            let media_type: String = other.media_type.chars().filter(|it| !it.is_control()).take(100).collect();
            return unusable(format!("incompatible layer media type: {media_type}"));
        }
        let mut payloads: HashMap<String, Vec<u8>> = HashMap::new();
        let mut layers = Vec::new();
        for layer in manifest.layers.into_iter().take(MAX_SIGNATURES) {
            // Signatures of one document have one layer each, all of them with the same blob.
            let payload = match payloads.get(&layer.digest) {
                Some(payload) => Ok(payload.clone()),
                None => self.document(&signatures, &layer).await?,
            };
            payloads.extend(payload.clone().map(|payload| (layer.digest.clone(), payload)));
            layers.push(Layer { descriptor: descriptor(layer), payload });
        }
        Ok(TagForm::Layers(layers))
    }

    /// The bundles that refer to a manifest.
    async fn bundles(&self, image: &Reference, digest: &OciDigest) -> Result<Vec<Vec<u8>>, RegistryError> {
        let mut bundles = Vec::new();
        // Some registries drop the artifact type from the list, so each manifest is fetched.
        for entry in self.registry.referrers(image, digest, None).await?.into_iter().take(MAX_SIGNATURES) {
            let referrer = image.clone_with_digest(entry.digest);
            let fetched = match self.registry.manifest(&referrer).await {
                Err(error) if error.is_not_found() => continue,
                fetched => fetched?,
            };
            let OciManifest::Image(manifest) = fetched.manifest else { continue };
            for layer in manifest.layers.iter().filter(|layer| layer.media_type == bundle::MEDIA_TYPE) {
                bundles.extend(self.document(&referrer, layer).await?);
            }
        }
        Ok(bundles)
    }

    /// The blob of a layer, or why it is skipped.
    async fn document(
        &self,
        image: &Reference,
        layer: &OciDescriptor,
    ) -> Result<Result<Vec<u8>, RegistryError>, RegistryError> {
        match self.registry.blob(image, layer, MAX_DOCUMENT_BYTES).await {
            Ok(bytes) => Ok(Ok(bytes)),
            Err(error) if error.class == Class::TooLarge => Ok(Err(error)),
            Err(error) => Err(error),
        }
    }
}

/// Where cosign keeps the signatures of an image.
fn signatures_of(image: &Reference, digest: &OciDigest) -> Reference {
    let tag = format!("{}-{}.sig", digest.algorithm(), digest.hex());
    Reference::with_tag(image.registry().to_owned(), image.repository().to_owned(), tag)
}

fn judge_all(stored: &StoredSignatures, wanted: &[Requirement], trust: Option<&Trust>) -> Result<Verified, Refusal> {
    let mut verified = Verified { digest: stored.digest.clone(), rests_on_bundles: false };
    for wanted in wanted {
        verified.rests_on_bundles |= judge(stored, wanted, trust)?.rests_on_bundles;
    }
    Ok(verified)
}

fn descriptor(layer: OciDescriptor) -> Descriptor {
    Descriptor { digest: layer.digest, annotations: layer.annotations.unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::super::authority::stored;
    use super::super::testing::{serve, text};
    use super::*;
    use crate::network::wait;
    use crate::testing::{FakeRegistry, OCI_MANIFEST, Reaction, Reply};
    use policy_verify_model::signature::{SignedBy, Signer};
    use serde_json::{Value, json};

    const MISSING: &str =
        "Image verification failed: missing signatures\nThe following constraints were not satisfied:\n";

    fn key(name: &str) -> Requirement {
        let key = text(&format!("keys/{name}.pub"));
        Requirement::all_of(vec![Signer { by: SignedBy::PublicKey { owner: None, key }, annotations: None }])
    }

    fn workflow() -> Requirement {
        let by = SignedBy::GithubAction { owner: "acme".into(), repo: Some("policies".into()) };
        Requirement::all_of(vec![Signer { by, annotations: None }])
    }

    fn verifier(fake: &FakeRegistry) -> Verifier {
        let trust = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/signatures/keyless/trust-config.json");
        Verifier::new(fake.client("{}"), TrustRoot::from_file(trust.as_ref()).unwrap())
    }

    fn ask(fake: &FakeRegistry, image: &str, wanted: &[Requirement]) -> Result<Verified, VerifyError> {
        let image: Reference = format!("{}/signed/{image}:v1", fake.host()).parse().unwrap();
        wait(verifier(fake).verify(&image, wanted))
    }

    fn refusal(result: Result<Verified, VerifyError>) -> Refusal {
        match result {
            Err(VerifyError::Untrusted(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    }

    fn registry_error(result: Result<Verified, VerifyError>) -> String {
        match result {
            Err(VerifyError::Registry(error)) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// The manifest with signatures of an image, and its tag.
    fn signatures(fake: &FakeRegistry, image: &str) -> (String, Value) {
        let tag = format!("{}.sig", stored(image).digest.replace(':', "-"));
        let manifest = fake.manifest(&format!("signed/{image}"), &tag).unwrap();
        (tag, serde_json::from_slice(&manifest).unwrap())
    }

    #[test]
    fn verification_needs_three_requests() {
        let fake = FakeRegistry::start();
        serve(&fake, "by-key");
        let verified = ask(&fake, "by-key", &[key("owner")]).unwrap();
        assert_eq!(verified, Verified { digest: stored("by-key").digest, rests_on_bundles: false });
        let asked: Vec<String> = fake.seen().iter().map(|seen| seen.method.clone()).collect();
        assert_eq!(asked.iter().filter(|method| *method == "HEAD" || *method == "GET").count(), asked.len());
        assert_eq!(
            (fake.count("GET", ".sig"), fake.count("GET", "/blobs/"), fake.count("GET", "/referrers/")),
            (1, 1, 0)
        );
    }

    #[test]
    fn several_requirements_all_hold() {
        let fake = FakeRegistry::start();
        serve(&fake, "annotated");
        serve(&fake, "keyless");
        assert!(ask(&fake, "annotated", &[key("owner"), key("somebody-else")]).is_ok());
        assert!(refusal(ask(&fake, "annotated", &[key("owner"), workflow()])).text.contains("kind: githubAction"));
        assert!(ask(&fake, "keyless", &[workflow()]).is_ok());
        // Two signatures of one document are one blob.
        assert_eq!(fake.count("GET", "/signed/keyless/blobs/"), 1);
    }

    #[test]
    fn bundles_are_fetched_if_the_tag_does_not_suffice() {
        let fake = FakeRegistry::start();
        serve(&fake, "bundle");
        let refused = refusal(ask(&fake, "bundle", &[key("owner")]));
        assert!(refused.bundles_would_do);
        assert!(refused.text.starts_with(MISSING), "{}", refused.text);
        let accepting = Requirement { accepts_bundles: true, ..key("owner") };
        assert!(ask(&fake, "bundle", std::slice::from_ref(&accepting)).unwrap().rests_on_bundles);
        // A registry without a list of referrers.
        fake.rule(|seen| match seen.path.contains("/referrers/") || seen.path.ends_with("-index") {
            true => Reply::new(403, "").into(),
            false => Reaction::Usual,
        });
        assert!(!refusal(ask(&fake, "bundle", &[key("owner")])).bundles_would_do);
        assert!(registry_error(ask(&fake, "bundle", &[accepting])).contains("list the referrers of"));
    }

    #[test]
    fn missing_signatures_are_refused() {
        let fake = FakeRegistry::start();
        serve(&fake, "not-at-all");
        let refused = refusal(ask(&fake, "not-at-all", &[key("owner")]));
        assert!(refused.text.starts_with(MISSING), "{}", refused.text);
        assert_eq!(refused.reasons, ["the image is not signed"]);
        assert!(registry_error(ask(&fake, "nowhere", &[key("owner")])).contains("signed/nowhere:v1"));
    }

    #[test]
    fn tags_without_signatures_are_no_signatures() {
        for (change, text) in [
            (("/layers/0/mediaType", json!("text/plain")), "incompatible layer media type: text/plain"),
            (("/layers", json!([])), "no layers"),
        ] {
            let fake = FakeRegistry::start();
            serve(&fake, "by-key");
            let (tag, mut manifest) = signatures(&fake, "by-key");
            *manifest.pointer_mut(change.0).unwrap() = change.1;
            fake.add_manifest("signed/by-key", &tag, OCI_MANIFEST, manifest.to_string().as_bytes());
            let refused = refusal(ask(&fake, "by-key", &[key("owner")]));
            assert!(refused.text.starts_with(MISSING), "{}", refused.text);
            assert_eq!(refused.reasons, [format!("cannot use `{}/signed/by-key:{tag}`: {text}", fake.host())]);
        }
        let fake = FakeRegistry::start();
        serve(&fake, "by-key");
        let (tag, _) = signatures(&fake, "by-key");
        let index = br#"{"schemaVersion":2,"manifests":[]}"#;
        fake.add_manifest("signed/by-key", &tag, "application/vnd.oci.image.index.v1+json", index);
        assert!(refusal(ask(&fake, "by-key", &[key("owner")])).text.starts_with(MISSING));
    }

    #[test]
    fn documents_are_bounded_and_checked() {
        let fake = FakeRegistry::start();
        serve(&fake, "by-key");
        let (tag, good) = signatures(&fake, "by-key");
        let with = |pointer: &str, value: Value| {
            let mut manifest = good.clone();
            *manifest.pointer_mut(pointer).unwrap() = value;
            fake.add_manifest("signed/by-key", &tag, OCI_MANIFEST, manifest.to_string().as_bytes());
        };
        // A document above the limit is not fetched, whatever its real size.
        with("/layers/0/size", json!(2 << 20));
        let refused = refusal(ask(&fake, "by-key", &[key("owner")]));
        assert!(refused.reasons[0].contains("signed document skipped: "), "{:?}", refused.reasons);
        assert_eq!(fake.count("GET", "/blobs/"), 0);
        // A digest mismatch of the blob is an error of the registry.
        let other = fake.add_blob("signed/by-key", b"{}");
        with("/layers/0/digest", json!(other.replace(|it: char| it.is_ascii_digit(), "0")));
        assert!(registry_error(ask(&fake, "by-key", &[key("owner")])).contains("fetch a layer"));
    }

    #[test]
    fn a_failing_registry_is_not_a_missing_signature() {
        let fake = FakeRegistry::start();
        serve(&fake, "by-key");
        for part in ["/manifests/v1", ".sig", "/blobs/"] {
            fake.rule(move |seen| match seen.path.contains(part) {
                true => Reply::new(403, "").into(),
                false => Reaction::Usual,
            });
            registry_error(ask(&fake, "by-key", &[key("owner")]));
        }
    }

    #[test]
    fn a_manifest_is_verified_by_digest_after_its_tag_moved() {
        let fake = FakeRegistry::start();
        serve(&fake, "by-key");
        let image: Reference = format!("{}/signed/by-key:v1", fake.host()).parse().unwrap();
        fake.add_policy("signed/by-key", "v1", b"\0asm\x01\0\0\0");
        assert!(refusal(ask(&fake, "by-key", &[key("owner")])).text.starts_with(MISSING));
        let signed = stored("by-key").digest.parse().unwrap();
        let verified = wait(verifier(&fake).verify_manifest(&image, &signed, &[key("owner")])).unwrap();
        assert_eq!(verified.digest, signed.as_str());
    }

    #[test]
    fn errors_have_help() {
        let fake = FakeRegistry::start();
        serve(&fake, "bundle");
        serve(&fake, "by-key");
        let error = ask(&fake, "bundle", &[key("owner")]).unwrap_err();
        assert!(error.message().starts_with(MISSING.trim_end()), "{}", error.message());
        let help = error.help().unwrap();
        assert!(help.contains("Kubewarden would not accept it"), "{help}");
        assert!(help.ends_with("\nto accept it here, set `acceptBundles: true`"), "{help}");
        let error = ask(&fake, "by-key", &[key("somebody-else")]).unwrap_err();
        assert!(error.message().starts_with("Image verification failed: missing signatures\n"));
        assert_eq!(error.help().as_deref(), Some("signature 1: signed with another key"));
        let error = VerifyError::TrustRoot(TrustError::NoTrustedRoot);
        assert!(error.help().unwrap().contains("--sigstore-trust-config"));
    }

    #[test]
    fn a_trust_configuration_is_checked_when_it_is_passed() {
        let error = TrustRoot::from_file("no-such-file.json".as_ref()).unwrap_err();
        assert!(error.message.starts_with("invalid trust configuration `no-such-file.json`: "), "{error}");
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        assert!(TrustRoot::from_file(manifest.as_ref()).is_err());
        assert!(TrustRoot::default().if_loaded().is_none());
    }
}
