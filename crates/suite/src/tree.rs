//! Files below a folder, and files that match a glob. Links are followed, but every folder is walked once, so a circle of
//! links ends. What cannot be read is part of the result, never left out.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use glob::{Pattern, PatternError};
use walkdir::WalkDir;

/// What is looked for: decides which names a wildcard leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// Suites: not in hidden files and folders, nor in `node_modules`.
    Suites,
    /// Fixtures: not in names such as `..data`, with which Kubernetes doubles the files of a volume.
    Fixtures,
}

impl Search {
    fn leaves_out(self, name: &OsStr) -> bool {
        let name = name.as_encoded_bytes();
        match self {
            Self::Suites => name.starts_with(b".") || name == b"node_modules",
            Self::Fixtures => name.starts_with(b".."),
        }
    }
}

/// The names that a search for suites in a folder finds: `suite.yml` and `*.suite.yml`, or the same with `.yaml`.
pub fn is_suite(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    let stem = name.strip_suffix(b".yml").or_else(|| name.strip_suffix(b".yaml"));
    stem.is_some_and(|stem| stem == b"suite" || stem.ends_with(b".suite"))
}

/// What was found, each in the order of the paths.
#[derive(Debug, Default)]
pub struct Found {
    /// Regular files, and links to them.
    pub files: Vec<PathBuf>,
    /// What cannot be read.
    pub problems: Vec<Unreadable>,
}

/// A file or a folder that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{}`: {reason}", path.display())]
pub struct Unreadable {
    /// Its path.
    pub path: PathBuf,
    /// Why.
    pub reason: io::Error,
}

impl Found {
    fn fail(&mut self, path: &Path, reason: io::Error) {
        self.problems.push(Unreadable { path: path.to_owned(), reason });
    }

    /// Adds a file whose name matches; a folder is no file.
    fn add(&mut self, path: PathBuf, search: Search) {
        match fs::metadata(&path) {
            Ok(found) if found.is_file() => self.files.push(path),
            Ok(found) if found.is_dir() => {
                if search == Search::Suites && path.file_name().is_some_and(is_suite) {
                    self.fail(&path, io::Error::other("it is a folder, not a file"));
                }
            }
            Ok(_) => self.fail(&path, io::Error::other(NOT_A_FILE)),
            Err(error) => self.fail(&path, of_link(&path, error)),
        }
    }

    fn sorted(mut self) -> Self {
        self.files.sort();
        self.files.dedup();
        self.problems.sort_by(|one, other| one.path.cmp(&other.path));
        self.problems.dedup_by(|one, other| one.path == other.path);
        self
    }
}

/// Why a pipe, a socket or a device is not read.
pub(crate) const NOT_A_FILE: &str = "it is not a regular file";

/// The error about a path: a missing file whose name exists is a link.
pub(crate) fn of_link(path: &Path, error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::NotFound && path.is_symlink() {
        return io::Error::other("it is a link to a file that does not exist");
    }
    error
}

/// The suites below a folder.
pub fn suites(folder: &Path) -> Found {
    let mut found = Found::default();
    walk(folder, Search::Suites, &mut found, &mut |_| {}, &is_suite);
    found.sorted()
}

/// The files that match a glob; a relative one starts in `base`.
///
/// # Errors
///
/// The pattern is invalid.
pub fn glob(base: &Path, pattern: &str, search: Search) -> Result<Found, PatternError> {
    let parts = Path::new(pattern).components().map(Part::new).collect::<Result<Vec<_>, _>>()?;
    let mut found = Found::default();
    expand(base, &parts, search, &mut found);
    Ok(found.sorted())
}

/// Whether a path is a glob.
pub fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// One part of a glob, between two slashes.
enum Part<'a> {
    /// A name without wildcards.
    Name(&'a Path),
    /// `**`: this folder and all below it.
    Folders,
    Wildcard {
        pattern: Pattern,
        /// Whether it begins with a character of the name: `.git*` means hidden names.
        is_explicit: bool,
    },
}

