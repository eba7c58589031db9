//! `base64url.encode_no_pad`, `hex.encode`, `hex.decode`.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::builtin::{BuiltinError, Outcome, failed, text};
use crate::rego::builtins::environment::Environment;

pub(crate) fn base64url_encode_no_pad(_: &Environment, arguments: &[Value]) -> Outcome {
    Ok(URL_SAFE_NO_PAD.encode(text("base64url.encode_no_pad", arguments, 0)?).into())
}

/// Bytes below 16 get one digit.
pub(crate) fn hex_encode(_: &Environment, arguments: &[Value]) -> Outcome {
    let mut digits = String::new();
    for byte in text("hex.encode", arguments, 0)?.bytes() {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:x}");
    }
    Ok(digits.into())
}

/// Reads two bytes of text as one of the result; an odd one at the end, or half a character, ends the worker.
pub(crate) fn hex_decode(_: &Environment, arguments: &[Value]) -> Outcome {
    const NAME: &str = "hex.decode";
    let digits = text(NAME, arguments, 0)?;
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    for start in (0..digits.len()).step_by(2) {
        let pair = digits
            .get(start..start + 2)
            .ok_or_else(|| BuiltinError::Panicked(format!("byte index {} is not a char boundary", start + 2)))?;
        let byte = u8::from_str_radix(pair, 16);
        bytes.push(byte.map_err(|error| failed(NAME, format!("cannot parse input - {error:?}")))?);
    }
    match String::from_utf8(bytes) {
        Ok(decoded) => Ok(decoded.into()),
        Err(error) => Err(failed(NAME, format!("cannot parse string - {error:?}"))),
    }
}
