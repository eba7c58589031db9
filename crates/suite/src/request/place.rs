//! The values at the steps of a path, and why there is none.

use serde_json::{Map, Value};

use crate::mistake::nearest;
use crate::path::{Step, wrong};
use policy_verify_model::diagnostic::Diagnostic;

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
        (_, Step::End) => wrong("`-` of a value that is not a list"),
    }
}

fn count(items: usize) -> String {
    format!("{items} item{}", if items == 1 { "" } else { "s" })
}

fn last_index(items: usize) -> Option<String> {
    Some(format!("the last index is {}; `set` appends at `[-]`", items.checked_sub(1)?))
}
