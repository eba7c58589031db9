//! Reports that earlier runs left behind.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use policy_verify::model::code::Code;
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::model::outcome::RunReport;
use policy_verify::report;

/// Longest report that is read.
const MAX_BYTES: u64 = 1 << 30;

/// Reads the run that a JSON or ndjson report tells of.
pub(crate) fn read(path: &Path) -> Result<RunReport, Diagnostic> {
    let shown = path.display();
    let unreadable =
        |reason: String| Diagnostic::new(Code::ReportUnreadable, format!("cannot use the report `{shown}`: {reason}"));
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| unreadable(error.to_string()))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(unreadable(format!("it has more than {MAX_BYTES} bytes")));
    }
    let run = report::read(&text).map_err(|error| unreadable(error.to_string()))?;
    match run.errors.first() {
        Some(error) => Err(unreadable(format!("nothing was run: {error}"))),
        None => Ok(run),
    }
}