impl<'a> Part<'a> {
    fn new(component: Component<'a>) -> Result<Self, PatternError> {
        let text = component.as_os_str().to_string_lossy();
        if !is_glob(&text) {
            let component: &'a Path = match component {
                Component::Normal(name) => Path::new(name),
                Component::ParentDir => Path::new(".."),
                Component::CurDir => Path::new("."),
                Component::RootDir => Path::new(std::path::MAIN_SEPARATOR_STR),
                Component::Prefix(prefix) => Path::new(prefix.as_os_str()),
            };
            return Ok(Self::Name(component));
        }
        if text == "**" {
            return Ok(Self::Folders);
        }
        Ok(Self::Wildcard { pattern: Pattern::new(&text)?, is_explicit: !text.starts_with(['*', '?', '[']) })
    }

    fn matches(&self, name: &OsStr, search: Search) -> bool {
        match self {
            Self::Name(own) => own.as_os_str() == name,
            Self::Folders => !search.leaves_out(name),
            Self::Wildcard { pattern, is_explicit } => {
                pattern.matches(&name.to_string_lossy()) && (*is_explicit || !search.leaves_out(name))
            }
        }
    }
}

/// Finds what matches the remaining parts of a glob below `base`.
fn expand(base: &Path, parts: &[Part<'_>], search: Search, found: &mut Found) {
    let Some((part, rest)) = parts.split_first() else { return };
    match part {
        Part::Name(name) => {
            let path = base.join(name);
            match path.symlink_metadata() {
                Err(error) if is_absent(&error) => {}
                Err(error) => found.fail(&path, error),
                Ok(_) if rest.is_empty() => found.add(path, search),
                Ok(_) => expand(&path, rest, search, found),
            }
        }
        // The usual case: one pass over the tree.
        Part::Folders if rest.len() < 2 => {
            let is_wanted = |name: &OsStr| rest.first().is_none_or(|last| last.matches(name, search));
            walk(base, search, found, &mut |_| {}, &is_wanted);
        }
        Part::Folders => {
            let mut folders = Vec::new();
            walk(base, search, found, &mut |folder| folders.push(folder.to_owned()), &|_| false);
            folders.iter().for_each(|folder| expand(folder, rest, search, found));
        }
        Part::Wildcard { .. } => {
            for path in matching(base, part, search, found) {
                match rest {
                    [] => found.add(path, search),
                    rest if path.is_dir() => expand(&path, rest, search, found),
                    _ => {}
                }
            }
        }
    }
}

/// Whether there is nothing of that name, which matches no glob.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The entries of a folder whose names match.
fn matching(folder: &Path, part: &Part<'_>, search: Search, found: &mut Found) -> Vec<PathBuf> {
    let entries = match fs::read_dir(or_here(folder)) {
        Ok(entries) => entries,
        Err(error) => {
            if !is_absent(&error) {
                found.fail(folder, error);
            }
            return Vec::new();
        }
    };
    let mut paths = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) if part.matches(&entry.file_name(), search) => paths.push(folder.join(entry.file_name())),
            Ok(_) => {}
            Err(error) => found.fail(folder, error),
        }
    }
    paths
}

/// The working directory has no name.
fn or_here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// Walks a folder and everything below it, links included. Links come last: a folder is found on the path without links if
/// there is one, and is walked once. A link to a folder around the first one is not followed.
fn walk(
    start: &Path,
    search: Search,
    found: &mut Found,
    entered: &mut dyn FnMut(&Path),
    is_wanted: &dyn Fn(&OsStr) -> bool,
) {
    let real = match or_here(start).canonicalize() {
        Ok(real) => real,
        Err(error) if is_absent(&error) => return,
        Err(error) => return found.fail(start, error),
    };
    let mut walk =
        Walk { start: &real, search, found, entered, is_wanted, seen: HashSet::new(), links: vec![start.to_owned()] };
    while !walk.links.is_empty() {
        walk.links.sort();
        std::mem::take(&mut walk.links).iter().for_each(|folder| walk.folder(folder));
    }
}

