//! `semver.compare` and `semver.is_valid`, as lenient as OPA's: numbers may have signs and leading zeros.
//!
//! The `semver` crate is stricter than that, so it is not used.

use std::cmp::Ordering;

use super::builtin::{BuiltinError, Environment, Outcome, text, truth};
use crate::rego::value::Value;

pub(crate) fn compare(_: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    let version = |index: usize| {
        let written = text(arguments, index)?;
        let invalid = || format!("operand {}: string {written} is not a valid SemVer", index + 1);
        parse(written).ok_or_else(|| BuiltinError::Value(invalid()))
    };
    let order = order(&version(0)?, &version(1)?);
    Ok(Value::integer(order as i64).into())
}

pub(crate) fn is_valid(_: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    truth(matches!(arguments, [Value::Text(version)] if parse(version).is_some()))
}

struct Version<'a> {
    numbers: [i64; 3],
    /// Empty for a release.
    pre_release: &'a str,
}

fn parse(version: &str) -> Option<Version<'_>> {
    let (version, metadata) = version.split_once('+').unwrap_or((version, ""));
    let (version, pre_release) = version.split_once('-').unwrap_or((version, ""));
    let mut parts = version.splitn(3, '.').map(str::parse);
    let mut number = || parts.next()?.ok();
    let numbers = [number()?, number()?, number()?];
    (is_identifier(pre_release) && is_identifier(metadata)).then_some(Version { numbers, pre_release })
}

fn is_identifier(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    text.is_empty() || text.split('.').all(is_part)
}

fn order(one: &Version<'_>, other: &Version<'_>) -> Ordering {
    one.numbers.cmp(&other.numbers).then_with(|| match (one.pre_release, other.pre_release) {
        ("", "") => Ordering::Equal,
        ("", _) => Ordering::Greater,
        (_, "") => Ordering::Less,
        (one, other) => order_pre_releases(one, other),
    })
}

fn order_pre_releases(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.split('.'), other.split('.'));
    loop {
        let order = match (one.next(), other.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(one), Some(other)) => match (one.parse::<i64>(), other.parse::<i64>()) {
                (Ok(first), Ok(second)) => first.cmp(&second).then_with(|| one.cmp(other)),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => one.cmp(other),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}
