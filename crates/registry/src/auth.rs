//! Credentials: of docker's and podman's files, of their helpers, and of a GitHub job.
//!
//! Nothing is read or executed before a registry requires it. The most specific key counts: `host/alpha/p`, then
//! `host/alpha`, then `host`. For each, the files are searched in podman's order, and of one file, in kwctl's order,
//! `credHelpers`, identity token, `auth`. `credsStore` comes last. Identity tokens, which kwctl ignores, are used.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::auth_file::{AuthFile, AuthPath, DOCKER_HUB, Wanted};
use super::credential::Credential;
use super::error::Failure;
use super::helper;
use super::secrets::Secret;

/// A credential and its origin, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundCredential {
    pub(super) credential: Credential,
    pub(super) origin: String,
}

/// The configured credentials.
#[derive(Debug)]
pub(super) struct Credentials {
    /// The files, read on use, in their order.
    paths: Vec<AuthPath>,
    /// Timeout of a helper.
    helper_timeout: Duration,
}

impl Credentials {
    /// Looks in `folder/config.json` alone, else in the files of the environment.
    pub(super) fn new(folder: Option<&Path>, helper_timeout: Duration) -> Self {
        let paths = match folder {
            Some(folder) => {
                vec![AuthPath { path: folder.join("config.json"), named_by: Some("--docker-config-json-path") }]
            }
            None => paths(&|name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)),
        };
        Self { paths, helper_timeout }
    }

    /// The credential for a repository. `is_push` adds the token of a GitHub job, which pulls do not get: a suite may name
    /// policies of other owners.
    pub(super) async fn of(
        &self,
        host: &str,
        repository: &str,
        is_push: bool,
    ) -> Result<Option<FoundCredential>, Failure> {
        if let Some(found) = self.in_files(Wanted { host, repository }).await? {
            return Ok(Some(found));
        }
        Ok(is_push.then(|| github_token(host)).flatten())
    }

    async fn in_files(&self, wanted: Wanted<'_>) -> Result<Option<FoundCredential>, Failure> {
        let mut files = Vec::new();
        for path in &self.paths {
            files.extend(path.read()?.map(|file| (path, file)));
        }
        let mut levels: Vec<usize> = files.iter().flat_map(|(_, file)| file.levels(wanted)).collect();
        levels.sort_unstable_by(|a, b| b.cmp(a));
        levels.dedup();
        for level in levels {
            for (path, file) in &files {
                if let Some(found) = self.at_level(path, file, wanted, level).await? {
                    return Ok(Some(found));
                }
            }
        }
        for (path, file) in &files {
            if let Some((name, keys)) = file.store(wanted) {
                let key = format!("`credsStore` of {}", path.shown());
                if let Some(found) = self.of_helper(name, &key, &keys, wanted.host).await? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// What one file has under the keys of one specificity.
    async fn at_level(
        &self,
        path: &AuthPath,
        file: &AuthFile,
        wanted: Wanted<'_>,
        level: usize,
    ) -> Result<Option<FoundCredential>, Failure> {
        if let Some((key, name)) = file.helper(wanted, level) {
            let keys: &[&str] = if level > 0 { &[key] } else { &[] };
            return self.of_helper(name, &format!("`credHelpers` of {}", path.shown()), keys, wanted.host).await;
        }
        let origin = || format!("`auths` of {}", path.shown());
        let credential = file.credential(wanted, level, &origin)?;
        Ok(credential.map(|credential| FoundCredential { credential, origin: origin() }))
    }

    /// Asks a helper for these keys, then for the host.
    async fn of_helper(
        &self,
        name: &str,
        origin: &str,
        keys: &[&str],
        host: &str,
    ) -> Result<Option<FoundCredential>, Failure> {
        // Helpers know Docker Hub by the URL that `docker login` uses.
        let hub = (host == DOCKER_HUB).then_some("https://index.docker.io/v1/");
        for server in keys.iter().copied().chain([host]).chain(hub) {
            let answer = helper::get(name, server, self.helper_timeout)
                .await
                .map_err(|failure| Failure { message: format!("{} ({origin})", failure.message), ..failure })?;
            if let Some(credential) = answer {
                let origin = format!("docker-credential-{name} ({origin})");
                return Ok(Some(FoundCredential { credential, origin }));
            }
        }
        Ok(None)
    }
}

/// The files of the environment, in podman's order: a file that a variable names is the only one.
fn paths(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Vec<AuthPath> {
    if let Some(path) = variable("REGISTRY_AUTH_FILE") {
        return vec![AuthPath { path, named_by: Some("REGISTRY_AUTH_FILE") }];
    }
    let optional = |path| AuthPath { path, named_by: None };
    if let Some(folder) = variable("DOCKER_CONFIG") {
        return vec![optional(folder.join("config.json"))];
    }
    let home = directories::BaseDirs::new().map(|folders| folders.home_dir().to_owned());
    let config = variable("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
    let podman =
        variable("XDG_RUNTIME_DIR").into_iter().chain(config).map(|folder| folder.join("containers/auth.json"));
    podman.chain(home.map(|home| home.join(".docker/config.json"))).map(optional).collect()
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
    use crate::error::Class;

    fn look_up_repository(config: &str, host: &str, repository: &str) -> Result<Option<Credential>, Failure> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), config).unwrap();
        let credentials = Credentials::new(Some(folder.path()), Duration::from_secs(5));
        crate::network::wait(credentials.of(host, repository, false)).map(|found| found.map(|found| found.credential))
    }

    fn look_up(config: &str, host: &str) -> Result<Option<Credential>, Failure> {
        look_up_repository(config, host, "acme/p")
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
    fn the_longest_matching_path_counts() {
        let login = |name: &str| format!(r#"{{"username": "{name}", "password": "p"}}"#);
        let config = |keys: &[&str]| {
            let entries: Vec<String> = keys.iter().map(|key| format!(r#""{key}": {}"#, login(key))).collect();
            format!(r#"{{"auths": {{{}}}}}"#, entries.join(","))
        };
        let two = config(&["a.test/alpha", "a.test/beta"]);
        let all = config(&["a.test", "a.test/beta", "a.test/beta/deep", "https://b.test/v2/", "b.test/x"]);
        for (config, host, repository, key) in [
            (&two, "a.test", "alpha/p", Some("a.test/alpha")),
            (&two, "a.test", "beta/p", Some("a.test/beta")),
            (&two, "a.test", "gamma/p", None),
            (&two, "a.test", "alphabet/p", None),
            (&two, "a.test", "x/alpha/p", None),
            (&all, "a.test", "alpha/p", Some("a.test")),
            (&all, "a.test", "beta", Some("a.test/beta")),
            (&all, "a.test", "beta/deep/p", Some("a.test/beta/deep")),
            (&all, "a.test", "beta/deeper", Some("a.test/beta")),
            (&all, "b.test", "y/p", Some("https://b.test/v2/")),
            (&all, "b.test", "x/p", Some("b.test/x")),
        ] {
            let found = look_up_repository(config, host, repository).unwrap();
            assert_eq!(found, key.and_then(|key| password(key, "p")), "{host}/{repository}");
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
        assert!(crate::network::wait(credentials.of("a.test", "p", false)).is_err());
    }

    #[test]
    fn files_are_searched_in_the_order_of_podman() {
        let found = |set: &[(&str, &str)]| -> Vec<String> {
            let variable = |name: &str| set.iter().find(|(it, _)| *it == name).map(|(_, value)| PathBuf::from(value));
            paths(&variable).iter().map(AuthPath::shown).collect()
        };
        let all = [("REGISTRY_AUTH_FILE", "/r"), ("DOCKER_CONFIG", "/d"), ("XDG_RUNTIME_DIR", "/x")];
        assert_eq!(found(&all), ["/r"]);
        assert_eq!(found(&all[1..]), ["/d/config.json"]);
        let found = found(&[("XDG_RUNTIME_DIR", "/x"), ("XDG_CONFIG_HOME", "/c")]);
        assert_eq!(found[..2], ["/x/containers/auth.json", "/c/containers/auth.json"]);
        assert!(found.len() == 2 || found[2].ends_with(".docker/config.json"), "{found:?}");
    }
}
