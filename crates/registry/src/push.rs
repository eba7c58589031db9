//! Pushes: blobs in chunks, or in one request where a registry does not support chunks; manifests by digest and by tag.
//!
//! The order is the caller's: layers and configuration, then the manifest by digest, then tags.

use bytes::Bytes;
use oci_client::Reference;
use oci_client::manifest::OCI_IMAGE_MEDIA_TYPE;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode, Url};

use super::client::Registry;
use super::digest::OciDigest;
use super::display;
use super::error::{Class, Failure, RegistryError, Retry, Stage, TAMPERED};
use super::http::{Request, Response};
use super::manifest::CONTENT_DIGEST;
use super::meter::Meter;
use super::token::Access;

/// The chunk size of kwctl.
const CHUNK: usize = 4 * 1024 * 1024;

impl Registry {
    /// Uploads a blob unless the repository has it, and counts the bytes sent. Returns its digest.
    pub(crate) async fn push_blob(
        &self,
        image: &Reference,
        bytes: &Bytes,
        meter: &Meter,
    ) -> Result<OciDigest, RegistryError> {
        let digest = OciDigest::of(bytes);
        let pushed = async {
            if self.has_blob(image, &digest).await? {
                meter.add(bytes.len() as u64);
                return Ok(());
            }
            let (mut budget, mut in_chunks) = (self.retry_budget(), true);
            let before = meter.sent();
            loop {
                meter.rewind(before);
                match self.upload(image, &digest, bytes, in_chunks, meter).await {
                    Ok(()) => return Ok(()),
                    Err(UploadError::ChunksUnsupported) => in_chunks = false,
                    Err(UploadError::Failed(failure)) => budget.wait_or_fail(failure).await?,
                }
            }
        };
        self.within(Stage::Upload, display::image(image), pushed).await?;
        Ok(digest)
    }

    /// Uploads a manifest without a tag.
    pub(crate) async fn push_manifest(&self, image: &Reference, bytes: &[u8]) -> Result<OciDigest, RegistryError> {
        let digest = OciDigest::of(bytes);
        let put = self.put_manifest(image, digest.as_str(), bytes, OCI_IMAGE_MEDIA_TYPE);
        self.within(Stage::Publish, display::image(&image.clone_with_digest(digest.to_string())), put).await?;
        Ok(digest)
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
        let digest = OciDigest::of(bytes);
        let url = self.url(image, &["manifests", target]).await?;
        let mut request = Request::new(Method::PUT, url);
        let media_type = HeaderValue::from_str(media_type)
            .map_err(|_| Failure::new(Class::WrongContent, "invalid media type of the manifest"))?;
        request.headers.insert(CONTENT_TYPE, media_type);
        request.body = Some(Bytes::copy_from_slice(bytes));
        let response = self.send(image, Access::Push, &request).await?;
        match response.header(CONTENT_DIGEST) {
            Some(named) if named != digest.as_str() => {
                let message =
                    format!("digest mismatch: {} stored {named}, expected {digest}", display::server(&response.url));
                Err(Failure::new(Class::WrongContent, message).with_help(TAMPERED))
            }
            _ => Ok(()),
        }
    }

    async fn has_blob(&self, image: &Reference, digest: &OciDigest) -> Result<bool, Failure> {
        let url = self.url(image, &["blobs", digest.as_str()]).await?;
        match self.send(image, Access::Push, &Request::new(Method::HEAD, url)).await {
            Ok(_) => Ok(true),
            // Some registries do not support HEAD for blobs; the upload shows.
            Err(failure) if matches!(failure.class, Class::NotFound | Class::WrongContent) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// One upload session.
    async fn upload(
        &self,
        image: &Reference,
        digest: &OciDigest,
        bytes: &Bytes,
        in_chunks: bool,
        meter: &Meter,
    ) -> Result<(), UploadError> {
        let url = self.url(image, &["blobs", "uploads", ""]).await?;
        let mut request = Request::new(Method::POST, url);
        request.body = Some(Bytes::new());
        let begun = self.successful(self.send_once(image, Access::Push, &request).await?)?;
        let mut location = location(&begun)?;
        let mut rest = bytes.clone();
        if in_chunks {
            while !rest.is_empty() {
                let start = bytes.len() - rest.len();
                let chunk = rest.split_to(CHUNK.min(rest.len()));
                location = self.send_chunk(image, location, chunk, start, meter).await?;
            }
        }
        location.query_pairs_mut().append_pair("digest", digest.as_str());
        let mut request = Request::new(Method::PUT, location).header(CONTENT_TYPE, "application/octet-stream");
        (request.body, request.meter) = (Some(rest), meter.clone());
        let finished = self.successful(self.send_once(image, Access::Push, &request).await?).map_err(lost_session)?;
        match finished.header(CONTENT_DIGEST) {
            Some(named) if named != digest.as_str() => {
                let message =
                    format!("digest mismatch: {} stored {named}, expected {digest}", display::server(&finished.url));
                Err(UploadError::Failed(Failure::new(Class::WrongContent, message)))
            }
            _ => Ok(()),
        }
    }

    async fn send_chunk(
        &self,
        image: &Reference,
        to: Url,
        chunk: Bytes,
        start: usize,
        meter: &Meter,
    ) -> Result<Url, UploadError> {
        let mut request = Request::new(Method::PATCH, to).header(CONTENT_TYPE, "application/octet-stream");
        let range = format!("{start}-{}", start + chunk.len() - 1);
        let range = HeaderValue::from_str(&range).expect("digits and a dash are a header");
        request.headers.insert(CONTENT_RANGE, range);
        (request.body, request.meter) = (Some(chunk), meter.clone());
        let response = self.send_once(image, Access::Push, &request).await?;
        // Registries without chunked uploads reject the first chunk, each with a status of its own.
        let refusals = [
            StatusCode::METHOD_NOT_ALLOWED,
            StatusCode::NOT_IMPLEMENTED,
            StatusCode::BAD_REQUEST,
            StatusCode::LENGTH_REQUIRED,
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::RANGE_NOT_SATISFIABLE,
        ];
        if start == 0 && refusals.contains(&response.status) {
            return Err(UploadError::ChunksUnsupported);
        }
        let response = self.successful(response).map_err(lost_session)?;
        Ok(location(&response)?)
    }
}

/// Why an upload failed.
enum UploadError {
    ChunksUnsupported,
    Failed(Failure),
}

impl From<Failure> for UploadError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// A lost session can be started again.
fn lost_session(failure: Failure) -> Failure {
    if failure.class == Class::NotFound {
        let message = format!("upload session lost: {}", failure.message);
        return Failure { class: Class::Unavailable, message, ..failure }.retryable(Retry::Backoff);
    }
    failure
}

/// The URL of the next request of an upload.
fn location(response: &Response) -> Result<Url, Failure> {
    let named = response.header(LOCATION).and_then(|location| response.url.join(location).ok());
    named.filter(|url| ["http", "https"].contains(&url.scheme())).ok_or_else(|| {
        Failure::new(
            Class::WrongContent,
            format!(
                "missing or invalid `Location` header in the upload response of {}",
                display::server(&response.url)
            ),
        )
        .with_help("check the registry and the proxy before it")
    })
}
