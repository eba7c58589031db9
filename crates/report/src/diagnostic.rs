//! Diagnostics for people: what is wrong, the lines it is about, what to do.
//!
//! Lines are quoted by the same code as the expectations of failed cases.

use std::io;

use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::source::Span;

use crate::page::{BAD, BOLD, PLACE, PLAIN, Page, Piece, piece, width};
use crate::style::Style;
use crate::{escape, layout, quote};

/// Columns before everything but the message.
const DETAIL: usize = 2;

/// Columns for the text of a row below its label.
const LEAST_ROOM: usize = 30;

/// Writes one diagnostic and a blank line.
///
/// # Errors
///
/// Those of `out`.
pub fn write(diagnostic: &Diagnostic, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(style, out);
    let label = [piece(format!("error[{}]", diagnostic.code), BAD.bold()), piece(": ", BOLD)];
    text(&mut page, &label, &diagnostic.message, 0)?;
    if let Some(span) = &diagnostic.span {
        place(&mut page, span)?;
    }
    for related in &diagnostic.related {
        text(&mut page, &[piece("note", BOLD), piece(": ", PLAIN)], &related.message, DETAIL)?;
        place(&mut page, &related.span)?;
    }
    if let Some(help) = &diagnostic.help {
        text(&mut page, &[piece("help", BOLD), piece(": ", PLAIN)], help, DETAIL)?;
    }
    page.blank()
}

fn place(page: &mut Page<'_>, span: &Span) -> io::Result<()> {
    if span.file.path.is_empty() {
        return Ok(());
    }
    let column = if span.file.text.is_empty() { String::new() } else { format!(":{}", span.column) };
    page.line(DETAIL, &[piece(format!("{}{column}", span.file_and_line()), PLACE)])?;
    quote::lines(page, span, DETAIL)
}

/// Writes a text after a label. Further rows begin below its first word; where that leaves too little room, as a long
/// label does on a narrow terminal, they begin at a small indentation instead.
fn text(page: &mut Page<'_>, label: &[Piece], text: &str, indent: usize) -> io::Result<()> {
    let text = escape::visible(text);
    let behind = indent + width(label);
    let hanging = if page.columns() < behind + LEAST_ROOM { indent + DETAIL } else { behind };
    let rows = layout::rows(&text, page.columns().saturating_sub(behind), page.columns() - hanging);
    let mut rows = rows.into_iter();
    let mut first = label.to_vec();
    first.push(piece(rows.next().unwrap_or_default(), PLAIN));
    page.line(indent, &first)?;
    for row in rows {
        page.line(hanging, &[piece(row, PLAIN)])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use policy_verify_model::code::Code;

    fn written(diagnostic: &Diagnostic, width: usize) -> String {
        let mut out = Vec::new();
        write(diagnostic, Style { width, ..Style::default() }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_mistake_is_quoted_and_fits_the_terminal() {
        let file = testing::file("suite.yml", "version: 1\ncases:\n  - name: a\n    expct: allow\n");
        let help = "did you mean `expect`? the words are long enough to be broken".to_owned();
        let mistake =
            Diagnostic::new(Code::UnknownKey, "unknown key `expct`").at(&testing::span(&file, "expct")).with_help(help);
        assert_eq!(
            written(&mistake, 40),
            [
                "error[PV062]: unknown key `expct`",
                "  suite.yml:4:5",
                "  4 │     expct: allow",
                "    │     ^^^^^",
                "  help: did you mean `expect`? the",
                "        words are long enough to be",
                "        broken",
                "\n",
            ]
            .join("\n")
        );
    }

    #[test]
    fn lines_to_paste_keep_their_indentation() {
        let help = "add it to the suite:\n  host:\n    net/v1/dns_lookup_host:\n      \"db.default.svc.cluster.local\": [10.0.0.1]";
        let mistake =
            Diagnostic::new(Code::Host, "no mock for a call that has a rather long request").with_help(help.to_owned());
        assert_eq!(
            written(&mistake, 40),
            [
                "error[PV036]: no mock for a call that",
                "  has a rather long request",
                "  help: add it to the suite:",
                "          host:",
                "            net/v1/dns_lookup_host:",
                "              \"db.default.svc.cluster.local\": [10.0.0.1]",
                "\n",
            ]
            .join("\n")
        );
    }

    #[test]
    fn untrusted_text_is_escaped() {
        let file = testing::file("suite.yml", "a: \u{1b}[2J\n::error::x\n");
        let mistake =
            Diagnostic::new(Code::Mistake, "::error::y\n\u{1b}[31mred").at(&testing::span(&file, "\u{1b}[2J"));
        let text = written(&mistake, 80);
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(!text.lines().any(|line| line.trim_start().starts_with("::")), "{text}");
    }

    #[test]
    fn related_places_are_quoted_too() {
        let file = testing::file("suite.yml", "- name: a\n- name: a\n");
        let (one, other) = (testing::span(&file, "name: a"), Span::unquoted("other.yml"));
        let mistake =
            Diagnostic::new(Code::NameTwice, "duplicate name `a`").at(&one).with_related(&other, "first here");
        let text = written(&mistake, 80);
        assert!(text.contains("  note: first here\n  other.yml:1\n"), "{text}");
    }
}
