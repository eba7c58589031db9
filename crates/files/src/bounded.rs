//! Files that are read up to a limit: the length of a file is not known before it is read.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Reads a regular file of at most `max_bytes`; a pipe or a device could block for ever.
///
/// # Errors
///
/// Those of the system; [`io::ErrorKind::FileTooLarge`] for a longer file.
pub fn read(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    read_any(path, max_bytes)
}

/// Reads a regular file of at most `max_bytes` as UTF-8.
///
/// # Errors
///
/// As for [`read`], and [`io::ErrorKind::InvalidData`] for other bytes.
pub fn read_text(path: &Path, max_bytes: u64) -> io::Result<String> {
    String::from_utf8(read(path, max_bytes)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8"))
}

/// Reads at most `max_bytes`, also from a pipe or a device: shells pass pipes.
///
/// # Errors
///
/// As for [`read`].
pub fn read_any(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    // With its length known, a large file is not moved while it is read. Devices have none.
    let length = file.metadata().map_or(0, |metadata| metadata.len()).min(max_bytes);
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
    file.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_files_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.wasm");
        std::fs::write(&path, [b'0'; 11]).unwrap();
        assert_eq!(read(&path, 11).unwrap().len(), 11);
        assert_eq!(read_text(&path, 11).unwrap(), "0".repeat(11));
        assert_eq!(read(&path, 10).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_any(&path, 10).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read(folder.path(), 10).unwrap_err().to_string(), "not a regular file");
        std::fs::write(&path, [0xff]).unwrap();
        assert_eq!(read_text(&path, 10).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
