//! The values of variables: those about the request are keys of its case, all others have no counterpart.

use policy_verify_model::yaml::emit::Node;

use crate::tree::Tree;

/// Keys of the values.
const KEYS: &[&str] =
    &["apiVersion", "kind", "metadata", "globalValues", "policies", "namespaceSelector", "namespaces", "subresources"];

/// What the values of a test say.
#[derive(Debug, Default)]
pub(super) struct Values {
    entries: Vec<Entry>,
    /// Namespaces with their labels, as objects of the cluster.
    pub(super) namespaces: Vec<Node>,
    /// What holds for every result and is not translated.
    pub(super) lost: Vec<String>,
}

/// A value, and the results for which it holds; an empty name is any.
#[derive(Debug)]
struct Entry {
    policy: String,
    rule: String,
    resource: String,
    name: String,
    value: Option<String>,
}

/// What the values say about one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct OfRequest {
    pub(super) operation: Option<String>,
    pub(super) namespace: Option<String>,
    /// Variables that have no counterpart.
    pub(super) lost: Vec<String>,
}

impl Values {
    /// The values of a document, or those written in the test itself.
    pub(super) fn of(tree: &Tree) -> Self {
        let tree = tree.get("spec").unwrap_or(tree);
        let mut values = Self::default();
        values.add("", "", "", tree.get("globalValues"));
        for policy in tree.list_at("policies") {
            let name = policy.text_at("name").unwrap_or_default();
            for resource in policy.list_at("resources") {
                values.add(name, "", resource.text_at("name").unwrap_or_default(), resource.get("values"));
            }
            for rule in policy.list_at("rules") {
                let rule_name = rule.text_at("name").unwrap_or_default();
                values.add(name, rule_name, "", rule.get("values"));
                values.add(name, rule_name, "", rule.get("foreachValues"));
            }
        }
        values.namespaces = namespaces(tree);
        if tree.get("subresources").is_some() {
            values.lost.push("`subresources` of the variables".to_owned());
        }
        let unknown = tree.entries().iter().map(|(key, _)| key.as_str()).filter(|key| !KEYS.contains(key));
        values.lost.extend(unknown.map(|key| format!("`{key}` of the variables is unknown")));
        values
    }

    fn add(&mut self, policy: &str, rule: &str, resource: &str, values: Option<&Tree>) {
        for (name, value) in values.map(Tree::entries).unwrap_or_default() {
            let value = value.text().map(str::to_owned);
            let (policy, rule, resource, name) =
                (policy.to_owned(), rule.to_owned(), resource.to_owned(), name.clone());
            self.entries.push(Entry { policy, rule, resource, name, value });
        }
    }

    /// What holds for a rule of a policy and a resource; the last entry that fits counts.
    pub(super) fn of_request(&self, policy: &str, rule: &str, resource: &str) -> OfRequest {
        let fits = |own: &str, wanted: &str| own.is_empty() || own == wanted;
        let mut found = OfRequest::default();
        for entry in &self.entries {
            let is_meant = fits(&entry.policy, policy)
                && (rule.is_empty() || fits(&entry.rule, rule))
                && fits(&entry.resource, resource);
            match (entry.name.as_str(), &entry.value) {
                _ if !is_meant => {}
                ("request.operation", Some(value)) => found.operation = Some(value.clone()),
                ("request.namespace", Some(value)) => found.namespace = Some(value.clone()),
                (name, _) => {
                    let lost = format!("the variable `{name}`");
                    if !found.lost.contains(&lost) {
                        found.lost.push(lost);
                    }
                }
            }
        }
        found
    }
}

/// The namespaces that a document of values names.
fn namespaces(tree: &Tree) -> Vec<Node> {
    let object = |metadata: Node| {
        Node::map([("apiVersion", Node::text("v1")), ("kind", Node::text("Namespace")), ("metadata", metadata)])
    };
    let selected = tree.list_at("namespaceSelector").into_iter().map(|it| {
        let labels = it.get("labels").map_or_else(|| Node::map([]), Tree::node);
        object(Node::map([("name", Node::text(it.text_at("name").unwrap_or_default())), ("labels", labels)]))
    });
    let whole = tree.list_at("namespaces").into_iter().filter_map(|it| it.get("metadata")).map(|it| object(it.node()));
    selected.chain(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::documents;

    #[test]
    fn values_hold_for_their_policy_rule_and_resource() {
        let text = "globalValues: { request.operation: CREATE, mode: dev }\npolicies:\n\
                    - name: p\n  rules: [{ name: r, values: { dict.data: x } }]\n  resources: [{ name: web, values: { request.operation: UPDATE } }]\n\
                    namespaceSelector: [{ name: a, labels: { b: c } }]\nfuture: 1\n";
        let values = Values::of(&documents("v.yaml", text).unwrap()[0]);
        assert_eq!((values.lost.len(), values.namespaces.len()), (1, 1), "{:?}", values.lost);
        assert!(values.namespaces[0].to_yaml().contains("  labels:\n    b: c\n"));
        for (policy, rule, resource, operation, lost) in [
            ("p", "r", "web", "UPDATE", 2),
            ("p", "other", "web", "UPDATE", 1),
            ("p", "", "other", "CREATE", 2),
            ("q", "r", "web", "CREATE", 1),
        ] {
            let found = values.of_request(policy, rule, resource);
            assert_eq!(
                (found.operation.as_deref(), found.lost.len()),
                (Some(operation), lost),
                "{policy} {rule} {resource}"
            );
        }
    }
}
