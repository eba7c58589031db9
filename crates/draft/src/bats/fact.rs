//! What claims say about an answer, in the terms of a suite.

use serde_json::{Map, Value};

use super::claim::Key;
use super::pattern::Pattern;

/// Something about one answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fact {
    /// kwctl exited with 0, or not.
    Success(bool),
    Allowed(bool),
    /// The message matches, or does not.
    Message(Pattern, bool),
    /// A text of the output that no member of the response is named for.
    Text(Pattern, bool),
    /// The policy rejects the settings, with this text.
    Refusal(Pattern),
    Code(u64),
    HasPatch(bool),
    /// The whole patch.
    Patch(Vec<Value>),
    /// Members of an operation of the patch. Facts with the same item are about the same operation.
    Operation(Option<Key>, Map<String, Value>),
    /// A part of the value of an operation.
    Value(Key, Vec<String>, Value),
    Warnings(Vec<String>),
    Warning(usize, String),
    WarningCount(u64),
    Annotations(Map<String, Value>),
    Annotation(String, String),
    /// `allowed` has not this value, and may be missing.
    NotAllowed(bool),
    /// What was asserted, and no expectation expresses.
    Unexpressed(String),
}
