//! A real API server: what it sends to webhooks, and what policies are answered from it.

use std::fmt::Write as _;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::kubernetes::{Kubernetes, MEMBERS};
use crate::support::webhook::Webhook;
use crate::support::{Repository, guests, testdata};

const CONFIG_MAPS: &str = "/api/v1/namespaces/team-a/configmaps";

/// A request to the API server, and the case that describes it.
struct Step {
    name: &'static str,
    method: Method,
    path: String,
    headers: &'static [(&'static str, &'static str)],
    body: Value,
    /// The keys of the case besides its name and expectation.
    case: Value,
}

fn step(name: &'static str, method: Method, path: impl Into<String>, body: Value, case: Value) -> Step {
    Step { name, method, path: path.into(), headers: &[], body, case }
}

fn config_map(value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"key": value}})
}

fn steps() -> Vec<Step> {
    let one = format!("{CONFIG_MAPS}/settings");
    let (first, second) = (config_map("first"), config_map("second"));
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-b"}});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"owner": "team-a"}},
        "spec": {"containers": [{"name": "web", "image": "ghcr.io/acme/web:1"}]}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}}, "spec": pod["spec"]}}});
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "reader"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]});
    let team_a = |keys: Value| {
        let mut case = json!({"namespace": "team-a"});
        case.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        case
    };
    vec![
        step("create", Method::POST, CONFIG_MAPS, first.clone(), team_a(json!({"object": first}))),
        step("update", Method::PUT, &one, second.clone(), team_a(json!({"object": second, "oldObject": first}))),
        step("delete", Method::DELETE, &one, Value::Null, team_a(json!({"oldObject": second}))),
        step("create a namespace", Method::POST, "/api/v1/namespaces", namespace.clone(), json!({"object": namespace})),
        step(
            "create a cluster role",
            Method::POST,
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            role.clone(),
            json!({"object": role}),
        ),
        step(
            "create a deployment",
            Method::POST,
            "/apis/apps/v1/namespaces/team-a/deployments",
            deployment.clone(),
            team_a(json!({"object": deployment})),
        ),
        Step {
            headers: &[("impersonate-user", "alice"), ("impersonate-group", "system:masters")],
            ..step(
                "dry run of a user",
                Method::POST,
                "/api/v1/namespaces/team-a/pods?dryRun=All",
                pod.clone(),
                team_a(json!({"object": pod, "dryRun": true,
                    "user": {"username": "alice", "groups": ["system:masters", "system:authenticated"]}})),
            )
        },
    ]
}

/// The suite of these steps, as YAML with a line per case.
fn suite(steps: &[Step]) -> String {
    let mut suite = "version: 1\nname: requests\npolicies: { all: { uri: wapc-accepts.wasm } }\ndefaults:\n  \
                     user: { username: kubernetes-admin, groups: ['system:masters', 'system:authenticated'] }\ncases:\n"
        .to_owned();
    for Step { name, case, .. } in steps {
        let mut case = case.clone();
        (case["name"], case["expect"]) = (json!(name), json!("allow"));
        writeln!(suite, "- {case}").unwrap();
    }
    suite
}

/// What differs between the request we build and the one that was captured. Of objects, ours must be a part: the API
/// server adds defaults, ids and times.
fn differences(ours: &Value, captured: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for key in MEMBERS {
        compare(key, &ours[key], &captured[key], &mut found);
    }
    for key in ["username", "groups"] {
        compare(key, &ours["userInfo"][key], &captured["userInfo"][key], &mut found);
    }
    for key in ["kind", "apiVersion"] {
        compare(&format!("options.{key}"), &ours["options"][key], &captured["options"][key], &mut found);
    }
    for key in ["object", "oldObject"] {
        part(key, &ours[key], &captured[key], &mut found);
    }
    found
}

fn compare(place: &str, ours: &Value, captured: &Value, found: &mut Vec<String>) {
    if ours != captured {
        found.push(format!("{place}: {ours}, captured {captured}"));
    }
}

/// Every member of `ours` is in `captured`.
fn part(place: &str, ours: &Value, captured: &Value, found: &mut Vec<String>) {
    match (ours, captured) {
        (Value::Object(members), Value::Object(_)) => {
            members.iter().for_each(|(key, value)| part(&format!("{place}.{key}"), value, &captured[key], found));
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            items.iter().zip(others).for_each(|(item, other)| part(place, item, other, found));
        }
        _ => compare(place, ours, captured, found),
    }
}

