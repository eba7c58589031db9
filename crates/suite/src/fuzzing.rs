//! Paths into documents, for the fuzz targets: suites reach them only through a whole case. No part of the interface; it
//! may change at any time.

use std::sync::Arc;

use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::source::SourceFile;
use serde_json::{Value, json};

use super::fields::Shape;
use super::mistake::Mistakes;
use super::path::Path;
use super::read::read;
use super::request::fixture::change;
use super::schema::CaseEntry;
use super::yaml;

/// A path in both forms: as it was written, and as a JSON pointer.
///
/// # Errors
///
/// Why it is invalid.
pub fn path(text: &str) -> Result<(String, String), Diagnostic> {
    let path = Path::parse(text)?;
    Ok((path.text(), path.to_pointer()))
}

/// A document with one value `set`, or, without a value, with the path `unset`.
///
/// # Errors
///
/// The mistakes of the case.
pub fn changed(mut document: Value, path: &str, value: Option<&Value>) -> Result<Value, Vec<Diagnostic>> {
    let change_of = match value {
        Some(value) => json!({ "set": { path: value } }),
        None => json!({ "unset": [path] }),
    };
    let mut case = json!({ "name": "n", "object": "x", "expect": "allow" });
    case.as_object_mut().into_iter().zip(change_of.as_object().cloned()).for_each(|(case, change)| case.extend(change));
    let file = Arc::new(SourceFile { path: "suite.yml".into(), text: case.to_string() });
    let node = yaml::parse(&file).map_err(|mistake| vec![mistake])?;
    let mut mistakes = Mistakes::default();
    if let Some(case) = read::<CaseEntry>(&node, &mut mistakes) {
        change(&mut document, Shape::ANY, &case, &mut mistakes);
    }
    if mistakes.is_empty() { Ok(document) } else { Err(mistakes.into_sorted()) }
}
