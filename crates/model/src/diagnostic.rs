//! What is wrong with something the user wrote, in one type for every step: code, message, place, remedy.
//!
//! A function that does not know the place leaves it empty; its caller sets it with [`Diagnostic::at`]. The reports decide
//! how a diagnostic looks on a screen.

use std::fmt;

use crate::code::Code;
use crate::source::Span;

/// One thing that is wrong, with its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind of mistake it is.
    pub code: Code,
    /// What is wrong, with which value: a lower-case fragment.
    pub message: String,
    /// What to do about it: one imperative sentence, or lines that can be pasted.
    pub help: Option<String>,
    /// Where it is written; `None` where nothing can be quoted, such as the command line.
    pub span: Option<Span>,
    /// Other places that belong to it.
    pub related: Vec<Related>,
}

/// Another place that belongs to a [`Diagnostic`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// The place.
    pub span: Span,
    /// What is there: a lower-case fragment.
    pub message: String,
}

impl Diagnostic {
    /// A diagnostic without a place and without advice.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None, span: None, related: Vec::new() }
    }

    /// The same with advice, if there is any.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<Option<String>>) -> Self {
        self.help = help.into();
        self
    }

    /// The same with another code: for a caller that knows a more precise one.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// The same at a place, unless its place is known already.
    #[must_use]
    pub fn at(mut self, span: &Span) -> Self {
        self.span.get_or_insert_with(|| span.clone());
        self
    }

    /// The same with another place that belongs to it.
    #[must_use]
    pub fn with_related(mut self, span: &Span, message: impl Into<String>) -> Self {
        self.related.push(Related { span: span.clone(), message: message.into() });
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}
