//! Changes of a request in the words of a suite: `set` and `unset`.

use policy_verify_model::yaml::emit::Node;
use policy_verify_model::yaml::flow;
use serde_json::Value;

use crate::vary::{self, Change, Edit};

/// A change as a suite writes it.
pub(super) fn written(change: &Change) -> String {
    let path = dotted(&change.at);
    match &change.edit {
        Edit::Remove => format!("unset: [{}]", flow::text(&path)),
        Edit::Set(value) | Edit::Insert(value) => {
            let value = Node::of(&shortened(value)).map_or_else(|_| String::new(), |node| flow::flow(&node));
            format!("set: {{ {}: {value} }}", flow::text(&path))
        }
        Edit::Repeat => format!("{path} once more"),
        Edit::Crowd => format!("set: {{ {}: {} members }}", flow::text(&path), vary::MANY),
    }
}

/// What a value looks like that nobody wants to read whole.
fn shortened(value: &Value) -> Value {
    match value {
        Value::Object(members) if members.len() > 20 => Value::String(format!("{} members", members.len())),
        other => other.clone(),
    }
}

/// A JSON pointer as a suite writes it: `/spec/containers/0/image` → `spec.containers[0].image`.
pub(super) fn dotted(pointer: &str) -> String {
    let mut path = String::new();
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        if step.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{step}]"));
        } else if step.contains(['.', '/', '[', ']', '"']) {
            path.push_str(&format!("[\"{}\"]", step.replace('\\', "\\\\").replace('"', "\\\"")));
        } else {
            path.push_str(if path.is_empty() { "" } else { "." });
            path.push_str(&step);
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_are_written_as_in_a_suite() {
        for (at, edit, wanted) in [
            ("/metadata/labels/owner", Edit::Remove, "unset: [metadata.labels.owner]"),
            (
                "/metadata/labels/app.kubernetes.io~1name",
                Edit::Set(json!("")),
                "set: { 'metadata.labels[\"app.kubernetes.io/name\"]': \"\" }",
            ),
            ("/spec/containers/0", Edit::Repeat, "spec.containers[0] once more"),
            ("/spec/replicas", Edit::Set(json!(-1)), "set: { spec.replicas: -1 }"),
            ("/metadata/labels", Edit::Crowd, "set: { metadata.labels: 10000 members }"),
        ] {
            let found = written(&Change { at: at.to_owned(), edit });
            assert_eq!(
                found.replace(
                    "\"metadata.labels[\\\"app.kubernetes.io/name\\\"]\"",
                    "'metadata.labels[\"app.kubernetes.io/name\"]'"
                ),
                wanted
            );
        }
    }
}
