//! Modules in files: reading them, and saying what a file is that is no module.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use crate::model::outcome::{Unavailable, UnavailableStage};
use crate::model::source::Span;

/// Far above any real policy; a larger file is a mistake, and would be read into memory whole.
const MAX_BYTES: u64 = 100 * 1024 * 1024;

/// How a binary module begins: the magic, the version, and the layer that tells modules from components.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Reads a module. `shown` is its path as the user wrote it, `span` where that stands.
pub(super) fn read(path: &Path, shown: &str, span: &Span) -> Result<Arc<[u8]>, Unavailable> {
    let unavailable = |(message, help): Problem| Unavailable {
        stage: UnavailableStage::Fetch,
        message,
        help,
        span: Some(span.clone()),
    };
    let bytes = read_limited(path, MAX_BYTES).map_err(|error| unavailable(unreadable(shown, &error)))?;
    match strangeness(&bytes) {
        Some((what, help)) => Err(unavailable((format!("invalid wasm file: `{shown}` {what}"), help))),
        None => Ok(bytes.into()),
    }
}

/// A message and what to do about it.
type Problem = (String, Option<String>);

fn unreadable(shown: &str, error: &io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::NotFound => {
            (format!("there is no file `{shown}`"), Some("build the policy first, or correct its path".into()))
        }
        io::ErrorKind::FileTooLarge => (format!("`{shown}` is larger than {} MiB", MAX_BYTES >> 20), None),
        _ => (format!("cannot read `{shown}`: {error}"), None),
    }
}

/// Reads a regular file; anything else could keep us waiting for ever.
fn read_limited(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

/// What the bytes are if they are no module, and what that suggests.
fn strangeness(bytes: &[u8]) -> Option<Problem> {
    let problem = |what: &str, help: &str| Some((what.to_owned(), (!help.is_empty()).then(|| help.to_owned())));
    if bytes.starts_with(MODULE) {
        return None;
    }
    if let Some(version) = bytes.strip_prefix(b"\0asm") {
        return match version {
            [_, _, 1, _, ..] => problem(
                "is a WebAssembly component",
                "Kubewarden runs core modules only: build for a target such as wasm32-wasip1",
            ),
            [_, _, _, _, ..] => problem("is of an unknown version of WebAssembly", ""),
            _ => problem("is cut off after a few bytes", "build the policy again"),
        };
    }
    let text = bytes.trim_ascii_start();
    match bytes {
        [] => problem("is empty", "build the policy again"),
        [b'P', b'K', 3, 4, ..] => problem("is a zip archive", "unpack it, and name the module inside"),
        [0x1f, 0x8b, ..] => problem("is compressed with gzip", "unpack it, and name the module inside"),
        _ if text.starts_with(b"version https://git-lfs") => {
            problem("is a pointer of Git LFS", "run `git lfs pull`, or check out with LFS")
        }
        _ if text.starts_with(b"(module") || text.starts_with(b"(component") => {
            problem("is WebAssembly in text form", "translate it to binary form, for instance with wat2wasm")
        }
        _ if text.starts_with(b"<") => problem("is a web page", "download the module itself, not the page about it"),
        _ if std::str::from_utf8(bytes).is_ok() => problem("is a text file", "name the compiled module"),
        _ => problem("does not begin like a WebAssembly module", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::source::SourceFile;

    fn span() -> Span {
        Span::start_of(&Arc::new(SourceFile { path: "suite.yml".into(), text: String::new() }))
    }

    fn read_bytes(bytes: &[u8]) -> Result<Arc<[u8]>, Unavailable> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.wasm");
        std::fs::write(&path, bytes).unwrap();
        read(&path, "policy.wasm", &span())
    }

    #[test]
    fn a_module_is_read_whole() {
        let bytes = wat::parse_str("(module (memory 1))").unwrap();
        assert_eq!(*read_bytes(&bytes).unwrap(), bytes[..]);
    }

    #[test]
    fn other_files_are_recognised() {
        for (bytes, what) in [
            (&b""[..], "is empty"),
            (b"\0asm\x0d\0\x01\0", "is a WebAssembly component"),
            (b"\0asm\x02\0\0\0", "is of an unknown version"),
            (b"\0asm", "is cut off"),
            (b"PK\x03\x04rest", "is a zip archive"),
            (b"\x1f\x8b\x08", "is compressed with gzip"),
            (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
            (b"\n(module)", "is WebAssembly in text form"),
            (b"<!DOCTYPE html>", "is a web page"),
            (b"apiVersion: v1\n", "is a text file"),
            (b"\xff\xfe\xfd", "does not begin like"),
        ] {
            let error = read_bytes(bytes).unwrap_err();
            assert!(
                error.message.starts_with(&format!("invalid wasm file: `policy.wasm` {what}")),
                "{}",
                error.message
            );
            assert_eq!(error.stage, UnavailableStage::Fetch);
            assert_eq!(error.span.unwrap().file.path, "suite.yml");
        }
    }

    #[test]
    fn a_missing_file_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(&folder.path().join("policy.wasm"), "policy.wasm", &span()).unwrap_err();
        assert_eq!(error.message, "there is no file `policy.wasm`");
        assert!(error.help.unwrap().contains("build the policy"));
    }

    #[test]
    fn a_folder_is_no_module() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(folder.path(), "policies", &span()).unwrap_err();
        assert_eq!(error.message, "cannot read `policies`: not a regular file");
    }

    #[test]
    fn files_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.wasm");
        std::fs::write(&path, [0; 11]).unwrap();
        assert_eq!(read_limited(&path, 11).unwrap().len(), 11);
        let error = read_limited(&path, 10).unwrap_err();
        assert_eq!(unreadable("policy.wasm", &error).0, "`policy.wasm` is larger than 100 MiB");
    }
}
