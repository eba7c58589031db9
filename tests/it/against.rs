//! `--against`: a policy-server as referee; and `verify server-config`, which makes it serve a suite.

use std::time::Duration;

use serde_json::{Value, json};

use crate::failures::repeats;
use crate::support::policy_server::{Asked, PolicyServer, Reply};
use crate::support::program::program;
use crate::support::{POD, Repository, testdata};

const MISSING: &str = "The following mandatory labels are missing: owner";

const SUITE: &str = "version: 1
policies:
  labels:
    uri: safe-labels/policy.wasm
    metadata: safe-labels/metadata.yml
    settings: { mandatory_labels: [owner] }
defaults:
  object: { apiVersion: v1, kind: Pod, metadata: { name: web, labels: { owner: team-a } } }
cases:
  - { name: allows, expect: allow }
  - { name: denies, unset: [metadata.labels.owner], expect: { deny: \"The following mandatory labels are missing: owner\" } }
";

fn repository() -> Repository {
    Repository::with_suite(SUITE).policy("safe-labels")
}

/// The verdict of the policy, worked out here.
fn verdict(asked: &Asked) -> Value {
    match asked.body["request"]["object"]["metadata"]["labels"].get("owner") {
        Some(_) => asked.allowed(),
        None => asked.denied(MISSING, None),
    }
}

/// Outcomes of the two cases of [`SUITE`] against a server, and the text of the first fault or mismatch.
fn outcomes(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Vec<(String, String)> {
    let server = PolicyServer::new(answer);
    let report = repository().report(&["--against", &server.url()]);
    let about = |case: &Value| {
        let mismatch = &case["mismatches"][0];
        let mismatch = format!("{} {} {}", mismatch["at"], mismatch["expected"], mismatch["actual"]);
        case["fault"]["message"].as_str().map_or(mismatch, str::to_owned)
    };
    report.cases().iter().map(|case| (case["outcome"].as_str().unwrap().to_owned(), about(case))).collect()
}

#[test]
fn a_server_that_agrees_lets_the_run_pass() {
    let server = PolicyServer::new(|asked| Reply::Response(verdict(asked)));
    let repository = repository();
    repository.verify(&["--against", &server.url()]).run().exits_with(0);
    let (asked, config) = (server.asked(), repository.verify(&["server-config", "--output", "policies.yml"]).run());
    config.exits_with(0);
    assert_eq!(asked.len(), 2);
    let id = asked[0].path.strip_prefix("/validate/").unwrap();
    assert!(repository.read("policies.yml").starts_with(&format!("{id}:\n")), "{}", repository.read("policies.yml"));
    assert_eq!(asked[0].body["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(asked[0].body["kind"], "AdmissionReview");
    assert_eq!(asked[0].body["request"]["kind"], json!({"group": "", "kind": "Pod", "version": "v1"}));
}

/// The command that repeats a case asks the server too.
#[test]
fn a_case_that_differs_is_repeated_against_the_server() {
    let server = PolicyServer::new(|asked| Reply::Response(asked.allowed()));
    let repository = repository();
    let run = repository.verify(&["--against", &server.url(), "--against-audit"]).run().exits_with(1);
    let [command] = &repeats(&run)[..] else { panic!("{run}") };
    assert!(command.replace("\\\n", "").contains(&format!("--against '{}'", server.url())), "{command}");
    let asked = server.asked().len();
    repository.shell(command).run().exits_with(1).says(&["denies", "1 failed"]);
    assert_eq!(server.asked().len(), asked + 2, "the case that is repeated, audit included");
}

#[test]
fn a_server_that_differs_fails_the_case() {
    // Another verdict.
    let found = outcomes(|asked| Reply::Response(asked.allowed()));
    assert_eq!(found[0].0, "passed");
    assert_eq!(found[1].0, "failed");
    assert!(found[1].1.contains("policy-server: "), "{}", found[1].1);
    // Another message, another code, another uid, a warning.
    let replies: [fn(&Asked) -> Value; 4] = [
        |asked| asked.denied("The following labels are missing: owner", None),
        |asked| asked.denied(MISSING, Some(400)),
        |asked| json!({"uid": "other", "allowed": asked.path.is_empty(), "status": {"message": MISSING}}),
        |asked| {
            let mut response = asked.denied(MISSING, None);
            response["warnings"] = json!(["beware"]);
            response
        },
    ];
    for reply in replies {
        let found = outcomes(move |asked| {
            let honest = verdict(asked);
            Reply::Response(if honest["allowed"] == true { honest } else { reply(asked) })
        });
        assert_eq!((found[0].0.as_str(), found[1].0.as_str()), ("passed", "failed"), "{found:?}");
    }
}

#[test]
fn both_answers_are_shown() {
    let server = PolicyServer::new(|asked| Reply::Response(asked.denied("labels!", None)));
    let run = repository().verify(&["--against", &server.url()]).run();
    run.exits_with(1).says(&["verify: true", "policy-server: false", "labels!", "PV022"]);
}

#[test]
fn no_answer_is_a_fault_and_never_a_pass() {
    type MakeReply = fn() -> Reply;
    let cases: [(MakeReply, &str); 7] = [
        (|| Reply::Status(404, "{\"message\":\"policy not found\"}".into()), "does not serve `labels-"),
        (|| Reply::Status(500, "{\"message\":\"Something went wrong\"}".into()), "answered 500"),
        (|| Reply::Status(302, String::new()), "answered 302"),
        (|| Reply::Status(200, "<html>ok</html>".into()), "not an AdmissionReview"),
        (|| Reply::Status(200, String::new()), "not an AdmissionReview"),
        (|| Reply::Close, "closed the connection without an answer"),
        (|| Reply::Endless, "exceeds 16 MiB"),
    ];
    for (reply, message) in cases {
        let found = outcomes(move |_| reply());
        for (outcome, text) in found {
            assert_eq!(outcome, "error", "{message}: {text}");
            assert!(text.contains(message), "{message:?} is not in {text:?}");
        }
    }
    let nothing_there = repository().verify(&["--against", "http://127.0.0.1:1"]).run();
    nothing_there.exits_with(1).says(&["policy-server is unreachable at http://127.0.0.1:1", "PV044"]);
}

/// A known failure is one of the policy.
#[test]
fn an_xfail_does_not_hide_a_server_without_an_answer() {
    let suite = SUITE.replace("name: denies,", "name: denies, xfail: known,");
    let server = PolicyServer::new(|_| Reply::Status(500, String::new()));
    let report = Repository::with_suite(&suite).policy("safe-labels").report(&["--against", &server.url()]);
    assert_eq!(report.case("denies")["outcome"], "error");
}

#[test]
fn an_interrupted_run_does_not_wait_for_the_server() {
    let server = PolicyServer::new(|_| Reply::Silence(Duration::from_secs(60)));
    let repository = repository();
    let start = std::time::Instant::now();
    let child = repository.verify(&["--against", &server.url()]).start();
    while server.asked().is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let interrupted = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    assert!(start.elapsed() < Duration::from_secs(55));
}

/// What a server cannot be told is skipped with the reason.
#[test]
fn what_a_server_cannot_know_is_not_comparable() {
    let suite = "version: 1
policies:
  licence: { uri: image-licence/policy.wasm, metadata: image-licence/metadata.yml }
  labels:
    uri: safe-labels/policy.wasm
    metadata: safe-labels/metadata.yml
    settings: { mandatory_labels: [owner] }
    check: { mutating: false }
  bare: { uri: wapc-accepts.wasm }
defaults:
  object: { apiVersion: v1, kind: Pod, metadata: { name: web, labels: { owner: team-a } } }
settingsCases:
  - { name: settings, policy: labels, value: { mandatory_labels: [owner] }, expect: valid }
cases:
  - { name: clock, policy: labels, clock: 2026-01-01T00:00:00Z, expect: allow }
  - { name: bare, policy: bare, expect: allow }
  - { name: elsewhere, policy: labels, object: { apiVersion: v1, kind: Node, metadata: { name: n } }, expect: not-applicable }
  - { name: compared, policy: labels, expect: allow }
";
    let server = PolicyServer::new(|asked| Reply::Response(asked.allowed()));
    let repository = Repository::with_suite(suite).policy("safe-labels").policy("image-licence").guest("wapc-accepts");
    let report = repository.report(&["--against", &server.url()]);
    for (name, outcome) in report.outcomes() {
        let wanted = if name == "compared" { "passed" } else { "skipped" };
        assert_eq!(outcome, wanted, "{name}: {:#}", report.case(name));
    }
    let text = report.0.to_string();
    for reason in
        ["the case sets `clock`", "has no metadata", "the API server sends no such request", "validates settings"]
    {
        assert!(text.contains(reason), "{reason}");
    }
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn mocked_host_calls_are_not_comparable() {
    let server = PolicyServer::new(|asked| Reply::Response(asked.allowed()));
    let folder = testdata().join("suites/context-aware/suite.yml");
    let report = Repository::new().report(&[folder.to_str().unwrap(), "--against", &server.url()]);
    let mocked: Vec<&Value> = report.cases().iter().filter(|case| case["outcome"] == "skipped").collect();
    assert!(!mocked.is_empty(), "{:?}", report.outcomes());
    for case in mocked {
        assert!(case.to_string().contains("not compared with policy-server"), "{case:#}");
    }
    // Whatever passed was judged by the server.
    let passed = report.cases().iter().filter(|case| case["outcome"] == "passed").count();
    assert!(passed <= server.asked().len());
}

#[test]
fn the_audit_endpoint_gives_the_verdict_of_the_policy_alone() {
    let suite = SUITE
        .replace("    settings:", "    mode: monitor\n    settings:")
        .replace("expect: { deny: \"The following mandatory labels are missing: owner\" }", "expect: allow");
    let server = PolicyServer::new(|asked| {
        Reply::Response(if asked.path.starts_with("/audit/") { verdict(asked) } else { asked.allowed() })
    });
    let repository = Repository::with_suite(&suite).policy("safe-labels");
    repository.verify(&["--against", &server.url(), "--against-audit"]).run().exits_with(0);
    assert_eq!(server.asked().iter().filter(|asked| asked.path.starts_with("/audit/")).count(), 2);
    let liar = PolicyServer::new(|asked| Reply::Response(asked.allowed()));
    let run = repository.verify(&["--against", &liar.url(), "--against-audit"]).run();
    run.exits_with(1).says(&["policy-server: true (audit)"]);
}

#[test]
fn an_expectation_about_monitor_mode_is_held_against_the_audit_endpoint() {
    let denial = "{ deny: \"The following mandatory labels are missing: owner\" }";
    let suite = SUITE
        .replace("    settings:", "    mode: monitor\n    settings:")
        .replace(denial, &denial.replace(" }", ", mode: monitor }"));
    let repository = Repository::with_suite(&suite).policy("safe-labels");
    let server = PolicyServer::new(|asked| {
        Reply::Response(if asked.path.starts_with("/audit/") { verdict(asked) } else { asked.allowed() })
    });
    repository.verify(&["--against", &server.url()]).run().exits_with(0);
    let liar = PolicyServer::new(|asked| Reply::Response(asked.allowed()));
    repository.verify(&["--against", &liar.url()]).run().exits_with(1).says(&["policy-server: true (audit)"]);
}

/// The id changes with whatever would change an answer, and only with that.
#[test]
fn ids_are_stable_and_stand_for_their_content() {
    let id = |suite: &str| {
        let repository = Repository::with_suite(suite).policy("safe-labels");
        repository.verify(&["server-config", "--output", "policies.yml"]).run().exits_with(0);
        repository.read("policies.yml").lines().next().unwrap().to_owned()
    };
    let first = id(SUITE);
    assert_eq!(first, id(SUITE), "another folder, the same id");
    for (from, to) in [
        ("[owner] }", "[owner, team] }"),
        ("    settings:", "    mode: monitor\n    settings:"),
        ("    settings:", "    hostCapabilities: []\n    settings:"),
        ("    settings:", "    message: no\n    settings:"),
    ] {
        assert_ne!(first, id(&SUITE.replace(from, to)), "{to}");
    }
}

#[test]
fn the_configuration_has_an_entry_for_each_policy_settings_and_deployment() {
    let suite = format!(
        "{SUITE}  - {{ name: other settings, settings: {{ mandatory_labels: [team] }}, expect: {{ deny: \"The following \
         mandatory labels are missing: team\" }} }}\n  - {{ name: group, group: both, expect: allow }}\n"
    );
    let suite = suite.replace(
        "defaults:",
        "groups:\n  both: { expression: \"one() && two()\", message: no, members: { one: { policy: labels }, two: { policy: \
         labels, settings: { mandatory_labels: [] } } } }\ndefaults:",
    );
    let repository = Repository::with_suite(
        &suite
            .replace("name: allows, ", "name: allows, policy: labels, ")
            .replace("name: denies, ", "name: denies, policy: labels, ")
            .replace("name: other settings, ", "name: other settings, policy: labels, "),
    )
    .policy("safe-labels");
    repository.verify(&["server-config", "--output", "out/policies.yml"]).run().exits_with(2);
    std::fs::create_dir(repository.path("out")).unwrap();
    repository.verify(&["server-config", "--output", "out/policies.yml"]).run().exits_with(0);
    let text = repository.read("out/policies.yml");
    let keys: Vec<&str> = text.lines().filter(|line| !line.starts_with([' ', '-'])).collect();
    assert_eq!(keys.len(), 3, "{text}");
    assert!(keys[2].starts_with("both-"), "{keys:?}");
    for line in [
        "  policyMode: protect",
        "  allowedToMutate: true",
        "    mandatory_labels:",
        "  hostCapabilities:",
        "  expression: one() && two()",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let module = text.lines().find_map(|line| line.trim().strip_prefix("module: file://")).unwrap();
    let inspected = repository.verify(&["inspect", module]).run().exits_with(0);
    assert!(inspected.stdout.contains("v1"), "the module is annotated\n{inspected}");
    // Modules need a place.
    let refused = repository.verify(&["server-config"]).run();
    refused.exits_with(2).reports_nothing().says(&["no folder for the module of `labels`", "--modules DIR"]);
    repository.verify(&["server-config", "--modules", "served"]).run().exits_with(0);
}

#[test]
fn addresses_and_flags_are_checked_before_anything_runs() {
    for (arguments, message) in [
        (&["--against", "127.0.0.1:3000"][..], "invalid address"),
        (&["--against", "ftp://a.test"], "invalid address"),
        (&["--against", "http://me:hunter2@a.test"], "it has a user or a query"),
        (&["--against", "https://a.test", "--against-ca", "missing.pem"], "cannot read certificates"),
        (&["--against-audit"], "needs `--against`"),
    ] {
        repository().verify(arguments).run().exits_with(2).says(&[message]).never_says("hunter2");
    }
}

/// The suites of `testdata` that need nothing but policies, against a real policy-server.
#[test]
fn a_real_policy_server_agrees() {
    let Some(binary) = program("policy-server") else { return };
    let repository = repository();
    for suite in ["quickstart", "rego"] {
        let suite = testdata().join("suites").join(suite).join("suite.yml");
        let suite = suite.to_str().unwrap();
        repository.verify(&["server-config", suite, "--output", "policies.yml"]).run().exits_with(0);
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = std::process::Command::new(&binary);
        repository.isolate(&mut command).current_dir(repository.path(""));
        command.args(["--addr", "127.0.0.1", "--policies", "policies.yml", "--continue-on-errors"]);
        command.args(["--ignore-kubernetes-connection-failure", "--readiness-probe-port", "0"]);
        let mut server = command.args(["--port", &port.to_string()]).spawn().unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(120);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(200));
        }
        let run = repository.verify(&[suite, "--against", &format!("http://127.0.0.1:{port}")]).run();
        server.kill().unwrap();
        server.wait().unwrap();
        run.named(suite).exits_with(0);
    }
}

/// Every step of a chain is a request of its own, about the object that the server's patches made.
#[test]
fn chains_groups_and_raw_requests_are_sent() {
    let suite = "version: 1
policies:
  labels:
    uri: safe-labels/policy.wasm
    metadata: safe-labels/metadata.yml
    settings: { mandatory_labels: [owner] }
  defaults:
    uri: default-labels/policy.wasm
    metadata: default-labels/metadata.yml
    settings: { labels: { owner: unassigned } }
  menu:
    uri: raw-menu/policy.wasm
    metadata: raw-menu/metadata.yml
    settings: { forbidden: [banana], rename: {} }
groups:
  both:
    expression: one() && two()
    message: not in order
    members: { one: { policy: labels }, two: { policy: labels, settings: { mandatory_labels: [team] } } }
cases:
  - { name: chain, chain: [defaults, labels], object: pod.yaml, expect: mutate }
  - { name: group, group: both, object: pod.yaml, expect: { deny: not in order } }
  - { name: raw, policy: menu, raw: { user: tonio, action: eats, resource: rice }, expect: allow }
";
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: { name: web, labels: { app: web } }\nspec: { containers: [] }\n";
    let repository = Repository::with_suite(suite).write("pod.yaml", pod);
    let repository = repository.policy("safe-labels").policy("default-labels").policy("raw-menu");
    // Our own answers, which an honest server repeats: of the group, and of the first step of the chain.
    let own = repository.report(&[]);
    own.all_passed();
    let (group, step) = (own.case("group")["response"].clone(), own.case("chain")["steps"][0]["response"].clone());
    let answer = move |asked: &Asked| {
        let name = asked.path.rsplit('/').next().unwrap();
        let mut response = match name.rsplit_once('-').unwrap().0 {
            "defaults" => step.clone(),
            "both" => group.clone(),
            "labels" => verdict(asked),
            _ => asked.allowed(),
        };
        response["uid"] = asked.allowed()["uid"].clone();
        Reply::Response(response)
    };
    let server = PolicyServer::new(answer.clone());
    let run = repository.verify(&["--against", &server.url()]).run();
    run.exits_with(0).says(&["3 tests: 3 passed"]);
    let mut paths: Vec<String> = server.asked().iter().map(|asked| asked.path.clone()).collect();
    paths.sort();
    let begins = ["/validate/both-", "/validate/defaults-", "/validate/labels-", "/validate_raw/menu-"];
    assert!(paths.len() == 4 && paths.iter().zip(begins).all(|(path, begin)| path.starts_with(begin)), "{paths:?}");
    let asked = server.asked();
    let second = asked.iter().find(|asked| asked.path.contains("/labels-")).unwrap();
    assert_eq!(second.body["request"]["object"]["metadata"]["labels"]["owner"], "unassigned");
    // A server whose second step denies fails the chain alone.
    let liar = PolicyServer::new(move |asked| match asked.path.contains("/labels-") {
        true => Reply::Response(asked.denied(MISSING, None)),
        false => answer(asked),
    });
    let report = repository.report(&["--against", &liar.url()]);
    assert_eq!(report.outcomes(), [("chain", "failed"), ("group", "passed"), ("raw", "passed")]);
}

/// Policies that the server fetches itself are not fetched here.
#[test]
fn manifests_and_registries_are_configured_as_they_say() {
    let manifest = "apiVersion: policies.kubewarden.io/v1
kind: ClusterAdmissionPolicy
metadata: { name: labels }
spec:
  module: registry://registry.invalid/labels:v1
  mode: monitor
  mutating: false
  message: wrong labels
  timeoutEvalSeconds: 5
  contextAwareResources: [{ apiVersion: v1, kind: Namespace }]
  settings: { mandatory_labels: [owner] }
  rules: [{ apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE] }]
";
    let suite = format!(
        "version: 1\npolicies: {{ labels: {{ manifest: policy.yaml }} }}\ncases: [{{ name: a, object: {POD}, expect: allow }}]\n"
    );
    let repository = Repository::with_suite(&suite).write("policy.yaml", manifest);
    let printed = repository.verify(&["server-config"]).run().exits_with(0).stdout;
    let (id, entry) = printed.split_once(":\n").unwrap();
    assert!(id.contains("labels-"), "{printed}");
    assert_eq!(
        entry,
        "  policyMode: monitor
  allowedToMutate: false
  module: registry://registry.invalid/labels:v1
  settings:
    mandatory_labels:
    - owner
  contextAwareResources:
  - apiVersion: v1
    kind: Namespace
  hostCapabilities:
  - '*'
  timeoutEvalSeconds: 5
  message: wrong labels
"
    );
}
