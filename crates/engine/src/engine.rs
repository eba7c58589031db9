//! The one wasmtime engine of a run: how modules are compiled, and the clock tick behind every deadline.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use wasmtime::{Config, EngineWeak, WasmFeatures};

use super::code_cache::CodeCache;
use super::process_limits;
use policy_verify_model::policy::Digest;

/// How often running guests look whether their deadline has passed.
const TICK: Duration = Duration::from_millis(5);

/// Ticks at once when everything is to end: longer than any deadline that is left, which is known to no one here.
const TICKS_AT_THE_END: u64 = 1_000_000;

const MIB: usize = 1024 * 1024;

/// What one instance may use up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of each linear memory, and of all tables taken together.
    pub memory: u64,
    /// Bytes on the standard streams and in `__console_log`; in WASI mode of stderr alone.
    pub output: usize,
    /// Bytes of one reply: what a waPC guest hands over, or the stdout of a WASI guest.
    pub reply: usize,
    /// Host calls during one call into the guest.
    pub host_calls: u32,
    /// Bytes sent to the host and received from it during one call into the guest.
    pub host_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 256 * MIB as u64, output: MIB, reply: 16 * MIB, host_calls: 10_000, host_bytes: 256 * MIB }
    }
}

/// The engine: one per process, cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(super) wasmtime: wasmtime::Engine,
    pub(super) limits: Limits,
    code: Option<CodeCache>,
}

/// A compiled module, not yet linked.
#[derive(Clone)]
pub struct Module(pub(super) wasmtime::Module);

/// This machine cannot run guests.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the WebAssembly engine: {0}")]
pub struct EngineError(String);

/// The bytes are not a module that can be compiled.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CompileError(String);

impl Engine {
    /// Sets up an engine on which every call has the time its deadline gives it.
    pub fn new(limits: Limits) -> Result<Self, EngineError> {
        Self::until(limits, Arc::default())
    }

    /// Sets up the engine and starts its ticker. Once `stop` is set, every call into a guest is over, whatever its deadline.
    pub fn until(limits: Limits, stop: Arc<AtomicBool>) -> Result<Self, EngineError> {
        let mut config = Config::new();
        config.epoch_interruption(true);
        // Go from 1.26 on emits typed function references.
        config.wasm_features(WasmFeatures::FUNCTION_REFERENCES, true);
        process_limits::respect(&mut config);
        let wasmtime = wasmtime::Engine::new(&config).map_err(|error| EngineError(format!("{error:#}")))?;
        let weak = wasmtime.weak();
        thread::Builder::new()
            .name("deadlines".into())
            .spawn(move || tick(&weak, &stop))
            .map_err(|error| EngineError(error.to_string()))?;
        Ok(Self { wasmtime, limits, code: None })
    }

    /// Takes compiled code from this folder, and keeps it there.
    ///
    /// # Errors
    ///
    /// The folder cannot be made, or others may write to it. The engine then compiles whatever it is given.
    pub fn keep_code(&mut self, folder: &Path) -> io::Result<()> {
        self.code = Some(CodeCache::open(folder, &self.wasmtime)?);
        Ok(())
    }

    /// The code of a module that an earlier run kept.
    pub fn kept(&self, digest: Digest) -> Option<Module> {
        self.code.as_ref()?.load(&self.wasmtime, digest).map(Module)
    }

    /// Keeps the code of a module for later runs, where there is a folder for it. A full disk does not fail the run.
    pub fn keep(&self, digest: Digest, module: &Module) {
        if let Some(code) = &self.code {
            let _ = code.keep(digest, &module.0);
        }
    }

    /// Compiles a binary module; text and components are refused.
    pub fn compile(&self, bytes: &[u8]) -> Result<Module, CompileError> {
        wasmtime::Module::from_binary(&self.wasmtime, bytes)
            .map(Module)
            .map_err(|error| CompileError(format!("{error:#}")))
    }
}

/// Runs until the engine is dropped, and therefore holds a weak reference only.
fn tick(engine: &EngineWeak, stop: &AtomicBool) {
    while let Some(engine) = engine.upgrade() {
        let ticks = if stop.load(Ordering::Relaxed) { TICKS_AT_THE_END } else { 1 };
        (0..ticks).for_each(|_| engine.increment_epoch());
        drop(engine);
        thread::sleep(TICK);
    }
}

/// The ticks after which `timeout` has certainly passed. One is added because the first may come at once.
pub(super) fn ticks(timeout: Duration) -> u64 {
    let ticks = timeout.as_nanos().div_ceil(TICK.as_nanos());
    // Half of the range, because wasmtime adds the current epoch without looking.
    u64::try_from(ticks).unwrap_or(u64::MAX).min(u64::MAX / 2) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_never_early() {
        assert_eq!(ticks(Duration::ZERO), 1);
        assert_eq!(ticks(Duration::from_millis(5)), 2);
        assert_eq!(ticks(Duration::from_millis(6)), 3);
        assert_eq!(ticks(Duration::MAX), u64::MAX / 2 + 1);
    }

    #[test]
    fn typed_function_references_compile() {
        let engine = Engine::new(Limits::default()).unwrap();
        let bytes = wat::parse_str(
            "(module (type $f (func)) (elem declare func $g) (func $g) (func (call_ref $f (ref.func $g))))",
        );
        assert!(engine.compile(&bytes.unwrap()).is_ok());
    }

    #[test]
    fn what_is_not_a_binary_module_is_refused() {
        let engine = Engine::new(Limits::default()).unwrap();
        for bytes in [&b"(module)"[..], b"", b"\0asm\x0d\0\x01\0", b"\0asm\x01\0\0\0garbage"] {
            assert!(engine.compile(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn the_ticker_does_not_keep_the_engine_alive() {
        let engine = Engine::new(Limits::default()).unwrap();
        let weak = engine.wasmtime.weak();
        drop(engine);
        // The ticker may hold it for the length of one increment.
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while weak.upgrade().is_some() {
            assert!(std::time::Instant::now() < deadline, "the ticker holds the engine for longer than 10 s");
            thread::sleep(TICK);
        }
    }
}
