//! `verify inspect`, `verify pull` and `verify push` on URIs whose modules the store has: what is asked of the registry, what is
//! taken, what is kept.

use std::fs;

use serde_json::Value;

use crate::support::registry::FakeRegistry;
use crate::support::{Finished, Repository, digest, guests};

const STORE: &str = ".git/home/.cache/kubewarden/store/registry";

/// A module that accepts everything, with metadata; `name` makes it one of its own.
fn accepting(name: &str) -> Vec<u8> {
    guests::annotated(crate::publish::accepting(name))
}

/// A registry with `acme/p:v1`, and a repository that knows it.
fn registry() -> (FakeRegistry, Repository, String) {
    let fake = FakeRegistry::start();
    let manifest = fake.add_policy("acme/p", "v1", &accepting("one"));
    let repository = Repository::new().write(".git/home/.config/kubewarden/sources.yaml", fake.sources());
    (fake, repository, manifest)
}

fn run(repository: &Repository, arguments: &[&str]) -> Finished {
    repository.verify(arguments).run()
}

/// What a command asks of the registry, `GET /v2/` left out: methods, and manifests or blobs.
fn asks(fake: &FakeRegistry, command: impl FnOnce() -> Finished) -> (Finished, Vec<String>) {
    let before = fake.seen().len();
    let run = command();
    let seen = fake.seen().split_off(before).into_iter().filter(|seen| seen.path != "/v2/");
    let line = |path: &str| path.split('/').rev().nth(1).unwrap_or_default().to_owned();
    (run, seen.map(|seen| format!("{} {}", seen.method, line(&seen.path))).collect())
}

/// The digest of the module, as `inspect` shows it; a module without metadata is 3.
fn inspected(run: &Finished) -> Value {
    let document: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}\n{run}"));
    document["digest"].clone()
}

#[test]
fn a_module_of_the_store_is_inspected_without_fetching_it() {
    let (fake, repository, manifest) = registry();
    let tag = format!("registry://{}/acme/p:v1", fake.host());
    let pinned = format!("registry://{}/acme/p@{manifest}", fake.host());
    let inspect = |uri: &str| asks(&fake, || run(&repository, &["inspect", "-o", "json", uri]));
    let one = digest(&accepting("one"));
    // Nothing is there, and nothing is kept.
    for _ in 0..2 {
        let (run, asked) = inspect(&tag);
        assert_eq!((inspected(&run), asked.last().unwrap().as_str()), (one.clone().into(), "GET blobs"));
        assert!(!repository.path(STORE).exists());
    }
    run(&repository, &["pull", &tag]).exits_with(0);
    run(&repository, &["pull", &pinned]).exits_with(0);
    let (found, asked) = inspect(&tag);
    assert_eq!((inspected(&found), asked), (one.clone().into(), vec!["HEAD manifests".to_owned()]));
    let (found, asked) = inspect(&pinned);
    assert_eq!((inspected(&found), asked), (one.clone().into(), Vec::new()));

    // A tag that has moved is followed, and the store is left alone.
    fake.add_policy("acme/p", "v1", &accepting("two"));
    let (found, asked) = inspect(&tag);
    assert_eq!(inspected(&found), digest(&accepting("two")));
    assert_eq!(asked, ["HEAD manifests", "GET manifests", "GET blobs"]);
    let stored = repository.path(&format!("{STORE}/{}/acme/p:v1", fake.host()));
    assert_eq!(fs::read(&stored).unwrap(), accepting("one"));

    // A file that is not what its name says is not shown.
    let stored = repository.path(&format!("{STORE}/{}/acme/p@{manifest}", fake.host()));
    fs::write(stored, accepting("tampered")).unwrap();
    let (found, asked) = inspect(&pinned);
    assert_eq!((inspected(&found), asked), (one.into(), vec!["GET blobs".to_owned()]));
}

#[test]
fn offline_shows_what_the_store_has_and_what_is_known_of_it() {
    let (fake, repository, manifest) = registry();
    let tag = format!("registry://{}/acme/p:v1", fake.host());
    let pinned = format!("registry://{}/acme/p@{manifest}", fake.host());
    let inspect = |uri: &str| {
        let (run, asked) = asks(&fake, || run(&repository, &["inspect", "-o", "json", "--offline", uri]));
        assert_eq!(asked, [""; 0]);
        run
    };
    inspect(&tag).exits_with(3).reports_nothing().says(&["not in the store", "verify pull"]);
    run(&repository, &["pull", &tag]).exits_with(0);
    run(&repository, &["pull", &pinned]).exits_with(0);
    fake.add_policy("acme/p", "v1", &accepting("two"));
    let found = inspect(&tag).says(&["--offline: taken from the store unverified"]);
    assert_eq!(inspected(&found), digest(&accepting("one")));
    let document: Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(document["remarks"].as_array().unwrap().len(), 1);
    let found = inspect(&pinned).never_says("unverified");
    assert_eq!(inspected(&found), digest(&accepting("one")));

    // What cannot be checked is not shown for what it should be.
    let stored = repository.path(&format!("{STORE}/{}/acme/p@{manifest}", fake.host()));
    fs::write(&stored, accepting("tampered")).unwrap();
    inspect(&pinned).exits_with(3).reports_nothing().says(&["the store has another module of this name"]);
    fs::write(&stored, accepting("one")).unwrap();
    fs::remove_dir_all(repository.path(".git/home/.cache/policy-verify/manifests")).unwrap();
    let run_ = inspect(&pinned).exits_with(3).reports_nothing();
    run_.says(&["the store has a module of this name, but not its manifest"]);

    let environment = repository.verify(&["inspect", "-o", "json", &tag]).env("VERIFY_OFFLINE", "1").run();
    assert_eq!(inspected(&environment), digest(&accepting("one")));
    run(&repository, &["inspect", "--offline", "--show-signatures", &tag]).exits_with(2);
}

