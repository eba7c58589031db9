//! Sizes: the largest module, and byte counts in messages.

/// The largest module that is fetched or read. Real policies are far smaller, and a module is held in memory whole.
pub const MAX_MODULE_BYTES: u64 = 100 * 1024 * 1024;

/// A limit as messages write it: `100 MiB`, `64 KiB`, `17 bytes`.
pub fn format_bytes(bytes: u64) -> String {
    match bytes {
        _ if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_counts_have_a_unit() {
        assert_eq!(
            [1, 1024, 1 << 20, MAX_MODULE_BYTES, 1025].map(format_bytes),
            ["1 bytes", "1 KiB", "1 MiB", "100 MiB", "1025 bytes"]
        );
    }
}
