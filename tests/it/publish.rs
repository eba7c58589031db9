//! `publish:` and `verify SUITE --push`: what passed in this run is published, and nothing else.

use serde_json::{Value, json};

use crate::support::registry::{FakeRegistry, OCI_MANIFEST, Reaction, Seen};
use crate::support::{Finished, POD, Repository, digest};

pub(crate) const METADATA: &str = "rules:\n- { apiGroups: [''], apiVersions: [v1], resources: [pods], operations: ['*'] }\n\
                        mutating: false\nannotations:\n  io.kubewarden.policy.version: 1.0.0\n";

/// A suite with the policies `good` and `bad`, which both accept everything, and these cases and entries.
pub(crate) fn suite(target: &FakeRegistry, cases: &str, publish: &str) -> Repository {
    let text = format!(
        "version: 1\nname: ${{tag}}\nvars: {{ tag: v1 }}\npolicies:\n  good: {{ uri: good.wasm, metadata: metadata.yml }}\n  bad: {{ uri: \
         bad.wasm, metadata: metadata.yml }}\n  plain: {{ uri: plain.wasm }}\ncases:\n{}publish:\n{}",
        cases.replace("POD", POD),
        publish.replace("HOST", &target.host())
    );
    Repository::with_suite(&text)
        .write("metadata.yml", METADATA)
        .write("sources.yaml", target.sources())
        .write("good.wasm", accepting("good"))
        .write("bad.wasm", accepting("bad"))
        .write("plain.wasm", accepting("plain"))
}

