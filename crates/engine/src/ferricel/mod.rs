//! Mode `ferricel`: a ValidatingAdmissionPolicy whose CEL expressions were compiled by ferricel. Experimental, as in
//! Kubewarden 1.39.
//!
//! Every evaluation is one call in a fresh instance, with the request as JSON. There is no WASI, and settings are validated
//! here: the module knows none. Sources: the ABI of ferricel 0.12 and 0.13, `runtimes/ferricel` of policy-evaluator.

mod abi;
mod extensions;
mod imports;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use wasmtime::{InstancePre, Store, ValType};

pub use self::extensions::extension_capabilities;

use self::abi::{EVALUATE, MALLOC, SET_LOG_LEVEL, State, length, packed, unpacked};
use self::settings::FailurePolicy;
use super::cel_error::CelError;
use super::counters::Counters;
use super::engine::{Engine, Limits, Module};
use super::fault::{self, Circumstances, OUT_OF_TIME, Seen, Stop};
use super::link::{self, LinkError, Signature};
use super::memory;
use super::policy::{Context, GuestOutput, Instance, Policy, default_clock};
use super::response::{self, internal_error};
use super::sandbox::{NoHost, Sandbox, ServerLimits, Surroundings};
use super::store::GuestStore;
use policy_verify_model::answer::{AdmissionResponse, Answer, Fault, FaultKind, ServerAnswer, SettingsVerdict};
use policy_verify_model::policy::{ExecutionMode, Settings};
use policy_verify_model::request::Request;

const MODE: ExecutionMode = ExecutionMode::Ferricel;

/// The level of the log that policy-server and kwctl ask for: debug.
const LOG_LEVEL: i32 = 0;

/// The server's own words for a raw request.
const NO_RAW_REQUESTS: &str = "ferricel runtime does not support raw validation requests";

/// A compiled ValidatingAdmissionPolicy, linked.
#[derive(Clone)]
pub(super) struct FerricelGuest {
    pre: InstancePre<State>,
    limits: Limits,
    counters: Option<Arc<Counters>>,
}

impl FerricelGuest {
    /// Links the module. Its ABI version is not checked here: compiled code has lost it.
    pub(super) fn new(engine: &Engine, module: &Module) -> Result<Self, LinkError> {
        const ALLOCATES: Signature = (&[ValType::I32], &[ValType::I32]);
        const SETS: Signature = (&[ValType::I32], &[]);
        const EVALUATES: Signature = (&[ValType::I64], &[ValType::I64]);
        link::require(module, MODE, &[(MALLOC, ALLOCATES), (SET_LOG_LEVEL, SETS), (EVALUATE, EVALUATES)])?;
        let linker = imports::linker(module.wasmtime.engine())
            .map_err(|error| LinkError::Mismatch { mode: MODE, text: format!("{error:#}") })?;
        let server = ServerLimits::default();
        let nowhere = Surroundings { host: Arc::new(NoHost), timeout: Duration::ZERO, clock: default_clock(), server };
        let state = State { sandbox: Sandbox::new(&nowhere, &engine.limits, &[]) };
        let pre = link::link(&linker, module, MODE, state)?;
        Ok(Self { pre, limits: engine.limits.clone(), counters: module.counters.clone() })
    }
}

impl Policy for FerricelGuest {
    fn start(&self, context: &Context) -> Result<Box<dyn Instance>, Fault> {
        Ok(Box::new(FerricelInstance {
            guest: self.clone(),
            surroundings: context.into(),
            policy_id: context.policy_id.clone(),
        }))
    }
}

/// What the evaluations of one case have in common.
struct FerricelInstance {
    guest: FerricelGuest,
    surroundings: Surroundings,
    policy_id: String,
}

/// Why an evaluation has no result.
enum Failed {
    /// An expression evaluates to an error.
    Aborted(CelError),
    /// Anything else.
    Fault(Fault),
}

impl FerricelInstance {
    /// Evaluates the bindings in a fresh instance; gives the bytes of the result.
    fn evaluate(&self, bindings: &[u8]) -> Result<Vec<u8>, Failed> {
        let sandbox = Sandbox::new(&self.surroundings, &self.guest.limits, &[]);
        let mut store = GuestStore::new(self.guest.pre.module().engine(), State { sandbox }, self.surroundings.timeout);
        let circumstances = |store: &Store<State>| store.data().sandbox.circumstances();
        let instance = self.guest.pre.instantiate(&mut *store).map_err(|error| {
            let fault = fault_of(&error, &circumstances(&store));
            Failed::Fault(fault::while_starting(fault, "the policy could not be instantiated"))
        })?;
        store.count(&instance, self.guest.counters.as_ref());
        run(&instance, &mut store, bindings).map_err(|error| match error.downcast_ref() {
            Some(Stop::Cel(error)) => Failed::Aborted(error.clone()),
            _ => Failed::Fault(fault_of(&error, &circumstances(&store))),
        })
    }

