//! How the object of a request came about: what it was written as, and what the suite changes in it.

use super::source::Span;

/// What the object of a request was written as.
#[derive(Debug, Clone, Default)]
pub struct WrittenObject {
    /// Where its document is, in the suite or in a file of its own; none where the object is another one than was written.
    pub document: Option<Span>,
    /// The JSON pointer of the object in that document.
    pub root: &'static str,
    /// Whether it was written as a Pod, and is a workload with that Pod.
    pub is_wrapped: bool,
    /// What the suite changes in the document, in the order of the changes.
    pub changes: Vec<WrittenChange>,
}

/// A change of an object, as the suite has it.
#[derive(Debug, Clone)]
pub struct WrittenChange {
    /// The JSON pointer of what is changed, from the object.
    pub at: String,
    /// Where the change is written.
    pub span: Span,
    /// Where its value is written, if it has one.
    pub value: Option<Span>,
}
