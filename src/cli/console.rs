//! What goes to the terminal: colour and width are decided here, once; progress and diagnostics go to stderr.

use std::borrow::Cow;
use std::env;
use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::model::outcome::{CaseReport, RunReport};
use policy_verify::report::github::Github;
use policy_verify::report::{Format, Style, diagnostic, escape, located};
use policy_verify::{Error, Progress};

use super::args::output::ColorChoice;
use super::exit_code::ExitCode;
use super::places::Places;
use super::{problem, streams};

/// Prints to stdout. A closed pipe is not an error.
pub(crate) fn print(text: &str) -> ExitCode {
    match streams::stdout(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("cannot write to stdout: {error}"));
            ExitCode::Usage
        }
        _ => ExitCode::Success,
    }
}

/// Prints the help of a command.
pub(crate) fn print_help(help: &clap::builder::StyledStr) -> ExitCode {
    match uses_colour(ColorChoice::Auto, io::stdout().is_terminal()) {
        true => print(&help.ansi().to_string()),
        false => print(&help.to_string()),
    }
}

/// Prints a complaint or a remark to stderr.
pub(crate) fn complain(text: &str) {
    say(&format!("verify: {}", escape::terminal(text)));
}

/// Prints a warning about something that the result of the run does not depend on.
pub(crate) fn warn(problem: &Diagnostic) {
    complain(&format!("warning: {problem}"));
}

/// Says what was done, on stderr: stdout is for results.
pub(crate) fn say(text: &str) {
    let _ = streams::stderr(format!("{text}\n").as_bytes());
}

/// Prints why nothing was done; the exit code says it too.
pub(crate) fn refuse(error: &Error) -> ExitCode {
    explain(error, ColorChoice::Auto, &Places::default());
    annotate(error.diagnostics().to_vec());
    ExitCode::from(error)
}

/// Prints why nothing was run to stderr, with the lines of the suite it is about.
pub(crate) fn explain(error: &Error, color: ColorChoice, places: &Places) {
    let shown = |path: &str| places.shown(path);
    let diagnostics: Vec<_> = error.diagnostics().iter().map(|it| located::diagnostic(it, &shown)).collect();
    draw(&diagnostics, uses_colour(color, io::stderr().is_terminal()));
    if matches!(error, Error::Suites(_)) {
        complain(&error.to_string());
    }
}

/// Prints why the command line is invalid.
pub(crate) fn refuse_usage(diagnostic: Diagnostic) -> ExitCode {
    report(std::slice::from_ref(&diagnostic));
    annotate(vec![diagnostic]);
    ExitCode::Usage
}

/// Prints what the parser of the command line refuses. Its text repeats what was typed: where that could be read as a
/// command by a terminal or a CI runner, it is escaped, and without colours.
pub(crate) fn refuse_parsed(error: &clap::Error) -> ExitCode {
    let rendered = error.render();
    let plain = rendered.to_string();
    let safe = escape::terminal(&plain);
    let is_coloured = safe == plain && uses_colour(ColorChoice::Auto, io::stderr().is_terminal());
    let text = if is_coloured { rendered.ansi().to_string() } else { safe };
    let _ = streams::stderr(text.as_bytes());
    annotate(vec![problem::parsed(&plain)]);
    ExitCode::Usage
}

/// Tells GitHub's runner why nothing was run, unless it is told not to.
pub(crate) fn annotate(problems: Vec<Diagnostic>) {
    let is_off = env::args_os().any(|argument| argument == "--no-annotations")
        || env::var("VERIFY_NO_ANNOTATIONS").is_ok_and(|text| str_to_bool(&text));
    if !is_github() || is_off {
        return;
    }
    let run = RunReport::not_started(problems, jiff::Timestamp::now());
    let mut commands = Vec::new();
    // Writing to memory does not fail.
    let _ = Github::default().write(&run, &mut commands);
    let _ = streams::stderr(&commands);
}

