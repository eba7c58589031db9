//! Policies as they are deployed: what a manifest says, what it selects, and what it cannot be.

use serde_json::{Value, json};

use crate::support::{POD, Repository, guests};

const YES: &str = r#"{"valid":true,"accepted":true}"#;

const MUTATING: &str = r#"{"valid":true,"accepted":true,"mutated_object":{"changed":true}}"#;

/// What a manifest needs at least; `spec` follows its rules.
fn manifest(kind: &str, spec: &str) -> String {
    let namespace = if kind.starts_with("Cluster") { "" } else { ", namespace: shop" };
    format!(
        "apiVersion: policies.kubewarden.io/v1\nkind: {kind}\nmetadata: {{ name: deployed{namespace} }}\nspec:\n  \
         rules: [{{ apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE] }}]\n{spec}"
    )
}

fn repository(manifest: &str, policy: &str, cases: &str) -> Repository {
    Repository::with_suite(&format!("version: 1\nname: s\npolicies:\n  p: {{ {policy} }}\n{cases}"))
        .write("deploy/p.yaml", manifest)
        .replying("yes", YES)
        .write("no.wasm", guests::denying("not today"))
        .replying("mutating", MUTATING)
}

/// A case about a pod in the namespace `shop`.
fn case(rest: &str) -> String {
    format!("cases:\n  - {{ name: a, object: {POD}, namespace: shop, {rest} }}\n")
}

#[track_caller]
fn passes(manifest: &str, policy: &str, cases: &str) -> Value {
    let report = repository(manifest, policy, cases).report(&[]);
    report.all_passed();
    report.0.clone()
}

const HERE: &str = "manifest: deploy/p.yaml, uri: yes.wasm";

#[test]
fn mode_message_and_mutating_are_those_of_the_manifest() {
    let cluster = |spec: &str| manifest("ClusterAdmissionPolicy", &format!("  module: ghcr.io/a/b:v1\n{spec}"));
    let with = |uri: &str| format!("manifest: deploy/p.yaml, uri: {uri}.wasm");
    passes(&cluster(""), &with("no"), &case("expect: { deny: not today }"));
    passes(&cluster("  mode: monitor\n"), &with("no"), &case("expect: allow"));
    let replaced = json!([{ "reason": null, "message": "not today", "field": null }]);
    let report = passes(
        &cluster("  message: ask the platform team\n"),
        &with("no"),
        &case("expect: { deny: ask the platform team }"),
    );
    assert_eq!(report["cases"][0]["response"]["status"]["details"]["causes"], replaced);
    // Not mutating is the default here, and the message names the resource.
    let refused = "Request rejected by policy deployed. The policy attempted to mutate the request, but it is currently configured to not allow mutations.";
    passes(&cluster(""), &with("mutating"), &case(&format!("expect: {{ deny: '{refused}' }}")));
    passes(&cluster("  mutating: true\n"), &with("mutating"), &case("expect: mutate"));
}

#[test]
fn settings_and_their_place_are_those_of_the_manifest() {
    let text = manifest("AdmissionPolicy", "  module: m\n  settings: { mandatory_labels: [team] }\n");
    let labels = "manifest: deploy/p.yaml, uri: safe-labels/policy.wasm, metadata: safe-labels/metadata.yml, variants: { owned: { mandatory_labels: [owner] } }";
    let cases = case("expect: { deny: { contains: team } }")
        + &case("variant: owned, expect: allow").replace("cases:\n", "").replace("name: a", "name: b");
    repository(&text, labels, &cases).policy("safe-labels").report(&[]).all_passed();
}

#[test]
fn what_the_webhook_does_not_select_is_not_asked() {
    let cluster = |spec: &str| manifest("ClusterAdmissionPolicy", &format!("  module: m\n{spec}"));
    let other = |kind: &str, text: &str| passes(&manifest(kind, "  module: m\n"), HERE, text);
    other("ClusterAdmissionPolicy", &case("operation: UPDATE, expect: not-applicable"));
    other("AdmissionPolicy", &case("expect: allow"));
    other("AdmissionPolicy", &case("expect: not-applicable").replace("namespace: shop", "namespace: other"));
    other("AdmissionPolicy", &case("rules: ignore, expect: allow").replace("namespace: shop", "namespace: other"));
    passes(&cluster("  objectSelector: { matchLabels: { owner: team-a } }\n"), HERE, &case("expect: allow"));
    passes(
        &cluster("  objectSelector: { matchExpressions: [{ key: owner, operator: DoesNotExist }] }\n"),
        HERE,
        &case("expect: not-applicable"),
    );
    let selector = "  namespaceSelector: { matchLabels: { env: production } }\n";
    let namespace = |env: &str| {
        format!(
            "cluster: [{{ apiVersion: v1, kind: Namespace, metadata: {{ name: shop, labels: {{ env: {env} }} }} }}]"
        )
    };
    passes(&cluster(selector), HERE, &case(&format!("{}, expect: allow", namespace("production"))));
    passes(&cluster(selector), HERE, &case(&format!("{}, expect: not-applicable", namespace("staging"))));
    let report =
        repository(&cluster(selector), HERE, &case(&format!("{}, expect: allow", namespace("staging")))).report(&[]);
    let fault = &report.cases()[0]["fault"];
    assert_eq!(fault["kind"], "not-applicable");
    assert!(
        fault["message"]
            .as_str()
            .unwrap()
            .ends_with("the namespaceSelector wants env=production, which does not hold for namespace `shop`"),
        "{fault}"
    );
}

