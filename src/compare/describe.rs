//! Verdicts and patches in one line, for the texts of mismatches.

use serde_json::Value;

use policy_verify_model::answer::AdmissionResponse;
use policy_verify_model::patch::decode;
use policy_verify_model::suite::VerdictWord;

use super::diff::{self, quote};

/// How many operations of a patch are named.
const MOST_OPERATIONS: usize = 3;

/// An expected verdict for people.
pub(super) fn expected(word: &VerdictWord) -> &'static str {
    match word {
        VerdictWord::Allow => "allowed, not mutated",
        VerdictWord::Accept => "allowed, mutated or not",
        VerdictWord::Mutate(_) => "allowed and mutated",
        VerdictWord::Deny(_) => "denied, without a patch",
    }
}

/// A response for people, in one line.
pub(crate) fn response(response: &AdmissionResponse) -> String {
    let patch = response.patch.as_deref().map(patch);
    match (response.allowed, patch) {
        (true, None) => "allowed, not mutated".into(),
        (true, Some(changes)) => format!("allowed and mutated: {changes}"),
        (false, None) => match response.message() {
            Some(message) => format!("denied: {}", quote(message, 0)),
            None => "denied, without a message".into(),
        },
        (false, Some(changes)) => match response.message() {
            Some(message) => format!("denied with a patch ({changes}): {}", quote(message, 0)),
            None => format!("denied with a patch ({changes}), without a message"),
        },
    }
}

/// A patch for people: its first operations and a count of the others.
fn patch(patch: &str) -> String {
    let operations = match decode(patch) {
        Ok(Value::Array(operations)) => operations,
        Ok(_) => return "a patch that is not a list of operations".into(),
        Err(error) => return error.to_string(),
    };
    if operations.is_empty() {
        return "a patch without operations".into();
    }
    let text = |operation: &Value, key: &str| operation.get(key).and_then(Value::as_str).unwrap_or("?").to_owned();
    let mut parts: Vec<String> = operations
        .iter()
        .take(MOST_OPERATIONS)
        .map(|operation| match text(operation, "path").as_str() {
            "" => format!("{} the whole object", text(operation, "op")),
            path => format!("{} {path}", text(operation, "op")),
        })
        .collect();
    if operations.len() > MOST_OPERATIONS {
        parts.push(format!("{} more", operations.len() - MOST_OPERATIONS));
    }
    diff::cut(&parts.join(", "), 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::compare::tests::mutated_by;

    #[test]
    fn summaries_are_short() {
        let operations = json!([
            {"op": "replace", "path": "", "value": {}},
            {"op": "add", "path": "/a", "value": 1},
            {"op": "add", "path": "/b", "value": 1},
            {"op": "add", "path": "/c", "value": 1},
        ]);
        let shown = patch(mutated_by(&operations).patch.as_deref().unwrap());
        assert_eq!(shown, "replace the whole object, add /a, add /b, 1 more");
    }
}
