//! `--bless`: expectations are rewritten where they are written, and nothing else is.

use serde_json::json;

use crate::support::Repository;

const OBJECT: &str = "{ apiVersion: v1, kind: Pod, metadata: { name: web, namespace: a }, spec: { containers: [{ name: a, image: i }] } }";

/// What the policies of these tests reply to everything.
fn repository() -> Repository {
    let object = |image: &str| {
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "namespace": "a", "labels": { "team": "a" } },
                "spec": { "containers": [{ "name": "a", "image": image }] } })
    };
    let replies = [
        ("allows", json!({ "accepted": true, "valid": true })),
        ("denies", json!({ "accepted": false, "valid": true, "message": "no owner: a, \"b\"", "code": 403 })),
        (
            "warns",
            json!({ "accepted": true, "valid": true, "warnings": ["one", "two: 2"],
                          "audit_annotations": { "key": "value", "other": "yes" } }),
        ),
        ("mutates", json!({ "accepted": true, "valid": true, "mutated_object": object("pinned") })),
        ("refuses", json!({ "accepted": true, "valid": false, "message": "no such key: `a`" })),
    ];
    replies
        .into_iter()
        .fold(Repository::new(), |repository, (name, reply)| repository.replying(name, &reply.to_string()))
}

fn suite(policy: &str, case: &str) -> String {
    format!(
        "# A suite.\nversion: 1\npolicies: {{ policy: {{ uri: {policy}.wasm }} }} # one\n\ncases:\n  # A case.\n  - name: case # its name\n    object: {OBJECT}\n{case}\n  # The end.\n"
    )
}

