//! The value of `--var`.

use policy_verify::model::diagnostic::Diagnostic;

use super::super::problem::usage;

/// Reads `NAME=VALUE`.
pub(super) fn variable(text: &str) -> Result<(String, String), Diagnostic> {
    let (name, value) = text.split_once('=').ok_or_else(|| usage("expected NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}
