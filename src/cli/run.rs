//! `verify run` and `verify list`: options in, reports and exit code out.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use policy_verify::model::code::Code;
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::model::outcome::{CaseReport, RunReport, SuiteSummary};
use policy_verify::model::publication::PublishMode;
use policy_verify::report;
use policy_verify::{
    Error, ListedCase, LockUse, OnlyRefusal, Options, Progress, Recording, Selection, Timings, is_stream,
};
use regex::Regex;

use super::args::output::{ColorChoice, OutputArgs};
use super::args::selection::SelectionArgs;
use super::args::variable::EnvironmentNames;
use super::args::{ListArgs, ListFormat, RunArgs, Seed};
use super::console::{self, Bar};
use super::exit_code::ExitCode;
use super::interrupt::{Phase, Signals};
use super::outputs::Outputs;
use super::places::Places;
use super::problem::usage;
use super::record::{Recorder, Target};
use super::stream::Stream;
use super::{bless, last_failed, push, record, reports, suites};

/// `verify run`, and `verify record`: in both, `recordings` says where recordings go if there are any.
pub(crate) fn run(arguments: &RunArgs, is_live: bool, recordings: Option<Target<'_>>, signals: &Signals) -> ExitCode {
    let mut outputs = match Outputs::open(&arguments.output, arguments.selection.root.as_deref()) {
        Ok(outputs) => outputs,
        Err(problem) => return console::refuse_usage(problem),
    };
    outputs.show_paths(Places::of(&[], arguments.selection.root.as_deref()));
    let mut options = match run_options(arguments, is_live) {
        Ok(options) => options,
        Err(problems) => return not_started(&Error::Arguments(problems), &mut outputs, &arguments.output),
    };
    if let Some(which) = arguments.bless {
        options.outputs = outputs.paths().to_vec();
        options.interrupt = signals.interrupt();
        let blessed = match recordings {
            Some(_) => Err(Error::Arguments(vec![usage("`--bless` cannot be used while host calls are recorded")])),
            None => bless::bless(&options, which.into(), &arguments.output),
        };
        if let Err(error) = blessed {
            return not_started(&error, &mut outputs, &arguments.output);
        }
    }
    carry_out(options, outputs, &arguments.output, recordings, signals)
}

/// Runs what the options say, writes the reports, and gives the exit code.
pub(super) fn carry_out(
    mut options: Options,
    mut outputs: Outputs,
    arguments: &OutputArgs,
    recordings: Option<Target<'_>>,
    signals: &Signals,
) -> ExitCode {
    options.outputs = outputs.paths().to_vec();
    outputs.show_paths(Places::of(&options.suites, options.root.as_deref()));
    if let Some(seed) = options.seed {
        console::complain(&format!("--shuffle={seed}"));
    }
    options.measures_coverage = !arguments.coverage.is_empty();
    options.interrupt = signals.interrupt();
    options.is_recorded = recordings.is_some();
    options.recordings = recordings.map(|target| record::folders(target, &options.suites)).unwrap_or_default();
    let folders = recordings.map(|target| target.folders(&options.recordings)).unwrap_or_default();
    if let Err(error) = policy_verify::check_recording_folders(&options.outputs, &folders) {
        return not_started(&error, &mut outputs, arguments);
    }
    let bar = Bar::new(arguments.quiet == 0);
    let recorder = match recordings
        .map(|target| Recorder::new(target, &options.suites, options.root.as_deref(), &bar))
        .transpose()
    {
        Ok(recorder) => recorder,
        Err(problem) => return not_started(&Error::Arguments(vec![problem]), &mut outputs, arguments),
    };
    let inner: &dyn Progress = recorder.as_ref().map_or(&bar, |recorder| recorder);
    let result = policy_verify::verify(
        &options,
        &Observers {
            inner,
            streams: outputs.streams(),
            suites: OnceLock::new(),
            signals,
            is_pushing: options.publish == Some(PublishMode::Push),
        },
    );
    signals.enter(Phase::Running);
    let recorded = recorder.map(Recorder::finish).transpose();
    bar.clear();
    let run = match result {
        Ok(run) => run,
        Err(error) => return not_started(&error, &mut outputs, arguments),
    };
    let is_interrupted = options.interrupt.is_stopped();
    if !is_interrupted && !console::is_ci() && options.written.is_none() {
        last_failed::keep(&run, options.selection.is_everything(), options.root.as_deref());
    }
    let code = match is_interrupted {
        true => ExitCode::Interrupted,
        false => ExitCode::of(&run, arguments.no_fail, options.allows_empty),
    };
    let code = report(&run, code, &mut outputs, arguments);
    run.publications.iter().for_each(push::tell_of_run);
    outputs.write_published(&run);
    match recorded {
        Ok(told) => {
            if is_interrupted {
                let summary = run.summary();
                console::complain(&format!("interrupted: {} of {} tests did not run", summary.not_run, summary.total));
            }
            told.iter().filter(|_| arguments.quiet == 0).for_each(|told| console::say(told));
            code
        }
        Err(problems) => {
            console::report(&problems);
            ExitCode::Usage
        }
    }
}

