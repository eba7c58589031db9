//! Against real registries, started on loopback: what `verify push` sends is taken, and what a suite names is had, with every
//! way of logging in that they offer.
//!
//! Debian's `docker-registry` is Distribution 2; a `registry` on the path is taken for Distribution 3. What is missing is
//! skipped, and said.

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair, SigningKey as _};
use serde_json::json;

use crate::fetching::suite;
use crate::support::act::program;
use crate::support::distribution::{Distribution, Setup};
use crate::support::registry::{FakeRegistry, Reply};
use crate::support::{Repository, testdata};

const PASSWORD: &str = "secret-of-the-test";

/// `PASSWORD` of `me`, by bcrypt.
const HTPASSWD: &str = "me:$2b$04$mqp/3SRaeGA5kqswj0ZvLuMD3VnoeyIm7vmgOD20hUN2bV0/OUgWS\n";

/// The registries there are.
fn registries() -> Vec<PathBuf> {
    ["docker-registry", "registry"].into_iter().filter_map(program).collect()
}

/// Pushes a policy, runs a suite that names it by tag, and one that names it by digest.
fn push_and_run(host: &str, sources: &str, docker: &str) {
    let policy = testdata().join("policies/safe-labels/policy.wasm");
    let uri = format!("registry://{host}/acme/policies/safe-labels:v1.0.0");
    let files = |repository: Repository| {
        repository.write("sources.yaml", sources).write("docker/config.json", docker).write("ca.pem", "")
    };
    let flags = ["--sources-path", "sources.yaml", "--docker-config-json-path", "docker"];
    let repository = files(Repository::new());
    let push = repository.verify(&["push", "--force"]).arg(policy.to_str().unwrap()).arg(&uri);
    let pushed = flags.iter().fold(push, |command, flag| command.arg(flag)).run().exits_with(0);
    let pushed = pushed.never_says(PASSWORD);
    let reference = pushed.stdout.trim().to_owned();
    assert!(reference.starts_with(&format!("{host}/acme/policies/safe-labels@sha256:")), "{reference}");
    for uri in [uri, format!("registry://{reference}")] {
        let text = suite(&[("labels", &uri)]).replace("uri:", "settings: { mandatory_labels: [owner] }, uri:");
        let repository = files(Repository::with_suite(&text));
        let run = repository.verify(&flags).run().exits_with(0).says(&["1 passed"]);
        run.never_says(PASSWORD);
        repository.verify(&flags).arg("--offline").run().exits_with(0);
    }
}

#[test]
fn anonymous_and_by_plain_http() {
    for program in registries() {
        let registry = Distribution::configured(&program, &Setup::default());
        push_and_run(&registry.host, &format!("insecure_sources: ['{}']\n", registry.host), "{}");
    }
}

#[test]
fn by_name_and_password() {
    for program in registries() {
        let more = "auth: { htpasswd: { realm: test, path: 'FOLDER/htpasswd' } }\n";
        let setup = Setup { more, files: &[("htpasswd", HTPASSWD)], ..Setup::default() };
        let registry = Distribution::configured(&program, &setup);
        let sources = format!("insecure_sources: ['{}']\n", registry.host);
        let auth = STANDARD.encode(format!("me:{PASSWORD}"));
        push_and_run(&registry.host, &sources, &json!({ "auths": { &registry.host: { "auth": auth } } }).to_string());

        let uri = format!("registry://{}/acme/policies/safe-labels:v1.0.0", registry.host);
        let repository = Repository::with_suite(&suite(&[("labels", &uri)])).write("sources.yaml", sources);
        let run = repository.verify(&["--sources-path", "sources.yaml"]).run().exits_with(3);
        run.says(&[&uri, "wants credentials, and there are none", "docker login"]);
        let wrong = json!({ "auths": { &registry.host: { "auth": STANDARD.encode("me:wrong-password") } } });
        let repository = repository.write("docker/config.json", wrong.to_string());
        let flags = ["--sources-path", "sources.yaml", "--docker-config-json-path", "docker"];
        let run = repository.verify(&flags).run().exits_with(3);
        run.says(&["does not accept the credentials from `auths`"]).never_says("wrong-password");
    }
}

