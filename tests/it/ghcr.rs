//! GitHub's registry as a job on GitHub meets it, through a proxy: who gets the token of the job, and who does not.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::fetching::{accepting, suite};
use crate::support::proxy::Proxy;
use crate::support::registry::{FakeRegistry, Reaction, Reply, Seen};
use crate::support::tls::Authority;
use crate::support::{Finished, POD, Repository, Verify};

/// What GitHub gives to a job.
const JOB: &str = "ghs_token-of-the-job-0123456789";

/// What somebody has logged in with before.
const LOGIN: &str = "ghp_token-of-a-login-0123456789";

/// Where GitHub keeps blobs.
const STORAGE: &str = "pkg-containers.githubusercontent.com";

/// `ghcr.io` with the packages `acme/public` and `acme/private`, its storage, another registry, and the proxy that leads to
/// them.
struct Internet {
    ghcr: FakeRegistry,
    storage: FakeRegistry,
    other: FakeRegistry,
    proxy: Proxy,
    authority: Authority,
}

fn basic(password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("octocat:{password}")))
}

impl Internet {
    fn new() -> Self {
        let authority = Authority::new();
        let server = |name: &str| FakeRegistry::start_with_tls(authority.server(&[name]));
        let (ghcr, storage, other) = (server("ghcr.io"), server(STORAGE), server("registry.acme.test"));
        for package in ["acme/public", "acme/private"] {
            ghcr.add_policy(package, "v1", &accepting(package));
        }
        other.add_policy("acme/public", "v1", &accepting("other"));
        let blobs = ghcr.storage();
        storage.rule(move |seen| {
            let digest = seen.path.trim_start_matches("/ghcr1/blobs/").split('?').next().unwrap();
            let blobs = &blobs.lock().unwrap().blobs;
            let (_, found) = blobs.iter().find(|((_, known), _)| known == digest).unwrap();
            Reply::new(200, found.clone()).into()
        });
        ghcr.rule(|seen| answer(seen, "ghcr.io"));
        other.rule(|seen| answer(seen, "registry.acme.test"));
        let proxy = Proxy::start(
            &[
                ("ghcr.io:443", &ghcr.host()),
                (&format!("{STORAGE}:443"), &storage.host()),
                ("registry.acme.test:443", &other.host()),
            ],
            None,
        );
        Self { ghcr, storage, other, proxy, authority }
    }

    /// With a suite about this policy, and one that publishes another to `acme/private`.
    fn repository(&self, uri: &str) -> Repository {
        let release = format!(
            "version: 1\npolicies: {{ p: {{ uri: p.wasm, metadata: metadata.yml }} }}\ncases:\n  - {{ name: a, object: {POD}, \
             expect: allow }}\npublish:\n  - {{ to: ghcr.io/acme/private, tags: [v2], immutable: [v2] }}\n"
        );
        let metadata =
            "rules:\n- { apiGroups: [''], apiVersions: [v1], resources: [pods], operations: ['*'] }\nmutating: false\n";
        Repository::with_suite(&suite(&[("p", uri)]))
            .write("release/release.suite.yml", release)
            .write("release/metadata.yml", metadata)
            .write("release/p.wasm", crate::publish::accepting("released"))
            .write("p.wasm", accepting("pushed"))
            .write("authority.pem", &self.authority.pem)
    }

    /// `verify ARGUMENTS`, through the proxy, with as much said as can be.
    fn verify(&self, repository: &Repository, arguments: &[&str]) -> Verify {
        let command = repository.verify(arguments).env("HTTPS_PROXY", self.proxy.url()).env("RUST_LOG", "trace");
        command.env("SSL_CERT_FILE", repository.path("authority.pem"))
    }

    /// The same in a job on GitHub.
    fn in_job(&self, repository: &Repository, arguments: &[&str], code: i32) -> Finished {
        let command = self.verify(repository, arguments).on_github().env("GITHUB_TOKEN", JOB);
        clean(command.env("GITHUB_ACTOR", "octocat").env("RUNNER_DEBUG", "1").run().exits_with(code))
    }

