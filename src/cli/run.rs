//! `verify run` and `verify list`: options in, reports and exit code out.

use std::env;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use policy_verify::model::outcome::RunReport;
use policy_verify::report::github::Github;
use policy_verify::report::human::Human;
use policy_verify::report::{self, Format, Style, markdown};
use policy_verify::{Error, Options, Progress, Selection};
use regex::Regex;

use super::args::{ColorChoice, ListArgs, ListFormat, ReportTarget, RunArgs, SelectionArgs};
use super::console::{self, Bar};
use super::exit_code::ExitCode;
use super::record::{Recorder, Target};
use super::step_outputs::StepOutputs;
use super::{push, suites};

/// `verify run`, and `verify record`: in both, `recordings` says where recordings go if there are any.
pub(crate) fn run(arguments: &RunArgs, is_live: bool, recordings: Option<Target<'_>>) -> ExitCode {
    let color = if arguments.no_color { ColorChoice::Never } else { arguments.color };
    let options = match options(&arguments.selection) {
        Ok(options) => options,
        Err(message) => {
            console::complain(&message);
            return ExitCode::Usage;
        }
    };
    let mut options = options;
    if arguments.push {
        if let Some(reason) = push::obstacle(arguments.dry_run) {
            console::complain(&reason);
            return ExitCode::Usage;
        }
        options.publish = Some(push::mode(arguments.dry_run));
    }
    options.network = arguments.network.network();
    options.jobs = arguments.jobs.map(usize::from);
    options.memory = arguments.max_memory;
    options.is_live = is_live;
    options.is_recorded = recordings.is_some();
    options.fetching = arguments.fetching.fetching(console::is_ci());
    options.signatures = arguments.signatures.signatures();
    let mut outputs = match Outputs::open(arguments, color) {
        Ok(outputs) => outputs,
        Err(message) => {
            console::complain(&message);
            return ExitCode::Usage;
        }
    };
    let bar = Bar::new(arguments.quiet == 0);
    let recorder = match recordings.map(|target| Recorder::new(target, &options.suites, &bar)).transpose() {
        Ok(recorder) => recorder,
        Err(message) => {
            console::complain(&message);
            return ExitCode::Usage;
        }
    };
    let progress: &dyn Progress = recorder.as_ref().map_or(&bar, |recorder| recorder);
    let result = policy_verify::verify(&options, progress);
    let recorded = recorder.map(Recorder::finish).transpose();
    bar.clear();
    match result {
        Ok(run) => match outputs.write(&run).and(recorded) {
            Ok(recorded) => {
                if let Some(recorded) = recorded.filter(|_| arguments.quiet == 0) {
                    console::tell(&recorded);
                }
                run.publications.iter().for_each(push::tell_of_run);
                let code = ExitCode::of(&run, arguments.no_fail, options.allows_empty);
                if let Err(message) = outputs.step.write(&run, code, &arguments.reports) {
                    console::complain(&message);
                    return ExitCode::Usage;
                }
                if code == ExitCode::NothingSelected {
                    console::complain(
                        "every selected case was skipped; nothing was checked\n  help: `--allow-empty` makes that a success",
                    );
                }
                code
            }
            Err(message) => {
                console::complain(&message);
                ExitCode::Usage
            }
        },
        Err(error) => refused(&error, color),
    }
}

/// `verify list`.
pub(crate) fn list(arguments: &ListArgs) -> ExitCode {
    let listed = options(&arguments.selection).map(|options| policy_verify::list(&options));
    let cases = match listed {
        Ok(Ok(cases)) => cases,
        Ok(Err(error)) => return refused(&error, ColorChoice::Auto),
        Err(message) => {
            console::complain(&message);
            return ExitCode::Usage;
        }
    };
    console::print(&match arguments.format {
        ListFormat::Human => {
            cases.iter().map(|case| report::escape::terminal_line(&case.id) + "\n").collect::<String>()
        }
        ListFormat::Json => {
            let text = serde_json::to_string_pretty(&cases).expect("a list of texts is plain JSON");
            report::escape::json(&text) + "\n"
        }
    })
}

fn refused(error: &Error, color: ColorChoice) -> ExitCode {
    console::explain(error, console::uses_colour(color, io::stderr().is_terminal()));
    ExitCode::from(error)
}

fn options(arguments: &SelectionArgs) -> Result<Options, String> {
    let mut selection = Selection::default();
    if arguments.exact {
        selection.exact.clone_from(&arguments.filter);
    } else {
        for text in &arguments.filter {
            let filter = Regex::new(text).map_err(|error| {
                format!("--filter: {error}\n  help: with `--exact` the filter is a whole name instead of a pattern")
            })?;
            selection.filters.push(filter);
        }
    }
    selection.skip.clone_from(&arguments.skip);
    selection.tags.clone_from(&arguments.tags);
    let mut options = Options::default();
    options.suites = suites::find(&arguments.suites)?;
    options.variables.clone_from(&arguments.variables);
    options.selection = selection;
    options.allows_empty = arguments.allow_empty;
    options.refuses_only = console::is_ci();
    Ok(options)
}

