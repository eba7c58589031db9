//! `verify fuzz` and `verify why`: what requests show that no case has.

use serde_json::Value;

use crate::support::{Repository, guests, project, testdata};

/// A pod with something of everything.
pub(crate) const POD: &str = "{ apiVersion: v1, kind: Pod, metadata: { name: web, labels: { owner: a, app: b }, annotations: { note: c } }, \
                   spec: { priority: 5, containers: [{ name: web, image: i, ports: [{ containerPort: 80 }] }] } }";

/// A waPC policy that allows everything, but does `action` once a request has these three bytes; `$random` gives bytes.
pub(crate) fn on(bytes: &str, action: &str) -> Vec<u8> {
    let pattern = bytes.bytes().rev().fold(0, |number, byte| number << 8 | u32::from(byte));
    let body = format!(
        r#"(drop (memory.grow (i32.add (i32.shr_u (local.get $message_len) (i32.const 16)) (i32.const 2))))
        (call $request (i32.const 2048) (i32.const 65536))
        (local.set $at (i32.const 65536))
        (local.set $len (i32.add (i32.const 65536) (local.get $message_len)))
        (block $done (loop $next
          (br_if $done (i32.ge_u (i32.add (local.get $at) (i32.const 4)) (local.get $len)))
          (if (i32.eq (i32.and (i32.load (local.get $at)) (i32.const 0xffffff)) (i32.const {pattern})) (then {action}))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $next)))
        (call $respond (i32.const 1024) (i32.const 17))
        (i32.const 1)"#
    );
    guests::wapc_with(
        r#"(import "wapc" "__guest_request" (func $request (param i32 i32)))
           (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))"#,
        r#"(data (i32.const 1024) "{\22accepted\22:true}") (data (i32.const 1100) "{\22accepted\22:false,\22message\22:\22no\22}")"#,
        &body,
    )
}

const UNSTABLE: &str = "(drop (call $random (i32.const 2000) (i32.const 1)))
    (if (i32.and (i32.load8_u (i32.const 2000)) (i32.const 1))
      (then (call $respond (i32.const 1100) (i32.const 33)) (return (i32.const 1))))";

fn repository(module: Vec<u8>) -> Repository {
    Repository::with_suite(&format!(
        "version: 1\npolicies: {{ planted: {{ uri: planted.wasm }} }}\ncases:\n  - {{ name: a, object: {POD}, expect: allow }}\n"
    ))
    .write("planted.wasm", module)
}

