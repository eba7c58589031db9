//! The order in which cases run, and the order in which they are reported.

use std::collections::HashMap;

use policy_verify_model::source::{FileOrder, Span};
use policy_verify_model::split_mix::SplitMix64;
use policy_verify_model::suite::{Case, Suite, SuiteIndex};

use crate::select::SelectedCase;

/// The place of every case among all that its suite could report, whatever was selected: the same on every machine.
pub(super) struct Positions<'a> {
    suites: &'a [Suite],
    of_cases: HashMap<&'a str, usize>,
}

/// The places of the cases of `suites`. Policies have places among them, because an unavailable one that no case uses is
/// reported where it is defined.
pub(super) fn positions(suites: &[Suite]) -> Positions<'_> {
    let mut of_cases = HashMap::new();
    for suite in suites {
        let order = FileOrder::of(&suite.included);
        let mut policies: Vec<(usize, usize)> = suite.policies.iter().map(|policy| order.place(&policy.span)).collect();
        policies.sort_unstable();
        let mut cases: Vec<&Case> = suite.cases.iter().collect();
        cases.sort_by_key(|case| order.place(&case.span));
        for (index, case) in cases.into_iter().enumerate() {
            let place = order.place(&case.span);
            of_cases.insert(case.id.as_str(), index + policies.partition_point(|policy| *policy <= place));
        }
    }
    Positions { suites, of_cases }
}

impl Positions<'_> {
    /// The place of a case.
    pub(super) fn of(&self, case: &Case) -> usize {
        self.of_cases.get(case.id.as_str()).copied().unwrap_or_default()
    }

    /// The place of what is defined at `span`, among the cases.
    pub(super) fn before(&self, suite: SuiteIndex, span: &Span) -> usize {
        let suite = &self.suites[suite.0];
        let order = FileOrder::of(&suite.included);
        let is_before = |other: &Span| order.place(other) < order.place(span);
        let cases = suite.cases.iter().filter(|case| is_before(&case.span)).count();
        cases + suite.policies.iter().filter(|policy| is_before(&policy.span)).count()
    }
}

/// `cases` in an order made of `seed`; as they are without one.
pub(super) fn shuffled<'a>(cases: &[SelectedCase<'a>], seed: Option<u64>) -> Vec<SelectedCase<'a>> {
    let mut cases = cases.to_vec();
    let Some(seed) = seed else { return cases };
    let mut random = SplitMix64::of_seed(seed);
    for last in (1..cases.len()).rev() {
        cases.swap(last, random.below(last + 1));
    }
    cases
}
