//! `verify push`, `pull` and `digest` against a registry that keeps books, and goes wrong in every way it can.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::registry::{FakeRegistry, OCI_MANIFEST, Reaction, Reply, Seen};
use crate::support::{EVENTS_OF_STRANGERS, Finished, Repository, digest, guests, testdata};

pub(crate) const REPOSITORY: &str = "acme/policies/safe-labels";

/// An annotated module `policy.wasm`, and `sources.yaml` for the target. The module is a small one: what it does is of no
/// interest here.
pub(crate) fn repository(target: &FakeRegistry) -> Repository {
    let metadata = testdata().join("policies/safe-labels/metadata.yml");
    let repository = Repository::new()
        .write("bare.wasm", guests::replying("\"v1\""))
        .write("metadata.yml", fs::read(metadata).unwrap())
        .write("sources.yaml", target.sources());
    let arguments = ["annotate", "-m", "metadata.yml", "-o", "policy.wasm", "bare.wasm"];
    repository.verify(&arguments).run().exits_with(0);
    repository
}

pub(crate) fn reference(target: &FakeRegistry, tag: &str) -> String {
    format!("{}/{REPOSITORY}:{tag}", target.host())
}

/// `verify push policy.wasm …:TAG` with more flags.
pub(crate) fn push(repository: &Repository, target: &FakeRegistry, tag: &str, flags: &[&str]) -> Finished {
    let to = reference(target, tag);
    let arguments = [&["push", "policy.wasm", &to, "--sources-path", "sources.yaml"], flags].concat();
    repository.verify(&arguments).run()
}

fn module(repository: &Repository) -> Vec<u8> {
    fs::read(repository.path("policy.wasm")).unwrap()
}

/// The manifest that the reference describes for the module of [`repository`], written out by hand.
pub(crate) fn expected_manifest(repository: &Repository) -> String {
    let module = module(repository);
    format!(
        concat!(
            r#"{{"annotations":{{"io.kubewarden.kwctl":"policy-verify {}","#,
            r#""io.kubewarden.policy.author":"policy-verify authors <policies@example.com>","#,
            r#""io.kubewarden.policy.category":"Resource validation","#,
            r#""io.kubewarden.policy.description":"Says which labels an object must, may not and how it may carry","#,
            r#""io.kubewarden.policy.license":"Apache-2.0","io.kubewarden.policy.severity":"low","#,
            r#""io.kubewarden.policy.source":"https://git.example.com/policy-verify","#,
            r#""io.kubewarden.policy.title":"safe-labels","#,
            r#""io.kubewarden.policy.url":"https://policies.example.com/safe-labels","#,
            r#""io.kubewarden.policy.version":"0.1.0","#,
            r#""org.opencontainers.image.source":"https://git.example.com/policy-verify"}},"#,
            r#""config":{{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","#,
            r#""mediaType":"application/vnd.wasm.config.v1+json","size":2}},"#,
            r#""layers":[{{"digest":"{}","mediaType":"application/vnd.wasm.content.layer.v1+wasm","size":{}}}],"#,
            r#""schemaVersion":2}}"#
        ),
        env!("CARGO_PKG_VERSION"),
        digest(&module),
        module.len()
    )
}

#[test]
fn the_manifest_is_kwctls_byte_for_byte() {
    let target = FakeRegistry::start();
    let repository = repository(&target);
    let run = push(&repository, &target, "v1", &[]).exits_with(0);
    let manifest = expected_manifest(&repository);
    let immutable = format!("{}/{REPOSITORY}@{}", target.host(), digest(manifest.as_bytes()));
    assert_eq!(run.stdout, format!("{immutable}\n"), "{run}");
    let run = run.says(&["Policy successfully pushed: ", "v1 is new", "kwctl verify", "cosign verify"]);
    run.says(&["gh attestation verify", &format!("oci://{immutable}")]);
    let stored = target.manifest(REPOSITORY, &digest(manifest.as_bytes())).unwrap();
    assert_eq!(String::from_utf8(stored).unwrap(), manifest);
    target.content().is_consistent();
}

