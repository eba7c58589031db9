//! Policies × cases as pictures: for every policy its times and a square for each of its cases, and a table of the
//! cases that several policies share.

use std::collections::HashSet;
use std::fmt::Write as _;

use indexmap::IndexMap;

use crate::groups::Group;
use crate::{escape, phrases};
use policy_verify_model::outcome::{CaseReport, RunReport};

use super::sign::{class, sign};

/// Squares of one policy; a screen does not hold more.
const MOST_SQUARES: usize = 5_000;

/// Up to this many, squares are large where fingers point at them; of more, the list of cases has all.
const FEW_SQUARES: usize = 60;

/// Rows of the table of shared cases.
const MOST_ROWS: usize = 1_000;

/// The pictures of all policies.
pub(super) fn section(run: &RunReport, groups: &[Group<'_>]) -> String {
    if groups.is_empty() {
        return String::new();
    }
    let total = |group: &Group<'_>| compile_time(group) + group.duration().as_secs_f64();
    let longest = groups.iter().map(total).fold(0.0, f64::max);
    let mut text = String::from(
        "<section id=\"policies\">\n<h2>Policies</h2>\n<p class=\"facts\">time<span class=\"legend compile\"></span>compiling\
         <span class=\"legend\"></span>cases · one square per case</p>\n",
    );
    for group in groups {
        text.push_str(&policy(run, group, longest));
    }
    for suite in groups.chunk_by(|a, b| a.suite == b.suite) {
        text.push_str(&matrix(suite));
    }
    text.push_str("</section>\n");
    text
}

fn compile_time(group: &Group<'_>) -> f64 {
    group.policy.map_or(0.0, |policy| policy.compile_time.as_secs_f64())
}

fn policy(run: &RunReport, group: &Group<'_>, longest: f64) -> String {
    let summary = group.summary();
    let colour = if summary.failed + summary.errors > 0 { "bad" } else { "good" };
    let compiled = group.policy.map(|policy| policy.compile_time).filter(|time| !time.is_zero());
    let compiled = compiled.map(|time| format!("compiled in {} · ", phrases::duration(time))).unwrap_or_default();
    let suite = run.suites.get(group.suite).map_or("", |suite| &suite.path);
    format!(
        "<div class=\"policy\">\n<div class=\"row\"><h3>{}</h3><span class=\"dim\">{}</span><span class=\"{colour}\">{}</span>\
         <span class=\"right\">{compiled}cases {}</span></div>\n{}{}</div>\n",
        escape::html_line(group.name),
        escape::html_line(suite),
        phrases::counts(&summary),
        phrases::duration(group.duration()),
        bar(compile_time(group), group.duration().as_secs_f64(), longest),
        strip(group),
    )
}

/// Compiling and running as shares of what took longest.
fn bar(compile: f64, cases: f64, longest: f64) -> String {
    let share = |seconds: f64| if longest > 0.0 { 100.0 * seconds / longest } else { 0.0 };
    // Whatever took time is visible.
    let visible = |seconds: f64| if seconds > 0.0 { share(seconds).max(0.4) } else { 0.0 };
    let (first, second) = (visible(compile), visible(cases));
    format!(
        "<svg class=\"bar\" viewBox=\"0 0 101 1\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"time\">\
         <rect class=\"compile\" width=\"{first:.2}\" height=\"1\"/><rect class=\"cases\" x=\"{first:.2}\" width=\"{second:.2}\" height=\"1\"/></svg>\n"
    )
}

fn strip(group: &Group<'_>) -> String {
    let size = if group.cases.len() <= FEW_SQUARES { "strip few" } else { "strip" };
    let mut text = format!("<div class=\"{size}\">");
    for (case, number) in group.cases.iter().zip(&group.numbers).take(MOST_SQUARES) {
        let (letter, _) = class(case);
        let name = escape::html_line(&escape::shorten(&case.name, 120));
        let _ = write!(text, "<a class=\"{letter}\" href=\"#c{number}\" title=\"{name}\"></a>");
    }
    if group.cases.len() > MOST_SQUARES {
        let _ = write!(text, " … {} more", group.cases.len() - MOST_SQUARES);
    }
    text.push_str("</div>\n");
    text
}

/// The name of a case without that of its policy: cases of several policies have it in common.
fn shared_name(case: &CaseReport) -> String {
    let Some((name, labels)) = case.name.strip_suffix(']').and_then(|name| name.rsplit_once(" [")) else {
        return case.name.clone();
    };
    let labels: Vec<&str> = labels.split(", ").filter(|label| *label != case.policy).collect();
    if labels.is_empty() { name.to_owned() } else { format!("{name} [{}]", labels.join(", ")) }
}

/// A case of one policy and its number on the page; none where that policy has no such case.
type Cell<'a> = Option<(&'a CaseReport, usize)>;

/// The cases of a suite that several policies share, by policy; nothing where there are none.
fn matrix(groups: &[Group<'_>]) -> String {
    // A case that is written once has one place.
    let mut rows: IndexMap<(String, usize), Vec<Cell<'_>>> = IndexMap::new();
    for (column, group) in groups.iter().enumerate() {
        for (case, number) in group.cases.iter().zip(&group.numbers) {
            let row = rows.entry((shared_name(case), case.span.offset)).or_insert_with(|| vec![None; groups.len()]);
            row[column] = Some((case, *number));
        }
    }
    rows.retain(|_, cells| cells.iter().flatten().count() > 1);
    let used: HashSet<usize> =
        rows.values().flat_map(|cells| (0..cells.len()).filter(|column| cells[*column].is_some())).collect();
    if rows.is_empty() {
        return String::new();
    }
    let columns: Vec<usize> = (0..groups.len()).filter(|column| used.contains(column)).collect();
    let mut text =
        String::from("<h2>Shared cases</h2>\n<div class=\"scroll\"><table class=\"matrix\">\n<thead><tr><th></th>");
    for column in &columns {
        let _ = write!(text, "<th>{}</th>", escape::html_line(groups[*column].name));
    }
    text.push_str("</tr></thead>\n<tbody>\n");
    for ((name, _), cells) in rows.iter().take(MOST_ROWS) {
        let _ = write!(text, "<tr><th>{}</th>", escape::html_line(name));
        for column in &columns {
            let cell = cells[*column].map(|(case, number)| format!("<a href=\"#c{number}\">{}</a>", sign(case)));
            let _ = write!(text, "<td>{}</td>", cell.unwrap_or_default());
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody></table></div>\n");
    if rows.len() > MOST_ROWS {
        let _ = writeln!(text, "<p class=\"dim\">… {} more rows</p>", rows.len() - MOST_ROWS);
    }
    text
}
