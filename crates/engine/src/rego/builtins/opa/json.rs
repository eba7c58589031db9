//! `json.is_valid` and `json.patch`.
//!
//! Patches work on Rego's values rather than on JSON, so that numbers keep their digits and sets stay sets. That is
//! also why no crate does it: paths may be arrays, and go through sets.

use policy_verify_model::budget::{Budget, Exceeded};

use super::builtin::{BuiltinError, Environment, Outcome, truth, wrong_type};
use crate::rego::value::Value;

/// How deep a patched document may be.
const MAX_DEPTH: usize = 500;

/// Values that the operations of one patch may add; copies could double the document each time.
const MAX_ADDED: usize = 1_000_000;

pub(crate) fn is_valid(_: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    truth(matches!(arguments, [Value::Text(text)] if is_json(text)))
}

/// What a patch may still add.
struct Room<'a> {
    left: usize,
    is_exceeded: bool,
    /// Why it may not go on.
    exceeded: Option<Exceeded>,
    budget: &'a Budget,
    bytes: policy_verify_model::budget::Room,
}

impl Room<'_> {
    /// Counts steps and bytes; none when there are too many.
    fn spend(&mut self, steps: usize, bytes: usize) -> Option<()> {
        let spent = self.budget.spend(steps as u64).and_then(|()| self.bytes.take(bytes as u64));
        spent.map_err(|exceeded| self.exceeded = Some(exceeded)).ok()
    }
}

/// Undefined where an operation is wrong or does not fit.
pub(crate) fn patch(environment: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    let [target, Value::Array(operations)] = arguments else {
        return Err(wrong_type(1, "array", arguments.get(1)));
    };
    let mut document = Some(target.clone());
    let budget = &environment.budget;
    let mut room = Room { left: MAX_ADDED, is_exceeded: false, exceeded: None, budget, bytes: budget.room() };
    let is_done = operations.iter().try_for_each(|operation| apply(operation, &mut document, &mut room)).is_some();
    if room.is_exceeded {
        return Err(BuiltinError::Limit(format!(
            "the patch makes a document deeper than {MAX_DEPTH} levels, or adds {MAX_ADDED} values"
        )));
    }
    match room.exceeded {
        Some(exceeded) => Err(exceeded.into()),
        None => Ok(document.filter(|_| is_done)),
    }
}

/// Applies one operation; none when it cannot be.
fn apply(operation: &Value, document: &mut Option<Value>, room: &mut Room) -> Option<()> {
    let Value::Object(members) = operation else { return None };
    // Looking for a member or an item goes through all of them.
    room.spend(1 + document.as_ref().map_or(0, |document| widest(document, members)), 0)?;
    let mut insert = |document: &mut Option<Value>, path: &[Value], new: Value| {
        let (size, depth) = new.extent();
        room.spend(size, new.bytes())?;
        room.is_exceeded |= size > room.left || path.len() + depth > MAX_DEPTH;
        room.left = room.left.saturating_sub(size);
        if room.is_exceeded { None } else { insert(document, path, new) }
    };
    let member = |name: &str| {
        members.iter().find(|(key, _)| matches!(key, Value::Text(key) if key == name)).map(|(_, value)| value)
    };
    let Value::Text(kind) = member("op")? else { return None };
    let to = path(member("path")?)?;
    match kind.as_str() {
        "add" => insert(document, &to, member("value")?.clone()),
        "remove" => remove(document, &to).map(drop),
        "replace" => {
            let value = member("value")?.clone();
            remove(document, &to)?;
            insert(document, &to, value)
        }
        "move" => {
            let from = path(member("from")?)?;
            let value = remove(document, &from)?;
            insert(document, &to, value)
        }
        "copy" => {
            let from = path(member("from")?)?;
            let value = find(document.as_mut()?, &from)?.clone();
            insert(document, &to, value)
        }
        "test" => find(document.as_mut()?, &to)?.equals(member("value")?).then_some(()),
        _ => None,
    }
}