/// Writes down a run; the exit code is `code` unless that fails.
pub(super) fn report(run: &RunReport, code: ExitCode, outputs: &mut Outputs, arguments: &OutputArgs) -> ExitCode {
    let problems = outputs.write(run);
    let code = if problems.is_empty() { code } else { ExitCode::Usage };
    outputs.write_step(run, code, arguments);
    console::report(&problems);
    if !problems.is_empty() {
        return ExitCode::Usage;
    }
    if code == ExitCode::NothingSelected && run.errors.is_empty() {
        let summary = run.summary();
        let message = match summary.xfailed {
            0 => "every selected case was skipped".to_owned(),
            xfailed => format!("no case passed: {xfailed} failed as known, {} skipped", summary.skipped),
        };
        let nothing = Diagnostic::new(Code::NothingSelected, message);
        console::report(&[nothing.with_help("to allow it: `--allow-empty`".to_owned())]);
    }
    code
}

/// Tells why nothing was run, in every report: CI reads them whatever became of the run.
pub(super) fn not_started(error: &Error, outputs: &mut Outputs, arguments: &OutputArgs) -> ExitCode {
    console::explain(error, arguments.color(), outputs.places());
    let code = ExitCode::from(error);
    if matches!(error, Error::Overwrites(_)) {
        console::annotate(error.diagnostics().to_vec());
        return code;
    }
    report(&RunReport::not_started(error.diagnostics().to_vec(), jiff::Timestamp::now()), code, outputs, arguments)
}

pub(super) fn run_options(arguments: &RunArgs, is_live: bool) -> Result<Options, Vec<Diagnostic>> {
    let mut options = options(&arguments.selection)?;
    options.is_live = is_live;
    if is_live && !arguments.output.coverage.is_empty() {
        let help = "record the host calls first, and measure with `replay:` in the suite";
        return Err(vec![usage("`--coverage` cannot be used with live host calls").with_help(help.to_owned())]);
    }
    let is_watched = arguments.allow_only || io::stdout().is_terminal();
    options.refuses_only = options.refuses_only.or((!is_watched).then_some(OnlyRefusal::NoTerminal));
    if arguments.push {
        if let Some(reason) = push::obstacle(arguments.dry_run) {
            return Err(vec![reason]);
        }
        options.publish = Some(push::mode(arguments.dry_run));
        options.redirection = arguments.redirection.redirection();
    }
    options.flags.clone_from(&arguments.deciding);
    arguments.sources.apply(&mut options);
    options.against = arguments.against.against();
    options.jobs = arguments.jobs.map(usize::from);
    options.compiler = arguments.compiler.into();
    arguments.engine.apply(&mut options);
    arguments.lock.apply(&mut options, console::is_ci());
    if options.fetching.lock == LockUse::Updated && options.suites.iter().any(|suite| is_stream(suite)) {
        return Err(vec![usage("`--update` has no lock to write for a suite from stdin")]);
    }
    let most = arguments.max_fail.map(|most| most as usize);
    options.most_failures = if arguments.fail_fast { Some(1) } else { most };
    options.repetitions = arguments.repeat.map(|number| number as usize);
    options.seed = arguments.shuffle.map(|seed| match seed {
        Seed::Given(seed) => seed,
        Seed::Random => RandomState::new().hash_one("seed") >> 32,
    });
    Ok(options)
}

/// What is told of the progress of a run: the bar, streamed reports, signals.
struct Observers<'a> {
    /// The bar, or the recorder around it.
    inner: &'a dyn Progress,
    streams: &'a [Stream],
    /// What the streams begin with.
    suites: OnceLock<Vec<SuiteSummary>>,
    signals: &'a Signals,
    /// Whether publishing changes anything anywhere.
    is_pushing: bool,
}

impl Progress for Observers<'_> {
    fn loaded(&self, suites: &[SuiteSummary]) {
        let _ = self.suites.set(suites.to_vec());
    }

    fn started(&self, cases: usize) {
        self.signals.enter(Phase::Preparing);
        self.inner.started(cases);
    }

    fn fetching(&self) {
        self.inner.fetching();
    }

    fn fetched(&self) {
        self.inner.fetched();
    }

    fn remarked(&self, text: &str) {
        console::complain(text);
    }

    fn compiling(&self, policy: &str) {
        self.inner.compiling(policy);
    }

    fn compiled(&self, policy: &str) {
        self.inner.compiled(policy);
    }

    fn prepared(&self) {
        self.signals.enter(Phase::Running);
        // Only now: before, an interruption leaves what earlier runs wrote.
        let suites = self.suites.get().map_or(&[] as &[_], Vec::as_slice);
        self.streams.iter().for_each(|stream| stream.open(suites));
        self.inner.prepared();
    }

    fn publishing(&self) {
        if self.is_pushing {
            self.signals.enter(Phase::Publishing);
        }
        self.inner.publishing();
    }

    fn recorded(&self, recording: &Recording) {
        self.inner.recorded(recording);
    }

    fn sending(&self, sent: u64, total: u64) {
        self.inner.sending(sent, total);
    }

    fn case_finished(&self, report: &CaseReport) {
        self.inner.case_finished(report);
        self.streams.iter().for_each(|stream| stream.case(report));
    }
}

