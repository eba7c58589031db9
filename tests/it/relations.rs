//! `relations:`: what a policy must answer alike. Each relation is broken by a policy that was made for it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Repository, guests, project, without_times};

const ALL: &str = "[workloads, update, idempotent, order, self]";

/// A pod with two containers, one of which has this word.
const POD: &str = "{ apiVersion: v1, kind: Pod, metadata: { name: web, labels: { owner: WORD } }, \
                   spec: { containers: [{ name: one, image: x }, { name: two, image: w }] } }";

/// Metadata with rules for these resources and operations.
fn metadata(mode: &str, operations: &str) -> String {
    format!(
        "rules:\n  - {{ apiGroups: [\"\"], apiVersions: [v1], resources: [pods], operations: {operations} }}\n  \
         - {{ apiGroups: [apps], apiVersions: [v1], resources: [deployments], operations: {operations} }}\n  \
         - {{ apiGroups: [batch], apiVersions: [v1], resources: [cronjobs, jobs], operations: {operations} }}\n\
         mutating: true\nexecutionMode: {mode}\n"
    )
}

/// A suite with a policy `p`, these settings and relations, and cases about a pod with a word: `word: expectation`.
fn suite(settings: &str, relations: &str, cases: &[(&str, &str)]) -> String {
    let cases = cases.iter().map(|(word, expect)| {
        format!("  - {{ name: the word {word}, object: {}, expect: {expect} }}\n", POD.replace("WORD", word))
    });
    format!(
        "version: 1\nname: r\npolicies:\n  p:\n    uri: p.wasm\n    metadata: metadata.yml\n    settings: {settings}\n    \
         relations: {relations}\ncases:\n{}",
        cases.collect::<String>()
    )
}

/// The policy `words-wasi`.
fn words(settings: &str, relations: &str, cases: &[(&str, &str)]) -> Repository {
    let module = std::fs::read(project().join("testdata/policies/words-wasi/policy.wasm")).unwrap();
    Repository::with_suite(&suite(settings, relations, cases))
        .write("p.wasm", module)
        .write("metadata.yml", metadata("wasi", "[CREATE, UPDATE]"))
}

/// A policy that gives the reply of the first row all of whose texts are in the request; no reply is a trap.
fn deciding(rows: &[(&[&str], &str)]) -> Vec<u8> {
    let (mut data, mut body, mut at) = (String::new(), String::new(), 2048);
    let mut placed = |text: &str| {
        let escaped: String = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
        data.push_str(&format!("(data (i32.const {at}) \"{escaped}\")"));
        at += text.len();
        (at - text.len(), text.len())
    };
    for (needles, reply) in rows {
        let conditions = needles.iter().map(|needle| {
            let (address, len) = placed(needle);
            format!("(call $has (i32.const {address}) (i32.const {len}) (local.get $message_len))")
        });
        let condition = conditions.fold("(i32.const 1)".to_owned(), |all, one| format!("(i32.and {all} {one})"));
        let answer = match *reply {
            "" => "unreachable".to_owned(),
            reply => {
                let (address, len) = placed(reply);
                format!("(call $respond (i32.const {address}) (i32.const {len})) (return (i32.const 1))")
            }
        };
        body.push_str(&format!("(if {condition} (then {answer}))"));
    }
    let has = r#"(func $has (param $needle i32) (param $size i32) (param $len i32) (result i32)
        (local $at i32) (local $same i32)
        (loop $next
          (if (i32.gt_u (i32.add (local.get $at) (local.get $size)) (local.get $len)) (then (return (i32.const 0))))
          (local.set $same (i32.const 0))
          (block $other (loop $bytes
            (if (i32.eq (local.get $same) (local.get $size)) (then (return (i32.const 1))))
            (br_if $other (i32.ne
              (i32.load8_u (i32.add (i32.const 32768) (i32.add (local.get $at) (local.get $same))))
              (i32.load8_u (i32.add (local.get $needle) (local.get $same)))))
            (local.set $same (i32.add (local.get $same) (i32.const 1)))
            (br $bytes)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $next))
        (unreachable))"#;
    guests::wapc_with(
        r#"(import "wapc" "__guest_request" (func $request (param i32 i32)))"#,
        &format!("{data}{has} (data (i32.const 1100) \"\\22v1\\22\")"),
        &format!(
            "(if (i32.eq (local.get $operation_len) (i32.const {})) (then
               (call $respond (i32.const 1100) (i32.const 4)) (return (i32.const 1))))
             (call $request (i32.const 1024) (i32.const 32768)) {body} unreachable",
            "protocol_version".len()
        ),
    )
}

