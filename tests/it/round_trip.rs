//! The complete report, read back and written again: nothing is lost, nothing moves.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;

use crate::publish::{METADATA, accepting};
use crate::readers;
use crate::support::registry::FakeRegistry;
use crate::support::{POD, Repository, guests, testdata};

/// A suite with what the suite of failures lacks: groups, chains, skips, policies that cannot be had, policies that are to
/// be published.
fn repository(target: &FakeRegistry) -> Repository {
    let text = r#"version: 1
name: all
kubewarden: "1.44"
policies:
  good: { uri: good.wasm, metadata: metadata.yml }
  bad: { uri: bad.wasm, metadata: metadata.yml }
  lines: { uri: lines.wasm, metadata: lines.yml }
  services: { uri: good.wasm, metadata: services.yml }
  plain: { uri: plain.wasm }
  talkative: { uri: talkative.wasm }
  asking: { uri: asking.wasm }
  trap: { uri: trap.wasm }
  failing: { uri: failing.wasm }
  gone: { uri: gone.wasm }
  watched: { uri: bad.wasm, metadata: metadata.yml, mode: monitor }
  fetched: { uri: "registry://HOST/acme/good:latest" }
groups:
  both:
    expression: one() && (two() || two())
    message: no
    members: { one: { policy: plain }, two: { policy: talkative } }
  trapping: { expression: a(), message: no, members: { a: { policy: failing } } }
  calling: { expression: a(), message: no, members: { a: { policy: asking } } }
cases:
  - { name: a, policy: good, object: POD, expect: allow }
  - { name: b, policy: bad, object: POD, expect: { deny: no } }
  - { name: c, policy: lines, object: POD, expect: allow }
  - { name: group, group: both, object: POD, expect: deny }
  - { name: steps, chain: [services, both, plain], object: POD, rules: skip, expect: allow }
  - { name: fault of a step, chain: [plain, trap], object: POD, expect: allow }
  - { name: fault of a member, group: trapping, object: POD, expect: { fault: guest } }
  - { name: call of a member, group: calling, object: POD, expect: { fault: host } }
  - { name: call of a step, chain: [asking], object: POD, expect: { fault: host } }
  - { name: later, policy: plain, object: POD, skip: not now, expect: deny }
  - { name: known, policy: trap, object: POD, xfail: { reason: acme-1, fault: trap }, expect: allow }
  - { name: warned, policy: watched, object: POD, expect: { deny: no, mode: monitor } }
  - { name: warned step, chain: [watched, plain], object: POD, expect: allow }
  - { name: gone, policy: gone, object: POD, expect: allow }
publish:
  - { policy: good, to: HOST/acme/good, tags: [v1, latest], immutable: [v1] }
  - { policy: bad, to: HOST/acme/bad, tags: [v1] }
  - { policy: lines, to: HOST/acme/lines, tags: [v1] }
"#;
    let text = text.replace("POD", POD).replace("HOST", &target.host());
    let services = METADATA.replace("[pods]", "[services]");
    let talkative = r#"{"valid":true,"accepted":false,"message":"no","warnings":["w"],"audit_annotations":{"a":"b"}}"#;
    Repository::with_suite(&text)
        .write("sources.yaml", target.sources())
        .write("metadata.yml", METADATA)
        .write("services.yml", services)
        .write("lines.yml", format!("{METADATA}  io.kubewarden.policy.usage: \"one\\ntwo\"\n"))
        .write("good.wasm", accepting("good"))
        .write("bad.wasm", accepting("bad"))
        .write("lines.wasm", accepting("lines"))
        .write("plain.wasm", accepting("plain"))
        .replying("talkative", talkative)
        .write("asking.wasm", guests::from_testdata("wapc-host-call"))
        .write("failing.wasm", guests::failing_when_asked("out of order"))
        .write("gone.wasm", "nothing")
        .write("trap.wasm", guests::from_testdata("wapc-trap"))
}

