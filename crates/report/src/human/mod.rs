//! The report for people: what failed, where it is written, how to repeat it; one line about everything else.
//!
//! Cases are in suite order; those that passed are only counted, unless [`Style::status`] includes them. Text of policies
//! is escaped and bounded everywhere; the complete text is in the JSON report.

mod causes;
mod columns;
mod comparison;

use std::io;
use std::sync::Arc;

use policy_verify_model::answer::Fault;
use policy_verify_model::code::Code;
use policy_verify_model::hosting::{AnsweredBy, HostCall};
use policy_verify_model::outcome::{CaseReport, Mismatch, Outcome, RunReport, Summary, Unavailable};
use policy_verify_model::source::Span;
use policy_verify_model::weakness::Weakness;

use self::columns::{CASE, DETAIL, LABEL, POLICY};
use crate::format::Format;
use crate::groups::{self, Group};
use crate::page::{self, BAD, BOLD, DIM, GOOD, ODD, PLACE, PLAIN, Page, Piece, piece};
use crate::style::{SLOW, StatusLevel, Style};
use crate::{diagnostic, escape, exercised, layout, phrases, quote};

/// Lines shown of a log or a list, without `--verbose`.
const MOST_LINES: usize = 20;

/// Entries of the lists at the end, without `--verbose`.
const MOST_ENTRIES: usize = 10;

/// Failures named at the end of a long report.
const MOST_NAMES: usize = 50;

/// The report for people.
#[derive(Debug, Clone, Copy)]
pub struct Human {
    style: Style,
}

impl Human {
    /// A report with the given style.
    pub fn new(style: Style) -> Self {
        Self { style }
    }

    fn is_listed(&self, case: &CaseReport) -> bool {
        let needed = match &case.outcome {
            // The block about the policy names them.
            Outcome::Unavailable(_) => return false,
            outcome if outcome.is_bad() => StatusLevel::Fail,
            Outcome::Skipped(_) | Outcome::NotRun(_) | Outcome::Xfailed(_) => StatusLevel::Skip,
            _ if case.duration >= SLOW => StatusLevel::Slow,
            _ => StatusLevel::Pass,
        };
        self.style.status >= needed
    }
}

impl Format for Human {
    fn write(&self, run: &RunReport, out: &mut dyn io::Write) -> io::Result<()> {
        for error in run.errors.iter().filter(|_| self.style.verbosity > -2) {
            diagnostic::write(error, self.style, out)?;
        }
        let mut page = Page::new(self.style, out);
        if self.style.verbosity > -2 {
            let groups = groups::of(run);
            for suite in groups.chunk_by(|a, b| a.suite == b.suite) {
                self.suite(&mut page, run, suite)?;
            }
            failures(&mut page, run)?;
            warnings(&mut page, run)?;
        }
        if self.style.verbosity >= 0 {
            weak(&mut page, run)?;
            gaps(&mut page, run)?;
            privileges(&mut page, run)?;
            warned(&mut page, run)?;
            slowest(&mut page, run)?;
        }
        page.blank()?;
        page.line(0, &[piece(phrases::bottom_line(run), colour_of_run(run).bold())])
    }
}

