//! Whole tests of Kyverno, and what becomes of each of their keys.

use std::io;

use serde_json::{Value, json};

use super::*;
use crate::imported::{Fate, TestRow};

const PODS: &str = "apiVersion: v1\nkind: Pod\nmetadata: { name: good }\n---\napiVersion: v1\nkind: Pod\n\
    metadata: { name: bad, namespace: shop }\n---\napiVersion: v1\nkind: Namespace\nmetadata: { name: ns }\n";

fn read(path: &str) -> io::Result<String> {
    Ok(match path {
        "pods.yaml" => PODS.to_owned(),
        "widget.yaml" => "apiVersion: acme.test/v1\nkind: Widget\nmetadata: { name: w }\n".to_owned(),
        "patched.yaml" => {
            "apiVersion: v1\nkind: Pod\nmetadata: { name: good, labels: { a: b } }\n---\napiVersion: v1\nkind: Namespace\n\
             metadata: { name: ns, labels: { a: b } }\n---\napiVersion: v1\nkind: Pod\n\
             metadata: { name: bad, namespace: shop }\n"
                .to_owned()
        }
        "patched-widget.yaml" => "apiVersion: acme.test/v1\nkind: Widget\nmetadata: { name: w, labels: {} }\n".to_owned(),
        "values.yaml" => "globalValues: { request.operation: UPDATE }\npolicies: [{ name: p, resources: \
             [{ name: bad, values: { request.operation: DELETE } }, { name: good, values: { request.namespace: web, x: 1 } }] }]\n\
             namespaces: [{ metadata: { name: shop } }]\n"
            .to_owned(),
        "user.yaml" => "clusterRoles: [admin]\nuserInfo: { username: alice }\n".to_owned(),
        "context.yaml" => "spec: { resources: [{ apiVersion: v1, kind: ConfigMap, metadata: { name: c } }], images: [] }\n".to_owned(),
        _ => return Err(io::ErrorKind::NotFound.into()),
    })
}

fn imported(test: &str) -> (Imported, Value) {
    let text = format!(
        "apiVersion: cli.kyverno.io/v1alpha1\nkind: Test\nmetadata: {{ name: t }}\npolicies: [p.yaml]\n\
         resources: [pods.yaml, widget.yaml]\n{test}"
    );
    let imported = import("kyverno-test.yaml", &text, &read, &Options::default()).unwrap();
    let yaml = imported.draft.to_yaml();
    let parsed = tree::documents("s.yml", &yaml).unwrap_or_else(|error| panic!("{yaml}\n{error:?}"));
    (imported, parsed[0].json())
}

/// A result of policy `p`: its row, its cases and the text of the suite.
fn one(result: &str, more: &str) -> (TestRow, Value, String) {
    let (imported, suite) = imported(&format!("{more}results:\n- {{ policy: p, {result} }}\n"));
    (imported.tests[0].clone(), suite["cases"].clone(), imported.draft.to_yaml())
}

