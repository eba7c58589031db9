//! Modules that policy-server would not serve: they are tested with a warning, and those of registries are not tested.

use serde_json::{Value, json};

use crate::fetching;
use crate::support::registry::{FakeRegistry, Reaction, Reply};
use crate::support::{POD, Report, Repository, guests, testdata};

const YES: &str = r#"{"valid":true,"accepted":true}"#;

/// A suite in `folder` about the module at `uri`, with one passing case.
fn suite(uri: &str) -> String {
    format!("version: 1\npolicies:\n  p: {{ uri: {uri} }}\ncases:\n  - {{ name: a, object: {POD}, expect: allow }}\n")
}

fn module() -> Vec<u8> {
    guests::replying(YES)
}

/// The messages of the warnings, in order.
fn warnings(report: &Report) -> Vec<&str> {
    let warnings = report.0["warnings"].as_array().into_iter().flatten();
    warnings.map(|warning| warning["message"].as_str().unwrap()).collect()
}

#[test]
fn module_without_metadata_is_a_warning_in_every_report() {
    let repository = Repository::with_suite(&suite("p.wasm")).write("p.wasm", module());
    let message = "the module of `p` has no metadata: rules are not checked, and policy-server would not serve it";
    let report = repository.report(&[]);
    report.all_passed();
    assert_eq!(
        report.0["warnings"],
        json!([{
            "code": "PV051",
            "message": message,
            "help": "add `metadata: metadata.yml` to the policy, or annotate the module with `verify annotate`",
            "place": { "file": "suite.yml", "line": 3, "column": 13, "length": 6 },
        }])
    );
    for arguments in
        [&[] as &[&str], &["-q"], &["-v"], &["--report=markdown"], &["--report=html"], &["--report=ndjson"]]
    {
        let run = repository.verify(arguments).run().exits_with(0);
        assert_eq!(run.stdout.replace("<code>p</code>", "`p`").matches("the module of").count(), 1, "{run}");
        assert!(run.stdout.contains("policy-server would not serve it"), "{run}");
    }
    let run = repository.verify(&[]).on_github().run().exits_with(0);
    run.says(&["::warning file=suite.yml,line=3"]);
    repository.verify(&["list"]).run().exits_with(0).never_says("metadata");
}

#[test]
fn annotated_module_is_no_warning() {
    let repository = Repository::with_suite(&suite("p.wasm")).write("p.wasm", guests::annotated(module()));
    assert_eq!(repository.report(&[]).0.get("warnings"), None);
}

#[test]
fn metadata_file_nearby_is_named() {
    for (suite_at, uri, metadata, named) in [
        ("suite.yml", "p.wasm", "metadata.yml", "metadata.yml"),
        ("suite.yml", "p/p.wasm", "p/metadata.yaml", "p/metadata.yaml"),
        ("tests/suite.yml", "../target/wasm32-wasip1/release/p.wasm", "metadata.yml", "../metadata.yml"),
        ("policies/a/tests/suite.yml", "../../../dist/p.wasm", "policies/a/metadata.yml", "../metadata.yml"),
    ] {
        let at = |relative: &str| format!("{}/{relative}", suite_at.rsplit_once('/').map_or(".", |(folder, _)| folder));
        let repository = Repository::new().write(suite_at, suite(uri)).write(metadata, "rules: []\nmutating: false\n");
        let module_at = at(uri);
        std::fs::create_dir_all(repository.path(&at("."))).unwrap();
        let repository = repository.write(&module_at, module());
        let report = repository.report(&[suite_at]);
        report.all_passed();
        let wanted = format!(
            "`{named}` is not used, and the module of `p` has no metadata: rules are not checked, and policy-server would \
             not serve it"
        );
        assert_eq!(warnings(&report), [wanted], "{suite_at}");
        let help = report.0["warnings"][0]["help"].as_str().unwrap();
        assert!(help.starts_with(&format!("add `metadata: {named}` to the policy")), "{help}");
    }
}

#[test]
fn metadata_file_outside_the_repository_is_not_named() {
    let outer = Repository::new().write("metadata.yml", "rules: []\nmutating: false\n");
    let repository =
        outer.write("inner/.git/HEAD", "").write("inner/suite.yml", suite("p.wasm")).write("inner/p.wasm", module());
    #[cfg(unix)]
    std::os::unix::fs::symlink("../metadata.yml", repository.path("inner/metadata.yml")).unwrap();
    let report = repository.report(&["inner/suite.yml"]);
    assert!(warnings(&report)[0].starts_with("the module of `p` has no metadata"), "{:?}", report.0["warnings"]);
}

