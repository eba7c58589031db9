//! Bounds on the size of a module: `<= 5MiB`.

use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::suite::SizeLimit;

/// Reads `<= 5MiB`, `< 300 KiB`, `2MB`: a bound without a sign is inclusive.
pub(super) fn limit(text: &str) -> Result<SizeLimit, Diagnostic> {
    let (is_inclusive, bound) = match text.trim().strip_prefix('<') {
        Some(rest) => match rest.strip_prefix('=') {
            Some(rest) => (true, rest),
            None => (false, rest),
        },
        None => (true, text.trim()),
    };
    Ok(SizeLimit { is_inclusive, bytes: bytes(bound)?, text: text.to_owned() })
}

/// Reads `5MiB`.
pub(super) fn bytes(text: &str) -> Result<u64, Diagnostic> {
    let bound = text.trim();
    let digits = bound.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(bound.len());
    let factor: u64 = match bound[digits..].trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        unit => {
            return Err(Diagnostic::new(Code::Mistake, format!("unknown unit of size `{unit}`"))
                .with_help("write one of: B, kB, MB, KiB, MiB, GiB".to_owned()));
        }
    };
    let invalid = |message: String| Diagnostic::new(Code::Mistake, message).with_help("write `<= 5MiB`".to_owned());
    let number = &bound[..digits];
    if number.is_empty() {
        return Err(invalid(format!("invalid size `{text}`")));
    }
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    bytes.ok_or_else(|| invalid(format!("size `{text}` overflows 64 bits")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_size_are_read() {
        for (text, is_inclusive, bytes) in
            [("<= 5MiB", true, 5 << 20), ("< 300 KiB", false, 300 << 10), ("2MB", true, 2_000_000), ("<=7", true, 7)]
        {
            let limit = limit(text).unwrap();
            assert_eq!((limit.is_inclusive, limit.bytes), (is_inclusive, bytes), "{text}");
        }
        for text in ["", "MiB", "> 5MiB", "5 bananas", "99999999999999999999"] {
            assert!(limit(text).is_err(), "{text}");
        }
    }
}
