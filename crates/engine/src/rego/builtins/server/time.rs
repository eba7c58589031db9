//! `time.now_ns`, and two that the server registers without `time.`: `date` and `parse_rfc3339_ns`.
//!
//! OPA compiles calls of `time.date` and `time.parse_rfc3339_ns` only under their full names, which the server does not
//! have, so that no module it compiles reaches the two.

use serde_json::Value;

use super::builtin::{Outcome, failed};
use crate::rego::builtins::environment::Environment;
use crate::rego::builtins::opa;
use crate::rego::value::Value as RegoValue;

/// The time the suite sets, in nanoseconds since 1970.
pub(crate) fn now_ns(environment: &Environment, _: &[Value]) -> Outcome {
    Ok(i64::try_from(environment.now.as_nanosecond()).ok().into())
}

pub(crate) fn date(environment: &Environment, arguments: &[Value]) -> Outcome {
    as_opa("time.date", opa::time::date, environment, arguments)
}

pub(crate) fn parse_rfc3339_ns(environment: &Environment, arguments: &[Value]) -> Outcome {
    as_opa("time.parse_rfc3339_ns", opa::time::parse_rfc3339_ns, environment, arguments)
}

/// The value OPA gives; what the server does where OPA's is undefined was not measured.
fn as_opa(name: &'static str, function: opa::Function, environment: &Environment, arguments: &[Value]) -> Outcome {
    let arguments: Vec<_> = arguments.iter().map(RegoValue::from).collect();
    let outcome = function(environment, &arguments).map_err(|error| failed(name, error.to_string()))?;
    match outcome {
        Some(value) => serde_json::from_str(&value.to_text()).map_err(|error| failed(name, error.to_string())),
        None => Err(failed(name, "undefined")),
    }
}
