//! A suite that a command has made: its files, the first run, and what is said about it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use policy_verify::draft::{Draft, Fate, TestRow, WrittenFile};
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::model::outcome::{CaseKind, CaseReport, Outcome, Summary};
use policy_verify::report::{count, escape};
use policy_verify::{Error, Options, Rewriting, is_stream};
use serde_json::{Value, json};

use super::args::new_suite::NewSuiteArgs;
use super::args::output::OutputFormat;
use super::exit_code::ExitCode;
use super::interrupt::Signals;
use super::problem::{cannot_write, check_links, usage};
use super::{bless, console, files};

const WHAT: &str = "the suite to";

const HELP: &str = "name another file with `--output`, or overwrite it with `--force`";

/// A suite and its fixtures, not written yet.
pub(super) struct NewSuite<'a> {
    pub(super) path: &'a Path,
    pub(super) draft: &'a Draft,
    pub(super) files: &'a [WrittenFile],
}

impl NewSuite<'_> {
    /// Writes all files, or none where one is there already.
    ///
    /// # Errors
    ///
    /// A file is there and not to be overwritten, or cannot be written.
    pub(super) fn write(&self, is_forced: bool) -> Result<(), Error> {
        if is_stream(self.path) {
            console::print(&self.draft.to_yaml());
            return Ok(());
        }
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let fixtures = self.files.iter().map(|file| (folder.join(&file.path), file.text.clone()));
        let suite = (self.path.to_owned(), self.draft.to_yaml());
        let all = fixtures.chain([suite]).map(|(path, text)| NewFile { path, text });
        write_all(WHAT, &all.collect::<Vec<_>>(), is_forced)
    }
}

/// A file to be written.
pub(super) struct NewFile {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// Writes all files, or none where one is there already; `what` they are, `the suite to`.
///
/// # Errors
///
/// A file is there and not to be overwritten, or cannot be written.
pub(super) fn write_all(what: &str, all: &[NewFile], is_forced: bool) -> Result<(), Error> {
    let problems: Vec<Diagnostic> =
        all.iter().filter_map(|NewFile { path, text }| obstacle(what, path, text, is_forced, HELP)).collect();
    if !problems.is_empty() {
        return Err(Error::Arguments(problems));
    }
    let written = all.iter().map(|NewFile { path, text }| {
        let done = files::make_folder_of(path).and_then(|()| files::write(path, text.as_bytes()));
        done.map_err(|error| cannot_write(what, path, &error))
    });
    written.collect::<Result<Vec<()>, _>>().map(drop).map_err(|problem| Error::Arguments(vec![problem]))
}

/// Why a file is not written; `what` it is, `the suite to`, and what helps where another one is there already.
pub(super) fn obstacle(what: &str, path: &Path, text: &str, is_forced: bool, help: &str) -> Option<Diagnostic> {
    if let Err(problem) = check_links(what, path, None) {
        return Some(problem);
    }
    let is_same = || std::fs::read(path).is_ok_and(|present| present == text.as_bytes());
    let is_there = path.exists() && !is_forced && !is_same();
    is_there.then(|| usage(format!("`{}` is there already", path.display())).with_help(help.to_owned()))
}

/// How the policies of a new suite are asked.
pub(super) fn options(arguments: &NewSuiteArgs, signals: &Signals) -> Options {
    let mut options = Options::default();
    options.interrupt = signals.interrupt();
    arguments.engine.apply(&mut options);
    arguments.sources.apply(&mut options);
    options
}

/// What the policies answered to a new suite.
pub(super) struct Asked {
    /// How many expectations they completed.
    pub(super) completed: usize,
    pub(super) summary: Summary,
    /// The cases that do not hold.
    pub(super) wrong: Vec<Wrong>,
    /// Whether the policy could not be had.
    pub(super) is_unavailable: bool,
    /// How many requests were `allowed`, `mutated` and `denied`.
    pub(super) answers: BTreeMap<&'static str, usize>,
}

/// A case that does not hold.
pub(super) struct Wrong {
    pub(super) name: String,
    pub(super) reason: String,
    /// Whether its policy gave no verdict.
    pub(super) is_fault: bool,
}

/// Asks the policies once, so that the expectations of the `weak` cases say what they answer; and once more about all.
/// Nothing if the run was interrupted.
///
/// # Errors
///
/// The suite cannot be run, or not be rewritten.
pub(super) fn ask(
    suite: &Path,
    weak: &[String],
    rewriting: Rewriting,
    mut options: Options,
) -> Result<Option<Asked>, Error> {
    options.suites = vec![suite.to_owned()];
    options.allows_empty = true;
    let mut completed = 0;
    if !weak.is_empty() {
        options.selection.exact = weak.to_vec();
        let blessing = policy_verify::bless(&options, rewriting, &())?;
        if options.interrupt.is_stopped() {
            return Ok(None);
        }
        bless::write(&blessing, None)?;
        completed = blessing.cases;
        options.selection.exact = Vec::new();
    }
    let run = policy_verify::verify(&options, &())?;
    if options.interrupt.is_stopped() {
        return Ok(None);
    }
    let wrong = run.cases.iter().filter(|case| case.outcome.is_red());
    let wrong = wrong.map(|case| Wrong {
        name: case.name.clone(),
        reason: reason(&case.outcome),
        is_fault: matches!(case.outcome, Outcome::Error(_)),
    });
    let mut answers = BTreeMap::new();
    for answer in run.cases.iter().filter(|case| case.kind == CaseKind::Case).filter_map(answer) {
        *answers.entry(answer).or_default() += 1;
    }
    let is_unavailable = run.cases.iter().any(|case| matches!(case.outcome, Outcome::Unavailable(_)));
    Ok(Some(Asked { completed, summary: run.summary(), wrong: wrong.collect(), is_unavailable, answers }))
}

fn answer(case: &CaseReport) -> Option<&'static str> {
    let response = case.response.as_ref().filter(|_| case.fault.is_none())?;
    Some(match (response.allowed, &response.patch) {
        (false, _) => "denied",
        (true, Some(_)) => "mutated",
        (true, None) => "allowed",
    })
}

