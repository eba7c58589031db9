//! Errors with their causes, as policy-server prints them.

use std::error::Error;
use std::fmt::Write as _;

/// An error and its causes in the server's rendering: the message, then an indented list.
pub(super) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let causes: Vec<String> =
        std::iter::successors(error.source(), |&cause| cause.source()).map(|cause| cause.to_string()).collect();
    if causes.is_empty() {
        return text;
    }
    text.push_str("\n\nCaused by:");
    for (number, cause) in causes.iter().enumerate() {
        let label = if causes.len() > 1 { format!("{number}: ") } else { String::new() };
        let indent = format!("\n{:width$}", "", width = 4 + label.len());
        let _ = write!(text, "\n    {label}{}", cause.lines().collect::<Vec<_>>().join(&indent));
    }
    text
}
