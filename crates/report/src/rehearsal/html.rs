//! A rehearsal as a web page: the policies with a bar each, what they do and why, namespaces × policies, workloads, and how
//! everything differs from the old policies.
//!
//! The page is a single file that loads nothing, and has no script. Untrusted text is escaped; a content security policy allows
//! our style by its digest.

use std::fmt::Write as _;
use std::io;

use policy_verify_model::behaviour::Class;
use policy_verify_model::rehearsal::{Counts, ObjectPlace, PolicyResult, Rehearsal, Verdict};

use super::words::{self, COLUMNS, LONGEST, Standing, numbers};
use crate::html::{STYLE, pin};
use crate::{escape, phrases};

const OWN_STYLE: &str = include_str!("page.css");

/// Rows of a table: more are not read.
const MOST_ROWS: usize = 500;

/// Columns of the table of namespaces.
const MOST_COLUMNS: usize = 30;

/// The parts of a bar: the class of each, and what it counts.
const PARTS: [(&str, &[Verdict]); 4] = [
    ("rejected", &[Verdict::Rejected, Verdict::Fault]),
    ("monitored", &[Verdict::MonitoredRejection, Verdict::MonitoredMutation]),
    ("mutated", &[Verdict::Mutated]),
    ("allowed", &[Verdict::Allowed]),
];

/// Writes the page.
pub fn html(rehearsal: &Rehearsal, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = head(rehearsal);
    page.push_str("<main>\n");
    page.push_str(&missing(rehearsal));
    page.push_str(&policies(rehearsal));
    page.push_str(&differences(rehearsal));
    page.push_str(&causes(rehearsal));
    page.push_str(&namespaces(rehearsal));
    page.push_str(&workloads(rehearsal));
    page.push_str("</main>\n");
    let _ = writeln!(page, "<footer>verify {}</footer>\n</body>\n</html>", escape::html_line(&rehearsal.version));
    out.write_all(page.as_bytes())
}

fn head(rehearsal: &Rehearsal) -> String {
    let (class, sign) = match words::standing(rehearsal) {
        Standing::Good => ("is-good", "✓"),
        Standing::Rejects => ("is-odd", "!"),
        Standing::Incomplete => ("is-bad", "✗"),
    };
    let style = format!("{STYLE}{OWN_STYLE}");
    let title = format!("{sign} {}", escape::html_line(&words::verdict(rehearsal)));
    let links = [
        ("policies", "Policies", true),
        ("differences", "Against the old policies", rehearsal.differences.is_some()),
        ("causes", "Causes", true),
        ("namespaces", "Namespaces", !words::namespaces(rehearsal).is_empty()),
        ("workloads", "Workloads", !rehearsal.workloads.is_empty()),
    ];
    let links = links.iter().filter(|(.., is_there)| *is_there);
    let links: String = links.map(|(id, text, _)| format!("<a href=\"#{id}\">{text}</a>")).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '{}'\">\n\
         <title>{title}</title>\n<style>{style}</style>\n</head>\n<body class=\"{class}\">\n<header>\n<h1>{title}</h1>\n\
         <p class=\"facts\">Rehearsal · {}</p>\n{}<nav>{links}</nav>\n</header>\n",
        pin(&style),
        escape::html_line(&words::extent(rehearsal)),
        remarks(rehearsal),
    )
}

fn remarks(rehearsal: &Rehearsal) -> String {
    let remark = |text: &String| format!("<p class=\"facts\">note: {}</p>\n", escape::html_line(text));
    words::remarks(rehearsal).iter().map(remark).collect()
}

