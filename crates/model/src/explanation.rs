//! Everything about a case that somebody who looks into it may want to know.

use std::sync::Arc;

use super::outcome::{CaseReport, SuiteSummary};
use super::policy::{Digest, ExecutionMode, Settings};
use super::source::Span;

/// Cases after they have run: the result of `verify debug`.
#[derive(Debug)]
pub struct Explanations {
    /// Their suites.
    pub suites: Vec<SuiteSummary>,
    /// The cases, in suite order.
    pub cases: Vec<Explanation>,
}

/// A case after it has run.
#[derive(Debug)]
pub struct Explanation {
    /// Its report. The host calls have what the policies received.
    pub case: CaseReport,
    /// Where its expectation is written.
    pub expect: Span,
    /// The policies that it asks, in their order.
    pub policies: Vec<AskedPolicy>,
}

/// A policy that a case asks.
#[derive(Debug, Clone)]
pub struct AskedPolicy {
    /// Its name in the suite.
    pub name: String,
    /// Where its module is, as a URI.
    pub uri: String,
    /// Digest of the bytes that ran.
    pub digest: Option<Digest>,
    /// How the module is called.
    pub execution_mode: Option<ExecutionMode>,
    /// Its settings in this case; nothing for a check.
    pub settings: Option<Arc<Settings>>,
}
