//! Annotations on a pull request, as workflow commands for GitHub's runner.
//!
//! The runner shows ten errors and ten warnings per step and drops the rest silently, so this file keeps a budget: the
//! tenth is a summary of the rest. The commands belong on stderr; the runner reads both streams, and pipes on
//! stdout stay clean. Cases that passed have no annotation.

use std::collections::BTreeSet;
use std::io;

use policy_verify_model::code::Code;
use policy_verify_model::coverage::FileCoverage;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::outcome::{CaseReport, Mismatch, Outcome, RunReport};
use policy_verify_model::source::Span;
use policy_verify_model::weakness::Weakness;

use crate::changed_files::{ChangedFiles, LineRange};
use crate::format::Format;
use crate::{coverage, diff, escape, phrases};

/// Annotations of one level that a step can make.
const MOST: usize = 10;

/// Characters of a message that the runner keeps. Counted here after the encoding, to be on the safe side.
const LONGEST_MESSAGE: usize = 4_096;

/// Characters of one value in a message, so that the command to repeat the case is never the part that is lost.
const LONGEST_VALUE: usize = 1_000;

/// Title of an annotation about code.
const NOT_EXECUTED: &str = "not executed";

/// Characters of a title; longer ones fill the page.
const LONGEST_TITLE: usize = 200;

/// Workflow commands for GitHub's runner.
#[derive(Debug, Clone, Default)]
pub struct Github {
    /// What the pull request changes: annotated first, because only there GitHub shows annotations in the diff. May be empty.
    pub changed: ChangedFiles,
}

impl Format for Github {
    fn write(&self, run: &RunReport, out: &mut dyn io::Write) -> io::Result<()> {
        if !run.errors.is_empty() {
            return self.not_started(run, out);
        }
        let failures = self.failures(run);
        let single = if failures.len() > MOST { MOST - 1 } else { failures.len() };
        for case in &failures[..single] {
            let place = phrases::place(case);
            command(out, "error", place, &case.id, &message(run, case))?;
        }
        if let Some(first) = failures.get(single) {
            let left = &failures[single..];
            let title = format!("and {} more, see the summary", left.len());
            command(out, "error", phrases::place(first), &title, &names(left))?;
        }
        let warned = warnings(run, out)?;
        let warned = warned + weak(run, MOST - warned, out)?;
        self.not_executed(run, MOST - warned, out)
    }
}

impl Github {
    /// An error for everything that kept the run from starting, as many as there is room for.
    fn not_started(&self, run: &RunReport, out: &mut dyn io::Write) -> io::Result<()> {
        let mut errors: Vec<_> = run.errors.iter().collect();
        let is_changed = |it: &Diagnostic| it.span.as_ref().is_some_and(|it| self.changed.has(&it.file.path));
        errors.sort_by_key(|error| !is_changed(error));
        let single = if errors.len() > MOST { MOST - 1 } else { errors.len() };
        for error in &errors[..single] {
            let message = format!(
                "{}{}",
                error.code,
                error.help.as_deref().map(|it| format!(" {}", advice(it))).unwrap_or_default()
            );
            annotation(out, "error", error.span.as_ref(), &error.message, &message)?;
        }
        if let Some(first) = errors.get(single) {
            let left: Vec<String> = errors[single..]
                .iter()
                .map(|it| format!("- {}", phrases::one_line(&it.message, LONGEST_TITLE)))
                .collect();
            let title = format!("and {} more, see the summary", left.len());
            annotation(out, "error", first.span.as_ref(), &title, &left.join("\n"))?;
        }
        Ok(())
    }

