//! How a call into a guest ended, when it ended badly: wasmtime's errors become faults of a kind.

use std::time::Duration;

use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::cel_error::CelError;
use super::pool::TABLE_ELEMENTS;
use policy_verify_model::answer::{Fault, FaultKind};
use policy_verify_model::budget::Exceeded;

/// The server's own words for a deadline that passed.
pub(super) const OUT_OF_TIME: &str = "Policy execution interrupted because it exceeded the allowed execution time";

/// Functions named in the message of a trap, innermost first.
const NAMED_FRAMES: usize = 4;

/// Why the host ended a call. Travels through wasmtime as an error and comes out of it with its type.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    /// A limit was reached; the text says which.
    #[error("{0}")]
    Limit(String),
    /// A limit was reached that policy-server has too. The text is the server's.
    #[error("{0}")]
    ServerLimit(String),
    /// Work on the host would take too long, or too much memory.
    #[error("{work} {exceeded}")]
    Exceeded {
        /// What was being done.
        work: String,
        /// What is used up.
        exceeded: Exceeded,
    },
    /// A table would grow too large.
    #[error("a table of {elements} elements is too large")]
    Table {
        /// Elements it would have.
        elements: usize,
    },
    /// The guest asked to sleep beyond its deadline.
    #[error("the policy slept beyond its deadline")]
    Overslept,
    /// The guest used an import wrongly; the text says how.
    #[error("{0}")]
    Misuse(String),
    /// The guest used an import wrongly, which ends the call in policy-server, too. The text is the server's.
    #[error("{0}")]
    Refused(String),
    /// An expression of a ValidatingAdmissionPolicy evaluates to an error.
    #[error("{0}")]
    Cel(CelError),
    /// A Rego module gave up; the text is its own. The server notes it and sees the trap that follows in the module.
    #[error("wasm trap: wasm `unreachable` instruction executed")]
    Aborted(String),
    /// A Rego built-in failed. The text is the server's.
    #[error("Builtin error [{:?}]: {:?}", .0.name, .0.message)]
    Builtin(BuiltinFailure),
    /// A Rego built-in ends the worker of the server that evaluates the request.
    #[error("the built-in `{builtin}` panics: {message}")]
    WorkerEnds {
        /// The built-in.
        builtin: &'static str,
        /// The text of the panic.
        message: String,
    },
    /// An argument of a Rego built-in is not JSON that the server reads, for example a number as large as 1e400.
    #[error("cannot convert data read from memory into utf8 String: {0}")]
    Argument(#[source] serde_json::Error),
}

/// A Rego built-in that failed.
#[derive(Debug)]
pub(super) struct BuiltinFailure {
    /// The built-in.
    pub(super) builtin: &'static str,
    /// Its name in the server's error.
    pub(super) name: &'static str,
    /// What is wrong, in the server's words.
    pub(super) message: String,
    /// How OPA's value differs.
    pub(super) opinion: Option<String>,
}

impl BuiltinFailure {
    /// The fault of a built-in that fails in the server.
    fn fault(&self) -> Fault {
        let message = format!(
            "the built-in `{}` failed: {}; policy-server answers this with an internal error",
            self.builtin, self.message
        );
        let fault = Fault::new(FaultKind::Trap, message);
        match &self.opinion {
            Some(opinion) => fault.with_help(format!("write the rule without this call: {opinion}")),
            None => fault,
        }
    }
}

/// The fault of a built-in that ends the worker of the server.
fn worker_ends(builtin: &str, message: &str) -> Fault {
    Fault::new(
        FaultKind::Trap,
        format!(
            "the built-in `{builtin}` ends the worker of policy-server ({message}); the connection closes without a \
             response, and the API server applies the failurePolicy of the policy"
        ),
    )
    .with_help("write the rule without this call, or with other arguments")
}

/// What else is known about a call that ended badly.
#[derive(Debug, Clone, Default)]
pub(super) struct Circumstances {
    /// Its deadline.
    pub(super) timeout: Duration,
    /// The memory the guest asked for and was refused during the call.
    pub(super) refused_memory: Option<RefusedMemory>,
}

/// A growth of memory that was refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct RefusedMemory {
    /// Bytes it would have come to.
    pub(super) wanted: u64,
    /// Bytes allowed.
    pub(super) limit: u64,
    /// Whether policy-server refuses it too.
    pub(super) is_refused_by_server: bool,
}