/// As the parser of the command line reads a variable of a switch.
fn str_to_bool(text: &str) -> bool {
    !matches!(text.to_ascii_lowercase().as_str(), "" | "n" | "no" | "f" | "false" | "off" | "0")
}

/// Prints what is wrong to stderr, outside of the reports.
pub(crate) fn report(diagnostics: &[Diagnostic]) {
    draw(diagnostics, uses_colour(ColorChoice::Auto, io::stderr().is_terminal()));
}

fn draw(diagnostics: &[Diagnostic], uses_colour: bool) {
    let style = Style { colour: uses_colour, width: width(), ..Style::default() };
    let mut text = Vec::new();
    for diagnostic in diagnostics {
        // Writing to memory does not fail.
        let _ = diagnostic::write(diagnostic, style, &mut text);
    }
    let _ = streams::stderr(&text);
}

/// Whether a variable is set to anything.
pub(crate) fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// Whether this is CI: no progress bars, and `only` is refused.
pub(crate) fn is_ci() -> bool {
    is_set("CI") || is_set("TF_BUILD") || is_github()
}

/// Whether GitHub Actions runs us.
pub(crate) fn is_github() -> bool {
    env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// Whether to use colour on a stream. `NO_COLOR` wins over everything but the flag.
pub(crate) fn uses_colour(choice: ColorChoice, is_terminal: bool) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto if is_set("NO_COLOR") => false,
        ColorChoice::Auto if is_set("FORCE_COLOR") || is_set("CLICOLOR_FORCE") || is_github() => true,
        ColorChoice::Auto => is_terminal && has_escapes(),
    }
}

/// Whether terminals here understand more than lines of text. On Windows all do, and no variable says so.
pub(crate) fn has_escapes() -> bool {
    cfg!(windows) || env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// Columns of the terminal; 100 where there is none.
pub(crate) fn width() -> usize {
    let from_environment = env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let from_terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    from_environment.or_else(from_terminal).unwrap_or(100).clamp(40, 200)
}

/// Lines of the terminal; 60 where there is none.
pub(crate) fn height() -> usize {
    terminal_size::terminal_size().map_or(60, |(_, height)| usize::from(height.0))
}

/// A bar on stderr, at a terminal only.
pub(crate) struct Bar {
    bar: ProgressBar,
    /// What is being compiled, and since when.
    compiling: Mutex<Vec<(String, Instant)>>,
}

impl Bar {
    pub(crate) fn new(is_wanted: bool) -> Self {
        let target = if is_wanted && !is_ci() && io::stderr().is_terminal() && has_escapes() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        // Nothing but the message is shown before it is known how much there is to do.
        let bar = ProgressBar::with_draw_target(Some(0), target).with_style(message_alone());
        Self { bar, compiling: Mutex::default() }
    }

    /// A message of what is waited for, such as a download.
    pub(crate) fn waiting(&self, message: String) {
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            self.bar.set_style(style);
        }
        self.bar.set_message(message);
        self.bar.enable_steady_tick(Duration::from_millis(100));
    }

    /// Names the policy that is compiled for the longest time; the time is that of the bar.
    fn show_compiling(&self) {
        let compiling = self.compiling.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((name, since)) = compiling.first() else { return };
        let others = if compiling.len() > 1 { format!(" and {} more", compiling.len() - 1) } else { String::new() };
        let name = escape::terminal_line(name);
        let name = shortened(&name, width().saturating_sub(BESIDE_NAME));
        // The bar counts on by itself: nothing else wakes up while a module is compiled.
        self.bar.set_message(format!("compiling {name}{others}"));
        self.bar.set_elapsed(since.elapsed());
    }

    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// Columns that the rest of the bar needs: `compiling … and 12 more 12s ░░░ 10/21`.
const BESIDE_NAME: usize = 40;

/// The beginning of a name that is too long for a bar in one line.
fn shortened(name: &str, most: usize) -> Cow<'_, str> {
    escape::shorten(name, most.max(10))
}

