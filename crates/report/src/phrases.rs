//! The phrases that several formats share: counts, times, one line about a failure, the command that repeats it.
//!
//! Nothing here is escaped for its destination except the command, which is quoted for a shell; each format escapes
//! what it writes.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use policy_verify_model::answer::{AdmissionResponse, FaultKind};
use policy_verify_model::outcome::{
    CaseKind, CaseReport, Mismatch, Outcome, PartReport, PartVerdict, RunReport, Summary,
};
use policy_verify_model::release::Release;
use policy_verify_model::source::Span;

use crate::diff::{self, Row};
use crate::escape;

/// `1 test`, `2 tests`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// `1 policy`, `2 policies`.
pub(super) fn count_of(number: usize, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// `26 tests: 24 passed, 1 failed, 1 error`; what is zero is left out.
pub(super) fn counts(summary: &Summary) -> String {
    let total = count(summary.total, "test");
    let parts = count_parts(summary);
    if parts.is_empty() { total } else { format!("{total}: {}", parts.join(", ")) }
}

/// `24 passed`, `1 failed`, `1 error`; what is zero is left out.
pub(super) fn count_parts(summary: &Summary) -> Vec<String> {
    let mut parts = Vec::new();
    let mut add = |number: usize, text: String| {
        if number > 0 {
            parts.push(text);
        }
    };
    add(summary.passed, format!("{} passed", summary.passed));
    add(summary.failed, format!("{} failed", summary.failed));
    add(summary.errors, count(summary.errors, "error"));
    add(summary.skipped, format!("{} skipped", summary.skipped));
    add(summary.not_run, format!("{} not run", summary.not_run));
    add(summary.xfailed, format!("{} xfailed", summary.xfailed));
    parts
}

/// `Kubewarden 1.38.2`: the releases whose verdicts the run has; none without suites.
pub(super) fn kubewarden(run: &RunReport) -> Option<String> {
    let releases: BTreeSet<Release> = run.suites.iter().map(|suite| suite.kubewarden).collect();
    let releases: Vec<String> = releases.iter().map(Release::to_string).collect();
    (!releases.is_empty()).then(|| format!("Kubewarden {}", releases.join(", ")))
}

/// The summary in one line: `26 tests: 24 passed, 1 failed, 1 error · 2 weak · 41 ms`.
pub(super) fn bottom_line(run: &RunReport) -> String {
    if !run.errors.is_empty() {
        return format!("nothing was run: {}", count(run.errors.len(), "error"));
    }
    let summary = run.summary();
    let shard = run.shard.as_ref().map(|shard| format!(" · shard {shard} of {}", count(shard.total, "test")));
    let remarks = remarks(&summary);
    format!("{}{remarks}{} · {}", counts(&summary), shard.unwrap_or_default(), duration(run.duration))
}

/// ` · 2 weak · 1 warned`: what is to be known beside the counts; empty if there is nothing.
pub(super) fn remarks(summary: &Summary) -> String {
    let numbers = [(summary.weak, "weak"), (summary.warned, "warned")].into_iter().filter(|(number, _)| *number > 0);
    numbers.map(|(number, word)| format!(" · {number} {word}")).collect()
}

/// `143 µs`, `2.4 ms`, `41 ms`, `1.24 s`, `2 min 5 s`: two or three digits are all that people compare.
pub(super) fn duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..9_950 => format!("{:.1} ms", duration.as_secs_f64() * 1e3),
        9_950..999_500 => format!("{:.0} ms", duration.as_secs_f64() * 1e3),
        999_500..60_000_000 => format!("{:.2} s", duration.as_secs_f64()),
        _ => format!("{} min {} s", duration.as_secs() / 60, duration.as_secs() % 60),
    }
}