impl RefusedMemory {
    /// The fault this is to blame for; `consequence` is how the guest took it.
    pub(super) fn fault(self, consequence: &str) -> Fault {
        let Self { wanted, limit, .. } = self;
        let message = format!(
            "the policy wanted {} of memory, more than the {} it may have; {consequence}",
            mebibytes(wanted),
            mebibytes(limit)
        );
        Fault::new(FaultKind::Memory, message)
    }
}

/// A table that grew too large.
fn table(elements: usize) -> Fault {
    let message =
        format!("the policy wanted a table of {elements} elements, more than the {TABLE_ELEMENTS} it may have");
    Fault::new(FaultKind::Memory, message)
}

/// The fault behind an error of wasmtime.
///
/// Refused memory outranks a trap, since language runtimes abort when they get none. It does not outrank what has a
/// cause of its own: a deadline, a limit, a stack that overflowed.
pub(super) fn from_error(error: &wasmtime::Error, circumstances: &Circumstances) -> Fault {
    if error.is::<PoolConcurrencyLimitError>() {
        return Fault::new(FaultKind::Internal, format!("a bug in verify, while starting the policy: {error}"));
    }
    let trap = error.downcast_ref::<Trap>();
    match (error.downcast_ref::<Stop>(), trap) {
        (Some(Stop::Limit(text) | Stop::ServerLimit(text)), _) => return Fault::new(FaultKind::Limit, text),
        (Some(Stop::Exceeded { work, exceeded }), _) => return exceeded.fault(work),
        (Some(Stop::Table { elements }), _) => return table(*elements),
        (Some(Stop::Builtin(failure)), _) => return failure.fault(),
        (Some(Stop::WorkerEnds { builtin, message }), _) => return worker_ends(builtin, message),
        (Some(Stop::Overslept), _) | (None, Some(Trap::Interrupt)) => return timeout(circumstances),
        (None, Some(Trap::StackOverflow)) => return Fault::new(FaultKind::Trap, describe(error)),
        _ => {}
    }
    match circumstances.refused_memory {
        Some(refused) => refused.fault(&format!("then: {}", describe(error))),
        None => Fault::new(FaultKind::Trap, describe(error)),
    }
}

/// What the server sees of an error of wasmtime. Its limits are the deadline, and from 1.38 memory and the output of WASI.
pub(super) enum Seen {
    /// The deadline passed.
    Deadline,
    /// The call failed.
    Failure,
}

/// How a call would have ended in the server. Nothing for what it does not know: limits and refusals of memory that are
/// ours alone, and imports that are used wrongly, which end more than the call there.
pub(super) fn seen_by_server(error: &wasmtime::Error, circumstances: &Circumstances) -> Option<Seen> {
    match (error.downcast_ref::<Stop>(), error.downcast_ref::<Trap>()) {
        (Some(Stop::Overslept), _) | (None, Some(Trap::Interrupt)) => Some(Seen::Deadline),
        (
            Some(
                Stop::Limit(_) | Stop::Exceeded { .. } | Stop::Table { .. } | Stop::Misuse(_) | Stop::WorkerEnds { .. },
            ),
            _,
        ) => None,
        _ if circumstances.refused_memory.is_some_and(|refused| !refused.is_refused_by_server) => None,
        _ => Some(Seen::Failure),
    }
}

/// An error with its causes, as the server writes it: the way of the `anyhow` crate, without a backtrace of the host.
pub(super) fn in_detail(error: &wasmtime::Error) -> String {
    let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
    match causes.as_slice() {
        [] => error.to_string(),
        [cause] => format!("{error}\n\nCaused by:\n    {cause}"),
        causes => {
            let numbered = causes.iter().enumerate().map(|(number, cause)| format!("\n   {number:>2}: {cause}"));
            format!("{error}\n\nCaused by:{}", numbered.collect::<String>())
        }
    }
}

/// The same fault when it happened while the instance was being started: trapping is then a failure to start.
pub(super) fn while_starting(fault: Fault, phase: &str) -> Fault {
    match fault.kind {
        FaultKind::Trap => Fault { kind: FaultKind::Init, message: format!("{phase}: {}", fault.message), ..fault },
        _ => fault,
    }
}

