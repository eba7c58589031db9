//! What policies would do to the objects of a cluster: the output of `verify rehearse`.

mod html;
mod markdown;
mod words;

use std::io;

use policy_verify_model::behaviour::Class;
use policy_verify_model::rehearsal::{Finding, ObjectPlace, PolicyChange, PolicyResult, Rehearsal, Verdict};

pub use self::html::html;
pub use self::markdown::markdown;
use self::words::{COLUMNS, LONGEST, Standing, numbers};
use crate::page::{BAD, BOLD, DIM, GOOD, ODD, PLACE, PLAIN, Page, Piece, piece};
use crate::phrases::one_line;
use crate::style::Style;
use crate::{layout, phrases};

/// Findings of a policy, and entries of other lists, that people read.
const MOST: usize = 10;

/// Columns of a name in a table.
const WIDEST_NAME: usize = 40;

/// Writes a rehearsal for people: the policies, what they do and why, namespaces, workloads, and what is missing.
pub fn text(rehearsal: &Rehearsal, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(style, out);
    page.entry(0, &[piece(words::extent(rehearsal), DIM)])?;
    page.blank()?;
    table(&mut page, rehearsal)?;
    page.blank()?;
    for policy in &rehearsal.policies {
        findings(&mut page, policy)?;
    }
    page.blank()?;
    namespaces(&mut page, rehearsal)?;
    workloads(&mut page, rehearsal)?;
    differences(&mut page, rehearsal)?;
    missing(&mut page, rehearsal)?;
    let colour = match words::standing(rehearsal) {
        Standing::Good => GOOD,
        Standing::Rejects => ODD,
        Standing::Incomplete => BAD,
    };
    page.entry(0, &[piece(words::verdict(rehearsal), colour.bold())])
}

/// The policies with their numbers.
fn table(page: &mut Page<'_>, rehearsal: &Rehearsal) -> io::Result<()> {
    let rows: Vec<(String, [usize; 6], String, bool)> = rehearsal.policies.iter().map(row).collect();
    let names = rows.iter().map(|row| layout::width(&row.0)).max().unwrap_or(0);
    let of_column = |index: usize| rows.iter().map(|row| row.1[index].to_string().len()).max().unwrap_or(0);
    let widths: Vec<usize> =
        COLUMNS.iter().enumerate().map(|(index, (title, _))| title.len().max(of_column(index))).collect();
    let mut head = vec![piece(" ".repeat(names), DIM)];
    head.extend(COLUMNS.iter().zip(&widths).map(|((title, _), width)| piece(format!("  {title:>width$}"), DIM)));
    head.push(piece("  audit", DIM));
    page.line(0, &head)?;
    for (name, numbers, audit, is_unavailable) in rows {
        let padding = " ".repeat(names - layout::width(&name));
        let mut pieces = vec![piece(format!("{name}{padding}"), BOLD)];
        if is_unavailable {
            pieces.push(piece("  unavailable", BAD));
            page.line(0, &pieces)?;
            continue;
        }
        let cell = |((index, number), width): ((usize, usize), &usize)| {
            let colour = match (number, index) {
                (0, _) | (_, 4..) => DIM,
                (_, 0 | 1) => BAD,
                _ => ODD,
            };
            piece(format!("  {number:>width$}"), colour)
        };
        pieces.extend(numbers.into_iter().enumerate().zip(&widths).map(cell));
        pieces.push(piece(format!("  {audit}"), PLAIN));
        page.line(0, &pieces)?;
    }
    Ok(())
}

fn row(policy: &PolicyResult) -> (String, [usize; 6], String, bool) {
    let name = layout::fit(&one_line(&policy.name, LONGEST), WIDEST_NAME);
    let mode = if policy.is_monitor { " (monitor)" } else { "" };
    (format!("{name}{mode}"), numbers(&policy.counts), words::audit(&policy.audit), policy.unavailable.is_some())
}

/// What a policy does, and why.
fn findings(page: &mut Page<'_>, policy: &PolicyResult) -> io::Result<()> {
    let name = one_line(&policy.name, LONGEST);
    if let Some(reason) = &policy.unavailable {
        page.entry(0, &[piece(format!("unavailable · {name}: "), BAD), piece(one_line(reason, LONGEST), PLAIN)])?;
        return page.blank();
    }
    for finding in policy.findings.iter().take(MOST) {
        self::finding(page, &name, finding)?;
    }
    more(page, policy.findings.len(), "cause")?;
    for note in words::notes(policy) {
        page.entry(0, &[piece(format!("{name}: "), DIM), piece(one_line(&note, LONGEST), DIM)])?;
    }
    if policy.findings.is_empty() { Ok(()) } else { page.blank() }
}

fn finding(page: &mut Page<'_>, policy: &str, finding: &Finding) -> io::Result<()> {
    let colour = match finding.verdict {
        Verdict::Rejected | Verdict::Fault => BAD,
        _ => ODD,
    };
    let objects = phrases::count(finding.number, "object");
    let title = format!("{} · {policy} · {objects}", finding.verdict.word());
    page.entry(0, &[piece(title, colour.bold()), piece(format!(": {}", one_line(&finding.cause, LONGEST)), PLAIN)])?;
    if finding.message != finding.cause && !finding.message.is_empty() {
        page.entry(2, &[piece(one_line(&finding.message, LONGEST), PLAIN)])?;
    }
    example(page, finding.example.as_ref(), finding.number)
}

