//! `verify debug`: all about a case.

use serde_json::{Value, json};

use crate::support::{Repository, guests, testdata};

const POD: &str =
    "{ apiVersion: v1, kind: Pod, metadata: { name: web }, spec: { containers: [{ name: a, image: i }] } }";

fn repository() -> Repository {
    let suite = format!(
        "version: 1\npolicies:\n  mutates: {{ uri: mutates.wasm }}\n  denies: {{ uri: denies.wasm, settings: {{ owner: [team-a] }} }}\n  asks: {{ uri: asks.wasm, contextAware: [{{ apiVersion: v1, kind: Node }}] }}\ncases:\n  - name: adds a label\n    policy: mutates\n    object: {POD}\n    expect: mutate\n  - name: says why\n    policy: denies\n    object: {POD}\n    expect: {{ deny: nothing }}\n  - name: asks its host\n    policy: asks\n    object: {POD}\n    cluster: [node.yaml]\n    expect: mutate\n"
    );
    let object = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "namespace": "default", "labels": { "team": "a" } },
                         "spec": { "containers": [{ "name": "a", "image": "i" }] } });
    let asks = guests::calling("list_resources_all", r#"{"api_version":"v1","kind":"Node"}"#);
    Repository::with_suite(&suite)
        .replying("mutates", &json!({ "accepted": true, "valid": true, "mutated_object": object }).to_string())
        .replying("denies", r#"{"accepted":false,"valid":true,"message":"no owner"}"#)
        .write("asks.wasm", asks)
        .write("node.yaml", "apiVersion: v1\nkind: Node\nmetadata: { name: n1 }\n")
}

#[test]
fn a_case_that_passes_is_told_too() {
    let run = repository().verify(&["debug", "adds a label"]).run().exits_with(0);
    let text = &run.stdout;
    for part in [
        "suite.yml › adds a label",
        "suite.yml:7",
        "  policy mutates\n    file://",
        "kubewarden-wapc\n    sha256:",
        "  settings of mutates\n    {}\n",
        "  request\n    dryRun: false\n",
        "  response\n    uid: ",
        "  patch\n    - op: add\n      path: /metadata/labels\n",
        "  changes\n    @@",
        "    +  labels:\n    +    team: a\n",
        "  expected at suite.yml:10\n",
    ] {
        assert!(text.contains(part), "{part:?}: {run}");
    }
    assert!(!text.contains("says why"), "{run}");
}

#[test]
fn a_case_that_fails_has_its_difference() {
    let repository = repository();
    let run = repository.verify(&["debug", "suite.yml", "--filter", "says why$"]).run().exits_with(1);
    let text = &run.stdout;
    for part in [
        "    owner:\n    - team-a\n",
        "      message: no owner\n",
        "  difference\n",
        "expected",
        "\"nothing\"",
        "PV011",
    ] {
        assert!(text.contains(part), "{part:?}: {run}");
    }
}

#[test]
fn host_calls_are_told_with_their_answers() {
    let run = repository().verify(&["debug", "asks its host"]).run();
    assert!(run.stdout.contains("1. kubernetes/list_resources_all v1/Node → answered by cluster:\n"), "{run}");
    assert!(run.stdout.contains("       items:\n       - apiVersion: v1\n"), "{run}");
}

#[test]
fn machines_read_the_same() {
    let repository = repository();
    let run = repository.verify(&["debug", "--format=json"]).run().exits_with(1);
    let all: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(all.as_array().map(Vec::len), Some(3));
    assert_eq!(all[0]["case"]["name"], "adds a label");
    assert_eq!(all[0]["patch"][0]["op"], "add");
    assert_eq!(all[1]["policies"][0]["settings"], json!({ "owner": ["team-a"] }));
    assert_eq!(all[1]["expect"], json!({ "file": "suite.yml", "line": 14 }));
    assert!(all[2]["replies"][0].as_str().unwrap().contains(r#""name":"n1""#), "{}", all[2]);
    assert_eq!(all[0]["request"]["object"]["metadata"]["name"], "web");
    repository.verify(&["debug", "no such case"]).run().exits_with(4).says(&["none of the 3 cases is selected"]);
}

#[test]
fn the_shipped_suites_can_be_looked_into() {
    let suite = testdata().join("suites/quickstart/suite.yml");
    let run = Repository::new().verify(&["debug", suite.to_str().unwrap()]).run().exits_with(0);
    assert!(run.stdout.contains("  request\n"), "{run}");
}

#[test]
fn paths_start_in_the_working_directory_as_in_reports() {
    let repository = repository();
    let elsewhere = repository.write("labels/keep", "").write("labels/deep/keep", "");
    elsewhere.shell("git init -q").env("HOME", elsewhere.path("")).run().exits_with(0);
    for (folder, suite) in [("labels", "../suite.yml"), ("labels/deep", "../../suite.yml"), (".", "suite.yml")] {
        let arguments = [suite, "--filter", "says why"];
        let report = elsewhere.verify(&arguments).directory(folder).run().exits_with(1);
        assert!(report.stdout.contains(&format!("      {suite}:14 · ")), "{report}");
        let run = elsewhere.verify(&[&["debug"], &arguments[..]].concat()).directory(folder).run().exits_with(1);
        for part in [format!("{suite}:11\n"), format!("expected at {suite}:14"), format!(" {suite}:14 · ")] {
            assert!(run.stdout.contains(&part), "{part}: {run}");
        }
        let arguments = [&["debug", "--format=json"], &arguments[..]].concat();
        let json = elsewhere.verify(&arguments).directory(folder).run().exits_with(1);
        let document: Value = serde_json::from_str(&json.stdout).unwrap();
        assert_eq!(document[0]["expect"]["file"], "suite.yml");
    }
}
