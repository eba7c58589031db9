//! Everything wasmtime: compiling modules, and asking one instance of a policy the questions of one case.
//!
//! Nothing outside this folder names wasmtime.

mod clock;
mod code_cache;
pub mod engine;
mod fault;
mod gatekeeper;
pub(crate) mod link;
mod memory;
mod opa;
mod random;
mod rego;
mod response;
mod sandbox;
#[cfg(test)]
mod tests;
pub(crate) mod wapc;
mod wasi;
mod wasi_ctx;

use std::sync::Arc;
use std::time::Duration;

use self::engine::{Engine, Module};
use self::gatekeeper::GatekeeperGuest;
use self::link::LinkError;
use self::opa::OpaGuest;
use self::wapc::{ProtocolError, WapcGuest};
use self::wasi::WasiGuest;
use policy_verify_host::Host;
use policy_verify_model::answer::{Answer, Fault, SettingsVerdict};
use policy_verify_model::policy::{ExecutionMode, ProtocolVersion, Settings};
use policy_verify_model::request::Request;

/// Links a module for the mode it is called in.
pub fn guest(engine: &Engine, module: &Module, mode: ExecutionMode) -> Result<Arc<dyn Guest>, LinkError> {
    match mode {
        ExecutionMode::KubewardenWapc => Ok(Arc::new(WapcGuest::new(engine, module)?)),
        ExecutionMode::Wasi => Ok(Arc::new(WasiGuest::new(engine, module)?)),
        ExecutionMode::Opa => Ok(Arc::new(OpaGuest::new(engine, module)?)),
        ExecutionMode::Gatekeeper => Ok(Arc::new(GatekeeperGuest::new(engine, module)?)),
    }
}

/// Asks a waPC module which version of the protocol it speaks. The module runs, without any host.
pub fn protocol_version(engine: &Engine, module: &Module) -> Result<ProtocolVersion, ProtocolError> {
    wapc::protocol_version(engine, module)
}

/// A policy compiled and linked. Each case starts an instance of its own.
pub trait Guest: Send + Sync {
    /// Creates a fresh instance and runs its initialisation.
    fn start(&self, context: &Context) -> Result<Box<dyn Instance>, Fault>;
}

/// One instance of a policy, for the calls of one case.
pub trait Instance {
    /// Asks the policy whether it takes these settings.
    fn validate_settings(&mut self, settings: &Settings) -> Result<SettingsVerdict, Fault>;

    /// Asks the policy for its verdict. The response is the server's before any post-processing.
    fn validate(&mut self, request: &Request, settings: &Settings) -> Answer;

    /// What the guest wrote to its standard streams so far: stdout, stderr, and whether something was cut.
    fn output(&self) -> GuestOutput;
}

/// What the instances of one case share.
pub struct Context {
    /// Answers the host calls.
    pub(crate) host: Arc<Host>,
    /// Deadline of each call into the guest; starting it is one of them.
    pub(crate) timeout: Duration,
    /// The date and time the guest sees.
    pub clock: jiff::Timestamp,
}

impl Context {
    /// A context with the default clock.
    pub fn new(host: Arc<Host>, timeout: Duration) -> Self {
        Self { host, timeout, clock: default_clock() }
    }
}

/// 2026-01-01T00:00:00Z: what guests take for now unless the suite says otherwise.
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
    /// Whether something is missing because there was too much.
    pub is_truncated: bool,
}
