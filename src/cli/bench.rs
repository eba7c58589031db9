//! `verify bench`: what cases cost, as a table or as JSON.

use std::io;
use std::path::Path;

use policy_verify::model::cost::{CaseCost, Costs};
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::report::costs::{self, CostOptions};
use policy_verify::report::json;
use policy_verify::{CompilerChoice, Error, Options};

use super::args::bench::{BenchArgs, BenchFormat};
use super::console;
use super::exit_code::ExitCode;
use super::files::Destination;
use super::interrupt::Signals;
use super::problem::{cannot_write, check_links, usage};
use super::{analysis, reports, run};

/// `verify bench`.
pub(crate) fn bench(arguments: &BenchArgs, signals: &Signals) -> ExitCode {
    let ready = options(arguments).and_then(|options| {
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
    let result = analysis::result(Ok(options), root, signals, |options, bar| {
        policy_verify::bench(options, arguments.rounds as usize, bar)
    });
    let (options, costs) = match result {
        Ok(result) => result,
        Err(code) => return code,
    };
    if let Some((mut destination, path)) = saved.zip(arguments.save.as_deref())
        && let Err(error) = save(&costs, &mut destination)
    {
        return console::refuse_usage(cannot_write("the result", path, &error));
    }
    let printed = analysis::print(|style, out| match arguments.format {
        BenchFormat::Human => costs::text(&costs, earlier.as_ref(), CostOptions { style, top: arguments.top }, out),
        BenchFormat::Json => json::write(&costs, out),
    });
    match printed {
        ExitCode::Success => verdict(&costs, options.allows_empty),
        code => code,
    }
}

fn options(arguments: &BenchArgs) -> Result<Options, Vec<Diagnostic>> {
    let mut options = run::options(&arguments.selection)?;
    options.outputs = arguments.save.iter().cloned().collect();
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

fn save(costs: &Costs, destination: &mut Destination) -> io::Result<()> {
    let mut bytes = Vec::new();
    json::write(costs, &mut bytes)?;
    destination.write(&bytes)
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