/// `verify list`.
pub(crate) fn list(arguments: &ListArgs) -> ExitCode {
    let options = match options(&arguments.selection) {
        Ok(options) => options,
        Err(problems) => return console::refuse(&Error::Arguments(problems)),
    };
    let cases = match policy_verify::list(&options) {
        Ok(cases) => cases,
        Err(error) => {
            console::explain(&error, ColorChoice::Auto, &Places::of(&options.suites, options.root.as_deref()));
            console::annotate(error.diagnostics().to_vec());
            return ExitCode::from(&error);
        }
    };
    console::print(&match arguments.format {
        ListFormat::Human if arguments.explain => cases.iter().map(explained).collect::<String>(),
        ListFormat::Human => {
            cases.iter().map(|case| report::escape::terminal_line(&case.id) + "\n").collect::<String>()
        }
        ListFormat::Json => {
            let text = serde_json::to_string_pretty(&cases).expect("a list of texts is plain JSON");
            report::escape::json(&text) + "\n"
        }
    })
}

/// A case with everything that would be sent and is expected, as lines below its name.
fn explained(case: &ListedCase) -> String {
    let mut document = serde_json::json!({
        "place": format!("{}:{}", case.file, case.line),
        "policy": case.policy,
        "request": case.request.as_deref(),
        "settings": case.settings.iter().map(|settings| &**settings).collect::<Vec<_>>(),
    });
    if !case.created.is_empty() {
        document["created"] = case.created.clone().into();
    }
    if let Some(snapshot) = &case.snapshot {
        document["snapshot"] = snapshot.as_str().into();
    }
    let text = serde_json::to_string_pretty(&document).expect("plain values are JSON");
    let lines = text.lines().map(|line| format!("  {}\n", report::escape::terminal_line(line)));
    format!("{}\n{}\n", report::escape::terminal_line(&case.id), lines.collect::<String>())
}

/// The suites and which of their cases.
pub(super) fn options(arguments: &SelectionArgs) -> Result<Options, Vec<Diagnostic>> {
    let mut options = Options::default();
    options.root = arguments.root.as_deref().map(root).transpose().map_err(|problem| vec![problem])?;
    options.suites = suites::find(&arguments.suites, options.root.as_deref())?;
    options.variables.clone_from(&arguments.variables);
    options.environment = EnvironmentNames::environment(&arguments.allow_env);
    options.kubewarden = arguments.kubewarden;
    options.file_limit = arguments.max_file_size.unwrap_or_default();
    options.selection = selection(arguments).map_err(|problem| vec![problem])?;
    options.allows_empty = arguments.allow_empty;
    options.refuses_only = console::is_ci().then_some(OnlyRefusal::Ci);
    Ok(options)
}

/// The folder of `--root`.
pub(super) fn root(folder: &Path) -> Result<PathBuf, Diagnostic> {
    let is_folder = folder.canonicalize().and_then(|folder| folder.metadata()).map(|found| found.is_dir());
    match is_folder {
        Ok(true) => Ok(folder.to_owned()),
        Ok(false) => Err(usage(format!("`--root {}`: it is not a folder", folder.display()))),
        Err(error) => Err(usage(format!("`--root {}`: {error}", folder.display()))),
    }
}

fn selection(arguments: &SelectionArgs) -> Result<Selection, Diagnostic> {
    let mut selection = Selection::default();
    if arguments.exact {
        selection.exact.clone_from(&arguments.filter);
    } else {
        for text in &arguments.filter {
            let filter = Regex::new(text).map_err(|error| {
                usage(format!("--filter: {error}"))
                    .with_help("with `--exact` the filter is a whole name instead of a pattern".to_owned())
            })?;
            selection.filters.push(filter);
        }
    }
    selection.skip.clone_from(&arguments.skip);
    selection.tags.clone_from(&arguments.tags);
    if arguments.last_failed {
        if console::is_ci() {
            return Err(usage("`--last-failed` is refused in CI: it would leave out cases"));
        }
        selection.preferred = last_failed::read(arguments.root.as_deref()).into_iter().collect();
    }
    if let Some(path) = &arguments.failed {
        let earlier = reports::read(path)?;
        let wrong = earlier.cases.into_iter().filter(|case| case.outcome.is_red());
        selection.among = Some(wrong.map(|case| case.id).collect());
    }
    selection.partition = arguments.partition;
    if let Some(path) = arguments.timings.as_ref().filter(|_| selection.partition.is_some()) {
        selection.timings = Timings::of(&reports::read(path)?);
    }
    Ok(selection)
}
