//! Mode `kubewarden-wapc`: the waPC protocol, with the `wapc` crate as the protocol's host and an engine provider of
//! our own below it.
//!
//! The crate knows failures as text only. The cause is therefore kept in a slot, which takes precedence.

use std::cell::RefCell;
use std::error::Error as StdError;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use wapc::errors::Error as WapcError;
use wapc::wapc_functions as names;
use wapc::{HOST_NAMESPACE, ModuleState, WapcHost, WebAssemblyEngineProvider};
use wasmtime::{Caller, InstancePre, Linker, Store, TypedFunc, ValType};
use wasmtime_wasi::I32Exit;

use super::counters::Counters;
use super::engine::{Engine, Limits, Module, ticks};
use super::fault::{self, Circumstances, OUT_OF_TIME, Seen};
use super::link::{self, LinkError, NOTHING, Signature};
use super::policy::{Context, GuestOutput, Instance, Policy, default_clock};
use super::sandbox::{HostCallArguments, NoHost, Sandbox, Sandboxed, ServerLimits, Streams, Surroundings, lock};
use super::store::GuestStore;
use super::{memory, response, wasi_ctx};
use policy_verify_model::answer::{Answer, Fault, FaultKind, ServerAnswer, SettingsVerdict};
use policy_verify_model::policy::{ExecutionMode, ProtocolVersion, Settings};
use policy_verify_model::request::Request;

const MODE: ExecutionMode = ExecutionMode::KubewardenWapc;

/// Function that prepares a reactor. The server does not call it, and neither do we.
const INITIALIZE: &str = "_initialize";

/// How the server begins its answer for a policy that cannot be started (measured).
const NOT_STARTED: &str = "WebAssembly failure: cannot rehydrate PolicyEvaluatorPre: unable to rehydrate wapc module: \
                           cannot build Wapc host: Initialization failed: ";

/// Deadline for asking the protocol version; starting a large Go module takes a while on a busy machine.
const PROTOCOL_TIMEOUT: Duration = Duration::from_secs(10);

/// A waPC module, linked.
#[derive(Clone)]
pub(super) struct WapcGuest {
    pre: InstancePre<State>,
    /// What is called after instantiation, in order.
    starts: Arc<[&'static str]>,
    limits: Limits,
    counters: Option<Arc<Counters>>,
}

/// The data of a store.
struct State {
    sandbox: Sandbox,
    /// What the protocol's host knows; absent only while linking, when nothing runs.
    module: Option<Arc<ModuleState>>,
}

impl Sandboxed for State {
    fn sandbox(&mut self) -> &mut Sandbox {
        &mut self.sandbox
    }
}

impl WapcGuest {
    /// Links the module.
    pub(super) fn new(engine: &Engine, module: &Module) -> Result<Self, LinkError> {
        const CALL: Signature = (&[ValType::I32, ValType::I32], &[ValType::I32]);
        link::require(module, MODE, &[(names::GUEST_CALL, CALL)])?;
        let has = |name| link::has_function(module, MODE, name, NOTHING);
        let mut starts = Vec::new();
        if has(names::TINYGO_START)? {
            starts.push(names::TINYGO_START);
        }
        if has(names::WAPC_INIT)? {
            starts.push(names::WAPC_INIT);
        }
        let linker = linker(module.wasmtime.engine())
            .map_err(|error| LinkError::Mismatch { mode: MODE, text: format!("{error:#}") })?;
        let server = ServerLimits::default();
        let nowhere = Surroundings { host: Arc::new(NoHost), timeout: Duration::ZERO, clock: default_clock(), server };
        let sandbox = Sandbox::new(&nowhere, &engine.limits, &[]);
        let pre = link::link(&linker, module, MODE, State { sandbox, module: None })?;
        Ok(Self { pre, starts: starts.into(), limits: engine.limits.clone(), counters: module.counters.clone() })
    }

    /// Starts an instance in these surroundings.
    pub(super) fn start_in(&self, surroundings: &Surroundings) -> Result<WapcInstance, Fault> {
        let streams = Streams::default();
        let started = self.started(surroundings, &streams)?;
        Ok(WapcInstance { guest: self.clone(), surroundings: surroundings.clone(), started: Some(started), streams })
    }

