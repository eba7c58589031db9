//! `verify rehearse`: what policies would do to the objects of a cluster.

use serde_json::{Value, json};

use crate::support::{Repository, guests, testdata};

/// Namespaces, a Deployment with its Pods, a Pod of its own, and two Ingresses for one host, as `kubectl get -o yaml` lists them.
const DUMP: &str = r#"apiVersion: v1
items:
- apiVersion: v1
  kind: Namespace
  metadata:
    labels: { team: a }
    name: shop
- apiVersion: v1
  kind: Namespace
  metadata: { name: other }
- apiVersion: apps/v1
  kind: Deployment
  metadata: { name: web, namespace: shop }
  spec: { selector: {}, template: { spec: { containers: [] } } }
- apiVersion: apps/v1
  kind: ReplicaSet
  metadata:
    name: web-1
    namespace: shop
    ownerReferences: [{ apiVersion: apps/v1, kind: Deployment, name: web, controller: true }]
  spec: {}
- apiVersion: v1
  kind: Pod
  metadata:
    name: web-1-a
    namespace: shop
    ownerReferences: [{ apiVersion: apps/v1, kind: ReplicaSet, name: web-1, controller: true }]
  spec: { containers: [{ name: web, image: nginx }] }
- apiVersion: v1
  kind: Pod
  metadata:
    name: web-1-b
    namespace: shop
    labels: { owner: team-a }
    ownerReferences: [{ apiVersion: apps/v1, kind: ReplicaSet, name: web-1, controller: true }]
  spec: { containers: [{ name: web, image: nginx }] }
- apiVersion: v1
  kind: Pod
  metadata: { name: alone, namespace: other }
  spec: { containers: [{ name: web, image: nginx }] }
- apiVersion: networking.k8s.io/v1
  kind: Ingress
  metadata: { name: one, namespace: shop }
  spec: { rules: [{ host: a.test }] }
- apiVersion: networking.k8s.io/v1
  kind: Ingress
  metadata: { name: two, namespace: other }
  spec: { rules: [{ host: a.test }] }
kind: List
metadata:
  resourceVersion: ""
"#;

const PODS: &str = "[{ apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE] }]";

/// A repository with the dump and the modules of `testdata/policies`, annotated.
fn repository() -> Repository {
    let repository = Repository::new().write("dump.yaml", DUMP);
    ["safe-labels", "default-labels", "unique-host"].into_iter().fold(repository, |repository, name| {
        let read = |file: &str| std::fs::read(testdata().join("policies").join(name).join(file)).unwrap();
        let (module, metadata) = (format!("{name}/policy.wasm"), format!("{name}/metadata.yml"));
        let repository = repository.write(&module, read("policy.wasm")).write(&metadata, read("metadata.yml"));
        repository.verify(&["annotate", &module, "-m", &metadata, "-o", &format!("{name}.wasm")]).run().exits_with(0);
        repository
    })
}

/// A policy as it is deployed. `kind` may have a namespace behind a slash.
fn policy(repository: &Repository, kind: &str, name: &str, module: &str, spec: &str) -> String {
    let (kind, namespace) = kind.split_once('/').unwrap_or((kind, ""));
    let namespace = if namespace.is_empty() { String::new() } else { format!(", namespace: {namespace}") };
    let module = repository.path(&format!("{module}.wasm")).display().to_string();
    format!(
        "apiVersion: policies.kubewarden.io/v1\nkind: {kind}\nmetadata: {{ name: {name}{namespace} }}\n\
         spec: {{ module: 'file://{module}', mutating: false, {spec} }}\n"
    )
}

fn labels(repository: &Repository, name: &str, label: &str, spec: &str) -> String {
    let spec = format!("rules: {PODS}, settings: {{ mandatory_labels: [{label}] }}, {spec}");
    policy(repository, "ClusterAdmissionPolicy", name, "safe-labels", &spec)
}

/// The rehearsal as a document, after the command ended with this code.
#[track_caller]
fn rehearsed(repository: &Repository, arguments: &[&str], code: i32) -> Value {
    let run = repository.verify(&["rehearse", "--format", "json"]).args(arguments).run();
    serde_json::from_str(&run.named(&format!("{arguments:?}")).exits_with(code).stdout).unwrap()
}

