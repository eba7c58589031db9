//! Where a value was written: the file, the line and the bytes.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};

/// A text the user wrote, kept whole so that messages can quote it.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Path as shown to people and machines: relative to the repository root where that is possible, with forward
    /// slashes.
    pub path: String,
    /// The complete text.
    pub text: String,
}

impl SourceFile {
    /// The text of a line, counted from 1; the beginning of the file where it has no such line.
    pub fn line(self: &Arc<Self>, line: usize) -> Span {
        let mut offset = 0;
        for (index, text) in self.text.split_inclusive('\n').enumerate() {
            if index + 1 == line {
                let rest = text.trim_start();
                let indent = text.len() - rest.len();
                let column = 1 + text[..indent].chars().count();
                return Span {
                    file: Arc::clone(self),
                    offset: offset + indent,
                    len: rest.trim_end().len(),
                    line,
                    column,
                };
            }
            offset += text.len();
        }
        Span::start_of(self)
    }
}

/// A range of bytes in a [`SourceFile`], with the line and column of its start.
#[derive(Clone, PartialEq, Eq)]
pub struct Span {
    /// The file the range belongs to.
    pub file: Arc<SourceFile>,
    /// First byte of the range.
    pub offset: usize,
    /// Length of the range in bytes.
    pub len: usize,
    /// Line of the first byte, counted from 1.
    pub line: usize,
    /// Column of the first byte in characters, counted from 1.
    pub column: usize,
}

/// Where a document and its members are written, by JSON pointer.
pub type MemberSpans = BTreeMap<String, Span>;

impl Span {
    /// The very beginning of `file`: for messages about the whole file.
    pub fn start_of(file: &Arc<SourceFile>) -> Self {
        Self { file: Arc::clone(file), offset: 0, len: 0, line: 1, column: 1 }
    }

    /// A file of which nothing can be quoted: no line of it is to blame, or it could not be read.
    pub fn unquoted(path: impl Into<String>) -> Self {
        Self::start_of(&Arc::new(SourceFile { path: path.into(), text: String::new() }))
    }

    /// `suite.yml:42`, the form editors and terminals make clickable.
    pub fn file_and_line(&self) -> String {
        format!("{}:{}", self.file.path, self.line)
    }

    /// The text of the line on which the range starts, without its line break.
    pub fn quoted_line(&self) -> &str {
        self.lines().next().unwrap_or("")
    }

    /// The lines from the one on which the range starts to the end of the file. The lines before are not looked at: a
    /// report quotes every case of a long suite.
    pub fn lines(&self) -> std::str::Lines<'_> {
        let text = &self.file.text;
        let before = text.get(..self.offset).unwrap_or(text);
        text[before.rfind('\n').map_or(0, |end| end + 1)..].lines()
    }
}

/// The order of the files of a suite: those that it includes, then itself.
#[derive(Debug)]
pub struct FileOrder<'a>(HashMap<&'a str, usize>);

impl<'a> FileOrder<'a> {
    /// The order in which these files are included.
    pub fn of(included: &'a [Arc<SourceFile>]) -> Self {
        Self(included.iter().enumerate().map(|(index, file)| (file.path.as_str(), index)).collect())
    }

    /// What a place is sorted by: its file, and where it is there.
    pub fn place(&self, span: &Span) -> (usize, usize) {
        (self.0.get(span.file.path.as_str()).copied().unwrap_or(usize::MAX), span.offset)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.path, self.line, self.column)
    }
}

/// A value together with the place where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Joins a value and its place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// The same place with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: change(self.value), span: self.span }
    }
}

impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_by_its_number() {
        let file = Arc::new(SourceFile { path: "q.yml".into(), text: "a:\n  - é: 1\n".into() });
        let span = file.line(2);
        assert_eq!((span.quoted_line(), span.offset, span.len, span.column), ("  - é: 1", 5, 7, 3));
        assert_eq!(file.line(9), Span::start_of(&file));
    }

    #[test]
    fn the_quoted_line_is_the_line_of_the_span() {
        let file = Arc::new(SourceFile { path: "suite.yml".into(), text: "version: 1\nname: x\n".into() });
        let span = Span { offset: 17, len: 1, line: 2, column: 7, file };
        assert_eq!(span.quoted_line(), "name: x");
        assert_eq!(span.file_and_line(), "suite.yml:2");
    }
}
