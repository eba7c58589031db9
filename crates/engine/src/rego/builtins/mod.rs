//! The built-ins that the host evaluates: those policy-server offers, under the names it registers, each with the
//! result `opa eval` gives.
//!
//! All other built-ins are compiled into the module by `opa build`, or make the module unusable in the cluster.

mod builtin;
mod encoding;
mod glob;
mod json;
pub(super) mod quote;
mod regex;
mod semver;
mod sprintf;
mod time;
mod trace;
mod urlquery;
mod yaml;

use super::value::Value;
pub(super) use builtin::{Builtin, BuiltinError, Environment, Outcome};

/// All of them, sorted.
///
/// Two names are wrong: what OPA calls `time.date` and `time.parse_rfc3339_ns` the server registers without `time.`,
/// so that modules that need them are refused.
const BUILTINS: [Builtin; 23] = [
    Builtin { name: "base64url.encode_no_pad", arity: 1, evaluate: encoding::base64url_encode_no_pad },
    Builtin { name: "date", arity: 1, evaluate: time::date },
    Builtin { name: "glob.quote_meta", arity: 1, evaluate: glob::quote_meta },
    Builtin { name: "hex.decode", arity: 1, evaluate: encoding::hex_decode },
    Builtin { name: "hex.encode", arity: 1, evaluate: encoding::hex_encode },
    Builtin { name: "json.is_valid", arity: 1, evaluate: json::is_valid },
    Builtin { name: "json.patch", arity: 2, evaluate: json::patch },
    Builtin { name: "parse_rfc3339_ns", arity: 1, evaluate: time::parse_rfc3339_ns },
    Builtin { name: "regex.find_n", arity: 3, evaluate: regex::find_n },
    Builtin { name: "regex.split", arity: 2, evaluate: regex::split },
    Builtin { name: "regex.template_match", arity: 4, evaluate: regex::template_match },
    Builtin { name: "semver.compare", arity: 2, evaluate: semver::compare },
    Builtin { name: "semver.is_valid", arity: 1, evaluate: semver::is_valid },
    Builtin { name: "sprintf", arity: 2, evaluate: sprintf::sprintf },
    Builtin { name: "time.now_ns", arity: 0, evaluate: time::now_ns },
    Builtin { name: "trace", arity: 1, evaluate: trace::trace },
    Builtin { name: "urlquery.decode", arity: 1, evaluate: urlquery::decode },
    Builtin { name: "urlquery.decode_object", arity: 1, evaluate: urlquery::decode_object },
    Builtin { name: "urlquery.encode", arity: 1, evaluate: urlquery::encode },
    Builtin { name: "urlquery.encode_object", arity: 1, evaluate: urlquery::encode_object },
    Builtin { name: "yaml.is_valid", arity: 1, evaluate: yaml::is_valid },
    Builtin { name: "yaml.marshal", arity: 1, evaluate: yaml::marshal },
    Builtin { name: "yaml.unmarshal", arity: 1, evaluate: yaml::unmarshal },
];

/// The built-in of this name.
pub(super) fn find(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|builtin| builtin.name == name)
}

/// The names of all built-ins, sorted.
#[cfg(test)]
pub(super) fn names() -> Vec<&'static str> {
    BUILTINS.iter().map(|builtin| builtin.name).collect()
}

/// Evaluates a built-in.
pub(super) fn call(builtin: &Builtin, environment: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    if arguments.len() != builtin.arity {
        return Err(BuiltinError::Arity { expected: builtin.arity, given: arguments.len() });
    }
    (builtin.evaluate)(environment, arguments)
}
