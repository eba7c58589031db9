//! A policy of a suite before and after it is resolved.

use std::sync::Arc;

use policy_verify_model::policy::PolicyRef;
use policy_verify_model::suite::PolicySpec;
use policy_verify_registry::digest::OciDigest;

/// The module of a policy, and its origin.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    /// The module.
    pub(crate) module: Arc<[u8]>,
    /// The digest of the manifest for registries, of the module for web servers; none for files.
    pub(crate) digest: Option<OciDigest>,
    /// Notes for the report, such as a moved tag.
    pub(crate) remarks: Vec<String>,
}

/// A policy and its suite: an index into the paths of the suites.
pub(crate) type OfSuite<'a> = (usize, &'a PolicySpec);

/// Whether a policy is in a registry or on a web server.
pub(crate) fn is_remote(spec: &PolicySpec) -> bool {
    !matches!(spec.uri.value, PolicyRef::File(_))
}
