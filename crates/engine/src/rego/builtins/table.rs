//! The list of the built-ins, and how one is called.

use serde_json::Value as Json;

use super::environment::Environment;
use super::{caught, opa, server};
use crate::rego::value::Value;

/// A built-in.
pub(crate) struct Builtin {
    pub(crate) name: &'static str,
    arity: usize,
    server: server::Function,
    opa: opa::Function,
}

macro_rules! builtin {
    ($name:literal, $arity:literal, $module:ident::$function:ident) => {
        Builtin { name: $name, arity: $arity, server: server::$module::$function, opa: opa::$module::$function }
    };
}

impl Builtin {
    /// The value OPA gives; none when it is undefined, for OPA or because of an error.
    ///
    /// # Errors
    ///
    /// The value is not known: it would be too large, or take too long.
    pub(crate) fn opa(
        &self,
        environment: &Environment,
        arguments: &[Value],
    ) -> Result<Option<Value>, opa::BuiltinError> {
        if arguments.len() != self.arity {
            return Ok(None);
        }
        match (self.opa)(environment, arguments) {
            Err(error) if error.is_limit() => Err(error),
            outcome => Ok(outcome.ok().flatten()),
        }
    }
}

/// All of them, sorted.
///
/// Two names are wrong: what OPA calls `time.date` and `time.parse_rfc3339_ns` the server registers without `time.`,
/// so that modules that need them are refused.
const BUILTINS: [Builtin; 23] = [
    builtin!("base64url.encode_no_pad", 1, encoding::base64url_encode_no_pad),
    builtin!("date", 1, time::date),
    builtin!("glob.quote_meta", 1, glob::quote_meta),
    builtin!("hex.decode", 1, encoding::hex_decode),
    builtin!("hex.encode", 1, encoding::hex_encode),
    builtin!("json.is_valid", 1, json::is_valid),
    builtin!("json.patch", 2, json::patch),
    builtin!("parse_rfc3339_ns", 1, time::parse_rfc3339_ns),
    builtin!("regex.find_n", 3, regex::find_n),
    builtin!("regex.split", 2, regex::split),
    builtin!("regex.template_match", 4, regex::template_match),
    builtin!("semver.compare", 2, semver::compare),
    builtin!("semver.is_valid", 1, semver::is_valid),
    builtin!("sprintf", 2, sprintf::sprintf),
    builtin!("time.now_ns", 0, time::now_ns),
    builtin!("trace", 1, trace::trace),
    builtin!("urlquery.decode", 1, urlquery::decode),
    builtin!("urlquery.decode_object", 1, urlquery::decode_object),
    builtin!("urlquery.encode", 1, urlquery::encode),
    builtin!("urlquery.encode_object", 1, urlquery::encode_object),
    builtin!("yaml.is_valid", 1, yaml::is_valid),
    builtin!("yaml.marshal", 1, yaml::marshal),
    builtin!("yaml.unmarshal", 1, yaml::unmarshal),
];

/// The built-in of this name.
pub(crate) fn find(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|builtin| builtin.name == name)
}

/// The names of all built-ins, sorted.
#[cfg(test)]
pub(crate) fn names() -> Vec<&'static str> {
    BUILTINS.iter().map(|builtin| builtin.name).collect()
}

/// Evaluates a built-in as the server does.
pub(crate) fn call(
    builtin: &Builtin,
    environment: &Environment,
    arguments: &[Json],
) -> Result<Json, server::BuiltinError> {
    if arguments.len() != builtin.arity {
        let message = "wrong number of arguments".into();
        return Err(server::BuiltinError::Failed { name: builtin.name, message });
    }
    caught::caught(|| (builtin.server)(environment, arguments)).unwrap_or_else(|panic| Err(panic.into()))
}