/// `name: rejected/faults/mutated/monitored/allowed/not asked` of each policy.
fn counts(result: &Value) -> Vec<String> {
    let of = |policy: &Value| {
        let number = |key: &str| policy["counts"][key].as_u64().unwrap();
        let monitored = number("monitored_rejections") + number("monitored_mutations");
        let [rejected, faults, mutated] = ["rejected", "faults", "mutated"].map(number);
        let (allowed, not_asked) = (number("allowed"), number("not_asked"));
        let name = policy["name"].as_str().unwrap();
        format!("{name}: {rejected}/{faults}/{mutated}/{monitored}/{allowed}/{not_asked}")
    };
    result["policies"].as_array().unwrap().iter().map(of).collect()
}

fn list(value: &Value, pointers: &[&str]) -> Vec<String> {
    let shown = |item: &Value| {
        let part = |pointer: &&str| item.pointer(pointer).map(|it| it.as_str().map_or(it.to_string(), str::to_owned));
        pointers.iter().map(|pointer| part(pointer).unwrap_or_default()).collect::<Vec<_>>().join(" ")
    };
    value.as_array().unwrap().iter().map(shown).collect()
}

#[test]
fn policies_namespaces_and_workloads_are_counted() {
    let repository = repository();
    let rules =
        "rules: [{ apiGroups: [apps], apiVersions: [v1], resources: [deployments], operations: [CREATE, UPDATE] }]";
    let all = [
        labels(
            &repository,
            "owner",
            "owner",
            "namespaceSelector: { matchExpressions: [{ key: team, operator: Exists }] }",
        ),
        policy(
            &repository,
            "ClusterAdmissionPolicy",
            "tier",
            "safe-labels",
            &format!("mode: monitor, settings: {{ mandatory_labels: [tier] }}, {rules}"),
        ),
        policy(
            &repository,
            "AdmissionPolicy/shop",
            "defaults",
            "default-labels",
            &format!("rules: {PODS}, settings: {{ labels: {{ team: a }} }}"),
        )
        .replace("mutating: false", "mutating: true"),
        policy(&repository, "AdmissionPolicy/other", "defaults", "safe-labels", &format!("rules: {PODS}")),
        policy(
            &repository,
            "ClusterAdmissionPolicy",
            "hosts",
            "unique-host",
            "contextAwareResources: [{ apiVersion: networking.k8s.io/v1, kind: Ingress }], rules: [{ apiGroups: \
             [networking.k8s.io], apiVersions: [v1], resources: [ingresses], operations: [CREATE] }]",
        ),
    ];
    let repository = repository.write("policies/all.yaml", all.join("---\n"));
    let result = rehearsed(&repository, &["policies", "--objects", "dump.yaml"], 0);
    assert_eq!(
        counts(&result),
        [
            "owner: 1/0/0/0/1/7",
            "tier: 0/0/0/1/0/8",
            "shop/defaults: 0/0/2/0/0/7",
            "other/defaults: 0/0/0/0/1/8",
            "hosts: 2/0/0/0/0/7",
        ],
        "{result:#}"
    );
    assert_eq!(
        (&result["objects"], &result["rejected_objects"], &result["rejected_workloads"]),
        (&json!(9), &json!(3), &json!(3))
    );
    let finding = &result["policies"][0]["findings"][0];
    assert_eq!(finding["cause"], "The following mandatory labels are missing: owner");
    let example =
        json!({ "object": "Pod shop/web-1-a", "workload": "Deployment shop/web", "file": "dump.yaml", "line": 22 });
    assert_eq!(finding["example"], example);
    assert_eq!(
        list(&result["namespaces"], &["/name", "/objects", "/rejected_objects"]),
        ["other 3 1", "shop 6 2"],
        "{result:#}"
    );
    let workloads = list(&result["workloads"], &["/kind", "/name", "/objects", "/rejected_objects"]);
    assert_eq!(workloads, ["Deployment web 4 1", "Ingress two 1 1", "Ingress one 1 1"]);
    // Two policies of one name are those of two namespaces.
    assert_eq!(result["workloads"][0]["policies"]["shop/defaults"]["mutated"], 2);
    let run = repository.verify(&["rehearse", "policies", "--objects", "dump.yaml", "--fail-on", "rejections"]).run();
    let run = run.exits_with(1).says(&["Pod shop/web-1-a of Deployment shop/web", "3 of 9 objects would be rejected"]);
    assert!(run.stdout.contains("tier (monitor)"), "{run}");
    for (word, code) in [("monitored", 1), ("mutations", 1), ("audit", 1)] {
        repository
            .verify(&["rehearse", "policies", "--objects", "dump.yaml", "--fail-on", word])
            .run()
            .exits_with(code);
    }
}

