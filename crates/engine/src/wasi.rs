//! Mode `wasi`: a program that reads a document from stdin and writes its verdict to stdout.
//!
//! Every call is a run of its own in a fresh instance. Answers to host calls arrive on stdin, behind what was there.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Caller, InstancePre, Linker};
use wasmtime_wasi::I32Exit;

use super::counters::Counters;
use super::engine::{Engine, Limits, Module};
use super::fault;
use super::link::{self, LinkError, NOTHING};
use super::policy::{Context, GuestOutput, Instance, Policy, default_clock};
use super::sandbox::{HostCallArguments, NoHost, Sandbox, Sandboxed, ServerLimits, Surroundings, lock};
use super::store::GuestStore;
use super::{response, wasi_ctx};
use policy_verify_host::reply::CallError;
use policy_verify_model::answer::{Answer, Fault, FaultKind, ServerAnswer, SettingsVerdict};
use policy_verify_model::policy::{ExecutionMode, Settings};
use policy_verify_model::request::Request;

const MODE: ExecutionMode = ExecutionMode::Wasi;
const START: &str = "_start";

/// The modules under which the host call is imported: its own, and the one of JavaScript policies that were not
/// annotated.
const HOST_MODULES: [&str; 2] = ["host", "kubewarden:javy/host"];

/// A WASI program, linked.
#[derive(Clone)]
pub(super) struct WasiGuest {
    pre: InstancePre<State>,
    limits: Limits,
    counters: Option<Arc<Counters>>,
}

/// The data of a store.
struct State {
    sandbox: Sandbox,
}

impl Sandboxed for State {
    fn sandbox(&mut self) -> &mut Sandbox {
        &mut self.sandbox
    }
}

impl WasiGuest {
    /// Links the module.
    pub(super) fn new(engine: &Engine, module: &Module) -> Result<Self, LinkError> {
        link::require(module, MODE, &[(START, NOTHING)])?;
        let linker = linker(module.wasmtime.engine())
            .map_err(|error| LinkError::Mismatch { mode: MODE, text: format!("{error:#}") })?;
        let server = ServerLimits::default();
        let nowhere = Surroundings { host: Arc::new(NoHost), timeout: Duration::ZERO, clock: default_clock(), server };
        let state = State { sandbox: Sandbox::new(&nowhere, &engine.limits, &[]) };
        let pre = link::link(&linker, module, MODE, state)?;
        Ok(Self { pre, limits: engine.limits.clone(), counters: module.counters.clone() })
    }

    /// An instance in these surroundings; nothing runs yet.
    pub(super) fn start_in(&self, surroundings: Surroundings) -> WasiInstance {
        WasiInstance { guest: self.clone(), surroundings, output: GuestOutput::default() }
    }
}

impl Policy for WasiGuest {
    fn start(&self, context: &Context) -> Result<Box<dyn Instance>, Fault> {
        Ok(Box::new(self.start_in(context.into())))
    }
}

/// What the calls of one case have in common.
pub(super) struct WasiInstance {
    guest: WasiGuest,
    surroundings: Surroundings,
    output: GuestOutput,
}

/// How a run ended that came to an end by itself.
enum Ended {
    /// With code 0 and this on stdout.
    Well(Vec<u8>),
    /// With another code and this on stderr, trimmed.
    Badly(i32, String),
}

/// A run that was ended.
struct Broken {
    fault: Fault,
    /// Whether the server would have seen the same, and answered with what is on stderr.
    is_known_to_server: bool,
}

impl WasiInstance {
    fn run(&mut self, command: &str, stdin: Vec<u8>) -> Result<Ended, Fault> {
        let mut sandbox = Sandbox::new(&self.surroundings, &self.guest.limits, &["policy.wasm", command]);
        sandbox.stdin = stdin.into();
        sandbox.is_stdout_the_reply = true;
        let streams = Arc::clone(&sandbox.streams);
        let ended = self.run_in(sandbox);
        let streams = std::mem::take(&mut *lock(&streams));
        self.output.stderr.extend_from_slice(&streams.stderr);
        self.output.is_truncated |= streams.is_truncated;
        let stderr = String::from_utf8_lossy(&streams.stderr).trim().to_owned();
        // The server reads stderr first, however the run ended.
        let unreadable = not_a_text("stderr", &streams.stderr);
        let told = unreadable.clone().unwrap_or_else(|| stderr.clone());
        let ended = ended.map_err(|Broken { fault, is_known_to_server }| {
            if is_known_to_server { fault.at_server(ServerAnswer::Rejects(told.clone())) } else { fault }
        })?;
        if let Some(text) = unreadable {
            let fault = Fault::new(FaultKind::InvalidResponse, format!("the stderr of the policy is not text: {text}"));
            return Err(fault
                .with_help("policy-server cannot read it either, and rejects the request, whatever the policy answered")
                .at_server(ServerAnswer::Rejects(told)));
        }
        match ended {
            (0, _) => Ok(Ended::Well(streams.stdout)),
            (code, refused_memory) => {
                match refused_memory {
                    Some(refused) => {
                        // The first line says it all; what Go adds is a page about its threads.
                        let line = stderr.lines().next().unwrap_or("");
                        let fault = refused.fault(&format!("it exited with code {code}: {line}"));
                        Err(match refused.is_refused_by_server {
                            true => fault.at_server(ServerAnswer::Rejects(stderr)),
                            false => fault,
                        })
                    }
                    None => Ok(Ended::Badly(code, stderr)),
                }
            }
        }
    }