/// Selectors see the object as the step before left it.
#[test]
fn a_step_of_a_chain_is_selected_by_what_the_steps_before_made() {
    let text = manifest("ClusterAdmissionPolicy", "  module: m\n  objectSelector: { matchLabels: { tier: web } }\n");
    let labels = "}, labels: { uri: default-labels/policy.wasm, metadata: default-labels/metadata.yml, settings: { labels: { tier: web } } ";
    let policies = format!("manifest: deploy/p.yaml, uri: no.wasm {labels}").replacen("}, labels", "}\n  labels", 1);
    for (chain, expect) in [("[labels, p]", "{ deny: not today }"), ("[p, labels]", "mutate")] {
        let cases = case(&format!("chain: {chain}, rules: skip, expect: {expect}"));
        repository(&text, &policies, &cases).policy("default-labels").report(&[]).all_passed();
    }
}

#[test]
fn what_cannot_be_decided_is_remarked_upon() {
    let spec = "  module: m\n  namespaceSelector: { matchLabels: { env: production } }\n  matchConditions: [{ name: not-system, expression: 'true' }]\n";
    let report = passes(&manifest("ClusterAdmissionPolicy", spec), HERE, &case("expect: allow"));
    let remarks = &report["cases"][0]["warnings"];
    assert_eq!(
        *remarks,
        json!([
            "`p`: the namespaceSelector (env=production) is not evaluated: no Namespace `shop` is in the `cluster:` of the case",
            "`p`: matchConditions are not evaluated: `not-system` might exclude the request",
        ])
    );
}

#[test]
fn one_of_several_documents_is_picked_by_its_name() {
    let one = manifest("ClusterAdmissionPolicy", "  module: m\n");
    let two = one.replace("name: deployed", "name: second").replace("  module", "  mode: monitor\n  module");
    let text = format!(
        "kind: Namespace\napiVersion: v1\n---\n{one}---\n{two}---\n{}",
        one.replace("ClusterAdmissionPolicy", "AdmissionPolicy")
    );
    let with = |name: &str| format!("manifest: 'deploy/p.yaml{name}', uri: no.wasm");
    passes(&text, &with("#second"), &case("expect: allow"));
    passes(&text, &with("#ClusterAdmissionPolicy/deployed"), &case("expect: { deny: not today }"));
    for (name, message) in [
        ("", "add the name of one, `deploy/p.yaml#deployed`: deployed, second, deployed"),
        ("#secnd", "did you mean `deploy/p.yaml#second`?"),
        ("#deployed", "several policies `deployed` in `deploy/p.yaml`"),
        ("#Pod/deployed", "no policy `Pod/deployed`"),
    ] {
        repository(&text, &with(name), &case("expect: allow")).verify(&[]).run().exits_with(2).says(&[message]);
    }
}

