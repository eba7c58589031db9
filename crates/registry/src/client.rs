//! The registry client: what every request to a registry or a web server has in common.
//!
//! [`Registry`] holds the sources, the credentials and the open connections. Pulls are in `pull.rs`, pushes in `push.rs`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use oci_client::Reference;
use oci_client::manifest::OciDescriptor;
use policy_verify_model::diagnostic::Diagnostic;
use reqwest::{Method, StatusCode, Url};
use tokio::time::timeout;

use super::auth::Credentials;
use super::bounded::format_bytes;
use super::digest::OciDigest;
use super::display;
use super::error::{Class, Failure, MORE_TIME, RegistryError, Stage, TAMPERED};
use super::hosts::HostRules;
use super::http::{Http, Request, Response, Timeouts};
use super::retry::RetryBudget;
use super::sources::Sources;
use super::token::{Access, Challenge, Scope, Tokens};
use super::{manifest, reply};

/// How registries are reached. The default is what kwctl does without flags.
#[derive(Debug, Clone, Default)]
pub struct RegistryOptions {
    /// `sources.yaml`; by default the one of Kubewarden's configuration folder, if there is one.
    pub sources: Option<PathBuf>,
    /// Folder of docker's `config.json`; by default `$DOCKER_CONFIG`, else `~/.docker`.
    pub docker_config: Option<PathBuf>,
    /// Timeout of one call, retries included; five minutes by default.
    pub timeout: Option<Duration>,
    /// Which hosts may be reached; all of them by default.
    pub hosts: HostRules,
}

/// A client of registries and web servers, made once per process and cloned cheaply.
#[derive(Debug, Clone)]
pub struct Registry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: Http,
    tokens: Tokens,
    timeouts: Timeouts,
}

/// Who sends a request.
#[derive(Clone, Copy)]
enum Sender<'a> {
    /// A client without credentials.
    Anonymous,
    /// The account that has access to the repository of an image.
    Client { image: &'a Reference, access: Access },
}

impl Registry {
    /// Reads the sources file. Credentials are read, and connections opened, on first use.
    ///
    /// # Errors
    ///
    /// The sources file is invalid.
    pub fn new(options: &RegistryOptions) -> Result<Self, Diagnostic> {
        let timeouts = options.timeout.map_or_else(Timeouts::default, Timeouts::within);
        let sources = Sources::read(options.sources.as_deref())?;
        let credentials = Credentials::new(options.docker_config.as_deref(), timeouts.idle);
        let http = Http::new(sources, timeouts, options.hosts.clone());
        Ok(Self(Arc::new(Inner { http, tokens: Tokens::new(credentials), timeouts })))
    }

    /// Keeps a secret that is not a credential out of the texts of servers that messages quote.
    pub fn hide(&self, secret: &str) {
        self.0.http.secrets.remember(secret);
    }

    /// The digest to which a reference points: by `HEAD`, or by `GET` where that response has no digest.
    pub async fn digest(&self, image: &Reference) -> Result<OciDigest, RegistryError> {
        self.within(Stage::Tag, display::image(image), self.find_digest(image, Access::Pull)).await
    }

    /// The digest to which a tag points before or after it is moved, with the credentials of a push.
    pub(crate) async fn published_digest(&self, image: &Reference) -> Result<OciDigest, RegistryError> {
        self.within(Stage::Tag, display::image(image), self.find_digest(image, Access::LookUp)).await
    }

