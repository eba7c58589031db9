//! Runs with live host calls, and their recordings. The cluster and the registry are on loopback.

use serde_json::{Value, json};

use crate::support::Repository;
use crate::support::api_server::ApiServer;

const SUITE: &str = "version: 1
name: hosts
policies:
  unique-host: { uri: unique-host/policy.wasm, metadata: unique-host/metadata.yml, contextAware: true }
defaults:
  timeout: 1m
  object: { apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: { name: web, namespace: web }, spec: { rules: [{ host: a.test }] } }
cases:
  - name: a host of its own is accepted
    set: { \"spec.rules[0].host\": b.test }
    expect: allow
  - name: \"a host that is taken (legacy/old) is refused\"
    expect: { deny: host a.test is already used by ingress legacy/old }
  - name: without a host there is nothing to ask
    unset: [\"spec.rules[0].host\"]
    expect: allow
";

/// The ingress `legacy/old` with this host.
fn ingress(host: &str) -> Value {
    json!({"metadata": {"name": "old", "namespace": "legacy", "managedFields": [{"manager": "x"}]},
        "spec": {"rules": [{"host": host}]}})
}

fn cluster() -> ApiServer {
    ApiServer::with_ingresses(json!([ingress("a.test")]))
}

fn repository() -> Repository {
    Repository::with_suite(SUITE).policy("unique-host")
}

#[test]
fn the_cluster_of_the_kubeconfig_answers_what_the_suite_does_not() {
    let cluster = cluster();
    let repository = repository().write("kubeconfig", cluster.kubeconfig());
    let kubeconfig = repository.path("kubeconfig");
    let run =
        repository.verify(&["suite.yml", "--live", "--report=json"]).env("KUBECONFIG", &kubeconfig).run().exits_with(0);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let by = |index: usize| report["cases"][index]["calls"][0]["answered_by"].clone();
    assert_eq!((by(0), by(1), by(2)), (json!("live"), json!("live"), json!(null)));
    let kinds = cluster.asked().iter().filter(|path| *path == "/apis/networking.k8s.io/v1").count();
    assert!((1..=2).contains(&kinds), "kinds are found out once, or twice by two cases at once: {:?}", cluster.asked());
    let asked = cluster.asked().len();
    repository.verify(&["suite.yml"]).env("KUBECONFIG", &kubeconfig).run().exits_with(1).says(&["no mock for"]);
    assert_eq!(cluster.asked().len(), asked, "nothing is asked without --live");
}

/// Time and randomness are fixed, so the answers of a live cluster are what a policy can really differ by.
#[test]
fn repeat_reports_a_policy_whose_answer_changes_as_unstable() {
    for (lists, code) in [
        ([json!([]), json!([ingress("b.test")])], 1),
        ([json!([ingress("b.test")]), json!([])], 1),
        ([json!([]), json!([ingress("c.test")])], 0),
    ] {
        let cluster = ApiServer::with_changing_ingresses(lists.to_vec());
        let repository = repository().write("kubeconfig", cluster.kubeconfig());
        let arguments = ["suite.yml", "--live", "--repeat=2", "--filter=of its own", "--report=json=report.json"];
        let run = repository.verify(&arguments).env("KUBECONFIG", repository.path("kubeconfig")).run().exits_with(code);
        assert_eq!(cluster.asked().iter().filter(|path| path.ends_with("/ingresses")).count(), 2, "{run}");
        let report = repository.read_json("report.json");
        if code == 0 {
            run.says(&["1 test: 1 passed"]).never_says("PV020");
            continue;
        }
        run.says(&["1 test: 1 failed", "stability · PV020"]);
        let mismatches = report["cases"][0]["mismatches"].as_array().unwrap();
        let codes: Vec<_> = mismatches.iter().map(|mismatch| (&mismatch["kind"], &mismatch["code"])).collect();
        assert_eq!(codes, [(&json!("stability"), &json!("PV020"))]);
        let told = ["expected", "actual"].map(|key| mismatches[0][key].as_str().unwrap());
        let denied = told.map(|told| told.contains("host b.test is already used by ingress legacy/old"));
        assert_eq!(denied, [lists[0] != json!([]), lists[1] != json!([])], "{mismatches:#?}");
    }
}

#[test]
fn recordings_replay_without_a_cluster() {
    let cluster = cluster();
    let repository = repository().write("kubeconfig", cluster.kubeconfig());
    let recorded = repository.verify(&["record", "suite.yml"]).env("KUBECONFIG", repository.path("kubeconfig")).run();
    recorded.exits_with(0).says(&["3 cases recorded in sessions"]);
    let session = repository.read("sessions/a-host-that-is-taken-legacy-old-is-refused.yml");
    assert_eq!(
        session,
        "- type: Exchange
  request: |
    !KubernetesListResourceAll
    api_version: networking.k8s.io/v1
    kind: Ingress
    label_selector: null
    field_selector: null
    field_masks: null
  response:
    type: Success
    payload: '{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"IngressList\",\"metadata\":{},\"items\":[{\"metadata\":{\"annotations\":{},\"managedFields\":[],\"name\":\"old\",\"namespace\":\"legacy\"},\"spec\":{\"rules\":[{\"host\":\"a.test\"}]}}]}'
"
    );
    assert_eq!(repository.read("sessions/without-a-host-there-is-nothing-to-ask.yml"), "[]\n");
    let asked = cluster.asked().len();
    let replaying = SUITE.replace("(legacy/old) is refused\"", "(legacy/old) is refused\"\n    replay: sessions/a-host-that-is-taken-legacy-old-is-refused.yml\n    order: strict");
    let replaying = replaying
        .replace("accepted\n", "accepted\n    replay: sessions/a-host-of-its-own-is-accepted.yml\n    order: strict\n");
    let repository = repository.write("suite.yml", replaying);
    repository.verify(&["suite.yml"]).run().exits_with(0);
    assert_eq!(cluster.asked().len(), asked);
    // Recorded once more from the recording, it is the same.
    repository.verify(&["suite.yml", "--record", "again"]).run().exits_with(0);
    assert_eq!(repository.read("again/a-host-that-is-taken-legacy-old-is-refused.yml"), session);
}

#[test]
fn unreachable_cluster_is_a_fault_of_the_case() {
    let repository = repository().write("kubeconfig", "{}");
    let run = repository.verify(&["record", "suite.yml"]).env("KUBECONFIG", repository.path("kubeconfig")).run();
    run.exits_with(1).says(&[
        "live call failed: kubernetes/list_resources_all",
        "set `KUBECONFIG` to a kubeconfig file, or add a `cluster:` to the case",
        "1 case recorded in sessions",
    ]);
    assert!(
        !repository.path("sessions/a-host-of-its-own-is-accepted.yml").exists(),
        "it would lack what nobody answered"
    );
}

#[test]
fn recordings_overwrite_nothing_outside() {
    let cluster = cluster();
    let repository = repository().write("kubeconfig", cluster.kubeconfig()).write("outside/precious", "kept");
    std::fs::create_dir(repository.path("sessions")).unwrap();
    let link = repository.path("sessions/without-a-host-there-is-nothing-to-ask.yml");
    std::os::unix::fs::symlink(repository.path("outside/precious"), link).unwrap();
    let run = repository.verify(&["record", "suite.yml"]).env("KUBECONFIG", repository.path("kubeconfig")).run();
    run.exits_with(2).says(&[
        "cannot write the recording `sessions/without-a-host-there-is-nothing-to-ask.yml`: it exists, and is not a file",
    ]);
    assert_eq!(repository.read("outside/precious"), "kept");
    repository.verify(&["suite.yml", "--record", "kubeconfig"]).run().exits_with(2).reports_nothing();
}

#[test]
fn several_suites_are_recorded_in_folders_of_their_own() {
    let one = "version: 1\npolicies: { p: { uri: wapc-accepts.wasm } }\ncases: [{ name: a, raw: {}, expect: allow }]\n";
    let repository = Repository::new().guest("wapc-accepts");
    let repository = repository
        .write("one.suite.yml", format!("name: one\n{one}"))
        .write("two.suite.yml", format!("name: two\n{one}"));
    repository
        .verify(&["one.suite.yml", "two.suite.yml", "--record", "to"])
        .run()
        .exits_with(0)
        .says(&["2 cases recorded in to/one-suite, to/two-suite"]);
    assert_eq!(repository.read("to/one-suite/a.yml") + &repository.read("to/two-suite/a.yml"), "[]\n[]\n");
    repository.verify(&["record", "one.suite.yml", "-q"]).run().exits_with(0).never_says("recorded");
    assert_eq!(repository.read("sessions/a.yml"), "[]\n");
}
