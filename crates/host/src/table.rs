//! Answers written in the suite itself: the `host:` tables.

use serde_json::Value;

use super::capability::Operation;
use super::request::Request;
use policy_verify_model::hosting::{TableAnswer, TableEntry};

/// Matches every request of a capability that has no entry of its own.
pub(super) const ANY: &str = "*";

/// The entry for a request: the one that names it, else the one that takes any.
pub(super) fn find<'a>(table: &'a [TableEntry], capability: &str, short: &str) -> Option<(usize, &'a TableEntry)> {
    let position =
        |wanted: &str| table.iter().position(|entry| entry.capability == capability && entry.request.value == wanted);
    let index = position(short).or_else(|| position(ANY))?;
    Some((index, &table[index]))
}

/// What an entry answers, in the bytes a guest expects; an error is the text of the failure.
///
/// The outer error says that the value cannot be turned into a reply at all.
pub(super) fn reply(
    answer: &TableAnswer,
    operation: &Operation,
    request: &Request,
) -> Result<Result<Vec<u8>, String>, String> {
    match answer {
        TableAnswer::Error(text) => Ok(Err(text.clone())),
        TableAnswer::Value(value) => (operation.reply)(value, Some(request)).map(Ok),
    }
}

/// Whether a value can answer calls of this operation.
pub(super) fn check(operation: &Operation, value: &Value) -> Result<(), String> {
    (operation.reply)(value, None).map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use policy_verify_model::source::{SourceFile, Span, Spanned};

    fn entry(capability: &str, request: &str) -> TableEntry {
        let file = Arc::new(SourceFile { path: "suite.yml".into(), text: String::new() });
        TableEntry {
            capability: capability.into(),
            request: Spanned::new(request.into(), Span::start_of(&file)),
            answer: TableAnswer::Value(Value::Bool(true)),
        }
    }

    #[test]
    fn the_entry_that_names_a_request_beats_the_one_for_all() {
        let table = [entry("oci/v2/verify", "*"), entry("oci/v2/verify", "app:1"), entry("oci/v1/verify", "app:2")];
        let found = |capability, short| find(&table, capability, short).map(|(index, _)| index);
        assert_eq!(found("oci/v2/verify", "app:1"), Some(1));
        assert_eq!(found("oci/v2/verify", "app:2"), Some(0));
        assert_eq!(found("oci/v1/verify", "app:2"), Some(2));
        assert_eq!(found("oci/v1/verify", "app:1"), None);
    }
}
