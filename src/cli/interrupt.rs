//! Ctrl-C and SIGTERM: the process ends at once, and leaves nothing half done. It ends also when nobody reads its stdout or
//! stderr, and the second signal is not answered with words.
//!
//! While cases run, the run is stopped and its reports are written: they say what finished and what did not run. At any
//! other time there is nothing worth writing down, and nothing to wait for.

use std::io::{self, IsTerminal};
use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use policy_verify::Interrupt;

use super::console;
use super::exit_code::ExitCode;

/// Longest time for ending cases and writing reports. GitHub gives 7.5 seconds between its two signals.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest time for the last words: whoever reads them may have stopped reading.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How often it is looked whether there is still something to wait for.
const LOOK: Duration = Duration::from_millis(5);

/// What the process is doing, for whoever interrupts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Doing {
    /// Something that leaves nothing behind until it is done.
    #[default]
    Anything,
    /// Policies of a run are fetched and compiled.
    Preparing,
    /// Cases run, or reports are written: what comes to its end as soon as it is told to.
    Running,
    /// Policies are being published.
    Publishing,
}

impl Doing {
    /// What an interruption leaves.
    fn left(self) -> &'static str {
        match self {
            Self::Anything => "interrupted",
            Self::Preparing => "interrupted before any case was run; no report was written",
            Self::Running => "interrupted; not every report was written",
            Self::Publishing => {
                "interrupted while publishing; no report was written\n  help: every tag leads to the old policy or to \
                 the whole new one; the same command again goes on from here. What was already uploaded is not signed by \
                 the action"
            }
        }
    }
}

/// Listens to signals, and knows what the process is doing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signals {
    interrupt: Interrupt,
    doing: Arc<Mutex<Doing>>,
}

impl Signals {
    /// Listens on a thread of its own. Where that is impossible, signals end the process as they always do.
    pub(crate) fn listen() -> Self {
        let signals = Self::default();
        let listener = signals.clone();
        let _ = thread::Builder::new().name("signals".into()).spawn(move || listener.wait());
        signals
    }

    /// What stops a run.
    pub(crate) fn interrupt(&self) -> Interrupt {
        self.interrupt.clone()
    }

    /// From here on, the process does this.
    pub(crate) fn now(&self, doing: Doing) {
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner) = doing;
    }

    fn doing(&self) -> Doing {
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the first signal, and ends the process unless it is about to end itself.
    fn wait(&self) {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let Ok(mut heard) = heard() else { return };
            heard.recv().await;
            self.interrupt.stop();
            let begun = Instant::now();
            while self.doing() == Doing::Running && begun.elapsed() < PATIENCE {
                // Who asks twice does not want to wait.
                if tokio::time::timeout(LOOK, heard.recv()).await.is_ok() {
                    process::exit(ExitCode::Interrupted as i32);
                }
            }
            tokio::select! {
                () = say(self.doing().left()) => {}
                _ = heard.recv() => {}
                () = tokio::time::sleep(LAST_WORDS) => {}
            }
            process::exit(ExitCode::Interrupted as i32);
        });
    }
}

/// Says something on stderr, on a thread of its own: where nobody reads, writing never ends.
async fn say(text: &'static str) {
    let (said, heard) = tokio::sync::oneshot::channel();
    let speaker = thread::Builder::new().name("last words".into()).spawn(move || {
        if io::stderr().is_terminal() {
            // The line on which a bar may stand.
            console::say("");
        }
        console::complain(text);
        let _ = said.send(());
    });
    if speaker.is_ok() {
        let _ = heard.await;
    }
}

/// The signals that end a process.
#[cfg(unix)]
fn heard() -> io::Result<tokio::sync::mpsc::Receiver<()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (sender, receiver) = tokio::sync::mpsc::channel(2);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if sender.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Ctrl-C is all there is.
#[cfg(not(unix))]
fn heard() -> io::Result<tokio::sync::mpsc::Receiver<()>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(2);
    tokio::spawn(async move { while tokio::signal::ctrl_c().await.is_ok() && sender.send(()).await.is_ok() {} });
    Ok(receiver)
}
