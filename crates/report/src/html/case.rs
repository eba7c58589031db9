//! One case on the page: a line in the list, or an article with all that is known about a failure.

use std::fmt::Write as _;

use crate::diff::{self, Row};
use crate::{escape, phrases};
use policy_verify_model::code::Code;
use policy_verify_model::hosting::HostCall;
use policy_verify_model::outcome::{CaseReport, Mismatch, Outcome, RunReport};
use policy_verify_model::source::Span;

use super::sign::{class, sign};

/// Characters shown of one document, log or value: enough to recognise it, the rest is in the JSON report.
const LONGEST_TEXT: usize = 16 * 1024;

/// Characters of a quoted line before the place it is about.
const BEFORE_THE_PLACE: usize = 80;

/// Differences shown of one case.
const MOST_DIFFERENCES: usize = 20;

/// Its line in the list of all cases.
pub(super) fn line(case: &CaseReport, number: usize) -> String {
    let (_, outcome) = class(case);
    let name = escape::html_line(&case.name);
    // What went wrong has its article further up.
    let (anchor, name) = if case.outcome.is_bad() {
        (format!("l{number}"), format!("<a href=\"#c{number}\">{name}</a>"))
    } else {
        (format!("c{number}"), name)
    };
    let why = phrases::headline(case);
    let why = if why.is_empty() { why } else { format!(" <span class=\"dim\">{}</span>", escape::html_line(&why)) };
    let mark =
        |is_so: bool, word: &str| if is_so { format!(" <span class=\"odd\">{word}</span>") } else { String::new() };
    let marks = mark(case.weakness.is_some(), "weak") + &mark(case.is_warned(), "warn");
    format!(
        "<li id=\"{anchor}\" data-o=\"{outcome}\">{}<span class=\"name\">{name}{marks}{why}</span><span class=\"time\">{}</span></li>\n",
        sign(case),
        phrases::duration(case.duration)
    )
}

/// Everything about a case that makes the run fail.
pub(super) fn article(run: &RunReport, case: &CaseReport, number: usize, is_open: bool) -> String {
    let mut text = format!(
        "<article id=\"c{number}\"{} data-o=\"failed\">\n<details{}>\n<summary><h3>{} {}</h3></summary>\n<p class=\"facts\"><code>{}</code> · {}{} · {}</p>\n",
        if is_open { "" } else { " class=\"shut\"" },
        if is_open { " open" } else { "" },
        sign(case),
        escape::html_line(&case.id),
        escape::html_line(&phrases::place(case).file_and_line()),
        escape::html_line(&case.policy),
        case.code().map(|code| format!(" · {code} {}", code.name())).unwrap_or_default(),
        phrases::duration(case.duration),
    );
    match &case.outcome {
        Outcome::Failed(mismatches) => {
            let place = phrases::place(case);
            if case.origin.is_some() && !mismatches.iter().any(|it| it.span.file_and_line() == place.file_and_line()) {
                text.push_str(&quote(place));
            }
            text.push_str(&differences(mismatches, place));
        }
        Outcome::Error(fault) => {
            text.push_str(&quote(case.place()));
            text.push_str(&error_block(&fault.kind.to_string(), &fault.message, fault.help.as_deref()));
        }
        Outcome::Unavailable(why) => {
            text.push_str(&quote(why.span.as_ref().unwrap_or(case.place())));
            text.push_str(&error_block(why.stage.word(), &why.message, why.help.as_deref()));
        }
        _ => {
            text.push_str(&quote(case.place()));
            let help = "remove `xfail:`";
            text.push_str(&error_block("xpass", &phrases::headline(case), Some(help)));
        }
    }
    if let Some((label, lines)) = phrases::parts(case) {
        let lines = escape::html(escape::cut(&lines, LONGEST_TEXT).trim_end());
        let _ = writeln!(text, "<p class=\"about\">{label}</p>\n<pre class=\"wrap\">{lines}</pre>");
    }
    if let Some(parts) = phrases::reproduce_in_parts(run, case) {
        let parts: Vec<String> = parts.iter().map(|part| whole_flags(part)).collect();
        let _ = writeln!(text, "<pre class=\"wrap\">{}</pre>", parts.join(" "));
    }
    text.push_str(&context(case));
    text.push_str("</details>\n</article>\n");
    text
}

/// `--filter NAME --exact` or another part of a command, whose flags no narrow window breaks at their hyphens.
fn whole_flags(part: &str) -> String {
    let flag = |text: &str| format!("<span class=\"flag\">{text}</span>");
    let end =
        |text: &str| text.find(|letter: char| letter != '-' && !letter.is_ascii_lowercase()).unwrap_or(text.len());
    let (name, rest) = if part.starts_with("--") { part.split_at(end(part)) } else { ("", part) };
    let (value, exact) = rest.strip_suffix("--exact").map_or((rest, ""), |value| (value, "--exact"));
    let flags = [name, exact].map(|text| if text.is_empty() { String::new() } else { flag(text) });
    format!("{}{}{}", flags[0], escape::html(value), flags[1])
}

/// Each difference; `place` is where the heading points already.
fn differences(mismatches: &[Mismatch], place: &Span) -> String {
    let mut text = String::new();
    for mismatch in mismatches.iter().take(MOST_DIFFERENCES) {
        let elsewhere = if mismatch.span.file_and_line() == place.file_and_line() {
            String::new()
        } else {
            format!(" <span class=\"dim\">{}</span>", escape::html_line(&mismatch.span.file_and_line()))
        };
        let _ = write!(
            text,
            "<p class=\"about\"><code>{}</code> · {}{elsewhere}</p>
{}{}",
            escape::html_line(phrases::about(mismatch)),
            Code::from(mismatch.kind),
            quote(&mismatch.span),
            comparison(&mismatch.expected, &mismatch.actual),
        );
    }
    if mismatches.len() > MOST_DIFFERENCES {
        let left = phrases::count(mismatches.len() - MOST_DIFFERENCES, "more difference");
        let _ = writeln!(text, "<p class=\"dim\">… {left}</p>");
    }
    text
}

