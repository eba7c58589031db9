//! The environment of one instance, in every mode: its memory limit, streams, time, randomness and the host that
//! answers its calls.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wasmtime::{Caller, ResourceLimiter};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::WasiP1Ctx;

use super::clock::Clock;
use super::engine::Limits;
use super::fault::{Circumstances, RefusedMemory, Stop};
use super::memory;
use super::policy::{Context, GuestOutput};
use super::pool::TABLE_ELEMENTS;
use super::random::RandomBytes;
use policy_verify_host::Host;
use policy_verify_host::reply::Reply;
use policy_verify_model::budget::Budget;

/// Bytes that policy-server 1.38 takes from the stdout of a WASI policy. Source: `wasi_cli/stack.rs` of policy-evaluator.
const SERVER_STDOUT: usize = 64 << 20;

/// Bytes that policy-server 1.38 takes from the stderr of a WASI policy. Source: as above.
const SERVER_STDERR: usize = 8 << 20;

/// How often all memories of an instance together may have what a single one may have.
const MEMORIES: u64 = 4;

/// Bytes of each part of the name of a host call. Those of Kubewarden have about 40 altogether.
const LONGEST_NAME: u32 = 16 << 10;

/// Bytes that an element of a table is charged with.
const TABLE_ELEMENT: usize = size_of::<usize>();

/// What answers host calls.
pub(super) trait HostServices: Send + Sync {
    /// Answers one call.
    fn call(&self, binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Reply;

    /// Keeps a line of waPC's `__console_log`.
    fn console_log(&self, text: &str);

    /// Keeps a remark for the report of the case.
    fn remark(&self, text: &str);

    /// Counts instructions that an instance executed.
    fn executed(&self, _: u64) {}

    /// Keeps how many bytes the memories of an instance had in the end, which is the most they had.
    fn used_memory(&self, _: u64) {}

    /// The seed of the random bytes that the guest gets.
    fn seed(&self) -> u64 {
        0
    }

    /// What the work for the guest may use up.
    fn budget(&self) -> Budget {
        Budget::default()
    }
}

impl HostServices for Host {
    fn call(&self, binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Reply {
        Host::call(self, binding, namespace, operation, payload)
    }

    fn console_log(&self, text: &str) {
        Host::console_log(self, text);
    }

    fn remark(&self, text: &str) {
        Host::remark(self, text);
    }

    fn seed(&self) -> u64 {
        self.variation()
    }

    fn executed(&self, instructions: u64) {
        Host::executed(self, instructions);
    }

    fn used_memory(&self, bytes: u64) {
        Host::used_memory(self, bytes);
    }

    fn budget(&self) -> Budget {
        Host::budget(self).clone()
    }
}

/// Refuses everything: what a guest meets that is only asked for its protocol version.
pub(super) struct NoHost;

impl HostServices for NoHost {
    fn call(&self, _: &str, _: &str, _: &str, _: &[u8]) -> Reply {
        Err("Cannot process Wasm guest request: callback channel not provided".into())
    }

    fn console_log(&self, _: &str) {}

