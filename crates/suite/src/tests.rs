//! Requests of cases, and mistakes about them, through the whole crate.

use serde_json::{Value, json};

use policy_verify_model::suite::{CaseBody, Suite};

/// Fixtures of the cases.
const FILES: &[(&str, &str)] = &[
    (".git/HEAD", ""),
    (
        "pod.yaml",
        "{ apiVersion: v1, kind: Pod, metadata: { name: web, labels: { app: web } }, spec: { containers: [] } }",
    ),
    (
        "deployment.yaml",
        "{ apiVersion: apps/v1, kind: Deployment, metadata: { name: web, namespace: shop, uid: u, labels: { a: b } }, \
         spec: { replicas: 2, selector: { matchLabels: { app: web } } } }",
    ),
    ("scale.yaml", "{ apiVersion: autoscaling/v1, kind: Scale, metadata: { name: web }, spec: { replicas: 3 } }"),
    ("yes.yaml", "apiVersion: v1\nkind: Pod\nmetadata: { name: a }\nspec: { hostNetwork: yes, hostname: 'no' }\n"),
    ("config.yaml", "{ apiVersion: v1, kind: ConfigMap, metadata: { name: c } }"),
    ("widget.yaml", "{ apiVersion: acme.test/v1, kind: Widget, metadata: { name: w }, spec: { size: 4 } }"),
    (
        "crd.yaml",
        "{ kind: CustomResourceDefinition, spec: { group: acme.test, scope: Namespaced, names: { kind: Widget, plural: \
         widgets }, versions: [{ name: v1, served: true, subresources: { scale: { specReplicasPath: .spec.size, \
         statusReplicasPath: .status.size } } }] } }",
    ),
];

