//! Into registries: blobs in chunks, or whole where a registry takes no chunks; manifests by digest and by tag.
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
use super::error::{Again, Class, Failure, RegistryError, Stage};
use super::http::{Answer, Ask};
use super::manifest::CONTENT_DIGEST;
use super::meter::Meter;
use super::token::Access;

/// The chunks of kwctl.
const CHUNK: usize = 4 * 1024 * 1024;

impl Registry {
    /// Uploads a blob unless the repository has it, and counts its bytes, which are not copied. The digest is theirs.
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
            let mut patience = self.patience();
            let mut takes_chunks = true;
            let before = meter.sent();
            loop {
                meter.rewind(before);
                let failure = match self.upload(image, &digest, bytes, takes_chunks, meter).await {
                    Ok(()) => return Ok(()),
                    Err(Refusal::OfChunks) => {
                        takes_chunks = false;
                        continue;
                    }
                    Err(Refusal::Of(failure)) => failure,
                };
                patience.after(failure).await?;
            }
        };
        self.within(Stage::Upload, display::image(image), pushed).await?;
        Ok(digest)
    }

    /// Puts a manifest under its digest, where nothing but its digest leads to it.
    pub(crate) async fn push_manifest(&self, image: &Reference, bytes: &[u8]) -> Result<OciDigest, RegistryError> {
        let digest = OciDigest::of(bytes);
        let put = self.put_manifest(image, digest.as_str(), bytes, OCI_IMAGE_MEDIA_TYPE);
        self.within(Stage::Publish, display::image(&image.clone_with_digest(digest.to_string())), put).await?;
        Ok(digest)
    }

    /// Lets a tag point to a manifest of this media type.
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

    /// Takes a tag away, where the registry lets anybody do so.
    pub(crate) async fn delete_tag(&self, tagged: &Reference) -> Result<(), RegistryError> {
        let deleted = async {
            let url = self.url(tagged, &["manifests", tagged.tag().unwrap_or_default()]).await?;
            self.ask(tagged, Access::Delete, &Ask::new(Method::DELETE, url)).await
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
        let mut ask = Ask::new(Method::PUT, url);
        let media_type = HeaderValue::from_str(media_type)
            .map_err(|_| Failure::new(Class::WrongContent, "the media type of the manifest is none"))?;
        ask.headers.insert(CONTENT_TYPE, media_type);
        ask.body = Some(Bytes::copy_from_slice(bytes));
        let answer = self.ask(image, Access::Push, &ask).await?;
        match answer.header(CONTENT_DIGEST) {
            Some(named) if named != digest.as_str() => {
                let message = format!("{} stored something else than {digest}", display::server(&answer.url));
                Err(Failure::new(Class::WrongContent, message).with_help("do not use what it stored"))
            }
            _ => Ok(()),
        }
    }

    async fn has_blob(&self, image: &Reference, digest: &OciDigest) -> Result<bool, Failure> {
        let url = self.url(image, &["blobs", digest.as_str()]).await?;
        match self.ask(image, Access::Push, &Ask::new(Method::HEAD, url)).await {
            Ok(_) => Ok(true),
            // What a registry thinks of HEAD decides nothing; the upload does.
            Err(failure) if matches!(failure.class, Class::NotFound | Class::WrongContent) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// One upload from its beginning to its end.
    async fn upload(
        &self,
        image: &Reference,
        digest: &OciDigest,
        bytes: &Bytes,
        takes_chunks: bool,
        meter: &Meter,
    ) -> Result<(), Refusal> {
        let url = self.url(image, &["blobs", "uploads", ""]).await?;
        let mut ask = Ask::new(Method::POST, url);
        ask.body = Some(Bytes::new());
        let begun = self.good(self.ask_once(image, Access::Push, &ask).await?)?;
        let mut location = location(&begun)?;
        let mut rest = bytes.clone();
        if takes_chunks {
            while !rest.is_empty() {
                let start = bytes.len() - rest.len();
                let chunk = rest.split_to(CHUNK.min(rest.len()));
                location = self.send_chunk(image, location, chunk, start, meter).await?;
            }
        }
        location.query_pairs_mut().append_pair("digest", digest.as_str());
        let mut ask = Ask::new(Method::PUT, location).header(CONTENT_TYPE, "application/octet-stream");
        (ask.body, ask.meter) = (Some(rest), meter.clone());
        let finished = self.good(self.ask_once(image, Access::Push, &ask).await?).map_err(lost_session)?;
        match finished.header(CONTENT_DIGEST) {
            Some(named) if named != digest.as_str() => {
                let message = format!("{} stored something else than {digest}", display::server(&finished.url));
                Err(Refusal::Of(Failure::new(Class::WrongContent, message)))
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
    ) -> Result<Url, Refusal> {
        let mut ask = Ask::new(Method::PATCH, to).header(CONTENT_TYPE, "application/octet-stream");
        let range = format!("{start}-{}", start + chunk.len() - 1);
        let range = HeaderValue::from_str(&range).expect("digits and a dash are a header");
        ask.headers.insert(CONTENT_RANGE, range);
        (ask.body, ask.meter) = (Some(chunk), meter.clone());
        let answer = self.ask_once(image, Access::Push, &ask).await?;
        // Registries that take no chunks say so in several ways, but at the first chunk.
        let refusals = [
            StatusCode::METHOD_NOT_ALLOWED,
            StatusCode::NOT_IMPLEMENTED,
            StatusCode::BAD_REQUEST,
            StatusCode::LENGTH_REQUIRED,
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::RANGE_NOT_SATISFIABLE,
        ];
        if start == 0 && refusals.contains(&answer.status) {
            return Err(Refusal::OfChunks);
        }
        let answer = self.good(answer).map_err(lost_session)?;
        Ok(location(&answer)?)
    }
}

/// Why an upload did not end well.
enum Refusal {
    OfChunks,
    Of(Failure),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Of(failure)
    }
}

/// A session that the registry has forgotten can be begun anew.
fn lost_session(failure: Failure) -> Failure {
    if failure.class == Class::NotFound {
        let message = format!("the upload was lost: {}", failure.message);
        return Failure { class: Class::Unavailable, message, ..failure }.trying_again(Again::Soon);
    }
    failure
}

/// Where an upload goes on.
fn location(answer: &Answer) -> Result<Url, Failure> {
    let named = answer.header(LOCATION).and_then(|location| answer.url.join(location).ok());
    named.filter(|url| ["http", "https"].contains(&url.scheme())).ok_or_else(|| {
        Failure::new(
            Class::WrongContent,
            format!("{} does not say where the upload goes on", display::server(&answer.url)),
        )
        .with_help("the answer has no usable header `Location`: the registry, or a proxy before it, is broken")
    })
}
