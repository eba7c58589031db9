//! Mocks: the `host:` tables of a suite.

use serde_json::Value;

use super::capability::Operation;
use super::reply::{CallError, InvalidMock, Reply};
use super::request::Request;
use policy_verify_model::hosting::{TableAnswer, TableEntry};

/// Matches every request of a capability that has no mock of its own.
pub(super) const ANY: &str = "*";

/// The mock of a request: the one that names it, else the one for all requests.
pub(super) fn find<'a>(table: &'a [TableEntry], capability: &str, short: &str) -> Option<(usize, &'a TableEntry)> {
    let position =
        |request: &str| table.iter().position(|entry| entry.capability == capability && entry.request.value == request);
    let index = position(short).or_else(|| position(ANY))?;
    Some((index, &table[index]))
}

/// The reply of a mock. The outer error is that of a value that cannot be turned into a reply.
pub(super) fn reply(answer: &TableAnswer, operation: &Operation, request: &Request) -> Result<Reply, InvalidMock> {
    match answer {
        TableAnswer::Error(text) => Ok(Err(CallError(text.clone()))),
        TableAnswer::Value(value) => (operation.reply)(value, Some(request)).map(Ok),
    }
}

/// Whether a value can be turned into replies of this operation.
pub(super) fn check(operation: &Operation, value: &Value) -> Result<(), InvalidMock> {
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
    fn a_mock_of_one_request_precedes_the_mock_of_all() {
        let table = [entry("oci/v2/verify", "*"), entry("oci/v2/verify", "app:1"), entry("oci/v1/verify", "app:2")];
        let found = |capability, short| find(&table, capability, short).map(|(index, _)| index);
        assert_eq!(found("oci/v2/verify", "app:1"), Some(1));
        assert_eq!(found("oci/v2/verify", "app:2"), Some(0));
        assert_eq!(found("oci/v1/verify", "app:2"), Some(2));
        assert_eq!(found("oci/v1/verify", "app:1"), None);
    }
}
