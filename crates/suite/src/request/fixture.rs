//! `set` and `unset`: how a case differs from its fixture.

use serde_json::Value;

use crate::mistake::{Mistakes, nearest};
use crate::schema::{Data, Named};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::source::Spanned;

/// One step of a path into an object.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// Applies the changes of a case to `document`.
pub(crate) fn change(document: &mut Value, set: &Named<Data>, unset: &[Spanned<String>], mistakes: &mut Mistakes) {
    for path in unset {
        apply(path, mistakes, |steps| remove(document, steps));
    }
    for (path, value) in &set.0 {
        apply(path, mistakes, |steps| insert(document, steps, value.0.to_json()));
    }
}

fn apply(path: &Spanned<String>, mistakes: &mut Mistakes, change: impl FnOnce(&[Step]) -> Result<(), Diagnostic>) {
    if let Err(mistake) = parse(&path.value).and_then(|steps| change(&steps)) {
        let help = key_with_dots(&path.value).or(mistake.help.clone());
        let message = format!("invalid path `{}`: {}", path.value, mistake.message);
        mistakes.push(Diagnostic { message, help, ..mistake }.at(&path.span));
    }
}

/// Advice about `metadata.labels.app.kubernetes.io/name`: only a key that was meant as a whole has a slash behind dots.
fn key_with_dots(path: &str) -> Option<String> {
    let (parents, key) = ["metadata.labels", "metadata.annotations"]
        .iter()
        .find_map(|place| path.find(&format!("{place}.")).map(|at| path.split_at(at + place.len())))?;
    let key = key.strip_prefix('.').filter(|key| key.contains('.') && !key.contains('['))?;
    Some(format!("put a key with dots in quotes: `{parents}[\"{key}\"]`"))
}

/// Why a path does not fit the document; [`apply`] adds the path and its place.
fn wrong(message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Code::Mistake, message)
}

/// Reads `spec.containers[0].image` and `metadata.labels["app.kubernetes.io/name"]`.
fn parse(text: &str) -> Result<Vec<Step>, Diagnostic> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (step, behind) = parse_bracket(inside)?;
            steps.push(step);
            rest = behind.strip_prefix('.').unwrap_or(behind);
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            if end == 0 {
                return Err(wrong("it has an empty step"));
            }
            steps.push(Step::Key(rest[..end].to_owned()));
            rest = rest[end..].strip_prefix('.').unwrap_or(&rest[end..]);
        }
    }
    if steps.is_empty() || text.ends_with('.') {
        return Err(wrong("it has an empty step"));
    }
    Ok(steps)
}

fn parse_bracket(inside: &str) -> Result<(Step, &str), Diagnostic> {
    if let Some(quote) = inside.chars().next().filter(|letter| ['"', '\''].contains(letter)) {
        let (key, behind) = inside[1..].split_once(quote).ok_or_else(|| wrong("a closing quote is missing"))?;
        let behind = behind.strip_prefix(']').ok_or_else(|| wrong("`]` is missing"))?;
        return Ok((Step::Key(key.to_owned()), behind));
    }
    let (index, behind) = inside.split_once(']').ok_or_else(|| wrong("`]` is missing"))?;
    let index = index.parse().map_err(|_| {
        wrong(format!("`[{index}]` is neither an index nor a key in quotes"))
            .with_help(format!("write `[0]` or `[\"{index}\"]`"))
    })?;
    Ok((Step::Index(index), behind))
}

fn remove(document: &mut Value, steps: &[Step]) -> Result<(), Diagnostic> {
    let (last, parents) = steps.split_last().expect("a parsed path has a step");
    let parent = descend(document, parents)?;
    match (parent, last) {
        (Value::Object(members), Step::Key(key)) if members.contains_key(key) => {
            members.remove(key);
            Ok(())
        }
        (Value::Array(items), Step::Index(index)) if *index < items.len() => {
            items.remove(*index);
            Ok(())
        }
        (parent, last) => Err(absent(parent, last)),
    }
}

