//! Patterns over a decoded patch, and patches in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::fact::Fact;
use super::pattern::{Pattern, Piece};

/// The operations of a patch in base64.
pub(super) fn decoded(text: &str) -> Option<Vec<Value>> {
    let bytes = STANDARD.decode(text).ok()?;
    match serde_json::from_slice(&bytes).ok()? {
        Value::Array(operations) if !operations.is_empty() => Some(operations),
        _ => None,
    }
}

/// The facts that hold if the decoded patch matches.
pub(super) fn facts(pattern: &Pattern) -> Vec<Fact> {
    let (mut facts, mut fragment) = (vec![Fact::HasPatch(true)], Map::new());
    for piece in &pattern.pieces {
        match piece {
            Piece::Any => {}
            Piece::Text(text) if text_facts(text, &mut facts, &mut fragment).is_some() => {}
            _ => return vec![Fact::HasPatch(true), Fact::Unexpressed(format!("patch =~ {}", pattern.shown()))],
        }
    }
    if !fragment.is_empty() {
        facts.push(Fact::Operation(None, fragment));
    }
    facts
}

/// A whole patch, whole operations, or members of one.
fn text_facts(text: &str, facts: &mut Vec<Fact>, fragment: &mut Map<String, Value>) -> Option<()> {
    let text = text.trim().trim_matches(',');
    if text.trim_matches(['[', ']', '{', '}', ' ']).is_empty() {
        return Some(());
    }
    if let Ok(Value::Array(operations)) = serde_json::from_str(text) {
        facts.push(Fact::Patch(operations));
        return Some(());
    }
    let inside = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(Value::Array(operations)) = serde_json::from_str(&format!("[{inside}]")) {
        for operation in operations {
            facts.push(Fact::Operation(None, operation.as_object()?.clone()));
        }
        return Some(());
    }
    let members = inside.trim_start_matches('{');
    let closed =
        [format!("{{{members}}}"), format!("{{{members}")].iter().find_map(|it| serde_json::from_str(it).ok())?;
    let Value::Object(members) = closed else { return None };
    for (key, value) in members {
        let is_known = matches!(key.as_str(), "op" | "path" | "value" | "from");
        if !is_known || fragment.insert(key, value).is_some() {
            return None;
        }
    }
    Some(())
}
