//! What a policy makes of an object: on admission, in a background audit, and in place of an old policy.

use std::sync::Arc;

use policy_verify_model::answer::{AdmissionResponse, Answer, Fault};
use policy_verify_model::cluster::Cluster;
use policy_verify_model::hosting::HostAnswers;
use policy_verify_model::outcome::Unavailable;
use policy_verify_model::rehearsal::Verdict;
use policy_verify_model::request::Request;
use policy_verify_model::suite::{Case, CaseBody, RequestCase, RulesMode, Step};
use serde_json::Value;

use super::dump::StoredObject;
use crate::evaluate::{self, AuditScope, Evaluated, NotApplicable, Policies};
use crate::pipeline::diff::classify::{self, Change};
use crate::pipeline::diff::observe::Seen;

/// The code of an answer that the audit scanner takes for an error.
const SERVER_ERROR: u16 = 500;

/// A policy, and the old one in whose place it is.
pub(super) struct Pair<'a> {
    pub(super) new: Option<Target<'a>>,
    pub(super) old: Option<Target<'a>>,
}

/// A policy that is asked about objects.
pub(super) struct Target<'a> {
    pub(super) policies: &'a Policies<'a>,
    pub(super) case: &'a Case,
    body: &'a RequestCase,
    pub(super) step: &'a Step,
    /// Which objects the audit scanner puts to it, or why it passes over it.
    pub(super) audit: Result<AuditScope<'a>, String>,
    pub(super) is_monitor: bool,
    /// Whether it is a raw policy, which the API server never asks.
    pub(super) is_raw: bool,
    pub(super) unavailable: Option<&'a Arc<Unavailable>>,
}

impl<'a> Target<'a> {
    /// The policy that a case is about.
    pub(super) fn new(case: &'a Case, policies: &'a Policies<'a>) -> Self {
        let CaseBody::Request(body) = &case.body else { unreachable!("the command writes cases with requests") };
        let step = body.subject.steps.first().expect("a subject has a step");
        let unavailable = policies.unavailable_for(case);
        let is_raw = unavailable.is_none() && policies.suite.policies_of(step).iter().any(|it| policies.is_raw(*it));
        let audit = match unavailable {
            Some(_) => Err("the policy is unavailable".to_owned()),
            None if is_raw => Err("the policy is a raw one".to_owned()),
            None => AuditScope::of(step, policies),
        };
        let is_monitor = policies.deployment_of(step).is_monitor;
        Self { policies, case, body, step, audit, is_monitor, is_raw, unavailable }
    }
}

/// The policies, and the cluster that they find.
pub(super) struct Questions<'a> {
    pub(super) pairs: Vec<Pair<'a>>,
    cluster: &'a Cluster,
    answers: Arc<HostAnswers>,
    has_old: bool,
}

/// What a pair of policies makes of an object.
pub(super) struct Asked {
    /// What the new policy does; nothing where there is none.
    pub(super) verdict: Option<Verdict>,
    /// Why: the cause, and the whole message.
    pub(super) cause: Option<(String, String)>,
    /// What the report of an audit says.
    pub(super) audit: Option<AuditResult>,
    /// What could not be decided, and warnings.
    pub(super) notes: Vec<String>,
    /// How it differs from what the old policy does; nothing where no policy is compared.
    pub(super) changes: Option<Vec<Change>>,
}

/// The result of an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuditResult {
    Pass,
    Fail,
    Error,
}

/// What one policy makes of an object.
struct Observed {
    verdict: Verdict,
    cause: Option<(String, String)>,
    audit: Option<AuditResult>,
    notes: Vec<String>,
    /// What becomes of the request in the cluster.
    seen: Seen,
}

impl<'a> Questions<'a> {
    pub(super) fn new(pairs: Vec<Pair<'a>>, cluster: &'a Arc<Cluster>, has_old: bool) -> Self {
        let answers = HostAnswers {
            own_cluster: Some(Arc::clone(cluster)),
            kinds: Arc::clone(&cluster.kinds),
            ..HostAnswers::default()
        };
        Self { pairs, cluster, answers: Arc::new(answers), has_old }
    }

