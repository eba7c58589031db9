//! The summary of a job, in GitHub's Markdown.
//!
//! GitHub drops a summary above 1 MiB as a whole, on the very run where it matters. It is therefore composed against a
//! budget, with less and less detail until it fits, and is complete Markdown at every step.

use std::io;

use policy_verify_model::code::Code;
use policy_verify_model::outcome::{CaseReport, Outcome, RunReport, Summary};
use policy_verify_model::weakness::Weakness;

use crate::format::Format;
use crate::groups::{self, Group};
use crate::{diff, escape, exercised, phrases, publication};

/// Bytes of a summary: a tenth below GitHub's limit, because other steps of the job may write to the same file.
pub const BUDGET: usize = 900 * 1024;

/// The summary of a job.
pub(super) struct Markdown;

impl Format for Markdown {
    fn write(&self, run: &RunReport, out: &mut dyn io::Write) -> io::Result<()> {
        out.write_all(write_within(run, BUDGET).as_bytes())
    }
}

/// The level of detail; [`list`] has even less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Detail {
    /// Differences of at most 40 lines.
    ShortDiffs,
    /// Passed cases are only counted.
    Failures,
    /// Every case.
    Everything,
}

/// Lines of a difference where room is short.
const SHORT_DIFF: usize = 40;

/// Characters of a remark about a policy, which names a URI and two digests.
const LONG_LINE: usize = 1000;

/// Characters of a line where room is short.
const SHORT_LINE: usize = 400;

/// The summary of `run` in at most `budget` bytes, as detailed as that allows. The first line, the verdict, is always
/// there.
pub fn write_within(run: &RunReport, budget: usize) -> String {
    let summaries = [Detail::Everything, Detail::Failures, Detail::ShortDiffs].into_iter();
    let fitting = summaries.filter_map(|detail| detailed(run, detail, budget)).next();
    fitting.unwrap_or_else(|| list(run, budget))
}

/// The summary with `detail`; none as soon as it exceeds the budget.
fn detailed(run: &RunReport, detail: Detail, budget: usize) -> Option<String> {
    let mut text = verdict(run);
    let groups = groups::of(run);
    text.push_str(&errors(run, detail));
    text.push_str(&table(run, &groups));
    text.push_str(&warnings(run));
    text.push_str(&published(run));
    let mut is_first = true;
    for case in bad(run) {
        if std::mem::take(&mut is_first) {
            text.push_str("\n### Failures\n");
        }
        text.push_str(&failure(run, case, detail));
        if text.len() > budget {
            return None;
        }
    }
    text.push_str(&others(run, detail));
    text.push_str(&slowest(run));
    (text.len() <= budget).then_some(text)
}

/// The least detail: the verdict and the names of failed cases, as many as fit.
fn list(run: &RunReport, budget: usize) -> String {
    let mut text = verdict(run);
    text.push_str("\nThe details exceed the size limit of a summary: see the uploaded report.\n\n");
    let bad: Vec<_> = bad(run).collect();
    // Room for the line about what is left out.
    let room = budget.saturating_sub(100);
    for (index, case) in bad.iter().enumerate() {
        let place = escape::markdown(&phrases::place(case).file_and_line());
        let name = escape::markdown(&escape::shorten(&case.id, SHORT_LINE));
        let line = format!("- {} {name} (<code>{place}</code>)\n", sign(case));
        if text.len() + line.len() > room {
            text.push_str(&format!("- … and {} more\n", bad.len() - index));
            break;
        }
        text.push_str(&line);
    }
    text
}

fn bad(run: &RunReport) -> impl Iterator<Item = &CaseReport> {
    run.cases.iter().filter(|case| case.outcome.is_bad())
}

fn verdict(run: &RunReport) -> String {
    let sign = if run.errors.is_empty() { sign_of(&run.summary()) } else { "❌" };
    format!("## {sign} {}\n", phrases::bottom_line(run))
}

fn sign_of(summary: &Summary) -> &'static str {
    match summary {
        Summary { failed: 1.., .. } | Summary { errors: 1.., .. } | Summary { not_run: 1.., .. } => "❌",
        Summary { passed: 0, .. } => "➖",
        _ => "✅",
    }
}

