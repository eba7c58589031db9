//! Attaching the metadata of a file to a module, in memory: what `kwctl annotate` writes to a file. Suites and
//! `verify annotate` both come here, so that what is published is what was tested, byte for byte.
//!
//! kwctl re-encodes the whole module; here every byte stays that has nothing to do with the matter. What goes is
//! metadata that is already there, because readers take the first they find, and debug information, as with kwctl.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmparser::{BinaryReaderError, Imports, Parser, Payload, TypeRef};

use super::metadata::{self, SECTION};
use super::prepared::{AnnotatedModule, unusable};
use super::unknown_keys;
use policy_verify_model::inspection::DetectedKind;
use policy_verify_model::outcome::{Unavailable, UnavailableStage};
use policy_verify_model::policy::{Digest, ExecutionMode, Metadata, ProtocolVersion};
use policy_verify_model::source::{SourceFile, Span, Spanned};

/// How Javy's compiler names the module of its host call, and how policy hosts name it.
const JAVY: &str = "kubewarden:javy/host";
const HOST: &str = "host";

/// Length of magic, version and layer, in front of the first section.
const HEADER: usize = 8;

/// How the names of sections with debug information begin; such a section may be larger than all code.
const DEBUG: &str = ".debug";

/// Why the metadata of a file cannot be attached.
#[derive(Debug)]
pub(super) enum Refused {
    /// The metadata breaks rules; all of them, each with its place.
    Invalid(Vec<Spanned<String>>),
    /// The metadata does not fit the module, or cannot be read at all.
    Unusable(Unavailable),
    /// The module is broken.
    Module(BinaryReaderError),
}

impl Refused {
    /// One problem after the other, each with its place. `not_a_module` words what is wrong with the module.
    pub(super) fn into_problems(
        self,
        not_a_module: impl FnOnce(&BinaryReaderError) -> Unavailable,
    ) -> Vec<Unavailable> {
        let invalid = |it: Spanned<String>| unusable(it.span, format!("{INVALID}{}", it.value), None);
        match self {
            Self::Invalid(problems) => problems.into_iter().map(invalid).collect(),
            Self::Unusable(unavailable) => vec![unavailable],
            Self::Module(error) => vec![not_a_module(&error)],
        }
    }

    /// All problems in one, at the place of the first.
    pub(super) fn into_one(self, not_a_module: impl FnOnce(&BinaryReaderError) -> Unavailable) -> Unavailable {
        match self {
            Self::Invalid(problems) => {
                let first = problems.first().map(|problem| problem.span.clone());
                let texts: Vec<String> = problems.into_iter().map(|problem| problem.value).collect();
                let message = format!("{INVALID}{}", texts.join("\n"));
                Unavailable { stage: UnavailableStage::Metadata, message, help: None, span: first }
            }
            Self::Unusable(unavailable) => unavailable,
            Self::Module(error) => not_a_module(&error),
        }
    }
}

/// What kwctl says in front of its own list.
const INVALID: &str = "Metadata is invalid: ";

/// Joins a module and the metadata stated in `file`. `choose_mode` says how the module is called, and is told where the
/// metadata says so; whether a waPC module speaks the protocol is not asked here, because that needs the compiled module.
pub(super) fn with_file(
    bytes: &[u8],
    detected_kind: DetectedKind,
    file: &Arc<SourceFile>,
    usage: Option<String>,
    choose_mode: impl FnOnce(&Metadata, &Span) -> Result<ExecutionMode, Unavailable>,
) -> Result<AnnotatedModule, Refused> {
    let mut stated = metadata::of_file(file).map_err(|error| Refused::Unusable(unreadable(file, error)))?;
    let mode = choose_mode(&stated.metadata, &stated.mode).map_err(Refused::Unusable)?;
    // The only version there is; the module is asked whether it agrees when it is linked.
    let version = if mode == ExecutionMode::KubewardenWapc { ProtocolVersion::V1 } else { ProtocolVersion::Unknown };
    stated.metadata.protocol_version = Some(version);
    let problems = stated.problems();
    if !problems.is_empty() {
        return Err(Refused::Invalid(problems));
    }
    let mut metadata = stated.metadata;
    complete(&mut metadata, usage);
    let bytes = attach(bytes, &metadata).map_err(Refused::Module)?;
    Ok(AnnotatedModule {
        digest: Digest::of(&bytes),
        bytes: bytes.into(),
        metadata: Some(metadata),
        mode,
        detected_kind,
    })
}

