//! Which suite files the arguments mean.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use policy_verify::model::code::Code;
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::model::source::Span;
use policy_verify::tree::{self, Found, Search};
use policy_verify::{is_stream, nearest, shown};

use super::args::Cli;
use super::problem::usage;

/// The names of suites in a folder; the first ones come first.
const NAMES: [&str; 4] = ["suite.yml", "suite.yaml", "*.suite.yml", "*.suite.yaml"];

/// The suite files that `arguments` name: files as they are, folders searched for suites, globs. Without arguments, the
/// suites of the working directory. What is named is never hidden, what is below may be.
///
/// # Errors
///
/// An argument that names no suite, and everything that cannot be read and would be a suite. `root` is that of the command
/// line.
pub(crate) fn find(arguments: &[PathBuf], root: Option<&Path>) -> Result<Vec<PathBuf>, Vec<Diagnostic>> {
    let mut found = Vec::new();
    if arguments.is_empty() {
        for name in NAMES {
            found.extend(matches(name, root)?);
        }
        if found.is_empty() {
            let none = usage("no suite.yml and no *.suite.yml (or .yaml) in this folder");
            return Err(vec![none.with_help(first_step(Path::new(".")))]);
        }
    }
    for argument in arguments {
        let text = argument.to_string_lossy();
        if is_stream(argument) {
            found.push(argument.clone());
        } else if argument.is_dir() {
            let inside = readable(tree::suites(argument), root)?;
            if inside.is_empty() {
                let none = usage(format!("no suite.yml and no *.suite.yml (or .yaml) in the folder `{text}`"));
                return Err(vec![none]);
            }
            found.extend(inside);
        } else if let Some(command) = misspelt_command(argument) {
            let neither = usage(format!("`{text}` is neither a command nor a file"));
            return Err(vec![neither.with_help(format!("did you mean `verify {command}`?"))]);
        } else if argument.exists() || !tree::is_glob(&text) {
            found.push(argument.clone());
        } else {
            let matched = matches(&text, root)?;
            if matched.is_empty() {
                return Err(vec![usage(format!("no file matches `{text}`"))]);
            }
            found.extend(matched);
        }
    }
    Ok(without_repetitions(found))
}

/// What to do in a folder without a suite: make one of the tests or of the policy that are there, or name another.
fn first_step(folder: &Path) -> String {
    let has = |ending: &str| {
        let names = folder.read_dir().into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
        let mut found: Vec<PathBuf> = names.filter(|path| path.extension().is_some_and(|it| it == ending)).collect();
        found.sort();
        found.first().and_then(|path| path.file_name()?.to_str().map(str::to_owned))
    };
    let is_policy = ["metadata.yml", "metadata.yaml"].iter().any(|name| folder.join(name).is_file());
    let steps = [
        has("bats").map(|file| format!("make a suite of the tests in {file}: verify import bats {file}")),
        (is_policy || has("wasm").is_some()).then(|| "make a first suite for the policy: verify init".to_owned()),
        Some("name a suite: verify path/to/suite.yml".to_owned()),
    ];
    steps.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// The command with the most similar name, for a word that is not a file.
fn misspelt_command(argument: &Path) -> Option<String> {
    let word = argument.to_str().filter(|_| argument.symlink_metadata().is_err())?;
    let command = Cli::command();
    nearest(word, command.get_subcommands().map(clap::Command::get_name)).map(str::to_owned)
}

fn matches(pattern: &str, root: Option<&Path>) -> Result<Vec<PathBuf>, Vec<Diagnostic>> {
    let found = tree::glob(Path::new(""), pattern, Search::Suites);
    readable(found.map_err(|error| vec![usage(format!("invalid glob `{pattern}`: {error}"))])?, root)
}

/// The files, if everything could be read: a suite that is left out is one that cannot fail.
fn readable(found: Found, root: Option<&Path>) -> Result<Vec<PathBuf>, Vec<Diagnostic>> {
    if found.problems.is_empty() {
        return Ok(found.files);
    }
    let help = "make it readable, or name only the suites to run";
    let problem = |it: &tree::Unreadable| {
        let place = Span::unquoted(shown(&it.path, root));
        Diagnostic::new(Code::Usage, it.to_string()).with_help(help.to_owned()).at(&place)
    };
    Err(found.problems.iter().map(problem).collect())
}

/// Each file once. A file that is linked into two folders is a suite of each: its paths start there.
fn without_repetitions(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut seen = HashSet::new();
    let identity = |path: &PathBuf| {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if is_stream(path) { (PathBuf::new(), real(Path::new("/dev/stdin"))) } else { (real(folder), real(path)) }
    };
    paths.into_iter().filter(|path| seen.insert(identity(path))).collect()
}
