//! `wrap`: the pod of a fixture inside a workload of another kind.

use serde_json::{Map, Value, json};

use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::workload::Workload;

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
    match workload {
        Workload::Pod => Ok(pod),
        workload => Ok(HeldPod::of_pod(&pod).in_workload(workload)),
    }
}

/// A pod as an object holds it, without what belongs to the kind of that object.
pub(crate) struct HeldPod {
    /// What names and describes the object.
    metadata: Map<String, Value>,
    /// Labels and annotations of the pod itself.
    template: Map<String, Value>,
    spec: Value,
    replicas: Option<Value>,
}

impl HeldPod {
    /// The pod of a Pod or of a workload in its stable version; nothing for other objects.
    pub(crate) fn of(object: &Value) -> Option<Self> {
        let is = |workload: &&Workload| {
            let text = |key: &str| object.get(key).and_then(Value::as_str);
            text("apiVersion") == Some(workload.api_version()) && text("kind") == Some(workload.kind())
        };
        let workload = *Workload::ALL.iter().find(is)?;
        let template = object.pointer(match workload {
            Workload::Pod => return Some(Self::of_pod(object)),
            Workload::PodTemplate => "/template",
            Workload::CronJob => "/spec/jobTemplate/spec/template",
            _ => "/spec/template",
        })?;
        Some(Self {
            metadata: keep(object.get("metadata"), &OF_WORKLOADS),
            template: keep(template.get("metadata"), &OF_TEMPLATES),
            spec: template.get("spec").cloned().unwrap_or_else(|| json!({})),
            replicas: object.pointer("/spec/replicas").cloned(),
        })
    }

    fn of_pod(pod: &Value) -> Self {
        let metadata = pod.get("metadata");
        Self {
            metadata: keep(metadata, &OF_WORKLOADS),
            template: keep(metadata, &OF_TEMPLATES),
            spec: pod.get("spec").cloned().unwrap_or_else(|| json!({})),
            replicas: None,
        }
    }

    /// Whether the object says of itself what the pod says of itself: a Pod alone can only say it once.
    pub(crate) fn is_described_once(&self) -> bool {
        OF_TEMPLATES.iter().all(|key| self.metadata.get(*key) == self.template.get(*key))
    }

    /// A pod that a workload of this kind may hold: only those of Jobs may end for good, and they may not restart for ever.
    #[must_use]
    pub(crate) fn restarted_as(mut self, workload: Workload) -> Self {
        let may_end = matches!(workload, Workload::Pod | Workload::PodTemplate | Workload::Job | Workload::CronJob);
        if let Some(spec) = self.spec.as_object_mut().filter(|_| !may_end) {
            spec.remove("restartPolicy");
        }
        self
    }

    /// The pod in a workload of this kind.
    pub(crate) fn in_workload(self, workload: Workload) -> Value {
        let Self { metadata, template, mut spec, replicas } = self;
        let labels = template.get("labels").cloned().unwrap_or_else(|| json!({}));
        if matches!(workload, Workload::Job | Workload::CronJob) {
            let policy = spec.get("restartPolicy").and_then(Value::as_str);
            // Jobs may not restart their pods for ever: the API server refuses `Always`, also as the default.
            if policy.is_none_or(|policy| policy == "Always")
                && let Some(members) = spec.as_object_mut()
            {
                members.insert("restartPolicy".into(), "Never".into());
            }
        }
        let replicas = replicas.unwrap_or_else(|| json!(1));
        let selector = json!({ "matchLabels": labels });
        let name = metadata.get("name").cloned().unwrap_or_else(|| "pod".into());
        let mut object = json!({ "apiVersion": workload.api_version(), "kind": workload.kind(), "metadata": metadata });
        if workload == Workload::Pod {
            object["spec"] = spec;
            return object;
        }
        let template = json!({ "metadata": template, "spec": spec });
        if workload == Workload::PodTemplate {
            object["template"] = template;
            return object;
        }
        object["spec"] = match workload {
            Workload::Deployment | Workload::ReplicaSet => {
                json!({ "replicas": replicas, "selector": selector, "template": template })
            }
            Workload::StatefulSet => {
                json!({ "replicas": replicas, "selector": selector, "serviceName": name, "template": template })
            }
            Workload::DaemonSet => json!({ "selector": selector, "template": template }),
            Workload::ReplicationController => {
                json!({ "replicas": replicas, "selector": labels, "template": template })
            }
            Workload::CronJob => {
                json!({ "schedule": "0 * * * *", "jobTemplate": { "spec": { "template": template } } })
            }
            Workload::Job | Workload::Pod | Workload::PodTemplate => json!({ "template": template }),
        };
        object
    }
}

/// What a workload says of itself.
const OF_WORKLOADS: [&str; 5] = ["name", "generateName", "namespace", "labels", "annotations"];

/// What a template says of its pods.
const OF_TEMPLATES: [&str; 2] = ["labels", "annotations"];

fn keep(metadata: Option<&Value>, keys: &[&str]) -> Map<String, Value> {
    keys.iter().filter_map(|key| Some(((*key).to_owned(), metadata?.get(*key)?.clone()))).collect()
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
    fn a_pod_is_the_same_in_whatever_held_it_before() {
        let replicas = |workload| match workload {
            Workload::Deployment | Workload::ReplicaSet | Workload::StatefulSet | Workload::ReplicationController => 3,
            _ => 1,
        };
        for from in Workload::ALL {
            let mut object = wrap(pod(), from).unwrap();
            if replicas(from) == 3 {
                object["spec"]["replicas"] = json!(3);
            }
            for to in Workload::ALL {
                let held = HeldPod::of(&object).unwrap();
                assert!(held.is_described_once(), "{from:?}");
                let mut wanted = wrap(pod(), to).unwrap();
                if to == Workload::Pod {
                    wanted["metadata"].as_object_mut().unwrap().remove("uid");
                }
                if replicas(from) == 3 && replicas(to) == 3 {
                    wanted["spec"]["replicas"] = json!(3);
                }
                let is_job = |workload| matches!(workload, Workload::Job | Workload::CronJob);
                let mut made = held.restarted_as(to).in_workload(to);
                if is_job(from) && matches!(to, Workload::Pod | Workload::PodTemplate) {
                    let spec = if to == Workload::Pod { "/spec" } else { "/template/spec" };
                    made.pointer_mut(spec).unwrap().as_object_mut().unwrap().remove("restartPolicy").unwrap();
                }
                assert_eq!(made, wanted, "{from:?} to {to:?}");
            }
        }
        let mut object = wrap(pod(), Workload::Deployment).unwrap();
        object["metadata"]["labels"]["app"] = json!("other");
        assert!(!HeldPod::of(&object).unwrap().is_described_once());
        assert!(HeldPod::of(&json!({ "apiVersion": "apps/v1beta1", "kind": "Deployment", "spec": {} })).is_none());
        assert!(HeldPod::of(&json!({ "apiVersion": "apps/v1", "kind": "Deployment" })).is_none());
    }

    #[test]
    fn only_pods_are_wrapped() {
        assert!(wrap(json!({ "kind": "Service" }), Workload::Job).is_err());
    }
}