#[test]
fn policies_come_from_the_list_of_kubectl() {
    let repository = repository();
    let item = |name: &str| {
        let text = labels(&repository, name, "owner", "");
        let indented: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
        format!("-{}\n", &indented.join("\n")[1..])
    };
    let list = format!("apiVersion: v1\nitems:\n{}{}kind: List\nmetadata: {{}}\n", item("a"), item("b"));
    let repository = repository.write("deployed.yaml", list);
    let result = rehearsed(&repository, &["deployed.yaml", "--objects", "dump.yaml"], 0);
    assert_eq!(counts(&result), ["a: 2/0/0/0/1/6", "b: 2/0/0/0/1/6"]);
    let result = rehearsed(&repository, &["deployed.yaml#b", "--objects", "dump.yaml"], 0);
    assert_eq!(counts(&result), ["b: 2/0/0/0/1/6"]);
    let run = repository.verify(&["eval", "deployed.yaml", "-f", "dump.yaml"]).run().exits_with(1);
    assert!(run.stdout.contains("6 verdicts: 4 denied"), "{run}");
}

#[test]
fn dumps_come_from_files_folders_json_and_stdin() {
    let repository = repository();
    let manifest = labels(&repository, "owner", "owner", "");
    let list = json!({ "kind": "List", "apiVersion": "v1", "items": [
        { "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" }, "spec": {} },
        { "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "b" }, "spec": {} },
    ]});
    let pod = |name: &str| format!("apiVersion: v1\nkind: Pod\nmetadata: {{ name: {name} }}\nspec: {{}}\n");
    let repository = repository
        .write("owner.yaml", manifest)
        .write("list.json", serde_json::to_string_pretty(&list).unwrap())
        .write("more/two.yaml", format!("{}---\n{}", pod("a"), pod("c")));
    for (objects, number) in [(&["list.json"][..], 2), (&["more"], 2), (&["more/*.yaml", "list.json"], 4)] {
        let result = rehearsed(&repository, &[&["owner.yaml", "--objects"], objects].concat(), 0);
        assert_eq!(result["objects"], number, "{objects:?}");
        assert_eq!(result["repeated"], u64::from(number == 4), "{objects:?}");
    }
    let run = repository.shell("cat list.json | verify rehearse owner.yaml --objects -").run().exits_with(0);
    assert!(run.stdout.contains("<stdin>:4  Pod default/a and 1 more"), "{run}");
}

