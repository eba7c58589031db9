//! The report as a stream of lines: what is known at the beginning, each case, what is known at the end.
//!
//! A caller that streams a run writes the lines itself, as cases finish: then `position` has the place of each in its
//! suite. Written by [`Format`], cases are in suite order.

use std::io;

use serde::Serialize;

use policy_verify_model::outcome::{CaseReport, RunReport, SuiteSummary};

use crate::format::Format;
use crate::{document, escape};

/// One JSON object a line.
pub(super) struct Ndjson;

impl Format for Ndjson {
    fn write(&self, run: &RunReport, out: &mut dyn io::Write) -> io::Result<()> {
        out.write_all(opening(&run.suites).as_bytes())?;
        for report in &run.cases {
            out.write_all(case(&run.suites, report).as_bytes())?;
        }
        out.write_all(closing(run).as_bytes())
    }
}

/// The first line of the report: version, tool, suites.
pub fn opening(suites: &[SuiteSummary]) -> String {
    line(&document::opening(suites))
}

/// The line of a case; `suites` are those of its run.
pub fn case(suites: &[SuiteSummary], report: &CaseReport) -> String {
    line(&document::case(suites, report))
}

/// The last line: counts, policies, times. A report without it was cut off.
pub fn closing(run: &RunReport) -> String {
    line(&document::closing(run))
}

fn line(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).expect("a report holds nothing that JSON cannot");
    escape::json(&text) + "\n"
}
