//! Lists, pipelines and compound commands.

use std::rc::Rc;

use super::reader::{Reader, SyntaxError};
use super::syntax::{Block, Command, Joint, Pipeline, Stage, Statement, Word};
use super::word::Extent;

impl Reader<'_> {
    /// Statements up to one of the words, `)`, `;;` or the end.
    pub(super) fn block(&mut self, ends: &[&str]) -> Result<Block, SyntaxError> {
        let mut block = Block::new();
        loop {
            self.lines()?;
            match self.peek() {
                None | Some(')') => return Ok(block),
                Some(';') if self.ahead(1) == Some(';') => return Ok(block),
                _ if ends.contains(&self.keyword().as_str()) => return Ok(block),
                _ => {}
            }
            block.push(self.statement()?);
            self.blanks();
            match self.peek() {
                Some(';') if self.ahead(1) != Some(';') => self.skip(),
                Some('&') if self.ahead(1) != Some('&') => self.skip(),
                Some('\n' | ')' | ';') | None => {}
                _ => return Err(self.unexpected()),
            }
        }
    }

    fn statement(&mut self) -> Result<Statement, SyntaxError> {
        let line = self.line;
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            self.blanks();
            let joint = match self.peek() {
                Some('&') if self.ahead(1) == Some('&') => Joint::And,
                Some('|') if self.ahead(1) == Some('|') => Joint::Or,
                _ => return Ok(Statement { line, first, rest }),
            };
            self.next();
            self.next();
            self.lines()?;
            rest.push((joint, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Result<Pipeline, SyntaxError> {
        let mut is_negated = false;
        loop {
            self.blanks();
            match self.keyword().as_str() {
                "!" => is_negated = !is_negated,
                "time" => {}
                _ => break,
            }
            let word = self.keyword();
            self.eat(&word);
        }
        let mut stages = vec![self.stage()?];
        loop {
            self.blanks();
            if self.peek() != Some('|') || self.ahead(1) == Some('|') {
                return Ok(Pipeline { is_negated, stages });
            }
            self.next();
            self.eat("&");
            self.lines()?;
            stages.push(self.stage()?);
        }
    }

    fn stage(&mut self) -> Result<Stage, SyntaxError> {
        let (line, mut redirects) = (self.line, Vec::new());
        let command = self.deeper(|this| this.command(&mut redirects))?;
        loop {
            self.blanks();
            match self.redirect()? {
                Some(redirect) => redirects.push(redirect),
                None => return Ok(Stage { line, command, redirects }),
            }
        }
    }

    fn command(&mut self, redirects: &mut Vec<super::syntax::Redirect>) -> Result<Command, SyntaxError> {
        if self.starts_with("((")
            && let Some(text) = self.arithmetic()
        {
            return Ok(Command::Arithmetic(text));
        }
        if self.eat("(") {
            let block = self.block(&[])?;
            self.expect(")")?;
            return Ok(Command::Subshell(block));
        }
        let word = self.keyword();
        match word.as_str() {
            "{" => Ok(Command::Group(self.group()?)),
            "if" => self.after(&word, Self::branches),
            "for" | "select" => self.after(&word, Self::loop_over),
            "while" => self.after(&word, |this| this.loop_while(false)),
            "until" => self.after(&word, |this| this.loop_while(true)),
            "case" => self.after(&word, Self::case),
            "function" => self.after(&word, Self::function),
            "@test" => self.after(&word, Self::test),
            "[[" => self.after(&word, |this| Ok(Command::Condition(this.condition()?))),
            _ if self.is_function() => self.function(),
            _ => Ok(Command::Simple(self.simple(redirects)?)),
        }
    }

    fn after(
        &mut self,
        word: &str,
        read: impl FnOnce(&mut Self) -> Result<Command, SyntaxError>,
    ) -> Result<Command, SyntaxError> {
        self.eat(word);
        self.blanks();
        read(self)
    }

    /// `{ …; }`
    fn group(&mut self) -> Result<Block, SyntaxError> {
        self.expect("{")?;
        let block = self.block(&["}"])?;
        self.word_of("}")?;
        Ok(block)
    }

    fn word_of(&mut self, word: &'static str) -> Result<(), SyntaxError> {
        self.lines()?;
        if self.keyword() != word {
            return Err(if self.peek().is_none() { SyntaxError::Unclosed(word) } else { self.unexpected() });
        }
        self.expect(word)
    }

    fn branches(&mut self) -> Result<Command, SyntaxError> {
        let (mut branches, mut otherwise) = (Vec::new(), Block::new());
        loop {
            let condition = self.block(&["then"])?;
            self.word_of("then")?;
            branches.push((condition, self.block(&["elif", "else", "fi"])?));
            match self.keyword().as_str() {
                "elif" => {
                    self.eat("elif");
                }
                "else" => {
                    self.eat("else");
                    otherwise = self.block(&["fi"])?;
                    break;
                }
                _ => break,
            }
        }
        self.word_of("fi")?;
        Ok(Command::If(branches, otherwise))
    }

    fn body(&mut self) -> Result<Block, SyntaxError> {
        self.blanks();
        self.eat(";");
        self.lines()?;
        if self.keyword() == "{" {
            return self.group();
        }
        self.word_of("do")?;
        let block = self.block(&["done"])?;
        self.word_of("done")?;
        Ok(block)
    }

    fn loop_over(&mut self) -> Result<Command, SyntaxError> {
        if self.starts_with("((") {
            let text = self.arithmetic().ok_or(SyntaxError::Unclosed("(("))?;
            let parts: Vec<String> = text.split(';').map(|part| part.trim().to_owned()).collect();
            let parts = parts.try_into().map_err(|_| SyntaxError::Unexpected(text))?;
            return Ok(Command::Count(parts, self.body()?));
        }
        let name = self.name();
        self.lines()?;
        let mut words = None;
        if self.keyword() == "in" {
            self.eat("in");
            words = Some(self.words()?);
        }
        Ok(Command::For(name, words, self.body()?))
    }

    fn words(&mut self) -> Result<Vec<Word>, SyntaxError> {
        let mut words = Vec::new();
        loop {
            self.blanks();
            match self.word(Extent::Word)? {
                Some(word) => words.push(word),
                None => return Ok(words),
            }
        }
    }

    fn loop_while(&mut self, is_until: bool) -> Result<Command, SyntaxError> {
        let condition = self.block(&["do"])?;
        Ok(Command::While(is_until, condition, self.body()?))
    }

    fn case(&mut self) -> Result<Command, SyntaxError> {
        let subject = self.word(Extent::Word)?.ok_or_else(|| self.unexpected())?;
        self.word_of("in")?;
        let mut arms = Vec::new();
        loop {
            self.lines()?;
            if self.keyword() == "esac" {
                self.eat("esac");
                return Ok(Command::Case(subject, arms));
            }
            self.eat("(");
            let mut patterns = Vec::new();
            loop {
                self.blanks();
                patterns.push(self.word(Extent::Word)?.ok_or_else(|| self.unexpected())?);
                self.blanks();
                if !self.eat("|") {
                    break;
                }
            }
            self.expect(")")?;
            let body = self.block(&["esac"])?;
            arms.push((patterns, body));
            self.lines()?;
            let _ = self.eat(";;&") || self.eat(";;") || self.eat(";&");
        }
    }

    /// Whether `name ()` is next.
    fn is_function(&self) -> bool {
        let is_name = |it: char| it.is_ascii_alphanumeric() || "_-:.".contains(it);
        let length = (0..).take_while(|index| self.ahead(*index).is_some_and(is_name)).count();
        let blanks = (length..).take_while(|index| self.ahead(*index) == Some(' ')).count();
        let gap = (length + blanks + 1..).take_while(|index| self.ahead(*index) == Some(' ')).count();
        length > 0 && self.ahead(length + blanks) == Some('(') && self.ahead(length + blanks + 1 + gap) == Some(')')
    }

    fn function(&mut self) -> Result<Command, SyntaxError> {
        let start = self.at;
        while self.peek().is_some_and(|it| it.is_ascii_alphanumeric() || "_-:.".contains(it)) {
            self.next();
        }
        let name = self.slice(start, self.at);
        self.blanks();
        if self.eat("(") {
            self.blanks();
            self.expect(")")?;
        }
        self.lines()?;
        let body = if self.eat("(") {
            let block = self.block(&[])?;
            self.expect(")")?;
            block
        } else {
            self.group()?
        };
        Ok(Command::Function(name, Rc::new(body)))
    }

    fn test(&mut self) -> Result<Command, SyntaxError> {
        // The name is read from the line itself: bats expands nothing in it.
        loop {
            self.blanks();
            if self.keyword() == "{" {
                return Ok(Command::Test(Rc::new(self.group()?)));
            }
            self.word(Extent::Word)?.ok_or_else(|| self.unexpected())?;
        }
    }
}