/// What is not part of the result.
fn missing(rehearsal: &Rehearsal) -> String {
    if rehearsal.unread.is_empty() {
        return String::new();
    }
    let mut text = String::from("<section id=\"unread\">\n<h2>Not read</h2>\n<ol>\n");
    for unread in rehearsal.unread.iter().take(MOST_ROWS) {
        let help = unread.help.as_deref().map(line).unwrap_or_default();
        let objects = phrases::count(unread.number, "object");
        let _ = writeln!(
            text,
            "<li><b class=\"bad\">✗</b><span class=\"name\">{} <span class=\"dim\">{objects} · <code>{}:{}</code> {help}</span></span></li>",
            line(&unread.reason),
            escape::html_line(&unread.file),
            unread.line,
        );
    }
    text.push_str("</ol>\n</section>\n");
    text
}

fn policies(rehearsal: &Rehearsal) -> String {
    let mut text = String::from(
        "<section id=\"policies\">\n<h2>Policies</h2>\n<p class=\"facts\">of the objects that a policy is asked about\
         <span class=\"legend rejected\"></span>rejected or fault<span class=\"legend monitored\"></span>monitored\
         <span class=\"legend mutated\"></span>mutated<span class=\"legend allowed\"></span>allowed</p>\n\
         <div class=\"scroll\"><table class=\"matrix numbers\">\n<thead><tr><th>policy</th>",
    );
    for (title, _) in COLUMNS {
        let _ = write!(text, "<th>{title}</th>");
    }
    text.push_str("<th>audit</th></tr></thead>\n<tbody>\n");
    for (index, policy) in rehearsal.policies.iter().enumerate() {
        text.push_str(&row(index, policy));
    }
    text.push_str("</tbody>\n</table></div>\n</section>\n");
    text
}

fn row(index: usize, policy: &PolicyResult) -> String {
    let name = line(&policy.name);
    let mode = if policy.is_monitor { " <span class=\"tag odd\">monitor</span>" } else { "" };
    if let Some(reason) = &policy.unavailable {
        let columns = COLUMNS.len() + 1;
        return format!(
            "<tr><th scope=\"row\">{name}</th><td class=\"wide is-bad\" colspan=\"{columns}\">unavailable: {}</td></tr>\n",
            line(reason)
        );
    }
    let cells = numbers(&policy.counts).into_iter().enumerate().map(|(column, number)| {
        let class = match (number, column) {
            (0, _) => " class=\"zero\"",
            (_, 0 | 1) => " class=\"is-bad\"",
            (_, 2 | 3) => " class=\"is-odd\"",
            _ => "",
        };
        format!("<td{class}>{number}</td>")
    });
    let cells: String = cells.collect();
    let audit = match policy.audit.skipped {
        Some(_) => "<span class=\"dim\">skipped</span>".to_owned(),
        None => escape::html_line(&words::audit(&policy.audit)),
    };
    format!(
        "<tr><th scope=\"row\"><a href=\"#p{index}\">{name}</a>{mode}{}</th>{cells}<td>{audit}</td></tr>\n",
        bar(&policy.counts)
    )
}

/// The verdicts of a policy as shares of the objects that it is asked about.
fn bar(counts: &Counts) -> String {
    let asked = counts.asked();
    let mut text = String::from(
        "<svg class=\"bar\" viewBox=\"0 0 100 1\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"verdicts\">",
    );
    if asked == 0 {
        text.push_str("<rect class=\"none\" width=\"100\" height=\"1\"/></svg>");
        return text;
    }
    let parts = PARTS.map(|(class, verdicts)| (class, verdicts.iter().map(|it| counts.of(*it)).sum::<usize>()));
    // Whatever there is shows; the largest part gives way.
    let shares =
        parts.map(|(_, number)| if number == 0 { 0.0 } else { (100.0 * number as f64 / asked as f64).max(1.0) });
    let total: f64 = shares.iter().sum();
    let mut at = 0.0;
    for ((class, _), share) in parts.iter().zip(shares).filter(|(_, share)| *share > 0.0) {
        let width = 100.0 * share / total;
        let _ = write!(text, "<rect class=\"{class}\" x=\"{at:.2}\" width=\"{width:.2}\" height=\"1\"/>");
        at += width;
    }
    text.push_str("</svg>");
    text
}

