//! Requests made from suites, held against what a real API server sent to webhooks: `testdata/kube-apiserver`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::support::kubernetes::MEMBERS;
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
    report_of(&steps.iter().map(|step| step.case()).collect::<Vec<Value>>())
}

fn report_of(cases: &[Value]) -> Report {
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
    for member in MEMBERS.iter().chain(&["options", "userInfo"]) {
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

/// The object with one name for the volume of the token, whose last letters are generated.
fn with_fixed_volume(object: &Value) -> Value {
    let text = object.to_string();
    let Some(at) = text.find("kube-api-access-") else { return object.clone() };
    let generated = &text[at..at + "kube-api-access-".len() + 5];
    serde_json::from_str(&text.replace(generated, "kube-api-access-?")).unwrap()
}

#[test]
fn complete_objects_are_the_recorded_ones() {
    let filled = [
        "Namespace",
        "Pod",
        "PodTemplate",
        "ReplicationController",
        "Deployment",
        "ReplicaSet",
        "StatefulSet",
        "DaemonSet",
        "Job",
        "CronJob",
    ];
    let steps = steps();
    let is_filled = |step: &&Step| {
        let request = step.request("all.mutate.test");
        let Some(request) = request.filter(|_| !LEFT_OUT.iter().any(|(name, _)| *name == step.name())) else {
            return false;
        };
        // A limit range of the recording has set resources.
        let is_limited = request["object"].to_string().contains("LimitRanger");
        // Labels of the stored Namespace are not in what was sent.
        let is_finalized = request["subResource"] == "finalize";
        filled.contains(&request["kind"]["kind"].as_str().unwrap()) && !is_limited && !is_finalized
    };
    let steps: Vec<&Step> = steps.iter().filter(is_filled).collect();
    assert!(steps.len() > 35, "{}", steps.len());
    let cases: Vec<Value> = (steps.iter())
        .map(|step| {
            let mut case = step.case();
            case["complete"] = true.into();
            case
        })
        .collect();
    let report = report_of(&cases);
    report.all_passed();
    for (step, case) in steps.iter().zip(report.cases()) {
        for object in ["object", "oldObject"] {
            let (ours, recorded) = (&case["request"][object], &step.recorded()[object]);
            assert_eq!(with_fixed_volume(ours), with_fixed_volume(recorded), "{} {object}", step.name());
        }
    }
}

/// A manifest of a policy about these resources, with other members of its `spec`.
fn manifest(groups: &str, versions: &str, resources: &str, spec: &str) -> String {
    format!(
        "apiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\nmetadata: {{ name: deployed }}\nspec:\n  \
         module: ghcr.io/acme/policy:v1\n  mutating: true\n  rules: [{{ apiGroups: ['{groups}'], apiVersions: [{versions}], resources: \
         ['{resources}'], operations: ['*'] }}]\n{spec}"
    )
}

/// A suite whose policies are manifests with the module `yes.wasm`.
fn deployed(manifests: &[(&str, String)], cases: &Value) -> Repository {
    let policies: Map<String, Value> = (manifests.iter())
        .map(|(name, _)| ((*name).to_owned(), json!({ "manifest": format!("{name}.yaml"), "uri": "yes.wasm" })))
        .collect();
    let suite = json!({ "version": 1, "name": "s", "policies": policies, "cases": cases });
    let repository = Repository::with_suite(&suite.to_string()).replying("yes", YES);
    manifests.iter().fold(repository, |repository, (name, text)| repository.write(&format!("{name}.yaml"), text))
}

/// The case of a step that no webhook heard of, which has no review to be made of.
fn unheard(step: &Step, expect: &str) -> Value {
    let name = format!("{} {expect}", step.name());
    let operation = if step.sent("method") == "POST" { "CREATE" } else { "UPDATE" };
    json!({ "name": name, "object": step.body(), "operation": operation, "expect": expect })
}

#[test]
fn webhook_configurations_and_admission_policies_are_never_sent() {
    let all = [("all", manifest("*", "'*'", "*", ""))];
    let steps: Vec<Step> = NEVER_SENT.iter().map(|name| step(name)).collect();
    let cases: Vec<Value> =
        steps.iter().flat_map(|step| [unheard(step, "not-applicable"), unheard(step, "allow")]).collect();
    let report = deployed(&all, &json!(cases)).report(&[]);
    for case in report.cases() {
        let (name, outcome) = (case["name"].as_str().unwrap(), case["outcome"].as_str().unwrap());
        assert_eq!(outcome, if name.ends_with("allow") { "error" } else { "passed" }, "{name}");
        if outcome == "error" {
            let message = case["fault"]["message"].as_str().unwrap();
            assert!(message.starts_with("the API server sends no webhook a request about Validating"), "{message}");
        }
    }
    // The reviews about users and access are sent.
    let sent =
        ["TokenReview authentication", "SubjectAccessReview authorization", "SelfSubjectAccessReview authorization"];
    let cases = sent.map(|kind| step(&format!("create {kind}.k8s.io/v1")).case());
    deployed(&all, &json!(cases)).report(&[]).all_passed();
}

#[test]
fn requests_are_converted_for_equivalent_rules_as_recorded() {
    let about_v1 = |spec: &str| manifest("autoscaling", "v1", "horizontalpodautoscalers", spec);
    let manifests = [("equivalent", about_v1("")), ("exact", about_v1("  matchPolicy: Exact\n"))];
    let steps = steps();
    let of_autoscalers: Vec<&Step> =
        steps.iter().filter(|step| step.name().contains("HorizontalPodAutoscaler")).collect();
    assert_eq!(of_autoscalers.len(), 8);
    let cases: Vec<Value> = (of_autoscalers.iter())
        .flat_map(|step| ["equivalent", "exact"].map(|policy| (step, policy)))
        .map(|(step, policy)| {
            let mut case = step.case();
            let is_asked = step.request(&format!("{policy}.hpav1.test")).is_some();
            case["name"] = format!("{} {policy}", step.name()).into();
            case["policy"] = policy.into();
            case["expect"] = if is_asked { "allow" } else { "not-applicable" }.into();
            case
        })
        .collect();
    let report = deployed(&manifests, &json!(cases)).report(&[]);
    report.all_passed();
    for step in of_autoscalers {
        let recorded = step.request("equivalent.hpav1.test").unwrap();
        let ours = &report.case(&format!("{} equivalent", step.name()))["request"];
        assert_eq!(differences(ours, recorded), [""; 0], "{}", step.name());
        assert_eq!(
            ours["object"]["spec"]["targetCPUUtilizationPercentage"],
            recorded["object"]["spec"]["targetCPUUtilizationPercentage"]
        );
        if recorded["operation"] == "UPDATE" {
            assert_eq!(ours["object"], recorded["object"], "{}", step.name());
            assert_eq!(ours["oldObject"], recorded["oldObject"], "{}", step.name());
        }
    }
}

/// A HorizontalPodAutoscaler of `autoscaling/v2` that scales for memory, which `autoscaling/v1` does not know.
fn for_memory() -> Value {
    let target = json!({ "type": "Utilization", "averageUtilization": 50 });
    let metric = json!({ "type": "Resource", "resource": { "name": "memory", "target": target } });
    let scaled = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" });
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "web" },
        "spec": { "maxReplicas": 3, "scaleTargetRef": scaled, "metrics": [metric] },
    })
}

