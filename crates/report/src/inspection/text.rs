//! The inspection for people: sections of lines that fit a terminal of 80 columns.

use std::io;

use super::options::TextOptions;
use crate::page::{BOLD, DIM, ODD, PLAIN, Page, piece};
use crate::{escape, layout, phrases, prose};
use policy_verify_model::inspection::{DetectedKind, Inspection, ListedSignature, SignatureForm};
use policy_verify_model::policy::{ExecutionMode, Metadata, PolicyType, ProtocolVersion, Rule, RuleOperation};

const INDENT: usize = 2;

/// Columns of the words in front of what a module is: a digest behind them still fits.
const MODULE: usize = 7;

/// Columns of the labels of the metadata.
const POLICY: usize = 18;

/// A wider key has a line of its own.
const WIDEST_KEY: usize = 36;

/// Characters shown of one value; the complete text is in the other formats.
const MOST_OF_A_VALUE: usize = 4_000;

const TITLE: &str = "io.kubewarden.policy.title";
const VERSION: &str = "io.kubewarden.policy.version";
const DESCRIPTION: &str = "io.kubewarden.policy.description";
const USAGE: &str = "io.kubewarden.policy.usage";

pub(super) fn write(inspection: &Inspection, options: TextOptions, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(options.style, out);
    if let Some(metadata) = &inspection.metadata {
        title(&mut page, metadata)?;
    }
    module(&mut page, inspection)?;
    if let Some(metadata) = &inspection.metadata {
        policy(&mut page, metadata)?;
        rules(&mut page, metadata)?;
        resources(&mut page, metadata)?;
    }
    capabilities(&mut page, inspection)?;
    if let Some(metadata) = &inspection.metadata {
        annotations(&mut page, metadata)?;
    }
    if let Some(listed) = &inspection.signatures {
        signatures(&mut page, listed)?;
    }
    if let Some(metadata) = &inspection.metadata {
        usage_text(&mut page, metadata, options)?;
    }
    Ok(())
}

fn annotation<'a>(metadata: &'a Metadata, key: &str) -> Option<&'a str> {
    metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

fn title(page: &mut Page<'_>, metadata: &Metadata) -> io::Result<()> {
    let parts = [annotation(metadata, TITLE), annotation(metadata, VERSION)];
    let parts: Vec<&str> = parts.into_iter().flatten().map(str::trim).filter(|part| !part.is_empty()).collect();
    if !parts.is_empty() {
        page.line(0, &[piece(layout::fit(&parts.join(" "), page.columns()), BOLD)])?;
    }
    if let Some(description) = annotation(metadata, DESCRIPTION) {
        field(page, 0, 0, "", description)?;
    }
    page.blank()
}

/// A heading, with a blank line before it.
fn section(page: &mut Page<'_>, heading: &str) -> io::Result<()> {
    page.blank()?;
    page.line(0, &[piece(heading, BOLD)])
}

/// A label and its value, on as many lines as necessary.
fn field(page: &mut Page<'_>, indent: usize, label_width: usize, label: &str, value: &str) -> io::Result<()> {
    let value = escape::visible(&escape::cut(value.trim_end(), MOST_OF_A_VALUE));
    let room = page.columns().saturating_sub(indent + label_width).max(20);
    let rows = value.lines().flat_map(|line| {
        // What has no blank, such as an address, is copied: it stays in one piece.
        let pieces =
            if line.contains(' ') { layout::wrap(line, room) } else { std::iter::once(0..line.len()).collect() };
        pieces.into_iter().map(move |range| line[range].trim_end())
    });
    let mut rows: Vec<&str> = rows.collect();
    if rows.is_empty() {
        rows.push("");
    }
    let mut label = label;
    if layout::width(label) >= label_width && label_width > 0 {
        page.line(indent, &[piece(layout::fit(label, page.columns() - indent), DIM)])?;
        label = "";
    }
    for row in rows {
        let padding = " ".repeat(label_width.saturating_sub(layout::width(label)));
        let colour = if label.is_empty() { PLAIN } else { DIM };
        page.line(indent, &[piece(label, colour), piece(padding, PLAIN), piece(row, PLAIN)])?;
        label = "";
    }
    Ok(())
}

