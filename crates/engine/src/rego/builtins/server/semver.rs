//! `semver.compare`, `semver.is_valid`: the crate `semver`, which is stricter than OPA and orders build metadata.

use semver::Version;
use serde_json::Value;

use super::builtin::{BuiltinError, Outcome, failed, text};
use crate::rego::builtins::environment::Environment;

pub(crate) fn is_valid(_: &Environment, arguments: &[Value]) -> Outcome {
    Ok(Version::parse(text("semver.is_valid", arguments, 0)?).is_ok().into())
}

pub(crate) fn compare(_: &Environment, arguments: &[Value]) -> Outcome {
    const NAME: &str = "semver.compare";
    let (one, other) = (text(NAME, arguments, 0)?, text(NAME, arguments, 1)?);
    let order = version(NAME, one, "first")?.cmp(&version(NAME, other, "second")?);
    Ok((order as i8).into())
}

fn version(name: &'static str, text: &str, ordinal: &str) -> Result<Version, BuiltinError> {
    Version::parse(text)
        .map_err(|error| failed(name, format!("{ordinal} argument is not a valid semantic version: {error:?}")))
}
