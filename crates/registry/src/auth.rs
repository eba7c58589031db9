//! Credentials: of Docker's `config.json`, of its helpers, and of a GitHub job.
//!
//! Nothing is read or executed before a registry requires it. The order is kwctl's: `credHelpers`, identity token,
//! `auth`, `credsStore`; identity tokens, which kwctl ignores, are used.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::credential::Credential;
use super::error::{Class, Failure};
use super::helper;
use super::secrets::Secret;
use policy_verify_files::bounded;

/// Far above any real configuration.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Docker writes padded base64; others leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A credential and its origin, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundCredential {
    pub(super) credential: Credential,
    pub(super) origin: String,
}

/// The configured credentials.
#[derive(Debug)]
pub(super) struct Credentials {
    /// `config.json`, read on first use.
    path: Option<PathBuf>,
    /// Whether the path was passed, so that it must exist.
    is_given: bool,
    /// Timeout of a helper.
    helper_timeout: Duration,
}

/// The parts of docker's configuration that are about registries.
#[derive(Default, Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, AuthEntry>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Default, Deserialize)]
struct AuthEntry {
    #[serde(default)]
    auth: Option<String>,
    #[serde(default, rename = "identitytoken")]
    identity_token: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
}

impl Credentials {
    /// Looks in `folder/config.json`, else in `$DOCKER_CONFIG`, else in `~/.docker`.
    pub(super) fn new(folder: Option<&Path>, helper_timeout: Duration) -> Self {
        let from_environment = || env::var_os("DOCKER_CONFIG").filter(|it| !it.is_empty()).map(PathBuf::from);
        let from_home = || Some(directories::BaseDirs::new()?.home_dir().join(".docker"));
        let path = folder.map(Path::to_path_buf).or_else(from_environment).or_else(from_home);
        Self { path: path.map(|folder| folder.join("config.json")), is_given: folder.is_some(), helper_timeout }
    }

    /// The credential for a registry (`host[:port]`). `is_push` adds the token of a GitHub job, which pulls do not get: a
    /// suite may name policies of other owners.
    pub(super) async fn of(&self, host: &str, is_push: bool) -> Result<Option<FoundCredential>, Failure> {
        if let Some(found) = self.in_docker_config(host).await? {
            return Ok(Some(found));
        }
        Ok(is_push.then(|| github_token(host)).flatten())
    }

    async fn in_docker_config(&self, host: &str) -> Result<Option<FoundCredential>, Failure> {
        let Some(config) = self.config()? else { return Ok(None) };
        if let Some(name) = config.helpers.get(host).or_else(|| entry(&config.helpers, host)) {
            return self.of_helper(name, "credHelpers", host).await;
        }
        let origin = || format!("`auths` of {}", self.shown());
        if let Some(credential) = entry(&config.auths, host).map(|it| it.credential(&origin)).transpose()?.flatten() {
            return Ok(Some(FoundCredential { credential, origin: origin() }));
        }
        match config.store.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => self.of_helper(name, "credsStore", host).await,
            None => Ok(None),
        }
    }

    async fn of_helper(&self, name: &str, key: &str, host: &str) -> Result<Option<FoundCredential>, Failure> {
        // Helpers know Docker Hub by the URL that `docker login` uses.
        let hub = (host == "index.docker.io").then_some("https://index.docker.io/v1/");
        for server in std::iter::once(host).chain(hub) {
            let answer = helper::get(name, server, self.helper_timeout).await.map_err(|failure| Failure {
                message: format!("{} (`{key}` of {})", failure.message, self.shown()),
                ..failure
            })?;
            if let Some(credential) = answer {
                let origin = format!("docker-credential-{name} (`{key}` of {})", self.shown());
                return Ok(Some(FoundCredential { credential, origin }));
            }
        }
        Ok(None)
    }

    fn config(&self) -> Result<Option<DockerConfig>, Failure> {
        let Some(path) = &self.path else { return Ok(None) };
        let unusable = |what: String| {
            Failure::new(Class::Credentials, format!("{}: {what}", self.shown()))
                .with_help("correct the file, or pass the folder of another one with `--docker-config-json-path`")
        };
        let bytes = match bounded::read(path, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !self.is_given => return Ok(None),
            Err(error) => return Err(unusable(error.to_string())),
        };
        // The error of serde_json may quote the file, so only the line is shown.
        let parsed = serde_json::from_slice::<DockerConfig>(&bytes);
        let place = |error: serde_json::Error| format!("invalid Docker configuration, line {}", error.line());
        parsed.map(Some).map_err(|error| unusable(place(error)))
    }

    fn shown(&self) -> String {
        self.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
    }
}

