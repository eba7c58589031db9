//! Gates and rule coverage: what cases exercise of their policies, what a run must reach, and `verify init --missing`.

use serde_json::json;

use crate::support::{POD, Repository};

const METADATA: &str = "rules:
  - { apiGroups: [\"\"], apiVersions: [v1], resources: [pods], operations: [CREATE, UPDATE] }
  - { apiGroups: [apps], apiVersions: ['*'], resources: [deployments], operations: [CREATE] }
mutating: false
executionMode: kubewarden-wapc
";

/// A policy that rejects everything without a label and the same one, which then allows everything; with these cases and
/// gates.
fn repository(cases: &str, gates: &str) -> Repository {
    Repository::with_suite(&format!(
        "version: 1\npolicies:\n  no: {{ uri: safe-labels/policy.wasm, metadata: metadata.yml, settings: {{ mandatory_labels: [x] }} }}\n  \
         yes: {{ uri: safe-labels/policy.wasm, metadata: metadata.yml, settings: {{}} }}\n\
         defaults: {{ policy: no }}\ncases:\n{}gates: {gates}\n",
        cases.replace("POD", POD)
    ))
    .policy("safe-labels")
    .write("metadata.yml", METADATA)
}

const CREATE: &str = "  - { name: create, object: POD, expect: { deny: { contains: missing } } }\n";

/// Every request of the rules, for both policies.
fn all() -> String {
    let deployment = "{ apiVersion: apps/v1beta1, kind: Deployment, metadata: { name: web } }";
    ["no", "yes"]
        .map(|policy| {
            let expect = if policy == "no" { "{ deny: { contains: missing } }" } else { "allow" };
            format!(
                "  - {{ name: {policy} 1, policy: {policy}, object: POD, expect: {expect} }}\n  \
                 - {{ name: {policy} 2, policy: {policy}, object: POD, oldObject: POD, expect: {expect} }}\n  \
                 - {{ name: {policy} 3, policy: {policy}, object: {deployment}, expect: {expect} }}\n"
            )
        })
        .concat()
}

#[test]
fn a_run_tells_which_requests_of_the_rules_have_no_case() {
    let report = repository(CREATE, "{}").verify(&["suite.yml", "--verbose"]).run().exits_with(0);
    report.says(&[
        "1 of 6 requests of the rules have a case",
        "no · no case for UPDATE pods (v1), CREATE deployments (any version of apps)",
        "yes · no case for CREATE pods (v1), UPDATE pods (v1), CREATE deployments (any version of apps)",
    ]);
    let report = repository(CREATE, "{}").verify(&["suite.yml"]).run().exits_with(0);
    report.says(&["1 of 6 requests of the rules have a case · verify init --missing suite.yml\n"]);
    repository(&all(), "{}").verify(&["suite.yml"]).run().exits_with(0).never_says("of the rules");
}

#[test]
fn what_is_not_evaluated_exercises_nothing() {
    for case in [
        "  - { name: skipped, object: POD, skip: later, expect: deny }\n  - { name: other, policy: yes, object: POD, expect: allow }\n",
        "  - { name: fault, object: POD, settings: { mandatory_labels: 1 }, expect: allow }\n",
        "  - { name: elsewhere, oldObject: POD, expect: not-applicable }\n",
    ] {
        let report = repository(case, "{}").report(&[]).0;
        let requests = report["rules"][0]["requests"].as_array().unwrap();
        assert_eq!(report["rules"][0]["policy"], "no");
        for request in requests {
            assert_eq!([&request["allowed"], &request["mutated"], &request["rejected"]], [0, 0, 0], "{case} {request}");
        }
    }
}

#[test]
fn gates_are_tests_with_place_and_remedy() {
    let run = repository(CREATE, "{ rules: 100%, verdicts: both, weak: 0 }").verify(&["suite.yml"]).run();
    run.exits_with(1).says(&[
        "suite.yml:8 · gate · PV023",
        "16% (1 of 6)",
        "no: no case for UPDATE pods (v1)",
        "help      add the missing cases: `verify init --missing suite.yml`",
        "no: no case passes as it is",
        "yes: no case has a verdict",
        "repeat    verify suite.yml\n",
        "4 tests: 2 passed, 2 failed",
    ]);
    let reached = repository(&all(), "{ rules: 100% }");
    reached.verify(&["suite.yml"]).run().exits_with(0).says(&["7 tests: 7 passed"]);
    for (share, code) in [("16.66%", 0), ("16.67%", 1), ("17%", 1), ("0%", 0)] {
        repository(CREATE, &format!("{{ rules: {share} }}")).verify(&["suite.yml"]).run().named(share).exits_with(code);
    }
}

#[test]
fn weak_cases_are_counted_by_a_gate() {
    let weak = "  - { name: weak, object: POD, expect: deny }\n";
    for (most, code) in [(0, 1), (1, 0)] {
        let run = repository(weak, &format!("{{ weak: {most} }}")).verify(&["suite.yml"]).run();
        run.exits_with(code);
    }
    repository(weak, "{ weak: 0 }").verify(&["suite.yml"]).run().says(&["weak: matches any rejection"]);
}

#[test]
fn hollow_cases_are_counted_by_a_gate() {
    let cases = "  - { name: strict, object: POD, expect: { deny: { contains: missing } } }\n  \
                   - { name: watched, object: POD, expect: { response: { auditAnnotations: null } } }\n  \
                   - { name: later, object: POD, skip: later, expect: allow }\n";
    for (most, code) in [(0, 1), (1, 0)] {
        repository(cases, &format!("{{ hollow: {most} }}")).verify(&["suite.yml"]).run().exits_with(code);
    }
    let suite = repository(cases, "{ hollow: 0 }");
    suite.verify(&["suite.yml"]).run().exits_with(1).says(&[
        "at most 0 notice nothing when their policies are sabotaged │ 1 of 2\n",
        "watched",
        "help      expect more of these cases: `verify sabotage suite.yml` tells",
    ]);
    // Nothing that could be tried is no proof.
    let fault = "  - { name: fault, object: POD, settings: { mandatory_labels: 1 }, expect: { fault: guest } }\n";
    repository(fault, "{ hollow: 9 }").verify(&["suite.yml"]).run().exits_with(1);
    for part in ["1/2", "2/2"] {
        let report = format!("json={}.json", &part[..1]);
        suite.verify(&["suite.yml", "--partition", &format!("hash:{part}"), "--report", &report]).run();
    }
    let merged = suite.verify(&["merge", "1.json", "2.json"]).run().exits_with(1);
    merged.says(&["gate hollow", "sabotaged │ 1 of 2\n", "watched"]);
}

#[test]
fn reports_of_all_gates_fit_their_schema() {
    let gates = "{ rules: 100%, verdicts: both, weak: 0, hollow: 0, privileges: least, coverage: 1%, settings: 1% }";
    let report = repository(CREATE, gates).report(&[]).0;
    let names: Vec<&str> =
        report["gates"].as_array().unwrap().iter().filter_map(|gate| gate["gate"].as_str()).collect();
    assert_eq!(names, ["rules", "verdicts", "weak", "hollow", "privileges", "coverage", "settings"]);
    assert_eq!(report["hollow"][0]["tried"], 1);
    crate::readers::fits("report", &report);
}

#[test]
fn every_report_has_the_gates() {
    let suite = repository(CREATE, "{ rules: 100% }");
    for (format, part) in [
        ("junit", "name=\"gate rules\""),
        ("json", "\"kind\": \"gate\""),
        ("ndjson", "\"kind\":\"gate\""),
        ("tap", "gate rules"),
        ("html", "gate rules"),
        ("markdown", "gate rules"),
        ("sarif", "PV023"),
        ("github", "::error file=suite.yml,line=8"),
    ] {
        suite.verify(&["suite.yml", "--report", &format!("{format}=report")]).run().exits_with(1);
        assert!(suite.read("report").contains(part), "{format}: {}", suite.read("report"));
    }
    let annotation = suite.read("report");
    assert!(annotation.contains("help: add the missing cases"), "{annotation}");
}

#[test]
fn a_run_of_some_cases_judges_no_gate() {
    let cases = format!("{CREATE}  - {{ name: other, object: POD, expect: {{ deny: {{ contains: missing }} }} }}\n");
    let suite = repository(&cases, "{ rules: 100% }");
    let run = suite.verify(&["suite.yml", "-f", "create", "--status", "all"]).run().exits_with(0);
    run.says(&["gate rules · the run leaves out 1 of 2 cases", "2 tests: 1 passed, 1 skipped"])
        .never_says("of the rules have a case");
}

#[test]
fn a_gate_alone_shows_nothing() {
    let skipped = "  - { name: skipped, object: POD, skip: later, expect: deny }\n";
    repository(skipped, "{ weak: 1 }").verify(&["suite.yml"]).run().exits_with(4);
}

#[test]
fn shards_are_judged_together() {
    let suite = repository(&all(), "{ rules: 100%, verdicts: both }");
    for part in ["1/2", "2/2"] {
        let arguments =
            ["suite.yml", "--partition", &format!("hash:{part}"), "--report", &format!("json={}.json", &part[..1])];
        suite.verify(&arguments).run().exits_with(0).never_says("gate");
    }
    let merged = suite.verify(&["merge", "1.json", "2.json"]).run().exits_with(1);
    merged
        .says(&["8 tests: 7 passed, 1 failed", "no: no case passes as it is", "yes: no case is rejected or mutated"])
        .never_says("gate rules");
}

#[test]
fn what_does_not_reach_its_gates_is_not_published() {
    let publish = "\npublish: { policy: no, to: localhost:1/no, tags: [latest] }";
    let publish = publish.replace("publish: {", "publish:\n  - {");
    let suite = repository(CREATE, &format!("{{ rules: 100% }}{publish}"));
    let run = suite.verify(&["suite.yml", "--push"]).run().exits_with(1);
    run.says(&["1 of its 2 tests did not pass: `gate rules`"]);
}

#[test]
fn rules_that_select_nothing_are_told() {
    let metadata = METADATA.replace("[pods]", "[pods, namespace]");
    let run = repository(&all(), "{}").write("metadata.yml", metadata).verify(&["suite.yml"]).run();
    run.exits_with(0).says(&[
        "a part of the rules in the metadata of `no` selects no request: Kubernetes has no resource `namespace`",
        "did you mean namespaces?",
    ]);
}

#[test]
fn groups_have_the_rules_of_their_manifest() {
    let manifest = json!({
        "apiVersion": "policies.kubewarden.io/v1", "kind": "ClusterAdmissionPolicyGroup", "metadata": { "name": "all" },
        "spec": {
            "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE", "DELETE"] }],
            "expression": "a()", "message": "refused", "policies": { "a": { "module": "m", "settings": { "mandatory_labels": ["x"] } } },
        },
    });
    let suite = Repository::with_suite(&format!(
        "version: 1\npolicies:\n  all: {{ manifest: group.json, modules: {{ a: safe-labels/policy.wasm }} }}\n\
         cases:\n  - {{ name: a, group: all, object: {POD}, expect: {{ deny: refused }} }}\ngates: {{ rules: 50% }}\n"
    ))
    .write("group.json", manifest.to_string())
    .policy("safe-labels");
    let run = suite.verify(&["suite.yml", "--verbose"]).run().exits_with(0);
    run.says(&["1 of 2 requests of the rules have a case", "all · no case for DELETE pods (v1)"]);
}

