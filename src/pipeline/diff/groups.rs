//! Differences with the same cause, with the first example of each.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use policy_verify_model::behaviour::{Class, Difference, Example};
use policy_verify_model::suite::Case;

use super::classify::Change;

/// Groups of differences; what has the same cause is counted.
#[derive(Default)]
pub(super) struct Groups(BTreeMap<(Class, String), Difference>);

impl Groups {
    /// Adds a difference of the module itself.
    pub(super) fn add_of_module(&mut self, change: Change) {
        self.insert(change, 0, false, None);
    }

    /// Adds what a case shows.
    pub(super) fn add_of_case(&mut self, change: Change, case: &Case) {
        let known = self.0.get_mut(&(change.class, change.cause.clone()));
        match known {
            Some(known) => known.number += 1,
            None => self.insert(change, 1, false, Some(example(case))),
        }
    }

    /// Adds what many cases show, with the example that shows it best.
    pub(super) fn add_counted(&mut self, change: Change, number: usize, case: &Case) {
        self.insert(change, number, false, Some(example(case)));
    }

    /// Adds what a searched request shows, unless that is known.
    pub(super) fn add_searched(&mut self, change: Change, number: usize, example: Example) {
        if !self.has(&change) {
            self.insert(change, number, true, Some(example));
        }
    }

    /// Whether there is a difference with the same cause.
    pub(super) fn has(&self, change: &Change) -> bool {
        self.0.contains_key(&(change.class, change.cause.clone()))
    }

    /// The causes that are known.
    pub(super) fn keys(&self) -> BTreeSet<(Class, String)> {
        self.0.keys().cloned().collect()
    }

    fn insert(&mut self, change: Change, number: usize, is_searched: bool, example: Option<Example>) {
        let Change { class, cause, old, new } = change;
        let difference = Difference { class, cause: cause.clone(), number, is_searched, old, new, example };
        self.0.insert((class, cause), difference);
    }

    /// All of them: by class, those of the suites before searched ones, what most cases show first.
    pub(super) fn finish(self) -> Vec<Difference> {
        let mut found: Vec<Difference> = self.0.into_values().collect();
        found.sort_by_key(|it| (it.class, it.is_searched, Reverse(it.number)));
        found
    }
}

/// Where a case is.
pub(super) fn example(case: &Case) -> Example {
    let place = case.place();
    Example { case: case.id.clone(), file: place.file.path.clone(), line: place.line, object: None, yaml: None }
}
