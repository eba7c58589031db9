//! The smallest objects of each kind that an API server takes.

use policy_verify_model::yaml::emit::Node;

/// A document for each kind, without `apiVersion`.
const OBJECTS: &str = include_str!("objects.yaml");

/// What stands above an object that is not complete.
const SKELETON: &str = "# A skeleton: add the fields that objects of this kind have.\n";

/// The text of a minimal object.
pub(super) fn object(api_version: &str, kind: &str) -> String {
    let version = Node::map([("apiVersion", Node::text(api_version))]).to_yaml();
    match template(kind).filter(|_| is_built_in(api_version)) {
        Some(template) => format!("{version}{template}"),
        None => {
            let kind = Node::map([("kind", Node::text(kind))]).to_yaml();
            format!("{SKELETON}{version}{kind}metadata:\n  name: web\n  labels:\n    app: web\n")
        }
    }
}

fn template(kind: &str) -> Option<&'static str> {
    OBJECTS.split("---\n").find(|document| {
        let name = document.strip_prefix("kind: ").and_then(|rest| rest.lines().next());
        name == Some(kind)
    })
}

/// Whether the group is one of Kubernetes: others have kinds of the same names.
fn is_built_in(api_version: &str) -> bool {
    api_version.split_once('/').is_none_or(|(group, _)| !group.contains('.') || group.ends_with(".k8s.io"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::documents;

    #[test]
    fn every_template_is_an_object_of_its_kind() {
        let all = documents("objects.yaml", OBJECTS).unwrap();
        assert!(all.len() > 40);
        for document in all {
            let kind = document.text_at("kind").unwrap();
            let text = object("v1", kind);
            let read = documents(kind, &text).unwrap()[0].json();
            assert_eq!((&read["kind"], &read["apiVersion"]), (&kind.into(), &"v1".into()), "{text}");
            assert!(read["metadata"]["name"].is_string(), "{text}");
            assert!(!text.contains(SKELETON), "{text}");
        }
    }

    #[test]
    fn workloads_have_their_containers_where_kubernetes_looks() {
        for (kind, pointer) in [
            ("Pod", "/spec"),
            ("Deployment", "/spec/template/spec"),
            ("Job", "/spec/template/spec"),
            ("CronJob", "/spec/jobTemplate/spec/template/spec"),
            ("PodTemplate", "/template/spec"),
        ] {
            let read = documents(kind, &object("v1", kind)).unwrap()[0].json();
            assert_eq!(read.pointer(pointer).unwrap()["containers"][0]["name"], "web", "{kind}");
        }
    }

    #[test]
    fn other_kinds_are_skeletons() {
        for (api_version, kind) in [("acme.test/v1", "Gizmo"), ("acme.test/v1", "Pod"), ("v1", "${x}: # \n- a")] {
            let text = object(api_version, kind);
            assert!(text.starts_with(SKELETON), "{text}");
            let read = documents(kind, &text).unwrap()[0].json();
            assert_eq!((&read["apiVersion"], &read["kind"]), (&api_version.into(), &kind.into()), "{text}");
        }
    }
}
