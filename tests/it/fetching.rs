//! Policies of registries and web servers: what is asked of a server, what is kept, what a lock is good for.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;

use crate::support::registry::{FakeRegistry, Reaction, Reply, digest};
use crate::support::{Finished, POD, Repository, guests};

const ACCEPTS: &str = r#"{"valid":true,"accepted":true}"#;

/// A module that accepts everything; `name` makes it one of its own.
pub(crate) fn accepting(name: &str) -> Vec<u8> {
    guests::annotated(guests::printing_and_replying(name, ACCEPTS))
}

/// A suite with these policies, by name and URI; one case for each.
pub(crate) fn suite(policies: &[(&str, &str)]) -> String {
    let mut text = "version: 1\npolicies:\n".to_owned();
    for (name, uri) in policies {
        text += &format!("  {name}: {{ uri: \"{uri}\" }}\n");
    }
    text += "cases:\n";
    for (name, _) in policies {
        text += &format!("  - {{ name: {name} accepts, policy: {name}, object: {POD}, expect: allow }}\n");
    }
    text
}

/// A repository whose sources file, in the folder of kwctl, lists the registry.
pub(crate) fn repository(fake: &FakeRegistry, policies: &[(&str, &str)]) -> Repository {
    Repository::with_suite(&suite(policies)).write(".git/home/.config/kubewarden/sources.yaml", fake.sources())
}

fn uri(fake: &FakeRegistry, name: &str) -> String {
    format!("registry://{}/{name}", fake.host())
}

/// The file of the store for a URI.
fn stored(repository: &Repository, uri: &str) -> PathBuf {
    repository.path(&format!(".git/home/.cache/kubewarden/store/{}", uri.replacen("://", "/", 1)))
}

fn run(repository: &Repository, arguments: &[&str]) -> Finished {
    repository.verify(arguments).run()
}

#[test]
fn a_policy_is_fetched_once_and_looked_up_each_time() {
    let fake = FakeRegistry::start();
    fake.add_policy("acme/p", "v1", &accepting("one"));
    let uri = uri(&fake, "acme/p:v1");
    let repository = repository(&fake, &[("p", &uri)]);
    let report = repository.report(&[]);
    report.all_passed();
    assert_eq!(report.0["policies"][0]["source_digest"], digest(&fake.manifest("acme/p", "v1").unwrap()));
    assert_eq!(fs::read(stored(&repository, &uri)).unwrap(), accepting("one"));
    let asked = fake.seen().len();
    run(&repository, &[]).exits_with(0);
    let again: Vec<String> =
        fake.seen().split_off(asked).into_iter().map(|it| format!("{} {}", it.method, it.path)).collect();
    assert_eq!(again, ["GET /v2/", "HEAD /v2/acme/p/manifests/v1"]);
}

#[test]
fn policy_with_a_digest_is_fetched_once() {
    let fake = FakeRegistry::start();
    let manifest = fake.add_policy("acme/p", "v1", &accepting("one"));
    let uri = uri(&fake, &format!("acme/p@{manifest}"));
    let repository = repository(&fake, &[("p", &uri)]);
    run(&repository, &[]).exits_with(0);
    let asked = fake.seen().len();
    run(&repository, &[]).exits_with(0);
    run(&repository, &["--offline"]).exits_with(0);
    assert_eq!(fake.seen().len(), asked);
}

#[test]
fn a_store_that_was_tampered_with_is_not_believed() {
    let fake = FakeRegistry::start();
    let manifest = fake.add_policy("acme/p", "v1", &accepting("one"));
    for name in ["acme/p:v1".to_owned(), format!("acme/p@{manifest}")] {
        let uri = uri(&fake, &name);
        let repository = repository(&fake, &[("p", &uri)]);
        run(&repository, &[]).exits_with(0);
        fs::write(stored(&repository, &uri), guests::denying("tampered")).unwrap();
        run(&repository, &[]).exits_with(0);
        assert_eq!(fs::read(stored(&repository, &uri)).unwrap(), accepting("one"));
    }
}

