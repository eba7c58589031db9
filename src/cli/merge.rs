//! `verify merge`: the reports of several runs in, one report and one exit code out.

use super::args::MergeArgs;
use super::console;
use super::exit_code::ExitCode;
use super::outputs::Outputs;
use super::{reports, run};

/// `verify merge`.
pub(crate) fn merge(arguments: &MergeArgs) -> ExitCode {
    let mut read = Vec::new();
    let mut complaints = Vec::new();
    for path in &arguments.parts {
        match reports::read(path) {
            Ok(run) => read.push((path.display().to_string(), run)),
            Err(message) => complaints.push(message),
        }
    }
    if complaints.is_empty() {
        match policy_verify::merge(read) {
            Ok(merged) => match Outputs::open(&arguments.output) {
                Ok(mut outputs) => {
                    let code = ExitCode::of(&merged, arguments.output.no_fail, arguments.allow_empty);
                    return run::report(&merged, code, &mut outputs, &arguments.output);
                }
                Err(message) => complaints.push(message),
            },
            Err(problems) => complaints.extend(problems.iter().map(ToString::to_string)),
        }
    }
    complaints.iter().for_each(|message| console::complain(message));
    ExitCode::Usage
}
