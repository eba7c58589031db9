//! The root of the repository of a suite: nothing outside is read, and reports name files from it.
//!
//! A submodule is part of the repository around it, which is what CI checks out. A worktree is a repository of its own.

use std::env;
use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Variables in which CI systems tell where they have checked out the repository. Without `.git`, as in an image or an
/// exported tree, nothing else says it.
const WORKSPACES: &[&str] = &[
    "GITHUB_WORKSPACE",
    "CI_PROJECT_DIR",
    "BITBUCKET_CLONE_DIR",
    "BUILD_SOURCESDIRECTORY",
    "CIRCLE_WORKING_DIRECTORY",
    "BUILDKITE_BUILD_CHECKOUT_PATH",
    "TRAVIS_BUILD_DIR",
    "DRONE_WORKSPACE",
    "CI_WORKSPACE",
    "SEMAPHORE_GIT_DIR",
    "APPVEYOR_BUILD_FOLDER",
    "CODEBUILD_SRC_DIR",
    "CM_BUILD_DIR",
    "BITRISE_SOURCE_DIR",
    "WORKSPACE",
];

/// Longest `.git` file that is read, in bytes.
const MAX_GIT_FILE: u64 = 4096;

/// The root of a repository, and why it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Its path without links.
    pub(crate) real: PathBuf,
    /// Its path as that of the suite begins, if it does.
    pub(crate) named: PathBuf,
    origin: Origin,
}

/// Why a folder is the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Flag,
    Git,
    Variable(&'static str),
    Submodule,
    WorkingDirectory,
    Suite,
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.real.display();
        match self.origin {
            Origin::Flag => write!(f, "`{path}` (from --root)"),
            Origin::Git => write!(f, "`{path}` (it has `.git`)"),
            Origin::Variable(name) => write!(f, "`{path}` (from {name})"),
            Origin::Submodule => write!(f, "`{path}` (a submodule)"),
            Origin::WorkingDirectory => write!(f, "`{path}` (the working directory)"),
            Origin::Suite => write!(f, "`{path}` (the folder of the suite)"),
        }
    }
}

impl Root {
    /// The root for a suite in `folder`, an absolute path; `given` is that of the command line.
    ///
    /// # Errors
    ///
    /// A folder that is there a moment ago cannot be found, or `given` does not exist.
    pub(crate) fn of(folder: &Path, given: Option<&Path>) -> io::Result<Self> {
        if let Some(given) = given {
            return Ok(Self::new(folder, given.canonicalize()?, Origin::Flag));
        }
        if let Some(real) = repository(folder)? {
            return Ok(Self::new(folder, real, Origin::Git));
        }
        let above: Vec<PathBuf> = folder.ancestors().filter_map(|it| it.canonicalize().ok()).collect();
        let named = WORKSPACES.iter().filter_map(|name| Some((workspace(name)?, *name)));
        if let Some((real, name)) = named.into_iter().find(|(real, _)| above.contains(real)) {
            return Ok(Self::new(folder, real, Origin::Variable(name)));
        }
        if let Some(submodule) = folder.ancestors().find(|it| git(it) == Some(Git::Submodule)) {
            return Ok(Self::new(folder, submodule.canonicalize()?, Origin::Submodule));
        }
        let working_directory = env::current_dir().and_then(|path| path.canonicalize()).ok();
        // Everything is below the root of a file system, which is where containers start.
        match working_directory.filter(|real| real.parent().is_some() && above.contains(real)) {
            Some(real) => Ok(Self::new(folder, real, Origin::WorkingDirectory)),
            None => match folder.canonicalize()? {
                real if real.parent().is_none() => Err(io::Error::other(
                    "it is in the root of the file system, which is no repository; name its root with `--root DIR`",
                )),
                real => Ok(Self::new(folder, real, Origin::Suite)),
            },
        }
    }

    fn new(folder: &Path, real: PathBuf, origin: Origin) -> Self {
        let is_real = |it: &&Path| *it == real || it.canonicalize().is_ok_and(|it| it == real);
        let named = folder.ancestors().find(is_real).map_or_else(|| real.clone(), Path::to_owned);
        Self { real, named, origin }
    }