/// A waPC policy that accepts everything and speaks protocol v1. `name` makes its bytes its own.
pub(crate) fn accepting(name: &str) -> Vec<u8> {
    let replies = |operation: &str, reply: &str, at: usize| {
        let text = reply.replace('"', "\\\"");
        (format!("(data (i32.const {at}) \"{text}\")"), operation.len(), at, reply.len())
    };
    // The operations are told apart by the lengths of their names.
    let rows = [
        replies("protocol_version", "\"v1\"", 1024),
        replies("validate_settings", r#"{"valid":true}"#, 2048),
        replies("validate", r#"{"accepted":true}"#, 4096),
    ];
    let data: String = rows.iter().map(|(data, ..)| data.as_str()).collect();
    let respond: String = rows
        .iter()
        .map(|(_, operation, at, len)| {
            format!("(if (i32.eq (local.get 0) (i32.const {operation})) (then (call $respond (i32.const {at}) (i32.const {len}))))")
        })
        .collect();
    let module = format!(
        r#"(module (import "wapc" "__guest_response" (func $respond (param i32 i32)))
             (memory (export "memory") 1) {data} (data (i32.const 8192) "{name}")
             (func (export "__guest_call") (param i32 i32) (result i32) {respond} (i32.const 1)))"#
    );
    wat::parse_str(module).unwrap()
}

pub(crate) fn run(repository: &Repository, flags: &[&str]) -> Finished {
    repository.verify(&[&["--push", "--sources-path", "sources.yaml"], flags].concat()).run()
}

pub(crate) const CASES: &str = "  - { name: a, policy: good, object: POD, expect: allow }\n  - { name: b, policy: bad, object: POD, expect: allow }\n  - { name: c, policy: plain, object: POD, expect: allow }\n";
const RED: &str = "  - { name: red, policy: bad, object: POD, expect: { deny: no } }\n";

pub(crate) fn tags(target: &FakeRegistry) -> Vec<String> {
    target.content().tags.keys().map(|(repository, tag)| format!("{repository}:{tag}")).collect()
}

#[test]
fn what_passed_is_published_with_all_its_tags() {
    let target = FakeRegistry::start();
    let publish = "  - { policy: good, to: HOST/acme/good, tags: [\"${tag}\", latest], immutable: [\"${tag}\"] }\n";
    let repository = suite(&target, CASES, publish);
    let run_ = run(&repository, &["--report", "json=report.json"]).exits_with(0);
    let run_ = run_.says(&["3 tests: 3 passed", "Policy successfully pushed: ", "v1 is new", "latest is new"]);
    run_.says(&["kwctl verify --github-owner", "cosign verify --certificate", "gh attestation verify --owner"]);
    assert_eq!(tags(&target), ["acme/good:latest", "acme/good:v1"]);
    let report = repository.read_json("report.json");
    let published = &report["published"][0];
    assert_eq!((&published["policy"], &published["outcome"]), (&json!("good"), &json!("pushed")));
    assert_eq!(published["digest"], json!(target.tag("acme/good", "v1")));
    // The bytes that were pushed are those that were run.
    let manifest = target.content().manifests.values().next().unwrap().1.clone();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let policy = report["policies"].as_array().unwrap().iter().find(|policy| policy["name"] == "good").unwrap();
    assert_eq!(manifest["layers"][0]["digest"], policy["digest"]);
    target.content().is_consistent();
    // Again: the same digest may keep its immutable tag.
    run(&repository, &[]).exits_with(0).says(&["v1 already points to it", "latest already points to it"]);
}

#[test]
fn policy_with_a_failed_case_is_not_published_and_the_others_are() {
    let target = FakeRegistry::start();
    let publish =
        "  - { policy: bad, to: HOST/acme/bad, tags: [v1] }\n  - { policy: good, to: HOST/acme/good, tags: [v1] }\n";
    let repository = suite(&target, &format!("{CASES}{RED}"), publish);
    let reports = ["--report=json=report.json", "--report=markdown=a.md", "--report=html=a.html"];
    let run = run(&repository, &reports).exits_with(1);
    run.says(&["bad was not pushed: 1 of its 2 tests did not pass: `red` (failed, suite.yml:"]);
    assert_eq!(tags(&target), ["acme/good:v1"]);
    let published = repository.read_json("report.json")["published"].clone();
    assert_eq!((&published[0]["outcome"], &published[1]["outcome"]), (&json!("refused"), &json!("pushed")));
    // People read it too, with the digest to deploy.
    let digest = published[1]["immutable_ref"].as_str().unwrap();
    for file in ["a.md", "a.html"] {
        // In Markdown an `@` could begin somebody's name, and a `:` an emoji.
        let report = repository.read(file).replace("&#64;", "@").replace("&#58;", ":");
        for text in ["1 of 2 policies published", digest, "not pushed: 1 of its 2 tests did not pass"] {
            assert!(report.contains(text), "{text} is not in {file}: {report}");
        }
    }
    // `--no-fail` makes nothing pass.
    let run = repository.verify(&["--push", "--no-fail", "--sources-path", "sources.yaml"]).run().exits_with(5);
    run.says(&["bad was not pushed"]);
}

/// Cases are published for what they are, not for the place in which they ran.
#[test]
fn failed_case_blocks_publishing_in_any_order() {
    let publish =
        "  - { policy: bad, to: HOST/acme/bad, tags: [v1] }\n  - { policy: good, to: HOST/acme/good, tags: [v1] }\n";
    for seed in 1..=6 {
        let target = FakeRegistry::start();
        let repository = suite(&target, &format!("{RED}{CASES}"), publish);
        let run = run(&repository, &[&format!("--shuffle={seed}")]).exits_with(1);
        run.says(&["bad was not pushed"]);
        assert_eq!(tags(&target), ["acme/good:v1"], "seed {seed}");
    }
}

#[test]
fn policy_with_a_case_that_did_not_pass_is_not_published() {
    let publish = "  - { policy: good, to: HOST/acme/good, tags: [v1] }\n";
    let stays = |case: &str, code: i32, says: &str| {
        let target = FakeRegistry::start();
        let repository = suite(&target, &format!("{CASES}{case}"), publish);
        run(&repository, &[]).exits_with(code).says(&["good was not pushed", says]);
        assert!(tags(&target).is_empty() && target.content().blobs.is_empty(), "{case}");
    };
    stays("  - { name: s, policy: good, object: POD, expect: allow, skip: later }\n", 5, "run the skipped test");
    stays(
        "  - { name: x, policy: good, object: POD, expect: { deny: no }, xfail: '#1' }\n",
        5,
        "fix the known failure",
    );
    stays("  - { name: p, policy: good, object: POD, expect: allow, xfail: '#1' }\n", 1, "`p` (xpassed");
    // That the API server would not have asked is an answer.
    let target = FakeRegistry::start();
    let service = "{ apiVersion: v1, kind: Service, metadata: { name: s } }";
    let cases = format!("{CASES}  - {{ name: n, policy: good, object: {service}, rules: skip, expect: allow }}\n");
    run(&suite(&target, &cases, publish), &[]).exits_with(0);
    assert_eq!(tags(&target), ["acme/good:v1"]);
    // A policy nobody asked anything.
    let target = FakeRegistry::start();
    let case = "  - { name: b, policy: bad, object: POD, expect: allow }\n";
    run(&suite(&target, case, publish), &[]).exits_with(5).says(&["no test of the suite is about it"]);
}

#[test]
fn failed_case_of_a_group_blocks_its_members() {
    let target = FakeRegistry::start();
    let publish = "  - { policy: good, to: HOST/acme/good, tags: [v1] }\n";
    let cases = format!("{CASES}  - {{ name: g, group: both, object: POD, expect: {{ deny: no }} }}\n");
    let repository = suite(&target, &cases, publish);
    let text = repository.read("suite.yml").replace(
        "cases:\n",
        "groups:\n  both:\n    expression: one() && two()\n    message: no\n    members: { one: { policy: good }, two: { policy: bad } }\ncases:\n",
    );
    let repository = repository.write("suite.yml", text);
    run(&repository, &[]).exits_with(1).says(&["good was not pushed: 1 of its 2 tests did not pass: `g`"]);
    assert!(tags(&target).is_empty());
}

#[test]
fn filtered_run_publishes_nothing() {
    let target = FakeRegistry::start();
    let publish = "  - { policy: good, to: HOST/acme/good, tags: [v1] }\n";
    let repository = suite(&target, CASES, publish);
    for flags in [&["--filter", "a"][..], &["--skip", "b"], &["--tag", "!x"], &["--filter", "a", "--exact"]] {
        let run = run(&repository, flags).exits_with(2).reports_nothing();
        run.says(&["`--push` publishes what a complete run has passed"]);
    }
    let run_ = repository.verify(&["--push", "--sources-path", "sources.yaml"]).env("VERIFY_SKIP", "b").run();
    run_.exits_with(2).says(&["or their environment variables"]);
    let cases = CASES.replacen("expect: allow", "expect: allow, only: true", 1);
    run(&suite(&target, &cases, publish), &["--allow-only"]).exits_with(2).says(&["`only:` leaves cases out"]);
    let event = repository.verify(&["--push", "--sources-path", "sources.yaml"]).on_github();
    event.env("GITHUB_EVENT_NAME", "pull_request").run().exits_with(2).says(&["event `pull_request`"]);
    assert!(target.take_seen().is_empty());
    let repository = Repository::with_suite("version: 1\n");
    repository.verify(&["--push"]).run().exits_with(2).says(&["no suite of this run has `publish:`"]);
    repository.verify(&["--dry-run"]).run().exits_with(2).says(&["--push"]);
}

#[test]
fn immutable_tags_are_asked_first_and_never_moved() {
    let target = FakeRegistry::start();
    let publish = "  - { policy: good, to: HOST/acme/good, tags: [latest, v1], immutable: [v1] }\n  - { policy: bad, to: HOST/acme/bad, tags: [v1] }\n";
    let repository = suite(&target, CASES, publish);
    run(&repository, &[]).exits_with(0);
    let before = (target.tag("acme/good", "v1"), target.tag("acme/good", "latest"));
    let repository = repository.write("good.wasm", accepting("otherwise"));
    target.take_seen();
    let run_ = run(&repository, &[]).exits_with(5);
    run_.says(&["good was not pushed", "acme/good:v1` points to sha256:", "publish under a new tag"]);
    assert_eq!((target.tag("acme/good", "v1"), target.tag("acme/good", "latest")), before);
    let asked = target.take_seen();
    assert!(!asked.iter().any(|asked| asked.method != "HEAD" && asked.path.contains("acme/good")), "{asked:?}");
    let first_write = asked.iter().position(|asked| asked.method == "POST" || asked.method == "PUT");
    let last_check = asked.iter().rposition(|asked| asked.method == "HEAD" && asked.path.contains("good/manifests/"));
    assert!(first_write.is_none_or(|first| last_check.unwrap() < first), "{asked:?}");
    // Somebody takes the tag between our question and our push.
    let target = FakeRegistry::start();
    let thief = target.storage();
    target.fails(move |asked: &Seen| {
        if asked.method == "PUT" && asked.path.contains("manifests/sha256") {
            let key = ("acme/good".to_owned(), "v1".to_owned());
            thief.lock().unwrap().tags.insert(key, digest(b"{}"));
            let key = ("acme/good".to_owned(), digest(b"{}"));
            thief.lock().unwrap().manifests.insert(key, (OCI_MANIFEST.to_owned(), b"{}".to_vec()));
        }
        None
    });
    let publish = "  - { policy: good, to: HOST/acme/good, tags: [v1, latest], immutable: [v1] }\n";
    run(&suite(&target, CASES, publish), &[]).exits_with(5).says(&["immutable tag `", "no tag was moved"]);
    assert_eq!(target.tag("acme/good", "v1"), Some(digest(b"{}")));
    assert_eq!(target.tag("acme/good", "latest"), None);
}

/// What became of each tag.
fn states(published: &Value) -> Vec<(&str, &str)> {
    let moves = published["moves"].as_array().unwrap();
    moves.iter().map(|it| (it["tag"].as_str().unwrap(), it["state"].as_str().unwrap())).collect()
}

/// Refuses to move this tag.
fn refusing(tag: &'static str) -> impl FnMut(&Seen) -> Option<Reaction> + Send {
    move |asked| {
        (asked.method == "PUT" && asked.path.ends_with(&format!("/manifests/{tag}"))).then(|| Reaction::status(403))
    }
}

#[test]
fn a_push_that_fails_half_way_puts_the_tags_back() {
    let target = FakeRegistry::start();
    let publish = "  - { policy: good, to: HOST/acme/good, tags: [v1, next, latest] }\n";
    let repository = suite(&target, CASES, &publish.replace("next, ", ""));
    run(&repository, &[]).exits_with(0);
    let before = (tags(&target), target.tag("acme/good", "v1"), target.tag("acme/good", "latest"));
    let text = repository.read("suite.yml").replace("[v1, latest]", "[v1, next, latest]");
    let repository = repository.write("suite.yml", text).write("good.wasm", accepting("otherwise"));
    target.fails(refusing("latest"));
    let run_ = run(&repository, &["--report", "json=report.json"]).exits_with(5);
    run_.says(&[
        "3 tests: 3 passed",
        "good was not published",
        "all tags point where they did before; restored: `v1`, `next`",
    ]);
    assert_eq!((tags(&target), target.tag("acme/good", "v1"), target.tag("acme/good", "latest")), before);
    let published = repository.read_json("report.json")["published"][0].clone();
    assert_eq!((&published["outcome"], &published["tags"]), (&json!("failed"), &json!([])));
    assert_eq!(states(&published), [("v1", "restored"), ("next", "restored"), ("latest", "untouched")]);
    target.content().is_consistent();
    // The way is free again.
    target.fails(|_| None);
    run(&repository, &[]).exits_with(0);
    assert_eq!(tags(&target), ["acme/good:latest", "acme/good:next", "acme/good:v1"]);
}

#[test]
fn a_tag_that_cannot_be_put_back_is_said_to_have_moved() {
    let target = FakeRegistry::start();
    let publish = "  - { policy: good, to: HOST/acme/good, tags: [v1, v1.0, latest] }\n";
    let repository = suite(&target, CASES, publish);
    let mut refuses = refusing("v1.0");
    target.fails(move |asked| if asked.method == "DELETE" { Some(Reaction::status(405)) } else { refuses(asked) });
    let run_ = run(&repository, &["--report", "json=report.json"]).exits_with(5);
    run_.says(&["3 tests: 3 passed", "good was not published", "tags moved: `v1`; not moved: `v1.0`, `latest`"]);
    assert_eq!(tags(&target), ["acme/good:v1"]);
    let published = repository.read_json("report.json")["published"][0].clone();
    assert_eq!((&published["outcome"], &published["tags"]), (&json!("failed"), &json!(["v1"])));
    assert_eq!(states(&published), [("v1", "moved"), ("v1.0", "untouched"), ("latest", "untouched")]);
    target.content().is_consistent();
    // Nothing is deleted where the manifest was there before: other tags may lead to it.
    target.content().tags.clear();
    target.take_seen();
    target.fails(refusing("latest"));
    run(&repository, &[]).exits_with(5).says(&["tags moved: `v1`, `v1.0`; not moved: `latest`"]);
    assert!(target.take_seen().iter().all(|asked| asked.method != "DELETE"));
    // Nor is anything put back that somebody else has moved since.
    let target = FakeRegistry::start();
    let thief = target.storage();
    let mut refuses = refusing("latest");
    target.fails(move |asked: &Seen| {
        let trouble = refuses(asked);
        if trouble.is_some() {
            thief
                .lock()
                .unwrap()
                .manifests
                .insert(("acme/good".to_owned(), digest(b"{}")), (OCI_MANIFEST.to_owned(), b"{}".to_vec()));
            thief.lock().unwrap().tags.insert(("acme/good".to_owned(), "v1".to_owned()), digest(b"{}"));
        }
        trouble
    });
    run(&suite(&target, CASES, publish), &[]).exits_with(5).says(&["was not published"]);
    assert_eq!(target.tag("acme/good", "v1"), Some(digest(b"{}")));
}

#[test]
fn a_tag_gets_its_old_manifest_back_as_what_it_is() {
    const INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    let target = FakeRegistry::start();
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] }).to_string().into_bytes();
    target.content().tags.insert(("acme/good".to_owned(), "v1".to_owned()), digest(&index));
    target
        .content()
        .manifests
        .insert(("acme/good".to_owned(), digest(&index)), (OCI_MANIFEST.to_owned(), index.clone()));
    target.fails(refusing("latest"));
    let publish = "  - { policy: good, to: HOST/acme/good, tags: [v1, latest] }\n";
    run(&suite(&target, CASES, publish), &[]).exits_with(5).says(&["restored: `v1`"]);
    let asked = target.take_seen();
    let puts: Vec<&Seen> = asked.iter().filter(|it| it.method == "PUT" && it.path.ends_with("/manifests/v1")).collect();
    assert_eq!((puts.len(), &puts[1].body, puts[1].headers["content-type"].as_str()), (2, &index, INDEX));
}

