//! Words: literals, quotes, and what is put in place of `$…`.

use super::reader::{Reader, SyntaxError};
use super::syntax::{Piece, Word};

/// How far a word goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// To the next blank or operator.
    Word,
    /// A regular expression of `[[ … =~ … ]]`: to the next blank outside of parentheses.
    Regex,
    /// To the end of the text.
    All,
}

impl Reader<'_> {
    /// A word; `None` if there is none here.
    pub(super) fn word(&mut self, extent: Extent) -> Result<Option<Word>, SyntaxError> {
        let (start, mut word, mut open) = (self.at, Word::new(), 0_usize);
        while let Some(next) = self.peek() {
            if self.process(next, &mut word)? {
                continue;
            }
            if ends(next, extent, open) {
                break;
            }
            match next {
                '(' => open += 1,
                ')' => open = open.saturating_sub(1),
                _ => {}
            }
            self.unquoted(&mut word)?;
        }
        Ok((self.at > start).then_some(word))
    }

    /// `<(…)` and `>(…)`
    fn process(&mut self, next: char, word: &mut Word) -> Result<bool, SyntaxError> {
        if !matches!(next, '<' | '>') || self.ahead(1) != Some('(') {
            return Ok(false);
        }
        self.next();
        self.next();
        let block = self.deeper(|this| this.block(&[]))?;
        self.expect(")")?;
        word.push(Piece::Process(block));
        Ok(true)
    }

    /// One piece outside of quotes.
    fn unquoted(&mut self, word: &mut Word) -> Result<(), SyntaxError> {
        match self.peek() {
            Some('\'') => {
                self.next();
                let text = self.until('\'', "'")?;
                word.push(Piece::Literal(text, true));
            }
            Some('"') => {
                self.next();
                let pieces = self.deeper(|this| this.quoted(Some('"')))?;
                // An empty text in quotes is a word, too.
                word.push(Piece::Literal(String::new(), true));
                word.extend(pieces);
            }
            Some('\\') => {
                self.next();
                match self.next() {
                    Some('\n') => {}
                    Some(next) => literal(word, next, true),
                    None => literal(word, '\\', false),
                }
            }
            Some('$') if self.ahead(1) == Some('\'') => {
                self.next();
                self.next();
                let text = self.ansi()?;
                word.push(Piece::Literal(text, true));
            }
            Some('$') if self.ahead(1) == Some('"') => self.skip(),
            Some('$') => self.dollar(word, false)?,
            Some('`') => self.backquoted(word, false)?,
            Some(_) => {
                let next = self.next().unwrap_or_default();
                literal(word, next, false);
            }
            None => {}
        }
        Ok(())
    }

    /// Pieces inside of double quotes, or of a here-document if there is no end.
    pub(super) fn quoted(&mut self, end: Option<char>) -> Result<Word, SyntaxError> {
        let mut word = Word::new();
        loop {
            match self.peek() {
                None if end.is_none() => return Ok(word),
                None => return Err(SyntaxError::Unclosed("\"")),
                next if next == end => {
                    self.next();
                    return Ok(word);
                }
                Some('\\') => self.escaped(&mut word, end.is_some()),
                Some('$') => self.dollar(&mut word, true)?,
                Some('`') => self.backquoted(&mut word, true)?,
                Some(next) => {
                    self.next();
                    literal(&mut word, next, true);
                }
            }
        }
    }

    /// A backslash in double quotes only escapes a few characters.
    fn escaped(&mut self, word: &mut Word, is_quoted: bool) {
        self.next();
        match self.peek() {
            Some('\n') => self.skip(),
            Some(next) if "$`\\".contains(next) || (is_quoted && next == '"') => {
                self.next();
                literal(word, next, true);
            }
            _ => literal(word, '\\', true),
        }
    }

    /// Text up to the end, which is skipped.
    fn until(&mut self, end: char, name: &'static str) -> Result<String, SyntaxError> {
        let mut text = String::new();
        loop {
            match self.next() {
                None => return Err(SyntaxError::Unclosed(name)),
                Some(next) if next == end => return Ok(text),
                Some(next) => text.push(next),
            }
        }
    }

    /// `$'…'`
    fn ansi(&mut self) -> Result<String, SyntaxError> {
        let mut text = String::new();
        loop {
            match self.next() {
                None => return Err(SyntaxError::Unclosed("'")),
                Some('\'') => return Ok(text),
                Some('\\') => match self.next() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some(next @ ('\\' | '\'' | '"' | '?')) => text.push(next),
                    other => return Err(SyntaxError::Expansion(format!("$'\\{}'", other.unwrap_or(' ')))),
                },
                Some(next) => text.push(next),
            }
        }
    }

    fn backquoted(&mut self, word: &mut Word, is_quoted: bool) -> Result<(), SyntaxError> {
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                None => return Err(SyntaxError::Unclosed("`")),
                Some('`') => break,
                Some('\\') if self.peek().is_some_and(|it| "$`\\".contains(it) || (is_quoted && it == '"')) => {
                    text.extend(self.next());
                }
                Some(next) => text.push(next),
            }
        }
        let block = self.within(&text, |inner| inner.block(&[]))?;
        word.push(Piece::Command(block, is_quoted));
        Ok(())
    }
}

/// Adds a character to the literal at the end of the word.
pub(super) fn literal(word: &mut Word, next: char, is_quoted: bool) {
    match word.last_mut() {
        Some(Piece::Literal(text, quoted)) if *quoted == is_quoted => text.push(next),
        _ => word.push(Piece::Literal(next.to_string(), is_quoted)),
    }
}

fn ends(next: char, extent: Extent, open: usize) -> bool {
    match extent {
        Extent::Word => next.is_whitespace() || ";&|<>()".contains(next),
        Extent::Regex => next == '\n' || (next.is_whitespace() && open == 0) || (next == ')' && open == 0),
        Extent::All => false,
    }
}
