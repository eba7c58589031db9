//! `complete: true`: what the API server adds to Pods, pod templates and Namespaces before webhooks see them.
//!
//! Sources: `defaults.go` of `core`, `apps` and `batch` in Kubernetes, and its admission plugins ServiceAccount,
//! DefaultTolerationSeconds and Priority, which come before webhooks. Recorded: `testdata/kube-apiserver`, against which a
//! test holds every object; another one has a real API server complete objects with more members. What depends on other objects of a cluster is not added: limit ranges, priority classes,
//! runtime classes, and image pull secrets of service accounts. Values are not rewritten either.

use serde_json::{Map, Value, json};

use policy_verify_model::scope::NAMESPACE_NAME_LABEL;

type Members = Map<String, Value>;

/// Name of the volume with the token of the service account. The server generates the last five letters.
const TOKEN_VOLUME: &str = "kube-api-access-bcdfg";

/// Where that volume is mounted.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Taints that a Pod tolerates for five minutes.
const TOLERATED: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/// Marks the Pods of a kubelet's own manifests, which get no service account.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Fills an object as far as its kind is known here; others stay as they are.
pub(crate) fn complete(object: &mut Value) {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let Some(members) = object.as_object_mut() else { return };
    match (api_version.as_str(), kind.as_str()) {
        ("v1", "Namespace") => namespace(members),
        ("v1", "Pod") => pod(members),
        ("v1", "PodTemplate") => template(members),
        ("v1", "ReplicationController") => replication_controller(members),
        ("apps/v1", "DaemonSet") => daemon_set(members),
        ("apps/v1", "Deployment") => deployment(members),
        ("apps/v1", "ReplicaSet") => replica_set(members),
        ("apps/v1", "StatefulSet") => stateful_set(members),
        ("batch/v1", "CronJob") => cron_job(members),
        ("batch/v1", "Job") => job(members),
        _ => {}
    }
}

/// Sets a member that is missing; to Kubernetes an empty text is a missing one.
fn fill(members: &mut Members, key: &str, value: impl Into<Value>) {
    let member = members.entry(key).or_insert(Value::Null);
    if member.is_null() || *member == "" {
        *member = value.into();
    }
}

/// Sets a number that is missing, or 0.
fn fill_number(members: &mut Members, key: &str, value: u64) {
    if members.get(key) == Some(&json!(0)) {
        members.remove(key);
    }
    fill(members, key, value);
}

/// The mapping of this name, which is made where it is missing; nothing where it is something else.
fn mapping<'a>(members: &'a mut Members, key: &str) -> Option<&'a mut Members> {
    fill(members, key, json!({}));
    members.get_mut(key)?.as_object_mut()
}

/// The mappings of a list.
fn each<'a>(members: &'a mut Members, key: &str) -> impl Iterator<Item = &'a mut Members> {
    members.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

/// Appends to a list, which is made where it is missing.
fn append(members: &mut Members, key: &str, item: Value) {
    fill(members, key, json!([]));
    if let Some(items) = members.get_mut(key).and_then(Value::as_array_mut) {
        items.push(item);
    }
}

fn namespace(members: &mut Members) {
    let name = members.get("metadata").and_then(|metadata| metadata.get("name")).cloned();
    if let (Some(name), Some(labels)) = (name, mapping(members, "metadata").and_then(|it| mapping(it, "labels"))) {
        labels.insert(NAMESPACE_NAME_LABEL.into(), name);
    }
    mapping(members, "spec");
    if let Some(status) = mapping(members, "status") {
        fill(status, "phase", "Active");
    }
}

fn deployment(members: &mut Members) {
    if let Some(spec) = mapping(members, "spec") {
        fill(spec, "replicas", 1);
        fill(spec, "revisionHistoryLimit", 10);
        fill(spec, "progressDeadlineSeconds", 600);
        rolling_update(spec, "strategy", &[("maxUnavailable", json!("25%")), ("maxSurge", json!("25%"))]);
        template(spec);
    }
    mapping(members, "status");
}

fn daemon_set(members: &mut Members) {
    if let Some(annotations) = mapping(members, "metadata").and_then(|it| mapping(it, "annotations")) {
        fill(annotations, "deprecated.daemonset.template.generation", "0");
    }
    if let Some(spec) = mapping(members, "spec") {
        fill(spec, "revisionHistoryLimit", 10);
        rolling_update(spec, "updateStrategy", &[("maxUnavailable", json!(1)), ("maxSurge", json!(0))]);
        template(spec);
    }
    let numbers = ["currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady"];
    status(members, &numbers);
}

