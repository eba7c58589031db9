//! The one wasmtime engine of a run: how modules are compiled, and the clock tick behind every deadline.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::cage::{Cage, CodeKind, Failure};
use super::code_cache::CodeCache;
use super::compiler::CompilerChoice;
use super::counters::Counters;
use super::wasmtimes::{InUse, Wasmtimes};
use policy_verify_model::compiler::Compiler;
use policy_verify_model::policy::Digest;

/// Time that Cranelift takes for each byte of a module: measured from 270 to 880 ns of processor time.
const CRANELIFT_FOR_EACH_BYTE: Duration = Duration::from_nanos(500);

/// How often running guests look whether their deadline has passed.
const TICK: Duration = Duration::from_millis(5);

/// Ticks at once when everything is to end: longer than any deadline that is left, which is known to no one here.
const TICKS_AT_THE_END: u64 = 1_000_000;

/// How long a run waits for the end of processes that it has ended.
const LAST_WAIT: Duration = Duration::from_secs(1);

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

/// How an engine is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// What one instance may use up.
    pub limits: Limits,
    /// Once it is set, every call into a guest is over, whatever its deadline.
    pub stop: Arc<AtomicBool>,
    /// How many instances there may be at a time. With more of them, some may be refused.
    pub instances: u32,
    /// Which compiler is used.
    pub compiler: CompilerChoice,
    /// How modules are compiled in processes of their own; in this one by default.
    pub cage: Option<Cage>,
    /// Whether instructions are counted, which makes code slower.
    pub counts_instructions: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            stop: Arc::default(),
            instances: 64,
            compiler: CompilerChoice::default(),
            cage: None,
            counts_instructions: false,
        }
    }
}

/// The engine: one per process, cheap to clone.
#[derive(Clone)]
pub struct Engine {
    wasmtimes: Arc<Wasmtimes>,
    compiler: CompilerChoice,
    cage: Option<Cage>,
    stop: Arc<AtomicBool>,
    background: Arc<Background>,
    pub(super) limits: Limits,
    code: Option<CodeCache>,
    /// Where code from other processes arrives that is not kept.
    scratch: Arc<OnceLock<Option<(CodeCache, TempDir)>>>,
}

/// Threads that make better code of policies while their cases run.
#[derive(Default)]
struct Background {
    /// How many threads there are.
    threads: AtomicUsize,
    is_over: AtomicBool,
}

/// One thread of it, as long as this lives.
pub(super) struct BackgroundThread(Arc<Background>);

impl Drop for BackgroundThread {
    fn drop(&mut self) {
        self.0.threads.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A compiled module, not yet linked.
#[derive(Clone)]
pub struct Module {
    pub(super) wasmtime: wasmtime::Module,
    compiler: Compiler,
    pub(super) counters: Option<Arc<Counters>>,
}

impl Module {
    /// What compiled it.
    pub fn compiler(&self) -> Compiler {
        self.compiler
    }

    /// The same module, whose instances are counted there.
    #[must_use]
    pub fn with_counters(self, counters: Option<Arc<Counters>>) -> Self {
        Self { counters, ..self }
    }
}

/// This machine cannot run guests.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the WebAssembly engine: {0}")]
pub struct EngineError(String);

/// The bytes are not a module that can be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The compiler says why.
    #[error("{0}")]
    Refused(String),
    /// Compiling takes more than it may; the text says what.
    #[error("{0}")]
    Stopped(String),
}

impl Engine {
    /// Sets up an engine on which every call has the time its deadline gives it.
    pub fn new(limits: Limits) -> Result<Self, EngineError> {
        Self::set_up(Setup { limits, ..Setup::default() })
    }

