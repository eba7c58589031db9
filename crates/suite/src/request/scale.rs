//! The `Scale` of a workload: what the API server sends for the subresource `scale`.
//!
//! Source: `scaleFromDeployment` and its siblings in Kubernetes' registries, and `scaleFromCustomResource` of
//! apiextensions-apiserver. Recorded: the steps `deployments/scale` in `testdata/kube-apiserver`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::kinds::ScalePaths;

/// `apiVersion` and `kind` of every `Scale`.
pub(crate) const API_VERSION: &str = "autoscaling/v1";
pub(crate) const KIND: &str = "Scale";

/// The members of the metadata that a `Scale` has from its workload.
const METADATA: [&str; 5] = ["creationTimestamp", "name", "namespace", "resourceVersion", "uid"];

/// The `Scale` of a built-in workload.
pub(crate) fn of_workload(workload: &Value) -> Value {
    let replicas = workload.pointer("/spec/replicas").filter(|replicas| !replicas.is_null());
    let selector = workload.pointer("/spec/selector").map(selector_text).unwrap_or_default();
    scale(workload, replicas.cloned(), workload.pointer("/status/replicas").cloned(), selector)
}

/// The `Scale` of a custom resource, which keeps the numbers where its definition says.
pub(crate) fn of_custom(resource: &Value, paths: &ScalePaths) -> Value {
    let at = |path: &str| resource.pointer(&path.replace('.', "/"));
    let selector = paths.selector.as_deref().and_then(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let replicas = at(&paths.replicas).cloned().unwrap_or_else(|| 0.into());
    scale(resource, Some(replicas), at(&paths.status).cloned(), selector)
}

fn scale(workload: &Value, replicas: Option<Value>, status: Option<Value>, selector: String) -> Value {
    let metadata: Map<String, Value> = (METADATA.iter())
        .filter_map(|&key| Some((key.to_owned(), workload.get("metadata")?.get(key)?.clone())))
        .collect();
    // A workload that does not say has one replica: the default of all of them.
    let replicas = replicas.unwrap_or_else(|| 1.into());
    let mut spec = Map::new();
    if replicas != 0 {
        spec.insert("replicas".into(), replicas);
    }
    let mut status = Map::from_iter([("replicas".to_owned(), status.unwrap_or_else(|| 0.into()))]);
    if !selector.is_empty() {
        status.insert("selector".into(), selector.into());
    }
    json!({ "apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec, "status": status })
}

/// A selector as Kubernetes writes it in one line: requirements in the order of their keys, `a=b,c in (x,y),!d`. Source:
/// `metav1.LabelSelectorAsSelector` and `labels.Requirement.String`.
fn selector_text(selector: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let is_plain = selector.get("matchLabels").is_none() && selector.get("matchExpressions").is_none();
    // The selector of a ReplicationController is a mapping of labels.
    let labels = if is_plain { Some(selector) } else { selector.get("matchLabels") };
    let mut requirements: Vec<(String, String)> = (labels.and_then(Value::as_object).into_iter().flatten())
        .map(|(key, value)| (key.clone(), format!("{key}={}", text(value))))
        .collect();
    for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let key = expression.get("key").map(text).unwrap_or_default();
        let values: BTreeMap<String, ()> = (expression.get("values").and_then(Value::as_array).into_iter().flatten())
            .map(|value| (text(value), ()))
            .collect();
        let values = values.into_keys().collect::<Vec<_>>().join(",");
        let requirement = match expression.get("operator").and_then(Value::as_str) {
            Some("In") => format!("{key} in ({values})"),
            Some("NotIn") => format!("{key} notin ({values})"),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.clone(),
        };
        requirements.push((key, requirement));
    }
    requirements.sort_by(|(one, _), (other, _)| one.cmp(other));
    requirements.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_has_replicas_and_selector_of_its_workload() {
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "web", "namespace": "shop", "uid": "u", "labels": { "app": "web" }, "generation": 5 },
            "spec": { "replicas": 3, "selector": { "matchLabels": { "app": "web" } }, "template": {} },
            "status": { "replicas": 2 },
        });
        let wanted = json!({
            "apiVersion": "autoscaling/v1", "kind": "Scale",
            "metadata": { "name": "web", "namespace": "shop", "uid": "u" },
            "spec": { "replicas": 3 }, "status": { "replicas": 2, "selector": "app=web" },
        });
        assert_eq!(of_workload(&deployment), wanted);
    }

    #[test]
    fn numbers_that_are_missing_have_their_defaults() {
        let sent = of_workload(&json!({ "spec": { "selector": { "b": "2", "a": "1" } } }));
        assert_eq!(
            (&sent["spec"], &sent["status"]),
            (&json!({ "replicas": 1 }), &json!({ "replicas": 0, "selector": "a=1,b=2" }))
        );
        // A member with the value of its type is left out.
        assert_eq!(of_workload(&json!({ "spec": { "replicas": 0 } }))["spec"], json!({}));
    }

    #[test]
    fn selectors_are_one_line() {
        for (selector, wanted) in [
            (json!({ "matchLabels": { "app": "web" } }), "app=web"),
            (json!({ "matchLabels": { "b": "1", "a": "2" } }), "a=2,b=1"),
            (
                json!({ "matchLabels": { "m": "1" }, "matchExpressions": [
                    { "key": "z", "operator": "DoesNotExist" }, { "key": "b", "operator": "NotIn", "values": ["y", "x"] },
                    { "key": "a", "operator": "In", "values": ["y", "x"] }, { "key": "n", "operator": "Exists" },
                ] }),
                "a in (x,y),b notin (x,y),m=1,n,!z",
            ),
            (json!({}), ""),
            (json!(null), ""),
        ] {
            assert_eq!(selector_text(&selector), wanted, "{selector}");
        }
    }

    #[test]
    fn custom_resources_say_where_their_numbers_are() {
        let paths = ScalePaths {
            replicas: ".spec.size".into(),
            status: ".status.size".into(),
            selector: Some(".status.labels".into()),
        };
        let resource = json!({ "spec": { "size": 4 }, "status": { "size": 3, "labels": "app=w" } });
        let sent = of_custom(&resource, &paths);
        assert_eq!(
            (&sent["spec"]["replicas"], &sent["status"]),
            (&json!(4), &json!({ "replicas": 3, "selector": "app=w" }))
        );
        let sent = of_custom(&json!({}), &ScalePaths { selector: None, ..paths });
        assert_eq!((&sent["spec"], &sent["status"]), (&json!({}), &json!({ "replicas": 0 })));
    }
}
