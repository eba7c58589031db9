//! Which cases of the suites run.

use regex::Regex;

use crate::error::Error;
use crate::model::suite::{Case, Suite};

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
}

impl Selection {
    /// Whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        self.filters.is_empty() && self.exact.is_empty() && self.skip.is_empty() && self.tags.is_empty()
    }

    fn selects(&self, case: &Case) -> bool {
        (self.filters.is_empty() || self.filters.iter().any(|filter| filter.is_match(&case.id)))
            && (self.exact.is_empty() || self.exact.iter().any(|name| *name == case.id || *name == case.name))
            && !self.skip.iter().any(|skip| skip.is_match(&case.id))
            && (self.tags.is_empty() || self.tags.iter().any(|tags| tags.holds(&case.tags)))
    }
}

/// `wording,!slow`: every tag must be there, those behind `!` must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagExpression(Vec<(bool, String)>);

impl std::str::FromStr for TagExpression {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let terms = text.split(',').map(|term| match term.trim().strip_prefix('!') {
            Some(tag) => (false, tag.trim().to_owned()),
            None => (true, term.trim().to_owned()),
        });
        let terms: Vec<_> = terms.collect();
        if terms.iter().any(|(_, tag)| tag.is_empty()) {
            return Err(format!("`{text}` holds an empty tag"));
        }
        Ok(Self(terms))
    }
}

impl TagExpression {
    fn holds(&self, tags: &[String]) -> bool {
        self.0.iter().all(|(is_wanted, tag)| tags.contains(tag) == *is_wanted)
    }
}

/// The selected cases with the index of their suite, in suite order.
///
/// # Errors
///
/// When `only:` is used where it is refused.
pub(crate) fn cases<'a>(
    suites: &'a [Suite],
    selection: &Selection,
    refuses_only: bool,
) -> Result<Vec<(usize, &'a Case)>, Error> {
    let all = || suites.iter().enumerate().flat_map(|(index, suite)| suite.cases.iter().map(move |case| (index, case)));
    let marked: Vec<&Case> = all().map(|(_, case)| case).filter(|case| case.is_only).collect();
    if refuses_only && !marked.is_empty() {
        return Err(Error::only_in_ci(&marked));
    }
    let is_focused = |case: &Case| marked.is_empty() || case.is_only;
    Ok(all().filter(|(_, case)| is_focused(case) && selection.selects(case)).collect())
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