/// Policy, expectation that holds, expectation that does not, and what it becomes where that is another one.
const KINDS: &[(&str, &str, &str, &str)] = &[
    ("allows", "    expect: allow # why", "    expect: deny # why", ""),
    ("allows", "    expect: allow", "    expect: { deny: some text }", ""),
    ("allows", "    expect: allow", "    expect: mutate", ""),
    ("allows", "    expect: allow", "    expect: { fault: timeout }", ""),
    ("allows", "    expect: { allow: true, warnings: [] }", "    expect: { deny: x, warnings: [] }", ""),
    (
        "allows",
        "    expect:\n      allow: true\n      warnings: []",
        "    expect:\n      deny: x\n      warnings: []",
        "",
    ),
    ("allows", "    expect: { response: { allowed: true } }", "    expect: { response: { allowed: false } }", ""),
    ("denies", "    expect: { deny: \"no owner: a, \\\"b\\\"\" }", "    expect: { deny: \"no owner\" }", ""),
    ("denies", "    expect: { deny: 'no owner: a, \"b\"' } # x", "    expect: { deny: 'other' } # x", ""),
    (
        "denies",
        "    expect:\n      deny: |-\n        no owner: a, \"b\"",
        "    expect:\n      deny: |-\n        other\n        text",
        "    expect:\n      deny: \"no owner: a, \\\"b\\\"\"",
    ),
    ("denies", "    expect: { deny: \"no owner: a, \\\"b\\\"\" }", "    expect: allow", ""),
    (
        "denies",
        "    expect: { deny: { contains: \"no owner: a, \\\"b\\\"\" } }",
        "    expect: { deny: { contains: nobody } }",
        "",
    ),
    (
        "denies",
        "    expect: { deny: { contains: [no, \"no owner: a, \\\"b\\\"\"] } }",
        "    expect: { deny: { contains: [no, yes it is] } }",
        "",
    ),
    (
        "denies",
        "    expect: { deny: { matches: '^no owner: a, \"b\"$', not: panic } }",
        "    expect: { deny: { matches: '^yes', not: panic } }",
        "",
    ),
    ("denies", "    expect: { deny: , code: 403 }", "    expect: { deny: , code: 500 }", ""),
    ("denies", "    expect: { deny: , warnings: [] }", "    expect: { deny: , warnings: [a] }", ""),
    (
        "denies",
        "    expect: { response: { allowed: false, status: { code: 403 } } }",
        "    expect: { response: { allowed: false, status: { code: 400 } } }",
        "",
    ),
    (
        "denies",
        "    expect: { response: { allowed: false, warnings: null } }",
        "    expect: { response: { allowed: true, warnings: null } }",
        "",
    ),
    (
        "denies",
        "    expect: { response: { allowed: false, status: { message: \"no owner: a, \\\"b\\\"\", code: 403 } }, exactly: true }",
        "    expect: { response: { allowed: false, status: { message: \"no\", code: 403 } }, exactly: true }",
        "    expect: { response: { allowed: false, status: { message: \"no owner: a, \\\"b\\\"\", code: 403 }, uid: 705ab4f5-6393-11e8-b7cc-42010a800002 }, exactly: true }",
    ),
    ("denies", "    expect: { deny: , calls: [] }", "    expect: { deny: , calls: [oci/v1/verify] }", ""),
    (
        "warns",
        "    expect: { allow: , warnings: [one, \"two: 2\"] }",
        "    expect: { allow: , warnings: [one, three] }",
        "",
    ),
    ("warns", "    expect: { allow: , warnings: [one, \"two: 2\"] }", "    expect: { allow: , warnings: [one] }", ""),
    (
        "warns",
        "    expect: { allow: , warnings: [one, \"two: 2\"] }",
        "    expect: { allow: , warnings: [zero, one, \"two: 2\"] }",
        "",
    ),
    (
        "warns",
        "    expect:\n      allow: true\n      warnings:\n        - one # first\n        - \"two: 2\"",
        "    expect:\n      allow: true\n      warnings:\n        - one # first\n        - \"two: 3\"",
        "",
    ),
    (
        "warns",
        "    expect:\n      allow: true\n      warnings:\n        - one # first\n        - \"two: 2\"",
        "    expect:\n      allow: true\n      warnings:\n        - one # first",
        "",
    ),
    (
        "warns",
        "    expect:\n      allow: true\n      warnings:\n        - one # first\n        - \"two: 2\"",
        "    expect:\n      allow: true\n      warnings:\n        - one # first\n        - \"two: 2\"\n        - three",
        "",
    ),
    (
        "warns",
        "    expect: { allow: , auditAnnotations: { key: value, other: \"yes\" } }",
        "    expect: { allow: , auditAnnotations: { key: valve, other: \"yes\" } }",
        "",
    ),
    (
        "warns",
        "    expect: { allow: , auditAnnotations: { key: value, other: \"yes\" } }",
        "    expect: { allow: , auditAnnotations: { key: value } }",
        "",
    ),
    (
        "warns",
        "    expect: { allow: , auditAnnotations: { key: value, other: \"yes\" } }",
        "    expect: { allow: , auditAnnotations: { key: value, otter: \"yes\" } }",
        "",
    ),
    (
        "warns",
        "    expect:\n      allow: true\n      auditAnnotations:\n        key: value\n        other: \"yes\" # b",
        "    expect:\n      allow: true\n      auditAnnotations:\n        key: value\n        other: \"no\" # b",
        "",
    ),
    (
        "mutates",
        "    expect: { mutate: { object: { metadata: { labels: { team: a } } } } }",
        "    expect: { mutate: { object: { metadata: { labels: { team: b } } } } }",
        "",
    ),
    (
        "mutates",
        "    expect:\n      mutate:\n        object:\n          spec:\n            containers:\n              - image: pinned # here",
        "    expect:\n      mutate:\n        object:\n          spec:\n            containers:\n              - image: other # here",
        "",
    ),
    (
        "mutates",
        "    expect: { mutate: { object: { metadata: { name: web, annotations: null } } } }",
        "    expect: { mutate: { object: { metadata: { name: web, annotations: { a: b } } } } }",
        "",
    ),
    (
        "mutates",
        "    expect: { mutate: { exactly: after.yaml } }",
        "    expect: { mutate: { exactly: wrong.yaml } }",
        "    expect: { mutate: { exactly: wrong.yaml } }",
    ),
    (
        "mutates",
        "    expect: { mutate: { only: [/spec/containers/0/image, /metadata/labels/team] } }",
        "    expect: { mutate: { only: [/spec/containers/0/image] } }",
        "",
    ),
    (
        "mutates",
        "    expect: { mutate: { includes: [{ op: replace, path: /spec/containers/0/image, value: pinned }] } }",
        "    expect: { mutate: { includes: [{ op: replace, path: /spec/containers/0/image, value: other }] } }",
        "",
    ),
    (
        "mutates",
        "    expect: { mutate: { includes: [{ op: replace, path: /spec/containers/0/image }] } }",
        "    expect: { mutate: { includes: [{ op: add, path: /spec/containers/0/image }] } }",
        "",
    ),
    (
        "mutates",
        "    expect: { mutate: { patch: [{ op: add, path: /metadata/labels, value: { team: a } }, { op: replace, path: /spec/containers/0/image, value: pinned }] } }",
        "    expect: { mutate: { patch: [{ op: add, path: /metadata/labels, value: { team: a } }, { op: replace, path: /spec/containers/0/image, value: mine }] } }",
        "",
    ),
    (
        "mutates",
        "    expect: { mutate: { patch: [{ op: add, path: /metadata/labels, value: { team: a } }, { op: replace, path: /spec/containers/0/image, value: pinned }] } }",
        "    expect: allow",
        "",
    ),
    (
        "mutates",
        "    expect: { response: expected.json }",
        "    expect: { response: wrong.json }",
        "    expect: { response: wrong.json }",
    ),
    (
        "allows",
        "    each:\n      - { verdict: allow } # row\n    expect: ${verdict}",
        "    each:\n      - { verdict: deny } # row\n    expect: ${verdict}",
        "",
    ),
    (
        "denies",
        "    each:\n      - { text: \"no owner: a, \\\"b\\\"\", other: 1 }\n    tags: [\"t${other}\"]\n    expect: { deny: \"${text}\" }",
        "    each:\n      - { text: \"yes\", other: 1 }\n    tags: [\"t${other}\"]\n    expect: { deny: \"${text}\" }",
        "",
    ),
];

