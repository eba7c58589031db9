//! What the command line selects: filters, names, tags, a part of the cases.

use std::collections::HashSet;

use regex::Regex;

use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::suite::Case;

use super::partition::{Partition, Timings};

/// What the user selected on the command line.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Selection {
    /// Cases whose id matches any of these; all when empty.
    pub filters: Vec<Regex>,
    /// Cases whose whole id, or name within its suite, is one of these; all when empty.
    pub exact: Vec<String>,
    /// Cases whose id matches any of these are left out.
    pub skip: Vec<Regex>,
    /// Tag expressions: any of them must hold; all when empty.
    pub tags: Vec<TagExpression>,
    /// Cases with one of these ids; all when `None`.
    pub among: Option<HashSet<String>>,
    /// If any of all these cases has one of these ids, only those that have one.
    pub preferred: HashSet<String>,
    /// Which part of all these; the whole by default.
    pub partition: Option<Partition>,
    /// What parts are balanced by.
    pub timings: Timings,
}

impl Selection {
    /// Whether nothing is left out, apart from what other shards do.
    pub fn is_everything(&self) -> bool {
        self.filters.is_empty()
            && self.exact.is_empty()
            && self.skip.is_empty()
            && self.tags.is_empty()
            && self.among.is_none()
            && self.preferred.is_empty()
    }

    pub(super) fn selects(&self, case: &Case) -> bool {
        (self.filters.is_empty() || self.filters.iter().any(|filter| filter.is_match(&case.id)))
            && (self.exact.is_empty() || self.exact.iter().any(|name| *name == case.id || *name == case.name))
            && !self.skip.iter().any(|skip| skip.is_match(&case.id))
            && (self.tags.is_empty() || self.tags.iter().any(|tags| tags.holds(&case.tags)))
            && self.among.as_ref().is_none_or(|ids| ids.contains(&case.id))
    }
}

/// `wording,!slow`: every tag must be there, those behind `!` must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagExpression(pub(super) Vec<(bool, String)>);

impl std::str::FromStr for TagExpression {
    type Err = Diagnostic;

    fn from_str(text: &str) -> Result<Self, Diagnostic> {
        let terms = text.split(',').map(|term| match term.trim().strip_prefix('!') {
            Some(tag) => (false, tag.trim().to_owned()),
            None => (true, term.trim().to_owned()),
        });
        let terms: Vec<_> = terms.collect();
        if terms.iter().any(|(_, tag)| tag.is_empty()) {
            return Err(Diagnostic::new(Code::Usage, format!("empty tag in `{text}`")));
        }
        Ok(Self(terms))
    }
}

impl TagExpression {
    fn holds(&self, tags: &[String]) -> bool {
        self.0.iter().all(|(is_wanted, tag)| tags.contains(tag) == *is_wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_join_tags_and_exclamation_marks_exclude_them() {
        let tags = ["a".to_owned(), "b".to_owned()];
        for (text, holds) in [("a", true), ("a,b", true), ("a,!c", true), ("a,!b", false), ("c", false), ("!c", true)] {
            assert_eq!(text.parse::<TagExpression>().unwrap().holds(&tags), holds, "{text}");
        }
        assert!("a,,b".parse::<TagExpression>().is_err());
        assert!("!".parse::<TagExpression>().is_err());
    }
}
