//! One exchange with a server: which client speaks to which host, redirects, and bodies that are never read without a
//! bound.
//!
//! A host that is not listed as insecure is spoken to by HTTPS only. A listed one is tried by HTTPS, by HTTPS without
//! checking certificates, and by plain HTTP; the first that gives any answer is kept. An answer such as 401 or 404 ends
//! the search, unlike in kwctl, which would go on and send credentials in the clear.

use std::collections::HashMap;
use std::error::Error as _;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, Method, Response, StatusCode, Url, redirect};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::bounded::format_bytes;
use super::display;
use super::error::{Again, Class, Failure};
use super::meter::Meter;
use super::secrets::{Secret, Secrets};
use super::sources::{self, Sources};

/// As many as browsers and curl follow at least, and more than any registry needs.
const MOST_REDIRECTS: usize = 10;

/// Bytes of the body of an error that are looked at.
const MOST_OF_AN_ERROR: u64 = 64 * 1024;

/// Slowest upload that is still one: a server may say nothing for as long as a body takes at this rate.
const SLOWEST_BYTES_PER_SECOND: u64 = 32 * 1024;

/// Bounds of time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// Until a connection stands.
    pub(crate) connect: Duration,
    /// Between two signs of life of a server.
    pub(crate) silence: Duration,
    /// For everything one call of the registry does, retries included.
    pub(crate) total: Duration,
    /// Before the first retry; doubled with each further one.
    pub(crate) first_pause: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self::within(Duration::from_secs(300))
    }
}

impl Times {
    /// The usual times, none of them longer than `total`.
    pub(crate) fn within(total: Duration) -> Self {
        let at_most = |seconds| Duration::from_secs(seconds).min(total);
        // Half of it, so that the message can tell who kept us waiting.
        Self {
            connect: at_most(10),
            silence: at_most(30).min(total / 2),
            total,
            first_pause: Duration::from_millis(300).min(total),
        }
    }
}

/// What is asked of a server.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    /// Counts the body while it is sent.
    pub(super) meter: Meter,
    /// Most bytes of a good answer that are taken.
    pub(super) most: u64,
    /// Exact length of a good answer, where it is known.
    pub(super) expected: Option<u64>,
}

impl Ask {
    pub(super) fn new(method: Method, url: Url) -> Self {
        let (headers, meter) = (HeaderMap::new(), Meter::default());
        Self { method, url, headers, body: None, meter, most: 1024 * 1024, expected: None }
    }

    pub(super) fn header(mut self, name: reqwest::header::HeaderName, value: &'static str) -> Self {
        self.headers.append(name, HeaderValue::from_static(value));
        self
    }

    pub(super) fn at_most(self, most: u64) -> Self {
        Self { most, ..self }
    }
}

/// What a server answered, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Where the answer came from, after redirects.
    pub(super) url: Url,
}

impl Answer {
    pub(super) fn header(&self, name: impl reqwest::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Speaks HTTP as the sources allow.
#[derive(Debug)]
pub(super) struct Http {
    sources: Sources,
    times: Times,
    /// What servers say passes through here.
    pub(super) secrets: Secrets,
    clients: Mutex<HashMap<ClientKey, Client>>,
    endpoints: Mutex<HashMap<String, Arc<OnceCell<Endpoint>>>>,
}

/// Clients are shared by all hosts that need the same one, and so are the roots they load.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum ClientKey {
    Usual,
    WithAuthoritiesOf(String),
    Unverified,
}

/// How a listed host is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Verified,
    Unverified,
    Plain,
}

impl Endpoint {
    /// In the order of trying.
    const ALL: [Self; 3] = [Self::Verified, Self::Unverified, Self::Plain];

    fn scheme(self) -> &'static str {
        if self == Self::Plain { "http" } else { "https" }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Verified => "HTTPS",
            Self::Unverified => "HTTPS without checks",
            Self::Plain => "HTTP",
        }
    }
}

impl Http {
    pub(super) fn new(sources: Sources, times: Times) -> Self {
        Self { sources, times, secrets: Secrets::default(), clients: Mutex::default(), endpoints: Mutex::default() }
    }

