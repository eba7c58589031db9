//! A real API server: the objects that mutating webhooks get are those of `complete: true`, and those that are converted
//! for a rule are ours.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::kubernetes::Kubernetes;
use crate::support::webhook::Webhook;
use crate::support::{Report, Repository};

const YES: &str = r#"{"valid":true,"accepted":true}"#;

const PODS: &str = "/api/v1/namespaces/team-a/pods";

/// An object with everything that has a default.
fn rich_pod() -> Value {
    let probe = json!({ "httpGet": { "port": 80 }, "periodSeconds": 5 });
    let field = json!({ "fieldRef": { "fieldPath": "metadata.name" } });
    let token = json!({ "serviceAccountToken": { "path": "t" } });
    let items = json!([{ "path": "n", "fieldRef": { "fieldPath": "metadata.name" } }]);
    let claim = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } });
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "rich" },
        "spec": {
            "hostNetwork": true,
            "serviceAccountName": "default",
            "priorityClassName": "system-cluster-critical",
            "tolerations": [{ "key": "node.kubernetes.io/not-ready", "operator": "Exists" }],
            "initContainers": [{ "name": "init", "image": "localhost:5000/init", "resources": { "limits": { "cpu": "1" } } }],
            "containers": [
                {
                    "name": "web", "image": "web:1", "ports": [{ "containerPort": 80 }],
                    "resources": { "limits": { "cpu": "2", "memory": "1Gi" }, "requests": { "cpu": "1" } },
                    "env": [{ "name": "A", "valueFrom": field }],
                    "livenessProbe": probe, "startupProbe": { "grpc": { "port": 1 } },
                    "readinessProbe": { "exec": { "command": ["true"] } },
                    "lifecycle": { "preStop": { "httpGet": { "port": 80, "path": "/stop" } } },
                },
                {
                    "name": "log", "image": "log:latest@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                    "volumeMounts": [{ "name": "empty", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount" }],
                },
            ],
            "volumes": [
                { "name": "empty" },
                { "name": "secret", "secret": { "secretName": "s" } },
                { "name": "settings", "configMap": { "name": "c" } },
                { "name": "host", "hostPath": { "path": "/tmp" } },
                { "name": "words", "downwardAPI": { "items": items } },
                { "name": "all", "projected": { "sources": [token, { "downwardAPI": { "items": items } }] } },
                { "name": "claim", "ephemeral": { "volumeClaimTemplate": { "spec": claim } } },
            ],
        },
    })
}

fn template() -> Value {
    let container = json!({ "name": "web", "image": "web", "resources": { "limits": { "cpu": "1" } }, "ports": [{ "containerPort": 80 }] });
    json!({ "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [container], "serviceAccountName": "robot" } })
}

/// Objects without the members that have defaults, each with the path where it is created.
fn objects() -> Vec<(&'static str, Value)> {
    let selector = json!({ "matchLabels": { "app": "web" } });
    let workload = |api_version: &str, kind: &str, spec: Value| json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": "web" }, "spec": spec });
    let mut once = template();
    once["spec"]["restartPolicy"] = "Never".into();
    vec![
        (PODS, rich_pod()),
        (
            PODS,
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "silent" }, "spec": {
                "automountServiceAccountToken": false, "containers": [{ "name": "c", "image": "web@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }],
            } }),
        ),
        (
            "/apis/apps/v1/namespaces/team-a/deployments",
            workload(
                "apps/v1",
                "Deployment",
                json!({ "selector": selector, "template": template(), "strategy": { "type": "Recreate" } }),
            ),
        ),
        (
            "/apis/apps/v1/namespaces/team-a/statefulsets",
            workload(
                "apps/v1",
                "StatefulSet",
                json!({ "selector": selector, "template": template(), "updateStrategy": { "type": "OnDelete" } }),
            ),
        ),
        (
            "/apis/apps/v1/namespaces/team-a/daemonsets",
            workload("apps/v1", "DaemonSet", json!({ "selector": selector, "template": template() })),
        ),
        (
            "/api/v1/namespaces/team-a/replicationcontrollers",
            workload("v1", "ReplicationController", json!({ "template": template() })),
        ),
        (
            "/apis/batch/v1/namespaces/team-a/jobs",
            workload(
                "batch/v1",
                "Job",
                json!({ "completions": 3, "backoffLimitPerIndex": 1, "completionMode": "Indexed", "template": once }),
            ),
        ),
    ]
}

/// One configuration of a webhook, with the members that a test changes.
fn configuration(webhook: &Webhook, name: &str, rule: Value) -> Value {
    let mut configuration = webhook.configuration();
    configuration["metadata"]["name"] = name.into();
    let hook = &mut configuration["webhooks"][0];
    hook["name"] = format!("{name}.webhook.test").into();
    hook["rules"] = json!([rule]);
    configuration
}

/// The object with one name for the volume of the token, whose last letters are generated.
fn with_fixed_volume(object: &Value) -> Value {
    let text = object.to_string();
    let Some(at) = text.find("kube-api-access-") else { return object.clone() };
    let generated = &text[at..at + "kube-api-access-".len() + 5];
    serde_json::from_str(&text.replace(generated, "kube-api-access-?")).unwrap()
}

fn without_managed_fields(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}

/// Where two values differ.
fn difference(place: &str, ours: &Value, captured: &Value, found: &mut Vec<String>) {
    match (ours, captured) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            keys.iter().for_each(|key| difference(&format!("{place}.{key}"), &ours[*key], &captured[*key], found));
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            one.iter().zip(other).for_each(|(one, other)| difference(place, one, other, found));
        }
        _ if ours == captured => {}
        _ => found.push(format!("{place}: {ours}, captured {captured}")),
    }
}

