//! `verify push` with several tags at once, some of which must not move, and with annotations of its own.

use serde_json::{Value, json};

use crate::push::{REPOSITORY, annotated_otherwise, expected_manifest, is, push, reference, repository, repository_of};
use crate::support::registry::{FakeRegistry, Reaction, Seen};

#[test]
fn several_tags_lead_to_one_module() {
    let target = FakeRegistry::start();
    let repository = repository(&target);
    let flags = ["--tag", "v1.0", "--tag=latest", "--tag=v1"];
    let run = push(&repository, &target, "v1", &[&flags[..], &["--dry-run", "-o", "json"]].concat()).exits_with(0);
    let run = run.says(&["v1 would be new", "v1.0 would be new", "latest would be new"]);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    let names: Vec<&str> = document["moves"].as_array().unwrap().iter().map(|it| it["tag"].as_str().unwrap()).collect();
    assert_eq!((names, &document["tags"]), (vec!["v1", "v1.0", "latest"], &json!([])));
    assert!(target.content().blobs.is_empty());
    push(&repository, &target, "v1", &flags).exits_with(0).says(&["v1 is new", "v1.0 is new", "latest is new"]);
    // One manifest, tags last and in their order.
    let asked = target.take_seen();
    let writes: Vec<String> = asked.iter().filter(|asked| asked.method == "PUT").map(Seen::line).collect();
    let manifests: Vec<&str> =
        writes.iter().filter_map(|line| line.split_once("/manifests/")).map(|(_, it)| it).collect();
    assert_eq!(manifests, ["<digest>", "v1", "v1.0", "latest"]);
    let digests = ["v1", "v1.0", "latest"].map(|tag| target.tag(REPOSITORY, tag).unwrap());
    assert!(digests.iter().all(|digest| *digest == digests[0]));
    let run = push(&repository, &target, "v2", &["--tag", "latest", "-o", "json"]).exits_with(0);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&document["tags"], &document["outcome"]), (&json!(["v2", "latest"]), &json!("pushed")));
    let names = format!("{},{}", reference(&target, "v2"), reference(&target, "latest"));
    assert_eq!(document["metadata"]["image.name"], names);
    // Who names tags need not have `latest`.
    let to = format!("{}/acme/other", target.host());
    let arguments = ["push", "policy.wasm", &to, "--tag", "v1", "--sources-path", "sources.yaml"];
    repository.verify(&arguments).run().exits_with(0);
    assert_eq!((target.tag("acme/other", "latest"), target.tag("acme/other", "v1").is_some()), (None, true));
    target.content().is_consistent();
}

#[test]
fn an_immutable_tag_keeps_the_others_where_they_are() {
    let target = FakeRegistry::start();
    let repository = repository(&target);
    let flags = ["--tag", "latest", "--immutable", "v1"];
    push(&repository, &target, "v1", &flags).exits_with(0);
    push(&repository, &target, "v1", &flags).exits_with(0).says(&["v1 already points to it"]);
    let before = target.tag(REPOSITORY, "v1");
    let repository = repository.write("policy.wasm", annotated_otherwise(&repository_of(&target)));
    for more in [&[][..], &["--dry-run"]] {
        target.take_seen();
        let run = push(&repository, &target, "v1", &[&flags[..], more].concat()).exits_with(5).reports_nothing();
        run.says(&["immutable tag `", "v1` points to sha256:", "or remove `--immutable v1`"]);
        let asked = target.take_seen();
        assert!(!asked.is_empty() && asked.iter().all(|asked| asked.method == "HEAD"), "nothing is sent");
    }
    assert_eq!((target.tag(REPOSITORY, "v1"), target.tag(REPOSITORY, "latest")), (before.clone(), before));
    let refuses = |flags: &[&str], says: &str| {
        push(&repository, &target, "v1", flags).exits_with(2).reports_nothing().says(&[says]);
    };
    refuses(&["--immutable", "v2"], "--immutable: `v2` is not among the tags");
    refuses(&["--tag", "a/b"], "invalid tag `a/b`");
    refuses(&["--annotation", "io.kubewarden.policy.title=x"], "metadata.yml");
}

#[test]
fn a_push_that_fails_half_way_leaves_every_tag_where_it_was() {
    let target = FakeRegistry::start();
    let repository = repository(&target);
    push(&repository, &target, "v1", &[]).exits_with(0);
    let before = target.tag(REPOSITORY, "v1");
    let repository = repository.write("policy.wasm", annotated_otherwise(&repository_of(&target)));
    target.fails(|asked| is(asked, "PUT", "manifests/latest").then(|| Reaction::status(403)));
    let run = push(&repository, &target, "v1", &["--tag", "new", "--tag", "latest", "-o", "json"]).exits_with(5);
    let run = run.says(&["all tags point where they did before; restored: `v1`, `new`"]);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&document["tags"], &document["outcome"]), (&json!([]), &json!("failed")));
    assert_eq!((target.tag(REPOSITORY, "v1"), target.tag(REPOSITORY, "new")), (before, None));
    target.content().is_consistent();
}

/// Where a look-up was refused, the tag may well have led somewhere.
#[test]
fn a_tag_of_which_nothing_was_known_is_not_deleted() {
    let target = FakeRegistry::start();
    let repository = repository(&target);
    push(&repository, &target, "v1", &[]).exits_with(0);
    let repository = repository.write("policy.wasm", annotated_otherwise(&repository_of(&target)));
    // The first look-up, by HEAD and by GET.
    let mut left = vec!["HEAD", "GET"];
    target.fails(move |asked| {
        let is_first = left.contains(&asked.method.as_str()) && asked.path.ends_with("/manifests/v1");
        if is_first {
            left.retain(|method| *method != asked.method);
        }
        (is_first || is(asked, "PUT", "manifests/latest")).then(|| Reaction::status(403))
    });
    target.take_seen();
    let run = push(&repository, &target, "v1", &["--tag", "new", "--tag", "latest"]).exits_with(5);
    run.says(&["tags moved: `v1`; restored: `new`; not moved: `latest`"]);
    assert!(target.take_seen().iter().all(|asked| asked.method != "DELETE" || asked.path.ends_with("/new")));
    assert_eq!((target.tag(REPOSITORY, "v1").is_some(), target.tag(REPOSITORY, "new")), (true, None));
    target.content().is_consistent();
}

#[test]
fn annotations_of_the_command_line_reach_the_manifest() {
    let target = FakeRegistry::start();
    let repository = repository(&target);
    let flags = ["--annotation", "org.opencontainers.image.revision=0123abc", "--dry-run"];
    let run = push(&repository, &target, "v1", &flags).exits_with(0);
    let expected = expected_manifest(&repository).replace(
        r#","org.opencontainers.image.source""#,
        r#","org.opencontainers.image.revision":"0123abc","org.opencontainers.image.source""#,
    );
    assert_eq!(run.stdout.trim_end(), expected);
}