const ALLOW: &str = r#"{"accepted":true}"#;
const DENY: &str = r#"{"accepted":false,"message":"no"}"#;
const UPDATE: &str = "\"operation\":\"UPDATE\"";

fn planted(rows: &[(&[&str], &str)], relations: &str, expect: &str) -> Repository {
    Repository::with_suite(&suite("{}", relations, &[("a", expect)]))
        .write("p.wasm", deciding(rows))
        .write("metadata.yml", metadata("kubewarden-wapc", "[CREATE, UPDATE]"))
}

/// The relations of a run and how they ended; and the report.
fn outcomes(repository: &Repository) -> (BTreeMap<String, String>, Value) {
    let report = repository.report(&[]).0;
    let cases = report["cases"].as_array().unwrap();
    for case in cases.iter().filter(|case| case["kind"] != "relation") {
        assert_eq!(case["outcome"], "passed", "{case:#}");
    }
    let relations = cases.iter().filter(|case| case["kind"] == "relation");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found = relations.map(|case| (text(&case["name"]).replace("relation p ", ""), text(&case["outcome"])));
    (found.collect(), report)
}

/// Only this relation is broken, once, with these words; how the others ended does not matter.
fn is_only_broken(repository: &Repository, relation: &str, words: [&str; 2]) {
    let (outcomes, report) = outcomes(repository);
    assert_eq!(outcomes.len(), 5, "{outcomes:?}");
    for (name, outcome) in &outcomes {
        let is_fine =
            if name == relation { outcome == "failed" } else { ["passed", "skipped"].contains(&outcome.as_str()) };
        assert!(is_fine, "{name}: {outcome} {report:#}");
    }
    let failed = report["cases"].as_array().unwrap().iter().find(|case| case["outcome"] == "failed").unwrap();
    let mismatches = failed["mismatches"].as_array().unwrap();
    assert_eq!(mismatches.len(), 1, "{mismatches:#?}");
    assert_eq!(failed["line"], 8);
    assert_eq!([&mismatches[0]["expected"], &mismatches[0]["actual"]], words);
    repository.verify(&["suite.yml"]).run().exits_with(1).says(&["PV025"]);
}

#[test]
fn another_verdict_in_another_workload_breaks_workloads() {
    let repository = words("{ forbidden: [CronJob] }", ALL, &[("a", "allow")]);
    let actual = "with wrap: CronJob: denied: \"the word CronJob is forbidden\"";
    is_only_broken(&repository, "workloads", ["`the word a` (suite.yml:10): allowed, not mutated", actual]);
}

#[test]
fn another_verdict_on_update_breaks_update() {
    let repository = planted(&[(&[UPDATE], ALLOW), (&[], DENY)], ALL, "{ deny: no }");
    let actual = "with operation: UPDATE, with the same oldObject: allowed, not mutated";
    is_only_broken(&repository, "update", ["`the word a` (suite.yml:10): denied: \"no\"", actual]);
    assert_eq!(outcomes(&repository).0["self"], "skipped");
}

#[test]
fn another_message_in_another_order_breaks_order() {
    let repository = words("{ forbidden: [x, w] }", ALL, &[("a", "{ deny: { contains: forbidden } }")]);
    let expected = "`the word a` (suite.yml:10): denied: \"the word x is forbidden\"";
    let set = "set: { spec.containers: [{ image: w, name: two }, { image: x, name: one }] }";
    let actual = format!("with {set}: denied: \"the word w is forbidden\"");
    is_only_broken(&repository, "order", [expected, &actual]);
}

#[test]
fn a_second_change_breaks_idempotent() {
    let repository = words("{ replace: { a: b, b: c } }", ALL, &[("a", "mutate"), ("x", "allow")]);
    let (_, report) = outcomes(&repository);
    let failed = report["cases"].as_array().unwrap().iter().find(|case| case["outcome"] == "failed").unwrap();
    assert_eq!(failed["name"], "relation p idempotent", "{report:#}");
    let change = "set: { metadata.labels.owner: b }";
    let patch = "replace /metadata/labels/owner";
    is_only_broken(
        &repository,
        "idempotent",
        [
            "`the word a` (suite.yml:10): no change in the second pass",
            &format!("with the mutated object, {change}: second pass: allowed and mutated: {patch}"),
        ],
    );
}

