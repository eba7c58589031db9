//! Values of Rego: JSON, sets, and objects with any keys. Numbers keep their digits, as OPA's do.
//!
//! A policy passes them as text, in JSON's syntax with `{1, 2}` and `set()` for sets.

use std::cmp::Ordering;
use std::fmt::Write as _;

use super::builtins::opa::quote;

/// How deep values may be nested.
const MAX_DEPTH: usize = 500;

/// Why the text of a value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ParseError {
    #[error("an argument is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("an argument is no value: unexpected text at its byte {at}")]
    Unexpected { at: usize },
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// As it was written.
    Number(String),
    Text(String),
    Array(Vec<Value>),
    /// In no order.
    Set(Vec<Value>),
    /// In no order.
    Object(Vec<(Value, Value)>),
}

impl From<&serde_json::Value> for Value {
    fn from(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => Self::Number(number.to_string()),
            serde_json::Value::String(text) => Self::text(text),
            serde_json::Value::Array(values) => Self::Array(values.iter().map(Self::from).collect()),
            serde_json::Value::Object(members) => {
                Self::Object(members.iter().map(|(name, value)| (Self::text(name), Self::from(value))).collect())
            }
        }
    }
}

impl Value {
    /// A text.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A whole number.
    pub(super) fn integer(number: i64) -> Self {
        Self::Number(number.to_string())
    }

    /// Reads the text of a value.
    pub(super) fn parse(text: &str) -> Result<Self, ParseError> {
        let mut parser = Parser { text, at: 0 };
        let value = parser.value(0)?;
        parser.skip_blanks();
        if parser.at == text.len() { Ok(value) } else { Err(parser.wrong()) }
    }

    /// The text of the value as a module reads it.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, &json_text);
        text
    }

    /// The value as OPA's `sprintf` shows it: sorted, with Go's quotes.
    pub(super) fn to_rego(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, &|text| quote::go_string(text, false));
        text
    }

    fn write(&self, out: &mut String, quoted: &dyn Fn(&str) -> String) {
        let list = |out: &mut String, values: &mut dyn Iterator<Item = &Value>| {
            for (index, value) in values.enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                value.write(out, quoted);
            }
        };
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(digits) => out.push_str(digits),
            Self::Text(text) => out.push_str(&quoted(text)),
            Self::Array(values) => {
                out.push('[');
                list(out, &mut values.iter());
                out.push(']');
            }
            Self::Set(values) if values.is_empty() => out.push_str("set()"),
            Self::Set(values) => {
                let mut sorted: Vec<_> = values.iter().collect();
                sorted.sort_by(|one, other| one.order(other));
                out.push('{');
                list(out, &mut sorted.into_iter());
                out.push('}');
            }
            Self::Object(members) => {
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_by(|(one, _), (other, _)| one.order(other));
                out.push('{');
                for (index, (key, value)) in sorted.into_iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    key.write(out, quoted);
                    out.push_str(": ");
                    value.write(out, quoted);
                }
                out.push('}');
            }
        }
    }

    /// The order of Rego: null, booleans, numbers, texts, arrays, objects, sets.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => one.cmp(other),
            (Self::Number(one), Self::Number(other)) => order_numbers(one, other),
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            (Self::Array(one), Self::Array(other)) => order_lists(one.iter(), other.iter()),
            (Self::Set(one), Self::Set(other)) => order_lists(sorted(one).into_iter(), sorted(other).into_iter()),
            (Self::Object(one), Self::Object(other)) => {
                let (one, other) = (by_key(one), by_key(other));
                order_lists(one.iter().map(|(key, _)| key), other.iter().map(|(key, _)| key))
                    .then_with(|| order_lists(one.iter().map(|(_, it)| it), other.iter().map(|(_, it)| it)))
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Number(_) => 2,
            Self::Text(_) => 3,
            Self::Array(_) => 4,
            Self::Object(_) => 5,
            Self::Set(_) => 6,
        }
    }

    /// How many values it is made of, and how deep they are nested.
    pub(super) fn extent(&self) -> (usize, usize) {
        let sum = |parts: &mut dyn Iterator<Item = &Self>| {
            parts.map(Self::extent).fold((1, 1), |(size, depth), part| (size + part.0, depth.max(part.1 + 1)))
        };
        match self {
            Self::Array(values) | Self::Set(values) => sum(&mut values.iter()),
            Self::Object(members) => sum(&mut members.iter().flat_map(|(key, value)| [key, value])),
            _ => (1, 1),
        }
    }

    /// Bytes of the value in memory.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Null | Self::Bool(_) => 0,
                Self::Number(text) | Self::Text(text) => text.len(),
                Self::Array(values) | Self::Set(values) => values.iter().map(Self::bytes).sum(),
                Self::Object(members) => members.iter().map(|(key, value)| key.bytes() + value.bytes()).sum(),
            }
    }

    /// Whether both are the same for Rego.
    pub(super) fn equals(&self, other: &Self) -> bool {
        self.order(other) == Ordering::Equal
    }
}