    /// What becomes of an expression that evaluates to an error.
    fn aborted(&self, error: &CelError, policy: FailurePolicy, request: &Request) -> Answer {
        let text = error.to_string();
        match policy {
            FailurePolicy::Fail => {
                let at_server = internal_error(&text);
                Err(Fault::new(FaultKind::Guest, text)
                    .with_help(
                        "guard what may be missing with `has(…)`, or write `failurePolicy: Ignore` into the settings",
                    )
                    .at_server(at_server))
            }
            FailurePolicy::Ignore => Ok(AdmissionResponse {
                uid: request.uid().to_owned(),
                allowed: true,
                warnings: Some(vec![format!("policy {} skipped (failurePolicy is Ignore): {text}", self.policy_id)]),
                ..AdmissionResponse::default()
            }),
        }
    }
}

impl Instance for FerricelInstance {
    fn validate_settings(&mut self, settings: &Settings) -> Result<SettingsVerdict, Fault> {
        let message = settings::check(settings).err();
        Ok(SettingsVerdict { valid: message.is_none(), message, at_server: None })
    }

    fn validate(&mut self, request: &Request, settings: &Settings) -> Answer {
        let Some(bindings) = bindings(request, settings) else {
            return Err(Fault::new(FaultKind::Guest, NO_RAW_REQUESTS)
                .with_help("a ValidatingAdmissionPolicy is for Kubernetes requests: write `object:` or `request:`")
                .at_server(internal_error(&NO_RAW_REQUESTS)));
        };
        let result = match self.evaluate(bindings.to_string().as_bytes()) {
            Ok(result) => result,
            Err(Failed::Fault(fault)) => return Err(fault),
            Err(Failed::Aborted(error)) => return self.aborted(&error, FailurePolicy::of(settings), request),
        };
        if let Err(error) = std::str::from_utf8(&result) {
            let text = format!("Failed to parse result as UTF-8: {error}");
            let fault =
                Fault::new(FaultKind::InvalidResponse, format!("the result of the policy is not text: {error}"));
            return Err(fault.at_server(evaluation_failed(&text)));
        }
        response::answer(&result, request, "Cannot deserialize ferricel response")
    }

    fn output(&self) -> GuestOutput {
        GuestOutput::default()
    }
}

/// The variables of the expressions; nothing for a raw request.
fn bindings(request: &Request, settings: &Settings) -> Option<Value> {
    let Request::Admission(admission) = request else { return None };
    let setting = |name: &str| settings.get(name).cloned().unwrap_or_default();
    Some(json!({
        "object": admission.object,
        "oldObject": admission.old_object,
        "request": request.to_json(),
        "paramRef": setting("paramRef"),
        // Modules of ferricel before 0.12 have no such binding, and ignore it.
        "failurePolicy": setting("failurePolicy"),
    }))
}

/// Hands the bindings to an instance, and copies the result.
fn run(instance: &wasmtime::Instance, store: &mut Store<State>, bindings: &[u8]) -> wasmtime::Result<Vec<u8>> {
    instance.get_typed_func::<i32, ()>(&mut *store, SET_LOG_LEVEL)?.call(&mut *store, LOG_LEVEL)?;
    let allocate = instance.get_typed_func::<u32, u32>(&mut *store, MALLOC)?;
    let memory = instance
        .get_memory(&mut *store, "memory")
        .ok_or_else(|| Stop::Misuse("the policy exports no memory of its own".into()))?;
    let len = length(bindings.len())?;
    let address = allocate.call(&mut *store, len)?;
    memory::write_at(&memory, &mut *store, MALLOC, address, bindings)?;
    let evaluate = instance.get_typed_func::<u64, u64>(&mut *store, EVALUATE)?;
    let (address, len) = unpacked(evaluate.call(&mut *store, packed(address, len))?);
    store.data().sandbox.check_reply(len)?;
    memory::read_at(&memory, &*store, EVALUATE, address, len)
}

/// The fault behind an error that is no error of an expression, with the server's answer where it is known. A wrong pointer
/// is a trap to the server, too.
fn fault_of(error: &wasmtime::Error, circumstances: &Circumstances) -> Fault {
    let fault = fault::from_error(error, circumstances);
    match (fault::seen_by_server(error, circumstances), error.downcast_ref()) {
        (Some(Seen::Deadline), _) => fault.at_server(ServerAnswer::Rejects(OUT_OF_TIME.into())),
        (Some(Seen::Failure), _) | (None, Some(Stop::Misuse(_))) => {
            fault.at_server(evaluation_failed(&format!("{error:#}")))
        }
        (None, _) => fault,
    }
}

/// The server's rejection for an evaluation that failed.
fn evaluation_failed(text: &str) -> ServerAnswer {
    internal_error(&format_args!("ferricel evaluation failed: {text}"))
}
