//! A constraint: settings of a policy, and what it matches, which no policy gets.

use policy_verify_model::yaml::emit::Node;
use policy_verify_model::yaml::flow;
use serde_json::Value;

use crate::tree::Tree;

/// What a test needs of its constraint.
pub(super) struct Constraint {
    path: String,
    /// The name of its template.
    pub(super) policy: String,
    /// The settings.
    pub(super) parameters: Node,
    matches: Value,
    /// `spec.match` on one line.
    shown: Option<String>,
    action: Option<String>,
}

impl Constraint {
    pub(super) fn of(path: &str, tree: &Tree) -> Result<Self, String> {
        let is_constraint = tree.text_at("apiVersion").is_some_and(|it| it.starts_with("constraints.gatekeeper.sh/"));
        let kind = tree.text_at("kind").filter(|_| is_constraint);
        let kind = kind.ok_or_else(|| format!("`{path}` is no constraint"))?;
        let spec = tree.get("spec");
        let matches = spec.and_then(|spec| spec.get("match"));
        Ok(Self {
            path: path.to_owned(),
            // Gatekeeper demands that a template has this name.
            policy: kind.to_lowercase(),
            parameters: spec.and_then(|spec| spec.get("parameters")).map_or_else(|| Node::map([]), Tree::node),
            matches: matches.map(Tree::json).unwrap_or_default(),
            shown: matches.map(|it| flow::flow(&it.node())),
            action: spec.and_then(|spec| spec.text_at("enforcementAction")).map(str::to_owned),
        })
    }

    /// What is said above the first case.
    pub(super) fn comments(&self) -> Vec<String> {
        let mut lines = vec![format!("constraint: {}", self.path)];
        if let Some(shown) = &self.shown {
            lines.push(format!("its `match` belongs into the rules and selectors of the policy: {shown}"));
        }
        if let Some(action) = self.action.as_deref().filter(|action| *action != "deny") {
            lines.push(format!("its enforcementAction is `{action}`: `mode: monitor` is like it in Kubewarden"));
        }
        lines
    }

    /// Which part of `match` leaves an object out, as far as the object alone tells.
    pub(super) fn left_out(&self, object: &Value) -> Option<&'static str> {
        let kinds = self.matches.get("kinds").and_then(Value::as_array);
        if kinds.is_some_and(|kinds| !kinds.is_empty() && !kinds.iter().any(|kind| has_kind(kind, object))) {
            return Some("kinds");
        }
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let is_namespace = text("/kind") == "Namespace";
        let namespace = text(if is_namespace { "/metadata/name" } else { "/metadata/namespace" });
        let globs = |key: &str| self.matches.get(key).and_then(Value::as_array).filter(|it| !it.is_empty());
        let any = |list: &Vec<Value>, text: &str| list.iter().filter_map(Value::as_str).any(|glob| fits(glob, text));
        if globs("namespaces").is_some_and(|list| !namespace.is_empty() && !any(list, namespace)) {
            return Some("namespaces");
        }
        if globs("excludedNamespaces").is_some_and(|list| !namespace.is_empty() && any(list, namespace)) {
            return Some("excludedNamespaces");
        }
        let name = self.matches.get("name").and_then(Value::as_str).filter(|glob| !glob.is_empty());
        if name.is_some_and(|glob| !fits(glob, text("/metadata/name"))) {
            return Some("name");
        }
        let labels = object.pointer("/metadata/labels").cloned().unwrap_or_default();
        let selector = self.matches.get("labelSelector");
        selector.is_some_and(|selector| !selects(selector, &labels)).then_some("labelSelector")
    }
}

fn has_kind(rule: &Value, object: &Value) -> bool {
    let (version, kind) =
        (object.get("apiVersion").and_then(Value::as_str), object.get("kind").and_then(Value::as_str));
    let group = version.and_then(|it| it.split_once('/')).map_or("", |(group, _)| group);
    let lists = |key: &str, wanted: &str| {
        let list = rule.get(key).and_then(Value::as_array);
        list.is_none_or(|list| {
            list.is_empty() || list.iter().any(|it| it.as_str().is_some_and(|it| it == "*" || it == wanted))
        })
    };
    lists("apiGroups", group) && lists("kinds", kind.unwrap_or_default())
}

