//! A module and its metadata, for people and for scripts: the output of `verify inspect`.
//!
//! All of its text is untrusted: a policy is inspected before it is trusted.

mod options;
mod text;

use std::io;

use serde::Serialize;

pub use self::options::TextOptions;
use crate::{escape, json};
use policy_verify_model::inspection::{CapabilityUse, DetectedKind, Inspection, ListedSignature};
use policy_verify_model::policy::{ExecutionMode, Metadata};
use policy_verify_model::yaml::emit::Node;

/// Writes everything there is, for people.
pub fn text(inspection: &Inspection, options: TextOptions, out: &mut dyn io::Write) -> io::Result<()> {
    text::write(inspection, options, out)
}

/// Writes one JSON document.
pub fn json(inspection: &Inspection, out: &mut dyn io::Write) -> io::Result<()> {
    let Inspection { uri, digest, size, detected_kind, metadata, capabilities, remarks, signatures, .. } = inspection;
    let document = Document {
        uri,
        digest: digest.to_string(),
        size: *size,
        execution_mode: inspection.execution_mode(),
        looks_like: *detected_kind,
        metadata: metadata.as_ref(),
        host_capabilities: capabilities,
        remarks,
        signatures: signatures.as_deref(),
    };
    json::write(&document, out)
}

/// Writes the metadata as YAML, followed by the manifest of signatures if it was requested: the bytes of `kwctl inspect -o
/// yaml`. Writes nothing for a module without metadata.
///
/// Where a line of it would be a command to a CI runner, the document is written as JSON, which is YAML as well.
pub fn yaml(inspection: &Inspection, out: &mut dyn io::Write) -> io::Result<()> {
    let Some(metadata) = &inspection.metadata else { return Ok(()) };
    let mut document = Node::of(metadata)?;
    if let Some(manifest) = &inspection.signature_manifest {
        document.push("signatures", serde_json::from_str(manifest)?);
    }
    let text = document.to_yaml();
    let is_harmless = text.lines().all(|line| escape::without_commands(line) == line);
    // Carriage returns, control characters and the like are escaped by the writer, or make it choose quotes.
    if is_harmless && escape::visible(&text) == text {
        return out.write_all(text.as_bytes());
    }
    json::write(&document, out)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    uri: &'a str,
    digest: String,
    size: u64,
    execution_mode: Option<ExecutionMode>,
    looks_like: DetectedKind,
    metadata: Option<&'a Metadata>,
    host_capabilities: &'a CapabilityUse,
    signatures: Option<&'a [ListedSignature]>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    remarks: &'a [String],
}
