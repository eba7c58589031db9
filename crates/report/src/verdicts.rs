//! What policies say to each request: a line for every verdict, the requests in the order of their files. The report of
//! `verify eval`.
//!
//! Verdicts that let a request pass as it is are only counted, unless [`Style::status`] includes cases that pass.

use std::collections::HashSet;
use std::io;

use policy_verify_model::answer::{AdmissionResponse, FaultKind};
use policy_verify_model::outcome::{CaseKind, CaseReport, Outcome, RunReport};
use policy_verify_model::patch;
use policy_verify_model::request::Request;
use serde_json::Value;

use crate::format::Format;
use crate::human::Human;
use crate::page::{BAD, BOLD, DIM, GOOD, ODD, PLACE, PLAIN, Page, piece};
use crate::style::{StatusLevel, Style};
use crate::{escape, layout, phrases};

/// Lines of a message, and operations of a patch.
const MOST_LINES: usize = 20;

/// Characters of the name of an object.
const LONGEST_NAME: usize = 300;

/// Characters of the value of an operation.
const LONGEST_VALUE: usize = 160;

const INDENT: usize = 2;

/// The verdicts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verdicts {
    style: Style,
}

impl Verdicts {
    /// Verdicts in this style.
    pub(super) fn new(style: Style) -> Self {
        Self { style }
    }
}

impl Format for Verdicts {
    fn write(&self, run: &RunReport, out: &mut dyn io::Write) -> io::Result<()> {
        if !run.errors.is_empty() {
            return Human::new(self.style).write(run, out);
        }
        let mut page = Page::new(self.style, out);
        let mut rows: Vec<(&CaseReport, Verdict)> = run.cases.iter().map(|case| (case, Verdict::of(case))).collect();
        rows.sort_by_key(|(case, _)| (&case.place().file.path, case.place().offset));
        let is_shown = |verdict: Verdict| self.style.status >= verdict.level();
        let mut refusing = HashSet::new();
        // What is wrong with a policy is wrong once, however many objects there are.
        let mut is_news = |case: &CaseReport| !is_about_policy(case) || refusing.insert(case.policy.clone());
        let shown: Vec<_> = rows.iter().filter(|(case, verdict)| is_shown(*verdict) && is_news(case)).collect();
        let columns = Columns::of(&shown);
        let is_quiet = self.style.verbosity < 0;
        for (case, verdict) in shown.iter().filter(|_| !is_quiet) {
            row(&mut page, case, *verdict, &columns)?;
        }
        page.blank()?;
        page.line(0, &[piece(counts(&rows), BOLD)])
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Allowed,
    Mutated,
    Warned,
    Denied,
    /// No usable answer.
    Error,
    /// No rule matches, or the case is skipped.
    NotAsked,
    /// The run was stopped before.
    NotRun,
}

impl Verdict {
    const ALL: [Self; 7] =
        [Self::Denied, Self::Error, Self::Mutated, Self::Warned, Self::Allowed, Self::NotAsked, Self::NotRun];

    fn of(case: &CaseReport) -> Self {
        match (&case.outcome, &case.response) {
            (Outcome::Skipped(_), _) => Self::NotAsked,
            (Outcome::NotRun(_), _) => Self::NotRun,
            (Outcome::Error(_) | Outcome::Unavailable(_), _) => Self::Error,
            (_, Some(AdmissionResponse { allowed: false, .. })) => Self::Denied,
            _ if case.is_warned() => Self::Warned,
            (_, Some(AdmissionResponse { patch: Some(_), .. })) => Self::Mutated,
            (_, Some(_)) => Self::Allowed,
            // Checks and settings have no verdict on a request.
            (outcome, None) if outcome.is_bad() => Self::Error,
            (_, None) => Self::Allowed,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Mutated => "mutated",
            Self::Warned => "warned",
            Self::Denied => "denied",
            Self::Error => "error",
            Self::NotAsked => "not asked",
            Self::NotRun => "not run",
        }
    }

