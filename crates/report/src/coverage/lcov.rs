//! Coverage as LCOV: what genhtml, Codecov, Coveralls and editors read. Format: geninfo(1) of LCOV 2.

use std::io;

use policy_verify_model::coverage::{FileCoverage, Share};
use policy_verify_model::outcome::RunReport;

use super::shown::{files, named_once};
use crate::escape;
use crate::format::Format;

/// LCOV's tracefile.
pub(super) struct Lcov;

impl Format for Lcov {
    fn write(&self, run: &RunReport, out: &mut dyn io::Write) -> io::Result<()> {
        files(run).values().filter(|file| !file.lines.is_empty()).try_for_each(|file| record(file, out))
    }
}

fn record(file: &FileCoverage, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "TN:\nSF:{}", line(&file.path))?;
    let functions = named_once(file);
    for (name, function) in &functions {
        writeln!(out, "FN:{},{}", function.line.unwrap_or(1), line(name))?;
    }
    for (name, function) in &functions {
        writeln!(out, "FNDA:{},{}", function.hits, line(name))?;
    }
    let share = Share::of(functions.iter().map(|(_, function)| function.hits));
    writeln!(out, "FNF:{}\nFNH:{}", share.total, share.covered)?;
    for (number, hits) in &file.lines {
        writeln!(out, "DA:{number},{hits}")?;
    }
    let share = file.share();
    writeln!(out, "LF:{}\nLH:{}\nend_of_record", share.total, share.covered)
}

/// Text that stays in its line.
fn line(text: &str) -> String {
    escape::terminal_line(text)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hostile, measured};
    use super::*;
    use crate::testing::written;

    #[test]
    fn a_file_is_a_record() {
        assert_eq!(
            written(&Lcov, &measured()),
            "TN:\nSF:policies/labels/src/lib.rs\nFN:1,labels::validate\nFN:6,labels::c\nFNDA:3,labels::validate\n\
             FNDA:0,labels::c\nFNF:2\nFNH:1\nDA:1,3\nDA:2,3\nDA:3,0\nDA:6,2\nLF:4\nLH:3\nend_of_record\n"
        );
    }

    #[test]
    fn hostile_text_stays_in_its_line() {
        let known = ["TN:", "SF:", "FN:", "FNDA:", "FNF:", "FNH:", "DA:", "LF:", "LH:", "end_of_record"];
        for line in written(&Lcov, &hostile()).lines() {
            assert!(known.iter().any(|start| line.starts_with(start)), "{line}");
        }
    }
}
