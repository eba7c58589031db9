//! `verify debug`: cases one by one, with all that is known about them.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::model::explanation::Explanations;
use policy_verify::model::outcome::Outcome;
use policy_verify::report::{Style, explanation, located};
use policy_verify::{CompilerChoice, Options, is_stream, tree};
use regex::Regex;

use super::args::debug::DebugArgs;
use super::args::output::OutputFormat;
use super::args::selection::SelectionArgs;
use super::exit_code::ExitCode;
use super::interrupt::Signals;
use super::places::Places;
use super::{analysis, console, run};

/// `verify debug`.
pub(crate) fn debug(arguments: &DebugArgs, signals: &Signals) -> ExitCode {
    let options = options(arguments);
    let root = options.as_ref().ok().and_then(|options| options.root.clone());
    let result = analysis::result(options, root.as_deref(), signals, |options, bar| policy_verify::debug(options, bar));
    let (options, explanations) = match result {
        Ok(result) => result,
        Err(code) => return code,
    };
    let places = Places::of(&options.suites, options.root.as_deref());
    let verdict = verdict(&explanations, options.allows_empty);
    match print(explanations, arguments.format, &places) {
        ExitCode::Success => verdict,
        code => code,
    }
}

fn options(arguments: &DebugArgs) -> Result<Options, Vec<Diagnostic>> {
    let (selection, names) = without_names(&arguments.selection);
    let mut options = run::options(&selection)?;
    for name in names {
        // A text without special characters is a pattern.
        options.selection.filters.extend(Regex::new(&regex::escape(&name)));
    }
    options.keeps_replies = true;
    options.is_live = arguments.live;
    options.compiler = CompilerChoice::Auto;
    arguments.engine.apply(&mut options);
    arguments.sources.apply(&mut options);
    Ok(options)
}

/// The selection of suites, and what was typed beside them and is a part of a name.
fn without_names(selection: &SelectionArgs) -> (SelectionArgs, Vec<String>) {
    let mut selection = selection.clone();
    let is_suite = |path: &PathBuf| {
        let text = path.to_string_lossy();
        let is_named = path.extension().is_some_and(|ending| ["yml", "yaml"].iter().any(|usual| ending == *usual));
        path.exists() || is_named || is_stream(path) || (tree::is_glob(&text) && text.contains('/'))
    };
    let (suites, names): (Vec<PathBuf>, Vec<PathBuf>) = selection.suites.into_iter().partition(is_suite);
    selection.suites = suites;
    (selection, names.into_iter().map(|name| name.to_string_lossy().into_owned()).collect())
}

/// People get paths from the working directory, as in reports; machines from the root of the repository.
fn print(explanations: Explanations, format: OutputFormat, places: &Places) -> ExitCode {
    analysis::print(|style, out| match format {
        OutputFormat::Human => {
            let explanations = located::explanations(explanations, &|path| places.shown(path));
            let wraps = io::stdout().is_terminal() || console::is_set("COLUMNS");
            explanation::text(&explanations, Style { wraps, ..style }, out)
        }
        OutputFormat::Json => explanation::json(&explanations, out),
    })
}

/// The code that a run of these cases has.
fn verdict(explanations: &Explanations, allows_empty: bool) -> ExitCode {
    let outcomes: Vec<&Outcome> = explanations.cases.iter().map(|it| &it.case.outcome).collect();
    let is_unavailable = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Unavailable(_)));
    ExitCode::of_cases(&outcomes, is_unavailable, false, allows_empty)
}
