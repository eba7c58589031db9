//! Places of the JSON document, and the suites that its entries name.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use policy_verify_model::outcome::SuiteSummary;
use policy_verify_model::source::Span;

/// A range in a file: `length` is in bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Place<'a> {
    pub(super) file: Cow<'a, str>,
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) length: usize,
}

impl<'a> From<&'a Span> for Place<'a> {
    fn from(span: &'a Span) -> Self {
        Self { file: (&span.file.path).into(), line: span.line, column: span.column, length: span.len }
    }
}

/// The path by which entries name a suite.
pub(super) fn path_of(suites: &[SuiteSummary], suite: usize) -> &str {
    suites.get(suite).map_or("", |suite| &suite.path)
}
