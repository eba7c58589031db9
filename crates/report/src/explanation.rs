//! All about a case: the output of `verify debug`.

use std::io;

use policy_verify_model::answer::AdmissionResponse;
use policy_verify_model::explanation::{AskedPolicy, Explanation, Explanations};
use policy_verify_model::hosting::HostCall;
use policy_verify_model::outcome::{CaseReport, Outcome, SuiteSummary};
use policy_verify_model::patch;
use policy_verify_model::request::Request;
use policy_verify_model::yaml::emit::Node;
use serde::Serialize;
use serde_json::{Value, json};

use crate::page::{BAD, BOLD, DIM, GOOD, ODD, PLACE, PLAIN, Page, piece};
use crate::style::Style;
use crate::{changes, document, escape, human, json, layout, phrases};

/// Lines of a section; more tell nobody anything.
const MOST_LINES: usize = 5_000;

/// Characters of a line.
const LONGEST_LINE: usize = 4_000;

/// By how much sections are indented, and what is in them.
const SECTION: usize = 2;
const CONTENT: usize = 4;

/// Writes each case with its policies, its request, what they asked and answered, and how that differs from what was expected.
pub fn text(explanations: &Explanations, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(style, out);
    for explanation in &explanations.cases {
        page.blank()?;
        case(&mut page, explanation)?;
    }
    Ok(())
}

/// The same as one JSON document: a list of the cases as reports have them, with what reports leave out.
pub fn json(explanations: &Explanations, out: &mut dyn io::Write) -> io::Result<()> {
    let all: Vec<Value> = explanations.cases.iter().map(|it| document_of(&explanations.suites, it)).collect();
    json::write(&all, out)
}

fn document_of(suites: &[SuiteSummary], explanation: &Explanation) -> Value {
    let Explanation { case, expect, policies } = explanation;
    let replies: Vec<Option<&str>> = case.calls.iter().map(|call| call.reply.as_deref()).collect();
    let policies: Vec<Value> = policies.iter().map(policy_document).collect();
    json!({
        "case": document::case(suites, case),
        "expect": { "file": expect.file.path, "line": expect.line },
        "policies": policies,
        "request": case.request.as_deref(),
        "replies": replies,
        "patch": case.response.as_ref().and_then(operations),
    })
}

fn policy_document(asked: &AskedPolicy) -> Value {
    json!({
        "name": asked.name,
        "uri": asked.uri,
        "digest": asked.digest.map(|digest| digest.to_string()),
        "execution_mode": asked.execution_mode,
        "settings": asked.settings.as_deref(),
    })
}

fn case(page: &mut Page<'_>, explanation: &Explanation) -> io::Result<()> {
    let Explanation { case, expect, policies } = explanation;
    let colour = match &case.outcome {
        Outcome::Passed => GOOD,
        outcome if outcome.is_bad() => BAD,
        _ => ODD,
    };
    let outcome = format!("{} · {}", case.outcome.word(), phrases::duration(case.duration));
    page.line_with_right(0, &[piece(&case.id, BOLD)], piece(outcome, colour))?;
    page.line(0, &[piece(case.place().file_and_line(), PLACE)])?;
    policies.iter().try_for_each(|asked| policy(page, asked))?;
    if let Some(request) = &case.request {
        section(page, "request", &yaml(&**request))?;
    }
    calls(page, &case.calls)?;
    let log = &case.log;
    section(page, "log", &log.lines.join("\n"))?;
    section(page, "stdout", &log.stdout)?;
    section(page, "stderr", &log.stderr)?;
    if let Some((title, lines)) = phrases::parts(case) {
        section(page, title, &lines)?;
    }
    if let Some(response) = &case.monitored {
        section(page, "answer of the policy, in monitor mode", &yaml(response))?;
    }
    if let Some(response) = &case.response {
        section(page, "response", &yaml(response))?;
        mutation(page, case, response)?;
    }
    section(page, "remarks", &case.warnings.join("\n"))?;
    difference(page, explanation)?;
    page.blank()?;
    let expected = format!("expected at {}", expect.file_and_line());
    page.line(SECTION, &[piece(expected, DIM)])
}

fn policy(page: &mut Page<'_>, asked: &AskedPolicy) -> io::Result<()> {
    let mut facts = vec![asked.uri.clone()];
    facts.extend(asked.execution_mode.map(|mode| mode.to_string()));
    facts.extend(asked.digest.map(|digest| digest.to_string()));
    section(page, &format!("policy {}", asked.name), &facts.join("\n"))?;
    match &asked.settings {
        Some(settings) => section(page, &format!("settings of {}", asked.name), &yaml(&**settings)),
        None => Ok(()),
    }
}