#[test]
fn layer_and_configuration_then_the_digest_then_the_tag() {
    let target = FakeRegistry::start();
    let repository = repository(&target);
    push(&repository, &target, "v1", &[]).exits_with(0);
    let asked = target.take_seen();
    let sent: Vec<String> = asked.iter().filter(|asked| asked.method != "HEAD").map(Seen::line).collect();
    // What was sent is read back before anything points to it.
    let upload = |session: u8| {
        [
            format!("POST /v2/{REPOSITORY}/blobs/uploads/"),
            format!("PATCH /v2/{REPOSITORY}/blobs/uploads/session-{session}"),
            format!("PUT /v2/{REPOSITORY}/blobs/uploads/session-{session}"),
            format!("GET /v2/{REPOSITORY}/blobs/<digest>"),
        ]
    };
    let manifests = ["PUT", "GET"].map(|method| format!("{method} /v2/{REPOSITORY}/manifests/<digest>"));
    let tag = [format!("PUT /v2/{REPOSITORY}/manifests/v1")];
    assert_eq!(sent, [&upload(1)[..], &upload(2), &manifests, &tag].concat());
    let put = asked.iter().rfind(|asked| asked.method == "PUT").unwrap();
    assert_eq!(put.headers["content-type"], "application/vnd.oci.image.manifest.v1+json");
    // What is there is not sent again.
    push(&repository, &target, "v2", &[]).exits_with(0);
    let asked = target.take_seen();
    assert!(!asked.is_empty() && asked.iter().all(|asked| !asked.path.contains("uploads")));
}

#[test]
fn scripts_get_one_document_in_the_shapes_they_know() {
    let target = FakeRegistry::start();
    let repository = repository(&target);
    let run = push(&repository, &target, "v1", &["-o", "json"]).exits_with(0);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    let digest = target.tag(REPOSITORY, "v1").unwrap();
    assert_eq!(document["immutable_ref"], format!("{}/{REPOSITORY}@{digest}", target.host()));
    assert_eq!((&document["digest"], &document["Digest"]), (&json!(digest), &json!(digest)));
    assert_eq!((&document["tags"], &document["outcome"]), (&json!(["v1"]), &json!("pushed")));
    assert_eq!(document["Pushed"], format!("[registry] {}", reference(&target, "v1")));
    assert_eq!(document["metadata"]["containerimage.digest"], digest);
}

#[test]
fn a_dry_run_says_everything_and_sends_nothing() {
    let target = FakeRegistry::start();
    let repository = repository(&target);
    let run = push(&repository, &target, "v1", &["--dry-run"]).exits_with(0).says(&["v1 would be new"]);
    assert_eq!(run.stdout.trim_end(), expected_manifest(&repository));
    let asked = target.take_seen();
    assert!(!asked.is_empty() && asked.iter().all(|asked| asked.method == "HEAD" || asked.method == "GET"));
    push(&repository, &target, "v1", &[]).exits_with(0);
    push(&repository, &target, "v1", &["--dry-run"]).exits_with(0).says(&["v1 already points to it"]);
    let repository = repository.write("policy.wasm", annotated_otherwise(&repository_of(&target)));
    let run = push(&repository, &target, "v1", &["--dry-run", "-o", "json"]).exits_with(0);
    let run = run.says(&["v1 would move from sha256:"]);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&document["outcome"], &document["manifest"]["schemaVersion"]), (&json!("dry-run"), &json!(2)));
    assert_eq!(document["moves"][0]["before"], target.tag(REPOSITORY, "v1").unwrap());
}

pub(crate) fn repository_of(target: &FakeRegistry) -> Repository {
    repository(target)
}

/// The module with other metadata.
pub(crate) fn annotated_otherwise(repository: &Repository) -> Vec<u8> {
    let metadata = repository.read("metadata.yml").replace("version: 0.1.0", "version: 0.2.0");
    fs::write(repository.path("other.yml"), metadata).unwrap();
    let arguments = ["annotate", "-m", "other.yml", "-o", "other.wasm", "bare.wasm"];
    repository.verify(&arguments).run().exits_with(0);
    fs::read(repository.path("other.wasm")).unwrap()
}

