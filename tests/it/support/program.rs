//! Programs of this machine that tests use. A test without its program skips itself, in a line that `.ci/run` counts.

use std::io::Write as _;
use std::path::PathBuf;

/// Where `name` is on the path. None is a reason to skip a test, which is said.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        skip(name, "not on the path");
    }
    found
}

/// A program that is on the path and cannot be used. In CI that is a failure.
#[track_caller]
pub(crate) fn unusable(name: &str, reason: &str) {
    let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    assert!(!is_ci, "`{name}` cannot be used: {reason}");
    skip(name, reason);
}

/// Written past the output that the test runner captures. `.ci/run` reads these lines.
pub(crate) fn skip(name: &str, reason: &str) {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    let _ = writeln!(std::io::stderr(), "skipped {test}: {name}: {reason}");
}
