//! What is known of one module, for people and for scripts: the output of `verify inspect`.
//!
//! Everything in it may be a stranger's: a policy is inspected before it is trusted.

mod options;
mod text;
mod usage;

use std::io;

use serde::Serialize;

pub use self::options::TextOptions;
use crate::escape;
use policy_verify_model::inspection::{CapabilityUse, Inspection, ListedSignature, Looks};
use policy_verify_model::policy::{ExecutionMode, Metadata};
use policy_verify_model::yaml::emit::Node;

/// Writes everything there is, for people.
pub fn text(inspection: &Inspection, options: TextOptions, out: &mut dyn io::Write) -> io::Result<()> {
    text::write(inspection, options, out)
}

/// Writes one JSON document.
pub fn json(inspection: &Inspection, out: &mut dyn io::Write) -> io::Result<()> {
    let Inspection { uri, digest, size, looks, metadata, capabilities, remarks, signatures, .. } = inspection;
    let document = Document {
        uri,
        digest: digest.to_string(),
        size: *size,
        execution_mode: inspection.execution_mode(),
        looks_like: *looks,
        metadata: metadata.as_ref(),
        host_capabilities: capabilities,
        remarks,
        signatures: signatures.as_deref(),
    };
    let text = serde_json::to_string_pretty(&document)?;
    writeln!(out, "{}", escape::json(&text))
}

/// Writes the metadata as YAML, and behind it the manifest of signatures if somebody asked for that: what `kwctl inspect
/// -o yaml` writes, byte for byte. Nothing where there is no metadata.
///
/// Where a line of it would be a command to a CI runner, the document is written in the part of YAML that is JSON: it says
/// the same, and nothing in it begins a line.
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
    let text = escape::json(&serde_json::to_string_pretty(&document)?);
    writeln!(out, "{text}")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    uri: &'a str,
    digest: String,
    size: u64,
    execution_mode: Option<ExecutionMode>,
    looks_like: Looks,
    metadata: Option<&'a Metadata>,
    host_capabilities: &'a CapabilityUse,
    signatures: Option<&'a [ListedSignature]>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    remarks: &'a [String],
}