#[test]
fn a_mutated_object_that_is_rejected_breaks_self() {
    let marked =
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "labels": { "owner": "marked" } } });
    let mutated = json!({ "accepted": true, "mutated_object": marked }).to_string();
    let rows: [(&[&str], &str); 3] = [(&["marked", UPDATE], DENY), (&["marked"], ALLOW), (&[], &mutated)];
    let repository = planted(&rows, ALL, "mutate");
    let change = "set: { metadata.labels.owner: marked }, unset: [metadata.namespace], unset: [spec]";
    is_only_broken(
        &repository,
        "self",
        [
            "`the word a` (suite.yml:10): allowed",
            &format!("with the mutated object, {change}, operation: UPDATE, with the same oldObject: denied: \"no\""),
        ],
    );
}

#[test]
fn relations_that_hold_pass_and_those_about_nothing_are_skipped() {
    let repository = words("{ replace: { a: z } }", ALL, &[("a", "mutate"), ("x", "allow")]);
    let (found, _) = outcomes(&repository);
    assert!(found.values().all(|outcome| outcome == "passed"), "{found:?}");
    let repository = words("{}", "[idempotent]", &[("a", "allow"), ("b", "allow")]);
    let run = repository.verify(&["suite.yml", "--status", "all"]).run().exits_with(0);
    run.says(&["no case to compare: not mutated (2 cases)"]);
}

#[test]
fn a_fault_of_a_changed_request_is_never_agreement() {
    for relation in ["update", "self"] {
        let repository = planted(&[(&[UPDATE], ""), (&[], ALLOW)], &format!("[{relation}]"), "allow");
        let run = repository.verify(&["suite.yml"]).run().exits_with(1);
        run.named(relation).says(&["fault: trap: ", "2 tests: 1 passed, 1 failed"]);
    }
}

#[test]
fn what_has_no_mock_is_not_agreement() {
    let deployment = "{ apiVersion: apps/v1, kind: Deployment, metadata: { name: web }, spec: { template: { spec: { \
                      containers: [{ name: a, image: \"web:1\" }] } } } }";
    let module = std::fs::read(project().join("testdata/policies/image-licence/policy.wasm")).unwrap();
    let cases = format!("  - {{ name: a deployment, object: {deployment}, expect: allow }}\n");
    let suite = suite("{ allowed: [MIT] }", "[workloads]", &[]) + &cases;
    let metadata = metadata("kubewarden-wapc", "[CREATE]") + "hostCapabilities: [oci/v1/oci_manifest]\n";
    let repository = Repository::with_suite(&suite).write("p.wasm", module).write("metadata.yml", metadata);
    let run = repository.verify(&["suite.yml"]).run().exits_with(1);
    run.says(&[
        "not compared: `a deployment` (suite.yml:10) with its pod alone: no mock for",
        "PV036",
        "1 passed, 1 error",
    ]);
}

#[test]
fn without_rules_no_other_kind_and_operation_is_made() {
    let text = suite("{}", "[workloads, update, order]", &[("a", "allow")]).replace("    metadata: metadata.yml\n", "");
    let repository = Repository::with_suite(&text).write("p.wasm", deciding(&[(&["Job"], DENY), (&[], ALLOW)]));
    let (found, report) = outcomes(&repository);
    assert_eq!(found.values().collect::<Vec<_>>(), ["passed", "skipped", "skipped"], "{report:#}");
}

#[test]
fn exceptions_leave_out_what_they_name() {
    let cases = [("a", "allow"), ("b", "allow")];
    let forbidden = "{ forbidden: [CronJob] }";
    for (except, code, says) in [
        ("[]", 1, "with wrap: CronJob"),
        ("[{ kinds: [CronJob], reason: r }]", 0, "3 passed"),
        (
            "[{ kinds: [CronJob, StatefulSet], reason: r }, { kinds: [DaemonSet], reason: r }]",
            0,
            "the exception for DaemonSet in line 8 is unused",
        ),
        ("[{ case: the word, reason: r }]", 0, "1 skipped"),
        ("[{ case: the word a, reason: r }]", 1, "`the word b`"),
        ("[{ case: word a, kinds: [CronJob], reason: r }]", 1, "`the word b`"),
        ("[{ case: word a, kinds: [CronJob], reason: r }, { case: word b, reason: r }]", 0, "3 passed"),
    ] {
        let relations = format!("[{{ relation: workloads, except: {except} }}]");
        let run = words(forbidden, &relations, &cases).verify(&["suite.yml"]).run();
        run.named(except).exits_with(code).says(&[says]);
    }
}

