//! A loaded policy and its instances, whatever the mode.

use std::sync::Arc;
use std::time::Duration;

use policy_verify_host::Host;
use policy_verify_model::answer::{Answer, Fault, SettingsVerdict};
use policy_verify_model::installation::Kubewarden;
use policy_verify_model::policy::Settings;
use policy_verify_model::release::Release;
use policy_verify_model::request::Request;

/// A policy, compiled and linked. Instances share nothing but its code.
pub trait Policy: Send + Sync {
    /// Creates a fresh instance and runs its initialisation.
    fn start(&self, context: &Context) -> Result<Box<dyn Instance>, Fault>;

    /// Whether the next instance has code that [`settle`](Self::settle) would replace by better code.
    fn is_provisional(&self) -> bool {
        false
    }

    /// Whether provisional code was replaced.
    fn is_settled(&self) -> bool {
        false
    }

    /// Replaces provisional code, which may take as long as compiling does. Says what is wrong where that fails.
    fn settle(&self) -> Result<(), String> {
        Ok(())
    }
}

/// One instance of a policy.
pub trait Instance {
    /// Validates the settings.
    fn validate_settings(&mut self, settings: &Settings) -> Result<SettingsVerdict, Fault>;

    /// Validates a request. The response is that of policy-server before any post-processing.
    fn validate(&mut self, request: &Request, settings: &Settings) -> Answer;

    /// What the guest wrote to its standard streams so far.
    fn output(&self) -> GuestOutput;
}

/// The host, timeout and clock of an instance.
pub struct Context {
    /// Answers the host calls.
    pub(crate) host: Arc<Host>,
    /// Longest time of each call into the guest; starting it is one of them.
    pub(crate) timeout: Duration,
    /// The date and time the guest sees.
    pub clock: jiff::Timestamp,
    /// The release of Kubewarden whose verdicts are given.
    pub release: Release,
    /// The name of the policy in policy-server, for texts of the host that name it.
    pub policy_id: String,
    /// Most bytes of a linear memory that policy-server allows; `None` means unlimited.
    pub memory_limit: Option<u64>,
}

impl Context {
    /// A context with the default clock, and the default release and its memory limit.
    pub fn new(host: Arc<Host>, timeout: Duration) -> Self {
        let kubewarden = Kubewarden::default();
        let (release, memory_limit) = (kubewarden.release, kubewarden.memory_limit());
        Self { host, timeout, clock: default_clock(), release, policy_id: String::new(), memory_limit }
    }
}

/// 2026-01-01T00:00:00Z: the time in guests unless another one is set.
pub(crate) fn default_clock() -> jiff::Timestamp {
    jiff::Timestamp::constant(1_767_225_600, 0)
}

/// What a guest wrote to its standard streams.
#[derive(Debug, Clone, Default)]
pub struct GuestOutput {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// Whether output beyond the limit is missing.
    pub is_truncated: bool,
}
