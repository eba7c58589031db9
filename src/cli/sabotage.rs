//! `verify sabotage`: which cases notice that their policies do something else.

use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::model::gate::Percent;
use policy_verify::model::sabotage::{LeftOutBecause, PolicyMutants, Sabotage};
use policy_verify::report::{json, sabotage};
use policy_verify::{CompilerChoice, MutantEffort, Options};

use super::args::output::OutputFormat;
use super::args::sabotage::SabotageArgs;
use super::exit_code::ExitCode;
use super::interrupt::Signals;
use super::{analysis, run};

/// `verify sabotage`.
pub(crate) fn sabotage(arguments: &SabotageArgs, signals: &Signals) -> ExitCode {
    let effort = arguments.mutants.map(|most| MutantEffort {
        most,
        time: *arguments.time,
        seed: arguments.seed,
        resume: arguments.resume.clone(),
    });
    let root = arguments.selection.root.as_deref();
    let result = analysis::result(options(arguments), root, signals, |options, bar| {
        policy_verify::sabotage(options, effort.as_ref(), bar)
    });
    let (options, result) = match result {
        Ok(result) => result,
        Err(code) => return code,
    };
    let printed = analysis::print(|style, out| match arguments.analysis.format {
        OutputFormat::Human => sabotage::text(&result, style, out),
        OutputFormat::Json => json::write(&result, out),
    });
    match printed {
        ExitCode::Success => verdict(&result, arguments.min_score, options.allows_empty),
        code => code,
    }
}

fn options(arguments: &SabotageArgs) -> Result<Options, Vec<Diagnostic>> {
    let mut options = run::options(&arguments.selection)?;
    // What was built has the lines of mutants.
    options.measures_coverage = arguments.mutants.is_some();
    options.outputs = arguments.resume.iter().cloned().collect();
    // A mutant answers a few requests: better code would cost more than it saves.
    options.compiler = CompilerChoice::Auto;
    arguments.analysis.apply(&mut options);
    Ok(options)
}

/// A case that does not pass says nothing about what it would notice. A score that is not known is none.
fn verdict(result: &Sabotage, least: Option<Percent>, allows_empty: bool) -> ExitCode {
    let is_reached = |mutants: &PolicyMutants, least: Percent| {
        least.is_reached(mutants.noticed, mutants.noticed + mutants.survivors.len())
    };
    if least.is_some_and(|least| result.mutants.iter().any(|mutants| !is_reached(mutants, least))) {
        return ExitCode::Failure;
    }
    let has_failed = result.left_out.iter().any(|left| left.because == LeftOutBecause::Failing);
    match result.cases.is_empty() {
        _ if has_failed || result.hollow().next().is_some() => ExitCode::Failure,
        true if !allows_empty => ExitCode::NothingSelected,
        _ => ExitCode::Success,
    }
}