    /// A module that is running, and what it leaves behind.
    fn started(&self, surroundings: &Surroundings, streams: &Streams) -> Result<Running, Fault> {
        let mut sandbox = Sandbox::new(surroundings, &self.limits, &[]);
        sandbox.streams = Arc::clone(streams);
        let ending = Rc::<RefCell<Ending>>::default();
        let provider = Provider {
            guest: self.clone(),
            sandbox: Some(sandbox),
            timeout: surroundings.timeout,
            started: None,
            ending: Rc::clone(&ending),
        };
        let host = Arc::clone(&surroundings.host);
        let answer = move |_id: u64, binding: &str, namespace: &str, operation: &str, payload: &[u8]| {
            host.call(binding, namespace, operation, payload).map_err(Into::into)
        };
        match WapcHost::new(Box::new(provider), Some(Box::new(answer))) {
            Ok(host) => Ok(Running { host, ending }),
            Err(error) => {
                let failed = ending.take().failed;
                Err(failed.map_or_else(|| Fault::new(FaultKind::Init, error.to_string()), |failed| failed.fault))
            }
        }
    }
}

impl WapcGuest {
    /// A trap of a module whose initialisation the server leaves out, explained.
    fn explained(&self, fault: Fault) -> Fault {
        let module = self.pre.module();
        if fault.kind != FaultKind::Trap
            || module.get_export(INITIALIZE).is_none()
            || module.get_export(names::TINYGO_START).is_some()
        {
            return fault;
        }
        fault.with_help(
            "the module exports `_initialize`, which policy-server does not call: build it as a command, with `_start`, or \
             initialise it in `wapc_init`",
        )
    }
}

impl Policy for WapcGuest {
    fn start(&self, context: &Context) -> Result<Box<dyn Instance>, Fault> {
        Ok(Box::new(self.start_in(&context.into())?))
    }
}

/// Reads the protocol version of a waPC module by running it, without a host.
///
/// # Errors
///
/// The module cannot run in this mode, or gives no known version.
pub fn protocol_version(engine: &Engine, module: &Module) -> Result<ProtocolVersion, ProtocolError> {
    let guest = WapcGuest::new(engine, module)?;
    let server = ServerLimits::default();
    let surroundings =
        Surroundings { host: Arc::new(NoHost), timeout: PROTOCOL_TIMEOUT, clock: default_clock(), server };
    let called = guest.start_in(&surroundings)?.call("protocol_version", b"");
    let reply = called.map_err(|failed| failed.fault)?;
    match response::read(&reply, "protocol version")? {
        ProtocolVersion::V1 => Ok(ProtocolVersion::V1),
        ProtocolVersion::Unknown => {
            let message = "the policy says that it speaks no known version of the protocol";
            Err(Fault::new(FaultKind::InvalidResponse, message).into())
        }
    }
}

/// Why a module's protocol version is not known.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// The module is not a waPC module.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// It was asked and did not answer.
    #[error("{}", .0.message)]
    Fault(Fault),
}

impl From<Fault> for ProtocolError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What the calls of one case have in common. Each call has an instance of its own, as in the server, which validates
/// settings when it starts, and evaluates each request in a fresh instance.
pub(super) struct WapcInstance {
    guest: WapcGuest,
    surroundings: Surroundings,
    /// The instance of the next call, where it was started already.
    started: Option<Running>,
    streams: Streams,
}

/// One instance.
struct Running {
    host: WapcHost,
    ending: Rc<RefCell<Ending>>,
}