fn sorted(values: &[Value]) -> Vec<&Value> {
    let mut sorted: Vec<_> = values.iter().collect();
    sorted.sort_by(|one, other| one.order(other));
    sorted
}

fn by_key(members: &[(Value, Value)]) -> Vec<&(Value, Value)> {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by(|(one, _), (other, _)| one.order(other));
    sorted
}

fn order_lists<'a>(mut one: impl Iterator<Item = &'a Value>, mut other: impl Iterator<Item = &'a Value>) -> Ordering {
    loop {
        match (one.next(), other.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(one), Some(other)) => match one.order(other) {
                Ordering::Equal => {}
                order => return order,
            },
        }
    }
}

fn order_numbers(one: &str, other: &str) -> Ordering {
    if one == other {
        return Ordering::Equal;
    }
    match (one.parse::<i128>(), other.parse::<i128>()) {
        (Ok(one), Ok(other)) => one.cmp(&other),
        _ => {
            let float = |digits: &str| digits.parse::<f64>().unwrap_or(f64::NAN);
            float(one).total_cmp(&float(other))
        }
    }
}

fn json_text(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn wrong(&self) -> ParseError {
        ParseError::Unexpected { at: self.at }
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, word: &str) -> bool {
        let is_there = self.rest().starts_with(word);
        if is_there {
            self.at += word.len();
        }
        is_there
    }

    fn value(&mut self, depth: usize) -> Result<Value, ParseError> {
        if depth > MAX_DEPTH {
            return Err(ParseError::TooDeep);
        }
        self.skip_blanks();
        match self.peek() {
            Some(b'n') if self.take("null") => Ok(Value::Null),
            Some(b't') if self.take("true") => Ok(Value::Bool(true)),
            Some(b'f') if self.take("false") => Ok(Value::Bool(false)),
            Some(b's') if self.take("set()") => Ok(Value::Set(Vec::new())),
            Some(b'"') => self.string().map(Value::Text),
            Some(b'-' | b'0'..=b'9') => Ok(Value::Number(self.number())),
            Some(b'[') => self.list(b']', depth).map(Value::Array),
            Some(b'{') => self.object_or_set(depth),
            _ => Err(self.wrong()),
        }
    }

    fn number(&mut self) -> String {
        let is_part = |byte: u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let len = self.rest().bytes().take_while(|byte| is_part(*byte)).count();
        let digits = self.rest()[..len].to_owned();
        self.at += len;
        digits
    }

    fn string(&mut self) -> Result<String, ParseError> {
        let bytes = self.rest().as_bytes();
        let mut end = 1;
        while let Some(byte) = bytes.get(end) {
            match byte {
                b'\\' => end += 2,
                b'"' => {
                    let text = serde_json::from_str(&self.rest()[..=end]).map_err(|_| self.wrong())?;
                    self.at += end + 1;
                    return Ok(text);
                }
                _ => end += 1,
            }
        }
        Err(self.wrong())
    }

    /// What comes between two elements: whether there is another one.
    fn goes_on(&mut self, end: u8) -> Result<bool, ParseError> {
        self.skip_blanks();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == end => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.wrong()),
        }
    }

    fn list(&mut self, end: u8, depth: usize) -> Result<Vec<Value>, ParseError> {
        self.at += 1;
        self.skip_blanks();
        if self.peek() == Some(end) {
            self.at += 1;
            return Ok(Vec::new());
        }
        let mut values = vec![self.value(depth + 1)?];
        while self.goes_on(end)? {
            values.push(self.value(depth + 1)?);
        }
        Ok(values)
    }

    fn object_or_set(&mut self, depth: usize) -> Result<Value, ParseError> {
        self.at += 1;
        self.skip_blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(Vec::new()));
        }
        let first = self.value(depth + 1)?;
        self.skip_blanks();
        if self.peek() != Some(b':') {
            let mut values = vec![first];
            while self.goes_on(b'}')? {
                values.push(self.value(depth + 1)?);
            }
            return Ok(Value::Set(values));
        }
        let mut key = first;
        let mut members = Vec::new();
        loop {
            self.skip_blanks();
            if !self.take(":") {
                return Err(self.wrong());
            }
            members.push((key, self.value(depth + 1)?));
            if !self.goes_on(b'}')? {
                return Ok(Value::Object(members));
            }
            key = self.value(depth + 1)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_and_written() {
        for text in [
            "null",
            "[true, false]",
            "123456789012345678901234567890.5e3",
            r#""a\"é""#,
            "set()",
            r#"{1, "a"}"#,
            r#"{"a": {"b": []}, "c": {}}"#,
            "{1: 2}",
        ] {
            assert_eq!(Value::parse(text).unwrap().to_text(), text);
        }
        assert_eq!(Value::parse(r#"{"b":1,"a":{3,1,2}}"#).unwrap().to_rego(), r#"{"a": {1, 2, 3}, "b": 1}"#);
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for text in ["", "[", "{1:2", "nul", "\"a", "\"\\", "[1 2]", "1 2", "{1,2:3}"] {
            assert!(Value::parse(text).is_err(), "{text}");
        }
        assert!(Value::parse(&"[".repeat(100_000)).is_err());
    }
}
