//! From a 401 to an `Authorization` header: Basic, or a bearer token of the token service, anonymous without credentials.
//! Tokens are cached until they expire, and requested once however many callers wait.
//!
//! Wire format: the token and OAuth2 pages of the Distribution project.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use tokio::time::Instant;

use super::auth::{Credentials, FoundCredential};
use super::credential::Credential;
use super::display;
use super::error::{Class, Failure};
use super::http::{Http, Request, Response};
use super::reply;
use super::secrets::Secret;

/// Far above any token.
const MAX_BYTES: u64 = 1024 * 1024;

/// Lifetime of a token without `expires_in`.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);

/// A permission for a repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    pub(super) repository: String,
    pub(super) access: Access,
}

/// What a request does with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Access {
    /// Reads, with the credentials of the Docker configuration.
    Pull,
    /// Reads before and after a push, with the credentials of the push: the package may be private or new.
    LookUp,
    /// Writes.
    Push,
    /// Deletes, which is a separate action in some registries.
    Delete,
}

impl Scope {
    fn text(&self) -> String {
        let actions = match self.access {
            Access::Pull | Access::LookUp => "pull",
            Access::Push => "pull,push",
            Access::Delete => "pull,push,delete",
        };
        format!("repository:{}:{actions}", self.repository)
    }

    fn is_push(&self) -> bool {
        self.access != Access::Pull
    }
}

/// The authentication a registry requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: Url, service: Option<String> },
}

impl Challenge {
    /// The challenge of a response with status 401; bearer tokens are preferred.
    pub(super) fn of(response: &Response) -> Option<Self> {
        let headers = response.headers.get_all(reqwest::header::WWW_AUTHENTICATE);
        let texts = headers.iter().filter_map(|value| value.to_str().ok());
        let challenges: Vec<Self> = texts.flat_map(|text| Self::parse(text, &response.url)).collect();
        challenges.iter().find(|it| matches!(it, Self::Bearer { .. })).or(challenges.first()).cloned()
    }

    /// Whether the token itself is rejected, rather than its permissions.
    fn rejects_token(response: &Response) -> bool {
        let headers = response.headers.get_all(reqwest::header::WWW_AUTHENTICATE);
        let texts = headers.iter().filter_map(|value| value.to_str().ok());
        let mut challenges = texts.flat_map(|text| http_auth::parse_challenges(text).unwrap_or_default());
        challenges.any(|challenge| {
            let mut parameters = challenge.params.iter();
            parameters.any(|(key, value)| key.eq_ignore_ascii_case("error") && value.to_unescaped() == "invalid_token")
        })
    }

    /// The challenges in a header; those that nobody can meet here are left out.
    pub(super) fn parse(text: &str, base: &Url) -> Vec<Self> {
        let Ok(challenges) = http_auth::parse_challenges(text) else { return Vec::new() };
        let challenges = challenges.into_iter().filter_map(|challenge| {
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                return Some(Self::Basic);
            }
            let parameter = |name: &str| {
                let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.to_unescaped())
            };
            let is_bearer = challenge.scheme.eq_ignore_ascii_case("bearer");
            let realm = base.join(&parameter("realm").filter(|_| is_bearer)?).ok()?;
            if !matches!(realm.scheme(), "https" | "http") {
                return None;
            }
            Some(Self::Bearer { realm, service: parameter("service") })
        });
        challenges.collect()
    }
}

/// An `Authorization` header and when it expires.
struct CachedHeader {
    header: Secret,
    expires_at: Option<Instant>,
}

type Slot = Arc<tokio::sync::Mutex<Option<CachedHeader>>>;

/// The headers by host and scope.
pub(super) struct Tokens {
    credentials: Credentials,
    challenges: Mutex<HashMap<String, Challenge>>,
    slots: Mutex<HashMap<(String, Scope), Slot>>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

impl Tokens {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self { credentials, challenges: Mutex::default(), slots: Mutex::default() }
    }

    /// The header for a first attempt: none for a host that has not sent a challenge yet.
    pub(super) async fn cached(&self, http: &Http, host: &str, scope: &Scope) -> Result<Option<Secret>, Failure> {
        let challenge = self.challenges.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned();
        match challenge {
            Some(challenge) => self.header(http, host, scope, &challenge, None).await.map(Some),
            None => Ok(None),
        }
    }

