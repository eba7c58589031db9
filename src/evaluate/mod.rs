//! Step 4: a case becomes an answer. Each case has its own instances and its own host; whatever goes wrong in one of
//! them stays there.

mod applicability;
mod chain;
mod compat;
mod deploy;
mod group;
mod rules;
mod scope;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::prepare::PreparedPolicy;
pub(crate) use applicability::{Applicability, applicability};
use policy_verify_host::{HostBackend, Journal};
use policy_verify_model::answer::{AdmissionResponse, Answer, Fault, SettingsVerdict};
use policy_verify_model::hosting::GuestLog;
use policy_verify_model::outcome::{PartReport, Unavailable};
use policy_verify_model::policy::PolicyType;
use policy_verify_model::request::Request;
use policy_verify_model::suite::{
    Case, CaseBody, GroupIndex, GroupSpec, PolicyIndex, PolicySpec, RequestCase, SettingsCase, Step, Suite,
};
use session::{Round, guarded};

/// The policies of a suite, ready to be asked.
pub(crate) struct Policies<'a> {
    /// The suite.
    pub(crate) suite: &'a Suite,
    /// Its policies by index; nothing for those that the run does not need.
    pub(crate) prepared: Vec<Option<&'a Result<PreparedPolicy, Arc<Unavailable>>>>,
    /// Who answers host calls beside the suite.
    pub(crate) backend: HostBackend,
}

impl<'a> Policies<'a> {
    fn spec(&self, policy: PolicyIndex) -> &'a PolicySpec {
        &self.suite.policies[policy.0]
    }

    fn group(&self, group: GroupIndex) -> &'a GroupSpec {
        &self.suite.groups[group.0]
    }

    /// The policy itself; a case is evaluated only if all its policies could be had.
    pub(crate) fn prepared(&self, policy: PolicyIndex) -> &'a PreparedPolicy {
        let prepared = self.prepared[policy.0].and_then(|prepared| prepared.as_ref().ok());
        prepared.expect("the policies of an evaluated case are there")
    }

    /// Why a case cannot be evaluated: the first of its policies that could not be had.
    pub(crate) fn unavailable_for(&self, case: &Case) -> Option<&'a Arc<Unavailable>> {
        let mut wanted = self.suite.policies_for(case).into_iter();
        wanted.find_map(|policy| self.prepared[policy.0]?.as_ref().err())
    }

    /// Whether rules of metadata or of a manifest say what a case is about.
    pub(crate) fn has_rules_for(&self, case: &Case) -> bool {
        let has_scope = |step: &Step| match step {
            Step::Policy(used) => self.spec(used.policy).deployment.scope.is_some(),
            Step::Group(group) => self.group(*group).deployment.scope.is_some(),
        };
        let has_metadata = |step: &Step| {
            self.suite.policies_of(step).into_iter().all(|policy| self.prepared(policy).metadata.is_some())
        };
        let CaseBody::Request(asked) = &case.body else { return false };
        asked.subject.steps.iter().all(|step| has_scope(step) || has_metadata(step))
    }

    fn is_raw(&self, policy: PolicyIndex) -> bool {
        let metadata = self.prepared(policy).metadata.as_ref();
        metadata.is_some_and(|metadata| metadata.policy_type == PolicyType::Raw)
    }
}

/// What evaluating a case found.
pub(crate) struct Evaluated<T> {
    /// The answer.
    pub(crate) answer: T,
    /// What happened between the policies and their host.
    pub(crate) journal: Journal,
    /// What the policies logged or printed.
    pub(crate) log: GuestLog,
}

/// What became of a request.
pub(crate) struct Verdict {
    /// The verdict of the last step, or of all steps of a chain; or why it is not asked for one.
    pub(crate) answer: Result<Answer, NotAsked>,
    /// The answer to the follow-up question, if one was asked.
    pub(crate) second: Option<Answer>,
    /// What each step said.
    pub(crate) steps: Vec<PartReport>,
}

/// In the cluster nobody would ask about the request, for this reason.
pub(crate) struct NotAsked(pub(crate) String);

/// Puts `sent`, which [`as_it_is_taken`] gave, to the policies of a case. `follow_up` makes the next request out of the response, for
/// expectations about a second pass.
pub(crate) fn request(
    case: &Case,
    asked: &RequestCase,
    sent: &Request,
    policies: &Policies<'_>,
    follow_up: &dyn Fn(&Request, &AdmissionResponse) -> Option<Request>,
) -> Evaluated<Verdict> {
    let mut round = Round::new(case, &asked.answers, policies);
    let (answer, steps) = chain::ask(&mut round, asked, sent);
    let next = match &answer {
        Ok(Ok(response)) => follow_up(sent, response),
        _ => None,
    };
    let mut again = None;
    let second = next.and_then(|next| {
        let mut round = Round::new(case, &asked.answers, policies);
        let answer = chain::ask(&mut round, asked, &next).0;
        again = Some(round.finish(()).journal);
        answer.ok()
    });
    let mut evaluated = round.finish(Verdict { answer, second, steps });
    if let Some(again) = again {
        evaluated.journal.record_more(again);
    }
    evaluated
}

/// Asks the policy about the settings of a case.
pub(crate) fn settings(
    case: &Case,
    asked: &SettingsCase,
    policies: &Policies<'_>,
) -> Evaluated<Result<SettingsVerdict, Fault>> {
    let mut round = Round::new(case, &asked.answers, policies);
    let mut session = round.session(asked.policy.policy, policies.spec(asked.policy.policy).compat);
    let verdict = guarded(|| session.validate_settings(&asked.policy.settings));
    let verdict = round.close(session, verdict);
    round.finish(verdict)
}

/// Raw policies see a document, whatever it is made from. Where they stand beside others nobody is asked anyway.
pub(crate) fn as_it_is_taken(asked: &RequestCase, policies: &Policies<'_>) -> Arc<Request> {
    let mut asked_policies = asked.subject.steps.iter().flat_map(|step| policies.suite.policies_of(step));
    if asked_policies.all(|policy| policies.is_raw(policy)) {
        Arc::new(Request::Raw(asked.request.to_json()))
    } else {
        Arc::clone(&asked.request)
    }
}
