//! Policies as OCI artifacts: from a manifest, or an index, to the layer that is the module.

use oci_client::Reference;
use oci_client::client::current_platform_resolver;
use oci_client::manifest::{OciDescriptor, OciImageManifest, OciManifest, WASM_LAYER_MEDIA_TYPE};

use super::digest::{InvalidDigest, OciDigest};
use super::display;
use super::error::{Class, Failure, RegistryError, Stage};
use super::manifest::no_platform;

/// Where the module of a policy is.
#[derive(Debug, Clone)]
pub enum ManifestTarget {
    /// In this layer.
    Layer(OciDescriptor),
    /// In the manifest for the platform of this machine.
    Manifest(OciDigest),
}

/// Finds the module of a policy. An index points to a manifest; `within_index` says that this manifest comes from one, and
/// then it must not be an index again.
pub fn manifest_target(
    image: &Reference,
    manifest: &OciManifest,
    within_index: bool,
) -> Result<ManifestTarget, RegistryError> {
    let found = match manifest {
        OciManifest::Image(manifest) => module_layer(manifest).cloned().map(ManifestTarget::Layer),
        OciManifest::ImageIndex(_) if within_index => {
            Err(Failure::new(Class::WrongContent, "nested index: the entry for this platform is an index"))
        }
        OciManifest::ImageIndex(index) => {
            current_platform_resolver(&index.manifests).ok_or_else(|| no_platform(index)).and_then(|digest| {
                let digest =
                    digest.parse().map_err(|error: InvalidDigest| Failure::new(Class::WrongContent, error.to_string()));
                digest.map(ManifestTarget::Manifest)
            })
        }
    };
    found.map_err(|failure: Failure| failure.at(Stage::Manifest, display::image(image)))
}

/// The first layer. All layers must be modules, as in kwctl, whose texts these are.
fn module_layer(manifest: &OciImageManifest) -> Result<&OciDescriptor, Failure> {
    let wrong = |message: String| {
        Failure::new(Class::WrongContent, message)
            .with_help("use an artifact that was pushed by `kwctl push` or `verify push`")
    };
    if let Some(layer) = manifest.layers.iter().find(|layer| layer.media_type != WASM_LAYER_MEDIA_TYPE) {
        return Err(wrong(format!("Incompatible layer media type: {}", display::shortened(&layer.media_type))));
    }
    manifest.layers.first().ok_or_else(|| wrong("No layers to pull".into()))
}