    /// A warning for each part of the change that no case executes, as many as there is room for.
    fn not_executed(&self, run: &RunReport, room: usize, out: &mut dyn io::Write) -> io::Result<()> {
        let files = coverage::files(run);
        let of_file = |(path, file): (&'_ &'_ str, &FileCoverage)| {
            let gaps = self.changed.changed_of(path, &file.gaps());
            gaps.into_iter().map(|gap| ((*path).to_owned(), gap)).collect::<Vec<_>>()
        };
        let gaps: Vec<(String, LineRange)> = files.iter().flat_map(of_file).collect();
        let single = if gaps.len() > room { room.saturating_sub(1) } else { gaps.len() };
        for (path, gap) in &gaps[..single] {
            let message = format!("no case executes {}", in_words(*gap));
            lines(out, path, *gap, NOT_EXECUTED, &message)?;
        }
        if let Some((path, gap)) = gaps.get(single).filter(|_| room > 0) {
            let places = gaps[single..].iter().map(|(path, gap)| format!("- {path}:{}", coverage::range(*gap)));
            lines(out, path, *gap, NOT_EXECUTED, &places.collect::<Vec<_>>().join("\n"))?;
        }
        Ok(())
    }

    /// The cases to annotate: those in changed files first, otherwise in suite order.
    fn failures<'a>(&self, run: &'a RunReport) -> Vec<&'a CaseReport> {
        let mut failures: Vec<_> = run.cases.iter().filter(|case| case.outcome.is_bad()).collect();
        failures.sort_by_key(|case| !self.changed.has(&phrases::place(case).file.path));
        failures
    }
}

/// The warnings about suites; how many they are.
fn warnings(run: &RunReport, out: &mut dyn io::Write) -> io::Result<usize> {
    let placed = run.warnings.iter().filter_map(|it| Some((it, it.span.as_ref()?)));
    let mut written = 0;
    for (warning, place) in placed.take(MOST) {
        let message = warning.help.as_deref().map(advice).unwrap_or_default();
        command(out, "warning", place, &warning.message, &message)?;
        written += 1;
    }
    Ok(written)
}

/// One warning per suite with weak tests, as many as there is room for; how many they are.
fn weak(run: &RunReport, room: usize, out: &mut dyn io::Write) -> io::Result<usize> {
    let of_suite = |index: usize| -> Vec<&CaseReport> {
        run.cases.iter().filter(|case| case.weakness.is_some() && case.suite == index).collect()
    };
    let suites: Vec<_> = (0..run.suites.len()).map(of_suite).filter(|cases| !cases.is_empty()).collect();
    for cases in suites.iter().take(room) {
        let title = format!("{}: {}", phrases::count(cases.len(), "weak test"), Code::Weak.title());
        let kinds: BTreeSet<Weakness> = cases.iter().filter_map(|case| case.weakness).collect();
        let help: Vec<String> = kinds.into_iter().map(|kind| advice(kind.help())).collect();
        command(out, "warning", cases[0].place(), &title, &format!("{}\n\n{}", help.join("\n"), names(cases)))?;
    }
    Ok(suites.len().min(room))
}

/// `line 3`, `lines 3 to 5`
fn in_words((first, last): LineRange) -> String {
    if first == last { format!("line {first}") } else { format!("lines {first} to {last}") }
}

fn names(cases: &[&CaseReport]) -> String {
    let names = cases.iter().map(|case| format!("- {}", phrases::one_line(&case.id, LONGEST_TITLE)));
    names.collect::<Vec<_>>().join("\n")
}

/// Expected, actual, and the command that repeats the case.
fn message(run: &RunReport, case: &CaseReport) -> String {
    let mut parts = match &case.outcome {
        Outcome::Failed(mismatches) => {
            let mut parts: Vec<String> = mismatches.iter().take(1).map(difference).collect();
            if mismatches.len() > 1 {
                parts.push(format!("(and {})", phrases::count(mismatches.len() - 1, "more difference")));
            }
            // Those of a gate say what to do.
            parts.extend(case.advice().iter().map(|help| advice(help)));
            parts
        }
        Outcome::Error(fault) => {
            let text = value(&fault.message);
            std::iter::once(format!("{} {}: {text}", Code::from(fault.kind), fault.kind))
                .chain(fault.help.as_deref().map(advice))
                .collect()
        }
        Outcome::Unavailable(why) => {
            let text = value(&why.message);
            std::iter::once(format!("{} {}: {text}", Code::from(why.stage), why.stage.word()))
                .chain(why.help.as_deref().map(advice))
                .collect()
        }
        _ => vec![phrases::headline(case)],
    };
    parts.extend(phrases::reproduce(run, case).map(|command| format!("\n{command}")));
    parts.join("\n")
}