    /// The path of a file as reports show it: relative to the root, with forward slashes.
    pub fn shown(&self, path: &Path) -> String {
        let relative = path.strip_prefix(&self.named).or_else(|_| path.strip_prefix(&self.real));
        let Ok(relative) = relative else { return path.to_string_lossy().replace('\\', "/") };
        relative.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
    }

    /// Whether the target of a path is inside.
    pub fn contains(&self, path: &Path) -> bool {
        path.canonicalize().is_ok_and(|real| real.starts_with(&self.real))
    }

    /// Whether a path without links is below the root.
    pub(crate) fn holds(&self, real: &Path) -> bool {
        real != self.real && real.starts_with(&self.real)
    }

    /// Whether a path is below the root, wherever its links lead and however much of it is there.
    pub(crate) fn holds_place(&self, path: &Path) -> bool {
        let Ok(named) = as_named(path) else { return false };
        let real = named.ancestors().find_map(|there| {
            let rest = named.strip_prefix(there).ok()?;
            Some(there.canonicalize().ok()?.join(rest))
        });
        real.is_some_and(|real| self.holds(&real))
    }

    /// Whether there is more than the folder of a suite that says so.
    pub(crate) fn is_repository(&self) -> bool {
        self.origin != Origin::Suite
    }

    /// The absolute path of a file that reports show.
    pub fn absolute(&self, shown: &str) -> PathBuf {
        self.named.join(shown)
    }
}

/// The nearest repository around a folder. One that a link inside another repository leads to does not count: the link
/// leads out of that one.
fn repository(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mut nearest: Option<PathBuf> = None;
    for above in folder.ancestors().filter(|it| git(it) == Some(Git::Repository)) {
        let real = above.canonicalize()?;
        if nearest.as_ref().is_none_or(|nearest| !nearest.starts_with(&real)) {
            nearest = Some(real);
        }
    }
    Ok(nearest)
}

/// What `.git` in a folder says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Git {
    Repository,
    Submodule,
}

fn git(folder: &Path) -> Option<Git> {
    let path = folder.join(".git");
    let found = path.metadata().ok()?;
    if !found.is_file() || found.len() > MAX_GIT_FILE {
        return Some(Git::Repository);
    }
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let target = text.strip_prefix("gitdir:").unwrap_or_default().trim();
    let names: Vec<&str> = target.split(['/', '\\']).collect();
    let is_worktree = names.iter().rev().nth(1) == Some(&"worktrees");
    Some(if names.contains(&"modules") && !is_worktree { Git::Submodule } else { Git::Repository })
}

/// The folder a variable names. The root of a file system is no repository.
fn workspace(name: &str) -> Option<PathBuf> {
    let text = env::var_os(name)?;
    // CircleCI leaves the home to the shell.
    let path = match text.to_str().and_then(|text| text.strip_prefix("~/")) {
        Some(rest) => PathBuf::from(env::var_os("HOME")?).join(rest),
        None => PathBuf::from(text),
    };
    let real = path.is_absolute().then(|| path.canonicalize().ok()).flatten()?;
    real.parent()?;
    Some(real)
}

/// An absolute path without `.` and `..`, in which links keep their names. A `..` behind a link leads where it does for
/// the system: out of the folder that the link names.
pub(crate) fn as_named(path: &Path) -> io::Result<PathBuf> {
    let mut named = PathBuf::new();
    for part in std::path::absolute(path)?.components() {
        match part {
            Component::ParentDir => {
                if named.is_symlink() {
                    named = named.canonicalize()?;
                }
                named.pop();
            }
            Component::CurDir => {}
            part => named.push(part),
        }
    }
    Ok(named)
}

/// The path of a file as reports show it: from the root of its repository. `given` is the root of the command line.
pub fn shown(path: &Path, given: Option<&Path>) -> String {
    let named = as_named(path).ok();
    let found = named.and_then(|named| Some(root_of(&named, given)?.shown(&named)));
    found.unwrap_or_else(|| path.to_string_lossy().into_owned())
}

