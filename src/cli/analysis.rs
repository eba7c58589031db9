//! The frame of commands that examine policies or suites and print one result.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::report::{Style, escape};
use policy_verify::{Error, Options};

use super::args::output::ColorChoice;
use super::console::{self, Bar};
use super::exit_code::ExitCode;
use super::interrupt::{Phase, Signals};
use super::places::Places;

/// Examines what `options` say; paths are told as seen from `root`. Where there is no result, why is told, and this is
/// the exit code. What an interrupted command has found so far is a result.
pub(crate) fn result_so_far<T>(
    options: Result<Options, Vec<Diagnostic>>,
    root: Option<&Path>,
    signals: &Signals,
    examine: impl FnOnce(&Options, &Bar) -> Result<T, Error>,
) -> Result<(Options, T), ExitCode> {
    let mut options = options.map_err(|problems| console::refuse(&Error::Arguments(problems)))?;
    options.interrupt = signals.interrupt();
    let bar = Bar::new(true);
    signals.enter(Phase::Running);
    let result = examine(&options, &bar);
    bar.clear();
    match result {
        Ok(result) => Ok((options, result)),
        Err(error) => {
            console::explain(&error, ColorChoice::Auto, &Places::of(&options.suites, root));
            Err(ExitCode::from(&error))
        }
    }
}

/// The same; an interrupted command has no result.
pub(crate) fn result<T>(
    options: Result<Options, Vec<Diagnostic>>,
    root: Option<&Path>,
    signals: &Signals,
    examine: impl FnOnce(&Options, &Bar) -> Result<T, Error>,
) -> Result<(Options, T), ExitCode> {
    let (options, result) = result_so_far(options, root, signals, examine)?;
    if options.interrupt.is_stopped() { Err(ExitCode::Interrupted) } else { Ok((options, result)) }
}

/// Prints what `write` writes.
pub(crate) fn print(write: impl FnOnce(Style, &mut dyn io::Write) -> io::Result<()>) -> ExitCode {
    let colour = console::uses_colour(ColorChoice::Auto, io::stdout().is_terminal());
    let style = Style { colour, width: console::width(), ..Style::default() };
    let mut bytes = Vec::new();
    match write(style, &mut bytes) {
        Ok(()) => console::print(&String::from_utf8_lossy(&bytes)),
        Err(error) => {
            console::complain(&format!("cannot write the result: {}", escape::terminal_line(&error.to_string())));
            ExitCode::Bug
        }
    }
}
