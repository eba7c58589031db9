//! `verify eval`: policies and manifests without a suite.

use serde_json::{Value, json};

use crate::support::{Repository, testdata};

const PODS: &str = "apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop }
spec: { containers: [{ name: web, image: nginx }] }
---
apiVersion: v1
kind: Pod
metadata: { name: db, namespace: shop, labels: { owner: team-a } }
spec: { containers: [{ name: db, image: postgres }] }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: settings, namespace: shop }
";

const SETTINGS: &str = r#"--settings-json={"mandatory_labels":["owner"]}"#;

/// A repository with manifests and the policies of these names, annotated.
fn repository(policies: &[&str]) -> Repository {
    let repository = Repository::new().write("deploy/app.yaml", PODS);
    policies.iter().fold(repository, |repository, name| {
        let read = |file: &str| std::fs::read(testdata().join("policies").join(name).join(file)).unwrap();
        let (module, metadata) = (format!("{name}/policy.wasm"), format!("{name}/metadata.yml"));
        let repository = repository.write(&module, read("policy.wasm")).write(&metadata, read("metadata.yml"));
        repository.verify(&["annotate", &module, "-m", &metadata, "-o", &format!("{name}.wasm")]).run().exits_with(0);
        repository
    })
}

#[test]
fn each_object_is_put_to_each_policy_that_has_a_rule_for_it() {
    let repository = repository(&["safe-labels", "default-labels"]);
    let run = repository.verify(&["eval", "safe-labels.wasm", SETTINGS, "-f", "deploy", "--status=all"]).run();
    let run = run.exits_with(1);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines[0], "denied    Pod shop/web             safe-labels  deploy/app.yaml:1", "{run}");
    assert_eq!(lines[1], "  The following mandatory labels are missing: owner", "{run}");
    assert_eq!(lines[2], "allowed   Pod shop/db              safe-labels  deploy/app.yaml:6", "{run}");
    assert!(lines[3].starts_with("not asked ConfigMap shop/settings  safe-labels  deploy/app.yaml:11"), "{run}");
    assert_eq!(lines.last(), Some(&"2 verdicts: 1 denied · 1 allowed · 1 not asked"), "{run}");
    // What changes is shown.
    let run = repository.verify(&["eval", "default-labels.wasm", r#"--settings-json={"labels":{"team":"a"}}"#]);
    let run = run.args(&["-f", "deploy/app.yaml"]).run().exits_with(0);
    assert!(run.stdout.contains("mutated  ") || run.stdout.contains("mutated   "), "{run}");
    assert!(run.stdout.contains("/metadata/labels"), "{run}");
    // Nobody wrote cases: which are missing is no question.
    let run = repository.verify(&["eval", "safe-labels.wasm", SETTINGS, "-f", "deploy", "--report=human"]).run();
    run.never_says("of the rules have a case").never_says("settings and choices");
}

#[test]
fn manifests_come_from_files_folders_globs_and_stdin() {
    let repository = repository(&["safe-labels"]).write("more/db.yml", PODS.rsplit("---").nth(1).unwrap());
    let eval = |files: &[&str]| {
        let flags: Vec<String> = files.iter().map(|file| format!("--file={file}")).collect();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        repository.verify(&["eval", "safe-labels.wasm", SETTINGS]).args(&flags)
    };
    eval(&["more"]).run().exits_with(0).says(&["1 verdict: 1 allowed"]);
    eval(&["more/*.yml", "deploy"]).run().exits_with(1).says(&["3 verdicts: 1 denied · 2 allowed · 1 not asked"]);
    let shell = |line: &str| repository.shell(line).run();
    let command = |rest: &str| format!("verify eval safe-labels.wasm '{SETTINGS}' {rest}");
    shell(&format!("cat deploy/app.yaml | {}", command("-f -"))).exits_with(1).says(&["<stdin>:1", "2 verdicts: "]);
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" }, "spec": {} },
    ]});
    let repository = repository.write("list.json", list.to_string());
    repository
        .shell(&format!("cat list.json | {}", command("-f - -f more")))
        .run()
        .exits_with(1)
        .says(&["Pod default/a"]);
}

#[test]
fn files_outside_of_the_repository_can_be_typed() {
    let repository = repository(&["safe-labels"]);
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("pods.yaml");
    std::fs::write(&path, PODS).unwrap();
    let eval = |file: &str| repository.verify(&["eval", "safe-labels.wasm", SETTINGS, "-f", file]).run();
    eval(path.to_str().unwrap()).exits_with(1).says(&["pods.yaml:1", "2 verdicts: "]);
    eval(elsewhere.path().to_str().unwrap()).exits_with(1).says(&["2 verdicts: "]);
}