/// Waits until a webhook is called, which is a moment after it was configured.
fn wait_for(kubernetes: &Kubernetes, webhook: &Webhook, path: &str, probe: &Value) {
    for _ in 0..300 {
        kubernetes.create(path, probe);
        if !webhook.take().is_empty() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("the webhook was never called");
}

fn cluster() -> Option<Kubernetes> {
    let kubernetes = Kubernetes::start()?;
    kubernetes.create("/api/v1/namespaces", &json!({ "metadata": { "name": "team-a" } }));
    kubernetes.create("/api/v1/namespaces/team-a/serviceaccounts", &json!({ "metadata": { "name": "default" } }));
    Some(kubernetes)
}

fn report(suite: &Value) -> Report {
    let report = Repository::with_suite(&suite.to_string()).replying("yes", YES).report(&[]);
    report.all_passed();
    report
}

#[test]
fn complete_objects_are_those_of_an_api_server() {
    let Some(kubernetes) = cluster() else { return };
    let webhook = Webhook::start();
    let rule = json!({ "apiGroups": ["", "apps", "batch"], "apiVersions": ["v1"], "resources": ["*"], "operations": ["CREATE", "DELETE"] });
    let mut all = configuration(&webhook, "all", rule);
    all["kind"] = "MutatingWebhookConfiguration".into();
    kubernetes.create("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", &all);
    wait_for(
        &kubernetes,
        &webhook,
        "/api/v1/namespaces/team-a/configmaps",
        &json!({ "metadata": { "generateName": "probe-" } }),
    );
    let cases: Vec<Value> = (objects().into_iter().enumerate())
        .map(|(number, (_, object))| {
            json!({ "name": number.to_string(), "object": object, "namespace": "team-a", "complete": true, "expect": "allow" })
        })
        .collect();
    let ours = report(&json!({ "version": 1, "policies": { "yes": { "uri": "yes.wasm" } }, "cases": cases }));
    let mut wrong = Vec::new();
    for (number, (path, object)) in objects().iter().enumerate() {
        webhook.take();
        kubernetes.create(path, object);
        // The server has requests of its own, such as that for its service.
        let captured = webhook.take().into_iter().find(|request| request["namespace"] == "team-a").unwrap();
        let object = without_managed_fields(&captured["object"]);
        let complete = &ours.case(&number.to_string())["request"]["object"];
        difference(path, &with_fixed_volume(complete), &with_fixed_volume(&object), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // A Pod on a node has time to end, which the server writes into the options.
    let mut pod = objects()[1].1.clone();
    (pod["metadata"]["name"], pod["spec"]["nodeName"]) = ("placed".into(), "node1".into());
    kubernetes.create(PODS, &pod);
    webhook.take();
    kubernetes.send(Method::DELETE, &format!("{PODS}/placed"), &[], None);
    let case = json!({ "name": "a", "oldObject": pod, "namespace": "team-a", "expect": "allow" });
    let ours = report(&json!({ "version": 1, "policies": { "yes": { "uri": "yes.wasm" } }, "cases": [case] }));
    assert_eq!(ours.case("a")["request"]["options"], webhook.take()[0]["options"]);
}

/// A rule, the object that is converted for it, and the path where that is created.
fn conversions() -> Vec<(&'static str, Value, &'static str, Value)> {
    let rule = |group: &str, version: &str, resource: &str| json!({ "apiGroups": [group], "apiVersions": [version], "resources": [resource], "operations": ["CREATE"] });
    let autoscaler = json!({
        "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "web" },
        "spec": {
            "maxReplicas": 3, "minReplicas": 2, "targetCPUUtilizationPercentage": 40,
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
        },
    });
    let pod = json!({ "kind": "Pod", "namespace": "team-a", "name": "web" });
    let core = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": { "name": "core" }, "involvedObject": pod, "reason": "r",
        "message": "m", "type": "Normal", "count": 2, "source": { "component": "c" },
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z",
    });
    let events = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": { "name": "new" }, "regarding": pod, "reason": "r",
        "note": "m", "type": "Normal", "action": "a", "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "c", "reportingInstance": "i",
    });
    let widget = json!({
        "apiVersion": "acme.test/v1beta1", "kind": "Widget", "metadata": { "name": "w" }, "spec": { "size": 4 },
    });
    vec![
        (
            "autoscaling",
            rule("autoscaling", "v2", "horizontalpodautoscalers"),
            "/apis/autoscaling/v1/namespaces/team-a/horizontalpodautoscalers",
            autoscaler,
        ),
        ("from-core", rule("events.k8s.io", "v1", "events"), "/api/v1/namespaces/team-a/events", core),
        ("custom", rule("acme.test", "v1", "widgets"), "/apis/acme.test/v1beta1/namespaces/team-a/widgets", widget),
        ("to-core", rule("", "v1", "events"), "/apis/events.k8s.io/v1/namespaces/team-a/events", events),
    ]
}