fn example(page: &mut Page<'_>, example: Option<&ObjectPlace>, number: usize) -> io::Result<()> {
    let Some(example) = example else { return Ok(()) };
    let mut pieces: Vec<Piece> = vec![piece(format!("{}:{}", example.file, example.line), PLACE)];
    pieces.push(piece(format!("  {}", one_line(&example.object, LONGEST)), DIM));
    if example.workload != example.object {
        pieces.push(piece(format!(" of {}", one_line(&example.workload, LONGEST)), DIM));
    }
    if number > 1 {
        pieces.push(piece(format!(" and {} more", number - 1), DIM));
    }
    page.entry(2, &pieces)
}

fn more(page: &mut Page<'_>, number: usize, what: &str) -> io::Result<()> {
    match number.checked_sub(MOST).filter(|more| *more > 0) {
        Some(more) => page.line(0, &[piece(format!("… {more} more {what}s: `--format json` has all"), DIM)]),
        None => Ok(()),
    }
}

fn namespaces(page: &mut Page<'_>, rehearsal: &Rehearsal) -> io::Result<()> {
    let namespaces = words::namespaces(rehearsal);
    if namespaces.is_empty() {
        return Ok(());
    }
    page.line(0, &[piece("namespaces", BOLD)])?;
    for namespace in namespaces.iter().take(MOST) {
        let objects = phrases::count(namespace.objects, "object");
        let rejected = format!("{} of {objects} rejected", namespace.rejected_objects);
        let colour = if namespace.rejected_objects > 0 { BAD } else { DIM };
        let name = one_line(&words::namespace(namespace), LONGEST);
        page.entry(
            2,
            &[piece(format!("{name}  "), PLAIN), piece(rejected, colour), piece(policies(&namespace.policies), DIM)],
        )?;
    }
    more(page, namespaces.len(), "namespace")?;
    page.blank()
}

fn workloads(page: &mut Page<'_>, rehearsal: &Rehearsal) -> io::Result<()> {
    let rejected: Vec<_> = rehearsal.workloads.iter().filter(|it| it.rejected_objects > 0).collect();
    if rejected.is_empty() {
        return Ok(());
    }
    page.line(0, &[piece("workloads with rejected objects", BOLD)])?;
    for workload in rejected.iter().take(MOST) {
        let name = one_line(&words::workload(workload), LONGEST);
        page.entry(2, &[piece(name, PLAIN), piece(policies(&workload.policies), DIM)])?;
    }
    more(page, rejected.len(), "workload")?;
    page.blank()
}

fn policies(policies: &std::collections::BTreeMap<String, policy_verify_model::rehearsal::Counts>) -> String {
    let words: Vec<String> = words::of_policies(policies)
        .iter()
        .map(|(name, words)| format!("{}: {words}", one_line(name, LONGEST)))
        .collect();
    format!("  {}", words.join("; "))
}

fn differences(page: &mut Page<'_>, rehearsal: &Rehearsal) -> io::Result<()> {
    let Some(differences) = &rehearsal.differences else { return Ok(()) };
    for change in differences.changes.iter().take(2 * MOST) {
        self::change(page, change)?;
    }
    more(page, differences.changes.len().saturating_sub(MOST), "difference")?;
    page.entry(0, &[piece("against the old policies: ", BOLD), piece(words::differences(differences), PLAIN)])?;
    page.blank()
}

fn change(page: &mut Page<'_>, change: &PolicyChange) -> io::Result<()> {
    let colour = match change.class {
        Class::NewDenial | Class::NewAllowance | Class::Faults => BAD,
        _ => ODD,
    };
    let objects = phrases::count(change.number, "object");
    let title = format!("{} · {} · {objects}", change.class.title(), one_line(&change.policy, LONGEST));
    page.entry(0, &[piece(title, colour.bold()), piece(format!(": {}", one_line(&change.cause, LONGEST)), PLAIN)])?;
    for (word, does) in [("old", &change.old), ("new", &change.new)].into_iter().filter(|(_, does)| !does.is_empty()) {
        page.entry(2, &[piece(format!("{word}  "), DIM), piece(one_line(does, LONGEST), PLAIN)])?;
    }
    example(page, change.example.as_ref(), change.number)?;
    page.blank()
}

/// What is not part of the result.
fn missing(page: &mut Page<'_>, rehearsal: &Rehearsal) -> io::Result<()> {
    for unread in rehearsal.unread.iter().take(MOST) {
        let what = format!("not read · {}: ", phrases::count(unread.number, "object"));
        page.entry(0, &[piece(what, BAD), piece(one_line(&unread.reason, LONGEST), PLAIN)])?;
        let help = unread.help.as_ref().map(|help| format!("  {}", one_line(help, LONGEST))).unwrap_or_default();
        page.entry(2, &[piece(format!("{}:{}", unread.file, unread.line), PLACE), piece(help, DIM)])?;
    }
    more(page, rehearsal.unread.len(), "reason")?;
    for remark in words::remarks(rehearsal) {
        page.entry(0, &[piece("note: ", ODD), piece(one_line(&remark, LONGEST), PLAIN)])?;
    }
    page.blank()
}

#[cfg(test)]
mod tests;