    fn remark(&self, _: &str) {}
}

/// Addresses and lengths a guest passes with a host call; the same in both modes.
pub(super) struct HostCallArguments {
    pub(super) binding: (u32, u32),
    pub(super) namespace: (u32, u32),
    pub(super) operation: (u32, u32),
    pub(super) payload: (u32, u32),
}

/// A host call, copied out of the guest.
pub(super) struct HostCall {
    pub(super) binding: String,
    pub(super) namespace: String,
    pub(super) operation: String,
    pub(super) payload: Vec<u8>,
}

impl HostCallArguments {
    /// Counts the call and copies it. Wild pointers come first: they are worse than having asked too often.
    pub(super) fn read<T: Sandboxed>(
        self,
        caller: &mut Caller<'_, T>,
        import: memory::ImportName,
    ) -> wasmtime::Result<HostCall> {
        let mut sent = 0;
        for (address, len) in [self.binding, self.namespace, self.operation, self.payload] {
            memory::check(caller, import, address, len)?;
            sent += u64::from(len);
        }
        let sandbox = caller.data_mut().sandbox();
        sandbox.charge_host_call(sent)?;
        for (_, len) in [self.binding, self.namespace, self.operation] {
            if len > LONGEST_NAME {
                let text = format!("the name of a host call has {len} bytes, more than {LONGEST_NAME}");
                return Err(Stop::Limit(text).into());
            }
        }
        let room = sandbox.budget.room().take(u64::from(self.payload.1));
        room.map_err(|exceeded| Stop::Exceeded { work: "the payload of a host call".into(), exceeded })?;
        let mut text = |(address, len)| memory::read_text(caller, import, address, len);
        let (binding, namespace, operation) = (text(self.binding)?, text(self.namespace)?, text(self.operation)?);
        let payload = memory::read(caller, import, self.payload.0, self.payload.1)?;
        Ok(HostCall { binding, namespace, operation, payload })
    }
}

/// What the instances of one case share, as this folder sees it.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) host: Arc<dyn HostServices>,
    pub(super) timeout: Duration,
    pub(super) clock: jiff::Timestamp,
    pub(super) server: ServerLimits,
}

/// What policy-server limits beside the time; nothing before 1.38.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ServerLimits {
    /// Bytes of each linear memory.
    pub(super) memory: Option<u64>,
    /// Whether the standard streams of WASI policies are limited.
    pub(super) wasi_output: bool,
}

impl From<&Context> for Surroundings {
    fn from(context: &Context) -> Self {
        let host: Arc<Host> = Arc::clone(&context.host);
        let server = ServerLimits { memory: context.memory_limit, wasi_output: context.release.limits_wasi_output() };
        Self { host, timeout: context.timeout, clock: context.clock, server }
    }
}

/// What the guest wrote; shared with the owner of the instance, since the store may be out of reach.
pub(super) type Streams = Arc<Mutex<GuestOutput>>;

/// Locks what a guest wrote. A panic elsewhere does not make it unreadable.
pub(super) fn lock(streams: &Streams) -> MutexGuard<'_, GuestOutput> {
    streams.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A store's data that holds a [`Sandbox`].
pub(super) trait Sandboxed: Send + 'static {
    /// The sandbox of the store.
    fn sandbox(&mut self) -> &mut Sandbox;
}

/// The environment of one instance.
pub(super) struct Sandbox {
    /// The parts of WASI that are wasmtime's own.
    pub(super) wasi: WasiP1Ctx,
    /// Time as the guest sees it.
    pub(super) clock: Clock,
    /// Randomness as the guest sees it.
    pub(super) random: RandomBytes,
    /// What is left to read from stdin.
    pub(super) stdin: VecDeque<u8>,
    /// What was written to the standard streams.
    pub(super) streams: Streams,
    /// Whether stdout carries the reply and has its limit.
    pub(super) is_stdout_the_reply: bool,
    /// Who answers.
    pub(super) host: Arc<dyn HostServices>,
    limits: Limits,
    server: ServerLimits,
    timeout: Duration,
    /// Bytes of all memories.
    in_memories: usize,
    /// Bytes of all tables.
    in_tables: usize,
    refused_memory: Option<RefusedMemory>,
    logged: usize,
    slept: Duration,
    host_calls: u32,
    host_bytes: usize,
    /// What the work for the guest may use up.
    pub(super) budget: Budget,
}

