//! `verify run --watch`: a run after each change of a file that the suites name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::report::escape;
use policy_verify::{Options, is_stream};

use super::args::RunArgs;
use super::exit_code::ExitCode;
use super::interrupt::{Phase, Signals};
use super::problem::usage;
use super::{console, run};

/// Editors write a file in several steps: what follows so soon belongs to the same change.
const SETTLED: Duration = Duration::from_millis(20);

/// Endings of files that may become part of a suite when they appear.
const ENDINGS: [&str; 4] = ["yml", "yaml", "json", "wasm"];

/// `verify run --watch`: a run, and one more after each change, until a signal ends the process.
pub(crate) fn watch(arguments: &RunArgs, signals: &Signals) -> ExitCode {
    let watched = Watch::new().and_then(|mut watch| {
        loop {
            match run::run_options(arguments, arguments.live) {
                Ok(options) if options.suites.iter().any(|suite| is_stream(suite)) => {
                    return Err(usage("`--watch` needs a suite in a file"));
                }
                Ok(options) => watch.follow(&options)?,
                Err(problems) => return Err(problems.into_iter().next().unwrap_or_else(|| usage("nothing to watch"))),
            }
            run::run(arguments, arguments.live, None, signals);
            if signals.interrupt().is_stopped() {
                return Ok(ExitCode::Interrupted);
            }
            signals.enter(Phase::Anything);
            let changed = watch.changed()?;
            console::say(&format!("\n── {} changed ──", escape::terminal_line(&here(&changed))));
        }
    });
    watched.unwrap_or_else(console::refuse_usage)
}

/// A path from the working directory.
fn here(path: &Path) -> String {
    let folder = std::env::current_dir().and_then(|folder| folder.canonicalize());
    let relative = folder.ok().and_then(|folder| path.strip_prefix(folder).ok().map(Path::to_owned));
    relative.unwrap_or_else(|| path.to_owned()).display().to_string()
}

/// Waits for changes of files.
struct Watch {
    watcher: RecommendedWatcher,
    events: Receiver<notify::Result<Event>>,
    folders: BTreeSet<PathBuf>,
    inputs: BTreeSet<PathBuf>,
}

impl Watch {
    /// Watches nothing yet.
    ///
    /// # Errors
    ///
    /// In CI, and where the system cannot watch files.
    fn new() -> Result<Self, Diagnostic> {
        if console::is_ci() {
            return Err(usage("`--watch` is refused in CI: it never ends"));
        }
        let (sender, events) = mpsc::channel();
        let watcher = notify::recommended_watcher(sender).map_err(|error| cannot_watch(&error))?;
        Ok(Self { watcher, events, folders: BTreeSet::new(), inputs: BTreeSet::new() })
    }

    /// Watches what a run of these options reads, from now on.
    fn follow(&mut self, options: &Options) -> Result<(), Diagnostic> {
        self.inputs = policy_verify::inputs(options).iter().map(|path| named(path)).collect();
        // Whoever saves a file may put another one in its place: only its folder stays.
        let folders: BTreeSet<PathBuf> =
            self.inputs.iter().filter_map(|path| path.parent()).filter(|it| it.is_dir()).map(Path::to_owned).collect();
        for gone in self.folders.difference(&folders) {
            let _ = self.watcher.unwatch(gone);
        }
        for new in folders.difference(&self.folders) {
            self.watcher.watch(new, RecursiveMode::NonRecursive).map_err(|error| cannot_watch(&error))?;
        }
        self.folders = folders;
        Ok(())
    }

    /// Waits until a file changes; its path.
    fn changed(&self) -> Result<PathBuf, Diagnostic> {
        let lost = || usage("files are no longer watched");
        loop {
            let event = self.events.recv().map_err(|_| lost())?;
            let Some(path) = self.relevant(event) else { continue };
            while self.events.recv_timeout(SETTLED).is_ok() {}
            return Ok(path);
        }
    }

    fn relevant(&self, event: notify::Result<Event>) -> Option<PathBuf> {
        let event = event.ok()?;
        let appears = matches!(event.kind, EventKind::Create(_) | EventKind::Remove(_));
        let may_be_input = |path: &PathBuf| {
            let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            let ending = path.extension().unwrap_or_default();
            appears && !is_hidden && ENDINGS.iter().any(|usual| ending == *usual)
        };
        // The folder of a file that is not there yet.
        let has_input = |path: &PathBuf| {
            let path = named(path);
            let mut below = self.inputs.range(path.clone()..).take_while(|input| input.starts_with(&path));
            appears && below.next().is_some()
        };
        let is_change = !matches!(event.kind, EventKind::Access(_));
        let is_relevant = |path: &PathBuf| self.inputs.contains(&named(path)) || may_be_input(path) || has_input(path);
        event.paths.into_iter().find(|path| is_change && is_relevant(path))
    }
}

/// An absolute path whose folder has no links, whether or not the file is there.
fn named(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = absolute.parent().and_then(|folder| folder.canonicalize().ok());
    folder.zip(absolute.file_name()).map_or_else(|| absolute.clone(), |(folder, name)| folder.join(name))
}

fn cannot_watch(error: &notify::Error) -> Diagnostic {
    usage(format!("files cannot be watched: {error}"))
        .with_help("run it again by hand, or raise the limit: `sysctl fs.inotify.max_user_watches`".to_owned())
}
