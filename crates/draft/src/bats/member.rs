//! Members of the response and their values, as facts.

use serde_json::{Map, Value};

use super::fact::Fact;
use super::patch_text;
use super::pattern::Pattern;

/// The facts of a member of the response that is equal to a value.
pub(super) fn equal(path: &[&str], value: &Value) -> Option<Vec<Fact>> {
    Some(match (path, value) {
        (["uid"], _) => Vec::new(),
        (["allowed"], Value::Bool(allowed)) => vec![Fact::Allowed(*allowed)],
        (["allowed"], Value::String(text)) if matches!(text.as_str(), "true" | "false") => {
            vec![Fact::Allowed(text == "true")]
        }
        (["patch" | "patchType"], Value::Null) => vec![Fact::HasPatch(false)],
        (["patch"], Value::String(text)) if text.is_empty() => vec![Fact::HasPatch(false)],
        (["patchType"], Value::String(text)) if text == "JSONPatch" => vec![Fact::HasPatch(true)],
        (["patch"], Value::String(text)) => vec![Fact::Patch(patch_text::decoded(text)?)],
        (["status", "message"], Value::String(text)) if !text.is_empty() => vec![Fact::Message(exact(text), true)],
        (["status", "code"], Value::Number(code)) => vec![Fact::Code(code.as_u64()?)],
        (["status", "code"], Value::String(code)) => vec![Fact::Code(code.parse().ok()?)],
        (["status"], Value::Object(members)) => members_equal(path, members)?,
        (["warnings"], Value::Null) => vec![Fact::Warnings(Vec::new())],
        (["warnings"], Value::Array(texts)) => {
            vec![Fact::Warnings(texts.iter().map(|text| text.as_str().map(str::to_owned)).collect::<Option<_>>()?)]
        }
        (["auditAnnotations"], Value::Null) => vec![Fact::Annotations(Map::new())],
        (["auditAnnotations"], Value::Object(members)) => vec![Fact::Annotations(members.clone())],
        (["auditAnnotations", key], Value::String(text)) => vec![Fact::Annotation((*key).to_owned(), text.clone())],
        _ => return None,
    })
}

/// The facts of members of the response that are equal to values.
pub(super) fn members_equal(path: &[&str], members: &Map<String, Value>) -> Option<Vec<Fact>> {
    let mut facts = Vec::new();
    for (key, value) in members {
        let path: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
        facts.extend(equal(&path, value)?);
    }
    Some(facts)
}

/// The pattern of a whole text.
pub(super) fn exact(text: &str) -> Pattern {
    Pattern { starts: true, ends: true, ..Pattern::fixed(text) }
}
