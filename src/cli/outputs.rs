//! Where the reports about a run go: files, stdout, stderr, and what GitHub's runner reads.

use std::env;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use policy_verify::Identity;
use policy_verify::model::code::Code;
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::model::outcome::RunReport;
use policy_verify::report::github::Github;
use policy_verify::report::human::Human;
use policy_verify::report::{self, ChangedFiles, Format, Style, coverage, located, markdown};

use super::args::output::{CoverageTarget, OutputArgs, ReportPlace, ReportTarget};
use super::exit_code::ExitCode;
use super::files::{self, Destination};
use super::places::Places;
use super::problem::{cannot_write, check_links, failed_to_write, usage};
use super::step_outputs::{StepOutputs, runner_file};
use super::stream::Stream;
use super::{console, streams};

/// Where the reports go. Files are opened before anything runs, so that a run is never lost to a typing error.
pub(crate) struct Outputs {
    style: Style,
    /// What stdout carries: the human report or one machine document.
    stdout: Option<String>,
    files: Vec<(String, PathBuf, Destination)>,
    /// Where code coverage goes; the first part is the format.
    coverage_files: Vec<(String, PathBuf, Destination)>,
    /// Whether stdout also carries code coverage, as text.
    prints_coverage: bool,
    annotates: bool,
    summary: Option<(PathBuf, File)>,
    step: StepOutputs,
    /// What is written while the run goes on.
    streams: Vec<Stream>,
    /// What is not written because of a link on its way.
    refused: Vec<Diagnostic>,
    /// Every file that a report goes to.
    paths: Vec<PathBuf>,
    /// How stdout shows paths.
    places: Places,
}

impl Outputs {
    /// Every file that a report goes to: none of them may be one that the run reads.
    pub(crate) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// How paths are shown at a terminal.
    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    /// Sets how paths are shown at a terminal: known once the suites are.
    pub(crate) fn show_paths(&mut self, places: Places) {
        self.places = places;
    }

    /// The reports that are written while a run goes on.
    pub(crate) fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// Writes the outputs of a step on GitHub.
    pub(crate) fn write_step(&mut self, run: &RunReport, code: ExitCode, arguments: &OutputArgs) {
        self.step.write(run, code, &arguments.reports);
    }

    /// Tells later steps on GitHub what this process published.
    pub(crate) fn write_published(&mut self, run: &RunReport) {
        self.step.write_published(run);
    }

    /// Opens the outputs; `root` is that of the command line.
    pub(crate) fn open(arguments: &OutputArgs, root: Option<&Path>) -> Result<Self, Diagnostic> {
        let verbosity = i8::try_from(arguments.verbose).unwrap_or(2) - i8::try_from(arguments.quiet).unwrap_or(2);
        let is_debugging = env::var_os("RUNNER_DEBUG").is_some_and(|value| value == "1");
        let style = Style {
            colour: console::uses_colour(arguments.color(), io::stdout().is_terminal()),
            width: console::width(),
            wraps: io::stdout().is_terminal() || console::is_set("COLUMNS"),
            height: Some(console::height()),
            status: arguments.status_level(),
            verbosity: if is_debugging { verbosity.max(1) } else { verbosity },
            folds: console::is_github(),
        };
        let targets = Targets::of(arguments)?;
        let step = StepOutputs::open();
        let mut summary = runner_file("GITHUB_STEP_SUMMARY", SUMMARY);
        if let Some((path, _)) = &summary {
            // The report that was asked for is the summary.
            match targets.format_at(path) {
                Some("markdown") => summary = None,
                Some(format) => return Err(twice(path, format, SUMMARY)),
                None => {}
            }
        }
        if let Some((path, format)) = step.path().and_then(|path| Some((path, targets.format_at(path)?))) {
            return Err(twice(path, format, "the outputs of the step"));
        }
        let mut files = Vec::new();
        let mut streams = Vec::new();
        let mut refused = Vec::new();
        for (format, path) in &targets.files {
            // The run is refused once it is known whether it reads one of the files, too; until then they are not touched.
            if let Err(problem) = check_links(REPORT, path, root) {
                refused.push(problem);
                continue;
            }
            files::make_folder_of(path).map_err(|error| cannot_write(REPORT, path, &error))?;
            if format == "ndjson" && path.exists() {
                streams.push(Stream::to_file(path.display().to_string(), open(path)?));
                continue;
            }
            let destination = Destination::new(path).map_err(|error| cannot_write(REPORT, path, &error))?;
            match format.as_str() {
                "ndjson" => streams.push(Stream::to_new_file(path)),
                _ => files.push((format.clone(), path.clone(), destination)),
            }
        }
        let mut coverage_files = Vec::new();
        for (format, path) in &targets.coverage {
            if let Err(problem) = check_links(COVERAGE, path, root) {
                refused.push(problem);
                continue;
            }
            files::make_folder_of(path).map_err(|error| cannot_write(COVERAGE, path, &error))?;
            let destination = Destination::new(path).map_err(|error| cannot_write(COVERAGE, path, &error))?;
            coverage_files.push((format.clone(), path.clone(), destination));
        }
        if targets.stdout.as_deref() == Some("ndjson") {
            streams.push(Stream::to_stdout());
        }
        Ok(Self {
            style,
            stdout: Some(targets.stdout.unwrap_or_else(|| "human".into())),
            files,
            coverage_files,
            prints_coverage: targets.prints_coverage,
            annotates: targets.annotates || console::is_github() && !arguments.no_annotations,
            summary,
            step,
            streams,
            refused,
            paths: targets.files.into_iter().chain(targets.coverage).map(|(_, path)| path).collect(),
            places: Places::default(),
        })
    }