/// Metadata that cannot be read. A field that is missing may be there under a misspelt name, which is the place then.
pub(super) fn unreadable(file: &Arc<SourceFile>, error: Spanned<String>) -> Unavailable {
    let missing = error.value.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
    let misspelt =
        missing.and_then(|field| unknown_keys::of_file(file).into_iter().find(|key| key.meant == Some(field)));
    let (span, help) = match misspelt {
        Some(key) => (key.name.span, missing.map(|field| format!("did you mean `{field}`?"))),
        None => (error.span, None),
    };
    unusable(span, format!("Error unmarshalling metadata {}", error.value), help)
}

/// Suites are stricter than kwctl: what looks like a key and would be ignored is refused, for the policy that runs
/// would not be the one that was described.
pub(super) fn no_key_is_misspelt(file: &Arc<SourceFile>) -> Result<(), Refused> {
    let misspelt = unknown_keys::of_file(file).into_iter().filter_map(|key| {
        let meant = key.meant?;
        Some(Spanned::new(format!("{key}: did you mean `{meant}`?"), key.name.span))
    });
    let misspelt: Vec<_> = misspelt.collect();
    if misspelt.is_empty() { Ok(()) } else { Err(Refused::Invalid(misspelt)) }
}

/// The annotations every annotated module gets: who annotated it, and the usage text if there is one.
fn complete(metadata: &mut Metadata, usage: Option<String>) {
    let annotations = metadata.annotations.get_or_insert_with(BTreeMap::new);
    let tool = concat!("policy-verify ", env!("CARGO_PKG_VERSION"));
    annotations.insert("io.kubewarden.kwctl".into(), tool.into());
    if let Some(usage) = usage {
        annotations.insert("io.kubewarden.policy.usage".into(), usage);
    }
}

/// The module with this metadata and no other, and without debug information.
fn attach(bytes: &[u8], metadata: &Metadata) -> Result<Vec<u8>, BinaryReaderError> {
    let json = serde_json::to_vec(metadata).expect("metadata holds only texts, lists and maps of texts");
    let mut annotated = Vec::with_capacity(bytes.len() + json.len() + SECTION.len() + 16);
    let mut start = HEADER;
    annotated.extend_from_slice(bytes.get(..start).unwrap_or(bytes));
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        let Some((_, range)) = payload.as_section() else { continue };
        let end = range.end;
        // The size of the code section is believed until its functions are read; that it is wrong comes out then.
        let Some(whole) = bytes.get(start..end) else { continue };
        match &payload {
            Payload::CustomSection(section) if section.name() == SECTION || section.name().starts_with(DEBUG) => {}
            Payload::ImportSection(_) => {
                let javy = javy_imports(&payload)?;
                if javy.is_empty() {
                    annotated.extend_from_slice(whole);
                } else {
                    let content = renamed(bytes, range.start..end, &javy);
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
            offsets.push(offset);
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
    fn debug_information_goes_and_names_stay() {
        let sections =
            r#"(@custom ".debug_info" "x") (@custom "name" "") (@custom ".debugging" "x") (@custom "producers" "y")"#;
        let bytes = wat::parse_str(format!("(module {sections} (memory 1) (@custom \".debug_line\" \"z\"))")).unwrap();
        let annotated = attach(&bytes, &metadata()).unwrap();
        let names: Vec<String> = Parser::new(0)
            .parse_all(&annotated)
            .filter_map(|payload| match payload.unwrap() {
                Payload::CustomSection(section) => Some(section.name().to_owned()),
                _ => None,
            })
            .collect();
        assert_eq!(names, ["name", "producers", SECTION]);
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
