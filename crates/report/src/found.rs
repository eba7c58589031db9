//! What searched requests show about policies: the output of `verify fuzz` and `verify why`.

use std::io;

use policy_verify_model::found::{Finding, Findings, Reasons};

use crate::page::{BAD, BOLD, DIM, GOOD, ODD, PLACE, PLAIN, Page, piece};
use crate::phrases;
use crate::style::Style;

/// Characters of what a policy says.
const LONGEST_DETAILS: usize = 300;

/// Lines of a case to paste.
const MOST_LINES: usize = 60;

/// Writes findings for people: each with the case to paste.
pub fn findings(found: &Findings, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(style, out);
    for finding in &found.findings {
        self::finding(&mut page, finding)?;
        page.blank()?;
    }
    let requests = usize::try_from(found.requests).unwrap_or(usize::MAX);
    let mut facts = vec![phrases::count(requests, "request")];
    facts.extend((found.errors > 0).then(|| format!("{} refused with an error of the policy", found.errors)));
    facts.extend((found.without_mock > 0).then(|| format!("{} not judged, without a mock", found.without_mock)));
    facts.push(format!("seed {}", found.seed));
    let (text, colour) = match found.findings.len() {
        0 => ("nothing found".to_owned(), GOOD),
        number => (phrases::count(number, "finding"), BAD),
    };
    page.line(0, &[piece(text, colour.bold()), piece(format!(" · {}", facts.join(" · ")), DIM)])
}

fn finding(page: &mut Page<'_>, finding: &Finding) -> io::Result<()> {
    let title = format!("{} {}", finding.policy, finding.flaw.does());
    page.entry(0, &[piece("✗ ", BAD), piece(title, BAD.bold())])?;
    page.entry(2, &[piece(phrases::one_line(&finding.details, LONGEST_DETAILS), PLAIN)])?;
    let place = format!("{}:{}", finding.file, finding.line);
    page.entry(2, &[piece("from ", DIM), piece(place, PLACE), piece(format!("  {}", finding.from), DIM)])?;
    page.blank()?;
    let lines: Vec<&str> = finding.case.lines().collect();
    for line in lines.iter().take(MOST_LINES) {
        page.line(2, &[piece(*line, PLAIN)])?;
    }
    match lines.len().saturating_sub(MOST_LINES) {
        0 => Ok(()),
        more => page.line(2, &[piece(format!("… {more} more lines: `--format json` has all"), DIM)]),
    }
}

/// Writes for people which changes change the verdict of each case.
pub fn reasons(all: &[Reasons], style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(style, out);
    for (index, reasons) in all.iter().enumerate() {
        if index > 0 {
            page.blank()?;
        }
        let place = format!("{}:{}", reasons.file, reasons.line);
        page.entry(0, &[piece(place, PLACE), piece(format!("  {}", reasons.id), BOLD)])?;
        if reasons.changes.is_empty() {
            let text = format!("{}, whatever of {} is made", reasons.verdict, phrases::count(reasons.tried, "change"));
            page.line(2, &[piece(text, ODD)])?;
            continue;
        }
        page.line(2, &[piece(format!("{}; with one of these changes otherwise:", reasons.verdict), PLAIN)])?;
        for reason in &reasons.changes {
            let change = phrases::one_line(&reason.change, LONGEST_DETAILS);
            let place =
                reason.file.as_ref().zip(reason.line).map(|(file, line)| piece(format!("{file}:{line}"), PLACE));
            let place = place.into_iter().flat_map(|place| [place, piece("  ", PLAIN)]);
            let change = [piece(change, PLAIN), piece(format!(" → {}", reason.verdict), BOLD)];
            page.entry(4, &place.chain(change).collect::<Vec<_>>())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use policy_verify_model::answer::FaultKind;
    use policy_verify_model::found::{Flaw, Reason};
    use serde_json::json;

    use super::*;
    use crate::testing::HOSTILE;

    fn shown(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn finding(text: &str) -> Finding {
        Finding {
            policy: text.into(),
            flaw: Flaw::Fault(FaultKind::Trap),
            details: text.into(),
            from: text.into(),
            file: "suite.yml".into(),
            line: 3,
            object: json!({}),
            fields: 0,
            case: format!("- name: {text}\n  expect: accept\n"),
        }
    }

    #[test]
    fn findings_have_their_case() {
        let found = Findings { seed: 7, requests: 100, findings: vec![finding("labels")], ..Findings::default() };
        let text = shown(|out| findings(&found, Style::default(), out));
        assert_eq!(
            text,
            "✗ labels ends in a fault: trap\n  labels\n  from suite.yml:3  labels\n\n  - name: labels\n    expect: accept\n\n\
             1 finding · 100 requests · seed 7\n"
        );
        let text = shown(|out| findings(&Findings { requests: 1, ..Findings::default() }, Style::default(), out));
        assert_eq!(text, "nothing found · 1 request · seed 0\n");
    }

    #[test]
    fn hostile_text_is_text() {
        let found = Findings { findings: HOSTILE.iter().map(|text| finding(text)).collect(), ..Findings::default() };
        let reason = |text: &&str| Reason {
            change: (*text).into(),
            at: String::new(),
            file: Some((*text).into()),
            line: Some(1),
            verdict: (*text).into(),
        };
        let all = [Reasons {
            id: HOSTILE.join("\n"),
            file: "suite.yml".into(),
            line: 1,
            verdict: "deny".into(),
            tried: 3,
            changes: HOSTILE.iter().map(reason).collect(),
        }];
        let text =
            shown(|out| findings(&found, Style::default(), out)) + &shown(|out| reasons(&all, Style::default(), out));
        assert!(!text.contains('\u{1b}') && !text.contains("\n::") && !text.contains('\u{202e}'), "{text}");
    }
}