/// What each policy does, and why.
fn causes(rehearsal: &Rehearsal) -> String {
    let mut text = String::from("<section id=\"causes\">\n<h2>Causes</h2>\n");
    for (index, policy) in rehearsal.policies.iter().enumerate().filter(|(_, policy)| policy.unavailable.is_none()) {
        let colour = match &policy.counts {
            counts if counts.rejected + counts.faults > 0 => "",
            counts if counts.mutated + counts.monitored_rejections + counts.monitored_mutations > 0 => {
                " class=\"is-odd\""
            }
            _ => " class=\"is-good\"",
        };
        let digest = policy.digest.as_deref().unwrap_or_default();
        let _ = writeln!(
            text,
            "<article id=\"p{index}\"{colour}>\n<h3>{}</h3>\n<p class=\"facts\"><code>{}</code> {}</p>",
            line(&policy.name),
            line(&policy.uri),
            escape::html_line(digest.get(..19).unwrap_or(digest)),
        );
        for note in words::notes(policy) {
            let _ = writeln!(text, "<p class=\"facts\">{}</p>", line(&note));
        }
        if policy.findings.is_empty() {
            let objects = phrases::count(policy.counts.asked(), "object");
            let _ = writeln!(text, "<p class=\"facts\">It lets {objects} pass as they are.</p>");
        } else {
            text.push_str("<ol>\n");
            for finding in policy.findings.iter().take(MOST_ROWS) {
                let colour = if matches!(finding.verdict, Verdict::Rejected | Verdict::Fault) { "bad" } else { "odd" };
                let message =
                    Some(&finding.message).filter(|message| **message != finding.cause && !message.is_empty());
                let message = message.map(|message| format!("<div class=\"dim\">{}</div>", line(message)));
                let _ = writeln!(
                    text,
                    "<li><span class=\"tag {colour}\">{}</span> <strong>{}</strong> {}{}{}</li>",
                    finding.verdict.word(),
                    phrases::count(finding.number, "object"),
                    line(&finding.cause),
                    message.unwrap_or_default(),
                    example(finding.example.as_ref(), finding.number),
                );
            }
            text.push_str("</ol>\n");
        }
        text.push_str("</article>\n");
    }
    text.push_str("</section>\n");
    text
}

fn example(example: Option<&ObjectPlace>, number: usize) -> String {
    let Some(example) = example else { return String::new() };
    let of = match example.workload == example.object {
        true => String::new(),
        false => format!(" of {}", line(&example.workload)),
    };
    let more = if number > 1 { format!(" and {} more", number - 1) } else { String::new() };
    format!(
        "<div class=\"at\">{}{of} <code>{}:{}</code>{more}</div>",
        line(&example.object),
        escape::html_line(&example.file),
        example.line,
    )
}

