//! Whether policy-server serves a policy at all. Source: `precompiled_policy.rs` of policy-server.

use policy_verify_model::outcome::{Unavailable, UnavailableStage};
use policy_verify_model::policy::Metadata;
use policy_verify_model::release::Release;
use policy_verify_model::suite::PolicySpec;

/// Holds the oldest release that a policy supports against the one whose verdicts are given; patches do not count.
pub(super) fn check(spec: &PolicySpec, metadata: Option<&Metadata>, release: Release) -> Result<(), Unavailable> {
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
