//! What the keys of a suite mean, judged by the requests that are sent and the responses that come back.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{POD, Report, Repository, guests, testdata};

/// A policy that accepts everything; its requests are what counts.
const YES: &str = r#"{"valid":true,"accepted":true}"#;

const POD_FILE: &str = "apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  labels: { owner: team-a, app.kubernetes.io/name: web }
spec:
  containers: [{ name: web, image: 'ghcr.io/acme/web:1' }, { name: log, image: 'ghcr.io/acme/log:1' }]
";

/// A repository whose policy `yes` is the only one; `text` follows the policies.
fn repository(text: &str) -> Repository {
    Repository::with_suite(&format!("version: 1\nname: s\npolicies: {{ yes: {{ uri: yes.wasm }} }}\n{text}"))
        .replying("yes", YES)
        .write("pod.yaml", POD_FILE)
}

/// Runs the cases below `text`; all of them must pass.
#[track_caller]
fn passes(text: &str) -> Report {
    let report = repository(text).report(&[]);
    report.all_passed();
    report
}

/// The request of the only case.
#[track_caller]
fn request(case: &str) -> Value {
    let report = passes(&format!("cases:\n  - {{ name: a, {case}, expect: allow }}\n"));
    assert_eq!(report.cases().len(), 1);
    report.cases()[0]["request"].clone()
}

#[test]
fn an_object_alone_is_created() {
    let sent = request("object: pod.yaml");
    let pod: Value = serde_saphyr::from_str(POD_FILE).unwrap();
    assert_eq!(sent["object"], pod);
    assert_eq!(sent["operation"], "CREATE");
    assert_eq!(sent["kind"], json!({ "group": "", "version": "v1", "kind": "Pod" }));
    assert_eq!(sent["resource"], json!({ "group": "", "version": "v1", "resource": "pods" }));
    assert_eq!((&sent["requestKind"], &sent["requestResource"]), (&sent["kind"], &sent["resource"]));
    assert_eq!((&sent["name"], &sent["namespace"]), (&json!("web"), &json!("shop")));
    assert_eq!(sent["dryRun"], false);
    assert_eq!(sent["options"]["kind"], "CreateOptions");
    assert!(sent.get("oldObject").is_none() && sent.get("subResource").is_none());
    assert!(!sent["uid"].as_str().unwrap().is_empty());
}

#[test]
fn an_old_object_alone_is_deleted_and_two_objects_are_an_update() {
    let sent = request("oldObject: pod.yaml");
    assert_eq!((&sent["operation"], &sent["options"]["kind"]), (&json!("DELETE"), &json!("DeleteOptions")));
    assert_eq!(sent["oldObject"]["metadata"]["name"], "web");
    assert!(sent.get("object").is_none());
    let sent = request("oldObject: pod.yaml, object: pod.yaml, unset: [metadata.labels.owner]");
    assert_eq!((&sent["operation"], &sent["options"]["kind"]), (&json!("UPDATE"), &json!("UpdateOptions")));
    assert_eq!(sent["oldObject"]["metadata"]["labels"]["owner"], "team-a");
    assert!(sent["object"]["metadata"]["labels"].get("owner").is_none());
    // The old object of an update is the fixture without the changes of the case.
    let short = request("operation: UPDATE, object: pod.yaml, unset: [metadata.labels.owner]");
    assert_eq!(short, sent);
    assert_eq!(request("operation: DELETE, object: pod.yaml"), request("oldObject: pod.yaml"));
}

#[test]
fn who_where_and_how_are_part_of_the_request() {
    let sent = request(
        "object: pod.yaml, user: system:serviceaccount:ci:deployer, namespace: other, dryRun: true, subresource: status, operation: UPDATE",
    );
    assert_eq!(
        sent["userInfo"],
        json!({
            "username": "system:serviceaccount:ci:deployer",
            "groups": ["system:serviceaccounts", "system:serviceaccounts:ci", "system:authenticated"],
        })
    );
    assert_eq!((&sent["namespace"], &sent["object"]["metadata"]["namespace"]), (&json!("other"), &json!("other")));
    assert_eq!((&sent["dryRun"], &sent["subResource"]), (&json!(true), &json!("status")));
    assert_eq!(sent["requestSubResource"], "status");
    let sent = request("object: pod.yaml, user: { username: bob, uid: u1, groups: [a], extra: { scopes: [b] } }");
    assert_eq!(
        sent["userInfo"],
        json!({ "username": "bob", "uid": "u1", "groups": ["a", "system:authenticated"], "extra": { "scopes": ["b"] } })
    );
    let sent = request("object: { apiVersion: v1, kind: Namespace, metadata: { name: shop } }");
    assert_eq!((&sent["name"], &sent["namespace"]), (&json!("shop"), &json!("shop")));
    let sent =
        request("object: { apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: { name: r } }");
    assert_eq!(sent["resource"]["resource"], "clusterroles");
    assert!(sent.get("namespace").is_none());
}

