//! Which cases run: names, tags, variables, and the environment behind every flag.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::support::{POD, Repository, line_of};

static TEXT: LazyLock<String> = LazyLock::new(|| {
    let cases = [("alpha", "[fast]"), ("alpha beta", "[fast, net]"), ("beta", "[slow, net]"), ("gamma (1)", "[]")];
    let cases =
        cases.map(|(name, tags)| format!("  - {{ name: {name}, tags: {tags}, object: {POD}, expect: allow }}\n"));
    format!(
        "version: 1\nname: names\nvars: {{ owner: a }}\npolicies: {{ yes: {{ uri: yes.wasm }} }}\ncases:\n{}",
        cases.concat()
    ) + &format!(
        "  - {{ name: row, matrix: {{ n: [1, 2] }}, object: {POD}, set: {{ metadata.labels.n: \"${{n}} ${{owner}}\" }}, expect: allow }}\n"
    ) + "settingsCases:\n  - { name: settings, tags: [fast], value: {}, expect: valid }\n"
});

static REPOSITORY: LazyLock<Repository> =
    LazyLock::new(|| Repository::with_suite(&TEXT).replying("yes", r#"{"valid":true,"accepted":true}"#));

const ALL: [&str; 7] = ["alpha", "alpha beta", "beta", "gamma (1)", "row [n=1]", "row [n=2]", "settings"];

#[track_caller]
fn selects(arguments: &[&str], variables: &[(&str, &str)], wanted: &[&str]) {
    let list = REPOSITORY.verify(&["list"]);
    let list = arguments.iter().fold(list, |list, argument| list.arg(argument));
    let run = variables.iter().fold(list, |list, (name, value)| list.env(name, value)).run().exits_with(0);
    let names: Vec<&str> = run.stdout.lines().map(|line| line.strip_prefix("names › ").unwrap()).collect();
    assert_eq!(names, wanted, "{arguments:?} {variables:?}");
}

#[test]
fn names_are_matched_anywhere_unless_they_are_exact() {
    selects(&[], &[], &ALL);
    selects(&["--filter", "alpha"], &[], &["alpha", "alpha beta"]);
    selects(&["-f", "^names › alpha$"], &[], &["alpha"]);
    selects(&["-f", "gamma", "-f", "n=2"], &[], &["gamma (1)", "row [n=2]"]);
    selects(&["--exact", "--filter", "alpha"], &[], &["alpha"]);
    selects(&["--exact", "--filter", "names › gamma (1)"], &[], &["gamma (1)"]);
    selects(&["--exact", "-f", "alpha", "-f", "row [n=2]"], &[], &["alpha", "row [n=2]"]);
    selects(&["--skip", "alpha|row"], &[], &["beta", "gamma (1)", "settings"]);
    selects(&["-f", "beta", "--skip", "alpha"], &[], &["beta"]);
    REPOSITORY.verify(&["list", "--exact", "-f", "alph"]).run().exits_with(4);
}

#[test]
fn tags_join_with_commas_and_choose_by_repetition() {
    selects(&["--tag", "fast"], &[], &["alpha", "alpha beta", "settings"]);
    selects(&["--tag", "fast,net"], &[], &["alpha beta"]);
    selects(&["--tag", "net,!fast"], &[], &["beta"]);
    selects(&["--tag", "slow", "--tag", "fast,!net"], &[], &["alpha", "beta", "settings"]);
    selects(&["--tag", "!fast"], &[], &["beta", "gamma (1)", "row [n=1]", "row [n=2]"]);
    selects(&["--tag", "fast", "-f", "settings"], &[], &["settings"]);
}

#[test]
fn every_flag_has_a_variable_and_the_flag_wins() {
    selects(&[], &[("VERIFY_FILTER", "gamma")], &["gamma (1)"]);
    selects(&["-f", "settings"], &[("VERIFY_FILTER", "gamma")], &["settings"]);
    selects(&[], &[("VERIFY_FILTER", "alpha"), ("VERIFY_EXACT", "true")], &["alpha"]);
    selects(&["-f", "alpha"], &[("VERIFY_EXACT", "false")], &["alpha", "alpha beta"]);
    selects(&[], &[("VERIFY_SKIP", "alpha|row")], &["beta", "gamma (1)", "settings"]);
    selects(&[], &[("VERIFY_TAG", "net,!fast")], &["beta"]);
    REPOSITORY.verify(&["list"]).env("VERIFY_FILTER", "nothing").run().exits_with(4);
    REPOSITORY.verify(&["list"]).env("VERIFY_FILTER", "nothing").env("VERIFY_ALLOW_EMPTY", "1").run().exits_with(0);
    REPOSITORY.verify(&["-qq"]).env("VERIFY_REPORT", "json=a.json junit=a.xml").run().exits_with(0);
    assert_eq!(REPOSITORY.read_json("a.json")["summary"]["total"], 7);
    assert!(REPOSITORY.read("a.xml").contains("<testsuites"));
    let run = REPOSITORY.verify(&[]).env("VERIFY_STATUS", "all").run().exits_with(0);
    run.says(&["✓ gamma (1)"]);
    REPOSITORY.verify(&["--status", "none"]).env("VERIFY_STATUS", "all").run().exits_with(0).never_says("✓ gamma (1)");
    REPOSITORY.verify(&[]).env("VERIFY_COLOR", "always").run().exits_with(0).says(&["\u{1b}["]);
    REPOSITORY.verify(&[]).env("VERIFY_JOBS", "0").run().exits_with(2);
    REPOSITORY.verify(&[]).env("VERIFY_MAX_MEMORY", "much").run().exits_with(2);
    selects(&[], &[("VERIFY_VAR", "owner=b")], &ALL);
    REPOSITORY.verify(&[]).env("VERIFY_VAR", "stranger=b").run().exits_with(2);
}

/// What a workflow passes on is often nothing.
#[test]
fn a_variable_that_is_empty_is_a_variable_that_is_not_set() {
    for name in [
        "VERIFY_FILTER",
        "VERIFY_EXACT",
        "VERIFY_SKIP",
        "VERIFY_TAG",
        "VERIFY_VAR",
        "VERIFY_ALLOW_EMPTY",
        "VERIFY_JOBS",
        "VERIFY_REPORT",
        "VERIFY_STATUS",
        "VERIFY_COLOR",
        "VERIFY_MAX_MEMORY",
        "VERIFY_NO_FAIL",
    ] {
        let run = REPOSITORY.verify(&[]).env(name, "").run();
        assert!(run.stdout.contains("7 tests: 7 passed"), "{name}\n{run}");
        run.exits_with(0);
    }
}

#[test]
fn the_list_for_machines_has_places_and_tags() {
    let run = REPOSITORY.verify(&["list", "--format", "json", "-f", "alpha beta|n=1"]).run().exits_with(0);
    let list: Value = serde_json::from_str(&run.stdout).unwrap();
    let line = |marker: &str| line_of(&TEXT, marker);
    assert_eq!(
        list,
        json!([
            { "id": "names › alpha beta", "policy": "yes", "file": "suite.yml", "line": line("name: alpha beta"), "tags": ["fast", "net"] },
            { "id": "names › row [n=1]", "policy": "yes", "file": "suite.yml", "line": line("name: row"), "tags": [] },
        ])
    );
    assert_eq!(run.stderr, "");
}

#[test]
fn a_list_needs_no_module_that_works() {
    let text = format!(
        "version: 1\npolicies: {{ no: {{ uri: no.wasm }} }}\ncases: [{{ name: a, object: {POD}, expect: allow }}]\n"
    );
    let repository = Repository::with_suite(&text).write("no.wasm", "nothing");
    assert_eq!(repository.verify(&["list"]).run().exits_with(0).stdout, "suite.yml › a\n");
}

#[test]
fn names_of_a_list_are_taken_back() {
    let listed = REPOSITORY.verify(&["list"]).run().stdout;
    for name in listed.lines() {
        let run = REPOSITORY.verify(&["list", "--exact", "--filter", name]).run().exits_with(0);
        assert_eq!(run.stdout.trim_end(), name);
    }
}

#[test]
fn run_is_what_a_path_means() {
    let long = REPOSITORY.verify(&["run", "suite.yml", "-qq"]).run().exits_with(0);
    let short = REPOSITORY.verify(&["suite.yml", "-qq"]).run().exits_with(0);
    let bare = REPOSITORY.verify(&["-qq"]).run().exits_with(0);
    for run in [long, short, bare] {
        assert!(run.stdout.starts_with("7 tests: 7 passed"), "{run}");
    }
}

#[test]
fn a_run_compiles_only_what_it_needs() {
    let text = format!(
        "version: 1\npolicies:\n  yes: {{ uri: yes.wasm }}\n  no: {{ uri: no.wasm }}\ncases:\n  \
         - {{ name: a, policy: yes, object: {POD}, expect: allow }}\n  - {{ name: b, policy: no, object: {POD}, expect: allow }}\n"
    );
    let repository =
        Repository::with_suite(&text).replying("yes", r#"{"valid":true,"accepted":true}"#).write("no.wasm", "nothing");
    let report = repository.report(&["-f", "a"]);
    assert_eq!(report.0["policies"].as_array().unwrap().len(), 1);
    report.all_passed();
}
