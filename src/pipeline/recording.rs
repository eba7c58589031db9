//! What a case was told, as a file for kwctl: its text and its name. Where it goes is up to the caller.

use std::collections::HashMap;

use policy_verify_model::file_name;
use policy_verify_model::suite::Suite;

/// What a case was told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recording {
    /// Index of its suite among those of the run.
    pub suite: usize,
    /// `suite › case [owner=team-a]`.
    pub case: String,
    /// A name for the file, made from that of the case; no other case of the suite has it.
    pub name: String,
    /// The session, as `kwctl run --replay-host-capabilities-interactions` reads it.
    pub text: String,
}

/// The names of files by ids of cases. They depend on nothing but the suites, so that a part of a run writes the same files
/// as the whole.
pub(super) fn names(suites: &[Suite]) -> HashMap<String, String> {
    let mut all = HashMap::new();
    for suite in suites {
        let cases: Vec<(&str, &str)> = suite.cases.iter().map(|case| (case.name.as_str(), case.id.as_str())).collect();
        let names = file_name::unique(&cases).into_iter().map(|name| format!("{name}.yml"));
        all.extend(suite.cases.iter().map(|case| case.id.clone()).zip(names));
    }
    all
}