#[test]
fn a_tag_that_moves_is_followed() {
    let fake = FakeRegistry::start();
    fake.add_policy("acme/p", "v1", &accepting("one"));
    let uri = uri(&fake, "acme/p:v1");
    let repository = repository(&fake, &[("p", &uri)]);
    run(&repository, &[]).exits_with(0);
    fake.add_policy("acme/p", "v1", &guests::annotated(guests::denying("no longer")));
    run(&repository, &[]).exits_with(1).says(&["no longer"]);
    assert_eq!(fs::read(stored(&repository, &uri)).unwrap(), guests::annotated(guests::denying("no longer")));
}

#[test]
fn offline_uses_the_store_and_names_what_is_missing() {
    let fake = FakeRegistry::start();
    fake.add_policy("acme/p", "v1", &accepting("one"));
    let (uri, other) = (uri(&fake, "acme/p:v1"), uri(&fake, "acme/q:v1"));
    let repository = repository(&fake, &[("p", &uri), ("q", &other)]);
    run(&repository, &[]).exits_with(3);
    let asked = fake.seen().len();
    let run = run(&repository, &["--offline"]).exits_with(3);
    run.says(&["1 passed, 1 error", &format!("`{other}`: not in the store"), "without `--offline`"]);
    assert_eq!(fake.seen().len(), asked);
}

#[test]
fn what_kwctl_has_pulled_is_found() {
    let fake = FakeRegistry::start();
    let uri = uri(&fake, "acme/p:v1");
    let repository = repository(&fake, &[("p", &uri)]);
    let path = stored(&repository, &uri);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, accepting("kwctl")).unwrap();
    run(&repository, &["--offline"]).exits_with(0).says(&["taken from the store unverified"]);
}

#[test]
fn the_same_policy_in_two_suites_is_fetched_once() {
    let fake = FakeRegistry::start();
    fake.add_policy("acme/p", "v1", &accepting("one"));
    let uri = uri(&fake, "acme/p:v1");
    let text = suite(&[("p", &uri), ("again", &uri)]);
    let repository = repository(&fake, &[("p", &uri)]).write("two.suite.yml", format!("name: two\n{text}"));
    run(&repository, &["suite.yml", "two.suite.yml"]).exits_with(0).says(&["3 tests: 3 passed"]);
    assert_eq!((fake.count("GET", "/manifests/"), fake.count("GET", "/blobs/")), (1, 1));
}

#[test]
fn a_lock_is_written_on_request_and_kept_to() {
    let fake = FakeRegistry::start();
    let first = fake.add_policy("acme/p", "v1", &accepting("one"));
    let uri = uri(&fake, "acme/p:v1");
    let repository = repository(&fake, &[("p", &uri)]);
    run(&repository, &[]).exits_with(0);
    assert!(!repository.path("suite.lock").exists());
    run(&repository, &["--locked"]).exits_with(3).says(&["is not in `suite.lock`", "`verify suite.yml --update`"]);
    run(&repository, &["--update"]).exits_with(0);
    let lock = repository.read("suite.lock");
    assert!(lock.contains(&format!("\"{uri}\": {first}")), "{lock}");
    run(&repository, &["--locked"]).exits_with(0);

    let second = fake.add_policy("acme/p", "v1", &guests::annotated(guests::denying("no longer")));
    let moved = format!("`suite.lock` is outdated: `{uri}` has moved from {first} to {second}");
    run(&repository, &["--locked"]).exits_with(3).says(&[&moved, "`verify suite.yml --update`"]);
    run(&repository, &[]).exits_with(0).says(&[&moved, "the locked one was run"]);
    assert_eq!(repository.read("suite.lock"), lock);
    run(&repository, &["--update"]).exits_with(1).says(&["no longer", &moved, "the lock was updated"]);
    assert!(repository.read("suite.lock").contains(&second));

    // The command is about the suite that was meant, whatever its name is.
    let text = repository.read("suite.yml");
    let repository = repository.write("more/reg.suite.yml", &text);
    let run_ = run(&repository, &["more/reg.suite.yml", "--locked"]).exits_with(3);
    run_.says(&["is not in `reg.suite.lock`", "`verify more/reg.suite.yml --update`"]);
}

