//! Reports that earlier runs left behind.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use policy_verify::model::code::Code;
use policy_verify::model::cost::Costs;
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::model::outcome::RunReport;
use policy_verify::report;

/// Longest report that is read.
const MAX_BYTES: u64 = 1 << 30;

/// Reads the run that a JSON or ndjson report tells of.
pub(crate) fn read(path: &Path) -> Result<RunReport, Diagnostic> {
    let run = text(path).and_then(|text| report::read(&text).map_err(|error| error.to_string()));
    match run.map(|run| (run.errors.first().map(ToString::to_string), run)) {
        Ok((None, run)) => Ok(run),
        Ok((Some(error), _)) => Err(unusable(path, &format!("nothing was run: {error}"))),
        Err(reason) => Err(unusable(path, &reason)),
    }
}

/// Reads what `verify bench --save` wrote.
pub(crate) fn read_costs(path: &Path) -> Result<Costs, Diagnostic> {
    let read = text(path).and_then(|text| report::costs::read(&text).map_err(|error| error.to_string()));
    read.map_err(|reason| unusable(path, &reason))
}

fn unusable(path: &Path, reason: &str) -> Diagnostic {
    Diagnostic::new(Code::ReportUnreadable, format!("cannot use the report `{}`: {reason}", path.display()))
}

fn text(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    match text.len() as u64 > MAX_BYTES {
        true => Err(format!("it has more than {MAX_BYTES} bytes")),
        false => Ok(text),
    }
}