    /// The header for a host that answered 401 to `refused`.
    pub(super) async fn for_challenge(
        &self,
        http: &Http,
        host: &str,
        scope: &Scope,
        challenge: Challenge,
        refused: Option<&Secret>,
    ) -> Result<Secret, Failure> {
        let header = self.header(http, host, scope, &challenge, refused).await?;
        self.challenges.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned(), challenge);
        Ok(header)
    }

    async fn header(
        &self,
        http: &Http,
        host: &str,
        scope: &Scope,
        challenge: &Challenge,
        refused: Option<&Secret>,
    ) -> Result<Secret, Failure> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry((host.to_owned(), scope.clone())).or_default())
        };
        let mut slot = slot.lock().await;
        if let Some(cached) = slot.as_ref() {
            let is_fresh = cached.expires_at.is_none_or(|expires_at| Instant::now() < expires_at);
            if is_fresh && Some(&cached.header) != refused {
                return Ok(cached.header.clone());
            }
        }
        let found = self.credentials.of(host, &scope.repository, scope.is_push()).await?;
        let cached = match challenge {
            Challenge::Basic => basic_header(host, found)?,
            Challenge::Bearer { realm, service } => {
                bearer_header(http, host, scope, realm, service.as_deref(), found).await?
            }
        };
        http.secrets.remember(cached.header.expose());
        let header = cached.header.clone();
        *slot = Some(cached);
        Ok(header)
    }

    /// The failure for a 401 in spite of credentials.
    pub(super) async fn rejected(&self, http: &Http, host: &str, scope: &Scope, response: &Response) -> Failure {
        if Challenge::rejects_token(response) {
            let message = format!("`{host}` rejects the token of its token service");
            return Failure::new(Class::Denied, message).with_help(
                "tell the owner of the registry to compare the clocks of the registry and its token service",
            );
        }
        let found = self.credentials.of(host, &scope.repository, scope.is_push()).await.ok().flatten();
        let origin = found.as_ref().map(|found| found.origin.as_str());
        Failure { is_response: true, ..denied(host, origin, reply::detail(response, &http.secrets)) }
    }
}

/// Missing or rejected credentials, with the error of the server.
fn denied(host: &str, origin: Option<&str>, detail: Option<String>) -> Failure {
    let detail = detail.map(|text| format!(" ({text})")).unwrap_or_default();
    match origin {
        Some(origin) => Failure::new(Class::Denied, format!("`{host}` rejects the credentials from {origin}{detail}"))
            .with_help(format!("log in again with `docker login {host}`, or use an account with the permission")),
        None => Failure::new(Class::Denied, format!("`{host}` requires credentials, none are configured{detail}"))
            .with_help(format!("log in with `docker login {host}`; unknown names may be reported this way too")),
    }
}

fn basic_header(host: &str, found: Option<FoundCredential>) -> Result<CachedHeader, Failure> {
    let found = found.ok_or_else(|| denied(host, None, None))?;
    match &found.credential {
        Credential::Password { user, password } => Ok(CachedHeader { header: basic(user, password), expires_at: None }),
        Credential::IdentityToken(_) => {
            let message = format!("`{host}` requires a password, {} has an identity token", found.origin);
            Err(Failure::new(Class::Denied, message).with_help(format!("log in again with `docker login {host}`")))
        }
    }
}

fn basic(user: &str, password: &Secret) -> Secret {
    Secret::new(format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose()))))
}

/// The response of a token service: some have `token`, some `access_token`, some both.
#[derive(Deserialize)]
struct TokenResponse {
    token: Option<String>,
    access_token: Option<String>,
    /// Seconds, in some services as a string. An invalid value does not make the token unusable.
    #[serde(default)]
    expires_in: serde_json::Value,
}

impl TokenResponse {
    /// The lifetime of the token from the time of the request; `issued_at` is by another clock. If it is wrong, the next 401
    /// renews the token.
    fn lifetime(&self) -> Duration {
        let seconds = self.expires_in.as_f64().or_else(|| self.expires_in.as_str()?.parse().ok());
        let seconds = seconds.filter(|seconds| *seconds > 0.0 && *seconds < 1e9);
        seconds.map_or(DEFAULT_LIFETIME, Duration::from_secs_f64)
    }
}

async fn bearer_header(
    http: &Http,
    host: &str,
    scope: &Scope,
    realm: &Url,
    service: Option<&str>,
    found: Option<FoundCredential>,
) -> Result<CachedHeader, Failure> {
    let origin = found.as_ref().map(|found| found.origin.clone());
    let (request, authorization) = token_request(http, scope, realm, service, found);
    let requested_at = Instant::now();
    let response = http.exchange(&request, authorization.as_ref()).await;
    let response = response
        .map_err(|failure| Failure { message: format!("token service of `{host}`: {}", failure.message), ..failure })?;
    // OAuth2 reports an invalid refresh token as 400.
    let is_invalid_grant = response.status == StatusCode::BAD_REQUEST && request.method == Method::POST;
    if is_invalid_grant || matches!(response.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(denied(host, origin.as_deref(), reply::detail(&response, &http.secrets)));
    }
    if !response.status.is_success() {
        let failure = reply::failure(&response, &http.secrets);
        let class = if failure.class == Class::NotFound { Class::WrongContent } else { failure.class };
        return Err(Failure { class, message: format!("token service of `{host}`: {}", failure.message), ..failure });
    }
    let invalid = || {
        Failure::new(
            Class::WrongContent,
            format!("no token in the response of the token service {}", display::server(realm)),
        )
    };
    let reply: TokenResponse = serde_json::from_slice(&response.body).map_err(|_| invalid())?;
    let lifetime = reply.lifetime();
    let token = reply.token.filter(|it| !it.is_empty()).or(reply.access_token).filter(|it| !it.is_empty());
    let token = token.filter(|it| it.bytes().all(|byte| byte.is_ascii_graphic())).ok_or_else(invalid)?;
    http.secrets.remember(&token);
    // A little earlier, so that it does not expire on the way.
    let expires_at = requested_at + lifetime.mul_f64(0.9);
    Ok(CachedHeader { header: Secret::new(format!("Bearer {token}")), expires_at: Some(expires_at) })
}

