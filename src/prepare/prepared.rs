//! What preparing gives: a module with its metadata, and a policy that is ready to be evaluated.

use std::sync::Arc;
use std::time::Duration;

use policy_verify_engine::Policy;
use policy_verify_model::compiler::Compiler;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::inspection::DetectedKind;
use policy_verify_model::outcome::{Unavailable, UnavailableStage};
use policy_verify_model::policy::{Digest, ExecutionMode, Metadata};
use policy_verify_model::source::Span;

/// A policy, ready to be evaluated.
pub(crate) struct PreparedPolicy {
    /// The module as it runs, metadata attached.
    pub(crate) module: Arc<[u8]>,
    /// Digest of `module`.
    pub(crate) digest: Digest,
    /// Its metadata, if it has any.
    pub(crate) metadata: Option<Metadata>,
    /// How it is called.
    pub(crate) execution_mode: ExecutionMode,
    /// The compiled module.
    pub(crate) guest: Arc<dyn Policy>,
    /// What compiled the code it began with.
    pub(crate) compiler: Option<Compiler>,
    /// Time spent compiling; zero when another policy had the same bytes, or an earlier run.
    pub(crate) compile_time: Duration,
}

impl PreparedPolicy {
    /// The same policy with another one that answers.
    pub(crate) fn with_guest(&self, guest: Arc<dyn Policy>) -> Self {
        Self {
            module: Arc::clone(&self.module),
            digest: self.digest,
            metadata: self.metadata.clone(),
            execution_mode: self.execution_mode,
            guest,
            compiler: self.compiler,
            compile_time: self.compile_time,
        }
    }
}

/// A module with the metadata it runs with, not yet compiled.
#[derive(Debug)]
pub(crate) struct AnnotatedModule {
    /// The module, metadata attached. Byte for byte what was read where the suite gives no metadata.
    pub(crate) bytes: Arc<[u8]>,
    /// Its metadata, if it has any.
    pub(crate) metadata: Option<Metadata>,
    /// How it is called.
    pub(crate) mode: ExecutionMode,
    /// Digest of `bytes`.
    pub(crate) digest: Digest,
    /// What its exports say, for advice when it cannot be linked.
    pub(super) detected_kind: DetectedKind,
}

/// A policy whose metadata cannot be used, at a place of the suite.
pub(super) fn unusable_at(span: &Span, error: Diagnostic) -> Unavailable {
    unusable(error.span.unwrap_or_else(|| span.clone()), error.message, error.help)
}

/// A policy whose metadata cannot be used.
pub(super) fn unusable(span: Span, message: String, help: Option<String>) -> Unavailable {
    Unavailable { stage: UnavailableStage::Metadata, message, help, span: Some(span) }
}