/// The reports of one run, and what becomes of each when it is merged alone.
struct Reports {
    whole: String,
    merged: [String; 2],
}

fn run(flags: &[&str]) -> Reports {
    let target = FakeRegistry::start();
    let repository = repository(&target);
    let before = format!("registry://{}/acme/good:latest", target.host());
    repository.verify(&["push", "bad.wasm", &before, "--force", "--sources-path=sources.yaml"]).run().exits_with(0);
    let failures = testdata().join("suites/failures/suite.yml");
    let mut verify = repository.verify(&["suite.yml", "--push", "--sources-path=sources.yaml", "-qq"]);
    for argument in flags {
        verify = verify.arg(argument);
    }
    verify =
        verify.arg(&failures.to_string_lossy()).arg("--report=json=whole.json").arg("--report=ndjson=whole.ndjson");
    let run = verify.run().exits_with(3);
    assert!(run.stderr.contains("good"), "{run}");
    let merged = ["whole.json", "whole.ndjson"].map(|file| {
        let told = repository.verify(&["merge", file, "-qq", "--report=json=merged.json"]).run().exits_with(3);
        // What was published then is in the report, and is not told as if it were published now.
        assert_eq!(told.stderr, "");
        repository.read("merged.json")
    });
    Reports { whole: repository.read("whole.json"), merged }
}

static PUSHED: LazyLock<Reports> = LazyLock::new(|| run(&["--shuffle=7", "--repeat=2"]));
static TRIED: LazyLock<Reports> = LazyLock::new(|| run(&["--dry-run", "--fail-fast", "-j1"]));

#[test]
fn a_report_that_is_merged_alone_comes_out_byte_for_byte() {
    for reports in [&*PUSHED, &*TRIED] {
        for merged in &reports.merged {
            readers::fits("report", &serde_json::from_str(merged).unwrap());
            let mut lines = reports.whole.lines().zip(merged.lines());
            assert!(*merged == reports.whole, "{:?}", lines.find(|(one, other)| one != other));
        }
    }
}

/// Every key that holds something, such as `/cases/members/verdict`.
fn keys(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members.iter().filter(|(_, value)| !value.is_null()).for_each(|(key, value)| {
            let path = format!("{path}/{key}");
            keys(value, &path, found);
            found.insert(path);
        }),
        Value::Array(values) => values.iter().for_each(|value| keys(value, path, found)),
        _ => {}
    }
}

/// A round trip proves nothing about what was not there.
#[test]
fn those_reports_have_everything_a_report_can_tell_of() {
    let mut found = BTreeSet::new();
    for reports in [&*PUSHED, &*TRIED] {
        keys(&serde_json::from_str(&reports.whole).unwrap(), "", &mut found);
    }
    let schema = std::fs::read_to_string(testdata().join("report.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let mut missing = Vec::new();
    for (part, path) in [
        ("report", ""),
        ("case", "/cases"),
        ("policy", "/policies"),
        ("part", "/cases/members"),
        ("part", "/cases/steps"),
        ("difference", "/cases/mismatches"),
        ("call", "/cases/calls"),
        ("log", "/cases/log"),
        ("trouble", "/cases/fault"),
        ("trouble", "/policies/error"),
        ("publication", "/published"),
        ("move", "/published/moves"),
        ("warning", "/warnings"),
    ] {
        let known = schema["$defs"][part]["properties"].as_object().unwrap();
        missing.extend(known.keys().map(|key| format!("{path}/{key}")).filter(|key| !found.contains(key)));
    }
    // A run of one machine is no shard, it took place, no tag has moved meanwhile, and rules and modes are about a group,
    // not its members. Code coverage (`coverage.rs`) and gates (`gates.rs`) have tests of their own.
    let absent = [
        "/changes",
        "/coverage",
        "/errors",
        "/gates",
        "/hollow",
        "/shard",
        "/uses",
        "/policies/remarks",
        "/cases/members/monitored",
        "/cases/members/reason",
    ];
    assert_eq!(missing, absent);
}