#[test]
fn failed_upload_moves_no_tag_and_blocks_no_other_policy() {
    let target = FakeRegistry::start();
    let publish =
        "  - { policy: bad, to: HOST/acme/bad, tags: [v1] }\n  - { policy: good, to: HOST/acme/good, tags: [v1] }\n";
    let repository = suite(&target, CASES, publish);
    target.fails(|asked| (asked.method == "POST" && asked.path.contains("acme/bad")).then(|| Reaction::status(403)));
    run(&repository, &[]).exits_with(5).says(&["bad was not published", "no tag was moved"]);
    assert_eq!(tags(&target), ["acme/good:v1"]);
}

/// What is published are bytes: they answer for whatever was asked of them, under any name and in any suite of the run.
#[test]
fn failed_case_blocks_every_policy_of_the_same_module() {
    let publish = "  - { policy: good, to: HOST/acme/good, tags: [v1] }\n";
    let target = FakeRegistry::start();
    let repository = suite(&target, &format!("{CASES}{RED}"), publish).write("bad.wasm", accepting("good"));
    run(&repository, &[]).exits_with(1).says(&["good was not pushed: 1 of its 3 tests did not pass: `red`"]);
    let target = FakeRegistry::start();
    let other = format!("version: 1\npolicies:\n  p: {{ uri: good.wasm, metadata: metadata.yml }}\ncases:\n{RED}");
    let other = other.replace("bad", "p").replace("POD", POD);
    let repository = suite(&target, CASES, publish).write("other.suite.yml", other);
    run(&repository, &["suite.yml", "other.suite.yml"]).exits_with(1).says(&["good was not pushed: 1 of its 2 tests"]);
    assert!(tags(&target).is_empty());
    // Another module, though from the same file, is another policy.
    let text = repository.read("other.suite.yml").replace(", metadata: metadata.yml", "");
    let repository = repository.write("other.suite.yml", text);
    run(&repository, &["suite.yml", "other.suite.yml"]).exits_with(1).says(&["Policy successfully pushed"]);
}

