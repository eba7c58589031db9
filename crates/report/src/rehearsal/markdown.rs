//! A rehearsal as a comment of a pull request, in GitHub's Markdown. A comment has a largest size.

use std::io;

use policy_verify_model::rehearsal::{ObjectPlace, PolicyResult, Rehearsal};

use super::words::{self, COLUMNS, LONGEST, Standing, numbers};
use crate::{escape, phrases};

/// Bytes of a comment, below GitHub's limit of 65,536 characters.
const BUDGET: usize = 60_000;

/// Writes a comment: the policies with their numbers, what they do and why, the workloads that are rejected.
pub fn markdown(rehearsal: &Rehearsal, out: &mut dyn io::Write) -> io::Result<()> {
    let sign = match words::standing(rehearsal) {
        Standing::Good => "✅",
        Standing::Rejects => "⚠",
        Standing::Incomplete => "❌",
    };
    let mut text = format!(
        "## {sign} {}\n\n{}\n",
        escape::markdown(&words::verdict(rehearsal)),
        escape::markdown(&words::extent(rehearsal))
    );
    let titles: Vec<&str> = COLUMNS.iter().map(|(title, _)| *title).collect();
    let head = format!("| policy | {} | audit |\n|---|{}---|\n", titles.join(" | "), "---:|".repeat(COLUMNS.len()));
    add_rows(&mut text, &head, rehearsal.policies.iter().map(policy), "policies");
    let findings = rehearsal.policies.iter().flat_map(|policy| policy.findings.iter().map(move |it| (policy, it)));
    let rows = findings.map(|(policy, it)| {
        let (name, verdict) = (cell(&policy.name), it.verdict.word());
        format!("| {verdict} | {name} | {} | {} | {} |\n", it.number, cell(&it.cause), place(it.example.as_ref()))
    });
    add_rows(&mut text, "| verdict | policy | objects | cause | example |\n|---|---|---:|---|---|\n", rows, "causes");
    if let Some(differences) = &rehearsal.differences {
        text.push_str(&format!("\n### Against the old policies\n\n{}\n", cell(&words::differences(differences))));
        let rows = differences.changes.iter().map(|it| {
            let [policy, cause, old, new] = [&it.policy, &it.cause, &it.old, &it.new].map(|text| cell(text));
            let class = escape::markdown(it.class.title());
            format!(
                "| {class} | {policy} | {} | {cause} | {old} | {new} | {} |\n",
                it.number,
                place(it.example.as_ref())
            )
        });
        let head = "| difference | policy | objects | cause | old | new | example |\n|---|---|---:|---|---|---|---|\n";
        add_rows(&mut text, head, rows, "differences");
    }
    let workloads = rehearsal.workloads.iter().filter(|it| it.rejected_objects > 0).map(|it| {
        let policies = words::of_policies(&it.policies);
        let policies: Vec<String> = policies.iter().map(|(name, words)| format!("{}: {words}", cell(name))).collect();
        format!("| {} | {} | {} |\n", cell(&words::workload(it)), it.rejected_objects, policies.join("<br>"))
    });
    add_rows(&mut text, "| workload | rejected objects | policies |\n|---|---:|---|\n", workloads, "workloads");
    let unread = rehearsal.unread.iter().map(|it| {
        let at = format!("{}:{}", it.file, it.line);
        format!("| {} | {} | <code>{}</code> |\n", it.number, cell(&it.reason), cell(&at))
    });
    add_rows(&mut text, "| not read | reason | first |\n|---:|---|---|\n", unread, "reasons");
    for remark in words::remarks(rehearsal) {
        if text.len() < BUDGET {
            text.push_str(&format!("\n- {}\n", cell(&remark)));
        }
    }
    out.write_all(text.as_bytes())
}

/// A table, as far as there is room; nothing without rows.
fn add_rows(text: &mut String, head: &str, rows: impl Iterator<Item = String>, what: &str) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() || text.len() + head.len() > BUDGET {
        return;
    }
    text.push('\n');
    text.push_str(head);
    while let Some(row) = rows.next_if(|row| text.len() + row.len() <= BUDGET) {
        text.push_str(&row);
    }
    let left = rows.count();
    if left > 0 {
        text.push_str(&format!("\n… and {left} more {what}\n"));
    }
}

fn policy(policy: &PolicyResult) -> String {
    let mode = if policy.is_monitor { " (monitor)" } else { "" };
    if let Some(reason) = &policy.unavailable {
        return format!("| {} | ❌ unavailable: {} |\n", cell(&policy.name), cell(reason));
    }
    let numbers: Vec<String> = numbers(&policy.counts).iter().map(ToString::to_string).collect();
    format!("| {}{mode} | {} | {} |\n", cell(&policy.name), numbers.join(" | "), words::audit(&policy.audit))
}

fn place(example: Option<&ObjectPlace>) -> String {
    example.map_or_else(String::new, |example| {
        let place = format!("{}:{}", example.file, example.line);
        format!("{} <code>{}</code>", cell(&example.object), cell(&place))
    })
}

fn cell(text: &str) -> String {
    escape::markdown(&phrases::one_line(text, LONGEST))
}