#[test]
fn set_and_unset_say_what_differs() {
    let sent = request(
        "object: pod.yaml, set: { 'metadata.labels[\"app.kubernetes.io/name\"]': other, 'spec.containers[1].image': x, \
         'spec.containers[2]': { name: third }, metadata.annotations: { a: null } }, unset: [metadata.labels.owner, 'spec.containers[0].image']",
    );
    let object = &sent["object"];
    assert_eq!(object["metadata"]["labels"], json!({ "app.kubernetes.io/name": "other" }));
    assert_eq!(object["metadata"]["annotations"], json!({ "a": null }));
    assert_eq!(
        object["spec"]["containers"],
        json!([{ "name": "web" }, { "name": "log", "image": "x" }, { "name": "third" }])
    );
    for (case, message) in [
        ("unset: [metadata.labels.ownr]", "did you mean `owner`?"),
        ("set: { spec.template.spec: 1 }", "unknown field `template` of PodSpec"),
        ("unset: ['spec.containers[7]']", "index 7 is out of range of a list with 2 items"),
    ] {
        let text = format!("cases:\n  - {{ name: a, object: pod.yaml, {case}, expect: allow }}\n");
        repository(&text).verify(&[]).run().exits_with(2).says(&[message, "suite.yml:5:"]);
    }
}

#[test]
fn places_in_a_mutated_object_are_paths_or_pointers() {
    for only in ["/metadata/labels/tier", "metadata.labels.tier", "metadata.labels", "'metadata[\"labels\"]'"] {
        let suite = format!(
            "version: 1\npolicies: {{ p: {{ uri: default-labels/policy.wasm, metadata: default-labels/metadata.yml, settings: {{ labels: {{ tier: back }} }} }} }}\ncases:\n  \
             - {{ name: a, object: {POD}, expect: {{ mutate: {{ only: {only} }} }} }}\n"
        );
        Repository::with_suite(&suite).policy("default-labels").report(&[]).all_passed();
    }
}

#[test]
fn list_explain_names_the_mappings_that_set_has_made() {
    let text = "cases:\n  - { name: a, object: pod.yaml, set: { spec.securityContext.runAsUser: 0 }, expect: allow }\n";
    let explained = repository(text).verify(&["list", "--explain"]).run().exits_with(0).stdout;
    let (_, document) = explained.split_once('\n').unwrap();
    let document: Value = serde_json::from_str(document).unwrap();
    assert_eq!(document["created"], json!(["spec.securityContext"]));
    assert_eq!(document["request"]["object"]["spec"]["securityContext"]["runAsUser"], 0);
    let plain = repository("cases: [{ name: a, object: pod.yaml, set: { spec.hostNetwork: true }, expect: allow }]\n");
    plain.verify(&["list", "--explain"]).run().exits_with(0).never_says("created");
}

#[test]
fn a_set_that_drops_keys_of_a_mapping_has_a_warning() {
    let text = "cases: [{ name: a, object: pod.yaml, set: { metadata.labels: { team: b } }, expect: allow }]\n";
    let warning = "`set` replaces the mapping `metadata.labels`: `app.kubernetes.io/name`, `owner` removed";
    repository(text).verify(&[]).run().exits_with(0).says(&[warning, "merge: { metadata: { labels: { … } } }"]);
    let sent = request("object: pod.yaml, merge: { metadata: { labels: { team: b, owner: null } } }");
    assert_eq!(sent["object"]["metadata"]["labels"], json!({ "team": "b", "app.kubernetes.io/name": "web" }));
}

#[test]
fn a_pod_can_be_wrapped_into_any_workload() {
    let kinds =
        ["Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController", "Job", "CronJob"];
    let report = passes(&format!(
        "cases:\n  - name: ${{kind}} on ${{operation}}\n    matrix: {{ kind: [{}], operation: [CREATE, UPDATE] }}\n    object: pod.yaml\n    \
         wrap: ${{kind}}\n    operation: ${{operation}}\n    unset: [metadata.labels.owner]\n    expect: allow\n",
        kinds.join(", ")
    ));
    let names: Vec<String> =
        kinds.iter().flat_map(|kind| ["CREATE", "UPDATE"].map(|operation| format!("{kind} on {operation}"))).collect();
    assert_eq!(report.names(), names);
    let cron = &report.case("CronJob on UPDATE")["request"];
    assert_eq!(cron["resource"], json!({ "group": "batch", "version": "v1", "resource": "cronjobs" }));
    let image = "/spec/jobTemplate/spec/template/spec/containers/0/image";
    for object in ["object", "oldObject"] {
        assert_eq!(cron[object].pointer(image), Some(&json!("ghcr.io/acme/web:1")), "{object}");
    }
    let owner = "/spec/jobTemplate/spec/template/metadata/labels/owner";
    assert_eq!((cron["object"].pointer(owner), cron["oldObject"].pointer(owner)), (None, Some(&json!("team-a"))));
}

