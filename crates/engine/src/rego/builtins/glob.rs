//! `glob.quote_meta`; matching itself is compiled into the module.

use super::builtin::{BuiltinError, Environment, Outcome, text};
use crate::rego::value::Value;

/// Characters that mean something in a glob.
const SPECIAL: &str = "\\*?[]{}";

pub(super) fn quote_meta(_: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    let mut quoted = String::new();
    for c in text(arguments, 0)?.chars() {
        if SPECIAL.contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    Ok(Value::text(quoted).into())
}
