//! `glob.quote_meta`, which is OPA's.

use serde_json::Value;

use super::builtin::{Outcome, text};
use crate::rego::builtins::environment::Environment;
use crate::rego::builtins::opa;

pub(crate) fn quote_meta(_: &Environment, arguments: &[Value]) -> Outcome {
    text("glob.quote_meta", arguments, 0).map(|text| opa::glob::quoted(text).into())
}