fn stateful_set(members: &mut Members) {
    if let Some(spec) = mapping(members, "spec") {
        fill(spec, "replicas", 1);
        fill(spec, "revisionHistoryLimit", 10);
        fill(spec, "podManagementPolicy", "OrderedReady");
        spec.entry("serviceName").or_insert_with(|| "".into());
        let has_strategy = spec.get("updateStrategy").is_some_and(|it| it.get("type").is_some_and(Value::is_string));
        // With a type that is written, the details are not made up.
        if !has_strategy || spec["updateStrategy"].get("rollingUpdate").is_some_and(Value::is_object) {
            rolling_update(spec, "updateStrategy", &[("partition", json!(0))]);
        }
        if let Some(retention) = mapping(spec, "persistentVolumeClaimRetentionPolicy") {
            fill(retention, "whenDeleted", "Retain");
            fill(retention, "whenScaled", "Retain");
        }
        template(spec);
    }
    status(members, &["replicas", "availableReplicas"]);
}

fn replica_set(members: &mut Members) {
    if let Some(spec) = mapping(members, "spec") {
        fill(spec, "replicas", 1);
        template(spec);
    }
    status(members, &["replicas"]);
}

fn replication_controller(members: &mut Members) {
    let labels = members.get("spec").and_then(|spec| spec.pointer("/template/metadata/labels")).cloned();
    if let Some(spec) = mapping(members, "spec") {
        fill(spec, "replicas", 1);
        fill_labels(spec, "selector", labels.as_ref());
        if spec.contains_key("template") {
            template(spec);
        }
    }
    if let Some(metadata) = mapping(members, "metadata") {
        fill_labels(metadata, "labels", labels.as_ref());
    }
    status(members, &["replicas"]);
}

fn job(members: &mut Members) {
    let labels = members.get("spec").and_then(|spec| spec.pointer("/template/metadata/labels")).cloned();
    if let Some(metadata) = mapping(members, "metadata") {
        fill_labels(metadata, "labels", labels.as_ref());
    }
    if let Some(spec) = mapping(members, "spec") {
        if ["completions", "parallelism"].iter().all(|key| spec.get(*key).is_none_or(Value::is_null)) {
            fill(spec, "completions", 1);
        }
        fill(spec, "parallelism", 1);
        let is_per_index = spec.get("backoffLimitPerIndex").is_some_and(Value::is_number);
        fill(spec, "backoffLimit", if is_per_index { i32::MAX } else { 6 });
        fill(spec, "completionMode", "NonIndexed");
        fill(spec, "suspend", false);
        fill(spec, "manualSelector", false);
        let has_policy = spec.get("podFailurePolicy").is_some_and(Value::is_object);
        fill(spec, "podReplacementPolicy", if has_policy { "Failed" } else { "TerminatingOrFailed" });
        template(spec);
    }
    mapping(members, "status");
}

fn cron_job(members: &mut Members) {
    if let Some(spec) = mapping(members, "spec") {
        fill(spec, "concurrencyPolicy", "Allow");
        fill(spec, "suspend", false);
        fill(spec, "successfulJobsHistoryLimit", 3);
        fill(spec, "failedJobsHistoryLimit", 1);
        if let Some(job) = mapping(spec, "jobTemplate") {
            mapping(job, "metadata");
            if let Some(spec) = mapping(job, "spec") {
                template(spec);
            }
        }
    }
    mapping(members, "status");
}

/// Labels that are missing, or none.
fn fill_labels(members: &mut Members, key: &str, labels: Option<&Value>) {
    let is_empty = members.get(key).is_none_or(|it| it.is_null() || it.as_object().is_some_and(Map::is_empty));
    if let (true, Some(labels)) = (is_empty, labels) {
        members.insert(key.into(), labels.clone());
    }
}

fn rolling_update(spec: &mut Members, key: &str, values: &[(&str, Value)]) {
    let Some(strategy) = mapping(spec, key) else { return };
    fill(strategy, "type", "RollingUpdate");
    if strategy["type"] != "RollingUpdate" {
        return;
    }
    if let Some(details) = mapping(strategy, "rollingUpdate") {
        for (key, value) in values {
            fill(details, key, value.clone());
        }
    }
}