/// A certificate for 127.0.0.1 by an authority of its own: authority, certificate, key.
fn certificates() -> (String, String, String) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    (authority_pem, certificate.pem(), key.serialize_pem())
}

#[test]
fn by_tls_with_an_authority_of_its_own() {
    for program in registries() {
        let (authority, certificate, key) = certificates();
        let setup = Setup {
            http: ", tls: { certificate: 'FOLDER/tls.pem', key: 'FOLDER/tls.key' }",
            files: &[("tls.pem", &certificate), ("tls.key", &key)],
            ..Setup::default()
        };
        let registry = Distribution::configured(&program, &setup);
        let indented = authority.replace('\n', "\n        ");
        let sources = format!(
            "source_authorities:\n  \"{}\":\n    - type: Data\n      data: |\n        {indented}\n",
            registry.host
        );
        push_and_run(&registry.host, &sources, "{}");
        // Whoever is listed is not asked for a certificate that holds.
        push_and_run(&registry.host, &format!("insecure_sources: ['{}']\n", registry.host), "{}");

        let uri = format!("registry://{}/acme/policies/safe-labels:v1.0.0", registry.host);
        let repository = Repository::with_suite(&suite(&[("labels", &uri)]));
        let run = repository.verify(&[]).run().exits_with(3);
        run.says(&[&uri, "certificate", "source_authorities"]);
        let text = suite(&[("labels", &uri)]).replace("uri:", "settings: { mandatory_labels: [owner] }, uri:");
        let repository = Repository::with_suite(&text).write("authority.pem", authority);
        repository.verify(&[]).env("SSL_CERT_FILE", repository.path("authority.pem")).run().exits_with(0);
    }
}

