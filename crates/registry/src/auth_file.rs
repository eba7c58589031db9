//! One file with credentials: docker's `config.json`, or podman's `auth.json`, which has the same format.
//!
//! Keys of `auths` and `credHelpers` are hosts, URLs, or a host with the beginning of a repository.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use policy_verify_files::bounded;
use serde::Deserialize;

use super::credential::Credential;
use super::error::{Class, Failure};
use super::secrets::Secret;

/// Far above any real configuration.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Docker writes padded base64; others leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Docker Hub, by the name under which its credentials are looked up.
pub(super) const DOCKER_HUB: &str = "index.docker.io";

/// A file that may have credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AuthPath {
    pub(super) path: PathBuf,
    /// What names it, if it must exist.
    pub(super) named_by: Option<&'static str>,
}

/// The parts of a file that are about registries.
#[derive(Debug, Default, Deserialize)]
pub(super) struct AuthFile {
    auths: Option<BTreeMap<String, Option<AuthEntry>>>,
    #[serde(rename = "credHelpers")]
    helpers: Option<BTreeMap<String, Option<String>>>,
    #[serde(rename = "credsStore")]
    store: Option<String>,
}

#[derive(Default, Deserialize)]
struct AuthEntry {
    auth: Option<String>,
    #[serde(rename = "identitytoken")]
    identity_token: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

impl std::fmt::Debug for AuthEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuthEntry")
    }
}

/// A repository whose credentials are looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// `host[:port]`
    pub(super) host: &'a str,
    pub(super) repository: &'a str,
}

impl Wanted<'_> {
    /// How many characters of the repository a key has; `None` for a key that is about others.
    fn specificity(self, key: &str) -> Option<usize> {
        let (host, path) = place(key);
        if !host.eq_ignore_ascii_case(registry_of(self.host)) {
            return None;
        }
        let rest = self.repository.strip_prefix(path)?;
        (path.is_empty() || rest.is_empty() || rest.starts_with('/')).then_some(path.len())
    }
}

/// Host and path of a key. Of a URL only the host counts, which is how docker and podman write them.
fn place(key: &str) -> (&str, &str) {
    let without_scheme = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let (host, path) = without_scheme.unwrap_or(key).split_once('/').unwrap_or((without_scheme.unwrap_or(key), ""));
    let path = path.trim_end_matches('/');
    let is_api = without_scheme.is_some() || path == "v1" || path == "v2";
    (registry_of(host), if is_api { "" } else { path })
}

/// The host of a registry, which is one for all names of Docker Hub.
fn registry_of(host: &str) -> &str {
    if ["docker.io", "registry-1.docker.io"].contains(&host) { DOCKER_HUB } else { host }
}

