//! Files with which CI systems run a suite on every commit. Those of GitHub and GitLab are the examples of the documentation.

use std::path::{Path, PathBuf};

use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::model::yaml::flow;
use policy_verify::{Error, root_of};

use super::super::args::init::InitArgs;
use super::super::files;
use super::super::new_suite;
use super::super::paths::{refused, seen_from};
use super::super::problem::{cannot_write, usage};
use super::github::{self, Tested};

const GITLAB: &str = include_str!("gitlab.yml");
const PRE_COMMIT: &str = include_str!("pre-commit.yml");

const WHAT: &str = "the file of the CI system to";

/// A file to be written.
pub(super) struct CiFile {
    path: PathBuf,
    text: String,
}

/// The files of CI systems, and what there is to remark.
pub(super) struct CiFiles {
    pub(super) files: Vec<CiFile>,
    pub(super) notes: Vec<String>,
}

/// Whether a file of a CI system was asked for.
pub(super) fn is_wanted(arguments: &InitArgs) -> bool {
    arguments.github || arguments.gitlab || arguments.pre_commit
}

/// The files that were asked for, for policies with these modules.
///
/// # Errors
///
/// One of them is there already, and is not to be overwritten.
pub(super) fn files(arguments: &InitArgs, suite: &Path, modules: Vec<PathBuf>) -> Result<CiFiles, Error> {
    let root = root_of(suite, None).map(|root| root.absolute("")).unwrap_or_default();
    let shown = seen_from(&root.join("suite.yml"), suite)?;
    let run = |command: &str, rest: &str| flow::text(&format!("{command} {}{rest}", for_shell(&shown)));
    let mut wanted: Vec<(String, String)> = Vec::new();
    let mut notes = Vec::new();
    if arguments.github {
        let workflows = github::workflows(&Tested { root: &root, suite, modules })?;
        notes.extend(workflows.target.map(|target| {
            format!("releases go to {target}: change `oci-target` in the workflow if that is another repository")
        }));
        wanted = workflows.files;
        let old = github::of_kubewarden(&root);
        let old = old.iter().filter(|path| wanted.iter().all(|(new, _)| Path::new(new) != **path));
        notes.extend(old.map(|path| format!("{} calls Kubewarden's workflows; delete it", path.display())));
    }
    if arguments.gitlab {
        wanted
            .push((".gitlab-ci.yml".to_owned(), GITLAB.replace("RUN", &run("./verify", " --report junit=junit.xml"))));
    }
    if arguments.pre_commit {
        wanted.push((".pre-commit-config.yaml".to_owned(), PRE_COMMIT.replace("RUN", &run("verify", ""))));
    }
    let files: Vec<CiFile> = wanted.into_iter().map(|(path, text)| CiFile { path: root.join(path), text }).collect();
    let is_forced = arguments.new_suite.force;
    let replaced = files.iter().filter(|file| !is_forced && file.is_of_kubewarden()).collect::<Vec<_>>();
    let others = files.iter().filter(|file| is_forced || !file.is_of_kubewarden());
    let problems = others.filter_map(|file| file.obstacle(is_forced));
    let problems: Vec<_> = problems.chain(of_kubewarden(&replaced)).collect();
    if problems.is_empty() { Ok(CiFiles { files, notes }) } else { Err(Error::Arguments(problems)) }
}

/// What to do about workflows that are there and do the same for kwctl and bats.
fn of_kubewarden(files: &[&CiFile]) -> Option<Diagnostic> {
    let names: Vec<String> = files.iter().map(|file| for_shell(&file.seen().to_string_lossy())).collect();
    if names.is_empty() {
        return None;
    }
    let problem = usage(format!("Kubewarden's workflows are there already: {}", names.join(", ")));
    let help = format!("these files replace them: run `git rm {}`, then this command again", names.join(" "));
    Some(problem.with_help(help))
}

impl CiFile {
    fn obstacle(&self, is_forced: bool) -> Option<Diagnostic> {
        let help = format!("overwrite it with `--force`, or add to it:\n{}", self.text.trim_end());
        new_suite::obstacle(WHAT, &self.seen(), &self.text, is_forced, &help)
    }

    /// Writes the file; its path.
    pub(super) fn write(&self) -> Result<PathBuf, Error> {
        let done = files::make_folder_of(&self.path).and_then(|()| files::write(&self.path, self.text.as_bytes()));
        done.map_err(|error| refused(cannot_write(WHAT, &self.path, &error)))?;
        Ok(self.seen())
    }

    /// Whether a workflow of Kubewarden is called by the file that is there.
    fn is_of_kubewarden(&self) -> bool {
        github::is_of_kubewarden(&self.path)
    }

    /// The path, from the working directory if that is above.
    fn seen(&self) -> PathBuf {
        let here = std::env::current_dir().and_then(|it| it.canonicalize()).unwrap_or_default();
        self.path.strip_prefix(&here).unwrap_or(&self.path).to_owned()
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
    fn the_file_for_gitlab_is_the_example_of_the_documentation() {
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