impl Human {
    fn suite(&self, page: &mut Page<'_>, run: &RunReport, groups: &[Group<'_>]) -> io::Result<()> {
        let is_shown =
            |group: &&Group<'_>| self.style.verbosity >= 0 || group.cases.iter().any(|case| case.outcome.is_red());
        let groups: Vec<&Group<'_>> = groups.iter().filter(is_shown).collect();
        let Some(suite) = groups.first().and_then(|group| run.suites.get(group.suite)) else { return Ok(()) };

        page.blank()?;
        let is_folded = self.is_foldable(&groups);
        if is_folded {
            let cases = groups.iter().flat_map(|group| group.cases.iter().copied());
            page.command("group", &format!("{} · {}", suite.path, phrases::counts(&Summary::of(cases))))?;
        }
        let mut heading = vec![piece(&suite.path, BOLD)];
        if suite.name != suite.path {
            heading.push(piece(format!(" · {}", suite.name), DIM));
        }
        heading.push(piece(format!(" · Kubewarden {}", suite.kubewarden), DIM));
        page.entry(0, &heading)?;
        page.blank()?;
        let name_width = groups.iter().map(|group| layout::width(group.name)).max().unwrap_or(0).min(32);
        for group in groups {
            self.policy(page, run, group, name_width)?;
        }
        if is_folded { page.command("endgroup", "") } else { Ok(()) }
    }

    /// Whether a suite lists cases, none of which makes the run fail.
    fn is_foldable(&self, groups: &[&Group<'_>]) -> bool {
        let any = |holds: &dyn Fn(&CaseReport) -> bool| groups.iter().any(|it| it.cases.iter().any(|case| holds(case)));
        self.style.folds && any(&|case| self.is_listed(case)) && !any(&|case| case.outcome.is_red())
    }

    fn policy(&self, page: &mut Page<'_>, run: &RunReport, group: &Group<'_>, name_width: usize) -> io::Result<()> {
        let summary = group.summary();
        let name = format!("{:1$}", "", name_width.saturating_sub(layout::width(group.name)));
        let mut left = vec![glyph(&summary), piece(format!(" {}{name}   ", group.name), BOLD)];
        let counts = piece(phrases::counts(&summary), PLAIN);
        let has_room = POLICY + page::width(&left) + page::width(std::slice::from_ref(&counts)) + 9 <= page.columns();
        let time = if group.duration().is_zero() { String::new() } else { phrases::duration(group.duration()) };
        if has_room {
            left.push(counts);
            page.line_with_right(POLICY, &left, piece(time, DIM))?;
        } else {
            page.line_with_right(POLICY, &left, piece(time, DIM))?;
            page.line(CASE, &[counts])?;
        }
        if page.style.verbosity > 0 {
            origin(page, group)?;
        }
        for remark in group.policy.iter().flat_map(|policy| &policy.remarks) {
            labelled(page, "note", remark, ODD, Keep::First)?;
        }
        self.unavailable(page, group)?;

        let listed: Vec<&CaseReport> = group.cases.iter().copied().filter(|case| self.is_listed(case)).collect();
        for cases in causes::boxes(&listed) {
            let is_bad = cases[0].outcome.is_bad();
            if is_bad {
                page.blank()?;
            }
            headline(page, &cases)?;
            if is_bad {
                details(page, run, &cases)?;
                page.blank()?;
            }
        }
        if listed.is_empty() { Ok(()) } else { page.blank() }
    }

    /// Each reason why the cases of a policy could not run, once, with the names of these cases.
    fn unavailable(&self, page: &mut Page<'_>, group: &Group<'_>) -> io::Result<()> {
        if self.style.status < StatusLevel::Fail {
            return Ok(());
        }
        let mut reasons: Vec<(&Arc<Unavailable>, Vec<&str>)> = Vec::new();
        for case in &group.cases {
            let Outcome::Unavailable(why) = &case.outcome else { continue };
            match reasons.iter_mut().find(|(known, _)| *known == why) {
                Some((_, names)) => names.push(&case.name),
                None => reasons.push((why, vec![&case.name])),
            }
        }
        for (why, names) in reasons {
            page.blank()?;
            if let Some(span) = &why.span {
                place(page, span, &Code::from(why.stage).to_string())?;
            }
            labelled(page, why.stage.word(), &why.message, BAD, Keep::First)?;
            help(page, why.help.as_deref())?;
            labelled(page, "not run", &names.join("\n"), PLAIN, Keep::First)?;
            page.blank()?;
        }
        Ok(())
    }
}

/// The source of the policy, for `--verbose`.
fn origin(page: &mut Page<'_>, group: &Group<'_>) -> io::Result<()> {
    let Some(policy) = group.policy else { return Ok(()) };
    let mut facts = vec![policy.uri.clone()];
    facts.extend(policy.execution_mode.map(|mode| mode.to_string()));
    facts.extend(policy.digest.map(|digest| digest.to_string()));
    if !policy.compile_time.is_zero() {
        facts.push(format!("compiled in {}", phrases::duration(policy.compile_time)));
    }
    let compilers: Vec<&str> = policy.compilers.iter().map(|compiler| compiler.name()).collect();
    facts.extend(Some(compilers.join(", then ")).filter(|text| !text.is_empty()));
    let line = piece(facts.join(" · "), DIM);
    if page.has_room(CASE + page::width(std::slice::from_ref(&line))) {
        return page.line(CASE, &[line]);
    }
    facts.iter().try_for_each(|fact| page.line(CASE, &[piece(fact, DIM)]))
}

/// The colour of the worst outcome.
fn colour_of_run(run: &RunReport) -> anstyle::Style {
    if run.errors.is_empty() { colour_of(&run.summary()) } else { BAD }
}