impl Sandbox {
    /// A world without arguments, environment, files or sockets.
    pub(super) fn new(surroundings: &Surroundings, limits: &Limits, arguments: &[&str]) -> Self {
        let clock = Clock::starting_at(surroundings.clock);
        let budget = surroundings.host.budget();
        budget.begin(surroundings.timeout, limits.memory);
        let wasi = WasiCtxBuilder::new()
            .args(arguments)
            .wall_clock(clock.clone())
            .monotonic_clock(clock.clone())
            .allow_tcp(false)
            .allow_udp(false)
            .build_p1();
        Self {
            wasi,
            clock,
            random: RandomBytes::of_seed(surroundings.host.seed()),
            stdin: VecDeque::new(),
            streams: Streams::default(),
            is_stdout_the_reply: false,
            host: Arc::clone(&surroundings.host),
            limits: limits.clone(),
            server: surroundings.server,
            timeout: surroundings.timeout,
            in_memories: 0,
            in_tables: 0,
            refused_memory: None,
            logged: 0,
            slept: Duration::ZERO,
            host_calls: 0,
            host_bytes: 0,
            budget,
        }
    }

    /// Starts counting anew what is limited for each call into the guest.
    pub(super) fn begin_call(&mut self) {
        self.refused_memory = None;
        self.slept = Duration::ZERO;
        self.host_calls = 0;
        self.host_bytes = 0;
        self.budget.begin(self.timeout, self.limits.memory);
    }

    /// What is known about the current call.
    pub(super) fn circumstances(&self) -> Circumstances {
        Circumstances { timeout: self.timeout, refused_memory: self.refused_memory }
    }

    /// Keeps what the guest writes to stdout.
    pub(super) fn write_stdout(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let mut streams = lock(&self.streams);
        if self.is_stdout_the_reply && self.server.wasi_output {
            let kept = keep_for_server("stdout", &mut streams.stdout, bytes, SERVER_STDOUT);
            streams.is_truncated |= kept.is_err();
            return kept;
        }
        let (used, limit) = if self.is_stdout_the_reply {
            (streams.stdout.len(), self.limits.reply)
        } else {
            (streams.stdout.len() + streams.stderr.len() + self.logged, self.limits.output)
        };
        let is_complete = keep(&mut streams.stdout, bytes, limit.saturating_sub(used));
        streams.is_truncated |= !is_complete;
        if is_complete { Ok(()) } else { Err(too_much_output("stdout", limit)) }
    }

    /// Keeps what the guest writes to stderr.
    pub(super) fn write_stderr(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let mut streams = lock(&self.streams);
        if self.is_stdout_the_reply && self.server.wasi_output {
            let kept = keep_for_server("stderr", &mut streams.stderr, bytes, SERVER_STDERR);
            streams.is_truncated |= kept.is_err();
            return kept;
        }
        let stdout = if self.is_stdout_the_reply { 0 } else { streams.stdout.len() };
        let room = self.limits.output.saturating_sub(stdout + streams.stderr.len() + self.logged);
        let is_complete = keep(&mut streams.stderr, bytes, room);
        streams.is_truncated |= !is_complete;
        if is_complete { Ok(()) } else { Err(too_much_output("stderr", self.limits.output)) }
    }

    /// Counts a line of `__console_log`, which shares the limit of the streams.
    pub(super) fn charge_log(&mut self, len: usize) -> Result<(), Stop> {
        let streams = lock(&self.streams);
        // Counting a byte for the line itself bounds the number of empty lines.
        self.logged = self.logged.saturating_add(len).saturating_add(1);
        if streams.stdout.len() + streams.stderr.len() + self.logged <= self.limits.output {
            Ok(())
        } else {
            Err(too_much_output("its log", self.limits.output))
        }
    }

    /// Counts a host call and the bytes it sends.
    pub(super) fn charge_host_call(&mut self, sent: u64) -> Result<(), Stop> {
        self.host_calls += 1;
        if self.host_calls > self.limits.host_calls {
            return Err(Stop::Limit(format!("the policy made more than {} host calls", self.limits.host_calls)));
        }
        self.charge_host_bytes(sent)
    }

    /// Counts the bytes of an answer.
    pub(super) fn charge_host_bytes(&mut self, len: u64) -> Result<(), Stop> {
        self.host_bytes = self.host_bytes.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
        if self.host_bytes <= self.limits.host_bytes {
            return Ok(());
        }
        Err(Stop::Limit(format!("the policy exchanged more than {} bytes with its host", self.limits.host_bytes)))
    }

