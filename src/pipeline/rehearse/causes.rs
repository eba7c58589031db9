//! Things that are counted by their cause, of which only so many are told apart: hostile messages may all differ.

use std::collections::BTreeMap;

/// Most causes that are told apart.
const MOST: usize = 100;

/// What all further causes are called.
pub(super) const OTHERS: &str = "other causes";

/// Counts by key and cause, with the first example of each.
pub(super) struct Causes<K, T>(BTreeMap<K, BTreeMap<String, (usize, Option<T>)>>);

impl<K, T> Default for Causes<K, T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord, T> Causes<K, T> {
    /// Counts a cause; `example` is made for the first one.
    pub(super) fn add(&mut self, key: K, cause: String, example: impl FnOnce() -> T) {
        let known = self.0.entry(key).or_default();
        if let Some((number, _)) = known.get_mut(&cause) {
            *number += 1;
        } else if known.len() < MOST {
            known.insert(cause, (1, Some(example())));
        } else {
            known.entry(OTHERS.to_owned()).or_insert((0, None)).0 += 1;
        }
    }

    /// All of them: by key, then what was counted most often.
    pub(super) fn finish(self) -> Vec<(K, String, usize, Option<T>)>
    where
        K: Clone,
    {
        let of_key = |(key, causes): (K, BTreeMap<String, (usize, Option<T>)>)| {
            let mut causes: Vec<_> = causes.into_iter().collect();
            // What is not told apart comes last.
            causes.sort_by_key(|(_, (number, example))| (example.is_none(), std::cmp::Reverse(*number)));
            causes.into_iter().map(move |(cause, (number, example))| (key.clone(), cause, number, example))
        };
        self.0.into_iter().flat_map(of_key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_have_their_first_example_and_a_limit() {
        let mut causes = Causes::default();
        for number in 0..300 {
            causes.add(1, format!("cause {}", number % 150), || number);
        }
        causes.add(0, "first".into(), || 7);
        let found = causes.finish();
        assert_eq!(
            (found[0].clone(), found[1].clone()),
            ((0, "first".into(), 1, Some(7)), (1, "cause 0".into(), 2, Some(0)))
        );
        assert_eq!((found.len(), found.last().unwrap().clone()), (102, (1, OTHERS.to_owned(), 100, None)));
    }
}
