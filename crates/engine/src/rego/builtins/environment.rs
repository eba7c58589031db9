//! What a built-in depends on besides its arguments.

/// The surroundings of a call.
pub(crate) struct Environment {
    /// The date and time the policy sees.
    pub(crate) now: jiff::Timestamp,
}