fn colour_of(summary: &Summary) -> anstyle::Style {
    match summary {
        Summary { failed: 1.., .. } | Summary { errors: 1.., .. } | Summary { not_run: 1.., .. } => BAD,
        Summary { passed: 0, .. } => ODD,
        _ => GOOD,
    }
}

fn glyph(summary: &Summary) -> Piece {
    let sign = match summary {
        Summary { failed: 1.., .. } => "✗",
        Summary { errors: 1.., .. } | Summary { not_run: 1.., .. } => "!",
        Summary { passed: 0, .. } => "-",
        _ => "✓",
    };
    piece(sign, colour_of(summary).bold())
}

/// The line of a box: the name of its case or the number of its cases, for those not run the reason, and the time.
fn headline(page: &mut Page<'_>, cases: &[&CaseReport]) -> io::Result<()> {
    let (case, duration) = (cases[0], cases.iter().map(|case| case.duration).sum());
    let number = phrases::count(cases.len(), "case");
    let name = if cases.len() > 1 { number.as_str() } else { case.name.as_str() };
    let reason = |text: &str| piece(format!(" · {text}"), DIM);
    let line = match &case.outcome {
        Outcome::Passed => {
            let warning = phrases::rejection_in_monitor_mode(case).map(|text| piece(format!(" · {text}"), ODD));
            [piece("✓ ", GOOD), piece(name, PLAIN)].into_iter().chain(warning).collect()
        }
        Outcome::Failed(_) | Outcome::Xpassed(_) => vec![piece("✗ ", BAD), piece(name, BAD.bold())],
        Outcome::Error(_) | Outcome::Unavailable(_) => vec![piece("! ", BAD), piece(name, BAD.bold())],
        Outcome::Skipped(_) | Outcome::NotRun(_) => {
            let line = [piece("- ", ODD), piece(name, PLAIN), reason(&phrases::headline(case))];
            return page.entry(CASE, &line);
        }
        Outcome::Xfailed(_) => vec![piece("- ", ODD), piece(name, PLAIN), reason(&phrases::headline(case))],
    };
    let colour = if duration >= SLOW { ODD } else { DIM };
    page.line_with_right(CASE, &line, piece(phrases::duration(duration), colour))
}

/// The details of cases that make the run fail for one cause: those of the first, and the names of all.
fn details(page: &mut Page<'_>, run: &RunReport, cases: &[&CaseReport]) -> io::Result<()> {
    let case = cases[0];
    page.blank()?;
    match &case.outcome {
        Outcome::Failed(_) | Outcome::Error(_) => difference(page, case)?,
        Outcome::Xpassed(_) => {
            place(page, case.place(), &format!("xfail · {}", Code::UnexpectedPass))?;
            labelled(page, "xpass", &phrases::headline(case), BAD, Keep::First)?;
            help(page, Some("remove `xfail:`"))?;
        }
        _ => {}
    }
    page.blank()?;
    if cases.len() > 1 {
        let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        labelled(page, "cases", &names.join("\n"), PLAIN, Keep::First)?;
    }
    context(page, case)?;
    match phrases::reproduce_in_parts(run, case) {
        Some(parts) => command(page, parts),
        None => Ok(()),
    }
}

/// The row or object of a case, unless an expectation in that line is quoted anyway.
fn origin_of_case(page: &mut Page<'_>, case: &CaseReport) -> io::Result<()> {
    let Outcome::Failed(mismatches) = &case.outcome else { return Ok(()) };
    let is_quoted = |origin: &Span| mismatches.iter().any(|it| it.span.file_and_line() == origin.file_and_line());
    match case.origin.as_ref().filter(|origin| !is_quoted(origin)) {
        None => Ok(()),
        Some(origin) if origin.file.path == case.span.file.path => place(page, origin, "row"),
        Some(origin) => place(page, origin, "object"),
    }
}

