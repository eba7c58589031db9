//! `sprintf`: the server writes the format into a template of Go and evaluates it with the crate `gtmpl`, which knows
//! less than Go's `fmt`: no null, no numbers with a fraction, no `"` in the format, no error marks such as `%!d(string=a)`.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use gtmpl::Value as TemplateValue;
use serde_json::Value;

use super::builtin::{BuiltinError, Outcome, failed, text};
use crate::rego::builtins::environment::Environment;

/// How wide one value may be printed; more ends the worker (`std::fmt` takes 16 bits).
const MAX_WIDTH: usize = 65_535;

/// Bytes that the result may have at most, by an estimate from above.
const MAX_RESULT: usize = 64 << 20;

/// Steps for a value that is copied.
const COPIED: u64 = 2;

/// Bytes in memory for each byte of a format, which becomes a template that is read and kept.
const TEMPLATE: u64 = 40;

/// Bytes of texts that are copied in a step.
const BYTES_IN_A_STEP: u64 = 64;

pub(crate) fn sprintf(environment: &Environment, arguments: &[Value]) -> Outcome {
    const NAME: &str = "sprintf";
    let format = text(NAME, arguments, 0)?;
    let Some(Value::Array(values)) = arguments.get(1) else {
        return Err(failed(NAME, "2nd parameter is not an array"));
    };
    environment.budget.room().take(TEMPLATE * format.len() as u64)?;
    let values = values.iter().map(template_value).collect::<Result<Vec<_>, _>>()?;
    // The template copies all values for each of them.
    let (number, bytes) = (values.len() as u64, arguments[1].to_string().len() as u64);
    environment.budget.spend(number.saturating_mul(COPIED * number + bytes / BYTES_IN_A_STEP))?;
    refuse_too_much(format, &arguments[1], values.len())?;
    let positions: Vec<String> = (0..values.len()).map(|position| format!("(index . {position})")).collect();
    let template = format!(r#"{{{{ printf "{format}" {}}}}}"#, positions.join(" "));
    let printed: Vec<_> = values.iter().map(with_ordered_members).collect();
    gtmpl::template(&template, printed.as_slice()).map(Value::from).map_err(|error| {
        let values: Vec<_> = values.iter().map(Ordered).collect();
        failed(NAME, format!("Cannot render go template '{template}' with args {values:?}: {error:?}"))
    })
}

/// A value as the template gets it. Whole numbers of 64 bits with a sign; any other number ends the worker.
fn template_value(value: &Value) -> Result<TemplateValue, BuiltinError> {
    Ok(match value {
        Value::Null => TemplateValue::Nil,
        Value::Bool(value) => TemplateValue::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => TemplateValue::Number(number.into()),
            None => {
                return Err(BuiltinError::Panicked(format!(
                    "it can only print whole numbers from -2^63 to 2^63-1, and was given {number}"
                )));
            }
        },
        Value::String(text) => TemplateValue::String(text.clone()),
        Value::Array(values) => TemplateValue::Array(values.iter().map(template_value).collect::<Result<_, _>>()?),
        Value::Object(members) => TemplateValue::Map(
            members
                .iter()
                .map(|(name, value)| Ok((name.clone(), template_value(value)?)))
                .collect::<Result<_, BuiltinError>>()?,
        ),
    })
}

/// The argument with all members of objects in the order of their names; the server prints them in another order each
/// time. Objects become texts that are printed as the object would be.
fn with_ordered_members(argument: &TemplateValue) -> TemplateValue {
    match argument {
        TemplateValue::Array(values) => TemplateValue::Array(values.iter().map(part).collect()),
        TemplateValue::Map(members) => {
            let mut printed = BTreeMap::from_iter(members).into_iter().map(|(name, value)| (name, part(value)));
            let Some((first, value)) = printed.next() else { return argument.clone() };
            let rest: String = printed.map(|(name, value)| format!(" {name}:{value}")).collect();
            TemplateValue::Map(HashMap::from([(first.clone(), TemplateValue::String(format!("{value}{rest}")))]))
        }
        value => value.clone(),
    }
}

/// A part of an array or object that is printed; `gtmpl` shows what is nested in its own, internal form.
fn part(value: &TemplateValue) -> TemplateValue {
    match value {
        TemplateValue::Array(values) => {
            TemplateValue::String(format!("{:?}", values.iter().map(Ordered).collect::<Vec<_>>()))
        }
        TemplateValue::Map(members) => TemplateValue::String(format!("{:?}", ordered(members))),
        value => value.clone(),
    }
}

/// The internal form of a value, with members in order.
struct Ordered<'a>(&'a TemplateValue);

fn ordered(members: &HashMap<String, TemplateValue>) -> BTreeMap<&String, Ordered<'_>> {
    members.iter().map(|(name, value)| (name, Ordered(value))).collect()
}

impl fmt::Debug for Ordered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            TemplateValue::Array(values) => {
                f.debug_tuple("Array").field(&values.iter().map(Ordered).collect::<Vec<_>>()).finish()
            }
            TemplateValue::Map(members) => f.debug_tuple("Map").field(&ordered(members)).finish(),
            value => fmt::Debug::fmt(value, f),
        }
    }
}

/// Refuses what could take the memory or the stack of this process: widths without end, and a format that ends its own
/// text and goes on with actions of the template, which may call each other.
fn refuse_too_much(format: &str, values: &Value, number: usize) -> Result<(), BuiltinError> {
    let verbs = format.matches('%').count();
    let widest = if format.contains(|c: char| c.is_ascii_digit() || c == '*') { MAX_WIDTH } else { 0 };
    let largest = values.to_string().len();
    let most = verbs.saturating_mul(widest.saturating_add(largest.saturating_mul(4))).saturating_add(format.len());
    if most > MAX_RESULT || number > MAX_WIDTH {
        return Err(BuiltinError::Limit(format!("the result could have {most} bytes, more than {MAX_RESULT}")));
    }
    match after_end_of_text(format) {
        Some(rest) if rest.contains("{{") || rest.contains("}}") || rest.matches('(').count() > 100 => {
            Err(BuiltinError::Limit(
                "the format holds a `\"` and actions of a template after it, which are not evaluated here".into(),
            ))
        }
        _ => Ok(()),
    }
}

/// What follows the first `"` of a format that has no `\` before it: the template takes it for code.
fn after_end_of_text(format: &str) -> Option<&str> {
    let mut is_escaped = false;
    for (at, c) in format.char_indices() {
        match c {
            '\\' => is_escaped = true,
            '"' if !is_escaped => return Some(&format[at + 1..]),
            _ => is_escaped = false,
        }
    }
    None
}
