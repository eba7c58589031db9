//! The syntax of filters.

use serde_json::Value;

/// Deepest nesting.
const DEEPEST: usize = 40;
/// Longest filter, in bytes.
const LONGEST: usize = 16 * 1024;
/// Most operators of a filter.
const OPERATORS: usize = 200;

/// A filter.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Identity,
    Key(Box<Self>, String),
    Index(Box<Self>, i64),
    Each(Box<Self>),
    Known(Value),
    Variable(String),
    Pipe(Box<Self>, Box<Self>),
    Binary(Box<Self>, &'static str, Box<Self>),
    Call(String, Vec<Self>),
    /// `[ … ]`
    List(Box<Self>),
}

type Parsed = Option<Expression>;

/// `None` for what is not understood.
pub(super) fn parse(text: &str) -> Parsed {
    if text.len() > LONGEST {
        return None;
    }
    let mut parser = Parser { rest: text, depth: 0, operators: 0 };
    let expression = parser.pipe()?;
    parser.blanks();
    parser.rest.is_empty().then_some(expression)
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
    operators: usize,
}

impl Parser<'_> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, text: &str) -> bool {
        self.blanks();
        let is_word = text.ends_with(|it: char| it.is_ascii_alphabetic());
        match self.rest.strip_prefix(text) {
            Some(rest) if !(is_word && rest.starts_with(|it: char| it.is_ascii_alphanumeric() || it == '_')) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn count(&mut self) -> Option<()> {
        self.operators += 1;
        (self.operators <= OPERATORS).then_some(())
    }

    fn pipe(&mut self) -> Parsed {
        if self.depth >= DEEPEST {
            return None;
        }
        self.depth += 1;
        let mut left = self.binary(0)?;
        while self.eat("|") {
            self.count()?;
            left = Expression::Pipe(Box::new(left), Box::new(self.binary(0)?));
        }
        self.depth -= 1;
        Some(left)
    }

    /// Operators by how strongly they bind.
    fn binary(&mut self, level: usize) -> Parsed {
        const LEVELS: [&[&str]; 4] = [&["//"], &["or"], &["and"], &["==", "!=", "<=", ">=", "<", ">"]];
        let Some(operators) = LEVELS.get(level) else { return self.postfix() };
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = operators.iter().find(|operator| self.eat(operator)) {
            self.count()?;
            left = Expression::Binary(Box::new(left), operator, Box::new(self.binary(level + 1)?));
        }
        Some(left)
    }

    fn postfix(&mut self) -> Parsed {
        let mut term = self.term()?;
        let mut steps = 0;
        loop {
            steps += 1;
            if steps > DEEPEST {
                return None;
            }
            if self.rest.starts_with('.') {
                self.rest = &self.rest[1..];
                if !self.rest.starts_with(['[', '"']) {
                    term = Expression::Key(Box::new(term), self.name()?);
                    continue;
                }
            }
            if self.rest.starts_with('?') {
                self.rest = &self.rest[1..];
            } else if self.rest.starts_with('"') {
                term = Expression::Key(Box::new(term), self.string()?);
            } else if self.rest.starts_with('[') {
                self.rest = &self.rest[1..];
                term = self.bracket(term)?;
            } else {
                return Some(term);
            }
        }
    }

    fn bracket(&mut self, term: Expression) -> Parsed {
        if self.eat("]") {
            return Some(Expression::Each(Box::new(term)));
        }
        let index = self.pipe()?;
        let found = match index {
            Expression::Known(Value::String(name)) => Expression::Key(Box::new(term), name),
            Expression::Known(Value::Number(number)) => Expression::Index(Box::new(term), number.as_i64()?),
            _ => return None,
        };
        self.eat("]").then_some(found)
    }

    fn term(&mut self) -> Parsed {
        self.blanks();
        let next = self.rest.chars().next()?;
        match next {
            '.' => self.path(),
            '"' => self.string().map(|text| Expression::Known(Value::String(text))),
            '(' => {
                self.eat("(");
                let inner = self.pipe()?;
                self.eat(")").then_some(inner)
            }
            '[' => {
                self.eat("[");
                if self.eat("]") {
                    return Some(Expression::Known(Value::Array(Vec::new())));
                }
                if let Some(known) = self.json('[') {
                    return Some(known);
                }
                let inner = self.pipe()?;
                self.eat("]").then(|| Expression::List(Box::new(inner)))
            }
            '{' => {
                self.eat("{");
                self.json('{')
            }
            '$' => {
                self.eat("$");
                self.name().map(Expression::Variable)
            }
            '@' => {
                self.eat("@");
                self.name().map(|name| Expression::Call(format!("@{name}"), Vec::new()))
            }
            '-' | '0'..='9' => self.number(),
            _ => self.call(),
        }
    }

    fn path(&mut self) -> Parsed {
        self.eat(".");
        if self.rest.starts_with('"') {
            let key = self.string()?;
            return Some(Expression::Key(Box::new(Expression::Identity), key));
        }
        if self.rest.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_') {
            let key = self.name()?;
            return Some(Expression::Key(Box::new(Expression::Identity), key));
        }
        Some(Expression::Identity)
    }

    fn name(&mut self) -> Option<String> {
        let end = self.rest.find(|it: char| !it.is_ascii_alphanumeric() && it != '_').unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!name.is_empty()).then(|| name.to_owned())
    }

    fn number(&mut self) -> Parsed {
        let end = self.rest.find(|it: char| !it.is_ascii_digit() && !"-.eE".contains(it)).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        serde_json::from_str(number).ok().map(Expression::Known)
    }

    /// A text without interpolation.
    fn string(&mut self) -> Option<String> {
        let mut end = 1;
        let bytes = self.rest.as_bytes();
        while *bytes.get(end)? != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let (text, rest) = self.rest.split_at_checked(end + 1)?;
        self.rest = rest;
        serde_json::from_str(text).ok()
    }

    /// A literal list or mapping whose first character was read.
    fn json(&mut self, open: char) -> Parsed {
        let text = format!("{open}{}", self.rest);
        let mut values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
        let value = values.next()?.ok()?;
        self.rest = self.rest.get(values.byte_offset() - 1..)?;
        Some(Expression::Known(value))
    }

    fn call(&mut self) -> Parsed {
        let name = self.name()?;
        match name.as_str() {
            "true" => return Some(Expression::Known(Value::Bool(true))),
            "false" => return Some(Expression::Known(Value::Bool(false))),
            "null" => return Some(Expression::Known(Value::Null)),
            _ => {}
        }
        let mut arguments = Vec::new();
        if self.eat("(") {
            loop {
                arguments.push(self.pipe()?);
                if self.eat(")") {
                    break;
                }
                if !self.eat(";") {
                    return None;
                }
            }
        }
        Some(Expression::Call(name, arguments))
    }
}