/// The request for a token, and its `Authorization`.
fn token_request(
    http: &Http,
    scope: &Scope,
    realm: &Url,
    service: Option<&str>,
    found: Option<FoundCredential>,
) -> (Request, Option<Secret>) {
    let scope = scope.text();
    let mut parameters = vec![("scope", scope.as_str())];
    parameters.extend(service.map(|service| ("service", service)));
    match found.map(|found| found.credential) {
        Some(Credential::IdentityToken(token)) => {
            http.secrets.remember(token.expose());
            parameters.extend([
                ("grant_type", "refresh_token"),
                ("client_id", "policy-verify"),
                ("refresh_token", token.expose()),
            ]);
            let mut request = Request::new(Method::POST, realm.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .max_bytes(MAX_BYTES);
            let mut form = Url::parse("form:").expect("a constant URL");
            form.query_pairs_mut().extend_pairs(&parameters);
            request.body = form.query().map(|query| query.to_owned().into());
            (request, None)
        }
        credential => {
            let mut url = realm.clone();
            url.query_pairs_mut().extend_pairs(&parameters);
            let authorization = match credential {
                Some(Credential::Password { user, password }) => {
                    http.secrets.remember(password.expose());
                    let header = basic(&user, &password);
                    http.secrets.remember(header.expose());
                    Some(header)
                }
                _ => None,
            };
            (Request::new(Method::GET, url).max_bytes(MAX_BYTES), authorization)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Vec<Challenge> {
        Challenge::parse(text, &Url::parse("https://a.test/v2/").unwrap())
    }

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Bearer { realm: Url::parse(realm).unwrap(), service: service.map(str::to_owned) }
    }

    #[test]
    fn challenges_are_parsed() {
        let ghcr = r#"Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:a/b:pull""#;
        assert_eq!(parse(ghcr), [bearer("https://ghcr.io/token", Some("ghcr.io"))]);
        assert_eq!(parse("Basic realm=\"Registry\""), [Challenge::Basic]);
        assert_eq!(parse("basic"), [Challenge::Basic]);
        assert_eq!(parse("bearer realm=\"/token\""), [bearer("https://a.test/token", None)]);
        let both = parse("Negotiate, Basic realm=x, Bearer realm=\"https://b.test/\"");
        assert_eq!(both, [Challenge::Basic, bearer("https://b.test/", None)]);
    }

    #[test]
    fn scopes_have_the_actions_of_the_access() {
        let actions = |access| Scope { repository: "a/b".into(), access }.text().replace("repository:a/b:", "");
        assert_eq!([Access::Pull, Access::LookUp].map(actions), ["pull", "pull"]);
        assert_eq!([Access::Push, Access::Delete].map(actions), ["pull,push", "pull,push,delete"]);
    }

    #[test]
    fn tokens_expire_after_expires_in_or_a_minute() {
        let life = |text: &str| serde_json::from_str::<TokenResponse>(text).unwrap().lifetime().as_secs();
        assert_eq!(life(r#"{"token":"t","expires_in":300,"issued_at":"2015-10-21T07:28:00Z"}"#), 300);
        assert_eq!(life(r#"{"token":"t","expires_in":"3600"}"#), 3600);
        for text in
            ["", r#","expires_in":null"#, r#","expires_in":0"#, r#","expires_in":-5"#, r#","expires_in":"soon""#]
        {
            assert_eq!(life(&format!(r#"{{"token":"t"{text}}}"#)), 60, "{text}");
        }
        assert_eq!(life(r#"{"token":"t","expires_in":1e300}"#), 60);
    }

    #[test]
    fn invalid_challenges_are_ignored() {
        for text in [
            "",
            "Bearer",
            "Bearer service=\"x\"",
            "Bearer realm=\"",
            "\u{7f}",
            "Digest realm=\"x\"",
            "Bearer realm=\"file:///x\"",
        ] {
            assert_eq!(parse(text), [], "{text}");
        }
    }
}