/// Every policy is named once, however many cases, groups and chains use it.
#[test]
fn every_policy_is_named_once() {
    let text = format!(
        "version: 1
policies:
  one: {{ uri: p.wasm }}
  two: {{ uri: p.wasm }}
  idle: {{ uri: p.wasm }}
groups:
  both: {{ expression: one() && two(), message: no, members: {{ one: {{ policy: one }}, two: {{ policy: two }} }} }}
cases:
  - {{ name: alone, policy: one, object: {POD}, expect: allow }}
  - {{ name: group, group: both, object: {POD}, expect: allow }}
  - {{ name: chain, chain: [one, both], object: {POD}, expect: allow }}
  - {{ name: raw, policy: two, raw: {{ a: 1 }}, expect: allow }}
  - {{ name: path, policy: ./p.wasm, object: {POD}, expect: allow }}
"
    );
    let repository = Repository::with_suite(&text).write("p.wasm", module());
    let report = repository.report(&[]);
    report.all_passed();
    let names: Vec<&str> = warnings(&report).into_iter().filter_map(|text| text.split('`').nth(1)).collect();
    assert_eq!(names, ["one", "two", "idle", "./p.wasm"]);
    let report = repository.report(&["--filter", "raw"]);
    assert_eq!(warnings(&report).len(), 1, "only policies of the run");
}

#[test]
fn other_modes_are_not_served_either() {
    for (policy, mode) in [("rego-labels", "opa"), ("gatekeeper-labels", "gatekeeper"), ("words-wasi", "wasi")] {
        let text = suite("p.wasm, settings: { forbidden: [] }")
            .replace(" }\ncases", &format!(", executionMode: {mode} }}\ncases"));
        let bytes = std::fs::read(testdata().join(format!("policies/{policy}/policy.wasm"))).unwrap();
        let report = Repository::with_suite(&text).write("p.wasm", bytes).report(&[]);
        assert_eq!(report.0["policies"][0]["execution_mode"], mode, "{}", report.0);
        assert!(warnings(&report)[0].contains("policy-server would not serve it"), "{mode}");
    }
}

/// The rules of a manifest are checked whatever the module holds.
#[test]
fn manifest_has_rules_where_the_module_has_none() {
    let spec =
        "module: m\n  rules: [{ apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE] }]\n";
    let manifest = format!(
        "apiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\nmetadata: {{ name: p }}\nspec:\n  {spec}"
    );
    let text = suite("p.wasm, manifest: p.yaml");
    let report = Repository::with_suite(&text).write("p.wasm", module()).write("p.yaml", manifest).report(&[]);
    report.all_passed();
    assert_eq!(warnings(&report), ["the module of `p` has no metadata: policy-server would not serve it"]);
}

/// Metadata that no tool writes: waPC without a protocol version.
#[test]
fn metadata_without_a_protocol_version_is_not_served() {
    for (version, refusal) in [
        (Value::Null, "Policy is missing protocol version, which is required for KubewardenWapc execution mode"),
        (json!("Unknown"), "Policy uses protocol version Unknown but only V1 is supported"),
    ] {
        let rule = json!({ "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"] });
        let metadata = json!({ "protocolVersion": version, "rules": [rule], "mutating": false });
        let bytes = guests::with_section(module(), "io.kubewarden.metadata", metadata.to_string().as_bytes());
        let report = Repository::with_suite(&suite("p.wasm")).write("p.wasm", &bytes).report(&[]);
        report.all_passed();
        assert_eq!(warnings(&report), [format!("policy-server would not serve `p`: {refusal}")]);
    }
}

