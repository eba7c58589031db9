//! `verify eval`: policies and manifests of the command line become a suite, which runs like any other.

use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::{Error, FileLimit, Options, UnknownKinds, Written, is_stream, read_stdin};
use serde_json::{Map, Value, json};

use super::args::eval::EvalArgs;
use super::args::output::{OutputArgs, ReportPlace, ReportTarget};
use super::exit_code::ExitCode;
use super::interrupt::Signals;
use super::outputs::Outputs;
use super::places::Places;
use super::problem::usage;
use super::typed::{self, Paths, STREAM, globs};
use super::typed_policies::{self, unused};
use super::{console, run};

/// `verify eval`.
pub(crate) fn eval(arguments: &EvalArgs, signals: &Signals) -> ExitCode {
    let output = with_verdicts(&arguments.output);
    let mut outputs = match Outputs::open(&output, arguments.typed.root.as_deref()) {
        Ok(outputs) => outputs,
        Err(problem) => return console::refuse_usage(problem),
    };
    outputs.show_paths(Places::of(&[], arguments.typed.root.as_deref()));
    match options(arguments) {
        Ok(options) => run::carry_out(options, outputs, &output, None, signals),
        Err(problem) => run::not_started(&Error::Arguments(vec![problem]), &mut outputs, &output),
    }
}

/// Verdicts on stdout, unless another report goes there.
fn with_verdicts(output: &OutputArgs) -> OutputArgs {
    let mut output = output.clone();
    let is_taken = |target: &ReportTarget| match target.place {
        ReportPlace::Stdout => true,
        ReportPlace::Usual => target.format != "github",
        ReportPlace::File(_) => false,
    };
    if !output.reports.iter().any(is_taken) {
        output.reports.push(ReportTarget { format: "verdicts".to_owned(), place: ReportPlace::Stdout });
    }
    output
}

fn options(arguments: &EvalArgs) -> Result<Options, Diagnostic> {
    let mut options = typed::options(&arguments.typed, arguments.max_file_size)?;
    options.written = Some(suite(arguments, Paths::new()?, options.file_limit)?);
    Ok(options)
}

/// The suite: a case of each policy with all objects.
fn suite(arguments: &EvalArgs, mut all_paths: Paths, limit: FileLimit) -> Result<Written, Diagnostic> {
    let paths = &mut all_paths;
    let settings = settings(arguments, paths)?;
    let metadata = arguments.metadata.as_deref().map(|path| paths.named(path)).transpose()?;
    let cluster = globs(&arguments.cluster, paths)?;
    let mut policies = Map::new();
    for text in &arguments.policies {
        for policy in typed_policies::read(text, paths, limit)? {
            let entry = policy.entry(metadata.as_deref(), !cluster.is_empty() || arguments.typed.live)?;
            policies.insert(unused(&policy.name, &policies), entry);
        }
    }
    let crds = globs(&arguments.crds, paths)?;
    let (streams, files): (Vec<_>, Vec<_>) = arguments.files.iter().cloned().partition(|path| is_stream(path));
    let stream = streams.first().map(|_| read_stdin(limit)).transpose();
    let objects = stream.map_err(|error| usage(format!("cannot read the manifests of stdin: {error}")))?;
    let mut named = globs(&files, paths)?;
    named.extend(streams.first().map(|_| STREAM.to_owned()));
    let case = |name: &String| {
        let mut case = json!({ "name": name, "policy": name, "objects": named, "rules": "skip", "expect": "accept" });
        if !cluster.is_empty() {
            case["cluster"] = cluster.clone().into();
        }
        settings.iter().for_each(|settings| case["settings"] = settings.clone());
        case
    };
    let cases: Vec<Value> = policies.keys().map(case).collect();
    let suite = json!({ "version": 1, "name": "eval", "crds": crds, "policies": policies, "cases": cases });
    // What was typed has no variables.
    let text = serde_json::to_string_pretty(&suite).expect("plain values are JSON").replace("${", "$${");
    let unknown_kinds = if arguments.skip_unknown { UnknownKinds::Skipped } else { UnknownKinds::Refused };
    Ok(Written { text, objects, named: all_paths.into_named(), unknown_kinds })
}

/// The settings of all policies; as a path where they are in a file.
fn settings(arguments: &EvalArgs, paths: &mut Paths) -> Result<Option<Value>, Diagnostic> {
    if let Some(path) = &arguments.settings {
        return Ok(Some(paths.named(path)?.into()));
    }
    let Some(text) = &arguments.settings_json else { return Ok(None) };
    match serde_json::from_str(text) {
        Ok(settings @ Value::Object(_)) => Ok(Some(settings)),
        Ok(_) => Err(usage("--settings-json: expected an object, such as `{\"mandatory_labels\": [\"owner\"]}`")),
        Err(error) => Err(usage(format!("--settings-json: {error}"))),
    }
}
