//! Expected and actual: single values below each other, documents side by side where there is room for both.

use std::io;
use std::ops::Range;

use anstyle::Style as Colour;

use crate::diff::{self, Row};
use crate::{escape, layout};

use super::columns::{DETAIL, LABEL};
use crate::page::{BAD, DIM, GOOD, PLAIN, Page, Piece, piece, width};

/// From this width on there is room for two columns.
const WIDE: usize = 80;

/// Lines shown of one comparison.
const MOST_LINES: usize = 40;

/// Characters shown of one value; the JSON report has the rest.
const LONGEST: usize = 20_000;

/// Between the columns.
const GUTTER: &str = " │ ";

/// Shows both texts and where they part.
pub(super) fn comparison(page: &mut Page<'_>, expected: &str, actual: &str) -> io::Result<()> {
    let [expected, actual] = [expected, actual].map(|text| escape::visible(&escape::cut(text, LONGEST)));
    let rows = diff::rows(&expected, &actual);
    let columns = page.columns() - DETAIL;
    let is_wide = page.columns() >= WIDE;
    let lines = match rows[..] {
        // Where two sentences part is easier to see below each other, and most reports are of nothing else.
        [Row::Changed(Some(expected), Some(actual))] => stacked(expected, actual, columns),
        _ if is_wide => side_by_side(&rows, columns),
        _ => unified(&rows, columns),
    };
    for line in lines.iter().take(MOST_LINES) {
        page.line(DETAIL, line)?;
    }
    if lines.len() > MOST_LINES {
        page.line(DETAIL, &[piece(format!("… {} more lines", lines.len() - MOST_LINES), DIM)])?;
    }
    Ok(())
}

/// Two columns under two headings. The left one is only as wide as it must be, so that short values stay together.
fn side_by_side(rows: &[Row<'_>], columns: usize) -> Vec<Vec<Piece>> {
    let both = columns - layout::width(GUTTER);
    let longest = |side: for<'a> fn(&Row<'a>) -> Option<&'a str>| {
        rows.iter().filter_map(side).map(layout::width).max().unwrap_or(0)
    };
    // What the right side does not need the left may have.
    let most = (both / 2).max(both.saturating_sub(longest(right_of).max("actual".len())));
    let left_width = longest(left_of).clamp("expected".len(), most);
    let right_width = both - left_width;

    let mut lines = vec![two_columns(vec![piece("expected", DIM)], vec![piece("actual", DIM)], left_width)];
    for row in rows {
        let (left, right) = match row {
            Row::Same(line) => (cell(line, left_width, DIM, &(0..0)), cell(line, right_width, DIM, &(0..0))),
            Row::Gap(count) => (cell(&equal(*count), left_width, DIM, &(0..0)), vec![]),
            Row::Changed(left, right) => {
                let (left_mark, right_mark) = parting(left.unwrap_or(""), right.unwrap_or(""));
                let side = |line: &Option<&str>, width, colour, mark| {
                    line.map_or_else(Vec::new, |line| cell(line, width, colour, mark))
                };
                (side(left, left_width, GOOD, &left_mark), side(right, right_width, BAD, &right_mark))
            }
        };
        let height = left.len().max(right.len());
        let mut left = left.into_iter();
        let mut right = right.into_iter();
        for _ in 0..height {
            lines.push(two_columns(left.next().unwrap_or_default(), right.next().unwrap_or_default(), left_width));
        }
    }
    lines
}

fn left_of<'a>(row: &Row<'a>) -> Option<&'a str> {
    match row {
        Row::Same(line) => Some(line),
        Row::Changed(line, _) => *line,
        Row::Gap(_) => None,
    }
}

fn right_of<'a>(row: &Row<'a>) -> Option<&'a str> {
    match row {
        Row::Same(line) => Some(line),
        Row::Changed(_, line) => *line,
        Row::Gap(_) => None,
    }
}

fn two_columns(mut left: Vec<Piece>, right: Vec<Piece>, left_width: usize) -> Vec<Piece> {
    let padding = left_width.saturating_sub(width(&left));
    left.push(piece(" ".repeat(padding), PLAIN));
    left.push(piece(GUTTER, DIM));
    left.extend(right);
    left
}

/// Two labelled values below each other, the labels as wide as those of the other details.
fn stacked(expected: &str, actual: &str, columns: usize) -> Vec<Vec<Piece>> {
    let (expected_mark, actual_mark) = parting(expected, actual);
    let mut lines = Vec::new();
    for (label, text, colour, mark) in
        [("expected", expected, GOOD, expected_mark), ("actual", actual, BAD, actual_mark)]
    {
        for (index, value) in cell(text, columns - LABEL, colour, &mark).into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            let mut line = vec![piece(format!("{label:<LABEL$}"), DIM)];
            line.extend(value);
            lines.push(line);
        }
    }
    lines
}

