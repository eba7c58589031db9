//! Whole suites of Gatekeeper, and what becomes of each of their keys.

use std::io;

use serde_json::{Value, json};

use super::*;
use crate::imported::Fate;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: { name: web, namespace: shop }\n";
const CONSTRAINT: &str = "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: AcmeLabels\nmetadata: { name: c }\n\
    spec: { match: { kinds: [{ apiGroups: [''], kinds: [Pod] }] }, parameters: { labels: [owner], strict: yes } }\n";

fn read(path: &str) -> io::Result<String> {
    let kinds = |kind: &str| CONSTRAINT.replace("AcmeLabels", kind);
    Ok(match path {
        "pod.yaml" => POD.to_owned(),
        "service.yaml" => POD.replace("Pod", "Service"),
        "widget.yaml" => POD.replace("apiVersion: v1", "apiVersion: acme.test/v1").replace("Pod", "Widget"),
        "two.yaml" => format!("{POD}---\n{POD}"),
        "constraint.yaml" => CONSTRAINT.to_owned(),
        "other.yaml" => CONSTRAINT.replace("[owner]", "[team]"),
        "host.yaml" => kinds("AcmeHost"),
        "template.yaml" => "spec: { targets: [{ rego: 'x' }] }\n".to_owned(),
        "inventory-template.yaml" => "spec: { targets: [{ rego: 'data.inventory.cluster' }] }\n".to_owned(),
        "cel.yaml" => "spec: { targets: [{ code: [{ engine: K8sNativeValidation }] }] }\n".to_owned(),
        "review.yaml" => format!(
            "apiVersion: admission.k8s.io/v1\nkind: AdmissionReview\nrequest:\n  operation: DELETE\n  \
             userInfo: {{ username: alice }}\n  oldObject:\n    {}",
            POD.trim_end().replace('\n', "\n    ")
        ),
        "complete.yaml" => {
            "apiVersion: admission.k8s.io/v1\nkind: AdmissionReview\nrequest: { uid: a, operation: CREATE, \
             kind: { group: '', version: v1, kind: Pod }, resource: { group: '', version: v1, resource: pods }, \
             userInfo: {}, object: { apiVersion: v1, kind: Pod, metadata: { name: web } } }\n"
                .to_owned()
        }
        _ => return Err(io::ErrorKind::NotFound.into()),
    })
}

/// The suite of these tests, and its text read again.
fn imported(tests: &str) -> (Imported, Value) {
    let text =
        format!("apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\nmetadata: {{ name: s }}\ntests:\n{tests}");
    let imported = import("suite.yaml", &text, &read, &Options::default()).unwrap();
    let yaml = imported.draft.to_yaml();
    let parsed = tree::documents("s.yml", &yaml).unwrap_or_else(|error| panic!("{yaml}\n{error:?}"));
    (imported, parsed[0].json())
}

/// A test with one case.
fn one(test: &str, case: &str) -> (TestRow, Value, String) {
    let tests = format!("- {{ name: t, template: template.yaml, {test} cases: [{{ name: c, {case} }}] }}\n");
    let (imported, suite) = imported(&tests);
    (imported.tests[0].clone(), suite["cases"][0].clone(), imported.draft.to_yaml())
}

const USUAL: &str = "constraint: constraint.yaml,";

