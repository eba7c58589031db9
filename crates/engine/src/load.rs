//! A compiled module becomes a policy of its execution mode.

use std::sync::Arc;

use super::engine::{Engine, Module};
use super::ferricel::FerricelGuest;
use super::gatekeeper::GatekeeperGuest;
use super::link::LinkError;
use super::opa::OpaGuest;
use super::policy::Policy;
use super::wapc::WapcGuest;
use super::wasi::WasiGuest;
use policy_verify_model::policy::ExecutionMode;

/// Loads a compiled module for an execution mode.
///
/// # Errors
///
/// The module lacks what the mode needs, or imports what it does not offer.
pub fn load(engine: &Engine, module: &Module, mode: ExecutionMode) -> Result<Arc<dyn Policy>, LinkError> {
    match mode {
        ExecutionMode::KubewardenWapc => Ok(Arc::new(WapcGuest::new(engine, module)?)),
        ExecutionMode::Wasi => Ok(Arc::new(WasiGuest::new(engine, module)?)),
        ExecutionMode::Opa => Ok(Arc::new(OpaGuest::new(engine, module)?)),
        ExecutionMode::Gatekeeper => Ok(Arc::new(GatekeeperGuest::new(engine, module)?)),
        ExecutionMode::Ferricel => Ok(Arc::new(FerricelGuest::new(engine, module)?)),
    }
}
