//! The lines of a suite that a finding is about, with their numbers and a mark under the exact place.

use std::io;

use crate::page::{BAD, DIM, PLAIN, Page, piece};
use crate::{escape, layout};
use policy_verify_model::source::Span;

/// Lines shown of a place that spans several.
const MOST_LINES: usize = 6;

/// Quotes the lines of a place, `indent` columns from the left; nothing where the text is not known.
pub(super) fn lines(page: &mut Page<'_>, span: &Span, indent: usize) -> io::Result<()> {
    if span.file.text.is_empty() {
        return Ok(());
    }
    let covered = covered(span);
    let lines: Vec<&str> = span.lines().take(covered.min(MOST_LINES)).collect();
    let gutter = (span.line + lines.len()).saturating_sub(1).to_string().len();
    for (offset, line) in lines.iter().enumerate() {
        let number = span.line + offset;
        let room = page.columns().saturating_sub(indent + gutter + 3);
        if covered > 1 {
            let shown = layout::fit(&escape::visible(line), room);
            page.line(indent, &[piece(format!("{number:>gutter$} │ "), DIM), piece(shown, PLAIN)])?;
            continue;
        }
        let (shown, mark_at, mark_len) = marked(span, line, room);
        page.line(indent, &[piece(format!("{number:>gutter$} │ "), DIM), piece(shown, PLAIN)])?;
        let mark = format!("{}{}", " ".repeat(mark_at), "^".repeat(mark_len));
        page.line(indent, &[piece(format!("{:gutter$} │ ", ""), DIM), piece(mark, BAD)])?;
    }
    if covered > MOST_LINES {
        page.line(indent, &[piece(format!("{:gutter$} … {} more lines", "", covered - MOST_LINES), DIM)])?;
    }
    Ok(())
}

/// How many lines the span touches.
fn covered(span: &Span) -> usize {
    let end = (span.offset + span.len).min(span.file.text.len());
    let text = span.file.text.get(span.offset..end).unwrap_or("");
    text.trim_end().matches('\n').count() + 1
}

/// The quoted line as it fits into `room`, the column of the mark in it, and the mark's length.
fn marked(span: &Span, line: &str, room: usize) -> (String, usize, usize) {
    let start = line.char_indices().nth(span.column.saturating_sub(1)).map_or(line.len(), |(index, _)| index);
    let mut end = (start + span.len).min(line.len());
    while !line.is_char_boundary(end) {
        end += 1;
    }
    let [before, within, after] = [&line[..start], &line[start..end], &line[end..]].map(escape::visible);
    let columns = layout::width(&before);
    let length = layout::width(within.trim_end()).max(1);
    let shown = format!("{before}{within}{after}");
    if columns + length.min(room / 2) <= room {
        return (layout::fit(&shown, room), columns, length.min(room.saturating_sub(columns)).max(1));
    }
    // The place lies beyond the right edge: show the end of the line, or the place with some of what leads to it.
    let behind = layout::width(&within) + layout::width(&after);
    let before = end_of(&before, room.saturating_sub(behind + 1).max(room / 3));
    let column = 1 + layout::width(before);
    let length = length.min(room.saturating_sub(column + 1)).max(1);
    (layout::fit(&format!("…{before}{within}{after}"), room), column, length)
}

/// The end of `text` that fits into `columns`.
fn end_of(text: &str, columns: usize) -> &str {
    let starts = text.char_indices().rev().take(columns).map(|(start, _)| &text[start..]);
    starts.take_while(|end| layout::width(end) <= columns).last().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::Style;
    use crate::testing;

    const INDENT: usize = 6;

    fn quoted(text: &str, needle: &str, width: usize) -> String {
        let file = testing::file("suite.yml", text);
        let mut out = Vec::new();
        let style = Style { width, ..Style::default() };
        lines(&mut Page::new(style, &mut out), &testing::span(&file, needle), INDENT).unwrap();
        String::from_utf8(out).unwrap().lines().map(|line| line[INDENT..].to_owned() + "\n").collect()
    }

    #[test]
    fn the_mark_stands_under_the_place() {
        assert_eq!(quoted("a: 1\nb: { 日本: deny }\n", "deny", 80), "2 │ b: { 日本: deny }\n  │            ^^^^\n");
        assert_eq!(quoted("\tb: deny", "deny", 80), "1 │     b: deny\n  │        ^^^^\n");
    }

    #[test]
    fn several_lines_are_quoted_without_a_mark() {
        let text = (1..=9).map(|n| format!("line {n}\n")).collect::<String>();
        let whole = quoted(&text, &text, 80);
        assert!(whole.contains("6 │ line 6\n  … 3 more lines\n"), "{whole}");
    }

    #[test]
    fn a_place_beyond_the_edge_is_moved_into_view() {
        let text = format!("expect: {{ {} deny: x }}", "very ".repeat(30));
        let shown = quoted(&text, "deny: x", 60);
        let shown_lines: Vec<&str> = shown.lines().collect();
        assert!(shown_lines[0].starts_with("1 │ …") && shown_lines[0].ends_with("very very  deny: x }"), "{shown}");
        assert_eq!(layout::width(shown_lines[0]), 60 - INDENT, "{shown}");
        assert_eq!(
            shown_lines[1].find("^^^^^^^"),
            Some(shown_lines[0].find("deny").unwrap() - '…'.len_utf8() + 1),
            "{shown}"
        );
    }

    #[test]
    fn a_long_place_beyond_the_edge_keeps_some_of_what_leads_to_it() {
        let text = format!("expect: {{ {} deny: {} }}", "very ".repeat(30), "long ".repeat(30));
        let shown = quoted(&text, &format!("deny: {}", "long ".repeat(30)), 60);
        assert!(shown.contains("very  deny: long "), "{shown}");
        assert!(shown.lines().all(|line| layout::width(line) <= 60 - INDENT), "{shown}");
    }

    #[test]
    fn a_place_outside_the_text_does_no_harm() {
        let file = testing::file("suite.yml", "a");
        let span = Span { file, offset: 90, len: 9, line: 7, column: 9 };
        lines(&mut Page::new(Style::default(), &mut Vec::new()), &span, INDENT).unwrap();
    }
}
