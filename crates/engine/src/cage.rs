//! Compiling in a process of its own, with limits.
//!
//! Compilers take time and memory that no size of a module bounds: a few KiB can be made to cost minutes and gigabytes, in
//! code that cannot be interrupted. Whoever compiles a module of somebody else starts a process for it, which the system ends
//! when it takes too much. The code comes back through the folder of compiled code.
//!
//! The process is this program again: it is told a folder and a compiler by its arguments, gets the module on stdin, and
//! writes why it cannot be compiled to stdout.

use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use policy_verify_model::compiler::Compiler;

/// Processor time for a module of any size. A policy of 285 kB takes 0.3 s of it, one of 3.3 MB 2.6 s.
const TIME: Duration = Duration::from_secs(5);

/// Processor time for each MiB in addition.
const TIME_FOR_EACH_MIB: Duration = Duration::from_secs(4);

/// Memory for a module of any size. A policy of 3.3 MB takes 0.2 GB of it.
const MEMORY: u64 = 1 << 30;

/// Memory for each byte of the module in addition.
const MEMORY_FOR_EACH_BYTE: u64 = 64;

/// Addresses beyond the memory: the program, its stacks, and what allocators reserve without using it.
const ADDRESSES: u64 = 4 << 30;

/// How much longer than its processor time a process may take: for one that waits, or shares processors.
const WAITING: u32 = 20;

/// How often the process is looked after.
const PERIOD: Duration = Duration::from_millis(2);

/// Most bytes of the reason why a module cannot be compiled.
const LONGEST_REASON: u64 = 64 * 1024;

/// What the process ends with where the module cannot be compiled.
pub(super) const REFUSED: i32 = 3;

/// What it ends with where it would take more than it may, and notices.
pub(super) const EXCEEDED: i32 = 4;

/// What it ends with where it cannot keep code in the folder: nothing is known about the module.
pub(super) const NO_PLACE: i32 = 5;

/// How modules are compiled in processes of their own.
#[derive(Debug, Clone)]
pub struct Cage {
    /// The program that calls [`compile_inside`](super::compile_inside) with the arguments after `arguments`.
    pub program: PathBuf,
    /// What tells the program to do so.
    pub arguments: Vec<OsString>,
    /// The variables of its environment, which has no others.
    pub environment: Vec<(&'static str, &'static str)>,
    /// Processor time of a process, in place of what the size of the module gives.
    pub time: Option<Duration>,
}

/// Which code is made of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CodeKind {
    /// By this compiler.
    pub(super) compiler: Compiler,
    /// Whether it counts its instructions.
    pub(super) counts_instructions: bool,
}

/// What code is called that counts its instructions, and other code.
const COUNTING: [(bool, &str); 2] = [(true, "counting"), (false, "plain")];

impl CodeKind {
    /// Its words among the arguments of a cage.
    fn words(self) -> [&'static str; 2] {
        let [counting, plain] = COUNTING.map(|(_, word)| word);
        [self.compiler.name(), if self.counts_instructions { counting } else { plain }]
    }

    /// The kind with these words.
    pub(super) fn of_words(compiler: &OsStr, counting: &OsStr) -> Option<Self> {
        let compiler = [Compiler::Winch, Compiler::Cranelift].into_iter().find(|it| compiler == it.name())?;
        let (counts_instructions, _) = COUNTING.into_iter().find(|(_, word)| counting == *word)?;
        Some(Self { compiler, counts_instructions })
    }
}

/// Why a module was not compiled.
#[derive(Debug)]
pub(super) enum Failure {
    /// The compiler refuses the module, for this reason.
    Refused(String),
    /// The process took more than it may; the text says what.
    Stopped(String),
    /// There is no such process, or it cannot write: the module can only be compiled here.
    NotStarted,
}

impl Cage {
    /// Compiles a module into a folder of compiled code. Ends the process when `is_over`.
    pub(super) fn compile(
        &self,
        place: &Path,
        code: CodeKind,
        bytes: &[u8],
        is_over: &dyn Fn() -> bool,
    ) -> Result<(), Failure> {
        let time =
            self.time.unwrap_or_else(|| TIME + TIME_FOR_EACH_MIB.mul_f64(bytes.len() as f64 / f64::from(1 << 20)));
        let memory = MEMORY.saturating_add(MEMORY_FOR_EACH_BYTE.saturating_mul(bytes.len() as u64));
        let limits = Limits { seconds: time.as_secs().max(1), memory };
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .args(code.words())
            .args([&limits.seconds.to_string(), &limits.memory.to_string()])
            .arg(place)
            .env_clear()
            .envs(self.environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|_| Failure::NotStarted)?;
        // A child that ends early does not read everything, which its end explains.
        if let Some(mut stdin) = child.stdin.take() {
            let _ = stdin.write_all(bytes);
        }
        let Some(status) = wait(&mut child, time.saturating_mul(WAITING), is_over) else {
            return Err(Failure::Stopped(limits.exceeded()));
        };
        match status.code() {
            Some(0) => Ok(()),
            Some(REFUSED) => {
                let mut reason = String::new();
                if let Some(stdout) = child.stdout.take() {
                    let _ = stdout.take(LONGEST_REASON).read_to_string(&mut reason);
                }
                Err(Failure::Refused(reason))
            }
            Some(NO_PLACE) => Err(Failure::NotStarted),
            // The limit of the size of files is none of ours: code that does not fit is not kept.
            None if is_file_too_large(status) => Err(Failure::NotStarted),
            // Another signal: that of a limit, or of an abort for want of memory.
            None | Some(EXCEEDED) => Err(Failure::Stopped(limits.exceeded())),
            // A panic of the compiler, or a program that cannot be loaded.
            Some(code) => Err(Failure::Refused(format!("the compiler ended with exit code {code}"))),
        }
    }
}

/// Whether a process was ended because it wrote more than a file may have.
#[cfg(unix)]
fn is_file_too_large(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;

    status.signal() == Some(rustix::process::Signal::XFSZ.as_raw())
}

#[cfg(not(unix))]
fn is_file_too_large(_: ExitStatus) -> bool {
    false
}

/// Waits for the end of a process, and ends it after `most` or when `is_over`: `None`.
fn wait(child: &mut Child, most: Duration, is_over: &dyn Fn() -> bool) -> Option<ExitStatus> {
    let start = Instant::now();
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if is_over() || start.elapsed() > most {
            // It may have ended meanwhile.
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        thread::sleep(PERIOD);
    }
}

/// What a process may take.
pub(super) struct Limits {
    /// Seconds of processor time.
    pub(super) seconds: u64,
    /// Bytes that the process may write to.
    pub(super) memory: u64,
}

impl Limits {
    fn exceeded(&self) -> String {
        let Self { seconds, memory } = self;
        format!("compiling takes more than {seconds} s of processor time or {} MiB of memory", memory >> 20)
    }

    /// Applies them to this process. Where the system has no such limits, nothing changes.
    #[cfg(unix)]
    pub(super) fn apply(&self) {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let addresses = self.memory.saturating_add(ADDRESSES);
        let limits = [
            (Resource::Cpu, self.seconds),
            (Resource::Data, self.memory),
            (Resource::As, addresses),
            (Resource::Core, 0),
        ];
        for (resource, most) in limits {
            let given = getrlimit(resource);
            let most = [Some(most), given.current, given.maximum].into_iter().flatten().min();
            let _ = setrlimit(resource, Rlimit { current: most, maximum: most });
        }
    }

    #[cfg(not(unix))]
    pub(super) fn apply(&self) {}
}
