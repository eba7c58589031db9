//! What is known of one module, for people and for scripts: the output of `verify inspect`.
//!
//! Everything in it may be a stranger's: a policy is inspected before it is trusted.

mod text;
mod usage;

use std::io;

use serde::Serialize;

use super::{Style, escape};
use policy_verify_model::inspection::{CapabilityUse, Inspection, ListedSignature, Looks};
use policy_verify_model::policy::{ExecutionMode, Metadata};
use policy_verify_model::yaml::emit::Node;

/// How people see it.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Colours and columns.
    pub style: Style,
    /// Whether the usage text is laid out for reading; otherwise its Markdown stays as it is, for whatever comes behind
    /// the pipe.
    pub renders_usage: bool,
}

/// Writes everything there is, for people.
pub fn text(inspection: &Inspection, look: &Look, out: &mut dyn io::Write) -> io::Result<()> {
    text::write(inspection, look, out)
}

/// Writes one JSON document.
pub fn json(inspection: &Inspection, out: &mut dyn io::Write) -> io::Result<()> {
    let Inspection { uri, digest, size, looks, metadata, capabilities, remarks, signatures, .. } = inspection;
    let document = Document {
        uri,
        digest: digest.to_string(),
        size: *size,
        execution_mode: execution_mode(inspection),
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

/// How the module is called: what its metadata says, else what its exports leave no doubt about.
fn execution_mode(inspection: &Inspection) -> Option<ExecutionMode> {
    let detected = match inspection.looks {
        Looks::Wapc => Some(ExecutionMode::KubewardenWapc),
        Looks::Wasi => Some(ExecutionMode::Wasi),
        Looks::Rego | Looks::Unknown => None,
    };
    inspection.metadata.as_ref().map(|metadata| metadata.execution_mode).or(detected)
}
