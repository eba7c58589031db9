//! `base64url.encode_no_pad`, `hex.encode`, `hex.decode`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::value::Value;
use super::{Outcome, Surroundings, go_text, text};

pub(super) fn base64url_encode_no_pad(_: &Surroundings, arguments: &[Value]) -> Result<Outcome, String> {
    Ok(Value::text(URL_SAFE_NO_PAD.encode(text(arguments, 0)?)).into())
}

pub(super) fn hex_encode(_: &Surroundings, arguments: &[Value]) -> Result<Outcome, String> {
    Ok(Value::text(hex::encode(text(arguments, 0)?)).into())
}

pub(super) fn hex_decode(_: &Surroundings, arguments: &[Value]) -> Result<Outcome, String> {
    let bytes = hex::decode(text(arguments, 0)?).map_err(|error| error.to_string())?;
    Ok(Value::text(go_text(&bytes)).into())
}
