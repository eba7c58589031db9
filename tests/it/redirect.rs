//! `--publish-to`, `--publish-tag` and `--annotation`: the command line says where the one policy of a run goes.

use serde_json::Value;

use crate::publish::{CASES, METADATA, accepting, run, suite, tags};
use crate::support::registry::FakeRegistry;
use crate::support::{POD, Repository, runner};

/// A suite whose one policy accepts everything, and this at its end.
fn suite_of_one(target: &FakeRegistry, publish: &str) -> Repository {
    let text = format!(
        "version: 1\npolicies:\n  good: {{ uri: good.wasm, metadata: metadata.yml }}\ncases:\n  - {{ name: a, object: \
         {POD}, expect: allow }}\n{}",
        publish.replace("HOST", &target.host())
    );
    Repository::with_suite(&text)
        .write("metadata.yml", METADATA)
        .write("sources.yaml", target.sources())
        .write("good.wasm", accepting("good"))
}

#[test]
fn publish_to_names_the_repository_of_the_only_policy() {
    let target = FakeRegistry::start();
    let repository = suite_of_one(&target, "");
    let to = format!("registry://{}/acme/good", target.host());
    let flags = ["--publish-to", &to, "--publish-tag", "v1", "--publish-tag=latest", "--publish-tag=v1"];
    let more = ["--annotation", "org.opencontainers.image.revision=0123", "--annotation=org.example.note=a = b"];
    let run_ = run(&repository, &[&flags[..], &more, &["--dry-run"]].concat()).exits_with(0);
    run_.says(&["good would be pushed", "v1 would be new", "latest would be new", "image.revision\":\"0123"]);
    assert!(target.content().blobs.is_empty());
    run(&repository, &[&flags[..], &more].concat()).exits_with(0).says(&["Policy successfully pushed"]);
    assert_eq!(tags(&target), ["acme/good:latest", "acme/good:v1"]);
    let manifest = target.content().manifests.values().next().unwrap().1.clone();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["annotations"]["org.example.note"], "a = b");
    assert_eq!(manifest["annotations"]["io.kubewarden.policy.version"], "1.0.0", "those of the metadata stay");
    target.content().is_consistent();
    // In one word, and from the environment.
    let command = repository.verify(&["--push", "--sources-path", "sources.yaml"]);
    let command = command.env("VERIFY_PUBLISH_TO", format!("{}/acme/other:v2", target.host()));
    command.env("VERIFY_PUBLISH_TAG", "v3 v4").run().exits_with(0);
    assert_eq!(tags(&target)[2..], ["acme/other:v2", "acme/other:v3", "acme/other:v4"]);
}

#[test]
fn publish_to_and_publish_tag_override_the_suite() {
    let target = FakeRegistry::start();
    let publish = "publish:\n  - { to: HOST/acme/good, tags: [v1, latest], immutable: [v1] }\n";
    let repository = suite_of_one(&target, publish);
    let elsewhere = format!("{}/fork/good", target.host());
    run(&repository, &["--publish-to", &elsewhere]).exits_with(0);
    assert_eq!(tags(&target), ["fork/good:latest", "fork/good:v1"], "the tags of the suite");
    run(&repository, &["--publish-tag", "next"]).exits_with(0);
    assert_eq!(tags(&target)[..1], ["acme/good:next"], "the repository of the suite");
    // What the suite calls immutable stays so.
    let repository = repository.write("good.wasm", accepting("otherwise"));
    let run_ = run(&repository, &["--publish-to", &elsewhere, "--publish-tag", "v1"]).exits_with(5);
    run_.says(&["immutable tag `", "fork/good:v1` points to"]);
    run(&repository, &["--publish-to", &elsewhere, "--publish-tag", "latest"]).exits_with(0);
    assert_ne!(target.tag("fork/good", "latest"), target.tag("fork/good", "v1"));
}

#[test]
fn publish_to_needs_exactly_one_policy() {
    let target = FakeRegistry::start();
    let host = target.host();
    let refuses = |repository: &Repository, flags: &[&str], says: &[&str]| {
        run(repository, flags).exits_with(2).reports_nothing().says(says);
    };
    let to = format!("{host}/acme/good:v1");
    let one = suite_of_one(&target, "");
    refuses(&one, &[], &["there is nothing to publish", "`--publish-to ghcr.io"]);
    refuses(&one, &["--publish-tag", "v1"], &["no repository for `good`", "--publish-to"]);
    refuses(&one, &["--publish-to", to.trim_end_matches(":v1")], &["no tag for `good`", "--publish-tag latest"]);
    refuses(&one, &["--publish-to", "acme/good:v1"], &["--publish-to: invalid host of a registry `acme`"]);
    refuses(&one, &["--publish-to", &to, "--publish-tag", "a/b"], &["invalid tag `a/b`"]);
    refuses(&one, &["--publish-to", &to, "--annotation", "io.kubewarden.policy.title=x"], &["metadata.yml"]);
    refuses(&one, &["--publish-to", &to, "--annotation", "x"], &["KEY=VALUE"]);
    one.verify(&["--publish-to", &to]).run().exits_with(2).says(&["--push"]);
    let several = suite(
        &target,
        CASES,
        "  - { policy: good, to: HOST/acme/good, tags: [v1] }\n  - { policy: bad, to: HOST/acme/bad, tags: [v1] }\n",
    );
    refuses(&several, &["--publish-to", &to], &["`publish:` has 2 entries: `good`, `bad`", "--var"]);
    let text = several.read("suite.yml");
    let several = several.write("suite.yml", text.split("publish:").next().unwrap());
    refuses(&several, &["--publish-to", &to], &["this run has 3: `good`, `bad`, `plain`", "publish: [{ policy: NAME"]);
    // Several names for one module are one policy.
    let text = one.read("suite.yml");
    let entry = "  strict: { uri: good.wasm, metadata: metadata.yml, settings: { strict: true } }\n";
    let text =
        text.replace("cases:\n", &format!("{entry}cases:\n")).replace("- { name: a", "- { policy: good, name: a");
    let same = one.write("suite.yml", text);
    run(&same, &["--publish-to", &to, "--dry-run"]).exits_with(0).says(&["good would be pushed"]);
    target.take_seen();
    assert!(target.take_seen().is_empty());
}

#[test]
fn publish_flags_are_never_workflow_commands() {
    let repository = suite_of_one(&FakeRegistry::start(), "");
    let evil = "::error::x\n::add-mask::y ##[group]z\u{1b}[2J";
    let annotation = format!("io.kubewarden.{evil}=1");
    for flags in [&["--publish-to", evil][..], &["--publish-to", "ghcr.io/a/b:v1", "--annotation", &annotation]] {
        let run = repository.verify(&[&["--push"], flags].concat());
        let run = run.on_github().env("GITHUB_EVENT_NAME", "push").run().exits_with(2);
        // The flag is an error of the run; its text is none by itself.
        let found = runner::commands(&run.stderr);
        assert_eq!(found.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["error"], "{run}");
        assert!(found[0].properties.iter().all(|(name, _)| name == "title"), "{run}");
        assert!(!run.stderr.contains("\u{1b}[2J"), "{run}");
    }
}