#[test]
fn a_lock_gets_new_policies_but_not_in_ci() {
    let fake = FakeRegistry::start();
    for name in ["p", "q"] {
        fake.add_policy(name, "v1", &accepting(name));
    }
    let (p, q) = (uri(&fake, "p:v1"), uri(&fake, "q:v1"));
    let repository = repository(&fake, &[("p", &p)]);
    run(&repository, &["--update"]).exits_with(0);
    let repository = repository.write("suite.yml", suite(&[("p", &p), ("q", &q)]));
    let before = repository.read("suite.lock");
    let ci = repository.verify(&[]).env("CI", "true").run().exits_with(0);
    ci.says(&[&format!("`{q}` is not in `suite.lock`")]);
    assert_eq!(repository.read("suite.lock"), before);
    run(&repository, &[]).exits_with(0);
    let after = repository.read("suite.lock");
    assert!(after.contains(&p) && after.contains(&q), "{after}");
    // What is no longer in the suite leaves the lock by --update, and only when nothing was left out.
    let repository = repository.write("suite.yml", suite(&[("q", &q)]));
    run(&repository, &["--update", "--filter", "nothing", "--allow-empty"]);
    assert_eq!(repository.read("suite.lock"), after);
    run(&repository, &["--update"]).exits_with(0);
    assert!(!repository.read("suite.lock").contains(&p));
}

#[test]
fn a_broken_lock_is_a_mistake_and_update_repairs_it() {
    let fake = FakeRegistry::start();
    fake.add_policy("p", "v1", &accepting("p"));
    let repository = repository(&fake, &[("p", &uri(&fake, "p:v1"))]).write("suite.lock", "version: 7\n");
    run(&repository, &[]).exits_with(2).reports_nothing().says(&["suite.lock", "unsupported version 7"]);
    run(&repository, &["--update"]).exits_with(0);
    run(&repository, &["--locked"]).exits_with(0);
}

#[test]
fn a_web_server_gives_modules_too() {
    let fake = FakeRegistry::start();
    let module = accepting("web");
    fake.rule(move |seen| match seen.path.as_str() {
        "/p.wasm" => Reply::new(302, "").header("location", "/elsewhere").into(),
        "/elsewhere" => Reply::new(200, module.clone()).into(),
        "/page" => Reply::new(200, "<!DOCTYPE html>").into(),
        "/short" => Reply::new(200, "\0asm").into(),
        "/gone" => Reply::new(404, "<html>").into(),
        _ => Reaction::Usual,
    });
    let url = |path: &str| format!("http://{}/{path}", fake.host());
    let names = ["p.wasm", "page", "short", "gone"];
    let urls = names.map(url);
    let repository =
        repository(&fake, &[("good", &urls[0]), ("page", &urls[1]), ("short", &urls[2]), ("gone", &urls[3])]);
    let run = run(&repository, &[]).exits_with(3);
    run.says(&[
        "1 passed, 3 errors",
        &format!("invalid wasm file: `{}` is a web page", urls[1]),
        &format!("invalid wasm file: `{}` is cut off", urls[2]),
        &format!("cannot download `{}`: `{}` returned 404 Not Found", urls[3], fake.host()),
    ]);
    assert_eq!(fs::read(stored(&repository, &urls[0])).unwrap(), accepting("web"));
    assert!(!stored(&repository, &urls[1]).exists());
    let run = repository.verify(&["--offline", "--filter", "good"]).run().exits_with(0);
    run.says(&["taken from the store unverified"]);
    repository.verify(&["--update", "--filter", "good"]).run().exits_with(0);
    let run = repository.verify(&["--offline", "--filter", "good"]).run().exits_with(0);
    run.never_says("taken from the store unverified");
}

