//! Bounds on the size of a module: `<= 5MiB`.

use policy_verify_model::suite::SizeLimit;

/// Reads `<= 5MiB`, `< 300 KiB`, `2MB`: a bound without a sign is inclusive.
pub(super) fn limit(text: &str) -> Result<SizeLimit, String> {
    let (is_inclusive, bound) = match text.trim().strip_prefix('<') {
        Some(rest) => match rest.strip_prefix('=') {
            Some(rest) => (true, rest),
            None => (false, rest),
        },
        None => (true, text.trim()),
    };
    let bound = bound.trim();
    let digits = bound.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(bound.len());
    let factor: u64 = match bound[digits..].trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        unit => return Err(format!("`{unit}` is no unit of size; known are B, kB, MB, KiB, MiB, GiB")),
    };
    let number: u64 = bound[..digits].parse().map_err(|_| format!("`{text}` is no bound such as `<= 5MiB`"))?;
    let bytes = number.checked_mul(factor).ok_or_else(|| format!("`{text}` is too large"))?;
    Ok(SizeLimit { is_inclusive, bytes, text: text.to_owned() })
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
