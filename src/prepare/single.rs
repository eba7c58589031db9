//! One module without a suite around it, for `verify annotate`, `inspect` and `push`.
//!
//! Annotating is the same function that suites use. What is added is what a suite finds out by running: the module is
//! compiled and linked, so that nothing leaves here that could not be hosted.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::prepared::{AnnotatedModule, unusable_at};
use super::{annotate, detect, ferricel, metadata, read_text, ready, scan, unknown_keys};
use policy_verify_engine::engine::Engine;
use policy_verify_model::inspection::{CapabilityUse, DetectedKind, IgnoredKey, Inspection};
use policy_verify_model::outcome::{Unavailable, UnavailableStage};
use policy_verify_model::policy::{Digest, Metadata};
use policy_verify_model::privilege::covers;
use policy_verify_model::source::{SourceFile, Span, Spanned};

/// A module as the user named it.
pub(crate) struct Named<'a> {
    /// Its name in messages.
    pub(crate) name: &'a str,
    /// Where the name was written, for what cannot be placed better.
    pub(crate) place: &'a Span,
    /// Its bytes.
    pub(crate) bytes: &'a [u8],
}

/// Attaches the metadata of `file` and the usage text to a module, compiles the result, asks a waPC module for its
/// protocol version, and looks for host capabilities and for unknown keys.
///
/// # Errors
///
/// Every problem of the metadata, or the first of the module.
pub(crate) fn annotate(
    module: &Named<'_>,
    file: &Arc<SourceFile>,
    usage: Option<String>,
    engine: &Engine,
) -> Result<(AnnotatedModule, CapabilityUse, Vec<IgnoredKey>), Vec<Unavailable>> {
    let Named { name, place, bytes } = *module;
    let annotated = attach(module, file, usage)?;
    let compiled = engine.compile_and_keep(annotated.digest, &annotated.bytes);
    ready(&annotated, compiled.as_ref(), engine, true, name, place).map_err(|unavailable| vec![unavailable])?;
    let capabilities = capabilities(bytes, annotated.detected_kind, annotated.metadata.as_ref())
        .map_err(|error| vec![not_a_module(module, &error.to_string())])?;
    Ok((annotated, capabilities, unknown_keys::of_file(file)))
}

/// Attaches the metadata of `file` and the usage text to a module, which is not compiled.
///
/// # Errors
///
/// Every problem of the metadata, or the first of the module.
pub(crate) fn attach(
    module: &Named<'_>,
    file: &Arc<SourceFile>,
    usage: Option<String>,
) -> Result<AnnotatedModule, Vec<Unavailable>> {
    let broken = |error: &wasmparser::BinaryReaderError| not_a_module(module, &error.to_string());
    let detected_kind = detect::kind(module.bytes).map_err(|error| vec![broken(&error)])?;
    let choose_mode = |metadata: &Metadata, stated: &Span| {
        let mode = detect::mode(Some(metadata), None, detected_kind);
        mode.map_err(|error| unusable_at(stated, error))
    };
    annotate::with_file(module.bytes, detected_kind, file, usage, choose_mode)
        .map_err(|refused| refused.into_problems(broken))
}

/// The metadata of a file alone, with the places of its annotations. Rules and names are not checked.
pub(crate) struct MetadataFile {
    pub(crate) metadata: Metadata,
    /// Where the value of each annotation is written.
    pub(crate) annotations: BTreeMap<String, Span>,
    /// Where the file begins.
    pub(crate) start: Span,
}

/// Reads the metadata of a file.
///
/// # Errors
///
/// It is no metadata.
pub(crate) fn metadata(file: &Arc<SourceFile>) -> Result<MetadataFile, Unavailable> {
    let stated = metadata::of_file(file).map_err(|error| annotate::unreadable(file, error))?;
    Ok(MetadataFile { metadata: stated.metadata, annotations: stated.annotations, start: stated.start })
}

/// Reads a text file named on the command line.
pub(crate) fn text(path: &Path, place: &Span) -> Result<Arc<SourceFile>, Unavailable> {
    read_text(&Spanned::new(path, place.clone()))
}

/// Everything that is known of a module without running it.
///
/// # Errors
///
/// It is not a module, or its metadata cannot be read.
pub(crate) fn inspect(module: &Named<'_>) -> Result<Inspection, Unavailable> {
    let broken = |error: wasmparser::BinaryReaderError| not_a_module(module, &error.to_string());
    let detected_kind = detect::kind(module.bytes).map_err(broken)?;
    let metadata = metadata::of_module(module.bytes).map_err(|error| unusable_at(module.place, error))?;
    Ok(Inspection {
        uri: module.name.to_owned(),
        digest: Digest::of(module.bytes),
        size: module.bytes.len() as u64,
        detected_kind,
        capabilities: capabilities(module.bytes, detected_kind, metadata.as_ref()).map_err(broken)?,
        metadata,
        remarks: Vec::new(),
        signatures: None,
        signature_manifest: None,
    })
}

/// The host capabilities whose names a module contains; none where it cannot be read.
pub(crate) fn found(bytes: &[u8]) -> Vec<String> {
    let kind = detect::kind(bytes).ok();
    kind.and_then(|kind| capabilities(bytes, kind, None).ok()).map(|found| found.found).unwrap_or_default()
}

/// The host capabilities of a module against those its metadata declares.
fn capabilities(
    bytes: &[u8],
    detected_kind: DetectedKind,
    metadata: Option<&Metadata>,
) -> Result<CapabilityUse, wasmparser::BinaryReaderError> {
    let declared: Vec<String> = metadata.and_then(|it| it.host_capabilities.clone()).into_iter().flatten().collect();
    // Rego policies make no host calls: what they read is put into their data.
    if detected_kind == DetectedKind::Rego {
        return Ok(CapabilityUse { declared, ..CapabilityUse::default() });
    }
    let found = match detected_kind {
        DetectedKind::Ferricel => ferricel::capabilities(bytes)?,
        _ => scan::capabilities(bytes)?,
    };
    let found: Vec<String> = found.into_iter().map(str::to_owned).collect();
    let undeclared = found.iter().filter(|name| !declared.iter().any(|pattern| covers(pattern, name)));
    let unused = declared.iter().filter(|pattern| !found.iter().any(|name| covers(pattern, name)));
    let (undeclared, unused) = (undeclared.cloned().collect(), unused.cloned().collect());
    Ok(CapabilityUse { found, declared, undeclared, unused })
}

fn not_a_module(module: &Named<'_>, error: &str) -> Unavailable {
    Unavailable {
        stage: UnavailableStage::Compile,
        message: format!("Error parsing wasm module: `{}`: {error}", module.name),
        help: None,
        span: Some(module.place.clone()),
    }
}
