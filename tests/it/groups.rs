//! Groups and chains: what is asked, what the verdict is, and what a report says of the members and steps.

use serde_json::{Value, json};

use crate::support::{POD, Repository, guests, testdata};

const YES: &str = r#"{"valid":true,"accepted":true}"#;

/// Warns and annotates.
const TALKATIVE: &str =
    r#"{"valid":true,"accepted":true,"warnings":["careful"],"audit_annotations":{"by":"talkative"}}"#;

const MUTATING: &str = r#"{"valid":true,"accepted":true,"mutated_object":{"kind":"Pod","changed":true},"warnings":["changed"],"audit_annotations":{"by":"mutating"}}"#;

/// A repository with guests for every purpose; `text` follows the policies.
fn repository(text: &str) -> Repository {
    let names = ["yes", "no", "also_no", "talkative", "mutating", "failing", "picky"];
    let policies: Vec<String> = names.iter().map(|name| format!("  {name}: {{ uri: {name}.wasm }}\n")).collect();
    Repository::with_suite(&format!("version: 1\nname: s\npolicies:\n{}{text}", policies.concat()))
        .replying("yes", YES)
        .write("no.wasm", guests::denying("no owner"))
        .write("also_no.wasm", guests::replying(r#"{"valid":true,"accepted":false,"code":418}"#))
        .replying("talkative", TALKATIVE)
        .replying("mutating", MUTATING)
        .write("failing.wasm", guests::failing_when_asked("out of order"))
        .replying("picky", r#"{"valid":false,"message":"not like this","accepted":true}"#)
}

/// A group of `members` (each its own policy), and its only case.
fn group(members: &[&str], expression: &str, expect: &str) -> String {
    let members: Vec<String> = members.iter().map(|name| format!("{name}: {{ policy: {name} }}")).collect();
    format!(
        "groups:\n  all:\n    expression: {expression}\n    message: the group says no\n    members: {{ {} }}\n\
         cases:\n  - {{ name: a, group: all, object: {POD}, expect: {expect} }}\n",
        members.join(", ")
    )
}

/// The only case of a run in which it passes.
#[track_caller]
fn passes(text: &str) -> Value {
    let report = repository(text).report(&[]);
    report.all_passed();
    report.cases()[0].clone()
}

fn verdicts(case: &Value, key: &str) -> Vec<String> {
    let parts = case[key].as_array().unwrap().iter();
    parts
        .map(|part| {
            format!("{} {} {}", part["name"].as_str().unwrap(), part["verdict"].as_str().unwrap(), part["evaluations"])
        })
        .collect()
}

#[test]
fn an_expression_decides_who_is_asked() {
    for (expression, expect, asked) in [
        ("yes() && no()", "deny", ["yes allow 1", "no deny 1"]),
        ("no() && yes()", "deny", ["yes not-asked 0", "no deny 1"]),
        ("yes() || no()", "allow", ["yes allow 1", "no not-asked 0"]),
        ("'!no() && yes()'", "allow", ["yes allow 1", "no deny 1"]),
        ("no() || no() || yes()", "allow", ["yes allow 1", "no deny 2"]),
        ("yes() == no()", "deny", ["yes allow 1", "no deny 1"]),
    ] {
        let case = passes(&group(&["yes", "no"], expression, expect));
        assert_eq!(verdicts(&case, "members"), asked, "{expression}");
        assert_eq!(case["policy"], "all");
    }
}

#[test]
fn a_denial_has_the_message_of_the_group_and_the_causes_of_its_members() {
    let case = passes(&group(
        &["no", "yes", "also_no", "talkative"],
        "yes() && talkative() && (also_no() || no())",
        "{ deny: the group says no }",
    ));
    assert_eq!(
        case["response"],
        json!({
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "allowed": false,
            "status": {
                "message": "the group says no",
                "details": { "causes": [
                    { "reason": null, "message": "no owner", "field": "spec.policies.no" },
                    { "reason": null, "message": null, "field": "spec.policies.also_no" },
                ] },
            },
            "auditAnnotations": null,
            "warnings": null,
        })
    );
    assert_eq!(
        case["members"][3]["response"]["warnings"],
        json!(["careful"]),
        "dropped from the group, not from the report"
    );
}

#[test]
fn an_allowing_group_says_nothing_else() {
    let case = passes(&group(&["talkative"], "talkative()", "{ allow, warnings: [], auditAnnotations: {} }"));
    let uid = "705ab4f5-6393-11e8-b7cc-42010a800002";
    assert_eq!(case["response"], json!({ "uid": uid, "allowed": true, "auditAnnotations": null, "warnings": null }));
}

#[test]
fn a_member_that_mutates_denies() {
    let case = passes(&group(
        &["mutating"],
        "mutating()",
        "{ deny, members: { mutating: { deny: mutation is not allowed inside of policy group } } }",
    ));
    assert_eq!(
        case["response"]["status"]["details"]["causes"][0]["message"],
        "mutation is not allowed inside of policy group"
    );
    assert!(case["response"].get("patch").is_none());
    let case = passes(&group(&["mutating"], "'!mutating()'", "allow"));
    assert_eq!(verdicts(&case, "members"), ["mutating deny 1"]);
}

#[test]
fn a_fault_of_a_member_that_is_asked_is_a_fault_of_the_case() {
    let case = passes(&group(&["yes", "failing"], "yes() || failing()", "allow"));
    assert_eq!(verdicts(&case, "members"), ["yes allow 1", "failing not-asked 0"]);
    for expression in ["failing() || yes()", "failing() && yes()", "'!failing() && yes()'"] {
        let case =
            passes(&group(&["yes", "failing"], expression, "{ fault: { kind: guest, contains: out of order } }"));
        assert_eq!(verdicts(&case, "members"), ["yes not-asked 0", "failing fault 1"], "{expression}");
    }
    let report = repository(&group(&["failing"], "failing()", "deny")).report(&[]);
    assert_eq!(
        (&report.cases()[0]["outcome"], &report.cases()[0]["fault"]["kind"]),
        (&json!("error"), &json!("guest"))
    );
}

#[test]
fn settings_of_all_members_are_validated_first() {
    let case =
        |expression: &str| repository(&group(&["yes", "picky"], expression, "allow")).report(&[]).cases()[0].clone();
    let case = case("yes() || picky()");
    assert_eq!((&case["outcome"], &case["fault"]["kind"]), (&json!("error"), &json!("settings")));
    assert_eq!(case["fault"]["message"], "all/picky: settings not valid: Policy settings are invalid: not like this");
    assert_eq!(verdicts(&case, "members"), ["yes not-asked 0", "picky not-asked 0"]);
}

#[test]
fn invalid_group_expression_exits_with_2_and_its_line() {
    for (expression, text, place, help) in [
        ("yes() && nope()", "Function not found: nope ()", ":13:26", "`yes()`, `no()`"),
        ("\"yes() && noo()\"", "Function not found: noo ()", ":13:27", "did you mean `no()`?"),
        ("yes() && (no()", "Expecting ')' for a matching (", ":13:31", "`&&`"),
        ("yes() + no() && 1", "Expecting a boolean expression, not a number", ":13:33", "`&&`"),
        ("yes() && no() && 1", "Expecting a boolean expression, not a number", ":13:34", "`&&`"),
    ] {
        let finished = repository(&group(&["yes", "no"], expression, "allow")).verify(&[]).run().exits_with(2);
        finished.says(&[text, &format!("suite.yml{place}"), help]);
    }
}

#[test]
fn an_expression_of_too_many_operators_exits_with_2() {
    let some = format!("({})", vec!["no()"; 16].join(" || "));
    let many = vec![some; 17].join(" || ");
    let text = group(&["yes", "no"], &format!("{many} || yes()"), "allow");
    let finished = repository(&text).verify(&[]).run().exits_with(2);
    finished.says(&["the expression has more than 256 operators and brackets", "suite.yml:13:"]);
}

#[test]
fn expressions_that_the_controller_rejects_exit_with_2() {
    for (expression, text) in [
        ("yes() & no()", "rejected by the controller: compilation failed: "),
        ("'if yes() { no() } else { yes() }'", "rejected by the controller: compilation failed: "),
        ("yes() > no()", "rejected by the controller: compilation failed: undeclared reference to '_>_'"),
        ("no() || yes() && gone()", "rejected by the controller: compilation failed: undeclared reference to 'gone'"),
    ] {
        let finished = repository(&group(&["yes", "no"], expression, "allow")).verify(&[]).run().exits_with(2);
        finished.says(&[text, "suite.yml:13:", "join members with"]);
    }
}

#[test]
fn members_are_named_and_used() {
    for (text, message) in [
        (group(&["yes", "no"], "yes()", "allow"), "the expression does not use the member `no`"),
        (group(&[], "'true'", "allow"), "the group has no members"),
        (group(&["yes"], "yes()", "{ deny, members: { nobody: deny } }"), "the group has no member `nobody`"),
        (group(&["yes"], "yes()", "allow").replace("yes: {", "a-b: {"), "invalid name of a member `a-b`"),
        (group(&["yes"], "yes()", "allow").replace("policy: yes", "policy: yess"), "did you mean `yes`?"),
        (group(&["yes"], "yes()", "allow").replace("policy: yes", "policy: all"), "unknown policy `all`"),
        (group(&["yes"], "yes()", "allow").replace("  all:", "  yes:"), "duplicate name `yes` of a policy and a group"),
        (group(&["yes"], "yes()", "allow").replace("group: all", "group: yes"), "`yes` is a policy, not a group"),
        (group(&["yes"], "yes()", "allow").replace("group: all", "group: all, policy: yes"), "cannot be combined"),
        (
            group(&["yes"], "yes()", "allow").replace("group: all", "group: all, settings: {}"),
            "`settings` cannot be combined with a group",
        ),
        (
            group(&["yes"], "yes()", "allow")
                .replace("group: all", "policy: yes")
                .replace("expect: allow", "expect: { allow, members: { yes: allow } }"),
            "`members` needs a group",
        ),
    ] {
        repository(&text).verify(&[]).run().exits_with(2).says(&[message, "suite.yml:"]);
    }
}

#[test]
fn what_members_say_is_compared() {
    let case = passes(&group(
        &["yes", "no", "also_no"],
        "yes() && no() && also_no()",
        "{ deny, members: { yes: allow, no: { deny: { contains: owner } }, also_no: not-asked } }",
    ));
    assert_eq!(case["mismatches"], json!([]));
    let report = repository(&group(
        &["yes", "no", "also_no"],
        "yes() && no() && also_no()",
        "{ deny, members: { yes: deny, no: { deny: other }, also_no: allow } }",
    ))
    .report(&[]);
    let places: Vec<&str> =
        report.cases()[0]["mismatches"].as_array().unwrap().iter().map(|it| it["at"].as_str().unwrap()).collect();
    assert_eq!(places, ["/members/yes", "/members/no/message", "/members/also_no"]);
}

#[test]
fn a_group_in_monitor_mode_lets_everything_pass() {
    let text = group(&["no"], "no()", "{ allow, members: { no: deny } }")
        .replace("    message:", "    mode: monitor\n    message:");
    assert!(passes(&text)["response"].get("status").is_none());
}

#[test]
fn a_group_may_stand_where_a_policy_does() {
    let text = group(&["yes"], "yes()", "allow").replace("group: all", "policy: [all, yes]");
    let report = repository(&text).report(&[]);
    report.all_passed();
    assert_eq!(report.names(), ["a [all]", "a [yes]"]);
}

fn chain(steps: &str, rest: &str) -> String {
    format!("cases:\n  - {{ name: a, chain: {steps}, object: {POD}, {rest} }}\n")
}

#[test]
fn a_chain_has_one_patch_from_the_first_object_to_the_last() {
    let case = passes(&chain(
        "[yes, mutating, talkative]",
        "expect: { mutate: { exactly: { kind: Pod, changed: true } }, warnings: [changed, careful], auditAnnotations: { mutating/by: mutating, talkative/by: talkative } }",
    ));
    assert_eq!(case["policy"], "yes → mutating → talkative");
    assert_eq!(verdicts(&case, "steps"), ["yes allow 1", "mutating mutate 1", "talkative allow 1"]);
    assert_eq!(case["response"]["patchType"], "JSONPatch");
    // The second one finds nothing left to change.
    let case = passes(&chain("[mutating, mutating]", "expect: { mutate: { idempotent: true } }"));
    assert_eq!(verdicts(&case, "steps"), ["mutating mutate 1", "mutating allow 1"]);
}

#[test]
fn a_chain_ends_with_the_first_denial() {
    let case = passes(&chain("[mutating, no, failing]", "expect: { deny: no owner, warnings: [changed] }"));
    assert_eq!(verdicts(&case, "steps"), ["mutating mutate 1", "no deny 1", "failing not-asked 0"]);
    assert!(case["response"].get("patch").is_none());
}

#[test]
fn a_fault_of_a_step_is_a_fault_of_the_chain() {
    let case = passes(&chain("[yes, failing, no]", "expect: { fault: { kind: guest, contains: out of order } }"));
    assert_eq!(verdicts(&case, "steps"), ["yes allow 1", "failing fault 1", "no not-asked 0"]);
}

#[test]
fn a_group_can_be_a_step() {
    let text = group(&["yes", "no"], "yes() || no()", "allow")
        .replace("group: all", "chain: [mutating, all]")
        .replace("expect: allow", "expect: { mutate, members: { yes: allow, no: not-asked } }");
    let case = passes(&text);
    assert_eq!(verdicts(&case, "steps"), ["mutating mutate 1", "all allow 1"]);
    assert_eq!(verdicts(&case["steps"][1], "members"), ["yes allow 1", "no not-asked 0"]);
}

#[test]
fn mistakes_in_chains() {
    for (text, message) in [
        (chain("[]", "expect: allow"), "the chain is empty"),
        (chain("[yes, noo]", "expect: allow"), "did you mean `no`?"),
        (chain("[yes]", "settings: {}, expect: allow"), "`settings` cannot be combined with a chain"),
        (chain("[{ policy: yes, variant: strict }]", "expect: allow"), "unknown variant `strict`"),
        (chain("[{ policy: yes, settings: {}, variant: strict }]", "expect: allow"), "cannot be combined"),
    ] {
        repository(&text).verify(&[]).run().exits_with(2).says(&[message, "suite.yml:"]);
    }
}

#[test]
fn settings_are_those_of_a_policy() {
    let text =
        group(&["yes"], "yes()", "allow") + "settingsCases:\n  - { name: b, policy: all, value: {}, expect: valid }\n";
    repository(&text).verify(&[]).run().exits_with(2).says(&["`all` is a group", "suite.yml:"]);
}

#[test]
fn a_denial_that_names_members_is_not_weak() {
    let weak = |expect: &str| passes(&group(&["no"], "no()", expect))["weak"].clone();
    assert_eq!((weak("deny"), weak("{ deny, members: { no: deny } }")), (json!(true), json!(false)));
}

#[test]
fn a_denial_without_any_member_has_no_causes() {
    let case = passes(&group(&["yes"], "'!yes() && yes()'", "deny"));
    assert_eq!(case["response"]["status"], json!({ "message": "the group says no", "details": {} }));
}

#[test]
fn too_many_parts_are_a_mistake() {
    let names: Vec<String> = (0..101).map(|number| format!("m{number}")).collect();
    let members: Vec<String> = names.iter().map(|name| format!("{name}: {{ policy: yes }}")).collect();
    let expression: Vec<String> = names.iter().map(|name| format!("{name}()")).collect();
    let text = format!(
        "groups:\n  all: {{ expression: {}, message: m, members: {{ {} }} }}\n{}",
        expression.join(" || "),
        members.join(", "),
        chain(&format!("[{}]", vec!["yes"; 101].join(", ")), "expect: allow")
    );
    let messages = ["a group can have at most 100 members, found 101", "a chain can have at most 100 steps, found 101"];
    repository(&text).verify(&[]).run().exits_with(2).says(&messages);
}

#[test]
fn defaults_name_a_group_or_a_chain() {
    let text = group(&["no"], "no()", "deny").replace("group: all, ", "").replace("cases:", "defaults: { group: all, settings: { a: 1 } }\ncases:\n  - { name: b, policy: yes, object: { apiVersion: v1, kind: Pod, metadata: { name: x } }, expect: allow }");
    let report = repository(&text).report(&[]);
    report.all_passed();
    assert_eq!([0, 1].map(|case| report.cases()[case]["policy"].clone()), ["yes", "all"]);
    let text = chain("[yes]", "expect: allow").replace("chain: [yes], ", "");
    repository(&format!("defaults: {{ chain: [yes, talkative] }}\n{text}")).report(&[]).all_passed();
}

#[test]
fn people_see_the_members_and_the_steps_of_what_failed() {
    let escaped = |text: &str| text.replace('"', "&quot;");
    let run = |text: &str, label: &str, lines: &[&str]| {
        let repository = repository(text);
        let files = ["junit=a.xml", "html=a.html", "markdown=a.md"].map(|file| format!("--report={file}"));
        let verify = files.iter().fold(repository.verify(&["--report=human"]), |verify, file| verify.arg(file));
        verify.run().exits_with(1).says(&[label]).says(lines);
        for file in ["a.xml", "a.html", "a.md"] {
            let report = repository.read(file);
            assert!(report.contains(label), "{file}: {report}");
            let has = |line: &&str| report.contains(*line) || report.contains(&escaped(line));
            assert!(lines.iter().all(has), "{file}: {report}");
        }
    };
    let expression = "yes() && (no() || no()) && also_no()";
    let lines = ["yes: allow", "no: deny, \"no owner\" (evaluated 2 times)", "also_no: not-asked"];
    run(&group(&["yes", "no", "also_no"], expression, "allow"), "members", &lines);
    let lines = ["mutating: mutate", "failing: guest: out of order", "yes: not-asked"];
    run(&chain("[mutating, failing, yes]", "expect: allow"), "steps", &lines);
}

/// Every example of the page about groups is a part of the suite it names, and that suite passes.
#[test]
fn the_documentation_shows_parts_of_a_suite_that_passes() {
    let page = std::fs::read_to_string(testdata().join("../docs/groups.md")).unwrap();
    let folder = testdata().join("suites/docs/groups");
    let files = ["suite.yml", "deploy/labels.yaml"].map(|file| std::fs::read_to_string(folder.join(file)).unwrap());
    let blocks: Vec<&str> = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() > 3);
    for block in blocks {
        assert!(files.iter().any(|file| file.contains(block)), "not in the suite:\n{block}");
    }
}
