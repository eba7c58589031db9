//! From a 401 to an `Authorization` header: Basic where the registry wants that, else a bearer token from its token
//! service, anonymous if we are nobody, kept until it expires and asked for once however many wait for it.
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

use super::auth::{Credentials, Found};
use super::credential::Credential;
use super::display;
use super::error::{Class, Failure};
use super::http::{Answer, Ask, Http};
use super::reply;
use super::secrets::Secret;

/// Far above any token.
const MOST_BYTES: u64 = 1024 * 1024;

/// What a token lives when its service does not say.
const USUAL_LIFE: Duration = Duration::from_secs(60);

/// What may be done with which repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    pub(super) repository: String,
    pub(super) access: Access,
}

/// What somebody wants with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Access {
    /// To read, as whoever the configuration of docker says we are.
    Pull,
    /// To read before and after pushing, as who pushes: the package may be private, or not be there yet.
    LookUp,
    /// To write.
    Push,
    /// To take away, which needs a word of its own in some registries.
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

/// What a registry wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: Url, service: Option<String> },
}

impl Challenge {
    /// The challenge of an answer with status 401; a bearer token is preferred.
    pub(super) fn of(answer: &Answer) -> Option<Self> {
        let headers = answer.headers.get_all(reqwest::header::WWW_AUTHENTICATE);
        let texts = headers.iter().filter_map(|value| value.to_str().ok());
        let challenges: Vec<Self> = texts.flat_map(|text| Self::parse(text, &answer.url)).collect();
        challenges.iter().find(|it| matches!(it, Self::Bearer { .. })).or(challenges.first()).cloned()
    }

    /// Whether it is the token itself that is not liked, rather than what it allows.
    fn calls_token_invalid(answer: &Answer) -> bool {
        let headers = answer.headers.get_all(reqwest::header::WWW_AUTHENTICATE);
        let texts = headers.iter().filter_map(|value| value.to_str().ok());
        let mut challenges = texts.flat_map(|text| http_auth::parse_challenges(text).unwrap_or_default());
        challenges.any(|challenge| {
            let mut parameters = challenge.params.iter();
            parameters.any(|(key, value)| key.eq_ignore_ascii_case("error") && value.to_unescaped() == "invalid_token")
        })
    }

    fn parse(text: &str, base: &Url) -> Vec<Self> {
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
            Some(Self::Bearer { realm, service: parameter("service") })
        });
        challenges.collect()
    }
}

/// A header that a registry accepts, for a while.
struct Ready {
    header: Secret,
    until: Option<Instant>,
}

type Slot = Arc<tokio::sync::Mutex<Option<Ready>>>;

/// The headers known so far, by host and scope.
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

    /// The header to begin with: none for a host that has not asked for any yet.
    pub(super) async fn known(&self, http: &Http, host: &str, scope: &Scope) -> Result<Option<Secret>, Failure> {
        let challenge = self.challenges.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned();
        match challenge {
            Some(challenge) => self.header(http, host, scope, &challenge, None).await.map(Some),
            None => Ok(None),
        }
    }

    /// The header for a host that answered 401 to `refused`.
    pub(super) async fn answer(
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
        if let Some(ready) = slot.as_ref() {
            let is_fresh = ready.until.is_none_or(|until| Instant::now() < until);
            if is_fresh && Some(&ready.header) != refused {
                return Ok(ready.header.clone());
            }
        }
        let found = self.credentials.of(host, scope.is_push()).await?;
        let ready = match challenge {
            Challenge::Basic => basic_header(host, found)?,
            Challenge::Bearer { realm, service } => {
                bearer_header(http, host, scope, realm, service.as_deref(), found).await?
            }
        };
        http.secrets.remember(ready.header.expose());
        let header = ready.header.clone();
        *slot = Some(ready);
        Ok(header)
    }

    /// Why a host that has just been shown what it wanted to see still answers 401.
    pub(super) async fn refusal(&self, host: &str, scope: &Scope, answer: &Answer) -> Failure {
        if Challenge::calls_token_invalid(answer) {
            let message = format!("`{host}` does not accept the token that its token service has just given");
            return Failure::new(Class::Denied, message)
                .with_help("the clocks of the registry and of its token service may differ: tell their owner");
        }
        let found = self.credentials.of(host, scope.is_push()).await.ok().flatten();
        denied(host, found.as_ref().map(|found| found.origin.as_str()), "does not accept", None)
    }
}

/// Somebody wants to know who we are, or does not like who we are, and perhaps says why.
fn denied(host: &str, origin: Option<&str>, verb: &str, says: Option<String>) -> Failure {
    let says = says.map(|text| format!(" ({text})")).unwrap_or_default();
    match origin {
        Some(origin) => Failure::new(Class::Denied, format!("`{host}` {verb} the credentials from {origin}{says}"))
            .with_help(format!("log in again: `docker login {host}`; they may also lack the right to do this")),
        None => Failure::new(Class::Denied, format!("`{host}` wants credentials, and there are none{says}"))
            .with_help(format!("log in by `docker login {host}`; a name that does not exist may look the same")),
    }
}

