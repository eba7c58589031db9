//! Attaching metadata to a module, in memory: what `kwctl annotate` writes to a file.
//!
//! kwctl re-encodes the whole module; here every byte stays that has nothing to do with the matter, and metadata that
//! is already there goes, because readers take the first they find.

use std::collections::BTreeMap;

use wasmparser::{BinaryReaderError, Imports, Parser, Payload, TypeRef};

use super::metadata::SECTION;
use crate::model::policy::Metadata;

/// How Javy's compiler names the module of its host call, and how policy hosts name it.
const JAVY: &str = "kubewarden:javy/host";
const HOST: &str = "host";

/// Length of magic, version and layer, in front of the first section.
const HEADER: usize = 8;

/// The annotations every annotated module gets: who annotated it, and the usage text if there is one.
pub(super) fn complete(metadata: &mut Metadata, usage: Option<String>) {
    let annotations = metadata.annotations.get_or_insert_with(BTreeMap::new);
    let tool = concat!("policy-verify ", env!("CARGO_PKG_VERSION"));
    annotations.insert("io.kubewarden.kwctl".into(), tool.into());
    if let Some(usage) = usage {
        annotations.insert("io.kubewarden.policy.usage".into(), usage);
    }
}

/// The module with this metadata and no other.
pub(super) fn attach(bytes: &[u8], metadata: &Metadata) -> Result<Vec<u8>, BinaryReaderError> {
    let json = serde_json::to_vec(metadata).expect("metadata holds only texts, lists and maps of texts");
    let mut annotated = Vec::with_capacity(bytes.len() + json.len() + SECTION.len() + 16);
    let mut start = HEADER;
    annotated.extend_from_slice(bytes.get(..start).unwrap_or(bytes));
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        let Some((_, range)) = payload.as_section() else { continue };
        let end = to_usize(range.end);
        // The size of the code section is believed until its functions are read; that it is wrong comes out then.
        let Some(whole) = bytes.get(start..end) else { continue };
        match &payload {
            Payload::CustomSection(section) if section.name() == SECTION => {}
            Payload::ImportSection(_) => {
                let javy = javy_imports(&payload)?;
                if javy.is_empty() {
                    annotated.extend_from_slice(whole);
                } else {
                    let content = renamed(bytes, to_usize(range.start)..end, &javy);
                    write_section(&mut annotated, IMPORTS, &content);
                }
            }
            _ => annotated.extend_from_slice(whole),
        }
        start = end;
    }
    let mut content = Vec::with_capacity(SECTION.len() + json.len() + 1);
    write_text(&mut content, SECTION);
    content.extend_from_slice(&json);
    write_section(&mut annotated, CUSTOM, &content);
    Ok(annotated)
}

const CUSTOM: u8 = 0;
const IMPORTS: u8 = 2;

/// Where the imports of Javy's host call begin.
fn javy_imports(payload: &Payload<'_>) -> Result<Vec<usize>, BinaryReaderError> {
    let Payload::ImportSection(section) = payload else { return Ok(Vec::new()) };
    let mut offsets = Vec::new();
    for import in section.clone() {
        if let Imports::Single(offset, import) = import?
            && (import.module, import.name) == (JAVY, "call")
            && matches!(import.ty, TypeRef::Func(_))
        {
            offsets.push(to_usize(offset));
        }
    }
    Ok(offsets)
}

