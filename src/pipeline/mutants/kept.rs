//! What became of mutants in earlier runs, in a file that the user names: a hunt that was stopped goes on where it was.
//!
//! A result is that of one mutant of one module in front of the same cases. Whatever the answers depend on is in the name
//! by which it is kept, so that a file can be older than the suite and the policy: what no longer fits is left out.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use policy_verify_files::bounded;
use policy_verify_files::durable::{self, Flush};
use policy_verify_instrument::Mutant;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::fate::Fate;
use crate::error::Error;
use crate::evaluate::Policies;
use crate::pipeline::coverage::Executed;
use crate::pipeline::options::{Options, Progress};
use crate::select::SelectedCase;

/// What the file says it is.
const FORMAT: &str = "results of mutants";

/// Most bytes of the file: some 100,000 results.
const LONGEST: u64 = 64 << 20;

/// How often the file is written while mutants run: so much is lost if the process is killed.
const PAUSE: Duration = Duration::from_secs(5);

/// Results by mutant, by what they are about.
type Results = BTreeMap<String, BTreeMap<String, Fate>>;

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    format: String,
    version: String,
    results: Results,
}

/// What any version of the file has.
#[derive(Debug, Deserialize)]
struct Head {
    format: String,
    version: String,
}

/// What results are about: a module, the cases in front of it, and what else decides about answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject(String);

impl Subject {
    /// The mutants of a module in front of these cases.
    pub(super) fn of(
        executed: &Executed<'_>,
        cases: &[SelectedCase<'_>],
        policies: &Policies<'_>,
        options: &Options,
    ) -> Self {
        let mut digest = Digesting(Sha256::new());
        digest.0.update(executed.built);
        for prepared in policies.prepared.iter().flatten().flat_map(|prepared| prepared.as_ref().ok()) {
            digest.add(&(prepared.digest, prepared.execution_mode));
        }
        digest.add(&(&executed.policies, options.memory, options.compiler));
        let suite = policies.suite;
        digest.add(&(&suite.kubewarden, &suite.groups, &suite.custom_kinds));
        for policy in &suite.policies {
            digest.add(&(&policy.name, &policy.deployment, &policy.grants, policy.compat));
        }
        for SelectedCase { case, .. } in cases {
            let snapshot = case.snapshot.as_ref().map(|snapshot| &snapshot.stored);
            digest.add(&(&case.id, &case.timeout, &case.clock, snapshot, &case.body));
        }
        Self(hex::encode(digest.0.finalize()))
    }
}

/// A digest of texts, none of which has to be whole in memory.
struct Digesting(Sha256);

impl Digesting {
    fn add(&mut self, value: &dyn fmt::Debug) {
        // It takes every text.
        let _ = writeln!(self, "{value:?}");
    }
}

impl fmt::Write for Digesting {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text);
        Ok(())
    }
}

/// What a mutant is called in the file.
fn name(mutant: &Mutant) -> String {
    let range = &mutant.edit.range;
    format!("{}..{} {}", range.start, range.end, hex::encode(&mutant.edit.bytes))
}

/// What became of mutants, in this run and in earlier ones. Without a file nothing is known and nothing is kept.
pub(in crate::pipeline) struct KeptFates {
    path: Option<PathBuf>,
    state: Mutex<State>,
}

struct State {
    results: Results,
    written: Instant,
    /// The last mistake of the system; the next time may be better.
    failure: Option<io::Error>,
}

impl KeptFates {
    /// Reads the file, if it is there.
    ///
    /// # Errors
    ///
    /// It is there, and is something else: it is not written over.
    pub(in crate::pipeline) fn open(path: Option<&Path>, progress: &dyn Progress) -> Result<Self, Error> {
        let results = path.map_or(Ok(Results::new()), |path| read(path, progress))?;
        let state = State { results, written: Instant::now(), failure: None };
        Ok(Self { path: path.map(Path::to_owned), state: Mutex::new(state) })
    }