/// A glob of Gatekeeper's: a star at the beginning and at the end.
fn fits(glob: &str, text: &str) -> bool {
    match (glob.strip_prefix('*'), glob.strip_suffix('*')) {
        (Some(_), Some(_)) => text.contains(glob.trim_matches('*')),
        (Some(end), None) => text.ends_with(end),
        (None, Some(start)) => text.starts_with(start),
        (None, None) => glob == text,
    }
}

fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.get("matchLabels").and_then(Value::as_object);
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    wanted.into_iter().flatten().all(|(key, value)| labels.get(key) == Some(value))
        && expressions.into_iter().flatten().all(|expression| holds(expression, labels))
}

fn holds(expression: &Value, labels: &Value) -> bool {
    let text = |key: &str| expression.get(key).and_then(Value::as_str).unwrap_or_default();
    let label = labels.get(text("key"));
    let values = expression.get("values").and_then(Value::as_array);
    let is_in = || label.is_some_and(|label| values.is_some_and(|values| values.contains(label)));
    match text("operator") {
        "In" => is_in(),
        "NotIn" => !is_in(),
        "Exists" => label.is_some(),
        "DoesNotExist" => label.is_none(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::documents;

    #[test]
    fn the_part_of_match_that_leaves_an_object_out_is_named() {
        let pod = "apiVersion: v1\nkind: Pod\nmetadata: { name: web, namespace: shop, labels: { team: a } }\n";
        let object = documents("pod.yaml", pod).unwrap()[0].json();
        for (matches, wanted) in [
            ("{}", None),
            ("{ kinds: [{ apiGroups: [''], kinds: [Pod] }] }", None),
            ("{ kinds: [{ apiGroups: ['*'], kinds: ['*'] }] }", None),
            ("{ kinds: [{ apiGroups: [apps], kinds: [Pod] }] }", Some("kinds")),
            ("{ kinds: [{ kinds: [Service] }] }", Some("kinds")),
            ("{ namespaces: ['sh*'] }", None),
            ("{ namespaces: ['*hop', x] }", None),
            ("{ namespaces: [web] }", Some("namespaces")),
            ("{ excludedNamespaces: ['*o*'] }", Some("excludedNamespaces")),
            ("{ name: w* }", None),
            ("{ name: v* }", Some("name")),
            ("{ labelSelector: { matchLabels: { team: a } } }", None),
            ("{ labelSelector: { matchLabels: { team: b } } }", Some("labelSelector")),
            ("{ labelSelector: { matchExpressions: [{ key: team, operator: NotIn, values: [b] }] } }", None),
            ("{ labelSelector: { matchExpressions: [{ key: team, operator: DoesNotExist }] } }", Some("labelSelector")),
            ("{ namespaceSelector: { matchLabels: { a: b } } }", None),
        ] {
            let text =
                format!("apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Labels\nspec: {{ match: {matches} }}\n");
            let constraint = Constraint::of("c.yaml", &documents("c.yaml", &text).unwrap()[0]).unwrap();
            assert_eq!(constraint.left_out(&object), wanted, "{matches}");
        }
    }

    #[test]
    fn what_is_no_setting_is_told() {
        let text = "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: AcmeLabels\n\
                    spec: { enforcementAction: dryrun, match: { scope: Namespaced }, parameters: { all: yes } }\n";
        let constraint = Constraint::of("c.yaml", &documents("c.yaml", text).unwrap()[0]).unwrap();
        assert_eq!(
            (constraint.policy.as_str(), constraint.parameters.to_yaml().as_str()),
            ("acmelabels", "all: true\n")
        );
        let comments = constraint.comments().join("\n");
        assert!(comments.contains("{ scope: Namespaced }") && comments.contains("`dryrun`"), "{comments}");
        let other = documents("c.yaml", "apiVersion: v1\nkind: Pod\n").unwrap();
        assert!(Constraint::of("c.yaml", &other[0]).is_err());
    }
}