#[test]
fn tables_make_a_case_of_each_row() {
    let report = passes(
        "cases:\n  - name: owner \"${owner}\"\n    each:\n      - { owner: a, verdict: allow, why: first }\n      - { owner: '', verdict: accept, why: 7 }\n    \
         object: pod.yaml\n    set: { metadata.labels.owner: \"${owner}\", metadata.labels.why: \"${why}\", metadata.labels.text: \"${owner}-${why}\" }\n    expect: ${verdict}\n",
    );
    assert_eq!(report.names(), ["owner \"a\" [why=first]", "owner \"\" [why=7]"]);
    let labels = &report.cases()[1]["request"]["object"]["metadata"]["labels"];
    // Alone a variable keeps its type, in a text it becomes text.
    assert_eq!((&labels["owner"], &labels["why"], &labels["text"]), (&json!(""), &json!(7), &json!("-7")));
}

#[test]
fn rows_whose_names_are_alike_are_told_apart_by_the_rest() {
    let report = passes(&format!(
        "cases:\n  - {{ name: plain, matrix: {{ a: [1, 2] }}, object: {POD}, set: {{ metadata.labels.a: \"${{a}}\" }}, expect: allow }}\n  \
         - {{ name: \"some ${{a}}\", matrix: {{ a: [1, 2], b: [x, [y]] }}, object: {POD}, set: {{ metadata.labels.a: \"${{a}}\", metadata.labels.b: \"${{b}}\" }}, expect: allow }}\n"
    ));
    let names = ["plain [a=1]", "plain [a=2]", "some 1 [b=x]", "some 1 [b=#2]", "some 2 [b=x]", "some 2 [b=#4]"];
    assert_eq!(report.names(), names);
}

#[test]
fn each_document_of_each_file_is_a_case() {
    let repository =
        repository("cases:\n  - { name: chart, objects: [rendered/**/*.yaml, one.yaml], expect: allow }\n")
            .write("one.yaml", POD_FILE)
            .write("rendered/b.yaml", POD_FILE)
            .write(
                "rendered/a/two.yaml",
                format!("{POD_FILE}---\napiVersion: v1\nkind: Service\nmetadata: {{ name: s }}\n"),
            );
    let report = repository.report(&[]);
    report.all_passed();
    let names = [
        "Pod web (rendered/a/two.yaml:1)",
        "Service s (rendered/a/two.yaml:10)",
        "Pod web (rendered/b.yaml:1)",
        "Pod web (one.yaml:1)",
    ];
    assert_eq!(report.names(), names.map(|name| format!("chart [{name}]")));
    assert_eq!(report.cases()[1]["request"]["resource"]["resource"], "services");
}

#[test]
fn variables_are_used_overridden_and_taken_from_the_environment() {
    let text = "vars: { team: a, both: \"${team}-b\", count: 3, on: true, tag: \"${env:VERIFY_TEST_TAG:-none}\" }\ncases:\n  - name: team ${team}\n    object: pod.yaml\n    \
                set: { metadata.labels: { both: \"${both}\", count: \"${count}\", on: \"${on}\", tag: \"${tag}\", literal: \"$${team}\" } }\n    expect: allow\n";
    let repository = repository(text);
    let labels = |report: &Report| report.cases()[0]["request"]["object"]["metadata"]["labels"].clone();
    let report = repository.report(&[]);
    assert_eq!(labels(&report), json!({ "both": "a-b", "count": 3, "on": true, "tag": "none", "literal": "${team}" }));
    let report = repository.report(&["--var", "team=c", "--var", "count=4", "--var=on=false"]);
    assert_eq!(labels(&report), json!({ "both": "c-b", "count": 4, "on": false, "tag": "none", "literal": "${team}" }));
    assert_eq!(report.names(), ["team c"]);
    let run = repository.verify(&["--report=json", "--allow-env=VERIFY_TEST_TAG"]).env("VERIFY_TEST_TAG", "v1");
    let run = run.run().exits_with(0);
    assert_eq!(labels(&Report(serde_json::from_str(&run.stdout).unwrap()))["tag"], "v1");
}

