//! Whether bytes are a WebAssembly module, and which other format they have.

use std::sync::Arc;

use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::outcome::{Unavailable, UnavailableStage};
use policy_verify_model::source::Span;

/// How a binary module begins: the magic, the version, and the layer that tells modules from components.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Accepts bytes that begin like a module. `shown` is their origin, for the message.
pub(crate) fn checked(bytes: Vec<u8>, shown: &str) -> Result<Arc<[u8]>, Diagnostic> {
    match detect_other(&bytes) {
        Some(OtherFormat { what, help }) => {
            Err(Diagnostic::new(Code::Fetch, format!("invalid wasm file: `{shown}` {what}"))
                .with_help(help.map(str::to_owned)))
        }
        None => Ok(bytes.into()),
    }
}

/// A diagnostic as the reason why a policy is unavailable.
pub(crate) fn unavailable(stage: UnavailableStage, error: Diagnostic, span: &Span) -> Unavailable {
    let Diagnostic { message, help, span, .. } = error.at(span);
    Unavailable { stage, message, help, span }
}

/// What bytes are instead of a module.
struct OtherFormat {
    what: &'static str,
    help: Option<&'static str>,
}

/// The format of bytes that are not a module.
fn detect_other(bytes: &[u8]) -> Option<OtherFormat> {
    let other = |what, help: &'static str| Some(OtherFormat { what, help: (!help.is_empty()).then_some(help) });
    if bytes.starts_with(MODULE) {
        return None;
    }
    if let Some(version) = bytes.strip_prefix(b"\0asm") {
        return match version {
            [_, _, 1, _, ..] => other(
                "is a WebAssembly component",
                "Kubewarden runs core modules only: build for a target such as wasm32-wasip1",
            ),
            [_, _, _, _, ..] => other("is of an unknown version of WebAssembly", ""),
            _ => other("is cut off after a few bytes", "build the policy again"),
        };
    }
    let text = bytes.trim_ascii_start();
    match bytes {
        [] => other("is empty", "build the policy again"),
        [b'P', b'K', 3, 4, ..] => other("is a zip archive", "unpack it, and name the module inside"),
        [0x1f, 0x8b, ..] => other("is compressed with gzip", "unpack it, and name the module inside"),
        _ if text.starts_with(b"version https://git-lfs") => {
            other("is a pointer of Git LFS", "run `git lfs pull`, or check out with LFS")
        }
        _ if text.starts_with(b"(module") || text.starts_with(b"(component") => {
            other("is WebAssembly in text form", "translate it to binary form, for instance with wat2wasm")
        }
        _ if text.starts_with(b"<") => other("is a web page", "download the module itself, not the page about it"),
        _ if std::str::from_utf8(bytes).is_ok() => other("is a text file", "name the compiled module"),
        _ => other("does not begin like a WebAssembly module", ""),
    }
}
