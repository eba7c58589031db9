//! Rego compiled to WebAssembly by `opa build`: what the modes `opa` and `gatekeeper` have in common.
//!
//! A module imports its memory, so nothing but the host functions can be linked ahead of a case. What the result means
//! is left to the modes.

mod abi;
mod builtins;
pub(super) mod inventory;
#[cfg(test)]
mod tests;
mod value;

use serde_json::Value;

use self::abi::Abi;
use super::engine::{Engine, Module};
use super::link::LinkError;
use super::response;
use super::sandbox::Surroundings;
use policy_verify_model::answer::{Fault, FaultKind, ServerAnswer, SettingsVerdict};
use policy_verify_model::policy::ExecutionMode;

/// Rego policies have no say in their settings: the server takes any.
pub(super) const ANY_SETTINGS: SettingsVerdict = SettingsVerdict { valid: true, message: None, at_server: None };

/// A Rego module, checked.
pub(super) struct RegoModule(abi::Linked);

impl RegoModule {
    /// Checks that the module is one of the ABI.
    pub(super) fn new(engine: &Engine, module: &Module, mode: ExecutionMode) -> Result<Self, LinkError> {
        abi::Linked::new(engine, module, mode).map(Self)
    }

    /// A fresh instance. A module that needs unknown built-ins gets none, used or not, as in the server.
    pub(super) fn start(&self, surroundings: &Surroundings) -> Result<RegoInstance, Fault> {
        let (abi, missing) = self.0.instantiate(surroundings)?;
        if missing.is_empty() {
            return Ok(RegoInstance(abi));
        }
        let message = format!("Missing Rego builtins: {}", missing.join(", "));
        let at_server = format!(
            "WebAssembly failure: cannot rehydrate PolicyEvaluatorPre: unable to rehydrate rego module: cannot allocate \
             Rego evaluator: cannot build Rego engine: {message}"
        );
        let fault = Fault::new(FaultKind::MissingBuiltins, message).with_help(
            "policy-server refuses this module in the same words, even if no rule that is reached uses them: it offers \
             few of the built-ins that `opa build` leaves to the host",
        );
        Err(fault.at_server(ServerAnswer::NotServed(at_server)))
    }
}

/// One instance of a Rego module.
pub(super) struct RegoInstance(Abi);

impl RegoInstance {
    /// Evaluates the first entry point; gives the document of its results.
    pub(super) fn evaluate(&mut self, input: &Value, data: &Value) -> Result<Value, Fault> {
        let result = self.0.evaluate(input, data)?;
        response::read_or(result.as_bytes(), "result document", "cannot convert data read from memory into utf8 String")
    }
}

/// The value of the entry point in the document of results; none when it is undefined.
pub(super) fn entry_point_value(result: &Value) -> Option<&Value> {
    result.get(0)?.get("result")
}

/// What kind of value the entry point has, for messages.
pub(super) fn shape(value: Option<&Value>) -> &'static str {
    match value {
        None => "undefined",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "a boolean",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(_)) => "a string",
        Some(Value::Array(_)) => "an array",
        Some(Value::Object(_)) => "an object",
    }
}