/// Numbers of a status, which are written although they are 0.
fn status(members: &mut Members, numbers: &[&str]) {
    if let Some(status) = mapping(members, "status") {
        for number in numbers {
            fill(status, number, 0);
        }
    }
}

/// The `template` of a workload.
fn template(members: &mut Members) {
    let Some(template) = mapping(members, "template") else { return };
    mapping(template, "metadata");
    if let Some(spec) = mapping(template, "spec") {
        pod_spec(spec);
    }
}

fn pod(members: &mut Members) {
    let is_mirror =
        members.get("metadata").is_some_and(|it| it.get("annotations").is_some_and(|it| it.get(MIRROR).is_some()));
    if let Some(spec) = mapping(members, "spec") {
        pod_spec(spec);
        requests_of_limits(spec);
        fill(spec, "enableServiceLinks", true);
        if spec.get("hostNetwork") == Some(&Value::Bool(true)) {
            host_ports(spec);
        }
        if !is_mirror {
            service_account(spec);
        }
        tolerations(spec);
        priority(spec);
    }
    mapping(members, "status");
}

/// What a Pod and a template have in common.
fn pod_spec(spec: &mut Members) {
    fill(spec, "dnsPolicy", "ClusterFirst");
    fill(spec, "restartPolicy", "Always");
    fill(spec, "terminationGracePeriodSeconds", 30);
    fill(spec, "schedulerName", "default-scheduler");
    mapping(spec, "securityContext");
    // The old name of the member is kept equal to the new one.
    let account = ["serviceAccountName", "serviceAccount"].iter().find_map(|key| spec.get(*key)?.as_str());
    if let Some(account) = account.filter(|account| !account.is_empty()).map(str::to_owned) {
        spec.insert("serviceAccountName".into(), account.clone().into());
        spec.insert("serviceAccount".into(), account.into());
    }
    for containers in ["containers", "initContainers", "ephemeralContainers"] {
        each(spec, containers).for_each(container);
    }
    each(spec, "volumes").for_each(volume);
}

fn container(container: &mut Members) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let policy = pull_policy(image);
    fill(container, "imagePullPolicy", policy);
    fill(container, "terminationMessagePath", "/dev/termination-log");
    fill(container, "terminationMessagePolicy", "File");
    mapping(container, "resources");
    for port in each(container, "ports") {
        fill(port, "protocol", "TCP");
    }
    for variable in each(container, "env") {
        if let Some(field) = variable.get_mut("valueFrom").and_then(|from| from.get_mut("fieldRef")?.as_object_mut()) {
            fill(field, "apiVersion", "v1");
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(name).and_then(Value::as_object_mut) {
            complete_probe(probe);
        }
    }
    for hook in ["postStart", "preStop"] {
        let hook = container.get_mut("lifecycle").and_then(|lifecycle| lifecycle.get_mut(hook)?.as_object_mut());
        hook.into_iter().for_each(http_get);
    }
}

fn complete_probe(probe: &mut Members) {
    for (key, value) in [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
    {
        fill_number(probe, key, value);
    }
    http_get(probe);
    if let Some(grpc) = probe.get_mut("grpc").and_then(Value::as_object_mut) {
        grpc.entry("service").or_insert_with(|| "".into());
    }
}

fn http_get(handler: &mut Members) {
    if let Some(action) = handler.get_mut("httpGet").and_then(Value::as_object_mut) {
        fill(action, "path", "/");
        fill(action, "scheme", "HTTP");
    }
}

/// `Always` for the tag `latest`, which an image without tag and digest has.
fn pull_policy(image: &str) -> &'static str {
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    let last = name.rsplit('/').next().unwrap_or(name);
    let tag = last.split_once(':').map(|(_, tag)| tag);
    match (tag, digest) {
        (Some("latest"), _) | (None, None) => "Always",
        _ => "IfNotPresent",
    }
}

