//! Against real registries, started on loopback: what `verify push` sends is taken, and what a suite names is had, with every
//! way of logging in that they offer.
//!
//! Debian's `docker-registry` is Distribution 2; a `registry` on the path is taken for Distribution 3; `crane` has the
//! registry of go-containerregistry in it. What is missing is skipped, and said.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::fetching::suite;
use crate::publish::accepting;
use crate::support::distribution::{Distribution, Setup, registries};
use crate::support::program::program;
use crate::support::tls::Authority;
use crate::support::token_service::TokenService;
use crate::support::{POD, Repository, guests, testdata};

const PASSWORD: &str = "secret-of-the-test";

/// `PASSWORD` of `me`, by bcrypt.
const HTPASSWD: &str = "me:$2b$04$mqp/3SRaeGA5kqswj0ZvLuMD3VnoeyIm7vmgOD20hUN2bV0/OUgWS\n";

const FLAGS: [&str; 4] = ["--sources-path", "sources.yaml", "--docker-config-json-path", "docker"];

const METADATA: &str = "rules:\n- { apiGroups: [''], apiVersions: [v1], resources: [pods], operations: ['*'] }\n\
                        mutating: false\nannotations:\n  io.kubewarden.policy.title: labels\n";

/// A suite that tests a policy and publishes it under two tags.
fn release(host: &str) -> Repository {
    let text = format!(
        "version: 1\npolicies:\n  labels: {{ uri: p.wasm, metadata: metadata.yml }}\ncases:\n  - {{ name: a pod, object: {POD}, \
         expect: allow }}\npublish:\n  - {{ to: {host}/acme/policies/labels, tags: [v2.0.0, latest], immutable: [v2.0.0] }}\n"
    );
    Repository::with_suite(&text)
        .write("p.wasm", accepting("labels"))
        .write("annotated.wasm", guests::annotated(accepting("labels")))
        .write("metadata.yml", METADATA)
}

/// Publishes a policy by `verify push` and by `--push`; runs a suite that names it by tag, and one that names it by digest;
/// has it back by `verify digest`, `verify pull` and `verify inspect`.
fn push_and_run(host: &str, sources: &str, docker: &str) {
    let uri = format!("registry://{host}/acme/policies/labels:v1.0.0");
    let files = |repository: Repository| repository.write("sources.yaml", sources).write("docker/config.json", docker);
    let verify = |repository: &Repository, arguments: &[&str]| {
        let run = repository.verify(&[arguments, &FLAGS].concat()).run().exits_with(0);
        run.never_says(PASSWORD).never_says(&STANDARD.encode(format!("me:{PASSWORD}")))
    };
    let release = files(release(host));
    let reference = verify(&release, &["push", "annotated.wasm", &uri]).stdout.trim().to_owned();
    assert!(reference.starts_with(&format!("{host}/acme/policies/labels@sha256:")), "{reference}");
    for uri in [uri, format!("registry://{reference}")] {
        let repository = files(Repository::with_suite(&suite(&[("labels", &uri)])));
        verify(&repository, &["-vv"]).says(&["1 passed"]);
        verify(&repository, &["--offline"]).says(&["1 passed"]);
    }
    verify(&release, &["--push", "-vv"]).says(&["1 passed", "Policy successfully pushed: "]);
    verify(&release, &["--push"]).says(&["v2.0.0 already points to it", "latest already points to it"]);
    let uri = format!("{host}/acme/policies/labels:v2.0.0");
    verify(&release, &["digest", &uri]).says(&[&format!("{uri}@sha256:")]);
    verify(&release, &["inspect", &format!("registry://{uri}")]).says(&["io.kubewarden.policy.title"]);
    verify(&release, &["pull", &uri, "-o", "pulled.wasm"]);
    verify(&release, &["inspect", "pulled.wasm"]).says(&["io.kubewarden.policy.title"]);
}

/// What a registry does not let in is 3 for whoever pulls, and 5 for whoever pushes, by either command.
fn is_kept_out(host: &str, sources: &str, docker: &str, says: &[&str]) {
    let uri = format!("registry://{host}/acme/policies/labels:v1.0.0");
    let says = [says, &[host]].concat();
    let files = |repository: Repository| repository.write("sources.yaml", sources).write("docker/config.json", docker);
    let check = |repository: &Repository, arguments: &[&str], code: i32| {
        let run = repository.verify(&[arguments, &FLAGS].concat()).run().exits_with(code).says(&says);
        run.never_says("wrong-password").never_says(&STANDARD.encode("me:wrong-password"))
    };
    check(&files(Repository::with_suite(&suite(&[("labels", &uri)]))), &["-vv"], 3);
    let release = files(release(host));
    check(&release, &["--push", "-vv"], 5).says(&["1 passed"]);
    check(&release, &["push", "--force", "p.wasm", &uri], 5);
    check(&release, &["pull", &uri, "-o", "pulled.wasm"], 3);
    assert!(!release.path("pulled.wasm").exists());
}