/// A token as Distribution's own token services make them, for whatever is asked.
fn token(key: &KeyPair, certificate: &[u8], scope: &str) -> String {
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let mut words = scope.split(':');
    let (kind, name, actions) = (words.next(), words.next(), words.next().unwrap_or_default());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let head = json!({ "typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(certificate)] });
    let claims = json!({
        "iss": "issuer", "aud": "fake", "sub": "me", "exp": now + 300, "nbf": now - 10, "iat": now - 10, "jti": "1",
        "access": [{ "type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>() }],
    });
    let signed = format!("{}.{}", part(head), part(claims));
    let signature = plain_signature(&key.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Two numbers in DER become two numbers of 32 bytes, as JWT wants them.
fn plain_signature(der: &[u8]) -> Vec<u8> {
    let mut rest = &der[2..];
    let mut plain = Vec::new();
    for _ in 0..2 {
        let length = usize::from(rest[1]);
        let number = &rest[2..2 + length];
        let digits = &number[number.iter().position(|byte| *byte != 0).unwrap_or(length)..];
        plain.extend(std::iter::repeat_n(0, 32 - digits.len()));
        plain.extend_from_slice(digits);
        rest = &rest[2 + length..];
    }
    plain
}

#[test]
fn by_a_token_service() {
    for program in registries() {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["issuer".to_owned()]).unwrap().self_signed(&key).unwrap();
        let bundle = tempfile::NamedTempFile::new().unwrap();
        fs::write(bundle.path(), certificate.pem()).unwrap();
        let service = FakeRegistry::start();
        let der = certificate.der().to_vec();
        service.rule(move |seen| {
            let query = seen.path.split_once('?').map_or("", |(_, query)| query);
            let scope = query.split('&').find_map(|pair| pair.strip_prefix("scope=")).unwrap_or_default();
            let scope = scope.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",");
            // As at ghcr.io: everybody may pull, and whoever wants to push has to say who they are.
            let is_known = seen.headers.contains_key("authorization");
            match is_known || !scope.ends_with("push") {
                true => {
                    Reply::new(200, json!({ "token": token(&key, &der, &scope), "expires_in": 300 }).to_string()).into()
                }
                false => Reply::new(403, "").into(),
            }
        });
        let more = format!(
            "auth: {{ token: {{ realm: 'http://{}/token', service: fake, issuer: issuer, rootcertbundle: '{}' }} }}\n",
            service.host(),
            bundle.path().display()
        );
        let registry = Distribution::configured(&program, &Setup { more: &more, ..Setup::default() });
        let sources = format!("insecure_sources: ['{}', '{}']\n", registry.host, service.host());
        let docker = json!({ "auths": { &registry.host: { "username": "me", "password": PASSWORD } } }).to_string();
        push_and_run(&registry.host, &sources, &docker);

        let uri = format!("registry://{}/acme/policies/safe-labels:v1.0.0", registry.host);
        let text = suite(&[("labels", &uri)]).replace("uri:", "settings: { mandatory_labels: [owner] }, uri:");
        let repository = Repository::with_suite(&text).write("sources.yaml", sources);
        repository.verify(&["--sources-path", "sources.yaml"]).run().exits_with(0);
        let policy = testdata().join("policies/safe-labels/policy.wasm");
        let push = ["push", "--force", policy.to_str().unwrap(), &uri, "--sources-path", "sources.yaml"];
        repository.verify(&push).run().exits_with(5).says(&["wants credentials, and there are none"]);
    }
}

/// Everything at once: several tags, one of which stays where it is, and a registry that breaks half way.
#[test]
fn several_tags_of_a_real_registry() {
    const REPOSITORY: &str = "acme/policies/safe-labels";
    for program in registries() {
        let registry = Distribution::configured(&program, &Setup::default());
        let to = format!("{}/{REPOSITORY}", registry.host);
        let first = testdata().join("policies/safe-labels/policy.wasm");
        let repository = Repository::new()
            .write("sources.yaml", format!("insecure_sources: ['{}']\n", registry.host))
            .write("first.wasm", fs::read(first).unwrap())
            .write("second.wasm", wat::parse_str("(module (func (export \"__guest_call\")))").unwrap());
        let push = |module: &str, tag: &str, flags: &[&str]| {
            let to = format!("{to}:{tag}");
            let arguments = [&["push", "--force", module, &to, "--sources-path", "sources.yaml"], flags].concat();
            repository.verify(&arguments).run()
        };
        let leads_to = |tag: &str| {
            let tagged = format!("{to}:{tag}");
            let run = repository.verify(&["digest", &tagged, "--sources-path", "sources.yaml"]).run();
            run.stdout.trim_end().rsplit_once('@').map(|(_, digest)| digest.to_owned())
        };
        let pushed = push("first.wasm", "v1", &["--tag", "v1.0", "--tag", "latest", "--immutable", "v1"]).exits_with(0);
        let (_, old) = pushed.stdout.trim_end().split_once('@').unwrap();
        assert_eq!(
            ["v1", "v1.0", "latest"].map(leads_to),
            [Some(old), Some(old), Some(old)].map(|it| it.map(str::to_owned))
        );
        let run = push("second.wasm", "v1", &["--tag", "latest", "--immutable", "v1"]).exits_with(5);
        run.says(&["is immutable"]);
        assert_eq!(leads_to("latest").as_deref(), Some(old));
        // The registry cannot write this tag, and finds out when it is told to.
        let broken = registry.tags(REPOSITORY).join("broken");
        fs::create_dir_all(&broken).unwrap();
        fs::write(broken.join("index"), "no folder").unwrap();
        let run = push("second.wasm", "latest", &["--tag", "broken"]).exits_with(5).reports_nothing();
        run.says(&["every tag leads where it did before: put back `latest`"]);
        assert_eq!((leads_to("latest").as_deref(), leads_to("broken")), (Some(old), None));
        let new = push("second.wasm", "latest", &[]).exits_with(0);
        assert_eq!(leads_to("latest").as_deref(), new.stdout.trim_end().split_once('@').map(|(_, digest)| digest));
    }
}
