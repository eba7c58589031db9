//! Identity tokens, as Azure's registries give them to `docker login`: exchanged for an access token at the place the registry
//! names, and shown to nobody else.

use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::fetching::{accepting, suite};
use crate::support::registry::{FakeRegistry, Reaction, Reply, Seen};
use crate::support::tls::Authority;
use crate::support::{Finished, Repository};

/// With letters that look otherwise in a form.
const TOKEN: &str = "refresh+of/the==test.eyJhbGciOiJSUzI1NiJ9";

/// One that nobody knows.
const WRONG: &str = "wrong+of/the==test";

/// What the exchange gives.
const ACCESS: &str = "access-token-of-the-test";

/// A registry that behaves as `NAME.azurecr.io` does.
struct Acr {
    registry: FakeRegistry,
    authority: Authority,
}

impl Acr {
    /// Names `realm` as the place of the exchange; by default its own `/oauth2/token`.
    fn start(realm: Option<&str>) -> Self {
        let authority = Authority::new();
        let registry = FakeRegistry::start_with_tls(authority.server(&["127.0.0.1"]));
        registry.add_policy("acme/p", "v1", &accepting("p"));
        let host = registry.host();
        let realm = realm.map_or_else(|| format!("https://{host}/oauth2/token"), str::to_owned);
        registry.rule(move |seen| {
            if seen.path.starts_with("/oauth2/token") {
                return exchange(seen, &host).into();
            }
            let wanted = if matches!(seen.method.as_str(), "GET" | "HEAD") { "pull" } else { "pull,push" };
            let shown = seen.header("authorization").unwrap_or_default();
            let is_allowed = match shown.strip_prefix(&format!("Bearer {ACCESS}:repository:acme/p:")) {
                Some("pull,push") => true,
                Some(actions) => actions == wanted,
                None => false,
            };
            if is_allowed || seen.path == "/v2/" && !shown.is_empty() {
                return Reaction::Usual;
            }
            let challenge = format!("Bearer realm=\"{realm}\",service=\"{host}\",scope=\"repository:acme/p:{wanted}\"");
            Reply::new(401, json!({ "errors": [{ "code": "UNAUTHORIZED", "message": shown }] }).to_string())
                .header("www-authenticate", challenge)
                .into()
        });
        Self { registry, authority }
    }

    fn uri(&self) -> String {
        format!("registry://{}/acme/p:v1", self.registry.host())
    }

    /// Pulls with this configuration of docker, by a suite.
    fn pull(&self, docker: &serde_json::Value, code: i32) -> Finished {
        let run = self.repository(docker).verify(&["-vv"]).env("RUST_LOG", "trace").run();
        clean(run.exits_with(code))
    }

    /// Pushes, by `verify push`.
    fn push(&self, docker: &serde_json::Value, code: i32) -> Finished {
        let to = format!("{}/acme/p:v2", self.registry.host());
        let run = self.repository(docker).verify(&["push", "--force", "p.wasm", &to]).env("RUST_LOG", "trace").run();
        clean(run.exits_with(code))
    }

    fn repository(&self, docker: &serde_json::Value) -> Repository {
        Repository::with_suite(&suite(&[("p", &self.uri())]))
            .write("p.wasm", accepting("pushed"))
            .write(".git/home/.config/kubewarden/sources.yaml", self.authority.trusted_for(&[&self.registry.host()]))
            .write(".git/home/.docker/config.json", docker.to_string())
    }

    /// What `az acr login` leaves behind.
    fn docker(&self, token: &str) -> serde_json::Value {
        json!({ "auths": { self.registry.host(): {
            "auth": "MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOg==", "identitytoken": token,
        } } })
    }
}

/// `POST /oauth2/token`, which says back what it was sent whenever it says no.
fn exchange(seen: &Seen, host: &str) -> Reply {
    let form: std::collections::BTreeMap<String, String> =
        url::form_urlencoded::parse(&seen.body).into_owned().collect();
    let is = |name: &str, value: &str| form.get(name).is_some_and(|it| it == value);
    let is_form = seen.header("content-type") == Some("application/x-www-form-urlencoded");
    let is_asked_well = seen.method == "POST" && is_form && is("grant_type", "refresh_token") && is("service", host);
    if is_asked_well && is("refresh_token", TOKEN) && !seen.headers.contains_key("authorization") {
        return Reply::new(200, json!({ "access_token": format!("{ACCESS}:{}", form["scope"]) }).to_string());
    }
    let said = format!("you sent {} {}", String::from_utf8_lossy(&seen.body), seen.path);
    Reply::new(401, json!({ "errors": [{ "code": "UNAUTHORIZED", "message": said }] }).to_string())
}

/// No secret is in what was said, in any form.
fn clean(run: Finished) -> Finished {
    let encoded =
        [TOKEN, WRONG].map(|token| url::form_urlencoded::byte_serialize(token.as_bytes()).collect::<String>());
    let run = run.never_says(TOKEN).never_says(WRONG).never_says(ACCESS);
    encoded.iter().fold(run, |run, token| run.never_says(token))
}

