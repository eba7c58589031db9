//! What is said about a first suite.

use std::path::{Path, PathBuf};

use policy_verify::draft::first::FirstSuite;
use policy_verify::report::{count, escape};
use serde_json::{Value, json};

use super::super::args::output::OutputFormat;
use super::super::exit_code::ExitCode;
use super::super::new_suite::{self, Asked};

/// Most cases and fixtures that are listed.
const MOST_LISTED: usize = 10;

/// What was made.
pub(super) struct Told<'a> {
    pub(super) suite: &'a Path,
    /// Whether the suite was there before.
    pub(super) is_kept: bool,
    pub(super) files: Vec<PathBuf>,
    pub(super) first: FirstSuite,
    pub(super) remarks: Vec<String>,
    /// Whether not all questions were looked at.
    pub(super) is_cut: bool,
    pub(super) refusal: Option<String>,
    pub(super) asked: Option<Asked>,
}

impl<'a> Told<'a> {
    /// Nothing yet.
    pub(super) fn of(suite: &'a Path) -> Self {
        Told {
            suite,
            is_kept: false,
            files: Vec::new(),
            first: FirstSuite::default(),
            remarks: Vec::new(),
            is_cut: false,
            refusal: None,
            asked: None,
        }
    }
}

/// Tells what was made. A policy that has no case is a failure.
pub(super) fn tell(told: &Told<'_>, format: OutputFormat) -> ExitCode {
    let text = match format {
        OutputFormat::Human => human(told),
        OutputFormat::Json => escape::json(&serde_json::to_string_pretty(&document(told)).unwrap_or_default()) + "\n",
    };
    let code = new_suite::print(&text, told.suite);
    if code == ExitCode::Success && told.asked.as_ref().is_some_and(|asked| asked.is_unavailable) {
        return ExitCode::Unavailable;
    }
    let has_cases = told.is_kept || !told.first.cases.is_empty();
    if code == ExitCode::Success && !has_cases { ExitCode::Failure } else { code }
}

fn human(told: &Told<'_>) -> String {
    let mut lines: Vec<String> = Vec::new();
    if told.is_kept {
        lines.push(format!("kept {}", told.suite.display()));
    }
    lines.extend(wrote(&told.files));
    if !told.is_kept {
        lines.push(String::new());
        lines.extend(counts(told));
    }
    lines.extend(notes(told).into_iter().map(|note| format!("note: {note}")));
    lines.push(String::new());
    lines.extend(next(told));
    lines.iter().map(|line| escape::terminal_line(line).trim_end().to_owned() + "\n").collect()
}

fn wrote(files: &[PathBuf]) -> Vec<String> {
    let is_fixture = |file: &&PathBuf| file.parent().is_some_and(|folder| folder.ends_with("fixtures"));
    let fixtures: Vec<&PathBuf> = files.iter().filter(is_fixture).collect();
    let is_listed = |file: &&PathBuf| fixtures.len() <= MOST_LISTED || !is_fixture(file);
    let mut lines: Vec<String> =
        files.iter().filter(is_listed).map(|file| format!("wrote {}", file.display())).collect();
    if let Some(folder) = fixtures.first().and_then(|file| file.parent()).filter(|_| fixtures.len() > MOST_LISTED) {
        lines.push(format!("wrote {} in {}", count(fixtures.len(), "file"), folder.display()));
    }
    lines
}

fn counts(told: &Told<'_>) -> Vec<String> {
    let numbers = [(told.first.cases.len(), "case"), (told.first.settings_cases.len(), "settings case")];
    let what = numbers.iter().filter(|(number, _)| *number > 0).map(|(number, what)| count(*number, what));
    let what = what.collect::<Vec<_>>().join(", ");
    let Some(asked) = &told.asked else { return vec![format!("{what}; the policy was not asked")] };
    let mut answers: Vec<String> = asked.answers.iter().map(|(answer, count)| format!("{count} {answer}")).collect();
    if !asked.wrong.is_empty() {
        answers.push(format!("{} without a verdict", asked.wrong.len()));
    }
    let answers = answers.join(", ");
    let mut lines = vec![if answers.is_empty() { what } else { format!("{what}: {answers}") }];
    match &told.refusal {
        _ if asked.is_unavailable => {
            let reason = asked.wrong.first().map_or("", |wrong| wrong.reason.as_str());
            lines.push(format!("the policy is unavailable: {reason}"));
        }
        Some(refusal) => lines.push(format!("the policy rejects the settings of the suite: {refusal}")),
        None => {
            lines.extend(
                asked
                    .wrong
                    .iter()
                    .take(MOST_LISTED)
                    .map(|wrong| format!("  {}: {}", wrong.name, wrong.reason.lines().next().unwrap_or_default())),
            );
            if asked.wrong.len() > MOST_LISTED {
                lines.push(format!("  and {} more", asked.wrong.len() - MOST_LISTED));
            }
        }
    }
    lines
}

fn notes(told: &Told<'_>) -> Vec<String> {
    let mut notes = told.remarks.clone();
    notes.extend(told.first.notes.iter().cloned());
    if told.is_cut {
        notes.push("the form has more questions than are looked at".to_owned());
    }
    let is_of_project = |file: &&PathBuf| {
        file.ends_with(".gitlab-ci.yml") || file.parent().is_some_and(|folder| folder.ends_with("workflows"))
    };
    let files = told.files.iter().filter(is_of_project).map(|file| file.display().to_string());
    let files = files.collect::<Vec<_>>().join(", ");
    if !files.is_empty() {
        notes.push(format!("replace OWNER in {files} by the account that has policy-verify"));
    }
    notes
}

fn next(told: &Told<'_>) -> [String; 2] {
    let suite = told.suite.display();
    let asked = told.asked.as_ref();
    let first = match &told.refusal {
        _ if asked.is_some_and(|asked| asked.is_unavailable) => {
            format!("next: correct what makes the policy unavailable, and run `verify {suite} --bless=all`")
        }
        Some(_) => format!("next: fill in `settings` in {suite}, and run `verify {suite} --bless=all`"),
        None if asked.is_some_and(|asked| !asked.wrong.is_empty()) => {
            format!(
                "next: correct the cases of {suite} whose comments tell of a fault, and run `verify {suite} --bless=all`"
            )
        }
        None => {
            format!("next: check the expectations of {suite}, and add a case in which the policy answers otherwise")
        }
    };
    [first, format!("      run `verify {suite}` after every change; add `--watch` to have it done")]
}

fn document(told: &Told<'_>) -> Value {
    let shown = |path: &Path| path.to_string_lossy().replace('\\', "/");
    let run = |asked: &Asked| {
        let wrong = asked.wrong.iter().map(|wrong| json!({ "name": wrong.name, "reason": wrong.reason }));
        json!({ "completed": asked.completed, "total": asked.summary.total, "passed": asked.summary.passed,
                "answers": asked.answers, "wrong": wrong.collect::<Vec<_>>() })
    };
    json!({
        "suite": shown(told.suite),
        "files": told.files.iter().map(|file| shown(file)).collect::<Vec<_>>(),
        "cases": told.first.cases,
        "settingsCases": told.first.settings_cases,
        "notes": notes(told),
        "settingsRejected": told.refusal,
        "run": told.asked.as_ref().map(run),
    })
}
