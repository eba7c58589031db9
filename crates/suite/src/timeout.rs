//! Timeouts: `2s`, `200ms`.

use std::time::Duration;

use super::mistake::Mistakes;
use super::schema::UnitText;
use policy_verify_model::source::Spanned;

/// Longest timeout a suite may ask for.
const LONGEST: Duration = Duration::from_secs(600);

/// Reads a timeout; one that is a mistake is none.
pub(super) fn read(written: Option<&Spanned<UnitText>>, mistakes: &mut Mistakes) -> Option<Duration> {
    let written = written?;
    match humantime::parse_duration(&written.value.0) {
        Ok(timeout) if timeout > LONGEST || timeout.is_zero() => {
            let longest = LONGEST.as_secs();
            let message = format!("timeout must be greater than 0 and at most {longest}s");
            mistakes.add_with_help(&written.span, message, "write `2s`");
            None
        }
        Ok(timeout) => Some(timeout),
        Err(_) => {
            let number = written.value.0.trim();
            let (message, help) = match number.parse::<f64>() {
                Ok(_) => ("a timeout needs a unit".to_owned(), format!("write `{number}s`")),
                Err(_) => (format!("invalid duration `{}`", written.value.0), "write `200ms` or `2s`".to_owned()),
            };
            mistakes.add_with_help(&written.span, message, help);
            None
        }
    }
}