fn sign(case: &CaseReport) -> &'static str {
    match &case.outcome {
        Outcome::Passed => "✅",
        Outcome::Failed(_) | Outcome::Xpassed(_) => "❌",
        Outcome::Error(_) | Outcome::Unavailable(_) => "❗",
        Outcome::Skipped(_) | Outcome::Xfailed(_) | Outcome::NotRun(_) => "➖",
    }
}

/// What kept the run from starting. Where room is short, only as much as fits a page.
fn errors(run: &RunReport, detail: Detail) -> String {
    let most = if detail == Detail::Everything { run.errors.len() } else { SHORT_DIFF };
    let mut text = String::new();
    for (index, error) in run.errors.iter().take(most).enumerate() {
        if index == 0 {
            text.push('\n');
        }
        let place =
            error.span.as_ref().map(|span| format!("<code>{}</code> · ", escape::markdown(&span.file_and_line())));
        let message = escape::markdown(&escape::shorten(&error.message, LONG_LINE));
        let help = error.help.as_deref().map(|help| escape::markdown(&escape::shorten(help, LONG_LINE)));
        let help = help.map(|help| format!(" · {help}")).unwrap_or_default();
        let (place, code, name) = (place.unwrap_or_default(), error.code, error.code.name());
        text.push_str(&format!("- ❌ {place}{message}{help} · {code} {name}\n"));
    }
    if run.errors.len() > most {
        text.push_str(&format!("- … and {} more\n", run.errors.len() - most));
    }
    text
}

