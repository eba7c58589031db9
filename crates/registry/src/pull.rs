//! Pulls of manifests and image configurations: bounded, and checked against their digest.

use oci_client::Reference;
use oci_client::client::current_platform_resolver;
use oci_client::manifest::{OciImageManifest, OciManifest};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;

use super::client::{Registry, target};
use super::digest::OciDigest;
use super::display;
use super::error::{Class, Failure, RegistryError, Stage, TAMPERED};
use super::http::Request;
use super::manifest::{self, CONTENT_DIGEST, FetchedManifest, ManifestWithConfig};
use super::token::Access;

/// The size up to which the distribution specification requires registries to accept manifests.
const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;

/// Configurations of real images have a few kilobytes.
const MAX_CONFIG_BYTES: u64 = 8 * 1024 * 1024;

impl Registry {
    /// The manifest or index of a reference.
    pub async fn manifest(&self, image: &Reference) -> Result<FetchedManifest, RegistryError> {
        self.within(Stage::Manifest, display::image(image), self.fetch_manifest(image, Access::Pull)).await
    }

    /// The same, with the credentials of a push.
    pub(crate) async fn published_manifest(&self, image: &Reference) -> Result<FetchedManifest, RegistryError> {
        self.within(Stage::Manifest, display::image(image), self.fetch_manifest(image, Access::LookUp)).await
    }

    /// The manifest of an image; an index is resolved to the platform of this machine, as kwctl does.
    pub(crate) async fn image_manifest(
        &self,
        image: &Reference,
    ) -> Result<(OciImageManifest, OciDigest), RegistryError> {
        self.within(Stage::Manifest, display::image(image), self.fetch_image_manifest(image)).await
    }

    /// The manifest of an image and its configuration; an index is resolved to the platform of this machine.
    pub async fn manifest_with_config(&self, image: &Reference) -> Result<ManifestWithConfig, RegistryError> {
        let (manifest, digest) = self.image_manifest(image).await?;
        let config = self.fetch_blob(image, &manifest.config, MAX_CONFIG_BYTES);
        let config = self.within(Stage::Config, display::image(image), config).await?;
        Ok(ManifestWithConfig { manifest, digest, config })
    }

    pub(super) async fn fetch_manifest(&self, image: &Reference, access: Access) -> Result<FetchedManifest, Failure> {
        let url = self.url(image, &["manifests", target(image)]).await?;
        let response = self
            .send(image, access, &manifest::accepting(Request::new(Method::GET, url)).max_bytes(MAX_MANIFEST_BYTES))
            .await?;
        let wrong = |message: String| Failure::new(Class::WrongContent, message);
        let requested = image.digest().map(str::parse::<OciDigest>).transpose();
        let requested = requested.map_err(|error| wrong(error.to_string()))?;
        let named = response.header(CONTENT_DIGEST).and_then(|text| text.parse::<OciDigest>().ok());
        for (digest, source) in [(&requested, "requested"), (&named, "named by the registry")] {
            if let Some(digest) = digest.as_ref().filter(|digest| !digest.matches(&response.body)) {
                let message =
                    format!("digest mismatch: expected {digest} ({source}), got {}", OciDigest::of(&response.body));
                return Err(wrong(message).with_help(TAMPERED));
            }
        }
        let manifest =
            manifest::read(&response.body, response.header(CONTENT_TYPE)).map_err(|error| wrong(error.to_string()))?;
        let digest = requested.or(named).unwrap_or_else(|| OciDigest::of(&response.body));
        Ok(FetchedManifest { manifest, bytes: response.body, digest })
    }

    pub(super) async fn fetch_image_manifest(
        &self,
        image: &Reference,
    ) -> Result<(OciImageManifest, OciDigest), Failure> {
        let fetched = self.fetch_manifest(image, Access::Pull).await?;
        let index = match fetched.manifest {
            OciManifest::Image(manifest) => return Ok((manifest, fetched.digest)),
            OciManifest::ImageIndex(index) => index,
        };
        let chosen = current_platform_resolver(&index.manifests).ok_or_else(|| manifest::no_platform(&index))?;
        let fetched = self.fetch_manifest(&image.clone_with_digest(chosen), Access::Pull).await?;
        match fetched.manifest {
            OciManifest::Image(manifest) => Ok((manifest, fetched.digest)),
            OciManifest::ImageIndex(_) => Err(Failure::new(
                Class::WrongContent,
                format!("nested index: the entry for this platform, {}, is an index", fetched.digest),
            )),
        }
    }
}
