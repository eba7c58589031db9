//! The built-ins that the host evaluates: those policy-server offers, under the names it registers, each with the
//! result `opa eval` gives.
//!
//! Everything else is compiled into the module by `opa build`, or makes the module unusable in the cluster.

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

/// What a built-in may know beside its arguments.
pub(super) struct Surroundings {
    /// The date and time the policy sees.
    pub(super) now: jiff::Timestamp,
}

/// What came of a built-in.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outcome {
    /// Its value; none when it is undefined.
    pub(super) value: Option<Value>,
    /// Lines for the log.
    pub(super) log: Vec<String>,
}

impl From<Value> for Outcome {
    fn from(value: Value) -> Self {
        Self { value: Some(value), log: Vec::new() }
    }
}

/// A built-in.
pub(super) struct Builtin {
    pub(super) name: &'static str,
    arity: usize,
    evaluate: fn(&Surroundings, &[Value]) -> Result<Outcome, String>,
}

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
pub(super) fn call(builtin: &Builtin, surroundings: &Surroundings, arguments: &[Value]) -> Result<Outcome, String> {
    if arguments.len() != builtin.arity {
        return Err(format!("it takes {} arguments and was given {}", builtin.arity, arguments.len()));
    }
    (builtin.evaluate)(surroundings, arguments)
}

/// An argument that has to be a text.
fn text(arguments: &[Value], index: usize) -> Result<&str, String> {
    match arguments.get(index) {
        Some(Value::Text(text)) => Ok(text),
        other => Err(unfit(index, "string", other)),
    }
}

fn unfit(index: usize, wanted: &str, value: Option<&Value>) -> String {
    let got = match value {
        None => "nothing",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Number(_)) => "number",
        Some(Value::Text(_)) => "string",
        Some(Value::Array(_)) => "array",
        Some(Value::Set(_)) => "set",
        Some(Value::Object(_)) => "object",
    };
    format!("operand {} must be {wanted} but got {got}", index + 1)
}

fn truth(value: bool) -> Result<Outcome, String> {
    Ok(Value::Bool(value).into())
}

/// Bytes as text the way Go shows them: each wrong byte is replaced.
fn go_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}