/// How many cases are over.
const CASES: &str = "{msg} {wide_bar} {pos}/{len}";

fn message_alone() -> ProgressStyle {
    ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Progress for Bar {
    fn started(&self, cases: usize) {
        if let Ok(style) = ProgressStyle::with_template(CASES) {
            self.bar.set_style(style);
        }
        self.bar.set_length(cases as u64);
        self.bar.set_message("compiling");
        self.bar.tick();
    }

    fn compiling(&self, policy: &str) {
        self.compiling.lock().unwrap_or_else(PoisonError::into_inner).push((policy.to_owned(), Instant::now()));
        if let Ok(style) = ProgressStyle::with_template("{msg} {elapsed} {wide_bar} {pos}/{len}") {
            self.bar.set_style(style);
        }
        self.show_compiling();
        self.bar.enable_steady_tick(Duration::from_millis(100));
    }

    fn compiled(&self, policy: &str) {
        let mut compiling = self.compiling.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = compiling.iter().position(|(name, _)| name == policy) {
            compiling.remove(index);
        }
        drop(compiling);
        self.show_compiling();
    }

    fn remarked(&self, text: &str) {
        self.bar.suspend(|| complain(text));
    }

    fn fetching(&self) {
        self.bar.set_message("fetching");
        self.bar.enable_steady_tick(Duration::from_millis(100));
    }

    fn fetched(&self) {
        self.bar.tick();
    }

    fn prepared(&self) {
        if let Ok(style) = ProgressStyle::with_template(CASES) {
            self.bar.set_style(style);
        }
        self.bar.set_message("running");
    }

    fn publishing(&self) {
        self.bar.set_message("publishing");
    }

    fn case_finished(&self, report: &CaseReport) {
        // What a stopped run left out is not done.
        if !report.outcome.is_not_run() {
            self.bar.inc(1);
        }
    }

    fn objects_finished(&self, number: usize) {
        self.bar.inc(number as u64);
    }

    fn sending(&self, sent: u64, total: u64) {
        if sent == 0 {
            // Every change is drawn: numbers of before and after never stand side by side.
            self.bar.set_style(message_alone());
            self.bar.set_message("pushing");
            self.bar.set_length(total);
            self.bar.set_position(0);
            if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes}") {
                self.bar.set_style(style);
            }
        }
        self.bar.set_position(sent);
        self.bar.tick();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_names_what_is_compiled_for_the_longest_time() {
        let bar = Bar::new(false);
        bar.started(3);
        for (policy, is_begun, message) in [
            ("labels", true, "compiling labels"),
            ("images", true, "compiling labels and 1 more"),
            ("labels", false, "compiling images"),
            ("images", false, "compiling images"),
        ] {
            if is_begun {
                bar.compiling(policy)
            } else {
                bar.compiled(policy)
            }
            assert_eq!(bar.bar.message(), message);
        }
        bar.prepared();
        assert_eq!(bar.bar.message(), "running");
    }

    #[test]
    fn long_names_leave_room_for_the_bar() {
        assert_eq!(shortened("labels", 20), "labels");
        assert_eq!(shortened("a-policy-with-a-long-name", 12), "a-policy-wi…");
        assert_eq!(shortened("日本語日本語日本語日本語", 0), "日本語日本語日本語…");
    }

    #[test]
    fn a_bar_counts_what_was_run() {
        let suite = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/suites/quickstart/suite.yml");
        for is_stopped in [false, true] {
            let mut options = policy_verify::Options::default();
            options.suites = vec![suite.into()];
            if is_stopped {
                options.interrupt.stop();
            }
            let bar = Bar::new(false);
            let run = policy_verify::verify(&options, &bar).unwrap();
            let not_run = run.summary().not_run;
            assert_eq!(not_run > 0, is_stopped);
            assert_eq!(bar.bar.position(), (run.cases.len() - not_run) as u64);
        }
    }
}
