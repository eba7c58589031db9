//! What cases exercise of the settings of their policies, the gate about it, and settings that no case notices.

use std::fs;

use serde_json::{Value, json};

use crate::support::{POD, Repository, line_of, project, testdata, without_times};

/// An object with a label.
const LABELLED: &str = "{ apiVersion: v1, kind: Pod, metadata: { name: web, labels: { x: a } } }";

const FORM: &str = "questions:
  - { variable: mandatory_labels, type: 'array[', default: [] }
  - { variable: denied_labels, type: 'array[', default: [] }
  - { variable: constrained_labels.owner, type: enum, default: ^team-, options: [^team-, ^group-] }
";

/// A policy with a form, and these cases.
fn repository(cases: &str) -> Repository {
    Repository::with_suite(&format!(
        "version: 1\npolicies:\n  labels:\n    uri: safe-labels/policy.wasm\n    metadata: safe-labels/metadata.yml\n    \
         settings: {{ mandatory_labels: [x] }}\ndefaults: {{ object: {LABELLED} }}\n{cases}"
    ))
    .policy("safe-labels")
    .write("safe-labels/questions-ui.yml", FORM)
}

/// Sets all settings but `denied_labels`, one of two choices, and has one of the settings rejected.
const GAPS: &str = "settingsCases:
  - { name: bad, value: { constrained_labels: { owner: '(' } }, expect: invalid }
  - { name: unknown, value: { other: 1 }, expect: invalid }
  - { name: fine, value: { denied_labels: [a] }, expect: valid }
cases:
  - { name: usual, expect: allow }
  - { name: own, settings: { constrained_labels: { owner: ^team- } }, expect: allow }
  - { name: skipped, skip: later, settings: { denied_labels: [b] }, expect: allow }
";

fn settings(repository: &Repository, arguments: &[&str]) -> Value {
    repository.report(arguments).0["settings"].clone()
}

#[test]
fn planted_gaps_are_told_and_nothing_else() {
    let repository = repository(GAPS);
    let keys = settings(&repository, &[])[0]["keys"].clone();
    let choices = [json!({ "value": "^team-", "cases": 1 }), json!({ "value": "^group-", "cases": 0 })];
    let wanted = json!([
        { "key": "mandatory_labels", "cases": 1, "rejections": 0 },
        { "key": "denied_labels", "cases": 0, "rejections": 0 },
        { "key": "constrained_labels.owner", "cases": 1, "rejections": 1, "choices": choices },
    ]);
    assert_eq!(keys, wanted);
    let title = "3 of 5 settings and choices have a case, 2 settings never rejected";
    let run = repository.verify(&["suite.yml"]).run().exits_with(0);
    run.says(&[&format!("{title} · --verbose names them\n")]);
    let run = repository.verify(&["suite.yml", "--verbose"]).run().exits_with(0);
    run.says(&[
        title,
        "labels · never set: denied_labels, constrained_labels.owner: ^group-\n",
        "labels · never rejected: mandatory_labels, denied_labels\n",
    ]);
    for (format, wanted) in [
        ("markdown", "- labels: never set: denied"),
        ("html", "<tr class=\"bad\"><th scope=\"row\"><code>denied_labels</code></th><td>0</td><td>0</td></tr>"),
    ] {
        repository.verify(&["suite.yml", "--report", format]).run().exits_with(0).says(&[wanted]);
    }
}