#[test]
fn only_annotated_modules_are_pushed_unless_forced() {
    let target = FakeRegistry::start();
    let repository = repository(&target);
    let bare = fs::read(repository.path("bare.wasm")).unwrap();
    let repository = repository.write("policy.wasm", bare);
    let run = push(&repository, &target, "v1", &[]).exits_with(5).reports_nothing();
    run.says(&["Cannot push a policy that is not annotated. Use `annotate` command or `push --force`"]);
    let run = push(&repository, &target, "v1", &["--force"]).exits_with(0);
    run.says(&["warning: pushing a non-annotated policy!"]);
    let manifest = target.content().manifests.values().next().unwrap().1.clone();
    assert!(manifest.starts_with(br#"{"config":"#), "no annotations");
    // `-f` takes no value: what follows is the module.
    let to = reference(&target, "v2");
    repository.verify(&["push", "-f", "policy.wasm", &to, "--sources-path", "sources.yaml"]).run().exits_with(0);
    let rego = wat::parse_str(r#"(module (func (export "opa_malloc")))"#).unwrap();
    let repository = repository.write("policy.wasm", rego);
    let run = push(&repository, &target, "v3", &["--force"]).exits_with(5);
    run.says(&["Rego policies cannot be pushed without metadata"]);
}

#[test]
fn what_is_no_module_or_no_reference_is_told_before_anything_is_sent() {
    let target = FakeRegistry::start();
    let repository = repository(&target).write("policy.wasm", "text");
    push(&repository, &target, "v1", &[]).exits_with(3).says(&["`policy.wasm` is a text file"]);
    repository.verify(&["push", "gone.wasm", &reference(&target, "v1")]).run().exits_with(3).says(&["gone.wasm"]);
    for to in ["https://example.com/p", "ghcr.io/UPPER/case:v1", "a b"] {
        repository.verify(&["push", "policy.wasm", to]).run().exits_with(2).reports_nothing();
    }
    let other = format!("{}/{REPOSITORY}@{}", target.host(), digest(b"other"));
    let repository = repository_of(&target);
    let run = repository.verify(&["push", "policy.wasm", &other, "--sources-path", "sources.yaml"]).run().exits_with(5);
    run.says(&["digest mismatch: the manifest has sha256:"]);
    assert!(target.content().blobs.is_empty());
}

#[test]
fn a_pull_request_pushes_nothing() {
    let target = FakeRegistry::start();
    let repository = repository(&target);
    let to = reference(&target, "v1");
    for event in EVENTS_OF_STRANGERS.into_iter().chain(["an_event_of_tomorrow"]) {
        let arguments = ["push", "policy.wasm", &to, "--sources-path", "sources.yaml"];
        let run = repository.verify(&arguments).on_github().env("GITHUB_EVENT_NAME", event).run().exits_with(2);
        run.says(&[&format!("no push on the event `{event}`"), "push, release, schedule"]).reports_nothing();
        let run = repository.verify(&arguments).arg("--dry-run").on_github().env("GITHUB_EVENT_NAME", event).run();
        run.exits_with(0);
    }
    assert!(target.content().manifests.is_empty());
    let push = || repository.verify(&["push", "policy.wasm", &to, "--sources-path", "sources.yaml", "--force"]);
    for (variables, code) in [
        (&[("GITLAB_CI", "true"), ("CI_PIPELINE_SOURCE", "merge_request_event")][..], 2),
        (&[("CI_PIPELINE_SOURCE", "parent_pipeline"), ("CI_MERGE_REQUEST_IID", "1")], 2),
        (&[("CI_PIPELINE_SOURCE", "web"), ("CI_COMMIT_REF_PROTECTED", "false")], 2),
        (&[("GITHUB_EVENT_NAME", "workflow_dispatch"), ("GITHUB_REF_PROTECTED", "false")], 2),
        (&[("CHANGE_ID", "12")], 2),
        (&[("BITBUCKET_PR_ID", "12")], 2),
        (&[("TRAVIS_PULL_REQUEST", "12")], 2),
        (&[("GITHUB_EVENT_NAME", "push")], 0),
        (&[("GITHUB_EVENT_NAME", "workflow_dispatch"), ("GITHUB_REF_PROTECTED", "true")], 0),
        (&[("CI_PIPELINE_SOURCE", "push"), ("CI_COMMIT_TAG", "v1")], 0),
        (&[("TRAVIS_PULL_REQUEST", "false"), ("TRAVIS_EVENT_TYPE", "push")], 0),
        (&[("CI", "true")], 0),
    ] {
        let before = target.content().manifests.len();
        let run = variables.iter().fold(push(), |push, (name, value)| push.env(name, value)).run().exits_with(code);
        if code != 0 {
            run.says(&["no push", "`--dry-run` shows here what would be pushed"]).reports_nothing();
            assert_eq!(target.content().manifests.len(), before, "{variables:?}");
        }
    }
}

#[test]
fn what_was_pushed_can_be_pulled_and_looked_up() {
    let target = FakeRegistry::start();
    let repository = repository(&target).write("folder/keep", "");
    push(&repository, &target, "v1", &[]).exits_with(0);
    let reference = reference(&target, "v1");
    let found = target.tag(REPOSITORY, "v1").unwrap();
    let run = repository.verify(&["digest", &reference, "--sources-path", "sources.yaml"]).run().exits_with(0);
    assert_eq!(run.stdout, format!("{reference}@{found}\n"));
    let typed = format!("registry://{reference}");
    let run = repository.verify(&["digest", &typed, "--sources-path", "sources.yaml"]).run().exits_with(0);
    assert_eq!(run.stdout, format!("{typed}@{found}\n"), "as it was typed");
    for (output, path) in [("out.wasm", "out.wasm"), ("folder", "folder/safe-labels:v1")] {
        let arguments = ["pull", &reference, "-o", output, "--sources-path", "sources.yaml"];
        repository.verify(&arguments).run().exits_with(0);
        assert_eq!(fs::read(repository.path(path)).unwrap(), module(&repository));
    }
    let gone = format!("{}/{REPOSITORY}:v9", target.host());
    for command in ["digest", "pull"] {
        let run = repository.verify(&[command, &gone, "--sources-path", "sources.yaml"]).run().exits_with(3);
        run.reports_nothing().says(&[&gone]);
    }
}

#[test]
fn a_file_is_not_looked_for_in_a_registry() {
    let target = FakeRegistry::start();
    // The file has the name of the registry: whoever goes on asks there.
    let repository = repository(&target).write(&target.host(), "").write("a 'b", "");
    let host = target.host();
    let found = [("policy.wasm", "policy.wasm"), (&host, &format!("'{host}'")), ("a 'b", r"'a '\''b'")];
    for ((name, quoted), command) in found.iter().flat_map(|it| [(it, "digest"), (it, "pull")]) {
        let run = repository.verify(&[command, name, "--sources-path", "sources.yaml"]).run().exits_with(2);
        let says = format!("`{name}` is a file, not a reference to a registry");
        run.reports_nothing().says(&[&says, &format!("verify inspect {quoted}"), "registry://"]);
    }
    assert!(target.take_seen().is_empty());
}

#[test]
fn the_store_is_kwctls_and_digests_are_found_in_it() {
    let target = FakeRegistry::start();
    let repository = repository(&target);
    push(&repository, &target, "v1", &[]).exits_with(0);
    let reference = reference(&target, "v1");
    let cache = repository.path("cache");
    let verify = |arguments: &[&str]| {
        let arguments = [arguments, &["--sources-path", "sources.yaml"]].concat();
        repository.verify(&arguments).env("XDG_CACHE_HOME", &cache).env("HOME", repository.path("home")).run()
    };
    verify(&["pull", &reference]).exits_with(0).says(&["kept in the store"]);
    let kept = fs::read(cache.join("kubewarden/store/registry").join(&reference)).unwrap();
    assert_eq!(kept, module(&repository));
    let named = digest(&kept);
    let digits = named.trim_start_matches("sha256:");
    for name in [&digits[..12], digits, &named] {
        verify(&["inspect", name]).exits_with(0).says(&[&named]);
    }
    verify(&["push", &digits[..20], &format!("{reference}-again")]).exits_with(0);
    assert_eq!(target.tag(REPOSITORY, "v1-again"), target.tag(REPOSITORY, "v1"));
    verify(&["inspect", "0123456789abcdef"]).exits_with(3).says(&["Cannot find policy with uri: 0123456789abcdef"]);
    let repository_path = cache.join("kubewarden/store/registry/other");
    fs::create_dir_all(&repository_path).unwrap();
    fs::write(repository_path.join("p:v1"), annotated_otherwise(&repository)).unwrap();
    let other = digest(&annotated_otherwise(&repository));
    let common = digits.chars().zip(other.trim_start_matches("sha256:").chars()).take_while(|(a, b)| a == b).count();
    if common > 0 {
        verify(&["inspect", &digits[..common]]).exits_with(3).says(&["several policies in the store"]);
    }
}

#[test]
fn a_web_page_is_no_policy() {
    let target = FakeRegistry::start();
    let repository = repository(&target);
    let page = "<html>not found</html>".to_owned();
    target.fails(move |_| Some(Reply::new(200, page.clone()).into()));
    let url = format!("http://{}/policy.wasm", target.host());
    let run = repository.verify(&["pull", &url, "-o", "out.wasm", "--sources-path", "sources.yaml"]).run();
    run.exits_with(3).says(&["is a web page"]);
    assert!(!repository.path("out.wasm").exists());
}

#[test]
fn what_was_pushed_can_be_inspected_with_its_signatures() {
    let target = FakeRegistry::start();
    let repository = repository(&target);
    push(&repository, &target, "v1", &[]).exits_with(0);
    let uri = format!("registry://{}", reference(&target, "v1"));
    let inspect = |flags: &[&str]| {
        let arguments = [&["inspect", &uri, "--sources-path", "sources.yaml"], flags].concat();
        repository.verify(&arguments).env("COLUMNS", "80").run().exits_with(0)
    };
    inspect(&[]).says(&["safe-labels 0.1.0", &digest(&module(&repository))]).never_says("Signatures");
    inspect(&["--show-signatures"]).says(&["Signatures, not verified", "none"]);
    // What cosign leaves behind: a layer under a tag of its own.
    let payload = b"{}".to_vec();
    let layer = json!({
        "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": digest(&payload), "size": payload.len(),
        "annotations": { "dev.cosignproject.cosign/signature": "c2ln\u{1b}[2J" },
    });
    let manifest = json!({
        "schemaVersion": 2, "layers": [layer],
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(b"{}"), "size": 2 },
    });
    let manifest = manifest.to_string().into_bytes();
    let signed = target.tag(REPOSITORY, "v1").unwrap().replace(':', "-");
    target.add_blob(REPOSITORY, &payload);
    target.add_manifest(REPOSITORY, &format!("{signed}.sig"), OCI_MANIFEST, &manifest);
    let run = inspect(&["--show-signatures"]);
    run.says(&[&format!("tag {}", digest(&payload)), "dev.cosignproject.cosign/signature"]);
    let document: Value = serde_json::from_str(&inspect(&["--show-signatures", "-o", "json"]).stdout).unwrap();
    assert_eq!(document["signatures"][0]["form"], "tag");
    assert_eq!(document["signatures"][0]["annotations"]["dev.cosignproject.cosign/signature"], "c2ln\u{1b}[2J");
    // As kwctl prints it: the metadata, and behind it the manifest of the signatures.
    let (alone, run) = (inspect(&["-o", "yaml"]).stdout, inspect(&["--show-signatures", "-o", "yaml"]));
    let manifest = format!(
        concat!(
            "signatures:\n  schemaVersion: 2\n  config:\n    mediaType: application/vnd.oci.image.config.v1+json\n    digest: {}\n",
            "    size: 2\n  layers:\n  - mediaType: application/vnd.dev.cosign.simplesigning.v1+json\n    digest: {}\n    size: 2\n",
            "    annotations:\n      dev.cosignproject.cosign/signature: \"c2ln\\e[2J\"\n"
        ),
        digest(b"{}"),
        digest(&payload)
    );
    assert_eq!(run.stdout, alone + &manifest);
    let run = repository.verify(&["inspect", "policy.wasm", "--show-signatures"]).run().exits_with(0);
    run.says(&["only registries have signatures"]);
}

/// Pushes `v1`, breaks the registry, and pushes another module to `v1`: that fails with 5, in bounded time, and the tag
/// is where it was.
#[track_caller]
fn fails(what: &str, says: &[&str], fault: impl FnMut(&Seen) -> Option<Reaction> + Send + 'static) {
    let target = FakeRegistry::start();
    let repository = repository(&target);
    push(&repository, &target, "v1", &[]).exits_with(0);
    let before = target.tag(REPOSITORY, "v1");
    let other = annotated_otherwise(&repository);
    let repository = repository.write("policy.wasm", other);
    target.fails(fault);
    let run = push(&repository, &target, "v1", &["-o", "json"]).exits_with(5);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert!(["failed", "refused"].contains(&document["outcome"].as_str().unwrap()), "{what}: {run}");
    assert_eq!(document["tags"], json!([]), "{what}");
    assert!(document.get("Digest").is_none(), "{what}");
    run.says(says).says(&[&target.host()]);
    assert_eq!(target.tag(REPOSITORY, "v1"), before, "{what}");
    target.content().is_consistent();
}

pub(crate) fn is(asked: &Seen, method: &str, part: &str) -> bool {
    asked.method == method && asked.path.contains(part)
}

/// The requests of a push, by method and a part of the target.
const STAGES: [(&str, &str); 5] = [
    ("POST", "uploads"),
    ("PATCH", "uploads"),
    ("PUT", "uploads"),
    ("PUT", "manifests/sha256"),
    ("PUT", "manifests/v1"),
];

#[test]
fn a_registry_that_refuses_at_any_stage_leaves_the_tag_alone() {
    for (method, part) in STAGES {
        // A chunk that is not found is sent again with the whole.
        for code in [401, 403, 404].into_iter().filter(|code| (method, *code) != ("PATCH", 404)) {
            fails(&format!("{code} to {method} {part}"), &[], move |asked| {
                is(asked, method, part).then(|| Reaction::status(code))
            });
        }
    }
}

#[test]
fn a_registry_in_trouble_is_asked_again_and_given_up() {
    for code in [429, 500, 503] {
        let stage = |asked: &Seen| is(asked, "PUT", "manifests/sha256");
        fails(&format!("{code} for ever"), &["no tag was moved"], move |asked| {
            stage(asked).then(|| Reply::new(code, "").header("retry-after", "0").into())
        });
    }
    for stage in [("POST", "uploads"), ("PUT", "uploads"), ("PUT", "manifests/v1")] {
        fails(&format!("reset at {stage:?}"), &[], move |asked| {
            is(asked, stage.0, stage.1).then_some(Reaction::reset())
        });
    }
}

/// Pushes through trouble that passes.
#[track_caller]
fn survives(what: &str, fault: impl FnMut(&Seen) -> Option<Reaction> + Send + 'static) -> Vec<Seen> {
    let target = FakeRegistry::start();
    let repository = repository(&target);
    target.fails(fault);
    push(&repository, &target, "v1", &[]).exits_with(0);
    assert_eq!(target.tag(REPOSITORY, "v1").unwrap(), digest(expected_manifest(&repository).as_bytes()), "{what}");
    target.content().is_consistent();
    target.take_seen()
}

/// This reaction, the first time only.
fn once(method: &'static str, part: &'static str, trouble: Reaction) -> impl FnMut(&Seen) -> Option<Reaction> + Send {
    let mut left = Some(trouble);
    move |asked| if is(asked, method, part) { left.take() } else { None }
}

#[test]
fn trouble_that_passes_is_survived() {
    for (method, part) in STAGES {
        for code in [429, 502] {
            survives(&format!("{code} once to {method} {part}"), once(method, part, Reaction::status(code)));
        }
        survives(&format!("reset once at {method} {part}"), once(method, part, Reaction::reset()));
        // The answer is lost, not the work: doing it again changes nothing.
        survives(&format!("lost answer to {method} {part}"), once(method, part, Reaction::Unanswered));
    }
}

#[test]
fn a_registry_that_takes_no_chunks_gets_the_whole() {
    for code in [405, 416, 501] {
        let asked = survives("no chunks", move |asked| is(asked, "PATCH", "uploads").then(|| Reaction::status(code)));
        let puts = asked.iter().filter(|asked| is(asked, "PUT", "uploads") && !asked.body.is_empty());
        assert_eq!(puts.count(), 2, "layer and configuration");
    }
}

#[test]
fn an_upload_that_is_lost_begins_anew() {
    let asked = survives("lost session", once("PATCH", "uploads", Reaction::status(404)));
    assert_eq!(asked.iter().filter(|asked| asked.method == "POST").count(), 3);
    survives("lost at its end", once("PUT", "uploads", Reaction::status(404)));
}

#[test]
fn answers_without_what_they_must_have_are_no_answers() {
    fails("no Location", &["Location"], move |asked| {
        is(asked, "POST", "uploads").then_some(Reaction::Without("location"))
    });
    for (method, part) in [("PUT", "uploads"), ("PUT", "manifests/sha256")] {
        fails("a lie", &["digest mismatch: `"], move |asked| is(asked, method, part).then_some(Reaction::OtherDigest));
    }
    // Not every registry names the digest of what it took.
    survives("no digest", |asked| (asked.method == "PUT").then_some(Reaction::Without("docker-content-digest")));
}

#[test]
fn a_tag_of_which_nobody_knows_is_said_to_be_so() {
    let target = FakeRegistry::start();
    let repository = repository(&target);
    // The tag is moved, and the registry says nothing any more.
    let mut is_dead = false;
    target.fails(move |asked| {
        let trouble = if is_dead { Reaction::reset() } else { Reaction::Unanswered };
        is_dead |= is(asked, "PUT", "manifests/v1");
        is_dead.then_some(trouble)
    });
    let run = push(&repository, &target, "v1", &["-o", "json"]).exits_with(5).says(&["uncertain: `v1`"]);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(document["moves"][0]["state"], "uncertain");
    target.content().is_consistent();
}

#[test]
fn a_push_killed_at_any_moment_leaves_tags_to_whole_policies() {
    let target = FakeRegistry::start();
    target.latency(Duration::from_millis(3));
    let repository = repository(&target);
    let other = annotated_otherwise(&repository);
    let repository = repository.write("other.wasm", other);
    let reference = reference(&target, "v1");
    let start = |module: &str| {
        let mut command = std::process::Command::new(crate::support::BINARY);
        command.env_clear().current_dir(repository.path("")).args(["push", module, &reference]);
        command.args(["--sources-path", "sources.yaml"]);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        command.spawn().unwrap()
    };
    let began = std::time::Instant::now();
    assert!(start("policy.wasm").wait().unwrap().success());
    let whole = began.elapsed();
    let mut known = vec![target.tag(REPOSITORY, "v1").unwrap()];
    assert!(start("other.wasm").wait().unwrap().success());
    known.push(target.tag(REPOSITORY, "v1").unwrap());
    assert_ne!(known[0], known[1]);
    let mut killed = 0;
    for moment in 0..50_u32 {
        // Each time everything has to be uploaded again, but for what the tag leads to.
        let module = ["policy.wasm", "other.wasm"][usize::try_from(moment % 2).unwrap()];
        target.content().remove_untagged();
        let mut child = start(module);
        std::thread::sleep(whole * moment / 50);
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
        let now = target.tag(REPOSITORY, "v1").unwrap();
        assert!(known.contains(&now), "{now}");
        target.content().is_consistent();
        // The next push goes on where this one stopped, with whatever it left behind.
        assert!(start(module).wait().unwrap().success(), "the push after kill {moment}");
        assert_eq!(target.tag(REPOSITORY, "v1").unwrap(), known[usize::try_from(moment % 2).unwrap()]);
        target.content().is_consistent();
    }
    assert!(killed > 10, "only {killed} of 50 were killed before they were done");
}

#[test]
fn credentials_are_in_no_output() {
    const PASSWORD: &str = "hunter2-Sup3rSecret";
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("robot:{PASSWORD}"));
    let target = FakeRegistry::start();
    target.requires(&format!("Basic {encoded}"));
    let config = json!({ "auths": { target.host(): { "auth": encoded } } });
    let repository = repository(&target).write("docker/config.json", config.to_string());
    let flags = ["--docker-config-json-path", "docker", "--sources-path", "sources.yaml"];
    let reference = reference(&target, "v1");
    let check = |arguments: &[&str], code: i32| {
        let run =
            repository.verify(&[arguments, &flags].concat()).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1").run();
        let run = run.exits_with(code).never_says(PASSWORD).never_says(&encoded);
        run.never_says("Basic ")
    };
    check(&["push", "policy.wasm", &reference], 0);
    check(&["push", "policy.wasm", &reference, "-o", "json", "--dry-run"], 0);
    check(&["digest", &reference], 0);
    check(&["pull", &reference, "-o", "pulled.wasm"], 0);
    // A registry that repeats what it was sent.
    for code in [400, 401, 403, 500] {
        target.fails(move |asked| {
            // The first time it asks for credentials, and then it says back what it got, in every form.
            let sent = asked.headers.get("authorization")?;
            let encoded = sent.trim_start_matches("Basic ");
            let message = format!("{sent} robot:{PASSWORD} {PASSWORD} {encoded}");
            let body = json!({ "errors": [{ "code": "DENIED", "message": message }] }).to_string();
            Some(Reply::new(code, body).header("www-authenticate", format!("Basic realm=\"{sent}\"")).into())
        });
        check(&["push", "policy.wasm", &reference], 5);
        check(&["digest", &reference], 3);
        check(&["pull", &reference, "-o", "pulled.wasm"], 3);
    }
}