#[test]
fn plain_http_and_passwords_in_uris_are_refused() {
    let fake = FakeRegistry::start();
    let repository = Repository::with_suite(&suite(&[("p", &format!("http://{}/p.wasm", fake.host()))]));
    run(&repository, &[]).exits_with(3).says(&["plain HTTP to", "is not allowed", "insecure_sources"]);
    assert!(fake.seen().is_empty());
    let repository = Repository::with_suite(&suite(&[("p", "https://me:hunter2@acme.test/p.wasm")]));
    run(&repository, &[]).exits_with(2).says(&["the URL has a user or a password", "docker login"]);
}

#[test]
fn a_registry_without_tls_is_called_so() {
    // One answers in plain text to whatever it is told, the other one goes without a word.
    let talking = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = FakeRegistry::start();
    let hosts = [talking.local_addr().unwrap().to_string(), silent.host()];
    std::thread::spawn(move || {
        for mut stream in talking.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    for host in &hosts {
        let repository = Repository::with_suite(&suite(&[("p", &format!("registry://{host}/p:v1"))]));
        run(&repository, &[]).exits_with(3).never_says("corrupt").says(&[
            &format!("`{host}` does not support TLS"),
            &format!("`insecure_sources: [\"{host}\"]`"),
            "~/.config/kubewarden/sources.yaml",
            "--sources-path",
        ]);
    }
}

#[test]
fn what_the_flags_name_has_to_be_there() {
    let fake = FakeRegistry::start();
    fake.add_policy("p", "v1", &accepting("p"));
    let repository = repository(&fake, &[("p", &uri(&fake, "p:v1"))]).write("bad.yaml", "insecure: [a]\n");
    run(&repository, &["--sources-path", "gone.yaml"]).exits_with(2).reports_nothing().says(&["gone.yaml"]);
    run(&repository, &["--sources-path", "bad.yaml"]).exits_with(2).reports_nothing().says(&["bad.yaml", "insecure"]);
    run(&repository, &["--fetch-timeout", "soon"]).exits_with(2);
    run(&repository, &["--locked", "--update"]).exits_with(2);
    // Nobody asked who we are, so nobody looked.
    run(&repository, &["--docker-config-json-path", "gone"]).exits_with(0);
}

#[test]
fn modules_that_are_too_large_together_are_unavailable_before_they_are_fetched() {
    let fake = FakeRegistry::start();
    let policies: Vec<(String, String)> = (0..12)
        .map(|number| {
            let layer = format!("sha256:{number:064x}");
            let manifest = format!(
                r#"{{"schemaVersion":2,"config":{{"digest":"{0}","mediaType":"application/vnd.wasm.config.v1+json","size":2}},
                    "layers":[{{"digest":"{layer}","mediaType":"application/vnd.wasm.content.layer.v1+wasm","size":99614720}}]}}"#,
                digest(b"{}")
            );
            let name = format!("p{number}");
            fake.add_manifest(&name, "v1", "application/vnd.oci.image.manifest.v1+json", manifest.as_bytes());
            (name.clone(), uri(&fake, &format!("{name}:v1")))
        })
        .collect();
    let policies: Vec<(&str, &str)> = policies.iter().map(|(name, uri)| (name.as_str(), uri.as_str())).collect();
    let run = run(&repository(&fake, &policies), &["--report=json=r.json"]).exits_with(3);
    // Ten of 95 MiB are less than 1 GiB, and were asked for; there is none of them.
    assert_eq!(fake.count("GET", "/blobs/"), 10);
    run.says(&["the modules of this run are larger than 1024 MiB together", "`--partition policy:1/2`"]);
}