#[test]
fn what_was_pulled_is_not_pulled_again() {
    let (fake, repository, manifest) = registry();
    let tag = format!("{}/acme/p:v1", fake.host());
    let pinned = format!("{}/acme/p@{manifest}", fake.host());
    let pull = |arguments: &[&str]| {
        let (run, asked) = asks(&fake, || run(&repository, &[&["pull"], arguments].concat()));
        run.exits_with(0);
        asked
    };
    // With a file to write to, the store is left alone.
    assert_eq!(pull(&[&tag, "-o", "one.wasm"]), ["GET manifests", "GET blobs"]);
    assert!(!repository.path(STORE).exists());
    assert_eq!(pull(&[&tag]).last().unwrap(), "GET blobs");
    assert_eq!(pull(&[&tag]), ["HEAD manifests"]);
    assert_eq!(pull(&[&tag, "-o", "two.wasm"]), ["HEAD manifests"]);
    assert_eq!(pull(&[&pinned]), ["GET blobs"]);
    assert_eq!(pull(&[&pinned]), [""; 0]);
    for file in ["one.wasm", "two.wasm"] {
        assert_eq!(fs::read(repository.path(file)).unwrap(), accepting("one"));
    }
    // A broken file is mended.
    let stored = repository.path(&format!("{STORE}/{tag}"));
    fs::write(&stored, accepting("tampered")).unwrap();
    assert_eq!(pull(&[&tag]), ["HEAD manifests", "GET blobs"]);
    assert_eq!(fs::read(&stored).unwrap(), accepting("one"));
    // The store that cannot be written is an error, not a remark.
    let blocked = Repository::new()
        .write(".git/home/.config/kubewarden/sources.yaml", fake.sources())
        .write(".git/home/.cache/kubewarden/store", "a file in the place of the folder");
    let run = run(&blocked, &["pull", &tag]).exits_with(3);
    run.says(&["cannot write the policy to the store"]);
}

#[test]
fn a_policy_that_was_pulled_by_digest_runs_offline() {
    let (fake, repository, manifest) = registry();
    let pinned = format!("registry://{}/acme/p@{manifest}", fake.host());
    run(&repository, &["pull", &pinned]).exits_with(0);
    let repository = repository.write("suite.yml", crate::fetching::suite(&[("p", &pinned)]));
    let (run, asked) = asks(&fake, || run(&repository, &["--offline"]));
    run.exits_with(0).says(&["1 passed"]).never_says("unverified");
    assert_eq!(asked, [""; 0]);
}

#[test]
fn a_module_is_pushed_from_the_store() {
    let (fake, repository, _) = registry();
    let tag = format!("registry://{}/acme/p:v1", fake.host());
    run(&repository, &["pull", &tag]).exits_with(0);
    let to = format!("{}/acme/copy:v1", fake.host());
    let before = fake.seen().len();
    run(&repository, &["push", "--force", &tag, &to]).exits_with(0);
    // From the other repository, what was pushed is read back.
    let asked = fake.seen().split_off(before);
    assert!(!asked.iter().any(|seen| seen.is("GET", "/v2/acme/p/blobs/")), "{asked:?}");
    assert!(asked.iter().any(|seen| seen.is("GET", "/v2/acme/copy/blobs/")), "{asked:?}");
    assert_eq!(fake.blob("acme/copy", &digest(&accepting("one"))).unwrap(), accepting("one"));
}

#[test]
fn a_tag_that_nobody_could_look_up_is_told_in_every_report() {
    let (fake, repository, _) = registry();
    let tag = format!("registry://{}/acme/p:v1", fake.host());
    let repository = repository.write("suite.yml", crate::fetching::suite(&[("p", &tag)]));
    run(&repository, &["pull", &tag]).exits_with(0);
    let stored = repository.path(&format!("{STORE}/{}/acme/p:v1", fake.host()));
    // Whatever the file is, it is run: nobody knows better.
    fs::write(&stored, accepting("something else")).unwrap();
    let says = "--offline: taken from the store unverified: no lock has its digest";
    run(&repository, &["--offline"]).exits_with(0).says(&[says]);
    for format in ["markdown", "html"] {
        assert!(
            run(&repository, &["--offline", "--report", format]).stdout.contains("taken from the store unverified"),
            "{format}"
        );
    }
    let report = repository.report(&["--offline"]);
    let policy = &report.0["policies"][0];
    assert_eq!(
        (&policy["source_digest"], &policy["digest"]),
        (&Value::Null, &digest(&accepting("something else")).into())
    );
    // A lock knows better.
    fs::remove_file(&stored).unwrap();
    run(&repository, &["--update"]).exits_with(0);
    run(&repository, &["--offline"]).exits_with(0).never_says("unverified");
    fs::write(&stored, accepting("something else")).unwrap();
    run(&repository, &["--offline"]).exits_with(3).says(&["the store has another module of this name"]);
    fs::remove_file(repository.path("suite.lock")).unwrap();
    run(&repository, &["--offline", "--locked"]).exits_with(3).says(&["is not in `suite.lock`"]);
}