/// `999 B`, `279 KiB`, `3.2 MiB`.
pub fn size(bytes: u64) -> String {
    let scaled = |unit: u64| bytes as f64 / unit as f64;
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..10_189 => format!("{:.1} KiB", scaled(1 << 10)),
        10_189..1_048_064 => format!("{:.0} KiB", scaled(1 << 10)),
        _ => format!("{:.1} MiB", scaled(1 << 20)),
    }
}

/// The first line of `text`, cut to `limit` characters.
pub(super) fn one_line(text: &str, limit: usize) -> String {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = escape::shorten(lines.next().unwrap_or("").trim(), limit);
    if lines.next().is_some() && !first.ends_with('…') { format!("{first} …") } else { first.into_owned() }
}

/// Characters of a value that fit into a sentence.
const VALUE_IN_A_SENTENCE: usize = 160;

/// Why a case did not simply pass, in one line; empty when it did.
pub(super) fn headline(case: &CaseReport) -> String {
    let limit = VALUE_IN_A_SENTENCE;
    match &case.outcome {
        Outcome::Passed => rejection_in_monitor_mode(case).unwrap_or_default(),
        Outcome::Failed(mismatches) => match mismatches.as_slice() {
            [] => "failed".to_owned(),
            [only] => mismatch(only),
            [first, rest @ ..] => format!("{} (and {} more)", mismatch(first), rest.len()),
        },
        Outcome::Error(fault) => format!("{}: {}", fault.kind, one_line(&fault.message, 2 * limit)),
        Outcome::Unavailable(why) => format!("{}: {}", why.stage.word(), one_line(&why.message, 2 * limit)),
        Outcome::Skipped(reason) => one_line(reason, limit),
        Outcome::NotRun(reason) => format!("not run: {}", one_line(reason, limit)),
        Outcome::Xfailed(reason) => format!("expected failure: {}", one_line(reason, limit)),
        Outcome::Xpassed(reason) => format!("passed, although it is expected to fail: {}", one_line(reason, limit)),
    }
}

/// What a policy in monitor mode says of a request that it rejects, and that passes; the first of the steps that does.
pub(super) fn rejection_in_monitor_mode(case: &CaseReport) -> Option<String> {
    let of_steps = case.steps.iter().filter_map(|step| Some((format!("`{}` ", step.name), step.monitored.as_ref()?)));
    let of_case = case.monitored.as_ref().map(|response| (String::new(), response));
    let (who, response) = of_case.into_iter().chain(of_steps).find(|(_, response)| !response.allowed)?;
    let message = response.message().map(|message| format!(": {}", one_line(message, VALUE_IN_A_SENTENCE)));
    Some(format!("{who}rejected in monitor mode{}", message.unwrap_or_default()))
}

/// Of documents the first lines that differ are shown, rather than the braces they begin with.
fn mismatch(mismatch: &Mismatch) -> String {
    let (expected, actual) = (escape::cut(&mismatch.expected, 20_000), escape::cut(&mismatch.actual, 20_000));
    let first = diff::rows(&expected, &actual).into_iter().find_map(|row| match row {
        Row::Changed(expected, actual) => Some((expected, actual)),
        Row::Same(_) | Row::Gap(_) => None,
    });
    let (expected, actual) = first.unwrap_or((Some(&expected), Some(&actual)));
    let shown = |text: Option<&str>| text.map_or("nothing".to_owned(), |text| one_line(text, VALUE_IN_A_SENTENCE));
    format!("{}: expected {}, got {}", about(mismatch), shown(expected), shown(actual))
}

/// The place of a mismatch in the response; its kind where it has no place.
pub(super) fn about(mismatch: &Mismatch) -> &str {
    if mismatch.at.is_empty() { mismatch.kind.word() } else { &mismatch.at }
}