impl WapcInstance {
    /// Calls a function of the policy. What the policy itself reports as an error is a fault of kind `guest`.
    fn call(&mut self, function: &str, payload: &[u8]) -> Result<Vec<u8>, Failed> {
        let started = self.started.take().map_or_else(|| self.guest.started(&self.surroundings, &self.streams), Ok);
        let running = started.map_err(|fault| Failed { fault, seen: None })?;
        let error = match running.host.call(function, payload) {
            Ok(reply) => return Ok(reply),
            Err(error) => error,
        };
        let Ending { failed, circumstances } = running.ending.take();
        if let Some(Failed { fault, seen }) = failed {
            return Err(Failed { fault: self.guest.explained(fault), seen });
        }
        let text = match &error {
            WapcError::GuestCallFailure(text) => text.clone(),
            error => error.to_string(),
        };
        let seen = Some(SeenByServer::Error(error));
        Err(match circumstances.refused_memory {
            None => Failed { fault: Fault::new(FaultKind::Guest, text), seen },
            Some(refused) => Failed {
                fault: refused.fault(&format!("it reported: {text}")),
                seen: seen.filter(|_| refused.is_refused_by_server),
            },
        })
    }
}

/// A call that failed, and what the server sees of it; nothing for what it does not know.
struct Failed {
    fault: Fault,
    seen: Option<SeenByServer>,
}

/// How a call ends in the server.
enum SeenByServer {
    /// Its deadline passed.
    Deadline,
    /// The `wapc` crate has this error.
    Error(WapcError),
}

impl Failed {
    /// The fault of a call of `validate`.
    fn in_validation(self) -> Fault {
        match self.seen {
            Some(SeenByServer::Deadline) => self.fault.at_server(ServerAnswer::Rejects(OUT_OF_TIME.into())),
            Some(SeenByServer::Error(error)) => self.fault.at_server(response::internal_error(&error)),
            None => self.fault,
        }
    }

    /// The verdict on settings that the policy fails to validate. The server waits for ever for a policy that does not end.
    fn in_settings(self) -> Result<SettingsVerdict, Fault> {
        let Some(SeenByServer::Error(error)) = self.seen else { return Err(self.fault) };
        let reason = format!("Error invoking settings validation callback: {error:?}");
        match self.fault.kind {
            // A policy that cannot read the settings rejects them.
            FaultKind::Guest => {
                Ok(SettingsVerdict { valid: false, message: Some(self.fault.message), at_server: Some(reason) })
            }
            _ => Err(self.fault.at_server(response::invalid_settings(&reason))),
        }
    }
}

impl Instance for WapcInstance {
    fn validate_settings(&mut self, settings: &Settings) -> Result<SettingsVerdict, Fault> {
        match self.call("validate_settings", &response::settings_payload(settings)) {
            Ok(reply) => {
                response::settings_verdict(&reply, |error| format!("error: InvalidResponseWithError({error:?})"))
            }
            Err(failed) => failed.in_settings(),
        }
    }

    fn validate(&mut self, request: &Request, settings: &Settings) -> Answer {
        let reply = self.call("validate", &response::payload(request, settings)).map_err(Failed::in_validation)?;
        response::answer(&reply, request, "invalid response from policy")
    }

    fn output(&self) -> GuestOutput {
        lock(&self.streams).clone()
    }
}

/// How the last call really ended, for which the `wapc` crate has no type.
#[derive(Default)]
struct Ending {
    /// Why the guest did not return.
    failed: Option<Failed>,
    /// What else is known, also when it returned.
    circumstances: Circumstances,
}

/// Runs the guest for the `wapc` crate.
struct Provider {
    guest: WapcGuest,
    /// Handed to the store when the instance is started.
    sandbox: Option<Sandbox>,
    timeout: Duration,
    started: Option<Started>,
    ending: Rc<RefCell<Ending>>,
}

struct Started {
    store: GuestStore<State>,
    guest_call: TypedFunc<(i32, i32), i32>,
}