pub(super) fn reason(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed(mismatches) => {
            let first = mismatches.first();
            first.map_or_else(String::new, |it| format!("expected {}, got {}", it.expected, it.actual))
        }
        Outcome::Error(fault) => fault.message.clone(),
        Outcome::Unavailable(why) => why.message.clone(),
        other => other.word().to_owned(),
    }
}

/// Tells what became of the tests. The exit code is that of a command that has done what it can.
pub(super) fn tell(
    tests: &[TestRow],
    suite: &Path,
    asked: Option<&Asked>,
    remarks: &[String],
    format: OutputFormat,
) -> ExitCode {
    let text = match format {
        OutputFormat::Human => human(tests, suite, asked, remarks),
        OutputFormat::Json => {
            let text = serde_json::to_string_pretty(&document(tests, suite, asked)).unwrap_or_default();
            escape::json(&text) + "\n"
        }
    };
    let code = print(&text, suite);
    let has_cases = tests.iter().any(|test| !test.cases.is_empty());
    if code == ExitCode::Success && !has_cases { ExitCode::Failure } else { code }
}

fn human(tests: &[TestRow], suite: &Path, asked: Option<&Asked>, remarks: &[String]) -> String {
    let mut lines = Vec::new();
    for test in tests {
        let (word, reasons) = fate(&test.fate);
        lines.push(format!("{word:6}  {}:{}  {}", test.file, test.line, test.name));
        lines.extend(reasons.iter().map(|reason| format!("          {reason}")));
    }
    let with_fate = |wanted: &str| tests.iter().filter(|test| fate(&test.fate).0 == wanted).count();
    let cases: usize = tests.iter().map(|test| test.cases.len()).sum();
    lines.push(String::new());
    let counts = ["whole", "partly", "not"].map(|word| (word, with_fate(word)));
    let counts: Vec<String> =
        counts.iter().filter(|(_, count)| *count > 0).map(|(word, count)| format!("{count} {word}")).collect();
    lines.push(format!("{}: {}", count(tests.len(), "test"), counts.join(", ")));
    lines.push(format!("{} in {}", count(cases, "case"), suite.display()));
    lines.extend(remarks.iter().cloned());
    match asked {
        Some(Asked { completed, summary, wrong, .. }) => {
            lines.push(format!("{} completed by what the policy answers", count(*completed, "expectation")));
            lines.push(format!("{} of {} pass", summary.passed, count(summary.total, "case")));
            lines.extend(wrong.iter().map(|wrong| format!("  fails: {}: {}", wrong.name, wrong.reason)));
        }
        None => lines.push("the policy was not asked".to_owned()),
    }
    lines.iter().map(|line| escape::terminal_line(line).trim_end().to_owned() + "\n").collect()
}

fn document(tests: &[TestRow], suite: &Path, asked: Option<&Asked>) -> Value {
    let test = |test: &TestRow| {
        let (word, reasons) = fate(&test.fate);
        json!({ "file": test.file, "line": test.line, "name": test.name, "fate": word, "reasons": reasons,
                "cases": test.cases, "weak": test.weak })
    };
    let wrong = |wrong: &Wrong| json!({ "name": wrong.name, "reason": wrong.reason });
    json!({
        "suite": suite.to_string_lossy(),
        "tests": tests.iter().map(test).collect::<Vec<_>>(),
        "run": asked.map(|asked| json!({
            "completed": asked.completed,
            "total": asked.summary.total,
            "passed": asked.summary.passed,
            "wrong": asked.wrong.iter().map(wrong).collect::<Vec<_>>(),
        })),
    })
}

fn fate(fate: &Fate) -> (&'static str, &[String]) {
    match fate {
        Fate::Whole => ("whole", &[]),
        Fate::Partly(reasons) => ("partly", reasons),
        Fate::Not(reasons) => ("not", reasons),
    }
}

/// Prints what is said about a suite. One on stdout is not mixed with it.
pub(super) fn print(text: &str, suite: &Path) -> ExitCode {
    if !is_stream(suite) {
        return console::print(text);
    }
    console::say(text.trim_end());
    ExitCode::Success
}
