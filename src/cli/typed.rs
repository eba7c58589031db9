//! Commands without a suite: their options, and paths that were typed, as files, folders and globs.

use std::collections::{BTreeSet, HashSet};
use std::path::{Component, Path, PathBuf};

use policy_verify::model::code::Code;
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::tree::{self, Search};
use policy_verify::{CompilerChoice, FileLimit, Options};

use super::args::typed::TypedArgs;
use super::problem::usage;
use super::run;

/// What stands for stdin.
pub(super) const STREAM: &str = "-";

/// Endings of manifests in a folder.
pub(super) const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// The options of a run; its suite is still to be written.
pub(super) fn options(arguments: &TypedArgs, limit: Option<FileLimit>) -> Result<Options, Diagnostic> {
    let mut options = Options::default();
    options.root = arguments.root.as_deref().map(run::root).transpose()?;
    options.file_limit = limit.unwrap_or_default();
    options.suites = vec![PathBuf::from(STREAM)];
    options.kubewarden = arguments.kubewarden;
    options.jobs = arguments.jobs.map(usize::from);
    options.compiler = CompilerChoice::Auto;
    arguments.engine.apply(&mut options);
    options.is_live = arguments.live;
    options.allows_empty = arguments.allow_empty;
    arguments.sources.apply(&mut options);
    Ok(options)
}

/// Files and globs as they are, and the manifests of folders.
pub(super) fn globs(files: &[PathBuf], paths: &mut Paths) -> Result<Vec<String>, Diagnostic> {
    let (mut named, mut seen) = (Vec::new(), HashSet::new());
    for path in files {
        let found = if path.is_dir() {
            in_folder(path, &ENDINGS)?.into_iter().collect()
        } else if tree::is_glob(&path.to_string_lossy()) && !path.exists() {
            matches(path)?
        } else {
            vec![path.clone()]
        };
        for file in found {
            let name = paths.named(&file)?;
            if seen.insert(name.clone()) {
                named.push(name);
            }
        }
    }
    Ok(named)
}

/// The files that a glob matches.
fn matches(glob: &Path) -> Result<Vec<PathBuf>, Diagnostic> {
    let shown = glob.display();
    let found = tree::glob(Path::new(""), &glob.to_string_lossy(), Search::Fixtures);
    let found = found.map_err(|error| usage(format!("invalid glob `{shown}`: {error}")))?;
    match found.problems.first() {
        Some(problem) => Err(usage(problem.to_string())),
        None if found.files.is_empty() => Err(usage(format!("no file matches `{shown}`"))),
        None => Ok(found.files),
    }
}

/// The files below a folder with these endings, sorted.
pub(super) fn in_folder(folder: &Path, endings: &[&str]) -> Result<BTreeSet<PathBuf>, Diagnostic> {
    let mut files = BTreeSet::new();
    for ending in endings {
        let found = tree::glob(folder, &format!("**/*.{ending}"), Search::Fixtures);
        let found = found.map_err(|error| usage(format!("`{}`: {error}", folder.display())))?;
        if let Some(problem) = found.problems.first() {
            return Err(usage(problem.to_string()));
        }
        files.extend(found.files);
    }
    // The folder was typed, and not what its links lead to.
    let real = folder.canonicalize().map_err(|error| usage(format!("cannot read `{}`: {error}", folder.display())))?;
    let is_elsewhere = |file: &&PathBuf| !file.canonicalize().is_ok_and(|file| file.starts_with(&real));
    if let Some(link) = files.iter().find(is_elsewhere) {
        return Err(usage(format!("`{}` is a link to a file outside of the folder", link.display()))
            .with_help("name the file itself".to_owned()));
    }
    if files.is_empty() {
        let endings: Vec<String> = endings.iter().map(|ending| format!("*.{ending}")).collect();
        return Err(usage(format!("no file in the folder `{}`: expected {}", folder.display(), endings.join(", "))));
    }
    Ok(files)
}

/// Paths of the command line. A suite names them as they are: none is a glob any more, and each was typed, or found in a folder
/// that was.
pub(super) struct Paths {
    working_directory: PathBuf,
    named: BTreeSet<PathBuf>,
}

impl Paths {
    pub(super) fn new() -> Result<Self, Diagnostic> {
        let working_directory = std::env::current_dir()
            .map_err(|error| usage(format!("the working directory cannot be found: {error}")))?;
        Ok(Self { working_directory, named: BTreeSet::new() })
    }

    /// The absolute path of a file.
    pub(super) fn named(&mut self, path: &Path) -> Result<String, Diagnostic> {
        let shown = path.display();
        if !path.exists() {
            return Err(Diagnostic::new(Code::FileNotFound, format!("file not found: `{shown}`")));
        }
        if !path.is_file() {
            return Err(usage(format!("`{shown}` is not a regular file")));
        }
        let absolute = without_dots(&self.working_directory.join(path));
        let text = absolute.to_str().ok_or_else(|| usage(format!("invalid path `{shown}`: it is not UTF-8")))?;
        let text = text.to_owned();
        self.named.insert(absolute);
        Ok(text)
    }

    /// All files that were named.
    pub(super) fn into_named(self) -> BTreeSet<PathBuf> {
        self.named
    }
}

/// A path without `.`, and without `..` where no link is before it.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if !plain.is_symlink() => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}
