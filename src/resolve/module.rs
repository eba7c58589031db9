//! Whether bytes are a module, and what they are instead.

use std::sync::Arc;

/// How a binary module begins: the magic, the version, and the layer that tells modules from components.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// A message and what to do about it.
pub(super) type Problem = (String, Option<String>);

/// Takes bytes for a module if they begin like one. `shown` is where they are from.
pub(super) fn checked(bytes: Vec<u8>, shown: &str) -> Result<Arc<[u8]>, Problem> {
    match strangeness(&bytes) {
        Some((what, help)) => Err((format!("invalid wasm file: `{shown}` {what}"), help)),
        None => Ok(bytes.into()),
    }
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
