//! What a built-in depends on besides its arguments.

use policy_verify_model::budget::Budget;

/// The surroundings of a call.
pub(crate) struct Environment {
    /// The date and time the policy sees.
    pub(crate) now: jiff::Timestamp,
    /// What the call may use up.
    pub(crate) budget: Budget,
}
