//! Policies in registries: from a manifest to its layers, which are WebAssembly modules, and the first of them.

use oci_client::Reference;
use oci_client::client::current_platform_resolver;
use oci_client::manifest::{OciDescriptor, OciImageManifest, OciManifest, WASM_LAYER_MEDIA_TYPE};

use super::digest::OciDigest;
use super::display;
use super::error::{Class, Failure, RegistryError, Stage};
use super::manifest::{bounded, no_platform};

/// What a manifest says about the module of a policy.
#[derive(Debug, Clone)]
pub enum Lead {
    /// It is this layer.
    Layer(OciDescriptor),
    /// Another manifest knows, the one for this machine's platform.
    Manifest(OciDigest),
}

/// Where a manifest leads to on the way to the module of a policy. An index may lead to a manifest, but not to another
/// index.
pub fn lead(image: &Reference, manifest: &OciManifest, is_chosen: bool) -> Result<Lead, RegistryError> {
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
    found.map_err(|failure: Failure| failure.at(Stage::Manifest, display::image(image)))
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
