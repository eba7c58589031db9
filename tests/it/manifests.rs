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
        .write("yes.wasm", guests::annotated(guests::replying(YES)))
        .write("no.wasm", guests::annotated(guests::denying("not today")))
        .write("mutating.wasm", guests::annotated(guests::replying(MUTATING)))
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
    let with = |uri: &str| match uri.split_once(", ") {
        Some((uri, more)) => format!("manifest: deploy/p.yaml, uri: {uri}.wasm, {more}"),
        None => format!("manifest: deploy/p.yaml, uri: {uri}.wasm"),
    };
    passes(&cluster(""), &with("no"), &case("expect: { deny: not today }"));
    let rejected = case("expect: { deny: not today, mode: monitor }");
    passes(&cluster("  mode: monitor\n"), &with("no"), &rejected);
    // The suite may try a mode that the manifest does not have yet.
    passes(&cluster(""), &with("no, mode: monitor"), &rejected);
    passes(&cluster("  mode: monitor\n"), &with("no, mode: protect"), &case("expect: { deny: not today }"));
    let replaced = json!([{ "reason": null, "message": "not today", "field": null }]);
    let report = passes(
        &cluster("  message: ask the platform team\n"),
        &with("no"),
        &case("expect: { deny: ask the platform team }"),
    );
    assert_eq!(report["cases"][0]["response"]["status"]["details"]["causes"], replaced);
    // Not mutating is the default here, and the message names the resource.
    let refused = "Request rejected by policy kw.cap.deployed. The policy attempted to mutate the request, but it is currently configured to not allow mutations.";
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
    let selector = "  namespaceSelector: { matchExpressions: [{ key: env, operator: In, values: [production] }] }\n";
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
    let spec =
        "  module: m\n  namespaceSelector: { matchExpressions: [{ key: env, operator: In, values: [production] }] }\n";
    let report = passes(&manifest("ClusterAdmissionPolicy", spec), HERE, &case("expect: allow"));
    let remarks = &report["cases"][0]["warnings"];
    assert_eq!(
        *remarks,
        json!([
            "`p`: the namespaceSelector (env=production) is not evaluated: no Namespace `shop` is in the `cluster:` of the case",
        ])
    );
}

#[test]
fn match_conditions_are_evaluated() {
    let with = |expression: &str, more: &str| {
        let conditions = format!("  matchConditions: [{{ name: wanted, expression: \"{expression}\" }}]\n{more}");
        manifest("ClusterAdmissionPolicy", &format!("  module: m\n{conditions}"))
    };
    let missing = "object.metadata.annotations.x == 'y'";
    passes(&with("request.namespace == 'shop'", ""), HERE, &case("expect: allow"));
    passes(&with("request.namespace != 'shop'", ""), HERE, &case("expect: not-applicable"));
    passes(&with(missing, "  failurePolicy: Ignore\n"), HERE, &case("expect: not-applicable"));
    for (expression, message) in [
        (
            missing,
            "the matchCondition `wanted` fails: no such key: annotations; failurePolicy is Fail, so the API server rejects the request",
        ),
        (
            "authorizer.path('/x').check('get').allowed()",
            "cannot evaluate the matchCondition `wanted`: `authorizer` needs a cluster",
        ),
    ] {
        for expect in ["allow", "not-applicable"] {
            let report = repository(&with(expression, ""), HERE, &case(&format!("expect: {expect}"))).report(&[]);
            assert_eq!(report.cases()[0]["outcome"], "error");
            assert_eq!(report.cases()[0]["fault"]["message"], message);
        }
        let expect = "expect: { fault: expression }";
        passes(&with(expression, ""), HERE, &case(expect));
        passes(&with(expression, ""), HERE, &case("rules: ignore, expect: allow"));
    }
    for (expression, message) in
        [("objct.x == 1", "undeclared reference to 'objct'"), ("request.name ==", "invalid expression of `wanted`")]
    {
        let repository = repository(&with(expression, ""), HERE, &case("expect: allow"));
        repository.verify(&[]).run().exits_with(2).says(&["rejected by the controller", message, "deploy/p.yaml:7:"]);
    }
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
        "kw.apg.shop.deployed/a: settings not valid: Policy settings are invalid: no message"
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
    let text = manifest("ClusterAdmissionPolicy", "  module: m\n  timeoutEvalSeconds: 2\n");
    let repository =
        repository(&text, "manifest: deploy/p.yaml, uri: wapc-loop.wasm", &case("expect: { fault: timeout }"));
    let report = repository.guest("wapc-loop").report(&[]);
    report.all_passed();
    assert!(report.cases()[0]["fault"]["message"].as_str().unwrap().contains("2s"), "{}", report.cases()[0]["fault"]);
}

