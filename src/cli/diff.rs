//! `verify diff`: how two versions of a policy differ.

use std::path::PathBuf;

use policy_verify::model::behaviour::Behaviour;
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::report::{behaviour, json};
use policy_verify::{DiffOptions, Effort, Options, SearchEffort, VersionName, Written};
use serde_json::json;

use super::args::diff::{DiffArgs, DiffFormat};
use super::exit_code::ExitCode;
use super::interrupt::Signals;
use super::typed::{Paths, STREAM, globs};
use super::{analysis, run};

/// What stands in the suite of `--objects` where both versions take the place of something: it is never fetched.
const REPLACED: &str = "registry://replaced.invalid/policy:v1";

/// `verify diff`.
pub(crate) fn diff(arguments: &DiffArgs, signals: &Signals) -> ExitCode {
    let root = arguments.selection.root.as_deref();
    let result = analysis::result(options(arguments), root, signals, |options, bar| {
        policy_verify::diff(options, &wanted(arguments), bar)
    });
    let (options, result) = match result {
        Ok(result) => result,
        Err(code) => return code,
    };
    let printed = analysis::print(|style, out| match arguments.format {
        DiffFormat::Human => behaviour::text(&result, style, out),
        DiffFormat::Json => json::write(&result, out),
        DiffFormat::Markdown => behaviour::markdown(&result, out),
        DiffFormat::Sarif => behaviour::sarif(&result, out),
    });
    match printed {
        ExitCode::Success => verdict(&result, arguments, options.allows_empty),
        code => code,
    }
}

fn options(arguments: &DiffArgs) -> Result<Options, Vec<Diagnostic>> {
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
        options.suites = vec![PathBuf::from(STREAM)];
        options
    };
    arguments.engine.apply(&mut options);
    arguments.sources.apply(&mut options);
    Ok(options)
}

/// The suite of `--objects`: one case with all of them.
fn suite(arguments: &DiffArgs) -> Result<Written, Diagnostic> {
    let mut paths = Paths::new()?;
    let objects = globs(&arguments.objects, &mut paths)?;
    let cluster = globs(&arguments.cluster, &mut paths)?;
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
        metadata_otherwise: None,
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

/// What was not compared is not equal.
fn verdict(result: &Behaviour, arguments: &DiffArgs, allows_empty: bool) -> ExitCode {
    match result.shows_something() {
        _ if arguments.fail_on.0.iter().any(|class| result.number_of(*class) > 0) => ExitCode::Failure,
        false if !allows_empty => ExitCode::NothingSelected,
        _ => ExitCode::Success,
    }
}