#[test]
fn planted_flaws_are_found_and_made_small() {
    for (bytes, action, flaw) in [
        (":[]", "unreachable", r#"{"fault":"trap"}"#),
        (":-1", "(loop $forever (br $forever))", r#"{"fault":"timeout"}"#),
        ("-x\"", UNSTABLE, r#""unstable-verdict""#),
    ] {
        let repository = repository(on(bytes, action));
        repository.verify(&["suite.yml"]).run().named(flaw).exits_with(0);
        let run = repository.verify(&["fuzz", "suite.yml", "--requests", "200", "--format", "json"]).run();
        let found: Value = serde_json::from_str(&run.named(flaw).exits_with(1).stdout).unwrap();
        let findings = found["findings"].as_array().unwrap();
        assert_eq!(findings.len(), 1, "{found:#}");
        assert_eq!(findings[0]["flaw"].to_string(), flaw);
        assert!(findings[0]["fields"].as_u64().unwrap() <= 5, "{:#}", findings[0]["object"]);
        // The case can be pasted.
        let suite = repository.read("suite.yml") + findings[0]["case"].as_str().unwrap();
        let pasted = repository.write("suite.yml", suite).verify(&["suite.yml"]).run();
        pasted.says(&["2 tests"]);
    }
}

#[test]
fn the_same_seed_finds_the_same() {
    let repository = repository(on(":[]", "unreachable"));
    let run = |arguments: &[&str]| repository.verify(arguments).run().exits_with(1).stdout;
    let arguments = ["fuzz", "suite.yml", "--requests", "100", "--seed", "7", "--format", "json"];
    let first: Value = serde_json::from_str(&run(&arguments)).unwrap();
    let again: Value = serde_json::from_str(&run(&arguments)).unwrap();
    assert_eq!(first["requests"], 100);
    assert_eq!(first["findings"][0]["flaw"], again["findings"][0]["flaw"]);
    let human = run(&["fuzz", "suite.yml", "--requests", "100", "--seed", "7"]);
    for part in
        ["✗ planted ends in a fault: trap", "from suite.yml:4", "1 finding · 100 requests · seed 7", "expect: accept"]
    {
        assert!(human.contains(part), "{part}: {human}");
    }
}

#[test]
fn a_policy_without_flaws_has_no_findings() {
    let labels = Repository::with_suite(&format!(
        "version: 1\npolicies:\n  labels: {{ uri: safe-labels/policy.wasm, metadata: safe-labels/metadata.yml, settings: {{ mandatory_labels: [owner] }} }}\n\
         cases:\n  - {{ name: a, object: {POD}, expect: allow }}\n  - {{ name: b, object: {POD}, skip: later, expect: deny }}\n"
    ))
    .policy("safe-labels");
    labels
        .verify(&["fuzz", "suite.yml", "--requests", "200"])
        .run()
        .exits_with(0)
        .says(&["nothing found · 200 requests"]);
    labels.verify(&["fuzz", "suite.yml", "-f", "b$", "--requests", "9"]).run().exits_with(4);
    labels.verify(&["fuzz", "suite.yml", "--requests", "9", "--for", "1s"]).run().exits_with(2);
}

#[test]
fn why_tells_what_changes_the_verdict() {
    let labels = Repository::with_suite(&format!(
        "version: 1\npolicies:\n  labels: {{ uri: safe-labels/policy.wasm, metadata: safe-labels/metadata.yml, settings: {{ mandatory_labels: [owner, cost] }} }}\n\
         defaults: {{ object: {POD} }}\ncases:\n  - {{ name: missing, expect: {{ deny: {{ contains: cost }} }} }}\n  \
         - {{ name: whole, set: {{ metadata.labels.cost: c }}, expect: allow }}\n  \
         - {{ name: anything, settings: {{}}, expect: allow }}\n"
    ))
    .policy("safe-labels");
    let run = labels.verify(&["why", "suite.yml"]).run().exits_with(0);
    run.says(&[
        "suite.yml:6  suite.yml › missing\n  deny; with one of these changes otherwise:\n    suite.yml:4  set: { metadata.labels.cost: c } → allow",
        "suite.yml › whole\n  allow; with one of these changes otherwise:\n    suite.yml:7  unset: [metadata.labels.cost] → deny\n    \
         suite.yml:4  unset: [metadata.labels.owner] → deny\n",
        "suite.yml › anything\n  allow, whatever of",
    ]);
    let json = labels.verify(&["why", "suite.yml", "-f", "missing", "--format", "json"]).run().exits_with(0).stdout;
    let reasons: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(reasons[0]["verdict"], "deny");
    assert_eq!(reasons[0]["changes"][0]["verdict"], "allow");
    labels.verify(&["why", "suite.yml", "-f", "nothing"]).run().exits_with(4);
}

const POD_FILE: &str = "apiVersion: v1
kind: Pod
metadata:
  name: web
  labels:
    owner: team-a
spec:
  containers:
    - { name: web, image: nginx }
";

/// Each change has the line of the member: in the fixture, or in the suite where a case has made or removed it.
#[test]
fn why_names_the_line_of_the_fixture() {
    let list = "apiVersion: v1\nkind: List\nitems:\n  - apiVersion: v1\n    kind: Pod\n    metadata:\n      name: other\n      \
                labels: { owner: team-b }\n";
    let request = r#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "1",
  "kind": {"group": "", "version": "v1", "kind": "Pod"}, "resource": {"group": "", "version": "v1", "resource": "pods"},
  "operation": "CREATE", "userInfo": {}, "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web",
    "labels": {"owner": "team-a"}}}}}"#;
    let cases = "cases:
  - { name: fixture, expect: allow }
  - name: removed
    unset: [metadata.labels.owner]
    expect: { deny: { contains: owner } }
  - name: made
    set:
      metadata.labels:
        owner: team-a
        debug: x
    expect: { deny: { contains: debug } }
  - name: merged
    merge:
      metadata:
        labels: { debug: x }
    expect: { deny: { contains: debug } }
  - { name: wrapped, wrap: Deployment, expect: allow }
  - { name: chosen, object: all.yaml#other, expect: allow }
  - { name: whole, request: request.json, object: null, expect: allow }
";
    let suite = Repository::with_suite(&format!(
        "version: 1\npolicies:\n  labels: {{ uri: safe-labels/policy.wasm, metadata: safe-labels/metadata.yml, settings: {{ mandatory_labels: [owner], denied_labels: [debug] }} }}\n\
         defaults: {{ object: pod.yaml }}\n{cases}"
    ))
    .policy("safe-labels")
    .write("pod.yaml", POD_FILE)
    .write("all.yaml", list)
    .write("request.json", request);
    let json = suite.verify(&["why", "suite.yml", "--format", "json"]).run().exits_with(0).stdout;
    let all: Value = serde_json::from_str(&json).unwrap();
    let place = |case: &str, change: &str| {
        let reasons = all.as_array().unwrap().iter().find(|it| it["id"].as_str().unwrap().ends_with(case)).unwrap();
        let mut changes = reasons["changes"].as_array().unwrap().iter();
        let found = changes.find(|it| it["change"].as_str().unwrap().starts_with(change));
        let found = found.unwrap_or_else(|| panic!("{case} has no {change}: {reasons:#}"));
        format!("{}:{}", found["file"].as_str().unwrap(), found["line"])
    };
    for (case, change, wanted) in [
        ("fixture", "unset: [metadata.labels.owner]", "pod.yaml:6"),
        ("fixture", "set: { metadata.labels.debug", "pod.yaml:5"),
        ("removed", "set: { metadata.labels.owner", "suite.yml:8"),
        ("made", "unset: [metadata.labels.debug]", "suite.yml:14"),
        ("merged", "unset: [metadata.labels.debug]", "suite.yml:19"),
        ("wrapped", "unset: [metadata.labels.owner]", "pod.yaml:6"),
        ("chosen", "unset: [metadata.labels.owner]", "all.yaml:8"),
        ("whole", "unset: [metadata.labels.owner]", "request.json:4"),
    ] {
        assert_eq!(place(case, change), wanted, "{case}: {change}");
    }
}

#[test]
fn the_page_shows_what_why_prints() {
    let page = std::fs::read_to_string(project().join("docs/trust.md")).unwrap();
    let (_, rest) = page.split_once("```console\n$ verify why suite.yml\n").unwrap();
    let (shown, _) = rest.split_once("```").unwrap();
    let repository = Repository::new();
    let copy = format!("mkdir testdata && cp -r '{0}/suites' '{0}/policies' testdata/", testdata().display());
    repository.shell(&copy).run().exits_with(0);
    let folder = "testdata/suites/quickstart/";
    let run = repository.verify(&["why", &format!("{folder}suite.yml")]).env("COLUMNS", "120").run().exits_with(0);
    assert_eq!(shown, run.stdout.replace(folder, ""));
}
