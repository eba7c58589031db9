//! What holds for everything that is shown to people: places, messages, logs.

use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::source::Span;
use policy_verify_report::{Style, diagnostic};

use super::runner;

/// A place is in its file, on a line that the file has.
#[track_caller]
pub(crate) fn place(span: &Span) {
    let text = &span.file.text;
    assert!(text.is_char_boundary(span.offset), "{span:?}: byte {} of {}", span.offset, text.len());
    assert!(text.get(span.offset..span.offset + span.len).is_some(), "{span:?}: {} bytes", span.len);
    let lines = text.matches(['\n', '\r']).count() + 1;
    assert!((1..=lines).contains(&span.line), "{span:?}: of {lines} lines");
    assert!(span.column >= 1, "{span:?}");
}

/// A mistake says something, has a place in its file, and gives no orders where it is printed.
#[track_caller]
pub(crate) fn mistake(mistake: &Diagnostic) {
    assert!(!mistake.message.trim().is_empty(), "{mistake:?}");
    let related = mistake.related.iter().map(|related| &related.span);
    mistake.span.iter().chain(related).for_each(place);
    let mut shown = Vec::new();
    diagnostic::write(mistake, Style::default(), &mut shown).expect("a vector takes everything");
    log(&String::from_utf8(shown).expect("texts are UTF-8"));
}

/// A text may be printed anywhere: nothing moves the cursor, and no runner finds a command.
#[track_caller]
pub(crate) fn log(text: &str) {
    let control = text.chars().find(|letter| letter.is_control() && *letter != '\n');
    assert_eq!(control, None, "{text:?}");
    assert_eq!(runner::commands(text), [], "{text:?}");
}
