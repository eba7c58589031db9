//! Files below a folder, and files that match a glob. Links are followed, but every folder is walked once, so a circle of
//! links ends, and a glob with several `**` takes no more than a walk for each. What cannot be read is part of the result,
//! never left out.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, FileType};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

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
    /// Links to folders outside of the one that the search stays in. They are not followed.
    pub outside: Vec<PathBuf>,
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
        self.outside.sort();
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
    Finder::find(folder, &[Part::Folders, Part::Suite], Search::Suites).found.sorted()
}

/// The files that match a glob; a relative one starts in `base`.
///
/// # Errors
///
/// The pattern is invalid.
pub fn glob(base: &Path, pattern: &str, search: Search) -> Result<Found, PatternError> {
    Ok(Finder::find(base, &parts(pattern)?, search).found.sorted())
}

/// The files that match a glob, without those behind links that lead out of the folder `within`, a path without links.
///
/// # Errors
///
/// The pattern is invalid.
pub fn glob_within(base: &Path, pattern: &str, search: Search, within: &Path) -> Result<Found, PatternError> {
    Ok(Finder::find_within(base, &parts(pattern)?, search, Some(within)).found.sorted())
}

/// The parts of a glob; `**/**` is `**`.
fn parts(pattern: &str) -> Result<Vec<Part<'_>>, PatternError> {
    let mut parts = Path::new(pattern).components().map(Part::new).collect::<Result<Vec<_>, _>>()?;
    parts.dedup_by(|one, other| matches!((one, other), (Part::Folders, Part::Folders)));
    Ok(parts)
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
    /// A name that [`is_suite`].
    Suite,
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
            Self::Suite => is_suite(name),
            Self::Wildcard { pattern, is_explicit } => {
                pattern.matches(&name.to_string_lossy()) && (*is_explicit || !search.leaves_out(name))
            }
        }
    }
}

/// In how many ways a folder is looked into for the same part of a pattern. Links and `..` can lead to it in any number of
/// ways; what is in it is found by each.
const MOST_WAYS: u8 = 8;

/// A folder, and the part of the pattern that is next there.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Task {
    folder: PathBuf,
    part: usize,
    /// The real path of the first folder of a walk that goes on here.
    start: Option<Rc<Path>>,
}

/// Looks for what matches a pattern. Every part of it looks into every folder a bounded number of times, so that the time
/// grows with the folders and with the parts, and not with their combinations.
struct Finder<'a> {
    parts: &'a [Part<'a>],
    search: Search,
    /// The folder that no link may lead out of.
    within: Option<&'a Path>,
    found: Found,
    /// What is to be done.
    tasks: Vec<Task>,
    /// What is to be done after that: folders behind links, so that a folder is found on the path without links if there
    /// is one.
    behind_links: Vec<Task>,
    /// Real paths of the folders that `**` has walked, each with the number of that part.
    walked: HashSet<(usize, PathBuf)>,
    /// How often other parts have looked into a folder, by its real path.
    ways: HashMap<(usize, PathBuf), u8>,
    /// How many folders were looked into, counted again for each part.
    #[cfg(test)]
    visits: usize,
}