#[test]
fn a_group_of_a_manifest_is_a_group() {
    let spec = "  message: the group says no\n  expression: a() && b()\n  policies:\n    a: { module: m, settings: { x: 1 } }\n    b: { module: ghcr.io/b:v1 }\n";
    let text = manifest("ClusterAdmissionPolicyGroup", spec);
    let policy = "manifest: deploy/p.yaml, modules: { a: yes.wasm, b: no.wasm }";
    for subject in ["", "policy: p, ", "group: p, "] {
        let expect = "expect: { deny: the group says no, members: { a: allow, b: { deny: not today } } }";
        let report = passes(&text, policy, &case(&format!("{subject}{expect}")));
        assert_eq!(report["cases"][0]["policy"], "p");
        assert_eq!(report["cases"][0]["members"][1]["policy"], "p/b");
        let names: Vec<&Value> = report["policies"].as_array().unwrap().iter().map(|policy| &policy["name"]).collect();
        assert_eq!(names, ["p/a", "p/b"]);
    }
    passes(&text, policy, &case("operation: UPDATE, expect: not-applicable"));
    passes(&text.replace("  message", "  mode: monitor\n  message"), policy, &case("expect: allow"));
    for (policy, message) in [
        ("manifest: deploy/p.yaml, uri: yes.wasm", "`uri` cannot be combined with the manifest of a group, `p`"),
        ("manifest: deploy/p.yaml, modules: { a: yes.wasm, b: no.wasm, c: no.wasm }", "the group has no member `c`"),
        (
            "manifest: deploy/p.yaml, modules: { a: yes.wasm, b: no.wasm }, variants: { x: {} }",
            "`variants` cannot be combined with the manifest of a group",
        ),
    ] {
        repository(&text, policy, &case("expect: allow"))
            .verify(&[])
            .run()
            .exits_with(2)
            .says(&[message, "suite.yml:"]);
    }
    let bad = text.replace("a() && b()", "a() && bb()");
    repository(&bad, policy, &case("expect: allow"))
        .verify(&[])
        .run()
        .exits_with(2)
        .says(&["Function not found: bb ()", "deploy/p.yaml:7:22"]);
}

/// Members take their places among the policies, which must not hide those that are declared.
#[test]
fn policies_beside_a_deployed_group_are_found() {
    let spec = "  message: m\n  expression: a() && b()\n  policies: { a: { module: m }, b: { module: m } }\n";
    let text = format!(
        "version: 1\npolicies:\n  g: {{ manifest: deploy/p.yaml, modules: {{ a: yes.wasm, b: yes.wasm }} }}\n  no: {{ uri: no.wasm }}\n\
         publish: [{{ policy: no, to: registry.test/no, tags: [v1] }}]\n{}",
        case("policy: no, expect: { deny: not today }")
    );
    let repository = repository(&manifest("AdmissionPolicyGroup", spec), "uri: x.wasm", "").write("suite.yml", text);
    repository.report(&[]).all_passed();
}

