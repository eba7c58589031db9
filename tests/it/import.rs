//! `verify import`: tests of other tools become suites that run.

use serde_json::{Value, json};

use crate::support::{Repository, guests};

const CONSTRAINT: &str = "apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sShort
metadata: { name: short }
spec:
  match: { kinds: [{ apiGroups: [\"\"], kinds: [Pod] }] }
  parameters: { most: 10 }
";

const GATOR: &str = "kind: Suite
apiVersion: test.gatekeeper.sh/v1alpha1
metadata: { name: short }
tests:
  - name: short
    template: template.yaml
    constraint: constraint.yaml
    cases:
      - name: short-pod
        object: short.yaml
        assertions: [{ violations: no }]
      - name: long-pod
        object: long.yaml
        assertions: [{ violations: yes, message: too }]
";

fn pod(padding: usize) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: web, annotations: {{ a: {} }} }}\nspec: {{ containers: [{{ name: a, image: i }}] }}\n",
        "x".repeat(padding)
    )
}

/// A policy that denies long requests.
fn repository() -> Repository {
    let module = guests::replying_by_length(
        r#"{"valid":true,"accepted":true}"#,
        r#"{"valid":true,"accepted":false,"message":"too long"}"#,
    );
    Repository::new()
        .write("policy.wasm", module)
        .write("template.yaml", "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: { name: k8sshort }\nspec: { crd: { spec: { names: { kind: K8sShort } } }, targets: [] }\n")
        .write("constraint.yaml", CONSTRAINT)
        .write("suite.yaml", GATOR)
        .write("short.yaml", pod(1))
        .write("long.yaml", pod(5000))
}

#[test]
fn a_suite_of_gator_is_completed_by_the_answers_of_the_policy() {
    let repository = repository();
    let run = repository.verify(&["import", "gator", "suite.yaml"]).run().exits_with(0);
    for line in ["whole   suite.yaml:", "2 tests: 2 whole\n2 cases in suite.yml\n", "2 of 2 cases pass\n"] {
        assert!(run.stdout.contains(line), "{line:?}: {run}");
    }
    let suite = repository.read("suite.yml");
    assert!(suite.contains("most: 10") && suite.contains("expect: allow") && !suite.contains("accept"), "{suite}");
    repository.verify(&["suite.yml"]).run().exits_with(0).says(&["2 tests: 2 passed"]);
    // What is there is not overwritten by accident.
    std::fs::write(repository.path("suite.yml"), "version: 1\n").unwrap();
    let again = repository.verify(&["import", "gator", "suite.yaml"]).run().exits_with(2);
    again.says(&["`suite.yml` is there already", "--force"]);
    assert_eq!(repository.read("suite.yml"), "version: 1\n");
    repository.verify(&["import", "gator", "suite.yaml", "--force"]).run().exits_with(0);
}