/// Only the last step may be new: for a list that is the index just behind its end.
fn insert(document: &mut Value, steps: &[Step], value: Value) -> Result<(), Diagnostic> {
    let (last, parents) = steps.split_last().expect("a parsed path has a step");
    let parent = descend(document, parents).map_err(|mistake| {
        let help = mistake.help.clone();
        mistake
            .with_help(help.or_else(|| Some("set the parent to a mapping first: only the last step can be new".into())))
    })?;
    match (parent, last) {
        (Value::Object(members), Step::Key(key)) => {
            members.insert(key.clone(), value);
            Ok(())
        }
        (Value::Array(items), Step::Index(index)) if *index < items.len() => {
            items[*index] = value;
            Ok(())
        }
        (Value::Array(items), Step::Index(index)) if *index == items.len() => {
            items.push(value);
            Ok(())
        }
        (parent, last) => Err(absent(parent, last)),
    }
}

fn descend<'a>(document: &'a mut Value, steps: &[Step]) -> Result<&'a mut Value, Diagnostic> {
    let mut place = document;
    for step in steps {
        let is_there = match step {
            Step::Key(key) => place.get(key.as_str()).is_some(),
            Step::Index(index) => place.get(*index).is_some(),
        };
        if !is_there {
            return Err(absent(place, step));
        }
        place = match step {
            Step::Key(key) => &mut place[key.as_str()],
            Step::Index(index) => &mut place[*index],
        };
    }
    Ok(place)
}

fn absent(parent: &Value, step: &Step) -> Diagnostic {
    match (parent, step) {
        (Value::Object(members), Step::Key(key)) => {
            let near = nearest(key, members.keys().map(String::as_str));
            wrong(format!("no key `{key}`")).with_help(near.map(|near| format!("did you mean `{near}`?")))
        }
        (Value::Array(items), Step::Key(key)) => wrong(format!("key `{key}` of a list with {} items", items.len()))
            .with_help("write an index in brackets: `containers[0]`".to_owned()),
        (Value::Array(items), Step::Index(index)) => {
            wrong(format!("index {index} is out of range of a list with {} items", items.len()))
        }
        (_, Step::Key(key)) => wrong(format!("key `{key}` of a value that is not a mapping")),
        (_, Step::Index(index)) => wrong(format!("index {index} of a value that is not a list")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_are_read_into_steps() {
        let key = |name: &str| Step::Key(name.into());
        for (text, steps) in [
            ("a", vec![key("a")]),
            ("spec.containers[0].image", vec![key("spec"), key("containers"), Step::Index(0), key("image")]),
            (
                "metadata.labels[\"app.kubernetes.io/name\"]",
                vec![key("metadata"), key("labels"), key("app.kubernetes.io/name")],
            ),
            ("['a'][1]", vec![key("a"), Step::Index(1)]),
        ] {
            assert_eq!(parse(text).unwrap(), steps, "{text}");
        }
        for text in ["", ".a", "a..b", "a.", "a[", "a[x]", "a[\"x]", "a[\"x\""] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_with_dots_are_recognised() {
        let help = "put a key with dots in quotes: `metadata.labels[\"app.kubernetes.io/name\"]`";
        assert_eq!(key_with_dots("metadata.labels.app.kubernetes.io/name").as_deref(), Some(help));
        for path in ["metadata.labels.owner", "metadata.labels[\"a.b\"]", "spec.containers.0.image"] {
            assert_eq!(key_with_dots(path), None, "{path}");
        }
    }

    #[test]
    fn only_the_last_step_may_be_new() {
        let document = json!({"a": {"b": [1]}});
        let after = |text: &str, value: Option<Value>| {
            let mut copy = document.clone();
            let steps = parse(text).unwrap();
            let result = match value {
                Some(value) => insert(&mut copy, &steps, value),
                None => remove(&mut copy, &steps),
            };
            result.map(|()| copy).map_err(|mistake| mistake.message)
        };
        assert_eq!(after("a.c", Some(json!(2))), Ok(json!({"a": {"b": [1], "c": 2}})));
        assert_eq!(after("a.b[1]", Some(json!(2))), Ok(json!({"a": {"b": [1, 2]}})));
        assert_eq!(after("a.b[0]", None), Ok(json!({"a": {"b": []}})));
        assert!(after("a.c.d", Some(json!(2))).is_err());
        assert!(after("a.b[3]", Some(json!(2))).is_err());
        assert!(after("a.c", None).is_err());
        assert!(after("a.b.c", None).is_err());
    }
}
