//! The resources of a test, and how a suite names each of them.

use serde_json::Value;

use crate::files::Files;
use crate::tree::Tree;

/// One resource.
#[derive(Debug)]
pub(super) struct Resource {
    /// `resources.yaml#Pod/web`
    pub(super) reference: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) value: Value,
}

/// All of them, in the order of their files.
#[derive(Debug, Default)]
pub(super) struct Resources(pub(super) Vec<Resource>);

impl Resources {
    /// Adds those of a file.
    pub(super) fn add(&mut self, path: &str, files: &mut Files<'_>) -> Result<(), String> {
        let documents = files.documents(path)?;
        self.0.extend(of_documents(&files.in_suite(path), &documents));
        Ok(())
    }

    /// The resources that a result names: `web` or `shop/web`, of this kind if there are any.
    pub(super) fn find(&self, kind: &str, namespace: &str, wanted: &str) -> Vec<usize> {
        let (namespace, name) = wanted.split_once('/').unwrap_or((namespace, wanted));
        let named = |resource: &Resource| {
            let own = if resource.namespace.is_empty() { "default" } else { &resource.namespace };
            resource.name == name && (namespace.is_empty() || own == namespace || resource.namespace == namespace)
        };
        let found: Vec<usize> = (0..self.0.len()).filter(|index| named(&self.0[*index])).collect();
        let of_kind: Vec<usize> =
            found.iter().copied().filter(|index| kind.is_empty() || self.0[*index].kind == kind).collect();
        // Kyverno does not compare the kind.
        if of_kind.is_empty() { found } else { of_kind }
    }
}

/// The objects of a file, those of lists included.
pub(super) fn of_documents(path: &str, documents: &[Tree]) -> Vec<Resource> {
    let mut values = Vec::new();
    for document in documents {
        unroll(document.json(), &mut values);
    }
    let text =
        |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut resources: Vec<Resource> = values
        .into_iter()
        .map(|value| Resource {
            reference: path.to_owned(),
            kind: text(&value, "/kind"),
            name: text(&value, "/metadata/name"),
            namespace: text(&value, "/metadata/namespace"),
            value,
        })
        .collect();
    let is_list = documents.iter().any(|document| document.get("items").is_some());
    if resources.len() > 1 || is_list {
        refer(&mut resources);
    }
    resources
}

/// Gives each one of several the shortest reference: its kind and name, or its number.
fn refer(resources: &mut [Resource]) {
    let mut counts = std::collections::HashMap::new();
    for resource in resources.iter() {
        *counts.entry((resource.kind.clone(), resource.name.clone())).or_insert(0) += 1;
    }
    for (index, resource) in resources.iter_mut().enumerate() {
        let is_one = counts.get(&(resource.kind.clone(), resource.name.clone())) == Some(&1);
        let wanted = if is_one && !resource.name.is_empty() && !resource.kind.is_empty() {
            format!("{}/{}", resource.kind, resource.name)
        } else {
            (index + 1).to_string()
        };
        resource.reference = format!("{}#{wanted}", resource.reference);
    }
}

fn unroll(mut document: Value, values: &mut Vec<Value>) {
    let is_list = document.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
    match document.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) if is_list => items.into_iter().for_each(|item| unroll(item, values)),
        Some(other) => {
            document["items"] = other;
            values.push(document);
        }
        None => values.push(document),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::documents;

    #[test]
    fn resources_are_named_as_suites_name_them() {
        let text = "kind: Pod\nmetadata: { name: a }\n---\nkind: Pod\nmetadata: { name: b, namespace: x }\n---\n\
                    kind: List\nitems: [{ kind: Pod, metadata: { name: b } }, { kind: Service, metadata: { name: b } }]\n";
        let resources = Resources(of_documents("r.yaml", &documents("r.yaml", text).unwrap()));
        let references: Vec<&str> = resources.0.iter().map(|it| it.reference.as_str()).collect();
        assert_eq!(references, ["r.yaml#Pod/a", "r.yaml#2", "r.yaml#3", "r.yaml#Service/b"]);
        for (kind, namespace, wanted, found) in [
            ("Pod", "", "a", vec![0]),
            ("Pod", "", "b", vec![1, 2]),
            ("Pod", "x", "b", vec![1]),
            ("Pod", "", "x/b", vec![1]),
            ("Pod", "", "default/b", vec![2]),
            ("Service", "", "b", vec![3]),
            ("", "", "b", vec![1, 2, 3]),
            ("Deployment", "", "a", vec![0]),
            ("Pod", "", "c", vec![]),
        ] {
            assert_eq!(resources.find(kind, namespace, wanted), found, "{kind} {namespace} {wanted}");
        }
        let single = of_documents("r.yaml", &documents("r.yaml", "kind: Pod\n").unwrap());
        assert_eq!(single[0].reference, "r.yaml");
    }
}
