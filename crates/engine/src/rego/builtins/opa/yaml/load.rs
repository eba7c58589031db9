//! YAML becomes a value.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use granit_parser::{Event, Parser, ScalarStyle};

use super::super::builtin::{BuiltinError, go_text};
use crate::rego::value::Value;

const TAGS: &str = "tag:yaml.org,2002:";
const MAX_DEPTH: usize = 500;
/// Nodes of a document, aliases followed.
const MAX_NODES: usize = 1_000_000;
/// Bytes of its texts, aliases followed.
const MAX_BYTES: usize = 64 << 20;
/// Nodes that a byte of text stands for: both limits are reached together.
const BYTES_OF_NODE: usize = MAX_BYTES / MAX_NODES;
const EXCESSIVE: &str = "document contains excessive aliasing";

/// Reads the first document.
pub(super) fn document(text: &str) -> Result<Value, BuiltinError> {
    let mut loader = Loader { parser: Parser::new_from_str(text), anchors: BTreeMap::new(), nodes: 0 };
    loop {
        match loader.next()? {
            Event::StreamEnd => return Ok(Value::Null),
            Event::StreamStart | Event::DocumentStart(..) => {}
            event => return Ok(loader.node(event, 0)?.value),
        }
    }
}

/// A value, its size, and what a mapping has to know about its key.
#[derive(Clone)]
struct Node {
    value: Value,
    size: usize,
    key: Key,
}

#[derive(Clone, PartialEq)]
enum Key {
    /// As this text.
    Text(String),
    /// `<<`.
    Merge,
    /// Cannot be one.
    Not,
}

impl Node {
    fn scalar(value: Value) -> Self {
        let key = match &value {
            Value::Text(text) => Key::Text(text.clone()),
            Value::Bool(value) => Key::Text(value.to_string()),
            Value::Number(digits) => Key::Text(digits.clone()),
            _ => Key::Not,
        };
        let length = match &value {
            Value::Text(text) | Value::Number(text) => text.len(),
            _ => 0,
        };
        Self { value, size: 1 + length / BYTES_OF_NODE, key }
    }
}

struct Loader<'a, I: Iterator<Item = Result<(Event<'a>, S), E>>, S, E> {
    parser: I,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
}

impl<'a, I: Iterator<Item = Result<(Event<'a>, S), E>>, S, E: ToString> Loader<'a, I, S, E> {
    fn next(&mut self) -> Result<Event<'a>, BuiltinError> {
        loop {
            match self.parser.next() {
                None => return Ok(Event::StreamEnd),
                Some(Err(error)) => return Err(error.to_string().into()),
                Some(Ok((event, _))) if is_node(&event) => return Ok(event),
                Some(Ok(_)) => {}
            }
        }
    }

    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<Node, BuiltinError> {
        if depth > MAX_DEPTH {
            return Err(BuiltinError::Limit(format!("the document is nested deeper than {MAX_DEPTH} levels")));
        }
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.map(|tag| tag.to_string());
                (scalar(&text, style == ScalarStyle::Plain, tag.as_deref())?, anchor)
            }
            Event::SequenceStart(_, anchor, _) => (self.sequence(depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.mapping(depth)?, anchor),
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).ok_or("an anchor contains itself, or is unknown")?;
                self.nodes += node.size;
                if self.nodes > MAX_NODES {
                    return Err(BuiltinError::Limit(EXCESSIVE.into()));
                }
                (node.clone(), 0)
            }
            _ => return Err("did not find expected node content".into()),
        };
        // What an anchor keeps counts too.
        let is_counted = matches!(node.value, Value::Array(_) | Value::Object(_));
        self.nodes += if anchor == 0 && is_counted { 1 } else { node.size };
        if self.nodes > MAX_NODES {
            return Err(BuiltinError::Limit(EXCESSIVE.into()));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn sequence(&mut self, depth: usize) -> Result<Node, BuiltinError> {
        let (mut values, mut size) = (Vec::new(), 1);
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Node { value: Value::Array(values), size, key: Key::Not }),
                event => {
                    let node = self.node(event, depth + 1)?;
                    size += node.size;
                    values.push(node.value);
                }
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Node, BuiltinError> {
        let (mut members, mut size) = (BTreeMap::new(), 1);
        loop {
            let event = self.next()?;
            if matches!(event, Event::MappingEnd) {
                let members = members.into_iter().map(|(key, value)| (Value::Text(key), value)).collect();
                return Ok(Node { value: Value::Object(members), size, key: Key::Not });
            }
            let key = self.node(event, depth + 1)?;
            let event = self.next()?;
            let value = self.node(event, depth + 1)?;
            size += key.size + value.size;
            match key.key {
                Key::Text(key) => drop(members.insert(key, value.value)),
                Key::Merge => merge(value.value, &mut members)?,
                Key::Not => return Err("a key of a mapping is not a text, a number or a boolean".into()),
            }
        }
    }
}

/// Everything but comments and the names of anchors.
fn is_node(event: &Event<'_>) -> bool {
    use Event::{
        Alias, DocumentEnd, DocumentStart, MappingEnd, MappingStart, Scalar, SequenceEnd, SequenceStart, StreamEnd,
        StreamStart, UnresolvedAlias,
    };
    matches!(
        event,
        Scalar(..)
            | Alias(_)
            | UnresolvedAlias(_)
            | SequenceStart(..)
            | SequenceEnd
            | MappingStart(..)
            | MappingEnd
            | DocumentStart(..)
            | DocumentEnd
            | StreamStart
            | StreamEnd
    )
}