fn suite(case: &str) -> Result<Suite, Vec<policy_verify_model::diagnostic::Diagnostic>> {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in FILES {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let path = folder.path().join("suite.yml");
    let head = "version: 1\npolicies: { p: { uri: registry://ghcr.io/acme/p:v1 } }\ncrds: [crd.yaml]\ncases:\n";
    std::fs::write(&path, format!("{head}  - {{ name: a, {case}, expect: allow }}\n")).unwrap();
    super::suite(&path, &super::Overrides::default(), |_| Ok(()))
}

/// The request of the only case.
#[track_caller]
fn request(case: &str) -> Value {
    let suite = suite(case).unwrap_or_else(|mistakes| panic!("{case}: {mistakes:?}"));
    match &suite.cases[0].body {
        CaseBody::Request(body) => body.request.get().to_json(),
        _ => panic!("no request"),
    }
}

/// The mistakes of a case, as `message; help`.
#[track_caller]
fn mistakes(case: &str) -> Vec<String> {
    let found = suite(case).err().unwrap_or_default();
    found.iter().map(|it| format!("{}; {}", it.message, it.help.as_deref().unwrap_or("-"))).collect()
}

/// `OPERATION group/version kind plural/subresource`
fn shown(request: &Value) -> String {
    let text = |pointer: &str| request.pointer(pointer).and_then(Value::as_str).unwrap_or("-").to_owned();
    format!(
        "{} {}/{} {} {}/{}",
        text("/operation"),
        text("/kind/group"),
        text("/kind/version"),
        text("/kind/kind"),
        text("/resource/resource"),
        text("/subResource")
    )
}

#[test]
fn a_subresource_has_its_kind_and_operation() {
    for (case, wanted) in [
        ("object: pod.yaml, subresource: status", "UPDATE /v1 Pod pods/status"),
        ("object: pod.yaml, subresource: pods/status", "UPDATE /v1 Pod pods/status"),
        ("object: pod.yaml, subresource: ephemeralcontainers", "UPDATE /v1 Pod pods/ephemeralcontainers"),
        ("object: pod.yaml, subresource: resize", "UPDATE /v1 Pod pods/resize"),
        ("object: pod.yaml, subresource: eviction", "CREATE policy/v1 Eviction pods/eviction"),
        ("object: deployment.yaml, subresource: scale", "UPDATE autoscaling/v1 Scale deployments/scale"),
        (
            "object: deployment.yaml, subresource: deployments.apps/scale",
            "UPDATE autoscaling/v1 Scale deployments/scale",
        ),
        ("object: scale.yaml, subresource: statefulsets/scale", "UPDATE autoscaling/v1 Scale statefulsets/scale"),
        ("object: scale.yaml, oldObject: deployment.yaml", "UPDATE autoscaling/v1 Scale deployments/scale"),
        ("object: widget.yaml, subresource: scale", "UPDATE autoscaling/v1 Scale widgets/scale"),
        ("object: pod.yaml, wrap: StatefulSet, subresource: scale", "UPDATE autoscaling/v1 Scale statefulsets/scale"),
        (
            "object: { apiVersion: v1, kind: PodExecOptions, metadata: { name: web } }",
            "CONNECT /v1 PodExecOptions pods/exec",
        ),
        (
            "object: { apiVersion: v1, kind: PodProxyOptions, metadata: { name: web } }, subresource: proxy",
            "CONNECT /v1 PodProxyOptions pods/proxy",
        ),
        ("object: { apiVersion: v1, kind: Binding, metadata: { name: web } }", "CREATE /v1 Binding pods/binding"),
    ] {
        assert_eq!(shown(&request(case)), wanted, "{case}");
    }
}

#[test]
fn a_scale_is_made_of_the_workload_and_its_changes() {
    let sent = request("object: deployment.yaml, subresource: scale, set: { spec.replicas: 5 }");
    let scale = |replicas: u64| {
        json!({
            "apiVersion": "autoscaling/v1", "kind": "Scale",
            "metadata": { "name": "web", "namespace": "shop", "uid": "u" },
            "spec": { "replicas": replicas }, "status": { "replicas": 0, "selector": "app=web" },
        })
    };
    assert_eq!((&sent["object"], &sent["oldObject"]), (&scale(5), &scale(2)));
    // With `wrap`, the workload is changed.
    let sent = request("object: pod.yaml, wrap: Deployment, subresource: scale, set: { spec.replicas: 5 }");
    assert_eq!((&sent["object"]["spec"]["replicas"], &sent["oldObject"]["spec"]["replicas"]), (&json!(5), &json!(1)));
    assert_eq!(sent["object"]["status"]["selector"], "app=web");
    assert_eq!(sent["object"]["metadata"], json!({ "name": "web", "namespace": "default" }));
    let sent = request("object: widget.yaml, subresource: scale");
    assert_eq!(sent["object"]["spec"]["replicas"], 4);
}

#[test]
fn impossible_subresources_are_mistakes() {
    for (case, wanted) in [
        ("object: pod.yaml, subresource: sttaus", "`pods` (v1) has no subresource `sttaus`; did you mean `status`?"),
        (
            "object: deployment.yaml, subresource: zzz",
            "`deployments` (apps/v1) has no subresource `zzz`; expected one of: `scale`, `status`",
        ),
        (
            "object: config.yaml, subresource: status",
            "`configmaps` (v1) has no subresource `status`; remove `subresource`: `configmaps` has none",
        ),
        (
            "object: widget.yaml, subresource: status",
            "`widgets` (acme.test/v1) has no subresource `status`; expected one of: `scale`",
        ),
        (
            "object: pod.yaml, wrap: DaemonSet, subresource: scale",
            "`daemonsets` (apps/v1) has no subresource `scale`; expected one of: `status`",
        ),
        (
            "object: pod.yaml, subresource: log",
            "`pods/log` is never sent to a policy; remove the case: the API server asks no webhook about reading",
        ),
        (
            "object: pod.yaml, subresource: exec",
            "`pods/exec` needs PodExecOptions, found Pod; write `object: { apiVersion: v1, kind: PodExecOptions, \
             metadata: { name: … } }` with the name of the Pod",
        ),
        (
            "object: pod.yaml, subresource: deployments/status",
            "`subresource: deployments/status` does not fit Pod; write `subresource: pods/status`, or another object",
        ),
        ("object: scale.yaml", "`Scale` does not tell its resource; write `subresource: deployments/scale`"),
        (
            "object: scale.yaml, subresource: scale",
            "`Scale` does not tell its resource; write `subresource: deployments/scale`",
        ),
        (
            "object: scale.yaml, subresource: deploymnets/scale",
            "no resource `deploymnets` has the subresource `scale`; did you mean `deployments`?",
        ),
        (
            "object: { apiVersion: v1, kind: PodExecOptions, metadata: { name: web } }, subresource: attach",
            "`PodExecOptions` is sent to `pods/exec`, not to `attach`; remove `subresource`",
        ),
        (
            "object: { apiVersion: v1, kind: PodExecOptions }",
            "the PodExecOptions has no `metadata.name`; add `metadata: { name: … }`: it names the object of `pods/exec`",
        ),
        (
            "object: pod.yaml, subresource: status, operation: CREATE",
            "`pods/status` has no CREATE; write `operation: UPDATE`",
        ),
        ("oldObject: pod.yaml, subresource: status", "`pods/status` has no DELETE; write `object:` alone: UPDATE"),
    ] {
        assert_eq!(mistakes(case), [wanted], "{case}");
    }
}

#[test]
fn objects_are_in_the_namespace_of_the_request() {
    let namespaces = |case: &str| {
        let sent = request(case);
        ["/namespace", "/object/metadata/namespace", "/oldObject/metadata/namespace"]
            .map(|pointer| sent.pointer(pointer).and_then(Value::as_str).unwrap_or("-").to_owned())
    };
    for (case, wanted) in [
        ("object: pod.yaml", ["default", "default", "-"]),
        ("object: pod.yaml, namespace: shop", ["shop", "shop", "-"]),
        ("object: pod.yaml, operation: UPDATE", ["default", "default", "default"]),
        ("oldObject: pod.yaml", ["default", "-", "default"]),
        ("object: { apiVersion: v1, kind: Pod, metadata: { name: a, namespace: '' } }", ["default", "default", "-"]),
        ("object: { apiVersion: v1, kind: Pod, metadata: null }", ["default", "default", "-"]),
        ("object: { apiVersion: v1, kind: Pod }", ["default", "default", "-"]),
        ("object: { apiVersion: v1, kind: Node, metadata: { name: n, namespace: x } }", ["-", "-", "-"]),
        ("object: { apiVersion: v1, kind: Namespace, metadata: { name: n, namespace: x } }", ["n", "-", "-"]),
        ("object: { apiVersion: v1, kind: PodExecOptions, metadata: { name: a, namespace: s } }", ["s", "-", "-"]),
    ] {
        assert_eq!(namespaces(case), wanted, "{case}");
    }
}

#[test]
fn fixtures_have_the_booleans_of_kubectl_and_suites_have_a_warning() {
    let spec = |case: &str| request(case)["object"]["spec"].clone();
    assert_eq!(spec("object: yes.yaml"), json!({ "hostNetwork": true, "hostname": "no" }));
    let inline = "object: { apiVersion: v1, kind: Pod, spec: { hostNetwork: yes, hostname: 'no', hostPID: true } }";
    assert_eq!(spec(inline), json!({ "hostNetwork": "yes", "hostname": "no", "hostPID": true }));
    let shown = |case: &str| -> Vec<String> {
        let warnings = suite(case).unwrap().warnings;
        warnings.iter().map(|it| format!("{}; {}", it.message, it.help.as_deref().unwrap_or("-"))).collect()
    };
    let wanted = "`yes` is a text in a suite; in a file of its own, kubectl sends `true`; write `true`, or `\"yes\"` for \
                  the text";
    assert_eq!(shown(inline), [wanted]);
    assert!(shown("object: yes.yaml").is_empty());
    assert!(shown("raw: { apiVersion: v1, enabled: yes }").is_empty());
}

#[test]
fn settings_of_a_manifest_are_those_that_kubectl_sends() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = "apiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\nmetadata: { name: p }\nspec:\n  \
                    module: ghcr.io/acme/p:v1\n  mutating: no\n  rules: [{ apiGroups: [''], apiVersions: [v1], resources: [pods], operations: \
                    [CREATE] }]\n  settings: { enabled: on, word: 'off' }\n";
    let text = "version: 1\npolicies:\n  p: { manifest: deploy.yaml }\n  q: { uri: registry://ghcr.io/acme/q:v1, settings: \
                settings.yaml }\ncases:\n  - { name: a, policy: [p, q], object: { apiVersion: v1, kind: Pod }, expect: allow }\n";
    for (path, text) in [("deploy.yaml", manifest), ("settings.yaml", "enabled: on\n"), ("suite.yml", text)] {
        std::fs::write(folder.path().join(path), text).unwrap();
    }
    let suite = super::suite(&folder.path().join("suite.yml"), &super::Overrides::default(), |_| Ok(())).unwrap();
    let settings = |case: usize| Value::Object((*suite.settings_for(&suite.cases[case])[0]).clone());
    assert_eq!(settings(0), json!({ "enabled": true, "word": "off" }));
    assert_eq!(settings(1), json!({ "enabled": "on" }), "a file of settings is not a manifest");
    assert!(!suite.policies[0].deployment.allowed_to_mutate);
}

