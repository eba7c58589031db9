//! `verify init --missing`: cases for the requests that the rules of a suite's policies select and that it does not have.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy_verify::draft::first::{self, Gap, Missing, Present};
use policy_verify::draft::items;
use policy_verify::model::outcome::RunReport;
use policy_verify::model::rule_coverage::{Exercise, RequestCoverage};
use policy_verify::model::source::SourceFile;
use policy_verify::report::{count, escape};
use policy_verify::{Error, Rewriting, append_cases, is_stream};
use serde_json::{Value, json};

use super::super::args::init::InitArgs;
use super::super::args::output::OutputFormat;
use super::super::exit_code::ExitCode;
use super::super::interrupt::Signals;
use super::super::new_suite::{self, Asked, NewFile};
use super::super::paths::refused;
use super::super::problem::{cannot_write, check_links, usage};
use super::super::{console, files};

const WHAT: &str = "the cases to";

/// Longest file that may hold the object of a new case.
const LONGEST_OBJECT: u64 = 1 << 20;

/// Cases and notes that are listed.
const MOST_LISTED: usize = 20;

/// What became of the gaps.
struct Added<'a> {
    suite: &'a Path,
    missing: Missing,
    asked: Option<Asked>,
}

/// Adds the cases, and asks the policies once so that their expectations are true.
///
/// # Errors
///
/// The suite cannot be run, or cases cannot be added to it.
pub(super) fn add(arguments: &InitArgs, signals: &Signals) -> Result<ExitCode, Error> {
    let suite = PathBuf::from(arguments.policy.as_deref().unwrap_or("suite.yml"));
    let output = arguments.new_suite.output.as_deref();
    if is_stream(&suite) || output.is_some_and(|path| path != Path::new("-")) {
        return Err(refused(usage(
            "`--missing` changes a suite in a file, or prints the cases with `--output -`".to_owned(),
        )));
    }
    let mut options = new_suite::options(&arguments.new_suite, signals);
    options.suites = vec![suite.clone()];
    options.allows_empty = true;
    let run = policy_verify::verify(&options, &())?;
    if options.interrupt.is_stopped() {
        return Ok(ExitCode::Interrupted);
    }
    let missing = missing(&run, &suite);
    if output.is_some() {
        return Ok(console::print(&items(&missing.entries, 2)));
    }
    let mut added = Added { suite: &suite, missing, asked: None };
    if !added.missing.entries.is_empty() {
        write(&suite, &added.missing)?;
        if !arguments.new_suite.no_run {
            let options = new_suite::options(&arguments.new_suite, signals);
            added.asked = new_suite::ask(&suite, &added.missing.names, Rewriting::All, options)?;
        }
    }
    let is_unavailable = run.policies.iter().any(|policy| policy.unavailable.is_some());
    let code = new_suite::print(&text(&added, &run, arguments.new_suite.format), &suite);
    Ok(if code == ExitCode::Success && is_unavailable { ExitCode::Unavailable } else { code })
}

/// The cases that a run lacks.
fn missing(run: &RunReport, suite: &Path) -> Missing {
    let is_single = run.rules.len() <= 1 && run.policies.len() <= 1;
    let gaps = run.rules.iter().flat_map(|rules| {
        let is_policy = run.policies.iter().any(|policy| policy.name == rules.policy);
        let subject = (if is_policy { "policy" } else { "group" }, rules.policy.as_str());
        let never = rules.requests.iter().filter(|request| request.exercise() == Exercise::Never);
        never.map(move |request: &RequestCoverage| Gap { subject: (!is_single).then_some(subject), request })
    });
    let names = run.cases.iter().map(|case| case.name.as_str()).collect();
    let folder = suite.parent().unwrap_or(Path::new("")).to_owned();
    first::missing(&gaps.collect::<Vec<_>>(), &Suite { names, folder })
}

/// The suite and the files beside it.
struct Suite<'a> {
    names: HashSet<&'a str>,
    folder: PathBuf,
}

