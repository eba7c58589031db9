//! How policies are fetched.

/// How policies are fetched.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Fetching {
    /// Whether policies come from the store only, without network access.
    pub is_offline: bool,
    /// How the locks of suites are used.
    pub lock: LockUse,
    /// Whether new policies are added to an existing lock. Not in CI, where the file would be lost.
    pub adds_to_lock: bool,
}

/// How the locks of suites are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LockUse {
    /// Locked policies have the digest of the lock; others are looked up.
    #[default]
    Usual,
    /// Every policy must be locked, and unchanged.
    Required,
    /// Every policy is looked up, and the lock is rewritten.
    Updated,
}