/// One row per policy, and remarks about its source.
fn table(run: &RunReport, groups: &[Group<'_>]) -> String {
    if groups.is_empty() {
        return String::new();
    }
    let mut text = String::from("\n| | policy | suite | tests | time |\n|---|---|---|---|--:|\n");
    for group in groups {
        let summary = group.summary();
        let suite = run.suites.get(group.suite).map_or("", |suite| &suite.path);
        let counts = phrases::count_parts(&summary).join(", ") + &phrases::remarks(&summary);
        text.push_str(&format!(
            "| {} | {} | <code>{}</code> | {counts} | {} |\n",
            sign_of(&summary),
            escape::markdown(&escape::shorten(group.name, SHORT_LINE)),
            escape::markdown(suite),
            phrases::duration(group.duration()),
        ));
    }
    for policy in groups.iter().filter_map(|group| group.policy) {
        for remark in &policy.remarks {
            let (name, remark) = (escape::shorten(&policy.name, SHORT_LINE), escape::shorten(remark, LONG_LINE));
            text.push_str(&format!("\n**{}**: {}\n", escape::markdown(&name), escape::markdown(&remark)));
        }
    }
    text
}

/// The releases of Kubewarden, and the warnings about suites.
fn warnings(run: &RunReport) -> String {
    let mut text = phrases::kubewarden(run).map(|releases| format!("\n{releases}\n")).unwrap_or_default();
    for (index, warning) in run.warnings.iter().enumerate() {
        if index == 0 {
            text.push('\n');
        }
        let place =
            warning.span.as_ref().map(|span| format!("<code>{}</code> ", escape::markdown(&span.file_and_line())));
        let message = escape::markdown(&escape::shorten(&warning.message, SHORT_LINE));
        text.push_str(&format!("- ⚠️ {}{message}\n", place.unwrap_or_default()));
    }
    text
}

/// The results of publishing.
fn published(run: &RunReport) -> String {
    if run.publications.is_empty() {
        return String::new();
    }
    let mut text = format!("\n### {}\n\n", publication::heading(&run.publications));
    for it in &run.publications {
        let sign = if it.is_done() { "✅" } else { "❌" };
        let (what, became) = publication::in_short(it);
        let (policy, what) = (escape::markdown(&it.policy), escape::markdown(&what));
        text.push_str(&format!("- {sign} {policy}: <code>{what}</code> · {}\n", escape::markdown(&became)));
    }
    text
}

fn failure(run: &RunReport, case: &CaseReport, detail: Detail) -> String {
    let bounded = |text: &str| if detail <= Detail::ShortDiffs { shortened(text) } else { text.to_owned() };
    let place = phrases::place(case).file_and_line();
    let mut text = format!(
        "\n#### {} {}\n\n<code>{}</code> · {}{}\n",
        sign(case),
        escape::markdown(&escape::shorten(&case.id, SHORT_LINE)),
        escape::markdown(&place),
        escape::markdown(&case.policy),
        case.code().map(|code| format!(" · {code} {}", code.name())).unwrap_or_default(),
    );
    let mut push = |part: String| {
        text.push('\n');
        text.push_str(&part);
    };
    match &case.outcome {
        Outcome::Failed(mismatches) => {
            for mismatch in mismatches {
                let at = escape::markdown(phrases::about(mismatch));
                push(format!("{} <code>{at}</code> (- expected, + actual)\n", mismatch.kind.word()));
                let lines = diff::unified(&mismatch.expected, &mismatch.actual).join("\n");
                push(escape::markdown_block("diff", &bounded(&lines)));
            }
        }
        Outcome::Error(fault) => {
            push(escape::markdown_block("", &bounded(&format!("{}: {}", fault.kind, fault.message))));
            fault.help.iter().for_each(|help| push(format!("{}\n", escape::markdown(help))));
        }
        Outcome::Unavailable(why) => {
            push(escape::markdown_block("", &bounded(&format!("{}: {}", why.stage.word(), why.message))));
            why.help.iter().for_each(|help| push(format!("{}\n", escape::markdown(help))));
        }
        _ => push(format!("{}\n", escape::markdown(&phrases::headline(case)))),
    }
    if let Some((label, lines)) = phrases::parts(case) {
        push(format!("{label}\n"));
        push(escape::markdown_block("", &bounded(&lines)));
    }
    if let Some(command) = phrases::reproduce(run, case) {
        push(escape::markdown_block("sh", &command));
    }
    text
}

/// At most 40 lines of bearable length.
fn shortened(text: &str) -> String {
    let number = text.lines().count();
    let mut lines: Vec<_> = text.lines().take(SHORT_DIFF).map(|line| escape::cut(line, SHORT_LINE)).collect();
    if number > SHORT_DIFF {
        lines.push(format!("… {} more lines", number - SHORT_DIFF).into());
    }
    lines.join("\n")
}

/// Cases that did not fail, folded away: by name where there is room, and the reasons of those not run always.
fn others(run: &RunReport, detail: Detail) -> String {
    let is_passed = |case: &&CaseReport| case.outcome == Outcome::Passed;
    let is_odd =
        |case: &&CaseReport| matches!(case.outcome, Outcome::Skipped(_) | Outcome::Xfailed(_) | Outcome::NotRun(_));
    let (passed, odd): (Vec<_>, Vec<_>) =
        (run.cases.iter().filter(is_passed).collect(), run.cases.iter().filter(is_odd).collect());
    let weak: Vec<_> = run.cases.iter().filter(|case| case.weakness.is_some()).collect();
    let warned: Vec<_> = run.cases.iter().filter(|case| case.is_warned()).collect();

    let mut text = folded(&format!("{} skipped, not run or expected to fail", odd.len()), &odd, |case| {
        format!("{} · {}", escape::markdown(&case.id), escape::markdown(&phrases::headline(case)))
    });
    text.push_str(&folded(&format!("{} weak: {}", weak.len(), Code::Weak.title()), &weak, |case| {
        let matches = case.weakness.map_or("", Weakness::matches);
        let place = case.place().file_and_line();
        format!("{} (<code>{}</code>): {matches}", escape::markdown(&case.id), escape::markdown(&place))
    }));
    text.extend(exercised::gaps(run).iter().map(gaps));
    text.push_str(&folded(&format!("{} warned: rejected in monitor mode", warned.len()), &warned, |case| {
        let message = phrases::rejection_in_monitor_mode(case).unwrap_or_default();
        format!("{}: {}", escape::markdown(&case.id), escape::markdown(&message))
    }));
    if detail == Detail::Everything {
        text.push_str(&folded(&format!("{} passed", passed.len()), &passed, |case| {
            format!("{} ({})", escape::markdown(&case.id), phrases::duration(case.duration))
        }));
    }
    text
}

/// Gaps that are named of a policy.
const MOST_GAPS: usize = 20;

/// What the cases do not exercise of rules or settings.
fn gaps(gaps: &exercised::Gaps<'_>) -> String {
    let line = |policy: &exercised::PolicyGaps<'_>| {
        let missing = escape::markdown(&policy.missing(MOST_GAPS));
        format!("- {}: {} {missing}\n", escape::markdown(policy.name), policy.lack)
    };
    let lines: String = gaps.policies.iter().map(line).collect();
    let command = gaps.command.as_deref().map_or_else(String::new, |command| escape::markdown_block("sh", command));
    format!("\n<details><summary>{}</summary>\n\n{lines}\n{command}\n</details>\n", escape::markdown(&gaps.title))
}