    /// The root of a registry, such as `https://ghcr.io/`.
    pub(super) async fn root(&self, host: &str) -> Result<Url, Failure> {
        let scheme = if self.sources.is_insecure(host) { self.endpoint(host).await?.scheme() } else { "https" };
        Url::parse(&format!("{scheme}://{host}/"))
            .map_err(|error| Failure::new(Class::Unreachable, format!("`{host}` is no host: {error}")))
    }

    /// Asks once, following redirects. `authorization` goes to the host asked and to no other.
    pub(super) async fn exchange(&self, ask: &Ask, authorization: Option<&Secret>) -> Result<Answer, Failure> {
        let mut url = ask.url.clone();
        let mut authorization = authorization;
        for _ in 0..=MOST_REDIRECTS {
            let response = self.send(ask, &url, authorization).await?;
            let Some(next) = redirect_target(&response, &url)? else {
                return self.read(response, url, ask).await;
            };
            if !matches!(ask.method, Method::GET | Method::HEAD) {
                let message =
                    format!("{} redirects a {} to {}", display::server(&url), ask.method, display::server(&next));
                return Err(Failure::new(Class::WrongContent, message));
            }
            if next.origin() != url.origin() {
                authorization = None;
            }
            url = next;
        }
        let message = format!("{} redirects more than {MOST_REDIRECTS} times", display::server(&ask.url));
        Err(Failure::new(Class::Refused, message).with_help("the server sends its clients in circles: tell its owner"))
    }

