//! Whether a changed text is what it was, but for its expectations.

use std::sync::Arc;

use policy_verify_model::source::SourceFile;
use serde_json::Value;

use super::change::Obstacle;
use crate::file_limit::FileLimit;
use crate::yaml;

/// Reads both texts. In a suite, only expectations, rows of tables and places for anchors may differ.
pub(super) fn check(before: &Arc<SourceFile>, after: &str, is_suite: bool) -> Result<(), Obstacle> {
    let after = Arc::new(SourceFile { path: before.path.clone(), text: after.to_owned() });
    let (old, new) = (documents(before).ok_or(Obstacle::Lost)?, documents(&after).ok_or(Obstacle::Shared)?);
    if old.len() != new.len() {
        return Err(Obstacle::Shared);
    }
    let is_same = |(old, new): (&Value, &Value)| !is_suite || is_same_suite(old, new);
    if old.iter().zip(&new).all(is_same) { Ok(()) } else { Err(Obstacle::Shared) }
}

pub(super) fn documents(file: &Arc<SourceFile>) -> Option<Vec<Value>> {
    let nodes = yaml::parse_documents(file, FileLimit::default()).ok()?;
    Some(nodes.iter().map(yaml::Node::to_json).collect())
}

fn is_same_suite(old: &Value, new: &Value) -> bool {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else { return false };
    let is_same = |(key, value): (&String, &Value)| match (key.as_str(), new.get(key)) {
        (key, Some(_)) if key.starts_with("x-") => true,
        ("cases" | "settingsCases", Some(new)) => are_same_cases(value, new),
        (_, other) => other == Some(value),
    };
    old.len() == new.len() && old.iter().all(is_same)
}

fn are_same_cases(old: &Value, new: &Value) -> bool {
    let (Some(old), Some(new)) = (old.as_array(), new.as_array()) else { return old == new };
    let is_same = |(old, new): (&Value, &Value)| {
        let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else { return old == new };
        old.len() == new.len()
            && old.iter().all(|(key, value)| match (key.as_str(), new.get(key)) {
                ("expect", Some(_)) => true,
                ("each", Some(new)) => are_same_rows(value, new),
                (_, other) => other == Some(value),
            })
    };
    old.len() == new.len() && old.iter().zip(new).all(is_same)
}

/// The values of rows may change, but not their names and number.
fn are_same_rows(old: &Value, new: &Value) -> bool {
    let (Some(old), Some(new)) = (old.as_array(), new.as_array()) else { return old == new };
    let has_same_names = |(old, new): (&Value, &Value)| match (old.as_object(), new.as_object()) {
        (Some(old), Some(new)) => old.keys().eq(new.keys()),
        _ => old == new,
    };
    old.len() == new.len() && old.iter().zip(new).all(has_same_names)
}
