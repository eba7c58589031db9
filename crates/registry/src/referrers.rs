//! Referrers of a manifest: by the API of OCI 1.1, or by the tag schema where a registry does not have that API.

use oci_client::Reference;
use oci_client::manifest::{ImageIndexEntry, OCI_IMAGE_INDEX_MEDIA_TYPE, OciManifest};
use reqwest::header::{ACCEPT, LINK};
use reqwest::{Method, Url};

use super::client::Registry;
use super::digest::OciDigest;
use super::display;
use super::error::{Class, Failure, RegistryError, Stage};
use super::http::{Request, Response};
use super::manifest;
use super::token::Access;

/// Pages of a list that are read.
const MAX_PAGES: usize = 20;

/// The size of one page.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

impl Registry {
    /// The manifests that refer to `digest` in the repository of `image`; those of one artifact type, where one is given.
    pub(crate) async fn referrers(
        &self,
        image: &Reference,
        digest: &OciDigest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<ImageIndexEntry>, RegistryError> {
        let listed = async {
            let entries = match self.by_api(image, digest, artifact_type).await {
                Err(failure) if failure.class == Class::NotFound => self.by_tag(image, digest).await?,
                listed => listed?,
            };
            let is_wanted = |entry: &ImageIndexEntry| {
                artifact_type.is_none_or(|wanted| entry.artifact_type.as_deref() == Some(wanted))
            };
            Ok(entries.into_iter().filter(is_wanted).collect())
        };
        self.within(Stage::Referrers, display::image(&image.clone_with_digest(digest.to_string())), listed).await
    }

    async fn by_api(
        &self,
        image: &Reference,
        digest: &OciDigest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<ImageIndexEntry>, Failure> {
        let mut url = self.url(image, &["referrers", digest.as_str()]).await?;
        if let Some(wanted) = artifact_type {
            url.query_pairs_mut().append_pair("artifactType", wanted);
        }
        let mut entries = Vec::new();
        for _ in 0..MAX_PAGES {
            let request =
                Request::new(Method::GET, url.clone()).header(ACCEPT, OCI_IMAGE_INDEX_MEDIA_TYPE).max_bytes(MAX_BYTES);
            let response = self.send(image, Access::Pull, &request).await?;
            entries.extend(index_entries(&response.body)?);
            match next_page(&response, &url) {
                Some(next) => url = next,
                None => return Ok(entries),
            }
        }
        Err(Failure::new(Class::TooLarge, format!("the list of referrers has more than {MAX_PAGES} pages")))
    }

    /// The tag `sha256-…` points to an index of the referrers; without the tag there are none.
    async fn by_tag(&self, image: &Reference, digest: &OciDigest) -> Result<Vec<ImageIndexEntry>, Failure> {
        let tag = format!("{}-{}", digest.algorithm(), digest.hex());
        let tagged = Reference::with_tag(image.registry().to_owned(), image.repository().to_owned(), tag);
        match self.fetch_manifest(&tagged, Access::Pull).await {
            Ok(fetched) => index_entries(&fetched.bytes),
            Err(failure) if failure.class == Class::NotFound => Ok(Vec::new()),
            Err(failure) => Err(failure),
        }
    }
}

fn index_entries(bytes: &[u8]) -> Result<Vec<ImageIndexEntry>, Failure> {
    match manifest::read(bytes, None) {
        Ok(OciManifest::ImageIndex(index)) => Ok(index.manifests),
        Ok(OciManifest::Image(_)) => {
            Err(Failure::new(Class::WrongContent, "the list of referrers is a manifest, expected an index"))
        }
        Err(error) => Err(Failure::new(Class::WrongContent, format!("list of referrers: {error}"))),
    }
}

/// The page a header `Link: <…>; rel="next"` names, on the same server.
fn next_page(response: &Response, url: &Url) -> Option<Url> {
    let link = response.header(LINK)?;
    let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    let is_next = rest.contains("rel=\"next\"") || rest.contains("rel=next");
    url.join(target).ok().filter(|next| is_next && next.origin() == url.origin())
}
