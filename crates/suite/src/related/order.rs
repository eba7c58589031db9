//! The same object with its lists in another order, where the API gives the order no meaning.
//!
//! Only lists of a table count, in objects whose types are known: what a custom resource means is its own affair.
//! Members of mappings have no order at all: policy-server sorts them before a policy sees them. Sources: the markers
//! `listType=map` and `listType=set` of k8s.io/api, and the documentation of its fields.

use std::cmp::Reverse;

use serde_json::Value;

use crate::fields::{Shape, Sort};

/// Type, field, and what tells two items of the list apart; a list in which that is not unique keeps its order, because
/// the last item of several may win.
const UNORDERED: &[(&str, &str, &[&str])] = &[
    ("Capabilities", "add", &[]),
    ("Capabilities", "drop", &[]),
    ("ClusterRole", "rules", &[]),
    ("ClusterRoleBinding", "subjects", &[]),
    ("Container", "env", &["name"]),
    ("Container", "ports", &["containerPort", "protocol"]),
    ("Container", "volumeDevices", &["devicePath"]),
    ("Container", "volumeMounts", &["mountPath"]),
    ("EphemeralContainer", "env", &["name"]),
    ("EphemeralContainer", "volumeMounts", &["mountPath"]),
    ("IngressSpec", "rules", &["host"]),
    ("IngressSpec", "tls", &[]),
    ("IngressTLS", "hosts", &[]),
    ("LabelSelector", "matchExpressions", &[]),
    ("LabelSelectorRequirement", "values", &[]),
    ("NetworkPolicyEgressRule", "ports", &[]),
    ("NetworkPolicyEgressRule", "to", &[]),
    ("NetworkPolicyIngressRule", "from", &[]),
    ("NetworkPolicyIngressRule", "ports", &[]),
    ("NetworkPolicySpec", "egress", &[]),
    ("NetworkPolicySpec", "ingress", &[]),
    ("NetworkPolicySpec", "policyTypes", &[]),
    ("NodeSelector", "nodeSelectorTerms", &[]),
    ("NodeSelectorRequirement", "values", &[]),
    ("NodeSelectorTerm", "matchExpressions", &[]),
    ("ObjectMeta", "finalizers", &[]),
    ("ObjectMeta", "ownerReferences", &["uid"]),
    ("PodSecurityContext", "supplementalGroups", &[]),
    ("PodSecurityContext", "sysctls", &["name"]),
    ("PodSpec", "containers", &["name"]),
    ("PodSpec", "ephemeralContainers", &["name"]),
    ("PodSpec", "imagePullSecrets", &["name"]),
    ("PodSpec", "readinessGates", &[]),
    ("PodSpec", "schedulingGates", &["name"]),
    ("PodSpec", "tolerations", &[]),
    ("PodSpec", "topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
    ("PodSpec", "volumes", &["name"]),
    ("PolicyRule", "apiGroups", &[]),
    ("PolicyRule", "nonResourceURLs", &[]),
    ("PolicyRule", "resourceNames", &[]),
    ("PolicyRule", "resources", &[]),
    ("PolicyRule", "verbs", &[]),
    ("Role", "rules", &[]),
    ("RoleBinding", "subjects", &[]),
    ("ServiceAccount", "imagePullSecrets", &["name"]),
    ("ServiceAccount", "secrets", &["name"]),
    ("ServiceSpec", "ports", &["port", "protocol"]),
];

/// Where an object has lists with several items whose order has no meaning: JSON pointers, those inside others first.
pub fn unordered_lists(object: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(object, Shape::ANY.of_value(object), &mut String::new(), &mut found);
    found.sort_by_key(|at: &String| Reverse(at.matches('/').count()));
    found
}

/// The object with the items of these lists in reverse. Inner lists come before those around them.
#[must_use]
pub fn reversed(object: &Value, lists: &[String]) -> Value {
    changed(object, lists, |items| items.reverse())
}

/// The object with all of these lists in one order, whatever theirs was: two objects that differ in nothing else are then equal.
#[must_use]
pub fn normalised(object: &Value) -> Value {
    changed(object, &unordered_lists(object), |items| items.sort_by_cached_key(Value::to_string))
}

fn changed(object: &Value, lists: &[String], change: impl Fn(&mut Vec<Value>)) -> Value {
    let mut object = object.clone();
    for at in lists {
        if let Some(Value::Array(items)) = object.pointer_mut(at) {
            change(items);
        }
    }
    object
}

fn collect(value: &Value, shape: Shape, at: &mut String, found: &mut Vec<String>) {
    let before = at.len();
    match value {
        Value::Array(items) if shape.sort() == Sort::List => {
            for (index, item) in items.iter().enumerate() {
                at.push_str(&format!("/{index}"));
                collect(item, shape.item(), at, found);
                at.truncate(before);
            }
        }
        Value::Object(members) if matches!(shape.sort(), Sort::Type | Sort::Map) => {
            for (key, member) in members {
                let Some(of_member) = shape.member(key) else { continue };
                at.push('/');
                at.push_str(&key.replace('~', "~0").replace('/', "~1"));
                if shape.sort() == Sort::Type && is_unordered(shape.name(), key, member) {
                    found.push(at.clone());
                }
                collect(member, of_member, at, found);
                at.truncate(before);
            }
        }
        _ => {}
    }
}

/// Whether a field is a list of several items whose order has no meaning.
fn is_unordered(of: &str, field: &str, value: &Value) -> bool {
    let Some((_, _, keys)) = UNORDERED.iter().find(|(name, known, _)| (*name, *known) == (of, field)) else {
        return false;
    };
    let Some(items) = value.as_array().filter(|items| items.len() > 1) else { return false };
    // The value of a variable may name those before it.
    let is_referring = |item: &Value| item.get("value").and_then(Value::as_str).is_some_and(|text| text.contains("$("));
    if field == "env" && items.iter().any(is_referring) {
        return false;
    }
    let mut names: Vec<Vec<String>> = items
        .iter()
        .map(|item| keys.iter().map(|key| item.get(key).map_or_else(String::new, Value::to_string)).collect())
        .collect();
    names.sort_unstable();
    keys.is_empty() || names.windows(2).all(|pair| pair[0] != pair[1])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::Kinds;

    fn pod(spec: Value) -> Value {
        json!({ "apiVersion": "v1", "kind": "Pod", "spec": spec })
    }

    #[test]
    fn every_list_of_the_table_is_a_list_of_its_type() {
        fn types(shape: Shape, seen: &mut Vec<(&'static str, &'static str)>) {
            if shape.sort() == Sort::List || shape.sort() == Sort::Map {
                return types(if shape.sort() == Sort::List { shape.item() } else { shape.member("").unwrap() }, seen);
            }
            let names: Vec<&str> = shape.names().collect();
            for name in names {
                let known = (shape.name(), name);
                if shape.sort() == Sort::Type && !seen.contains(&known) {
                    seen.push(known);
                    types(shape.member(name).unwrap(), seen);
                }
            }
        }
        let mut seen = Vec::new();
        for info in Kinds::default().stored() {
            let object = json!({ "apiVersion": info.api_version(), "kind": info.kind });
            types(Shape::ANY.of_value(&object), &mut seen);
        }
        for (of, field, _) in UNORDERED {
            assert!(seen.contains(&(*of, *field)), "{of}.{field}");
        }
        assert!(UNORDERED.is_sorted());
    }

    #[test]
    fn lists_without_meaning_are_reversed_and_others_are_not() {
        let object = pod(json!({
            "containers": [
                { "name": "a", "args": ["1", "2"], "command": ["x", "y"], "env": [{ "name": "A", "value": "1" }, { "name": "B" }] },
                { "name": "b", "env": [{ "name": "A" }, { "name": "B", "value": "$(A)" }] },
            ],
            "initContainers": [{ "name": "c" }, { "name": "d" }],
            "tolerations": [{ "key": "x" }],
        }));
        let lists = unordered_lists(&object);
        assert_eq!(lists, ["/spec/containers/0/env", "/spec/containers"]);
        let wanted = pod(json!({
            "containers": [
                { "name": "b", "env": [{ "name": "A" }, { "name": "B", "value": "$(A)" }] },
                { "name": "a", "args": ["1", "2"], "command": ["x", "y"], "env": [{ "name": "B" }, { "name": "A", "value": "1" }] },
            ],
            "initContainers": [{ "name": "c" }, { "name": "d" }],
            "tolerations": [{ "key": "x" }],
        }));
        let made = reversed(&object, &lists);
        assert_eq!(made, wanted);
        assert_eq!(normalised(&made), normalised(&object));
        let mut other = made;
        other["spec"]["containers"][1]["args"] = json!(["2", "1"]);
        assert_ne!(normalised(&other), normalised(&object));
    }

    #[test]
    fn items_that_are_called_alike_keep_their_order() {
        let twice = pod(json!({ "containers": [{ "name": "a" }, { "name": "a", "image": "b" }], "volumes": [{}, {}] }));
        assert!(unordered_lists(&twice).is_empty());
        let custom = json!({ "apiVersion": "acme.test/v1", "kind": "Widget", "spec": { "containers": [{ "name": "a" }, { "name": "b" }] } });
        assert!(unordered_lists(&custom).is_empty());
        let odd = pod(json!({ "containers": { "0": [] }, "volumes": "x", "tolerations": [null, 1] }));
        assert_eq!(unordered_lists(&odd), ["/spec/tolerations"]);
    }
}