impl Present for Suite<'_> {
    fn has_case(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    fn object_in(&self, path: &str) -> Option<(String, String)> {
        let path = self.folder.join(path);
        // A link that leads nowhere is in the way, too.
        path.symlink_metadata().ok()?;
        let text = policy_verify::read_text(&path, LONGEST_OBJECT).unwrap_or_default();
        let object = policy_verify::draft::single_object(&text);
        Some(object.unwrap_or_default())
    }
}

/// Writes the suite with its new cases, and the files that they name.
fn write(suite: &Path, missing: &Missing) -> Result<(), Error> {
    let failed = |error: &std::io::Error| refused(cannot_write(WHAT, suite, error));
    check_links(WHAT, suite, None).map_err(refused)?;
    let text = std::fs::read_to_string(suite).map_err(|error| failed(&error))?;
    let file = Arc::new(SourceFile { path: suite.to_string_lossy().into_owned(), text });
    let changed = append_cases(&file, &|column| items(&missing.entries, column)).map_err(|error| {
        let help = format!("paste them where they belong: `verify init --missing {} --output -`", suite.display());
        refused(usage(format!("cannot add cases to `{}`: {error}", suite.display())).with_help(help))
    })?;
    let folder = suite.parent().unwrap_or(Path::new(""));
    let fixtures = missing.files.iter().map(|file| NewFile { path: folder.join(&file.path), text: file.text.clone() });
    new_suite::write_all(WHAT, &fixtures.collect::<Vec<_>>(), false)?;
    files::write(suite, changed.as_bytes()).map_err(|error| failed(&error))
}

fn text(added: &Added<'_>, run: &RunReport, format: OutputFormat) -> String {
    match format {
        OutputFormat::Human => human(added, run).iter().map(|line| escape::terminal_line(line) + "\n").collect(),
        OutputFormat::Json => escape::json(&serde_json::to_string_pretty(&document(added)).unwrap_or_default()) + "\n",
    }
}

fn human(added: &Added<'_>, run: &RunReport) -> Vec<String> {
    let Added { suite, missing, asked } = added;
    let declared: usize = run.rules.iter().map(|rules| rules.requests.len()).sum();
    let mut lines = Vec::new();
    let names = missing.names.iter().take(MOST_LISTED).map(|name| format!("  {name}"));
    match missing.names.len() {
        0 if declared == 0 => lines.push("no policy of the suite has rules".to_owned()),
        0 => {}
        number => lines.push(format!("added {} to {}", count(number, "case"), suite.display())),
    }
    if missing.names.is_empty() && missing.notes.is_empty() && declared > 0 {
        lines.push(format!("every one of {} of the rules has a case", count(declared, "request")));
    }
    lines.extend(names);
    lines.extend(
        (missing.names.len() > MOST_LISTED).then(|| format!("  and {} more", missing.names.len() - MOST_LISTED)),
    );
    lines.extend(missing.files.iter().map(|file| format!("wrote {}", file.path)));
    lines.extend(missing.notes.iter().take(MOST_LISTED).map(|note| format!("note: {note}")));
    if let Some(asked) = asked {
        let answers = asked.answers.iter().map(|(answer, number)| format!("{number} {answer}")).collect::<Vec<_>>();
        lines.push(format!("all cases of the suite: {}", answers.join(", ")));
        lines.extend(
            asked.wrong.iter().take(MOST_LISTED).map(|wrong| format!("  fails: {}: {}", wrong.name, wrong.reason)),
        );
    }
    if !missing.names.is_empty() {
        lines.push("next: check the new expectations, and name the cases after what they are about".to_owned());
    }
    lines
}

fn document(added: &Added<'_>) -> Value {
    let wrong = |asked: &Asked| {
        asked.wrong.iter().map(|wrong| json!({ "name": wrong.name, "reason": wrong.reason })).collect::<Vec<_>>()
    };
    json!({
        "suite": added.suite.to_string_lossy(),
        "cases": added.missing.names,
        "files": added.missing.files.iter().map(|file| &file.path).collect::<Vec<_>>(),
        "notes": added.missing.notes,
        "wrong": added.asked.as_ref().map(wrong),
    })
}
