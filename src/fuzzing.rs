//! Metadata of modules and the comparison of documents, for the fuzz targets: `annotate` compiles what it has annotated,
//! and documents are compared only by a run. No part of the interface; it may change at any time.

use std::sync::Arc;

use serde_json::Value;

use crate::compare::diff::{self, Mode};
use crate::prepare::single::{self, Named};
use policy_verify_model::inspection::Inspection;
use policy_verify_model::outcome::Unavailable;
use policy_verify_model::source::{SourceFile, Span};

/// The module with the metadata of a `metadata.yml`, as `verify annotate` writes it.
///
/// # Errors
///
/// Every problem of the metadata, or the first of the module.
pub fn annotate(module: &[u8], metadata: &str) -> Result<Arc<[u8]>, Vec<Unavailable>> {
    let file = Arc::new(SourceFile { path: "metadata.yml".into(), text: metadata.into() });
    let place = Span::unquoted("policy.wasm");
    let named = Named { name: "policy.wasm", place: &place, bytes: module };
    single::attach(&named, &file, None).map(|annotated| annotated.bytes)
}

/// What `verify inspect` says of a module.
///
/// # Errors
///
/// It is not a module, or its metadata cannot be read.
pub fn inspect(module: &[u8]) -> Result<Inspection, Unavailable> {
    let place = Span::unquoted("policy.wasm");
    single::inspect(&Named { name: "policy.wasm", place: &place, bytes: module })
}

/// At how many places a document differs from the expected one, which may be a part of it.
pub fn differences(expected: &Value, actual: &Value, is_exact: bool) -> usize {
    let mode = if is_exact { Mode::Exact } else { Mode::Subset };
    let found = diff::differences(expected, actual, mode);
    found.first.len() + found.more
}

/// Where two documents have different leaves, as JSON pointers: the first places, and how many there are.
pub fn changed_leaves(before: &Value, after: &Value) -> (Vec<String>, usize) {
    let found = diff::changed_leaves(before, after, &|_| true);
    let number = found.first.len() + found.more;
    (found.first.into_iter().map(|it| it.pointer).collect(), number)
}