fn basic_header(host: &str, found: Option<Found>) -> Result<Ready, Failure> {
    let found = found.ok_or_else(|| denied(host, None, "", None))?;
    match &found.credential {
        Credential::Password { user, password } => Ok(Ready { header: basic(user, password), until: None }),
        Credential::IdentityToken(_) => {
            let message = format!("`{host}` wants a password, and {} holds an identity token", found.origin);
            Err(Failure::new(Class::Denied, message).with_help(format!("log in again: `docker login {host}`")))
        }
    }
}

fn basic(user: &str, password: &Secret) -> Secret {
    Secret::new(format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose()))))
}

/// What a token service answers. Some say `token`, some `access_token`, some both.
#[derive(Deserialize)]
struct TokenReply {
    token: Option<String>,
    access_token: Option<String>,
    /// Seconds. Some write them as a text, and what cannot be read is no reason to do without the token.
    #[serde(default)]
    expires_in: serde_json::Value,
}

impl TokenReply {
    /// How long the token lives from when it was asked for: `issued_at` is by a clock that need not be ours. A service
    /// that is wrong about it is found out by the next 401.
    fn life(&self) -> Duration {
        let seconds = self.expires_in.as_f64().or_else(|| self.expires_in.as_str()?.parse().ok());
        let seconds = seconds.filter(|seconds| *seconds > 0.0 && *seconds < 1e9);
        seconds.map_or(USUAL_LIFE, Duration::from_secs_f64)
    }
}

async fn bearer_header(
    http: &Http,
    host: &str,
    scope: &Scope,
    realm: &Url,
    service: Option<&str>,
    found: Option<Found>,
) -> Result<Ready, Failure> {
    let origin = found.as_ref().map(|found| found.origin.clone());
    let (ask, authorization) = token_request(http, scope, realm, service, found);
    let asked_at = Instant::now();
    let answer = http.exchange(&ask, authorization.as_ref()).await;
    let answer = answer.map_err(|failure| Failure {
        message: format!("the token service of `{host}`: {}", failure.message),
        ..failure
    })?;
    // OAuth2 has 400 for a refresh token that does not hold.
    let is_invalid_grant = answer.status == StatusCode::BAD_REQUEST && ask.method == Method::POST;
    if is_invalid_grant || matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(denied(host, origin.as_deref(), "refuses", reply::says(&answer, &http.secrets)));
    }
    if !answer.status.is_success() {
        let failure = reply::failure(&answer, &http.secrets);
        let class = if failure.class == Class::NotFound { Class::WrongContent } else { failure.class };
        return Err(Failure {
            class,
            message: format!("the token service of `{host}`: {}", failure.message),
            ..failure
        });
    }
    let garbled =
        || Failure::new(Class::WrongContent, format!("the token service {} gives no token", display::server(realm)));
    let reply: TokenReply = serde_json::from_slice(&answer.body).map_err(|_| garbled())?;
    let life = reply.life();
    let token = reply.token.filter(|it| !it.is_empty()).or(reply.access_token).filter(|it| !it.is_empty());
    let token = token.filter(|it| it.bytes().all(|byte| byte.is_ascii_graphic())).ok_or_else(garbled)?;
    http.secrets.remember(&token);
    // A little earlier, so that it does not expire on its way.
    let until = asked_at + life.mul_f64(0.9);
    Ok(Ready { header: Secret::new(format!("Bearer {token}")), until: Some(until) })
}

/// The request for a token, and its `Authorization`.
fn token_request(
    http: &Http,
    scope: &Scope,
    realm: &Url,
    service: Option<&str>,
    found: Option<Found>,
) -> (Ask, Option<Secret>) {
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
            let mut ask = Ask::new(Method::POST, realm.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .at_most(MOST_BYTES);
            let mut form = Url::parse("form:").expect("a constant URL");
            form.query_pairs_mut().extend_pairs(&parameters);
            ask.body = form.query().map(|query| query.to_owned().into());
            (ask, None)
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
            (Ask::new(Method::GET, url).at_most(MOST_BYTES), authorization)
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
    fn challenges_are_read() {
        let ghcr = r#"Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:a/b:pull""#;
        assert_eq!(parse(ghcr), [bearer("https://ghcr.io/token", Some("ghcr.io"))]);
        assert_eq!(parse("Basic realm=\"Registry\""), [Challenge::Basic]);
        assert_eq!(parse("basic"), [Challenge::Basic]);
        assert_eq!(parse("bearer realm=\"/token\""), [bearer("https://a.test/token", None)]);
        let both = parse("Negotiate, Basic realm=x, Bearer realm=\"https://b.test/\"");
        assert_eq!(both, [Challenge::Basic, bearer("https://b.test/", None)]);
    }

    #[test]
    fn scopes_name_what_is_wanted() {
        let actions = |access| Scope { repository: "a/b".into(), access }.text().replace("repository:a/b:", "");
        assert_eq!([Access::Pull, Access::LookUp].map(actions), ["pull", "pull"]);
        assert_eq!([Access::Push, Access::Delete].map(actions), ["pull,push", "pull,push,delete"]);
    }

    #[test]
    fn a_token_lives_as_long_as_its_service_says_or_a_minute() {
        let life = |text: &str| serde_json::from_str::<TokenReply>(text).unwrap().life().as_secs();
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
    fn garbage_is_no_challenge() {
        for text in ["", "Bearer", "Bearer service=\"x\"", "Bearer realm=\"", "\u{7f}", "Digest realm=\"x\""] {
            assert_eq!(parse(text), [], "{text}");
        }
    }
}