/// The repository that a folder lies in: of the working directory, or of one of the suites. A home that is a repository is
/// no checkout. `given` is the root of the command line.
pub fn repository_around(folder: &Path, suites: &[PathBuf], given: Option<&Path>) -> Option<Root> {
    let home = env::var_os("HOME").and_then(|home| PathBuf::from(home).canonicalize().ok());
    let mut roots = [Path::new("suite.yml")].into_iter().chain(suites.iter().map(PathBuf::as_path));
    let is_around = |root: &Root| home.as_ref() != Some(&root.real) && root.holds_place(folder);
    roots.find_map(|suite| root_of(suite, given).filter(is_around))
}

/// The root for a suite; `given` is that of the command line. None for a suite in no folder.
pub fn root_of(suite: &Path, given: Option<&Path>) -> Option<Root> {
    let named = as_named(suite).ok()?;
    Root::of(named.parent()?, given).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A folder in which `.git` files have these texts; an empty one is a folder.
    fn tree(git: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in git {
            let path = folder.path().join(path);
            fs::create_dir_all(&path).unwrap();
            match *text {
                "" => fs::create_dir(path.join(".git")).unwrap(),
                text => fs::write(path.join(".git"), text).unwrap(),
            }
        }
        folder
    }

    #[test]
    fn a_submodule_belongs_to_the_repository_around_it_and_a_worktree_does_not() {
        let folder = tree(&[
            ("repository", ""),
            ("repository/sub", "gitdir: ../.git/modules/sub\n"),
            ("repository/sub/deeper", "gitdir: ../../.git/modules/sub/modules/deeper\n"),
            ("repository/worktree", "gitdir: /main/.git/worktrees/x\n"),
            ("repository/of-sub", "gitdir: /main/.git/modules/sub/worktrees/x\n"),
            ("repository/elsewhere", "gitdir: /somewhere/else\n"),
            ("alone", "gitdir: ../.git/modules/alone\n"),
        ]);
        let real = folder.path().canonicalize().unwrap();
        for (suite, root, says) in [
            ("repository", "repository", "it has `.git`"),
            ("repository/sub", "repository", "it has `.git`"),
            ("repository/sub/deeper", "repository", "it has `.git`"),
            ("repository/worktree", "repository/worktree", "it has `.git`"),
            ("repository/of-sub", "repository/of-sub", "it has `.git`"),
            ("repository/elsewhere", "repository/elsewhere", "it has `.git`"),
            ("alone", "alone", "a submodule"),
        ] {
            let found = Root::of(&real.join(suite), None).unwrap();
            assert_eq!(found.real, real.join(root), "{suite}");
            assert!(found.to_string().contains(says), "{suite}: {found}");
        }
        let given = Root::of(&real.join("repository/sub"), Some(&real)).unwrap();
        assert_eq!(given.to_string(), format!("`{}` (from --root)", real.display()));
        assert_eq!(given.shown(&real.join("repository/sub/suite.yml")), "repository/sub/suite.yml");
    }

    #[cfg(unix)]
    #[test]
    fn the_root_of_the_file_system_is_no_repository() {
        let root = Path::new("/");
        if root.join(".git").exists() {
            return;
        }
        let error = Root::of(root, None).unwrap_err().to_string();
        assert!(error.contains("--root DIR"), "{error}");
        assert_eq!(Root::of(root, Some(root)).unwrap().real, root);
    }

    #[cfg(unix)]
    #[test]
    fn paths_keep_the_names_of_links() {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        fs::create_dir_all(real.join("a/deep")).unwrap();
        symlink("a/deep", real.join("link")).unwrap();
        for (path, wanted) in [
            ("link/x", "link/x"),
            ("link/./x", "link/x"),
            ("link/../x", "a/x"),
            ("a/../link/x", "link/x"),
            ("gone/../x", "x"),
        ] {
            assert_eq!(as_named(&real.join(path)).unwrap(), real.join(wanted), "{path}");
        }
    }
}
