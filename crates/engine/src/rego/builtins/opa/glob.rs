//! `glob.quote_meta`; matching itself is compiled into the module.

use super::builtin::{BuiltinError, Environment, Outcome, text};
use crate::rego::value::Value;

/// Characters that mean something in a glob.
const SPECIAL: &str = "\\*?[]{}";

pub(crate) fn quote_meta(_: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    Ok(Some(Value::text(quoted(text(arguments, 0)?))))
}

/// The text with `\` before each special character.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for c in text.chars() {
        if SPECIAL.contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}
