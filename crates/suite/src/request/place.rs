//! The values at the steps of a path, and why there is none.

use serde_json::{Map, Value};

use crate::mistake::nearest;
use crate::path::{Path, Step, wrong};
use policy_verify_model::diagnostic::Diagnostic;

/// The path with an index for each item that it names.
pub(super) fn resolved(path: Path, document: &Value) -> Result<Path, Diagnostic> {
    if !path.steps.iter().any(|step| matches!(step, Step::Named(_))) {
        return Ok(path);
    }
    let (mut place, mut steps) = (Some(document), Vec::with_capacity(path.steps.len()));
    for step in &path.steps {
        let step = match step {
            Step::Named(name) => Step::Index(position(name, place)?),
            step => step.clone(),
        };
        place = place.and_then(|value| get(value, &step));
        steps.push(step);
    }
    Ok(path.with_steps(steps))
}

/// Which item of a list has this name.
fn position(name: &str, list: Option<&Value>) -> Result<usize, Diagnostic> {
    let items = match list {
        Some(Value::Array(items)) => items,
        Some(Value::Object(_)) => {
            let help = format!("for the key write `[\"{name}\"]`");
            return Err(wrong(format!("`[{name}]` is an item of a list, not a key")).with_help(help));
        }
        _ => return Err(wrong(format!("item `{name}` of a value that is not a list"))),
    };
    let names: Vec<&str> = items.iter().filter_map(|item| item.get("name")?.as_str()).collect();
    let found = items.iter().position(|item| item.get("name").and_then(Value::as_str) == Some(name));
    found.ok_or_else(|| {
        let help = match (nearest(name, names.iter().copied()), names.is_empty()) {
            (Some(near), _) => Some(format!("did you mean `[{near}]`?")),
            (None, true) => Some("its items have no names: write an index".to_owned()),
            (None, false) => {
                Some(format!("its items: {}", names.iter().take(10).copied().collect::<Vec<_>>().join(", ")))
            }
        };
        wrong(format!("no item `{name}` in a list with {}", count(items.len()))).with_help(help)
    })
}

/// The value at a step.
pub(super) fn child<'a>(parent: &'a mut Value, step: &Step) -> Result<&'a mut Value, Diagnostic> {
    if get(parent, step).is_none() {
        return Err(absent(parent, step));
    }
    Ok(match parent {
        Value::Object(_) => &mut parent[step.key().unwrap_or_default()],
        Value::Array(items) => {
            let index = step.index(items.len()).unwrap_or_default();
            &mut items[index]
        }
        other => other,
    })
}

/// The value at a step, if it is there.
fn get<'a>(parent: &'a Value, step: &Step) -> Option<&'a Value> {
    match parent {
        Value::Object(members) => members.get(step.key()?),
        Value::Array(items) => items.get(step.index(items.len())?),
        _ => None,
    }
}

/// The mistake that a mapping does not have a key.
pub(super) fn no_key(members: &Map<String, Value>, name: &str) -> Diagnostic {
    let near = nearest(name, members.keys().map(String::as_str));
    wrong(format!("no key `{name}`")).with_help(near.map(|near| format!("did you mean `{near}`?")))
}

/// Why there is no value at a step.
pub(super) fn absent(parent: &Value, step: &Step) -> Diagnostic {
    match (parent, step) {
        (Value::Object(members), Step::Key { name, .. } | Step::Token(name)) => no_key(members, name),
        (Value::Array(items), Step::End) => {
            wrong("`-` is the place behind the end of a list").with_help(last_index(items.len()))
        }
        (Value::Array(items), step) => match step.index(items.len()) {
            Some(index) if index == items.len() => {
                wrong("`-` is the place behind the end of a list").with_help(last_index(items.len()))
            }
            Some(index) => wrong(format!("index {index} is out of range of a list with {}", count(items.len())))
                .with_help(last_index(items.len())),
            None => wrong(format!("key `{}` of a list with {}", step.key().unwrap_or("-"), count(items.len())))
                .with_help("write an index in brackets: `containers[0]`".to_owned()),
        },
        (_, Step::Key { name, .. } | Step::Token(name)) => {
            wrong(format!("key `{name}` of a value that is not a mapping"))
        }
        (_, Step::Index(index)) => wrong(format!("index {index} of a value that is not a list")),
        (_, Step::Named(name)) => wrong(format!("item `{name}` of a value that is not a list")),
        (_, Step::End) => wrong("`-` of a value that is not a list"),
    }
}

fn count(items: usize) -> String {
    format!("{items} item{}", if items == 1 { "" } else { "s" })
}

fn last_index(items: usize) -> Option<String> {
    Some(format!("the last index is {}; `set` appends at `[-]`", items.checked_sub(1)?))
}
