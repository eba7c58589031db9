//! `yaml.is_valid`, `yaml.marshal`, `yaml.unmarshal`: YAML 1.2 as the crate `serde_yaml` reads and writes it.

use serde_json::Value;

use super::builtin::{Outcome, failed, text};
use super::urlquery::sorted;
use crate::rego::builtins::environment::Environment;

pub(crate) fn is_valid(_: &Environment, arguments: &[Value]) -> Outcome {
    Ok(serde_yaml::from_str::<serde_yaml::Value>(text("yaml.is_valid", arguments, 0)?).is_ok().into())
}

pub(crate) fn unmarshal(_: &Environment, arguments: &[Value]) -> Outcome {
    const NAME: &str = "yaml.unmarshal";
    serde_yaml::from_str(text(NAME, arguments, 0)?)
        .map_err(|error| failed(NAME, format!("cannot convert input object to json - {error:?}")))
}

pub(crate) fn marshal(_: &Environment, arguments: &[Value]) -> Outcome {
    const NAME: &str = "yaml.marshal";
    let value = in_order(arguments.first().unwrap_or(&Value::Null));
    let text = serde_yaml::to_string(&value).map_err(|error| failed(NAME, format!("marshal error - {error:?}")))?;
    Ok(text.into())
}

/// The value with its members in the order of their names.
fn in_order(value: &Value) -> serde_yaml::Value {
    match value {
        Value::Null => serde_yaml::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => serde_yaml::to_value(number).unwrap_or_default(),
        Value::String(text) => text.clone().into(),
        Value::Array(values) => values.iter().map(in_order).collect(),
        Value::Object(members) => {
            let members = sorted(members).into_iter();
            serde_yaml::Value::Mapping(members.map(|(name, value)| (name.clone().into(), in_order(value))).collect())
        }
    }
}
