//! What a case was told, as a file for kwctl: its text and its name. Where it goes is up to the caller.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest as _, Sha256};

use policy_verify_model::suite::Suite;

/// Longest name of a file that is made from the name of a case, without its extension.
const LONGEST_NAME: usize = 100;

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
        let mut by_name: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for case in &suite.cases {
            by_name.entry(file_name(&case.name)).or_default().push(&case.id);
        }
        for (name, ids) in by_name {
            let is_clear = ids.len() == 1 && !name.is_empty() && name.len() <= LONGEST_NAME;
            for id in ids {
                let name = match is_clear {
                    true => format!("{name}.yml"),
                    false => format!("{}{}.yml", with_dash(&name), &hex::encode(Sha256::digest(id))[..8]),
                };
                all.insert(id.to_owned(), name);
            }
        }
    }
    all
}

/// Lower-case letters and digits with dashes between them.
fn file_name(case: &str) -> String {
    let words = case.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

fn with_dash(name: &str) -> String {
    let cut = &name[..name.len().min(LONGEST_NAME)];
    if cut.is_empty() { String::new() } else { format!("{}-", cut.trim_end_matches('-')) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_cases() {
        assert_eq!(file_name("accepts \"a\" pod [owner=team-a, n=1.5]"), "accepts-a-pod-owner-team-a-n-1-5");
        assert_eq!(file_name("../../etc/passwd"), "etc-passwd");
        assert_eq!(file_name("日本"), "");
        assert_eq!(with_dash(&"a".repeat(300)).len(), LONGEST_NAME + 1);
    }
}