#[test]
fn complete_fills_the_wrapped_workload_and_its_scale() {
    let sent = request("object: pod.yaml, wrap: Job, complete: true, operation: UPDATE");
    for object in ["object", "oldObject"] {
        assert_eq!(sent[object]["spec"]["template"]["spec"]["dnsPolicy"], "ClusterFirst", "{object}");
        assert_eq!(sent[object]["spec"]["backoffLimit"], 6, "{object}");
    }
    assert!(request("object: pod.yaml")["object"]["spec"].get("dnsPolicy").is_none());
    assert_eq!(request("object: config.yaml, complete: true"), request("object: config.yaml"));
}

#[test]
fn options_are_those_of_the_operation_and_the_case() {
    for (case, wanted) in [
        ("object: config.yaml, dryRun: true", json!({ "kind": "CreateOptions", "dryRun": ["All"] })),
        (
            "object: config.yaml, options: { fieldManager: ci }",
            json!({ "kind": "CreateOptions", "fieldManager": "ci" }),
        ),
        (
            "oldObject: pod.yaml, set: { spec.nodeName: n }",
            json!({ "kind": "DeleteOptions", "gracePeriodSeconds": 30 }),
        ),
        (
            "oldObject: { apiVersion: v1, kind: Namespace, metadata: { name: n, uid: u } }",
            json!({ "kind": "DeleteOptions", "preconditions": { "uid": "u" } }),
        ),
        ("oldObject: config.yaml", json!({ "kind": "DeleteOptions" })),
    ] {
        let mut wanted = wanted;
        wanted["apiVersion"] = "meta.k8s.io/v1".into();
        assert_eq!(request(case)["options"], wanted, "{case}");
    }
    let connect = "object: { apiVersion: v1, kind: PodExecOptions, metadata: { name: web } }";
    for (key, value) in [("options", "{ a: b }"), ("dryRun", "true")] {
        let wanted =
            format!("`{key}` cannot be combined with CONNECT; remove `{key}`: a CONNECT has no options and no dry run");
        assert_eq!(mistakes(&format!("{connect}, {key}: {value}")), [wanted]);
    }
}

/// What is known of settings is known of all cases that have them.
#[test]
fn cases_with_the_same_settings_share_them() {
    let cases = ["settings: { a: 0.0 }", "settings: { a: 0.0 }", "settings: { a: -0.0 }", "settings: { b: 1, a: 0.0 }"];
    let cases: Vec<String> = cases.iter().map(|settings| format!("object: pod.yaml, {settings}")).collect();
    let suite = suite(&cases.join(", expect: allow }\n  - { name: b, ").replacen("name: b", "name: b1", 1).replacen(
        "name: b,",
        "name: b2,",
        1,
    ))
    .unwrap();
    let settings: Vec<_> = suite.cases.iter().map(|case| suite.settings_for(case).remove(0)).collect();
    let is_same = |one: usize, other: usize| std::sync::Arc::ptr_eq(&settings[one], &settings[other]);
    assert!(is_same(0, 1));
    assert!(!is_same(0, 2) && !is_same(0, 3));
}