fn error_block(kind: &str, message: &str, help: Option<&str>) -> String {
    let message = escape::html(escape::cut(message, LONGEST_TEXT).trim_end());
    let mut text = format!("<pre class=\"wrap\"><b class=\"bad\">{}</b> {message}</pre>\n", escape::html_line(kind));
    if let Some(help) = help {
        let help = escape::html(escape::cut(help, LONGEST_TEXT).trim_end());
        let _ = writeln!(text, "<pre class=\"wrap\"><b class=\"odd\">help</b> {help}</pre>");
    }
    text
}

/// The line of the suite, with the place marked.
fn quote(span: &Span) -> String {
    let line = span.quoted_line();
    if line.is_empty() {
        return String::new();
    }
    let start = line.char_indices().nth(span.column.saturating_sub(1)).map_or(line.len(), |(index, _)| index);
    let mut end = (start + span.len).min(line.len());
    while !line.is_char_boundary(end) {
        end += 1;
    }
    let shown = |text: &str| escape::html(&escape::shorten(text, 400));
    let before = &line[..start];
    // Far to the right, the place matters more than the beginning of its line.
    let before = match before.char_indices().rev().nth(BEFORE_THE_PLACE) {
        Some((index, _)) => format!("… {}", escape::html(&before[index..])),
        None => escape::html(before),
    };
    let (within, after) = (shown(&line[start..end]), shown(&line[end..]));
    format!("<pre class=\"quote\"><b>{} │</b> {before}<i>{within}</i>{after}</pre>\n", span.line)
}

/// Expected and actual, line by line.
fn comparison(expected: &str, actual: &str) -> String {
    let (expected, actual) = (escape::cut(expected, LONGEST_TEXT), escape::cut(actual, LONGEST_TEXT));
    let mut text = String::from("<pre class=\"diff\">");
    let mut added = String::new();
    for row in diff::rows(&expected, &actual) {
        if let Row::Changed(expected, actual) = row {
            let (removed, inserted) = pair(expected, actual);
            text.push_str(&removed);
            added.push_str(&inserted);
            continue;
        }
        text.push_str(&std::mem::take(&mut added));
        let shown = match row {
            Row::Same(line) => escape::html(line),
            Row::Gap(count) => format!("… {count} equal lines"),
            Row::Changed(..) => continue,
        };
        let _ = write!(text, "<span>{shown}</span>");
    }
    text.push_str(&added);
    text.push_str("</pre>\n");
    text
}

/// An expected and an actual line, what differs between them marked.
fn pair(expected: Option<&str>, actual: Option<&str>) -> (String, String) {
    let element = |tag: &str, text: String| format!("<{tag}>{text}</{tag}>");
    let (Some(expected), Some(actual)) = (expected, actual) else {
        let whole = |tag, line: Option<&str>| line.map(|line| element(tag, escape::html(line))).unwrap_or_default();
        return (whole("del", expected), whole("ins", actual));
    };
    let same = |(a, b): &(char, char)| a == b;
    let before: usize = expected.chars().zip(actual.chars()).take_while(same).map(|(c, _)| c.len_utf8()).sum();
    let (left, right) = (&expected[before..], &actual[before..]);
    let behind: usize = left.chars().rev().zip(right.chars().rev()).take_while(same).map(|(c, _)| c.len_utf8()).sum();
    let marked = |text: &str, rest: &str| {
        let end = rest.len() - behind;
        let middle = if end == 0 { String::new() } else { format!("<mark>{}</mark>", escape::html(&rest[..end])) };
        format!("{}{middle}{}", escape::html(&text[..before]), escape::html(&rest[end..]))
    };
    (element("del", marked(expected, left)), element("ins", marked(actual, right)))
}

/// The request, the response, the host calls and the output of the policy: folded.
fn context(case: &CaseReport) -> String {
    let mut text = String::new();
    let mut fold = |title: &str, content: &str| {
        if !content.trim().is_empty() {
            let content = escape::html(escape::cut(content, LONGEST_TEXT).trim_end());
            let _ = writeln!(text, "<details><summary>{title}</summary><pre class=\"wrap\">{content}</pre></details>");
        }
    };
    fold("host calls", &case.calls.iter().map(call).collect::<Vec<_>>().join("\n"));
    fold("log", &case.log.lines.join("\n"));
    fold("stdout", &case.log.stdout);
    fold("stderr", &case.log.stderr);
    fold("warnings", &case.warnings.join("\n"));
    for (title, document) in [
        ("request", case.request.as_deref().map(serde_json::to_string_pretty)),
        ("response", case.response.as_ref().map(serde_json::to_string_pretty)),
        ("answer of the policy before monitor mode", case.monitored.as_ref().map(serde_json::to_string_pretty)),
    ] {
        if let Some(Ok(document)) = document {
            fold(title, &document);
        }
    }
    if text.is_empty() { text } else { format!("<div class=\"folds\">\n{text}</div>\n") }
}

fn call(call: &HostCall) -> String {
    let error = call.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
    format!("{} {} → {}{error}", call.capability, call.request, call.answered_by.word())
}
