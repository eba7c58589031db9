//! `verify diff`: how two versions of a policy differ.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use policy_verify::model::behaviour::Behaviour;
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::report::{Style, behaviour, escape};
use policy_verify::{DiffOptions, Effort, Error, Options, SearchEffort, VersionName, Written};
use serde_json::json;

use super::args::diff::{DiffArgs, DiffFormat};
use super::args::output::ColorChoice;
use super::console::{self, Bar};
use super::eval::{self, Paths};
use super::exit_code::ExitCode;
use super::interrupt::{Phase, Signals};
use super::places::Places;
use super::run;

/// What stands in the suite of `--objects` where both versions take the place of something: it is never fetched.
const REPLACED: &str = "registry://replaced.invalid/policy:v1";

/// `verify diff`.
pub(crate) fn diff(arguments: &DiffArgs, signals: &Signals) -> ExitCode {
    let options = match options(arguments, signals) {
        Ok(options) => options,
        Err(problems) => return console::refuse(&Error::Arguments(problems)),
    };
    let bar = Bar::new(true);
    signals.enter(Phase::Running);
    let result = policy_verify::diff(&options, &wanted(arguments), &bar);
    bar.clear();
    let result = match result {
        Ok(result) => result,
        Err(error) => {
            let places = Places::of(&options.suites, arguments.selection.root.as_deref());
            console::explain(&error, ColorChoice::Auto, &places);
            return ExitCode::from(&error);
        }
    };
    if options.interrupt.is_stopped() {
        return ExitCode::Interrupted;
    }
    match print(&result, arguments.format) {
        ExitCode::Success => verdict(&result, arguments, options.allows_empty),
        code => code,
    }
}

fn options(arguments: &DiffArgs, signals: &Signals) -> Result<Options, Vec<Diagnostic>> {
    let mut options = if arguments.objects.is_empty() {
        run::options(&arguments.selection)?
    } else {
        let mut options = Options::default();
        let root = arguments.selection.root.as_deref().map(run::root).transpose();
        options.root = root.map_err(|problem| vec![problem])?;
        options.file_limit = arguments.selection.max_file_size.unwrap_or_default();
        options.kubewarden = arguments.selection.kubewarden;
        options.allows_empty = arguments.selection.allow_empty;
        options.written = Some(suite(arguments).map_err(|problem| vec![problem])?);
        options.suites = vec![PathBuf::from(eval::STREAM)];
        options
    };
    options.interrupt = signals.interrupt();
    arguments.engine.apply(&mut options);
    arguments.sources.apply(&mut options);
    Ok(options)
}

/// The suite of `--objects`: one case with all of them.
fn suite(arguments: &DiffArgs) -> Result<Written, Diagnostic> {
    let mut paths = Paths::new()?;
    let objects = eval::globs(&arguments.objects, &mut paths)?;
    let cluster = eval::globs(&arguments.cluster, &mut paths)?;
    let mut case = json!({ "name": "policy", "objects": objects, "rules": "skip", "expect": "accept" });
    if !cluster.is_empty() {
        case["cluster"] = cluster.into();
    }
    if let Some(settings) = &arguments.settings {
        case["settings"] = paths.named(settings)?.into();
    }
    let policy = json!({ "uri": REPLACED, "contextAware": true });
    let suite = json!({ "version": 1, "name": "objects", "policies": { "policy": policy }, "cases": [case] });
    // What was typed has no variables.
    let text = serde_json::to_string_pretty(&suite).expect("plain values are JSON").replace("${", "$${");
    Ok(Written { text, named: paths.into_named(), ..Written::default() })
}

fn wanted(arguments: &DiffArgs) -> DiffOptions {
    let version = |module: &String, metadata: &Option<PathBuf>| VersionName {
        module: module.clone(),
        metadata: metadata.clone(),
    };
    let effort = arguments.requests.map_or(Effort::Time(*arguments.time), Effort::Requests);
    let is_wanted = !matches!(effort, Effort::Requests(0)) && effort != Effort::Time(std::time::Duration::ZERO);
    DiffOptions {
        old: version(&arguments.old, &arguments.old_metadata),
        new: version(&arguments.new, &arguments.new_metadata),
        policy: arguments.policy.clone(),
        search: is_wanted.then_some(SearchEffort { effort, seed: arguments.seed }),
    }
}

fn print(result: &Behaviour, format: DiffFormat) -> ExitCode {
    let colour = console::uses_colour(ColorChoice::Auto, io::stdout().is_terminal());
    let style = Style { colour, width: console::width(), ..Style::default() };
    let mut bytes = Vec::new();
    let written = match format {
        DiffFormat::Human => behaviour::text(result, style, &mut bytes),
        DiffFormat::Json => behaviour::json(result, &mut bytes),
        DiffFormat::Markdown => behaviour::markdown(result, &mut bytes),
    };
    match written {
        Ok(()) => console::print(&String::from_utf8_lossy(&bytes)),
        Err(error) => {
            console::complain(&format!("cannot write the result: {}", escape::terminal_line(&error.to_string())));
            ExitCode::Bug
        }
    }
}

/// What was not compared is not equal.
fn verdict(result: &Behaviour, arguments: &DiffArgs, allows_empty: bool) -> ExitCode {
    match result.shows_something() {
        _ if arguments.fail_on.0.iter().any(|class| result.number_of(*class) > 0) => ExitCode::Failure,
        false if !allows_empty => ExitCode::NothingSelected,
        _ => ExitCode::Success,
    }
}
