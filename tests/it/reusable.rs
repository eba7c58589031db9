//! The workflows that others call, from the pull request to the release: `act` runs callers of a dozen lines.
#![cfg(unix)]

use serde_json::{Value, json};

use crate::action::example;
use crate::support::act::{ACTION, Act, Log};
use crate::support::distribution::Distribution;
use crate::support::program::program;
use crate::support::{POD, Repository, project};

/// A machine with what a release needs.
struct Machine {
    act: Act,
    registry: Distribution,
}

impl Machine {
    /// None where `act`, a registry or `jq` is missing.
    fn new() -> Option<Self> {
        let act = Act::new()?;
        program("jq")?;
        act.tool("cosign", &format!("echo \"$*\" >> '{}'", act.path("noted/cosign").display()));
        act.tool("rustup", &format!("echo \"rustup $*\" >> '{}'", act.path("noted/tools").display()));
        let registry = Distribution::start()?;
        std::fs::write(act.path("sources.yaml"), format!("insecure_sources: [\"{}\"]\n", registry.host)).unwrap();
        Some(Self { act, registry })
    }

    fn run(&self, repository: &Repository, event: &str, document: &Value) -> Log {
        let sources = format!("VERIFY_SOURCES_PATH={}", self.act.path("sources.yaml").display());
        self.act.run_only(repository, event, document, &["--env", &sources])
    }

    /// What an action or a tool was given, a line each.
    fn noted(&self, name: &str) -> Vec<String> {
        self.act.noted(name).lines().map(str::to_owned).collect()
    }