    /// The requests, with the name of the server, that hold this anywhere.
    fn requests_with(&self, text: &str) -> Vec<String> {
        let servers = [("ghcr.io", &self.ghcr), (STORAGE, &self.storage), ("registry.acme.test", &self.other)];
        let requests = servers.into_iter().flat_map(|(name, server)| {
            server
                .seen()
                .into_iter()
                .map(move |seen| format!("{name} {} {} {:?}", seen.method, seen.path, seen.headers))
        });
        let heads = self.proxy.seen().into_iter().map(|head| format!("proxy {head:?}"));
        requests.chain(heads).filter(|request| request.contains(text)).collect()
    }

    /// The token of the job, in any form, went nowhere.
    fn nobody_got_the_token(&self) {
        for text in [JOB, &basic(JOB)] {
            assert_eq!(self.requests_with(text), [""; 0]);
        }
    }
}

/// A registry as ghcr.io is: it knows the two tokens, gives everybody a token to read what is public, and blobs are somewhere
/// else.
fn answer(seen: &Seen, host: &str) -> Reaction {
    let denied = |text: &str| {
        let shown = seen.header("authorization").unwrap_or_default();
        let message = format!("{text}, and you sent {shown}");
        json!({ "errors": [{ "code": "DENIED", "message": message }] }).to_string()
    };
    let shown = seen.header("authorization").unwrap_or_default();
    if let Some(query) = seen.path.strip_prefix("/token?") {
        let scope = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "scope").unwrap().1;
        let is_known = [JOB, LOGIN].iter().any(|token| shown == basic(token));
        let is_public = shown.is_empty() && scope == "repository:acme/public:pull";
        return match is_known || is_public {
            true => Reply::new(200, json!({ "token": format!("issued:{scope}") }).to_string()).into(),
            false => Reply::new(403, denied("requested access to the resource is denied")).into(),
        };
    }
    let repository = seen.path.trim_start_matches("/v2/").split('/').take(2).collect::<Vec<_>>().join("/");
    let wanted = if matches!(seen.method.as_str(), "GET" | "HEAD") { "pull" } else { "pull,push" };
    let scope = format!("repository:{repository}:{wanted}");
    if shown != format!("Bearer issued:{scope}") && shown != format!("Bearer issued:repository:{repository}:pull,push")
    {
        let challenge = format!("Bearer realm=\"https://{host}/token\",service=\"{host}\",scope=\"{scope}\"");
        return Reply::new(401, denied("authentication required")).header("www-authenticate", challenge).into();
    }
    if seen.is("PUT", "/manifests/broken") {
        return Reply::new(400, "").into();
    }
    match seen.path.rsplit_once("/blobs/").filter(|_| seen.method == "GET") {
        Some((_, digest)) if host == "ghcr.io" => {
            let target = format!("https://{STORAGE}/ghcr1/blobs/{digest}?se=2030&sig=signature-of-the-test");
            Reply::new(307, "").header("location", target).into()
        }
        _ => Reaction::Usual,
    }
}

/// Nothing secret was said.
fn clean(run: Finished) -> Finished {
    let secrets = [JOB, LOGIN, "issued:", "signature-of-the-test"].map(str::to_owned);
    let encoded = [JOB, LOGIN].map(|token| basic(token).replace("Basic ", ""));
    secrets.iter().chain(&encoded).fold(run, |run, secret| run.never_says(secret))
}

fn login(token: &str) -> Value {
    json!({ "auths": { "https://ghcr.io": { "auth": STANDARD.encode(format!("octocat:{token}")) } } })
}

#[test]
fn a_job_pulls_as_everybody_does() {
    let internet = Internet::new();
    let repository = internet.repository("registry://ghcr.io/acme/public:v1");
    internet.in_job(&repository, &["-vv"], 0).says(&["1 passed"]);
    internet.nobody_got_the_token();
    assert_eq!(internet.proxy.hosts(), BTreeSet::from(["ghcr.io:443".to_owned(), format!("{STORAGE}:443")]));
    // A signature in the address is all the storage is shown.
    assert_eq!(internet.storage.seen().len(), 1);
    assert!(!internet.storage.seen()[0].headers.contains_key("authorization"));

    let repository = internet.repository("registry://ghcr.io/acme/private:v1");
    let run = internet.in_job(&repository, &["-vv"], 3);
    run.says(&[
        "`ghcr.io` requires credentials, none are configured",
        "DENIED: requested access",
        "docker login ghcr.io",
    ]);
    for arguments in [&["pull", "ghcr.io/acme/private:v1"][..], &["digest", "ghcr.io/acme/private:v1"]] {
        internet.in_job(&repository, arguments, 3);
    }
    internet.nobody_got_the_token();
}

