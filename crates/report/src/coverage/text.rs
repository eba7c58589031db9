//! Coverage as text: the shares of each policy, and what was not executed, by file and line.

use std::io;

use policy_verify_model::coverage::{Coverage, FileCoverage, PolicyCoverage, Share};
use policy_verify_model::outcome::RunReport;

use super::shown::{percent, range};
use crate::escape;
use crate::format::Format;
use crate::page::{BAD, BOLD, DIM, GOOD, ODD, PLACE, PLAIN, Page, Piece, piece};
use crate::phrases::count;
use crate::style::Style;

/// Most places of one policy. The other formats have all of them.
const MOST_PLACES: usize = 40;

/// Characters of a source line.
const LONGEST_LINE: usize = 80;

/// Coverage as text.
pub(super) struct Text {
    style: Style,
}

impl Text {
    /// For a terminal or a file of this style.
    pub(super) fn new(style: Style) -> Self {
        Self { style }
    }
}

impl Format for Text {
    fn write(&self, run: &RunReport, out: &mut dyn io::Write) -> io::Result<()> {
        if run.coverage.is_empty() {
            return Ok(());
        }
        let mut page = Page::new(self.style, out);
        page.line(0, &[piece("Code coverage", BOLD)])?;
        run.coverage.iter().try_for_each(|policy| policy_lines(&mut page, policy))
    }
}

fn policy_lines(page: &mut Page<'_>, policy: &PolicyCoverage) -> io::Result<()> {
    let name = escape::shorten(&policy.name(), 200).into_owned();
    let coverage = match &policy.result {
        Ok(coverage) => coverage,
        Err(reason) => {
            return page
                .entry(2, &[piece("– ", DIM), piece(name, BOLD), piece(format!("  not measured: {reason}"), ODD)]);
        }
    };
    let mut pieces = vec![piece(name, BOLD), piece("  ", PLAIN)];
    if coverage.has_lines() {
        pieces.extend(share("lines", coverage.lines()));
        pieces.push(piece(", ", PLAIN));
    }
    pieces.extend(share("functions", coverage.functions()));
    page.entry(2, &pieces)?;
    gaps(page, coverage)?;
    if coverage.others.total > 0 {
        let Share { covered, total } = coverage.others;
        page.line(4, &[piece(format!("of SDK, libraries and language: {covered} of {total} functions"), DIM)])?;
    }
    match &coverage.advice {
        Some(advice) => page.entry(4, &[piece(escape::shorten(advice, 600), DIM)]),
        None => Ok(()),
    }
}

/// `lines 84.2% (64 of 76)`
fn share(noun: &str, share: Share) -> [Piece; 2] {
    let colour = if share.covered == share.total { GOOD } else { BAD };
    [
        piece(format!("{noun} "), PLAIN),
        piece(format!("{} ({} of {})", percent(share), share.covered, share.total), colour),
    ]
}

/// The places that were not executed.
fn gaps(page: &mut Page<'_>, coverage: &Coverage) -> io::Result<()> {
    let of_files = coverage.files.iter().flat_map(|file| {
        let place = |gap| format!("{}:{}", file.path, range(gap));
        file.gaps().into_iter().map(move |gap| (place(gap), source_line(file, gap.0)))
    });
    // A function that was never called, although each of its lines is executed elsewhere: it is inlined there.
    let uncalled = coverage.files.iter().flat_map(|file| {
        let is_told = |line: u32| file.lines.get(&line) == Some(&0);
        let uncalled = file.functions.iter().filter(|function| function.hits == 0);
        let with_line =
            uncalled.filter_map(move |function| Some((function.line.filter(|line| !is_told(*line))?, function)));
        with_line.map(|(line, function)| (format!("{}:{line}", file.path), format!("{} (not called)", function.name)))
    });
    let without_file = coverage.functions.iter().filter(|function| function.hits == 0);
    let all: Vec<(String, String)> =
        of_files.chain(uncalled).chain(without_file.map(|function| (function.name.clone(), String::new()))).collect();
    if all.is_empty() {
        return Ok(());
    }
    page.line(4, &[piece("not executed:", PLAIN)])?;
    for (place, text) in all.iter().take(MOST_PLACES) {
        let place = piece(escape::shorten(place, 300), PLACE);
        page.entry(6, &[place, piece(format!("  {}", escape::shorten(text, LONGEST_LINE)), DIM)])?;
    }
    match all.len().saturating_sub(MOST_PLACES) {
        0 => Ok(()),
        more => page.line(6, &[piece(format!("and {}", count(more, "more place")), DIM)]),
    }
}

/// The text of a line, where it is known.
fn source_line(file: &FileCoverage, line: u32) -> String {
    let text = file.source.as_deref().and_then(|text| text.lines().nth((line as usize).saturating_sub(1)));
    text.unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::testing::measured;
    use super::*;
    use crate::testing::written;

    #[test]
    fn shares_and_gaps_are_told_for_each_policy() {
        let text = written(&Text::new(Style::default()), &measured());
        insta::assert_snapshot!(text, @r"
        Code coverage
          safe-labels, strict  lines 75.0% (3 of 4), functions 50.0% (1 of 2)
            not executed:
              policies/labels/src/lib.rs:3  return <b>;
              policies/labels/src/lib.rs:6  labels::c (not called)
            of SDK, libraries and language: 10 of 40 functions
          verify-images  functions 50.0% (1 of 2)
            not executed:
              g0.data.policy.deny
            `opa build` writes no lines
          – idle  not measured: it has no debug information
        ");
    }
}
