//! The registry client: what every request to a registry or a web server has in common.
//!
//! [`Registry`] holds the sources, the credentials and the open connections. Pulls are in `pull.rs`, pushes in `push.rs`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use oci_client::Reference;
use oci_client::manifest::OciDescriptor;
use reqwest::{Method, StatusCode, Url};
use tokio::time::timeout;

use super::auth::Credentials;
use super::bounded::format_bytes;
use super::digest::OciDigest;
use super::display;
use super::error::{Class, Failure, RegistryError, Stage};
use super::http::{Answer, Ask, Http, Times};
use super::retry::Patience;
use super::sources::Sources;
use super::token::{Access, Challenge, Scope, Tokens};
use super::{manifest, reply};

/// What the door needs to know. The default is what kwctl does without flags.
#[derive(Debug, Clone, Default)]
pub struct RegistryOptions {
    /// `sources.yaml`; by default the one of Kubewarden's configuration folder, if there is one.
    pub sources: Option<PathBuf>,
    /// Folder of docker's `config.json`; by default `$DOCKER_CONFIG`, else `~/.docker`.
    pub docker_config: Option<PathBuf>,
    /// Longest time for one call of the door, retries included; five minutes by default.
    pub time: Option<Duration>,
}

/// A client of registries and web servers, made once per process and cloned cheaply.
#[derive(Debug, Clone)]
pub struct Registry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: Http,
    tokens: Tokens,
    times: Times,
}

impl Registry {
    /// Reads the sources file; nothing else is read, and nothing is asked, before it is needed.
    ///
    /// # Errors
    ///
    /// A sources file that cannot be used, as a text that names it.
    pub fn new(options: &RegistryOptions) -> Result<Self, String> {
        let times = options.time.map_or_else(Times::default, Times::within);
        let sources = Sources::read(options.sources.as_deref())?;
        let credentials = Credentials::new(options.docker_config.as_deref(), times.silence);
        Ok(Self(Arc::new(Inner { http: Http::new(sources, times), tokens: Tokens::new(credentials), times })))
    }

    /// The digest a reference stands for now: by `HEAD`, and by `GET` where the answer to that names none.
    pub async fn digest(&self, image: &Reference) -> Result<OciDigest, RegistryError> {
        self.within(Stage::Tag, display::image(image), self.find_digest(image, Access::Pull)).await
    }

    /// The digest a tag stands for now, for whoever is about to move it or has moved it.
    pub(crate) async fn published_digest(&self, image: &Reference) -> Result<OciDigest, RegistryError> {
        self.within(Stage::Tag, display::image(image), self.find_digest(image, Access::LookUp)).await
    }