#[test]
fn reports_name_the_lines_of_manifests() {
    let repository = repository(&["safe-labels"]);
    let eval = |more: &[&str]| repository.verify(&["eval", "safe-labels.wasm", SETTINGS, "-f", "deploy"]).args(more);
    eval(&["--report=sarif=a.sarif", "--report=json=a.json", "--report=junit=a.xml"]).run().exits_with(1);
    // No suite could be named that has the case.
    assert!(!repository.read("a.xml").contains("--filter"));
    let sarif = repository.read_json("a.sarif");
    let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "deploy/app.yaml", "{place}");
    assert_eq!(place["region"]["startLine"], 1, "{place}");
    let report = repository.read_json("a.json");
    let outcomes: Vec<&Value> = report["cases"].as_array().unwrap().iter().map(|case| &case["outcome"]).collect();
    assert_eq!(outcomes, ["failed", "passed", "skipped"]);
    assert_eq!(
        report["cases"][0]["response"]["status"]["message"],
        "The following mandatory labels are missing: owner"
    );
    let run = eval(&[]).on_github().run().exits_with(1);
    assert!(run.stderr.contains("::error file=deploy/app.yaml,line=1"), "{run}");
    let run = eval(&["--report=json"]).run().exits_with(1);
    assert!(serde_json::from_str::<Value>(&run.stdout).is_ok(), "{run}");
}

#[test]
fn a_policy_is_asked_as_its_manifest_deploys_it() {
    let manifest = "apiVersion: policies.kubewarden.io/v1
kind: ClusterAdmissionPolicy
metadata: { name: labels }
spec:
  module: registry://ghcr.io/acme/labels:v1
  mode: monitor
  rules: [{ apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE] }]
  settings: { mandatory_labels: [owner] }
";
    let repository = repository(&["safe-labels"]).write("policies/labels.yaml", manifest);
    // The module is in no registry that can be reached: that is no verdict.
    let run = repository.verify(&["eval", "policies", "-f", "deploy", "--offline"]).run().exits_with(3);
    assert!(run.stdout.contains("3 error") && !run.stdout.contains("allowed"), "{run}");
    assert_eq!(run.stdout.matches("every object  labels").count(), 1, "{run}");
    // A folder of manifests has other resources, too, and a file several policies.
    let second = manifest.replace("name: labels", "name: second");
    let repository = repository
        .write("policies/ns.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: { name: a }\n")
        .write("policies/empty.yaml", "")
        .write("policies/labels.yaml", format!("{manifest}---\n{second}"));
    let eval = |more: &[&str]| repository.verify(&["eval", "-f", "deploy", "--offline"]).args(more).run();
    eval(&["policies"]).exits_with(3).says(&["6 verdicts"]);
    eval(&["policies/labels.yaml"]).exits_with(3).says(&["6 verdicts"]);
    eval(&["policies/labels.yaml#second", "--settings-json={}"]).exits_with(3).says(&["3 verdicts", "second"]);
    eval(&["policies/labels.yaml#third"]).exits_with(2).says(&["no policy `third`"]);
    eval(&["policies/ns.yaml"]).exits_with(2).says(&["no policy in `policies/ns.yaml`"]);
    eval(&["ghcr.io/acme/labels:v1"]).exits_with(2).says(&["registry://ghcr.io/acme/labels:v1"]);
}

#[test]
fn what_is_typed_is_what_is_read() {
    let bad = PODS.split("---").next().unwrap();
    let good = PODS.split("---").nth(1).unwrap();
    let repository = repository(&["safe-labels"]).write("app/[id]/pod.yaml", bad).write("app/i/pod.yaml", good);
    let eval = |more: &[&str]| repository.verify(&["eval", "safe-labels.wasm", SETTINGS]).args(more).run();
    eval(&["-f", "app/[id]/pod.yaml"]).exits_with(1).says(&["1 verdict: 1 denied", "app/[id]/pod.yaml:1"]);
    eval(&["-f", "app/[id]"]).exits_with(1).says(&["1 verdict: 1 denied"]);
    eval(&["-f", "app", "-f", "app/i", "-f", "app/../app/i/pod.yaml"]).exits_with(1).says(&["2 verdicts: "]);
    // No text of the command line has variables.
    let pattern = r#"--settings-json={"constrained_labels":{"owner":"^${a}$"}}"#;
    let run = repository.verify(&["eval", "safe-labels.wasm", pattern, "-f", "app/i"]).run();
    run.never_says("unknown variable");
    std::os::unix::fs::symlink("/etc/hostname", repository.path("app/i/host.yaml")).unwrap();
    eval(&["-f", "app/i"]).exits_with(2).says(&["app/i/host.yaml", "outside of the folder"]);
}

