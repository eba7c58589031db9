//! A call of `kwctl run`, as far as it changes a verdict.

/// A call of `kwctl run`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Invocation {
    /// Path or URI of the module, or of a manifest.
    pub(super) policy: String,
    pub(super) request: Option<Document>,
    pub(super) settings: Option<Document>,
    pub(super) execution_mode: Option<String>,
    pub(super) is_raw: bool,
    pub(super) is_context_aware: bool,
    pub(super) capabilities: Option<Vec<String>>,
    pub(super) replay: Option<Document>,
}

/// A document: a file of the repository, by its path, or its text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Document {
    File(String),
    Text(String),
}
