//! Privileges: what the metadata of a policy declares against what its cases use.

use serde_json::json;

use crate::support::Repository;

const INGRESS: &str = "{ apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: { name: a, namespace: b }, spec: { rules: [{ host: c.test }] } }";

/// The declaration of what the policy uses: it lists all ingresses.
const LEAST: &str = "contextAwareResources: # read\n- apiVersion: networking.k8s.io/v1\n  kind: Ingress\n\
    hostCapabilities: # called\n- kubernetes/list_resources_all\nannotations: {}\n";

/// A policy of this build with these declarations, a case that makes it use them, and one that does not.
fn repository(policy: &str, mode: &str, declared: &str, gates: &str) -> Repository {
    let metadata = format!(
        "rules:\n- {{ apiGroups: [networking.k8s.io], apiVersions: [v1], resources: [ingresses], operations: [CREATE] }}\n\
         mutating: false\nexecutionMode: {mode}\n{declared}"
    );
    Repository::with_suite(&format!(
        "version: 1\npolicies:\n  hosts: {{ uri: {policy}/policy.wasm, metadata: metadata.yml, contextAware: [{{ apiVersion: networking.k8s.io/v1, kind: Ingress }}] }}\n\
         cases:\n  - {{ name: asks, object: {INGRESS}, cluster: [], expect: allow }}\n  - {{ name: asks nothing, object: {INGRESS}, unset: [spec.rules], cluster: [], expect: allow }}\n\
         gates: {gates}\n"
    ))
    .policy(policy)
    .write("metadata.yml", metadata)
}

#[test]
fn the_least_declaration_reaches_the_gate() {
    for (policy, mode) in [("unique-host", "kubewarden-wapc"), ("unique-host-go", "wasi")] {
        let repository = repository(policy, mode, LEAST, "{ privileges: least }");
        repository.verify(&["suite.yml"]).run().named(policy).exits_with(0).says(&["3 tests: 3 passed"]);
    }
}

/// The lines that the documentation shows.
fn documented() -> Vec<String> {
    let page = std::fs::read_to_string(crate::support::project().join("docs/trust.md")).unwrap();
    let section = page.split("\n## Privileges\n").nth(1).unwrap();
    let block = section.split("```").nth(1).unwrap();
    block.lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn each_difference_is_told_with_the_change_that_closes_it() {
    let declared = "contextAwareResources: # read\n- apiVersion: networking.k8s.io/v1\n  kind: Ingress\n- apiVersion: v1\n  kind: Secret\n\
        hostCapabilities: # called\n- kubernetes/*\n- net/v1/dns_lookup_host\nannotations: {}\n";
    let repository = repository("unique-host", "kubewarden-wapc", declared, "{ privileges: least }");
    let report = repository.verify(&["suite.yml"]).run().exits_with(1);
    report
        .says(&[
            "gate privileges",
            "hosts: declares `kubernetes/*`; the cases call `kubernetes/list_resources_all` only",
            "hosts: declares `net/v1/dns_lookup_host`, which no case calls",
            "hosts: declares v1/Secret, which no case reads",
            "help      add cases that use the privileges, or change the metadata",
            "--- a/metadata.yml",
            "+- kubernetes/list_resources_all",
        ])
        .says(&documented().iter().map(String::as_str).collect::<Vec<_>>())
        .never_says("which the metadata does not declare");
    let json = repository.report(&[]).0;
    let privileges = &json["policies"][0]["privileges"];
    assert_eq!(privileges["used"]["hostCapabilities"], json!(["kubernetes/list_resources_all"]));
    let patch = privileges["patch"].as_str().unwrap();
    let file = repository.path("least.patch");
    std::fs::write(&file, patch).unwrap();
    let git =
        std::process::Command::new("git").args(["apply", "least.patch"]).current_dir(repository.path(".")).status();
    assert!(git.unwrap().success(), "{patch}");
    assert!(repository.read("metadata.yml").ends_with(LEAST), "{patch}");
    repository.verify(&["suite.yml"]).run().exits_with(0);
}

#[test]
fn what_is_used_and_not_declared_is_told_too() {
    let repository = repository("unique-host", "kubewarden-wapc", "annotations: {}\n", "{ privileges: least }");
    repository.verify(&["suite.yml"]).run().exits_with(1).says(&[
        "hosts: calls `kubernetes/list_resources_all`, which the metadata does not declare",
        "hosts: reads networking.k8s.io/v1/Ingress, which the metadata does not declare",
        "+hostCapabilities:",
        "+contextAwareResources:",
    ]);
}

#[test]
fn a_name_that_the_module_contains_is_told_where_no_case_calls_it() {
    let suite = repository("unique-host", "kubewarden-wapc", LEAST, "{ privileges: least }").read("suite.yml");
    let quiet: String =
        suite.lines().filter(|line| !line.contains("name: asks,")).map(|line| format!("{line}\n")).collect();
    let declared = LEAST.replace("- kubernetes/list", "- net/v1/dns_lookup_host\n- kubernetes/list");
    let repository = repository("unique-host", "kubewarden-wapc", &declared, "{}").write("suite.yml", quiet);
    let report = repository.verify(&["suite.yml"]).run().exits_with(1);
    report.says(&[
        "declares `kubernetes/list_resources_all`, which no case calls, although its name is in the module\n",
        "declares `net/v1/dns_lookup_host`, which no case calls\n",
        "declares networking.k8s.io/v1/Ingress, which no case reads\n",
    ]);
}

/// The host reads what a Rego policy declares: it calls nothing, and uses all of it.
#[test]
fn rego_policies_use_what_they_are_given() {
    let declared = "contextAwareResources:\n- { apiVersion: networking.k8s.io/v1, kind: Ingress }\nannotations: {}\n";
    let repository = repository("unique-host-opa", "opa", declared, "{ privileges: least }");
    repository.verify(&["suite.yml"]).run().exits_with(0);
}

#[test]
fn a_run_of_some_cases_cannot_tell() {
    let repository = repository("unique-host", "kubewarden-wapc", LEAST, "{ privileges: least }");
    let report = repository.report(&["-f", "asks nothing"]).0;
    assert_eq!(report["policies"][0]["privileges"], json!(null));
    assert_eq!(report["cases"][1]["outcome"], json!("skipped"), "{report:#}");
}

#[test]
fn shards_use_privileges_together() {
    let repository = repository("unique-host", "kubewarden-wapc", LEAST, "{ privileges: least }");
    for number in ["1", "2"] {
        let part = format!("hash:{number}/2");
        let arguments = ["suite.yml", "--partition", &part, "--report", &format!("json={number}.json")];
        repository.verify(&arguments).run().exits_with(0);
    }
    let merged = repository.verify(&["merge", "1.json", "2.json"]).run().exits_with(0);
    merged.says(&["3 passed"]);
}

#[test]
fn differences_are_named_on_request() {
    let repository = repository("unique-host", "kubewarden-wapc", "annotations: {}\n", "{}");
    let quiet = repository.verify(&["suite.yml"]).run().exits_with(0);
    quiet.never_says("privileges");
    repository.verify(&["suite.yml", "--verbose"]).run().exits_with(0).says(&[
        "2 differences between declared and used privileges",
        "hosts · calls `kubernetes/list_resources_all`, which the metadata does not declare",
    ]);
}