#[test]
fn an_object_of_an_unknown_kind_is_never_passed_over_unasked() {
    let widget = "apiVersion: acme.test/v1\nkind: Widget\nmetadata: { name: w }\n";
    let crd = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": {
        "group": "acme.test", "scope": "Namespaced", "names": { "kind": "Widget", "plural": "widgets" },
        "versions": [{ "name": "v1", "served": true }],
    }});
    let everything = "rules: [{ apiGroups: ['*'], apiVersions: ['*'], resources: ['*'], operations: [CREATE] }]\n\
                      mutating: false\nexecutionMode: kubewarden-wapc\n";
    let module = std::fs::read(testdata().join("policies/safe-labels/policy.wasm")).unwrap();
    let repository = Repository::new()
        .write("app/widget.yaml", widget)
        .write("crd.yaml", crd.to_string())
        .write("all.wasm", module)
        .write("all.yml", everything);
    let eval = |more: &[&str]| {
        repository.verify(&["eval", "all.wasm", "--metadata=all.yml", SETTINGS, "-f", "app"]).args(more).run()
    };
    eval(&[]).exits_with(2).says(&["unknown kind `Widget`", "app/widget.yaml:1", "--crds"]);
    eval(&["--crds=crd.yaml"]).exits_with(1).says(&["denied", "Widget"]);
    eval(&["--skip-unknown"]).exits_with(4).says(&["0 verdicts: 1 not asked"]);
}

#[test]
fn metadata_is_for_modules_that_have_none() {
    let repository = repository(&["safe-labels"])
        .write("nothing.yml", "rules: []\nmutating: false\nexecutionMode: kubewarden-wapc\n");
    let run = repository.verify(&["eval", "safe-labels.wasm", SETTINGS, "--metadata=nothing.yml", "-f", "deploy"]);
    run.run().exits_with(1).says(&["2 verdicts: 1 denied"]);
}

#[test]
fn nothing_to_ask_about_is_no_mistake_and_no_success() {
    let repository = repository(&["safe-labels"]).write("empty.yaml", "# nothing\n---\n");
    let command = |rest: &str| format!("verify eval safe-labels.wasm '{SETTINGS}' {rest}");
    let shell = |line: String| repository.shell(&line).run();
    let none = r#"{"apiVersion":"v1","kind":"List","items":[]}"#;
    shell(format!(": | {}", command("-f -"))).exits_with(4);
    shell(format!("echo '{none}' | {}", command("-f -"))).exits_with(4);
    shell(format!("echo '{none}' | {}", command("-f /dev/stdin --allow-empty"))).exits_with(0);
    shell(command("-f empty.yaml -f deploy")).exits_with(1).says(&["2 verdicts: "]);
}

#[test]
fn what_cannot_be_asked_is_no_success() {
    let repository = repository(&["safe-labels"]).write("config.yaml", PODS.rsplit("---").next().unwrap());
    let eval = |more: &[&str]| repository.verify(&["eval"]).args(more).run();
    eval(&["safe-labels.wasm", "-f", "config.yaml"]).exits_with(4);
    eval(&["safe-labels.wasm", "-f", "config.yaml", "--allow-empty"]).exits_with(0);
    eval(&["gone.wasm", "-f", "config.yaml"]).exits_with(2).says(&["file not found: `gone.wasm`"]);
    eval(&["safe-labels.wasm", "-f", "gone.yaml"]).exits_with(2).says(&["file not found: `gone.yaml`"]);
    eval(&["safe-labels.wasm", "-f", "gone/*.yaml"]).exits_with(2).says(&["no file matches `gone/*.yaml`"]);
    eval(&["safe-labels.wasm", "-f", "safe-labels"]).exits_with(2).says(&["safe-labels/metadata.yml:1"]);
    eval(&["safe-labels.wasm", "-f", ".git"]).exits_with(2).says(&["no file in the folder `.git`"]);
    eval(&["safe-labels.wasm"]).exits_with(2).says(&["--file"]);
    eval(&["safe-labels.wasm", "-f", "deploy", "--settings-json=[]"]).exits_with(2).says(&["expected an object"]);
    // Nobody has seen the suite that is made of the flags.
    let repository = repository.write("list.yml", "[owner]\n");
    let eval = |more: &[&str]| repository.verify(&["eval"]).args(more).run();
    let run = eval(&["safe-labels.wasm", "safe-labels.wasm", "-f", "deploy", "--settings=list.yml"]).exits_with(2);
    assert_eq!(run.stderr.matches("invalid settings: expected a mapping").count(), 1, "{run}");
    run.never_says("<command line>");
    // Settings that the policy refuses are no denial.
    let run = eval(&["safe-labels.wasm", "-f", "deploy", r#"--settings-json={"mandatory_labels":7}"#]).exits_with(1);
    assert!(run.stdout.contains("2 error") && !run.stdout.contains("denied"), "{run}");
    assert_eq!(run.stdout.matches("rejects these settings").count(), 1, "{run}");
}
