//! `urlquery.*`: texts and objects as queries of URLs, with Go's escapes.

use std::collections::BTreeMap;

use super::builtin::{BuiltinError, Environment, Outcome, go_text, text, wrong_type};
use crate::rego::value::Value;

/// Steps for a pair, as in the server's.
const PAIR: u64 = 16;

pub(crate) fn encode(_: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    Ok(Value::text(escape(text(arguments, 0)?)).into())
}

pub(crate) fn decode(_: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    Ok(Value::text(unescape(text(arguments, 0)?)?).into())
}

pub(crate) fn encode_object(_: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    let Some(Value::Object(members)) = arguments.first() else {
        return Err(wrong_type(0, "object", arguments.first()));
    };
    let mut query: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (key, value) in members {
        let key = match key {
            Value::Text(key) => key.clone(),
            key => key.to_text(),
        };
        query.insert(key, texts(value).ok_or("operand 1 values must be string, array[string], or set[string]")?);
    }
    let pairs: Vec<_> = query
        .iter()
        .flat_map(|(key, values)| values.iter().map(|value| format!("{}={}", escape(key), escape(value))))
        .collect();
    Ok(Value::text(pairs.join("&")).into())
}

fn texts(value: &Value) -> Option<Vec<&str>> {
    fn text(value: &Value) -> Option<&str> {
        if let Value::Text(text) = value { Some(text) } else { None }
    }
    match value {
        Value::Text(text) => Some(vec![text]),
        Value::Array(values) => values.iter().map(text).collect(),
        Value::Set(values) => {
            let mut texts: Vec<_> = values.iter().map(text).collect::<Option<_>>()?;
            texts.sort_unstable();
            Some(texts)
        }
        _ => None,
    }
}

pub(crate) fn decode_object(environment: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    let mut query: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for pair in text(arguments, 0)?.split('&').filter(|pair| !pair.is_empty()) {
        environment.budget.spend(PAIR)?;
        if pair.contains(';') {
            return Err("invalid semicolon separator in query".into());
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        query.entry(unescape(key)?).or_default().push(Value::text(unescape(value)?));
    }
    let members = query.into_iter().map(|(key, values)| (Value::Text(key), Value::Array(values)));
    Ok(Value::Object(members.collect()).into())
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            b' ' => escaped.push('+'),
            byte => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

fn unescape(text: &str) -> Result<String, BuiltinError> {
    let bytes = text.as_bytes();
    let mut unescaped = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'%' => {
                let pair = bytes.get(at + 1..at + 3).and_then(|pair| hex::decode(pair).ok());
                unescaped.extend(pair.ok_or_else(|| format!("invalid URL escape at byte {at}"))?);
                at += 3;
                continue;
            }
            b'+' => unescaped.push(b' '),
            byte => unescaped.push(*byte),
        }
        at += 1;
    }
    Ok(go_text(&unescaped))
}