fn folded(title: &str, cases: &[&CaseReport], line: impl Fn(&CaseReport) -> String) -> String {
    if cases.is_empty() {
        return String::new();
    }
    let lines: String = cases.iter().map(|case| format!("- {}\n", line(case))).collect();
    // The blank lines make GitHub read the list as Markdown.
    format!("\n<details><summary>{}</summary>\n\n{lines}\n</details>\n", escape::markdown(title))
}

fn slowest(run: &RunReport) -> String {
    if run.cases.len() <= 10 {
        return String::new();
    }
    folded("slowest", &phrases::slowest(run, 5), |case| {
        format!("{} {}", phrases::duration(case.duration), escape::markdown(&case.id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    /// Whether every fence and every fold that is opened is closed again.
    fn is_whole(text: &str) -> bool {
        let mut open: Option<String> = None;
        let mut folds = 0_i64;
        for line in text.lines() {
            let fence: String = line.chars().take_while(|c| *c == '`').collect();
            match &open {
                Some(opened) if fence.len() >= opened.len() && line == fence => open = None,
                Some(_) => {}
                None if fence.len() >= 3 => open = Some(fence),
                None => {
                    folds += i64::from(line.starts_with("<details>")) - i64::from(line.starts_with("</details>"));
                }
            }
        }
        open.is_none() && folds == 0 && text.ends_with('\n')
    }

    #[test]
    fn the_golden_summary_is_unchanged() {
        insta::assert_snapshot!("markdown", testing::written(&Markdown, &testing::sample()));
    }

    #[test]
    fn the_first_line_is_the_verdict() {
        let mut run = testing::sample();
        let first = |run: &RunReport| write_within(run, BUDGET).lines().next().unwrap().to_owned();
        assert_eq!(first(&run), "## ❌ 14 tests: 8 passed, 2 failed, 2 errors, 1 skipped, 1 xfailed · 2 weak · 41 ms");
        run.cases.truncate(1);
        assert_eq!(first(&run), "## ✅ 1 test: 1 passed · 41 ms");
        run.cases.clear();
        assert_eq!(first(&run), "## ➖ 0 tests · 41 ms");
    }

    #[test]
    fn every_level_of_detail_is_complete_markdown() {
        let mut run = testing::failures(30, 22 * 100);
        run.cases.extend(testing::sample().cases);
        let everything = write_within(&run, BUDGET);
        let mut sizes = vec![everything.len()];
        for budget in [everything.len() - 1, 60_000, 20_000, 600] {
            let text = write_within(&run, budget);
            assert!(text.len() <= budget, "{} for {budget}", text.len());
            assert!(is_whole(&text), "{text}");
            assert!(text.starts_with("## ❌ 44 tests"));
            sizes.push(text.len());
        }
        assert!(sizes.is_sorted_by(|a, b| a > b), "{sizes:?}");
        assert!(everything.contains("8 passed</summary>") && is_whole(&everything));
        assert!(!write_within(&run, everything.len() - 1).contains("8 passed</summary>"));
        assert!(write_within(&run, 600).contains("more\n"));
    }

    #[test]
    fn megabytes_fit() {
        for run in [testing::failures(12, 1_000_000), testing::failures(5_000, 1_000), testing::failures(30_000, 10)] {
            let text = write_within(&run, BUDGET);
            assert!(text.len() <= BUDGET && text.len() > 10_000, "{}", text.len());
            assert!(is_whole(&text));
        }
    }

    #[test]
    fn hostile_text_is_neither_markup_nor_html() {
        let text = write_within(&testing::hostile(), BUDGET);
        assert!(is_whole(&text));
        let mut fence: Option<String> = None;
        for line in text.lines() {
            let run: String = line.chars().take_while(|c| *c == '`').collect();
            match &fence {
                Some(open) if line == open => fence = None,
                Some(_) => {}
                None if run.len() >= 3 => fence = Some(run),
                None => {
                    assert!(!line.contains("<script>") && !line.contains("| a |") && !line.contains("@team"), "{line}")
                }
            }
            assert!(!line.chars().any(char::is_control), "{line:?}");
            assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "a command: {line}");
        }
    }
}