/// The content of the import section with the module names at `offsets` replaced.
fn renamed(bytes: &[u8], section: std::ops::Range<usize>, offsets: &[usize]) -> Vec<u8> {
    let mut content = Vec::with_capacity(section.len());
    let mut start = section.start;
    for &offset in offsets {
        content.extend_from_slice(&bytes[start..offset]);
        write_text(&mut content, HOST);
        // The length in front of a name takes as many bytes as its author pleases; all but the last have the high bit.
        let length_bytes = bytes[offset..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
        start = offset + length_bytes + JAVY.len();
    }
    content.extend_from_slice(&bytes[start..section.end]);
    content
}

fn write_section(module: &mut Vec<u8>, id: u8, content: &[u8]) {
    module.push(id);
    write_length(module, content.len());
    module.extend_from_slice(content);
}

fn write_text(section: &mut Vec<u8>, text: &str) {
    write_length(section, text.len());
    section.extend_from_slice(text.as_bytes());
}

/// Unsigned LEB128.
fn write_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// Offsets come from bytes that are in memory, so they fit.
fn to_usize(offset: u64) -> usize {
    usize::try_from(offset).expect("an offset into a slice fits into usize")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare::metadata;

    fn metadata() -> Metadata {
        serde_json::from_str(r#"{"rules":[],"mutating":true,"annotations":{"title":"t"}}"#).unwrap()
    }

    fn javy() -> Vec<u8> {
        let text = r#"(module
            (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
            (import "kubewarden:javy/host" "call" (func (param i32) (result i32)))
            (import "kubewarden:javy/host" "other" (func))
            (func (export "_start")))"#;
        wat::parse_str(text).unwrap()
    }

    fn import_names(bytes: &[u8]) -> Vec<String> {
        let mut names = Vec::new();
        for payload in Parser::new(0).parse_all(bytes) {
            if let Payload::ImportSection(imports) = payload.unwrap() {
                names.extend(imports.into_imports().map(Result::unwrap).map(|it| format!("{} {}", it.module, it.name)));
            }
        }
        names
    }

    #[test]
    fn everything_else_stays_byte_for_byte() {
        let bytes = wat::parse_str(r#"(module (@custom "other" "x") (memory 1) (func (export "f") nop))"#).unwrap();
        let annotated = attach(&bytes, &metadata()).unwrap();
        assert!(annotated.starts_with(&bytes));
        let section = &annotated[bytes.len()..];
        assert_eq!(section[0], 0);
        assert!(section.ends_with(serde_json::to_string(&metadata()).unwrap().as_bytes()));
        wasmparser::validate(&annotated).unwrap();
        assert_eq!(metadata::of_module(&annotated).unwrap(), Some(metadata()));
    }

    #[test]
    fn older_metadata_goes() {
        let bytes =
            wat::parse_str(format!(r#"(module (@custom "{SECTION}" "old") (memory 1) (@custom "{SECTION}" "older"))"#));
        let annotated = attach(&bytes.unwrap(), &metadata()).unwrap();
        assert_eq!(annotated, attach(&wat::parse_str("(module (memory 1))").unwrap(), &metadata()).unwrap());
        assert_eq!(annotated, attach(&annotated, &metadata()).unwrap(), "annotating again changes nothing");
    }

    #[test]
    fn the_host_call_of_javy_is_renamed() {
        let annotated = attach(&javy(), &metadata()).unwrap();
        wasmparser::validate(&annotated).unwrap();
        assert_eq!(
            import_names(&annotated),
            ["wasi_snapshot_preview1 proc_exit", "host call", "kubewarden:javy/host other"]
        );
    }

    #[test]
    fn names_with_padded_lengths_are_renamed_too() {
        let bytes = javy();
        let at = bytes.windows(JAVY.len()).position(|window| window == JAVY.as_bytes()).unwrap() - 1;
        let mut padded = bytes.clone();
        padded.splice(at..=at, [JAVY.len() as u8 | 0x80, 0x80, 0]);
        // The import section is the second one and short, so its size is a single byte behind its id.
        let size_at = bytes.windows(2).position(|window| window[0] == IMPORTS && window[1] > 60).unwrap() + 1;
        padded[size_at] += 2;
        wasmparser::validate(&padded).unwrap();
        assert_eq!(attach(&padded, &metadata()).unwrap(), attach(&bytes, &metadata()).unwrap());
    }

    #[test]
    fn broken_modules_are_refused() {
        let mut bytes = javy();
        bytes.truncate(bytes.len() - 1);
        assert!(attach(&bytes, &metadata()).is_err());
        assert!(attach(b"\0asm", &metadata()).is_err());
        assert!(attach(b"", &metadata()).is_err());
    }

    #[test]
    fn the_annotating_tool_leaves_its_name() {
        let mut metadata = Metadata { annotations: None, ..metadata() };
        complete(&mut metadata, Some("# Usage\n".into()));
        let annotations = metadata.annotations.as_ref().unwrap();
        assert_eq!(annotations["io.kubewarden.kwctl"], format!("policy-verify {}", env!("CARGO_PKG_VERSION")));
        assert_eq!(annotations["io.kubewarden.policy.usage"], "# Usage\n");
        complete(&mut metadata, None);
        assert_eq!(metadata.annotations.unwrap()["io.kubewarden.policy.usage"], "# Usage\n");
    }

    #[test]
    fn lengths_are_leb128() {
        let written = |length| {
            let mut out = Vec::new();
            write_length(&mut out, length);
            out
        };
        assert_eq!(written(0x7f), [0x7f]);
        assert_eq!(written(0x80), [0x80, 1]);
        assert_eq!(written(624_485), [0xe5, 0x8e, 0x26]);
    }
}