/// A unified diff.
fn unified(rows: &[Row<'_>], columns: usize) -> Vec<Vec<Piece>> {
    let mut lines = vec![vec![piece("- expected  + actual", DIM)]];
    let mut added = Vec::new();
    for row in rows {
        let (sign, text, colour) = match *row {
            Row::Changed(left, right) => {
                let signed = |sign, text: Option<&str>, colour| {
                    text.map_or_else(Vec::new, |text| with_sign(sign, text, colour, columns))
                };
                lines.extend(signed("- ", left, GOOD));
                added.extend(signed("+ ", right, BAD));
                continue;
            }
            Row::Same(line) => ("  ", line.to_owned(), DIM),
            Row::Gap(count) => ("  ", equal(count), DIM),
        };
        lines.append(&mut added);
        lines.extend(with_sign(sign, &text, colour, columns));
    }
    lines.append(&mut added);
    lines
}

fn with_sign(sign: &str, text: &str, colour: Colour, columns: usize) -> Vec<Vec<Piece>> {
    let mut sign = sign;
    let mut lines = cell(text, columns - 2, colour, &(0..0));
    for line in &mut lines {
        line.insert(0, piece(std::mem::replace(&mut sign, "  "), colour));
    }
    lines
}

fn equal(count: usize) -> String {
    format!("… {count} equal lines")
}

/// `text` broken into lines of `columns`, the marked range set off from the rest.
fn cell(text: &str, columns: usize, colour: Colour, mark: &Range<usize>) -> Vec<Vec<Piece>> {
    let strong = colour.bold().underline();
    let paint = |range: Range<usize>| {
        let clamp = |position: usize| position.clamp(range.start, range.end);
        let (from, to) = (clamp(mark.start), clamp(mark.end));
        [(range.start..from, colour), (from..to, strong), (to..range.end, colour)]
            .into_iter()
            .filter(|(range, _)| !range.is_empty())
            .map(|(range, colour)| piece(&text[range], colour))
            .collect()
    };
    layout::wrap(text, columns).into_iter().map(paint).collect()
}

/// Where two lines differ between what they have in common at both ends; empty ranges when they share too little for
/// the difference to be worth pointing out.
fn parting(left: &str, right: &str) -> (Range<usize>, Range<usize>) {
    let before: usize = left.chars().zip(right.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum();
    let after: usize = left[before..]
        .chars()
        .rev()
        .zip(right[before..].chars().rev())
        .take_while(|(a, b)| a == b)
        .map(|(c, _)| c.len_utf8())
        .sum();
    if (before + after) * 3 < left.len().max(right.len()) {
        return (0..0, 0..0);
    }
    (before..left.len() - after, before..right.len() - after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Style;

    fn compared(expected: &str, actual: &str, width: usize) -> Vec<String> {
        let mut out = Vec::new();
        let style = Style { width, ..Style::default() };
        comparison(&mut Page::new(style, &mut out), expected, actual).unwrap();
        String::from_utf8(out).unwrap().lines().map(|line| line[DETAIL..].to_owned()).collect()
    }

    #[test]
    fn single_values_stand_below_each_other() {
        for width in [60, 100] {
            assert_eq!(compared("deny", "allow", width), ["expected  deny", "actual    allow"]);
        }
    }

    #[test]
    fn short_lines_of_documents_stay_together() {
        assert_eq!(compared("a\nb", "a\nc", 100), ["expected │ actual", "a        │ a", "b        │ c"]);
    }

    #[test]
    fn long_values_are_broken_in_their_column() {
        let lines = compared(&format!("same\n{}", "word ".repeat(30)), &format!("same\n{}", "other ".repeat(30)), 90);
        let edges: Vec<_> = lines.iter().map(|line| line.chars().position(|c| c == '│')).collect();
        assert!(edges.windows(2).all(|pair| pair[0] == pair[1]), "{lines:#?}");
        assert!(lines.iter().all(|line| layout::width(line) <= 84), "{lines:#?}");
    }

    #[test]
    fn sentences_part_in_the_same_column() {
        let (expected, actual) = ("the labels are missing: owner, team", "the labels are missing: cost-center, owner");
        assert_eq!(
            compared(expected, actual, 80),
            ["expected  the labels are missing: owner, team", "actual    the labels are missing: cost-center, owner"]
        );
    }

    #[test]
    fn documents_on_a_narrow_terminal_are_a_unified_diff() {
        assert_eq!(compared("a\nb\nc", "a\nx\nc", 60), ["- expected  + actual", "  a", "- b", "+ x", "  c"]);
    }

    #[test]
    fn the_difference_is_found_between_equal_ends() {
        assert_eq!(parting("missing: owner", "missing: cost, owner"), (9..9, 9..15));
        assert_eq!(parting("aäb", "aöb"), (1..3, 1..3));
        assert_eq!(parting("allow", "deny"), (0..0, 0..0));
    }

    #[test]
    fn endless_values_end() {
        assert_eq!(compared("short", &"x\n".repeat(500_000), 100).len(), MOST_LINES + 1);
        assert_eq!(compared("short", &"x".repeat(1_000_000), 50).len(), MOST_LINES + 1);
    }
}