#[test]
fn anchors_merge_keys_and_extensions_work() {
    let report = passes(
        "x-pod: &pod { apiVersion: v1, kind: Pod, metadata: { name: a } }\nx-base: &base { object: *pod, expect: allow }\ncases:\n  - { <<: *base, name: a }\n  - { <<: *base, name: b, expect: accept, x-why: because }\n  \
         - { name: c, object: { <<: *pod, metadata: { name: c } }, expect: allow }\n",
    );
    assert_eq!(report.names(), ["a", "b", "c"]);
    let kinds: Vec<&Value> = report.cases().iter().map(|case| &case["request"]["object"]["metadata"]["name"]).collect();
    assert_eq!(kinds, ["a", "a", "c"]);
}

#[test]
fn aliases_cannot_explode() {
    let mut text = "x-0: &a0 [a, a, a, a, a, a, a, a, a, a]\n".to_owned();
    for level in 1..12 {
        let list = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("x-{level}: &a{level} [{list}]\n");
    }
    text += &format!("cases: [{{ name: a, object: {POD}, expect: allow }}]\n");
    repository(&text).verify(&[]).run().exits_with(2).reports_nothing().says(&["suite.yml:"]);
}

#[test]
fn yaml_is_version_one_point_two() {
    let sent = request(
        "object: pod.yaml, set: { metadata.labels: { a: yes, b: no, c: on, d: true, e: 0o17, f: 1e3, g: ~, h: 012 } }",
    );
    let labels = &sent["object"]["metadata"]["labels"];
    assert_eq!((&labels["a"], &labels["b"], &labels["c"]), (&json!("yes"), &json!("no"), &json!("on")));
    assert_eq!((&labels["d"], &labels["e"], &labels["g"]), (&json!(true), &json!(15), &json!(null)));
}

#[test]
fn defaults_fill_what_a_case_leaves_out() {
    let text = format!(
        "version: 1\nname: s\npolicies:\n  yes: {{ uri: yes.wasm }}\n  no: {{ uri: no.wasm }}\ndefaults:\n  policy: no\n  object: pod.yaml\n  user: alice\n  namespace: ns\n  tags: [common]\ncases:\n  \
         - {{ name: inherits, expect: {{ deny: no }} }}\n  - {{ name: own, policy: yes, user: {{ username: bob }}, object: {POD}, tags: [mine], expect: allow }}\n  \
         - {{ name: deletes, oldObject: pod.yaml, expect: deny }}\n"
    );
    let repository = Repository::with_suite(&text)
        .replying("yes", YES)
        .write("no.wasm", guests::denying("no"))
        .write("pod.yaml", POD_FILE);
    let report = repository.report(&[]);
    report.all_passed();
    let inherits = &report.case("inherits")["request"];
    assert_eq!((&inherits["userInfo"]["username"], &inherits["namespace"]), (&json!("alice"), &json!("ns")));
    let own = &report.case("own")["request"];
    assert_eq!(own["userInfo"], json!({ "username": "bob", "groups": ["system:authenticated"] }));
    assert_eq!(report.case("deletes")["request"]["operation"], "DELETE");
    assert!(report.case("deletes")["request"].get("object").is_none());
    repository
        .verify(&["list", "--tag", "common"])
        .run()
        .exits_with(0)
        .says(&["inherits", "deletes"])
        .never_says("own");
}

#[test]
fn a_default_request_is_inherited_like_an_object() {
    let request = json!({
        "uid": "u1", "kind": { "group": "", "version": "v1", "kind": "Pod" },
        "resource": { "group": "", "version": "v1", "resource": "pods" },
        "operation": "CREATE", "userInfo": { "username": "bob" }, "object": { "metadata": { "name": "web" } },
    });
    let review = json!({ "kind": "AdmissionReview", "request": request });
    let text = "defaults: { request: review.json, user: alice }\ncases:\n  - { name: inherits, expect: allow }\n  \
                - { name: changes, set: { object.metadata.name: other }, expect: allow }\n  \
                - { name: own, object: pod.yaml, expect: allow }\n  - { name: deletes, oldObject: pod.yaml, expect: allow }\n";
    let report = repository(text).write("review.json", review.to_string()).report(&[]);
    report.all_passed();
    let sent = |name: &str| report.case(name)["request"].clone();
    assert_eq!((&sent("inherits")["uid"], &sent("inherits")["userInfo"]["username"]), (&json!("u1"), &json!("bob")));
    assert_eq!(sent("changes")["object"]["metadata"]["name"], "other");
    assert_eq!(
        (&sent("own")["object"]["kind"], &sent("own")["userInfo"]["username"]),
        (&json!("Pod"), &json!("alice"))
    );
    assert_eq!(sent("deletes")["operation"], "DELETE");

    let text = "defaults: { raw: { action: eats } }\ncases: [{ name: a, expect: allow }, { name: b, object: pod.yaml, expect: allow }]\n";
    let report = repository(text).report(&[]);
    report.all_passed();
    assert_eq!(report.case("a")["request"], json!({ "action": "eats" }));
    assert_eq!(report.case("b")["request"]["operation"], "CREATE");

    let text = "defaults:\n  object: pod.yaml\n  request: review.json\ncases: [{ name: a, expect: allow }]\n";
    let run = repository(text).write("review.json", review.to_string()).verify(&[]).run().exits_with(2);
    run.says(&["`object` and `request` cannot be combined in `defaults`", "suite.yml:6:"]);
}