#[test]
fn missing_cases_are_added_and_pass() {
    let suite = repository(&format!("{CREATE}\n# the end\n"), "{ rules: 100% }");
    let before = suite.read("suite.yml");
    suite
        .verify(&["init", "--missing", "suite.yml", "--output", "-"])
        .run()
        .exits_with(0)
        .says(&["- name: UPDATE Pod"]);
    assert_eq!(suite.read("suite.yml"), before);
    let run = suite.verify(&["init", "--missing", "suite.yml"]).run().exits_with(0);
    run.says(&["added 5 cases to suite.yml", "wrote fixtures/pod.yaml", "all cases of the suite: 3 allowed, 3 denied"]);
    let after = suite.read("suite.yml");
    let (head, tail) = before.split_once("\n# the end").unwrap();
    assert!(after.starts_with(head) && after.ends_with(&format!("\n# the end{tail}")), "{after}");
    assert!(after.contains("  - name: UPDATE Pod\n    policy: \"no\"\n    object: fixtures/pod.yaml\n"), "{after}");
    suite.verify(&["suite.yml"]).run().exits_with(0).says(&["7 tests: 7 passed"]);
    let again = suite.verify(&["init", "--missing", "suite.yml"]).run().exits_with(0);
    again.says(&["every one of 6 requests of the rules has a case"]);
    assert_eq!(suite.read("suite.yml"), after);
}

