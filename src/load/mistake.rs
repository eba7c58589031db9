//! Mistakes in what the user wrote: file, line, the quoted text, and what to do about it.

use std::fmt;

use miette::{Diagnostic, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use crate::model::code::Code;
use crate::model::source::{SourceFile, Span};
pub(crate) use crate::nearest::nearest;

/// One mistake in a suite or in a file it names.
#[derive(Debug, Clone)]
pub struct Mistake {
    /// What is wrong, a lower-case fragment.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Where it is written.
    pub span: Span,
    /// What kind of mistake it is.
    pub code: Code,
}

impl SourceCode for SourceFile {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let inside = self.text.read_span(span, lines_before, lines_after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.path.clone(),
            inside.data(),
            *inside.span(),
            inside.line(),
            inside.column(),
            inside.line_count(),
        )))
    }
}

impl Mistake {
    /// A mistake at `span`.
    pub(crate) fn new(span: &Span, message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, span: span.clone(), code: Code::Mistake }
    }

    /// The same mistake as one of a kind that has a code of its own.
    pub(crate) fn coded(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// The same mistake with advice, if there is any.
    pub(crate) fn with_help(mut self, help: impl Into<Option<String>>) -> Self {
        self.help = help.into();
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)
    }
}

impl std::error::Error for Mistake {}

impl Diagnostic for Mistake {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        (!self.span.file.text.is_empty()).then_some(&*self.span.file as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let room = self.span.file.text.len().saturating_sub(self.span.offset);
        let len = self.span.len.max(1).min(room);
        Some(Box::new(std::iter::once(LabeledSpan::new(None, self.span.offset, len))))
    }
}

/// Collects mistakes, dropping exact repetitions (a case that is expanded ten times is wrong once).
#[derive(Debug, Default)]
pub(crate) struct Mistakes {
    list: Vec<Mistake>,
}

impl Mistakes {
    /// Adds a mistake unless it is known already.
    pub(crate) fn push(&mut self, mistake: Mistake) {
        let is_known = self.list.iter().any(|known| known.span == mistake.span && known.message == mistake.message);
        if !is_known {
            self.list.push(mistake);
        }
    }

    /// Adds a mistake made of its parts.
    pub(crate) fn add(&mut self, span: &Span, message: impl Into<String>) {
        self.push(Mistake::new(span, message));
    }

    /// Adds a mistake with advice.
    pub(crate) fn add_with_help(&mut self, span: &Span, message: impl Into<String>, help: impl Into<String>) {
        self.push(Mistake::new(span, message).with_help(help.into()));
    }

    /// Adds a mistake of a kind that has a code of its own.
    pub(crate) fn add_coded(&mut self, code: Code, span: &Span, message: impl Into<String>) {
        self.push(Mistake::new(span, message).coded(code));
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
    pub(crate) fn into_sorted(mut self) -> Vec<Mistake> {
        self.list.sort_by(|a, b| (&a.span.file.path, a.span.offset).cmp(&(&b.span.file.path, b.span.offset)));
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

/// Advice about an unknown word: the one that is meant, else the nearest known one, else all of them.
pub(crate) fn suggestion(word: &str, known: &[&str]) -> String {
    let meant = FOREIGN_WORDS.iter().find(|(foreign, ours)| *foreign == word && known.contains(ours));
    match meant.map(|(_, ours)| *ours).or_else(|| nearest(word, known.iter().copied())) {
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
