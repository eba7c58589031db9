//! Requests made from suites, held against what a real API server sent to webhooks: `testdata/kube-apiserver`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::support::{Report, Repository, testdata};

/// A policy that accepts everything; its requests are what counts.
const YES: &str = r#"{"valid":true,"accepted":true}"#;

/// Steps that no suite describes, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("alice creates a Pod (forbidden without role)", "authorization refuses it before admission"),
    ("delete collection of ConfigMaps", "it deletes nothing, so nothing is sent"),
    ("delete collection of all ConfigMaps", "its requests have no name; a suite writes them under `request:`"),
];

/// Steps of which no webhook hears.
const NEVER_SENT: &[&str] = &[
    "create ValidatingWebhookConfiguration admissionregistration.k8s.io/v1",
    "update ValidatingWebhookConfiguration admissionregistration.k8s.io/v1",
    "create ValidatingAdmissionPolicy admissionregistration.k8s.io/v1",
    "update ValidatingAdmissionPolicy admissionregistration.k8s.io/v1",
];

/// Members that are compared as they are; a missing one is null.
const MEMBERS: &[&str] = &[
    "kind",
    "resource",
    "subResource",
    "requestKind",
    "requestResource",
    "requestSubResource",
    "name",
    "namespace",
    "operation",
    "options",
    "userInfo",
    "dryRun",
];

/// What is compared of the objects, besides that they are there.
const OF_OBJECTS: &[&str] =
    &["/apiVersion", "/kind", "/metadata/name", "/metadata/generateName", "/metadata/namespace"];

/// A step of the recording.
struct Step(Value);

impl Step {
    fn name(&self) -> &str {
        self.0["name"].as_str().unwrap()
    }

    fn sent(&self, key: &str) -> &Value {
        &self.0["sent"][key]
    }

    fn body(&self) -> Value {
        self.sent("body").clone()
    }

    /// The first request that a webhook got.
    fn request(&self, webhook: &str) -> Option<&Value> {
        let reviews = self.0["reviews"].as_array().unwrap();
        reviews.iter().find(|review| review["webhook"] == webhook).map(|review| &review["request"])
    }

    fn recorded(&self) -> &Value {
        self.request("all.mutate.test").unwrap_or_else(|| panic!("{}: no review", self.name()))
    }

    /// Namespace, name and subresource of the path, the latter as `pods/status`.
    fn place(&self) -> (Option<&str>, Option<&str>, Option<String>) {
        let path = self.sent("path").as_str().unwrap().split('?').next().unwrap();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let rest = if parts[0] == "api" { &parts[2..] } else { &parts[3..] };
        let (namespace, rest) = match rest {
            ["namespaces", _, "finalize"] => (None, rest),
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
            rest => (None, rest),
        };
        let subresource = rest.get(2).map(|name| format!("{}/{name}", rest[0]));
        (namespace, rest.get(1).copied(), subresource)
    }

    fn query(&self) -> BTreeMap<&str, &str> {
        let path = self.sent("path").as_str().unwrap();
        let query = path.split_once('?').map_or("", |(_, query)| query);
        query.split('&').filter_map(|pair| pair.split_once('=')).collect()
    }

    /// The case that describes the step.
    fn case(&self) -> Value {
        let (namespace, name, subresource) = self.place();
        let mut case = Map::new();
        let mut insert = |key: &str, value: Value| case.insert(key.into(), value);
        insert("name", self.name().into());
        insert("expect", "allow".into());
        insert("user", self.user());
        if let Some(namespace) = namespace {
            insert("namespace", namespace.into());
        }
        if let Some(subresource) = subresource {
            insert("subresource", subresource.into());
        }
        let query = self.query();
        if query.get("dryRun") == Some(&"All") {
            insert("dryRun", true.into());
        }
        let mut options = Map::new();
        if let Some(manager) = query.get("fieldManager") {
            options.insert("fieldManager".into(), (*manager).into());
        }
        let old = || self.recorded()["oldObject"].clone();
        match self.sent("method").as_str().unwrap() {
            _ if self.recorded()["operation"] == "CONNECT" => {
                let mut object = self.recorded()["object"].clone();
                object["metadata"] = json!({ "name": name });
                insert("object", object);
            }
            "POST" => {
                let mut object = self.body();
                if let (Some(name), None) = (name, object.pointer("/metadata/name")) {
                    object["metadata"] = json!({ "name": name });
                }
                insert("object", object);
            }
            "PUT" => {
                insert("object", self.body());
                insert("oldObject", old());
            }
            "PATCH" if old().is_null() => {
                insert("object", self.body());
            }
            "PATCH" => {
                insert("object", patched(old(), &self.body()));
                insert("oldObject", old());
            }
            "DELETE" => {
                insert("oldObject", old());
                let body = self.body();
                let members = body.as_object().into_iter().flatten();
                options.extend(
                    members
                        .filter(|(key, _)| !["apiVersion", "kind"].contains(&key.as_str()))
                        .map(|(k, v)| (k.clone(), v.clone())),
                );
            }
            method => panic!("{method}"),
        }
        if !options.is_empty() {
            case.insert("options".into(), Value::Object(options));
        }
        Value::Object(case)
    }