#[test]
fn a_job_pushes_with_its_token_which_goes_to_the_token_service_alone() {
    let internet = Internet::new();
    let repository = internet.repository("registry://ghcr.io/acme/public:v1");
    let run = internet.in_job(&repository, &["push", "--force", "p.wasm", "ghcr.io/acme/private:v3"], 0);
    let pushed = internet.ghcr.manifest("acme/private", "v3").unwrap();
    assert_eq!(run.stdout.trim(), format!("ghcr.io/acme/private@{}", crate::support::digest(&pushed)));
    // Tags of a private package can be looked up, also those that must not move.
    for _ in 0..2 {
        let run = internet.in_job(&repository, &["release/release.suite.yml", "--push", "-vv"], 0);
        run.says(&["1 passed"]);
    }
    let pushed = internet.ghcr.manifest("acme/private", "v2").unwrap();
    let other = internet
        .repository("registry://ghcr.io/acme/public:v1")
        .write("release/p.wasm", crate::publish::accepting("changed"));
    let run = internet.in_job(&other, &["release/release.suite.yml", "--push"], 5);
    run.says(&["immutable tag `", "` points to", &crate::support::digest(&pushed)]);

    // And they can be put back where they were.
    let before = internet.ghcr.manifest("acme/private", "v1").unwrap();
    let push = ["push", "--force", "p.wasm", "ghcr.io/acme/private:v1", "--tag", "broken"];
    internet.in_job(&repository, &push, 5).says(&["restored: `v1`"]);
    assert_eq!(internet.ghcr.manifest("acme/private", "v1").unwrap(), before);

    let with_token = internet.requests_with(&basic(JOB));
    assert!(!with_token.is_empty());
    assert!(with_token.iter().all(|request| request.starts_with("ghcr.io GET /token?")), "{with_token:?}");
    assert_eq!(internet.requests_with(JOB), [""; 0]);
    // What was pushed is read back from the storage, which sees a signature in the address alone.
    let hosts = BTreeSet::from(["ghcr.io:443".to_owned(), format!("{STORAGE}:443")]);
    assert_eq!(internet.proxy.hosts(), hosts);
    assert!(internet.storage.seen().iter().all(|seen| !seen.headers.contains_key("authorization")));
}

#[test]
fn no_other_registry_gets_the_token() {
    let internet = Internet::new();
    let repository = internet.repository("registry://registry.acme.test/acme/public:v1");
    internet.in_job(&repository, &["-vv"], 0);
    let run = internet.in_job(&repository, &["push", "--force", "p.wasm", "registry.acme.test/acme/public:v2"], 5);
    run.says(&["`registry.acme.test` requires credentials, none are configured"]);
    assert_eq!(internet.other.manifest("acme/public", "v2"), None);
    internet.nobody_got_the_token();
}

#[test]
fn docker_login_wins_over_the_job_token() {
    let internet = Internet::new();
    let repository = internet.repository("registry://ghcr.io/acme/private:v1");
    let repository = repository.write(".git/home/.docker/config.json", login(LOGIN).to_string());
    internet.in_job(&repository, &["-vv"], 0).says(&["1 passed"]);
    internet.in_job(&repository, &["push", "--force", "p.wasm", "ghcr.io/acme/private:v3"], 0);
    assert!(internet.ghcr.manifest("acme/private", "v3").is_some());
    internet.nobody_got_the_token();
    let with_login = internet.requests_with(&basic(LOGIN));
    assert!(!with_login.is_empty());
    assert!(with_login.iter().all(|request| request.starts_with("ghcr.io GET /token?")), "{with_login:?}");

    // A login that does not hold is not made good by the token.
    let repository = repository.write(".git/home/.docker/config.json", login("expired").to_string());
    let run = internet.in_job(&repository, &["push", "--force", "p.wasm", "ghcr.io/acme/private:v4"], 5);
    run.says(&["`ghcr.io` rejects the credentials from `auths` of"]);
    internet.nobody_got_the_token();
}

