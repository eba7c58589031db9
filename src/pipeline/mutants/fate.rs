//! What becomes of a mutant.

use policy_verify_model::sabotage::Survivor;
use serde::{Deserialize, Serialize};

/// What becomes of a mutant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Fate {
    /// A case has another answer than expected.
    Noticed,
    /// It gives no other answer, but faults.
    Crashed,
    /// No request tells it from the policy.
    Alike,
    /// No case notices it, and another request does.
    Survived(Box<Survivor>),
    /// It is no policy any more: it cannot be compiled, or not be loaded.
    NoPolicy,
}
