//! Settings that a policy has accepted. The server validates them when it starts, and never again; here, each case would.
//!
//! Only what left no trace is remembered: a validation that made a host call, logged or printed something is part of what a
//! case reports.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use policy_verify_model::suite::{Case, CaseBody, PolicyIndex, PolicyUse, Step, Suite};

/// The validations of a suite that need not be made again.
#[derive(Debug, Default, Clone)]
pub(crate) struct AcceptedSettings {
    known: Arc<RwLock<HashSet<Validation>>>,
    choices: Choices,
}

/// Whether it matters which validations a case makes, of which threads decide: the first case makes them.
#[derive(Debug, Default, Clone)]
enum Choices {
    /// It does not.
    #[default]
    Free,
    /// What was left out is kept, one after the other. Whether new ones are remembered.
    Kept { kept: Arc<Mutex<Vec<bool>>>, learns: bool },
    /// The same is left out again.
    Repeated(Arc<Mutex<VecDeque<bool>>>),
}

/// What a validation depends on, beside what never changes in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Validation {
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

/// The validations that a case may need.
pub(crate) fn validations(case: &Case, suite: &Suite) -> Vec<Validation> {
    let CaseBody::Request(body) = &case.body else { return Vec::new() };
    let of_step = |step: &Step| match step {
        Step::Policy(used) => vec![Validation::of(used, case.clock)],
        Step::Group(group) => {
            let members = &suite.groups[group.0].members;
            members.iter().map(|member| Validation::of(&member.policy, case.clock)).collect()
        }
    };
    body.subject.steps.iter().flat_map(of_step).collect()
}

impl AcceptedSettings {
    /// For one case that runs twice in different code: the second time leaves out what the first does. Only what `learns` adds
    /// to what is known: of cases side by side, none may depend on another.
    pub(crate) fn for_two_runs(&self, learns: bool) -> TwoRuns {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let choices = Choices::Kept { kept: Arc::clone(&kept), learns };
        TwoRuns { first: Self { known: Arc::clone(&self.known), choices }, kept }
    }

    /// Whether such a validation was remembered.
    pub(super) fn has(&self, validation: Validation) -> bool {
        let is_known = || self.known.read().unwrap_or_else(PoisonError::into_inner).contains(&validation);
        match &self.choices {
            Choices::Free => is_known(),
            Choices::Kept { kept, .. } => {
                let choice = is_known();
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(choice);
                choice
            }
            Choices::Repeated(choices) => {
                choices.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or(false)
            }
        }
    }

    /// Remembers one that accepted the settings and left no trace.
    pub(super) fn add(&self, validation: Validation) {
        if !matches!(self.choices, Choices::Repeated(_) | Choices::Kept { learns: false, .. }) {
            self.known.write().unwrap_or_else(PoisonError::into_inner).insert(validation);
        }
    }
}

/// The validations of a case that runs twice.
pub(crate) struct TwoRuns {
    /// For the first run.
    pub(crate) first: AcceptedSettings,
    kept: Arc<Mutex<Vec<bool>>>,
}

impl TwoRuns {
    /// For the second run, once the first is over.
    pub(crate) fn second(&self) -> AcceptedSettings {
        let choices = self.kept.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        AcceptedSettings { known: Arc::default(), choices: Choices::Repeated(Arc::new(Mutex::new(choices))) }
    }
}
