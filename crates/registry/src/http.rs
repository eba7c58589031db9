//! One HTTP exchange: the client for a host, redirects, and bodies that are read up to a limit.
//!
//! Hosts that are not listed as insecure are reached by HTTPS only. A listed one is tried by HTTPS, by HTTPS without
//! certificate checks, and by plain HTTP; the first that responds is kept. A response such as 401 or 404 ends the search,
//! unlike in kwctl, which would go on and send credentials unencrypted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, Method, Proxy, StatusCode, Url, redirect};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::bounded::format_bytes;
use super::display;
use super::error::{Class, Failure, Retry};
use super::hosts::{Decision, HostRules, Refused, Resolver};
use super::meter::Meter;
use super::proxy::ProxyAddress;
use super::secrets::{Secret, Secrets};
use super::sources::Sources;
use super::tls;
use super::transport::{self, idle, innermost};

/// Browsers and curl follow at least as many.
const MAX_REDIRECTS: usize = 10;

/// The part of an error response that is read.
const MAX_ERROR_BYTES: u64 = 64 * 1024;

/// Slowest accepted upload: the idle timeout is extended by the time a body takes at this rate.
const MIN_BYTES_PER_SECOND: u64 = 32 * 1024;

/// Timeouts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    /// Of connecting.
    pub(crate) connect: Duration,
    /// Between two reads from a server.
    pub(crate) idle: Duration,
    /// Of one call, retries included.
    pub(crate) total: Duration,
    /// Delay before the first retry; doubled with each further one.
    pub(crate) first_retry_delay: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::within(Duration::from_secs(300))
    }
}

impl Timeouts {
    /// The usual timeouts, none of them longer than `total`.
    pub(crate) fn within(total: Duration) -> Self {
        let at_most = |seconds| Duration::from_secs(seconds).min(total);
        // Half of the total, so that the message names the server that did not respond.
        Self {
            connect: at_most(10),
            idle: at_most(30).min(total / 2),
            total,
            first_retry_delay: Duration::from_millis(300).min(total),
        }
    }
}

/// An HTTP request.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    /// Counts the body while it is sent.
    pub(super) meter: Meter,
    /// Limit of a successful response.
    pub(super) max_bytes: u64,
    /// Exact length of a successful response, where it is known.
    pub(super) expected_bytes: Option<u64>,
    /// The body of a successful response, to be compared instead of kept.
    pub(super) expected_body: Option<Bytes>,
}

impl Request {
    pub(super) fn new(method: Method, url: Url) -> Self {
        let (headers, meter) = (HeaderMap::new(), Meter::default());
        let (max_bytes, expected_bytes, expected_body) = (1024 * 1024, None, None);
        Self { method, url, headers, body: None, meter, max_bytes, expected_bytes, expected_body }
    }

    /// A successful response must have this body, which is not kept.
    pub(super) fn comparing(self, body: &Bytes) -> Self {
        let length = body.len() as u64;
        Self { max_bytes: length, expected_bytes: Some(length), expected_body: Some(body.clone()), ..self }
    }

    pub(super) fn header(mut self, name: reqwest::header::HeaderName, value: &'static str) -> Self {
        self.headers.append(name, HeaderValue::from_static(value));
        self
    }

    pub(super) fn max_bytes(self, max_bytes: u64) -> Self {
        Self { max_bytes, ..self }
    }
}

/// An HTTP response of any status.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) method: Method,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// The URL after redirects.
    pub(super) url: Url,
    /// The proxy that may have answered instead of the server: for plain HTTP.
    pub(super) proxy: Option<ProxyAddress>,
}

impl Response {
    pub(super) fn header(&self, name: impl reqwest::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The HTTP clients, one for each kind of host.
#[derive(Debug)]
pub(super) struct Http {
    sources: Sources,
    timeouts: Timeouts,
    rules: Arc<HostRules>,
    /// Removes credentials from the texts of servers.
    pub(super) secrets: Secrets,
    clients: Mutex<HashMap<ClientKey, Client>>,
    endpoints: Mutex<HashMap<String, Arc<OnceCell<Endpoint>>>>,
}

/// Clients are shared by all hosts that need the same one, and so are the roots they load.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ClientKey {
    trust: Trust,
    proxy: Option<ProxyAddress>,
    /// Whether the addresses of its hosts decide whether they are reached.
    checks_addresses: bool,
}

/// The certificates a client accepts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Trust {
    Default,
    WithAuthoritiesOf(String),
    /// Any; also for plain HTTP, so that no certificates are loaded.
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
            Self::Unverified => "HTTPS without certificate checks",
            Self::Plain => "HTTP",
        }
    }
}

