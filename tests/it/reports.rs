//! Reports for machines: well-formed, complete, in suite order, and the same whatever the number of threads.

use std::collections::HashSet;
use std::sync::LazyLock;

use roxmltree::{Document, Node};
use serde_json::Value;

use crate::support::{Finished, POD, Repository, line_of, without_times};

/// Two suites: two real policies and a hostile one, every outcome there is, every kind of case.
struct Fixture {
    repository: Repository,
    one: String,
    two: String,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let one = "version: 1
name: first
policies:
  labels:
    uri: ../safe-labels/policy.wasm
    metadata: ../safe-labels/metadata.yml
    settings: { mandatory_labels: [owner] }
    check: { mutating: false, size: <= 1B }
  defaults:
    uri: ../default-labels/policy.wasm
    metadata: ../default-labels/metadata.yml
    settings: { labels: { team: a } }
  trap: { uri: ../wapc-trap.wasm }
  gone: { uri: ../no.wasm }
cases:
  - name: row ${n}
    policy: labels
    matrix: { n: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] }
    object: POD
    set: { metadata.labels.n: \"${n}\" }
    expect: allow
  - { name: wrong, policy: labels, object: POD, expect: { deny: \"<&> ]]> \\u0007\" } }
  - { name: trap, policy: trap, object: POD, expect: allow }
  - { name: known, policy: trap, object: POD, xfail: { reason: \"acme#1\", fault: trap }, expect: allow }
  - { name: over, policy: labels, object: POD, xfail: \"acme#2\", expect: allow }
  - { name: skipped, policy: labels, object: POD, skip: not now, expect: allow }
  - { name: gone, policy: gone, object: POD, expect: allow }
  - { name: mutated, policy: defaults, object: POD, expect: mutate }
  - { name: weak, policy: labels, object: POD, unset: [metadata.labels], expect: deny }
settingsCases:
  - { name: nothing to add, policy: defaults, value: { labels: {} }, expect: invalid }
"
    .replace("POD", POD);
    let two = "version: 1
policies:
  labels: { uri: ../safe-labels/policy.wasm, metadata: ../safe-labels/metadata.yml }
cases:
  - { name: wrong, object: POD, expect: { deny: no } }
  - { name: fine, object: POD, expect: allow }
"
    .replace("POD", POD);
    let repository = Repository::new()
        .policy("safe-labels")
        .policy("default-labels")
        .guest("wapc-trap")
        .write("no.wasm", "nothing")
        .write("tests/suite.yml", &one)
        .write("tests/two.suite.yml", &two);
    Fixture { repository, one, two }
});

impl Fixture {
    /// Runs both suites and writes all reports, the human one to stdout.
    fn run(&self, name: &str, arguments: &[&str]) -> Finished {
        let mut verify = self.repository.verify(&["tests/suite.yml", "tests/two.suite.yml", "--status", "all"]);
        for (format, ending) in [("json", "json"), ("junit", "xml"), ("markdown", "md")] {
            verify = verify.arg(&format!("--report={format}={name}.{ending}"));
        }
        arguments.iter().fold(verify, |verify, argument| verify.arg(argument)).run().exits_with(3)
    }
}

/// The reports of one run, shared by the tests that only read.
static RUN: LazyLock<(Value, String)> = LazyLock::new(|| {
    FIXTURE.run("shared", &[]);
    (FIXTURE.repository.read_json("shared.json"), FIXTURE.repository.read("shared.xml"))
});

fn names(text: &str) -> Vec<String> {
    let rows = (0..12).map(|n| format!("row {n}"));
    let rest = ["wrong", "trap", "known", "over", "skipped", "gone", "mutated", "weak", "nothing to add"];
    let checks = ["check labels mutating", "check labels size"].map(str::to_owned);
    match text {
        "first" => checks.into_iter().chain(rows).chain(rest.map(str::to_owned)).collect(),
        _ => ["wrong", "fine"].map(str::to_owned).into(),
    }
}

#[test]
fn json_has_every_case_with_its_place_in_suite_order() {
    let cases = RUN.0["cases"].as_array().unwrap();
    let found: Vec<&str> = cases.iter().map(|case| case["name"].as_str().unwrap()).collect();
    assert_eq!(found, [names("first"), names("second")].concat());
    let ids: HashSet<&str> = cases.iter().map(|case| case["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), cases.len());
    for case in cases {
        let is_first = case["id"].as_str().unwrap().starts_with("first › ");
        let (file, text) =
            if is_first { ("tests/suite.yml", &FIXTURE.one) } else { ("tests/two.suite.yml", &FIXTURE.two) };
        assert_eq!((case["file"].as_str(), case["suite"].as_str()), (Some(file), Some(file)));
        let name = case["name"].as_str().unwrap();
        let marker = match name {
            _ if name.starts_with("row") => "name: row ${n}".to_owned(),
            _ if name.starts_with("check") => "check:".to_owned(),
            _ => format!("name: {name},"),
        };
        assert_eq!(case["line"], line_of(text, &marker), "{name}");
    }
}

#[test]
fn json_tells_every_outcome_and_counts_them() {
    let outcome = |id: &str| {
        let cases = RUN.0["cases"].as_array().unwrap();
        let found = cases.iter().find(|case| case["id"] == id).unwrap();
        (found["outcome"].as_str().unwrap().to_owned(), found["kind"].as_str().unwrap().to_owned())
    };
    for (name, wanted, kind) in [
        ("check labels mutating", "passed", "check"),
        ("check labels size", "failed", "check"),
        ("row 11", "passed", "case"),
        ("wrong", "failed", "case"),
        ("trap", "error", "case"),
        ("known", "xfailed", "case"),
        ("over", "xpassed", "case"),
        ("skipped", "skipped", "case"),
        ("gone", "error", "case"),
        ("mutated", "passed", "case"),
        ("nothing to add", "passed", "settings"),
    ] {
        assert_eq!(outcome(&format!("first › {name}")), (wanted.to_owned(), kind.to_owned()), "{name}");
    }
    let summary = &RUN.0["summary"];
    let counts =
        ["total", "passed", "failed", "errors", "skipped", "xfailed"].map(|key| summary[key].as_u64().unwrap());
    assert_eq!(counts, [25, 17, 4, 2, 1, 1]);
    assert_eq!(counts[0], counts[1..].iter().sum::<u64>());
}

#[test]
fn json_names_every_policy_with_the_digest_that_ran() {
    let policies = RUN.0["policies"].as_array().unwrap();
    let found: Vec<(&str, &str)> =
        policies.iter().map(|policy| (policy["name"].as_str().unwrap(), policy["suite"].as_str().unwrap())).collect();
    let (one, two) = ("tests/suite.yml", "tests/two.suite.yml");
    assert_eq!(found, [("labels", one), ("defaults", one), ("trap", one), ("gone", one), ("labels", two)]);
    for policy in policies {
        let is_there = policy["name"] != "gone";
        assert_eq!(policy["digest"].as_str().is_some_and(|digest| digest.starts_with("sha256:")), is_there, "{policy}");
        assert_eq!(policy["error"].is_null(), is_there);
        assert!(policy["uri"].as_str().unwrap().starts_with("file://"));
    }
    assert_eq!(policies[0]["digest"], policies[4]["digest"]);
    assert_eq!(policies[0]["execution_mode"], "kubewarden-wapc");
}

#[test]
fn json_keys_come_in_the_order_of_the_contract() {
    let text =
        FIXTURE.repository.verify(&["tests/two.suite.yml", "--report", "json", "--filter", "wrong"]).run().stdout;
    let mut rest = text.as_str();
    for key in [
        "version",
        "tool",
        "name",
        "version",
        "summary",
        "total",
        "passed",
        "failed",
        "errors",
        "skipped",
        "xfailed",
        "weak",
        "duration_ms",
        "policies",
        "name",
        "suite",
        "uri",
        "digest",
        "execution_mode",
        "cases",
        "id",
        "suite",
        "policy",
        "kind",
        "outcome",
        "file",
        "line",
        "duration_us",
        "response",
        "uid",
        "allowed",
        "auditAnnotations",
        "warnings",
        "fault",
        "mismatches",
        "at",
        "expected",
        "actual",
        "line",
        "calls",
    ] {
        let key = format!("\"{key}\":");
        let position = rest.find(&key).unwrap_or_else(|| panic!("{key} does not follow in {text}"));
        rest = &rest[position + key.len()..];
    }
}

#[test]
fn stdout_carries_one_document_and_nothing_else() {
    for _ in 0..2 {
        let run = FIXTURE.repository.verify(&["tests/two.suite.yml", "--report", "json", "-v"]).on_github().run();
        let document: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(document["version"], 1);
        assert!(run.stdout.ends_with("}\n"));
    }
    let run = FIXTURE.repository.verify(&["tests/two.suite.yml", "--report", "junit", "-v"]).on_github().run();
    Document::parse(&run.stdout).unwrap();
    let run = FIXTURE.repository.verify(&["tests/two.suite.yml", "--report=json", "--report=junit=a.xml"]).run();
    assert!(serde_json::from_str::<Value>(&run.stdout).is_ok());
    Document::parse(&FIXTURE.repository.read("a.xml")).unwrap();
}

fn elements<'a>(document: &'a Document<'_>, name: &str) -> Vec<Node<'a, 'a>> {
    document.descendants().filter(|node| node.has_tag_name(name)).collect()
}

#[test]
fn junit_has_what_its_readers_look_for() {
    let document = Document::parse(&RUN.1).unwrap();
    let root = document.root_element();
    assert_eq!((root.tag_name().name(), root.attribute("name")), ("testsuites", Some("policy-verify")));
    let cases = elements(&document, "testcase");
    let json = RUN.0["cases"].as_array().unwrap();
    assert_eq!(cases.len(), json.len());
    let mut seen = HashSet::new();
    for case in &cases {
        let attribute = |name: &str| case.attribute(name).unwrap_or_else(|| panic!("no {name} in {case:?}"));
        assert!(seen.insert((attribute("classname"), attribute("name"))), "{case:?}");
        assert_eq!(attribute("classname").matches('.').count(), 1, "{case:?}");
        let (seconds, micros) = attribute("time").split_once('.').unwrap();
        assert!(seconds.parse::<u64>().is_ok() && micros.len() == 6, "{case:?}");
        // The same case is in the other report, at the same place.
        let is_same = |other: &&Value| {
            other["name"] == attribute("name")
                && other["file"] == attribute("file")
                && other["line"].as_u64() == attribute("line").parse().ok()
        };
        assert_eq!(json.iter().filter(is_same).count(), 1, "{case:?}");
    }
    for suite in elements(&document, "testsuite") {
        assert!(suite.attribute("name").unwrap().contains(" › "));
        for name in ["tests", "failures", "errors", "skipped", "time", "timestamp", "file", "id"] {
            assert!(suite.has_attribute(name), "{name} in {suite:?}");
        }
    }
    let counted = |name: &str| {
        elements(&document, "testsuite")
            .iter()
            .map(|suite| suite.attribute(name).unwrap().parse::<usize>().unwrap())
            .sum::<usize>()
    };
    let found = ["tests", "failures", "errors", "skipped"].map(counted);
    assert_eq!(found, [25, 4, 2, 2]);
    let in_root = ["tests", "failures", "errors"].map(|name| root.attribute(name).unwrap().parse::<usize>().unwrap());
    assert_eq!(in_root, found[..3]);
}

#[test]
fn junit_tells_failures_from_errors_and_where_they_are() {
    let document = Document::parse(&RUN.1).unwrap();
    let types = |element: &str| -> Vec<(String, String)> {
        let found = elements(&document, element).into_iter();
        let text = |node: Node<'_, '_>, name: &str| node.attribute(name).unwrap_or_default().to_owned();
        found.map(|node| (text(node.parent().unwrap(), "name"), text(node, "type"))).collect()
    };
    let pair = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
    let failures = types("failure");
    for wanted in [pair("check labels size", "check"), pair("wrong", "verdict"), pair("over", "xpass")] {
        assert!(failures.contains(&wanted), "{failures:?}");
    }
    assert_eq!(types("error"), [pair("trap", "trap"), pair("gone", "fetch")]);
    for node in elements(&document, "failure").into_iter().chain(elements(&document, "error")) {
        assert!(!node.attribute("message").unwrap().is_empty());
        let text = node.text().unwrap();
        assert!(text.contains("at tests/suite.yml:") || text.contains("at tests/two.suite.yml:"), "{text}");
    }
    let skipped: Vec<&str> =
        elements(&document, "skipped").iter().map(|node| node.attribute("message").unwrap()).collect();
    assert!(skipped.iter().any(|message| message.contains("not now")), "{skipped:?}");
}

#[test]
fn suites_and_policies_keep_their_order_in_junit() {
    let document = Document::parse(&RUN.1).unwrap();
    let names: Vec<&str> =
        elements(&document, "testsuite").iter().map(|suite| suite.attribute("name").unwrap()).collect();
    let (one, two) = ("tests/suite.yml", "tests/two.suite.yml");
    let wanted = [(one, "labels"), (one, "defaults"), (one, "trap"), (one, "gone"), (two, "labels")];
    assert_eq!(names, wanted.map(|(suite, policy)| format!("{suite} › {policy}")));
    let rows =
        elements(&document, "testcase").into_iter().filter_map(|case| case.attribute("name")?.strip_prefix("row "));
    assert_eq!(rows.collect::<Vec<_>>(), (0..12).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn one_thread_and_eight_write_the_same_bytes() {
    let one = FIXTURE.run("one", &["-j", "1"]);
    let eight = FIXTURE.run("eight", &["-j", "8"]);
    let read = |name: &str, ending: &str| FIXTURE.repository.read(&format!("{name}.{ending}"));
    for ending in ["json", "xml"] {
        assert_eq!(without_times(&read("one", ending)), without_times(&read("eight", ending)), "{ending}");
    }
    // For people the slowest cases are listed at the end, in the order of their times.
    let above_the_slowest = |text: &str| {
        let (above, _) = text.split_once("slowest").unwrap_or((text, ""));
        without_times(above)
    };
    assert_eq!(above_the_slowest(&read("one", "md")), above_the_slowest(&read("eight", "md")));
    assert_eq!(above_the_slowest(&one.stdout), above_the_slowest(&eight.stdout));
    assert_eq!(one.stderr, eight.stderr);
}

#[test]
fn a_report_replaces_the_one_before() {
    let repository = Repository::with_suite(&format!(
        "version: 1\npolicies: {{ yes: {{ uri: yes.wasm }} }}\ncases: [{{ name: a, object: {POD}, expect: allow }}]\n"
    ));
    let repository =
        repository.replying("yes", r#"{"valid":true,"accepted":true}"#).write("a.json", " ".repeat(100_000));
    repository.verify(&["--report", "json=a.json"]).run().exits_with(0);
    assert_eq!(repository.read_json("a.json")["summary"]["passed"], 1);
}

#[test]
fn a_folder_and_a_glob_name_suites_once_each() {
    let repository = &FIXTURE.repository;
    let count = |arguments: &[&str]| {
        let run = repository.verify(arguments).arg("--format=json").run().exits_with(0);
        serde_json::from_str::<Value>(&run.stdout).unwrap().as_array().unwrap().len()
    };
    assert_eq!(count(&["list", "tests"]), 25);
    assert_eq!(count(&["list", "tests/*.yml"]), 25);
    assert_eq!(count(&["list", "tests/suite.yml", "tests", "./tests/suite.yml"]), 25);
    let run = repository.verify(&["list", "--format=json"]).directory("tests").run().exits_with(0);
    assert_eq!(serde_json::from_str::<Value>(&run.stdout).unwrap().as_array().unwrap().len(), 25);
}
