//! `base64url.encode_no_pad`, `hex.encode`, `hex.decode`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::builtin::{BuiltinError, Environment, Outcome, go_text, text};
use crate::rego::value::Value;

pub(crate) fn base64url_encode_no_pad(_: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    Ok(Value::text(URL_SAFE_NO_PAD.encode(text(arguments, 0)?)).into())
}

pub(crate) fn hex_encode(_: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    Ok(Value::text(hex::encode(text(arguments, 0)?)).into())
}

pub(crate) fn hex_decode(_: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    let bytes = hex::decode(text(arguments, 0)?).map_err(|error| error.to_string())?;
    Ok(Value::text(go_text(&bytes)).into())
}