#[test]
fn requests_in_the_place_of_objects_are_named() {
    let request = |more: &str| format!("{{ uid: u, kind: {{ group: '', version: v1, kind: Pod }}, {more} }}");
    let review = format!("{{ kind: AdmissionReview, request: {} }}", request("operation: CREATE"));
    for (case, file, message, help) in [
        (
            "object: r.yaml",
            request("operation: CREATE"),
            "this is an AdmissionRequest",
            "write `request:` instead of `object:`",
        ),
        (
            "object: r.yaml",
            request("object: {}"),
            "this is an AdmissionRequest",
            "write `request:` instead of `object:`",
        ),
        ("object: r.yaml", review.clone(), "this is an AdmissionReview", "write `request:` instead of `object:`"),
        ("oldObject: r.yaml", review.clone(), "this is an AdmissionReview", "write `request:` instead of `oldObject:`"),
        ("objects: r.yaml", review.clone(), "this is an AdmissionReview", "write `request:` instead of `objects:`"),
    ] {
        let text = format!("cases:\n  - {{ name: a, {case}, expect: allow }}\n");
        let run = repository(&text).write("r.yaml", &file).verify(&[]).run().exits_with(2);
        run.says(&[message, help, "suite.yml:5:"]);
    }
    let text = format!("cases:\n  - {{ name: a, object: {}, expect: allow }}\n", request("operation: CREATE"));
    repository(&text).verify(&[]).run().exits_with(2).says(&["this is an AdmissionRequest"]);
    let text = "defaults: { object: r.yaml }\ncases:\n  - { name: a, expect: allow }\n";
    repository(text)
        .write("r.yaml", review)
        .verify(&[])
        .run()
        .exits_with(2)
        .says(&["write `request:` instead of `object:`"]);
}

#[test]
fn requests_come_from_reviews_and_requests_in_json_and_yaml() {
    let request = json!({
        "uid": "u1", "kind": { "group": "", "version": "v1", "kind": "Pod" },
        "resource": { "group": "", "version": "v1", "resource": "pods" }, "name": "web", "namespace": "shop",
        "operation": "CREATE", "userInfo": { "username": "bob" }, "object": { "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" } },
    });
    let review = json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request });
    let repository = repository(&format!(
        "cases:\n  - {{ name: bare json, request: bare.json, expect: allow }}\n  - {{ name: review json, request: review.json, expect: allow }}\n  \
         - {{ name: bare yaml, request: bare.yaml, expect: allow }}\n  - {{ name: inline, request: {review}, expect: allow }}\n  \
         - {{ name: changed, request: review.json, set: {{ object.metadata.name: other }}, expect: allow }}\n"
    ))
    .write("bare.json", request.to_string())
    .write("bare.yaml", "uid: u1\nkind: { group: '', version: v1, kind: Pod }\nresource: { group: '', version: v1, resource: pods }\nname: web\nnamespace: shop\noperation: CREATE\nuserInfo: { username: bob }\nobject: { apiVersion: v1, kind: Pod, metadata: { name: web } }\n")
    .write("review.json", review.to_string());
    let report = repository.report(&[]);
    report.all_passed();
    for case in &report.cases()[..4] {
        assert_eq!(case["request"], request, "{}", case["name"]);
        assert_eq!(case["response"]["uid"], "u1");
    }
    assert_eq!(report.cases()[4]["request"]["object"]["metadata"]["name"], "other");
    let broken = repository.write("bare.json", "{\"uid\": \"u1\"}");
    broken.verify(&["list"]).run().exits_with(2).says(&["suite.yml:5:", "kind"]);
}

