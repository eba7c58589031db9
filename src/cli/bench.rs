//! `verify bench`: what cases cost, as a table or as JSON.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use policy_verify::model::cost::{CaseCost, Costs};
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::report::costs::{self, CostOptions};
use policy_verify::report::{Style, escape};
use policy_verify::{CompilerChoice, Error, Options};

use super::args::bench::{BenchArgs, BenchFormat};
use super::args::output::ColorChoice;
use super::console::{self, Bar};
use super::exit_code::ExitCode;
use super::files::Destination;
use super::interrupt::{Phase, Signals};
use super::places::Places;
use super::problem::{cannot_write, check_links, usage};
use super::{reports, run};

/// `verify bench`.
pub(crate) fn bench(arguments: &BenchArgs, signals: &Signals) -> ExitCode {
    let ready = options(arguments, signals).and_then(|options| {
        let earlier = arguments.compare.as_deref().map(reports::read_costs).transpose().map_err(|it| vec![it])?;
        Ok((options, earlier))
    });
    let (options, earlier) = match ready {
        Ok(ready) => ready,
        Err(problems) => return console::refuse(&Error::Arguments(problems)),
    };
    // Measuring takes a while: that its result can be written is made sure of before.
    let root = arguments.selection.root.as_deref();
    let saved = match arguments.save.as_deref().map(|path| destination(path, root)).transpose() {
        Ok(saved) => saved,
        Err(problem) => return console::refuse_usage(problem),
    };
    let bar = Bar::new(true);
    signals.enter(Phase::Running);
    let result = policy_verify::bench(&options, arguments.rounds as usize, &bar);
    bar.clear();
    let costs = match result {
        Ok(costs) => costs,
        Err(error) => {
            console::explain(&error, ColorChoice::Auto, &Places::of(&options.suites, root));
            return ExitCode::from(&error);
        }
    };
    if options.interrupt.is_stopped() {
        return ExitCode::Interrupted;
    }
    if let Some((mut destination, path)) = saved.zip(arguments.save.as_deref())
        && let Err(error) = write(|out| costs::json(&costs, out)).and_then(|bytes| destination.write(&bytes))
    {
        return console::refuse_usage(cannot_write("the result", path, &error));
    }
    match print(&costs, earlier.as_ref(), arguments) {
        ExitCode::Success => verdict(&costs, options.allows_empty),
        code => code,
    }
}

fn options(arguments: &BenchArgs, signals: &Signals) -> Result<Options, Vec<Diagnostic>> {
    let mut options = run::options(&arguments.selection)?;
    options.outputs = arguments.save.iter().cloned().collect();
    options.interrupt = signals.interrupt();
    options.compiler = CompilerChoice::Cranelift;
    arguments.engine.apply(&mut options);
    arguments.sources.apply(&mut options);
    Ok(options)
}

fn destination(path: &Path, root: Option<&Path>) -> Result<Destination, Diagnostic> {
    if path == Path::new("-") {
        return Err(usage("`--save` needs a file; for stdout write `--format json`"));
    }
    check_links("the result", path, root)?;
    Destination::new(path).map_err(|error| cannot_write("the result", path, &error))
}

fn write(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write(&mut bytes).map(|()| bytes)
}

fn print(costs: &Costs, earlier: Option<&Costs>, arguments: &BenchArgs) -> ExitCode {
    let colour = console::uses_colour(ColorChoice::Auto, io::stdout().is_terminal());
    let style = Style { colour, width: console::width(), ..Style::default() };
    let written = write(|out| match arguments.format {
        BenchFormat::Human => costs::text(costs, earlier, CostOptions { style, top: arguments.top }, out),
        BenchFormat::Json => costs::json(costs, out),
    });
    match written {
        Ok(bytes) => console::print(&String::from_utf8_lossy(&bytes)),
        Err(error) => {
            console::complain(&format!("cannot write the result: {}", escape::terminal_line(&error.to_string())));
            ExitCode::Bug
        }
    }
}

/// A case that did not pass says nothing about what it costs. The codes are those of a run.
fn verdict(costs: &Costs, allows_empty: bool) -> ExitCode {
    let has = |outcome: &str| costs.cases.iter().any(|case| case.outcome == outcome);
    let is_fine = |case: &CaseCost| ["passed", "skipped", "xfailed"].contains(&case.outcome.as_str());
    if has("unavailable") {
        ExitCode::Unavailable
    } else if !costs.cases.iter().all(is_fine) {
        ExitCode::Failure
    } else if !has("passed") && !allows_empty {
        ExitCode::NothingSelected
    } else {
        ExitCode::Success
    }
}
