//! What a policy may ask its host, answered for one case.

use std::sync::Arc;

use crate::model::answer::Fault;
use crate::model::hosting::{HostAnswers, HostCall};
use crate::model::source::Span;

/// Answers the host calls of one case and keeps the journal.
pub(crate) struct Host {
    answers: Arc<HostAnswers>,
}

/// What happened between a policy and its host.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// The calls, in order.
    pub(crate) calls: Vec<HostCall>,
    /// Lines logged through `tracing/log`.
    pub(crate) log_lines: Vec<String>,
    /// The first call nobody could answer.
    pub(crate) fault: Option<Fault>,
    /// Entries of the case's own `host:` that nobody asked for, and leftovers of a strict recording.
    pub(crate) unused: Vec<Unused>,
    /// Leftovers of other recordings.
    pub(crate) warnings: Vec<String>,
}

/// An answer nobody asked for.
#[derive(Debug)]
pub(crate) struct Unused {
    /// Full name of the capability.
    pub(crate) capability: String,
    /// The request it answers.
    pub(crate) request: String,
    /// Where it is written.
    pub(crate) span: Span,
}

impl Host {
    /// A host for one case.
    pub(crate) fn new(answers: Arc<HostAnswers>) -> Self {
        Self { answers }
    }

    /// Answers one call. The error is the text the guest is given.
    pub(crate) fn call(
        &self,
        binding: &str,
        namespace: &str,
        operation: &str,
        payload: &[u8],
    ) -> Result<Vec<u8>, String> {
        let _ = (binding, namespace, operation, payload, &self.answers);
        Err("not written yet".into())
    }

    /// Keeps a line of waPC's `__console_log`.
    pub(crate) fn console_log(&self, text: &str) {
        let _ = text;
    }

    /// What happened so far.
    pub(crate) fn journal(&self) -> Journal {
        Journal::default()
    }
}