#[test]
fn raw_requests_arrive_as_they_are() {
    let text = "version: 1\npolicies:\n  menu:\n    uri: raw-menu/policy.wasm\n    metadata: raw-menu/metadata.yml\n    settings: { forbidden: [pie], rename: { aubergine: eggplant } }\ncases:\n  \
                - { name: fine, raw: { user: tonio, action: eats, resource: banana }, expect: allow }\n  \
                - { name: file, raw: pie.json, expect: { deny: tonio may not eat pie } }\n  \
                - { name: changed, raw: pie.json, set: { resource: apple }, expect: allow }\n  \
                - { name: incomplete, raw: pie.json, unset: [user], expect: { deny: { contains: user }, code: 400 } }\n  \
                - name: renamed\n    raw: { user: tonio, action: eats, resource: aubergine }\n    \
                expect: { mutate: { object: { resource: eggplant }, only: /resource, idempotent: true } }\n";
    let repository = Repository::with_suite(text)
        .policy("raw-menu")
        .write("pie.json", r#"{"user": "tonio", "action": "eats", "resource": "pie"}"#);
    let report = repository.report(&[]);
    report.all_passed();
    assert_eq!(report.case("changed")["request"], json!({ "user": "tonio", "action": "eats", "resource": "apple" }));
    let wrong = text.replacen("raw: pie.json, set", "raw: pie.json, operation: CREATE, set", 1);
    repository
        .write("suite.yml", wrong)
        .verify(&["list"])
        .run()
        .exits_with(2)
        .says(&["`operation` cannot be combined with `raw`"]);
}

/// A suite about `safe-labels` with the metadata it has.
fn labels(text: &str) -> Repository {
    Repository::with_suite(&format!(
        "version: 1\npolicies:\n  labels:\n    uri: safe-labels/policy.wasm\n    metadata: safe-labels/metadata.yml\n    \
         settings: {{ mandatory_labels: [owner] }}\n{text}"
    ))
    .policy("safe-labels")
    .write("pod.yaml", POD_FILE)
}

#[test]
fn rules_decide_what_a_policy_is_asked() {
    let repository = labels(
        "cases:\n  - { name: delete, oldObject: pod.yaml, expect: not-applicable }\n  - { name: service, object: { apiVersion: v1, kind: Service, metadata: { name: s } }, expect: not-applicable }\n  \
         - { name: subresource, object: pod.yaml, operation: UPDATE, subresource: status, expect: not-applicable }\n  \
         - { name: ignored, object: { apiVersion: v1, kind: Service, metadata: { name: s } }, rules: ignore, expect: { deny: { contains: owner } } }\n  \
         - { name: pod, object: pod.yaml, expect: not-applicable }\n  - { name: unselected, oldObject: pod.yaml, expect: allow }\n",
    );
    let report = repository.report(&[]);
    let outcomes = ["passed", "passed", "passed", "passed", "failed", "error"];
    assert_eq!(report.outcomes().iter().map(|(_, outcome)| *outcome).collect::<Vec<_>>(), outcomes);
    assert_eq!(report.case("delete")["response"], Value::Null);
    assert_eq!(report.case("unselected")["fault"]["kind"], "not-applicable");
}

#[test]
fn settings_variants_and_files_replace_each_other() {
    let repository = labels(
        "    variants: { strict: { mandatory_labels: [owner, cost-center] }, file: settings/file.yml }\ncases:\n  \
         - { name: own, object: pod.yaml, expect: allow }\n  \
         - { name: strict, object: pod.yaml, variant: strict, expect: { deny: \"The following mandatory labels are missing: cost-center\" } }\n  \
         - { name: file, object: pod.yaml, variant: file, expect: { deny: \"The following labels are denied: owner\" } }\n  \
         - { name: inline, object: pod.yaml, settings: {}, unset: [metadata.labels], expect: allow }\n  \
         - { name: named file, object: pod.yaml, settings: settings/file.yml, expect: { deny: { matches: 'denied: \\w+$', not: mandatory } } }\n",
    )
    .write("settings/file.yml", "denied_labels: [owner]\n");
    repository.report(&[]).all_passed();
}

#[test]
fn settings_cases_tell_valid_from_invalid() {
    let repository = labels(
        "settingsCases:\n  - { name: sample, value: sample.json, expect: valid }\n  - { name: both, value: { denied_labels: [a], constrained_labels: { a: x } }, expect: { invalid: { contains: denied and constrained, not: mandatory } } }\n  \
         - { name: exact, value: { denied_labels: [a], mandatory_labels: [a] }, expect: { invalid: \"These labels cannot be denied and mandatory at once: a\" } }\n  \
         - { name: \"unknown ${key}\", each: [{ key: a }, { key: b }], value: { \"${key}\": 1 }, expect: invalid }\n  \
         - { name: wrong, value: {}, expect: invalid }\n  - { name: wrong too, value: { a: 1 }, expect: valid }\n",
    )
    .write("sample.json", r#"{"mandatory_labels": ["owner"]}"#);
    let report = repository.report(&[]);
    let wanted = ["passed", "passed", "passed", "passed", "passed", "failed", "failed"];
    assert_eq!(report.outcomes().iter().map(|(_, outcome)| *outcome).collect::<Vec<_>>(), wanted);
    assert!(report.cases().iter().all(|case| case["kind"] == "settings"));
    assert_eq!(report.names()[3..5], ["unknown a", "unknown b"]);
}

#[test]
fn static_checks_are_tests_of_their_own() {
    let repository = labels(
        "    check: { version: 0.1.0, mutating: false, hostCapabilities: [], size: <= 5MiB }\n  strict:\n    uri: safe-labels/policy.wasm\n    metadata: safe-labels/metadata.yml\n    \
         check: { version: 9.9.9, mutating: true, hostCapabilities: [oci/v1/verify], size: < 1KiB }\n",
    );
    let report = repository.report(&[]);
    let words = ["version", "mutating", "hostCapabilities", "size"];
    let wanted: Vec<(String, &str)> = [("labels", "passed"), ("strict", "failed")]
        .into_iter()
        .flat_map(|(policy, outcome)| words.map(|word| (format!("check {policy} {word}"), outcome)))
        .collect();
    let found: Vec<(String, &str)> =
        report.outcomes().into_iter().map(|(name, outcome)| (name.to_owned(), outcome)).collect();
    assert_eq!(found, wanted);
    assert!(report.cases().iter().all(|case| case["kind"] == "check"));
}

#[test]
fn deployment_changes_the_response_as_the_server_would() {
    let policy =
        "uri: default-labels/policy.wasm, metadata: default-labels/metadata.yml, settings: { labels: { team: a } }";
    let text = format!(
        "version: 1\npolicies:\n  plain: {{ {policy} }}\n  monitor: {{ {policy}, mode: monitor }}\n  frozen: {{ {policy}, allowedToMutate: false }}\n  \
         worded: {{ {policy}, message: talk to us }}\ndefaults: {{ object: pod.yaml }}\ncases:\n  \
         - {{ name: plain, policy: plain, expect: {{ mutate: {{ object: {{ metadata: {{ labels: {{ team: a, owner: team-a }} }} }}, only: /metadata/labels/team, idempotent: true, \
            patch: [{{ op: add, path: /metadata/labels/team, value: a }}] }}, warnings: ['label \"team\" was added'], auditAnnotations: {{ added-labels: team }} }} }}\n  \
         - {{ name: monitored, policy: monitor, expect: allow }}\n  \
         - {{ name: frozen, policy: frozen, expect: {{ deny: {{ contains: not allow mutations }} }} }}\n  \
         - {{ name: worded, policy: worded, set: {{ metadata.annotations: {{ labels.example.com/immutable: 'true' }} }}, expect: {{ deny: talk to us, code: 409 }} }}\n  \
         - {{ name: response, policy: worded, set: {{ metadata.annotations: {{ labels.example.com/immutable: 'true' }} }}, \
            expect: {{ response: {{ allowed: false, patch: null, status: {{ code: 409, details: {{ causes: [{{ message: labels of this object are immutable }}] }} }} }} }} }}\n"
    );
    let repository = Repository::with_suite(&text).policy("default-labels").write("pod.yaml", POD_FILE);
    let report = repository.report(&[]);
    report.all_passed();
    assert_eq!(report.case("plain")["response"]["patchType"], "JSONPatch");
    assert!(report.case("monitored")["response"].get("patch").is_none());
}

#[test]
fn a_policy_list_asks_each_and_a_path_needs_no_declaration() {
    let text = format!(
        "version: 1\npolicies:\n  a: {{ uri: yes.wasm }}\n  b: {{ uri: yes.wasm }}\ncases:\n  - {{ name: both, policy: [a, b], object: {POD}, expect: allow }}\n  \
         - {{ name: path, policy: guests/no.wasm, object: {POD}, expect: {{ deny: no }} }}\n"
    );
    let repository = Repository::with_suite(&text).replying("yes", YES).write("guests/no.wasm", guests::denying("no"));
    let report = repository.report(&[]);
    report.all_passed();
    assert_eq!(report.names(), ["both [a]", "both [b]", "path"]);
    assert_eq!(report.case("path")["policy"], "guests/no.wasm");
}

#[test]
fn kinds_of_the_cluster_come_from_their_definitions() {
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: { name: databases.acme.test }\nspec:\n  group: acme.test\n  scope: Namespaced\n  \
               names: { kind: Database, plural: databases }\n  versions: [{ name: v1, served: true, storage: true }]\n";
    let object = "{ apiVersion: acme.test/v1, kind: Database, metadata: { name: d } }";
    let cases = format!("cases: [{{ name: a, object: {object}, expect: allow }}]\n");
    let with = repository(&format!("crds: [crd/*.yaml]\n{cases}")).write("crd/db.yaml", crd);
    let report = with.report(&[]);
    report.all_passed();
    assert_eq!(
        report.cases()[0]["request"]["resource"],
        json!({ "group": "acme.test", "version": "v1", "resource": "databases" })
    );
    repository(&cases).verify(&[]).run().exits_with(2).says(&["unknown kind `Database`", "crds:", "suite.yml:4:"]);
}

#[test]
fn answers_come_from_the_case_then_from_the_defaults() {
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": format!("sha256:{}", "0".repeat(64)), "size": 2 },
        "layers": [], "annotations": { "org.opencontainers.image.licenses": "MIT" },
    });
    let gpl = manifest.to_string().replace("MIT", "GPL-3.0");
    for policy in ["image-licence", "image-licence-go"] {
        let text = format!(
            "version: 1\npolicies:\n  licence: {{ uri: {policy}/policy.wasm, metadata: {policy}/metadata.yml, settings: {{ allowed: [MIT] }} }}\ndefaults:\n  object: {POD}\n  \
             host: {{ oci/v1/oci_manifest: {{ \"ghcr.io/acme/web:1\": mit.json, \"never asked\": mit.json }} }}\ncases:\n  - {{ name: defaults, expect: allow }}\n  \
             - {{ name: own, host: {{ oci/v1/oci_manifest: {{ \"ghcr.io/acme/web:1\": gpl.json }} }}, expect: {{ deny: {{ contains: GPL-3.0 }} }} }}\n"
        );
        let repository = Repository::with_suite(&text)
            .policy(policy)
            .write("mit.json", manifest.to_string())
            .write("gpl.json", &gpl);
        let report = repository.report(&[]);
        report.all_passed();
        let call = &report.case("own")["calls"][0];
        assert_eq!(
            *call,
            json!({ "capability": "oci/v1/oci_manifest", "request": "ghcr.io/acme/web:1", "answered_by": "host" }),
            "{policy}"
        );
    }
}

