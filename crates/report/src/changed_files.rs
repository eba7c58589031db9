//! Which files and lines a pull request changes.

use std::collections::BTreeMap;

/// The lines of a range: its first and its last, counted from 1.
pub(crate) type LineRange = (u32, u32);

/// The files of a pull request by their path from the root of the repository, with the lines that are new or different in it;
/// none where those are not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangedFiles(BTreeMap<String, Vec<LineRange>>);

impl ChangedFiles {
    /// Reads a file a line: `src/lib.rs`, and behind a tab the changed lines: `3,12-14`. What is no range is left out.
    pub fn read(text: &str) -> Self {
        let file = |line: &str| {
            let (path, lines) = line.split_once('\t').unwrap_or((line, ""));
            (path.to_owned(), lines.split(',').filter_map(range).collect())
        };
        Self(text.lines().map(file).collect())
    }

    /// Whether a file is changed.
    pub fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// The parts of `ranges` of a file that are changed.
    pub(crate) fn changed_of(&self, path: &str, ranges: &[LineRange]) -> Vec<LineRange> {
        let changed = self.0.get(path).map_or(&[][..], Vec::as_slice);
        let common = |(first, last): &LineRange| {
            let parts = changed.iter().map(|(from, to)| (*first.max(from), *last.min(to)));
            parts.filter(|(first, last)| first <= last).collect::<Vec<_>>()
        };
        ranges.iter().flat_map(common).collect()
    }
}

fn range(text: &str) -> Option<LineRange> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((first.parse().ok()?, last.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_lines_are_read() {
        let changed = ChangedFiles::read("suite.yml\nsrc/my lib.rs\t3,12-14\nodd\tx,-,5-\n");
        assert!(changed.has("suite.yml") && changed.has("src/my lib.rs") && !changed.has("lib.rs"));
        assert_eq!(changed.changed_of("src/my lib.rs", &[(1, 2), (3, 3), (10, 20)]), [(3, 3), (12, 14)]);
        assert_eq!(changed.changed_of("src/my lib.rs", &[(13, 13), (14, 99)]), [(13, 13), (14, 14)]);
        for path in ["suite.yml", "odd", "other"] {
            assert_eq!(changed.changed_of(path, &[(1, 99)]), []);
        }
    }
}