/// The command that runs just this case, in one line if there is room. It is there to be copied: where it is broken, a
/// shell joins it again.
fn command(page: &mut Page<'_>, parts: Vec<String>) -> io::Result<()> {
    let room = page.columns().saturating_sub(DETAIL + LABEL);
    let is_whole = layout::width(&parts.join(" ")) <= room;
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        // A broken line ends in a backslash, and the next one is indented.
        let has_room = |line: &&mut String| is_whole || layout::width(&format!("{line} {part}")) + 4 <= room;
        match lines.last_mut().filter(has_room) {
            Some(line) => *line = format!("{line} {part}"),
            None => lines.push(part),
        }
    }
    let last = lines.len().saturating_sub(1);
    for (index, line) in lines.into_iter().enumerate() {
        let end = if index < last { " \\" } else { "" };
        let text = piece(format!("{line}{end}"), PLAIN);
        match index {
            0 => page.line(DETAIL, &[piece(format!("{:LABEL$}", "repeat"), DIM), text])?,
            _ => page.line(DETAIL + LABEL + 2, &[text])?,
        }
    }
    Ok(())
}

/// How a case differs from what was expected, or why it has no answer.
pub(crate) fn difference(page: &mut Page<'_>, case: &CaseReport) -> io::Result<()> {
    match &case.outcome {
        Outcome::Failed(mismatches) => {
            origin_of_case(page, case)?;
            mismatch_blocks(page, mismatches)?;
            case.advice().iter().try_for_each(|text| help(page, Some(text)))
        }
        Outcome::Error(fault) => {
            place(page, case.place(), &Code::from(fault.kind).to_string())?;
            fault_lines(page, fault)
        }
        Outcome::Unavailable(why) => {
            labelled(page, why.stage.word(), &why.message, BAD, Keep::First)?;
            help(page, why.help.as_deref())
        }
        _ => Ok(()),
    }
}

fn mismatch_blocks(page: &mut Page<'_>, mismatches: &[Mismatch]) -> io::Result<()> {
    for (index, mismatch) in mismatches.iter().enumerate() {
        if index == MOST_ENTRIES && page.style.verbosity < 1 {
            page.blank()?;
            let left_out = phrases::count(mismatches.len() - index, "more difference");
            return page.line(DETAIL, &[piece(format!("… {left_out}"), DIM)]);
        }
        page.blank()?;
        let about = format!("{} · {}", phrases::about(mismatch), Code::from(mismatch.kind));
        place(page, &mismatch.span, &about)?;
        comparison::comparison(page, &mismatch.expected, &mismatch.actual)?;
    }
    Ok(())
}

fn fault_lines(page: &mut Page<'_>, fault: &Fault) -> io::Result<()> {
    let kind = fault.kind.to_string();
    if kind.len() < LABEL {
        labelled(page, &kind, &fault.message, BAD, Keep::First)?;
    } else {
        labelled(page, "fault", &format!("{kind}: {}", fault.message), BAD, Keep::First)?;
    }
    help(page, fault.help.as_deref())
}

fn help(page: &mut Page<'_>, text: Option<&str>) -> io::Result<()> {
    text.map_or(Ok(()), |text| labelled(page, "help", text, PLAIN, Keep::Advice))
}

/// The request, the response, the host calls and the output of the policy.
fn context(page: &mut Page<'_>, case: &CaseReport) -> io::Result<()> {
    if page.style.verbosity > 0 {
        for (label, document) in [
            ("request", case.request.as_deref().map(serde_json::to_string_pretty)),
            ("response", case.response.as_ref().map(serde_json::to_string_pretty)),
        ] {
            if let Some(Ok(text)) = document {
                labelled(page, label, &text, DIM, Keep::First)?;
            }
        }
    }
    if let Some((label, lines)) = phrases::parts(case) {
        labelled(page, label, &lines, PLAIN, Keep::First)?;
    }
    let calls = case.calls.iter().map(call).collect::<Vec<_>>().join("\n");
    labelled(page, "calls", &calls, PLAIN, Keep::First)?;
    let log = &case.log;
    labelled(page, "log", &log.lines.join("\n"), PLAIN, Keep::Last)?;
    labelled(page, "stdout", &log.stdout, PLAIN, Keep::Last)?;
    labelled(page, "stderr", &log.stderr, PLAIN, Keep::Last)?;
    if log.is_truncated {
        labelled(page, "", "(output truncated at the limit)", DIM, Keep::First)?;
    }
    Ok(())
}

/// A host call in one line.
pub(crate) fn call(call: &HostCall) -> String {
    let answered = match (&call.error, call.answered_by) {
        (Some(error), _) => format!("error: {}", phrases::one_line(error, 200)),
        (None, AnsweredBy::Host) => "answered by host:".to_owned(),
        (None, AnsweredBy::Replay) => "answered by replay:".to_owned(),
        (None, AnsweredBy::Cluster) => "answered by cluster:".to_owned(),
        (None, AnsweredBy::Live) => "answered live".to_owned(),
        (None, AnsweredBy::Kinds) => "known".to_owned(),
        (None, AnsweredBy::AccessRules) => "denied by the access rules".to_owned(),
        (None, AnsweredBy::Unanswered) => "no mock".to_owned(),
    };
    format!("{} {} → {answered}", call.capability, phrases::one_line(&call.request, 200))
}