struct Walk<'a> {
    /// The real path of the first folder.
    start: &'a Path,
    search: Search,
    found: &'a mut Found,
    /// Is told of each folder.
    entered: &'a mut dyn FnMut(&Path),
    is_wanted: &'a dyn Fn(&OsStr) -> bool,
    /// Real paths of the folders that were walked.
    seen: HashSet<PathBuf>,
    /// Links to folders.
    links: Vec<PathBuf>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path) {
        let Ok(real) = or_here(folder).canonicalize() else { return };
        let is_around = real != self.start && self.start.starts_with(&real);
        if is_around || !self.seen.insert(real.clone()) {
            return;
        }
        (self.entered)(folder);
        let mut entries = WalkDir::new(or_here(folder)).min_depth(1).into_iter();
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) => {
                    let within = entry.path().strip_prefix(or_here(folder)).unwrap_or(entry.path());
                    if !self.entry(&entry, folder.join(within), &real.join(within)) && entry.file_type().is_dir() {
                        entries.skip_current_dir();
                    }
                }
                Err(error) => {
                    let path = error.path().unwrap_or(folder).to_owned();
                    self.found.fail(&path, error.into_io_error().unwrap_or_else(|| io::Error::other("it is a circle")));
                }
            }
        }
    }

    /// Whether what is below the entry is of interest.
    fn entry(&mut self, entry: &walkdir::DirEntry, path: PathBuf, real: &Path) -> bool {
        let (name, kind) = (entry.file_name(), entry.file_type());
        if self.search.leaves_out(name) || (kind.is_dir() && !self.seen.insert(real.to_owned())) {
            return false;
        }
        if kind.is_dir() {
            (self.entered)(&path);
        } else if kind.is_symlink() && path.is_dir() {
            self.links.push(path.clone());
        }
        if (self.is_wanted)(name) {
            self.found.add(path, self.search);
        }
        true
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree(files: &[&str], links: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for path in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        for (path, target) in links {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(target, path).unwrap();
        }
        folder
    }

    fn shown(found: &Found, folder: &Path) -> (Vec<String>, Vec<String>) {
        let relative = |path: &Path| path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
        let problems = found.problems.iter().map(|it| format!("{}: {}", relative(&it.path), it.reason));
        (found.files.iter().map(|path| relative(path)).collect(), problems.collect())
    }

    #[test]
    fn suites_have_both_endings_and_are_not_hidden() {
        let folder = tree(
            &[
                "suite.yml",
                "suite.yaml",
                "a/labels.suite.yml",
                "a/labels.suite.yaml",
                "a/.suite.yml",
                "a/other.yml",
                "a/suite.yml.orig",
                ".github/suite.yml",
                "node_modules/x/suite.yml",
                "b/node_modules_of_mine/suite.yml",
            ],
            &[],
        );
        let (files, problems) = shown(&suites(folder.path()), folder.path());
        assert_eq!(
            files,
            [
                "a/labels.suite.yaml",
                "a/labels.suite.yml",
                "b/node_modules_of_mine/suite.yml",
                "suite.yaml",
                "suite.yml"
            ]
        );
        assert_eq!(problems, [""; 0]);
    }

    #[test]
    fn circles_of_links_end_and_each_folder_is_walked_once() {
        let folder = tree(
            &["a/suite.yml", "b/suite.yml", "z/deep/suite.yml"],
            &[
                ("x", "."),
                ("y", "."),
                ("a/up", ".."),
                ("a/b", "../b"),
                ("b/a", "../a"),
                ("c", "z"),
                ("self", "self"),
                ("ab", "a"),
            ],
        );
        let wanted = ["a/suite.yml", "b/suite.yml", "z/deep/suite.yml"];
        let (files, problems) = shown(&suites(folder.path()), folder.path());
        assert_eq!((files, problems), (wanted.iter().map(|it| it.to_string()).collect(), vec![]));
        for search in [Search::Suites, Search::Fixtures] {
            let (files, problems) = shown(&glob(folder.path(), "**/*.yml", search).unwrap(), folder.path());
            assert_eq!((files.len(), problems), (3, vec![]), "{files:?}");
        }
        // What is only there by a link is found by it.
        let (files, _) = shown(&suites(&folder.path().join("a")), folder.path());
        assert_eq!(files, ["a/b/suite.yml", "a/suite.yml"]);
    }

    #[test]
    fn many_links_to_many_folders_end() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..40 {
            let path = folder.path().join(format!("d{number}"));
            fs::create_dir(&path).unwrap();
            fs::write(path.join("suite.yml"), "").unwrap();
            (0..40).for_each(|other| symlink(format!("../d{other}"), path.join(format!("l{other}"))).unwrap());
        }
        assert_eq!(suites(folder.path()).files.len(), 40);
    }

    #[test]
    fn what_is_no_file_is_a_problem() {
        let folder = tree(
            &["a/suite.yml/x", "b/pod.yaml/x", "b/real.yaml"],
            &[("c/suite.yml", "gone"), ("c/suite.yaml", "suite.yaml"), ("c/other", "gone"), ("b/link.yaml", "../gone")],
        );
        std::os::unix::net::UnixListener::bind(folder.path().join("d.suite.yml")).unwrap();
        let (files, problems) = shown(&suites(folder.path()), folder.path());
        assert_eq!(files, [""; 0]);
        let [folder_problem, circle, link, socket] = &problems[..] else { panic!("{problems:?}") };
        assert_eq!(folder_problem, "a/suite.yml: it is a folder, not a file");
        assert!(circle.starts_with("c/suite.yaml: Too many levels"), "{circle}");
        assert_eq!(link, "c/suite.yml: it is a link to a file that does not exist");
        assert_eq!(socket, "d.suite.yml: it is not a regular file");
        for pattern in ["b/*.yaml", "**/*.yaml", "b/**", "*/*.yaml"] {
            let (files, problems) = shown(&glob(folder.path(), pattern, Search::Fixtures).unwrap(), folder.path());
            assert!(files.contains(&"b/real.yaml".to_owned()), "{pattern}: {files:?}");
            let wanted = "b/link.yaml: it is a link to a file that does not exist".to_owned();
            assert!(problems.contains(&wanted), "{pattern}: {problems:?}");
        }
    }

    #[test]
    fn wildcards_match_hidden_names_only_where_they_are_written() {
        let folder = tree(
            &[
                ".github/a/suite.yml",
                ".github/.b/suite.yml",
                "c/suite.yml",
                "node_modules/d/suite.yml",
                "..2026/pod.yaml",
                ".hidden/pod.yaml",
            ],
            &[("..data", "..2026"), ("pod.yaml", "..data/pod.yaml")],
        );
        for (pattern, wanted) in [
            (".github/**/suite.yml", &[".github/a/suite.yml"][..]),
            (".github/.b/*.yml", &[".github/.b/suite.yml"]),
            (".git*/*/suite.yml", &[".github/a/suite.yml"]),
            ("**/suite.yml", &["c/suite.yml"]),
            ("*/suite.yml", &["c/suite.yml"]),
            ("node_modules/*/suite.yml", &["node_modules/d/suite.yml"]),
            ("./c/*.yml", &["c/suite.yml"]),
            ("c/../c/s*.yml", &["c/../c/suite.yml"]),
            ("gone/**/*.yml", &[]),
            ("c/suite.yml/*", &[]),
        ] {
            let (files, problems) = shown(&glob(folder.path(), pattern, Search::Suites).unwrap(), folder.path());
            assert_eq!(files.iter().map(|file| file.trim_start_matches("./")).collect::<Vec<_>>(), wanted, "{pattern}");
            assert_eq!(problems, [""; 0], "{pattern}");
        }
        let (files, _) = shown(&glob(folder.path(), "**/*.yaml", Search::Fixtures).unwrap(), folder.path());
        assert_eq!(files, [".hidden/pod.yaml", "pod.yaml"]);
        assert!(glob(folder.path(), "a**b", Search::Suites).is_err());
        let hidden = suites(&folder.path().join(".github"));
        assert_eq!(shown(&hidden, folder.path()).0, [".github/a/suite.yml"]);
    }
}
