//! `merge`: a JSON merge patch (RFC 7396). Mappings are merged, other values replace, and null removes.
//!
//! What would change nothing, or replace a list by a mapping, is a mistake.

use serde_json::{Map, Value};

use super::field;
use super::path_advice;
use super::place::no_key;
use crate::fields::Shape;
use crate::mistake::{Mistakes, mistake};
use crate::path::{Path, Step, escape};
use crate::yaml::{Content, Key, Node};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::written_object::WrittenChange;

/// Merges `patch` into a document.
pub(crate) fn merge(document: &mut Value, root: Shape, patch: &Node, mistakes: &mut Mistakes) {
    match (&patch.content, document) {
        (Content::Map(entries), document @ Value::Object(_)) => {
            for (key, _) in entries.iter().filter(|(key, _)| is_path(&key.name, document)) {
                mistakes.push(path_as_key(key, document, root));
            }
            let shape = root.of_value(document);
            if let Value::Object(members) = document {
                let entries =
                    entries.iter().filter(|(key, _)| members.contains_key(&key.name) || !has_steps(&key.name));
                members_of(members, shape, &entries.cloned().collect::<Vec<_>>(), mistakes);
            }
        }
        (Content::Unknown, _) => {}
        (Content::Map(_), _) => mistakes.add(&patch.span, "`merge` needs a document that is a mapping"),
        _ => {
            let message = format!("`merge` needs a mapping, found {}", patch.description());
            mistakes.add_coded(Code::WrongType, &patch.span, message);
        }
    }
}

/// Adds where the values of a patch are written, which begins at this pointer.
pub(crate) fn add_places(patch: &Node, at: String, written: &mut Vec<WrittenChange>) {
    for (key, value) in patch.entries() {
        let at = format!("{at}/{}", escape(&key.name));
        match value.entries() {
            [] => written.push(WrittenChange { at, span: key.span.clone(), value: Some(value.span.clone()) }),
            _ => add_places(value, at, written),
        }
    }
}

fn has_steps(key: &str) -> bool {
    key.contains(['.', '/', '['])
}

/// Whether a key of the patch is a path: no Kubernetes object has such a key at its root.
fn is_path(key: &str, document: &Value) -> bool {
    has_steps(key) && document.get(key).is_none()
}

fn path_as_key(key: &Key, document: &Value, root: Shape) -> Diagnostic {
    let path = path_advice::read(&key.name, document, root);
    let path = path.or_else(|| Path::parse(&key.name).ok().map(|path| path.steps));
    let nested = path.and_then(|steps| field::nested(&steps, "…"));
    let message = format!("`{}` is a path: `merge` needs nested keys", key.name);
    mistake(&key.span, message).with_help(nested.map(|nested| format!("write `merge: {nested}`")))
}

fn members_of(members: &mut Map<String, Value>, shape: Shape, entries: &[(Key, Node)], mistakes: &mut Mistakes) {
    for (key, value) in entries {
        if let Err(mistake) = member(members, shape, key, value, mistakes) {
            let message = format!("invalid `merge`: {}", mistake.message);
            mistakes.push(Diagnostic { message, ..mistake }.at(&key.span));
        }
    }
}

fn member(
    members: &mut Map<String, Value>,
    shape: Shape,
    key: &Key,
    value: &Node,
    mistakes: &mut Mistakes,
) -> Result<(), Diagnostic> {
    let name = &key.name;
    let step = Step::Token(name.clone());
    let inner = shape.member(name).unwrap_or(Shape::ANY);
    match (&value.content, members.get_mut(name)) {
        (Content::Unknown, _) => Ok(()),
        (Content::Null, Some(_)) => {
            members.remove(name);
            Ok(())
        }
        (Content::Null, None) => Err(no_key(members, name)),
        (Content::Map(entries), Some(Value::Object(inside))) => {
            let inner = inner.of_object(inside);
            members_of(inside, inner, entries, mistakes);
            Ok(())
        }
        (Content::Map(entries), None | Some(Value::Null)) => {
            if !members.contains_key(name) {
                field::check_new(members, shape, &step)?;
            }
            let mut inside = Map::new();
            members_of(&mut inside, inner, entries, mistakes);
            members.insert(name.clone(), inside.into());
            Ok(())
        }
        (Content::Map(_), Some(other)) => Err(not_a_mapping(name, other)),
        (_, existing) => {
            if existing.is_none() {
                field::check_new(members, shape, &step)?;
                if let Some(near) = field::resembled(members, shape, &step).map(str::to_owned) {
                    field::warn_of_resemblance(&key.span, name, &near, mistakes);
                }
            }
            field::check_value(value, inner, mistakes);
            members.insert(name.clone(), value.to_json());
            Ok(())
        }
    }
}

fn not_a_mapping(name: &str, existing: &Value) -> Diagnostic {
    let found = match existing {
        Value::Array(_) => "a list",
        _ => "no mapping",
    };
    let help = match existing {
        Value::Array(_) => format!("write `set: {{ '….{name}[0].…': … }}` to change an item"),
        _ => format!("write `set: {{ ….{name}: … }}` to replace it"),
    };
    Diagnostic::new(Code::WrongType, format!("`{name}` is {found}")).with_help(help)
}