    /// Who sent it, as a suite says it.
    fn user(&self) -> Value {
        let recorded = &self.recorded()["userInfo"];
        let impersonated = self.0["sent"].pointer("/headers/Impersonate-User");
        match (impersonated, self.sent("as").as_str()) {
            (Some(user), _) => user.clone(),
            (None, Some("anonymous")) => "system:anonymous".into(),
            (None, Some("alice")) => json!({ "username": "alice", "uid": "alice-uid", "groups": ["dev"] }),
            (None, Some("service account")) => {
                json!({ "username": recorded["username"], "uid": recorded["uid"], "extra": recorded["extra"] })
            }
            _ => json!({ "username": "kubernetes-admin", "uid": "admin-uid", "groups": ["system:masters"] }),
        }
    }
}

/// The object after a patch: merged, with lists of containers merged by position.
fn patched(mut object: Value, patch: &Value) -> Value {
    match (&mut object, patch) {
        (Value::Object(members), Value::Object(changes)) => {
            for (key, change) in changes {
                let member = members.remove(key).unwrap_or(Value::Null);
                members.insert(key.clone(), patched(member, change));
            }
            object
        }
        (Value::Array(items), Value::Array(changes)) => {
            let items = items.iter().zip(changes).map(|(item, change)| patched(item.clone(), change));
            Value::Array(items.collect())
        }
        _ => patch.clone(),
    }
}

fn steps() -> Vec<Step> {
    let text = std::fs::read_to_string(testdata().join("kube-apiserver/admission-reviews.jsonl")).unwrap();
    text.lines().map(|line| Step(serde_json::from_str(line).unwrap())).collect()
}

fn step(name: &str) -> Step {
    steps().into_iter().find(|step| step.name() == name).unwrap_or_else(|| panic!("no step {name}"))
}

/// The report about a case for each step.
fn report(steps: &[&Step]) -> Report {
    let cases: Vec<Value> = steps.iter().map(|step| step.case()).collect();
    let suite = json!({
        "version": 1, "name": "s", "policies": { "yes": { "uri": "yes.wasm" } }, "crds": ["crd.json"], "cases": cases,
    });
    let definition = step("create CustomResourceDefinition apiextensions.k8s.io/v1").body();
    let repository =
        Repository::with_suite(&suite.to_string()).replying("yes", YES).write("crd.json", definition.to_string());
    repository.report(&[])
}

/// What differs between a request and the recorded one, as `member: ours, recorded`.
fn differences(ours: &Value, recorded: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |member: &str, ours: Option<&Value>, recorded: Option<&Value>| {
        let (ours, recorded) = (ours.unwrap_or(&Value::Null), recorded.unwrap_or(&Value::Null));
        if ours != recorded {
            found.push(format!("{member}: {ours}, recorded {recorded}"));
        }
    };
    for member in MEMBERS {
        compare(member, ours.get(member), recorded.get(member));
    }
    for object in ["object", "oldObject"] {
        let (ours, recorded) = (&ours[object], &recorded[object]);
        compare(object, Some(&ours.is_null().into()), Some(&recorded.is_null().into()));
        for pointer in OF_OBJECTS {
            compare(&format!("{object}{pointer}"), ours.pointer(pointer), recorded.pointer(pointer));
        }
    }
    found
}

#[test]
fn every_step_a_suite_can_describe_is_the_recorded_request() {
    let steps = steps();
    assert_eq!(steps.len(), 166);
    let is_left_out = |step: &Step| LEFT_OUT.iter().any(|(name, _)| *name == step.name());
    let described: Vec<&Step> =
        steps.iter().filter(|step| !is_left_out(step) && !NEVER_SENT.contains(&step.name())).collect();
    assert_eq!(
        steps.len() - described.len(),
        LEFT_OUT.len() + NEVER_SENT.len(),
        "a step that is left out is not there"
    );
    let report = report(&described);
    report.all_passed();
    let mut wrong = Vec::new();
    for (step, case) in described.iter().zip(report.cases()) {
        assert_eq!(case["name"], step.name());
        let differences = differences(&case["request"], step.recorded());
        wrong.extend(differences.into_iter().map(|difference| format!("{}: {difference}", step.name())));
    }
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}
