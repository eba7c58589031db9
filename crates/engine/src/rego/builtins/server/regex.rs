//! `regex.find_n`, `regex.split`, `regex.template_match`: the syntax of the crate `regex`, not of Go.

use policy_verify_model::budget::Budget;
use serde_json::Value;

use super::builtin::{BuiltinError, Outcome, failed, text};
use crate::rego::builtins::environment::Environment;
use crate::rego::builtins::pattern::{Pattern, Refused};

pub(crate) fn find_n(environment: &Environment, arguments: &[Value]) -> Outcome {
    const NAME: &str = "regex.find_n";
    let (pattern, subject) = (text(NAME, arguments, 0)?, text(NAME, arguments, 1)?);
    let number = arguments.get(2).and_then(Value::as_i64);
    let number = number.ok_or_else(|| failed(NAME, "3rd parameter is not a number"))?;
    // All negative numbers mean all matches.
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    let budget = &environment.budget;
    let found = compiled(NAME, pattern, budget)?.find(subject, number, budget)?;
    Ok(found.into_iter().map(|place| Value::from(&subject[place])).collect())
}

/// The parts joined again, instead of an array of them.
pub(crate) fn split(environment: &Environment, arguments: &[Value]) -> Outcome {
    const NAME: &str = "regex.split";
    let (pattern, subject) = (text(NAME, arguments, 0)?, text(NAME, arguments, 1)?);
    let budget = &environment.budget;
    let (mut joined, mut begin) = (String::new(), 0);
    for place in compiled(NAME, pattern, budget)?.find(subject, usize::MAX, budget)? {
        joined.push_str(&subject[begin..place.start]);
        begin = place.end;
    }
    joined.push_str(&subject[begin..]);
    Ok(joined.into())
}

fn compiled(name: &'static str, pattern: &str, budget: &Budget) -> Result<Pattern, BuiltinError> {
    Pattern::new(pattern, budget).map_err(|refused| match refused {
        Refused::Invalid(error) => {
            failed(name, format!("cannot build regex from the given pattern string '{pattern}': {error:?}"))
        }
        Refused::Exceeded(exceeded) => exceeded.into(),
    })
}

pub(crate) fn template_match(environment: &Environment, arguments: &[Value]) -> Outcome {
    const NAME: &str = "regex.template_match";
    let (template, subject) = (text(NAME, arguments, 0)?, text(NAME, arguments, 1)?);
    let open = delimiter(NAME, text(NAME, arguments, 2)?, "3rd")?;
    let close = delimiter(NAME, text(NAME, arguments, 3)?, "4th")?;
    let pattern = pattern_of(template, open, close);
    let budget = &environment.budget;
    let pattern = Pattern::new(&pattern, budget).map_err(|refused| match refused {
        Refused::Invalid(error) => {
            failed("regex", format!("tried to initialize an invalid regular expression: {error:?}"))
        }
        Refused::Exceeded(exceeded) => exceeded.into(),
    })?;
    Ok(pattern.is_match(subject, budget)?.into())
}

/// One byte: characters beyond ASCII are refused.
fn delimiter(name: &'static str, text: &str, ordinal: &str) -> Result<char, BuiltinError> {
    match text.as_bytes() {
        [byte] => Ok(char::from(*byte)),
        _ => Err(failed(name, format!("{ordinal} parameter has to be exactly one character long"))),
    }
}

/// The pattern a template stands for. It is not anchored, nested delimiters are lost, and those without a partner are no
/// error: `{[0-9]{2,3}}` becomes `[0-9]2,3`.
fn pattern_of(template: &str, open: char, close: char) -> String {
    let mut pattern = String::new();
    let mut part = String::new();
    let mut is_pattern = false;
    let mut depth = 0_i64;
    let mut finish = |part: &mut String, is_pattern: bool| {
        pattern.push_str(&if is_pattern { std::mem::take(part) } else { regex::escape(&std::mem::take(part)) });
    };
    for c in template.chars() {
        // The outermost pair separates the parts.
        let boundary = if c == open {
            depth += 1;
            1
        } else if c == close {
            depth -= 1;
            0
        } else {
            part.push(c);
            continue;
        };
        if depth == boundary {
            finish(&mut part, is_pattern);
            is_pattern = c == open;
        }
    }
    finish(&mut part, is_pattern);
    pattern
}