    /// Forgets what is about anything else, so that the file does not grow from version to version of a policy.
    pub(super) fn keep_only<'a>(&self, subjects: impl Iterator<Item = &'a Subject>) {
        let mut state = self.state();
        let mut earlier = std::mem::take(&mut state.results);
        state.results = subjects.filter_map(|Subject(name)| earlier.remove_entry(name)).collect();
    }

    /// What became of a mutant in an earlier run.
    pub(super) fn of(&self, subject: &Subject, mutant: &Mutant) -> Option<Fate> {
        self.state().results.get(&subject.0)?.get(&name(mutant)).cloned()
    }

    /// Keeps what became of a mutant.
    pub(super) fn keep(&self, subject: &Subject, mutant: &Mutant, fate: &Fate) {
        if self.path.is_none() {
            return;
        }
        let mut state = self.state();
        state.results.entry(subject.0.clone()).or_default().insert(name(mutant), fate.clone());
        if state.written.elapsed() >= PAUSE {
            self.write(&mut state);
        }
    }

    /// Writes what is not written yet. A disk that does not take it does not fail the run.
    pub(in crate::pipeline) fn finish(&self, progress: &dyn Progress) {
        let mut state = self.state();
        self.write(&mut state);
        if let (Some(path), Some(error)) = (&self.path, &state.failure) {
            progress.remarked(&format!("the results of mutants are not kept: `{}`: {error}", path.display()));
        }
    }

    fn write(&self, state: &mut State) {
        let Some(path) = &self.path else { return };
        state.failure = write(path, &mut state.results).err();
        state.written = Instant::now();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(path: &Path, results: &mut Results) -> io::Result<()> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let kept = Kept { format: FORMAT.to_owned(), version, results: std::mem::take(results) };
    let text = serde_json::to_string(&kept);
    *results = kept.results;
    let text = text?;
    if text.len() as u64 > LONGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    // A name alone is in no folder that could be made.
    let path = std::path::absolute(path)?;
    durable::write(&path, path.parent().unwrap_or(&path), text.as_bytes(), Flush::No)
}

fn read(path: &Path, progress: &dyn Progress) -> Result<Results, Error> {
    let text = match bounded::read_text(path, LONGEST) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Results::new()),
        Err(error) => return Err(refused(path, &error.to_string())),
    };
    let head: Head = serde_json::from_str(&text).map_err(|_| refused(path, "it has something else"))?;
    if head.format != FORMAT {
        return Err(refused(path, "it has something else"));
    }
    if head.version != env!("CARGO_PKG_VERSION") {
        let version = head.version.escape_debug();
        progress.remarked(&format!("results of mutants of verify {version} are ignored: `{}`", path.display()));
        return Ok(Results::new());
    }
    let kept: Kept = serde_json::from_str(&text).map_err(|error| refused(path, &error.to_string()))?;
    Ok(kept.results)
}

fn refused(path: &Path, why: &str) -> Error {
    let message = format!("`{}` has no results of mutants: {why}", path.display());
    let help = "name a file that `verify sabotage --resume` wrote, or one that does not exist".to_owned();
    Error::Usage(Box::new(Diagnostic::new(Code::Usage, message).with_help(help)))
}

#[cfg(test)]
mod tests {
    use policy_verify_instrument::{Edit, MutantChange};

    use super::*;

    fn mutant(start: usize) -> Mutant {
        let edit = Edit { range: start..start + 2, bytes: vec![0x41, 1] };
        Mutant { offset: start, function: None, place: None, change: MutantChange::Inverted, edit }
    }

    fn subject(name: &str) -> Subject {
        Subject(name.to_owned())
    }

    #[test]
    fn results_are_there_in_the_next_run_and_those_of_other_subjects_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/results.json");
        let first = KeptFates::open(Some(&path), &()).unwrap();
        for (name, start, fate) in [("a", 1, Fate::Noticed), ("a", 2, Fate::NoPolicy), ("b", 1, Fate::Alike)] {
            first.keep(&subject(name), &mutant(start), &fate);
        }
        assert!(!path.exists());
        first.finish(&());
        let second = KeptFates::open(Some(&path), &()).unwrap();
        let found = |kept: &KeptFates, name: &str, start| kept.of(&subject(name), &mutant(start));
        assert_eq!(
            [1, 2, 3].map(|start| found(&second, "a", start)),
            [Some(Fate::Noticed), Some(Fate::NoPolicy), None]
        );
        assert_eq!(found(&second, "b", 1), Some(Fate::Alike));
        second.keep_only([subject("b"), subject("c")].iter());
        second.finish(&());
        let third = KeptFates::open(Some(&path), &()).unwrap();
        assert_eq!([found(&third, "a", 1), found(&third, "b", 1)], [None, Some(Fate::Alike)]);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn without_a_file_nothing_is_kept() {
        let kept = KeptFates::open(None, &()).unwrap();
        kept.keep(&subject("a"), &mutant(1), &Fate::Noticed);
        assert_eq!(kept.of(&subject("a"), &mutant(1)), None);
        kept.finish(&());
    }

    #[test]
    fn a_file_of_something_else_is_refused_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other");
        let ours = format!(r#"{{"format":"{FORMAT}","version":"{}","results":"#, env!("CARGO_PKG_VERSION"));
        for text in ["", "version: 1\n", "{}", r#"{"format":"x","version":"0.1.0"}"#, &format!("{ours}[]}}")] {
            std::fs::write(&path, text).unwrap();
            assert!(KeptFates::open(Some(&path), &()).is_err(), "{text}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert!(KeptFates::open(Some(folder.path()), &()).is_err());
        std::fs::write(&path, format!(r#"{{"format":"{FORMAT}","version":"0.0.1","anything":[]}}"#)).unwrap();
        assert!(KeptFates::open(Some(&path), &()).is_ok());
    }
}