#[test]
fn what_failed_holds_and_only_values_change() {
    let after = "# The object.\napiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  namespace: a\n  labels:\n    team: a # whose\nspec:\n  containers:\n    - name: a\n      image: pinned\n";
    let wrong =
        after.replace("team: a", "team: b").replace("      image: pinned\n", "      image: x\n      tty: true\n");
    let response =
        "{\n  \"response\": 1,\n  \"allowed\": true,\n  \"warnings\": null\n}\n".replace("  \"response\": 1,\n", "");
    let repository = repository().write("after.yaml", after).write("expected.json", &response);
    for (policy, good, bad, becomes) in KINDS {
        let (good_suite, bad_suite) = (suite(policy, good), suite(policy, bad));
        let wanted = if becomes.is_empty() { &good_suite } else { &suite(policy, becomes) };
        std::fs::write(repository.path("wrong.yaml"), &wrong).unwrap();
        std::fs::write(repository.path("wrong.json"), response.replace("true", "false")).unwrap();
        let write = |text: &str| std::fs::write(repository.path("suite.yml"), text).unwrap();
        write(wanted);
        if !wanted.contains("wrong.") {
            repository.verify(&["suite.yml"]).run().named(wanted).exits_with(0);
        }
        write(&bad_suite);
        repository.verify(&["suite.yml"]).run().named(bad).exits_with(1);
        let blessed = repository.verify(&["suite.yml", "--bless"]).run().named(bad).exits_with(0);
        assert_eq!(repository.read("suite.yml"), *wanted, "{blessed}");
        if bad.contains("wrong.") {
            assert_eq!(
                (repository.read("wrong.yaml").as_str(), repository.read("wrong.json")),
                match bad.contains("yaml") {
                    true => (after, response.replace("true", "false")),
                    false => (wrong.as_str(), response.clone()),
                }
            );
        }
        // A second time there is nothing to do.
        let again = repository.verify(&["suite.yml", "--bless"]).run().exits_with(0);
        again.says(&["no expectation was rewritten"]);
    }
    assert!(KINDS.len() >= 40, "{}", KINDS.len());
}