#[test]
fn mistakes_in_relations_have_a_place_and_a_remedy() {
    for (relations, message, help) in [
        ("[ordr]", "unknown value `ordr`", "did you mean `order`?"),
        ("[order, { relation: order }]", "duplicate relation `order`", "`except` is a list"),
        ("[{ relation: order, except: [{ reason: r }] }]", "neither `case` nor `kinds`", "add `case:`"),
        ("[{ relation: order, except: [{ case: the word }] }]", "the key `reason` is missing", "PV064"),
        ("[{ relation: order, except: [{ case: the word, reason: \" \" }] }]", "the reason is empty", "write why"),
        (
            "[{ relation: order, except: [{ case: teh word a, reason: r }] }]",
            "no case of the policy is called `teh word a`",
            "did you mean `the word a`?",
        ),
        (
            "[{ relation: update, except: [{ kinds: [Job], reason: r }] }]",
            "`kinds` cannot be combined with the relation `update`",
            "write `case:`",
        ),
        (
            "[{ relation: workloads, except: [{ kinds: [Jb], reason: r }] }]",
            "unknown value `Jb`",
            "did you mean `Job`?",
        ),
    ] {
        let run = words("{}", relations, &[("a", "allow")]).verify(&["suite.yml"]).run();
        run.named(relations).exits_with(2).says(&["suite.yml:8:", message, help]);
    }
}

#[test]
fn policies_without_a_list_have_that_of_the_defaults() {
    let text = suite("{}", "[]", &[("a", "allow")]).replace(
        "cases:",
        "  q: { uri: p.wasm, metadata: metadata.yml }\ndefaults: { policy: q, relations: [update] }\ncases:",
    );
    let repository = words("{}", "[]", &[]).write("suite.yml", text);
    repository
        .verify(&["suite.yml", "--status", "all"])
        .run()
        .exits_with(0)
        .says(&["relation q update", "2 tests: 2 passed"]);
}

#[test]
fn a_relation_is_complete_whatever_the_run_leaves_out() {
    let repository = words("{ forbidden: [CronJob] }", "[workloads, update]", &[("a", "allow"), ("b", "allow")]);
    let run = repository.verify(&["suite.yml", "-f", "relation p workloads"]).run().exits_with(1);
    run.says(&["`the word a`", "`the word b`", "1 test: 1 failed"]);
    repository.verify(&["suite.yml", "-f", "the word"]).run().exits_with(0).says(&["2 tests: 2 passed"]);
    let mut reports = Vec::new();
    for shard in ["hash:1/2", "hash:2/2"] {
        let file = format!("{}.json", &shard[5..6]);
        repository.verify(&["suite.yml", "--partition", shard, "--report", &format!("json={file}")]).run();
        reports.push(file);
    }
    let merged =
        repository.verify(&["merge", &reports[0], &reports[1], "--report", "json=merged.json"]).run().exits_with(1);
    merged.says(&["4 tests: 3 passed, 1 failed"]);
}

#[test]
fn requests_of_relations_do_not_count_as_cases() {
    let plain = words("{}", "[]", &[("a", "allow")]);
    let related = words("{}", ALL, &[("a", "allow")]);
    let rules = |repository: &Repository| repository.report(&[]).0["rules"].clone();
    assert_eq!(rules(&plain), rules(&related));
    let sabotaged = |repository: &Repository| repository.verify(&["sabotage", "suite.yml"]).run().exits_with(0).stdout;
    assert_eq!(sabotaged(&plain), sabotaged(&related));
}

