//! `verify fuzz` and `verify why`: what requests show that no case has.

use std::io::{self, IsTerminal as _};

use policy_verify::report::{Style, escape, found};
use policy_verify::{Effort, Error, Options};

use super::args::output::{ColorChoice, OutputFormat};
use super::args::search::{FuzzArgs, SearchArgs, WhyArgs};
use super::args::selection::SelectionArgs;
use super::console::{self, Bar};
use super::exit_code::ExitCode;
use super::interrupt::{Phase, Signals};
use super::places::Places;
use super::run;

/// `verify fuzz`.
pub(crate) fn fuzz(arguments: &FuzzArgs, signals: &Signals) -> ExitCode {
    let effort = arguments.requests.map_or(Effort::Time(*arguments.time), Effort::Requests);
    let search = |options: &Options| policy_verify::fuzz(options, effort, arguments.seed, &Bar::new(true));
    let (options, result) = match searched(&arguments.selection, &arguments.search, signals, search) {
        Ok(searched) => searched,
        Err(code) => return code,
    };
    let printed = print(arguments.search.format, |format, style, out| match format {
        OutputFormat::Human => found::findings(&result, style, out),
        OutputFormat::Json => found::json(&result, out),
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
    let search = |options: &Options| policy_verify::why(options, &Bar::new(true));
    let (options, result) = match searched(&arguments.selection, &arguments.search, signals, search) {
        Ok(searched) => searched,
        Err(code) => return code,
    };
    if options.interrupt.is_stopped() {
        return ExitCode::Interrupted;
    }
    let printed = print(arguments.search.format, |format, style, out| match format {
        OutputFormat::Human => found::reasons(&result, style, out),
        OutputFormat::Json => found::json(&result, out),
    });
    match printed {
        ExitCode::Success if result.is_empty() && !options.allows_empty => ExitCode::NothingSelected,
        code => code,
    }
}

/// Runs a search; the exit code where that cannot be.
fn searched<T>(
    selection: &SelectionArgs,
    arguments: &SearchArgs,
    signals: &Signals,
    search: impl FnOnce(&Options) -> Result<T, Error>,
) -> Result<(Options, T), ExitCode> {
    let mut options = run::options(selection).map_err(|problems| console::refuse(&Error::Arguments(problems)))?;
    options.interrupt = signals.interrupt();
    arguments.engine.apply(&mut options);
    arguments.sources.apply(&mut options);
    signals.enter(Phase::Running);
    match search(&options) {
        Ok(result) => Ok((options, result)),
        Err(error) => {
            console::explain(&error, ColorChoice::Auto, &Places::of(&options.suites, selection.root.as_deref()));
            Err(ExitCode::from(&error))
        }
    }
}

fn print(
    format: OutputFormat,
    write: impl FnOnce(OutputFormat, Style, &mut dyn io::Write) -> io::Result<()>,
) -> ExitCode {
    let colour = console::uses_colour(ColorChoice::Auto, io::stdout().is_terminal());
    let style = Style { colour, width: console::width(), ..Style::default() };
    let mut bytes = Vec::new();
    match write(format, style, &mut bytes) {
        Ok(()) => console::print(&String::from_utf8_lossy(&bytes)),
        Err(error) => {
            console::complain(&format!("cannot write the result: {}", escape::terminal_line(&error.to_string())));
            ExitCode::Bug
        }
    }
}