    async fn send(&self, ask: &Ask, url: &Url, authorization: Option<&Secret>) -> Result<Response, Failure> {
        let client = self.client_for(url).await?;
        let mut request = client.request(ask.method.clone(), url.clone()).headers(ask.headers.clone());
        if let Some(secret) = authorization {
            let mut value = HeaderValue::from_str(secret.expose())
                .map_err(|_| Failure::new(Class::Credentials, "the credentials cannot be sent in a header"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let mut silence = self.times.silence;
        if let Some(body) = &ask.body {
            silence += Duration::from_secs(body.len() as u64 / SLOWEST_BYTES_PER_SECOND);
            request = request.body(ask.meter.body(body.clone()));
        }
        match timeout(silence, request.send()).await {
            Ok(sent) => sent.map_err(|error| transport(&error, url)),
            Err(_) => Err(silent(url, silence)),
        }
    }

    /// The client for a URL, or why it must not be asked.
    async fn client_for(&self, url: &Url) -> Result<Client, Failure> {
        let host = display::authority(url);
        let is_insecure = self.sources.is_insecure(&host);
        match url.scheme() {
            "https" if is_insecure && self.endpoint(&host).await? != Endpoint::Verified => {
                self.client(&ClientKey::Unverified)
            }
            "https" => self.client(&self.verifying(&host)),
            "http" if is_insecure => self.client(&ClientKey::Usual),
            _ => Err(Failure::new(Class::Refused, format!("plain HTTP to `{host}` is refused")).with_help(format!(
                "use https, or list \"{host}\" under `insecure_sources` of sources.yaml if you trust the network"
            ))),
        }
    }

    fn verifying(&self, host: &str) -> ClientKey {
        match self.sources.authorities(host) {
            [] => ClientKey::Usual,
            _ => ClientKey::WithAuthoritiesOf(host.to_owned()),
        }
    }

    fn client(&self, key: &ClientKey) -> Result<Client, Failure> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(key) {
            return Ok(client.clone());
        }
        let client = self.build(key, false).or_else(|error| {
            // A container without any certificates, and nobody who said where they are.
            let is_told = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some());
            if is_told { Err(error) } else { self.build(key, true) }
        });
        let client = client.map_err(|error| {
            Failure::new(Class::Unreachable, format!("TLS cannot be set up: {}", innermost(&error))).with_help(
                "install the certificates of the system (ca-certificates), or set SSL_CERT_FILE to a PEM file",
            )
        })?;
        clients.insert(key.clone(), client.clone());
        Ok(client)
    }

    fn build(&self, key: &ClientKey, brings_roots: bool) -> reqwest::Result<Client> {
        let mut builder = Client::builder()
            .user_agent(concat!("policy-verify/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(self.times.connect);
        for proxy in self.sources.proxies() {
            builder = builder.proxy(proxy);
        }
        let extra = match key {
            ClientKey::WithAuthoritiesOf(host) => self.sources.authorities(host),
            _ => &[],
        };
        builder = match key {
            ClientKey::Unverified => builder.tls_danger_accept_invalid_certs(true),
            _ if brings_roots => {
                let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
                let roots = roots.filter_map(|der| reqwest::Certificate::from_der(der).ok());
                builder.tls_certs_only(roots.chain(extra.iter().cloned()))
            }
            _ => builder.tls_certs_merge(extra.iter().cloned()),
        };
        builder.build()
    }

    /// How a listed host is reached; found out once.
    async fn endpoint(&self, host: &str) -> Result<Endpoint, Failure> {
        let cell = {
            let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(endpoints.entry(host.to_owned()).or_default())
        };
        cell.get_or_try_init(|| self.find_endpoint(host)).await.copied()
    }

    async fn find_endpoint(&self, host: &str) -> Result<Endpoint, Failure> {
        let mut failures = Vec::new();
        for endpoint in Endpoint::ALL {
            let client = match endpoint {
                Endpoint::Verified => self.client(&self.verifying(host)),
                Endpoint::Unverified => self.client(&ClientKey::Unverified),
                Endpoint::Plain => self.client(&ClientKey::Usual),
            };
            let url = Url::parse(&format!("{}://{host}/v2/", endpoint.scheme()))
                .map_err(|error| Failure::new(Class::Unreachable, format!("`{host}` is no host: {error}")))?;
            let tried = match client {
                Ok(client) => match timeout(self.times.silence, client.get(url.clone()).send()).await {
                    Ok(Ok(_)) => return Ok(endpoint),
                    Ok(Err(error)) => transport(&error, &url),
                    Err(_) => silent(&url, self.times.silence),
                },
                Err(failure) => failure,
            };
            failures.push((endpoint, tried));
        }
        let attempts = failures.iter().map(|(endpoint, failure)| format!("{}: {}", endpoint.words(), failure.message));
        let message = attempts.collect::<Vec<_>>().join("; ");
        let (_, last) = failures.pop().expect("three ways were tried");
        Err(Failure { message, ..last })
    }

    async fn read(&self, mut response: Response, url: Url, ask: &Ask) -> Result<Answer, Failure> {
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let is_good = status.is_success();
        let most = if is_good { ask.most } else { MOST_OF_AN_ERROR };
        let mut body = Vec::new();
        if ask.method != Method::HEAD {
            if is_good {
                check_length(&response, &headers, ask, &url)?;
            }
            while let Some(chunk) = self.chunk(&mut response, &url, body.len()).await? {
                if body.len() as u64 + chunk.len() as u64 > most {
                    if is_good {
                        return Err(overlong(&url, ask));
                    }
                    break;
                }
                body.extend_from_slice(&chunk);
            }
            if let Some(expected) = ask.expected.filter(|expected| is_good && body.len() as u64 != *expected) {
                let message = format!("{} sends {} bytes instead of {expected}", display::server(&url), body.len());
                return Err(Failure::new(Class::WrongContent, message).trying_again(Again::Soon));
            }
        }
        Ok(Answer { status, headers, body, url })
    }

    async fn chunk(
        &self,
        response: &mut Response,
        url: &Url,
        before: usize,
    ) -> Result<Option<impl AsRef<[u8]> + std::ops::Deref<Target = [u8]>>, Failure> {
        match timeout(self.times.silence, response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => {
                let message =
                    format!("{} breaks off after {before} bytes: {}", display::server(url), innermost(&error));
                Err(Failure::new(Class::Unreachable, message).trying_again(Again::Soon))
            }
            Err(_) => Err(Failure {
                message: format!("{} stalls after {before} bytes", display::server(url)),
                ..silent(url, self.times.silence)
            }),
        }
    }
}

/// Looks at the head of an answer before any of its body is taken.
fn check_length(response: &Response, headers: &HeaderMap, ask: &Ask, url: &Url) -> Result<(), Failure> {
    let encoding = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("identity");
    if !encoding.eq_ignore_ascii_case("identity") {
        let message = format!("{} compresses what it sends although nobody asked for it", display::server(url));
        return Err(Failure::new(Class::WrongContent, message));
    }
    let Some(length) = response.content_length().or_else(|| declared_length(headers)) else { return Ok(()) };
    match ask.expected {
        Some(expected) if length != expected => {
            let message = format!("{} announces {length} bytes instead of {expected}", display::server(url));
            Err(Failure::new(Class::WrongContent, message))
        }
        _ if length > ask.most => Err(overlong(url, ask)),
        _ => Ok(()),
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(reqwest::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn overlong(url: &Url, ask: &Ask) -> Failure {
    match ask.expected {
        Some(expected) => Failure::new(
            Class::WrongContent,
            format!("{} sends more than the {expected} bytes announced", display::server(url)),
        ),
        None => Failure::new(
            Class::TooLarge,
            format!("{} sends more than {}", display::server(url), format_bytes(ask.most)),
        ),
    }
}

fn redirect_target(response: &Response, url: &Url) -> Result<Option<Url>, Failure> {
    const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];
    if !REDIRECTS.contains(&response.status().as_u16()) {
        return Ok(None);
    }
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let target = location.and_then(|location| url.join(location).ok());
    let target = target.filter(|target| ["http", "https"].contains(&target.scheme()) && target.has_host());
    let target = target
        .ok_or_else(|| Failure::new(Class::WrongContent, format!("{} redirects to nowhere", display::server(url))))?;
    Ok(Some(target))
}

fn silent(url: &Url, silence: Duration) -> Failure {
    Failure::new(Class::TimedOut, format!("{} says nothing for {silence:?}", display::server(url)))
        .with_help("try again later, or give it more time by --fetch-timeout")
}

/// Why there is no answer.
fn transport(error: &reqwest::Error, url: &Url) -> Failure {
    let reason = innermost(error);
    let server = display::server(url);
    let lower = reason.to_lowercase();
    if error.is_timeout() {
        return Failure::new(Class::TimedOut, format!("{server} does not accept a connection in time"))
            .with_help("check the name of the host, proxies and firewalls");
    }
    // What becomes of the greeting of TLS at a server that answers in plain text, or not at all.
    if error.is_connect() && (lower.contains("corrupt message") || lower.contains("handshake eof")) {
        let help = format!(
            "if it speaks plain HTTP and you trust the network, write `insecure_sources: [\"{}\"]` into {}, or into a \
             file that `--sources-path` names",
            display::authority(url),
            sources::usual_file()
        );
        return Failure::new(Class::Unreachable, format!("{server} does not speak TLS")).with_help(help);
    }
    let broke = is_broken_connection(error);
    if error.is_connect() && !broke {
        let failure = Failure::new(Class::Unreachable, format!("{server} cannot be reached: {reason}"));
        return failure.with_help(if lower.contains("certificate") {
            "trust its certificate under `source_authorities` of sources.yaml or by SSL_CERT_FILE, or list the host \
             under `insecure_sources`"
        } else if lower.contains("handshake") {
            "a host that speaks plain HTTP has to be listed under `insecure_sources` of sources.yaml"
        } else {
            "check the name of the host, proxies and firewalls"
        });
    }
    let message = format!("{server} closes the connection: {reason}");
    let failure = Failure::new(Class::Unreachable, message).with_help("try again later");
    // What hyper could not parse will not become better.
    if lower.contains("invalid") { failure } else { failure.trying_again(Again::Soon) }
}

/// The last reason in the chain: those before it say where in reqwest and hyper it happened.
fn innermost(error: &reqwest::Error) -> String {
    let mut reason = error.source();
    let mut text = None;
    while let Some(cause) = reason {
        text = Some(cause.to_string());
        reason = cause.source();
    }
    text.unwrap_or_else(|| "the request cannot be sent".into())
}

fn is_broken_connection(error: &reqwest::Error) -> bool {
    let mut reason = error.source();
    while let Some(cause) = reason {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
            if [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof].contains(&error.kind()) {
                return true;
            }
        }
        reason = cause.source();
    }
    false
}