#[test]
fn every_report_has_the_relations() {
    let suite = words("{ forbidden: [CronJob] }", "[workloads]", &[("a", "allow")]);
    for (format, part) in [
        ("junit", "name=\"relation p workloads\""),
        ("json", "\"kind\": \"relation\""),
        ("ndjson", "\"kind\":\"relation\""),
        ("tap", "relation p workloads"),
        ("html", "relation p workloads"),
        ("markdown", "relation p workloads"),
        ("sarif", "PV025"),
        ("github", "::error file=suite.yml,line=8"),
    ] {
        suite.verify(&["suite.yml", "--report", &format!("{format}=report")]).run().exits_with(1);
        assert!(suite.read("report").contains(part), "{format}: {}", suite.read("report"));
    }
    assert!(
        suite.read("report").contains("help: correct the policy, or write an exception"),
        "{}",
        suite.read("report")
    );
}

#[test]
fn many_differences_are_named_and_bounded() {
    let words_of = ["c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "q", "r"];
    let cases: Vec<(&str, &str)> = words_of.iter().map(|word| (*word, "allow")).collect();
    let repository = words("{ forbidden: [CronJob] }", "[workloads]", &cases);
    let (_, report) = outcomes(&repository);
    let failed = report["cases"].as_array().unwrap().iter().find(|case| case["outcome"] == "failed").unwrap();
    let mismatches = failed["mismatches"].as_array().unwrap();
    assert_eq!(mismatches.len(), 4);
    let rest = mismatches[3]["actual"].as_str().unwrap();
    assert!(rest.starts_with("12 more differ: `the word f` (suite.yml:13) with wrap: CronJob, "), "{rest}");
    assert!(rest.ends_with(", and 2 more"), "{rest}");
    // The order of the cases does not depend on threads.
    for jobs in ["1", "8"] {
        let again = repository.report(&["-j", jobs]).0;
        let again = again["cases"].as_array().unwrap().iter().find(|case| case["outcome"] == "failed").unwrap().clone();
        assert_eq!(again["mismatches"], failed["mismatches"], "-j {jobs}");
    }
}

/// The example of the page: a policy that looks at Pods alone, with rules for workloads.
#[test]
fn the_page_shows_what_a_broken_relation_prints() {
    let module = std::fs::read(project().join("testdata/policies/image-licence/policy.wasm")).unwrap();
    let metadata = metadata("kubewarden-wapc", "[CREATE, UPDATE]").replace("mutating: true", "mutating: false")
        + "hostCapabilities: [oci/v1/oci_manifest]\n";
    let manifest = "{ schemaVersion: 2, mediaType: application/vnd.oci.image.manifest.v1+json, config: { mediaType: x, digest: \
                    \"sha256:0000000000000000000000000000000000000000000000000000000000000000\", size: 2 }, layers: [], \
                    annotations: { org.opencontainers.image.licenses: GPL-3.0-only } }";
    let suite = format!(
        "version: 1\nname: licences\npolicies:\n  licences:\n    uri: policy.wasm\n    metadata: metadata.yml\n    \
         settings: {{ allowed: [MIT] }}\n    relations: [workloads, update, idempotent, order, self]\ncases:\n  \
         - name: refuses another licence\n    object:\n      apiVersion: v1\n      kind: Pod\n      metadata: {{ name: web }}\n      \
         spec: {{ containers: [{{ name: web, image: \"web:1\" }}] }}\n    host:\n      oci/v1/oci_manifest:\n        \
         \"web:1\": {manifest}\n    expect: {{ deny: {{ contains: GPL-3.0-only }} }}\n"
    );
    let repository = Repository::with_suite(&suite).write("policy.wasm", module).write("metadata.yml", metadata);
    let run = repository.verify(&["suite.yml"]).env("COLUMNS", "120").run().exits_with(1);
    let path = project().join("docs/trust.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (_, section) = page.split_once("## Relations\n").unwrap();
    let (_, rest) = section.split_once("```console\n$ verify suite.yml\n").unwrap();
    let (shown, _) = rest.split_once("```\n").unwrap();
    if std::env::var_os("VERIFY_TEST_WRITE_DOCS").is_some() {
        let opening = "## Relations\n";
        let (before, after) = page.split_once(opening).unwrap();
        let block = format!("```console\n$ verify suite.yml\n{shown}```\n");
        let made = format!("```console\n$ verify suite.yml\n{}```\n", run.stdout);
        std::fs::write(&path, format!("{before}{opening}{}", after.replacen(&block, &made, 1))).unwrap();
        return;
    }
    let lines = |text: &str| {
        let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        without_times(text).lines().map(line).collect::<Vec<_>>()
    };
    assert_eq!(lines(shown), lines(&run.stdout));
}
