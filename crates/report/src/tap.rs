//! The Test Anything Protocol, version 14: one test point per case, with a YAML block for those that went wrong.
//!
//! Cases that failed as announced are `not ok … # TODO`, which counts as fine; a case that passed although it is
//! announced to fail is plainly `not ok`, because the run fails, and so is one that was to be run and was not. Values in
//! the YAML blocks are JSON texts, which are valid YAML.

use std::io;

use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::outcome::{CaseReport, Outcome, RunReport};

use crate::format::Format;
use crate::{escape, phrases};

/// Characters of a value in a YAML block.
const LONGEST_VALUE: usize = 4_000;

/// Test Anything Protocol.
pub(super) struct Tap;

impl Format for Tap {
    fn write(&self, run: &RunReport, out: &mut dyn io::Write) -> io::Result<()> {
        writeln!(out, "TAP version 14")?;
        writeln!(out, "1..{}", run.cases.len() + run.errors.len())?;
        for (index, case) in run.cases.iter().enumerate() {
            let is_ok = matches!(case.outcome, Outcome::Passed | Outcome::Skipped(_));
            let word = if is_ok { "ok" } else { "not ok" };
            writeln!(out, "{word} {} - {}{}", index + 1, description(&case.id), directive(case))?;
            if case.outcome.is_bad() {
                diagnosis(case, out)?;
            }
        }
        for (index, error) in run.errors.iter().enumerate() {
            let name = description(&format!("{} {}", error.code, error.code.name()));
            writeln!(out, "not ok {} - {name}", run.cases.len() + index + 1)?;
            not_started(error, out)?;
        }
        if run.summary().not_run > 0 || !run.errors.is_empty() {
            writeln!(out, "Bail out! {}", phrases::bottom_line(run))?;
        }
        if let Some(releases) = phrases::kubewarden(run) {
            writeln!(out, "# {releases}")?;
        }
        writeln!(out, "# {}", phrases::bottom_line(run))
    }
}

/// Text in which nothing can be taken for a directive.
fn description(text: &str) -> String {
    let text = escape::shorten(text, 1_000).replace('\\', "\\\\").replace('#', "\\#");
    escape::terminal_line(&text)
}

fn directive(case: &CaseReport) -> String {
    match &case.outcome {
        Outcome::Skipped(_) => format!(" # SKIP {}", description(&phrases::headline(case))),
        // A comment, no directive: those make a point fine.
        Outcome::NotRun(_) => format!(" # {}", description(&phrases::headline(case))),
        Outcome::Xfailed(reason) => format!(" # TODO {}", description(&phrases::one_line(reason, 160))),
        _ => phrases::rejection_in_monitor_mode(case)
            .map_or_else(String::new, |text| format!(" # {}", description(&text))),
    }
}

fn diagnosis(case: &CaseReport, out: &mut dyn io::Write) -> io::Result<()> {
    let place = phrases::place(case);
    let severity = if matches!(case.outcome, Outcome::Failed(_) | Outcome::Xpassed(_)) { "fail" } else { "error" };
    writeln!(out, "  ---")?;
    writeln!(out, "  message: {}", value(&phrases::headline(case)))?;
    writeln!(out, "  severity: {severity}")?;
    if let Some(code) = case.code() {
        writeln!(out, "  code: {code}")?;
    }
    if let Outcome::Failed(mismatches) = &case.outcome
        && let Some(first) = mismatches.first()
    {
        writeln!(out, "  wanted: {}", value(&first.expected))?;
        writeln!(out, "  found: {}", value(&first.actual))?;
    }
    writeln!(out, "  at: {{ file: {}, line: {} }}", value(&place.file.path), place.line)?;
    writeln!(out, "  duration_ms: {:.3}", case.duration.as_secs_f64() * 1e3)?;
    writeln!(out, "  ...")
}

/// The block about something that kept the run from starting.
fn not_started(error: &Diagnostic, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "  ---")?;
    writeln!(out, "  message: {}", value(&error.message))?;
    writeln!(out, "  severity: error")?;
    writeln!(out, "  code: {}", error.code)?;
    if let Some(help) = &error.help {
        writeln!(out, "  help: {}", value(help))?;
    }
    if let Some(place) = &error.span {
        writeln!(out, "  at: {{ file: {}, line: {} }}", value(&place.file.path), place.line)?;
    }
    writeln!(out, "  ...")
}

/// A text as JSON: on one line, whatever it holds.
fn value(text: &str) -> String {
    let text = escape::visible(&escape::cut(text.trim_end(), LONGEST_VALUE));
    escape::json(&serde_json::Value::from(text).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    /// A test point as a harness reads it: whether it counts as fine, its number, its directive.
    fn points(text: &str) -> Vec<(bool, usize, Option<String>)> {
        let point = |line: &str| {
            let (is_ok, rest) = match line.strip_prefix("not ok ") {
                Some(rest) => (false, rest),
                None => (true, line.strip_prefix("ok ")?),
            };
            let (number, rest) = rest.split_once(" - ")?;
            let rest = rest.replace("\\\\", "\u{1}").replace("\\#", "\u{2}");
            let directive = rest.split_once(" # ").map(|(_, text)| text.to_owned());
            let is_todo = directive.as_deref().is_some_and(|text| text.starts_with("TODO"));
            Some((is_ok || is_todo, number.parse().ok()?, directive))
        };
        text.lines().filter_map(point).collect()
    }

    #[test]
    fn a_harness_counts_what_we_count() {
        for run in [testing::sample(), testing::hostile(), testing::failures(3, 1_000_000)] {
            let text = testing::written(&Tap, &run);
            assert!(text.starts_with(&format!("TAP version 14\n1..{}\n", run.cases.len())));
            let points = points(&text);
            let numbers: Vec<usize> = points.iter().map(|point| point.1).collect();
            assert_eq!(numbers, (1..=run.cases.len()).collect::<Vec<_>>());
            for (case, (is_fine, _, directive)) in run.cases.iter().zip(&points) {
                let is_red = case.outcome.is_bad() || case.outcome.is_not_run();
                assert_eq!(*is_fine, !is_red, "{:?}", case.outcome);
                let wanted = match case.outcome {
                    Outcome::Skipped(_) => Some("SKIP"),
                    Outcome::NotRun(_) => Some("not"),
                    Outcome::Xfailed(_) => Some("TODO"),
                    _ => None,
                };
                assert_eq!(directive.as_deref().and_then(|text| text.split(' ').next()), wanted);
            }
        }
    }

    #[test]
    fn diagnoses_are_yaml() {
        let text = testing::written(&Tap, &testing::hostile());
        let blocks: Vec<&str> = text.split("  ---\n").skip(1).map(|rest| rest.split("  ...").next().unwrap()).collect();
        assert!(!blocks.is_empty());
        for block in blocks {
            let block: serde_json::Value = serde_saphyr::from_str(block).unwrap_or_else(|e| panic!("{e}\n{block}"));
            assert!(block["message"].is_string() && block["at"]["line"].is_u64(), "{block}");
            assert!(block["code"].as_str().unwrap().starts_with("PV"));
        }
        for line in text.lines() {
            assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "a command: {line}");
            assert!(!line.chars().any(char::is_control));
        }
    }
}
