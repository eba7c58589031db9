//! `metadata.yml`.

use policy_verify::fuzzing::{annotate, inspect};
use policy_verify_model::diagnostic::Diagnostic;

use super::checks;

/// The smallest module.
pub(crate) const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

/// Metadata that is attached to a module is found in it, and attaching it as it was found gives the same module; a mistake
/// has a place.
pub fn metadata(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let annotated = match annotate(EMPTY, &text) {
        Ok(annotated) => annotated,
        Err(problems) => {
            assert!(!problems.is_empty());
            return problems.into_iter().map(Diagnostic::from).for_each(|it| checks::mistake(&it));
        }
    };
    let inspection = inspect(&annotated).unwrap_or_else(|error| panic!("{error:?}"));
    let found = inspection.metadata.expect("it was attached");
    let json = serde_json::to_string(&found).expect("metadata is JSON");
    let again = annotate(EMPTY, &json).unwrap_or_else(|problems| panic!("{json}: {problems:?}"));
    assert_eq!(again, annotated, "{json}");
}