/// Requests, settings and fixtures are no expectations, whatever is written where.
#[test]
fn nothing_but_expectations_is_rewritten() {
    let repository = repository();
    let before = "apiVersion: v1\nkind: Pod\nmetadata: { name: web, namespace: a }\nspec: { containers: [{ name: a, image: i }] }\n";
    let head = |policy: &str, settings: &str| {
        format!(
            "version: 1\npolicies: {{ policy: {{ uri: {policy}.wasm, settings: {settings} }} }}\ndefaults: {{ object: pod.yaml }}\ncases:\n"
        )
    };
    for (text, says) in [
        (
            head("denies", "{ a: &w [x] }") + "  - { name: a, expect: { deny: , warnings: *w } }\n",
            "something else than its expectation",
        ),
        (
            head("denies", "{}") + "  - { name: a, set: { metadata.name: &v web }, expect: { deny: *v } }\n",
            "something else than its expectation",
        ),
        (
            head("denies", "{}") + "  - name: a ${x}\n    each: [{ x: b }]\n    expect: { deny: \"${x}\" }\n",
            "the variable `x` is not only used in the expectation",
        ),
        (
            head("mutates", "{}") + "  - { name: a, expect: { mutate: { exactly: pod.yaml } } }\n",
            "`pod.yaml` is read as a request or as settings",
        ),
        (
            head("denies", "{}") + "  - { name: a, expect: { deny: { contains: x, not: owner } } }\n",
            "the text contains what `not` excludes",
        ),
    ] {
        std::fs::write(repository.path("pod.yaml"), before).unwrap();
        std::fs::write(repository.path("suite.yml"), &text).unwrap();
        let run = repository.verify(&["suite.yml", "--bless"]).run().named(&text).exits_with(1);
        assert_eq!((repository.read("suite.yml"), repository.read("pod.yaml").as_str()), (text, before), "{run}");
        run.says(&[says, "no expectation was rewritten"]);
    }
}

#[test]
fn marks_and_breaks_of_files_stay() {
    let repository = repository();
    let text = suite("denies", "    expect:\n      deny:\n        contains:\n        - no\n        - other")
        .replace('\n', "\r\n");
    for mark in ["", "\u{feff}"] {
        std::fs::write(repository.path("suite.yml"), format!("{mark}{text}")).unwrap();
        repository.verify(&["suite.yml", "--bless"]).run().exits_with(0);
        let wanted = text.replace("- other", "- \"no owner: a, \\\"b\\\"\"");
        assert_eq!(repository.read("suite.yml"), format!("{mark}{wanted}"));
    }
}

#[test]
fn settings_cases_say_what_policies_answer() {
    let repository = repository();
    for (policy, expect, wanted) in [
        ("allows", "invalid", "valid"),
        ("allows", "{ invalid: no }", "valid"),
        ("refuses", "valid", "{ invalid: \"no such key: `a`\" }"),
        ("refuses", "{ invalid: \"no\" }", "{ invalid: \"no such key: `a`\" }"),
        ("refuses", "{ invalid: { contains: [no, other] } }", "{ invalid: { contains: [no, \"no such key: `a`\"] } }"),
    ] {
        let suite = |expect: &str| {
            format!(
                "version: 1\npolicies: {{ policy: {{ uri: {policy}.wasm }} }}\nsettingsCases:\n  - {{ name: a, value: {{}}, expect: {expect} }} # c\n"
            )
        };
        std::fs::write(repository.path("suite.yml"), suite(expect)).unwrap();
        repository.verify(&["suite.yml", "--bless"]).run().exits_with(0);
        assert_eq!(repository.read("suite.yml"), suite(wanted), "{expect}");
    }
}

#[test]
fn what_cannot_be_rewritten_is_left_with_a_reason() {
    let repository = repository().guest("wapc-trap");
    for (policy, case, reason) in [
        ("wapc-trap", "    expect: allow", None),
        ("denies", "    expect: { deny: { not: owner } }", Some("the text contains what `not` excludes")),
        ("allows", "    expect: { allow: , code: 200 }", Some("the response has no code")),
        (
            "denies",
            "    matrix: { x: [1, 2], verdict: [allow] }\n    tags: [\"t${x}\"]\n    expect: ${verdict}",
            Some("it is made from the variable `verdict`"),
        ),
        (
            "denies",
            "    each: [{ text: a }]\n    expect: { deny: \"not ${text}\" }",
            Some("it is made from the variable `text`"),
        ),
    ] {
        let text = suite(policy, case);
        std::fs::write(repository.path("suite.yml"), &text).unwrap();
        let run = repository.verify(&["suite.yml", "--bless"]).run().named(case).exits_with(1);
        assert_eq!(repository.read("suite.yml"), text);
        run.says(&["no expectation was rewritten"]).says(reason.as_slice());
    }
}