fn timeout(circumstances: &Circumstances) -> Fault {
    let timeout = humantime::format_duration(circumstances.timeout);
    let mut message = format!("the policy did not answer within {timeout}");
    if circumstances.refused_memory.is_some() {
        message.push_str("; it was refused more memory before");
    }
    Fault::new(FaultKind::Timeout, message)
}

/// What happened and where, in one line.
fn describe(error: &wasmtime::Error) -> String {
    let what = if let Some(Stop::Aborted(text)) = error.downcast_ref() {
        format!("the policy aborted: {text}")
    } else if let Some(stop) = error.downcast_ref::<Stop>() {
        stop.to_string()
    } else if let Some(I32Exit(code)) = error.downcast_ref() {
        format!("the policy exited with code {code}")
    } else if let Some(trap) = error.downcast_ref::<Trap>() {
        trap.to_string()
    } else {
        // The outermost text of an error with a backtrace is the backtrace itself.
        error.root_cause().to_string()
    };
    let names: Vec<_> = error
        .downcast_ref::<WasmBacktrace>()
        .into_iter()
        .flat_map(|backtrace| backtrace.frames())
        .filter_map(|frame| frame.func_name())
        .take(NAMED_FRAMES)
        .map(|name| format!("`{}`", without_hash(name)))
        .collect();
    if names.is_empty() { what } else { format!("{what}, in {}", names.join(" called by ")) }
}

/// Drops the hash that ends the names of Rust functions, because it changes with every compiler.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((path, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => path,
        _ => name,
    }
}

fn mebibytes(bytes: u64) -> String {
    let whole = bytes.div_ceil(1024 * 1024);
    format!("{whole} MiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_only_the_hash() {
        assert_eq!(without_hash("core::panicking::panic_fmt::h0123456789abcdef"), "core::panicking::panic_fmt");
        assert_eq!(without_hash("policy::handle"), "policy::handle");
        assert_eq!(without_hash("runtime.abort"), "runtime.abort");
    }

    #[test]
    fn refused_memory_outranks_a_trap_but_not_a_deadline() {
        let refused = RefusedMemory { wanted: 300 << 20, limit: 256 << 20, is_refused_by_server: false };
        let circumstances = Circumstances { timeout: Duration::from_secs(2), refused_memory: Some(refused) };
        let kind = |error: wasmtime::Error| from_error(&error, &circumstances).kind;
        assert_eq!(kind(Trap::UnreachableCodeReached.into()), FaultKind::Memory);
        assert_eq!(kind(I32Exit(2).into()), FaultKind::Memory);
        assert_eq!(kind(Trap::Interrupt.into()), FaultKind::Timeout);
        assert_eq!(kind(Stop::Overslept.into()), FaultKind::Timeout);
        assert_eq!(kind(Stop::Limit("too much".into()).into()), FaultKind::Limit);
        assert_eq!(kind(Trap::StackOverflow.into()), FaultKind::Trap);
    }

    #[test]
    fn the_server_knows_its_own_refusals() {
        for is_refused_by_server in [true, false] {
            let refused = RefusedMemory { wanted: 300 << 20, limit: 256 << 20, is_refused_by_server };
            let circumstances = Circumstances { timeout: Duration::from_secs(2), refused_memory: Some(refused) };
            let seen = seen_by_server(&Trap::UnreachableCodeReached.into(), &circumstances);
            assert_eq!(matches!(seen, Some(Seen::Failure)), is_refused_by_server);
        }
        let seen = |stop: Stop| seen_by_server(&stop.into(), &Circumstances::default()).is_some();
        assert!(seen(Stop::ServerLimit("too much".into())) && !seen(Stop::Limit("too much".into())));
    }

    #[test]
    fn only_a_trap_becomes_a_failed_start() {
        for kind in [FaultKind::Timeout, FaultKind::Memory, FaultKind::Limit] {
            assert_eq!(while_starting(Fault::new(kind, "x"), "start").kind, kind);
        }
        let fault = while_starting(Fault::new(FaultKind::Trap, "x"), "start");
        assert_eq!((fault.kind, fault.message.as_str()), (FaultKind::Init, "start: x"));
    }
}
