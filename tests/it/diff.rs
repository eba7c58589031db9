//! `verify diff`: what two versions of a policy do differently.

use serde_json::{Value, json};

use crate::search::on;
use crate::support::registry::FakeRegistry;
use crate::support::{POD, Repository, guests, project};

pub(crate) const ALLOWS: &str = r#"{"valid":true,"accepted":true,"message":"same"}"#;
pub(crate) const DENIES: &str = r#"{"valid":true,"accepted":false,"message":"no"}"#;

/// What is denied by a guest of `on`.
pub(crate) const DENY: &str = "(call $respond (i32.const 1100) (i32.const 33)) (return (i32.const 1))";

/// A version with metadata that matches pods, changed by `change`; so large that a few bytes are no difference.
pub(crate) fn version(module: Vec<u8>, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let rule = json!({ "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"] });
    let mut metadata = json!({
        "protocolVersion": "v1", "rules": [rule], "mutating": true, "executionMode": "kubewarden-wapc",
        "annotations": { "io.kubewarden.policy.version": "1.0.0" },
    });
    change(&mut metadata);
    let module = guests::padded(module, 20_000);
    guests::with_section(module, "io.kubewarden.metadata", metadata.to_string().as_bytes())
}

pub(crate) fn replying(reply: &str) -> Vec<u8> {
    version(guests::replying(reply), |_| ())
}

fn suite() -> String {
    format!(
        "version: 1\npolicies: {{ p: {{ uri: old.wasm, contextAware: true }} }}\ncases:\n  \
         - {{ name: a, object: {POD}, expect: allow }}\n  - {{ name: b, object: {POD}, expect: deny }}\n\
         settingsCases:\n  - {{ name: s, value: {{ a: 1 }}, expect: valid }}\n"
    )
}

fn repository(old: Vec<u8>, new: Vec<u8>) -> Repository {
    Repository::with_suite(&suite()).write("old.wasm", old).write("new.wasm", new)
}

/// The document of a comparison that ends with this code.
fn compared(repository: &Repository, arguments: &[&str], code: i32) -> Value {
    let run = repository.verify(&["diff", "old.wasm", "new.wasm", "--format", "json"]).args(arguments).run();
    serde_json::from_str(&run.named(&format!("{arguments:?}")).exits_with(code).stdout).unwrap()
}

/// `class: cause` of each difference.
fn causes(result: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let differences = result["differences"].as_array().unwrap().iter();
    differences.map(|it| format!("{}: {}", text(&it["class"]), text(&it["cause"]))).collect()
}