#[test]
fn job_token_is_ignored_outside_github_actions() {
    let internet = Internet::new();
    let repository = internet.repository("registry://ghcr.io/acme/public:v1");
    for actions in [None, Some("false")] {
        let push = internet.verify(&repository, &["push", "--force", "p.wasm", "ghcr.io/acme/private:v3"]);
        let push = actions.into_iter().fold(push, |push, value| push.env("GITHUB_ACTIONS", value));
        let run = clean(push.env("GITHUB_TOKEN", JOB).run().exits_with(5));
        run.says(&["`ghcr.io` requires credentials, none are configured"]);
    }
    internet.nobody_got_the_token();
    assert_eq!(internet.ghcr.manifest("acme/private", "v3"), None);
}

#[test]
fn proxies_come_from_the_environment_or_the_sources_file() {
    let internet = Internet::new();
    let repository = internet.repository("registry://ghcr.io/acme/public:v1");
    let sources = format!("proxies: {{ https_proxy: '{}' }}\n", internet.proxy.url());
    let repository = repository.write("sources.yaml", sources);
    let certificate = repository.path("authority.pem");
    let by_file = || repository.verify(&["--sources-path", "sources.yaml"]).env("SSL_CERT_FILE", &certificate);
    by_file().run().exits_with(0);
    let before = internet.proxy.seen().len();
    assert!(before > 0);
    // The environment wins, in either case, with and without a scheme.
    let other = Proxy::start(&[], None);
    for (name, value) in [("HTTPS_PROXY", other.url()), ("https_proxy", other.host())] {
        let run = by_file().env(name, value).run().exits_with(3);
        run.says(&["cannot connect to `ghcr.io`", "proxy"]);
    }
    assert_eq!(internet.proxy.seen().len(), before);
    assert!(other.hosts().contains("ghcr.io:443"));

    // Who is left out is asked directly.
    let direct = FakeRegistry::start();
    direct.add_policy("acme/p", "v1", &accepting("direct"));
    let repository = Repository::with_suite(&suite(&[("p", &format!("registry://{}/acme/p:v1", direct.host()))]))
        .write("sources.yaml", direct.sources());
    let through = |no_proxy: &str| {
        let command = repository.verify(&["--sources-path", "sources.yaml"]);
        command.env("HTTP_PROXY", other.url()).env("HTTPS_PROXY", other.url()).env("NO_PROXY", no_proxy).run()
    };
    let before = other.seen().len();
    through("127.0.0.1").exits_with(0);
    assert_eq!(other.seen().len(), before);
    through("elsewhere.test").exits_with(3);
    assert!(other.seen().len() > before);
}

#[test]
fn a_proxy_that_wants_a_password_gets_it_and_nobody_sees_it() {
    let internet = Internet::new();
    let login = format!("Basic {}", STANDARD.encode("me:hunter2-secret"));
    let proxy = Proxy::start(
        &[("ghcr.io:443", &internet.ghcr.host()), (&format!("{STORAGE}:443"), &internet.storage.host())],
        Some(&login),
    );
    let repository = internet.repository("registry://ghcr.io/acme/public:v1");
    let run = |password: &str, code: i32| {
        let url = format!("http://me:{password}@{}", proxy.host());
        let run = internet.verify(&repository, &["-vv"]).env("HTTPS_PROXY", url).run().exits_with(code);
        run.never_says("hunter2").never_says(login.trim_start_matches("Basic "))
    };
    run("hunter2-secret", 0);
    run("hunter2-wrong", 3).says(&["cannot connect to `ghcr.io`", "proxy"]);
    assert!(internet.requests_with(&login).is_empty(), "it went through the proxy");
}
