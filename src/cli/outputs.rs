//! Where the reports about a run go: files, stdout, stderr, and what GitHub's runner reads.

use std::env;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use policy_verify::model::code::Code;
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::model::outcome::RunReport;
use policy_verify::report::github::Github;
use policy_verify::report::human::Human;
use policy_verify::report::{self, Format, Style, markdown};

use super::args::{OutputArgs, ReportTarget};
use super::console;
use super::exit_code::ExitCode;
use super::files::Destination;
use super::problem::{cannot_write, usage};
use super::step_outputs::StepOutputs;
use super::stream::Stream;

/// Where the reports go. Files are opened before anything runs, so that a run is never lost to a typing error.
pub(crate) struct Outputs {
    style: Style,
    /// What stdout carries: the human report or one machine document.
    stdout: Option<String>,
    files: Vec<(String, PathBuf, Destination)>,
    annotates: bool,
    summary: Option<(PathBuf, File)>,
    step: StepOutputs,
    /// What is written while the run goes on.
    streams: Vec<Stream>,
}

impl Outputs {
    /// The reports that are written while a run goes on.
    pub(crate) fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// Writes the outputs of a step on GitHub.
    pub(crate) fn write_step(
        &mut self,
        run: &RunReport,
        code: ExitCode,
        arguments: &OutputArgs,
    ) -> Result<(), Diagnostic> {
        self.step.write(run, code, &arguments.reports)
    }

    /// Tells later steps on GitHub what this process published.
    pub(crate) fn write_published(&mut self, run: &RunReport) -> Result<(), Diagnostic> {
        self.step.write_published(run)
    }

    pub(crate) fn open(arguments: &OutputArgs) -> Result<Self, Diagnostic> {
        let verbosity = i8::try_from(arguments.verbose).unwrap_or(2) - i8::try_from(arguments.quiet).unwrap_or(2);
        let is_debugging = env::var_os("RUNNER_DEBUG").is_some_and(|value| value == "1");
        let style = Style {
            colour: console::uses_colour(arguments.color(), io::stdout().is_terminal()),
            width: console::width(),
            status: arguments.status_level(),
            verbosity: if is_debugging { verbosity.max(1) } else { verbosity },
            folds: console::is_github(),
        };
        let mut stdout = None;
        let mut files = Vec::new();
        let mut streams = Vec::new();
        let mut annotates = console::is_github() && !arguments.no_annotations;
        for ReportTarget { format, file } in &arguments.reports {
            match file {
                Some(path) if format == "ndjson" => {
                    streams.push(Stream::to_file(path.display().to_string(), open(path)?));
                }
                Some(path) => {
                    let destination = Destination::new(path).map_err(|error| cannot_write(REPORT, path, &error))?;
                    files.push((format.clone(), path.clone(), destination));
                }
                None if format == "github" => annotates = true,
                None => {
                    if let Some(other) = stdout.replace(format.clone()) {
                        let message = format!("two reports for stdout: `{other}` and `{format}`");
                        return Err(
                            usage(message).with_help(format!("give one of them a file: --report {format}=FILE"))
                        );
                    }
                }
            }
        }
        let summary = match env::var_os("GITHUB_STEP_SUMMARY").filter(|path| console::is_github() && !path.is_empty()) {
            Some(path) => {
                let path = PathBuf::from(path);
                let file = File::options().append(true).create(true).open(&path);
                Some((path.clone(), file.map_err(|error| cannot_write(SUMMARY, &path, &error))?))
            }
            None => None,
        };
        if stdout.as_deref() == Some("ndjson") {
            streams.push(Stream::to_stdout());
        }
        let stdout = Some(stdout.unwrap_or_else(|| "human".into()));
        Ok(Self { style, stdout, files, annotates, summary, step: StepOutputs::open()?, streams })
    }

    /// Writes every report about `run`, and what a runner wants to know. If one cannot be written, the
    /// others still are; the result is what failed.
    pub(crate) fn write(&mut self, run: &RunReport) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        for (format, name, destination) in &mut self.files {
            // A file has no colours and no terminal to be narrow.
            let style = Style { colour: false, width: 100, folds: false, ..self.style };
            let format = report::by_name(format, &style).expect("the command line knows the formats");
            let mut bytes = Vec::new();
            let written = format.write(run, &mut bytes).and_then(|()| destination.write(&bytes));
            problems.extend(written.err().map(|error| cannot_write(REPORT, name, &error)));
        }
        if let Some((name, file)) = &mut self.summary {
            let text = markdown::write_within(run, markdown::BUDGET);
            let written = file.write_all(text.as_bytes()).and_then(|()| file.flush());
            problems.extend(written.err().map(|error| cannot_write(SUMMARY, name, &error)));
        }
        problems.extend(self.streams.iter().filter_map(|stream| stream.finish(run).err()));
        problems.extend(self.print(run).err());
        problems.extend(self.annotate(run).err());
        problems
    }

    /// Prints the report that stdout carries.
    fn print(&self, run: &RunReport) -> Result<(), Diagnostic> {
        let mut bytes = Vec::new();
        match self.stdout.as_deref() {
            Some("ndjson") => Ok(()),
            Some("human") | None => Human::new(self.style).write(run, &mut bytes),
            Some(name) => match report::by_name(name, &self.style) {
                Some(format) => format.write(run, &mut bytes),
                None => Ok(()),
            },
        }
        .map_err(|error| output(format!("cannot write the report: {error}")))?;
        if console::print(&String::from_utf8_lossy(&bytes)) != ExitCode::Success {
            return Err(output("the report on stdout is incomplete"));
        }
        Ok(())
    }

    /// Tells GitHub's runner where in the suites something went wrong.
    fn annotate(&self, run: &RunReport) -> Result<(), Diagnostic> {
        if self.annotates {
            let mut bytes = Vec::new();
            let annotations = Github { changed_files: changed_files() };
            let written = annotations.write(run, &mut bytes).and_then(|()| io::stderr().lock().write_all(&bytes));
            written.map_err(|error| output(format!("cannot write the annotations: {error}")))?;
        }
        Ok(())
    }
}

/// Opens a file for lines without touching what it holds: a run that never happens leaves the last report alone.
fn open(path: &Path) -> Result<File, Diagnostic> {
    let file = File::options().write(true).create(true).truncate(false).open(path);
    file.map_err(|error| cannot_write(REPORT, path, &error))
}

/// What error messages call the files.
const REPORT: &str = "the report";
const SUMMARY: &str = "the job summary";

fn output(message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Code::Output, message)
}

/// Files the pull request changed are not known without the network; the action passes them here, one a line.
fn changed_files() -> Vec<String> {
    env::var("VERIFY_CHANGED_FILES").map(|text| text.lines().map(str::to_owned).collect()).unwrap_or_default()
}
