//! `verify sabotage`: cases that would pass whatever their policies answered.

use serde_json::Value;

use crate::support::{POD, Repository};

fn repository(cases: &str) -> Repository {
    Repository::with_suite(&format!(
        "version: 1\npolicies:\n  safe-labels: {{ uri: safe-labels/policy.wasm, metadata: safe-labels/metadata.yml, settings: {{ mandatory_labels: [x] }} }}\n  \
         default-labels: {{ uri: default-labels/policy.wasm, metadata: default-labels/metadata.yml, settings: {{ labels: {{ team: a }} }} }}\n  \
         watched: {{ uri: safe-labels/policy.wasm, metadata: safe-labels/metadata.yml, settings: {{ mandatory_labels: [x] }}, mode: monitor }}\n\
         groups:\n  either: {{ expression: a() || b(), message: refused, members: {{ a: {{ policy: safe-labels, settings: {{}} }}, b: {{ policy: safe-labels, settings: {{}} }} }} }}\n\
         defaults: {{ policy: safe-labels }}\n{}",
        cases.replace("POD", POD)
    ))
    .policy("safe-labels")
    .policy("default-labels")
}

/// What each case misses and notices: `other-message+ always-allows-`.
fn attempts(cases: &str) -> Vec<String> {
    let run = repository(cases).verify(&["sabotage", "suite.yml", "--format", "json"]).run();
    let result: Value = serde_json::from_str(&run.stdout).unwrap();
    let of_case = |case: &Value| {
        let attempt = |attempt: &Value| {
            let sign = if attempt["is_noticed"] == true { "+" } else { "-" };
            format!("{}{sign}", attempt["stand_in"].as_str().unwrap())
        };
        case["attempts"].as_array().unwrap().iter().map(attempt).collect::<Vec<_>>().join(" ")
    };
    result["cases"].as_array().unwrap().iter().map(of_case).collect()
}

#[test]
fn each_expectation_notices_what_it_is_about() {
    for (case, wanted) in [
        ("object: POD, expect: deny", "always-allows+ other-message-"),
        ("object: POD, expect: { deny: { contains: missing } }", "always-allows+ other-message+"),
        ("object: POD, settings: {}, expect: allow", "always-denies+"),
        ("object: POD, settings: {}, expect: accept", "always-denies+"),
        ("object: POD, expect: { response: { auditAnnotations: null } }", "always-allows- other-message-"),
        ("object: POD, expect: { response: { allowed: false } }", "always-allows+ other-message-"),
        ("object: POD, policy: watched, expect: allow", "always-allows- other-message-"),
        (
            "object: POD, policy: watched, expect: { deny: { contains: missing }, mode: monitor }",
            "always-allows+ other-message+",
        ),
        (
            "object: POD, policy: default-labels, expect: mutate",
            "always-allows+ always-denies+ never-mutates+ mutates-elsewhere-",
        ),
        (
            "object: POD, policy: default-labels, expect: { mutate: { object: { metadata: { labels: { team: a } } } } }",
            "always-allows+ always-denies+ never-mutates+ mutates-elsewhere+",
        ),
        (
            "object: POD, policy: default-labels, expect: accept",
            "always-allows- always-denies+ never-mutates- mutates-elsewhere-",
        ),
        // Either member is enough, so that only all at once matter.
        ("object: POD, group: either, expect: allow", "always-denies+"),
    ] {
        assert_eq!(attempts(&format!("cases:\n  - {{ name: a, {case} }}\n")), [wanted], "{case}");
    }
    for (case, wanted) in [
        ("value: { mandatory_labels: 1 }, expect: invalid", "accepts-settings+"),
        ("value: {}, expect: valid", "rejects-settings+"),
    ] {
        assert_eq!(attempts(&format!("settingsCases:\n  - {{ name: a, {case} }}\n")), [wanted], "{case}");
    }
}