/// The entry of a host: keys may be URLs.
fn entry<'a, T>(entries: &'a BTreeMap<String, T>, host: &str) -> Option<&'a T> {
    entries.get(host).or_else(|| entries.iter().find(|(key, _)| host_of(key) == host).map(|(_, value)| value))
}

fn host_of(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let host = key.split('/').next().unwrap_or(key);
    if host == "docker.io" { "index.docker.io" } else { host }
}

impl AuthEntry {
    fn credential(&self, origin: &dyn Fn() -> String) -> Result<Option<Credential>, Failure> {
        if let Some(token) = self.identity_token.as_ref().filter(|token| !token.is_empty()) {
            return Ok(Some(Credential::IdentityToken(Secret::new(token))));
        }
        if let Some(auth) = self.auth.as_ref().filter(|auth| !auth.is_empty()) {
            let decoded = BASE64.decode(auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
            let (user, password) = pair.ok_or_else(|| {
                Failure::new(
                    Class::Credentials,
                    format!("invalid `auth` in {}: expected base64 of USER:PASSWORD", origin()),
                )
                .with_help("log in again with `docker login`")
            })?;
            // Docker pads some passwords with NUL.
            let password = Secret::new(password.trim_end_matches('\0'));
            return Ok(Some(Credential::Password { user: user.to_owned(), password }));
        }
        let (Some(user), Some(password)) = (&self.username, &self.password) else { return Ok(None) };
        Ok(Some(Credential::Password { user: user.clone(), password: Secret::new(password) }))
    }
}

/// The token a job on GitHub has anyway, for GitHub's own registry.
fn github_token(host: &str) -> Option<FoundCredential> {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    if host != "ghcr.io" || variable("GITHUB_ACTIONS")? != "true" {
        return None;
    }
    let password = Secret::new(variable("GITHUB_TOKEN")?);
    // GitHub checks the token only, but requires a name.
    let user = variable("GITHUB_ACTOR").unwrap_or_else(|| "github-actions".into());
    Some(FoundCredential { credential: Credential::Password { user, password }, origin: "GITHUB_TOKEN".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_up(config: &str, host: &str) -> Result<Option<Credential>, Failure> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), config).unwrap();
        let credentials = Credentials::new(Some(folder.path()), Duration::from_secs(5));
        crate::network::wait(credentials.of(host, false)).map(|found| found.map(|found| found.credential))
    }

    fn password(user: &str, password: &str) -> Option<Credential> {
        Some(Credential::Password { user: user.into(), password: Secret::new(password) })
    }

    #[test]
    fn auths_match_hosts_urls_and_docker_hub() {
        let config = r#"{"auths": {"https://index.docker.io/v1/": {"auth": "dXNlcjpwYTpzcw=="},
                                   "a.test:5000": {"auth": "dXNlcjpwYXNz"},
                                   "gar.test": {"username": "_json_key", "password": "{}"},
                                   "bare.test": {"auth": "dTpw"}, "empty.test": {}}}"#;
        assert_eq!(look_up(config, "index.docker.io").unwrap(), password("user", "pa:ss"));
        assert_eq!(look_up(config, "a.test:5000").unwrap(), password("user", "pass"));
        assert_eq!(look_up(config, "gar.test").unwrap(), password("_json_key", "{}"));
        assert_eq!(look_up(config, "bare.test").unwrap(), password("u", "p"));
        for host in ["a.test", "b.test", "empty.test"] {
            assert_eq!(look_up(config, host).unwrap(), None, "{host}");
        }
    }

    #[test]
    fn an_identity_token_takes_precedence() {
        let config = r#"{"auths": {"acr.test": {"auth": "MDAwMDo=", "identitytoken": "refresh"}}}"#;
        let token = Credential::IdentityToken(Secret::new("refresh"));
        assert_eq!(look_up(config, "acr.test").unwrap(), Some(token));
    }

    #[test]
    fn errors_never_quote_the_configuration() {
        for config in [r#"{"auths": {"a.test": {"auth": "aHVudGVyMg"}}}"#, "{\"auths\": \"hunter2\"}", "hunter2"] {
            let failure = look_up(config, "a.test").unwrap_err();
            assert_eq!(failure.class, Class::Credentials);
            assert!(failure.message.contains("config.json"), "{failure:?}");
            assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
        }
    }

    #[test]
    fn a_missing_configuration_in_a_passed_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials::new(Some(folder.path()), Duration::from_secs(5));
        assert!(crate::network::wait(credentials.of("a.test", false)).is_err());
    }
}