#[test]
fn tests_of_bats_become_a_suite_that_passes() {
    let bats = r#"#!/usr/bin/env bats

@test "accepts an owner" {
  run kwctl run annotated-policy.wasm -r test_data/owned.json --settings-json '{"mandatory_labels": ["owner"]}'
  [ "$status" -eq 0 ]
  [ $(expr "$output" : '.*"allowed":true.*') -ne 0 ]
}

@test "rejects pods without an owner" {
  for file in test_data/not-*.json; do
    run kwctl run -r "$file" --settings-json '{"mandatory_labels": ["owner"]}' annotated-policy.wasm
    [[ "$output" == *'"allowed":false'* ]]
    echo "$output" | grep -q "mandatory labels are missing"
  done
}

@test "says no" {
  run kwctl run annotated-policy.wasm --request-path=test_data/not-1.json --settings-json '{"mandatory_labels": ["owner"]}'
  [ "$(echo "$output" | jq -r .allowed)" = "false" ]
}

@test "refuses settings" {
  run kwctl run annotated-policy.wasm -r test_data/owned.json --settings-json '{"denied_labels": ["a"], "mandatory_labels": ["a"]}'
  [ "$status" -ne 0 ]
}

@test "is small" {
  [ $(stat -c %s annotated-policy.wasm) -lt 5000000 ]
}
"#;
    let review = |labels: Value| {
        json!({ "uid": "1", "kind": { "group": "", "version": "v1", "kind": "Pod" },
                "resource": { "group": "", "version": "v1", "resource": "pods" }, "operation": "CREATE",
                "userInfo": { "username": "a", "groups": [] },
                "object": { "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "labels": labels }, "spec": {} } })
        .to_string()
    };
    let repository = Repository::new()
        .policy("safe-labels")
        .write("labels/e2e.bats", bats)
        .write("labels/test_data/owned.json", review(json!({ "owner": "a" })))
        .write("labels/test_data/not-1.json", review(json!({})))
        .write("labels/test_data/not-2.json", review(json!({ "team": "a" })));
    let annotate =
        ["annotate", "safe-labels/policy.wasm", "-m", "safe-labels/metadata.yml", "-o", "labels/annotated-policy.wasm"];
    repository.verify(&annotate).run().exits_with(0);
    let run = repository.verify(&["import", "bats", "labels/e2e.bats"]).run().exits_with(0);
    for line in [
        "whole   labels/e2e.bats:3  accepts an owner",
        "not     labels/e2e.bats:27  is small",
        "5 tests: 4 whole, 1 not",
        "5 of 5 cases pass",
    ] {
        assert!(run.stdout.contains(line), "{line:?}: {run}");
    }
    let suite = repository.read("labels/suite.yml");
    for part in [
        "  labels:\n    uri: annotated-policy.wasm",
        "expect: allow",
        "{ deny: { contains: mandatory labels are missing } }",
        "deny: \"The following mandatory labels are missing: owner\"",
        "# labels/e2e.bats:28",
    ] {
        assert!(suite.contains(part), "{part:?}: {suite}");
    }
    repository.verify(&["labels/suite.yml"]).run().exits_with(0).says(&["5 tests: 5 passed"]);
}

#[test]
fn a_policy_that_answers_otherwise_changes_no_expectation() {
    let repository = repository().replying("policy", r#"{"valid":true,"accepted":false,"message":"always"}"#);
    let run = repository.verify(&["import", "gator", "suite.yaml", "-o", "new/suite.yml"]).run().exits_with(0);
    assert!(run.stdout.contains("0 of 2 cases pass\n"), "{run}");
    assert!(run.stdout.contains("  fails: "), "{run}");
    let suite = repository.read("new/suite.yml");
    assert!(suite.contains("accept") && suite.contains("too") && suite.contains("../short.yaml"), "{suite}");
}

#[test]
fn without_the_policy_expectations_are_those_of_the_test() {
    let repository = repository();
    std::fs::remove_file(repository.path("policy.wasm")).unwrap();
    for arguments in
        [&["import", "gator", "suite.yaml", "--force"][..], &["import", "gator", "suite.yaml", "--force", "--no-run"]]
    {
        repository.verify(arguments).run().exits_with(0);
        assert!(repository.read("suite.yml").contains("expect: accept"), "{}", repository.read("suite.yml"));
    }
    let run = repository.verify(&["import", "gator", "suite.yaml", "-o", "-"]).run().exits_with(0);
    assert!(run.stdout.contains("version: 1\n") && !run.stdout.contains("whole"), "{run}");
    run.says(&["2 tests: 2 whole"]);
}

#[test]
fn recorded_requests_lose_personal_data_and_get_their_verdicts() {
    let review = |name: &str, padding: usize| {
        json!({ "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {
            "uid": "1b0a", "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" },
            "name": name, "namespace": "shop", "operation": "CREATE",
            "userInfo": { "username": "alice@acme.test", "groups": ["staff", "system:authenticated"] },
            "object": { "apiVersion": "v1", "kind": "Pod",
                        "metadata": { "name": name, "namespace": "shop", "annotations": { "a": "x".repeat(padding) } },
                        "spec": { "containers": [{ "name": "a", "image": "i" }] } },
        }})
        .to_string()
    };
    let repository = repository().write("audit.jsonl", format!("{}\n{}\n", review("web", 1), review("db", 5000)));
    let run = repository.verify(&["import", "reviews", "audit.jsonl"]).run().exits_with(0);
    for line in ["2 tests: 2 whole", "replaced: ", "2 expectations completed", "2 of 2 cases pass"] {
        assert!(run.stdout.contains(line), "{line:?}: {run}");
    }
    let suite = repository.read("suite.yml");
    assert!(suite.contains("expect: allow") && suite.contains("deny: too long"), "{suite}");
    let fixtures: Vec<String> = std::fs::read_dir(repository.path("fixtures"))
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    assert_eq!(fixtures.len(), 2);
    assert!(
        fixtures.iter().all(|text| !text.contains("alice") && text.contains("system:authenticated")),
        "{fixtures:?}"
    );
    let shell = "cat audit.jsonl | verify import reviews - --keep-personal-data --force --format json";
    let run = repository.shell(shell).run().exits_with(0);
    let told: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&told["suite"], &told["run"]["passed"]), (&json!("suite.yml"), &json!(2)), "{run}");
    assert_eq!(told["tests"][0]["fate"], "whole");
}