/// The kind of failure: the `type` of JUnit's `failure` and `error`.
pub(super) fn type_word(case: &CaseReport) -> String {
    match &case.outcome {
        Outcome::Failed(mismatches) => mismatches.first().map_or("failed", |first| first.kind.word()).to_owned(),
        Outcome::Error(fault) if fault.kind == FaultKind::Host => "mock".to_owned(),
        Outcome::Error(fault) => fault.kind.to_string(),
        Outcome::Unavailable(why) => why.stage.word().to_owned(),
        Outcome::Xpassed(_) => "xpass".to_owned(),
        Outcome::Passed | Outcome::Skipped(_) | Outcome::NotRun(_) | Outcome::Xfailed(_) => {
            case.outcome.word().to_owned()
        }
    }
}

/// Where to point at: the row or object of the case, else the expectation that missed when it is written in the file of
/// the case, else the case.
pub(super) fn place(case: &CaseReport) -> &Span {
    let Outcome::Failed(mismatches) = &case.outcome else { return case.place() };
    if let Some(origin) = &case.origin {
        return origin;
    }
    // A file that the suite includes counts, one with an expected document does not.
    let is_beside_case = |span: &&Span| span.file.path == case.span.file.path;
    mismatches.first().map(|first| &first.span).filter(is_beside_case).unwrap_or(&case.span)
}

/// `steps` or `members`, and a line for each of them; none for a case of a single policy.
pub(super) fn parts(case: &CaseReport) -> Option<(&'static str, String)> {
    let (label, parts) = if case.steps.is_empty() { ("members", &case.members) } else { ("steps", &case.steps) };
    let mut lines = Vec::new();
    for step in parts {
        lines.push(part(step));
        lines.extend(step.members.iter().map(|member| format!("  {}", part(member))));
    }
    (!lines.is_empty()).then(|| (label, lines.join("\n")))
}

/// `signed: deny, "the image is not signed"`, `owned: allow (evaluated 2 times)`.
fn part(part: &PartReport) -> String {
    let verdict = match (&part.verdict, &part.fault, &part.response) {
        (PartVerdict::NotApplicable(reason), ..) => format!("not applicable: {reason}"),
        (_, Some(fault), _) => format!("{}: {}", fault.kind, fault.message),
        (PartVerdict::Deny, ..) => rejection("deny", part.response.as_ref()),
        (PartVerdict::Warn, ..) => rejection("warn", part.monitored.as_ref()),
        (other, ..) => other.word().to_owned(),
    };
    let times = if part.evaluations > 1 { format!(" (evaluated {} times)", part.evaluations) } else { String::new() };
    format!("{}: {}{times}", part.name, one_line(&verdict, VALUE_IN_A_SENTENCE))
}

/// `deny, "the image is not signed"`.
fn rejection(word: &str, response: Option<&AdmissionResponse>) -> String {
    match response.map(AdmissionResponse::message) {
        Some(Some(message)) => format!("{word}, {message:?}"),
        Some(None) => format!("{word}, without a message"),
        None => word.to_owned(),
    }
}

/// Longest command that is worth printing.
const LONGEST_COMMAND: usize = 2_000;

/// The command that runs just this case; none when it is absurdly long.
pub(super) fn reproduce(run: &RunReport, case: &CaseReport) -> Option<String> {
    reproduce_in_parts(run, case).map(|parts| parts.join(" "))
}

/// That command in parts, for those who have narrow lines: the suite, each flag that decides about outcomes, the case.
pub(super) fn reproduce_in_parts(run: &RunReport, case: &CaseReport) -> Option<Vec<String>> {
    let suite = run.suites.get(case.suite).filter(|suite| !suite.argument.is_empty())?;
    let words: usize = run.flags.iter().map(String::len).sum();
    if case.name.len() + suite.argument.len() + words > LONGEST_COMMAND {
        return None;
    }
    let joint = if case.name.starts_with('-') { "=" } else { " " };
    let mut parts = vec![format!("verify {}", escape::shell(&path(&suite.argument)))];
    for word in &run.flags {
        match parts.last_mut().filter(|_| !word.starts_with('-')) {
            Some(flag) => *flag = format!("{flag} {}", escape::shell(word)),
            None => parts.push(escape::shell(word)),
        }
    }
    // A gate is about all cases.
    if case.kind == CaseKind::Gate {
        return Some(parts);
    }
    // Within a suite the name is enough.
    parts.push(format!("--filter{joint}{} --exact", escape::shell(&case.name)));
    Some(parts)
}

