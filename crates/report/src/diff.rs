//! The lines in which two texts differ, for people: side by side or as a unified diff.

use similar::{Algorithm, DiffOp};

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
    let mut rows = Vec::new();
    for operation in operations(&left, &right) {
        let (_, old, new) = operation.as_tag_tuple();
        let (old, new) = (&left[old], &right[new]);
        match operation {
            DiffOp::Equal { .. } => rows.extend(old.iter().map(|line| Row::Same(line))),
            // Lines that differ are paired in their order.
            _ => rows.extend(
                (0..old.len().max(new.len()))
                    .map(|offset| Row::Changed(old.get(offset).copied(), new.get(offset).copied())),
            ),
        }
    }
    without_long_stretches(&rows)
}

fn operations(left: &[&str], right: &[&str]) -> Vec<DiffOp> {
    if left.len().max(right.len()) <= ALIGNED {
        return similar::capture_diff_slices(Algorithm::Lcs, left, right);
    }
    let before = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    let after = left[before..].iter().rev().zip(right[before..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (old_len, new_len) = (left.len() - before - after, right.len() - before - after);
    vec![
        DiffOp::Equal { old_index: 0, new_index: 0, len: before },
        DiffOp::Replace { old_index: before, old_len, new_index: before, new_len },
        DiffOp::Equal { old_index: before + old_len, new_index: before + new_len, len: after },
    ]
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
