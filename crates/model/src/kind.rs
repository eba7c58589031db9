//! Kinds of Kubernetes as the rules of policies name them: by group, version and the plural of their resource.

use super::policy::RuleOperation;
use super::request::api_version;

/// A kind whose objects a cluster stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKind {
    /// API group; empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// The kind.
    pub kind: String,
    /// Plural name of the resource.
    pub plural: String,
    /// What is sent to webhooks about parts of it.
    pub subresources: Vec<KnownSubresource>,
}

impl KnownKind {
    /// `v1`, `apps/v1`
    pub fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }
}

/// A subresource about which requests are sent to webhooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSubresource {
    /// Its name: `scale`.
    pub name: String,
    /// The only operation it has.
    pub operation: RuleOperation,
    /// `apiVersion` and kind of what is sent; nothing where that is the object itself, or made of it.
    pub object: Option<(String, String)>,
}
