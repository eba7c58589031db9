//! Mode `ferricel` from outside: releases, metadata, reports. What its policies answer is in `testdata/suites/modes`.

use serde_json::json;

use crate::support::{Repository, guests, testdata};

const DEPLOYMENT: &str = "{ apiVersion: apps/v1, kind: Deployment, metadata: { name: web, labels: { owner: a, team: shop } }, spec: \
                          { replicas: 2, selector: { matchLabels: { a: b } }, template: { metadata: { labels: { a: b } }, spec: \
                          { containers: [{ name: web, image: registry.acme.test/web }] } } } }";

/// A suite about one policy with one case.
fn suite(policy: &str, case: &str) -> String {
    format!(
        "version: 1\nkubewarden: \"1.39\"\npolicies:\n  p: {{ {policy} }}\ncases:\n  - {{ name: a, object: {DEPLOYMENT}, {case} }}\n"
    )
}

const POLICY: &str = "uri: vap-replicas/policy.wasm, metadata: vap-replicas/metadata.yml";

#[test]
fn older_releases_do_not_know_the_mode() {
    let repository = Repository::with_suite(&suite(POLICY, "expect: allow")).policy("vap-replicas");
    repository.verify(&[]).run().exits_with(0);
    for release in ["1.36", "1.38"] {
        let run = repository.verify(&["--kubewarden", release]).run().exits_with(3);
        run.says(&["`executionMode: ferricel` needs Kubewarden 1.39", "run with `--kubewarden 1.39`"]);
    }
    // Without metadata the suite states the mode.
    let stated = suite("uri: vap-replicas/policy.wasm, executionMode: ferricel", "expect: allow");
    let repository = repository.write("suite.yml", stated.replace("kubewarden: \"1.39\"\n", ""));
    repository.verify(&[]).run().exits_with(3).says(&["`executionMode: ferricel` needs Kubewarden 1.39"]);
    repository.verify(&["--kubewarden", "1.39.0-rc.1"]).run().exits_with(0).says(&["has no metadata"]);
}

#[test]
fn reports_call_the_mode_experimental() {
    let repository = Repository::with_suite(&suite(POLICY, "expect: allow")).policy("vap-replicas");
    for format in ["human", "json", "markdown", "html", "ndjson"] {
        let run = repository.verify(&["--report", format]).run().exits_with(0);
        run.says(&["executionMode ferricel is experimental"]);
    }
    let report = repository.report(&[]);
    assert_eq!(report.0["policies"][0]["execution_mode"], "ferricel");
}

#[test]
fn modes_that_do_not_fit_the_module_are_refused() {
    let repository = Repository::with_suite(&suite("uri: vap-replicas/policy.wasm", "expect: allow"))
        .policy("vap-replicas")
        .guest("wapc-accepts");
    for (policy, texts) in [
        ("uri: vap-replicas/policy.wasm", ["was compiled by ferricel", "`executionMode: ferricel`"]),
        (
            "uri: vap-replicas/policy.wasm, executionMode: kubewarden-wapc",
            ["This policy has been created using ferricel", "write `executionMode: ferricel`"],
        ),
        (
            "uri: wapc-accepts.wasm, executionMode: ferricel",
            [
                "The policy is not a ValidatingAdmissionPolicy compiled by ferricel",
                "it looks like a policy for `executionMode: kubewarden-wapc`",
            ],
        ),
    ] {
        let repository =
            Repository::with_suite(&suite(policy, "expect: allow")).policy("vap-replicas").guest("wapc-accepts");
        repository.verify(&[]).run().exits_with(3).says(&texts);
    }
    let metadata = repository.read("vap-replicas/metadata.yml").replace("executionMode: ferricel\n", "");
    let repository = repository.write("metadata.yml", metadata);
    let arguments = ["annotate", "-m", "metadata.yml", "-o", "out.wasm", "vap-replicas/policy.wasm"];
    repository.verify(&arguments).run().exits_with(3).says(&["This policy has been created using ferricel"]);
}

#[test]
fn another_version_of_the_abi_is_not_served() {
    let module = std::fs::read(testdata().join("policies/vap-replicas/policy.wasm")).unwrap();
    let at = module.windows(20).position(|window| window == b"ferricel.abi-version").unwrap() + 20;
    for (byte, text) in [
        (
            b'2',
            "the ferricel module uses ABI version 2. This runtime supports ABI version 1. Compile the policy again with a newer kwctl",
        ),
        (b'x', "cannot read the ferricel ABI version of the module: "),
    ] {
        let mut other = module.clone();
        other[at] = byte;
        let repository = Repository::with_suite(&suite(POLICY, "expect: allow")).policy("vap-replicas");
        let repository = repository.write("vap-replicas/policy.wasm", other);
        repository.verify(&[]).run().exits_with(3).says(&[text]);
    }
}

