//! Step 3: bytes become a policy that is ready to be asked.

use std::sync::Arc;
use std::time::Duration;

use crate::model::policy::{Digest, ExecutionMode, Metadata};
use crate::runtime::Guest;

/// A policy, ready to be asked.
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
    pub(crate) guest: Arc<dyn Guest>,
    /// Time spent compiling; zero when another policy had the same bytes.
    pub(crate) compile_time: Duration,
}