#[test]
fn published_module_is_the_one_that_was_tested() {
    let target = FakeRegistry::start();
    let repository = suite(&target, CASES, "  - { policy: good, to: HOST/acme/good, tags: [v1] }\n");
    // The cases are done when the registry is first asked.
    let path = repository.path("good.wasm");
    target.fails(move |_| {
        std::fs::write(&path, accepting("swapped")).unwrap();
        None
    });
    run(&repository, &["--report", "json=report.json"]).exits_with(0);
    assert_eq!(std::fs::read(repository.path("good.wasm")).unwrap(), accepting("swapped"));
    let report = repository.read_json("report.json");
    let policy = report["policies"].as_array().unwrap().iter().find(|policy| policy["name"] == "good").unwrap();
    let module = target.blob("acme/good", policy["digest"].as_str().unwrap()).unwrap();
    let holds = |text: &[u8]| module.windows(text.len()).any(|part| part == text);
    assert!(holds(b"good") && !holds(b"swapped"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_sees_how_far_publishing_is() {
    let target = FakeRegistry::start();
    target.latency(std::time::Duration::from_millis(150));
    let repository = suite(&target, CASES, "  - { policy: good, to: HOST/acme/good, tags: [v1] }\n");
    let Some(shell) = repository.terminal("verify --push --sources-path sources.yaml") else { return };
    let run = shell.run().exits_with(0).says(&["pushing", "Policy successfully pushed"]);
    let module = target.content().blobs.values().map(Vec::len).max().unwrap();
    run.says(&[&format!("{module} B/{module} B")]);
}

#[test]
fn unannotated_modules_are_not_published() {
    let target = FakeRegistry::start();
    let publish = "  - { policy: plain, to: HOST/acme/plain, tags: [v1] }\n";
    let run = run(&suite(&target, CASES, publish), &[]).exits_with(5);
    run.says(&["plain was not pushed: the module carries no metadata", "`metadata: metadata.yml`"]);
    assert!(target.content().blobs.is_empty());
}

#[test]
fn later_steps_of_a_workflow_learn_what_was_published() {
    let target = FakeRegistry::start();
    let publish =
        "  - { policy: good, to: HOST/acme/good, tags: [v1] }\n  - { policy: bad, to: HOST/acme/bad, tags: [v1] }\n";
    let repository = suite(&target, CASES, publish);
    let command = repository.verify(&["--push", "--sources-path", "sources.yaml"]).on_github();
    command.env("GITHUB_EVENT_NAME", "push").env("GITHUB_OUTPUT", repository.path("outputs")).run().exits_with(0);
    let outputs = repository.read("outputs");
    let output = |name: &str| {
        let line = outputs.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.unwrap_or_else(|| panic!("no {name} in {outputs}")).to_owned()
    };
    let (good, bad) = (target.tag("acme/good", "v1").unwrap(), target.tag("acme/bad", "v1").unwrap());
    assert_eq!(output("digest"), good);
    assert_eq!(output("immutable-ref"), format!("{}/acme/good@{good}", target.host()));
    let digests: Value = serde_json::from_str(&output("digests")).unwrap();
    assert_eq!(digests, json!({ "good": good, "bad": bad }));
    let metadata: Value = serde_json::from_str(&output("metadata")).unwrap();
    assert_eq!(metadata["containerimage.digest"], good);
}

#[test]
fn a_dry_run_publishes_nothing_and_shows_the_manifest() {
    let target = FakeRegistry::start();
    let publish = "  - { policy: good, to: HOST/acme/good, tags: [v1] }\n";
    let repository = suite(&target, CASES, publish);
    let run = run(&repository, &["--dry-run", "--report", "json"])
        .exits_with(0)
        .says(&["good would be pushed", "v1 would be new"]);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["published"][0]["manifest"]["config"]["size"], 2);
    assert!(run.stderr.contains("{\"annotations\":{\"io.kubewarden.kwctl\":"), "{run}");
    assert!(target.content().blobs.is_empty() && target.content().manifests.is_empty());
}

#[test]
fn mistakes_in_publish_have_their_place() {
    let target = FakeRegistry::start();
    let refuses = |entry: &str, says: &[&str]| {
        let repository = suite(&target, CASES, entry);
        let run = repository.verify(&[]).run().exits_with(2).reports_nothing();
        let line = repository.read("suite.yml").lines().count();
        run.says(&[&format!("suite.yml:{line}:")]).says(says);
    };
    refuses("  - { policy: god, to: ghcr.io/a/b, tags: [v1] }\n", &["unknown policy `god`", "`good`"]);
    refuses("  - { to: ghcr.io/a/b, tags: [v1] }\n", &["the entry has no policy, and the suite has 3"]);
    refuses("  - { policy: good, to: ghcr.io/a/b }\n", &["the entry has no `tags`"]);
    refuses("  - { policy: good, to: ghcr.io/a/b, tags: [v1, v1] }\n", &["duplicate tag `v1`"]);
    refuses("  - { policy: good, to: ghcr.io/a/b, tags: [a/b] }\n", &["invalid tag `a/b`"]);
    refuses(
        "  - { policy: good, to: ghcr.io/a/b, tags: [v1], immutable: [v2] }\n",
        &["immutable tag `v2` is not among `tags`"],
    );
    refuses("  - { policy: good, to: 'ghcr.io/a/b:v1', tags: [v1] }\n", &["has a tag", "write the tag under `tags`"]);
    refuses("  - { policy: good, to: a/b, tags: [v1] }\n", &["invalid host of a registry `a`"]);
    refuses("  - { policy: good, to: 'a.b$c/x', tags: [v1] }\n", &["invalid host of a registry `a.b$c`"]);
    refuses("  - { policy: good, to: ghcr.io/a/b, tag: [v1] }\n", &["unknown key `tag`", "`tags`"]);
    refuses(
        "  - { policy: good, to: ghcr.io/a/b, tags: [v1] }\n  - { policy: bad, tags: [v1], to: ghcr.io/a/b }\n",
        &["duplicate tag `ghcr.io/a/b:v1`"],
    );
}
