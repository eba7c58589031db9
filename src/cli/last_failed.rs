//! What went wrong in the last runs of a repository, for `--last-failed`: names of cases, in the cache of this user.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use policy_verify::model::outcome::RunReport;
use policy_verify::{read_text, root_of, usual_code_cache};
use serde::{Deserialize, Serialize};

use super::files;

/// Bytes of the file.
const LONGEST: u64 = 16 << 20;

/// The file. The path tells it from that of another repository with the same hash.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    repository: PathBuf,
    failed: BTreeSet<String>,
}

/// The cases that went wrong when they last ran, in the repository of the working directory.
pub(super) fn read(root: Option<&Path>) -> BTreeSet<String> {
    place(root).map(|(repository, path)| kept(&repository, &path).failed).unwrap_or_default()
}

/// Keeps what went wrong in a run. What did not run stays as it was, unless the run has everything of its suites: then what is
/// not in it is gone. Without a cache nothing is kept.
pub(super) fn keep(run: &RunReport, is_everything: bool, root: Option<&Path>) {
    let Some((repository, path)) = place(root) else { return };
    let mut all = kept(&repository, &path).failed;
    let before = all.clone();
    if is_everything && run.shard.is_none() {
        let beginnings: Vec<String> = run.suites.iter().map(|suite| format!("{} › ", suite.name)).collect();
        let present: HashSet<&str> = run.cases.iter().map(|case| case.id.as_str()).collect();
        all.retain(|id| present.contains(id.as_str()) || !beginnings.iter().any(|beginning| id.starts_with(beginning)));
    }
    for case in run.cases.iter().filter(|case| !case.outcome.is_not_run()) {
        match case.outcome.is_bad() {
            true => all.insert(case.id.clone()),
            false => all.remove(&case.id),
        };
    }
    if all == before {
        return;
    }
    let text = serde_json::to_string(&Kept { repository, failed: all }).unwrap_or_default();
    if text.len() as u64 <= LONGEST && files::make_folder_of(&path).is_ok() {
        // It is only a convenience.
        let _ = files::write(&path, text.as_bytes());
    }
}

fn kept(repository: &Path, path: &Path) -> Kept {
    let text = read_text(path, LONGEST).unwrap_or_default();
    let kept: Kept = serde_json::from_str(&text).unwrap_or_default();
    if kept.repository == repository { kept } else { Kept::default() }
}

/// The root of the repository, and the file about it.
fn place(root: Option<&Path>) -> Option<(PathBuf, PathBuf)> {
    let here = std::env::current_dir().ok()?;
    let repository = root_of(&here.join("suite.yml"), root).map_or(here, |root| root.absolute(""));
    let repository = fs::canonicalize(repository).ok()?;
    let mut hasher = DefaultHasher::new();
    repository.hash(&mut hasher);
    let name = format!("{:016x}.json", hasher.finish());
    Some((repository, usual_code_cache()?.join("last-failed").join(name)))
}