#[test]
fn anonymous_and_by_plain_http() {
    let distributions = registries().into_iter().map(|program| Distribution::configured(&program, &Setup::default()));
    for registry in distributions.chain(program("crane").map(|program| Distribution::of_crane(&program))) {
        push_and_run(&registry.host, &format!("insecure_sources: ['{}']\n", registry.host), "{}");
        is_kept_out(&registry.host, "", "{}", &["insecure_sources"]);

        // A module of three chunks.
        let module = guests::padded(accepting("large"), 9 << 20);
        let sources = format!("insecure_sources: ['{}']\n", registry.host);
        let repository = Repository::new().write("p.wasm", &module).write("sources.yaml", sources);
        let uri = format!("{}/acme/policies/large:v1", registry.host);
        let run = |arguments: &[&str]| {
            repository.verify(&[arguments, &["--sources-path", "sources.yaml"]].concat()).run().exits_with(0);
        };
        run(&["push", "--force", "p.wasm", &uri]);
        run(&["pull", &uri, "-o", "pulled.wasm"]);
        assert!(fs::read(repository.path("pulled.wasm")).unwrap() == module);
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

        is_kept_out(&registry.host, &sources, "{}", &["requires credentials, none are configured", "docker login"]);
        let wrong = json!({ "auths": { &registry.host: { "auth": STANDARD.encode("me:wrong-password") } } });
        is_kept_out(&registry.host, &sources, &wrong.to_string(), &["rejects the credentials from `auths`"]);
    }
}

#[test]
fn by_tls_with_an_authority_of_its_own() {
    for program in registries() {
        let authority = Authority::new();
        let (certificate, key) = authority.certificate(&["127.0.0.1"]);
        let setup = Setup {
            http: ", tls: { certificate: 'FOLDER/tls.pem', key: 'FOLDER/tls.key' }",
            files: &[("tls.pem", &certificate.pem()), ("tls.key", &key.serialize_pem())],
            ..Setup::default()
        };
        let registry = Distribution::configured(&program, &setup);
        push_and_run(&registry.host, &authority.trusted_for(&[&registry.host]), "{}");
        // Whoever is listed is not asked for a certificate that holds.
        push_and_run(&registry.host, &format!("insecure_sources: ['{}']\n", registry.host), "{}");

        is_kept_out(&registry.host, "", "{}", &["certificate", "source_authorities"]);
        let uri = format!("registry://{}/acme/policies/labels:v1.0.0", registry.host);
        let text = suite(&[("labels", &uri)]);
        let repository = Repository::with_suite(&text).write("authority.pem", &authority.pem);
        repository.verify(&[]).env("SSL_CERT_FILE", repository.path("authority.pem")).run().exits_with(0);
    }
}

#[test]
fn by_a_token_service() {
    for program in registries() {
        let service = TokenService::start();
        let more = service.setup();
        let registry = Distribution::configured(&program, &Setup { more: &more, ..Setup::default() });
        let sources = format!("insecure_sources: ['{}', '{}']\n", registry.host, service.fake.host());
        let docker = json!({ "auths": { &registry.host: { "username": "me", "password": PASSWORD } } }).to_string();
        push_and_run(&registry.host, &sources, &docker);

        let uri = format!("registry://{}/acme/policies/labels:v1.0.0", registry.host);
        let text = suite(&[("labels", &uri)]);
        let repository = Repository::with_suite(&text).write("sources.yaml", sources);
        repository.verify(&["--sources-path", "sources.yaml"]).run().exits_with(0);
        let repository = repository.write("p.wasm", accepting("labels"));
        let push = ["push", "--force", "p.wasm", &uri, "--sources-path", "sources.yaml"];
        repository.verify(&push).run().exits_with(5).says(&["requires credentials, none are configured"]);
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
        run.says(&["immutable tag `"]);
        assert_eq!(leads_to("latest").as_deref(), Some(old));
        // The registry cannot write this tag, and finds out when it is told to.
        let broken = registry.tags(REPOSITORY).join("broken");
        fs::create_dir_all(&broken).unwrap();
        fs::write(broken.join("index"), "no folder").unwrap();
        let run = push("second.wasm", "latest", &["--tag", "broken"]).exits_with(5).reports_nothing();
        run.says(&["all tags point where they did before; restored: `latest`"]);
        assert_eq!((leads_to("latest").as_deref(), leads_to("broken")), (Some(old), None));
        let new = push("second.wasm", "latest", &[]).exits_with(0);
        assert_eq!(leads_to("latest").as_deref(), new.stdout.trim_end().split_once('@').map(|(_, digest)| digest));
    }
}
