//! `verify fuzz` and `verify why`: what requests show that no case has.

use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::report::{found, json};
use policy_verify::{Effort, Options, SearchEffort};

use super::args::analysis::AnalysisArgs;
use super::args::output::OutputFormat;
use super::args::search::{FuzzArgs, WhyArgs};
use super::args::selection::SelectionArgs;
use super::exit_code::ExitCode;
use super::interrupt::Signals;
use super::{analysis, run};

/// `verify fuzz`.
pub(crate) fn fuzz(arguments: &FuzzArgs, signals: &Signals) -> ExitCode {
    let FuzzArgs { selection, search, .. } = arguments;
    let effort = arguments.requests.map_or(Effort::Time(*arguments.time), Effort::Requests);
    let effort = SearchEffort { effort, seed: arguments.seed };
    let found =
        analysis::result_so_far(options(selection, search), selection.root.as_deref(), signals, |options, bar| {
            policy_verify::fuzz(options, effort, bar)
        });
    let (options, result) = match found {
        Ok(found) => found,
        Err(code) => return code,
    };
    let printed = analysis::print(|style, out| match search.format {
        OutputFormat::Human => found::findings(&result, style, out),
        OutputFormat::Json => json::write(&result, out),
    });
    match printed {
        ExitCode::Success if !result.findings.is_empty() => ExitCode::Failure,
        ExitCode::Success if options.interrupt.is_stopped() => ExitCode::Interrupted,
        ExitCode::Success if result.requests == 0 && !options.allows_empty => ExitCode::NothingSelected,
        code => code,
    }
}

/// `verify why`.
pub(crate) fn why(arguments: &WhyArgs, signals: &Signals) -> ExitCode {
    let WhyArgs { selection, search } = arguments;
    let found = analysis::result(options(selection, search), selection.root.as_deref(), signals, |options, bar| {
        policy_verify::why(options, bar)
    });
    let (options, result) = match found {
        Ok(found) => found,
        Err(code) => return code,
    };
    let printed = analysis::print(|style, out| match search.format {
        OutputFormat::Human => found::reasons(&result, style, out),
        OutputFormat::Json => json::write(&result, out),
    });
    match printed {
        ExitCode::Success if result.is_empty() && !options.allows_empty => ExitCode::NothingSelected,
        code => code,
    }
}

fn options(selection: &SelectionArgs, arguments: &AnalysisArgs) -> Result<Options, Vec<Diagnostic>> {
    let mut options = run::options(selection)?;
    arguments.apply(&mut options);
    Ok(options)
}
