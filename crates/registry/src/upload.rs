//! One blob on its way into a registry: in chunks, and in one request where a registry fails at chunks.
//!
//! Registries confirm chunks by the header `Range`. Some keep only a part, some confirm a part of what they keep, and some
//! reject the first or a later chunk, each with a status of its own; all of them get the whole blob in a new session.

use bytes::Bytes;
use oci_client::Reference;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderValue, LOCATION, RANGE};
use reqwest::{Method, Url};

use super::client::Registry;
use super::digest::OciDigest;
use super::display;
use super::error::{Class, Failure, Retry};
use super::http::{Request, Response};
use super::manifest::CONTENT_DIGEST;
use super::meter::Meter;
use super::token::Access;

/// The chunk size of kwctl, and the largest that ghcr.io accepts.
const CHUNK: usize = 4 * 1024 * 1024;

/// A blob to upload.
pub(super) struct Upload<'a> {
    pub(super) image: &'a Reference,
    pub(super) digest: &'a OciDigest,
    pub(super) bytes: &'a Bytes,
    /// Counts the bytes sent.
    pub(super) meter: &'a Meter,
}

/// How a blob is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transfer {
    /// Several requests, and one that finishes the session.
    Chunks,
    /// One request.
    Whole,
}

/// Where an upload failed.
enum UploadError {
    /// No session was opened.
    NotBegun(Failure),
    /// In a session.
    InSession(Failure),
}

impl Registry {
    /// Uploads a blob, in this way first; one that is to be sent whole is never sent in chunks. Returns how it was sent.
    pub(super) async fn upload(&self, upload: &Upload<'_>, first: Transfer) -> Result<Transfer, Failure> {
        let (mut transfer, mut are_chunks_refused) = (first, first == Transfer::Whole);
        let mut budget = self.retry_budget();
        let before = upload.meter.sent();
        loop {
            upload.meter.rewind(before);
            let failure = match self.upload_once(upload, transfer).await {
                Ok(()) => return Ok(transfer),
                Err(UploadError::NotBegun(failure)) => {
                    budget.wait_or_fail(failure).await?;
                    continue;
                }
                Err(UploadError::InSession(failure)) => failure,
            };
            match transfer {
                Transfer::Chunks if failure.retry.is_none() && failure.class != Class::Denied => {
                    are_chunks_refused = true;
                    transfer = Transfer::Whole;
                }
                Transfer::Chunks => {
                    budget.wait_or_fail(failure).await?;
                    transfer = Transfer::Whole;
                }
                Transfer::Whole if are_chunks_refused => budget.wait_or_fail(failure).await?,
                Transfer::Whole => {
                    budget.wait_or_fail(too_large_at_once(failure)).await?;
                    transfer = Transfer::Chunks;
                }
            }
        }
    }

    /// One upload session.
    async fn upload_once(&self, upload: &Upload<'_>, transfer: Transfer) -> Result<(), UploadError> {
        let location = self.begin(upload.image).await.map_err(UploadError::NotBegun)?;
        self.send_all(upload, transfer, location).await.map_err(UploadError::InSession)
    }

    /// Opens a session; the URL of its first request.
    async fn begin(&self, image: &Reference) -> Result<Url, Failure> {
        let url = self.url(image, &["blobs", "uploads", ""]).await?;
        let mut request = Request::new(Method::POST, url);
        request.body = Some(Bytes::new());
        location(&self.successful(self.send_once(image, Access::Push, &request).await?)?)
    }

    async fn send_all(&self, upload: &Upload<'_>, transfer: Transfer, mut location: Url) -> Result<(), Failure> {
        let mut rest = upload.bytes.clone();
        while transfer == Transfer::Chunks && !rest.is_empty() {
            let start = upload.bytes.len() - rest.len();
            let chunk = rest.split_to(CHUNK.min(rest.len()));
            location = self.send_chunk(upload, location, chunk, start).await?;
        }
        location.query_pairs_mut().append_pair("digest", upload.digest.as_str());
        let mut request = Request::new(Method::PUT, location).header(CONTENT_TYPE, "application/octet-stream");
        (request.body, request.meter) = (Some(rest), upload.meter.clone());
        let sent = self.send_once(upload.image, Access::Push, &request).await?;
        let finished = self.successful(sent).map_err(lost_session)?;
        check_digest(&finished, upload.digest)
    }