/// Which end of a long text matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    First,
    Last,
    /// The first; indented lines are to be pasted and are not broken.
    Advice,
}

/// A label and a text to its right, wrapped and bounded; nothing for an empty text.
fn labelled(page: &mut Page<'_>, label: &str, text: &str, colour: anstyle::Style, keep: Keep) -> io::Result<()> {
    if text.trim().is_empty() {
        return Ok(());
    }
    let columns = page.columns() - DETAIL - LABEL;
    let most = if page.style.verbosity > 0 { 10 * MOST_LINES } else { MOST_LINES };
    let text = text.trim_end_matches('\n');
    let number = text.lines().count();
    let skipped = if keep == Keep::Last { number.saturating_sub(most) } else { 0 };

    let mut lines = Vec::new();
    if skipped > 0 {
        lines.push((format!("… {skipped} earlier lines"), DIM));
    }
    for line in text.lines().skip(skipped).take(most) {
        let line = escape::visible(&escape::cut(line, 1_000));
        let rows = match keep {
            Keep::Advice => layout::rows(&line, columns, columns),
            Keep::First | Keep::Last => layout::hanging(&line, columns, columns),
        };
        lines.extend(rows.into_iter().map(|row| (row.into_owned(), colour)));
    }
    if keep != Keep::Last && number > most {
        lines.push((format!("… {} more lines", number - most), DIM));
    }
    let mut label = label;
    for (line, colour) in lines {
        // A label may fill its column; then the text begins one blank later.
        let margin = format!("{:<1$} ", std::mem::take(&mut label), LABEL - 1);
        page.line(DETAIL, &[piece(margin, DIM), piece(line, colour)])?;
    }
    Ok(())
}

/// The places and names of the failures once more, where the first ones are out of sight.
fn failures(page: &mut Page<'_>, run: &RunReport) -> io::Result<()> {
    let bad: Vec<&CaseReport> = run.cases.iter().filter(|case| case.outcome.is_bad()).collect();
    if bad.is_empty() || page.style.height.is_none_or(|height| page.lines <= height) {
        return Ok(());
    }
    page.blank()?;
    page.line(0, &[piece(phrases::count(bad.len(), "failure"), BAD)])?;
    for case in bad.iter().take(MOST_NAMES) {
        let place = phrases::place(case).file_and_line();
        page.entry(POLICY, &[piece(place, PLACE), piece(format!("  {}", case.name), PLAIN)])?;
    }
    match bad.len().saturating_sub(MOST_NAMES) {
        0 => Ok(()),
        more => page.line(POLICY, &[piece(format!("… {more} more"), DIM)]),
    }
}

/// The warnings of the suites and of all cases.
fn warnings(page: &mut Page<'_>, run: &RunReport) -> io::Result<()> {
    let of_suite = run.warnings.iter().map(|it| (it.span.as_ref(), it.message.as_str(), it.help.as_deref()));
    let of_cases = run.cases.iter().flat_map(|case| {
        case.remarks().iter().map(move |text| (Some(case.place()), text.as_str(), Some(case.name.as_str())))
    });
    let remarks: Vec<_> = of_suite.chain(of_cases).collect();
    let title = phrases::count(remarks.len(), "warning");
    list(page, &title, &remarks, |(span, text, more)| {
        let place = span.map(|span| piece(format!("{}  ", span.file_and_line()), PLACE));
        let more = more.map(|more| piece(format!(" · {more}"), DIM));
        place.into_iter().chain([piece(phrases::one_line(text, 300), PLAIN)]).chain(more).collect()
    })
}

/// Cases whose expectation matches different answers.
fn weak(page: &mut Page<'_>, run: &RunReport) -> io::Result<()> {
    let weak: Vec<&CaseReport> = run.cases.iter().filter(|case| case.weakness.is_some()).collect();
    let title = format!("{} weak: {}", weak.len(), Code::Weak.title());
    list(page, &title, &weak, |case| {
        let matches = case.weakness.map_or("", Weakness::matches);
        let name = piece(format!("  {}", case.name), PLAIN);
        vec![piece(case.place().file_and_line(), PLACE), name, piece(format!(" · {matches}"), DIM)]
    })
}

