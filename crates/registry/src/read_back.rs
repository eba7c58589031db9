//! Reading back what was pushed: a registry that says it stored something is believed when it returns the same bytes.

use bytes::Bytes;
use oci_client::Reference;
use reqwest::Method;
use reqwest::header::CONTENT_LENGTH;

use super::client::{Registry, target};
use super::digest::OciDigest;
use super::error::{Class, Failure, Retry};
use super::http::Request;
use super::manifest;
use super::token::Access;

/// The result of reading back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReadBack {
    /// The registry returns the same bytes.
    Same,
    /// The account may write but not read; the reason.
    Forbidden(String),
}

impl Registry {
    /// Compares the blob in a registry with `bytes`.
    pub(super) async fn read_blob_back(
        &self,
        image: &Reference,
        digest: &OciDigest,
        bytes: &Bytes,
    ) -> Result<ReadBack, Failure> {
        let url = self.url(image, &["blobs", digest.as_str()]).await?;
        let request = Request::new(Method::GET, url.clone()).comparing(bytes);
        match self.send_after_write(image, Access::Push, &request).await {
            Ok(()) => Ok(ReadBack::Same),
            Err(failure) if is_forbidden(&failure) => {
                // The length is all that such an account can see.
                let request = Request::new(Method::HEAD, url);
                let response = self.send(image, Access::Push, &request).await;
                let length = response.ok().and_then(|response| response.header(CONTENT_LENGTH)?.parse::<u64>().ok());
                match length {
                    Some(length) if length == bytes.len() as u64 => Ok(ReadBack::Forbidden(failure.message)),
                    _ => Err(unconfirmed(failure)),
                }
            }
            Err(failure) => Err(unconfirmed(failure)),
        }
    }

    /// Compares the manifest of a digest with `bytes`.
    pub(super) async fn read_manifest_back(&self, named: &Reference, bytes: &Bytes) -> Result<ReadBack, Failure> {
        let url = self.url(named, &["manifests", target(named)]).await?;
        let request = manifest::accepting(Request::new(Method::GET, url)).comparing(bytes);
        match self.send_after_write(named, Access::LookUp, &request).await {
            Ok(()) => Ok(ReadBack::Same),
            Err(failure) if is_forbidden(&failure) => Ok(ReadBack::Forbidden(failure.message)),
            Err(failure) => Err(unconfirmed(failure)),
        }
    }

    /// Sends a request for what was just written, which some registries find a moment later.
    async fn send_after_write(&self, image: &Reference, access: Access, request: &Request) -> Result<(), Failure> {
        let mut budget = self.retry_budget();
        loop {
            match self.send(image, access, request).await {
                Ok(_) => return Ok(()),
                Err(failure) if failure.class == Class::NotFound => {
                    budget.wait_or_fail(failure.retryable(Retry::Backoff)).await?;
                }
                Err(failure) => return Err(failure),
            }
        }
    }
}

/// Without the permission to read, or with storage on a host that may not be contacted.
fn is_forbidden(failure: &Failure) -> bool {
    matches!(failure.class, Class::Denied | Class::Refused)
}

fn unconfirmed(failure: Failure) -> Failure {
    let message = format!("the registry does not return what was uploaded: {}", failure.message);
    let help = failure.help.clone().unwrap_or_else(|| {
        "push again, and tell the owner of the registry: it confirmed the upload but stored something else".into()
    });
    Failure { message, ..failure }.with_help(help)
}