impl Http {
    pub(super) fn new(sources: Sources, timeouts: Timeouts, rules: HostRules) -> Self {
        Self {
            sources,
            timeouts,
            rules: Arc::new(rules),
            secrets: Secrets::default(),
            clients: Mutex::default(),
            endpoints: Mutex::default(),
        }
    }

    /// The root of a registry, such as `https://ghcr.io/`.
    pub(super) async fn root(&self, host: &str) -> Result<Url, Failure> {
        let scheme = if self.sources.is_insecure(host) { self.endpoint(host).await?.scheme() } else { "https" };
        Url::parse(&format!("{scheme}://{host}/"))
            .map_err(|error| Failure::new(Class::Unreachable, format!("invalid host `{host}`: {error}")))
    }

    /// Sends a request once, following redirects. `authorization` is sent to the first host only.
    pub(super) async fn exchange(
        &self,
        request: &Request,
        authorization: Option<&Secret>,
    ) -> Result<Response, Failure> {
        let mut url = request.url.clone();
        let mut authorization = authorization;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(request, &url, authorization).await?;
            let Some(next) = redirect_target(&response, &url)? else {
                return self.read(response, url, request).await;
            };
            if !matches!(request.method, Method::GET | Method::HEAD) {
                let message = format!(
                    "unexpected redirect of {} from {} to {}",
                    request.method,
                    display::server(&url),
                    display::server(&next)
                );
                return Err(Failure::new(Class::WrongContent, message));
            }
            if next.origin() != url.origin() {
                authorization = None;
            }
            url = next;
        }
        let message = format!("too many redirects from {}: more than {MAX_REDIRECTS}", display::server(&request.url));
        Err(Failure::new(Class::Refused, message).with_help("tell the owner of the server that it redirects in a loop"))
    }

    async fn send(
        &self,
        request: &Request,
        url: &Url,
        authorization: Option<&Secret>,
    ) -> Result<reqwest::Response, Failure> {
        let client = self.client_for(url).await?;
        let mut builder = client.request(request.method.clone(), url.clone()).headers(request.headers.clone());
        if let Some(secret) = authorization {
            let mut value = HeaderValue::from_str(secret.expose()).map_err(|_| {
                Failure::new(Class::Credentials, "the credentials have characters that are invalid in an HTTP header")
            })?;
            value.set_sensitive(true);
            builder = builder.header(AUTHORIZATION, value);
        }
        let mut idle_timeout = self.timeouts.idle;
        if let Some(body) = &request.body {
            idle_timeout += Duration::from_secs(body.len() as u64 / MIN_BYTES_PER_SECOND);
            builder = builder.body(request.meter.body(body.clone()));
        }
        match timeout(idle_timeout, builder.send()).await {
            Ok(sent) => sent.map_err(|error| transport::failure(&error, url, self.sources.proxies().of(url))),
            Err(_) => Err(idle(url, idle_timeout)),
        }
    }

    /// The client for a URL, unless the sources forbid it.
    async fn client_for(&self, url: &Url) -> Result<Client, Failure> {
        let host = display::authority(url);
        let is_insecure = self.sources.is_insecure(&host);
        match url.scheme() {
            "https" if is_insecure && self.endpoint(&host).await? != Endpoint::Verified => {
                self.client(url, Trust::Unverified).await
            }
            "https" => self.client(url, self.verifying(&host)).await,
            "http" if is_insecure => self.client(url, Trust::Unverified).await,
            _ => Err(Failure::new(Class::Refused, format!("plain HTTP to `{host}` is not allowed")).with_help(
                format!("use https, or add \"{host}\" to `insecure_sources` in sources.yaml if you trust the network"),
            )),
        }
    }

    fn verifying(&self, host: &str) -> Trust {
        match self.sources.authorities(host) {
            [] => Trust::Default,
            _ => Trust::WithAuthoritiesOf(host.to_owned()),
        }
    }

    /// The only place where a client is had, and with it a connection: redirects and the realms of registries come here, too.
    async fn client(&self, url: &Url, trust: Trust) -> Result<Client, Failure> {
        let refused = |refused: Refused| Failure::new(Class::Refused, refused.to_string()).with_help(refused.help());
        let proxy = self.sources.proxies().of(url).cloned();
        let checks_addresses = match self.rules.decide(url) {
            Decision::Reached => false,
            Decision::Refused(reason) => return Err(refused(reason)),
            // The address of a proxy is none of the suite's.
            Decision::ByAddress if proxy.is_some() => {
                self.rules.check_for_proxy(url.host_str().unwrap_or_default()).await.map_err(refused)?;
                false
            }
            Decision::ByAddress => true,
        };
        self.client_of(ClientKey { trust, proxy, checks_addresses })
    }

    fn client_of(&self, key: ClientKey) -> Result<Client, Failure> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        if key.trust != Trust::Unverified {
            tls::check_variables()?;
        }
        let proxy = key.proxy.as_ref().map(ProxyAddress::to_reqwest).transpose()?;
        let client = self.build(&key, proxy.clone(), false).or_else(|error| {
            // A container without any certificates, and no variable that names them.
            let is_configured = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some());
            if is_configured { Err(error) } else { self.build(&key, proxy, true) }
        });
        let client = client.map_err(|error| {
            Failure::new(Class::Unreachable, format!("cannot set up TLS: {}", innermost(&error)))
                .with_help("install the system certificates (ca-certificates), or set SSL_CERT_FILE to a PEM file")
        })?;
        clients.insert(key, client.clone());
        Ok(client)
    }

    fn build(&self, key: &ClientKey, proxy: Option<Proxy>, bundles_roots: bool) -> reqwest::Result<Client> {
        let mut builder = Client::builder()
            .user_agent(concat!("policy-verify/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(self.timeouts.connect);
        if let Some(proxy) = proxy {
            builder = builder.proxy(proxy);
        }
        if key.checks_addresses {
            builder = builder.dns_resolver(Arc::new(Resolver(Arc::clone(&self.rules))));
        }
        let extra = match &key.trust {
            Trust::WithAuthoritiesOf(host) => self.sources.authorities(host),
            _ => &[],
        };
        builder = match &key.trust {
            Trust::Unverified => builder.tls_danger_accept_invalid_certs(true),
            _ if bundles_roots => {
                let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
                let roots = roots.filter_map(|der| reqwest::Certificate::from_der(der).ok());
                builder.tls_certs_only(roots.chain(extra.iter().cloned()))
            }
            _ => builder.tls_certs_merge(extra.iter().cloned()),
        };
        builder.build()
    }

    /// How a listed host is reached, determined once.
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
            let url = Url::parse(&format!("{}://{host}/v2/", endpoint.scheme()))
                .map_err(|error| Failure::new(Class::Unreachable, format!("invalid host `{host}`: {error}")))?;
            let trust = if endpoint == Endpoint::Verified { self.verifying(host) } else { Trust::Unverified };
            let tried = match self.client(&url, trust).await {
                Ok(client) => match timeout(self.timeouts.idle, client.get(url.clone()).send()).await {
                    Ok(Ok(_)) => return Ok(endpoint),
                    Ok(Err(error)) => transport::failure(&error, &url, self.sources.proxies().of(&url)),
                    Err(_) => idle(&url, self.timeouts.idle),
                },
                Err(failure) => failure,
            };
            if tried.class == Class::Refused {
                return Err(tried);
            }
            failures.push((endpoint, tried));
        }
        let attempts = failures.iter().map(|(endpoint, failure)| format!("{}: {}", endpoint.words(), failure.message));
        let message = attempts.collect::<Vec<_>>().join("; ");
        let (_, last) = failures.pop().expect("three ways were tried");
        Err(Failure { message, ..last })
    }

    async fn read(&self, mut response: reqwest::Response, url: Url, request: &Request) -> Result<Response, Failure> {
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let is_success = status.is_success();
        let max_bytes = match is_success {
            true => request.max_bytes,
            false if self.is_private(&response, &url) => 0,
            false => MAX_ERROR_BYTES,
        };
        let mut body = Vec::new();
        let expected_body = request.expected_body.as_ref().filter(|_| is_success);
        if request.method != Method::HEAD {
            if is_success {
                check_length(&response, &headers, request, &url)?;
            }
            let mut length = 0;
            while let Some(chunk) = self.chunk(&mut response, &url, length).await? {
                if (length + chunk.len()) as u64 > max_bytes {
                    if is_success {
                        return Err(too_large(&url, request));
                    }
                    break;
                }
                match expected_body {
                    Some(expected) => check_content(&chunk, expected, length, &url)?,
                    None => body.extend_from_slice(&chunk),
                }
                length += chunk.len();
            }
            if let Some(expected) = request.expected_bytes.filter(|expected| is_success && length as u64 != *expected) {
                let message =
                    format!("size mismatch: {} sent {length} bytes, expected {expected}", display::server(&url));
                return Err(Failure::new(Class::WrongContent, message).retryable(Retry::Backoff));
            }
        }
        let proxy = self.sources.proxies().of(&url).filter(|_| url.scheme() == "http").cloned();
        Ok(Response { method: request.method.clone(), status, headers, body, url, proxy })
    }

    /// Whether the texts of a server are for nobody to see: it is one of the runner's network, and the run that of strangers.
    /// Behind a proxy that is not known.
    fn is_private(&self, response: &reqwest::Response, url: &Url) -> bool {
        let address = response.remote_addr().filter(|_| self.sources.proxies().of(url).is_none());
        address.is_some_and(|address| self.rules.hides_texts_of(address.ip()))
    }

    async fn chunk(
        &self,
        response: &mut reqwest::Response,
        url: &Url,
        before: usize,
    ) -> Result<Option<impl AsRef<[u8]> + std::ops::Deref<Target = [u8]>>, Failure> {
        match timeout(self.timeouts.idle, response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => {
                let message =
                    format!("connection to {} lost after {before} bytes: {}", display::server(url), innermost(&error));
                Err(Failure::new(Class::Unreachable, message).retryable(Retry::Backoff))
            }
            Err(_) => {
                let failure = idle(url, self.timeouts.idle);
                Err(Failure { message: format!("{} (after {before} bytes)", failure.message), ..failure })
            }
        }
    }
}