#[test]
fn requests_are_those_that_an_api_server_sends() {
    let Some(kubernetes) = Kubernetes::start() else { return };
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-a"}});
    kubernetes.create("/api/v1/namespaces", &namespace);
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    kubernetes.create("/api/v1/namespaces/team-a/serviceaccounts", &account);
    let webhook = Webhook::start();
    let configurations = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    kubernetes.create(configurations, &webhook.configuration());
    wait_for(&kubernetes, &webhook);

    let steps = steps();
    let report = Repository::with_suite(&suite(&steps)).guest("wapc-accepts").report(&["suite.yml"]);
    report.all_passed();
    let mut wrong = Vec::new();
    for step in &steps {
        webhook.take();
        kubernetes.send(step.method.clone(), &step.path, step.headers, Some(&step.body).filter(|it| !it.is_null()));
        let captured = webhook.take();
        // Controllers of the API server are users too.
        let by_us = |it: &&Value| !it["userInfo"]["username"].as_str().unwrap_or_default().starts_with("system:");
        let captured: Vec<&Value> = captured.iter().filter(by_us).collect();
        assert_eq!(captured.len(), 1, "{}: {captured:#?}", step.name);
        let differences = differences(&report.case(step.name)["request"], captured[0]);
        wrong.extend(differences.iter().map(|difference| format!("{}: {difference}", step.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A new configuration is in force a moment after it was created.
fn wait_for(kubernetes: &Kubernetes, webhook: &Webhook) {
    let probe = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "probe-"}});
    for _ in 0..300 {
        kubernetes.create("/api/v1/namespaces/default/configmaps", &probe);
        if !webhook.take().is_empty() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("the webhook was never called");
}

fn namespace(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

fn ingress(name: &str, labels: &Value, host: &str) -> Value {
    let backend = json!({"service": {"name": name, "port": {"number": 80}}});
    let path = json!({"path": "/", "pathType": "Prefix", "backend": backend});
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name, "labels": labels},
        "spec": {"rules": [{"host": host, "http": {"paths": [path]}}]}})
}

/// Namespaces, ingresses and rights of `bob`.
fn cluster() -> Option<Kubernetes> {
    let kubernetes = Kubernetes::start()?;
    for name in ["legacy", "web"] {
        kubernetes.create("/api/v1/namespaces", &namespace(name, &json!({"team": name})));
    }
    let ingresses = |namespace: &str| format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses");
    kubernetes.create(&ingresses("legacy"), &ingress("old-shop", &json!({"tier": "shop"}), "shop.example.com"));
    kubernetes.create(&ingresses("legacy"), &ingress("docs", &json!({"tier": "docs"}), "docs.example.com"));
    kubernetes.create(&ingresses("web"), &ingress("blog", &json!({"tier": "docs"}), "blog.example.com"));
    let metadata = json!({"name": "reader"});
    let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/web";
    kubernetes.create(
        &format!("{rbac}/roles"),
        &json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata,
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
    );
    kubernetes.create(
        &format!("{rbac}/rolebindings"),
        &json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
            "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "bob"}]}),
    );
    Some(kubernetes)
}

/// Calls for a live cluster, and what the reply is: the names of a list, a part of an object, or `error:` and a text.
fn calls() -> Vec<(&'static str, Value, Value)> {
    let ingresses = |more: Value| {
        let mut call = json!({"api_version": "networking.k8s.io/v1", "kind": "Ingress", "label_selector": null,
            "field_selector": null, "field_masks": null});
        call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        call
    };
    let get = |kind: &str, namespace: Value, name: &str| {
        json!({"api_version": "v1", "kind": kind, "name": name, "namespace": namespace, "disable_cache": true,
            "field_masks": null})
    };
    let can_i = |user: &str, verb: &str, namespace: &str| {
        json!({"disable_cache": true, "subject_access_review": {"user": user, "groups": null, "resource_attributes": {
            "verb": verb, "resource": "pods", "namespace": namespace, "group": null, "name": null,
            "subresource": null, "version": null}}})
    };
    vec![
        ("list_resources_all", ingresses(json!({})), json!(["docs", "old-shop", "blog"])),
        ("list_resources_all", ingresses(json!({"label_selector": "tier=docs"})), json!(["docs", "blog"])),
        ("list_resources_all", ingresses(json!({"label_selector": "tier in (shop), !absent"})), json!(["old-shop"])),
        ("list_resources_all", ingresses(json!({"field_selector": "metadata.name=blog"})), json!(["blog"])),
        ("list_resources_by_namespace", ingresses(json!({"namespace": "legacy"})), json!(["docs", "old-shop"])),
        (
            "list_resources_by_namespace",
            ingresses(json!({"namespace": "legacy", "label_selector": "tier!=docs"})),
            json!(["old-shop"]),
        ),
        ("list_resources_by_namespace", ingresses(json!({"namespace": "none"})), json!([])),
        ("get_resource", get("Namespace", Value::Null, "web"), json!({"metadata": {"labels": {"team": "web"}}})),
        (
            "get_resource",
            get("Namespace", Value::Null, "none"),
            json!("error: Cannot find v1/Namespace named 'none' inside of namespace 'None'"),
        ),
        ("get_resource", get("Gadget", json!("web"), "none"), json!("error: Cannot find resource v1/Gadget")),
        ("can_i", can_i("bob", "get", "web"), json!({"allowed": true})),
        ("can_i", can_i("bob", "delete", "web"), json!({"allowed": false})),
        ("can_i", can_i("bob", "get", "legacy"), json!({"allowed": false})),
    ]
}

#[test]
fn live_calls_are_answered_by_an_api_server() {
    let Some(kubernetes) = cluster() else { return };
    let granted: Vec<Value> =
        [("networking.k8s.io/v1", "Ingress"), ("v1", "Namespace"), ("v1", "Gadget"), ("v1", "Pod")]
            .iter()
            .map(|(api_version, kind)| json!({"apiVersion": api_version, "kind": kind}))
            .collect();
    let mut repository = Repository::new().write("kubeconfig", kubernetes.kubeconfig());
    let (mut policies, mut cases) = (json!({}), Vec::new());
    for (index, (operation, payload, reply)) in calls().into_iter().enumerate() {
        let name = format!("call-{index}");
        repository = repository.write(&format!("{name}.wasm"), guests::calling(operation, &payload.to_string()));
        policies[&name] = json!({"uri": format!("{name}.wasm"), "contextAware": granted});
        let expect = match &reply {
            Value::String(error) => json!({"fault": {"kind": "guest", "contains": error.replace("error: ", "")}}),
            Value::Array(_) => json!("mutate"),
            object => json!({"mutate": {"object": object}}),
        };
        cases.push(json!({"name": name, "policy": name, "raw": {"reply": ""}, "expect": expect}));
    }
    let suite =
        json!({"version": 1, "name": "calls", "policies": policies, "cases": cases, "defaults": {"timeout": "1m"}});
    let repository = repository.write("suite.yml", suite.to_string());
    let run = repository.verify(&["record", "suite.yml"]).env("KUBECONFIG", repository.path("kubeconfig")).run();
    run.exits_with(0);
    for (index, (operation, payload, reply)) in calls().into_iter().enumerate() {
        if let Value::Array(names) = &reply {
            let session: Value =
                serde_saphyr::from_str(&repository.read(&format!("sessions/call-{index}.yml"))).unwrap();
            let list: Value = serde_json::from_str(session[0]["response"]["payload"].as_str().unwrap()).unwrap();
            let items = list["items"].as_array().unwrap();
            let listed: Vec<Value> = items.iter().map(|item| item["metadata"]["name"].clone()).collect();
            assert_eq!(&listed, names, "{operation} {payload}");
        }
    }
}

#[test]
fn policies_decide_by_the_objects_of_an_api_server() {
    let Some(kubernetes) = cluster() else { return };
    let mut repository = Repository::new().write("kubeconfig", kubernetes.kubeconfig());
    let mut suite = "version: 1\nname: hosts\ndefaults: { object: ingress.yaml, timeout: 1m }\npolicies:\n".to_owned();
    let policies = ["unique-host", "unique-host-go", "unique-host-opa", "unique-host-gatekeeper"];
    for name in policies {
        repository = repository.policy(name);
        writeln!(suite, "  {name}: {{ uri: {name}/policy.wasm, metadata: {name}/metadata.yml, contextAware: true }}")
            .unwrap();
    }
    let all = policies.join(", ");
    write!(
        suite,
        "cases:\n\
         - name: a host taken by another ingress is rejected\n  policy: [{all}]\n  \
         expect: {{ deny: host shop.example.com is already used by ingress legacy/old-shop }}\n\
         - name: a new host is accepted\n  policy: [{all}]\n  \
         set: {{ 'spec.rules[0].host': new.example.com }}\n  expect: allow\n"
    )
    .unwrap();
    let fixture = std::fs::read(testdata().join("suites/context-aware/fixtures/ingress.yaml")).unwrap();
    let repository = repository.write("suite.yml", suite).write("ingress.yaml", fixture);
    let run = repository.verify(&["suite.yml", "--live"]).env("KUBECONFIG", repository.path("kubeconfig")).run();
    run.exits_with(0).says(&["8 tests: 8 passed"]);
}