    /// The files attached to the release.
    fn assets(&self, artifact: &str) -> Vec<String> {
        let folder = self.act.path("artifacts").join(artifact).join("assets");
        let mut names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// The safe-labels policy of version 1.2.3, in a folder, with what a policy's repository has.
fn policy(repository: Repository, folder: &str, expect: &str) -> Repository {
    let copy = |path: &str| std::fs::read(project().join("testdata/policies/safe-labels").join(path)).unwrap();
    let metadata = String::from_utf8(copy("metadata.yml")).unwrap();
    let (before, rest) = metadata.split_once("io.kubewarden.policy.version: ").unwrap();
    let metadata = format!("{before}io.kubewarden.policy.version: 1.2.3\n{}", rest.split_once('\n').unwrap().1);
    let suite = format!(
        "version: 1\nname: labels\npolicies: {{ p: {{ uri: policy.wasm, metadata: metadata.yml }} }}\n\
         cases:\n  - {{ name: a, object: {POD}, expect: {expect} }}\n"
    );
    let makefile = "policy.wasm:\n\tcp source.wasm policy.wasm\ntest:\n\t@echo the unit tests ran\n";
    repository
        .write(&format!("{folder}suite.yml"), suite)
        .write(&format!("{folder}source.wasm"), copy("policy.wasm"))
        .write(&format!("{folder}metadata.yml"), metadata)
        .write(&format!("{folder}Makefile"), makefile)
}

/// Makes a commit of everything, with a tag.
fn tagged(repository: Repository, tag: &str) -> Repository {
    let git = format!(
        "git init -q; git add -A; git -c user.name=t -c user.email=t@example.com commit -qm all; git tag {tag}"
    );
    repository.shell(&git).env("HOME", repository.path("")).run().exits_with(0);
    repository
}

/// The caller of the documentation that releases, with the registry of the test and without the job that tests.
fn releasing(machine: &Machine, inputs: &str) -> String {
    let caller = testing_and_releasing(machine);
    let (before, rest) = caller.split_once("  test:\n").unwrap();
    let (_, release) = rest.split_once("  release:\n    needs: test\n").unwrap();
    format!("{before}  release:\n{release}{inputs}")
}

/// The whole caller, with the registry of the test.
fn testing_and_releasing(machine: &Machine) -> String {
    let caller = example("reusable-release.yml");
    let target = "ghcr.io/acme/policies/safe-labels";
    assert!(caller.contains(target), "{caller}");
    caller.replace(target, &format!("{}/acme/policies/safe-labels", machine.registry.host))
}

/// What the event says of a repository.
fn event(reference: &str, is_private: bool) -> Value {
    json!({ "ref": reference, "repository": { "default_branch": "main", "private": is_private, "full_name": "acme/p" } })
}

#[test]
fn pull_request_is_tested_by_the_workflow_of_the_documentation() {
    let Some(machine) = Machine::new() else { return };
    let repository =
        policy(Repository::new(), "", "allow").write(".github/workflows/test.yml", example("reusable-test.yml"));
    let log = machine.run(&repository, "pull_request", &json!({ "pull_request": { "number": 7 } }));
    log.0.exits_with(0).says(&["the unit tests ran", "1 test: 1 passed"]);
    assert!(machine.act.path("artifacts/policy-junit/policy-verify-junit.xml").is_file());
}

/// What `gh` was told, a line each.
fn told_gh(machine: &Machine) -> Vec<String> {
    machine.noted("tools").into_iter().filter(|line| line.starts_with("gh release")).collect()
}

#[test]
fn tag_becomes_a_release_of_exactly_what_passed() {
    let Some(machine) = Machine::new() else { return };
    let repository =
        policy(Repository::new(), "", "allow").write(".github/workflows/release.yml", releasing(&machine, ""));
    let repository = tagged(repository, "v1.2.3");
    let log = machine.run(&repository, "push", &event("refs/tags/v1.2.3", false));
    let (owner, name) = ACTION.split_once('/').unwrap();
    log.0.never_says("secret-token").exits_with(0).says(&[
        "metadata.yml:18: 1.2.3, as the tag `v1.2.3`",
        &format!("kwctl verify --github-owner {owner} --github-repo {name} -a repository="),
    ]);
    // The tag of the registry leads to the module of the release.
    let tagged = format!("{}/acme/policies/safe-labels:v1.2.3", machine.registry.host);
    let sources = machine.act.path("sources.yaml");
    let with_sources = ["--sources-path", sources.to_str().unwrap()];
    let found = repository.verify(&[&["digest", &tagged], &with_sources[..]].concat()).run().exits_with(0).stdout;
    let reference = found.trim_end().replace(":v1.2.3@", "@");
    repository
        .verify(&[&["pull", &format!("registry://{reference}"), "-o", "pulled.wasm"], &with_sources[..]].concat())
        .run()
        .exits_with(0);
    let assets = machine.act.path("artifacts/policy-release/assets");
    assert_eq!(
        std::fs::read(assets.join("annotated-policy.wasm")).unwrap(),
        std::fs::read(repository.path("pulled.wasm")).unwrap()
    );
    assert_eq!(
        machine.assets("policy-release"),
        ["SHA256SUMS", "annotated-policy.wasm", "policy-sbom.spdx.json", "provenance.intoto.jsonl"]
    );
    let sums =
        repository.shell(&format!("cd '{}' && sha256sum --check SHA256SUMS", assets.display())).run().exits_with(0);
    assert_eq!(sums.stdout, "annotated-policy.wasm: OK\npolicy-sbom.spdx.json: OK\n");
    // Provenance and results by the action, then the components beside the policy, then the files.
    let attested = machine.noted("actions-attest");
    assert_eq!(attested.len(), 4, "{attested:?}");
    for (line, words) in attested.iter().zip([
        &["IN_PUSH_TO_REGISTRY=true"][..],
        &["IN_PREDICATE_TYPE=https://in-toto.io/attestation/test-result/v0.1"],
        &["IN_PUSH_TO_REGISTRY=true", "IN_SBOM_PATH=", "/assets/policy-sbom.spdx.json"],
        &["IN_SUBJECT_CHECKSUMS=", "/assets/SHA256SUMS"],
    ]) {
        assert!(words.iter().all(|word| line.contains(word)), "{words:?}: {line}");
    }
    // The certificate names the workflow; the signature, and what is said of it, the repository that called it.
    let signed = machine.noted("cosign");
    assert!(signed.len() == 2 && signed.iter().all(|line| line.contains(" --annotations repository=")), "{signed:?}");
    // A draft until everything is attached.
    let told = told_gh(&machine);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[1].starts_with("gh release create v1.2.3 --draft --verify-tag --title v1.2.3 "), "{told:?}");
    assert!(
        machine.assets("policy-release").iter().all(|asset| told[1].contains(&format!("/assets/{asset}"))),
        "{told:?}"
    );
    assert_eq!(told[2], "gh release edit v1.2.3 --draft=false");
    let notes = std::fs::read_to_string(machine.act.path("artifacts/policy-release/notes.md")).unwrap();
    assert!(notes.contains(&format!("`registry://{reference}`")), "{notes}");
    assert!(notes.contains(&format!("gh attestation verify oci://{reference} --repo ")), "{notes}");
}

#[test]
fn main_branch_becomes_latest_without_a_release() {
    let Some(machine) = Machine::new() else { return };
    let workflow = testing_and_releasing(&machine);
    let repository = policy(Repository::new(), "", "allow").write(".github/workflows/release.yml", workflow);
    let log = machine.run(&repository, "push", &event("refs/heads/main", false));
    log.0.exits_with(0).says(&["the unit tests ran", "a branch names no version", "safe-labels:latest"]);
    assert_eq!(told_gh(&machine), [""; 0]);
}

#[test]
fn nothing_is_published_of_a_policy_whose_unit_tests_fail() {
    let Some(machine) = Machine::new() else { return };
    let repository = policy(Repository::new(), "", "allow")
        .write("Makefile", "policy.wasm:\n\tcp source.wasm policy.wasm\ntest:\n\t@false\n")
        .write(".github/workflows/release.yml", testing_and_releasing(&machine));
    let log = machine.run(&repository, "push", &event("refs/heads/main", false));
    log.0.exits_with(1).says(&["1 test: 1 passed"]).never_says("PUSHED");
    assert_eq!(machine.noted("cosign"), [""; 0]);
}

#[test]
fn private_repository_is_released_without_attestations_and_says_why() {
    let Some(machine) = Machine::new() else { return };
    let repository =
        policy(Repository::new(), "", "allow").write(".github/workflows/release.yml", releasing(&machine, ""));
    let repository = tagged(repository, "v1.2.3");
    let log = machine.run(&repository, "push", &event("refs/tags/v1.2.3", true));
    log.0.exits_with(0).says(&["the repository is not public, so nothing is attested", "set `attest: true`"]);
    assert_eq!(machine.noted("actions-attest"), [""; 0]);
    assert_eq!(machine.noted("cosign").len(), 2);
    assert_eq!(machine.assets("policy-release"), ["SHA256SUMS", "annotated-policy.wasm", "policy-sbom.spdx.json"]);
    assert_eq!(told_gh(&machine).len(), 3);
}

#[test]
fn nothing_is_published_of_a_policy_that_failed_or_has_another_version() {
    for (tag, expect, says) in [
        ("v1.2.3", "{ deny: no }", "p was not pushed: 1 of its 1 tests did not pass"),
        ("v1.2.4", "allow", "metadata.yml:18: the version is 1.2.3; the tag `v1.2.4` names 1.2.4"),
    ] {
        let Some(machine) = Machine::new() else { return };
        let repository =
            policy(Repository::new(), "", expect).write(".github/workflows/release.yml", releasing(&machine, ""));
        let repository = tagged(repository, tag);
        let log = machine.run(&repository, "push", &event(&format!("refs/tags/{tag}"), false));
        log.0.exits_with(1).says(&[says]).never_says("PUSHED");
        assert_eq!(told_gh(&machine), [""; 0]);
        assert_eq!(machine.noted("cosign"), [""; 0]);
        assert_eq!(machine.act.path("artifacts/policy-built").exists(), tag == "v1.2.3");
    }
}

#[test]
fn one_of_several_policies_is_released_by_its_tag() {
    let Some(machine) = Machine::new() else { return };
    let bom = r#"{"spdxVersion":"SPDX-2.3","SPDXID":"a"}"#;
    let inputs =
        format!("      sbom: bom.json\n      build: |\n        make policy.wasm\n        echo '{bom}' > bom.json\n");
    let repository = policy(policy(Repository::new(), "policies/labels/", "allow"), "policies/other/", "{ deny: no }");
    let repository =
        tagged(repository.write(".github/workflows/release.yml", releasing(&machine, &inputs)), "labels/v1.2.3");
    let log = machine.run(&repository, "push", &event("refs/tags/labels/v1.2.3", false));
    log.0.exits_with(0).says(&["policies/labels/metadata.yml:"]);
    let artifact = "policy-policies-labels-release";
    assert_eq!(
        machine.assets(artifact),
        ["SHA256SUMS", "annotated-policy.wasm", "bom.json", "provenance.intoto.jsonl"]
    );
    let told = told_gh(&machine);
    assert!(
        told[1].starts_with("gh release create labels/v1.2.3 ") && told[1].contains(" --latest=false "),
        "{told:?}"
    );
    assert!(!told[1].contains("--generate-notes"), "{told:?}");
}

#[test]
fn pull_request_releases_nothing() {
    let Some(machine) = Machine::new() else { return };
    let workflow = releasing(&machine, "").replace("on:\n", "on:\n  pull_request:\n");
    let repository = policy(Repository::new(), "", "allow").write(".github/workflows/release.yml", workflow);
    let log = machine.run(&repository, "pull_request", &json!({ "pull_request": { "number": 7 } }));
    log.0.exits_with(1).says(&["nothing is pushed on the event `pull_request`"]).never_says("Run Main Build");
}

#[test]
fn only_changed_policies_are_tested() {
    let Some(machine) = Machine::new() else { return };
    let repository = policy(policy(Repository::new(), "policies/labels/", "allow"), "policies/other/", "{ deny: no }");
    let repository = repository.write(".github/workflows/test.yml", example("reusable-monorepo.yml"));
    let git = "git -c user.name=t -c user.email=t@example.com";
    let script = format!(
        "git init -q; git add -A; {git} commit -qm base; git checkout -qb change; echo x > policies/labels/README.md; git add -A; \
         {git} commit -qm change; git checkout -q main; {git} merge -q --no-ff change -m merge"
    );
    repository.shell(&script).env("HOME", repository.path("")).run().exits_with(0);
    let log = machine.run(&repository, "pull_request", &json!({ "pull_request": { "number": 7 } }));
    log.0.exits_with(0).says(&["policies: [\"policies/labels\"]", "1 test: 1 passed"]).never_says("1 failed");
}

#[test]
fn linters_and_unit_tests_fail_a_pull_request_whose_suite_passes() {
    for (inputs, code, says) in [
        ("      unit-tests: ''\n", 0, "1 test: 1 passed"),
        ("      unit-tests: ''\n      lint: 'false'\n", 1, "Failure - Main Lint"),
        ("      unit-tests: exit 7\n", 1, "exit status 7"),
        ("      build: exit 8\n", 1, "exit status 8"),
    ] {
        let Some(machine) = Machine::new() else { return };
        let workflow = example("reusable-test.yml") + inputs;
        let repository = policy(Repository::new(), "", "allow").write(".github/workflows/test.yml", workflow);
        let log = machine.run(&repository, "pull_request", &json!({ "pull_request": { "number": 7 } }));
        let is_green = log.0.stdout.contains("1 test: 1 passed");
        assert_eq!(is_green, !inputs.contains("exit 8"), "{}", log.0);
        log.0.named(inputs).exits_with(code).says(&[says]);
    }
}
