//! `verify merge`: the reports of several runs in, one report and one exit code out.

use super::args::MergeArgs;
use super::console;
use super::exit_code::ExitCode;
use super::outputs::Outputs;
use super::{reports, run};

/// `verify merge`.
pub(crate) fn merge(arguments: &MergeArgs) -> ExitCode {
    let mut read = Vec::new();
    let mut problems = Vec::new();
    for path in &arguments.parts {
        match reports::read(path) {
            Ok(run) => read.push((path.display().to_string(), run)),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        match policy_verify::merge(read) {
            Ok(merged) => match Outputs::open(&arguments.output) {
                Ok(mut outputs) => {
                    let code = ExitCode::of(&merged, arguments.output.no_fail, arguments.allow_empty);
                    return run::report(&merged, code, &mut outputs, &arguments.output);
                }
                Err(problem) => problems.push(problem),
            },
            Err(found) => problems.extend(found),
        }
    }
    console::report(&problems);
    ExitCode::Usage
}