    /// Writes every report about `run`, and what a runner wants to know. If one cannot be written, the
    /// others still are; the result is what failed.
    pub(crate) fn write(&mut self, run: &RunReport) -> Vec<Diagnostic> {
        let mut problems = self.refused.clone();
        for (format, name, destination) in &mut self.files {
            // A file has no colours and no terminal to be narrow.
            let style = Style { colour: false, width: 100, wraps: false, folds: false, ..self.style };
            let format = report::by_name(format, &style).expect("the command line knows the formats");
            let mut bytes = Vec::new();
            let written = format.write(run, &mut bytes).and_then(|()| destination.write(&bytes));
            problems.extend(written.err().map(|error| failed_to_write(REPORT, name, &error)));
        }
        for (format, name, destination) in &mut self.coverage_files {
            let style = Style { colour: false, width: 100, wraps: false, folds: false, ..self.style };
            let format = coverage::by_name(format, &style).expect("the command line knows the formats");
            let mut bytes = Vec::new();
            let written = format.write(run, &mut bytes).and_then(|()| destination.write(&bytes));
            problems.extend(written.err().map(|error| failed_to_write(COVERAGE, name, &error)));
        }
        self.tell_of_missing_lines(run);
        if let Some((name, file)) = &mut self.summary {
            let text = markdown::write_within(run, markdown::BUDGET);
            // The result of the run does not depend on it.
            if let Err(error) = streams::write_all(file, text.as_bytes()) {
                console::warn(&failed_to_write(SUMMARY, name, &error));
            }
        }
        problems.extend(self.streams.iter().filter_map(|stream| stream.finish(run).err()));
        problems.extend(self.print(run).err());
        problems.extend(self.annotate(run).err());
        problems
    }

    /// Tells which policies are in no file that has lines only.
    fn tell_of_missing_lines(&self, run: &RunReport) {
        let of_lines = |format: &str| ["lcov", "cobertura"].contains(&format);
        if let Some((format, ..)) = self.coverage_files.iter().find(|(format, ..)| of_lines(format)) {
            for (policy, reason) in coverage::without_lines(run) {
                console::complain(&format!("{policy} is not in the code coverage as {format}: {reason}"));
            }
        }
    }

    /// Prints the report that stdout carries.
    fn print(&self, run: &RunReport) -> Result<(), Diagnostic> {
        let mut bytes = Vec::new();
        match self.stdout.as_deref() {
            Some("ndjson") => Ok(()),
            // The errors are on stderr.
            Some("human" | "verdicts") | None if !run.errors.is_empty() => Ok(()),
            Some("human" | "verdicts") | None if !self.places.is_same() => {
                let run = located::run(run, &|path| self.places.shown(path));
                self.format().write(&run, &mut bytes)
            }
            _ => self.format().write(run, &mut bytes),
        }
        .map_err(|error| output(format!("cannot write the report: {error}")))?;
        if self.prints_coverage
            && let Some(format) = coverage::by_name("text", &self.style)
        {
            if !bytes.is_empty() && !run.coverage.is_empty() {
                bytes.push(b'\n');
            }
            format
                .write(run, &mut bytes)
                .map_err(|error| output(format!("cannot write the code coverage: {error}")))?;
        }
        if console::print(&String::from_utf8_lossy(&bytes)) != ExitCode::Success {
            return Err(output("the report on stdout is incomplete"));
        }
        Ok(())
    }

