//! The width of text in a terminal, and where to break it.

use std::borrow::Cow;
use std::ops::Range;

/// Columns of `text`. Close to what terminals do; a wrong guess costs alignment, never content.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// Columns of one character: none for what joins its neighbour, two for East Asian characters and emoji.
///
/// Source: the ranges of EastAsianWidth.txt (W, F) and the combining marks of the blocks people really use.
fn char_width(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036f | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x200c..=0x200d | 0x20d0..=0x20ff => 0,
        0xfe00..=0xfe0f | 0xfe20..=0xfe2f | 0x1f3fb..=0x1f3ff | 0xe0100..=0xe01ef => 0,
        0x1100..=0x115f | 0x231a..=0x231b | 0x23e9..=0x23ec | 0x2614..=0x2615 | 0x2648..=0x2653 => 2,
        0x26a1 | 0x26bd..=0x26be | 0x26d4 | 0x2705 | 0x2728 | 0x274c | 0x274e | 0x2753..=0x2755 | 0x2757 => 2,
        0x2795..=0x2797 | 0x2b1b..=0x2b1c | 0x2b50 | 0x2b55 => 2,
        0x2e80..=0x303e | 0x3041..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f => 2,
        0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f1e6..=0x1f64f | 0x1f680..=0x1f6ff | 0x1f7e0..=0x1f7eb => 2,
        0x1f900..=0x1f9ff | 0x1fa70..=0x1faff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// The ranges of `line` that fit into `columns`, broken after blanks where possible, else between the parts of a path or a
/// document. Never empty, never without progress.
pub(super) fn wrap(line: &str, columns: usize) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    while width(&line[start..]) > columns {
        let end = start + fitting(&line[start..], columns);
        let behind_last = |marks: &[char]| line[start..end].rfind(marks).map(|position| start + position + 1);
        // A break very early in the piece would leave ragged, nearly empty rows.
        let is_late = |&end: &usize| width(&line[start..end]) * 3 > columns;
        let end = behind_last(&[' ']).filter(is_late).or_else(|| behind_last(&PARTS).filter(is_late)).unwrap_or(end);
        pieces.push(start..end);
        start = end;
    }
    if start < line.len() || pieces.is_empty() {
        pieces.push(start..line.len());
    }
    pieces
}

/// What ends a part of a path, of a name, of a reference or of a document in one line.
const PARTS: [char; 9] = ['/', ',', ':', '(', '=', '&', ';', '-', '.'];

/// The rows of a text whose first row has `first` columns, the others `columns`. Prose is broken at blanks. An indented
/// line is meant to be pasted: it is never broken, so that copying it from a terminal gives the same line.
pub(super) fn rows(text: &str, first: usize, columns: usize) -> Vec<Cow<'_, str>> {
    let mut rows = Vec::new();
    for line in text.lines() {
        if line.starts_with(' ') {
            rows.push(line.into());
            continue;
        }
        let room = if rows.is_empty() { first } else { columns };
        rows.extend(hanging(line, room, columns));
    }
    rows
}

/// The rows of a line whose first row has `first` columns, the others `columns`. Those of an entry of a list begin below
/// its text.
pub(super) fn hanging(line: &str, first: usize, columns: usize) -> Vec<Cow<'_, str>> {
    let indent = if line.starts_with("- ") { "  " } else { "" };
    let start = wrap(line, first)[0].clone();
    let rest = &line[start.end..];
    let mut rows = vec![Cow::Borrowed(&line[start])];
    if !rest.is_empty() {
        let further = wrap(rest, columns.saturating_sub(indent.len()).max(1)).into_iter().map(|range| &rest[range]);
        rows.extend(further.map(|row| if indent.is_empty() { row.into() } else { format!("{indent}{row}").into() }));
    }
    rows
}

/// Bytes of the longest beginning of `text` that fits, at least one character.
fn fitting(text: &str, columns: usize) -> usize {
    let mut used = 0;
    for (index, c) in text.char_indices() {
        used += char_width(c);
        if used > columns && index > 0 {
            return index;
        }
    }
    text.len()
}

/// The longest beginning of `text` that fits, with an ellipsis when something is missing.
pub(super) fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let end = fitting(text, columns.saturating_sub(1).max(1));
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(line: &str, columns: usize) -> Vec<&str> {
        wrap(line, columns).into_iter().map(|piece| &line[piece]).collect()
    }

    #[test]
    fn lines_break_at_blanks_or_where_they_must() {
        assert_eq!(pieces("the quick brown fox", 10), ["the quick ", "brown fox"]);
        assert_eq!(pieces("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(pieces("", 4), [""]);
        assert_eq!(pieces("日本語", 1), ["日", "本", "語"]);
    }

    #[test]
    fn long_words_break_between_their_parts() {
        assert_eq!(
            pieces("no mock for oci/v1/manifest(\"ghcr.io/acme/web:1\")", 40),
            ["no mock for oci/v1/manifest(\"ghcr.io/", "acme/web:1\")"]
        );
        assert_eq!(
            pieces(r#"{"denied":["owner"],"wanted":["owner"]}"#, 30),
            [r#"{"denied":["owner"],"wanted":"#, r#"["owner"]}"#]
        );
        // A part that begins a row would leave it nearly empty.
        assert_eq!(pieces("a:bcdefghijklmnop", 10), ["a:bcdefghi", "jklmnop"]);
    }

    #[test]
    fn entries_of_lists_hang() {
        let text = "one of these:\n- add a rule if it should be seen\n- b";
        assert_eq!(rows(text, 16, 16), ["one of these:", "- add a rule if ", "  it should be ", "  seen", "- b"]);
    }

    #[test]
    fn indented_lines_are_not_broken() {
        let text = "add a mock:\n  net/v1/dns_lookup_host:\n    a: [10.0.0.1]\nor remove the call from the policy";
        assert_eq!(
            rows(text, 12, 16),
            [
                "add a mock:",
                "  net/v1/dns_lookup_host:",
                "    a: [10.0.0.1]",
                "or remove the ",
                "call from the ",
                "policy"
            ]
        );
        assert_eq!(rows("one two three four", 8, 12), ["one two ", "three four"]);
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(width("日本"), 4);
        assert_eq!(width("e\u{301}"), 1);
        assert_eq!(width("✓ ✗ …"), 5);
        assert_eq!(fit("日本語", 4), "日…");
    }
}
