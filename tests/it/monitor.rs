//! Monitor mode: the response lets every request pass, and what the policy itself answers can be expected and is reported.

use crate::support::{POD, Report, Repository, guests};

const MUTATING: &str = r#"{"valid":true,"accepted":true,"mutated_object":{"kind":"Pod","changed":true}}"#;

/// Policies in monitor mode: one rejects, one mutates, one allows; and one that rejects in mode `protect`.
fn repository(cases: &str) -> Repository {
    Repository::with_suite(&format!(
        "version: 1\npolicies:\n  no: {{ uri: no.wasm, mode: monitor }}\n  changes: {{ uri: changes.wasm, mode: monitor }}\n  \
         yes: {{ uri: yes.wasm, mode: monitor }}\n  strict: {{ uri: no.wasm }}\n\
         groups:\n  all: {{ members: {{ a: {{ policy: no }} }}, expression: a(), message: refused, mode: monitor }}\n\
         defaults: {{ object: {POD} }}\ncases:\n{cases}"
    ))
    .write("no.wasm", guests::denying("not today"))
    .replying("changes", MUTATING)
    .replying("yes", r#"{"valid":true,"accepted":true}"#)
}

fn one(policy: &str, expect: &str) -> Repository {
    repository(&format!("  - {{ name: a, policy: {policy}, expect: {expect} }}\n"))
}

fn outcome(report: &Report) -> &str {
    report.cases()[0]["outcome"].as_str().unwrap()
}

#[test]
fn the_answer_of_the_policy_itself_is_compared() {
    for (policy, expect, wanted) in [
        ("no", "{ deny: not today, mode: monitor }", "passed"),
        ("no", "{ deny: tomorrow, mode: monitor }", "failed"),
        ("no", "{ allow: true, mode: monitor }", "failed"),
        ("yes", "{ allow: true, mode: monitor }", "passed"),
        ("yes", "{ deny: not today, mode: monitor }", "failed"),
        ("changes", "{ mutate: { object: { changed: true } }, mode: monitor }", "passed"),
        ("changes", "{ mutate: { object: { changed: false } }, mode: monitor }", "failed"),
        ("changes", "{ mutate: { object: { changed: true }, idempotent: true }, mode: monitor }", "passed"),
        ("changes", "{ allow: true, mode: monitor }", "failed"),
        ("all", "{ deny: refused, members: { a: deny }, mode: monitor }", "passed"),
        ("all", "{ deny: other, mode: monitor }", "failed"),
        ("strict", "{ deny: not today, mode: protect }", "passed"),
    ] {
        assert_eq!(outcome(&one(policy, expect).report(&[])), wanted, "{policy} {expect}");
    }
}

#[test]
fn a_second_pass_is_about_the_answer_of_the_policy_too() {
    let mutating = |pad: &str| {
        serde_json::json!({"valid": true, "accepted": true, "mutated_object": {"kind": "Pod", "pad": pad}}).to_string()
    };
    for (long, wanted) in [(mutating(&"x".repeat(8192)), "passed"), (mutating("other"), "failed")] {
        let guest = guests::replying_by_length(&mutating(&"x".repeat(8192)), &long);
        let repository = one("changes", "{ mutate: { idempotent: true }, mode: monitor }").write("changes.wasm", guest);
        assert_eq!(outcome(&repository.report(&[])), wanted);
    }
}

#[test]
fn the_response_still_lets_the_request_pass() {
    let report = one("no", "{ deny: not today, mode: monitor }").report(&[]);
    let case = &report.cases()[0];
    assert_eq!(case["response"]["allowed"], true);
    assert!(case["response"].get("status").is_none());
    assert_eq!(case["monitored"]["allowed"], false);
    assert_eq!(case["monitored"]["status"]["message"], "not today");
    assert_eq!(report.0["summary"]["warned"], 1);
    // Without monitor mode there is nothing to tell apart.
    assert!(one("strict", "{ deny: not today }").report(&[]).cases()[0].get("monitored").is_none());
}

#[test]
fn a_verdict_of_the_response_alone_is_weak() {
    for (policy, expect, weakness) in [
        ("no", "allow", Some("monitored")),
        ("yes", "accept", Some("monitored")),
        ("all", "allow", Some("monitored")),
        ("no", "{ deny: not today, mode: monitor }", None),
        ("no", "{ deny: , mode: monitor }", Some("any-rejection")),
        ("changes", "{ mutate: , mode: monitor }", Some("any-mutation")),
        ("strict", "deny", Some("any-rejection")),
    ] {
        let report = one(policy, expect).report(&[]);
        report.all_passed();
        let case = &report.cases()[0];
        assert_eq!(case.get("weakness").and_then(|it| it.as_str()), weakness, "{policy} {expect}");
        assert_eq!(case["weak"], weakness.is_some(), "{policy} {expect}");
    }
}

#[test]
fn every_report_shows_the_rejection() {
    let repository = one("no", "{ deny: not today, mode: monitor }");
    let shown = "rejected in monitor mode: not today";
    let files = ["junit", "json", "ndjson", "tap", "markdown", "html"];
    let flags: Vec<String> = files.iter().flat_map(|it| ["--report".to_owned(), format!("{it}={it}.out")]).collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let run = repository.verify(&flags).run().exits_with(0);
    run.says(&[shown, "1 test: 1 passed · 1 warned"]);
    for format in files {
        let text = repository.read(&format!("{format}.out"));
        let wanted = if format.contains("json") { "\"monitored\"" } else { shown };
        assert!(text.contains(wanted), "{format}: {text}");
    }
}

#[test]
fn a_mismatch_about_the_response_names_the_answer_of_the_policy() {
    let run = one("no", "{ deny: not today }").verify(&[]).run().exits_with(1);
    run.says(&["because of monitor mode; the policy itself: denied: \"not today\"", "add `mode: monitor` here"]);
}

#[test]
fn a_step_of_a_chain_warns() {
    let cases = "  - { name: a, chain: [no, yes], expect: allow }\n";
    let report = repository(cases).report(&[]);
    report.all_passed();
    let case = &report.cases()[0];
    assert_eq!(case["steps"][0]["verdict"], "warn");
    assert_eq!(case["steps"][0]["monitored"]["status"]["message"], "not today");
    assert_eq!(case["steps"][1]["verdict"], "allow");
    assert_eq!(report.0["summary"]["warned"], 1);
}

#[test]
fn a_mode_that_cannot_be_meant_is_a_mistake() {
    for (case, message) in [
        ("policy: strict, expect: { deny: m, mode: monitor }", "`strict` is deployed in mode `protect`, not `monitor`"),
        ("policy: no, expect: { allow: true, mode: protect }", "`no` is deployed in mode `monitor`, not `protect`"),
        ("chain: [no, yes], expect: { deny: m, mode: monitor }", "`mode` cannot be combined with `chain`"),
        ("policy: no, expect: { fault: trap, mode: monitor }", "`mode` cannot be combined with `fault`"),
        (
            "policy: no, expect: { response: { allowed: true }, mode: monitor }",
            "`mode` cannot be combined with `response`",
        ),
        ("policy: no, expect: { mode: monitor }", "the expectation has no verdict"),
    ] {
        let run = repository(&format!("  - {{ name: a, {case} }}\n")).verify(&[]).run().exits_with(2);
        run.says(&[message]);
    }
}