#[test]
fn what_cannot_be_read_is_said_and_no_success() {
    let repository = repository();
    let widget = "---\napiVersion: acme.test/v1\nkind: Widget\nmetadata: { name: w }\n";
    let crd = "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: { name: widgets.acme.test }\n\
               spec: { group: acme.test, scope: Namespaced, names: { kind: Widget, plural: widgets }, \
               versions: [{ name: v1, served: true }] }\n";
    let repository = repository
        .write("bad.yaml", "kind: Pod\napiVersion: v1\nmetadata: { name: ok }\n---\nkind: [\n---\na: 1\n")
        .write("widget.yaml", widget)
        .write("both.yaml", format!("{widget}{crd}"))
        .write("crd.yaml", crd);
    let manifest = labels(&repository, "owner", "owner", "");
    let repository = repository.write("owner.yaml", manifest);
    let with = |objects: &[&'static str]| [&["owner.yaml", "--objects", "dump.yaml"], objects].concat();
    let result = rehearsed(&repository, &with(&["bad.yaml"]), 1);
    assert_eq!(result["objects"], 10);
    let unread = list(&result["unread"], &["/file", "/line", "/number"]);
    assert_eq!(unread, ["bad.yaml 5 1", "bad.yaml 7 1"], "{result:#}");
    let result = rehearsed(&repository, &with(&["widget.yaml"]), 1);
    assert_eq!(list(&result["unread"], &["/reason", "/file"]), ["unknown kind `Widget` of `acme.test/v1` widget.yaml"]);
    let result = rehearsed(&repository, &with(&["widget.yaml", "--skip-unknown"]), 0);
    assert_eq!((result["unread"].as_array().unwrap().len(), &result["passed_over"][0]["number"]), (0, &json!(1)));
    for known in [&["both.yaml"][..], &["widget.yaml", "--crds=crd.yaml"]] {
        assert!(rehearsed(&repository, &with(known), 0)["unread"].as_array().unwrap().is_empty(), "{known:?}");
    }
    // A limit that is exceeded leaves what was read before.
    let result = rehearsed(&repository, &["owner.yaml", "--objects", "dump.yaml", "--max-file-size=1KiB"], 1);
    assert!(result["unread"][0]["reason"].as_str().unwrap().contains("larger than 1024 bytes"), "{result:#}");
    repository
        .verify(&["rehearse", "owner.yaml", "--objects", "gone.yaml"])
        .run()
        .exits_with(2)
        .says(&["file not found"]);
}

#[test]
fn faults_and_unavailable_policies_are_no_success() {
    let repository = repository().guest("wapc-trap");
    let fault = policy(&repository, "ClusterAdmissionPolicy", "trap", "wapc-trap", &format!("rules: {PODS}"));
    let settings = labels(&repository, "settings", "owner", "").replace("[owner]", "7");
    let gone = labels(&repository, "gone", "owner", "");
    let module = format!("file://{}", repository.path("safe-labels.wasm").display());
    let gone = gone.replace(&module, "registry://localhost:1/p:v1");
    let repository = repository.write("trap.yaml", fault).write("settings.yaml", settings).write("gone.yaml", gone);
    let result = rehearsed(&repository, &["trap.yaml", "settings.yaml", "--objects", "dump.yaml"], 1);
    assert_eq!(counts(&result), ["trap: 0/3/0/0/0/6", "settings: 0/3/0/0/0/6"], "{result:#}");
    let findings = &result["policies"][0]["findings"];
    assert_eq!((findings.as_array().unwrap().len(), &findings[0]["number"]), (1, &json!(3)), "{findings:#}");
    assert_eq!(result["policies"][0]["audit"]["error"], 3);
    let result = rehearsed(&repository, &["gone.yaml", "trap.yaml", "--objects", "dump.yaml", "--offline"], 3);
    assert!(
        result["policies"][0]["unavailable"].is_string() && counts(&result)[1] == "trap: 0/3/0/0/0/6",
        "{result:#}"
    );
}

#[test]
fn an_audit_asks_about_less_and_more() {
    let repository = repository();
    let rule = |rule: &str| format!("[{{ {rule} }}]");
    let named = "apiGroups: [''], apiVersions: [v1], resources: [pods]";
    let cases = [
        ("plain", PODS.to_owned(), "", "fail 2 pass 1"),
        ("monitored", PODS.to_owned(), "mode: monitor", "fail 2 pass 1"),
        (
            "wildcard",
            rule("apiGroups: [''], apiVersions: ['*'], resources: [pods], operations: [CREATE]"),
            "",
            "every rule has `*`",
        ),
        ("all-operations", rule(&format!("{named}, operations: ['*']")), "", "no rule names the operation CREATE"),
        ("updates", rule(&format!("{named}, operations: [UPDATE]")), "", "no rule names the operation CREATE"),
        ("unaudited", PODS.to_owned(), "backgroundAudit: false", "backgroundAudit is false"),
        ("selected", PODS.to_owned(), "objectSelector: { matchLabels: { owner: team-a } }", "fail 0 pass 1"),
        (
            "namespaced",
            PODS.to_owned(),
            "namespaceSelector: { matchExpressions: [{ key: team, operator: Exists }] }",
            "fail 1 pass 1",
        ),
        ("conditioned", PODS.to_owned(), "matchConditions: [{ name: never, expression: 'false' }]", "fail 2 pass 1"),
    ];
    let manifests = cases.iter().map(|(name, rules, spec, _)| {
        labels(&repository, name, "owner", spec).replacen(&format!("rules: {PODS}"), &format!("rules: {rules}"), 1)
    });
    let manifests: Vec<String> = manifests.collect();
    let repository = repository.write("all.yaml", manifests.join("---\n"));
    let result = rehearsed(&repository, &["all.yaml", "--objects", "dump.yaml", "--kubewarden=1.38"], 0);
    for (policy, (name, _, _, wanted)) in result["policies"].as_array().unwrap().iter().zip(cases) {
        let audit = &policy["audit"];
        let found = audit["skipped"]
            .as_str()
            .map_or_else(|| format!("fail {} pass {}", audit["fail"], audit["pass"]), str::to_owned);
        assert!(found.starts_with(wanted), "{name}: {found}");
    }
    // On admission the condition holds the policy back; in the audit nobody looks at it.
    assert!(counts(&result).contains(&"conditioned: 0/0/0/0/0/9".to_owned()), "{result:#}");
    assert!(counts(&result).contains(&"monitored: 0/0/0/2/1/6".to_owned()));
    let run = repository.verify(&["rehearse", "all.yaml", "--objects", "dump.yaml"]).run();
    assert!(run.stdout.contains("2 fail, 1 pass") && run.stdout.contains("skipped"), "{run}");
}

#[test]
fn old_policies_are_compared_by_their_resource() {
    let repository = repository();
    let (same, changed, gone) =
        ("same", labels(&repository, "changed", "owner", ""), labels(&repository, "gone", "tier", ""));
    let same = labels(&repository, same, "app", "");
    let old = format!("{same}---\n{changed}---\n{gone}");
    let new = format!(
        "{}---\n{same}---\n{}",
        labels(&repository, "added", "cost", "mode: monitor"),
        changed.replace("[owner]", "[owner, app]")
    );
    let repository = repository.write("old.yaml", old).write("new.yaml", new);
    let arguments = ["new.yaml", "--old", "old.yaml", "--objects", "dump.yaml"];
    let result = rehearsed(&repository, &arguments, 0);
    let differences = &result["differences"];
    assert_eq!((&differences["added"], &differences["removed"]), (&json!(["added"]), &json!(["gone"])));
    let changes = list(&differences["changes"], &["/class", "/policy", "/number", "/old"]);
    assert_eq!(
        changes,
        [
            "new-denial changed 1 allow",
            "new-allowance gone 3 deny: The following mandatory labels are missing: tier",
            "wording changed 2 The following mandatory labels are missing: owner",
        ],
        "{differences:#}"
    );
    assert_eq!(differences["same"], 4 * 9 - 1 - 3 - 2);
    // What is gone is in no other part.
    assert_eq!(counts(&result).len(), 3);
    for (word, code) in [("new-denial", 1), ("new-allowance", 1), ("mutations", 0)] {
        repository.verify(&["rehearse"]).args(&arguments).args(&["--fail-on", word]).run().exits_with(code);
    }
    let run = repository.verify(&["rehearse"]).args(&arguments).run().exits_with(0);
    assert!(run.stdout.contains("new denial (breaking) · changed · 1 object"), "{run}");
    let run = repository.verify(&["rehearse", "new.yaml", "--objects", "dump.yaml", "--fail-on", "new-denial"]).run();
    run.exits_with(2).says(&["--fail-on new-denial needs --old"]);
}

#[test]
fn two_modules_are_versions_of_one_policy() {
    let rule = json!({ "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"] });
    let metadata =
        json!({ "protocolVersion": "v1", "rules": [rule], "mutating": false, "executionMode": "kubewarden-wapc" });
    let version = |reply: &str| {
        guests::with_section(guests::replying(reply), "io.kubewarden.metadata", metadata.to_string().as_bytes())
    };
    let allows = version(r#"{"valid":true,"accepted":true}"#);
    let denies = version(r#"{"valid":true,"accepted":false,"message":"never"}"#);
    let repository = Repository::new()
        .write("dump.yaml", DUMP)
        .write("p-1.wasm", allows)
        .write("p-2.wasm", denies)
        .write("settings.yml", "{}\n");
    let flags = ["--old", "p-1.wasm", "--objects", "dump.yaml", "--settings=settings.yml"];
    let result = rehearsed(&repository, &[&["p-2.wasm"], &flags[..]].concat(), 0);
    assert_eq!(list(&result["differences"]["changes"], &["/class", "/policy", "/number"]), ["new-denial p-2 3"]);
    assert_eq!(result["policies"][0]["audit"]["fail"], 3);
}

#[test]
fn nothing_that_is_asked_is_no_success() {
    let repository = repository().write("config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: c }\n");
    let owner = labels(&repository, "owner", "owner", "");
    let repository = repository.write("owner.yaml", owner);
    let rehearse =
        |more: &[&str]| repository.verify(&["rehearse", "owner.yaml", "--objects", "config.yaml"]).args(more).run();
    rehearse(&[]).exits_with(4).says(&["no policy was asked about any object"]);
    rehearse(&["--allow-empty"]).exits_with(0);
    repository.verify(&["rehearse", "owner.yaml"]).run().exits_with(2).says(&["--objects"]);
    repository.verify(&["rehearse", "dump.yaml", "--objects", "dump.yaml"]).run().exits_with(2).says(&["no policy in"]);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let repository = repository();
    let pod = |number: usize| {
        let label = if number.is_multiple_of(3) { ", labels: { owner: a }" } else { "" };
        format!(
            "- apiVersion: v1\n  kind: Pod\n  metadata: {{ name: p{number}, namespace: n{}{label} }}\n  spec: {{}}\n",
            number % 7
        )
    };
    let pods: String = (0..700).map(pod).collect();
    let (one, other) =
        (labels(&repository, "owner", "owner", ""), labels(&repository, "tier", "tier", "mode: monitor"));
    let repository = repository
        .write("many.yaml", format!("apiVersion: v1\nitems:\n{pods}kind: List\n"))
        .write("all.yaml", format!("{one}---\n{other}"));
    for format in ["human", "json", "markdown", "html"] {
        let on = |jobs: &str| {
            let run = repository
                .verify(&["rehearse", "all.yaml", "--objects", "many.yaml", "-j", jobs, "--format", format])
                .run();
            run.exits_with(0).stdout
        };
        assert_eq!(on("1"), on("4"), "{format}");
    }
}

#[test]
fn texts_of_objects_and_policies_are_escaped() {
    let hostile = "<script>alert(1)</script>";
    let reply = json!({ "valid": true, "accepted": false, "message": format!("{hostile} ::error::x \u{1b}[31m") });
    let repository = Repository::new().write("no.wasm", guests::replying(&reply.to_string()));
    let manifest = policy(&repository, "ClusterAdmissionPolicy", "denies", "no", &format!("rules: {PODS}"));
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": hostile, "namespace": "##[group]" }, "spec": {} });
    let repository = repository.write("no.yaml", manifest).write("pod.json", pod.to_string());
    for format in ["human", "json", "markdown", "html"] {
        let run = repository
            .verify(&["rehearse", "no.yaml", "--objects", "pod.json", "--format", format])
            .run()
            .exits_with(0);
        let shown = &run.stdout;
        assert!(!shown.contains('\u{1b}') && !shown.contains("##["), "{format}: {run}");
        assert!(!shown.lines().any(|line| line.trim_start().starts_with("::")), "{format}: {run}");
        assert!(matches!(format, "human" | "json") || !shown.contains("<script"), "{format}: {run}");
    }
}

#[test]
fn an_object_that_would_take_all_memory_is_not_read() {
    let repository = repository();
    let owner = labels(&repository, "owner", "owner", "");
    let pod = |name: &str, more: &str| {
        format!(r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}"}},"spec":{{{more}}}}}"#)
    };
    let bomb = pod("bomb", &format!(r#""containers":[{}{{}}]"#, "{},".repeat(1_000_000)));
    let list = |items: &[&str]| format!(r#"{{"kind":"List","apiVersion":"v1","items":[{}]}}"#, items.join(",\n"));
    let flow = bomb.replace("{},", "[],");
    let repository = repository
        .write("owner.yaml", owner)
        .write("dump.json", list(&[&pod("a", ""), &bomb, &pod("b", "")]))
        .write("flow.yaml", format!("apiVersion: v1\nitems:\n- {flow}\n- {}\nkind: List\n", pod("c", "")));
    let result = rehearsed(&repository, &["owner.yaml", "--objects", "dump.json", "flow.yaml"], 1);
    assert_eq!(counts(&result), ["owner: 3/0/0/0/0/0"], "{result:#}");
    assert_eq!(list_of_files(&result["unread"]), ["dump.json", "flow.yaml"], "{result:#}");
}

fn list_of_files(unread: &Value) -> Vec<String> {
    let mut files = list(unread, &["/file"]);
    files.sort();
    files
}
