//! Kinds that are not those of Kubernetes, and what can be known of them without their definitions.
//!
//! A suite needs the definition of every custom resource. Tests of other tools do not have any, so stand-ins are written,
//! with a plural and a scope that are usual.

use indexmap::{IndexMap, IndexSet};
use policy_verify_model::yaml::emit::Node;
use serde_json::Value;

use crate::imported::{Imported, WrittenFile};

/// The file of the stand-ins.
pub(crate) const FILE: &str = "fixtures/crds.yaml";

/// Kinds of Kubernetes that are in no namespace.
const CLUSTER_WIDE: &[&str] = &[
    "APIService",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterRoleBinding",
    "CSIDriver",
    "CSINode",
    "CustomResourceDefinition",
    "FlowSchema",
    "IngressClass",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PodSecurityPolicy",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "RuntimeClass",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "VolumeAttachment",
];

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Whether the object is in no namespace, by its kind.
pub(crate) fn is_cluster_wide(object: &Value) -> bool {
    CLUSTER_WIDE.contains(&text(object, "/kind"))
}

/// Whether the object is a custom resource, by its group.
pub(crate) fn is_custom(object: &Value) -> bool {
    let (group, kind) = (text(object, "/apiVersion").split_once('/').map(|(group, _)| group), text(object, "/kind"));
    let is_built_in =
        |group: &str| !group.contains('.') || group.ends_with(".k8s.io") || group == "policies.kubewarden.io";
    !kind.is_empty() && group.is_some_and(|group| !is_built_in(group))
}

/// The custom kinds of a suite, and their versions.
#[derive(Debug, Default)]
pub(crate) struct CustomKinds(IndexMap<(String, String), IndexSet<String>>);

impl CustomKinds {
    /// Notes the kind of an object, if it is a custom one.
    pub(crate) fn note(&mut self, object: &Value) {
        if let (true, Some((group, version))) = (is_custom(object), text(object, "/apiVersion").split_once('/')) {
            let kind = (group.to_owned(), text(object, "/kind").to_owned());
            self.0.entry(kind).or_default().insert(version.to_owned());
        }
    }

    /// Adds the stand-ins to a suite that needs them.
    pub(crate) fn define(self, out: &mut Imported) {
        if self.0.is_empty() {
            return;
        }
        let kinds: Vec<&str> = self.0.keys().map(|(_, kind)| kind.as_str()).collect();
        let line = format!("The definitions in {FILE} are guesses, replace them with real ones: {}.", kinds.join(", "));
        out.draft.comments.push(line);
        out.draft.keys.insert("crds".to_owned(), Node::List(vec![Node::text(FILE)]));
        let documents: Vec<String> =
            self.0.iter().map(|((group, kind), it)| definition(group, kind, &plural(kind), it).to_yaml()).collect();
        out.files.push(WrittenFile { path: FILE.to_owned(), text: documents.join("---\n") });
    }
}

/// A stand-in for the definition of a kind.
pub(crate) fn definition(group: &str, kind: &str, plural: &str, versions: &IndexSet<String>) -> Node {
    let version = |(index, version): (usize, &String)| {
        Node::map([("name", Node::text(version)), ("served", Node::Bool(true)), ("storage", Node::Bool(index == 0))])
    };
    let names = Node::map([("kind", Node::text(kind)), ("plural", Node::text(plural))]);
    let spec = Node::map([
        ("group", Node::text(group)),
        ("names", names),
        ("scope", Node::text("Namespaced")),
        ("versions", Node::List(versions.iter().enumerate().map(version).collect())),
    ]);
    Node::map([
        ("apiVersion", Node::text("apiextensions.k8s.io/v1")),
        ("kind", Node::text("CustomResourceDefinition")),
        ("metadata", Node::map([("name", Node::text(format!("{plural}.{group}")))])),
        ("spec", spec),
    ])
}

/// The usual plural of a kind.
fn plural(kind: &str) -> String {
    let word = kind.to_lowercase();
    let before = word.chars().rev().nth(1);
    if ["s", "x", "z", "ch", "sh"].iter().any(|end| word.ends_with(end)) {
        return format!("{word}es");
    }
    match word.strip_suffix('y') {
        Some(stem) if before.is_some_and(|it| !"aeiou".contains(it)) => format!("{stem}ies"),
        _ => format!("{word}s"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tree::documents;

    #[test]
    fn custom_resources_are_told_from_those_of_kubernetes() {
        for (version, wanted) in [
            ("v1", false),
            ("apps/v1", false),
            ("networking.k8s.io/v1", false),
            ("policies.kubewarden.io/v1", false),
            ("networking.istio.io/v1", true),
        ] {
            assert_eq!(is_custom(&json!({ "apiVersion": version, "kind": "A" })), wanted, "{version}");
        }
    }

    #[test]
    fn plurals_are_the_usual_ones() {
        for (kind, wanted) in [
            ("Mesh", "meshes"),
            ("AuthorizationPolicy", "authorizationpolicies"),
            ("Gateway", "gateways"),
            ("App", "apps"),
        ] {
            assert_eq!(plural(kind), wanted);
        }
    }

    #[test]
    fn every_custom_kind_gets_a_definition() {
        let (mut kinds, mut out) = (CustomKinds::default(), Imported::default());
        for version in ["v1", "acme.test/v1", "acme.test/v2", "acme.test/v1"] {
            kinds.note(&json!({ "apiVersion": version, "kind": "Policy" }));
        }
        kinds.define(&mut out);
        let written = documents(FILE, &out.files[0].text).unwrap();
        assert_eq!(written.len(), 1);
        let spec = written[0].json()["spec"].clone();
        assert_eq!((&spec["group"], &spec["names"]["plural"]), (&json!("acme.test"), &json!("policies")));
        assert_eq!(spec["versions"].as_array().unwrap().len(), 2);
        assert!(out.draft.to_yaml().contains("crds: [fixtures/crds.yaml]"));
    }
}
