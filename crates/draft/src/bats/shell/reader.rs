//! The characters of a script, with its place, its depth and the here-documents that are still to come.

use super::syntax::{Block, Piece, Word};

/// Deepest nesting of commands and expansions.
const DEEPEST: usize = 40;

/// Bodies of here-documents; commands name them by number.
pub(in crate::bats) type Documents = Vec<Word>;

/// Why a script cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::bats) enum SyntaxError {
    #[error("`{0}` is not closed")]
    Unclosed(&'static str),
    #[error("unexpected `{0}`")]
    Unexpected(String),
    #[error("unexpected end")]
    End,
    #[error("nested deeper than {DEEPEST} levels")]
    Depth,
    #[error("unsupported expansion `{0}`")]
    Expansion(String),
}

/// Reads a script. Numbers of lines begin with `line`.
pub(in crate::bats) fn parse(
    text: &str,
    line: usize,
    documents: &mut Documents,
) -> Result<Block, (usize, SyntaxError)> {
    let mut reader = Reader::new(text, line, documents, 0);
    let result = reader.block(&[]).and_then(|block| match reader.peek() {
        None => Ok(block),
        Some(other) => Err(SyntaxError::Unexpected(other.to_string())),
    });
    result.map_err(|error| (reader.line, error))
}

/// The state of the parser. Its grammar is in the other files of this folder.
pub(super) struct Reader<'a> {
    chars: Vec<char>,
    pub(super) at: usize,
    pub(super) line: usize,
    depth: usize,
    pub(super) documents: &'a mut Documents,
    pending: Vec<Pending>,
}

/// A here-document whose body follows on the next line.
struct Pending {
    number: usize,
    end: String,
    is_literal: bool,
    strips_tabs: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &str, line: usize, documents: &'a mut Documents, depth: usize) -> Self {
        let text = text.replace("\r\n", "\n");
        Self { chars: text.chars().collect(), at: 0, line, depth, documents, pending: Vec::new() }
    }

    /// Reads a text that is part of this script, such as what stands in backquotes.
    pub(super) fn within<T>(
        &mut self,
        text: &str,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        self.deeper(|this| {
            let (line, depth) = (this.line, this.depth);
            let mut inner = Reader::new(text, line, this.documents, depth);
            read(&mut inner)
        })
    }

    /// One level down.
    pub(super) fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        if self.depth >= DEEPEST {
            return Err(SyntaxError::Depth);
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    pub(super) fn ahead(&self, by: usize) -> Option<char> {
        self.chars.get(self.at + by).copied()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += 1;
        self.line += usize::from(next == '\n');
        Some(next)
    }

    /// Moves behind the next character.
    pub(super) fn skip(&mut self) {
        self.next();
    }

    pub(super) fn starts_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(index, expected)| self.ahead(index) == Some(expected))
    }

    /// Moves behind the text if it is next.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = self.starts_with(text);
        if found {
            text.chars().for_each(|_| self.skip());
        }
        found
    }

    pub(super) fn expect(&mut self, text: &'static str) -> Result<(), SyntaxError> {
        if self.eat(text) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub(super) fn unexpected(&self) -> SyntaxError {
        match self.peek() {
            None => SyntaxError::End,
            Some(next) => SyntaxError::Unexpected(next.to_string()),
        }
    }

    /// Skips blanks, continued lines and a comment.
    pub(super) fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\r') => self.skip(),
                Some('\\') if self.ahead(1) == Some('\n') => {
                    self.eat("\\\n");
                }
                Some('#') if self.is_at_start() => {
                    while self.peek().is_some_and(|it| it != '\n') {
                        self.next();
                    }
                }
                _ => return,
            }
        }
    }

    /// Whether a word could begin here, so that `#` begins a comment.
    fn is_at_start(&self) -> bool {
        self.at == 0 || matches!(self.chars[self.at - 1], ' ' | '\t' | '\n' | '\r' | ';' | '&' | '|' | '(' | ')')
    }

    /// Skips blanks and line breaks; the bodies of here-documents follow a line break.
    pub(super) fn lines(&mut self) -> Result<(), SyntaxError> {
        loop {
            self.blanks();
            if !self.eat("\n") {
                return Ok(());
            }
            self.bodies()?;
        }
    }

    /// The unquoted word that is next, without moving.
    pub(super) fn keyword(&self) -> String {
        let is_part = |it: &char| !it.is_whitespace() && !";&|<>()'\"\\$`".contains(*it);
        self.chars[self.at..].iter().take(16).copied().take_while(is_part).collect()
    }

    /// Text between two places.
    pub(super) fn slice(&self, from: usize, to: usize) -> String {
        self.chars[from..to.max(from)].iter().collect()
    }

    /// Announces a here-document; its body is read after the line.
    pub(super) fn announce(&mut self, end: Word, strips_tabs: bool) -> usize {
        let is_literal = end.iter().any(|piece| !matches!(piece, Piece::Literal(_, false)));
        let end =
            end.iter().map(|piece| if let Piece::Literal(text, _) = piece { text.as_str() } else { "" }).collect();
        let number = self.documents.len();
        self.documents.push(Vec::new());
        self.pending.push(Pending { number, end, is_literal, strips_tabs });
        number
    }

    fn bodies(&mut self) -> Result<(), SyntaxError> {
        for Pending { number, end, is_literal, strips_tabs } in std::mem::take(&mut self.pending) {
            let mut body = String::new();
            loop {
                if self.peek().is_none() {
                    return Err(SyntaxError::Unclosed("<<"));
                }
                let start = self.at;
                while self.peek().is_some_and(|it| it != '\n') {
                    self.next();
                }
                let line = self.slice(start, self.at);
                let line = if strips_tabs { line.trim_start_matches('\t') } else { &line };
                self.next();
                if line == end {
                    break;
                }
                body.push_str(line);
                body.push('\n');
            }
            self.documents[number] = match is_literal {
                true => vec![Piece::Literal(body, true)],
                false => self.within(&body, |inner| inner.quoted(None))?,
            };
        }
        Ok(())
    }
}