fn volume(volume: &mut Members) {
    let has_source = volume.iter().any(|(key, value)| key != "name" && !value.is_null());
    if !has_source {
        volume.insert("emptyDir".into(), json!({}));
    }
    for source in ["configMap", "downwardAPI", "projected", "secret"] {
        if let Some(source) = volume.get_mut(source).and_then(Value::as_object_mut) {
            fill(source, "defaultMode", 420);
        }
    }
    if let Some(path) = volume.get_mut("hostPath").and_then(Value::as_object_mut) {
        path.entry("type").or_insert_with(|| "".into());
    }
    if let Some(image) = volume.get_mut("image").and_then(Value::as_object_mut) {
        let policy = pull_policy(image.get("reference").and_then(Value::as_str).unwrap_or_default());
        fill(image, "pullPolicy", policy);
    }
    let claim = volume.get_mut("ephemeral").and_then(|it| it.get_mut("volumeClaimTemplate")?.as_object_mut());
    if let Some(claim) = claim {
        mapping(claim, "metadata");
        if let Some(spec) = mapping(claim, "spec") {
            fill(spec, "volumeMode", "Filesystem");
        }
    }
    if let Some(source) = volume.get_mut("downwardAPI").and_then(Value::as_object_mut) {
        downward_items(source);
    }
    if let Some(projected) = volume.get_mut("projected").and_then(Value::as_object_mut) {
        for source in each(projected, "sources") {
            if let Some(token) = source.get_mut("serviceAccountToken").and_then(Value::as_object_mut) {
                fill(token, "expirationSeconds", 3600);
            }
            if let Some(source) = source.get_mut("downwardAPI").and_then(Value::as_object_mut) {
                downward_items(source);
            }
        }
    }
}

fn downward_items(source: &mut Members) {
    for item in each(source, "items") {
        if let Some(field) = item.get_mut("fieldRef").and_then(Value::as_object_mut) {
            fill(field, "apiVersion", "v1");
        }
    }
}

/// In a Pod, a limit without a request is the request.
fn requests_of_limits(spec: &mut Members) {
    for containers in ["containers", "initContainers"] {
        for container in each(spec, containers) {
            let Some(resources) = container.get_mut("resources").and_then(Value::as_object_mut) else { continue };
            let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else { continue };
            if let Some(requests) = mapping(resources, "requests") {
                for (key, value) in limits {
                    requests.entry(key).or_insert(value);
                }
            }
        }
    }
}

/// Ports of a Pod in the network of its node are those of the node.
fn host_ports(spec: &mut Members) {
    for containers in ["containers", "initContainers"] {
        for port in each(spec, containers).flat_map(|container| each(container, "ports")) {
            let number = port.get("containerPort").and_then(Value::as_u64).unwrap_or_default();
            fill_number(port, "hostPort", number);
        }
    }
}

/// The plugin ServiceAccount: the account, and its token where a container does not mount another one.
fn service_account(spec: &mut Members) {
    fill(spec, "serviceAccountName", "default");
    spec.insert("serviceAccount".into(), spec["serviceAccountName"].clone());
    if spec.get("automountServiceAccountToken") == Some(&Value::Bool(false)) {
        return;
    }
    // A Pod that is complete already has the volume under another name.
    let mut is_mounted = false;
    for containers in ["containers", "initContainers"] {
        for container in each(spec, containers) {
            let has_token =
                each(container, "volumeMounts").any(|mount| mount.get("mountPath") == Some(&TOKEN_PATH.into()));
            if !has_token {
                let mount = json!({ "name": TOKEN_VOLUME, "readOnly": true, "mountPath": TOKEN_PATH });
                append(container, "volumeMounts", mount);
                is_mounted = true;
            }
        }
    }
    if is_mounted {
        append(spec, "volumes", token_volume());
    }
}

fn token_volume() -> Value {
    let namespace = json!({ "apiVersion": "v1", "fieldPath": "metadata.namespace" });
    json!({ "name": TOKEN_VOLUME, "projected": { "defaultMode": 420, "sources": [
        { "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" } },
        { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
        { "downwardAPI": { "items": [{ "path": "namespace", "fieldRef": namespace }] } },
    ] } })
}

