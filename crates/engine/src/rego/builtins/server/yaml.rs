//! `yaml.is_valid`, `yaml.marshal`, `yaml.unmarshal`: YAML 1.2 as the crate `serde_yaml` reads and writes it.

use serde_json::Value;

use super::builtin::{Outcome, failed, text};
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
    let value = arguments.first().unwrap_or(&Value::Null);
    let text = serde_yaml::to_string(value).map_err(|error| failed(NAME, format!("marshal error - {error:?}")))?;
    Ok(text.into())
}