#[test]
fn weak_expectations_become_strict_on_request() {
    let repository = repository();
    for (policy, case, wanted) in [
        ("denies", "    expect: deny", "    expect: { deny: \"no owner: a, \\\"b\\\"\" }"),
        ("allows", "    expect: accept # c", "    expect: allow # c"),
        (
            "warns",
            "    expect: { accept: , warnings: [one, \"two: 2\"] }",
            "    expect: { allow: true, warnings: [one, \"two: 2\"] }",
        ),
        (
            "mutates",
            "    expect: mutate",
            "    expect: { mutate: { patch: [{ op: add, path: /metadata/labels, value: { team: a } }, { op: replace, path: /spec/containers/0/image, value: pinned }] } }",
        ),
        ("allows", "    expect: deny", "    expect: deny"),
    ] {
        std::fs::write(repository.path("suite.yml"), suite(policy, case)).unwrap();
        repository.verify(&["suite.yml", "--bless=weak"]).run().exits_with(i32::from(case == wanted));
        assert_eq!(repository.read("suite.yml"), suite(policy, wanted));
    }
    repository.verify(&["suite.yml", "--bless=all"]).run().exits_with(0);
    assert_eq!(repository.read("suite.yml"), suite("allows", "    expect: allow"));
}

/// What one case needs as it is, another one does not change.
#[test]
fn cases_that_share_an_expectation_do_not_break_each_other() {
    let suite = format!(
        "version: 1\npolicies: {{ yes: {{ uri: allows.wasm }}, no: {{ uri: denies.wasm }} }}\ndefaults: {{ object: {OBJECT} }}\nx-shared: &shared {{ deny: same }}\ncases:\n  - {{ name: both, policy: [yes, no], expect: allow }}\n  - {{ name: c, policy: no, expect: *shared }}\n  - {{ name: d, policy: no, expect: *shared }}\n  - {{ name: e, policy: no, expect: {{ deny: other }} }}\n"
    );
    let repository = repository().write("suite.yml", &suite);
    let run = repository.verify(&["suite.yml", "--bless"]).run().exits_with(1);
    let wanted = suite
        .replace("{ deny: same }", "{ deny: \"no owner: a, \\\"b\\\"\" }")
        .replace("{ deny: other }", "{ deny: \"no owner: a, \\\"b\\\"\" }");
    assert_eq!(repository.read("suite.yml"), wanted, "{run}");
    run.says(&["not rewritten: suite.yml › both [no]", "expects the same value otherwise", "of 3 cases in 1 file"]);
}

#[test]
fn changes_are_shown_and_nothing_is_written_in_ci() {
    let text = suite("denies", "    expect: allow");
    let repository = repository().write("suite.yml", &text);
    for ci in ["CI", "TF_BUILD"] {
        let run = repository.verify(&["suite.yml", "--bless"]).env(ci, "true").run().exits_with(2);
        run.says(&["`--bless` is refused in CI"]);
    }
    repository.verify(&["suite.yml", "--bless", "--push"]).run().exits_with(2).says(&["cannot be used with"]);
    repository.shell("verify - --bless < suite.yml").run().exits_with(2).says(&["stdin"]);
    assert_eq!(repository.read("suite.yml"), text);
    let run = repository.verify(&["suite.yml", "--bless"]).run().exits_with(0);
    run.says(&[
        "--- a/suite.yml",
        "-    expect: allow\n+    expect: { deny: ",
        "rewrote the expectations of 1 case in 1 file",
    ]);
}

#[cfg(unix)]
#[test]
fn no_file_is_written_through_a_link_of_the_repository() {
    let repository = repository().write("real.yml", suite("denies", "    expect: allow"));
    std::os::unix::fs::symlink("real.yml", repository.path("suite.yml")).unwrap();
    let before = repository.read("real.yml");
    repository.verify(&["suite.yml", "--bless"]).run().exits_with(2).says(&["is a link inside the repository"]);
    assert_eq!(repository.read("real.yml"), before);
}
