//! `time.now_ns`, and two that the server registers without `time.`: `date` and `parse_rfc3339_ns`.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::builtin::{BuiltinError, Environment, Outcome, text, wrong_type};
use crate::rego::value::Value;

/// The time the suite sets, in nanoseconds since 1970.
pub(crate) fn now_ns(environment: &Environment, _: &[Value]) -> Result<Outcome, BuiltinError> {
    Ok(Value::Number(environment.now.as_nanosecond().to_string()).into())
}

pub(crate) fn parse_rfc3339_ns(_: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    let written = text(arguments, 0)?;
    if !has_form(written) {
        return Err(format!("`{written}` is not a time of RFC 3339").into());
    }
    let time: Timestamp = written.parse().map_err(|error: jiff::Error| error.to_string())?;
    match i64::try_from(time.as_nanosecond()) {
        Ok(nanoseconds) => Ok(Value::integer(nanoseconds).into()),
        Err(_) => Err("time outside of valid range".into()),
    }
}

/// Whether a text has the form of Go's RFC 3339, which is stricter than what jiff reads.
fn has_form(text: &str) -> bool {
    let bytes = text.as_bytes();
    let matches = |bytes: &[u8], form: &[u8]| {
        bytes.len() == form.len()
            && bytes
                .iter()
                .zip(form)
                .all(|(byte, form)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form })
    };
    let Some((start, rest)) = bytes.split_at_checked(19) else { return false };
    let fraction = match rest.first() {
        Some(b'.' | b',') => 1 + rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count(),
        _ => 0,
    };
    let zone = &rest[fraction..];
    let has_zone = matches(zone, b"Z") || matches(zone, b"+00:00") || matches(zone, b"-00:00");
    // Go knows no leap seconds.
    let has_leap_second = start[17] == b'6';
    matches(start, b"0000-00-00T00:00:00") && !has_leap_second && fraction != 1 && has_zone
}

/// Year, month and day of a number of nanoseconds, or of `[nanoseconds, time zone]`.
pub(crate) fn date(_: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    let (number, zone) = match arguments.first() {
        Some(Value::Array(parts)) => match parts.as_slice() {
            [number] => (number, ""),
            [number, zone, ..] => (number, text(std::slice::from_ref(zone), 0)?),
            [] => return Err(wrong_type(0, "number or [number, time zone]", arguments.first())),
        },
        Some(number) => (number, ""),
        None => return Err(wrong_type(0, "number or [number, time zone]", None)),
    };
    let Value::Number(digits) = number else {
        return Err(wrong_type(0, "number or [number, time zone]", Some(number)));
    };
    let nanoseconds: i64 = digits.parse().map_err(|_| "timestamp too big".to_owned())?;
    let time = Timestamp::from_nanosecond(nanoseconds.into()).map_err(|error| error.to_string())?;
    let zone = match zone {
        // No policy may learn where the tests run.
        "" | "UTC" | "Local" => TimeZone::UTC,
        name => TimeZone::get(name).map_err(|error| error.to_string())?,
    };
    let date = zone.to_datetime(time).date();
    let parts = [i64::from(date.year()), date.month().into(), date.day().into()];
    Ok(Value::Array(parts.map(Value::integer).into()).into())
}
