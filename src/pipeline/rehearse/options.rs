//! What to rehearse: the dump, and the policies by the cases of their suite.

use std::path::PathBuf;

use policy_verify_suite::{FileLimit, UnknownKinds};

/// What to rehearse.
#[derive(Debug, Clone, Default)]
pub struct RehearsalOptions {
    /// The files with the objects; `-` for stdin.
    pub objects: Vec<PathBuf>,
    /// Files with the definitions of further kinds. Those among the objects are known anyway.
    pub definitions: Vec<PathBuf>,
    /// How large these files may be.
    pub limit: FileLimit,
    /// What becomes of objects of unknown kinds.
    pub unknown_kinds: UnknownKinds,
    /// The policies.
    pub policies: Vec<RehearsedPolicy>,
    /// Whether the policies are compared with old ones.
    pub has_old: bool,
}

/// A policy to rehearse. It is known by the case of the suite that is about it.
#[derive(Debug, Clone, Default)]
pub struct RehearsedPolicy {
    /// What reports call it.
    pub name: String,
    /// The name of its case; none where only an old policy is called so.
    pub new: Option<String>,
    /// The name of the case of the old policy.
    pub old: Option<String>,
}