#[test]
fn a_conversion_that_is_not_known_is_an_error() {
    let manifests = [
        ("v1", manifest("autoscaling", "v1", "horizontalpodautoscalers", "")),
        (
            "conditions",
            manifest(
                "autoscaling",
                "v1",
                "horizontalpodautoscalers",
                "  matchConditions: [{ name: default, expression: object.spec.targetCPUUtilizationPercentage == 80 }]\n",
            ),
        ),
        (
            "none",
            manifest("autoscaling", "v1", "horizontalpodautoscalers", "  objectSelector: { matchLabels: { a: b } }\n"),
        ),
    ];
    let case = |name: &str, policy: &str, expect: &str, rules: &str| json!({ "name": name, "policy": policy, "object": for_memory(), "rules": rules, "expect": expect });
    let cases = json!([
        case("enforced", "v1", "allow", "enforce"),
        case("skipped", "v1", "allow", "skip"),
        case("not applicable", "v1", "not-applicable", "enforce"),
        case("ignored", "v1", "allow", "ignore"),
        case("other labels", "none", "not-applicable", "enforce"),
        { "name": "chain", "chain": ["v1", "none"], "object": for_memory(), "expect": "allow" },
        case("unknown condition", "conditions", "allow", "enforce"),
        { "name": "condition", "policy": "conditions", "object": for_memory(), "unset": ["spec.metrics"], "expect": "allow" },
    ]);
    let report = deployed(&manifests, &cases).report(&[]);
    let outcomes: Vec<&str> = report.outcomes().iter().map(|(_, outcome)| *outcome).collect();
    assert_eq!(outcomes, ["error", "error", "failed", "passed", "passed", "error", "error", "passed"]);
    for name in ["enforced", "skipped", "chain", "unknown condition"] {
        let fault = &report.case(name)["fault"];
        assert_eq!(fault["kind"], "conversion", "{name}");
        let wanted = "the API server converts this request from autoscaling/v2 to autoscaling/v1, because a rule matches \
                      horizontalpodautoscalers of autoscaling/v1: verify does not convert `spec.metrics`";
        assert_eq!(fault["message"], wanted);
    }
    let ignored = &report.case("ignored")["request"]["kind"]["version"];
    assert_eq!(ignored, "v2", "without rules nothing is converted");
}

#[test]
fn a_chain_converts_what_a_step_has_changed_back() {
    let manifests = [
        ("v1", manifest("autoscaling", "v1", "horizontalpodautoscalers", "")),
        ("v2", manifest("autoscaling", "v2", "horizontalpodautoscalers", "")),
    ];
    let mut object = for_memory();
    object["spec"].as_object_mut().unwrap().remove("metrics");
    let mut changed = object.clone();
    changed["apiVersion"] = "autoscaling/v1".into();
    changed["metadata"] = json!({ "name": "web", "namespace": "default", "labels": { "a": "b" } });
    changed["spec"]["targetCPUUtilizationPercentage"] = 40.into();
    let reply = json!({ "valid": true, "accepted": true, "mutated_object": changed });
    let metric = json!([{ "type": "Resource", "resource": { "name": "cpu", "target": {
        "type": "Utilization", "averageUtilization": 40,
    } } }]);
    let wanted = json!({
        "apiVersion": "autoscaling/v2", "metadata": { "labels": { "a": "b" } }, "spec": { "metrics": metric },
    });
    let cases =
        json!([{ "name": "a", "chain": ["v1", "v2"], "object": object, "expect": { "mutate": { "object": wanted } } }]);
    let repository = deployed(&manifests, &cases);
    let suite = repository.read("suite.yml").replacen("\"yes.wasm\"", "\"changing.wasm\"", 1);
    let repository = repository.write("suite.yml", suite).replying("changing", &reply.to_string());
    repository.report(&[]).all_passed();
}