fn module(page: &mut Page<'_>, inspection: &Inspection) -> io::Result<()> {
    section(page, "Module")?;
    let size = match inspection.size {
        bytes @ 0..1_024 => phrases::count(usize::try_from(bytes).unwrap_or_default(), "byte"),
        bytes => format!("{} ({bytes} bytes)", phrases::size(bytes)),
    };
    for (label, value) in [
        ("uri", inspection.uri.clone()),
        ("digest", inspection.digest.to_string()),
        ("size", size),
        ("mode", mode(inspection)),
    ] {
        field(page, INDENT, MODULE, label, &value)?;
    }
    Ok(())
}

fn mode(inspection: &Inspection) -> String {
    let detected_kind = match inspection.detected_kind {
        DetectedKind::Rego => "a Rego module (opa or gatekeeper)",
        DetectedKind::Wapc => "a waPC module",
        DetectedKind::Wasi => "a WASI program",
        DetectedKind::Ferricel => "a ValidatingAdmissionPolicy compiled by ferricel",
        DetectedKind::Unknown => "an unknown kind of module",
    };
    match (inspection.execution_mode(), &inspection.metadata) {
        (Some(mode), Some(_)) if !fits(mode, inspection.detected_kind) => {
            format!("{mode}, but the exports are those of {detected_kind}")
        }
        (Some(mode), _) => format!("{mode} (exports of {detected_kind})"),
        (None, _) => format!("unknown (exports of {detected_kind})"),
    }
}

fn fits(mode: ExecutionMode, detected_kind: DetectedKind) -> bool {
    match detected_kind {
        DetectedKind::Rego => matches!(mode, ExecutionMode::Opa | ExecutionMode::Gatekeeper),
        DetectedKind::Wapc => mode == ExecutionMode::KubewardenWapc,
        DetectedKind::Wasi => mode == ExecutionMode::Wasi,
        DetectedKind::Ferricel => mode == ExecutionMode::Ferricel,
        DetectedKind::Unknown => false,
    }
}

fn policy(page: &mut Page<'_>, metadata: &Metadata) -> io::Result<()> {
    section(page, "Policy")?;
    let yes_or_no = |is_true: bool| if is_true { "yes" } else { "no" }.to_owned();
    let protocol = match metadata.protocol_version {
        Some(ProtocolVersion::V1) => "v1",
        Some(ProtocolVersion::Unknown) => "none: that is for waPC modules",
        None => "not stated",
    };
    let kind = match metadata.policy_type {
        PolicyType::Kubernetes => "kubernetes",
        PolicyType::Raw => "raw: any JSON document",
    };
    let oldest = metadata.minimum_kubewarden_version.as_ref();
    let oldest = oldest.map_or_else(|| "any".to_owned(), |version| format!("{version} or newer"));
    for (label, value) in [
        ("type", kind.to_owned()),
        ("execution mode", metadata.execution_mode.to_string()),
        ("protocol version", protocol.to_owned()),
        ("mutating", yes_or_no(metadata.mutating)),
        ("background audit", yes_or_no(metadata.background_audit)),
        ("Kubewarden", oldest),
    ] {
        field(page, INDENT, POLICY, label, &value)?;
    }
    Ok(())
}

fn rules(page: &mut Page<'_>, metadata: &Metadata) -> io::Result<()> {
    section(page, "Rules")?;
    if metadata.rules.is_empty() {
        return page.line(INDENT, &[piece("none: no request matches", DIM)]);
    }
    let operations: Vec<String> = metadata.rules.iter().map(operations).collect();
    let widest = operations.iter().map(|text| layout::width(text)).max().unwrap_or(0).min(WIDEST_KEY);
    for (rule, operations) in metadata.rules.iter().zip(&operations) {
        let what = format!("{} of {}", rule.resources.join(", "), versions(rule));
        field(page, INDENT, widest + 2, operations, &what)?;
    }
    Ok(())
}

fn operations(rule: &Rule) -> String {
    let words = rule.operations.iter().map(|operation| match operation {
        RuleOperation::Create => "CREATE",
        RuleOperation::Update => "UPDATE",
        RuleOperation::Delete => "DELETE",
        RuleOperation::Connect => "CONNECT",
        RuleOperation::All => "*",
    });
    words.collect::<Vec<_>>().join(", ")
}

