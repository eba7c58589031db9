//! What follows a `$`: parameters with their operations, commands and arithmetic.

use super::reader::{Reader, SyntaxError};
use super::syntax::{Index, Operation, Parameter, Piece, Replaced, Word};
use super::word::{Extent, literal};

impl Reader<'_> {
    /// The piece that `$` begins.
    pub(super) fn dollar(&mut self, word: &mut Word, is_quoted: bool) -> Result<(), SyntaxError> {
        self.next();
        match self.peek() {
            Some('(') if self.ahead(1) == Some('(') => {
                if let Some(text) = self.arithmetic() {
                    word.push(Piece::Arithmetic(text));
                    return Ok(());
                }
                self.substitution(word, is_quoted)
            }
            Some('(') => self.substitution(word, is_quoted),
            Some('{') => {
                self.next();
                let parameter = self.deeper(Self::braced)?;
                word.push(Piece::Variable(Box::new(parameter), is_quoted));
                Ok(())
            }
            Some(next) if next.is_ascii_alphabetic() || next == '_' => {
                let name = self.name();
                word.push(simple(name, is_quoted));
                Ok(())
            }
            Some(next) if next.is_ascii_digit() || "@*#?$!-".contains(next) => {
                self.next();
                word.push(simple(next.to_string(), is_quoted));
                Ok(())
            }
            _ => {
                literal(word, '$', is_quoted);
                Ok(())
            }
        }
    }

    fn substitution(&mut self, word: &mut Word, is_quoted: bool) -> Result<(), SyntaxError> {
        self.next();
        let block = self.deeper(|this| this.block(&[]))?;
        self.expect(")")?;
        word.push(Piece::Command(block, is_quoted));
        Ok(())
    }

    /// The text of `((…))`, which is next; `None`, and not moved, if it ends otherwise.
    pub(super) fn arithmetic(&mut self) -> Option<String> {
        let (start, line) = (self.at, self.line);
        self.eat("((");
        let (from, mut open) = (self.at, 0_usize);
        while let Some(next) = self.next() {
            match next {
                '(' => open += 1,
                ')' if open > 0 => open -= 1,
                ')' if self.peek() == Some(')') => {
                    let text = self.slice(from, self.at - 1);
                    self.next();
                    return Some(text);
                }
                ')' => break,
                _ => {}
            }
        }
        (self.at, self.line) = (start, line);
        None
    }

    /// A name of a variable or function.
    pub(super) fn name(&mut self) -> String {
        let start = self.at;
        while self.peek().is_some_and(|it| it.is_ascii_alphanumeric() || it == '_') {
            self.next();
        }
        self.slice(start, self.at)
    }

    /// A parameter behind `${`, up to its `}`.
    fn braced(&mut self) -> Result<Parameter, SyntaxError> {
        let is_length = self.peek() == Some('#') && self.ahead(1) != Some('}');
        let is_indirect = self.peek() == Some('!') && self.ahead(1) != Some('}');
        if is_length || is_indirect {
            self.next();
        }
        let mut name = self.name();
        if name.is_empty() {
            name.extend(self.next().filter(|it| "@*#?$!-".contains(*it)));
        }
        if name.is_empty() {
            return Err(SyntaxError::Expansion("${".to_owned()));
        }
        let index = if self.eat("[") { Some(self.index()?) } else { None };
        let operation = match (is_length, is_indirect) {
            (true, _) => Operation::Length,
            (_, true) => Operation::Indirect,
            _ => self.operation()?,
        };
        self.expect("}")?;
        Ok(Parameter { name, index, operation })
    }

    /// The index behind `[`, up to its `]`.
    pub(super) fn index(&mut self) -> Result<Index, SyntaxError> {
        let text = self.operand(&[']'])?;
        self.expect("]")?;
        match text.as_str() {
            "@" => Ok(Index::All),
            "*" => Ok(Index::Joined),
            _ => Ok(Index::Of(self.inner(&text)?)),
        }
    }

    fn operation(&mut self) -> Result<Operation, SyntaxError> {
        let has_colon = self.peek() == Some(':') && self.ahead(1).is_some_and(|it| "-=+?".contains(it));
        if has_colon {
            self.next();
        }
        match self.peek() {
            Some('}') => Ok(Operation::None),
            Some(kind @ ('-' | '=' | '+' | '?')) => {
                self.next();
                let text = self.operand(&[])?;
                Ok(Operation::Unset(kind, has_colon, self.inner(&text)?))
            }
            Some(kind @ ('#' | '%')) => {
                self.next();
                let is_longest = self.eat(&kind.to_string());
                let text = self.operand(&[])?;
                Ok(Operation::Remove(kind == '#', is_longest, self.inner(&text)?))
            }
            Some('/') => self.replacement(),
            Some(kind @ ('^' | ',')) => {
                self.next();
                let is_all = self.eat(&kind.to_string());
                Ok(Operation::Case(kind == '^', is_all))
            }
            Some(':') => {
                self.next();
                let offset = self.operand(&[':'])?;
                let length = if self.eat(":") { Some(self.operand(&[])?) } else { None };
                Ok(Operation::Part(offset, length))
            }
            _ => Err(self.unexpected()),
        }
    }

    fn replacement(&mut self) -> Result<Operation, SyntaxError> {
        self.next();
        let which = match self.peek() {
            Some('/') => Replaced::All,
            Some('#') => Replaced::Start,
            Some('%') => Replaced::End,
            _ => Replaced::First,
        };
        if which != Replaced::First {
            self.next();
        }
        let pattern = self.operand(&['/'])?;
        let with = if self.eat("/") { self.operand(&[])? } else { String::new() };
        Ok(Operation::Replace(which, self.inner(&pattern)?, self.inner(&with)?))
    }

    /// The raw text of an operand: up to one of the ends or the closing brace, outside of quotes and nested braces.
    fn operand(&mut self, ends: &[char]) -> Result<String, SyntaxError> {
        let (start, mut open, mut quote) = (self.at, 0_usize, None);
        while let Some(next) = self.peek() {
            match (next, quote) {
                ('\\', None | Some('"')) => self.skip(),
                (_, Some(end)) if next == end => quote = None,
                (_, Some(_)) => {}
                ('\'' | '"', None) => quote = Some(next),
                ('{' | '(', None) => open += 1,
                ('}' | ')', None) if open > 0 => open -= 1,
                ('}', None) => return Ok(self.slice(start, self.at)),
                _ if open == 0 && ends.contains(&next) => return Ok(self.slice(start, self.at)),
                _ => {}
            }
            self.next();
        }
        Err(SyntaxError::Unclosed("${"))
    }

    fn inner(&mut self, text: &str) -> Result<Word, SyntaxError> {
        Ok(self.within(text, |inner| inner.word(Extent::All))?.unwrap_or_default())
    }
}

fn simple(name: String, is_quoted: bool) -> Piece {
    Piece::Variable(Box::new(Parameter { name, index: None, operation: Operation::None }), is_quoted)
}
