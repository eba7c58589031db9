//! What a word was probably meant to be.

/// The word among `known` that `word` was probably meant to be.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_lowercase();
    known
        .into_iter()
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
}
