//! Files that a run must not write: those that it also reads or writes twice, and those behind links of a repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy_verify_files::bounded;
use policy_verify_host::replay::read_session;
use policy_verify_model::source::{SourceFile, Span};
use policy_verify_model::suite::Suite;

use super::options::Options;
use super::recording;
use crate::error::Error;
use policy_verify_suite::RepositoryLink;

/// Refuses outputs that are inputs, by whatever path: `./`, links and hard links lead to the same file; and outputs behind
/// a link of a repository. `root` is that of the command line.
///
/// # Errors
///
/// The first output that would replace an input, or is behind a link.
pub fn check(outputs: &[PathBuf], inputs: &[PathBuf], root: Option<&Path>) -> Result<(), Error> {
    if outputs.is_empty() {
        return Ok(());
    }
    let inputs: Vec<(Identity, &PathBuf)> =
        inputs.iter().filter_map(|path| Some((Identity::of(path)?, path))).collect();
    for output in outputs {
        let identity = Identity::of(output);
        if let Some((_, input)) = inputs.iter().find(|(input, _)| identity.as_ref() == Some(input)) {
            return Err(Error::overwrites("report", output, input));
        }
    }
    match outputs.iter().find_map(|output| Some((output, RepositoryLink::on_the_way_to(output, root)?))) {
        Some((output, link)) => Err(Error::behind_link(output, &link)),
        None => Ok(()),
    }
}

/// Refuses outputs that are the folders of recordings. Which files are written into them, only the suites say.
///
/// # Errors
///
/// The first output that is a folder of recordings.
pub fn check_recording_folders(outputs: &[PathBuf], folders: &[PathBuf]) -> Result<(), Error> {
    let folders: Vec<Option<Identity>> = folders.iter().map(|folder| Identity::of(folder)).collect();
    let is_folder = |output: &&PathBuf| Identity::of(output).is_some_and(|found| folders.contains(&Some(found)));
    match outputs.iter().find(is_folder) {
        Some(output) => Err(Error::replaces_recordings(output, None)),
        None => Ok(()),
    }
}

/// Refuses recordings that would replace a report or what the run reads. A recording may replace one that is replayed.
///
/// # Errors
///
/// The first recording that is one of these files.
pub(super) fn check_recordings(options: &Options, suites: &[Suite], inputs: &[PathBuf]) -> Result<(), Error> {
    if options.recordings.is_empty() {
        return Ok(());
    }
    let identified = |paths: &'_ [PathBuf]| -> Vec<(Identity, PathBuf)> {
        paths.iter().filter_map(|path| Some((Identity::of(path)?, path.clone()))).collect()
    };
    let (outputs, inputs) = (identified(&options.outputs), identified(inputs));
    let names = recording::names(suites);
    for (suite, folder) in suites.iter().zip(&options.recordings) {
        for name in suite.cases.iter().filter_map(|case| names.get(&case.id)) {
            let path = folder.join(name);
            let Some(identity) = Identity::of(&path) else { continue };
            if let Some((_, output)) = outputs.iter().find(|(output, _)| *output == identity) {
                return Err(Error::replaces_recordings(output, Some(&path)));
            }
            if let Some((_, input)) = inputs.iter().find(|(input, _)| *input == identity && !is_recording(&path)) {
                return Err(Error::overwrites("recording", &path, input));
            }
        }
    }
    Ok(())
}

/// Far above any recording that was made.
const LARGEST_RECORDING: u64 = 64 * 1024 * 1024;

fn is_recording(path: &Path) -> bool {
    let Ok(text) = bounded::read_text(path, LARGEST_RECORDING) else { return false };
    let file = Arc::new(SourceFile { path: path.display().to_string(), text });
    let place = Span::start_of(&file);
    read_session(file, place, false).is_ok()
}

/// What tells two files apart, whatever their paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A file that exists: its device and number.
    #[cfg(unix)]
    File(u64, u64),
    /// A path without links, also of a file that does not exist yet.
    Path(PathBuf),
}

impl Identity {
    /// The identity of the file at a path; none for a path in no folder.
    pub fn of(path: &Path) -> Option<Self> {
        #[cfg(unix)]
        if let Ok(found) = fs::metadata(path) {
            use std::os::unix::fs::MetadataExt as _;
            return Some(Self::File(found.dev(), found.ino()));
        }
        Self::of_path(path, MOST_LINKS)
    }

    fn of_path(path: &Path, links: usize) -> Option<Self> {
        if let Ok(real) = path.canonicalize() {
            return Some(Self::Path(real));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match fs::read_link(path) {
            Ok(target) if links > 0 => Self::of_path(&folder.join(target), links - 1),
            _ => {
                // Folders of a report are made when it is written; until then no links are in them.
                let Self::Path(mut folder) = Self::of_path(&std::path::absolute(folder).ok()?, links)? else {
                    return None;
                };
                match path.file_name() {
                    Some(name) => folder.push(name),
                    None if path.ends_with("..") => _ = folder.pop(),
                    None => return None,
                }
                Some(Self::Path(folder))
            }
        }
    }
}

/// Links one after another; more than any system follows.
const MOST_LINKS: usize = 64;

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_the_same_by_every_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = |path: &str| folder.path().join(path);
        fs::create_dir(path("sub")).unwrap();
        fs::write(path("a"), "").unwrap();
        fs::hard_link(path("a"), path("hard")).unwrap();
        symlink("sub", path("linked")).unwrap();
        symlink("../new/x", path("sub/link")).unwrap();
        for (one, other) in [
            ("a", "./a"),
            ("a", "sub/../a"),
            ("a", "hard"),
            ("sub/x", "linked/x"),
            ("sub/x", "linked/./x"),
            ("new/x", "linked/link"),
            ("new/x", "sub/../new/x"),
            ("new/x", "new/../new/./x"),
            ("new/x", "gone/../new/x"),
        ] {
            assert_eq!(Identity::of(&path(one)), Identity::of(&path(other)), "{one}, {other}");
            let outputs = [path(one)];
            assert_eq!(
                check(&outputs, &[path(other)], None).is_err(),
                Identity::of(&path(one)).is_some(),
                "{one}, {other}"
            );
        }
        for (one, other) in [("a", "b"), ("sub/x", "x"), ("new/x", "new/y")] {
            assert_ne!(Identity::of(&path(one)), Identity::of(&path(other)), "{one}, {other}");
        }
        assert!(check(&[path("b")], &[path("a"), path("gone/c")], None).is_ok());
    }
}