#[test]
fn what_is_imported_is_not_overwritten_and_mistakes_are_told() {
    let repository = repository();
    let onto_itself = ["import", "gator", "suite.yaml", "-o", "./suite.yaml", "--force"];
    repository.verify(&onto_itself).run().exits_with(2).says(&["would overwrite what is imported"]);
    let bats = "@test \"a\" {\n  run kwctl run policy.wasm -r pod.json --replay-host-capabilities-interactions gone.yml\n  [ $(expr \"$output\" : '.*allowed\":true.*') -ne 0 ]\n}\n";
    let repository = repository.write("e2e.bats", bats).write("pod.json", "{}");
    let run = repository.verify(&["import", "bats", "e2e.bats", "-o", "new.suite.yml"]).run().exits_with(2);
    run.says(&["gone.yml"]);
}

#[test]
fn what_is_no_test_is_refused() {
    let repository = repository().write("empty.json", "[]");
    for (arguments, says) in [
        (&["import", "gator", "short.yaml"][..], "no document is a Gatekeeper suite"),
        (&["import", "gator", "gone.yaml"], "cannot read `gone.yaml`"),
        (&["import", "kyverno", "short.yaml"], "no document is a Kyverno test"),
        (&["import", "kyverno", "short.yaml", "--module", "x"], "expected POLICY=MODULE"),
        (&["import", "reviews", "empty.json"], "there is no test in it"),
    ] {
        repository.verify(arguments).run().exits_with(2).says(&[says]);
    }
    assert!(!repository.path("suite.yml").exists());
}

#[cfg(unix)]
#[test]
fn nothing_outside_of_the_repository_is_read() {
    let elsewhere = tempfile::tempdir().unwrap();
    let secret = elsewhere.path().join("secret.yaml");
    std::fs::write(&secret, pod(1)).unwrap();
    let repository = repository();
    std::os::unix::fs::symlink(&secret, repository.path("link.yaml")).unwrap();
    let suite = GATOR.replace("object: short.yaml", "object: link.yaml");
    let repository = repository.write("suite.yaml", suite);
    let run = repository.verify(&["import", "gator", "suite.yaml", "--no-run"]).run();
    assert!(run.stdout.contains("it is outside of the repository"), "{run}");
}

#[test]
fn a_module_that_kwctl_annotates_is_taken_apart() {
    const POD: &str = r#"{"uid":"1","kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"operation":"CREATE","object":{},"userInfo":{}}"#;
    let bats = "@test \"a\" {\n  run kwctl run -e kubewarden-wapc annotated-policy.wasm -r pod.json\n  [ $(expr \"$output\" : '.*allowed.*true') -ne 0 ]\n}\n";
    let repository =
        |policy: &str| Repository::new().policy(policy).write("labels/e2e.bats", bats).write("labels/pod.json", POD);
    let moved = |policy: &str, command: &str| {
        let repository = repository(policy);
        repository.shell(&format!("cp {policy}/* labels; {command}")).run().exits_with(0);
        repository
    };
    let policies = |repository: &Repository| {
        repository.verify(&["import", "bats", "labels/e2e.bats", "--policy", "labels", "--force"]).run().exits_with(0);
        let suite = repository.read("labels/suite.yml");
        let (_, rest) = suite.split_once("  labels:\n").unwrap();
        rest.split_once("\n\n").unwrap().0.to_owned()
    };
    let apart = "    uri: policy.wasm\n    metadata: metadata.yml";
    let (built, made) =
        (moved("safe-labels", "true"), moved("safe-labels", "rm labels/*.wasm; echo 'policy.wasm:' > labels/Makefile"));
    assert!(policies(&built).starts_with(apart), "{}", policies(&built));
    assert!(policies(&made).starts_with(apart), "{}", policies(&made));
    let annotated = "    uri: annotated-policy.wasm";
    assert!(policies(&moved("safe-labels", "rm labels/*.wasm")).starts_with(annotated));
    assert!(policies(&moved("safe-labels", "rm labels/metadata.yml")).starts_with(annotated));
}
