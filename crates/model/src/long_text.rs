//! Texts that are too long to be kept or shown whole.

use std::borrow::Cow;

/// The beginning of a text that has more than `most` bytes, with a mark that says how much is missing.
pub fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let kept = &text[..text.floor_char_boundary(most)];
    Cow::Owned(format!("{kept}… ({} more bytes)", text.len() - kept.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_letters_and_marked() {
        assert_eq!(shortened("short", 5), "short");
        assert_eq!(shortened("longer", 5), "longe… (1 more bytes)");
        assert_eq!(shortened("äöü", 3), "ä… (4 more bytes)");
        assert_eq!(shortened("", 0), "");
    }
}
