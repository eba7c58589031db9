//! `urlquery.*`: what the crate `url` makes of a query.

use serde_json::Value;
use url::Url;

use super::builtin::{BuiltinError, Outcome, failed, text};
use crate::rego::builtins::environment::Environment;

/// A name in front of the value that is encoded or decoded.
const PREFIX: &str = "input=";

/// Steps for a pair: its name and its value are decoded, and kept in a tree.
const PAIR: u64 = 16;

/// Bytes of a pair beside those of its texts.
const PAIR_BYTES: u64 = 128;

pub(crate) fn encode(_: &Environment, arguments: &[Value]) -> Outcome {
    const NAME: &str = "urlquery.encode";
    let url = with_query(NAME, &format!("{PREFIX}{}", text(NAME, arguments, 0)?))?;
    let query = url.query().ok_or_else(|| failed(NAME, "internal error 2"))?;
    let encoded = query.strip_prefix(PREFIX).ok_or_else(|| failed(NAME, "internal error 3"))?;
    Ok(encoded.into())
}

/// Fails for more than one pair.
pub(crate) fn decode(_: &Environment, arguments: &[Value]) -> Outcome {
    const NAME: &str = "urlquery.decode";
    let url = with_query(NAME, &format!("{PREFIX}{}", text(NAME, arguments, 0)?))?;
    let mut pairs = url.query_pairs();
    match (pairs.next(), pairs.next()) {
        (Some((_, value)), None) => Ok(value.into()),
        _ => Err(failed(NAME, "internal error 2")),
    }
}

/// Keys and values go into the query as they are, `&` and `=` included.
pub(crate) fn encode_object(_: &Environment, arguments: &[Value]) -> Outcome {
    const NAME: &str = "urlquery.encode_object";
    let Some(Value::Object(members)) = arguments.first() else {
        return Err(failed(NAME, "1st parameter is not an object"));
    };
    let mut pairs = Vec::with_capacity(members.len());
    for (key, value) in members {
        let value = value.as_str().ok_or_else(|| failed(NAME, format!("the value of key {key} is not a string")))?;
        pairs.push(format!("{key}={value}"));
    }
    let url = with_query(NAME, &pairs.join("&"))?;
    Ok(url.query().unwrap_or_default().into())
}

/// Of several values of one name the last one stays.
pub(crate) fn decode_object(environment: &Environment, arguments: &[Value]) -> Outcome {
    const NAME: &str = "urlquery.decode";
    let url = with_query("urlquery.decode_object", text(NAME, arguments, 0)?)?;
    let room = environment.budget.room();
    let pairs = url.query_pairs().map(|(name, value)| {
        environment.budget.spend(PAIR)?;
        room.take(PAIR_BYTES + (name.len() + value.len()) as u64)?;
        Ok((name.into_owned(), Value::from(value.into_owned())))
    });
    pairs.collect()
}

fn with_query(name: &'static str, query: &str) -> Result<Url, BuiltinError> {
    let mut url =
        Url::parse("https://example.com/").map_err(|error| failed(name, format!("internal error 1 - {error:?}")))?;
    url.set_query(Some(query));
    Ok(url)
}
