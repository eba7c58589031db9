//! What two versions do with one case.

use policy_verify_model::behaviour::Class;
use policy_verify_model::suite::{Case, CaseBody};

use super::classify::{self, Change};
use super::observe::{self, Observation, Seen};
use crate::evaluate::Policies;

/// What became of a case.
pub(super) enum CaseResult {
    /// Both versions have the same verdict: their costs can be compared.
    Same(Vec<Change>),
    /// They have not.
    Other(Vec<Change>),
    /// It could not be compared, for this reason; whatever else is known.
    Not(String, Vec<Change>),
}

/// Compares what both versions do with a case; nothing for a check, which puts nothing to a policy.
pub(super) fn result(case: &Case, [old, new]: [&Policies<'_>; 2]) -> Option<CaseResult> {
    if case.skip.is_some() {
        return Some(CaseResult::Not("marked `skip`".to_owned(), Vec::new()));
    }
    if let Some(unavailable) = old.unavailable_for(case) {
        return Some(CaseResult::Not(format!("another policy is unavailable: {}", unavailable.message), Vec::new()));
    }
    let (one, other) = (observe::of_case(case, old)?, observe::of_case(case, new)?);
    let changes = differences(case, &one, &other);
    if !changes.is_empty() {
        let again = [(old, &one), (new, &other)]
            .map(|(policies, before)| observe::of_case(case, policies).is_some_and(|again| again.seen == before.seen));
        if again != [true, true] {
            return Some(CaseResult::Not("a version answers the same request in several ways".to_owned(), Vec::new()));
        }
    }
    if let Some(fault) = one.seen.without_mock().or(other.seen.without_mock()) {
        return Some(CaseResult::Not(fault.message.clone(), changes));
    }
    Some(match classify::is_same_verdict(&one.seen, &other.seen) {
        true => CaseResult::Same(changes),
        false => CaseResult::Other(changes),
    })
}

fn differences(case: &Case, old: &Observation, new: &Observation) -> Vec<Change> {
    let mut changes = classify::calls(&old.calls, &new.calls);
    if old.seen.without_mock().is_none() && new.seen.without_mock().is_none() {
        let document = match &case.body {
            CaseBody::Request(body) => body.request.get().mutable_document().cloned(),
            _ => None,
        };
        changes.extend(classify::answers(&old.seen, &new.seen, document.as_ref()));
    }
    // A call that a version makes before it is denied or fails goes with its verdict.
    let is_fault = |seen: &Seen| matches!(seen, Seen::Fault(_) | Seen::NotApplicable);
    if is_fault(&old.seen) != is_fault(&new.seen)
        && old.seen.without_mock().is_none()
        && new.seen.without_mock().is_none()
    {
        changes.retain(|change| change.class != Class::Other);
    }
    changes
}