    /// Puts an object to all policies.
    pub(super) fn ask(&self, object: &StoredObject) -> Vec<Asked> {
        let request = object.request.get();
        let observe = |target: &Target<'_>| self.observed(target, object, &request);
        let asked = |pair: &Pair<'_>| {
            let is_known = |target: &Option<Target<'_>>| target.as_ref().is_none_or(|it| it.unavailable.is_none());
            if !is_known(&pair.new) || !is_known(&pair.old) {
                let new = pair.new.as_ref().filter(|it| it.unavailable.is_none()).map(observe);
                return Self::alone(new);
            }
            let (new, old) = (pair.new.as_ref().map(observe), pair.old.as_ref().map(observe));
            let changes = self.has_old.then(|| {
                let seen = |observed: &Option<Observed>| {
                    observed.as_ref().map_or(Seen::NotApplicable, |observed| observed.seen.clone())
                };
                classify::answers(&seen(&old), &seen(&new), request.mutable_document())
            });
            Asked { changes, ..Self::alone(new) }
        };
        self.pairs.iter().map(asked).collect()
    }

    fn alone(new: Option<Observed>) -> Asked {
        let Some(Observed { verdict, cause, audit, notes, .. }) = new else {
            return Asked { verdict: None, cause: None, audit: None, notes: Vec::new(), changes: None };
        };
        Asked { verdict: Some(verdict), cause, audit, notes, changes: None }
    }

    fn observed(&self, target: &Target<'_>, object: &StoredObject, request: &Request) -> Observed {
        let nothing = Observed {
            verdict: Verdict::NotAsked,
            cause: None,
            audit: None,
            notes: Vec::new(),
            seen: Seen::NotApplicable,
        };
        if target.is_raw {
            return nothing;
        }
        let is_audited = match (&target.audit, request) {
            (Ok(scope), Request::Admission(request)) => scope.selects(request, self.cluster),
            _ => false,
        };
        match self.evaluated(target, object, request, RulesMode::Skip) {
            None if is_audited => match self.evaluated(target, object, request, RulesMode::Ignore) {
                Some((answer, _, _)) => Observed { audit: Some(audited(&answer)), ..nothing },
                None => nothing,
            },
            None => nothing,
            Some((answer, converted, remarks)) => {
                let sent = converted.as_ref().unwrap_or(request);
                let is_audited = match (&target.audit, sent, &converted) {
                    (Ok(scope), Request::Admission(sent), Some(_)) => is_audited || scope.selects(sent, self.cluster),
                    _ => is_audited,
                };
                let audit = is_audited.then(|| audited(&answer));
                Observed { audit, ..observed(target, sent, answer, remarks) }
            }
        }
    }

    /// The policy's own answer about an object, with the request where that was converted, and remarks; nothing if it is not asked.
    fn evaluated(
        &self,
        target: &Target<'_>,
        object: &StoredObject,
        request: &Request,
        rules: RulesMode,
    ) -> Option<(Answer, Option<Request>, Vec<String>)> {
        let body = RequestCase {
            request: Arc::clone(&object.request),
            answers: Arc::clone(&self.answers),
            ..target.body.about_other_requests(rules, object.equivalents.to_vec())
        };
        let once = || evaluate::request(target.case, &body, request, target.policies, &|_, _| None);
        let Evaluated { answer, journal, .. } = target.policies.settled(target.case, once);
        match answer.answer {
            Err(NotApplicable(_)) => None,
            Ok(own) => Some((own, answer.converted, journal.warnings.iter().map(|it| about_dumps(it)).collect())),
        }
    }
}

/// A remark about a case, as one about a dump, which is the cluster of all of them.
fn about_dumps(remark: &str) -> String {
    remark.replace("is in the `cluster:` of the case", "is among the objects")
}

/// What becomes of a request after the policy's own answer.
fn observed(target: &Target<'_>, request: &Request, own: Answer, mut notes: Vec<String>) -> Observed {
    let document = request.mutable_document();
    let deployed = |response: AdmissionResponse, is_monitor| {
        target.policies.deployed_as(response, target.step, request, is_monitor)
    };
    let response = match own {
        Err(fault) => return faulty(fault, document, notes),
        Ok(response) => response,
    };
    notes.extend(response.warnings.iter().flatten().map(|warning| format!("warning: {warning}")));
    let notes = notes.iter().map(|note| classify::general(note, document)).collect();
    let enforced = Seen::of(request, Ok(deployed(response.clone(), false)));
    let verdict = match (&enforced, target.is_monitor) {
        (Seen::Fault(_), _) => Verdict::Fault,
        (Seen::Verdict(it), true) if !it.is_allowed => Verdict::MonitoredRejection,
        (Seen::Verdict(it), false) if !it.is_allowed => Verdict::Rejected,
        (Seen::Verdict(it), true) if it.object.is_some() => Verdict::MonitoredMutation,
        (Seen::Verdict(it), false) if it.object.is_some() => Verdict::Mutated,
        _ => Verdict::Allowed,
    };
    // A message of the manifest is the same for every rejection.
    let is_own = !response.allowed && verdict != Verdict::Fault;
    let cause = match is_own {
        true => classify::cause(&Seen::of(request, Ok(response.clone())), document),
        false => classify::cause(&enforced, document),
    };
    let seen = if target.is_monitor { Seen::of(request, Ok(deployed(response, true))) } else { enforced };
    Observed { verdict, cause, audit: None, notes, seen }
}

fn faulty(fault: Fault, document: Option<&Value>, notes: Vec<String>) -> Observed {
    let notes = notes.iter().map(|note| classify::general(note, document)).collect();
    let seen = Seen::Fault(fault);
    Observed { verdict: Verdict::Fault, cause: classify::cause(&seen, document), audit: None, notes, seen }
}

/// What the report of an audit says about a policy's own answer.
fn audited(answer: &Answer) -> AuditResult {
    match answer {
        Err(_) => AuditResult::Error,
        Ok(response) if response.code() == Some(SERVER_ERROR) => AuditResult::Error,
        Ok(response) if response.allowed => AuditResult::Pass,
        Ok(_) => AuditResult::Fail,
    }
}
