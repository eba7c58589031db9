//! Mistakes in what the user wrote: file, line, the quoted text, and what to do about it.

use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
pub(crate) use policy_verify_model::nearest::nearest;
use policy_verify_model::source::Span;

/// A mistake at `span` that has no code of its own.
pub(crate) fn mistake(span: &Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Code::Mistake, message).at(span)
}

/// Collects mistakes, dropping exact repetitions (a case that is expanded ten times is wrong once).
#[derive(Debug, Default)]
pub(crate) struct Mistakes {
    list: Vec<Diagnostic>,
}

impl Mistakes {
    /// Adds a mistake unless it is known already.
    pub(crate) fn push(&mut self, mistake: Diagnostic) {
        let is_known = self.list.iter().any(|known| known.span == mistake.span && known.message == mistake.message);
        if !is_known {
            self.list.push(mistake);
        }
    }

    /// Adds a mistake made of its parts.
    pub(crate) fn add(&mut self, span: &Span, message: impl Into<String>) {
        self.push(mistake(span, message));
    }

    /// Adds a mistake with advice.
    pub(crate) fn add_with_help(&mut self, span: &Span, message: impl Into<String>, help: impl Into<String>) {
        self.push(mistake(span, message).with_help(help.into()));
    }

    /// Adds a mistake of a kind that has a code of its own.
    pub(crate) fn add_coded(&mut self, code: Code, span: &Span, message: impl Into<String>) {
        self.push(mistake(span, message).with_code(code));
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them, by place: mistakes are found in several passes, but read from top to bottom.
    pub(crate) fn into_sorted(mut self) -> Vec<Diagnostic> {
        let place = |it: &Diagnostic| it.span.as_ref().map(|span| (span.file.path.clone(), span.offset));
        self.list.sort_by_key(place);
        self.list
    }
}

/// What people write who come from other tools, and what it is called here.
const FOREIGN_WORDS: [(&str, &str); 20] = [
    ("accepted", "accept"),
    ("allowed", "allow"),
    ("assert", "expect"),
    ("assertions", "expect"),
    ("denied", "deny"),
    ("expected", "expect"),
    ("fixture", "object"),
    ("input", "object"),
    ("message", "deny"),
    ("mocks", "host"),
    ("module", "uri"),
    ("mutated", "mutate"),
    ("reject", "deny"),
    ("rejected", "deny"),
    ("resource", "object"),
    ("resources", "objects"),
    ("result", "expect"),
    ("tests", "cases"),
    ("variables", "vars"),
    ("violations", "deny"),
];

/// What an unknown word was probably meant to be: what another tool calls so, else the nearest known word.
pub(crate) fn near<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let foreign = FOREIGN_WORDS.iter().find(|(foreign, ours)| *foreign == word && known.contains(ours));
    foreign.map(|(_, ours)| *ours).or_else(|| nearest(word, known.iter().copied()))
}

/// Advice about an unknown word: the one that is meant, else all of them.
pub(crate) fn suggestion(word: &str, known: &[&str]) -> String {
    match near(word, known) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None if known.is_empty() => "nothing may stand here".into(),
        None => format!("known here: {}", known.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_other_tools_are_understood() {
        assert_eq!(suggestion("result", &["request", "expect"]), "did you mean `expect`?");
        assert_eq!(suggestion("message", &["deny", "fault"]), "did you mean `deny`?");
        assert_eq!(suggestion("result", &["uri"]), "known here: `uri`");
    }
}
