//! What the steps share: options, a recorded request, what is no request, and the result.

use indexmap::IndexMap;
use serde_json::Value;

use super::kind::Kind;
use crate::imported::Imported;

/// How requests are written down.
#[derive(Debug, Clone)]
pub struct Options {
    /// The module of the policy.
    pub module: String,
    /// Whether users, uids, secrets and the like are replaced.
    pub replaces_personal_data: bool,
    /// Most cases that are made.
    pub most_cases: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { module: "policy.wasm".to_owned(), replaces_personal_data: true, most_cases: 1_000 }
    }
}

/// A suite of recorded requests.
#[derive(Debug, Clone, Default)]
pub struct Reviews {
    /// The suite and its fixtures.
    pub imported: Imported,
    /// What was replaced, and how often.
    pub replaced: IndexMap<Kind, usize>,
}

/// A request, and what was recorded with it.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    pub(super) request: Value,
    pub(super) response: Option<Value>,
    /// What is said above the case.
    pub(super) notes: Vec<String>,
    /// What of the record is not in the case.
    pub(super) lost: Vec<String>,
}

/// What is no request, and why; `what` is enough to count those that are alike.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct NoRequest {
    pub(super) what: String,
    pub(super) why: String,
}