/// Takes over what `<<` names; of several the first counts.
fn merge(value: Value, members: &mut BTreeMap<String, Value>) -> Result<(), BuiltinError> {
    match value {
        Value::Object(merged) => {
            for (key, value) in merged {
                let Value::Text(key) = key else { continue };
                members.insert(key, value);
            }
            Ok(())
        }
        Value::Array(values) if values.iter().all(|value| matches!(value, Value::Object(_))) => {
            values.into_iter().rev().try_for_each(|value| merge(value, members))
        }
        _ => Err("map merge requires map or sequence of maps as the value".into()),
    }
}

fn scalar(text: &str, is_plain: bool, tag: Option<&str>) -> Result<Node, BuiltinError> {
    let Some(tag) = tag else {
        if is_plain && text == "<<" {
            return Ok(Node { value: Value::text(text), size: 1, key: Key::Merge });
        }
        return if is_plain { plain(text) } else { Ok(Node::scalar(Value::text(text))) };
    };
    let Some(kind) = tag.strip_prefix(TAGS).or_else(|| tag.strip_prefix("!!")) else {
        return Ok(Node::scalar(Value::text(text)));
    };
    let resolved = || plain(text);
    let is_whole = |digits: &str| !digits.contains(['.', 'e', 'E']);
    let node = match (kind, kind == "str" || kind == "timestamp") {
        (_, true) => Node::scalar(Value::text(text)),
        ("binary", _) => {
            let bytes = STANDARD.decode(text).map_err(|_| "!!binary value contains invalid base64 data")?;
            Node::scalar(Value::text(go_text(&bytes)))
        }
        ("merge", _) => Node { value: Value::text(text), size: 1, key: Key::Merge },
        ("null" | "bool" | "int" | "float", _) => {
            let node = resolved()?;
            let fits = match &node.value {
                Value::Null => kind == "null",
                Value::Bool(_) => kind == "bool",
                Value::Number(digits) => kind == "float" || (kind == "int" && is_whole(digits)),
                _ => false,
            };
            if !fits {
                return Err(format!("cannot decode `{text}` as a !!{kind}").into());
            }
            node
        }
        _ => Node::scalar(Value::text(text)),
    };
    Ok(node)
}

/// What a text without quotes means.
fn plain(text: &str) -> Result<Node, BuiltinError> {
    Ok(match resolve(text) {
        Resolved::Text => Node::scalar(Value::text(text)),
        Resolved::Null => Node::scalar(Value::Null),
        Resolved::Bool(value) => Node::scalar(Value::Bool(value)),
        Resolved::Int(digits) => {
            // Go has a type of its own for what only fits without a sign, and takes it for no key.
            let is_key = digits.parse::<i64>().is_ok();
            let node = Node::scalar(Value::Number(digits));
            if is_key { node } else { Node { key: Key::Not, ..node } }
        }
        Resolved::Float(number) if number.is_finite() => {
            let key = Key::Text(super::super::sprintf::shortest(f64::from(number as f32), true));
            Node { key, ..Node::scalar(Value::Number(json_number(number))) }
        }
        Resolved::Float(number) => return Err(format!("json: unsupported value: {number}").into()),
    })
}

pub(super) enum Resolved {
    Text,
    Null,
    Bool(bool),
    Int(String),
    Float(f64),
}

/// The type of a text without quotes and tag.
pub(super) fn resolve(text: &str) -> Resolved {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Resolved::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Resolved::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Resolved::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Resolved::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Resolved::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let float = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite());
    match text.as_bytes()[0] {
        b'.' => float(text).map_or(Resolved::Text, Resolved::Float),
        b'0'..=b'9' | b'+' | b'-' => {
            let plain = text.replace('_', "");
            match whole(&plain) {
                Some(number) => Resolved::Int(number.to_string()),
                None if looks_like_a_float(&plain) => float(&plain).map_or(Resolved::Text, Resolved::Float),
                None => Resolved::Text,
            }
        }
        _ => Resolved::Text,
    }
}

/// A whole number in one of Go's notations, if it fits into 64 bits with or without a sign.
fn whole(text: &str) -> Option<i128> {
    let (unsigned, has_sign) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let lower = unsigned.to_ascii_lowercase();
    let (digits, base) = if let Some(digits) = lower.strip_prefix("0x") {
        (digits, 16)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        (digits, 2)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        (digits, 8)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (&lower[1..], 8)
    } else {
        (lower.as_str(), 10)
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = i128::from_str_radix(digits, base).ok()?;
    let number = if text.starts_with('-') { -magnitude } else { magnitude };
    let most = if has_sign { i128::from(i64::MAX) } else { i128::from(u64::MAX) };
    (i128::from(i64::MIN)..=most).contains(&number).then_some(number)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn looks_like_a_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_mantissa = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && are_digits(fraction),
        Some((whole, fraction)) => are_digits(whole) && are_digits(fraction),
        None => !mantissa.is_empty() && are_digits(mantissa),
    };
    let is_exponent = |exponent: &str| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && are_digits(digits)
    };
    is_mantissa && exponent.is_none_or(is_exponent)
}

/// A floating-point number as Go writes it into JSON.
fn json_number(number: f64) -> String {
    let magnitude = number.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = format!("{number:e}");
        return if text.contains("e-") { text } else { text.replace('e', "e+") };
    }
    number.to_string()
}