    /// Sets up the engine and starts its ticker.
    pub fn set_up(setup: Setup) -> Result<Self, EngineError> {
        let Setup { limits, stop, instances, compiler, cage, counts_instructions } = setup;
        let wasmtimes = Arc::new(Wasmtimes::new(instances, limits.memory, counts_instructions));
        wasmtimes.set_up_for(Compiler::Cranelift).map_err(|error| EngineError(error.to_owned()))?;
        let (weak, in_use) = (Arc::downgrade(&wasmtimes), wasmtimes.in_use());
        thread::Builder::new()
            .name("deadlines".into())
            .spawn({
                let stop = Arc::clone(&stop);
                move || tick(&weak, &in_use, &stop)
            })
            .map_err(|error| EngineError(error.to_string()))?;
        Ok(Self {
            wasmtimes,
            compiler,
            cage,
            stop,
            limits,
            code: None,
            scratch: Arc::default(),
            background: Arc::default(),
        })
    }

    /// Takes compiled code from this folder, and keeps it there.
    ///
    /// # Errors
    ///
    /// The folder cannot be made, or others may write to it. The engine then compiles whatever it is given.
    pub fn keep_code(&mut self, folder: &Path) -> io::Result<()> {
        self.code = Some(CodeCache::open(folder)?);
        Ok(())
    }

    /// The code of a module that an earlier run kept.
    pub fn kept(&self, digest: Digest) -> Option<Module> {
        self.compiler.of_kept_code().iter().find_map(|compiler| self.kept_code_of(*compiler, digest))
    }

    fn kept_code_of(&self, compiler: Compiler, digest: Digest) -> Option<Module> {
        let code = self.code.as_ref()?;
        Some(Module { wasmtime: code.load(self.wasmtimes.of(compiler), digest)?, compiler, counters: None })
    }

    /// Compiles a binary module, and keeps its code for later runs where there is a folder for it. A full disk does not fail
    /// the run.
    ///
    /// # Errors
    ///
    /// See [`compile`](Self::compile).
    pub fn compile_and_keep(&self, digest: Digest, bytes: &[u8]) -> Result<Module, CompileError> {
        self.compile_with(self.compiler.of_new_code(), Some(digest), bytes)
    }

    /// Compiles a binary module; text and components are refused.
    ///
    /// # Errors
    ///
    /// The bytes are no module, or need what the compiler does not know.
    pub fn compile(&self, bytes: &[u8]) -> Result<Module, CompileError> {
        self.compile_with(self.compiler.of_new_code(), None, bytes)
    }

    /// The code of Cranelift of a module: kept, or compiled and kept.
    ///
    /// # Errors
    ///
    /// See [`compile`](Self::compile).
    pub fn optimise(&self, digest: Digest, bytes: &[u8]) -> Result<Module, CompileError> {
        let kept = self.kept_code_of(Compiler::Cranelift, digest).map(Ok);
        kept.unwrap_or_else(|| self.compile_with(&[Compiler::Cranelift], Some(digest), bytes))
    }

