//! Which suite files the arguments mean.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::nearest;

use super::args::Cli;
use super::problem::usage;

/// The suite files that `arguments` name: files as they are, folders searched for `suite.yml` and `*.suite.yml`, globs.
/// Without arguments: `suite.yml` and `*.suite.yml` of the working directory.
pub(crate) fn find(arguments: &[PathBuf]) -> Result<Vec<PathBuf>, Diagnostic> {
    let mut found = Vec::new();
    if arguments.is_empty() {
        found.extend(matches("suite.yml")?);
        found.extend(matches("*.suite.yml")?);
        if found.is_empty() {
            let none = usage("no suite.yml and no *.suite.yml in this folder");
            return Err(none.with_help("name a suite: verify path/to/suite.yml".to_owned()));
        }
    }
    for argument in arguments {
        let text = argument.to_string_lossy();
        if argument.is_dir() {
            let folder = glob::Pattern::escape(&text);
            let folder = folder.trim_end_matches('/');
            let mut inside = matches(&format!("{folder}/**/suite.yml"))?;
            inside.extend(matches(&format!("{folder}/**/*.suite.yml"))?);
            inside.sort();
            if inside.is_empty() {
                return Err(usage(format!("no suite.yml and no *.suite.yml in the folder `{text}`")));
            }
            found.extend(inside);
        } else if let Some(command) = misspelt_command(argument) {
            return Err(usage(format!("`{text}` is neither a command nor a file"))
                .with_help(format!("did you mean `verify {command}`?")));
        } else if argument.exists() || !text.contains(['*', '?', '[']) {
            found.push(argument.clone());
        } else {
            let matched = matches(&text)?;
            if matched.is_empty() {
                return Err(usage(format!("no file matches `{text}`")));
            }
            found.extend(matched);
        }
    }
    Ok(without_repetitions(found))
}

/// The command with the most similar name, for a word that is not a file.
fn misspelt_command(argument: &Path) -> Option<String> {
    let word = argument.to_str().filter(|_| !argument.exists())?;
    let command = Cli::command();
    nearest(word, command.get_subcommands().map(clap::Command::get_name)).map(str::to_owned)
}

fn matches(pattern: &str) -> Result<Vec<PathBuf>, Diagnostic> {
    let paths = glob::glob(pattern).map_err(|error| usage(format!("invalid glob `{pattern}`: {error}")))?;
    let is_hidden = |path: &Path| {
        let parts = path.components().filter_map(|part| part.as_os_str().to_str().map(str::to_owned));
        parts.into_iter().any(|part| part.len() > 2 && part.starts_with('.') || part == "node_modules")
    };
    Ok(paths.filter_map(Result::ok).filter(|path| path.is_file() && !is_hidden(path)).collect())
}

fn without_repetitions(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut seen = HashSet::new();
    paths.into_iter().filter(|path| seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone()))).collect()
}
