//! Paths of reports as a terminal needs them: from the working directory.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use policy_verify::{Root, root_of};

/// How paths of a run are shown at a terminal. Nothing where the working directory is the root of every suite.
#[derive(Debug, Default)]
pub(crate) struct Places {
    roots: Vec<Root>,
    working_directory: PathBuf,
}

impl Places {
    /// For these suites, and for suites of the working directory; `root` is that of the command line.
    pub(crate) fn of(suites: &[PathBuf], root: Option<&Path>) -> Self {
        let Ok(working_directory) = std::env::current_dir() else { return Self::default() };
        let mut folders: BTreeSet<&Path> = suites.iter().filter_map(|suite| suite.parent()).collect();
        if suites.is_empty() {
            folders.insert(Path::new(""));
        }
        let mut roots: Vec<Root> = Vec::new();
        for folder in folders {
            let found = root_of(&folder.join("suite.yml"), root);
            roots.extend(found.filter(|root| !roots.contains(root)));
        }
        let is_here = |root: &Root| root.absolute("") == working_directory.join("");
        if roots.iter().all(is_here) { Self::default() } else { Self { roots, working_directory } }
    }

    /// Whether every path stays as it is.
    pub(crate) fn is_same(&self) -> bool {
        self.roots.is_empty()
    }

    /// A path of a report. What is no file of the repository, such as stdin, stays.
    pub(crate) fn shown(&self, path: &str) -> String {
        let mut files = self.roots.iter().map(|root| root.absolute(path));
        match files.find(|file| file.symlink_metadata().is_ok()) {
            Some(file) => relative(&self.working_directory, &file).to_string_lossy().into_owned(),
            None => path.to_owned(),
        }
    }
}

/// The path of `file` from `folder`, both absolute; the same path where they have nothing in common.
fn relative(folder: &Path, file: &Path) -> PathBuf {
    let common = folder.components().zip(file.components()).take_while(|(one, other)| one == other).count();
    let is_name = |part: &Component<'_>| matches!(part, Component::Normal(_));
    if !file.components().take(common).any(|part| is_name(&part)) {
        return file.to_owned();
    }
    let up = folder.components().skip(common).map(|_| Component::ParentDir);
    up.chain(file.components().skip(common)).collect()
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_start_in_the_working_directory() {
        for (folder, file, wanted) in [
            ("/a/b", "/a/b/c/suite.yml", "c/suite.yml"),
            ("/a/b", "/a/c/suite.yml", "../c/suite.yml"),
            ("/a/b/c", "/a/suite.yml", "../../suite.yml"),
            ("/a/b", "/c/suite.yml", "/c/suite.yml"),
            ("/", "/c/suite.yml", "/c/suite.yml"),
        ] {
            assert_eq!(relative(Path::new(folder), Path::new(file)), Path::new(wanted), "{folder} {file}");
        }
    }
}