#[test]
fn hollow_cases_are_named_and_no_others() {
    let cases = "cases:\n  - { name: strict, object: POD, expect: { deny: { contains: missing } } }\n  \
                 - { name: fine, object: POD, settings: {}, expect: allow }\n  \
                 - { name: weak, object: POD, expect: deny }\n  \
                 - { name: empty, object: POD, expect: { response: { auditAnnotations: null } } }\n  \
                 - { name: watched, object: POD, policy: watched, expect: allow }\n";
    let run = repository(cases).verify(&["sabotage", "suite.yml"]).run().exits_with(1);
    let hollow = run.stdout.split("2 hollow cases: nothing is noticed\n").nth(1).unwrap_or_default();
    assert!(
        hollow.contains("suite.yml:13  suite.yml › empty") && hollow.contains("suite.yml:14  suite.yml › watched"),
        "{}",
        run.stdout
    );
    assert!(!hollow.contains("weak") && !hollow.contains("strict"), "{hollow}");
    run.says(&["suite.yml › weak · rejects with another message", "3 of 5 cases notice what policies do instead"]);
}

#[test]
fn exit_codes_are_those_of_a_run() {
    for (cases, code, text) in [
        ("cases:\n  - { name: a, object: POD, settings: {}, expect: allow }\n", 0, "1 of 1 case notice"),
        ("cases:\n  - { name: a, object: POD, expect: allow }\n", 1, "suite.yml › a · does not pass"),
        ("cases:\n  - { name: a, object: POD, skip: later, expect: allow }\n", 4, "suite.yml › a · skipped"),
        ("cases:\n  - { name: a, oldObject: POD, expect: not-applicable }\n", 4, "no policy gives a verdict"),
        ("cases:\n  - { name: a, object: POD, expct: allow }\n", 2, "unknown key `expct`"),
    ] {
        repository(cases).verify(&["sabotage", "suite.yml"]).run().named(cases).exits_with(code).says(&[text]);
    }
}

#[test]
fn an_expected_fault_is_left_out() {
    let suite = crate::support::testdata().join("suites/showcase/suite.yml");
    let repository = Repository::new();
    let run = repository.verify(&["sabotage", suite.to_str().unwrap()]).run().exits_with(0);
    run.says(&["a call without a mock is a fault · no policy gives a verdict"]).never_says("hollow");
}

const FIXTURE: &str = "{ apiVersion: v1, kind: Pod, metadata: { name: web, labels: { owner: team-a } } }";

/// A policy of Rust with lines, and a suite about it.
fn with_lines(cases: &str) -> Repository {
    let folder = crate::support::testdata().join("policies/safe-labels");
    let read = |file: &str| std::fs::read(folder.join(file)).unwrap();
    Repository::with_suite(&format!(
        "version: 1\npolicies: {{ labels: {{ uri: policy.wasm, metadata: metadata.yml, settings: {{ mandatory_labels: [owner] }} }} }}\n\
         defaults: {{ object: {FIXTURE} }}\ncases:\n{cases}"
    ))
    .write("policy.wasm", read("policy-with-lines.wasm"))
    .write("metadata.yml", read("metadata.yml"))
    .write("src/lib.rs", read("src/lib.rs"))
}

fn mutants(suite: &Repository, code: i32, arguments: &[&str]) -> Value {
    let flags = ["sabotage", "suite.yml", "--mutants=12", "--for", "5m", "--seed", "3", "--format", "json"];
    let run = suite.verify(&[&flags[..], arguments].concat()).run().exits_with(code);
    serde_json::from_str::<Value>(&run.stdout).unwrap()["mutants"][0].clone()
}

#[test]
fn a_good_suite_notices_mutants_and_a_hollow_one_none() {
    let good = with_lines(
        "  - { name: ok, expect: allow }\n  \
         - { name: missing, unset: [metadata.labels], expect: { deny: \"The following mandatory labels are missing: owner\" } }\n  \
         - { name: two, settings: { mandatory_labels: [owner, cost, x] }, expect: { deny: \"The following mandatory labels are missing: cost, x\" } }\n",
    );
    let found = mutants(&good, 0, &["--min-score", "60%"]);
    let number = |key: &str| found[key].as_u64().unwrap();
    let survivors = found["survivors"].as_array().unwrap();
    assert_eq!(number("tried"), 12, "{found:#}");
    assert_eq!(number("noticed") + number("crashed") + number("alike") + survivors.len() as u64, 12, "{found:#}");
    assert!(number("noticed") >= 3, "{found:#}");

    let hollow = with_lines("  - { name: ok, expect: { response: { auditAnnotations: null } } }\n");
    let found = mutants(&hollow, 1, &[]);
    assert_eq!(found["noticed"], 0, "{found:#}");
    let survivors = found["survivors"].as_array().unwrap();
    assert!(!survivors.is_empty(), "{found:#}");
    for survivor in survivors {
        assert_eq!(survivor["file"], "src/lib.rs");
        assert!(survivor["line"].as_u64().unwrap() > 0);
    }
    // The case that is printed passes with the policy itself.
    let suite = hollow.read("suite.yml") + survivors[0]["case"].as_str().unwrap();
    hollow.write("suite.yml", suite).verify(&["suite.yml"]).run().exits_with(0).says(&["2 tests: 2 passed"]);
}

