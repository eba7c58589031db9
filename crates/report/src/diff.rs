//! The lines in which two texts differ, for people: side by side or as a unified diff.

/// One row of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Row<'a> {
    /// The same line on both sides.
    Same(&'a str),
    /// A line that is missing on one side or differs between them.
    Changed(Option<&'a str>, Option<&'a str>),
    /// This many equal lines left out.
    Gap(usize),
}

/// Equal lines kept around a change.
const CONTEXT: usize = 3;

/// Above this many lines on a side no alignment is sought: the table it takes grows with the square.
const ALIGNED: usize = 500;

/// The rows of `expected` and `actual`, long equal stretches left out.
pub(super) fn rows<'a>(expected: &'a str, actual: &'a str) -> Vec<Row<'a>> {
    let (left, right): (Vec<_>, Vec<_>) = (lines(expected), lines(actual));
    let before = left.iter().zip(&right).take_while(|(a, b)| a == b).count();
    let after = left[before..].iter().rev().zip(right[before..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (left_end, right_end) = (left.len() - after, right.len() - after);

    let mut rows: Vec<Row<'a>> = left[..before].iter().map(|line| Row::Same(line)).collect();
    align(&left[before..left_end], &right[before..right_end], &mut rows);
    rows.extend(left[left_end..].iter().map(|line| Row::Same(line)));
    without_long_stretches(&rows)
}

/// The same as lines of a unified diff: `- ` expected, `+ ` actual.
pub(super) fn unified(expected: &str, actual: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut added = Vec::new();
    for row in rows(expected, actual) {
        if let Row::Changed(expected, actual) = row {
            lines.extend(expected.map(|line| format!("- {line}")));
            added.extend(actual.map(|line| format!("+ {line}")));
            continue;
        }
        lines.append(&mut added);
        lines.push(match row {
            Row::Same(line) => format!("  {line}"),
            Row::Gap(count) => format!("@@ {count} equal lines @@"),
            Row::Changed(..) => continue,
        });
    }
    lines.append(&mut added);
    lines
}

/// An empty text still has one (empty) line to show.
fn lines(text: &str) -> Vec<&str> {
    if text.is_empty() { vec![""] } else { text.lines().collect() }
}

/// Appends the rows of two stretches of lines: the longest common subsequence stays, the rest is paired up in order.
fn align<'a>(left: &[&'a str], right: &[&'a str], rows: &mut Vec<Row<'a>>) {
    let common = if left.len() > ALIGNED || right.len() > ALIGNED { Vec::new() } else { common(left, right) };
    let (mut i, mut j) = (0, 0);
    for (next_i, next_j) in common.into_iter().chain([(left.len(), right.len())]) {
        for offset in 0..(next_i - i).max(next_j - j) {
            let of = |lines: &[&'a str], start: usize, end: usize| lines[start..end].get(offset).copied();
            rows.push(Row::Changed(of(left, i, next_i), of(right, j, next_j)));
        }
        if let Some(line) = left.get(next_i) {
            rows.push(Row::Same(line));
        }
        (i, j) = (next_i + 1, next_j + 1);
    }
}

/// Positions of a longest common subsequence.
fn common(left: &[&str], right: &[&str]) -> Vec<(usize, usize)> {
    let width = right.len() + 1;
    let mut lengths = vec![0_usize; (left.len() + 1) * width];
    for i in (0..left.len()).rev() {
        for j in (0..right.len()).rev() {
            lengths[i * width + j] = if left[i] == right[j] {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < left.len() && j < right.len() {
        if left[i] == right[j] {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

/// Equal rows further than [`CONTEXT`] from any change become one gap, unless the gap would save nothing.
fn without_long_stretches<'a>(rows: &[Row<'a>]) -> Vec<Row<'a>> {
    let is_change = |row: &Row<'_>| matches!(row, Row::Changed(..));
    let mut keep = vec![false; rows.len()];
    for (index, _) in rows.iter().enumerate().filter(|(_, row)| is_change(row)) {
        let end = (index + CONTEXT + 1).min(rows.len());
        keep[index.saturating_sub(CONTEXT)..end].fill(true);
    }
    let mut kept = Vec::new();
    let mut index = 0;
    while index < rows.len() {
        let stretch = keep[index..].iter().take_while(|keep| !**keep).count();
        match stretch {
            0 => kept.push(rows[index]),
            1 => kept.push(rows[index]),
            _ => kept.push(Row::Gap(stretch)),
        }
        index += stretch.max(1);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_lines_stand_beside_each_other() {
        assert_eq!(rows("a", "b"), [Row::Changed(Some("a"), Some("b"))]);
        assert_eq!(rows("", "b"), [Row::Changed(Some(""), Some("b"))]);
    }

    #[test]
    fn inserted_and_removed_lines_face_nothing() {
        assert_eq!(
            rows("a\nb\nc", "a\nc\nd"),
            [Row::Same("a"), Row::Changed(Some("b"), None), Row::Same("c"), Row::Changed(None, Some("d"))]
        );
    }

    #[test]
    fn long_equal_stretches_are_left_out() {
        let left: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        let mut right = left.clone();
        right[10] = "ten".into();
        let (left, right) = (left.join("\n"), right.join("\n"));
        let rows = rows(&left, &right);
        assert_eq!(rows.first(), Some(&Row::Gap(7)));
        assert_eq!(rows.last(), Some(&Row::Gap(6)));
        assert_eq!(rows.len(), 9);
    }

    #[test]
    fn a_unified_diff_removes_before_it_adds() {
        assert_eq!(unified("x\na\nb", "x\nc\nd"), ["  x", "- a", "- b", "+ c", "+ d"]);
    }

    #[test]
    fn huge_texts_are_paired_without_alignment() {
        let left = "a\n".repeat(100_000);
        let right = "b\n".repeat(90_000);
        assert_eq!(rows(&left, &right).len(), 100_000);
    }
}
