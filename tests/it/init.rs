//! `verify init`: a first suite for a policy.

use serde_json::{Value, json};

use crate::support::registry::FakeRegistry;
use crate::support::{Repository, guests, testdata};

const POD_RULE: &str = "rules: [{ apiGroups: [\"\"], apiVersions: [v1], resources: [pods], operations: [CREATE] }]
mutating: false
executionMode: wasi
annotations:
  io.kubewarden.policy.title: short
  io.kubewarden.policy.description: d
  io.kubewarden.policy.author: a
  io.kubewarden.policy.url: https://example.com
  io.kubewarden.policy.source: https://example.com
  io.kubewarden.policy.license: Apache-2.0
  io.kubewarden.policy.severity: low
  io.kubewarden.policy.category: Examples
";

/// A policy that answers everything with this.
fn repository(reply: &str) -> Repository {
    let text = format!(
        "(module
          (import \"wasi_snapshot_preview1\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))
          (memory (export \"memory\") 1)
          (data (i32.const 100) {reply:?})
          (func (export \"_start\")
            (i32.store (i32.const 0) (i32.const 100))
            (i32.store (i32.const 4) (i32.const {}))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 20)))))",
        reply.len()
    );
    Repository::new().write("policy.wasm", guests::wapc_from(&text)).write("metadata.yml", POD_RULE)
}

