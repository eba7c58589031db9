//! Source files of a policy in the repository. Compilers write paths of the machine that compiled: the longest end of one that
//! is a file in the repository is taken, and the nearest to the module of several. Nothing outside is read.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use policy_verify_files::bounded;
use policy_verify_model::coverage::{Coverage, FileCoverage};
use policy_verify_suite::Root;

/// Most bytes of a source.
const MAX_BYTES: u64 = 1 << 20;

/// Most files of a module that are looked for. The others keep the paths of the compiler.
const MAX_FILES: usize = 1_000;

/// Most parts of a path, and most folders to look from.
const MAX_DEPTH: usize = 32;

/// Where the sources of a policy are looked for.
pub(crate) struct Sources<'a> {
    root: &'a Root,
    /// Folders in the repository, the nearest to the module first.
    folders: Vec<PathBuf>,
}

impl<'a> Sources<'a> {
    /// The sources of a module in this folder, which may be outside of the repository.
    pub(crate) fn around(folder: &Path, root: &'a Root) -> Self {
        let inside = folder.ancestors().take_while(|folder| root.contains(folder)).map(Path::to_owned);
        let mut folders: Vec<PathBuf> = inside.take(MAX_DEPTH).collect();
        if folders.is_empty() {
            folders.push(root.absolute(""));
        }
        Self { root, folders }
    }

    /// Gives files that are in the repository their paths from its root, and their text.
    pub(crate) fn add_to(&self, coverage: &mut Coverage) {
        let mut files: BTreeMap<String, FileCoverage> = BTreeMap::new();
        for (index, file) in std::mem::take(&mut coverage.files).into_iter().enumerate() {
            let file = if index < MAX_FILES { self.found(file) } else { file };
            match files.get_mut(&file.path) {
                Some(known) => join(known, file),
                None => drop(files.insert(file.path.clone(), file)),
            }
        }
        coverage.files = files.into_values().collect();
    }

    /// The path of a file from the root of the repository, and one of its lines; the path of the compiler and no text for a file
    /// that is not there.
    pub(crate) fn line(&self, path: &str, line: u32) -> (String, Option<String>) {
        match self.read(path, line) {
            Some((found, text)) => {
                let line = text.lines().nth(line.saturating_sub(1) as usize).map(|line| line.trim().to_owned());
                (self.root.shown(&found), line)
            }
            None => (path.to_owned(), None),
        }
    }

    fn found(&self, file: FileCoverage) -> FileCoverage {
        let last = file.lines.keys().next_back().copied().unwrap_or(0);
        let Some((path, text)) = self.read(&file.path, last) else { return file };
        FileCoverage { path: self.root.shown(&path), source: Some(text.into()), ..file }
    }

    /// The file that a path of a compiler means, if it has this line.
    fn read(&self, path: &str, line: u32) -> Option<(PathBuf, String)> {
        let parts = parts(path);
        // No compiler reads `.git`, whose files have credentials of the job: ends of the path with hidden names do not count.
        let first = parts.iter().rposition(|part| part.starts_with('.')).map_or(0, |hidden| hidden + 1);
        for start in first..parts.len() {
            let end: PathBuf = parts[start..].iter().collect();
            for folder in &self.folders {
                let path = folder.join(&end);
                if path.is_file() && self.root.contains(&path) {
                    let text = bounded::read_text(&path, MAX_BYTES).ok()?;
                    // A shorter file is not the one that was compiled.
                    return (text.lines().count() >= line as usize).then_some((path, text));
                }
            }
        }
        None
    }
}

/// The names in a path, without `.` and `..`.
fn parts(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for part in Path::new(&path.replace('\\', "/")).components() {
        match part {
            Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
            Component::ParentDir => drop(parts.pop()),
            _ => {}
        }
    }
    let surplus = parts.len().saturating_sub(MAX_DEPTH);
    parts.split_off(surplus)
}

/// Adds what another path of the same file has.
fn join(known: &mut FileCoverage, other: FileCoverage) {
    for (line, hits) in other.lines {
        let sum = known.lines.entry(line).or_default();
        *sum = sum.saturating_add(hits);
    }
    known.functions.extend(other.functions);
    known.functions.sort();
    known.source = known.source.take().or(other.source);
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use policy_verify_suite::root_of;

    fn file(path: &str) -> FileCoverage {
        FileCoverage { path: path.into(), lines: BTreeMap::from([(2, 1)]), functions: Vec::new(), source: None }
    }

    fn paths(folder: &Path, near: &str, files: &[&str]) -> Vec<String> {
        let root = root_of(&folder.join("suite.yml"), Some(folder)).unwrap();
        let mut coverage = Coverage { files: files.iter().map(|path| file(path)).collect(), ..Coverage::default() };
        Sources::around(&folder.join(near), &root).add_to(&mut coverage);
        let shown = |it: &FileCoverage| format!("{}{}", it.path, if it.source.is_some() { "" } else { " ?" });
        coverage.files.iter().map(shown).collect()
    }

    #[test]
    fn the_longest_end_of_a_path_is_found_nearest_to_the_module() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["src", "policies/a/src"] {
            fs::create_dir_all(folder.path().join(path)).unwrap();
            fs::write(folder.path().join(path).join("lib.rs"), "one\ntwo\n").unwrap();
        }
        fs::write(folder.path().join("policies/a/short.rs"), "one\n").unwrap();
        let found = |near: &str, path: &str| paths(folder.path(), near, &[path]).remove(0);
        assert_eq!(found("policies/a", "/home/ci/work/src/lib.rs"), "policies/a/src/lib.rs");
        assert_eq!(found("policies/a", "/build/policies/a/src/../src/lib.rs"), "policies/a/src/lib.rs");
        assert_eq!(found("", "C:\\work\\src\\lib.rs"), "src/lib.rs");
        assert_eq!(found("policies/a", "/work/short.rs"), "/work/short.rs ?");
        fs::create_dir(folder.path().join(".git")).unwrap();
        fs::write(folder.path().join(".git/config"), "one\ntwo\n").unwrap();
        assert_eq!(found("policies/a", "/work/.git/config"), "/work/.git/config ?");
        assert_eq!(found("policies/a", "../../../../etc/passwd"), "../../../../etc/passwd ?");
        assert_eq!(paths(folder.path(), "", &["/x/src/lib.rs", "/y/src/lib.rs"]), ["src/lib.rs"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_out_of_the_repository_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("lib.rs"), "secret\nsecret\n").unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("src")).unwrap();
        assert_eq!(paths(folder.path(), "", &["/x/src/lib.rs"]), ["/x/src/lib.rs ?"]);
    }
}
