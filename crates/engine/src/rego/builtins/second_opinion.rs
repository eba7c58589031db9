//! What OPA gives for a call whose value or error in policy-server is another one: `opa test` passes, and the cluster
//! judges differently.

use serde_json::Value as Json;

use super::environment::Environment;
use super::server::BuiltinError;
use super::table::Builtin;
use crate::rego::value::Value;

/// Characters of a value that are quoted.
const QUOTED: usize = 120;

/// How OPA's value of a call differs from the server's, as a sentence; none when it does not.
///
/// `trace` has no second opinion: the server gives null and OPA true, and both count as true.
pub(crate) fn second_opinion(
    builtin: &Builtin,
    environment: &Environment,
    arguments: &[Value],
    server: Result<&Json, &BuiltinError>,
) -> Option<String> {
    if builtin.name == "trace" || server.is_err_and(|error| matches!(error, BuiltinError::Exceeded(_))) {
        return None;
    }
    // The verdict must not depend on what a remark takes.
    let environment = Environment { budget: environment.budget.beside(), ..*environment };
    let opa = builtin.opa(&environment, arguments).ok()?;
    if let (Ok(server), Some(opa)) = (server, &opa)
        && opa.equals(&Value::from(server))
    {
        return None;
    }
    let given = |value: &str| format!("gives {}", quoted(value));
    let server = server.map_or_else(|_| "fails".into(), |value| given(&value.to_string()));
    let opa = opa.map_or_else(|| "gives no value (undefined)".into(), |value| given(&value.to_text()));
    Some(format!("policy-server's `{}` {server}, OPA's {opa}", builtin.name))
}

/// The beginning of a value, between backticks.
fn quoted(value: &str) -> String {
    match value.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("`{}…`", &value[..end]),
        None => format!("`{value}`"),
    }
}
