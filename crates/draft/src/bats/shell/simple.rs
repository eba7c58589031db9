//! Simple commands: assignments, words and redirections.

use super::reader::{Reader, SyntaxError};
use super::syntax::{Assigned, Assignment, Index, Piece, Redirect, Simple, Word};
use super::word::Extent;

/// Commands whose arguments may be assignments of lists.
const DECLARING: [&str; 5] = ["declare", "local", "export", "readonly", "typeset"];

impl Reader<'_> {
    pub(super) fn simple(&mut self, redirects: &mut Vec<Redirect>) -> Result<Simple, SyntaxError> {
        let mut simple = Simple::default();
        loop {
            self.blanks();
            if let Some(redirect) = self.redirect()? {
                redirects.push(redirect);
                continue;
            }
            let is_declaring = simple.words.first().is_some_and(is_declaring);
            if let Some(assignment) = self.assignment(simple.words.is_empty(), is_declaring)? {
                simple.assignments.push(assignment);
                continue;
            }
            match self.word(Extent::Word)? {
                Some(word) => simple.words.push(word),
                None if simple.words.is_empty() && simple.assignments.is_empty() && redirects.is_empty() => {
                    return Err(self.unexpected());
                }
                None => return Ok(simple),
            }
        }
    }

    /// An assignment, if one is next. Where a declaring command has the word, only a list is taken.
    fn assignment(&mut self, is_first: bool, is_declaring: bool) -> Result<Option<Assignment>, SyntaxError> {
        if !(is_first || is_declaring) || !self.peek().is_some_and(|it| it.is_ascii_alphabetic() || it == '_') {
            return Ok(None);
        }
        let (start, line) = (self.at, self.line);
        let name = self.name();
        let index = if is_first && self.eat("[") { self.index().ok() } else { None };
        let is_appended = self.starts_with("+=");
        let is_assigned = self.eat("+=") || self.eat("=");
        if !is_assigned || (is_declaring && self.peek() != Some('(')) {
            (self.at, self.line) = (start, line);
            return Ok(None);
        }
        let index = match index {
            Some(Index::Of(word)) => Some(word),
            _ => None,
        };
        let value = if self.eat("(") {
            Assigned::List(self.deeper(Self::items)?)
        } else {
            Assigned::Text(self.word(Extent::Word)?.unwrap_or_default())
        };
        Ok(Some(Assignment { name, index, is_appended, value }))
    }

    /// The items of a list, up to its `)`.
    fn items(&mut self) -> Result<Vec<(Option<Word>, Word)>, SyntaxError> {
        let mut items = Vec::new();
        loop {
            self.lines()?;
            if self.eat(")") {
                return Ok(items);
            }
            let start = self.at;
            let mut index = None;
            if self.eat("[") {
                match self.index() {
                    Ok(Index::Of(word)) if self.eat("=") => index = Some(word),
                    _ => self.at = start,
                }
            }
            let word = self.word(Extent::Word)?;
            if word.is_none() && index.is_none() {
                return Err(self.unexpected());
            }
            items.push((index, word.unwrap_or_default()));
        }
    }

    /// A redirection, if one is next.
    pub(super) fn redirect(&mut self) -> Result<Option<Redirect>, SyntaxError> {
        let digits = (0..).take_while(|index| self.ahead(*index).is_some_and(|it| it.is_ascii_digit())).count();
        let is_both = self.starts_with("&>");
        let at = if is_both { 1 } else { digits };
        match (self.ahead(at), self.ahead(at + 1)) {
            (Some('<' | '>'), Some('(')) | (None, _) => return Ok(None),
            (Some('<' | '>'), _) => {}
            _ => return Ok(None),
        }
        let number = self.slice(self.at, self.at + digits);
        for _ in 0..at {
            self.next();
        }
        self.operator(&number).map(Some)
    }

    fn operator(&mut self, number: &str) -> Result<Redirect, SyntaxError> {
        if self.eat("<<<") {
            return Ok(Redirect::Text(self.target()?));
        }
        if self.starts_with("<<") {
            let strips_tabs = self.starts_with("<<-");
            let _ = self.eat("<<-") || self.eat("<<");
            let end = self.target()?;
            return Ok(Redirect::Here(self.announce(end, strips_tabs)));
        }
        if self.eat("<&") || self.eat(">&") {
            self.target()?;
            return Ok(Redirect::Other);
        }
        if self.eat("<>") || self.eat("<") {
            return Ok(Redirect::Read(self.target()?));
        }
        let is_appended = self.eat(">>");
        let _ = is_appended || self.eat(">|") || self.eat(">");
        let target = self.target()?;
        Ok(if matches!(number, "" | "1") { Redirect::Write(target, is_appended) } else { Redirect::Other })
    }

    fn target(&mut self) -> Result<Word, SyntaxError> {
        self.blanks();
        self.word(Extent::Word)?.ok_or_else(|| self.unexpected())
    }
}

fn is_declaring(word: &Word) -> bool {
    matches!(word.as_slice(), [Piece::Literal(text, false)] if DECLARING.contains(&text.as_str()))
}