#[test]
fn expectations_that_do_not_fit_together_are_mistakes() {
    for (expect, message) in [
        ("{ allow: , deny: }", "cannot be combined"),
        ("{ code: 400 }", "no verdict"),
        ("{ fault: trap, code: 400 }", "`code` cannot be combined with `fault`"),
        ("{ deny: , exactly: true }", "`exactly` needs `response`"),
        ("{ mutate: { only: spec/containers } }", "it has `/`, but it is not a JSON pointer"),
        ("{ mutate: { only: spec..x } }", "it has an empty step"),
        ("{ mutate: { only: /spec/containers/- } }", "`-` is the place behind the end of a list"),
        ("{ mutate: { only: /metadata/annotations/a.b/c } }", "write `/metadata/annotations/a.b~1c`"),
        ("{ mutate: { includes: [{ op: add, path: 'spec.containers[0]' }] } }", "write `path: /spec/containers/0`"),
        ("{ mutate: { patch: [{ op: move, from: metadata.labels, path: /x }] } }", "write `from: /metadata/labels`"),
        ("{ allow: loudly }", "`allow` takes no value"),
    ] {
        let text = format!("cases:\n  - {{ name: a, object: pod.yaml, expect: {expect} }}\n");
        repository(&text).verify(&["list"]).run().exits_with(2).says(&[message, "suite.yml:5:"]);
    }
    for (case, message) in [
        ("object: pod.yaml, raw: {}", "cannot be combined"),
        ("tags: []", "the case has no request"),
        ("object: pod.yaml, each: []", "`each` has no rows: the case would never run"),
        ("object: { a: 1 }", "`raw:`"),
        ("object: pod.yaml, operation: CONNECT, oldObject: pod.yaml", "CONNECT needs one object"),
    ] {
        let text = format!("cases:\n  - {{ name: a, {case}, expect: allow }}\n");
        repository(&text).verify(&["list"]).run().exits_with(2).says(&[message, "suite.yml:5:"]);
    }
}

#[test]
fn every_shipped_suite_passes_but_the_one_about_failures() {
    let suites = testdata().join("suites");
    let names = |folder: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let repository = Repository::new();
    // The suite about signatures needs a registry, which `signatures.rs` has.
    let left_out = ["docs", "failures", "signatures"];
    let all = [names(&suites), names(&suites.join("docs"))].concat();
    let paths = all.iter().filter(|path| !left_out.iter().any(|name| path.ends_with(name)));
    let passing = paths.fold(repository.verify(&["-q"]), |verify, path| verify.arg(path.to_str().unwrap()));
    passing.run().exits_with(0).says(&["passed"]);
    let failing = suites.join("failures");
    repository.verify(&[failing.to_str().unwrap()]).run().exits_with(1).says(&["failed"]);
}
