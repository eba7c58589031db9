//! Pushes: blobs, manifests by digest, and tags.
//!
//! The order is the caller's: layers and configuration, then the manifest by digest, then tags. What a registry says it
//! stored is not believed: blobs and manifests are read back and compared before anything points to them.

use bytes::Bytes;
use oci_client::Reference;
use oci_client::manifest::OCI_IMAGE_MEDIA_TYPE;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};

use super::client::Registry;
use super::digest::OciDigest;
use super::display;
use super::error::{Class, Failure, RegistryError, Stage, TAMPERED};
use super::http::Request;
use super::meter::Meter;
use super::read_back::ReadBack;
use super::token::Access;
use super::upload::{Transfer, Upload, check_digest};

impl Registry {
    /// Uploads a blob unless the repository has it, counts the bytes sent, and reads it back.
    pub(crate) async fn push_blob(
        &self,
        image: &Reference,
        bytes: &Bytes,
        meter: &Meter,
    ) -> Result<ReadBack, RegistryError> {
        let digest = OciDigest::of(bytes);
        let upload = Upload { image, digest: &digest, bytes, meter };
        self.within(Stage::Upload, display::image(image), self.push_blob_within(&upload)).await
    }

    async fn push_blob_within(&self, upload: &Upload<'_>) -> Result<ReadBack, Failure> {
        let Upload { image, digest, bytes, meter } = *upload;
        // What an earlier push left may be damaged.
        if self.has_blob(image, digest).await?
            && let Ok(read_back) = self.read_blob_back(image, digest, bytes).await
        {
            meter.add(bytes.len() as u64);
            return Ok(read_back);
        }
        let before = meter.sent();
        let transfer = self.upload(upload, Transfer::Chunks).await?;
        let read_back = self.read_blob_back(image, digest, bytes).await;
        match read_back {
            Err(failure) if transfer == Transfer::Chunks && failure.class == Class::WrongContent => {
                meter.rewind(before);
                self.upload(upload, Transfer::Whole).await?;
                self.read_blob_back(image, digest, bytes).await
            }
            read_back => read_back,
        }
    }

    /// Uploads a manifest without a tag, and reads it back.
    pub(crate) async fn push_manifest(&self, image: &Reference, bytes: &Bytes) -> Result<ReadBack, RegistryError> {
        let digest = OciDigest::of(bytes);
        let named = image.clone_with_digest(digest.to_string());
        let pushed = async {
            self.put_manifest(image, digest.as_str(), bytes, OCI_IMAGE_MEDIA_TYPE).await?;
            self.read_manifest_back(&named, bytes).await
        };
        self.within(Stage::Publish, display::image(&named), pushed).await
    }

    /// Points a tag to a manifest of this media type.
    pub(crate) async fn push_tag(
        &self,
        image: &Reference,
        tag: &str,
        bytes: &[u8],
        media_type: &str,
    ) -> Result<(), RegistryError> {
        let tagged = Reference::with_tag(image.registry().into(), image.repository().into(), tag.into());
        let put = self.put_manifest(&tagged, tag, bytes, media_type);
        self.within(Stage::Publish, display::image(&tagged), put).await
    }

    /// Deletes a tag, where the registry supports that.
    pub(crate) async fn delete_tag(&self, tagged: &Reference) -> Result<(), RegistryError> {
        let deleted = async {
            let url = self.url(tagged, &["manifests", tagged.tag().unwrap_or_default()]).await?;
            self.send(tagged, Access::Delete, &Request::new(Method::DELETE, url)).await
        };
        self.within(Stage::Publish, display::image(tagged), deleted).await.map(|_| ())
    }

    async fn put_manifest(
        &self,
        image: &Reference,
        target: &str,
        bytes: &[u8],
        media_type: &str,
    ) -> Result<(), Failure> {
        let url = self.url(image, &["manifests", target]).await?;
        let mut request = Request::new(Method::PUT, url);
        let media_type = HeaderValue::from_str(media_type)
            .map_err(|_| Failure::new(Class::WrongContent, "invalid media type of the manifest"))?;
        request.headers.insert(CONTENT_TYPE, media_type);
        request.body = Some(Bytes::copy_from_slice(bytes));
        let response = self.send(image, Access::Push, &request).await?;
        check_digest(&response, &OciDigest::of(bytes)).map_err(|failure| failure.with_help(TAMPERED))
    }

    async fn has_blob(&self, image: &Reference, digest: &OciDigest) -> Result<bool, Failure> {
        let url = self.url(image, &["blobs", digest.as_str()]).await?;
        match self.send(image, Access::Push, &Request::new(Method::HEAD, url)).await {
            Ok(_) => Ok(true),
            // Some registries do not support HEAD for blobs; the upload shows, and has a text where it is refused.
            Err(failure) if failure.is_response && failure.retry.is_none() => Ok(false),
            Err(failure) => Err(failure),
        }
    }
}
