//! `verify sabotage`: which cases notice that their policies do something else.

use std::io::{self, IsTerminal as _};

use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::model::gate::Percent;
use policy_verify::model::sabotage::{LeftOutBecause, PolicyMutants, Sabotage};
use policy_verify::report::{Style, escape, sabotage};
use policy_verify::{Error, MutantEffort, Options};

use super::args::output::{ColorChoice, OutputFormat};
use super::args::sabotage::SabotageArgs;
use super::console::{self, Bar};
use super::exit_code::ExitCode;
use super::interrupt::{Phase, Signals};
use super::places::Places;
use super::run;

/// `verify sabotage`.
pub(crate) fn sabotage(arguments: &SabotageArgs, signals: &Signals) -> ExitCode {
    let options = match options(arguments, signals) {
        Ok(options) => options,
        Err(problems) => return console::refuse(&Error::Arguments(problems)),
    };
    let bar = Bar::new(true);
    signals.enter(Phase::Running);
    let effort = arguments.mutants.map(|most| MutantEffort { most, time: *arguments.time, seed: arguments.seed });
    let result = policy_verify::sabotage(&options, effort.as_ref(), &bar);
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
        ExitCode::Success => verdict(&result, arguments.min_score, options.allows_empty),
        code => code,
    }
}

fn options(arguments: &SabotageArgs, signals: &Signals) -> Result<Options, Vec<Diagnostic>> {
    let mut options = run::options(&arguments.selection)?;
    options.interrupt = signals.interrupt();
    // What was built has the lines of mutants.
    options.measures_coverage = arguments.mutants.is_some();
    arguments.engine.apply(&mut options);
    arguments.sources.apply(&mut options);
    Ok(options)
}

fn print(result: &Sabotage, format: OutputFormat) -> ExitCode {
    let colour = console::uses_colour(ColorChoice::Auto, io::stdout().is_terminal());
    let style = Style { colour, width: console::width(), ..Style::default() };
    let mut bytes = Vec::new();
    let written = match format {
        OutputFormat::Human => sabotage::text(result, style, &mut bytes),
        OutputFormat::Json => sabotage::json(result, &mut bytes),
    };
    match written {
        Ok(()) => console::print(&String::from_utf8_lossy(&bytes)),
        Err(error) => {
            console::complain(&format!("cannot write the result: {}", escape::terminal_line(&error.to_string())));
            ExitCode::Bug
        }
    }
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
