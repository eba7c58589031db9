//! Modules in files.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::module::{checked, unavailable};
use policy_verify_files::bounded;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::outcome::{Unavailable, UnavailableStage};
use policy_verify_model::source::Span;
use policy_verify_registry::bounded::{MAX_MODULE_BYTES, format_bytes};

/// Reads a module. `shown` is its path as written, `span` the place in the suite.
pub(super) fn read(path: &Path, shown: &str, span: &Span) -> Result<Arc<[u8]>, Unavailable> {
    let unavailable = |error| unavailable(UnavailableStage::Fetch, error, span);
    let bytes = bounded::read(path, MAX_MODULE_BYTES).map_err(|error| unavailable(unreadable(shown, &error)))?;
    checked(bytes, shown).map_err(unavailable)
}

fn unreadable(shown: &str, error: &io::Error) -> Diagnostic {
    let diagnostic = |message: String| Diagnostic::new(Code::Fetch, message);
    match error.kind() {
        io::ErrorKind::NotFound => diagnostic(format!("file not found: `{shown}`"))
            .with_help("build the policy first, or correct its path".to_owned()),
        io::ErrorKind::FileTooLarge => {
            diagnostic(format!("`{shown}` is larger than {}", format_bytes(MAX_MODULE_BYTES)))
        }
        _ => diagnostic(format!("cannot read `{shown}`: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy_verify_model::source::SourceFile;

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
    fn other_formats_are_named() {
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
    fn a_missing_file_has_help() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(&folder.path().join("policy.wasm"), "policy.wasm", &span()).unwrap_err();
        assert_eq!(error.message, "file not found: `policy.wasm`");
        assert!(error.help.unwrap().contains("build the policy"));
    }

    #[test]
    fn a_folder_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(folder.path(), "policies", &span()).unwrap_err();
        assert_eq!(error.message, "cannot read `policies`: not a regular file");
    }

    #[test]
    fn a_file_above_the_limit_has_the_limit_in_its_error() {
        let error = unreadable("policy.wasm", &io::ErrorKind::FileTooLarge.into());
        assert_eq!(error.message, "`policy.wasm` is larger than 100 MiB");
    }
}
