//! The outputs of a step on GitHub: what later steps of a workflow want to know of a run without reading a report.
//!
//! Nothing that a policy says gets here: only counts, our own words, the paths the user gave, and where policies of a
//! complete run were published.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};

use policy_verify::model::outcome::RunReport;
use policy_verify::model::publication::{Publication, PublishOutcome};
use policy_verify::report::publication;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::args::output::{ReportPlace, ReportTarget};
use super::exit_code::ExitCode;
use super::problem::failed_to_write;
use super::{console, streams};

/// The file the runner reads outputs from, opened before anything runs. None when no runner asks for them.
pub(crate) struct StepOutputs(Option<(PathBuf, File)>);

impl StepOutputs {
    /// A container that got the variable and not the file has no runner that reads it.
    pub(crate) fn open() -> Self {
        Self(runner_file("GITHUB_OUTPUT", OUTPUTS))
    }

    /// The file, if there is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.0.as_ref().map(|(path, _)| path.as_path())
    }

    /// Writes what became of `run`.
    pub(crate) fn write(&mut self, run: &RunReport, code: ExitCode, reports: &[ReportTarget]) {
        let mut outputs = counts(run, code);
        outputs.extend(paths(reports));
        self.append(outputs);
    }

    /// Writes what this process published: later steps sign it.
    pub(crate) fn write_published(&mut self, run: &RunReport) {
        self.append(published(&run.publications));
    }

    /// The result of the run does not depend on it.
    fn append(&mut self, outputs: Vec<(String, String)>) {
        let Some((path, file)) = &mut self.0 else { return };
        let text: String = outputs.into_iter().map(|(name, value)| output(&name, &value)).collect();
        if let Err(error) = streams::write_all(file, text.as_bytes()) {
            console::warn(&failed_to_write(OUTPUTS, path, &error));
        }
    }
}

/// What error messages call the file.
const OUTPUTS: &str = "the outputs of the step";

/// A file of GitHub's runner that a variable names, opened to be added to. One that cannot be written is a warning: the
/// variable may be there without the runner, as in a container.
pub(crate) fn runner_file(variable: &str, what: &str) -> Option<(PathBuf, File)> {
    let path = env::var_os(variable).filter(|path| console::is_github() && !path.is_empty())?;
    let path = PathBuf::from(path);
    match File::options().append(true).create(true).open(&path) {
        Ok(file) => Some((path, file)),
        Err(error) => {
            console::warn(&failed_to_write(what, &path, &error));
            None
        }
    }
}

fn counts(run: &RunReport, code: ExitCode) -> Vec<(String, String)> {
    let summary = run.summary();
    let is_bad = summary.failed + summary.errors > 0;
    let conclusion = match code {
        // `--no-fail` changes the exit code, not what happened.
        ExitCode::Success if !is_bad => "success",
        ExitCode::Success | ExitCode::Failure => "failure",
        _ => "error",
    };
    [
        ("conclusion", conclusion.to_owned()),
        ("total", summary.total.to_string()),
        ("passed", summary.passed.to_string()),
        ("failed", summary.failed.to_string()),
        ("errors", summary.errors.to_string()),
        ("skipped", summary.skipped.to_string()),
        ("time", run.duration.as_millis().to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// `junit-path` and so on: where the first report of each format is. Absolute, for a later step stands elsewhere.
fn paths(reports: &[ReportTarget]) -> Vec<(String, String)> {
    let mut paths: Vec<(String, String)> = Vec::new();
    for report in reports {
        let ReportPlace::File(file) = &report.place else { continue };
        let format = if report.format == "markdown" { "summary" } else { &report.format };
        let name = format!("{format}-path");
        if !paths.iter().any(|(known, _)| *known == name) {
            let path = std::path::absolute(file).unwrap_or_else(|_| file.clone());
            paths.push((name, path.to_string_lossy().into_owned()));
        }
    }
    paths
}

/// `digest`, `immutable-ref` and `metadata` of the first policy that was published, `digests` of all by name, and for
/// signatures and attestations all references, and all `subjects` in the form of `sha256sum`. The repository only of a
/// single one.
fn published(publications: &[Publication]) -> Vec<(String, String)> {
    let pushed = || publications.iter().filter(|publication| publication.outcome == PublishOutcome::Pushed);
    let Some(first) = pushed().next() else { return Vec::new() };
    let digests: Map<String, Value> =
        pushed().map(|publication| (publication.policy.clone(), publication.digest.clone().into())).collect();
    let references: Vec<String> = pushed().filter_map(Publication::immutable_ref).collect();
    let subjects: Vec<String> = pushed()
        .filter_map(|publication| {
            let digest = publication.digest.as_deref()?.strip_prefix("sha256:")?;
            Some(format!("{digest}  {}", publication.repository))
        })
        .collect();
    let mut outputs = vec![
        ("digest", first.digest.clone().unwrap_or_default()),
        ("immutable-ref", first.immutable_ref().unwrap_or_default()),
        ("immutable-refs", references.join(" ")),
        ("subjects", subjects.join("\n")),
        ("digests", Value::Object(digests).to_string()),
        ("metadata", publication::metadata(first).to_string()),
    ];
    if references.len() == 1 {
        outputs.push(("repository", first.repository.clone()));
    }
    outputs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// One output as the runner reads it. A value of several lines is put between two marks.
fn output(name: &str, value: &str) -> String {
    if value.contains(['\n', '\r']) {
        let mark = format!("end-{}", hex::encode(Sha256::digest(value)));
        return format!("{name}<<{mark}\n{value}\n{mark}\n");
    }
    format!("{name}={value}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_report_of_a_format_gives_its_path() {
        let targets = ["junit=/a.xml", "human", "markdown=/s.md", "junit=/b.xml"].map(|text| text.parse().unwrap());
        let paths = paths(&targets);
        let paths: Vec<_> = paths.iter().map(|(name, path)| (name.as_str(), path.as_str())).collect();
        assert_eq!(paths, [("junit-path", "/a.xml"), ("summary-path", "/s.md")]);
    }

    #[test]
    fn no_value_can_start_another_output() {
        let text = output("junit-path", "a\npassed=9\n");
        let (head, rest) = text.split_once('\n').unwrap();
        let mark = head.strip_prefix("junit-path<<").unwrap();
        assert_eq!(rest, format!("a\npassed=9\n\n{mark}\n"));
        assert!(!"a\npassed=9\n".contains(mark));
    }
}