fn calls(page: &mut Page<'_>, calls: &[HostCall]) -> io::Result<()> {
    let mut lines = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        lines.push(format!("{}. {}", index + 1, human::call(call)));
        if let Some(reply) = &call.reply {
            let shown = serde_json::from_str::<Value>(reply).map_or_else(|_| reply.clone(), |value| yaml(&value));
            lines.extend(shown.lines().map(|line| format!("   {line}")));
        }
    }
    section(page, "host calls", &lines.join("\n"))
}

fn operations(response: &AdmissionResponse) -> Option<Value> {
    patch::decode(response.patch.as_deref()?).ok()
}

/// The operations, and what they change.
fn mutation(page: &mut Page<'_>, case: &CaseReport, response: &AdmissionResponse) -> io::Result<()> {
    let Some(operations) = operations(response) else { return Ok(()) };
    section(page, "patch", &yaml(&operations))?;
    let changed = case.request.as_deref().and_then(|request| changed(&request.get(), response));
    section(page, "changes", &changed.unwrap_or_default())
}

fn changed(request: &Request, response: &AdmissionResponse) -> Option<String> {
    let before = request.mutable_document()?;
    let after = patch::apply(before, response.patch.as_deref()?, &Default::default()).ok()?;
    let diff = changes::unified("object", Some(&yaml(before)), Some(&yaml(&after)));
    // The names of files mean nothing here.
    Some(diff.lines().skip(2).collect::<Vec<_>>().join("\n"))
}

fn difference(page: &mut Page<'_>, explanation: &Explanation) -> io::Result<()> {
    let case = &explanation.case;
    match &case.outcome {
        Outcome::Failed(_) | Outcome::Error(_) | Outcome::Unavailable(_) => {
            page.blank()?;
            page.line(SECTION, &[piece("difference", BOLD)])?;
            human::difference(page, case)
        }
        Outcome::Passed => Ok(()),
        _ => section(page, case.outcome.word(), &phrases::headline(case)),
    }
}

fn yaml(value: &impl Serialize) -> String {
    Node::of(value).map(|node| node.to_yaml()).unwrap_or_default()
}

/// A title and the lines below it; nothing for an empty text.
fn section(page: &mut Page<'_>, title: &str, text: &str) -> io::Result<()> {
    if text.trim().is_empty() {
        return Ok(());
    }
    page.blank()?;
    page.line(SECTION, &[piece(title, BOLD)])?;
    let columns = page.columns() - CONTENT;
    for line in text.lines().take(MOST_LINES) {
        let line = escape::visible(&escape::cut(line, LONGEST_LINE));
        let colour = match line.as_bytes().first() {
            Some(b'+') if title == "changes" => GOOD,
            Some(b'-') if title == "changes" => BAD,
            _ => PLAIN,
        };
        for row in layout::hanging(&line, columns, columns) {
            page.line(CONTENT, &[piece(row, colour)])?;
        }
    }
    match text.lines().count().saturating_sub(MOST_LINES) {
        0 => Ok(()),
        more => page.line(CONTENT, &[piece(format!("… {more} more lines"), DIM)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn shown(case: CaseReport) -> String {
        let expect = case.span.clone();
        let policies = vec![AskedPolicy {
            name: "labels".to_owned(),
            uri: "file:///policy.wasm".to_owned(),
            digest: None,
            execution_mode: None,
            settings: Some(std::sync::Arc::new(serde_json::from_value(json!({ "owner": ["a"] })).unwrap())),
        }];
        let mut out = Vec::new();
        let cases = vec![Explanation { case, expect, policies }];
        text(&Explanations { suites: Vec::new(), cases }, Style::default(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_case_is_told_from_its_policies_to_the_difference() {
        let run = testing::sample();
        let case = run.cases.iter().find(|case| matches!(case.outcome, Outcome::Failed(_))).unwrap().clone();
        let shown = shown(case);
        let titles =
            ["  policy labels", "  settings of labels", "    owner:", "  response", "  difference", "  expected at"];
        let places: Vec<usize> =
            titles.iter().map(|it| shown.find(it).unwrap_or_else(|| panic!("{it}: {shown}"))).collect();
        assert!(places.is_sorted(), "{shown}");
    }

    #[test]
    fn hostile_text_reaches_no_terminal() {
        for case in testing::hostile().cases {
            let shown = shown(case);
            assert!(!shown.contains('\u{1b}') && !shown.contains("\n::") && !shown.contains("##["), "{shown}");
        }
    }
}