/// What is tested in a registry is what is deployed: policy-server has to serve it.
#[test]
fn policy_of_a_registry_without_metadata_is_unavailable() {
    let fake = FakeRegistry::start();
    let rule = json!({ "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"] });
    let metadata = json!({ "protocolVersion": "Unknown", "rules": [rule], "mutating": false });
    let unknown = guests::with_section(module(), "io.kubewarden.metadata", metadata.to_string().as_bytes());
    let digest = fake.add_policy("acme/bare", "v1", &module());
    fake.add_policy("acme/unknown", "v1", &unknown);
    fake.add_policy("acme/good", "v1", &guests::annotated(module()));
    let missing = "the module has no metadata: Policy is missing protocol version";
    let uri = |name: &str| format!("registry://{}/acme/{name}", fake.host());
    for (name, says) in [
        ("bare:v1", missing),
        (&format!("bare@{digest}"), missing),
        ("unknown:v1", "Policy uses protocol version Unknown but only V1 is supported"),
    ] {
        let repository = fetching::repository(&fake, &[("p", &uri(name)), ("good", &uri("good:v1"))]);
        for more in [&[] as &[&str], &["--kubewarden=1.36"], &["--offline"]] {
            let run = repository.verify(more).run().named(name).exits_with(3);
            run.says(&["1 error", "1 passed", "policy-server would not serve", says, "verify annotate"]);
        }
        let report = repository.report(&[]);
        assert_eq!(report.outcomes(), [("p accepts", "error"), ("good accepts", "passed")], "{name}");
        assert_eq!(report.0["policies"][0]["error"]["kind"], "metadata", "{name}");
        assert_eq!(report.0.get("warnings"), None, "the error says it");
    }
}

/// However a suite comes to the policy.
#[test]
fn policy_of_a_registry_without_metadata_is_unavailable_in_every_place() {
    let fake = FakeRegistry::start();
    fake.add_policy("acme/bare", "v1", &module());
    let uri = format!("registry://{}/acme/bare:v1", fake.host());
    let spec = format!(
        "module: {uri}\n  rules: [{{ apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE] }}]\n"
    );
    let manifest = format!(
        "apiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\nmetadata: {{ name: p }}\nspec:\n  {spec}"
    );
    let case = format!("object: {POD}, expect: allow");
    for (text, code) in [
        (format!("policies:\n  p: {{ manifest: p.yaml }}\ncases:\n  - {{ name: a, {case} }}\n"), 3),
        (format!("cases:\n  - {{ name: a, policy: \"{uri}\", {case} }}\n"), 3),
        (format!("policies:\n  p: {{ uri: \"{uri}\", executionMode: wasi }}\ncases:\n  - {{ name: a, {case} }}\n"), 3),
        (
            format!(
                "policies:\n  p: {{ uri: \"{uri}\" }}\ngroups:\n  g: {{ expression: p(), message: no, members: {{ p: {{ \
                 policy: p }} }} }}\ncases:\n  - {{ name: a, group: g, {case} }}\n"
            ),
            3,
        ),
        // The module just built, in place of that of the manifest.
        (format!("policies:\n  p: {{ manifest: p.yaml, uri: p.wasm }}\ncases:\n  - {{ name: a, {case} }}\n"), 0),
    ] {
        let repository = fetching::repository(&fake, &[])
            .write("suite.yml", format!("version: 1\n{text}"))
            .write("p.yaml", &manifest)
            .write("p.wasm", module());
        repository.verify(&[]).run().named(&text).exits_with(code).says(&["policy-server would not serve"]);
    }
    // A mode in the suite is no remedy for a module that has none.
    let rego = std::fs::read(testdata().join("policies/rego-labels/policy.wasm")).unwrap();
    fake.add_policy("acme/rego", "v1", &rego);
    let rego = format!("registry://{}/acme/rego:v1", fake.host());
    let run = fetching::repository(&fake, &[("p", &rego)]).verify(&[]).run().exits_with(3);
    run.says(&["policy-server would not serve", "verify annotate"]).never_says("executionMode");
    // The metadata that it is going to be published with.
    let text = format!(
        "version: 1\npolicies:\n  p: {{ uri: \"{uri}\", metadata: metadata.yml }}\ncases:\n  - {{ name: a, {case} }}\n"
    );
    fake.add_policy("acme/bare", "v1", &crate::publish::accepting("bare"));
    let rules =
        "rules:\n- { apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE] }\nmutating: false\n";
    let repository = fetching::repository(&fake, &[]).write("suite.yml", text).write("metadata.yml", rules);
    repository.verify(&[]).run().exits_with(0).never_says("would not serve");
}

#[test]
fn policy_of_a_web_server_without_metadata_is_a_warning() {
    let fake = FakeRegistry::start();
    fake.rule(|seen| match seen.path.as_str() {
        "/p.wasm" => Reply::new(200, module()).into(),
        _ => Reaction::Usual,
    });
    let uri = format!("http://{}/p.wasm", fake.host());
    let report = fetching::repository(&fake, &[("p", &uri)]).report(&[]);
    report.all_passed();
    assert_eq!(warnings(&report).len(), 1);
}