/// `v1`, `apps/v1, apps/v1beta1`: every group with every version.
fn versions(rule: &Rule) -> String {
    let of_group = |group: &String| {
        let group = group.clone();
        rule.api_versions.iter().map(move |version| match group.as_str() {
            "" => version.clone(),
            group => format!("{group}/{version}"),
        })
    };
    rule.api_groups.iter().flat_map(of_group).collect::<Vec<_>>().join(", ")
}

fn resources(page: &mut Page<'_>, metadata: &Metadata) -> io::Result<()> {
    section(page, "Reads from the cluster")?;
    if metadata.context_aware_resources.is_empty() {
        return page.line(INDENT, &[piece("nothing", DIM)]);
    }
    for resource in &metadata.context_aware_resources {
        field(page, INDENT, 0, "", &format!("{} {}", resource.api_version, resource.kind))?;
    }
    Ok(())
}

fn capabilities(page: &mut Page<'_>, inspection: &Inspection) -> io::Result<()> {
    section(page, "Host capabilities")?;
    let names = &inspection.capabilities;
    let is_rego = inspection.detected_kind == DetectedKind::Rego;
    if names.found.is_empty() && names.declared.is_empty() {
        let none = if is_rego { "none declared; Rego shows no others" } else { "none found, none declared" };
        return page.line(INDENT, &[piece(none, DIM)]);
    }
    let mut rows: Vec<(&str, &str, bool)> = Vec::new();
    for name in &names.found {
        let is_undeclared = names.undeclared.contains(name);
        rows.push((name, if is_undeclared { "found, not declared" } else { "found and declared" }, is_undeclared));
    }
    for name in names.declared.iter().filter(|name| !names.found.contains(name)) {
        let is_unused = names.unused.contains(name);
        rows.push((name, if is_unused { "declared, not found" } else { "declared" }, is_unused));
    }
    rows.sort_unstable();
    let widest = rows.iter().map(|(name, ..)| layout::width(name)).max().unwrap_or(0).min(WIDEST_KEY + 6);
    for (name, what, is_odd) in rows {
        let name = layout::fit(name, widest);
        let padding = " ".repeat(widest + 2 - layout::width(&name));
        let colour = if is_odd { ODD } else { DIM };
        page.line(INDENT, &[piece(name, PLAIN), piece(padding, PLAIN), piece(what, colour)])?;
    }
    Ok(())
}

fn annotations(page: &mut Page<'_>, metadata: &Metadata) -> io::Result<()> {
    section(page, "Annotations")?;
    let shown = metadata.annotations.iter().flatten().filter(|(key, _)| *key != USAGE);
    let shown: Vec<(&String, &String)> = shown.collect();
    if shown.is_empty() {
        return page.line(INDENT, &[piece("none", DIM)]);
    }
    let widths = shown.iter().map(|(key, _)| layout::width(key)).filter(|width| *width <= WIDEST_KEY);
    let widest = widths.max().unwrap_or(0) + 2;
    for (key, value) in shown {
        field(page, INDENT, widest, &escape::visible(key), value)?;
    }
    Ok(())
}

/// What a registry has. Values are long and for machines: `-o json` has them.
fn signatures(page: &mut Page<'_>, listed: &[ListedSignature]) -> io::Result<()> {
    section(page, "Signatures, not verified")?;
    if listed.is_empty() {
        return page.line(INDENT, &[piece("none", DIM)]);
    }
    for ListedSignature { form, digest, annotations } in listed {
        let form = match form {
            SignatureForm::Tag => "tag",
            SignatureForm::Bundle => "bundle",
        };
        field(page, INDENT, MODULE, form, digest)?;
        for key in annotations.keys() {
            field(page, INDENT + MODULE, 0, "", key)?;
        }
    }
    Ok(())
}

fn usage_text(page: &mut Page<'_>, metadata: &Metadata, options: TextOptions) -> io::Result<()> {
    let Some(text) = annotation(metadata, USAGE).filter(|text| !text.trim().is_empty()) else { return Ok(()) };
    section(page, "Usage")?;
    page.blank()?;
    for line in prose::lines(text, &options.style, options.renders_usage) {
        page.laid_out(&line)?;
    }
    Ok(())
}