/// Where the reports go. Files are opened before anything runs, so that a run is never lost to a typing error.
struct Outputs {
    style: Style,
    /// What stdout carries: the human report or one machine document.
    stdout: Option<String>,
    files: Vec<(String, String, File)>,
    annotates: bool,
    summary: Option<(String, File)>,
    step: StepOutputs,
}

impl Outputs {
    fn open(arguments: &RunArgs, color: ColorChoice) -> Result<Self, String> {
        let verbosity = i8::try_from(arguments.verbose).unwrap_or(2) - i8::try_from(arguments.quiet).unwrap_or(2);
        let is_debugging = env::var_os("RUNNER_DEBUG").is_some_and(|value| value == "1");
        let style = Style {
            colour: console::uses_colour(color, io::stdout().is_terminal()),
            width: console::width(),
            status: arguments.status_level(),
            verbosity: if is_debugging { verbosity.max(1) } else { verbosity },
        };
        let mut stdout = None;
        let mut files = Vec::new();
        let mut annotates = console::is_github() && !arguments.no_annotations;
        for ReportTarget { format, file } in &arguments.reports {
            match file {
                Some(path) => files.push((format.clone(), path.display().to_string(), open(path)?)),
                None if format == "github" => annotates = true,
                None => {
                    if let Some(other) = stdout.replace(format.clone()) {
                        return Err(format!("stdout carries one report: give `{other}` or `{format}` a file"));
                    }
                }
            }
        }
        let summary = match env::var_os("GITHUB_STEP_SUMMARY").filter(|path| console::is_github() && !path.is_empty()) {
            Some(path) => {
                let shown = path.to_string_lossy().into_owned();
                let file = File::options().append(true).create(true).open(&path);
                Some((shown.clone(), file.map_err(|error| format!("cannot write the job summary `{shown}`: {error}"))?))
            }
            None => None,
        };
        let stdout = Some(stdout.unwrap_or_else(|| "human".into()));
        Ok(Self { style, stdout, files, annotates, summary, step: StepOutputs::open()? })
    }

    fn write(&mut self, run: &RunReport) -> Result<(), String> {
        for (format, name, file) in &mut self.files {
            // A file has no colours and no terminal to be narrow.
            let style = Style { colour: false, width: 100, ..self.style };
            let format = report::by_name(format, &style).ok_or_else(|| format!("unknown format `{format}`"))?;
            let mut bytes = Vec::new();
            format
                .write(run, &mut bytes)
                .and_then(|()| empty(file))
                .and_then(|()| file.write_all(&bytes))
                .and_then(|()| file.flush())
                .map_err(|error| format!("cannot write the report `{name}`: {error}"))?;
        }
        if let Some((name, file)) = &mut self.summary {
            let text = markdown::write_within(run, markdown::BUDGET);
            file.write_all(text.as_bytes())
                .and_then(|()| file.flush())
                .map_err(|error| format!("cannot write the job summary `{name}`: {error}"))?;
        }
        let mut bytes = Vec::new();
        match self.stdout.as_deref() {
            Some("human") | None => Human::new(self.style).write(run, &mut bytes),
            Some(name) => match report::by_name(name, &self.style) {
                Some(format) => format.write(run, &mut bytes),
                None => Ok(()),
            },
        }
        .map_err(|error| format!("cannot write the report: {error}"))?;
        if console::print(&String::from_utf8_lossy(&bytes)) != ExitCode::Success {
            return Err("the report is incomplete".into());
        }
        if self.annotates {
            let mut bytes = Vec::new();
            let annotations = Github { changed_files: changed_files() };
            let written = annotations.write(run, &mut bytes).and_then(|()| io::stderr().lock().write_all(&bytes));
            written.map_err(|error| format!("cannot write the annotations: {error}"))?;
        }
        Ok(())
    }
}

/// Drops what a file held before. Devices and pipes hold nothing.
fn empty(file: &File) -> io::Result<()> {
    if file.metadata()?.is_file() { file.set_len(0) } else { Ok(()) }
}

/// Opens a file for writing without touching what it holds: a run that never happens leaves the last report alone.
fn open(path: &Path) -> Result<File, String> {
    File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|error| format!("cannot write the report `{}`: {error}", path.display()))
}

/// Files the pull request changed are not known without the network; the action passes them here, one a line.
fn changed_files() -> Vec<String> {
    env::var("VERIFY_CHANGED_FILES").map(|text| text.lines().map(str::to_owned).collect()).unwrap_or_default()
}