/// Checks the headers of a response before its body is read.
fn check_length(
    response: &reqwest::Response,
    headers: &HeaderMap,
    request: &Request,
    url: &Url,
) -> Result<(), Failure> {
    let encoding = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("identity");
    if !encoding.eq_ignore_ascii_case("identity") {
        let message = format!("unexpected Content-Encoding `{encoding}` from {}", display::server(url));
        return Err(Failure::new(Class::WrongContent, message));
    }
    let Some(length) = response.content_length().or_else(|| declared_length(headers)) else { return Ok(()) };
    match request.expected_bytes {
        Some(expected) if length != expected => {
            let message =
                format!("size mismatch: {} announces {length} bytes, expected {expected}", display::server(url));
            Err(Failure::new(Class::WrongContent, message))
        }
        _ if length > request.max_bytes => Err(too_large(url, request)),
        _ => Ok(()),
    }
}

/// Compares a part of a body, which begins at an offset.
fn check_content(part: &[u8], expected: &[u8], offset: usize, url: &Url) -> Result<(), Failure> {
    let expected = expected.get(offset..offset + part.len()).unwrap_or_default();
    let Some(first) = part.iter().zip(expected).position(|(one, other)| one != other) else { return Ok(()) };
    let message =
        format!("content mismatch: {} sent other bytes from offset {} on", display::server(url), offset + first);
    Err(Failure::new(Class::WrongContent, message))
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(reqwest::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(url: &Url, request: &Request) -> Failure {
    match request.expected_bytes {
        Some(expected) => Failure::new(
            Class::WrongContent,
            format!("size mismatch: {} sent more than {expected} bytes", display::server(url)),
        ),
        None => Failure::new(
            Class::TooLarge,
            format!("the response of {} is larger than {}", display::server(url), format_bytes(request.max_bytes)),
        ),
    }
}

fn redirect_target(response: &reqwest::Response, url: &Url) -> Result<Option<Url>, Failure> {
    const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];
    if !REDIRECTS.contains(&response.status().as_u16()) {
        return Ok(None);
    }
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let target = location.and_then(|location| url.join(location).ok());
    let target = target.filter(|target| ["http", "https"].contains(&target.scheme()) && target.has_host());
    let target = target.ok_or_else(|| {
        Failure::new(Class::WrongContent, format!("redirect without a valid `Location` from {}", display::server(url)))
    })?;
    Ok(Some(target))
}