/// Namespaces × policies: how many objects each would reject, now or but for `mode: monitor`.
fn namespaces(rehearsal: &Rehearsal) -> String {
    let namespaces = words::namespaces(rehearsal);
    if namespaces.is_empty() {
        return String::new();
    }
    let rejections = |counts: &Counts| counts.rejected + counts.faults + counts.monitored_rejections;
    let mut columns: Vec<&PolicyResult> =
        rehearsal.policies.iter().filter(|policy| rejections(&policy.counts) > 0).collect();
    let left = columns.len().saturating_sub(MOST_COLUMNS);
    columns.truncate(MOST_COLUMNS);
    let mut text = String::from(
        "<section id=\"namespaces\">\n<h2>Namespaces</h2>\n<p class=\"facts\">how many objects each policy rejects, monitored \
         rejections and faults included</p>\n<div class=\"scroll\"><table class=\"matrix heat\">\n<thead><tr><th></th>\
         <th><span>objects</span></th><th><span>rejected</span></th>",
    );
    columns.iter().for_each(|policy| text.push_str(&format!("<th><span>{}</span></th>", line(&policy.name))));
    text.push_str("</tr></thead>\n<tbody>\n");
    for namespace in namespaces.iter().take(MOST_ROWS) {
        let _ = write!(
            text,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td>",
            line(&words::namespace(namespace)),
            namespace.objects,
            namespace.rejected_objects,
        );
        for policy in &columns {
            let number = namespace.policies.get(&policy.name).map_or(0, rejections);
            let heat = match (number, number * 100 / namespace.objects.max(1)) {
                (0, _) => 0,
                (_, 0..10) => 1,
                (_, 10..50) => 2,
                _ => 3,
            };
            let shown = if number == 0 { String::new() } else { number.to_string() };
            let _ = write!(text, "<td class=\"h{heat}\">{shown}</td>");
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody>\n</table></div>\n");
    text.push_str(&more(namespaces.len(), "namespace"));
    if left > 0 {
        let _ = writeln!(text, "<p class=\"dim\">… and {left} more policies: the JSON document has them.</p>");
    }
    text.push_str("</section>\n");
    text
}

fn workloads(rehearsal: &Rehearsal) -> String {
    if rehearsal.workloads.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "<section id=\"workloads\">\n<h2>Workloads</h2>\n<p class=\"facts\">the objects that control others, with those</p>\n\
         <div class=\"scroll\"><table class=\"matrix numbers\">\n<thead><tr><th>workload</th><th>objects</th><th>rejected</th>\
         <th class=\"wide\">policies</th></tr></thead>\n<tbody>\n",
    );
    for workload in rehearsal.workloads.iter().take(MOST_ROWS) {
        let policies: Vec<String> = words::of_policies(&workload.policies)
            .iter()
            .map(|(name, words)| format!("{}: {words}", line(name)))
            .collect();
        let class = if workload.rejected_objects > 0 { "is-bad" } else { "zero" };
        let _ = writeln!(
            text,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"{class}\">{}</td><td class=\"wide\">{}</td></tr>",
            line(&words::workload(workload)),
            workload.objects,
            workload.rejected_objects,
            policies.join("<br>"),
        );
    }
    text.push_str("</tbody>\n</table></div>\n");
    text.push_str(&more(rehearsal.workloads.len(), "workload"));
    text.push_str("</section>\n");
    text
}

fn differences(rehearsal: &Rehearsal) -> String {
    let Some(differences) = &rehearsal.differences else { return String::new() };
    let mut text = format!(
        "<section id=\"differences\">\n<h2>Against the old policies</h2>\n<p class=\"facts\">{}</p>\n",
        line(&words::differences(differences))
    );
    if !differences.changes.is_empty() {
        text.push_str("<article class=\"is-odd\">\n<ol>\n");
        for change in differences.changes.iter().take(MOST_ROWS) {
            let colour = if matches!(change.class, Class::NewDenial | Class::NewAllowance | Class::Faults) {
                "bad"
            } else {
                "odd"
            };
            let does = match change.old.is_empty() {
                true => String::new(),
                false => format!("<div class=\"dim\">{} → {}</div>", line(&change.old), line(&change.new)),
            };
            let _ = writeln!(
                text,
                "<li><span class=\"tag {colour}\">{}</span> {} · <strong>{}</strong> {}{does}{}</li>",
                change.class.title(),
                line(&change.policy),
                phrases::count(change.number, "object"),
                line(&change.cause),
                example(change.example.as_ref(), change.number),
            );
        }
        text.push_str("</ol>\n</article>\n");
        text.push_str(&more(differences.changes.len(), "difference"));
    }
    text.push_str("</section>\n");
    text
}

fn more(number: usize, what: &str) -> String {
    match number.checked_sub(MOST_ROWS).filter(|more| *more > 0) {
        Some(more) => format!("<p class=\"dim\">… and {more} more {what}s: the JSON document has all.</p>\n"),
        None => String::new(),
    }
}

/// Text on one line, shortened.
fn line(text: &str) -> String {
    escape::html_line(&phrases::one_line(text, LONGEST))
}
