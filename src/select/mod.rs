//! Which cases of the suites run, and which policies they need.

mod advice;
mod partition;

use std::collections::{BTreeSet, HashSet};

use regex::Regex;

use crate::error::Error;
use policy_verify_model::outcome::Shard;
use policy_verify_model::suite::{Case, Suite};

pub(crate) use self::advice::advice;
pub use self::partition::{Partition, Timings};

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
    /// Cases with one of these ids; all when there is no such list.
    pub among: Option<HashSet<String>>,
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
    }

    fn selects(&self, case: &Case) -> bool {
        (self.filters.is_empty() || self.filters.iter().any(|filter| filter.is_match(&case.id)))
            && (self.exact.is_empty() || self.exact.iter().any(|name| *name == case.id || *name == case.name))
            && !self.skip.iter().any(|skip| skip.is_match(&case.id))
            && (self.tags.is_empty() || self.tags.iter().any(|tags| tags.holds(&case.tags)))
            && self.among.as_ref().is_none_or(|ids| ids.contains(&case.id))
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

/// What was selected.
#[derive(Debug)]
pub(crate) struct Selected<'a> {
    /// The cases with the index of their suite, in suite order.
    pub(crate) cases: Vec<(usize, &'a Case)>,
    /// The policies the run needs, by suite, sorted: those of the cases, and every declared one when nothing is left
    /// out.
    pub(crate) policies: Vec<(usize, usize)>,
    /// How many cases were selected before they were divided.
    pub(crate) total: usize,
    /// Which part of them this is.
    pub(crate) shard: Option<Shard>,
}

/// The selected cases and what they need.
///
/// # Errors
///
/// When `only:` is used where it is refused.
pub(crate) fn select<'a>(
    suites: &'a [Suite],
    selection: &Selection,
    refuses_only: bool,
) -> Result<Selected<'a>, Error> {
    let all = || suites.iter().enumerate().flat_map(|(index, suite)| suite.cases.iter().map(move |case| (index, case)));
    let marked: Vec<&Case> = all().map(|(_, case)| case).filter(|case| case.is_only).collect();
    if refuses_only && !marked.is_empty() {
        return Err(Error::only_in_ci(&marked));
    }
    let is_focused = |case: &Case| marked.is_empty() || case.is_only;
    let cases: Vec<_> = all().filter(|(_, case)| is_focused(case) && selection.selects(case)).collect();
    let mut policies = used_policies(suites, &cases);
    if selection.is_everything() {
        let all = suites.iter().enumerate();
        policies.extend(all.flat_map(|(suite, read)| (0..read.policies.len()).map(move |policy| (suite, policy))));
    }
    let (total, policies) = (cases.len(), policies.into_iter().collect());
    let whole = Selected { cases, policies, total, shard: None };
    Ok(match selection.partition {
        Some(partition) => partition::take(partition, &selection.timings, suites, whole),
        None => whole,
    })
}

/// The policies of the given cases.
pub(crate) fn used_policies(suites: &[Suite], cases: &[(usize, &Case)]) -> BTreeSet<(usize, usize)> {
    let of_case = |&(suite, case): &(usize, &Case)| {
        let policies = suites[suite].policies_for(case).into_iter();
        policies.map(move |policy| (suite, policy.0)).collect::<Vec<_>>()
    };
    cases.iter().flat_map(of_case).collect()
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