#[test]
fn without_a_form_the_settings_of_the_suite_are_known() {
    let suite = |cases: &str| {
        Repository::with_suite(&format!(
            "version: 1\npolicies:\n  yes: {{ uri: yes.wasm, settings: {{ a: 1 }}, variants: {{ v: {{ b: {{ c: 1 }} }} }} }}\n\
             defaults: {{ object: {POD} }}\ncases:\n{cases}"
        ))
        .replying("yes", r#"{"valid":true,"accepted":true}"#)
    };
    let one = suite("  - { name: a, expect: allow }\n");
    let keys = settings(&one, &[])[0]["keys"].clone();
    assert_eq!(keys, json!([{ "key": "a", "cases": 1, "rejections": 0 }, { "key": "b", "cases": 0, "rejections": 0 }]));
    one.verify(&["suite.yml", "--verbose"]).run().exits_with(0).says(&["yes · never set: b\n"]);
    let both = suite("  - { name: a, expect: allow }\n  - { name: b, variant: v, expect: allow }\n");
    both.verify(&["suite.yml"]).run().exits_with(0).never_says("settings and choices");
}

#[test]
fn the_gate_names_what_no_case_sets() {
    for (percent, code) in [("60%", 0), ("61%", 1)] {
        let repository = repository(&format!("{GAPS}gates: {{ settings: {percent} }}\n"));
        let report = repository.report(&[]);
        let gate = report.case("gate settings");
        assert_eq!(gate["outcome"], if code == 0 { "passed" } else { "failed" }, "{percent}");
        if code == 1 {
            let actual = "60% (3 of 5)\nlabels: no case sets denied_labels\nlabels: no case sets constrained_labels.owner: ^group-";
            assert_eq!(gate["mismatches"][0]["actual"], actual);
        }
    }
}

#[test]
fn a_selection_of_cases_tells_nothing() {
    let repository = repository(&format!("{GAPS}gates: {{ settings: 100% }}\n"));
    let report = repository.report(&["--filter", "usual"]);
    assert_eq!(report.0.get("settings"), None);
    assert_eq!(report.case("gate settings")["outcome"], "skipped");
    repository.verify(&["suite.yml", "--filter", "usual"]).run().never_says("settings and choices");
}

#[test]
fn shards_add_up() {
    let repository = repository(GAPS);
    let whole = settings(&repository, &[]);
    for part in ["1", "2"] {
        let (partition, file) = (format!("hash:{part}/2"), format!("json={part}.json"));
        let run =
            repository.verify(&["suite.yml", "--partition", &partition, "--report", &file, "--report", "human"]).run();
        run.never_says("settings and choices");
    }
    let merged = repository.verify(&["merge", "1.json", "2.json", "--report", "json"]).run().exits_with(0);
    assert_eq!(serde_json::from_str::<Value>(&merged.stdout).unwrap()["settings"], whole);
}

#[test]
fn large_settings_are_bounded() {
    let members: Vec<String> = (0..1_500).map(|number| format!("k{number}: 1")).collect();
    let suite = format!(
        "version: 1\npolicies: {{ yes: {{ uri: yes.wasm, settings: {{ {} }} }} }}\ncases:\n  - {{ name: a, object: {POD}, expect: allow }}\n",
        members.join(", ")
    );
    let repository = Repository::with_suite(&suite).replying("yes", r#"{"valid":true,"accepted":true}"#);
    let found = settings(&repository, &[])[0].clone();
    assert_eq!(found["keys"].as_array().unwrap().len(), 1_000);
    assert_eq!(found["notes"], json!(["only the first 1000 settings are told apart"]));
}

fn noticed(repository: &Repository) -> Value {
    let run = repository.verify(&["sabotage", "suite.yml", "--format", "json"]).run().exits_with(0);
    serde_json::from_str::<Value>(&run.stdout).unwrap()["settings"].clone()
}

#[test]
fn a_dead_setting_is_named_with_its_line() {
    let cases = "cases:
  - { name: usual, unset: [metadata.labels], expect: { deny: { contains: missing } } }
  - name: dead
    settings:
      mandatory_labels: [x]
      denied_labels: [costs]
    expect: allow
  - { name: other, settings: { constrained_labels: { owner: ^team- } }, set: { metadata.labels: { owner: team-a } }, expect: allow }
";
    let repository = repository(cases);
    let line = line_of(&repository.read("suite.yml"), "denied_labels: [costs]");
    // The constraint is noticed by the other choice of the form, which the label does not match.
    let dead = json!([{ "key": "denied_labels", "file": "suite.yml", "line": line, "cases": 1 }]);
    assert_eq!(noticed(&repository), json!([{ "policy": "labels", "noticed": 2, "dead": dead }]));
    let text = format!(
        "settings of labels: 2 of 3 noticed\n  suite.yml:{line}  denied_labels · no answer changes without it, in 1 case\n"
    );
    repository.verify(&["sabotage", "suite.yml"]).run().exits_with(0).says(&[&text]);
}

#[test]
fn a_setting_whose_changes_are_rejected_is_required() {
    let suite = format!(
        "version: 1\npolicies:\n  default-labels: {{ uri: default-labels/policy.wasm, metadata: default-labels/metadata.yml }}\n\
         defaults: {{ object: {POD}, settings: {{ labels: {{ team: a }}, override: false }} }}\ncases:\n  \
         - {{ name: a, expect: {{ mutate: {{ object: {{ metadata: {{ labels: {{ team: a }} }} }} }} }} }}\n"
    );
    let repository = Repository::with_suite(&suite).policy("default-labels");
    let line = line_of(&suite, "override");
    let dead = json!([{ "key": "override", "file": "suite.yml", "line": line, "cases": 1 }]);
    let wanted = json!([{ "policy": "default-labels", "noticed": 0, "dead": dead, "required": ["labels"] }]);
    assert_eq!(noticed(&repository), wanted);
}

/// Blocks of the page that begin with a command are what it prints today, times aside.
#[test]
fn the_page_shows_what_is_printed_today() {
    let page = fs::read_to_string(project().join("docs/trust.md")).unwrap();
    let suite = testdata().join("suites/settings/suite.yml");
    for (command, arguments) in [
        ("$ verify testdata/suites/settings/suite.yml --verbose\n", &[suite.to_str().unwrap(), "--verbose"][..]),
        ("$ verify sabotage testdata/suites/settings/suite.yml\n", &["sabotage", suite.to_str().unwrap()]),
    ] {
        let (_, rest) = page.split_once(command).unwrap_or_else(|| panic!("no {command}"));
        let (shown, _) = rest.split_once("```").unwrap();
        let printed = Repository::new().verify(arguments).env("COLUMNS", "120").run().stdout;
        let printed = without_times(&printed);
        let lines: Vec<&str> = shown.lines().filter(|line| !line.trim().is_empty()).collect();
        assert!(lines.len() > 1, "{shown}");
        for line in lines {
            assert!(printed.contains(line), "{line:?} is not in\n{printed}");
        }
    }
}
