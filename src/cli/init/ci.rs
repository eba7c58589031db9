//! Files with which CI systems run a suite on every commit. The first two are the examples of the documentation.

use std::path::{Path, PathBuf};

use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::model::yaml::flow;
use policy_verify::{Error, root_of};

use super::super::args::init::InitArgs;
use super::super::files;
use super::super::new_suite;
use super::super::paths::{refused, seen_from};
use super::super::problem::cannot_write;

const GITHUB: &str = include_str!("github.yml");
const GITLAB: &str = include_str!("gitlab.yml");
const PRE_COMMIT: &str = include_str!("pre-commit.yml");

/// The line of a workflow that builds the policy.
const BUILD: &str = "      - run: make policy.wasm # however your policy is built\n";

const WHAT: &str = "the file of the CI system to";

/// A file to be written.
pub(super) struct CiFile {
    path: PathBuf,
    text: String,
}

/// The files that were asked for. `is_built` says whether the module is one of the repository.
///
/// # Errors
///
/// One of them is there already, and is not to be overwritten.
pub(super) fn files(arguments: &InitArgs, suite: &Path, is_built: bool) -> Result<Vec<CiFile>, Error> {
    let root = root_of(suite, None).map(|root| root.absolute("")).unwrap_or_default();
    let shown = seen_from(&root.join("suite.yml"), suite)?;
    let github = GITHUB.replace("SUITE", &flow::text(&shown));
    let github = if is_built { github } else { github.replace(BUILD, "") };
    let run = |command: &str, rest: &str| flow::text(&format!("{command} {}{rest}", for_shell(&shown)));
    let all = [
        (arguments.github, ".github/workflows/verify.yml", github),
        (arguments.gitlab, ".gitlab-ci.yml", GITLAB.replace("RUN", &run("./verify", " --report junit=junit.xml"))),
        (arguments.pre_commit, ".pre-commit-config.yaml", PRE_COMMIT.replace("RUN", &run("verify", ""))),
    ];
    let wanted = all.into_iter().filter(|(is_wanted, ..)| *is_wanted);
    let wanted: Vec<CiFile> = wanted.map(|(_, path, text)| CiFile { path: root.join(path), text }).collect();
    let problems: Vec<_> = wanted.iter().filter_map(|file| file.obstacle(arguments.new_suite.force)).collect();
    if problems.is_empty() { Ok(wanted) } else { Err(Error::Arguments(problems)) }
}

impl CiFile {
    fn obstacle(&self, is_forced: bool) -> Option<Diagnostic> {
        let help = format!("overwrite it with `--force`, or add to it:\n{}", self.text.trim_end());
        new_suite::obstacle(WHAT, &self.path, &self.text, is_forced, &help)
    }

    /// Writes the file; its path.
    pub(super) fn write(&self) -> Result<PathBuf, Error> {
        let done = files::make_folder_of(&self.path).and_then(|()| files::write(&self.path, self.text.as_bytes()));
        done.map_err(|error| refused(cannot_write(WHAT, &self.path, &error)))?;
        let here = std::env::current_dir().and_then(|it| it.canonicalize()).unwrap_or_default();
        Ok(self.path.strip_prefix(&here).unwrap_or(&self.path).to_owned())
    }
}

/// A path as an argument of a shell.
fn for_shell(path: &str) -> String {
    let is_plain = path.chars().all(|it| it.is_ascii_alphanumeric() || "._-/".contains(it));
    if is_plain { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(path: &str) -> String {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples").join(path)).unwrap()
    }

    #[test]
    fn the_files_are_the_examples_of_the_documentation() {
        assert_eq!(GITHUB.replace("SUITE", "suite.yml"), example("github/gate.yml"));
        assert!(GITHUB.contains(BUILD));
        // A suite in the working directory needs no name.
        assert_eq!(GITLAB.replace("RUN", "./verify --report junit=junit.xml"), example("gitlab-ci.yml"));
    }

    #[test]
    fn paths_are_one_argument() {
        for (path, wanted) in [("a/suite.yml", "a/suite.yml"), ("a b's.yml", r"'a b'\''s.yml'"), ("$(x)", "'$(x)'")] {
            assert_eq!(for_shell(path), wanted);
        }
    }
}