/// The path of a suite as it must be typed: what begins with a dash is no flag, a single word no command.
fn path(argument: &str) -> Cow<'_, str> {
    let is_stdin = argument == "-";
    let is_word = !argument.contains(['.', '/', '\\']);
    if !is_stdin && (is_word || argument.starts_with('-')) { format!("./{argument}").into() } else { argument.into() }
}

/// The cases that took longest, slowest first; those that were not run do not count.
pub(super) fn slowest(run: &RunReport, number: usize) -> Vec<&CaseReport> {
    let was_run = |case: &&CaseReport| {
        !matches!(case.outcome, Outcome::Skipped(_) | Outcome::NotRun(_) | Outcome::Unavailable(_))
    };
    let mut cases: Vec<&CaseReport> = run.cases.iter().filter(was_run).collect();
    cases.sort_by_key(|case| std::cmp::Reverse(case.duration));
    cases.truncate(number);
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn times_have_two_or_three_digits() {
        let shown = |micros: u64| duration(Duration::from_micros(micros));
        assert_eq!(
            [0, 143, 2_449, 9_949, 9_950, 41_400, 999_499, 999_500, 1_240_000, 125_000_000].map(shown),
            ["0 µs", "143 µs", "2.4 ms", "9.9 ms", "10 ms", "41 ms", "999 ms", "1.00 s", "1.24 s", "2 min 5 s"]
        );
    }

    #[test]
    fn the_bottom_line_leaves_out_zeros() {
        let mut run = testing::sample();
        assert_eq!(bottom_line(&run), "14 tests: 8 passed, 2 failed, 2 errors, 1 skipped, 1 xfailed · 2 weak · 41 ms");
        run.cases.truncate(1);
        assert_eq!(bottom_line(&run), "1 test: 1 passed · 41 ms");
        run.cases.clear();
        assert_eq!(bottom_line(&run), "0 tests · 41 ms");
    }

    #[test]
    fn the_command_names_the_suite_and_the_case() {
        let run = testing::sample();
        assert_eq!(
            reproduce(&run, &run.cases[1]).as_deref(),
            Some("verify suite.yml --filter 'rejects a pod without an owner' --exact")
        );
    }

    #[test]
    fn the_command_has_the_flags_that_decide() {
        let mut run = testing::sample();
        run.flags = ["--var", "owner=a b", "--live", "--var=-x=1", "--kubewarden", "1.36"].map(str::to_owned).to_vec();
        run.suites[0].argument = "list".to_owned();
        let parts = reproduce_in_parts(&run, &run.cases[1]).unwrap();
        let filter = "--filter 'rejects a pod without an owner' --exact";
        assert_eq!(parts, ["verify ./list", "--var 'owner=a b'", "--live", "--var=-x=1", "--kubewarden 1.36", filter]);
        for (argument, typed) in [("-", "-"), ("-a.yml", "./-a.yml"), ("a/b", "a/b"), ("suite.yml", "suite.yml")] {
            run.suites[0].argument = argument.to_owned();
            assert!(
                reproduce(&run, &run.cases[1]).unwrap().starts_with(&format!("verify {typed} --var")),
                "{argument}"
            );
        }
    }

    #[test]
    fn a_mismatch_in_another_file_points_at_the_case() {
        let mut run = testing::sample();
        assert_eq!(place(&run.cases[1]).line, 24);
        let elsewhere = testing::file("expected/pod.yaml", "kind: Pod\n");
        let Outcome::Failed(mismatches) = &mut run.cases[1].outcome else { panic!("the second case fails") };
        mismatches[0].span = Span::start_of(&elsewhere);
        assert_eq!(place(&run.cases[1]).line, 20);
    }
}
