//! `verify merge`: the reports of several runs in, one report and one exit code out.

use policy_verify::Error;
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::model::outcome::RunReport;

use super::args::MergeArgs;
use super::console;
use super::exit_code::ExitCode;
use super::outputs::Outputs;
use super::{reports, run};

/// `verify merge`.
pub(crate) fn merge(arguments: &MergeArgs) -> ExitCode {
    let mut outputs = match Outputs::open(&arguments.output, None) {
        Ok(outputs) => outputs,
        Err(problem) => return console::refuse_usage(problem),
    };
    if let Err(error) = policy_verify::check_outputs(outputs.paths(), &arguments.parts, None) {
        return run::not_started(&error, &mut outputs, &arguments.output);
    }
    match merged(arguments) {
        Ok(merged) => {
            let code = ExitCode::of(&merged, arguments.output.no_fail, arguments.allow_empty);
            run::report(&merged, code, &mut outputs, &arguments.output)
        }
        Err(problems) => run::not_started(&Error::Arguments(problems), &mut outputs, &arguments.output),
    }
}

fn merged(arguments: &MergeArgs) -> Result<RunReport, Vec<Diagnostic>> {
    let mut read = Vec::new();
    let mut problems = Vec::new();
    for path in &arguments.parts {
        match reports::read(path) {
            Ok(run) => read.push((path.display().to_string(), run)),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { policy_verify::merge(read) } else { Err(problems) }
}