/// The help names keys that this kind has; a newer release than is known changes nothing.
#[test]
fn unknown_keys_of_a_spec_are_refused_with_the_keys_of_the_kind() {
    for (kind, key, help, never) in [
        ("ClusterAdmissionPolicy", "priority", "expected one of: `module`, `settings`", "`expression`"),
        ("AdmissionPolicy", "priority", "expected one of: `module`, `settings`", "`namespaceSelector`"),
        ("ClusterAdmissionPolicyGroup", "priority", "expected one of: `policies`, `expression`", "`module`"),
        ("AdmissionPolicyGroup", "modul", "expected one of: `policies`, `expression`", "did you mean"),
        ("AdmissionPolicyGroup", "module", "an AdmissionPolicyGroup has no such key here", "expected one of"),
        ("AdmissionPolicy", "matchConditons", "did you mean `matchConditions`?", "expected one of"),
        (
            "ClusterAdmissionPolicy",
            "allowInsideKubewardenNamespace",
            "did you mean `allowInsideAdmissionControllerNamespace`?",
            "expected one of",
        ),
        ("AdmissionPolicy", "allowInsideKubewardenNamespace", "expected one of: ", "NamespaceSelector"),
    ] {
        let spec = match kind.ends_with("Group") {
            true => "  message: m\n  expression: a()\n  policies: { a: { module: m } }\n",
            false => "  module: m\n",
        };
        let text = manifest(kind, &format!("{spec}  {key}: m\n"));
        let policy = if kind.ends_with("Group") { "manifest: deploy/p.yaml" } else { HERE };
        for release in ["1.38", "1.44"] {
            let repository = repository(&text, policy, &case("policy: p, expect: allow"));
            let run = repository.verify(&["--kubewarden", release]).run().named(kind).exits_with(2);
            run.says(&[&format!("unknown key `{key}`"), "deploy/p.yaml:", help, "1 mistake"]).never_says(never);
        }
    }
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

/// Runs a suite for a release; `kubewarden` has further keys of the mapping.
fn released(manifest: &str, policy: &str, release: &str, kubewarden: &str, cases: &str) -> Repository {
    let text = format!(
        "version: 1\nname: s\nkubewarden: {{ version: '{release}', {kubewarden} }}\npolicies:\n  p: {{ {policy} }}\n{cases}"
    );
    repository(manifest, policy, cases).write("suite.yml", text)
}

/// Row 6 of the differences between releases.
#[test]
fn messages_name_the_policy_as_its_release_deploys_it() {
    for (kind, before, since) in [
        ("ClusterAdmissionPolicy", "clusterwide-deployed", "kw.cap.deployed"),
        ("AdmissionPolicy", "namespaced-shop-deployed", "kw.ap.shop.deployed"),
    ] {
        for (release, id) in [("1.37.1", before), ("1.37", since), ("1.38", since)] {
            let refused = format!(
                "Request rejected by policy {id}. The policy attempted to mutate the request, but it is currently \
                 configured to not allow mutations."
            );
            let cases = case(&format!("expect: {{ deny: '{refused}' }}"));
            let policy = "manifest: deploy/p.yaml, uri: mutating.wasm";
            released(&manifest(kind, "  module: m\n"), policy, release, "", &cases).report(&[]).all_passed();
            let without = manifest(kind, "  module: m\n").replace(", namespace: shop", "");
            released(&without, policy, release, "", &cases).report(&[]).all_passed();
        }
    }
}

/// Row 1 of the differences: the same in every release so far.
#[test]
fn match_labels_of_cluster_wide_policies_have_no_effect() {
    let selector = "  module: m\n  namespaceSelector: { matchLabels: { env: production } }\n";
    let text = manifest("ClusterAdmissionPolicy", selector);
    let namespace = "cluster: [{ apiVersion: v1, kind: Namespace, metadata: { name: shop, labels: { env: lab } } }]";
    for release in ["1.36", "1.38"] {
        let cases = case(&format!("{namespace}, expect: {{ deny: not today }}"));
        let policy = "manifest: deploy/p.yaml, uri: no.wasm";
        let report = released(&text, policy, release, "", &cases).report(&[]);
        report.all_passed();
        let warning = &report.0["warnings"][0];
        assert_eq!(
            warning["message"],
            "`matchLabels` of `namespaceSelector` has no effect: the controller copies only `matchExpressions`"
        );
        assert_eq!(warning["help"], "write `matchExpressions: [{ key: env, operator: In, values: [production] }]`");
        assert_eq!((&warning["place"]["file"], &warning["place"]["line"]), (&json!("deploy/p.yaml"), &json!(7)));
        // A case that relied on the labels fails.
        let cases = case(&format!("{namespace}, expect: not-applicable"));
        released(&text, policy, release, "", &cases).verify(&[]).run().exits_with(1);
        let inside = text.replace("  module", "  allowInsideAdmissionControllerNamespace: true\n  module");
        let report = released(&inside, policy, release, "", &cases).report(&[]);
        report.all_passed();
        assert_eq!(report.0.get("warnings"), None);
    }
}

/// Row 3 of the differences: two layers.
#[test]
fn requests_in_the_namespace_of_the_controller_are_not_evaluated() {
    let in_controller = |expect: &str| case(&format!("expect: {expect}")).replace("namespace: shop", "namespace: kw");
    let policy = "manifest: deploy/p.yaml, uri: no.wasm";
    let inside = "  allowInsideAdmissionControllerNamespace: true\n  module: m\n";
    for release in ["1.36", "1.38"] {
        for (kind, spec, always, expect) in [
            ("ClusterAdmissionPolicy", "  module: m\n", true, "not-applicable"),
            ("ClusterAdmissionPolicy", "  module: m\n", false, "not-applicable"),
            ("ClusterAdmissionPolicy", inside, true, "allow"),
            ("ClusterAdmissionPolicy", inside, false, "{ deny: not today }"),
            ("AdmissionPolicy", "  module: m\n", true, "allow"),
            ("AdmissionPolicy", "  module: m\n", false, "{ deny: not today }"),
        ] {
            let text = manifest(kind, spec).replace("namespace: shop", "namespace: kw");
            let kubewarden = format!("namespace: kw, alwaysAcceptOwnNamespace: {always}");
            let report = released(&text, policy, release, &kubewarden, &in_controller(expect)).report(&[]);
            report.all_passed();
            let remarks = &report.cases()[0]["warnings"];
            let wanted = "`p`: not evaluated, because policy-server allows every request in its own namespace `kw`";
            assert_eq!(remarks[0] == wanted, expect == "allow", "{remarks}");
        }
    }
    // Without a manifest nothing is known of a controller.
    passes(
        "",
        "uri: no.wasm",
        &case("expect: { deny: not today }").replace("namespace: shop", "namespace: kubewarden"),
    );
}

const NOT_DEPLOYED: &str = "The policy is not deployed. The cluster administrator does not allow namespaced policies to target these resources (resource.apiGroup): ";

/// Row 2 of the differences.
#[test]
fn namespaced_policies_target_allowed_resources_from_1_38() {
    let with = |rule: &str| {
        manifest("AdmissionPolicy", "  module: m\n")
            .replace("apiGroups: [''], apiVersions: [v1], resources: [pods]", rule)
    };
    let run = |text: &str, release: &str, expect: &str| {
        let cases = case(&format!("expect: {expect}"));
        released(text, "manifest: deploy/p.yaml, uri: no.wasm", release, "", &cases)
    };
    let pods = with("apiGroups: [''], apiVersions: ['*'], resources: [pods, pods/exec]");
    let nodes = with("apiGroups: [''], apiVersions: [v1], resources: [pods, nodes, events]");
    let any = with("apiGroups: ['*'], apiVersions: [v1], resources: [pods]");
    for release in ["1.37", "1.38"] {
        run(&pods, release, "{ deny: not today }").report(&[]).all_passed();
    }
    for text in [&nodes, &any] {
        run(text, "1.37", "{ deny: not today }").report(&[]).all_passed();
        run(text, "1.38", "not-applicable").report(&[]).all_passed();
    }
    run(&nodes, "1.38", "deny").verify(&[]).run().exits_with(2).says(&[
        &format!("{NOT_DEPLOYED}events, nodes. To deploy this policy, ask the cluster administrator"),
        "deploy/p.yaml:5:",
    ]);
    run(&any, "1.38", "deny")
        .verify(&[])
        .run()
        .exits_with(2)
        .says(&[&format!("{NOT_DEPLOYED}pods.*. Namespaced policies cannot use wildcards in apiGroups or resources.")]);
    let own = "namespacedPoliciesAllowedResources: [{ apiGroups: [''], resources: [pods, nodes, events] }]";
    let cases = case("expect: { deny: not today }");
    released(&nodes, "manifest: deploy/p.yaml, uri: no.wasm", "1.38", own, &cases).report(&[]).all_passed();
    let empty = "namespacedPoliciesAllowedResources: []";
    let refused = released(&pods, "manifest: deploy/p.yaml, uri: no.wasm", "1.38", empty, &cases);
    refused.verify(&[]).run().exits_with(2).says(&["The allow list of resources for namespaced policies is empty."]);
}

#[test]
fn namespaced_policies_had_a_deny_list_before_1_38() {
    let wildcard =
        manifest("AdmissionPolicy", "  module: m\n").replace("[v1], resources: [pods]", "['*'], resources: ['*/*']");
    let reports = wildcard.replace("'*/*'", "policyreports").replace("apiGroups: ['']", "apiGroups: [wgpolicyk8s.io]");
    for (text, wanted) in [
        (&wildcard, "resources cannot use wildcards when using AdmissionPolicy or AdmissionPolicyGroup"),
        (&reports, "{APIGroup: wgpolicyk8s.io, Resource: policyreports} resources cannot be targeted"),
    ] {
        let before = released(text, HERE, "1.37", "", &case("expect: allow"));
        before.verify(&[]).run().exits_with(2).says(&["rejected by the controller: ", wanted, "deploy/p.yaml:5:"]);
        released(text, HERE, "1.38", "", &case("expect: allow")).verify(&[]).run().exits_with(2).says(&[NOT_DEPLOYED]);
    }
}

/// Row 9 of the differences: the same in every supported release.
#[test]
fn capabilities_of_namespaced_policies_are_those_of_the_installation() {
    let policy = "manifest: deploy/p.yaml, uri: unique-host/policy.wasm, metadata: unique-host/metadata.yml";
    let ingress = "{ apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: { name: x }, spec: { rules: [{ host: a.test }] } }";
    let kind = "  module: m\n  contextAwareResources: [{ apiVersion: networking.k8s.io/v1, kind: Ingress }]\n";
    for (kind, spec, wanted) in
        [("AdmissionPolicy", "  module: m\n", "capability"), ("ClusterAdmissionPolicy", kind, "")]
    {
        let expect = if wanted.is_empty() {
            "allow".to_owned()
        } else {
            format!("{{ fault: {{ kind: host, contains: {wanted} }} }}")
        };
        let cases =
            format!("cases:\n  - {{ name: a, object: {ingress}, cluster: [], rules: ignore, expect: {expect} }}\n");
        for release in ["1.36", "1.38"] {
            let kubewarden = "namespacedPoliciesCapabilities: ['oci/*']";
            released(&manifest(kind, spec), policy, release, kubewarden, &cases)
                .policy("unique-host")
                .report(&[])
                .all_passed();
        }
    }
    let text = manifest("ClusterAdmissionPolicy", "  module: m\n");
    let report = repository(&text, &format!("{HERE}, hostCapabilities: ['oci/*']"), &case("expect: allow")).report(&[]);
    assert_eq!(report.0["warnings"][0]["message"], "no cluster limits `hostCapabilities` of a ClusterAdmissionPolicy");
}

/// Rows 14 and 15 of the differences: the same in every supported release.
#[test]
fn manifests_that_a_cluster_rejects_exit_with_2() {
    let cluster = |spec: &str| manifest("ClusterAdmissionPolicy", &format!("  module: m\n{spec}"));
    let group = |spec: &str| {
        let members =
            "  policies:\n    a: { module: m, timeoutEvalSeconds: 6 }\n    b: { module: m, timeoutEvalSeconds: 6 }\n";
        manifest("ClusterAdmissionPolicyGroup", &format!("{members}{spec}"))
    };
    let usual = "  message: m\n  expression: a() && b()\n  timeoutSeconds: 12\n";
    for (text, wanted, place) in [
        (cluster("  timeoutSeconds: 31\n"), "a timeout must be 2 to 30 seconds", "deploy/p.yaml:7:"),
        (cluster("  timeoutSeconds: 1\n"), "a timeout must be 2 to 30 seconds", "deploy/p.yaml:7:"),
        (cluster("  timeoutEvalSeconds: 1\n"), "a timeout must be 2 to 30 seconds", "deploy/p.yaml:7:"),
        (
            cluster("  timeoutEvalSeconds: 11\n"),
            "timeoutEvalSeconds cannot be greater than timeoutSeconds",
            "deploy/p.yaml:7:",
        ),
        (cluster("  failurePolicy: Sometimes\n"), "unknown value `Sometimes`", "deploy/p.yaml:7:"),
        (cluster("  matchPolicy: Nearly\n"), "unknown value `Nearly`", "deploy/p.yaml:7:"),
        (cluster("  sideEffects: Some\n"), "unknown value `Some`", "deploy/p.yaml:7:"),
        (cluster("  backgroundAudit: often\n"), "expected a boolean", "deploy/p.yaml:7:"),
        (
            cluster("").replace("operations: [CREATE]", "operations: []"),
            "a value must be specified",
            "deploy/p.yaml:5:",
        ),
        (
            cluster("").replace("resources: [pods]", "resources: []"),
            "apiVersions and resources must have specified values",
            "deploy/p.yaml:5:",
        ),
        (cluster("").replace("[pods]", "['']"), "must be non-empty", "deploy/p.yaml:5:"),
        (
            cluster("  matchConditions: [{ name: a, expression: 'true' }, { name: a, expression: 'true' }]\n"),
            "duplicate name `a` of a condition",
            "deploy/p.yaml:7:",
        ),
        (cluster("  matchConditions: [{ name: -a, expression: 'true' }]\n"), "invalid name `-a`", "deploy/p.yaml:7:"),
        (cluster("  matchConditions: [{ name: a, expression: ' ' }]\n"), "the expression is empty", "deploy/p.yaml:7:"),
        (group(&usual.replace("message: m", "message: ''")), "must be non-empty", "deploy/p.yaml:9:"),
        (group(&usual.replace("&&", "&")), "rejected by the controller: compilation failed", "deploy/p.yaml:10:"),
        (group(&usual.replace("12", "11")), "the sum of all members' timeoutEvalSeconds cannot", "deploy/p.yaml:8:"),
        (
            group(&usual.replace("12", "5")),
            "timeoutEvalSeconds cannot be greater than group timeoutSeconds (5)",
            "deploy/p.yaml:7:",
        ),
        (group(&format!("{usual}  timeoutEvalSeconds: 2\n")), "give it to the members", "deploy/p.yaml:12:"),
        (
            group(usual).replace("    a:", "    namespace:").replace("a()", "namespace()"),
            "invalid name of a member `namespace`",
            "deploy/p.yaml:7:",
        ),
    ] {
        let policy = if text.contains("PolicyGroup") { "manifest: deploy/p.yaml" } else { HERE };
        for release in ["1.37", "1.38"] {
            let repository = released(&text, policy, release, "", &case("policy: p, expect: allow"));
            repository.verify(&[]).run().exits_with(2).says(&[wanted, place]);
        }
    }
    let lone = cluster("")
        .replace("  rules: [{ apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE] }]\n", "");
    repository(&lone, HERE, &case("expect: allow"))
        .verify(&[])
        .run()
        .exits_with(2)
        .says(&["spec.rules: Required value"]);
}

/// Row 12 of the differences: the requirement of the metadata against the release.
#[test]
fn policies_that_need_a_newer_release_are_unavailable() {
    let metadata = |minimum: &str| {
        format!(
            "rules: [{{ apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE] }}]\nmutating: false\n\
             executionMode: kubewarden-wapc\nminimumKubewardenVersion: {minimum}\n"
        )
    };
    for (minimum, release, code) in [
        ("1.38.0", "1.37", 3),
        ("1.38.5-rc.1", "1.38.0", 0),
        ("1.39.0-rc.1", "1.38", 3),
        ("1.39.0-rc.1", "1.39.0-rc.1", 0),
    ] {
        let policy = "uri: safe-labels/policy.wasm, metadata: metadata.yml, settings: { mandatory_labels: [owner] }";
        let repository = released("", policy, release, "", &case("expect: allow"))
            .policy("safe-labels")
            .write("metadata.yml", metadata(minimum));
        let run = repository.verify(&[]).run().exits_with(code);
        if code == 3 {
            let [major, minor, ..] = minimum.split('.').collect::<Vec<_>>()[..] else { panic!() };
            run.says(&[&format!("Policy required Kubewarden version {major}.{minor}.0 but is running on {release}.0")]);
        }
    }
}

#[test]
fn all_policies_of_manifests_are_taken_by_their_names() {
    let repository = Repository::new().write("deny.wasm", guests::annotated(guests::denying("no")));
    let module = repository.path("deny.wasm").canonicalize().unwrap();
    let policy = |name: &str, message: &str| {
        format!(
            "apiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\nmetadata: {{ name: {name} }}\nspec:\n  module: file://{}\n  mutating: false\n  message: {message}\n  rules: [{{ apiGroups: [\"\"], apiVersions: [v1], resources: [pods], operations: [CREATE] }}]\n",
            module.display(),
        )
    };
    let suite = |policies: &str, case: &str| {
        format!(
            "version: 1\npolicies: {policies}\ndefaults: {{ object: {{ apiVersion: v1, kind: Pod, metadata: {{ name: a }}, spec: {{}} }} }}\ncases:\n  - {{ name: a, {case} }}\n"
        )
    };
    let both = format!(
        "{}---\n{}---\napiVersion: v1\nkind: Service\nmetadata: {{ name: other }}\n",
        policy("one", "first"),
        policy("two", "second")
    );
    let third = policy("three", "third");
    let repository = repository
        .write("deploy/both.yaml", both)
        .write("deploy/more/three.yaml", third)
        .write("other.yaml", "apiVersion: v1\nkind: Service\nmetadata: { name: other }\n");
    let run = |policies: &str, case: &str| {
        std::fs::write(repository.path("suite.yml"), suite(policies, case)).unwrap();
        repository.verify(&["suite.yml"]).run()
    };
    run("deploy/*.yaml", "policy: two, expect: { deny: second }").exits_with(0);
    run("[deploy/both.yaml, \"deploy/more/*\"]", "policy: [one, three], expect: deny").exits_with(0);
    run("deploy/more/three.yaml", "expect: { deny: third }").exits_with(0);
    run("deploy/*.yaml", "policy: tow, expect: deny").exits_with(2).says(&["did you mean `two`?"]);
    run("other.yaml", "expect: deny").exits_with(2).says(&["no policy in `other.yaml`"]);
    run("[deploy/both.yaml, other.yaml]", "policy: one, expect: deny")
        .exits_with(2)
        .says(&["no policy in `other.yaml`"]);
    run("gone/*.yaml", "expect: deny").exits_with(2).says(&["no file matches `gone/*.yaml`"]);
    run("[deploy/both.yaml, deploy/both.yaml]", "policy: one, expect: deny")
        .exits_with(2)
        .says(&["two policies are called `one`"]);
    run("[1]", "expect: deny").exits_with(2);
}
