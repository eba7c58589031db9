//! Everything wasmtime: compiling modules, and asking one instance of a policy the questions of one case.
//!
//! Nothing outside this folder names wasmtime.

use std::sync::Arc;
use std::time::Duration;

use crate::host::Host;
use crate::model::answer::{Answer, Fault, SettingsVerdict};
use crate::model::policy::Settings;
use crate::model::request::Request;

/// A policy compiled and linked. Each case starts an instance of its own.
pub(crate) trait Guest: Send + Sync {
    /// Creates a fresh instance and runs its initialisation.
    fn start(&self, context: &Context) -> Result<Box<dyn Instance>, Fault>;
}

/// One instance of a policy, for the calls of one case.
pub(crate) trait Instance {
    /// Asks the policy whether it takes these settings.
    fn validate_settings(&mut self, settings: &Settings) -> Result<SettingsVerdict, Fault>;

    /// Asks the policy for its verdict. The response is the server's before any post-processing.
    fn validate(&mut self, request: &Request, settings: &Settings) -> Answer;

    /// What the guest wrote to its standard streams so far: stdout, stderr, and whether something was cut.
    fn output(&self) -> GuestOutput;
}

/// What the instances of one case share.
pub(crate) struct Context {
    /// Answers the host calls.
    pub(crate) host: Arc<Host>,
    /// Deadline of each call into the guest.
    pub(crate) timeout: Duration,
}

/// What a guest wrote to its standard streams.
#[derive(Debug, Clone, Default)]
pub(crate) struct GuestOutput {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) is_truncated: bool,
}