#[test]
fn a_module_without_names_has_no_mutants_but_a_reason() {
    let suite = repository("cases:\n  - { name: a, object: POD, settings: {}, expect: allow }\n");
    let run = suite.verify(&["sabotage", "suite.yml", "--mutants", "--for", "10s"]).run().exits_with(0);
    run.says(&["mutants of safe-labels", "none: "]);
    suite.verify(&["sabotage", "suite.yml", "--seed", "1"]).run().exits_with(2).says(&["--mutants"]);
}

/// A hunt whose time is over goes on in the next run, and ends with what one hunt finds.
#[test]
fn a_hunt_that_was_stopped_goes_on() {
    let suite = with_lines("  - { name: ok, expect: { response: { auditAnnotations: null } } }\n");
    let hunt = |time: &str, more: &[&str]| {
        let flags = ["sabotage", "suite.yml", "--mutants=8", "--seed", "3", "--format", "json", "--for", time];
        let run = suite.verify(&[&flags[..], more].concat()).run().exits_with(1);
        let mut found = serde_json::from_str::<Value>(&run.stdout).unwrap()["mutants"][0].take();
        let resumed = found.as_object_mut().unwrap().remove("resumed").map_or(0, |number| number.as_u64().unwrap());
        (found, resumed, run.stderr)
    };
    let resume = ["--resume", "kept/mutants.json"];
    let (whole, ..) = hunt("5m", &[]);
    let mut runs = 0;
    let mut before = 0;
    loop {
        // Mutants that have begun come to their end.
        let (found, resumed, _) = hunt("1ms", &resume);
        let tried = found["tried"].as_u64().unwrap();
        assert_eq!(resumed, before, "{found:#}");
        runs += 1;
        if tried == whole["tried"].as_u64().unwrap() {
            assert_eq!(found, whole);
            break;
        }
        let (found, ..) = hunt("3s", &resume);
        before = found["tried"].as_u64().unwrap();
        assert!(before > tried && runs < 20, "{found:#}");
    }
    assert!(before > 0);
    let shown = suite.verify(&["sabotage", "suite.yml", "--mutants=8", "--seed", "3", "--resume", resume[1]]).run();
    shown.exits_with(1).says(&["8 of ", " ran, 8 of them in earlier runs: "]);

    // Other cases have other results: the file is then about them.
    let file = suite.read(resume[1]);
    let text = suite.read("suite.yml");
    std::fs::write(suite.path("suite.yml"), text.replace("name: ok", "name: other")).unwrap();
    assert_eq!(hunt("1ms", &resume).1, 0);
    std::fs::write(suite.path("suite.yml"), text).unwrap();

    let other = file.replace(&format!("\"version\":\"{}\"", env!("CARGO_PKG_VERSION")), "\"version\":\"0.0.1\"");
    assert_ne!(other, file);
    std::fs::write(suite.path(resume[1]), other).unwrap();
    let (_, resumed, stderr) = hunt("1ms", &resume);
    assert_eq!(resumed, 0);
    assert!(stderr.contains("results of mutants of verify 0.0.1 are ignored"), "{stderr}");
}

#[test]
fn files_that_are_no_results_are_refused_and_stay() {
    let suite = repository("cases:\n  - { name: a, object: POD, settings: {}, expect: allow }\n");
    let suite = suite.write("notes.txt", "mine").write("other.json", "{}");
    for (file, text) in [
        ("notes.txt", "`notes.txt` has no results of mutants"),
        ("other.json", "`other.json` has no results of mutants"),
        ("suite.yml", "`suite.yml`"),
    ] {
        let before = suite.read(file);
        suite.verify(&["sabotage", "suite.yml", "--mutants", "--resume", file]).run().exits_with(2).says(&[text]);
        assert_eq!(suite.read(file), before);
    }
    suite.verify(&["sabotage", "suite.yml", "--resume", "a.json"]).run().exits_with(2).says(&["--mutants"]);
}