    /// The same; `None` for an unknown tag or repository.
    pub(crate) async fn published_digest_if_any(&self, image: &Reference) -> Result<Option<OciDigest>, RegistryError> {
        match self.published_digest(image).await {
            Ok(digest) => Ok(Some(digest)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A blob of at most `max_bytes`, checked against size and digest of its descriptor.
    pub async fn blob(
        &self,
        image: &Reference,
        descriptor: &OciDescriptor,
        max_bytes: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        self.within(Stage::Blob, display::image(image), self.fetch_blob(image, descriptor, max_bytes)).await
    }

    /// Downloads at most `max_bytes` from a URL. No credentials are sent.
    pub async fn download(&self, url: &Url, max_bytes: u64) -> Result<Vec<u8>, RegistryError> {
        let request = Request::new(Method::GET, url.clone()).max_bytes(max_bytes);
        let downloaded = self.send_as(Sender::Anonymous, &request);
        self.within(Stage::Download, display::url(url), downloaded).await.map(|response| response.body)
    }

    /// Applies the total timeout to one call, and names its stage in the error.
    pub(super) async fn within<T>(
        &self,
        stage: Stage,
        uri: String,
        future: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, RegistryError> {
        let total = self.0.timeouts.total;
        let done = timeout(total, future).await.unwrap_or_else(|_| {
            Err(Failure::new(Class::TimedOut, format!("timeout of {total:?} exceeded")).with_help(MORE_TIME))
        });
        done.map_err(|failure| failure.at(stage, uri))
    }

    async fn find_digest(&self, image: &Reference, access: Access) -> Result<OciDigest, Failure> {
        let url = self.url(image, &["manifests", target(image)]).await?;
        let request = manifest::accepting(Request::new(Method::HEAD, url));
        let response = match self.send(image, access, &request).await {
            Ok(response) => response,
            // Some registries do not support HEAD, and no response to it has a text. A tag that is new is no error.
            Err(failure)
                if has_no_text(&failure) && !(access == Access::LookUp && failure.class == Class::NotFound) =>
            {
                return Ok(self.fetch_manifest(image, access).await?.digest);
            }
            Err(failure) => return Err(failure),
        };
        let named = response.header(manifest::CONTENT_DIGEST).and_then(|text| text.parse::<OciDigest>().ok());
        match (named, image.digest()) {
            (Some(digest), Some(wanted)) if digest.as_str() != wanted => {
                Err(Failure::new(Class::WrongContent, format!("digest mismatch: the registry returned {digest}")))
            }
            (Some(digest), _) => Ok(digest),
            // Some registries omit the digest.
            (None, _) => Ok(self.fetch_manifest(image, access).await?.digest),
        }
    }

    pub(super) async fn fetch_blob(
        &self,
        image: &Reference,
        descriptor: &OciDescriptor,
        max_bytes: u64,
    ) -> Result<Vec<u8>, Failure> {
        let wrong = |message: String| Failure::new(Class::WrongContent, message);
        let digest: OciDigest =
            descriptor.digest.parse().map_err(|error| wrong(format!("the manifest lists a blob with an {error}")))?;
        let size =
            u64::try_from(descriptor.size).map_err(|_| wrong(format!("negative size of {digest} in the manifest")))?;
        if size > max_bytes {
            let message = format!("{digest} has {size} bytes, the limit is {}", format_bytes(max_bytes));
            return Err(Failure::new(Class::TooLarge, message));
        }
        let url = self.url(image, &["blobs", digest.as_str()]).await?;
        let mut request = Request::new(Method::GET, url).max_bytes(size);
        request.expected_bytes = Some(size);
        let response = self.send(image, Access::Pull, &request).await?;
        if digest.matches(&response.body) {
            Ok(response.body)
        } else {
            let message = format!("digest mismatch: expected {digest}, got {}", OciDigest::of(&response.body));
            Err(wrong(message).with_help(TAMPERED))
        }
    }

    /// `…/v2/<repository>/<segments>`
    pub(super) async fn url(&self, image: &Reference, segments: &[&str]) -> Result<Url, Failure> {
        let mut url = self.0.http.root(image.resolve_registry()).await?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("v2").extend(image.repository().split('/')).extend(segments);
        }
        Ok(url)
    }

    /// Sends a request, with credentials if the registry requires them, and retries where that may help.
    pub(super) async fn send(&self, image: &Reference, access: Access, request: &Request) -> Result<Response, Failure> {
        self.send_as(Sender::Client { image, access }, request).await
    }

    /// Sends a request until it succeeds, fails for good, or the retry budget is used up.
    async fn send_as(&self, sender: Sender<'_>, request: &Request) -> Result<Response, Failure> {
        let mut budget = self.retry_budget();
        loop {
            let sent = match sender {
                Sender::Anonymous => self.0.http.exchange(request, None).await,
                Sender::Client { image, access } => self.send_once(image, access, request).await,
            };
            match sent.and_then(|response| self.successful(response)) {
                Ok(response) => return Ok(response),
                Err(failure) => budget.wait_or_fail(failure).await?,
            }
        }
    }

    pub(super) fn retry_budget(&self) -> RetryBudget {
        RetryBudget::new(&self.0.timeouts)
    }

    pub(super) fn successful(&self, response: Response) -> Result<Response, Failure> {
        if response.status.is_success() { Ok(response) } else { Err(reply::failure(&response, &self.0.http.secrets)) }
    }

    /// Sends a request once, or twice where the registry answers with an authentication challenge. The response may have any
    /// status.
    pub(super) async fn send_once(
        &self,
        image: &Reference,
        access: Access,
        request: &Request,
    ) -> Result<Response, Failure> {
        let Inner { http, tokens, .. } = &*self.0;
        let host = image.resolve_registry();
        if http.root(host).await?.origin() != request.url.origin() {
            // An upload may continue on another host, which must not see the credentials.
            return http.exchange(request, None).await;
        }
        let scope = Scope { repository: image.repository().to_owned(), access };
        let first = tokens.cached(http, host, &scope).await?;
        let response = http.exchange(request, first.as_ref()).await?;
        // Only the registry itself may challenge, not a server it redirects to.
        if response.status != StatusCode::UNAUTHORIZED || response.url.origin() != request.url.origin() {
            return Ok(response);
        }
        let Some(challenge) = Challenge::of(&response) else {
            let failure = reply::failure(&response, &http.secrets);
            return Err(Failure {
                message: format!("{} without a usable `WWW-Authenticate` header", failure.message),
                ..failure
            });
        };
        let second = tokens.for_challenge(http, host, &scope, challenge, first.as_ref()).await?;
        let response = http.exchange(request, Some(&second)).await?;
        if response.status == StatusCode::UNAUTHORIZED {
            return Err(tokens.rejected(http, host, &scope, &response).await);
        }
        Ok(response)
    }
}

/// Whether a GET may have more to say than the HEAD that failed.
fn has_no_text(failure: &Failure) -> bool {
    failure.is_response && failure.retry.is_none()
}

/// The digest of a reference, else its tag.
pub(super) fn target(image: &Reference) -> &str {
    image.digest().or(image.tag()).unwrap_or("latest")
}