    /// How long Cranelift takes for a module of so many bytes, about.
    pub fn time_to_optimise(&self, bytes: usize) -> Duration {
        CRANELIFT_FOR_EACH_BYTE.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX))
    }

    /// Says that a thread works in the background, as long as what it gives lives.
    pub(super) fn in_background(&self) -> BackgroundThread {
        self.background.threads.fetch_add(1, Ordering::SeqCst);
        BackgroundThread(Arc::clone(&self.background))
    }

    /// Ends the processes that compile in the background: there are no more cases that their code would be for.
    pub fn finish(&self) {
        self.background.is_over.store(true, Ordering::SeqCst);
        // Where there are no processes, there is nothing that could outlive this one.
        let start = Instant::now();
        while self.cage.is_some() && self.background.threads.load(Ordering::SeqCst) > 0 && start.elapsed() < LAST_WAIT {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether better code than this may be made of the module.
    pub fn is_provisional(&self, module: &Module) -> bool {
        self.compiler == CompilerChoice::Auto && module.compiler == Compiler::Winch
    }

    /// The code of the first compiler that takes the module.
    fn compile_with(
        &self,
        compilers: &[Compiler],
        kept_as: Option<Digest>,
        bytes: &[u8],
    ) -> Result<Module, CompileError> {
        let mut refused = CompileError::Refused("no compiler is set up".to_owned());
        for compiler in compilers {
            match self.compile_with_one(*compiler, kept_as, bytes) {
                Err(CompileError::Refused(error)) => refused = CompileError::Refused(error),
                compiled => return compiled,
            }
        }
        Err(refused)
    }

    /// Sets up what a compiler needs, which otherwise waits for its first module.
    pub(super) fn set_up_for(&self, compiler: Compiler) -> Result<(), EngineError> {
        self.wasmtimes.set_up_for(compiler).map_err(|error| EngineError(error.to_owned()))
    }

    /// The code of one compiler, compiled in this process and kept.
    pub(super) fn compile_by(&self, compiler: Compiler, digest: Digest, bytes: &[u8]) -> Result<Module, CompileError> {
        self.compile_with_one(compiler, Some(digest), bytes)
    }

    /// The code that another process makes; `None` where there can be no other process.
    fn compile_in_cage(
        &self,
        compiler: Compiler,
        digest: Digest,
        bytes: &[u8],
    ) -> Option<Result<Module, CompileError>> {
        let cage = self.cage.as_ref()?;
        let scratch = || self.scratch.get_or_init(scratch).as_ref().map(|(code, _)| code);
        let code = self.code.as_ref().or_else(scratch)?;
        let is_over = || [&*self.stop, &self.background.is_over].iter().any(|flag| flag.load(Ordering::Relaxed));
        let kind = CodeKind { compiler, counts_instructions: self.wasmtimes.counts_instructions() };
        match cage.compile(code.place(), kind, bytes, &is_over) {
            Ok(()) => {
                Some(Ok(Module { wasmtime: code.load(self.wasmtimes.of(compiler), digest)?, compiler, counters: None }))
            }
            Err(Failure::Refused(reason)) => Some(Err(CompileError::Refused(reason))),
            Err(Failure::Stopped(text)) => Some(Err(CompileError::Stopped(text))),
            Err(Failure::NotStarted) => None,
        }
    }

    fn compile_with_one(
        &self,
        compiler: Compiler,
        kept_as: Option<Digest>,
        bytes: &[u8],
    ) -> Result<Module, CompileError> {
        if let Some(compiled) = kept_as.and_then(|digest| self.compile_in_cage(compiler, digest, bytes)) {
            return compiled;
        }
        let mut refused = CompileError::Refused("no engine is set up".to_owned());
        for engine in self.wasmtimes.of(compiler) {
            // The first engine may have no room for instances of such a module.
            match wasmtime::Module::from_binary(engine, bytes) {
                Ok(wasmtime) => {
                    if let (Some(code), Some(digest)) = (&self.code, kept_as) {
                        let _ = code.keep(digest, &wasmtime);
                    }
                    return Ok(Module { wasmtime, compiler, counters: None });
                }
                Err(error) => refused = CompileError::Refused(format!("{error:#}")),
            }
        }
        Err(refused)
    }
}

/// A folder for code that is gone with the run.
fn scratch() -> Option<(CodeCache, TempDir)> {
    let folder = tempfile::tempdir().ok()?;
    Some((CodeCache::open(folder.path()).ok()?, folder))
}

/// Runs until the engine and all its guests are gone, and therefore holds weak references only.
fn tick(wasmtimes: &Weak<Wasmtimes>, in_use: &InUse, stop: &AtomicBool) {
    loop {
        let ticks = if stop.load(Ordering::Relaxed) { TICKS_AT_THE_END } else { 1 };
        let engines = in_use.engines();
        for engine in &engines {
            (0..ticks).for_each(|_| engine.increment_epoch());
        }
        if engines.is_empty() && wasmtimes.strong_count() == 0 {
            return;
        }
        drop(engines);
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
        let in_use = engine.wasmtimes.in_use();
        assert!(!in_use.engines().is_empty());
        drop(engine);
        // The ticker may hold it for the length of one increment.
        let deadline = Instant::now() + Duration::from_secs(10);
        while !in_use.engines().is_empty() {
            assert!(Instant::now() < deadline, "the ticker holds the engine for longer than 10 s");
            thread::sleep(TICK);
        }
    }
}