#[test]
fn tests_are_variants_and_cases() {
    let (imported, suite) = imported(
        "- name: labels\n  template: template.yaml\n  constraint: constraint.yaml\n  cases:\n  - name: bad\n    \
         object: pod.yaml\n    assertions: [{ violations: yes, message: no owner }]\n  - name: good\n    \
         object: ./pod.yaml\n    assertions: [{ violations: no }]\n- name: teams\n  template: template.yaml\n  \
         constraint: other.yaml\n  cases:\n  - { name: bad, object: pod.yaml, assertions: [{ violations: 1 }] }\n",
    );
    let variants = json!({
        "labels": { "labels": ["owner"], "strict": true },
        "teams": { "labels": ["team"], "strict": true },
    });
    assert_eq!(suite["policies"], json!({ "acmelabels": { "uri": "policy.wasm", "variants": variants } }));
    let cases = json!([
        { "name": "labels: bad", "variant": "labels", "object": "pod.yaml", "expect": { "deny": { "contains": "no owner" } } },
        { "name": "labels: good", "variant": "labels", "object": "pod.yaml", "expect": "accept" },
        { "name": "teams: bad", "variant": "teams", "object": "pod.yaml", "expect": "deny" },
    ]);
    assert_eq!(suite["cases"], cases);
    let rows: Vec<(usize, &str, usize)> =
        imported.tests.iter().map(|row| (row.line, row.name.as_str(), row.weak.len())).collect();
    assert_eq!(rows, [(9, "labels: bad", 0), (12, "labels: good", 1), (19, "teams: bad", 0)]);
    assert!(imported.tests.iter().all(|row| row.cases.len() == 1));
    assert!(imported.tests[..2].iter().all(|row| row.fate == Fate::Whole));
    assert!(matches!(&imported.tests[2].fate, Fate::Partly(lost) if lost[0].contains("the number of violations")));
    assert!(imported.draft.to_yaml().contains("match` belongs into the rules"));
}

#[test]
fn a_single_test_needs_no_variant_and_no_name() {
    let (_, case, _) = one(USUAL, "object: pod.yaml, assertions: [{}]");
    assert_eq!(case, json!({ "name": "c", "object": "pod.yaml", "expect": "deny" }));
}

#[test]
fn every_template_is_a_policy_with_its_own_module() {
    let tests = "- { name: a, template: template.yaml, constraint: constraint.yaml, cases: [{ name: c, object: pod.yaml, assertions: [{}] }] }\n\
                 - { name: b, template: cel.yaml, constraint: host.yaml, cases: [{ name: c, object: pod.yaml, assertions: [{}] }] }\n\
                 - { name: d, template: template.yaml, constraint: other.yaml, cases: [{ name: c, object: pod.yaml, assertions: [{}] }] }\n";
    let text = format!("apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\ntests:\n{tests}");
    let options = Options {
        modules: [("acmehost".to_owned(), "host.wasm".to_owned())].into_iter().collect(),
        folder: "tests".to_owned(),
        ..Options::default()
    };
    let imported = import("suite.yaml", &text, &read, &options).unwrap();
    let suite = tree::documents("s", &imported.draft.to_yaml()).unwrap()[0].json();
    assert_eq!(suite["policies"]["acmehost"]["uri"], "host.wasm");
    assert!(suite["policies"]["acmehost"].get("settings").is_some());
    let keys: Vec<(&Value, &Value)> =
        [0, 1, 2].map(|it| (&suite["cases"][it]["policy"], &suite["cases"][it]["variant"])).into();
    assert_eq!(
        keys,
        [(&json!("acmelabels"), &json!("a")), (&json!("acmehost"), &Value::Null), (&json!("acmelabels"), &json!("d"))]
    );
    assert_eq!(suite["cases"][0]["object"], "tests/pod.yaml");
    assert!(imported.draft.to_yaml().contains("has no Rego"));
}

#[test]
fn reviews_are_requests_or_their_parts() {
    let (row, case, yaml) = one(USUAL, "object: review.yaml, assertions: [{}]");
    assert_eq!(case["oldObject"], "fixtures/delete-pod-web.json");
    assert_eq!((&case["user"], &case["object"]), (&json!("alice"), &Value::Null));
    assert!(row.fate == Fate::Whole && yaml.contains("only as `oldObject`"), "{yaml}");
    let (_, case, _) = one(USUAL, "object: complete.yaml, assertions: [{}]");
    assert_eq!(case["request"], "complete.yaml");
}

#[test]
fn inventories_are_clusters() {
    let (_, case, yaml) = one(USUAL, "object: pod.yaml, inventory: [service.yaml], assertions: [{}]");
    assert_eq!(case["cluster"], json!(["service.yaml"]));
    assert!(yaml.contains("contextAware: true") && yaml.contains("defaults: { cluster: [] }"), "{yaml}");
    let tests = "- { name: t, template: inventory-template.yaml, constraint: constraint.yaml, \
                 cases: [{ name: c, object: pod.yaml, assertions: [{}] }] }\n";
    assert_eq!(imported(tests).1["defaults"], json!({ "cluster": [] }));
}

