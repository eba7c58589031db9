//! What the cases exercise of the rules of each policy, as tables: a row for each request that the rules select.

use std::fmt::Write as _;

use policy_verify_model::outcome::RunReport;
use policy_verify_model::rule_coverage::{Exercise, RequestCoverage, RuleCoverage};

use crate::escape;

/// Tables on a page, and rows of all of them: more are not read.
const MOST_ROWS: usize = 2_000;

/// The tables; nothing where no policy has rules, or the run cannot tell.
pub(super) fn section(run: &RunReport) -> String {
    if run.rules.is_empty() || run.shard.is_some() {
        return String::new();
    }
    let mut text = String::from("<section id=\"rules\">\n<h2>Rules</h2>\n");
    let mut room = MOST_ROWS;
    for rules in run.rules.iter().filter(|rules| !rules.requests.is_empty()) {
        if room == 0 {
            text.push_str("<p class=\"dim\">The JSON report has the other policies.</p>\n");
            break;
        }
        let rows = rules.requests.len().min(room);
        room -= rows;
        text.push_str(&table(run, rules, rows));
    }
    text.push_str("</section>\n");
    text
}

fn table(run: &RunReport, rules: &RuleCoverage, rows: usize) -> String {
    let (exercised, all) = (rules.exercised(), rules.requests.len());
    let suite = run.suites.get(rules.suite).map_or("", |suite| &suite.path);
    let is_open = if exercised < all { " open" } else { "" };
    let mut text = format!(
        "<details{is_open}>\n<summary><h3>{}</h3> {} · {exercised} of {all} requests of the rules have a case</summary>\n\
         <div class=\"scroll\"><table class=\"matrix numbers\">\n<thead><tr><th>request</th><th>allowed</th><th>mutated</th><th>rejected</th></tr></thead>\n<tbody>\n",
        escape::html_line(&rules.policy),
        escape::html_line(suite),
    );
    for request in &rules.requests[..rows] {
        text.push_str(&row(request));
    }
    text.push_str("</tbody>\n</table></div>\n");
    for note in rules.mistakes.iter().chain(&rules.notes) {
        let _ = writeln!(text, "<p class=\"dim\">{}</p>", escape::html_line(note));
    }
    text.push_str("</details>\n");
    text
}

fn row(request: &RequestCoverage) -> String {
    let class = if request.exercise() == Exercise::Never { " class=\"bad\"" } else { "" };
    let verdicts = request.verdicts;
    let numbers = [verdicts.allowed, verdicts.mutated, verdicts.rejected];
    let numbers: String = numbers.iter().map(|number| format!("<td>{number}</td>")).collect();
    format!(
        "<tr{class}><th scope=\"row\"><code>{}</code></th>{numbers}</tr>\n",
        escape::html_line(&request.to_string())
    )
}
