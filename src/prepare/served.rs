//! Whether policy-server serves a policy at all. Source: `precompiled_policy.rs` of policy-server.

use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::outcome::{Unavailable, UnavailableStage};
use policy_verify_model::policy::{ExecutionMode, Metadata, ProtocolVersion};
use policy_verify_model::release::Release;
use policy_verify_model::suite::PolicySpec;

/// Why policy-server serves no module with this metadata, in its words. Without metadata the mode is waPC to it.
fn refusal(metadata: Option<&Metadata>) -> Option<&'static str> {
    let (mode, version) = metadata.map(|it| (it.execution_mode, it.protocol_version)).unwrap_or_default();
    match (mode, version) {
        (ExecutionMode::KubewardenWapc, None) => {
            Some("Policy is missing protocol version, which is required for KubewardenWapc execution mode")
        }
        (ExecutionMode::KubewardenWapc, Some(ProtocolVersion::Unknown)) => {
            Some("Policy uses protocol version Unknown but only V1 is supported")
        }
        _ => None,
    }
}

/// The warning about a module that runs here and that policy-server would not serve. `has_rules` says that those of a
/// manifest are checked.
pub(crate) fn warning(spec: &PolicySpec, metadata: Option<&Metadata>, has_rules: bool) -> Option<Diagnostic> {
    let refusal = refusal(metadata)?;
    let (name, nearby) = (&spec.name, spec.nearby_metadata.as_deref());
    let message = match (metadata, nearby) {
        (Some(_), _) => format!("policy-server would not serve `{name}`: {refusal}"),
        (None, None) => format!("the module of `{name}` has no metadata: {}", consequences(has_rules)),
        (None, Some(file)) => {
            format!("`{file}` is not used, and the module of `{name}` has no metadata: {}", consequences(has_rules))
        }
    };
    let file = nearby.unwrap_or("metadata.yml");
    let help = format!("add `metadata: {file}` to the policy, or annotate the module with `verify annotate`");
    Some(Diagnostic::new(Code::Metadata, message).at(&spec.uri.span).with_help(help))
}

fn consequences(has_rules: bool) -> &'static str {
    match has_rules {
        true => "policy-server would not serve it",
        false => "rules are not checked, and policy-server would not serve it",
    }
}

/// Refuses a module of a registry that policy-server would not serve. What is tested there is what is deployed, so that a
/// warning is not enough.
pub(super) fn check_published(spec: &PolicySpec, metadata: Option<&Metadata>) -> Result<(), Unavailable> {
    let Some(refusal) = refusal(metadata) else { return Ok(()) };
    let why = match metadata {
        Some(_) => refusal.to_owned(),
        None => format!("the module has no metadata: {refusal}"),
    };
    let file = spec.nearby_metadata.as_deref().unwrap_or("metadata.yml");
    Err(Unavailable {
        stage: UnavailableStage::Metadata,
        message: format!("policy-server would not serve `{}`: {why}", spec.uri_text),
        help: Some(format!(
            "annotate the module with `verify annotate` and push it again; to test it with other metadata until then, \
             add `metadata: {file}` to the policy"
        )),
        span: Some(spec.uri.span.clone()),
    })
}

/// Holds the oldest release that a policy supports against the one whose verdicts are given; patches do not count.
pub(super) fn check(
    spec: &PolicySpec,
    metadata: Option<&Metadata>,
    mode: ExecutionMode,
    release: Release,
) -> Result<(), Unavailable> {
    if mode == ExecutionMode::Ferricel && !release.has_ferricel() {
        return Err(unknown_mode(spec, mode, release));
    }
    let required = metadata.and_then(|metadata| metadata.minimum_kubewarden_version.as_ref());
    let Some(required) = required.filter(|it| (it.major, it.minor) > release.minor_version()) else { return Ok(()) };
    let ((wanted_major, wanted_minor), (major, minor)) = ((required.major, required.minor), release.minor_version());
    Err(Unavailable {
        stage: UnavailableStage::Metadata,
        message: format!(
            "Policy required Kubewarden version {wanted_major}.{wanted_minor}.0 but is running on {major}.{minor}.0"
        ),
        help: Some(format!(
            "run with `--kubewarden {wanted_major}.{wanted_minor}`, or lower `minimumKubewardenVersion` of the metadata"
        )),
        span: Some(spec.metadata.as_ref().map_or(&spec.uri.span, |path| &path.span).clone()),
    })
}

/// A policy whose mode this release does not have.
fn unknown_mode(spec: &PolicySpec, mode: ExecutionMode, release: Release) -> Unavailable {
    let place = spec.execution_mode.as_ref().map(|stated| &stated.span);
    let place = place.or(spec.metadata.as_ref().map(|path| &path.span)).unwrap_or(&spec.uri.span);
    Unavailable {
        stage: UnavailableStage::Metadata,
        message: format!("`executionMode: {mode}` needs Kubewarden 1.39, and the suite is for {release}"),
        help: Some("run with `--kubewarden 1.39`, or write `kubewarden: \"1.39\"` into the suite".into()),
        span: Some(place.clone()),
    }
}