impl Provider {
    fn start(&self, sandbox: Sandbox, module: Arc<ModuleState>) -> Result<Started, Fault> {
        let state = State { sandbox, module: Some(module) };
        let mut store = GuestStore::new(self.guest.pre.module().engine(), state, self.timeout);
        let failed = |store: &Store<State>, error: &wasmtime::Error, phase: &str, at_server: &str| {
            let circumstances = store.data().sandbox.circumstances();
            let fault = fault::while_starting(fault::from_error(error, &circumstances), phase);
            match fault::seen_by_server(error, &circumstances) {
                Some(Seen::Failure) => {
                    fault.at_server(ServerAnswer::NotServed(format!("{NOT_STARTED}{at_server}{error}")))
                }
                _ => fault,
            }
        };
        let instance = self
            .guest
            .pre
            .instantiate(&mut *store)
            .map_err(|error| failed(&store, &error, "the policy could not be instantiated", ""))?;
        store.count(&instance, self.guest.counters.as_ref());
        for name in self.guest.starts.iter() {
            let outcome = instance
                .get_typed_func::<(), ()>(&mut *store, name)
                .and_then(|function| function.call(&mut *store, ()));
            match outcome {
                // Programs end with `exit(0)`, and TinyGo's `_start` is one.
                Err(error) if error.downcast_ref().is_some_and(|I32Exit(code)| *code == 0) => {}
                Err(error) => {
                    let phase = format!("the policy failed in its `{name}`");
                    return Err(failed(&store, &error, &phase, "Initialization failed: "));
                }
                Ok(()) => {}
            }
        }
        let guest_call = instance
            .get_typed_func(&mut *store, names::GUEST_CALL)
            .map_err(|error| failed(&store, &error, "the policy could not be instantiated", ""))?;
        Ok(Started { store, guest_call })
    }

    /// Leaves a fault in the slot; the `wapc` crate receives its text.
    fn fail<T>(&self, fault: Fault, seen: Option<SeenByServer>) -> Result<T, Box<dyn StdError + Send + Sync>> {
        let text = fault.message.clone();
        self.ending.borrow_mut().failed = Some(Failed { fault, seen });
        Err(text.into())
    }
}

impl WebAssemblyEngineProvider for Provider {
    fn init(&mut self, module: Arc<ModuleState>) -> Result<(), Box<dyn StdError + Send + Sync>> {
        let sandbox = self.sandbox.take().ok_or("the instance was started before")?;
        match self.start(sandbox, module) {
            Ok(started) => {
                self.started = Some(started);
                Ok(())
            }
            Err(fault) => self.fail(fault, None),
        }
    }

    fn call(&mut self, operation_len: i32, message_len: i32) -> Result<i32, Box<dyn StdError + Send + Sync>> {
        let Started { store, guest_call } = self.started.as_mut().ok_or("the instance was not started")?;
        store.data_mut().sandbox.begin_call();
        store.set_epoch_deadline(ticks(self.timeout));
        let outcome = guest_call.call(&mut **store, (operation_len, message_len));
        let circumstances = store.data().sandbox.circumstances();
        match outcome {
            Ok(code) => {
                *self.ending.borrow_mut() = Ending { failed: None, circumstances };
                Ok(code)
            }
            Err(error) => {
                let seen = fault::seen_by_server(&error, &circumstances).map(|seen| match seen {
                    Seen::Deadline => SeenByServer::Deadline,
                    // The server hands on the outermost text, which is where it happened, and not what.
                    Seen::Failure => SeenByServer::Error(WapcError::GuestCallFailure(error.to_string())),
                });
                self.fail(fault::from_error(&error, &circumstances), seen)
            }
        }
    }

    fn replace(&mut self, _bytes: &[u8]) -> Result<(), Box<dyn StdError + Send + Sync>> {
        Err("a policy is never replaced".into())
    }
}

fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasi_ctx::link(&mut linker)?;
    linker.func_wrap(HOST_NAMESPACE, names::GUEST_REQUEST_FN, guest_request)?;
    linker.func_wrap(HOST_NAMESPACE, names::GUEST_RESPONSE_FN, guest_response)?;
    linker.func_wrap(HOST_NAMESPACE, names::GUEST_ERROR_FN, guest_error)?;
    linker.func_wrap(HOST_NAMESPACE, names::HOST_CALL, host_call)?;
    linker.func_wrap(HOST_NAMESPACE, names::HOST_RESPONSE_LEN_FN, host_response_len)?;
    linker.func_wrap(HOST_NAMESPACE, names::HOST_RESPONSE_FN, host_response)?;
    linker.func_wrap(HOST_NAMESPACE, names::HOST_ERROR_LEN_FN, host_error_len)?;
    linker.func_wrap(HOST_NAMESPACE, names::HOST_ERROR_FN, host_error)?;
    linker.func_wrap(HOST_NAMESPACE, names::HOST_CONSOLE_LOG, console_log)?;
    Ok(linker)
}

