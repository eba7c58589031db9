//! Sizes as they are typed: `256MiB`.

use policy_verify::model::diagnostic::Diagnostic;

use policy_verify::FileLimit;

use super::super::problem::usage;

/// Reads `256MiB`.
pub(super) fn size(text: &str) -> Result<u64, Diagnostic> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let shift = match text[digits..].trim() {
        "" | "B" => 0,
        "KiB" | "K" => 10,
        "MiB" | "M" => 20,
        "GiB" | "G" => 30,
        unit => return Err(usage(format!("unknown unit `{unit}`: expected KiB, MiB or GiB"))),
    };
    let number: u64 = text[..digits].parse().map_err(|_| usage("expected a number and a unit, such as 256MiB"))?;
    number.checked_mul(1 << shift).ok_or_else(|| usage("size overflows 64 bits"))
}

/// Reads the largest size of a file.
pub(super) fn file_limit(text: &str) -> Result<FileLimit, Diagnostic> {
    size(text).map(FileLimit::of_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!(size("256MiB"), Ok(256 << 20));
        assert_eq!(size("64"), Ok(64));
        assert!(size("5 bananas").is_err());
    }
}