impl AuthPath {
    /// For messages.
    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// Reads the file; `None` for one that need not exist.
    pub(super) fn read(&self) -> Result<Option<AuthFile>, Failure> {
        let unusable = |what: String| {
            let help = match self.named_by {
                Some("REGISTRY_AUTH_FILE") => "correct the file, or unset REGISTRY_AUTH_FILE",
                _ => "correct the file, or pass the folder of another one with `--docker-config-json-path`",
            };
            let named = self.named_by.map(|by| format!(" (named by {by})")).unwrap_or_default();
            Failure::new(Class::Credentials, format!("{}{named}: {what}", self.shown())).with_help(help)
        };
        let bytes = match bounded::read(&self.path, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if self.named_by.is_none() && is_missing(&error) => return Ok(None),
            Err(error) => return Err(unusable(error.to_string())),
        };
        AuthFile::parse(&bytes).map(Some).map_err(unusable)
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

impl AuthFile {
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        // The error of serde_json may quote the file, so only the line is shown.
        let parsed = serde_json::from_slice::<Option<Self>>(bytes);
        parsed
            .map(Option::unwrap_or_default)
            .map_err(|error| format!("invalid Docker configuration, line {}", error.line()))
    }

    /// The specificities of its keys for a repository.
    pub(super) fn levels(&self, wanted: Wanted<'_>) -> impl Iterator<Item = usize> {
        let helpers = self.helpers.iter().flatten().map(|(key, _)| key);
        let auths = self.auths.iter().flatten().map(|(key, _)| key);
        helpers.chain(auths).filter_map(move |key| wanted.specificity(key))
    }

    /// Key and name of the helper with this specificity.
    pub(super) fn helper(&self, wanted: Wanted<'_>, level: usize) -> Option<(&str, &str)> {
        let mut helpers = self.helpers.iter().flatten();
        let (key, name) = helpers.find(|(key, _)| wanted.specificity(key) == Some(level))?;
        Some((key, name.as_deref().filter(|name| !name.is_empty())?))
    }

    /// The credential with this specificity. The key that is the host itself comes before URLs.
    pub(super) fn credential(
        &self,
        wanted: Wanted<'_>,
        level: usize,
        origin: &dyn Fn() -> String,
    ) -> Result<Option<Credential>, Failure> {
        let entries = self.auths.iter().flatten().filter(|(key, _)| wanted.specificity(key) == Some(level));
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by_key(|(key, _)| *key != wanted.host);
        for entry in entries.into_iter().filter_map(|(_, entry)| entry.as_ref()) {
            if let Some(credential) = entry.credential(origin)? {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }

    /// The helper for everything else, and the keys it has for a repository, the most specific first.
    pub(super) fn store(&self, wanted: Wanted<'_>) -> Option<(&str, Vec<&str>)> {
        let name = self.store.as_deref().filter(|name| !name.is_empty())?;
        let mut keys: Vec<(usize, &str)> =
            self.auths.iter().flatten().filter_map(|(key, _)| Some((wanted.specificity(key)?, key.as_str()))).collect();
        keys.retain(|(level, _)| *level > 0);
        keys.sort_by_key(|(level, _)| std::cmp::Reverse(*level));
        Some((name, keys.into_iter().map(|(_, key)| key).collect()))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_match_whole_parts_of_a_repository() {
        let wanted = Wanted { host: "a.test:5000", repository: "alpha/policies/p" };
        for (key, level) in [
            ("a.test:5000", Some(0)),
            ("https://a.test:5000/v2/", Some(0)),
            ("a.test:5000/v1/", Some(0)),
            ("A.test:5000/", Some(0)),
            ("https://a.test:5000/elsewhere", Some(0)),
            ("a.test:5000/alpha", Some(5)),
            ("a.test:5000/alpha/", Some(5)),
            ("a.test:5000/alpha/policies/p", Some(16)),
            ("a.test:5000/alph", None),
            ("a.test:5000/alpha/policies/p/q", None),
            ("a.test:5000/beta", None),
            ("a.test", None),
            ("b.test:5000", None),
        ] {
            assert_eq!(wanted.specificity(key), level, "{key}");
        }
        let hub = Wanted { host: DOCKER_HUB, repository: "acme/p" };
        for key in ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io"] {
            assert_eq!(hub.specificity(key), Some(0), "{key}");
        }
        assert_eq!(hub.specificity("docker.io/acme"), Some(4));
        let hub = Wanted { host: "registry-1.docker.io", repository: "acme/p" };
        assert_eq!(hub.specificity("https://index.docker.io/v1/"), Some(0));
    }

    #[test]
    fn empty_settings_are_no_settings() {
        let wanted = Wanted { host: "a.test", repository: "p" };
        for text in [
            "",
            " \n",
            "null",
            "{}",
            r#"{"auths":null}"#,
            r#"{"auths":{"a.test":null}}"#,
            r#"{"auths":{"a.test":{"auth":null,"identitytoken":null,"username":null}}}"#,
            r#"{"auths":{"a.test":{"auth":""}},"credHelpers":null,"credsStore":null}"#,
            r#"{"credHelpers":{"a.test":null},"credsStore":""}"#,
        ] {
            let file = AuthFile::parse(text.as_bytes()).unwrap();
            assert_eq!(file.credential(wanted, 0, &String::new).unwrap(), None, "{text}");
            assert!(file.helper(wanted, 0).is_none() && file.store(wanted).is_none(), "{text}");
        }
        for text in ["[]", "x", r#"{"auths":"x"}"#, r#"{"auths":{"a.test":"x"}}"#] {
            assert!(AuthFile::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