/// How many members and items the containers have on the ways that an operation names.
fn widest(document: &Value, members: &[(Value, Value)]) -> usize {
    let ways = members.iter().filter(|(key, _)| matches!(key, Value::Text(key) if key == "path" || key == "from"));
    ways.filter_map(|(_, way)| path(way)).map(|way| width(document, &way)).sum()
}

fn width(value: &Value, way: &[Value]) -> usize {
    let Some((step, rest)) = way.split_first() else { return 0 };
    match value {
        Value::Object(members) => {
            let child = members.iter().find(|(key, _)| key.equals(step));
            members.len() + child.map_or(0, |(_, value)| width(value, rest))
        }
        Value::Array(values) => {
            let child = index(step, values.len()).and_then(|index| values.get(index));
            values.len() / 4 + child.map_or(0, |value| width(value, rest))
        }
        Value::Set(values) => {
            let child = values.iter().find(|value| value.equals(step));
            values.len() + child.map_or(0, |value| width(value, rest))
        }
        _ => 0,
    }
}

fn path(path: &Value) -> Option<Vec<Value>> {
    match path {
        Value::Text(path) if path.is_empty() => Some(Vec::new()),
        Value::Text(path) => {
            let step = |step: &str| Value::Text(step.replace("~1", "/").replace("~0", "~"));
            Some(path.trim_start_matches('/').split('/').map(step).collect())
        }
        Value::Array(steps) => Some(steps.clone()),
        _ => None,
    }
}

fn find<'a>(value: &'a mut Value, path: &[Value]) -> Option<&'a mut Value> {
    let Some((step, rest)) = path.split_first() else { return Some(value) };
    let child = match value {
        Value::Object(members) => members.iter_mut().find(|(key, _)| key.equals(step)).map(|(_, value)| value),
        Value::Array(values) => {
            let index = index(step, values.len())?;
            values.get_mut(index)
        }
        Value::Set(values) => values.iter_mut().find(|value| value.equals(step)),
        _ => None,
    };
    find(child?, rest)
}

fn insert(document: &mut Option<Value>, path: &[Value], new: Value) -> Option<()> {
    let Some((last, parents)) = path.split_last() else {
        *document = Some(new);
        return Some(());
    };
    match find(document.as_mut()?, parents)? {
        Value::Object(members) => match members.iter_mut().find(|(key, _)| key.equals(last)) {
            Some((_, value)) => *value = new,
            None => members.push((last.clone(), new)),
        },
        Value::Array(values) => {
            let index = index(last, values.len()).filter(|index| *index <= values.len())?;
            values.insert(index, new);
        }
        Value::Set(values) => {
            if !new.equals(last) {
                return None;
            }
            if !values.iter().any(|value| value.equals(&new)) {
                values.push(new);
            }
        }
        _ => return None,
    }
    Some(())
}

fn remove(document: &mut Option<Value>, path: &[Value]) -> Option<Value> {
    let Some((last, parents)) = path.split_last() else { return document.take() };
    match find(document.as_mut()?, parents)? {
        Value::Object(members) => {
            let index = members.iter().position(|(key, _)| key.equals(last))?;
            Some(members.remove(index).1)
        }
        Value::Array(values) => {
            let index = index(last, values.len()).filter(|index| *index < values.len())?;
            Some(values.remove(index))
        }
        Value::Set(values) => {
            let index = values.iter().position(|value| value.equals(last))?;
            Some(values.remove(index))
        }
        _ => None,
    }
}

/// A step into an array; `-` is behind its end.
fn index(step: &Value, len: usize) -> Option<usize> {
    match step {
        Value::Number(digits) => digits.parse().ok(),
        Value::Text(step) if step == "-" => Some(len),
        Value::Text(step) if step != "0" && step.starts_with('0') => None,
        Value::Text(step) => step.parse().ok(),
        _ => None,
    }
}
