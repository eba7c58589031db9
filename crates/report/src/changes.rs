//! What changes in a file, as a unified diff.

use std::time::Duration;

use similar::TextDiff;

/// How long lines are aligned; after that the diff is longer than it could be.
const LONGEST: Duration = Duration::from_secs(1);

/// The changed lines of a file with one line around them; empty where nothing changes. A file that comes or goes has no
/// text before or after.
pub fn unified(path: &str, before: Option<&str>, after: Option<&str>) -> String {
    let (old, new) = (before.unwrap_or_default(), after.unwrap_or_default());
    let diff = TextDiff::configure().timeout(LONGEST).diff_lines(old, new);
    let name = |side: char, text: Option<&str>| match text {
        Some(_) => format!("{side}/{path}"),
        None => "/dev/null".to_owned(),
    };
    diff.unified_diff().context_radius(1).header(&name('a', before), &name('b', after)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_is_shown() {
        let before = "a\nb\nc\nd\ne\n";
        let after = before.replace('c', "x");
        let shown = unified("suite.yml", Some(before), Some(&after));
        assert_eq!(shown, "--- a/suite.yml\n+++ b/suite.yml\n@@ -2,3 +2,3 @@\n b\n-c\n+x\n d\n");
        assert_eq!(unified("suite.yml", Some(before), Some(before)), "");
        assert_eq!(unified("a.yml", None, Some("a\n")), "--- /dev/null\n+++ b/a.yml\n@@ -0,0 +1 @@\n+a\n");
        assert_eq!(unified("a.yml", Some("a\n"), None), "--- a/a.yml\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n");
    }
}