fn accepting() -> Repository {
    repository(r#"{"valid":true,"accepted":true}"#)
}

#[test]
fn every_policy_gets_a_suite_that_passes() {
    let policies = std::fs::read_dir(testdata().join("policies")).unwrap().map(|entry| entry.unwrap().path());
    let named = policies.filter(|path| path.join("metadata.yml").exists());
    let mut names: Vec<String> = named.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    assert!(names.len() > 10);
    for name in names {
        let repository = Repository::new().policy(&name);
        let made = repository.verify(&["init", &name]).run().named(&name).exits_with(0);
        let suite = repository.read(&format!("{name}/suite.yml"));
        assert!(suite.contains("    metadata: metadata.yml\n"), "{suite}");
        let run = repository.verify(&[&format!("{name}/suite.yml")]).run().named(&name);
        // These read what only a mock can answer, or settings that only people know.
        match suite.contains("# Ends in a fault: ") || made.stdout.contains("rejects the settings") {
            true => drop(run.exits_with(1)),
            false => drop(run.exits_with(0)),
        }
        let has_advice =
            made.stdout.contains("next: ") && made.stdout.contains(&format!("run `verify {name}/suite.yml`"));
        assert!(has_advice, "{made}");
    }
}

#[test]
fn a_policy_of_labels_gets_the_suite_that_people_would_write() {
    let repository = Repository::new().policy("safe-labels");
    let run = repository.verify(&["init"]).directory("safe-labels").run().exits_with(0);
    for line in [
        "wrote suite.yml\nwrote fixtures/pod.yaml\nwrote fixtures/deployment.yaml\nwrote fixtures/namespace.yaml\n",
        "5 cases, 1 settings case: 5 allowed\n",
        "next: check the expectations of suite.yml",
    ] {
        assert!(run.stdout.contains(line), "{line:?}: {run}");
    }
    let suite = repository.read("safe-labels/suite.yml");
    let written = "policies:
  safe-labels:
    uri: policy.wasm
    metadata: metadata.yml
    settings: {}

cases:
  - name: CREATE Pod
    object: fixtures/pod.yaml
    expect: allow

  - name: UPDATE Pod
    object: fixtures/pod.yaml
    oldObject: fixtures/pod.yaml
    expect: allow

  - name: CREATE Deployment
";
    assert!(suite.contains(written), "{suite}");
    repository.verify(&[]).directory("safe-labels").run().exits_with(0).says(&["6 tests: 6 passed"]);
}

#[test]
fn what_is_there_is_not_overwritten() {
    let repository = accepting().write("suite.yml", "version: 1\n");
    repository.verify(&["init"]).run().exits_with(2).says(&["`suite.yml` is there already", "--force"]);
    assert_eq!(repository.read("suite.yml"), "version: 1\n");
    assert!(!repository.path("fixtures").exists());
    repository.verify(&["init", "--force"]).run().exits_with(0);
    repository.verify(&["init", "-o", "other/first.suite.yml"]).run().exits_with(0);
    let other = repository.read("other/first.suite.yml");
    assert!(other.contains("uri: ../policy.wasm") && other.contains("metadata: ../metadata.yml"), "{other}");
    repository.verify(&["other/first.suite.yml"]).run().exits_with(0);
    for input in ["policy.wasm", "metadata.yml"] {
        let arguments = ["init", "-m", "metadata.yml", "-o", input, "--force"];
        repository.verify(&arguments).run().exits_with(2).says(&["would overwrite what the suite is made of"]);
    }
    let run = repository.verify(&["init", "-o", "-"]).run().exits_with(0);
    assert!(run.stdout.contains("version: 1\n") && !run.stdout.contains("next"), "{run}");
}

#[test]
fn a_policy_is_found_or_asked_for() {
    let empty = Repository::new();
    empty.verify(&["init"]).run().exits_with(2).says(&["there is no module in `.`", "make policy.wasm"]);
    empty.verify(&["init", "gone.wasm"]).run().exits_with(3).says(&["gone.wasm"]);
    let other = Repository::new().replying("labels", r#"{"valid":true,"accepted":true}"#);
    let run = other.verify(&["init"]).run().exits_with(0);
    run.says(&["the policy has no metadata", "1 case, 1 settings case: 1 allowed"]);
    assert!(other.read("suite.yml").contains("  labels:\n    uri: labels.wasm\n    executionMode: kubewarden-wapc\n"));
    let two = other.replying("images", "{}");
    two.verify(&["init"]).run().exits_with(2).says(&["there are 2 modules in `.`", "images.wasm, labels.wasm"]);
    let rego = Repository::new().policy("rego-labels");
    std::fs::remove_file(rego.path("rego-labels/metadata.yml")).unwrap();
    rego.verify(&["init", "rego-labels"]).run().exits_with(2).says(&["of OPA or of Gatekeeper", "--metadata"]);
}

#[test]
fn a_policy_of_a_registry_is_fetched() {
    let fake = FakeRegistry::start();
    fake.add_policy("acme/labels", "v1", &guests::annotated(crate::publish::accepting("one")));
    let repository = Repository::new().write(".git/home/.config/kubewarden/sources.yaml", fake.sources());
    let uri = format!("registry://{}/acme/labels:v1", fake.host());
    let run = repository.verify(&["init", &uri, "--github"]).run().exits_with(0);
    run.says(&[
        "15 cases, 1 settings case: 15 allowed",
        "has cases for Pod, Deployment, Service, ConfigMap, Namespace only",
    ]);
    let suite = repository.read("suite.yml");
    assert!(suite.contains(&format!("  labels:\n    uri: {uri}\n    settings: {{}}\n")), "{suite}");
    // There is nothing to build.
    assert!(!repository.read(".github/workflows/verify.yml").contains("make policy.wasm"));
    repository.verify(&["suite.yml"]).run().exits_with(0);
    repository.verify(&["init", &uri, "--force", "--offline"]).run().exits_with(0);
}

#[test]
fn settings_are_those_that_the_form_would_send() {
    let form = "questions:
- { variable: description, type: string, default: null, hide_input: true }
- { variable: mandatory_labels, type: 'array[', default: [owner], required: true }
- { variable: denied_labels, type: 'array[', default: [] }
";
    let repository = Repository::new().policy("safe-labels").write("safe-labels/questions-ui.yml", form);
    let run = repository.verify(&["init", "safe-labels"]).run().exits_with(0);
    run.says(&["5 cases, 2 settings cases: 5 denied"]);
    let suite = repository.read("safe-labels/suite.yml");
    for part in [
        "    settings: { mandatory_labels: [owner], denied_labels: [] }\n",
        "deny: \"The following mandatory labels are missing: owner\"",
        "  - name: settings without mandatory_labels\n    value: { denied_labels: [] }\n    expect: valid\n",
    ] {
        assert!(suite.contains(part), "{part}: {suite}");
    }
    repository.verify(&["safe-labels/suite.yml"]).run().exits_with(0);
    // The defaults are rejected, and no settings are not.
    let form = form.replace("default: []", "default: [owner]");
    let repository = Repository::new().policy("safe-labels").write("form.yml", form);
    repository.verify(&["init", "safe-labels", "--questions", "form.yml"]).run().exits_with(0);
    let suite = repository.read("safe-labels/suite.yml");
    assert!(
        suite.contains("# The policy rejects the defaults of form.yml: ") && suite.contains("settings: {}"),
        "{suite}"
    );
}

#[test]
fn settings_that_are_rejected_are_told() {
    let repository = repository(r#"{"valid":false,"message":"rule is missing"}"#);
    let run = repository.verify(&["init"]).run().exits_with(0);
    run.says(&["the policy rejects the settings of the suite: ", "rule is missing", "next: fill in `settings`"]);
    let suite = repository.read("suite.yml");
    assert!(suite.contains("# The policy rejects these settings: ") && suite.contains("rule is missing"), "{suite}");
    assert!(suite.contains("    expect: accept\n") && !suite.contains("Ends in a fault"), "{suite}");
    repository.verify(&["list"]).run().exits_with(0).says(&["CREATE Pod"]);
}

#[test]
fn cases_without_a_verdict_say_why() {
    let repository = repository(r#"{"valid":true,"other":1}"#);
    let run = repository.verify(&["init"]).run().exits_with(0);
    run.says(&["1 case, 1 settings case: 1 without a verdict", "next: correct the cases"]);
    let suite = repository.read("suite.yml");
    assert!(suite.contains("  # Ends in a fault: ") && suite.contains("    expect: accept\n"), "{suite}");
    repository.verify(&["suite.yml"]).run().exits_with(1);
}

#[test]
fn raw_policies_get_an_example() {
    let repository = Repository::new().policy("raw-menu");
    repository.verify(&["init", "raw-menu"]).run().exits_with(0);
    let suite = repository.read("raw-menu/suite.yml");
    assert!(suite.contains("    raw: { user: alice, action: eats, resource: banana }\n"), "{suite}");
}

#[test]
fn the_policy_is_not_asked_with_no_run() {
    let repository = accepting();
    let run = repository.verify(&["init", "--no-run", "--format", "json"]).run().exits_with(0);
    let told: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&told["cases"], &told["run"]), (&json!(["CREATE Pod"]), &Value::Null), "{run}");
    assert!(repository.read("suite.yml").contains("expect: accept"));
}

#[test]
fn files_of_ci_systems_are_written() {
    let repository = accepting();
    let run = repository.verify(&["init", "--github", "--gitlab", "--pre-commit"]).run().exits_with(0);
    run.says(&[
        "wrote .github/workflows/test.yml",
        "wrote .github/workflows/release.yml",
        "wrote .gitlab-ci.yml",
        "replace OWNER in .github/workflows/test.yml, .github/workflows/release.yml, .gitlab-ci.yml by",
    ]);
    assert!(repository.read(".gitlab-ci.yml").contains("    - ./verify suite.yml --report junit=junit.xml\n"));
    assert!(repository.read(".pre-commit-config.yaml").contains("        entry: verify suite.yml\n"));
    // They may be wanted later, and nothing is overwritten.
    let repository = repository.write(".gitlab-ci.yml", "stages: []\n");
    repository
        .verify(&["init", "--gitlab"])
        .run()
        .exits_with(2)
        .says(&[".gitlab-ci.yml` is there already", "add to it"]);
    assert_eq!(repository.read(".gitlab-ci.yml"), "stages: []\n");
    repository.verify(&["init", "--github"]).run().exits_with(0).says(&["kept suite.yml", "wrote .github"]);
}

#[test]
fn tests_that_are_there_are_pointed_out() {
    let repository = accepting().write("e2e.bats", "").write("a.bats", "");
    repository.verify(&[]).run().exits_with(2).says(&[
        "make a suite of the tests in a.bats: verify import bats a.bats",
        "make a first suite for the policy: verify init",
        "name a suite: verify path/to/suite.yml",
    ]);
    repository
        .verify(&["init"])
        .run()
        .exits_with(0)
        .says(&["a.bats has tests too: `verify import bats a.bats --force`"]);
    let empty = Repository::new();
    empty.verify(&[]).run().exits_with(2).says(&["name a suite"]).never_says("verify init");
}

const MAKEFILE: &str = "policy.wasm: src\n\tcargo build\nfmt lint:\n\ttrue\ntest: fmt # all\n\tcargo test\n";

/// The inputs of a job of a workflow.
fn inputs(repository: &Repository, workflow: &str, job: &str) -> Value {
    let text = repository.read(&format!(".github/workflows/{workflow}.yml"));
    let document: Value = serde_saphyr::from_str(&text).unwrap();
    document["jobs"][job]["with"].clone()
}

/// Repositories of all kinds of policies, with their workflows.
pub(crate) fn with_workflows() -> Vec<(&'static str, Repository)> {
    let published = format!("{POD_RULE}  io.kubewarden.policy.ociUrl: ghcr.io/acme/policies/short\n");
    let rust = || accepting().write("metadata.yml", &published).write("Makefile", MAKEFILE).write("Cargo.toml", "");
    let below = |repository: Repository| {
        let move_it = "mkdir -p policies/my-labels; mv policy.wasm metadata.yml Makefile Cargo.toml policies/my-labels; touch package.json";
        repository.shell(move_it).run().exits_with(0);
        repository
    };
    let all = [
        ("rust", rust(), ""),
        ("one of several", below(rust()), "policies/my-labels"),
        ("nothing known", accepting(), ""),
        ("rego", accepting().write("Makefile", MAKEFILE).write("policy.rego", "allow if input.x\n"), ""),
        ("go", accepting().write("Makefile", "policy.wasm:\n\ttinygo build\n").write("go.mod", ""), ""),
    ];
    let made = all.map(|(name, repository, folder)| {
        let folder = if folder.is_empty() { "." } else { folder };
        repository.shell("git init -q").env("HOME", repository.path("")).run().exits_with(0);
        repository.verify(&["init", folder, "--github"]).run().named(name).exits_with(0);
        (name, repository)
    });
    made.into()
}

#[test]
fn workflows_fit_the_policy() {
    for (name, repository) in with_workflows() {
        let (suffix, folder, tags) = match name {
            "one of several" => ("-my-labels", json!("policies/my-labels"), json!(["my-labels/v*"])),
            _ => ("", Value::Null, json!(["v*"])),
        };
        let (test, release) = (format!("test{suffix}"), format!("release{suffix}"));
        let tested = inputs(&repository, &test, "test");
        assert_eq!(inputs(&repository, &release, "test"), tested, "{name}");
        let released = inputs(&repository, &release, "release");
        let text = repository.read(&format!(".github/workflows/{release}.yml"));
        let document: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(document["on"]["push"]["tags"], tags, "{text}");
        let target = released["oci-target"].as_str().unwrap();
        match name {
            "rust" | "one of several" => assert_eq!(target, "ghcr.io/acme/policies/short"),
            _ => assert!(target.starts_with("ghcr.io/${{ github.repository_owner }}/policies/"), "{target}"),
        }
        let wanted = match name {
            "rust" => json!({ "toolchain": "rust", "lint": "make lint" }),
            "one of several" => json!({ "policy-working-dir": folder, "toolchain": "rust", "lint": "make lint" }),
            "rego" => json!({ "toolchain": "opa@1.5.1", "lint": "make lint" }),
            "go" => json!({ "toolchain": "tinygo", "unit-tests": "" }),
            _ => json!({ "build": "make policy.wasm", "unit-tests": "" }),
        };
        assert_eq!(tested, wanted, "{name}");
        let mut wanted = wanted;
        for only in ["lint", "unit-tests"] {
            wanted.as_object_mut().unwrap().remove(only);
        }
        wanted["oci-target"] = target.into();
        assert_eq!(released, wanted, "{name}");
    }
}

#[test]
fn workflows_are_written_before_the_policy_is_built() {
    let repository = Repository::with_suite(
        "version: 1\npolicies: { a: { uri: build/a.wasm, metadata: metadata.yml }, b: { uri: ./b.wasm } }\ncases: []\n",
    )
    .write("metadata.yml", POD_RULE)
    .write("Makefile", "build/a.wasm b.wasm:\n\ttrue\n")
    .write("go.mod", "");
    repository.shell("git init -q").env("HOME", repository.path("")).run().exits_with(0);
    repository.verify(&["init", "--github"]).run().exits_with(0).says(&["kept suite.yml", "wrote .github"]);
    let released = inputs(&repository, "release", "release");
    assert_eq!(released["files"], "b.wasm\nbuild/a.wasm\n");
    assert_eq!((&released["build"], &released["toolchain"]), (&json!("make b.wasm"), &json!("go")));
    // The policies are written elsewhere.
    let elsewhere =
        Repository::with_suite("version: 1\npolicies: deploy/*.yaml\ncases: []\n").write("Makefile", MAKEFILE);
    elsewhere.verify(&["init", "--github"]).run().exits_with(0).says(&["wrote .github/workflows/release.yml"]);
    assert_eq!(inputs(&elsewhere, "release", "release")["files"], Value::Null);
    // A policy of a registry has nothing to build.
    let repository =
        repository.write("suite.yml", "version: 1\npolicies: { a: registry://ghcr.io/acme/a:v1 }\ncases: []\n");
    repository.verify(&["init", "--github"]).run().exits_with(0).says(&["wrote .github/workflows/verify.yml"]);
}

#[test]
fn workflows_of_kubewarden_are_replaced_and_not_overwritten() {
    let old = "on: push\njobs: { test: { uses: kubewarden/github-actions/.github/workflows/reusable-test-policy-rust.yml@v4 } }\n";
    let repository = accepting().write(".github/workflows/test.yml", old).write(".github/workflows/old.yml", old);
    let run = repository.verify(&["init", "--github"]).run().exits_with(2);
    run.says(&[
        "Kubewarden's workflows are there already: .github/workflows/test.yml",
        "run `git rm .github/workflows/test.yml`, then this command again",
    ]);
    assert!(!repository.path("suite.yml").exists());
    std::fs::remove_file(repository.path(".github/workflows/test.yml")).unwrap();
    let run = repository.verify(&["init", "--github"]).run().exits_with(0);
    run.says(&[
        "note: .github/workflows/old.yml calls Kubewarden's workflows; delete it",
        "note: releases go to ghcr.io/${{ github.repository_owner }}/policies/",
    ]);
}

#[test]
fn metadata_puts_nothing_into_workflows_but_a_repository() {
    for target in ["ghcr.io/a/b${{ secrets.X }}", "ghcr.io/a/b\\n  run: id", "b", "https://ghcr.io/a/b"] {
        let metadata = format!("{POD_RULE}  io.kubewarden.policy.ociUrl: \"{target}\"\n");
        let repository = accepting().write("metadata.yml", metadata);
        repository.verify(&["init", "--github"]).run().exits_with(0);
        let released = inputs(&repository, "release", "release");
        let target = released["oci-target"].as_str().unwrap();
        assert!(target.starts_with("ghcr.io/${{ github.repository_owner }}/policies/"), "{target}");
    }
}

#[test]
fn rules_without_end_are_bounded() {
    let many: Vec<String> = (0..5000).map(|number| format!("r{number}s")).collect();
    let many = many.join(", ");
    let metadata: String = POD_RULE.lines().skip(1).map(|line| format!("{line}\n")).collect();
    let rule = |groups: &str| {
        format!("{{ apiGroups: [{groups}], apiVersions: [v1], resources: [{many}], operations: [\"*\"] }}")
    };
    let metadata = format!("rules: [{}, {}]\n{metadata}", rule("acme.test"), rule(&many));
    let repository = accepting().write("metadata.yml", metadata);
    let run = repository.verify(&["init"]).run().exits_with(0);
    run.says(&["100 cases", "more requests of the rules have no case", "they name more than 10000 resources"]);
    assert!(std::fs::read_dir(repository.path("fixtures")).unwrap().count() <= 102);
}

#[test]
fn forms_that_are_none_are_refused() {
    for (form, says) in [("a: [", "invalid YAML"), (&"[".repeat(5000), "YAML"), (&" ".repeat(2 << 20), "cannot read")] {
        let repository = accepting().write("questions-ui.yml", form);
        repository.verify(&["init"]).run().exits_with(2).says(&[says]);
        assert!(!repository.path("suite.yml").exists());
    }
    let hostile =
        "questions: [{ variable: \"a: b # ${x}\", type: string, default: \"${env:HOME} \\u0007\", required: true }]";
    let repository = accepting().write("questions-ui.yml", hostile);
    repository.verify(&["init"]).run().exits_with(0);
    assert!(repository.read("suite.yml").contains("$${env:HOME}"));
    repository.verify(&["suite.yml"]).run().exits_with(0);
}
