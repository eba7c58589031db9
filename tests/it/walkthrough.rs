//! `docs/publishing.md` from its first command to its last, against a registry in the test and against Distribution, and
//! what other clients make of what is there then.

use std::process::Command;

use crate::support::distribution::Distribution;
use crate::support::program::program;
use crate::support::registry::FakeRegistry;
use crate::support::{Repository, digest, testdata};

/// The host the document names.
const DOCUMENTED: &str = "localhost:5000";
const REPOSITORY: &str = "acme/policies/safe-labels";

/// The blocks of the document that begin with this fence, up to the section about what is pushed.
fn blocks(language: &str) -> Vec<String> {
    let path = testdata().parent().unwrap().join("docs/publishing.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (text, _) = text.split_once("## What is pushed").unwrap();
    let opening = format!("```{language}\n");
    text.split(&opening).skip(1).map(|rest| rest.split("```\n").next().unwrap().to_owned()).collect()
}

/// Everything the document takes for granted.
fn repository(host: &str) -> Repository {
    let folder = testdata().join("policies/safe-labels");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let suites = blocks("yaml");
    let [sources, released, suite] = suites.as_slice() else { panic!("the document has two suites and the sources") };
    let here = |text: &str| text.replace(DOCUMENTED, host);
    Repository::new()
        .write("policy.wasm", read("policy.wasm"))
        .write("metadata.yml", read("metadata.yml"))
        .write("README.md", read("README.md"))
        .write("released.suite.yml", here(released))
        .write("suite.yml", here(suite))
        .write("sources.yaml", here(sources))
}

/// Runs every command of the document, and gives the last thing each of them printed to stdout.
fn walk(host: &str) -> (Repository, Vec<String>) {
    let repository = repository(host);
    let commands: Vec<String> = blocks("console")
        .iter()
        .flat_map(|block| block.lines())
        .filter_map(|line| line.strip_prefix("$ "))
        .map(|line| line.replace(DOCUMENTED, host))
        .collect();
    assert_eq!(commands.len(), 9, "{commands:?}");
    let printed = commands.iter().map(|command| {
        let run = repository.shell(command).env("VERIFY_SOURCES_PATH", "sources.yaml").run().exits_with(0);
        run.stdout
    });
    let printed = printed.collect();
    (repository, printed)
}

#[test]
fn the_walk_through_works_as_it_is_written() {
    let target = FakeRegistry::start();
    let (repository, printed) = walk(&target.host());
    let read = |path: &str| std::fs::read(repository.path(path)).unwrap();
    assert_eq!(read("pulled.wasm"), read("annotated-policy.wasm"));
    let found = target.tag(REPOSITORY, "v0.1.0").unwrap();
    assert_eq!(printed[2], format!("{}/{REPOSITORY}@{found}\n", target.host()));
    assert_eq!(printed[3], format!("{}/{REPOSITORY}:v0.1.0@{found}\n", target.host()));
    // The suite publishes what the commands above it made: the same bytes, so that the immutable tag can stay.
    assert_eq!(target.tag(REPOSITORY, "latest").unwrap(), found);
    target.content().is_consistent();
}

/// What another client prints.
fn ask(program: &std::path::Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program:?} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn other_clients_find_the_same_digest_and_the_same_bytes() {
    let Some(distribution) = Distribution::start() else { return };
    let (repository, printed) = walk(&distribution.host);
    let immutable = printed[2].trim_end();
    let (_, manifest_digest) = immutable.split_once('@').unwrap();
    let module = std::fs::read(repository.path("annotated-policy.wasm")).unwrap();
    let blob = format!("{}/{REPOSITORY}@{}", distribution.host, digest(&module));
    for tag in ["v0.1.0", "latest"] {
        let tagged = format!("{}/{REPOSITORY}:{tag}", distribution.host);
        if let Some(crane) = program("crane") {
            let found = ask(&crane, &["digest", "--insecure", &tagged]);
            assert_eq!(String::from_utf8(found).unwrap().trim_end(), manifest_digest);
            let manifest = ask(&crane, &["manifest", "--insecure", &tagged]);
            assert_eq!(digest(&manifest), manifest_digest, "byte for byte");
            assert_eq!(ask(&crane, &["blob", "--insecure", &blob]), module);
        }
        if let Some(oras) = program("oras") {
            let manifest = ask(&oras, &["manifest", "fetch", "--plain-http", &tagged]);
            assert_eq!(digest(manifest.trim_ascii_end()), manifest_digest);
            assert_eq!(ask(&oras, &["blob", "fetch", "--plain-http", "--output", "-", &blob]), module);
        }
    }
}

/// Policies that other clients push are policies too.
#[test]
fn what_another_client_pushed_can_be_pulled() {
    let Some(distribution) = Distribution::start() else { return };
    let Some(oras) = program("oras") else { return };
    let repository = repository(&distribution.host);
    let tagged = format!("{}/{REPOSITORY}:by-oras", distribution.host);
    let layer = "policy.wasm:application/vnd.wasm.content.layer.v1+wasm";
    let output = Command::new(&oras)
        .current_dir(repository.path(""))
        .args(["push", "--plain-http", &tagged, layer])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let arguments = ["pull", &tagged, "-o", "pulled.wasm", "--sources-path", "sources.yaml"];
    repository.verify(&arguments).run().exits_with(0);
    let read = |path: &str| std::fs::read(repository.path(path)).unwrap();
    assert_eq!(read("pulled.wasm"), read("policy.wasm"));
}
