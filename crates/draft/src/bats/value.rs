//! Texts of the shell: literal, or what is only known when a policy has answered.

use super::claim::{Cond, Place, Root};
use super::problem::Problem;

/// A text of literal and symbolic parts.
pub(super) type Text = Vec<Part>;

/// A part of a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    Literal(String),
    /// The text of a part of an answer.
    Of(Place),
    /// An exit code: 0 if the condition holds.
    Status(Cond),
    /// A number: not 0 if the condition holds.
    Count(Cond),
    /// The length of a part of an answer.
    Length(Place),
    /// A text that is a value of jq: `true` or `false`.
    Truth(Cond),
    /// What a file of the repository contains, by its path.
    File(String),
    Unknown(Problem),
}

/// A literal text.
pub(super) fn text(text: impl Into<String>) -> Text {
    vec![Part::Literal(text.into())]
}

/// The literal text, if nothing in it is symbolic.
pub(super) fn literal(text: &[Part]) -> Option<String> {
    text.iter().map(|part| if let Part::Literal(text) = part { Some(text.as_str()) } else { None }).collect()
}

/// The only symbolic part; blanks around it, and words in front of it as `echo "output: $output"` has, are ignored.
pub(super) fn symbol(text: &[Part]) -> Option<&Part> {
    let mut symbols = text.iter().filter(|part| !matches!(part, Part::Literal(_)));
    let first = symbols.next()?;
    let is_alone = text.len() == 1;
    let is_output = matches!(first, Part::Of(place) if place.root == Root::Output && place.path.is_empty());
    let has_only_blanks = text.iter().all(|part| !matches!(part, Part::Literal(text) if !text.trim().is_empty()));
    (symbols.all(|other| other == first) && (is_alone || is_output || has_only_blanks)).then_some(first)
}

/// Why the text is unknown, if it is.
pub(super) fn unknown(text: &[Part]) -> Option<&Problem> {
    text.iter().find_map(|part| match part {
        Part::Unknown(problem) => Some(problem),
        Part::Status(Cond::Unknown(problem)) | Part::Count(Cond::Unknown(problem)) => Some(problem),
        Part::Truth(Cond::Unknown(problem)) => Some(problem),
        _ => None,
    })
}

/// The text without line breaks at its end, as `$(…)` has it.
pub(super) fn trimmed(mut text: Text) -> Text {
    while let Some(Part::Literal(last)) = text.last_mut() {
        last.truncate(last.trim_end_matches('\n').len());
        if !last.is_empty() {
            break;
        }
        text.pop();
    }
    text
}

/// Adds to a text; literals are joined.
pub(super) fn append(text: &mut Text, more: Text) {
    for part in more {
        match (text.last_mut(), part) {
            (Some(Part::Literal(last)), Part::Literal(more)) => last.push_str(&more),
            (_, part) => text.push(part),
        }
    }
}