impl<'a> Finder<'a> {
    fn find(base: &Path, parts: &'a [Part<'a>], search: Search) -> Self {
        Self::find_within(base, parts, search, None)
    }

    fn find_within(base: &Path, parts: &'a [Part<'a>], search: Search, within: Option<&'a Path>) -> Self {
        let mut finder = Self {
            parts,
            search,
            within,
            found: Found::default(),
            tasks: vec![Task { folder: base.to_owned(), part: 0, start: None }],
            behind_links: Vec::new(),
            walked: HashSet::new(),
            ways: HashMap::new(),
            #[cfg(test)]
            visits: 0,
        };
        while !finder.tasks.is_empty() {
            while let Some(Task { folder, part, start }) = finder.tasks.pop() {
                finder.look(folder, part, start);
            }
            finder.tasks = std::mem::take(&mut finder.behind_links);
            // The first one is taken first.
            finder.tasks.sort_by(|one, other| other.cmp(one));
        }
        finder
    }

    fn look(&mut self, folder: PathBuf, part: usize, start: Option<Rc<Path>>) {
        #[cfg(test)]
        {
            self.visits += 1;
        }
        let parts = self.parts;
        match parts.get(part) {
            Some(Part::Folders) => self.walk(&folder, part, start),
            Some(Part::Name(name)) => {
                let path = folder.join(name);
                match path.symlink_metadata() {
                    Err(error) if is_absent(&error) => {}
                    Err(error) => self.found.fail(&path, error),
                    Ok(found) => self.go_on(path, part, found.is_symlink()),
                }
            }
            Some(wildcard) => {
                for (path, kind) in self.matching(&folder, wildcard) {
                    let is_link = kind.is_symlink();
                    if part + 1 == parts.len() || kind.is_dir() || (is_link && path.is_dir()) {
                        self.go_on(path, part, is_link);
                    }
                }
            }
            None => {}
        }
    }

    /// Goes on behind a part that a path has matched.
    fn go_on(&mut self, path: PathBuf, part: usize, is_link: bool) {
        let next = part + 1;
        if next == self.parts.len() {
            return self.found.add(path, self.search);
        }
        if is_link && self.leads_out(&path) {
            return;
        }
        if !matches!(self.parts[next], Part::Folders) {
            let real = or_here(&path).canonicalize().unwrap_or_else(|_| path.clone());
            let ways = self.ways.entry((next, real)).or_default();
            if *ways == MOST_WAYS {
                return;
            }
            *ways += 1;
        }
        let tasks = if is_link { &mut self.behind_links } else { &mut self.tasks };
        tasks.push(Task { folder: path, part: next, start: None });
    }

    /// Whether a link leads to a folder outside, which is noted then.
    fn leads_out(&mut self, link: &Path) -> bool {
        let (Some(within), Ok(real)) = (self.within, link.canonicalize()) else { return false };
        let leads_out = real.is_dir() && !real.starts_with(within);
        if leads_out {
            self.found.outside.push(link.to_owned());
        }
        leads_out
    }

    /// The entries of a folder whose names match, in order, and what they are.
    fn matching(&mut self, folder: &Path, part: &Part<'_>) -> Vec<(PathBuf, FileType)> {
        let entries = match fs::read_dir(or_here(folder)) {
            Ok(entries) => entries,
            Err(error) => {
                if !is_absent(&error) {
                    self.found.fail(folder, error);
                }
                return Vec::new();
            }
        };
        let mut matching = Vec::new();
        for entry in entries {
            match entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?))) {
                Ok((name, kind)) if part.matches(&name, self.search) => matching.push((folder.join(name), kind)),
                Ok(_) => {}
                Err(error) => self.found.fail(folder, error),
            }
        }
        matching.sort_by(|(one, _), (other, _)| one.cmp(other));
        matching
    }

    /// Walks a folder and everything below it, once for this part. Links are for later; a link to a folder around the
    /// first one is not followed.
    fn walk(&mut self, folder: &Path, part: usize, start: Option<Rc<Path>>) {
        let real = match or_here(folder).canonicalize() {
            Ok(real) => real,
            Err(error) => {
                if start.is_none() && !is_absent(&error) {
                    self.found.fail(folder, error);
                }
                return;
            }
        };
        let start = start.unwrap_or_else(|| Rc::from(real.as_path()));
        let is_around = real != *start && start.starts_with(&real);
        if is_around || !self.walked.insert((part, real.clone())) {
            return;
        }
        self.enter(folder, part);
        let mut entries = WalkDir::new(or_here(folder)).min_depth(1).into_iter();
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) => {
                    if !self.entry(&entry, folder, &real, part, &start) && entry.file_type().is_dir() {
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

    /// The parts behind `**`, in a folder that it walks. A last name is compared in the walk itself.
    fn enter(&mut self, folder: &Path, part: usize) {
        if part + 2 < self.parts.len() {
            self.tasks.push(Task { folder: folder.to_owned(), part: part + 1, start: None });
        }
    }

    /// Whether what is below an entry of a walk through `folder` is of interest; `real` is the real path of that folder.
    fn entry(&mut self, entry: &walkdir::DirEntry, folder: &Path, real: &Path, part: usize, start: &Rc<Path>) -> bool {
        let (name, kind) = (entry.file_name(), entry.file_type());
        let within = entry.path().strip_prefix(or_here(folder)).unwrap_or(entry.path());
        if self.search.leaves_out(name) || (kind.is_dir() && !self.walked.insert((part, real.join(within)))) {
            return false;
        }
        if kind.is_dir() {
            #[cfg(test)]
            {
                self.visits += 1;
            }
            self.enter(&folder.join(within), part);
        } else if kind.is_symlink() && entry.path().is_dir() && !self.leads_out(&folder.join(within)) {
            let start = Some(Rc::clone(start));
            self.behind_links.push(Task { folder: folder.join(within), part, start });
        }
        let is_wanted = match &self.parts[part + 1..] {
            [] => true,
            [last] => last.matches(name, self.search),
            _ => false,
        };
        if is_wanted {
            self.found.add(folder.join(within), self.search);
        }
        true
    }
}

/// Whether there is nothing of that name, which matches no glob.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The working directory has no name.
fn or_here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
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

    /// A folder in a folder in a folder, each called `a`, with a file in each.
    fn nested(depth: usize) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let mut folder = root.path().to_owned();
        for _ in 0..depth {
            folder.push("a");
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("pod.yaml"), "").unwrap();
        }
        root
    }

    fn visits(base: &Path, pattern: &str) -> (usize, usize) {
        let parts = parts(pattern).unwrap();
        let finder = Finder::find(base, &parts, Search::Fixtures);
        let visits = finder.visits;
        (finder.found.sorted().files.len(), visits)
    }

    /// Every combination of the folders that `**` may stand for would be more than a million.
    #[test]
    fn several_wildcards_for_folders_take_a_walk_each() {
        const DEPTH: usize = 200;
        let root = nested(DEPTH);
        for (pattern, files) in [
            ("**/*.yaml", DEPTH),
            ("**/a/**/*.yaml", DEPTH),
            ("**/a/**/a/**/a/**/*.yaml", DEPTH - 2),
            ("**/*/**/*/**/*/**/*/**/pod.yaml", DEPTH - 3),
            ("**/a/**/a/**/a/**/a/**/a/**/gone.yaml", 0),
            ("**/**/**/**/*.yaml", DEPTH),
            ("a/a/**/../**/../**/*.yaml", DEPTH),
        ] {
            let (found, visits) = visits(root.path(), pattern);
            let parts = parts(pattern).unwrap().len();
            let most = (DEPTH + 4) * (parts + 1) * usize::from(MOST_WAYS);
            assert!(visits <= most, "{pattern}: {visits} visits, at most {most} for {parts} parts");
            // `..` leads to a file by several paths.
            assert!(found == files || pattern.contains("..") && found >= files, "{pattern}: {found}");
        }
    }

    /// Links double the ways to a folder at each level.
    #[test]
    fn links_in_wildcards_are_bounded() {
        let loops = tree(&["pod.yaml"], &[("x", "."), ("y", ".")]);
        let ladder = tempfile::tempdir().unwrap();
        for number in 0..30 {
            let path = ladder.path().join(format!("d{number}"));
            fs::create_dir(&path).unwrap();
            fs::write(path.join("pod.yaml"), "").unwrap();
            for link in ["x", "y"] {
                symlink(format!("../d{}", number + 1), path.join(link)).unwrap();
            }
        }
        for (base, deep) in [(loops.path().to_owned(), 24), (ladder.path().join("d0"), 24)] {
            for step in ["*/", "**/*/", "[xy]/", "*/**/"] {
                let pattern = format!("{}pod.yaml", step.repeat(deep));
                let (found, visits) = visits(&base, &pattern);
                assert!(found > 0, "{pattern}");
                assert!(visits < 40_000, "{pattern}: {visits}");
            }
        }
    }

    /// A folder that is there by its own name and by that of a link is found by both names, where a pattern names both.
    #[test]
    fn wildcards_find_a_folder_by_each_of_its_names() {
        let folder = tree(&["a/suite.yml", "deep/b/suite.yml"], &[("ab", "a"), ("link", "deep")]);
        for (pattern, wanted) in [
            ("*/suite.yml", &["a/suite.yml", "ab/suite.yml"][..]),
            ("a*/*.yml", &["a/suite.yml", "ab/suite.yml"]),
            ("link/**/*.yml", &["link/b/suite.yml"]),
            ("**/b/*.yml", &["deep/b/suite.yml"]),
            ("**/b/**/*.yml", &["deep/b/suite.yml"]),
        ] {
            let (files, problems) = shown(&glob(folder.path(), pattern, Search::Suites).unwrap(), folder.path());
            assert_eq!(files, wanted, "{pattern}");
            assert_eq!(problems, [""; 0], "{pattern}");
        }
    }
}