/// The plugin DefaultTolerationSeconds.
fn tolerations(spec: &mut Members) {
    for taint in TOLERATED {
        let is_tolerated = each(spec, "tolerations").any(|toleration| {
            let is = |key: &str, wanted: &str| {
                let text = toleration.get(key).and_then(Value::as_str).unwrap_or_default();
                text.is_empty() || text == wanted
            };
            is("key", taint) && is("effect", "NoExecute")
        });
        if !is_tolerated {
            let toleration =
                json!({ "key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 });
            append(spec, "tolerations", toleration);
        }
    }
}

/// The plugin Priority, for the classes that every cluster has; others are objects of a cluster.
fn priority(spec: &mut Members) {
    let priority = match spec.get("priorityClassName").and_then(Value::as_str).unwrap_or_default() {
        "" => 0,
        "system-cluster-critical" => 2_000_000_000,
        "system-node-critical" => 2_000_001_000,
        _ => return,
    };
    fill(spec, "priority", priority);
    fill(spec, "preemptionPolicy", "PreemptLowerPriority");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(spec: Value) -> Value {
        let mut pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" }, "spec": spec });
        complete(&mut pod);
        pod["spec"].take()
    }

    #[test]
    fn completing_twice_changes_nothing() {
        let mut pod = json!({ "apiVersion": "v1", "kind": "Pod", "spec": { "containers": [{ "image": "web" }] } });
        complete(&mut pod);
        let once = pod.clone();
        complete(&mut pod);
        assert_eq!(pod, once);
    }

    #[test]
    fn what_is_written_stays() {
        let toleration = json!({ "operator": "Exists" });
        let spec = completed(json!({
            "containers": [{ "image": "web", "imagePullPolicy": "Never", "volumeMounts": [{ "mountPath": TOKEN_PATH }] }],
            "tolerations": [toleration], "serviceAccount": "robot", "restartPolicy": "Never", "priorityClassName": "gold",
        }));
        assert_eq!(spec["containers"][0]["imagePullPolicy"], "Never");
        assert_eq!((&spec["tolerations"], &spec["restartPolicy"]), (&json!([toleration]), &json!("Never")));
        assert_eq!((&spec["serviceAccountName"], &spec["serviceAccount"]), (&json!("robot"), &json!("robot")));
        assert!(spec.get("volumes").is_none() && spec.get("priority").is_none());
        let silent = completed(json!({ "containers": [{}], "automountServiceAccountToken": false }));
        assert!(silent["containers"][0].get("volumeMounts").is_none());
    }

    #[test]
    fn images_tell_when_they_are_pulled() {
        for (image, policy) in [
            ("web", "Always"),
            ("web:latest", "Always"),
            ("localhost:5000/web", "Always"),
            ("localhost:5000/web:1", "IfNotPresent"),
            ("web@sha256:0abc", "IfNotPresent"),
            ("web:latest@sha256:0abc", "Always"),
            ("web:1@sha256:0abc", "IfNotPresent"),
        ] {
            assert_eq!(pull_policy(image), policy, "{image}");
        }
    }

    #[test]
    fn parts_of_containers_and_volumes_have_their_defaults() {
        let spec = completed(json!({
            "hostNetwork": true,
            "containers": [{
                "image": "web:1", "ports": [{ "containerPort": 80 }], "resources": { "limits": { "cpu": "1" } },
                "env": [{ "name": "A", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }],
                "livenessProbe": { "httpGet": { "port": 80 }, "periodSeconds": 5 },
            }],
            "volumes": [{ "name": "a" }, { "name": "b", "secret": { "secretName": "s" } }, { "name": "c", "hostPath": { "path": "/" } }],
        }));
        let container = &spec["containers"][0];
        assert_eq!(container["ports"], json!([{ "containerPort": 80, "protocol": "TCP", "hostPort": 80 }]));
        assert_eq!(container["resources"], json!({ "limits": { "cpu": "1" }, "requests": { "cpu": "1" } }));
        assert_eq!(container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"], "v1");
        let probe = json!({
            "httpGet": { "port": 80, "path": "/", "scheme": "HTTP" }, "periodSeconds": 5, "timeoutSeconds": 1,
            "successThreshold": 1, "failureThreshold": 3,
        });
        assert_eq!(container["livenessProbe"], probe);
        assert_eq!(spec["volumes"][0], json!({ "name": "a", "emptyDir": {} }));
        assert_eq!(spec["volumes"][1]["secret"], json!({ "secretName": "s", "defaultMode": 420 }));
        assert_eq!(spec["volumes"][2]["hostPath"], json!({ "path": "/", "type": "" }));
    }

    #[test]
    fn strange_objects_stay_harmless() {
        for object in [json!(null), json!([]), json!({ "apiVersion": "v1", "kind": "Pod", "spec": [], "metadata": 1 })]
        {
            let mut changed = object.clone();
            complete(&mut changed);
            assert_eq!(changed.get("spec"), object.get("spec"));
        }
        let mut other = json!({ "apiVersion": "apps/v1beta1", "kind": "Deployment", "spec": {} });
        complete(&mut other);
        assert_eq!(other["spec"], json!({}));
    }
}
