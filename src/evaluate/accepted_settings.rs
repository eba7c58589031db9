//! Settings that a policy has accepted. The server validates them when it starts, and never again; here, each case would.
//!
//! Only what left no trace is remembered: a validation that made a host call, logged or printed something is part of what a
//! case reports.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use policy_verify_model::suite::{PolicyIndex, PolicyUse};

/// The validations of a suite that need not be made again.
#[derive(Debug, Default)]
pub(crate) struct AcceptedSettings(RwLock<HashSet<Validation>>);

/// What a validation depends on, beside what never changes in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Validation {
    policy: PolicyIndex,
    /// Where the settings are: those of a suite stay there as long as it runs.
    settings: usize,
    /// The time that the policy sees.
    clock: Option<jiff::Timestamp>,
}

impl Validation {
    /// The validation of what a case uses.
    pub(super) fn of(used: &PolicyUse, clock: Option<jiff::Timestamp>) -> Self {
        Self { policy: used.policy, settings: Arc::as_ptr(&used.settings).addr(), clock }
    }
}

impl AcceptedSettings {
    /// Whether such a validation was remembered.
    pub(super) fn has(&self, validation: Validation) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(&validation)
    }

    /// Remembers one that accepted the settings and left no trace.
    pub(super) fn add(&self, validation: Validation) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(validation);
    }
}
