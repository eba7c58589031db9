//! Conditions on a text.

use policy_verify_model::suite::TextExpectation;

use super::part::Part;

/// What a text cannot become when it is not there.
const ABSENT: &str = "there is no text to write down";

/// Each condition on a text. One that does not hold asks for the whole text: which part of it mattered nobody knows.
pub(super) fn parts(expect: &TextExpectation, text: Option<&str>) -> Vec<Part> {
    let mut parts = Vec::new();
    if let Some(exact) = &expect.exact {
        parts.push(match text {
            Some(text) => Part::new(&exact.span, exact.value.as_str().into(), text.into()),
            None => Part::left(&exact.span, ABSENT),
        });
    }
    for part in &expect.contains {
        parts.push(match text {
            Some(text) if text.contains(&part.value) => Part::held(&part.span),
            Some(text) => Part::new(&part.span, part.value.as_str().into(), text.into()),
            None => Part::left(&part.span, ABSENT),
        });
    }
    for pattern in &expect.matches {
        parts.push(match text {
            Some(text) if pattern.value.is_match(text) => Part::held(&pattern.span),
            Some(text) => {
                let whole = format!("^{}$", regex::escape(text));
                Part::new(&pattern.span, pattern.value.as_str().into(), whole.into())
            }
            None => Part::left(&pattern.span, ABSENT),
        });
    }
    for part in &expect.not {
        parts.push(match text.is_some_and(|text| text.contains(&part.value)) {
            true => Part::left(&part.span, "the text contains what `not` excludes"),
            false => Part::held(&part.span),
        });
    }
    parts
}
