//! Which policies and groups a case has a verdict of.

use std::rc::Rc;
use std::sync::Arc;

use policy_verify_model::answer::AdmissionResponse;
use policy_verify_model::outcome::{CaseReport, PartReport, PartVerdict};
use policy_verify_model::policy::Settings;
use policy_verify_model::request::GroupVersionResource;
use policy_verify_model::rule_coverage::VerdictCounts;
use policy_verify_model::stored_request::RequestTarget;
use policy_verify_model::suite::{Case, CaseBody, GroupIndex, PolicyIndex, Step};

use crate::evaluate::Policies;

/// Whose verdict it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Policy(PolicyIndex),
    Group(GroupIndex),
}

/// What was decided about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    Mutated,
    Rejected,
}

impl Verdict {
    fn of_response(response: &AdmissionResponse) -> Self {
        match (response.allowed, &response.patch) {
            (false, _) => Self::Rejected,
            (true, Some(_)) => Self::Mutated,
            (true, None) => Self::Allowed,
        }
    }

    fn of_part(part: &PartVerdict) -> Option<Self> {
        match part {
            PartVerdict::Allow => Some(Self::Allowed),
            PartVerdict::Mutate => Some(Self::Mutated),
            PartVerdict::Deny | PartVerdict::Warn => Some(Self::Rejected),
            PartVerdict::Fault | PartVerdict::NotAsked | PartVerdict::NotApplicable(_) => None,
        }
    }

    /// Counts it.
    pub(super) fn count(self, counts: &mut VerdictCounts) {
        match self {
            Self::Allowed => counts.allowed += 1,
            Self::Mutated => counts.mutated += 1,
            Self::Rejected => counts.rejected += 1,
        }
    }
}

/// A verdict about a request.
pub(super) struct Answered {
    pub(super) subject: Subject,
    pub(super) verdict: Verdict,
    /// The settings it was given with; a group has none of its own.
    pub(super) settings: Option<Arc<Settings>>,
    /// What the request was about; nothing for a raw document.
    pub(super) target: Option<Rc<Target>>,
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Target {
    pub(super) group: String,
    pub(super) version: String,
    /// `pods`, `pods/exec`
    pub(super) resource: String,
    pub(super) operation: String,
}

impl From<RequestTarget> for Target {
    fn from(target: RequestTarget) -> Self {
        let resource = target.resource_path();
        let GroupVersionResource { group, version, .. } = target.resource;
        Self { group, version, resource, operation: target.operation }
    }
}

/// The verdicts of all policies and groups that a case has. A fault is none.
pub(super) fn of(case: &Case, report: &CaseReport, policies: &Policies<'_>) -> Vec<Answered> {
    let CaseBody::Request(body) = &case.body else { return Vec::new() };
    let target = report.request.as_ref().and_then(|request| request.target()).map(|it| Rc::new(it.into()));
    let mut found = Vec::new();
    let mut add = |subject, settings: Option<&Arc<Settings>>, verdict: Option<Verdict>| {
        let (settings, target) = (settings.cloned(), target.clone());
        found.extend(verdict.map(|verdict| Answered { subject, verdict, settings, target }));
    };
    let single = report.monitored.as_ref().or(report.response.as_ref()).filter(|_| report.fault.is_none());
    for (index, step) in body.subject.steps.iter().enumerate() {
        // A case of one step has no steps of its own.
        let part = report.steps.get(index);
        let verdict = match part {
            Some(part) => Verdict::of_part(&part.verdict),
            None if body.subject.steps.len() == 1 => single.map(Verdict::of_response),
            None => None,
        };
        match step {
            Step::Policy(used) => add(Subject::Policy(used.policy), Some(&used.settings), verdict),
            Step::Group(group) => {
                add(Subject::Group(*group), None, verdict);
                let members = part.map_or(&report.members, |part| &part.members);
                for member in &policies.suite.groups[group.0].members {
                    let own = members.iter().find(|part: &&PartReport| part.name == member.id);
                    let verdict = own.and_then(|part| Verdict::of_part(&part.verdict));
                    add(Subject::Policy(member.policy.policy), Some(&member.policy.settings), verdict);
                }
            }
        }
    }
    found
}
