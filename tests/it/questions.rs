//! `check.questions`: what a form sends, the policy has to take.

use serde_json::{Value, json};

use crate::support::{Repository, guests, line_of};

const FORM: &str = "questions:
  - { variable: mandatory_labels, type: 'array[', default: [] }
  - { variable: denied_labels, type: 'array[', default: [costs] }
  - variable: constrained_labels.owner
    type: enum
    default: ^team-
    options:
      - ^team-
      - ^group-
";

/// The policy with this form beside it, checked by `questions: CHECK`.
fn repository(form: &str, check: &str) -> Repository {
    Repository::with_suite(&format!(
        "version: 1\npolicies:\n  labels: {{ uri: safe-labels/policy.wasm, metadata: safe-labels/metadata.yml, check: {{ questions: {check} }} }}\n"
    ))
    .policy("safe-labels")
    .write("safe-labels/questions-ui.yml", form)
}

/// What is wrong with a form, as `LINE AT: EXPECTED, ACTUAL`.
fn flaws(form: &str) -> Vec<String> {
    let report = repository(form, "true").report(&[]);
    let case = report.case("check labels questions");
    let flaw = |it: &Value| {
        let text = |key: &str| it[key].as_str().unwrap();
        assert_eq!(it["file"], "safe-labels/questions-ui.yml");
        format!("{} {}: {}, {}", it["line"], text("at"), text("expected"), text("actual"))
    };
    case["mismatches"].as_array().unwrap().iter().map(flaw).collect()
}

#[test]
fn a_form_that_the_policy_takes_passes() {
    for check in ["true", "safe-labels/questions-ui.yml"] {
        let report = repository(FORM, check).report(&[]);
        report.all_passed();
        assert_eq!(report.names(), ["check labels questions"]);
        let remark = "whether the policy has the setting `constrained_labels.owner` cannot be told: a made-up key in its place gets \
                      the same answers";
        assert_eq!(report.cases()[0]["warnings"], json!([remark]), "a mapping has any keys");
    }
}

#[test]
fn planted_flaws_are_named_with_their_line_and_nothing_else_is() {
    let default = FORM.replace("default: [costs]", "default: costs");
    let found = flaws(&default);
    assert_eq!(found.len(), 1, "{found:?}");
    let line = line_of(&default, "default: costs");
    let wanted =
        format!("{line} /denied_labels: the policy accepts the default `costs` of `denied_labels`, rejected: Settings");
    assert!(found[0].starts_with(&wanted), "{found:?}");

    let key = FORM.replace("denied_labels", "forbidden_labels");
    let found = flaws(&key);
    assert_eq!(found.len(), 1, "{found:?}");
    let wanted = "3 /forbidden_labels: the policy has a setting `forbidden_labels`, rejected: Settings cannot be read: unknown \
                  field `forbidden_labels`";
    assert!(found[0].starts_with(wanted), "{found:?}");

    let choice = format!("{FORM}      - \"(\"\n");
    let found = flaws(&choice);
    assert_eq!(found.len(), 1, "{found:?}");
    let wanted = "10 /constrained_labels/owner: the policy accepts the choice `(` of `constrained_labels.owner`, rejected: Invalid";
    assert!(found[0].starts_with(wanted), "{found:?}");

    // All at once.
    let all = choice.replace("default: [costs]", "default: costs").replace("mandatory_labels", "labels");
    assert_eq!(flaws(&all).iter().map(|it| it.split(' ').next().unwrap()).collect::<Vec<_>>(), ["2", "3", "10"]);
}

#[test]
fn a_failed_check_shows_the_line_of_the_form() {
    let run = repository(&FORM.replace("denied_labels", "forbidden_labels"), "true").verify(&["suite.yml"]).run();
    run.exits_with(1).says(&[
        "safe-labels/questions-ui.yml:3",
        "the policy has a setting `forbidden_labels`",
        "unknown field",
    ]);
}

#[test]
fn what_cannot_be_told_is_a_remark() {
    let accepting = "version: 1\npolicies: { yes: { uri: yes.wasm, executionMode: kubewarden-wapc, check: { questions: true } } }\n";
    let repository = Repository::with_suite(accepting)
        .replying("yes", r#"{"valid":true,"accepted":true}"#)
        .write("questions-ui.yml", FORM);
    let report = repository.report(&[]);
    report.all_passed();
    let remarks = report.cases()[0]["warnings"].as_array().unwrap();
    assert_eq!(remarks.len(), 1, "{remarks:?}");
    let keys = "the settings `mandatory_labels`, `denied_labels`, `constrained_labels.owner` cannot be told";
    assert!(remarks[0].as_str().unwrap().contains(keys), "{remarks:?}");
}

#[test]
fn a_fault_is_no_pass() {
    let suite = "version: 1\npolicies: { bad: { uri: bad.wasm, executionMode: kubewarden-wapc, check: { questions: true } } }\n";
    let repository = Repository::with_suite(suite)
        .write("bad.wasm", guests::from_testdata("wapc-trap"))
        .write("questions-ui.yml", FORM);
    let report = repository.report(&[]);
    assert_eq!(report.outcomes(), [("check bad questions", "error")]);
    assert_eq!(report.cases()[0]["fault"]["kind"], "trap");
}

#[test]
fn what_is_no_form_fails_and_what_is_not_there_is_a_mistake() {
    for (form, wanted) in [("questions: [", "invalid YAML"), ("other: 1\n", "no question has a `variable`")] {
        let report = repository(form, "true").report(&[]);
        let case = report.case("check labels questions");
        assert_eq!(case["outcome"], "failed");
        assert!(case["mismatches"][0]["actual"].as_str().unwrap().contains(wanted), "{case:#}");
    }
    for (check, wanted) in [
        ("../form.yml", "outside the repository"),
        ("missing.yml", "file not found: `missing.yml`"),
        ("[]", "expected a text"),
    ] {
        repository(FORM, check).verify(&["suite.yml"]).run().exits_with(2).says(&[wanted]);
    }
    let without = "version: 1\npolicies: { yes: { uri: yes.wasm, check: { questions: true } } }\n";
    let run = Repository::with_suite(without).replying("yes", "{}").verify(&["suite.yml"]).run().exits_with(2);
    run.says(&[
        "there is no `questions-ui.yml` beside the metadata or the module of `yes`",
        "write its path: `questions: questions-ui.yml`",
    ]);
}

#[test]
fn a_large_form_is_bounded() {
    let options: Vec<String> = (0..3_000).map(|number| format!("a{number}")).collect();
    let form =
        format!("questions: [{{ variable: constrained_labels.a, type: enum, options: [{}] }}]", options.join(", "));
    let report = repository(&form, "true").report(&[]);
    let remarks = report.cases()[0]["warnings"].as_array().unwrap();
    assert!(remarks.iter().any(|it| it.as_str().unwrap().ends_with("were not tried: it has too many")), "{remarks:?}");
}