    /// Refuses a reply that is too long, before it is copied.
    pub(super) fn check_reply(&self, len: u32) -> Result<(), Stop> {
        if len as usize <= self.limits.reply {
            return Ok(());
        }
        Err(Stop::Limit(format!("the policy's reply of {len} bytes is longer than {}", self.limits.reply)))
    }

    /// Lets time pass for the guest without waiting; sleeping counts towards the timeout.
    pub(super) fn sleep(&mut self, duration: Duration) -> Result<(), Stop> {
        self.slept = self.slept.saturating_add(duration);
        if self.slept > self.timeout {
            return Err(Stop::Overslept);
        }
        self.clock.sleep(duration);
        Ok(())
    }

    /// Tells the host what the memories of the instance have taken.
    pub(super) fn tell_memory(&self) {
        self.host.used_memory(self.in_memories as u64);
    }

    /// Lets a linear memory grow: each has the limit of the server and ours, all together have a limit too.
    fn grow_memory(&mut self, current: usize, desired: usize) -> bool {
        let all = self.in_memories.saturating_sub(current).saturating_add(desired);
        let limit = self.server.memory.map_or(self.limits.memory, |server| server.min(self.limits.memory));
        let (wanted, limit) = match desired as u64 > limit {
            true => (desired as u64, limit),
            false => (all as u64, limit.saturating_mul(MEMORIES)),
        };
        if wanted > limit {
            let is_refused_by_server = self.server.memory.is_some_and(|server| desired as u64 > server);
            self.refused_memory = Some(RefusedMemory { wanted, limit, is_refused_by_server });
            return false;
        }
        self.in_memories = all;
        true
    }

    /// Lets a table grow, within a limit for all tables of the instance.
    fn grow_table(&mut self, current: usize, desired: usize) -> bool {
        let all = self.in_tables.saturating_sub(current).saturating_add(desired);
        let (wanted, limit) = (all as u64, self.limits.memory);
        if wanted > limit {
            self.refused_memory = Some(RefusedMemory { wanted, limit, is_refused_by_server: false });
            return false;
        }
        self.in_tables = all;
        true
    }
}

/// Keeps what fits into the server's limit of a stream; the next byte ends the guest, with the server's text.
fn keep_for_server(stream: &str, kept: &mut Vec<u8>, bytes: &[u8], limit: usize) -> Result<(), Stop> {
    match keep(kept, bytes, limit.saturating_sub(kept.len())) {
        true => Ok(()),
        false => {
            Err(Stop::ServerLimit(format!("policy exceeded the maximum allowed size of {limit} bytes for {stream}")))
        }
    }
}

/// Appends as much of `bytes` as there is room for, and says whether that was everything.
fn keep(target: &mut Vec<u8>, bytes: &[u8], room: usize) -> bool {
    target.extend_from_slice(&bytes[..bytes.len().min(room)]);
    bytes.len() <= room
}

fn too_much_output(stream: &str, limit: usize) -> Stop {
    Stop::Limit(format!("the policy wrote too much to {stream}; the limit is {limit} bytes"))
}

impl ResourceLimiter for Sandbox {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // Beyond the module's own maximum wasmtime refuses by itself.
        Ok(maximum.is_some_and(|maximum| desired > maximum) || self.grow_memory(current, desired))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // Tables of a pool have its maximum; on demand, a table that starts with more is as the module wants it.
        let is_grown = current > 0 || maximum == Some(TABLE_ELEMENTS);
        if is_grown && desired > TABLE_ELEMENTS {
            return Err(Stop::Table { elements: desired }.into());
        }
        let bytes = |elements: usize| elements.saturating_mul(TABLE_ELEMENT);
        Ok(maximum.is_some_and(|maximum| desired > maximum) || self.grow_table(bytes(current), bytes(desired)))
    }
}
