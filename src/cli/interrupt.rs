//! Ctrl-C, SIGTERM and SIGHUP: the process ends at once, and leaves nothing half done, even if its stdout or stderr is
//! blocked. The second signal ends it without a message.
//!
//! While cases run, the run is stopped and its reports are written: they show what finished and what did not run. At any
//! other time there is no report to write, and nothing to wait for.

use std::io::{self, IsTerminal};
use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use policy_verify::Interrupt;

use super::console;
use super::exit_code::ExitCode;

/// Longest time for ending cases and writing reports. GitHub gives 7.5 seconds between its two signals.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Longest time for the message about the end: stderr may be blocked.
const EXIT_NOTICE_TIMEOUT: Duration = Duration::from_millis(200);

/// How often the phase is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// What the process is doing when it is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Phase {
    /// Anything that leaves nothing behind until it is done.
    #[default]
    Anything,
    /// Policies of a run are fetched and compiled.
    Preparing,
    /// Cases run, or reports are written: both end soon after they are told to stop.
    Running,
    /// Policies are being published.
    Publishing,
}

impl Phase {
    /// The message about an interruption.
    fn notice(self) -> &'static str {
        match self {
            Self::Anything => "interrupted",
            Self::Preparing => "interrupted before any case was run; no report was written",
            Self::Running => "interrupted; not every report was written",
            Self::Publishing => {
                "interrupted while publishing; no report was written\n  help: run the same command again: every tag points to \
                 the old policy or to the complete new one. What was already uploaded is not signed by the action"
            }
        }
    }
}

/// Waits for signals, and knows the phase of the process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signals {
    interrupt: Interrupt,
    phase: Arc<Mutex<Phase>>,
}

impl Signals {
    /// Listens on a thread of its own. Where that is impossible, signals end the process as they always do.
    pub(crate) fn listen() -> Self {
        let signals = Self::default();
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return signals };
        let received = {
            let _context = runtime.enter();
            survive_file_limit();
            self::signals()
        };
        let listener = signals.clone();
        if let Ok(received) = received {
            let wait = move || listener.wait(&runtime, received);
            let _ = thread::Builder::new().name("signals".into()).spawn(wait);
        }
        signals
    }

    /// What stops a run.
    pub(crate) fn interrupt(&self) -> Interrupt {
        self.interrupt.clone()
    }

    /// The process enters this phase.
    pub(crate) fn enter(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the first signal, and ends the process unless it is about to end itself.
    fn wait(&self, runtime: &tokio::runtime::Runtime, mut received: tokio::sync::mpsc::Receiver<()>) {
        runtime.block_on(async {
            received.recv().await;
            self.interrupt.stop();
            let begun = Instant::now();
            while self.phase() == Phase::Running && begun.elapsed() < MAX_WAIT {
                // The second signal: no more waiting.
                if tokio::time::timeout(POLL_INTERVAL, received.recv()).await.is_ok() {
                    process::exit(ExitCode::Interrupted as i32);
                }
            }
            tokio::select! {
                () = say(self.phase().notice()) => {}
                _ = received.recv() => {}
                () = tokio::time::sleep(EXIT_NOTICE_TIMEOUT) => {}
            }
            process::exit(ExitCode::Interrupted as i32);
        });
    }
}

/// Writes to stderr on a thread of its own: writing to a blocked pipe never ends.
async fn say(text: &'static str) {
    let (done, is_done) = tokio::sync::oneshot::channel();
    let writer = thread::Builder::new().name("exit notice".into()).spawn(move || {
        if io::stderr().is_terminal() {
            // Ends the line of the progress bar.
            console::say("");
        }
        console::complain(text);
        let _ = done.send(());
    });
    if writer.is_ok() {
        let _ = is_done.await;
    }
}

/// The signals that end a process.
#[cfg(unix)]
fn signals() -> io::Result<tokio::sync::mpsc::Receiver<()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    // Under `nohup` a process is to outlive its terminal.
    let mut hangup = if is_hangup_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
    let (sender, receiver) = tokio::sync::mpsc::channel(2);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                Some(_) = async { hangup.as_mut()?.recv().await } => {}
            }
            if sender.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Whether whoever started the process had it ignore SIGHUP. Only Linux tells.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // The lowest bit is that of signal 1.
    ignored.is_some_and(|mask| {
        mask.trim().chars().last().and_then(|digit| digit.to_digit(16)).is_some_and(|it| it & 1 == 1)
    })
}

/// A file that grows above `ulimit -f` is an error of whoever writes it, instead of the end of the process.
#[cfg(unix)]
fn survive_file_limit() {
    /// SIGXFSZ, on Linux for all but MIPS, on macOS and the BSDs.
    const FILE_SIZE_EXCEEDED: i32 = 25;
    // Once registered, a signal does nothing by itself. Where it cannot be, it ends the process as ever.
    let _ = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(FILE_SIZE_EXCEEDED));
}

#[cfg(not(unix))]
fn survive_file_limit() {}

/// Ctrl-C is all there is.
#[cfg(not(unix))]
fn signals() -> io::Result<tokio::sync::mpsc::Receiver<()>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(2);
    tokio::spawn(async move { while tokio::signal::ctrl_c().await.is_ok() && sender.send(()).await.is_ok() {} });
    Ok(receiver)
}
