//! Policies in registries: a manifest whose layers are WebAssembly modules, and the first of them.

use oci_client::Reference;
use oci_client::client::current_platform_resolver;
use oci_client::manifest::{OciDescriptor, OciImageManifest, OciManifest, WASM_LAYER_MEDIA_TYPE};

use super::digest::OciDigest;
use super::error::{Class, Failure, RegistryError, Stage};
use super::manifest::{bounded, no_platform};
use super::{MOST_OF_A_MODULE, Registry, uri};

/// A policy as a registry has it.
#[derive(Debug, Clone)]
pub(crate) struct PulledPolicy {
    /// Its manifest.
    pub(crate) manifest: OciImageManifest,
    /// The digest of the manifest: what `@sha256:…` of an immutable reference is.
    pub(crate) digest: OciDigest,
    /// The module, of the digest its layer names.
    pub(crate) module: Vec<u8>,
}

/// What a manifest says about the module of a policy.
#[derive(Debug, Clone)]
pub(crate) enum Lead {
    /// It is this layer.
    Layer(OciDescriptor),
    /// Another manifest knows, the one for this machine's platform.
    Manifest(OciDigest),
}

impl Registry {
    /// The manifest of a policy, checked to hold a module, and the descriptor of the module.
    pub(crate) async fn policy_manifest(
        &self,
        image: &Reference,
    ) -> Result<(OciImageManifest, OciDigest, OciDescriptor), RegistryError> {
        let fetched = async {
            let (manifest, digest) = self.fetch_image_manifest(image).await?;
            let layer = module_layer(&manifest)?.clone();
            Ok((manifest, digest, layer))
        };
        self.within(Stage::Manifest, uri(image), fetched).await
    }

    /// A policy: its manifest, then its module.
    pub(crate) async fn policy(&self, image: &Reference) -> Result<PulledPolicy, RegistryError> {
        let (manifest, digest, layer) = self.policy_manifest(image).await?;
        let module = self.blob(image, &layer, MOST_OF_A_MODULE).await?;
        Ok(PulledPolicy { manifest, digest, module })
    }
}

/// Where a manifest leads to on the way to the module of a policy. An index may lead to a manifest, but not to another
/// index.
pub(crate) fn lead(image: &Reference, manifest: &OciManifest, is_chosen: bool) -> Result<Lead, RegistryError> {
    let found = match manifest {
        OciManifest::Image(manifest) => module_layer(manifest).cloned().map(Lead::Layer),
        OciManifest::ImageIndex(_) if is_chosen => {
            Err(Failure::new(Class::WrongContent, "its entry for this platform is an index again"))
        }
        OciManifest::ImageIndex(index) => {
            current_platform_resolver(&index.manifests).ok_or_else(|| no_platform(index)).and_then(|digest| {
                let digest = digest.parse().map_err(|error| Failure::new(Class::WrongContent, error));
                digest.map(Lead::Manifest)
            })
        }
    };
    found.map_err(|failure: Failure| failure.at(Stage::Manifest, uri(image)))
}

/// The layer that is the module: all of them have to be modules, the first counts, as in kwctl.
fn module_layer(manifest: &OciImageManifest) -> Result<&OciDescriptor, Failure> {
    let wrong = |message: String| {
        Failure::new(Class::WrongContent, message)
            .with_help("it is no policy: name one that was pushed by `kwctl push` or `verify push`")
    };
    if let Some(layer) = manifest.layers.iter().find(|layer| layer.media_type != WASM_LAYER_MEDIA_TYPE) {
        return Err(wrong(format!("Incompatible layer media type: {}", bounded(&layer.media_type))));
    }
    manifest.layers.first().ok_or_else(|| wrong("No layers to pull".into()))
}