/// What the cases do not exercise of rules and settings.
fn gaps(page: &mut Page<'_>, run: &RunReport) -> io::Result<()> {
    let all = exercised::gaps(run);
    if page.style.verbosity > 0 {
        return all.iter().try_for_each(|gaps| {
            list(page, &gaps.title, &gaps.policies, |policy| {
                let lack = piece(format!(" · {} ", policy.lack), DIM);
                vec![piece(policy.name, PLAIN), lack, piece(policy.missing(usize::MAX), PLAIN)]
            })
        });
    }
    if !all.is_empty() {
        page.blank()?;
    }
    all.iter().try_for_each(|gaps| {
        let help = gaps.command.as_deref().unwrap_or("--verbose names them");
        page.entry(0, &[piece(&gaps.title, ODD), piece(format!(" · {help}"), DIM)])
    })
}

/// Privileges that the metadata declares and no case uses, or the other way around.
fn privileges(page: &mut Page<'_>, run: &RunReport) -> io::Result<()> {
    let gaps = exercised::privilege_gaps(run);
    if page.style.verbosity <= 0 {
        return Ok(());
    }
    let title = format!("{} between declared and used privileges", phrases::count(gaps.len(), "difference"));
    list(page, &title, &gaps, |(policy, gap)| vec![piece(*policy, PLAIN), piece(format!(" · {gap}"), DIM)])
}

/// Cases whose request a policy in monitor mode rejects.
fn warned(page: &mut Page<'_>, run: &RunReport) -> io::Result<()> {
    let warned: Vec<&CaseReport> = run.cases.iter().filter(|case| case.is_warned()).collect();
    let title = format!("{} warned: rejected in monitor mode", warned.len());
    list(page, &title, &warned, |case| {
        let place = piece(format!("{}  ", case.place().file_and_line()), PLACE);
        vec![
            place,
            piece(phrases::rejection_in_monitor_mode(case).unwrap_or_default(), PLAIN),
            piece(format!(" · {}", case.name), DIM),
        ]
    })
}

/// The slowest cases.
fn slowest(page: &mut Page<'_>, run: &RunReport) -> io::Result<()> {
    let is_wanted = page.style.verbosity > 0 || page.style.status >= StatusLevel::Slow;
    let mut cases = phrases::slowest(run, 3);
    cases.retain(|case| is_wanted || case.duration >= SLOW);
    list(page, "slowest", &cases, |case| {
        vec![
            piece(format!("{:>9}", phrases::duration(case.duration)), PLAIN),
            piece(format!("  {}", case.place().file_and_line()), PLACE),
            piece(format!("  {}", case.name), PLAIN),
        ]
    })
}

/// A titled list at the end of the report; nothing when it is empty.
fn list<T>(page: &mut Page<'_>, title: &str, entries: &[T], show: impl Fn(&T) -> Vec<Piece>) -> io::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let most = if page.style.verbosity > 0 { usize::MAX } else { MOST_ENTRIES };
    page.blank()?;
    page.entry(0, &[piece(title, ODD)])?;
    for entry in entries.iter().take(most) {
        page.entry(POLICY, &show(entry))?;
    }
    if entries.len() > most {
        page.line(POLICY, &[piece(format!("… {} more", entries.len() - most), DIM)])?;
    }
    Ok(())
}