    fn level(self) -> StatusLevel {
        match self {
            Self::Allowed => StatusLevel::Pass,
            Self::NotAsked => StatusLevel::All,
            _ => StatusLevel::Fail,
        }
    }
}

/// How wide the columns are.
struct Columns {
    subject: usize,
    policy: usize,
}

impl Columns {
    fn of(rows: &[&(&CaseReport, Verdict)]) -> Self {
        const WIDEST: usize = 48;
        let widest = |text: &dyn Fn(&CaseReport) -> String| {
            rows.iter().map(|(case, _)| layout::width(&text(case))).max().unwrap_or_default().min(WIDEST)
        };
        Self { subject: widest(&subject), policy: widest(&|case| case.policy.clone()) }
    }
}

/// `Pod team-a/web`; of what is no request about an object, the name of the case.
fn subject(case: &CaseReport) -> String {
    escape::shorten(&whole_subject(case), LONGEST_NAME).into_owned()
}

fn whole_subject(case: &CaseReport) -> String {
    if is_about_policy(case) {
        return "every object".to_owned();
    }
    let request = case.request.as_ref().filter(|_| case.kind == CaseKind::Case).map(|request| request.get());
    match request.as_deref() {
        Some(Request::Admission(request)) => {
            let named = [&request.namespace, &request.name].map(|name| name.as_deref().unwrap_or_default());
            let names: Vec<&str> = named.into_iter().filter(|name| !name.is_empty()).collect();
            format!("{} {}", request.kind.kind, names.join("/")).trim_end().to_owned()
        }
        _ => case.name.clone(),
    }
}

/// Whether a policy answers about no object: it is unavailable, or refuses its settings.
fn is_about_policy(case: &CaseReport) -> bool {
    matches!(case.outcome, Outcome::Unavailable(_))
        || case.fault.as_ref().is_some_and(|fault| fault.kind == FaultKind::Settings)
}

fn row(page: &mut Page<'_>, case: &CaseReport, verdict: Verdict, columns: &Columns) -> io::Result<()> {
    const WORD: usize = 9;
    let colour = match verdict {
        Verdict::Allowed => GOOD,
        Verdict::Mutated | Verdict::Warned => ODD,
        Verdict::Denied | Verdict::Error | Verdict::NotRun => BAD,
        Verdict::NotAsked => DIM,
    };
    let padded =
        |text: &str, width: usize| format!("{text}{}", " ".repeat(width.saturating_sub(layout::width(text)).max(1)));
    page.line(
        0,
        &[
            piece(padded(verdict.word(), WORD + 1), colour),
            piece(padded(&subject(case), columns.subject + 2), BOLD),
            piece(padded(&case.policy, columns.policy + 2), PLAIN),
            piece(case.place().file_and_line(), PLACE),
        ],
    )?;
    for line in details(case, verdict) {
        page.line(INDENT, &[piece(line, if verdict == Verdict::NotAsked { DIM } else { PLAIN })])?;
    }
    Ok(())
}

/// The message, the warnings, and what changes.
fn details(case: &CaseReport, verdict: Verdict) -> Vec<String> {
    let answer = case.monitored.as_ref().filter(|_| verdict == Verdict::Warned).or(case.response.as_ref());
    let message = match verdict {
        Verdict::Error | Verdict::NotAsked | Verdict::NotRun => Some(phrases::headline(case)),
        _ => answer.and_then(|answer| answer.message().map(str::to_owned)),
    };
    let code = answer.and_then(AdmissionResponse::code).filter(|_| verdict == Verdict::Denied);
    let message = message.filter(|text| !text.is_empty()).map(|text| match code {
        Some(code) => format!("{text} (code {code})"),
        None => text,
    });
    let warnings = case.response.iter().filter_map(|answer| answer.warnings.as_ref()).flatten();
    let warnings = warnings.map(|text| format!("warning: {text}"));
    let texts: Vec<String> = message.into_iter().chain(warnings).collect();
    let mut lines: Vec<String> = texts.iter().flat_map(|text| text.lines()).map(str::to_owned).collect();
    lines.extend(case.response.as_ref().and_then(|answer| answer.patch.as_deref()).map_or_else(Vec::new, operations));
    if lines.len() > MOST_LINES {
        let more = lines.len() - MOST_LINES;
        lines.truncate(MOST_LINES);
        lines.push(format!("… and {}", phrases::count(more, "line")));
    }
    lines
}

/// `replace /spec/replicas: 3` for each operation.
fn operations(text: &str) -> Vec<String> {
    let Ok(Value::Array(operations)) = patch::decode(text) else {
        return vec!["a patch that cannot be read".to_owned()];
    };
    let shown = |operation: &Value| {
        let member = |name: &str| operation.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let source = Some(member("from")).filter(|from| !from.is_empty()).map(|from| format!(" from {from}"));
        let value =
            operation.get("value").map(|value| format!(": {}", phrases::one_line(&value.to_string(), LONGEST_VALUE)));
        format!("{} {}{}{}", member("op"), member("path"), source.unwrap_or_default(), value.unwrap_or_default())
    };
    operations.iter().map(shown).collect()
}

/// `12 verdicts: 1 denied · 11 allowed`
fn counts(rows: &[(&CaseReport, Verdict)]) -> String {
    let number = |wanted: Verdict| rows.iter().filter(|(_, verdict)| *verdict == wanted).count();
    let parts = Verdict::ALL.map(|verdict| (number(verdict), verdict.word())).into_iter();
    let parts: Vec<String> =
        parts.filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")).collect();
    let asked = rows.len() - number(Verdict::NotAsked) - number(Verdict::NotRun);
    format!(
        "{}: {}",
        phrases::count(asked, "verdict"),
        if parts.is_empty() { "none".to_owned() } else { parts.join(" · ") }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn verdicts_are_in_the_order_of_the_files() {
        let style = Style { status: StatusLevel::All, ..Style::default() };
        insta::assert_snapshot!(testing::written(&Verdicts::new(style), &testing::sample()));
    }

    #[test]
    fn what_passes_is_counted() {
        let text = testing::written(&Verdicts::new(Style::default()), &testing::sample());
        assert!(!text.lines().any(|line| line.starts_with("allowed ")), "{text}");
        assert!(text.contains(" allowed"), "{text}");
    }

    #[test]
    fn operations_of_a_patch_are_lines() {
        // [{"op":"replace","path":"/a","value":{"b":1}},{"op":"move","from":"/c","path":"/d"},{"op":"remove","path":"/e"}]
        let patch = "W3sib3AiOiJyZXBsYWNlIiwicGF0aCI6Ii9hIiwidmFsdWUiOnsiYiI6MX19LHsib3AiOiJtb3ZlIiwiZnJvbSI6Ii9jIiwicGF0aCI6Ii9kIn0seyJvcCI6InJlbW92ZSIsInBhdGgiOiIvZSJ9XQ==";
        assert_eq!(operations(patch), ["replace /a: {\"b\":1}", "move /d from /c", "remove /e"]);
        assert_eq!(operations("%"), ["a patch that cannot be read"]);
    }
}