    /// Runs the program to its end. Gives its exit code, and the memory it was refused.
    fn run_in(&self, sandbox: Sandbox) -> Result<(i32, Option<fault::RefusedMemory>), Broken> {
        let mut store = GuestStore::new(self.guest.pre.module().engine(), State { sandbox }, self.surroundings.timeout);
        let instantiated = self.guest.pre.instantiate(&mut *store);
        let instance = instantiated.map_err(|error| {
            let fault = fault::from_error(&error, &store.data().sandbox.circumstances());
            let fault = fault::while_starting(fault, "the policy could not be instantiated");
            Broken { fault, is_known_to_server: false }
        })?;
        store.count(&instance, self.guest.counters.as_ref());
        let outcome =
            instance.get_typed_func::<(), ()>(&mut *store, START).and_then(|start| start.call(&mut *store, ()));
        let circumstances = store.data().sandbox.circumstances();
        match outcome {
            Ok(()) => Ok((0, circumstances.refused_memory)),
            Err(error) => match error.downcast_ref() {
                Some(I32Exit(code)) => Ok((*code, circumstances.refused_memory)),
                None => Err(Broken {
                    fault: fault::from_error(&error, &circumstances),
                    is_known_to_server: fault::seen_by_server(&error, &circumstances).is_some(),
                }),
            },
        }
    }
}

impl Instance for WasiInstance {
    fn validate_settings(&mut self, settings: &Settings) -> Result<SettingsVerdict, Fault> {
        match self.run("validate-settings", response::settings_payload(settings)) {
            Ok(Ended::Well(reply)) => response::settings_verdict(&reply, |error| {
                format!("Cannot deserialize settings validation response: {error}")
            }),
            Ok(Ended::Badly(_, stderr)) => Ok(SettingsVerdict { valid: false, message: Some(stderr), at_server: None }),
            Err(fault) => Err(while_validating_settings(fault)),
        }
    }

    fn validate(&mut self, request: &Request, settings: &Settings) -> Answer {
        match self.run("validate", response::payload(request, settings))? {
            Ended::Well(reply) => response::answer(&reply, request, "Cannot deserialize policy validation response")
                .map_err(|fault| match not_a_text("stdout", &reply) {
                    Some(text) => fault.at_server(ServerAnswer::Rejects(text)),
                    None => fault,
                }),
            Ended::Badly(code, stderr) => {
                let message = match stderr.as_str() {
                    "" => format!("the policy exited with code {code} and wrote nothing to stderr"),
                    _ => stderr.clone(),
                };
                Err(Fault::new(FaultKind::Guest, message).at_server(ServerAnswer::Rejects(stderr)))
            }
        }
    }

    fn output(&self) -> GuestOutput {
        self.output.clone()
    }
}

/// A fault of `validate` as one of `validate-settings`. The server waits for ever for a policy that does not end.
fn while_validating_settings(fault: Fault) -> Fault {
    let at_server = match &fault.at_server {
        Some(ServerAnswer::Rejects(text)) if fault.kind != FaultKind::Timeout => Some(response::invalid_settings(text)),
        _ => None,
    };
    Fault { at_server, ..fault }
}

/// The server's own words for a stream that is not text.
fn not_a_text(stream: &str, bytes: &[u8]) -> Option<String> {
    let error = std::str::from_utf8(bytes).err()?;
    let error = format!("Cannot convert buffer to UTF8 string: {error}");
    Some(format!("{stream} pipe conversion error: {error}"))
}

fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasi_ctx::link(&mut linker)?;
    for module in HOST_MODULES {
        linker.func_wrap(module, "call", host_call)?;
    }
    Ok(linker)
}

/// Answers a host call on stdin. Gives 0 for success and 1 for an error: the opposite of waPC.
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
    const NAME: &str = "host.call";
    let call = HostCallArguments {
        binding: (binding, binding_len),
        namespace: (namespace, namespace_len),
        operation: (operation, operation_len),
        payload: (payload, payload_len),
    }
    .read(&mut caller, NAME)?;
    let sandbox = &mut caller.data_mut().sandbox;
    let (code, reply) = match sandbox.host.call(&call.binding, &call.namespace, &call.operation, &call.payload) {
        Ok(reply) => (0, reply),
        Err(CallError(text)) => (1, text.into_bytes()),
    };
    sandbox.charge_host_bytes(reply.len() as u64)?;
    sandbox.stdin.extend(reply);
    Ok(code)
}