#[test]
fn results_are_cases() {
    for (result, wanted, weak) in [
        (
            "rule: r, kind: Pod, resources: [good], result: pass",
            json!({ "object": "pods.yaml#Pod/good", "expect": "accept" }),
            1,
        ),
        (
            "rule: r, kind: Pod, resources: [bad], result: fail",
            json!({ "object": "pods.yaml#Pod/bad", "expect": "deny" }),
            1,
        ),
        (
            "kind: Pod, resources: [shop/bad], result: fail",
            json!({ "object": "pods.yaml#Pod/bad", "expect": "deny" }),
            1,
        ),
        (
            "kind: Pod, namespace: shop, resource: bad, status: fail",
            json!({ "object": "pods.yaml#Pod/bad", "expect": "deny" }),
            1,
        ),
        (
            "kind: Pod, resourceSpecs: [{ version: v1, kind: Pod, name: bad, namespace: shop }], result: fail",
            json!({ "object": "pods.yaml#Pod/bad", "expect": "deny" }),
            1,
        ),
        ("kind: Widget, resources: [w], result: skip", json!({ "object": "widget.yaml", "expect": "accept" }), 1),
        (
            "kind: Namespace, resources: [ns], operation: UPDATE, result: fail",
            json!({ "object": "pods.yaml#Namespace/ns", "operation": "UPDATE", "expect": "deny" }),
            1,
        ),
        (
            "kind: Namespace, resources: [ns], operation: DELETE, result: fail, isValidatingPolicy: true",
            json!({ "oldObject": "pods.yaml#Namespace/ns", "expect": "deny" }),
            1,
        ),
        (
            "kind: Namespace, resources: [ns], result: pass, patchedResources: patched.yaml",
            json!({ "object": "pods.yaml#Namespace/ns", "expect": { "mutate": { "exactly": "patched.yaml#Namespace/ns" } } }),
            0,
        ),
        (
            "kind: Pod, resources: [good], result: pass, patchedResource: patched.yaml",
            json!({ "object": "pods.yaml#Pod/good", "expect": { "mutate": { "exactly": "fixtures/patched-pod-good.json" } } }),
            0,
        ),
        (
            "kind: Pod, resources: [bad], result: skip, patchedResources: patched.yaml",
            json!({ "object": "pods.yaml#Pod/bad", "expect": "allow" }),
            0,
        ),
        (
            "kind: Widget, resources: [w], result: pass, patchedResources: patched-widget.yaml",
            json!({ "object": "widget.yaml", "expect": { "mutate": { "object": "patched-widget.yaml" } } }),
            0,
        ),
    ] {
        let (row, cases, yaml) = one(result, "");
        let mut case = cases[0].clone();
        case.as_object_mut().unwrap().remove("name");
        assert_eq!((&case, row.weak.len(), &row.fate), (&wanted, weak, &Fate::Whole), "{result}\n{yaml}");
        assert_eq!((row.cases.len(), row.line), (1, 7), "{result}");
    }
}

#[test]
fn an_expected_object_is_put_into_the_namespace_of_its_resource() {
    let (imported, _) = imported(
        "results:\n- { policy: p, kind: Pod, resources: [good], result: pass, patchedResources: patched.yaml }\n",
    );
    assert!(imported.files[0].text.contains("\"namespace\": \"default\""), "{}", imported.files[0].text);
}

#[test]
fn all_rules_of_a_policy_are_one_case() {
    let (imported, suite) = imported(
        "results:\n- { policy: p, rule: a, kind: Pod, resources: [good, bad], result: pass }\n\
         - { policy: ns/p, rule: b, kind: Pod, resources: [bad], result: fail }\n\
         - { policy: q, rule: b, kind: Pod, result: pass }\n",
    );
    let names: Vec<&str> = suite["cases"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["p accepts Pod good", "p denies Pod bad", "q accepts Pod good", "q accepts Pod bad"]);
    assert_eq!(imported.tests.iter().map(|row| row.cases.len()).collect::<Vec<_>>(), [2, 1, 2]);
    assert_eq!(suite["policies"], json!({ "p": { "uri": "p.wasm" }, "q": { "uri": "q.wasm" } }));
    let yaml = imported.draft.to_yaml();
    assert!(yaml.contains("# kyverno-test.yaml:7 a: pass\n  # kyverno-test.yaml:8 b: fail\n"), "{yaml}");
}

#[test]
fn variables_of_the_request_user_and_cluster_are_keys() {
    let more = "variables: values.yaml\nuserinfo: user.yaml\ncontext: context.yaml\nclusterResources: [pods.yaml]\n";
    let results = "results:\n- { policy: p, kind: Pod, resources: [good, bad], result: pass }\n";
    let (imported, suite) = imported(&format!("{more}{results}"));
    let (good, bad) = (&suite["cases"][0], &suite["cases"][1]);
    assert_eq!(
        (&good["operation"], &good["namespace"], &good["user"]),
        (&json!("UPDATE"), &json!("web"), &json!("alice"))
    );
    assert_eq!((&bad["oldObject"], &bad["operation"]), (&json!("pods.yaml#Pod/bad"), &Value::Null));
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } });
    assert_eq!(good["cluster"], json!(["pods.yaml", "fixtures/cluster-configmap-c.json", namespace]));
    assert_eq!(suite["policies"]["p"]["contextAware"], true);
    let Fate::Partly(lost) = &imported.tests[0].fate else { panic!("{:?}", imported.tests[0]) };
    for words in ["the variable `x`", "`clusterRoles`", "`images` of the context"] {
        assert!(lost.iter().any(|it| it.contains(words)), "{words}: {lost:?}");
    }
}