fn difference(mismatch: &Mismatch) -> String {
    let at = format!("{} · {}", phrases::about(mismatch), Code::from(mismatch.kind));
    if mismatch.expected.contains('\n') || mismatch.actual.contains('\n') {
        let limit = |text| escape::cut(text, 20 * LONGEST_VALUE);
        let lines = diff::unified(&limit(&mismatch.expected), &limit(&mismatch.actual));
        return format!("{at}\n- expected  + actual\n{}", value(&lines.join("\n")));
    }
    format!("expected: {}\nactual: {}\nat: {at}", value(&mismatch.expected), value(&mismatch.actual))
}

fn advice(text: &str) -> String {
    format!("help: {}", value(text))
}

fn value(text: &str) -> String {
    fitting(text.trim_end(), LONGEST_VALUE)
}

/// The longest beginning of `text` whose encoded form has at most `limit` characters; never ends within an escape.
fn fitting(text: &str, limit: usize) -> String {
    let text = escape::terminal(text);
    let encoded_length = |c: char| if matches!(c, '%' | '\r' | '\n') { 3 } else { 1 };
    if text.chars().map(encoded_length).sum::<usize>() <= limit {
        return text;
    }
    let mut left = limit.saturating_sub(1);
    let fits = |c: &char| {
        let length = encoded_length(*c);
        let fits = length <= left;
        left = left.saturating_sub(length);
        fits
    };
    let mut kept: String = text.chars().take_while(fits).collect();
    kept.push('…');
    kept
}

/// Writes one workflow command.
fn command(out: &mut dyn io::Write, level: &str, place: &Span, title: &str, message: &str) -> io::Result<()> {
    annotation(out, level, Some(place), title, message)
}

/// Writes one workflow command; without a place the runner shows it on the page of the run.
fn annotation(
    out: &mut dyn io::Write,
    level: &str,
    place: Option<&Span>,
    title: &str,
    message: &str,
) -> io::Result<()> {
    let place = place.filter(|place| !place.file.path.is_empty());
    let place = place.map(|place| format!("{},line={}", file(&place.file.path), place.line));
    write_command(out, level, place, title, message)
}

/// Writes a warning about lines of a file.
fn lines(out: &mut dyn io::Write, path: &str, (first, last): LineRange, title: &str, message: &str) -> io::Result<()> {
    write_command(out, "warning", Some(format!("{},line={first},endLine={last}", file(path))), title, message)
}

fn file(path: &str) -> String {
    format!("file={}", escape::github_property(&escape::terminal_line(path)))
}