#[test]
fn an_identity_token_is_exchanged_to_pull_and_to_push() {
    let acr = Acr::start(None);
    acr.pull(&acr.docker(TOKEN), 0).says(&["1 passed"]);
    assert_eq!(acr.registry.count("POST", "/oauth2/token"), 1);
    acr.push(&acr.docker(TOKEN), 0);
    assert_eq!(
        acr.registry.manifest("acme/p", "v2").unwrap(),
        crate::support::registry::policy_manifest(&accepting("pushed"))
    );
    // One to look up the tag, one to push.
    assert_eq!(acr.registry.count("POST", "/oauth2/token"), 3);
    let elsewhere = |seen: &Seen| !seen.path.starts_with("/oauth2/token");
    for seen in acr.registry.seen().iter().filter(|seen| elsewhere(seen)) {
        let all = format!("{} {:?} {}", seen.path, seen.headers, String::from_utf8_lossy(&seen.body));
        assert!(!all.contains(TOKEN), "{all}");
    }
}

#[test]
fn an_identity_token_that_does_not_hold_is_a_clear_error() {
    let acr = Acr::start(None);
    let says =
        ["rejects the credentials from `auths` of", ".docker/config.json", "UNAUTHORIZED: you sent", "docker login"];
    acr.pull(&acr.docker(WRONG), 3).says(&says).says(&[&acr.uri(), "refresh_token=[secret]"]);
    acr.push(&acr.docker(WRONG), 5).says(&says);
    assert_eq!(acr.registry.manifest("acme/p", "v2"), None);

    // By the letter of OAuth2 it is 400, with other words.
    let acr = Acr::start(None);
    let (host, realm) = (acr.registry.host(), format!("https://{}/oauth2/token", acr.registry.host()));
    acr.registry.rule(move |seen| match seen.path.as_str() {
        "/oauth2/token" => {
            let body = json!({ "error": "invalid_grant", "error_description": String::from_utf8_lossy(&seen.body) });
            Reply::new(400, body.to_string()).into()
        }
        _ => Reply::new(401, "")
            .header("www-authenticate", format!("Bearer realm=\"{realm}\",service=\"{host}\""))
            .into(),
    });
    acr.pull(&acr.docker(WRONG), 3).says(&["rejects the credentials from `auths`", "invalid_grant: "]);
}

#[cfg(unix)]
#[test]
fn helpers_may_hold_identity_tokens_too() {
    use std::os::unix::fs::PermissionsExt as _;

    let acr = Acr::start(None);
    let docker = json!({ "credHelpers": { acr.registry.host(): "acr" } });
    let script = format!("#!/bin/sh\necho '{}'\n", json!({ "Username": "<token>", "Secret": TOKEN }));
    let repository = acr.repository(&docker).write("bin/docker-credential-acr", script);
    let helper = repository.path("bin/docker-credential-acr");
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", repository.path("bin").display(), std::env::var("PATH").unwrap());
    clean(repository.verify(&["-vv"]).env("PATH", path).run().exits_with(0));
}

/// A server that answers everything with 200, and what it was asked.
fn bystander(tls: Option<&Authority>) -> (FakeRegistry, Arc<Mutex<Vec<Seen>>>) {
    let server = match tls {
        Some(authority) => FakeRegistry::start_with_tls(authority.server(&["127.0.0.1"])),
        None => FakeRegistry::start(),
    };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    server.rule(move |seen| {
        noted.lock().unwrap().push(seen.clone());
        Reply::new(200, json!({ "access_token": ACCESS }).to_string()).into()
    });
    (server, seen)
}

#[test]
fn an_identity_token_is_not_sent_in_the_clear() {
    let (plain, seen) = bystander(None);
    let acr = Acr::start(Some(&format!("http://{}/oauth2/token", plain.host())));
    let refused = format!("plain HTTP to `{}` is not allowed", plain.host());
    acr.pull(&acr.docker(TOKEN), 3).says(&[&refused]);
    acr.push(&acr.docker(TOKEN), 5).says(&[&refused]);
    assert!(seen.lock().unwrap().is_empty());
}

#[test]
fn an_identity_token_does_not_follow_a_redirect() {
    for status in [302, 307, 308] {
        let acr = Acr::start(None);
        let (other, seen) = bystander(Some(&acr.authority));
        let (target, host) = (format!("https://{}/oauth2/token", other.host()), acr.registry.host());
        acr.registry.rule(move |seen| match seen.path.as_str() {
            "/oauth2/token" => Reply::new(status, "").header("location", &target).into(),
            _ => Reply::new(401, "")
                .header("www-authenticate", format!("Bearer realm=\"https://{host}/oauth2/token\",service=\"{host}\""))
                .into(),
        });
        let sources = acr.authority.trusted_for(&[&acr.registry.host(), &other.host()]);
        let repository = acr.repository(&acr.docker(TOKEN));
        let repository = repository.write(".git/home/.config/kubewarden/sources.yaml", sources);
        let run = clean(repository.verify(&["-vv"]).run().exits_with(3));
        run.says(&["token service of", "unexpected redirect of POST", &other.host()]);
        assert!(seen.lock().unwrap().is_empty(), "{status}");
    }
}

#[test]
fn a_registry_that_wants_a_password_does_not_get_an_identity_token() {
    let acr = Acr::start(None);
    acr.registry.rule(|_| Reply::new(401, "").header("www-authenticate", "Basic realm=\"x\"").into());
    acr.pull(&acr.docker(TOKEN), 3).says(&["requires a password, `auths` of", "has an identity token"]);
    let seen = acr.registry.seen();
    assert!(!seen.is_empty() && seen.iter().all(|seen| !seen.headers.contains_key("authorization")));
}
