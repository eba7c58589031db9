//! Compares a text with the conditions of `deny`, `invalid` and `fault`: each condition that does not hold is one
//! mismatch, shown where that condition is written.
//!
//! An absent text contains nothing, matches nothing and equals nothing, not even the empty text; it also lacks whatever
//! it must not contain.

use policy_verify_model::outcome::{Mismatch, MismatchKind};
use policy_verify_model::source::Span;
use policy_verify_model::suite::TextExpectation;

use super::diff::{cut, quote};

/// Which text is compared: what its mismatches are about, and where they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// What a mismatch is about.
    pub(crate) kind: MismatchKind,
    /// JSON pointer of the text.
    pub(crate) at: &'a str,
}

/// Compares a text with all its conditions.
pub(crate) fn compare(expect: &TextExpectation, text: Option<&str>, place: Place<'_>) -> Vec<Mismatch> {
    let mismatch = |expected: String, focus: usize, span: &Span| {
        let actual = text.map_or_else(|| "(absent)".to_owned(), |text| quote(text, focus));
        Mismatch { kind: place.kind, at: place.at.to_owned(), expected, actual, span: span.clone() }
    };
    let mut mismatches = Vec::new();
    if let Some(exact) = &expect.exact
        && text != Some(exact.value.as_str())
    {
        let focus = quoted_position_of_difference(&exact.value, text.unwrap_or_default());
        mismatches.push(mismatch(quote(&exact.value, focus), focus, &exact.span));
    }
    for part in &expect.contains {
        if !text.is_some_and(|text| text.contains(&part.value)) {
            mismatches.push(mismatch(format!("contains {}", quote(&part.value, 0)), 0, &part.span));
        }
    }
    for pattern in &expect.matches {
        if !text.is_some_and(|text| pattern.value.is_match(text)) {
            mismatches.push(mismatch(format!("matches /{}/", cut(pattern.value.as_str(), 0)), 0, &pattern.span));
        }
    }
    for part in &expect.not {
        if let Some(found) = text.and_then(|text| text.find(&part.value)) {
            let focus = text.map_or(0, |text| text[..found].chars().count());
            mismatches.push(mismatch(format!("does not contain {}", quote(&part.value, 0)), focus, &part.span));
        }
    }
    mismatches
}

/// Where two texts start to differ, counted behind the opening quote; escapes make it a little early, which is harmless.
fn quoted_position_of_difference(left: &str, right: &str) -> usize {
    1 + left.chars().zip(right.chars()).take_while(|(left, right)| left == right).count()
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;
    use crate::compare::tests::spanned;

    const PLACE: Place = Place { kind: MismatchKind::Message, at: "/status/message" };

    fn exact(text: &str) -> TextExpectation {
        TextExpectation { exact: Some(spanned(text.to_owned(), "exact")), ..Default::default() }
    }

    fn contains(parts: &[&str]) -> TextExpectation {
        let contains = parts.iter().map(|part| spanned((*part).to_owned(), "contains")).collect();
        TextExpectation { contains, ..Default::default() }
    }

    fn matches(patterns: &[&str]) -> TextExpectation {
        let matches = patterns.iter().map(|p| spanned(Regex::new(p).unwrap(), "matches")).collect();
        TextExpectation { matches, ..Default::default() }
    }

    fn not(parts: &[&str]) -> TextExpectation {
        let not = parts.iter().map(|part| spanned((*part).to_owned(), "not")).collect();
        TextExpectation { not, ..Default::default() }
    }

    #[test]
    fn conditions() {
        for (expect, text, wanted) in [
            (TextExpectation::default(), None, [].as_slice()),
            (TextExpectation::default(), Some("no"), &[]),
            (exact("no"), Some("no"), &[]),
            (exact("no"), Some("no "), &[r#""no" but "no ""#]),
            (exact("no"), None, &[r#""no" but (absent)"#]),
            (exact(""), None, &[r#""" but (absent)"#]),
            (exact("no\n"), Some("no"), &[r#""no\n" but "no""#]),
            (contains(&["a", "b"]), Some("b, a"), &[]),
            (contains(&["a", "b"]), Some("a"), &[r#"contains "b" but "a""#]),
            (contains(&["a", "b"]), None, &[r#"contains "a" but (absent)"#, r#"contains "b" but (absent)"#]),
            (contains(&[""]), None, &[r#"contains "" but (absent)"#]),
            (matches(&["(?i)OWNER"]), Some("the owner"), &[]),
            (matches(&["^owner", "r$"]), Some("the owner"), &[r#"matches /^owner/ but "the owner""#]),
            (matches(&[".*"]), None, &[r#"matches /.*/ but (absent)"#]),
            (not(&["panic"]), Some("calm"), &[]),
            (not(&["panic"]), None, &[]),
            (not(&["panic", "calm"]), Some("panic"), &[r#"does not contain "panic" but "panic""#]),
        ] {
            let found = compare(&expect, text, PLACE);
            let shown: Vec<String> = found.iter().map(|m| format!("{} but {}", m.expected, m.actual)).collect();
            assert_eq!(shown, wanted, "{expect:?} against {text:?}");
            assert!(found.iter().all(|m| m.at == "/status/message" && m.kind == MismatchKind::Message));
        }
    }

    #[test]
    fn each_condition_is_shown_where_it_is_written() {
        let expect = TextExpectation {
            exact: exact("x").exact,
            contains: contains(&["y"]).contains,
            matches: matches(&["z"]).matches,
            not: not(&["o"]).not,
        };
        let files: Vec<String> =
            compare(&expect, Some("no"), PLACE).into_iter().map(|m| m.span.file.path.clone()).collect();
        assert_eq!(files, ["exact", "contains", "matches", "not"]);
    }

    #[test]
    fn what_must_not_be_there_is_shown_in_a_long_text() {
        let text = format!("{}panic{}", "a".repeat(900), "b".repeat(900));
        assert!(compare(&not(&["panic"]), Some(&text), PLACE)[0].actual.contains("panic"));
    }
}
