//! `[[ … ]]`

use super::reader::{Reader, SyntaxError};
use super::syntax::{Condition, Piece, Word};
use super::word::Extent;

/// Most conditions joined by one operator.
const MOST: usize = 200;

impl Reader<'_> {
    /// The condition behind `[[`, up to its `]]`.
    pub(super) fn condition(&mut self) -> Result<Condition, SyntaxError> {
        let condition = self.deeper(Self::alternatives)?;
        self.lines()?;
        self.expect("]]")?;
        Ok(condition)
    }

    fn alternatives(&mut self) -> Result<Condition, SyntaxError> {
        let mut left = self.conjunction()?;
        for _ in 0..MOST {
            self.lines()?;
            if !self.eat("||") {
                return Ok(left);
            }
            left = Condition::Or(Box::new(left), Box::new(self.conjunction()?));
        }
        Err(SyntaxError::Depth)
    }

    fn conjunction(&mut self) -> Result<Condition, SyntaxError> {
        let mut left = self.primary()?;
        for _ in 0..MOST {
            self.lines()?;
            if !self.eat("&&") {
                return Ok(left);
            }
            left = Condition::And(Box::new(left), Box::new(self.primary()?));
        }
        Err(SyntaxError::Depth)
    }

    fn primary(&mut self) -> Result<Condition, SyntaxError> {
        self.lines()?;
        if self.peek() == Some('!') && self.ahead(1).is_some_and(char::is_whitespace) {
            self.next();
            return Ok(Condition::Not(Box::new(self.deeper(Self::primary)?)));
        }
        if self.eat("(") {
            let inner = self.deeper(Self::alternatives)?;
            self.lines()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let first = self.word(Extent::Word)?.ok_or_else(|| self.unexpected())?;
        self.blanks();
        if let Some(operator) = unary(&first)
            && let Some(operand) = self.word(Extent::Word)?
        {
            return Ok(Condition::Unary(operator, operand));
        }
        self.binary(first)
    }

    fn binary(&mut self, left: Word) -> Result<Condition, SyntaxError> {
        let operator = match self.peek() {
            Some(next @ ('<' | '>')) => {
                self.next();
                next.to_string()
            }
            Some('&' | '|' | ')' | '\n') | None => return Ok(Condition::Unary("-n".to_owned(), left)),
            _ if self.starts_with("]]") => return Ok(Condition::Unary("-n".to_owned(), left)),
            _ => {
                let start = self.at;
                self.word(Extent::Word)?;
                self.slice(start, self.at)
            }
        };
        self.blanks();
        let extent = if operator == "=~" { Extent::Regex } else { Extent::Word };
        let right = self.word(extent)?.ok_or_else(|| self.unexpected())?;
        Ok(Condition::Binary(left, operator, right))
    }
}

/// The operator that the word is, such as `-n`.
fn unary(word: &Word) -> Option<String> {
    match word.as_slice() {
        [Piece::Literal(text, false)] if text.len() == 2 && text.starts_with('-') => Some(text.clone()),
        _ => None,
    }
}
