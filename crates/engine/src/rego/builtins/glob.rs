//! `glob.quote_meta`; matching itself is compiled into the module.

use super::super::value::Value;
use super::{Outcome, Surroundings, text};

/// Characters that mean something in a glob.
const SPECIAL: &str = "\\*?[]{}";

pub(super) fn quote_meta(_: &Surroundings, arguments: &[Value]) -> Result<Outcome, String> {
    let mut quoted = String::new();
    for c in text(arguments, 0)?.chars() {
        if SPECIAL.contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    Ok(Value::text(quoted).into())
}
