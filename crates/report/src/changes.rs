//! What changes in a file, as a unified diff.

use std::time::Duration;

use similar::TextDiff;

/// How long lines are aligned; after that the diff is longer than it could be.
const LONGEST: Duration = Duration::from_secs(1);

/// The changed lines of a file with one line around them; empty where nothing changes.
pub fn unified(path: &str, before: &str, after: &str) -> String {
    let diff = TextDiff::configure().timeout(LONGEST).diff_lines(before, after);
    diff.unified_diff().context_radius(1).header(&format!("a/{path}"), &format!("b/{path}")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_is_shown() {
        let before = "a\nb\nc\nd\ne\n";
        let shown = unified("suite.yml", before, &before.replace('c', "x"));
        assert_eq!(shown, "--- a/suite.yml\n+++ b/suite.yml\n@@ -2,3 +2,3 @@\n b\n-c\n+x\n d\n");
        assert_eq!(unified("suite.yml", before, before), "");
    }
}
