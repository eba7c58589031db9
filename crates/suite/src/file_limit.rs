//! How large suites and the files that they name may be.

use std::io::{self, Read};

use policy_verify_model::yaml;

/// Bytes of a file where nobody says otherwise: ten times the largest object that etcd stores by default.
const USUAL: u64 = 16 << 20;

/// How large suites and the files that they name may be. Larger ones may also have more values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLimit {
    bytes: u64,
}

impl Default for FileLimit {
    fn default() -> Self {
        Self { bytes: USUAL }
    }
}

impl FileLimit {
    /// A limit of this many bytes.
    pub fn of_bytes(bytes: u64) -> Self {
        Self { bytes }
    }

    /// Whether a file may have this many bytes.
    pub fn allows(self, bytes: usize) -> bool {
        bytes as u64 <= self.bytes
    }

    /// How the YAML of a file is parsed.
    pub(crate) fn options(self) -> serde_saphyr::Options {
        yaml::options_for(usize::try_from(self.bytes.div_ceil(USUAL)).unwrap_or(usize::MAX).max(1))
    }

    /// Reads everything, up to the limit.
    pub(crate) fn read(self, from: impl Read) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        from.take(self.bytes.saturating_add(1)).read_to_end(&mut bytes)?;
        self.check(bytes.len()).map(|()| bytes)
    }

    /// Refuses a file of this many bytes that is too large.
    pub(crate) fn check(self, bytes: usize) -> io::Result<()> {
        if self.allows(bytes) {
            return Ok(());
        }
        let limit = match self.bytes {
            bytes if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
            bytes => format!("{bytes} bytes"),
        };
        Err(io::Error::other(format!("it is larger than {limit}; `--max-file-size` raises the limit")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_longer_is_not_read() {
        let limit = FileLimit::of_bytes(3);
        assert_eq!(limit.read(&b"abc"[..]).unwrap(), b"abc");
        let error = limit.read(&b"abcd"[..]).unwrap_err().to_string();
        assert_eq!(error, "it is larger than 3 bytes; `--max-file-size` raises the limit");
        assert!(FileLimit::default().read(io::repeat(b' ')).unwrap_err().to_string().contains("16 MiB"));
    }

    #[test]
    fn a_larger_file_may_have_more_values() {
        let values = format!("[{}]", "1,".repeat(300_000));
        let read = |limit: FileLimit| serde_saphyr::from_str_with_options::<Vec<u8>>(&values, limit.options());
        assert!(read(FileLimit::default()).is_err());
        assert_eq!(read(FileLimit::of_bytes(17 << 20)).unwrap().len(), 300_000);
        assert!(read(FileLimit::of_bytes(1)).is_err());
    }
}
