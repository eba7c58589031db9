//! Sizes: the largest module, files that are read up to a limit, and byte counts in messages.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The largest module that is fetched or read. Real policies are far smaller, and a module is held in memory whole.
pub const MAX_MODULE_BYTES: u64 = 100 * 1024 * 1024;

/// Reads a regular file of at most `max_bytes`; a pipe or a device could block for ever.
pub fn read_file(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

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

    #[test]
    fn a_file_above_the_limit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.wasm");
        std::fs::write(&path, [0; 11]).unwrap();
        assert_eq!(read_file(&path, 11).unwrap().len(), 11);
        assert_eq!(read_file(&path, 10).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_file(folder.path(), 10).unwrap_err().to_string(), "not a regular file");
    }
}