#[test]
fn what_is_not_translated_is_told_at_its_place() {
    for (result, more, is_there, words) in [
        ("kind: Pod, resources: [good], result: warn", "", true, "`warn`"),
        ("kind: Pod, resources: [good], result: pass, future: 1", "", true, "`future` is unknown"),
        ("kind: Pod, resources: [good, none], result: pass", "", true, "the resource Pod none"),
        ("kind: Pod, resources: [good], result: pass", "exceptions: [e.yaml]\n", true, "policy exceptions"),
        ("kind: Pod, resources: [good], result: pass", "variables: none.yaml\n", true, "`none.yaml` cannot be read"),
        (
            "kind: Pod, resources: [good], result: pass",
            "values: { subresources: [] , future: 1 }\n",
            true,
            "`future` of the variables",
        ),
        (
            "kind: Pod, resources: [good], result: pass, patchedResources: none.yaml",
            "",
            true,
            "`none.yaml` cannot be read",
        ),
        (
            "kind: Pod, resources: [good], result: pass, patchedResources: pods.yaml, isImageValidatingPolicy: true",
            "",
            true,
            "signatures",
        ),
        ("kind: Widget, resources: [w], result: pass, patchedResources: patched.yaml", "", true, "has no Widget w"),
        ("kind: Pod, resources: [none], result: pass", "", false, "none of its resources"),
        ("kind: Pod, resources: [none], result: pass", "targetResources: [pods.yaml]\n", false, "existing resources"),
        ("kind: Pod, resources: [good], result: error", "", false, "`error`"),
        ("kind: Pod, resources: [good], result: maybe", "", false, "`maybe`"),
        ("kind: Pod, resources: [good]", "", false, "no `result`"),
        ("kind: Pod, resources: [good], result: fail, patchedResources: patched.yaml", "", false, "another mutation"),
        ("kind: Pod, resources: [good], result: pass, generatedResource: g.yaml", "", false, "generates no"),
        ("kind: Pod, resources: [good], result: pass, generatedResources: [g.yaml]", "", false, "generates no"),
        ("kind: Pod, resources: [good], result: pass, isDeletingPolicy: true", "", false, "deletes no"),
    ] {
        let (row, cases, yaml) = one(result, more);
        let lost = match &row.fate {
            Fate::Partly(lost) if is_there => lost,
            Fate::Not(lost) if !is_there => lost,
            other => panic!("{result} {more}: {other:?}"),
        };
        assert!(lost.join(" ").contains(words), "{result} {more}: {lost:?}");
        assert!(yaml.contains(words) && cases[0].is_object() == is_there, "{result}\n{yaml}");
    }
}

#[test]
fn old_tests_without_a_kind_are_read() {
    let text = "name: old\npolicies: [p.yaml]\nresources: [pods.yaml]\nresults:\n- { policy: p, rule: r, resource: good, status: pass }\n";
    let imported = import("test.yaml", text, &read, &Options::default()).unwrap();
    assert_eq!(imported.tests[0].cases, ["p accepts Pod good"]);
    let text = format!("apiVersion: kyverno.io/v1\nkind: Test\n{text}");
    assert_eq!(import("test.yaml", &text, &read, &Options::default()).unwrap().tests.len(), 1);
}

#[test]
fn other_files_and_hostile_ones_are_refused() {
    for text in ["", "apiVersion: v1\nkind: Pod\n", "a: [", &"[".repeat(100_000)] {
        let error = import("t.yaml", text, &read, &Options::default()).unwrap_err();
        assert!(error.help.is_some() && error.span.is_some(), "{error:?}");
    }
    let odd = "policies: 1\nresults: [1, x, { policy: [] }, { policy: p, result: pass, resources: [{}] }]\n";
    assert_eq!(import("t.yaml", odd, &read, &Options::default()).unwrap().tests.len(), 4);
}