fn module<'a>(caller: &'a Caller<'_, State>) -> Option<&'a ModuleState> {
    caller.data().module.as_deref()
}

fn guest_request(mut caller: Caller<'_, State>, operation: u32, message: u32) -> wasmtime::Result<()> {
    let Some(invocation) = module(&caller).and_then(ModuleState::get_guest_request) else { return Ok(()) };
    memory::write(&mut caller, names::GUEST_REQUEST_FN, operation, invocation.operation.as_bytes())?;
    memory::write(&mut caller, names::GUEST_REQUEST_FN, message, &invocation.msg)
}

fn guest_response(mut caller: Caller<'_, State>, address: u32, len: u32) -> wasmtime::Result<()> {
    memory::check(&mut caller, names::GUEST_RESPONSE_FN, address, len)?;
    caller.data().sandbox.check_reply(len)?;
    let reply = memory::read(&mut caller, names::GUEST_RESPONSE_FN, address, len)?;
    if let Some(module) = module(&caller) {
        module.set_guest_response(reply);
    }
    Ok(())
}

fn guest_error(mut caller: Caller<'_, State>, address: u32, len: u32) -> wasmtime::Result<()> {
    memory::check(&mut caller, names::GUEST_ERROR_FN, address, len)?;
    caller.data().sandbox.check_reply(len)?;
    let text = memory::read_text(&mut caller, names::GUEST_ERROR_FN, address, len)?;
    if let Some(module) = module(&caller) {
        module.set_guest_error(text);
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the protocol has this many")]
fn host_call(
    mut caller: Caller<'_, State>,
    binding: u32,
    binding_len: u32,
    namespace: u32,
    namespace_len: u32,
    operation: u32,
    operation_len: u32,
    payload: u32,
    payload_len: u32,
) -> wasmtime::Result<i32> {
    const NAME: &str = names::HOST_CALL;
    let call = HostCallArguments {
        binding: (binding, binding_len),
        namespace: (namespace, namespace_len),
        operation: (operation, operation_len),
        payload: (payload, payload_len),
    }
    .read(&mut caller, NAME)?;
    let Some(module) = caller.data().module.clone() else { return Ok(0) };
    // It fails only when the callback does, and that is a value for the guest.
    let code = module.do_host_call(&call.binding, &call.namespace, &call.operation, &call.payload).unwrap_or(0);
    caller.data_mut().sandbox.charge_host_bytes(module.host_response_len() as u64)?;
    Ok(code)
}

fn host_response_len(caller: Caller<'_, State>) -> i32 {
    module(&caller).map_or(0, |module| length(module.host_response_len()))
}

fn host_response(mut caller: Caller<'_, State>, address: u32) -> wasmtime::Result<()> {
    let Some(module) = caller.data().module.clone() else { return Ok(()) };
    module
        .with_host_response(|reply| memory::write(&mut caller, names::HOST_RESPONSE_FN, address, reply))
        .unwrap_or(Ok(()))
}

fn host_error_len(caller: Caller<'_, State>) -> i32 {
    module(&caller).and_then(ModuleState::get_host_error).map_or(0, |text| length(text.len()))
}

fn host_error(mut caller: Caller<'_, State>, address: u32) -> wasmtime::Result<()> {
    let Some(text) = module(&caller).and_then(ModuleState::get_host_error) else { return Ok(()) };
    memory::write(&mut caller, names::HOST_ERROR_FN, address, text.as_bytes())
}

fn console_log(mut caller: Caller<'_, State>, address: u32, len: u32) -> wasmtime::Result<()> {
    memory::check(&mut caller, names::HOST_CONSOLE_LOG, address, len)?;
    caller.data_mut().sandbox.charge_log(len as usize)?;
    let text = memory::read_text(&mut caller, names::HOST_CONSOLE_LOG, address, len)?;
    caller.data().sandbox.host.console_log(&text);
    Ok(())
}

/// A length as the protocol carries it. What does not fit could not be copied into a 32-bit memory either.
fn length(len: usize) -> i32 {
    i32::try_from(len).unwrap_or(i32::MAX)
}