/// The definition of the Widgets, in two versions without a webhook between them.
fn definition() -> Value {
    let schema = json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
    let version =
        |name: &str, storage: bool| json!({ "name": name, "served": true, "storage": storage, "schema": schema });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "widgets.acme.test" },
        "spec": {
            "group": "acme.test", "scope": "Namespaced",
            "names": { "kind": "Widget", "listKind": "WidgetList", "plural": "widgets", "singular": "widget" },
            "versions": [version("v1", true), version("v1beta1", false)],
        },
    })
}

/// A new kind is served a moment after it was defined.
fn define(kubernetes: &Kubernetes) {
    kubernetes.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition());
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.acme.test";
    for _ in 0..300 {
        let conditions = kubernetes.send(Method::GET, path, &[], None)["status"]["conditions"].to_string();
        if conditions.contains("Established") {
            // Each version gets its handler a little later.
            std::thread::sleep(std::time::Duration::from_secs(2));
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("the kind was never served");
}

#[test]
fn converted_objects_are_those_of_an_api_server() {
    let Some(kubernetes) = cluster() else { return };
    define(&kubernetes);
    for (name, rule, path, object) in conversions() {
        let webhook = Webhook::start();
        let configurations = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
        kubernetes.create(configurations, &configuration(&webhook, name, rule.clone()));
        let mut probe = object.clone();
        probe["metadata"] = json!({ "generateName": "probe-" });
        wait_for(&kubernetes, &webhook, path, &probe);
        kubernetes.create(path, &object);
        let captured = webhook.take().pop().unwrap();

        let manifest = json!({
            "apiVersion": "policies.kubewarden.io/v1", "kind": "ClusterAdmissionPolicy", "metadata": { "name": name },
            "spec": { "module": "ghcr.io/acme/p:v1", "mutating": false, "rules": [rule] },
        });
        let case = json!({ "name": "a", "object": object, "namespace": "team-a", "expect": "allow" });
        let suite = json!({
            "version": 1, "policies": { "p": { "manifest": "deploy.yaml", "uri": "yes.wasm" } }, "crds": ["crd.json"],
            "cases": [case],
        });
        let repository = Repository::with_suite(&suite.to_string()).replying("yes", YES);
        let repository = repository.write("crd.json", definition().to_string());
        let report = repository.write("deploy.yaml", manifest.to_string()).report(&[]);
        report.all_passed();
        let ours = &report.case("a")["request"];
        for member in ["kind", "resource", "requestKind", "requestResource", "name", "namespace", "operation"] {
            assert_eq!(ours[member], captured[member], "{name} {member}");
        }
        // The server adds members; those that are ours have its values.
        for (member, value) in ours["object"].as_object().unwrap().iter().filter(|(member, _)| *member != "metadata") {
            assert_eq!(*value, captured["object"][member], "{name} {member}");
        }
    }
}