#[test]
fn suites_that_cannot_be_extended_are_left() {
    let brackets = Repository::with_suite(&format!(
        "version: 1\npolicies: {{ no: {{ uri: safe-labels/policy.wasm, metadata: metadata.yml }} }}\n\
         cases: [{{ name: a, object: {POD}, expect: allow }}]\n"
    ))
    .policy("safe-labels")
    .write("metadata.yml", METADATA);
    let run = brackets.verify(&["init", "--missing", "suite.yml"]).run().exits_with(2);
    run.says(&["its `cases:` are not a list with a dash for each case", "verify init --missing suite.yml --output -"]);
    assert!(!brackets.path("fixtures").exists());
    for arguments in [&["init", "--missing", "-"][..], &["init", "--missing", "suite.yml", "--output", "other.yml"]] {
        brackets.verify(arguments).run().exits_with(2).says(&["`--missing` changes a suite in a file"]);
    }
}

#[test]
fn percentages_need_their_sign() {
    for (gates, message) in [
        ("{ rules: 100 }", "write `100%`"),
        ("{ rules: 101% }", "invalid percentage `101%`"),
        ("{ rules: all }", "invalid percentage `all`"),
        ("{ verdicts: all }", "unknown value `all`"),
        ("{ weak: -1 }", "expected a whole number"),
        ("{ ruels: 100% }", "did you mean `rules`?"),
    ] {
        repository(CREATE, gates).verify(&["suite.yml"]).run().named(gates).exits_with(2).says(&[message]);
    }
}

#[test]
fn own_code_that_is_not_executed_misses_its_gate() {
    let folder = crate::support::testdata().join("policies/safe-labels");
    let module = std::fs::read(folder.join("policy-with-lines.wasm")).unwrap();
    for (share, code, text) in [
        ("20%", 0, "2 tests: 2 passed"),
        ("99%", 1, "of the own code of the policies is executed"),
        ("99%", 1, "help      add cases for the lines that `verify suite.yml --coverage text` names"),
    ] {
        let suite = Repository::with_suite(&format!(
            "version: 1\npolicies: {{ labels: {{ uri: policy.wasm, metadata: metadata.yml, settings: {{ mandatory_labels: [x] }} }} }}\n\
             cases:\n  - {{ name: a, object: {POD}, expect: {{ deny: {{ contains: missing }} }} }}\ngates: {{ coverage: {share} }}\n"
        ))
        .write("policy.wasm", &module)
        .write("metadata.yml", METADATA);
        suite.verify(&["suite.yml"]).run().named(share).exits_with(code).says(&[text]);
    }
    let stripped = repository(CREATE, "{ coverage: 1% }");
    stripped.verify(&["suite.yml"]).run().exits_with(1).says(&["no, yes: not measured: ", "gate coverage"]);
}