#[test]
fn refused_settings_of_a_member_are_told_in_the_words_of_the_server() {
    let spec = "  message: m\n  expression: a()\n  policies: { a: { module: m } }\n";
    let repository = repository(
        &manifest("AdmissionPolicyGroup", spec),
        "manifest: deploy/p.yaml, modules: { a: picky.wasm }",
        &case("expect: deny"),
    )
    .replying("picky", r#"{"valid":false,"accepted":true}"#);
    let report = repository.report(&[]);
    assert_eq!(
        report.cases()[0]["fault"]["message"],
        "deployed/a: settings not valid: Policy settings are invalid: no message"
    );
}

#[test]
fn resources_are_granted_by_the_manifest() {
    let spec =
        |resources: &str| format!("  module: m\n  contextAwareResources: {resources}\n").replace("pods", "ingresses");
    let ingress = "{ apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: { name: x }, spec: { rules: [{ host: a.test }] } }";
    let policy = "manifest: deploy/p.yaml, uri: unique-host/policy.wasm, metadata: unique-host/metadata.yml";
    let cases = |expect: &str| {
        format!("cases:\n  - {{ name: a, object: {ingress}, cluster: [], rules: ignore, expect: {expect} }}\n")
    };
    let run = |resources: &str, expect: &str| {
        repository(&manifest("ClusterAdmissionPolicy", &spec(resources)), policy, &cases(expect))
            .policy("unique-host")
            .report(&[])
            .all_passed();
    };
    run("[{ apiVersion: networking.k8s.io/v1, kind: Ingress }]", "allow");
    run(
        "[{ apiVersion: v1, kind: Pod }]",
        "{ fault: { kind: host, contains: has not been granted access to Kubernetes } }",
    );
}

#[test]
fn the_deadline_is_that_of_the_manifest() {
    let text = manifest("ClusterAdmissionPolicy", "  module: m\n  timeoutEvalSeconds: 1\n");
    let repository =
        repository(&text, "manifest: deploy/p.yaml, uri: wapc-loop.wasm", &case("expect: { fault: timeout }"));
    let report = repository.guest("wapc-loop").report(&[]);
    report.all_passed();
    assert!(report.cases()[0]["fault"]["message"].as_str().unwrap().contains("1s"), "{}", report.cases()[0]["fault"]);
}

#[test]
fn mistakes_in_manifests_have_their_place() {
    let cluster = |spec: &str| manifest("ClusterAdmissionPolicy", spec);
    for (text, message, place) in [
        (cluster("  module: m\n  modul: n\n"), "unknown key `modul`", "deploy/p.yaml:7:3"),
        (cluster("  module: m\n  x-note: n\n"), "unknown key `x-note`", "deploy/p.yaml:7:3"),
        (cluster("  mutating: true\n"), "the key `module` is missing", "deploy/p.yaml:5"),
        (cluster("  module: m\n  mode: audit\n"), "unknown value `audit`", "deploy/p.yaml:7:9"),
        (cluster("  module: m\n  settings: [a]\n"), "Invalid settings in CRD, not an object", "deploy/p.yaml:7:13"),
        (
            cluster("  module: m\n  expression: a()\n"),
            "a ClusterAdmissionPolicy has no such key here",
            "deploy/p.yaml:7:3",
        ),
        (
            cluster("  module: m\n  objectSelector: { matchExpressions: [{ key: a, operator: Is }] }\n"),
            "unknown value `Is`",
            "deploy/p.yaml:7:",
        ),
        (cluster("  module: file:///etc/passwd\n"), "file not found in the repository", "deploy/p.yaml:6:11"),
        (
            manifest("AdmissionPolicy", "  module: m\n  contextAwareResources: []\n"),
            "an AdmissionPolicy has no such key here",
            "deploy/p.yaml:7:3",
        ),
        (
            manifest("AdmissionPolicy", "  module: m\n  namespaceSelector: {}\n"),
            "unknown key `namespaceSelector`",
            "deploy/p.yaml:7:3",
        ),
        (
            manifest(
                "AdmissionPolicyGroup",
                "  message: m\n  expression: a()\n  policies: { a: { module: m, contextAwareResources: [] } }\n",
            ),
            "unknown key `contextAwareResources`",
            "deploy/p.yaml:8:",
        ),
        (manifest("AdmissionPolicyGroup", "  message: m\n"), "the key `policies` is missing", "deploy/p.yaml:5"),
        (cluster("  module: m\n").replace("/v1\n", "/v1alpha2\n"), "invalid `apiVersion`", "deploy/p.yaml:1:13"),
        ("kind: Pod\n".to_owned(), "no policy in `deploy/p.yaml`", "suite.yml:4:"),
    ] {
        let policy = if text.contains("file://") { "manifest: deploy/p.yaml" } else { HERE };
        let policy = if text.contains("PolicyGroup") { "manifest: deploy/p.yaml" } else { policy };
        repository(&text, policy, &case("policy: p, expect: allow"))
            .verify(&[])
            .run()
            .exits_with(2)
            .says(&[message, place]);
    }
}

#[test]
fn a_manifest_that_cannot_be_read_is_one_mistake() {
    let cases = case("group: p, expect: { deny: m, members: { a: deny } }");
    let finished = repository("kind: Pod\n", "manifest: deploy/p.yaml", &cases).verify(&[]).run().exits_with(2);
    finished.says(&["no policy in `deploy/p.yaml`", "invalid suite: 1 mistake"]);
}

#[test]
fn a_manifest_leaves_nothing_to_be_said_beside_it() {
    let text = manifest("ClusterAdmissionPolicy", "  module: m\n");
    for (beside, message) in [
        ("settings: {}", "`settings` cannot be combined with `manifest`"),
        ("mode: monitor", "`mode` cannot be combined with `manifest`"),
        ("allowedToMutate: true", "`allowedToMutate` cannot be combined with `manifest`"),
        ("message: m", "`message` cannot be combined with `manifest`"),
        ("contextAware: true", "`contextAware` cannot be combined with `manifest`"),
        ("modules: { a: yes.wasm }", "`modules` needs the manifest of a group"),
    ] {
        let policy = format!("{HERE}, {beside}");
        repository(&text, &policy, &case("expect: allow"))
            .verify(&[])
            .run()
            .exits_with(2)
            .says(&[message, "suite.yml:4:"]);
    }
    repository(&text, "mode: monitor", &case("expect: allow"))
        .verify(&[])
        .run()
        .exits_with(2)
        .says(&["`p` has neither `uri` nor `manifest`"]);
}

#[test]
fn a_file_of_the_repository_is_run_where_it_is() {
    let repository = repository("", "manifest: deploy/p.yaml", &case("expect: { deny: not today }"));
    let module = repository.path("no.wasm").canonicalize().unwrap();
    let text = manifest("ClusterAdmissionPolicy", &format!("  module: file://{}\n", module.display()));
    repository.write("deploy/p.yaml", text).report(&[]).all_passed();
}
