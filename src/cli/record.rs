//! Where recordings go: a file for each case, each written in one step as soon as its case is over.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::model::outcome::CaseReport;
use policy_verify::{Progress, Recording, RepositoryLink};

use super::console::Bar;
use super::files;
use super::problem::{cannot_write, check_links};

/// Folder for recordings next to a suite.
const SESSIONS: &str = "sessions";

/// Which folder recordings go to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'a> {
    /// `sessions` next to each suite.
    NextToSuites,
    /// This one; with several suites a folder for each of them inside.
    Folder(&'a Path),
}

impl Target<'_> {
    /// Every folder that has recordings in it, or folders of recordings; `of_suites` are those of [`folders`].
    pub(crate) fn folders(self, of_suites: &[PathBuf]) -> Vec<PathBuf> {
        let outer = match self {
            Self::NextToSuites => None,
            Self::Folder(folder) => Some(folder.to_owned()),
        };
        outer.into_iter().chain(of_suites.iter().cloned()).collect()
    }
}

/// Writes recordings while the run goes on.
pub(crate) struct Recorder<'a> {
    /// By suite.
    folders: Vec<PathBuf>,
    /// The root of the command line.
    root: Option<PathBuf>,
    /// Whether the folders are the suite's and not the user's.
    is_next_to_suite: bool,
    bar: &'a Bar,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    written: usize,
    folders: BTreeSet<PathBuf>,
    /// What could not be written, and why.
    failures: Vec<Diagnostic>,
}

impl<'a> Recorder<'a> {
    /// A folder that was asked for is made before anything runs, so that a run is not lost to a typing error.
    /// `root` is that of the command line.
    pub(crate) fn new(
        target: Target<'_>,
        suites: &[PathBuf],
        root: Option<&Path>,
        bar: &'a Bar,
    ) -> Result<Self, Diagnostic> {
        if let Target::Folder(folder) = target {
            check_links("recordings to", folder, root)?;
            let made = fs::create_dir_all(folder);
            made.map_err(|error| cannot_write("recordings to", folder, &error))?;
        }
        let is_next_to_suite = matches!(target, Target::NextToSuites);
        let (folders, root) = (folders(target, suites), root.map(Path::to_owned));
        Ok(Self { folders, root, is_next_to_suite, bar, state: Mutex::default() })
    }

    /// How many files there are and where, or what could not be written.
    pub(crate) fn finish(self) -> Result<String, Vec<Diagnostic>> {
        let State { written, folders, failures } = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if !failures.is_empty() {
            return Err(failures);
        }
        let folders: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        Ok(match written {
            0 => "no case was recorded".into(),
            1 => format!("1 case recorded in {}", folders.join(", ")),
            _ => format!("{written} cases recorded in {}", folders.join(", ")),
        })
    }
}

impl Progress for Recorder<'_> {
    fn started(&self, cases: usize) {
        self.bar.started(cases);
    }

    fn fetching(&self) {
        self.bar.fetching();
    }

    fn fetched(&self) {
        self.bar.fetched();
    }

    fn compiling(&self, policy: &str) {
        self.bar.compiling(policy);
    }

    fn compiled(&self, policy: &str) {
        self.bar.compiled(policy);
    }

    fn prepared(&self) {
        self.bar.prepared();
    }

    fn sending(&self, sent: u64, total: u64) {
        self.bar.sending(sent, total);
    }

    fn recorded(&self, recording: &Recording) {
        let folder = &self.folders[recording.suite];
        let path = folder.join(&recording.name);
        let written = self.write(folder, &path, &recording.text);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match written {
            Ok(()) => {
                state.written += 1;
                state.folders.insert(folder.clone());
            }
            Err(error) => state.failures.push(cannot_write("the recording", &path, &error)),
        }
    }

    fn case_finished(&self, report: &CaseReport) {
        self.bar.case_finished(report);
    }
}

impl Recorder<'_> {
    /// A suite is untrusted: what looks like a recording next to it may be a link to somewhere else.
    fn write(&self, folder: &Path, path: &Path, text: &str) -> io::Result<()> {
        let is =
            |path: &Path, test: fn(&fs::Metadata) -> bool| fs::symlink_metadata(path).is_ok_and(|found| test(&found));
        if self.is_next_to_suite && is(folder, |found| found.is_symlink()) {
            return Err(io::Error::other("its folder is a link"));
        }
        if is(path, |found| !found.is_file()) {
            return Err(io::Error::other("it exists, and is not a file"));
        }
        if let Some(link) = RepositoryLink::on_the_way_to(path, self.root.as_deref()) {
            return Err(io::Error::other(link.to_string()));
        }
        fs::create_dir_all(folder)?;
        files::write(path, text.as_bytes())
    }
}

/// The folder for the recordings of each suite.
pub(crate) fn folders(target: Target<'_>, suites: &[PathBuf]) -> Vec<PathBuf> {
    let names: Vec<String> = suites.iter().map(|suite| name(suite)).collect();
    let folder = |(index, suite): (usize, &PathBuf)| match target {
        Target::NextToSuites => suite.parent().unwrap_or(Path::new("")).join(SESSIONS),
        Target::Folder(folder) if suites.len() == 1 => folder.to_owned(),
        Target::Folder(folder) if names[..index].contains(&names[index]) => {
            folder.join(format!("{}-{}", names[index], index + 1))
        }
        Target::Folder(folder) => folder.join(&names[index]),
    };
    suites.iter().enumerate().map(folder).collect()
}

/// A folder for a suite among others: its path without the extension, with dashes.
fn name(suite: &Path) -> String {
    let text = suite.with_extension("").to_string_lossy().into_owned();
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}