#[test]
fn annotated_modules_are_inspected_with_their_host_capabilities() {
    let repository = Repository::new().policy("vap-replica-limit");
    let arguments =
        ["annotate", "-m", "vap-replica-limit/metadata.yml", "-o", "out.wasm", "vap-replica-limit/policy.wasm"];
    repository.verify(&arguments).run().exits_with(0).never_says("warning");
    let run = repository.verify(&["inspect", "out.wasm", "-o", "json"]).run().exits_with(0);
    let document: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&document["executionMode"], &document["looksLike"]), (&json!("ferricel"), &json!("ferricel")));
    assert_eq!(document["metadata"]["protocolVersion"], "Unknown");
    let wanted = ["kubernetes/get_resource", "kubernetes/list_resources_all", "kubernetes/list_resources_by_namespace"];
    assert_eq!(document["hostCapabilities"]["found"], json!(wanted));
    let run = repository.verify(&["inspect", "out.wasm"]).run().exits_with(0);
    run.says(&["a ValidatingAdmissionPolicy compiled by ferricel"]);
}

/// The host skips a policy whose params cannot be looked up, and names it as the cluster does.
#[test]
fn skipped_policies_are_named_as_they_are_deployed() {
    let settings = "settings: { failurePolicy: Ignore, paramKind: { apiVersion: v1, kind: ConfigMap }, paramRef: { name: limits, \
                    namespace: policies, parameterNotFoundAction: Deny } }";
    let policy = format!(
        "uri: vap-replica-limit/policy.wasm, metadata: vap-replica-limit/metadata.yml, contextAware: true, {settings}"
    );
    let is_skipped = |repository: &Repository, name: &str| {
        let report = repository.report(&[]);
        report.all_passed();
        let warning = report.case("a")["response"]["warnings"][0].as_str().unwrap().to_owned();
        let wanted = format!("policy {name} skipped (failurePolicy is Ignore): CEL runtime error: kw.k8s.get: ");
        assert!(warning.starts_with(&wanted), "{warning}");
    };
    let repository = Repository::with_suite(&suite(&policy, "cluster: [], expect: allow")).policy("vap-replica-limit");
    is_skipped(&repository, "p");
    let spec = json!({
        "module": "registry://acme.test/p:v1", "mutating": false, "contextAwareResources": [{ "apiVersion": "v1", "kind": "ConfigMap" }],
        "settings": {
            "failurePolicy": "Ignore", "paramKind": { "apiVersion": "v1", "kind": "ConfigMap" },
            "paramRef": { "name": "limits", "namespace": "policies", "parameterNotFoundAction": "Deny" },
        },
        "rules": [{ "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["CREATE"] }],
    });
    let manifest = json!({
        "apiVersion": "policies.kubewarden.io/v1", "kind": "ClusterAdmissionPolicy", "metadata": { "name": "limit" }, "spec": spec,
    });
    let policy = "uri: vap-replica-limit/policy.wasm, metadata: vap-replica-limit/metadata.yml, manifest: p.json";
    let repository = Repository::with_suite(&suite(policy, "cluster: [], expect: allow")).policy("vap-replica-limit");
    is_skipped(&repository.write("p.json", manifest.to_string()), "kw.cap.limit");
}

/// A call that the access rules refuse is a fault of the case, even where the policy is skipped for it.
#[test]
fn resources_that_are_not_granted_are_faults() {
    let settings = "settings: { failurePolicy: Ignore, paramKind: { apiVersion: v1, kind: ConfigMap }, paramRef: { name: limits, \
                    parameterNotFoundAction: Deny } }";
    let policy = format!("uri: vap-replica-limit/policy.wasm, metadata: vap-replica-limit/metadata.yml, {settings}");
    let repository = Repository::with_suite(&suite(&policy, "expect: allow")).policy("vap-replica-limit");
    let run = repository.verify(&[]).run().exits_with(1);
    run.says(&["Policy has not been granted access to Kubernetes v1/ConfigMap resources"]);
}

/// A module that is no policy of ferricel, as hostile as it can be, ends in a fault.
#[test]
fn expressions_that_are_no_policies_are_refused() {
    let module = guests::with_section(
        wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "cel_malloc") (param i32) (result i32) (i32.const 0)))"#)
            .unwrap(),
        "ferricel.cel-source",
        b"1 + 1",
    );
    let repository = Repository::with_suite(&suite("uri: p.wasm, executionMode: ferricel", "expect: allow"));
    let run = repository.write("p.wasm", module).verify(&[]).run().exits_with(3);
    run.says(&["The policy is not a ValidatingAdmissionPolicy compiled by ferricel"]);
}
