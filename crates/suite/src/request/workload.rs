//! `wrap`: the pod of a fixture inside a workload of another kind.

use serde_json::{Map, Value, json};

use crate::schema::Workload;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;

/// Puts `pod` into a workload: its metadata names the workload and labels the template, its spec is the template's.
///
/// # Errors
///
/// When `pod` is not a Pod.
pub(crate) fn wrap(pod: Value, workload: Workload) -> Result<Value, Diagnostic> {
    if pod.get("kind").and_then(Value::as_str) != Some("Pod") {
        let kind = pod.get("kind").and_then(Value::as_str).unwrap_or("an object without `kind`");
        return Err(Diagnostic::new(Code::Contradiction, format!("`wrap` needs a Pod, found {kind}")));
    }
    if workload == Workload::Pod {
        return Ok(pod);
    }
    let pod_metadata = pod.get("metadata").cloned().unwrap_or_else(|| json!({}));
    let metadata = keep(&pod_metadata, &["name", "generateName", "namespace", "labels", "annotations"]);
    let labels = pod_metadata.get("labels").cloned().unwrap_or_else(|| json!({}));
    let mut spec = pod.get("spec").cloned().unwrap_or_else(|| json!({}));
    if matches!(workload, Workload::Job | Workload::CronJob) {
        let policy = spec.get("restartPolicy").and_then(Value::as_str);
        // Jobs may not restart their pods for ever: the API server refuses `Always`, also as the default.
        if policy.is_none_or(|policy| policy == "Always")
            && let Some(members) = spec.as_object_mut()
        {
            members.insert("restartPolicy".into(), "Never".into());
        }
    }
    let template = json!({ "metadata": keep(&pod_metadata, &["labels", "annotations"]), "spec": spec });
    let selector = json!({ "matchLabels": labels });
    let apps =
        |kind: &str, spec: Value| json!({ "apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec });
    Ok(match workload {
        Workload::Pod => pod,
        Workload::Deployment => {
            apps("Deployment", json!({ "replicas": 1, "selector": selector, "template": template }))
        }
        Workload::ReplicaSet => {
            apps("ReplicaSet", json!({ "replicas": 1, "selector": selector, "template": template }))
        }
        Workload::StatefulSet => {
            let name = metadata.get("name").cloned().unwrap_or_else(|| "pod".into());
            apps(
                "StatefulSet",
                json!({ "replicas": 1, "selector": selector, "serviceName": name, "template": template }),
            )
        }
        Workload::DaemonSet => apps("DaemonSet", json!({ "selector": selector, "template": template })),
        Workload::ReplicationController => json!({
            "apiVersion": "v1", "kind": "ReplicationController", "metadata": metadata,
            "spec": { "replicas": 1, "selector": labels, "template": template },
        }),
        Workload::Job => json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": { "template": template },
        }),
        Workload::CronJob => json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata,
            "spec": { "schedule": "0 * * * *", "jobTemplate": { "spec": { "template": template } } },
        }),
        Workload::PodTemplate => json!({
            "apiVersion": "v1", "kind": "PodTemplate", "metadata": metadata, "template": template,
        }),
    })
}

fn keep(metadata: &Value, keys: &[&str]) -> Map<String, Value> {
    keys.iter().filter_map(|key| Some(((*key).to_owned(), metadata.get(*key)?.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "web", "labels": { "app": "web" }, "uid": "1" },
            "spec": { "containers": [{ "image": "nginx" }] },
        })
    }

    #[test]
    fn every_workload_has_the_pod_spec() {
        for (workload, kind, pointer) in [
            (Workload::Pod, "Pod", "/spec"),
            (Workload::Deployment, "Deployment", "/spec/template/spec"),
            (Workload::ReplicaSet, "ReplicaSet", "/spec/template/spec"),
            (Workload::StatefulSet, "StatefulSet", "/spec/template/spec"),
            (Workload::DaemonSet, "DaemonSet", "/spec/template/spec"),
            (Workload::ReplicationController, "ReplicationController", "/spec/template/spec"),
            (Workload::Job, "Job", "/spec/template/spec"),
            (Workload::CronJob, "CronJob", "/spec/jobTemplate/spec/template/spec"),
            (Workload::PodTemplate, "PodTemplate", "/template/spec"),
        ] {
            let wrapped = wrap(pod(), workload).unwrap();
            assert_eq!(wrapped["kind"], kind);
            assert_eq!(wrapped["metadata"]["labels"]["app"], "web", "{kind}");
            assert_eq!(wrapped.pointer(pointer).unwrap()["containers"][0]["image"], "nginx", "{kind}");
        }
    }

    #[test]
    fn pods_of_jobs_do_not_restart_for_ever() {
        let job = wrap(pod(), Workload::Job).unwrap();
        assert_eq!(job["spec"]["template"]["spec"]["restartPolicy"], "Never");
    }

    #[test]
    fn only_pods_are_wrapped() {
        assert!(wrap(json!({ "kind": "Service" }), Workload::Job).is_err());
    }
}
