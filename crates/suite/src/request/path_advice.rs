//! What a path that does not fit its document was most likely meant to be.
//!
//! `metadata/labels/owner`, `spec.containers.0.image` and `metadata.labels.app.kubernetes.io/name` are read anew: dots and
//! slashes separate steps, numbers are indices of lists, and a key below `labels` is whole.

use serde_json::Value;

use crate::fields::{Shape, Sort};
use crate::path::{self, Path, Step};

/// Advice with a path that can be pasted; nothing where no other reading of the text fits the document.
pub(crate) fn advice(text: &str, document: &Value, root: Shape) -> Option<String> {
    let steps = read(text, document, root)?;
    let is_pointer = text.starts_with('/');
    let path = Path::of(steps, is_pointer);
    let written = path.text();
    let is_same = Path::parse(text).is_ok_and(|parsed| match is_pointer {
        true => parsed.to_pointer() == path.to_pointer(),
        false => parsed.steps.iter().map(meaning).eq(path.steps.iter().map(meaning)),
    });
    match is_same {
        true => None,
        false if written.contains("[\"") => Some(format!("put a key with dots in quotes: `{written}`")),
        false => Some(format!("write `{written}`")),
    }
}

/// What a step is, whether it is in quotes or not.
fn meaning(step: &Step) -> (Option<&str>, Option<usize>) {
    (step.key(), step.index(usize::MAX))
}

/// A part of a path, and where it is in the text.
struct Part<'a> {
    text: &'a str,
    from: usize,
    to: usize,
}

/// The parts between dots, slashes and brackets.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut from = 0;
    let is_end = |letter: char| "./[]\"'".contains(letter);
    for (at, letter) in text.char_indices().chain([(text.len(), '.')]) {
        if is_end(letter) {
            if at > from {
                parts.push(Part { text: &text[from..at], from, to: at });
            }
            from = at + letter.len_utf8();
        }
    }
    parts
}

/// The steps of another reading of a path, which fits the document.
pub(crate) fn read(text: &str, document: &Value, root: Shape) -> Option<Vec<Step>> {
    let parts = parts(text);
    let (mut value, mut shape) = (Some(document), root);
    let mut steps = Vec::new();
    let mut next = 0;
    while next < parts.len() {
        shape = value.map_or(shape, |value| shape.of_value(value));
        if let Some(Value::Array(items)) = value {
            let step = index(parts[next].text)?;
            value = Some(items.get(step.index(items.len())?)?);
            (shape, next) = (shape.item(), next + 1);
            steps.push(step);
            continue;
        }
        let (name, behind) = key(text, &parts, next, value, shape)?;
        shape = shape.member(&name)?;
        value = value.and_then(|value| value.get(&name));
        steps.push(Step::Key { name, is_quoted: false });
        next = behind;
    }
    (!steps.is_empty()).then_some(steps)
}

fn index(text: &str) -> Option<Step> {
    if text == "-" { Some(Step::End) } else { text.parse().ok().map(Step::Index) }
}

/// The key that begins with a part, and the first part behind it: all of the rest where values are texts, else the longest
/// one that is there, else the part alone.
fn key(text: &str, parts: &[Part<'_>], first: usize, value: Option<&Value>, shape: Shape) -> Option<(String, usize)> {
    let members = match value {
        None | Some(Value::Null) => None,
        Some(Value::Object(members)) => Some(members),
        Some(_) => return None,
    };
    let until = |last: usize| unescaped(&text[parts[first].from..parts[last].to]);
    if shape.sort() == Sort::Map && shape.member("").is_some_and(|shape| shape.sort() == Sort::Scalar) {
        return Some((until(parts.len() - 1), parts.len()));
    }
    let mut known = (first..parts.len()).rev().map(|last| (until(last), last + 1));
    let known = known.find(|(name, _)| members.is_some_and(|members| members.contains_key(name)));
    Some(known.unwrap_or_else(|| (until(first), first + 1)))
}

fn unescaped(text: &str) -> String {
    path::unescape(text).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_that_can_be_pasted_is_found() {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "labels": { "owner": "a" }, "annotations": {} },
            "spec": { "containers": [{ "name": "web" }] },
        });
        for (text, advice) in [
            ("metadata/labels/owner", Some("write `metadata.labels.owner`")),
            ("metadata.labels/owner", Some("write `metadata.labels.owner`")),
            ("/metadata.labels.owner", Some("write `/metadata/labels/owner`")),
            ("spec.containers.0.image", Some("write `spec.containers[0].image`")),
            ("spec/containers/0/image", Some("write `spec.containers[0].image`")),
            (
                "metadata.labels.app.kubernetes.io/name",
                Some("put a key with dots in quotes: `metadata.labels[\"app.kubernetes.io/name\"]`"),
            ),
            (
                "metadata/annotations/example.com/owner",
                Some("put a key with dots in quotes: `metadata.annotations[\"example.com/owner\"]`"),
            ),
            ("/metadata/annotations/example.com/owner", Some("write `/metadata/annotations/example.com~1owner`")),
            (
                "spec.nodeSelector.kubernetes.io/arch",
                Some("put a key with dots in quotes: `spec.nodeSelector[\"kubernetes.io/arch\"]`"),
            ),
            ("metadata.labels.owner", None),
            ("metadata.labels[\"a.b\"]", None),
            ("/metadata/labels/a.b", None),
            ("/spec/containers/0/name", None),
            ("metadata.label", None),
            ("spec/container/0", None),
        ] {
            assert_eq!(super::advice(text, &pod, Shape::ANY).as_deref(), advice, "{text}");
        }
        let raw = json!({ "user": "tonio" });
        assert_eq!(advice("a/b", &raw, Shape::RAW).as_deref(), Some("write `a.b`"));
    }
}