fn write_command(
    out: &mut dyn io::Write,
    level: &str,
    place: Option<String>,
    title: &str,
    message: &str,
) -> io::Result<()> {
    let place = place.map(|place| format!("{place},")).unwrap_or_default();
    let title = escape::github_property(&escape::shorten(&escape::terminal_line(title), LONGEST_TITLE));
    let message = escape::github_data(&fitting(message, LONGEST_MESSAGE));
    writeln!(out, "::{level} {place}title={title}::{message}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    /// A command as the runner reads it: level, properties, message.
    type Command = (String, Vec<(String, String)>, String);

    fn parsed(line: &str) -> Command {
        let (head, message) = line.strip_prefix("::").unwrap().split_once("::").unwrap();
        let (level, properties) = head.split_once(' ').unwrap();
        let decoded = |text: &str| {
            let text = text.replace("%0A", "\n").replace("%0D", "\r").replace("%3A", ":").replace("%2C", ",");
            text.replace("%25", "%")
        };
        let properties = properties.split(',').map(|property| {
            let (name, value) = property.split_once('=').unwrap();
            (name.to_owned(), decoded(value))
        });
        (level.to_owned(), properties.collect(), decoded(message))
    }

    fn commands(run: &RunReport, github: &Github) -> Vec<Command> {
        testing::written(github, run).lines().map(parsed).collect()
    }

    #[test]
    fn the_sample_is_annotated_on_the_lines_that_missed() {
        insta::assert_snapshot!("github", testing::written(&Github::default(), &testing::sample()));
    }

    #[test]
    fn ten_failures_are_ten_errors_and_eleven_are_nine_and_a_rest() {
        for (failures, last) in
            [(10, "failure 9"), (11, "and 2 more, see the summary"), (500, "and 491 more, see the summary")]
        {
            let commands = commands(&testing::failures(failures, 10), &Github::default());
            assert_eq!(commands.len(), 10);
            let title = &commands[9].1[2].1;
            assert!(title.ends_with(last), "{title}");
        }
        let rest = &commands(&testing::failures(11, 10), &Github::default())[9].2;
        assert_eq!(rest, "- acme label policies › failure 9\n- acme label policies › failure 10");
    }

    #[test]
    fn changed_files_come_first() {
        let run = testing::sample();
        let github = Github { changed: ChangedFiles::read("ingress/suite.yml") };
        let files: Vec<String> = commands(&run, &github).into_iter().map(|command| command.1[0].1.clone()).collect();
        assert_eq!(files, ["ingress/suite.yml", "suite.yml", "suite.yml", "suite.yml", "suite.yml"]);
    }

    #[test]
    fn changed_lines_that_no_case_executes_are_warnings() {
        let mut run = coverage::testing::measured();
        run.cases.clear();
        let github = |changed: &str| Github { changed: ChangedFiles::read(changed) };
        let path = "policies/labels/src/lib.rs";
        assert_eq!(
            testing::written(&github(&format!("{path}\t1-3")), &run),
            format!("::warning file={path},line=3,endLine=3,title=not executed::no case executes line 3\n")
        );
        for changed in ["", path, &format!("{path}\t1-2,4-9"), "src/lib.rs\t1-9"] {
            assert_eq!(testing::written(&github(changed), &run), "", "{changed}");
        }
        let file = &mut run.coverage[0].result.as_mut().unwrap().files[0];
        file.lines = (1..50).map(|line| (line, u64::from(line % 2 == 0))).collect();
        let commands = commands(&run, &github(&format!("{path}\t1-99")));
        assert_eq!(commands.len(), MOST);
        assert!(commands[9].2.starts_with(&format!("- {path}:19\n- {path}:21\n")), "{commands:?}");
        let mut weak = testing::sample();
        weak.coverage = run.coverage;
        let text = testing::written(&github(&format!("{path}\t1-99")), &weak);
        assert_eq!(text.matches("::warning ").count(), MOST, "{text}");
    }

    #[test]
    fn messages_are_short_enough_and_keep_the_command() {
        for run in [testing::failures(1, 1_000_000), testing::hostile(), testing::failures(500, 10)] {
            for line in testing::written(&Github::default(), &run).lines() {
                let message = line.splitn(3, "::").last().unwrap();
                assert!(message.chars().count() <= LONGEST_MESSAGE, "{}", message.chars().count());
            }
        }
        let long = commands(&testing::failures(1, 1_000_000), &Github::default());
        assert!(long[0].2.ends_with("verify suite.yml --filter 'failure 0' --exact"));
    }

    #[test]
    fn hostile_text_stays_inside_its_command() {
        let run = testing::hostile();
        let text = testing::written(&Github::default(), &run);
        assert_eq!(text.lines().count(), 11);
        for line in text.lines() {
            let (level, properties, _) = parsed(line);
            assert!(["error", "warning"].contains(&level.as_str()));
            let names: Vec<&str> = properties.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["file", "line", "title"], "{line}");
            assert_eq!(properties[0].1, "weird, name:%.yml");
            assert!(!line.contains("##[") && !line.contains('\x1b'), "{line}");
        }
    }
}
