//! The `ndjson` report, written while a run goes on.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::model::outcome::{CaseReport, RunReport, SuiteSummary};
use policy_verify::report::ndjson;

use super::problem::failed_to_write;
use super::{files, streams};

/// One place the lines go to.
pub(crate) struct Stream {
    name: String,
    state: Mutex<State>,
}

struct State {
    target: Target,
    /// Empty until the run has begun.
    suites: Vec<SuiteSummary>,
    is_open: bool,
    /// The first thing that went wrong; nothing is written after it.
    error: Option<io::Error>,
}

enum Target {
    Stdout,
    File(File),
    /// A file that is not there yet, and is made when the run has begun.
    New(PathBuf),
}

impl Target {
    fn write(&mut self, text: &str) -> io::Result<()> {
        match self {
            Self::Stdout => streams::stdout(text.as_bytes()),
            Self::File(file) => streams::write_all(file, text.as_bytes()),
            Self::New(path) => {
                let file = File::options().write(true).create(true).truncate(true).open(path)?;
                *self = Self::File(file);
                self.write(text)
            }
        }
    }
}

impl Stream {
    pub(crate) fn to_file(name: String, file: File) -> Self {
        Self::new(name, Target::File(file))
    }

    /// To a file that is not there yet.
    pub(crate) fn to_new_file(path: &Path) -> Self {
        Self::new(path.display().to_string(), Target::New(path.to_owned()))
    }

    pub(crate) fn to_stdout() -> Self {
        Self::new("stdout".to_owned(), Target::Stdout)
    }

    fn new(name: String, target: Target) -> Self {
        Self { name, state: Mutex::new(State { target, suites: Vec::new(), is_open: false, error: None }) }
    }

    /// The run has begun: what the file held before is dropped only now.
    pub(crate) fn open(&self, suites: &[SuiteSummary]) {
        self.with(|state| {
            if let Target::File(file) = &state.target {
                files::empty(file)?;
            }
            state.suites = suites.to_vec();
            state.is_open = true;
            state.target.write(&ndjson::opening(suites))
        });
    }

    /// A case is over.
    pub(crate) fn case(&self, report: &CaseReport) {
        self.with(|state| {
            let line = ndjson::case(&state.suites, report);
            state.target.write(&line)
        });
    }

    /// The run is over. Of a run that was never followed, all cases are written now.
    pub(crate) fn finish(&self, run: &RunReport) -> Result<(), Diagnostic> {
        if !self.state.lock().unwrap_or_else(PoisonError::into_inner).is_open {
            self.open(&run.suites);
            run.cases.iter().for_each(|case| self.case(case));
        }
        self.with(|state| state.target.write(&ndjson::closing(run)));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.error.take() {
            // A closed pipe is not an error.
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(failed_to_write("the report", Path::new(&self.name), &error))
            }
            _ => Ok(()),
        }
    }

    fn with(&self, write: impl FnOnce(&mut State) -> io::Result<()>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.error.is_none() {
            state.error = write(&mut state).err();
        }
    }
}