    /// Sends a chunk; the URL of the next request.
    async fn send_chunk(&self, upload: &Upload<'_>, to: Url, chunk: Bytes, start: usize) -> Result<Url, Failure> {
        let end = start + chunk.len();
        let mut request = Request::new(Method::PATCH, to).header(CONTENT_TYPE, "application/octet-stream");
        let range = HeaderValue::from_str(&format!("{start}-{}", end - 1)).expect("digits and a dash are a header");
        request.headers.insert(CONTENT_RANGE, range);
        (request.body, request.meter) = (Some(chunk), upload.meter.clone());
        let response = self.successful(self.send_once(upload.image, Access::Push, &request).await?)?;
        match response.header(RANGE) {
            Some(range) if !confirms(range, end) => {
                let server = display::server(&response.url);
                let message = format!("{server} confirms `Range: {}` after {end} bytes", display::shortened(range));
                Err(Failure::new(Class::WrongContent, message))
            }
            _ => location(&response),
        }
    }
}

/// Whether a header `Range` stands for `sent` bytes: `0-LAST`. Some registries write `bytes=` before it, or the length
/// instead of the last offset.
fn confirms(range: &str, sent: usize) -> bool {
    let range = range.trim();
    let last = range.strip_prefix("bytes=").unwrap_or(range).strip_prefix("0-");
    let last = last.and_then(|last| last.trim().parse::<usize>().ok());
    last.is_some_and(|last| last + 1 == sent || last == sent)
}

/// The digest a registry reports for what it stored.
pub(super) fn check_digest(response: &Response, expected: &OciDigest) -> Result<(), Failure> {
    match response.header(CONTENT_DIGEST) {
        Some(named) if named != expected.as_str() => {
            let (server, named) = (display::server(&response.url), display::shortened(named));
            let message = format!("digest mismatch: {server} stored {named}, expected {expected}");
            Err(Failure::new(Class::WrongContent, message))
        }
        _ => Ok(()),
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

/// A blob that is too large for one request may be sent in chunks again, which failed for the moment only.
fn too_large_at_once(failure: Failure) -> Failure {
    match failure.class {
        Class::TooLarge => failure.retryable(Retry::Backoff),
        _ => failure,
    }
}

/// The URL of the next request of an upload.
fn location(response: &Response) -> Result<Url, Failure> {
    let named = response.header(LOCATION).and_then(|location| response.url.join(location).ok());
    let named = named.map(|url| with_tls(url, &response.url));
    named.filter(|url| ["http", "https"].contains(&url.scheme())).ok_or_else(|| {
        let server = display::server(&response.url);
        let message = format!("missing or invalid `Location` header in the upload response of {server}");
        Failure::new(Class::WrongContent, message).with_help("check the registry and the proxy before it")
    })
}

/// A registry behind a proxy for TLS may not know that it is reached by HTTPS, and writes `http://` and its own host.
fn with_tls(mut url: Url, asked: &Url) -> Url {
    if asked.scheme() == "https" && url.scheme() == "http" && url.host() == asked.host() && url.port().is_none() {
        // Possible between these two schemes.
        let _ = url.set_scheme("https").and_then(|()| url.set_port(asked.port()));
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_by_https_stays_by_https() {
        let next = |location: &str, asked: &str| {
            with_tls(Url::parse(location).unwrap(), &Url::parse(asked).unwrap()).to_string()
        };
        assert_eq!(next("http://a.test/v2/u?x=1", "https://a.test/v2/"), "https://a.test/v2/u?x=1");
        assert_eq!(next("http://a.test/v2/u", "https://a.test:8443/v2/"), "https://a.test:8443/v2/u");
        for (location, asked) in [
            ("http://a.test/v2/u", "http://a.test/v2/"),
            ("http://b.test/v2/u", "https://a.test/v2/"),
            ("http://a.test:5000/v2/u", "https://a.test/v2/"),
            ("https://b.test/v2/u", "https://a.test/v2/"),
        ] {
            assert_eq!(next(location, asked), location);
        }
    }

    #[test]
    fn a_range_confirms_all_bytes_or_is_refused() {
        for range in ["0-9", "bytes=0-9", " 0-9 ", "0-10"] {
            assert!(confirms(range, 10), "{range}");
        }
        // Of the first chunk only, of the last chunk only, of more than was sent, and no range.
        for range in ["0-4", "5-9", "0-11", "0-0", "0-", "bytes 0-9/10", "", "0-99999999999999999999"] {
            assert!(!confirms(range, 10), "{range}");
        }
    }
}
