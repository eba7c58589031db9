//! What a word was probably meant to be.

/// Letters of a word that is compared with others, which takes time that grows with the square of them. No word that
/// somebody misspells is as long.
const LONGEST: usize = 256;

/// Most words that it is compared with.
const MOST: usize = 10_000;

/// The word among `known` that `word` was probably meant to be.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let folded = word.to_lowercase();
    known
        .into_iter()
        .take(MOST)
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (strsim::normalized_damerau_levenshtein(&folded, &candidate.to_lowercase()), candidate))
        .filter(|(similarity, _)| *similarity >= 0.65)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_a_stranger_is_not() {
        assert_eq!(nearest("setings", ["settings", "metadata"]), Some("settings"));
        assert_eq!(nearest("oldobject", ["object", "oldObject"]), Some("oldObject"));
        assert_eq!(nearest("banana", ["settings", "metadata"]), None);
        assert_eq!(nearest("cluster", ["user", "settings"]), None);
    }

    #[test]
    fn long_words_are_not_compared() {
        let (long, other) = ("k".repeat(LONGEST), "k".repeat(LONGEST - 1));
        assert_eq!(nearest(&long, [other.as_str()]), Some(other.as_str()));
        let longer = "k".repeat(60_000);
        assert_eq!(nearest(&long, [longer.as_str()]), None);
        assert_eq!(nearest(&longer, [long.as_str()]), None);
    }
}