    /// The same, or none when there is no such tag or repository.
    pub(crate) async fn published_digest_if_any(&self, image: &Reference) -> Result<Option<OciDigest>, RegistryError> {
        match self.published_digest(image).await {
            Ok(digest) => Ok(Some(digest)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A blob of a repository, of the size its descriptor says and at most `most` bytes, checked against its digest.
    pub async fn blob(
        &self,
        image: &Reference,
        descriptor: &OciDescriptor,
        most: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        self.within(Stage::Blob, display::image(image), self.fetch_blob(image, descriptor, most)).await
    }

    /// What a URL leads to: at most `most` bytes, from a good answer. No credentials are sent.
    pub async fn download(&self, url: &Url, most: u64) -> Result<Vec<u8>, RegistryError> {
        let ask = Ask::new(Method::GET, url.clone()).at_most(most);
        let asked = async {
            let mut patience = self.patience();
            loop {
                let tried = self.0.http.exchange(&ask, None).await;
                match tried.and_then(|answer| self.good(answer)) {
                    Ok(answer) => return Ok(answer.body),
                    Err(failure) => patience.after(failure).await?,
                }
            }
        };
        self.within(Stage::Download, display::url(url), asked).await
    }

    /// Bounds everything one call does, and says what it was for.
    pub(super) async fn within<T>(
        &self,
        stage: Stage,
        uri: String,
        future: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, RegistryError> {
        let most = self.0.times.total;
        let done = timeout(most, future).await.unwrap_or_else(|_| {
            Err(Failure::new(Class::TimedOut, format!("it takes longer than {most:?}"))
                .with_help("try again later, or give it more time by --fetch-timeout"))
        });
        done.map_err(|failure| failure.at(stage, uri))
    }

    pub(super) fn patience(&self) -> Patience {
        Patience::new(&self.0.times)
    }

    async fn find_digest(&self, image: &Reference, access: Access) -> Result<OciDigest, Failure> {
        let url = self.url(image, &["manifests", target(image)]).await?;
        let ask = manifest::accepting(Ask::new(Method::HEAD, url));
        let answer = self.ask(image, access, &ask).await?;
        let named = answer.header(manifest::CONTENT_DIGEST).and_then(|text| text.parse::<OciDigest>().ok());
        match (named, image.digest()) {
            (Some(digest), Some(wanted)) if digest.as_str() != wanted => {
                Err(Failure::new(Class::WrongContent, format!("the registry answers about {digest} instead")))
            }
            (Some(digest), _) => Ok(digest),
            // Not every registry names the digest, and some do not know HEAD.
            (None, _) => Ok(self.fetch_manifest(image, access).await?.digest),
        }
    }

    pub(super) async fn fetch_blob(
        &self,
        image: &Reference,
        descriptor: &OciDescriptor,
        most: u64,
    ) -> Result<Vec<u8>, Failure> {
        let wrong = |message: String| Failure::new(Class::WrongContent, message);
        let digest: OciDigest =
            descriptor.digest.parse().map_err(|message| wrong(format!("the manifest names a blob by {message}")))?;
        let size = u64::try_from(descriptor.size).map_err(|_| wrong(format!("{digest} has a negative size")))?;
        if size > most {
            let message = format!("{digest} has {size} bytes, more than {}", format_bytes(most));
            return Err(Failure::new(Class::TooLarge, message));
        }
        let url = self.url(image, &["blobs", digest.as_str()]).await?;
        let mut ask = Ask::new(Method::GET, url).at_most(size);
        ask.expected = Some(size);
        let answer = self.ask(image, Access::Pull, &ask).await?;
        if digest.matches(&answer.body) {
            Ok(answer.body)
        } else {
            let message = format!("the content of {digest} has another digest, {}", OciDigest::of(&answer.body));
            Err(wrong(message).with_help("the registry is broken, or somebody changes what it sends"))
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

    /// Asks a registry until there is a good answer: with what it wants to see, and again where that may help.
    pub(super) async fn ask(&self, image: &Reference, access: Access, ask: &Ask) -> Result<Answer, Failure> {
        let mut patience = self.patience();
        loop {
            let tried = self.ask_once(image, access, ask).await;
            match tried.and_then(|answer| self.good(answer)) {
                Ok(answer) => return Ok(answer),
                Err(failure) => patience.after(failure).await?,
            }
        }
    }

    pub(super) fn good(&self, answer: Answer) -> Result<Answer, Failure> {
        if answer.status.is_success() { Ok(answer) } else { Err(reply::failure(&answer, &self.0.http.secrets)) }
    }

    /// Asks once, which is twice where the registry first has to say what it wants to see, and gives the answer whatever
    /// its status.
    pub(super) async fn ask_once(&self, image: &Reference, access: Access, ask: &Ask) -> Result<Answer, Failure> {
        let Inner { http, tokens, .. } = &*self.0;
        let host = image.resolve_registry();
        if http.root(host).await?.origin() != ask.url.origin() {
            // An upload may go on somewhere else, where nobody is to know who we are.
            return http.exchange(ask, None).await;
        }
        let scope = Scope { repository: image.repository().to_owned(), access };
        let first = tokens.known(http, host, &scope).await?;
        let answer = http.exchange(ask, first.as_ref()).await?;
        // Only the registry itself may ask who we are, not a server it redirects to.
        if answer.status != StatusCode::UNAUTHORIZED || answer.url.origin() != ask.url.origin() {
            return Ok(answer);
        }
        let Some(challenge) = Challenge::of(&answer) else {
            let failure = reply::failure(&answer, &http.secrets);
            return Err(Failure { message: format!("{}, and not what it wants", failure.message), ..failure });
        };
        let second = tokens.answer(http, host, &scope, challenge, first.as_ref()).await?;
        let answer = http.exchange(ask, Some(&second)).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            return Err(tokens.refusal(host, &scope, &answer).await);
        }
        Ok(answer)
    }
}

/// The digest of a reference, else its tag.
pub(super) fn target(image: &Reference) -> &str {
    image.digest().or(image.tag()).unwrap_or("latest")
}