#[test]
fn custom_resources_get_definitions() {
    let tests = "- { name: t, template: template.yaml, constraint: constraint.yaml, \
                 cases: [{ name: c, object: pod.yaml, inventory: [widget.yaml], assertions: [{}] }] }\n";
    let (imported, suite) = imported(tests);
    assert_eq!(suite["crds"], json!(["fixtures/crds.yaml"]));
    assert!(imported.files[0].text.contains("plural: widgets"));
}

#[test]
fn skipped_tests_are_skipped_cases() {
    for (test, case) in [("constraint: constraint.yaml, skip: true,", ""), (USUAL, "skip: true,")] {
        let (row, case, _) = one(test, &format!("{case} object: pod.yaml, assertions: [{{}}]"));
        assert!(case["skip"].as_str().is_some_and(|why| why.contains("Gatekeeper")), "{case}");
        assert_eq!(row.fate, Fate::Whole);
    }
}

#[test]
fn an_invalid_constraint_is_a_settings_case() {
    let (imported, suite) =
        imported("- { name: t, template: template.yaml, constraint: constraint.yaml, invalid: true }\n");
    let value = json!({ "labels": ["owner"], "strict": true });
    let wanted = json!([{ "name": "t: the settings are invalid", "value": value, "expect": "invalid" }]);
    assert_eq!(suite["settingsCases"], wanted);
    assert!(matches!(imported.tests[0].fate, Fate::Partly(_)) && imported.tests[0].weak.len() == 1);
}

#[test]
fn what_is_not_translated_is_told_at_its_place() {
    for (test, case, is_there, words) in [
        (USUAL, "object: service.yaml, assertions: [{ violations: no }]", true, "`match.kinds`"),
        ("constraint: constraint.yaml, expansion: e.yaml,", "object: pod.yaml, assertions: [{}]", true, "`expansion`"),
        (USUAL, "object: pod.yaml, future: 1, assertions: [{}]", true, "`future` of the case"),
        (USUAL, "object: missing.yaml, assertions: [{}]", false, "`missing.yaml` cannot be read"),
        (USUAL, "object: two.yaml, assertions: [{}]", false, "2 documents"),
        (USUAL, "object: pod.yaml", false, "no assertions"),
        (USUAL, "assertions: [{}]", false, "no `object`"),
        (USUAL, "object: pod.yaml, inventory: [missing.yaml], assertions: [{}]", false, "cannot be read"),
        ("", "object: pod.yaml, assertions: [{}]", false, "no `constraint`"),
        ("constraint: pod.yaml,", "object: pod.yaml, assertions: [{}]", false, "no constraint"),
        ("constraint: two.yaml,", "object: pod.yaml, assertions: [{}]", false, "2 documents"),
    ] {
        let (row, written, yaml) = one(test, case);
        let lost = match &row.fate {
            Fate::Partly(lost) if is_there => lost,
            Fate::Not(lost) if !is_there => lost,
            other => panic!("{test} {case}: {other:?}"),
        };
        assert!(lost.join(" ").contains(words), "{test} {case}: {lost:?}");
        assert!(yaml.contains(words) && written.is_object() == is_there, "{yaml}");
    }
    let (imported, _) = imported("- { name: t, future: 1 }\n");
    let comments = imported.draft.comments.join("\n");
    assert!(comments.contains("suite.yaml:5: `future` of test `t` is not translated"), "{comments}");
}

#[test]
fn other_files_and_hostile_ones_are_refused() {
    let deep = format!("a: {}", "[".repeat(10_000));
    for text in ["", "apiVersion: v1\nkind: Pod\n", "a: [", &deep] {
        let error = import("suite.yaml", text, &read, &Options::default()).unwrap_err();
        assert!(error.help.is_some() && error.span.is_some(), "{error:?}");
    }
    let odd = "apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\ntests: [1, x, { cases: 3 }, { constraint: constraint.yaml, cases: [[]] }]\n";
    assert_eq!(import("suite.yaml", odd, &read, &Options::default()).unwrap().tests.len(), 4);
}