#[test]
fn each_planted_change_is_found_and_nothing_else() {
    let slow = "(loop $more (local.set $at (i32.add (local.get $at) (i32.const 1)))
                  (br_if $more (i32.lt_u (local.get $at) (i32.const LIMIT))))
                (call $respond (i32.const 1024) (i32.const 17)) (i32.const 1)";
    let looping = |limit: &str| {
        let items = r#"(data (i32.const 1024) "{\22accepted\22:true}")"#;
        version(guests::wapc_with("", items, &slow.replace("LIMIT", limit)), |_| ())
    };
    let mutating =
        |value: &str| replying(&format!(r#"{{"valid":true,"accepted":true,"mutated_object":{{"a":"{value}"}}}}"#));
    let with = |change: &dyn Fn(&mut Value)| version(guests::replying(ALLOWS), change);
    let refusing = r#"{"valid":false,"message":"unknown 'a'","accepted":true}"#;
    let operations = json!(["CREATE", "UPDATE"]);
    let plain = || replying(ALLOWS);
    for (old, new, wanted) in [
        (plain(), replying(DENIES), vec!["new-denial: no"]),
        (replying(DENIES), plain(), vec!["new-allowance: no"]),
        (plain(), replying(&ALLOWS.replace("same", "else")), vec!["wording: message: same → else"]),
        (
            plain(),
            replying(&ALLOWS.replace("}", r#","warnings":["old label"]}"#)),
            vec!["wording: warnings: none → old label"],
        ),
        (replying(DENIES), replying(&DENIES.replace("}", r#","code":418}"#)), vec!["wording: no code → code 418"]),
        (mutating("b"), mutating("c"), vec!["other-mutation: /a"]),
        (looping("1"), version(guests::wapc_when_asked("unreachable"), |_| ()), vec!["faults: new fault: trap: …"]),
        (
            with(&|_| ()),
            with(&|it| it["hostCapabilities"] = json!(["oci/*"])),
            vec!["privilege: host capability of the metadata: oci/*"],
        ),
        (
            with(&|_| ()),
            with(&|it| it["rules"][0]["operations"] = operations.clone()),
            vec!["privilege: rules add: UPDATE pods v1"],
        ),
        (
            with(&|it| it["rules"][0]["operations"] = operations.clone()),
            with(&|_| ()),
            vec!["new-allowance: rules no longer have: UPDATE pods v1"],
        ),
        (
            with(&|_| ()),
            with(&|it| it["contextAwareResources"] = json!([{ "apiVersion": "v1", "kind": "Secret" }])),
            vec!["privilege: context-aware resource: v1 Secret"],
        ),
        (with(&|_| ()), with(&|it| it["backgroundAudit"] = false.into()), vec!["other: backgroundAudit"]),
        (looping("1000"), looping("1100"), vec!["cost: executed instructions"]),
        (looping("1000"), looping("1010"), vec![]),
        (plain(), guests::padded(plain(), 2_000), vec!["cost: size of the module"]),
        (plain(), guests::padded(plain(), 200), vec![]),
        (plain(), replying(refusing), vec!["new-denial: settings are refused: unknown '…'"]),
    ] {
        let repository = repository(old, new);
        let code = i32::from(!wanted.is_empty());
        let result = compared(&repository, &["--requests", "0"], code);
        let found = causes(&result);
        let same = |(found, wanted): (&String, &&str)| match wanted.strip_suffix('…') {
            Some(start) => found.starts_with(start),
            None => found == wanted,
        };
        let is_as_wanted = found.len() == wanted.len() && found.iter().zip(&wanted).all(same);
        assert!(is_as_wanted, "{found:?} instead of {wanted:?}\n{result:#}");
        assert_eq!(result["compared"], 3, "{result:#}");
        assert!(result["search"].is_null() && result["not_compared"] == json!([]), "{result:#}");
    }
}

#[test]
fn equal_versions_differ_in_nothing() {
    let same = repository(replying(ALLOWS), replying(ALLOWS));
    let run = same.verify(&["diff", "old.wasm", "new.wasm"]).run().exits_with(0);
    run.says(&["identical: the same module with the same metadata"]);
    // Another build of the same code: its bytes are others, and it is put to the test.
    let built = repository(replying(ALLOWS), guests::padded(replying(ALLOWS), 7));
    let run = built.verify(&["diff", "old.wasm", "new.wasm", "--requests", "99"]).run().exits_with(0);
    run.says(&[
        "no difference\n3 cases compared, 0 with a difference",
        "(+0.0 %)\n99 requests searched from 2 cases · others were not · seed 0",
    ]);
}

#[test]
fn what_only_a_searched_request_shows_is_found_and_made_small() {
    let suite = format!(
        "version: 1\npolicies: {{ p: {{ uri: old.wasm }} }}\ncases:\n  - {{ name: a, object: {}, expect: allow }}\n",
        crate::search::POD
    );
    let versions = || {
        Repository::with_suite(&suite)
            .write("old.wasm", version(on("zq#", DENY), |_| ()))
            .write("new.wasm", version(on(":[]", DENY), |_| ()))
    };
    let repository = versions();
    assert_eq!(causes(&compared(&repository, &["--requests", "0"], 0)), Vec::<String>::new());
    let result = compared(&repository, &["--requests", "200", "--seed", "3"], 1);
    assert_eq!(causes(&result), ["new-denial: no"], "{result:#}");
    let found = &result["differences"][0];
    assert_eq!(
        (&found["is_searched"], &found["old"], &found["new"]),
        (&json!(true), &json!("allow"), &json!("deny: no"))
    );
    let object = found["example"]["object"].to_string();
    assert!(object.contains(":[]") && object.len() < 150, "{object}");
    assert_eq!((&result["search"]["requests"], &result["search"]["seed"]), (&json!(200), &json!(3)));
    // The case can be pasted: it holds for the old version, and shows the new one.
    let pasted = repository.read("suite.yml") + found["example"]["yaml"].as_str().unwrap();
    let repository = repository.write("suite.yml", &pasted);
    repository.verify(&["suite.yml"]).run().exits_with(0).says(&["2 tests: 2 passed"]);
    let new = std::fs::read(repository.path("new.wasm")).unwrap();
    repository.write("old.wasm", new).verify(&["suite.yml"]).run().exits_with(1).says(&["1 passed, 1 failed"]);
    // The same seed searches the same requests.
    let again = compared(&versions(), &["--requests", "200", "--seed", "3"], 1);
    assert_eq!(again["search"], result["search"]);
}

/// The same policy in Rust, in Go and in Rego: they decide alike, and ask for different things.
#[test]
fn rewrites_in_other_languages_decide_alike() {
    let suite = "version: 1\npolicies: { hosts: { uri: unique-host/policy.wasm, contextAware: true } }\n\
                 defaults: { object: ingress.yaml, cluster: [cluster.yaml] }\ncases:\n  \
                 - { name: taken, expect: deny }\n  - { name: free, set: { 'spec.rules[0].host': new.test }, expect: allow }\n  \
                 - { name: empty, cluster: [], expect: allow }\n";
    let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: { name: NAME, namespace: NAME }\n\
                   spec: { rules: [{ host: a.test, http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: a, port: { number: 80 } } } }] } }] }\n";
    let repository = ["unique-host", "unique-host-go", "unique-host-opa"].iter().fold(
        Repository::with_suite(suite)
            .write("ingress.yaml", ingress.replace("NAME", "web"))
            .write("cluster.yaml", ingress.replace("NAME", "old")),
        |repository, name| repository.policy(name),
    );
    let [rust, go, rego] = ["unique-host", "unique-host-go", "unique-host-opa"].map(|it| format!("{it}/policy.wasm"));
    for (old, new, wanted) in [
        (&rust, &go, vec!["cost: executed instructions", "cost: size of the module", "other: executionMode"]),
        (
            &go,
            &rego,
            vec![
                "privilege: context-aware resource: v1 Namespace",
                "privilege: host call kubernetes/list_resources_all of v1/Namespace",
                "other: executionMode",
                "other: host capability in the code: kubernetes/list_resources_all",
                "other: host capability of the metadata: kubernetes/list_resources_all",
            ],
        ),
    ] {
        let run = repository.verify(&["diff", old, new, "--requests", "0", "--format", "json"]).run().exits_with(1);
        let result: Value = serde_json::from_str(&run.stdout).unwrap();
        let mut found = causes(&result);
        found.sort();
        let mut wanted = wanted;
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{result:#}");
        assert_eq!(result["compared"], 3);
    }
    // Beyond the suite the rewrite takes what the original refuses with an error: the types of Rust are stricter.
    let run = repository.verify(&["diff", &rust, &go, "--requests", "400", "--fail-on", "faults"]).run().exits_with(1);
    run.says(&["faults · ", "no fault any more: guest: invalid"]);
}

#[test]
fn settings_of_a_real_policy_are_held_against_another() {
    let suite = "version: 1\npolicies: { labels: { uri: safe-labels/policy.wasm } }\nsettingsCases:\n  \
                 - { name: none, value: {}, expect: valid }\n  \
                 - { name: labels, value: { mandatory_labels: [owner] }, expect: valid }\n";
    let repository = Repository::with_suite(suite).policy("safe-labels").policy("default-labels");
    let (old, new) = ("safe-labels/policy.wasm", "default-labels/policy.wasm");
    let run = repository.verify(&["diff", old, new, "--for", "0s", "--fail-on", "new-denial"]).run().exits_with(1);
    run.says(&["new denial (breaking) · ", "settings are refused: "]);
}

#[test]
fn a_host_call_without_a_mock_is_a_privilege_and_is_not_compared() {
    let pods = r#"{"api_version":"v1","kind":"Pod"}"#;
    let calling = |it: &mut Value| it["contextAwareResources"] = json!([{ "apiVersion": "v1", "kind": "Pod" }]);
    let repository = repository(
        version(guests::replying(ALLOWS), calling),
        version(guests::calling("list_resources_all", pods), calling),
    );
    let result = compared(&repository, &["--requests", "9"], 1);
    let found = causes(&result);
    assert_eq!(
        found,
        [
            "privilege: host call kubernetes/list_resources_all of v1/Pod",
            "privilege: host capability in the code: kubernetes/list_resources_all",
            // That of the settings: it is another module.
            "cost: executed instructions",
        ]
    );
    assert_eq!((&result["compared"], &result["not_compared"][0]["number"]), (&json!(1), &json!(2)), "{result:#}");
    let reason = result["not_compared"][0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("no mock for kubernetes/list_resources_all"), "{reason}");
}

#[test]
fn a_breaking_change_in_a_patch_is_a_warning() {
    let of = |number: &'static str, reply| {
        version(guests::replying(reply), move |it| it["annotations"]["io.kubewarden.policy.version"] = number.into())
    };
    for (number, reply, step, warning) in [
        ("1.0.1", DENIES, "patch", Some("1.0.0 → 1.0.1 is only a patch, but there is new denial (breaking)")),
        ("1.0.0", DENIES, "none", Some("the version is still 1.0.0, but there is new denial (breaking)")),
        ("1.1.0", DENIES, "minor", None),
        ("1.0.1", r#"{"valid":true,"accepted":true,"message":"else"}"#, "patch", None),
    ] {
        let repository = repository(of("1.0.0", ALLOWS), of(number, reply));
        let result = compared(&repository, &["--requests", "0"], 1);
        assert_eq!((result["step"].as_str(), result["warning"].as_str()), (Some(step), warning), "{number}");
    }
}

#[test]
fn classes_decide_the_exit_code() {
    let repository = repository(replying(ALLOWS), replying(DENIES));
    for (arguments, code) in [
        (&[][..], 1),
        (&["--fail-on", "all"], 1),
        (&["--fail-on", "none"], 0),
        (&["--fail-on", "new-denial,cost"], 1),
        (&["--fail-on", "new-allowance,privilege"], 0),
        (&["--fail-on", "breaking"], 2),
        (&["--policy", "q"], 2),
        (&["--for", "1s", "--requests", "3"], 2),
        (&["-f", "nothing"], 4),
    ] {
        let run = repository.verify(&["diff", "old.wasm", "new.wasm"]).args(arguments);
        let run = if arguments.contains(&"--requests") { run } else { run.args(&["--requests", "0"]) };
        run.run().named(&format!("{arguments:?}")).exits_with(code);
    }
    let run = repository.verify(&["diff", "old.wasm", "gone.wasm"]).run().exits_with(3);
    assert!(run.stderr.contains("gone.wasm"), "{}", run.stderr);
    repository.verify(&["diff", "old.wasm", "suite.yml"]).run().exits_with(3);
    repository.verify(&["diff", "old.wasm"]).run().exits_with(2);
}

#[test]
fn a_suite_with_several_policies_has_to_name_one() {
    let suite = format!(
        "version: 1\npolicies: {{ p: {{ uri: p.wasm }}, q: {{ uri: q.wasm }} }}\ncases:\n  \
         - {{ name: a, policy: p, object: {POD}, expect: allow }}\n  - {{ name: b, policy: q, object: {POD}, expect: allow }}\n"
    );
    let repository = repository(replying(ALLOWS), replying(DENIES))
        .write("suite.yml", suite)
        .write("p.wasm", replying(DENIES))
        .write("q.wasm", replying(ALLOWS));
    let run = repository.verify(&["diff", "old.wasm", "new.wasm", "--requests", "0"]).run().exits_with(2);
    assert!(run.stderr.contains("has several policies: p, q") && run.stderr.contains("`--policy p`"), "{}", run.stderr);
    let result = compared(&repository, &["--requests", "0", "--policy", "p"], 1);
    assert_eq!((&result["compared"], &result["differences"][0]["number"]), (&json!(1), &json!(1)));
}

#[test]
fn metadata_beside_a_module_is_that_of_a_version() {
    let metadata = "rules:\n- { apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE] }\nmutating: false\n\
                    executionMode: wasi\n";
    let print = |text: &str| {
        let items = format!("(data (i32.const 1024) \"{}\")", text.replace('"', "\\22"));
        guests::wasi_with(
            "",
            &items,
            &format!("(call $print (i32.const 1) (i32.const 1024) (i32.const {}))", text.len()),
        )
    };
    let repository = Repository::with_suite(&suite().replace("old.wasm", "policy.wasm"))
        .write("old/policy.wasm", guests::padded(print(r#"{"accepted":true}"#), 9_000))
        .write("old/metadata.yml", metadata)
        .write("policy.wasm", guests::padded(print(r#"{"accepted":false}"#), 9_000))
        .write("metadata.yml", metadata.replace("CREATE", "CREATE, UPDATE"));
    let run = repository.verify(&["diff", "old/policy.wasm", "policy.wasm", "--for", "0s"]).run().exits_with(1);
    run.says(&[
        "metadata of old/metadata.yml",
        "rules add: UPDATE pods v1",
        "2 differences: 1 new-denial, 1 privilege",
    ]);
    let run = repository
        .verify(&["diff", "old/policy.wasm", "policy.wasm", "--for", "0s", "--new-metadata", "old/metadata.yml"])
        .run()
        .exits_with(1);
    run.says(&["1 difference: 1 new-denial"]);
}

#[test]
fn manifests_are_compared_without_a_suite() {
    let label = r#"{"valid":true,"accepted":true,"message":"same"}"#;
    let repository = Repository::new()
        .write("old.wasm", replying(label))
        .write("new.wasm", replying(DENIES))
        .write("deploy/pod.yaml", "{ apiVersion: v1, kind: Pod, metadata: { name: web } }")
        .write("deploy/more.yaml", "{ apiVersion: v1, kind: Pod, metadata: { name: '${x}' } }")
        .write("deploy/map.yaml", "{ apiVersion: v1, kind: ConfigMap, metadata: { name: map } }");
    let result = compared(&repository, &["--objects", "deploy", "--requests", "0"], 1);
    assert_eq!(causes(&result), ["new-denial: no"]);
    // No rule has config maps: both versions let them pass.
    assert_eq!((&result["compared"], &result["differences"][0]["number"]), (&json!(3), &json!(2)), "{result:#}");
    repository.verify(&["diff", "old.wasm", "new.wasm", "--objects", "gone"]).run().exits_with(2);
}

#[test]
fn a_version_of_a_registry_is_compared_with_a_build() {
    let fake = FakeRegistry::start();
    fake.add_policy("acme/p", "v1", &replying(ALLOWS));
    let repository = repository(replying(ALLOWS), replying(DENIES))
        .write(".git/home/.config/kubewarden/sources.yaml", fake.sources());
    let uri = format!("registry://{}/acme/p:v1", fake.host());
    let run = repository.verify(&["diff", &uri, "new.wasm", "--for", "0s"]).run().exits_with(1);
    run.says(&[&uri, "1 difference: 1 new-denial"]);
    repository.verify(&["diff", &uri, "old.wasm", "--for", "0s"]).run().exits_with(0).says(&["identical"]);
    let gone = format!("registry://{}/acme/gone:v1", fake.host());
    repository.verify(&["diff", &gone, "old.wasm", "--for", "0s"]).run().exits_with(3);
}

#[test]
fn code_scanning_has_each_difference_at_its_case() {
    let declared = version(guests::replying(DENIES), |it| it["hostCapabilities"] = json!(["oci/*"]));
    let repository = repository(replying(ALLOWS), declared);
    let run = repository.verify(&["diff", "old.wasm", "new.wasm", "--for", "0s", "--format", "sarif"]).run();
    let document: Value = serde_json::from_str(&run.exits_with(1).stdout).unwrap();
    let results = document["runs"][0]["results"].as_array().unwrap().iter();
    let found: Vec<(&str, &str, u64)> = results
        .map(|it| {
            let place = &it["locations"][0]["physicalLocation"];
            let file = place["artifactLocation"]["uri"].as_str().unwrap();
            (it["ruleId"].as_str().unwrap(), file, place["region"]["startLine"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(found, [("new-denial", "suite.yml", 4), ("privilege", "new.wasm", 1)]);
}

#[test]
fn a_comment_for_a_pull_request_shows_the_same() {
    let hostile = r#"{"valid":true,"accepted":false,"message":"<script> ::error:: ](http://x)"}"#;
    let repository = repository(replying(ALLOWS), replying(hostile));
    let run = repository
        .verify(&["diff", "old.wasm", "new.wasm", "--requests", "64", "--format", "markdown"])
        .run()
        .exits_with(1);
    let run = run.says(&[
        "## ❌ 1 difference: 1 new-denial",
        "| ❌ new denial &#40;breaking&#41;, 2 cases |",
        "no case has the same verdict from both versions",
    ]);
    assert!(!run.stdout.contains("<script>") && !run.stdout.contains("::error"), "{}", run.stdout);
}

#[test]
fn the_page_names_every_class() {
    let page = std::fs::read_to_string(project().join("docs/diff.md")).unwrap();
    for class in ["new-denial", "new-allowance", "faults", "privilege", "other-mutation", "wording", "cost", "other"] {
        assert!(page.contains(&format!("| `{class}` |")), "{class} is missing in docs/diff.md");
    }
}

/// Written anew with `VERIFY_TEST_WRITE_DOCS=1`.
#[test]
fn the_page_shows_what_a_comparison_prints() {
    let suite = format!(
        "version: 1\nname: labels\npolicies:\n  labels: {{ uri: labels-1.0.0.wasm }}\ncases:\n  \
         - name: accepts a pod with an owner\n    object: {}\n    expect: allow\n",
        crate::search::POD
    );
    let of = |number: &'static str, bytes| {
        version(on(bytes, DENY), move |it| it["annotations"]["io.kubewarden.policy.version"] = number.into())
    };
    let repository = Repository::with_suite(&suite)
        .write("labels-1.0.0.wasm", of("1.0.0", "zq#"))
        .write("labels-1.0.1.wasm", of("1.0.1", ":[]"));
    let line = "verify diff labels-1.0.0.wasm labels-1.0.1.wasm suite.yml --requests 200";
    let run = repository.shell(line).run().exits_with(1);
    let printed = run.stdout.split_once("old  ").unwrap().1;
    let wanted = format!("```console\n$ {line}\nold  {}\n```", printed.trim_end());
    let path = project().join("docs/diff.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let start = page.find("```console\n$ verify diff").unwrap();
    let end = start + page[start + 3..].find("\n```").unwrap() + 3 + "\n```".len();
    if std::env::var_os("VERIFY_TEST_WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{}{wanted}{}", &page[..start], &page[end..])).unwrap();
        return;
    }
    assert_eq!(&page[start..end], wanted);
}