/// Quotes a place; `about` follows its name in the heading, below it where the row is too narrow for both.
fn place(page: &mut Page<'_>, span: &Span, about: &str) -> io::Result<()> {
    let heading = [piece(span.file_and_line(), PLACE), piece(format!(" · {about}"), DIM)];
    if page.has_room(DETAIL + page::width(&heading)) {
        page.line(DETAIL, &heading)?;
    } else {
        page.line(DETAIL, &heading[..1])?;
        page.line(DETAIL, &[piece(about, DIM)])?;
    }
    quote::lines(page, span, DETAIL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use policy_verify_model::answer::FaultKind;

    fn shown(run: &RunReport, change: impl FnOnce(&mut Style)) -> String {
        let mut style = Style::default();
        change(&mut style);
        testing::written(&Human::new(style), run)
    }

    #[test]
    fn the_golden_reports_are_unchanged() {
        let run = testing::sample();
        insta::assert_snapshot!("human-100", shown(&run, |_| {}));
        insta::assert_snapshot!("human-60", shown(&run, |style| style.width = 60));
        insta::assert_snapshot!("human-all", shown(&run, |style| style.status = StatusLevel::All));
    }

    /// Only what is to be copied, and the last line, may be wider than the terminal.
    #[test]
    fn lines_are_no_wider_than_the_terminal() {
        let mut run = testing::sample();
        for case in &mut run.cases {
            case.name = format!("{} {}", case.name, "日本語 words-with-hyphens ".repeat(5));
        }
        for width in [40, 60, 80, 100, 160] {
            for verbosity in [0, 1] {
                let text = shown(&run, |style| {
                    *style = Style { width, verbosity, status: StatusLevel::All, height: Some(20), ..*style };
                });
                let is_copied = |line: &str| {
                    ["--filter", "verify ", " tests: ", "sha256:", "file://"].iter().any(|it| line.contains(it))
                };
                let wide: Vec<&str> =
                    text.lines().filter(|line| layout::width(line) > width && !is_copied(line)).collect();
                assert_eq!(wide, [""; 0], "{width}");
            }
        }
    }

    #[test]
    fn a_green_run_is_short() {
        let mut run = testing::sample();
        run.cases.retain(|case| case.outcome == Outcome::Passed);
        let gap = " ".repeat(59);
        assert_eq!(
            shown(&run, |_| {}),
            format!(
                "suite.yml · acme label policies · Kubewarden 1.38.2\n\n  ✓ safe-labels   8 tests: 8 passed{gap}1.1 ms\n\n8 tests: 8 passed · 41 ms\n"
            )
        );
        assert_eq!(shown(&run, |style| style.verbosity = -1), "8 tests: 8 passed · 41 ms\n");
    }

    #[test]
    fn levels_decide_which_cases_are_listed() {
        let run = testing::sample();
        let lists = |level: StatusLevel, name: &str| {
            let text = shown(&run, |style| (style.status, style.width) = (level, 200));
            // The lists at the end are not what this is about.
            text.split("1 warning").next().unwrap().contains(name)
        };
        for (name, first) in [
            ("rejects a pod", StatusLevel::Fail),
            ("gateway objects · needs the v2 settings", StatusLevel::Skip),
            ("labels are listed in a stable order · expected failure: acme/safe-labels#41", StatusLevel::Skip),
            ("accepts a pod", StatusLevel::Pass),
        ] {
            for level in [StatusLevel::None, StatusLevel::Fail, StatusLevel::Skip, StatusLevel::Slow, StatusLevel::All]
            {
                assert_eq!(lists(level, name), level >= first, "{name} at {level:?}");
            }
        }
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let run = testing::sample();
        let coloured = shown(&run, |style| style.colour = true);
        assert!(coloured.contains("\x1b["));
        let mut plain = String::new();
        for (index, part) in coloured.split("\x1b[").enumerate() {
            plain.push_str(if index == 0 { part } else { part.split_once('m').unwrap().1 });
        }
        assert_eq!(plain, shown(&run, |_| {}));
    }

    #[test]
    fn hostile_text_reaches_no_terminal() {
        let run = testing::hostile();
        for (width, verbosity) in [(40, 0), (60, 1), (100, 0), (200, 1)] {
            let text = shown(&run, |style| {
                (style.width, style.verbosity, style.status) = (width, verbosity, StatusLevel::All);
            });
            for line in text.lines() {
                assert!(!line.trim_start().starts_with("::"), "a command: {line}");
                assert!(!line.contains("##[") && !line.contains("##vso["), "a command: {line}");
                assert!(!line.chars().any(char::is_control), "a control character: {line:?}");
                assert!(!line.contains('\u{202e}'));
            }
        }
    }

    #[test]
    fn long_messages_are_bounded() {
        let text = shown(&testing::failures(3, 1_000_000), |_| {});
        assert!(text.len() < 20_000, "{}", text.len());
    }

    #[test]
    fn settings_rejected_for_one_reason_are_one_box() {
        let rejected = |reason: &str| Fault::new(FaultKind::Settings, reason).with_help("correct them");
        let mut run = testing::failures(5, 10);
        for (case, reason) in run.cases.iter_mut().zip(["unknown field", "unknown field", "too short", "unknown field"])
        {
            case.outcome = Outcome::Error(rejected(reason));
        }
        let text = shown(&run, |_| {});
        assert!(text.contains("safe-labels   5 tests: 1 failed, 4 errors"), "{text}");
        let headings: Vec<&str> =
            text.lines().filter(|line| line.starts_with("    ✗ ") || line.starts_with("    ! ")).collect();
        let headings: Vec<String> =
            headings.iter().map(|line| line.split_whitespace().take(3).collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(headings, ["! 3 cases", "! failure 2", "✗ failure 4"], "{text}");
        assert_eq!(text.matches("settings  unknown field\n").count(), 1, "{text}");
        assert!(text.contains("cases     failure 0\n                failure 1\n                failure 3\n"), "{text}");
        for format in ["junit", "tap", "json", "ndjson", "github", "markdown"] {
            let text = testing::written(&*crate::by_name(format, &Style::default()).unwrap(), &run);
            assert!(text.matches("unknown field").count() >= 3, "{format}: {text}");
        }
    }

    #[test]
    fn lines_to_paste_are_not_broken() {
        let line = "    net/v1/dns_lookup_host: { db.default.svc.cluster.local: [10.0.0.1] }";
        let mut run = testing::failures(1, 10);
        let help = format!("add a mock to the suite, in the place where the other mocks are written:\n  host:\n{line}");
        run.cases[0].outcome = Outcome::Error(Fault::new(FaultKind::Host, "no mock").with_help(help));
        let text = shown(&run, |style| style.width = 60);
        assert!(text.contains(&format!("\n                  host:\n                {line}\n")), "{text}");
        assert!(text.lines().any(|line| line.trim_end().ends_with("in the place where")), "prose is broken: {text}");
    }

    #[test]
    fn only_suites_in_which_all_is_well_are_folded() {
        let mut run = testing::sample();
        let folded = |run: &RunReport, status: StatusLevel| {
            let text = shown(run, |style| (style.folds, style.status) = (true, status));
            let heading = |line: &str| line.strip_prefix("::group::").map(str::to_owned);
            assert_eq!(text.matches("::group::").count(), text.matches("::endgroup::").count());
            text.lines().filter_map(heading).collect::<Vec<_>>()
        };
        assert!(folded(&run, StatusLevel::All).is_empty());
        run.cases.retain(|case| case.outcome == Outcome::Passed);
        assert!(folded(&run, StatusLevel::Fail).is_empty());
        assert_eq!(folded(&run, StatusLevel::All), ["suite.yml · 8 tests: 8 passed"]);
    }

    #[test]
    fn a_policy_with_cases_that_were_not_run_is_not_ticked_off() {
        let mut run = testing::sample();
        run.cases.retain(|case| case.outcome == Outcome::Passed);
        run.cases[1].outcome = Outcome::NotRun("the run was interrupted".into());
        for verbosity in [-1, 0, 1] {
            let text = shown(&run, |style| style.verbosity = verbosity);
            assert!(text.contains("! safe-labels   8 tests: 7 passed, 1 not run"), "{text}");
            assert!(!text.contains('✓'), "{text}");
        }
    }

    #[test]
    fn failures_out_of_sight_are_named_again_at_the_end() {
        let run = testing::failures(60, 10);
        let end = |height: Option<usize>, verbosity| {
            let text = shown(&run, |style| (style.height, style.verbosity) = (height, verbosity));
            text.split("\n60 failures\n").nth(1).map(str::to_owned)
        };
        let names = end(Some(24), 0).unwrap();
        let lines: Vec<&str> = names.lines().take_while(|line| !line.is_empty()).collect();
        assert_eq!((lines.len(), lines[50]), (51, "  … 10 more"), "{names}");
        assert!(lines[0].starts_with("  suite.yml:") && lines[0].ends_with("  failure 0"), "{names}");
        assert_eq!((end(None, 0), end(Some(100_000), 0), end(Some(24), -2)), (None, None, None));
        // Where all is well there is nothing to name.
        let mut good = testing::sample();
        good.cases.retain(|case| case.outcome == Outcome::Passed);
        let text = shown(&good, |style| (style.height, style.status) = (Some(1), StatusLevel::All));
        assert!(!text.contains("failure"), "{text}");
    }

    #[test]
    fn quiet_and_quieter() {
        let run = testing::sample();
        let quiet = shown(&run, |style| style.verbosity = -1);
        assert!(quiet.contains("rejects a pod") && !quiet.contains("slowest"));
        assert_eq!(shown(&run, |style| style.verbosity = -2).lines().count(), 1);
    }
}