    /// The report of stdout.
    fn format(&self) -> Box<dyn Format> {
        let named = self.stdout.as_deref().and_then(|name| report::by_name(name, &self.style));
        named.unwrap_or_else(|| Box::new(Human::new(self.style)))
    }

    /// Tells GitHub's runner where in the suites something went wrong.
    fn annotate(&self, run: &RunReport) -> Result<(), Diagnostic> {
        if self.annotates {
            let mut bytes = Vec::new();
            let annotations = Github { changed: changed_files() };
            let written = annotations.write(run, &mut bytes).and_then(|()| streams::stderr(&bytes));
            written.map_err(|error| output(format!("cannot write the annotations: {error}")))?;
        }
        Ok(())
    }
}

/// What `--report` and `--coverage` ask for.
#[derive(Default)]
struct Targets {
    stdout: Option<String>,
    files: Vec<(String, PathBuf)>,
    annotates: bool,
    /// Files for code coverage.
    coverage: Vec<(String, PathBuf)>,
    prints_coverage: bool,
}

impl Targets {
    fn of(arguments: &OutputArgs) -> Result<Self, Diagnostic> {
        let mut targets = Self::default();
        for ReportTarget { format, place } in &arguments.reports {
            match place {
                ReportPlace::File(path) if !is_stdout(path) => {
                    if let Some(other) = targets.format_at(path) {
                        return Err(twice(path, other, format));
                    }
                    targets.files.push((format.clone(), path.clone()));
                }
                ReportPlace::Usual if format == "github" => targets.annotates = true,
                _ => {
                    if let Some(other) = targets.stdout.replace(format.clone()) {
                        let message = format!("two reports for stdout: `{other}` and `{format}`");
                        let help = format!("give one of them a file: --report {format}=FILE");
                        return Err(usage(message).with_help(help));
                    }
                }
            }
        }
        targets.add_coverage(&arguments.coverage)?;
        Ok(targets)
    }

    fn add_coverage(&mut self, coverage: &[CoverageTarget]) -> Result<(), Diagnostic> {
        for CoverageTarget { format, file } in coverage {
            match file {
                Some(path) => {
                    if let Some(other) = self.format_at(path) {
                        return Err(twice(path, other, format));
                    }
                    self.coverage.push((format.clone(), path.clone()));
                }
                None => self.prints_coverage = true,
            }
        }
        let machine = self.stdout.as_deref().filter(|format| !["human", "verdicts"].contains(format));
        match machine.filter(|_| self.prints_coverage) {
            Some(other) => {
                let help = "give code coverage a file: --coverage text=FILE".to_owned();
                Err(usage(format!("two reports for stdout: `{other}` and code coverage")).with_help(help))
            }
            None => Ok(()),
        }
    }

    /// The report that goes to this file, by whatever path.
    fn format_at(&self, path: &Path) -> Option<&str> {
        let identity = Identity::of(path).filter(|_| !is_device(path))?;
        let same =
            self.files.iter().chain(&self.coverage).find(|(_, known)| Identity::of(known).as_ref() == Some(&identity));
        same.map(|(format, _)| format.as_str())
    }
}

/// Whether a path is a device, such as `/dev/null`: it takes any number of reports.
fn is_device(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        path.metadata().is_ok_and(|found| found.file_type().is_char_device())
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// Whether a path is stdout, or the file that it was redirected to.
fn is_stdout(path: &Path) -> bool {
    let is_open = path.exists() && (!is_device(path) || io::stdout().is_terminal());
    is_open && Identity::of(Path::new("/dev/stdout")) == Identity::of(path)
}

/// Two reports into one file: the second would replace the first.
fn twice(path: &Path, one: &str, other: &str) -> Diagnostic {
    usage(format!("two reports for the file `{}`: {one} and {other}", path.display()))
        .with_help("name a file of its own for each".to_owned())
}

/// Opens a file for lines without touching what it holds: a run that never happens leaves the last report alone.
fn open(path: &Path) -> Result<File, Diagnostic> {
    let file = File::options().write(true).open(path);
    file.map_err(|error| cannot_write(REPORT, path, &error))
}

/// What error messages call the files.
const REPORT: &str = "the report";
const COVERAGE: &str = "the code coverage";
const SUMMARY: &str = "the job summary";

fn output(message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Code::Output, message)
}

/// What the pull request changes is not known without the network; the action passes it here.
fn changed_files() -> ChangedFiles {
    env::var("VERIFY_CHANGED_FILES").map(|text| ChangedFiles::read(&text)).unwrap_or_default()
}
