//! The steps of a case, one after the other, as the API server calls its webhooks.

use std::collections::BTreeMap;

use super::applicability::{self, Applicability};
use super::session::Round;
use super::{NotAsked, deploy, group};
use policy_verify_model::answer::{AdmissionResponse, Answer, Fault, FaultKind};
use policy_verify_model::outcome::{PartReport, PartVerdict};
use policy_verify_model::patch;
use policy_verify_model::request::Request;
use policy_verify_model::suite::{RequestCase, RulesMode, Step};

/// Asks the steps of a case in their order. The answer of a single step is that of the case.
pub(super) fn ask(
    round: &mut Round<'_>,
    asked: &RequestCase,
    sent: &Request,
) -> (Result<Answer, NotAsked>, Vec<PartReport>) {
    match asked.subject.steps.as_slice() {
        [step] => match applicability::of_step(step, asked, sent, round.policies) {
            Applicability::NotAsked(reason) => (Err(NotAsked(reason)), Vec::new()),
            Applicability::Asked(remarks) => {
                round.remark(remarks);
                let (answer, part) = ask_step(round, step, sent);
                (Ok(answer), vec![part])
            }
        },
        steps => ask_each(round, asked, steps, sent),
    }
}

/// Asks several steps until one denies or fails; each sees the object as the one before left it.
fn ask_each(
    round: &mut Round<'_>,
    asked: &RequestCase,
    steps: &[Step],
    sent: &Request,
) -> (Result<Answer, NotAsked>, Vec<PartReport>) {
    let mut chain = Chain::new(sent);
    let mut parts = Vec::new();
    let mut passed_over = Vec::new();
    let mut end = None;
    for step in steps {
        let name = round.policies.suite.name_of(step);
        if end.is_some() {
            parts.push(unasked(name, PartVerdict::NotAsked));
            continue;
        }
        match applicability::of_step(step, asked, &chain.current, round.policies) {
            Applicability::Asked(remarks) => round.remark(remarks),
            Applicability::NotAsked(reason) => {
                parts.push(unasked(name, PartVerdict::NotApplicable(reason.clone())));
                passed_over.push(format!("`{name}`: {reason}"));
                if asked.rules == RulesMode::Skip {
                    continue;
                }
                return (Err(NotAsked(passed_over.join("; "))), parts);
            }
        }
        let (answer, part) = ask_step(round, step, &chain.current);
        end = chain.take(&part.name, answer);
        parts.push(part);
    }
    if passed_over.len() == steps.len() {
        return (Err(NotAsked(passed_over.join("; "))), parts);
    }
    (Ok(end.unwrap_or_else(|| Ok(chain.allowed(sent)))), parts)
}

/// Asks one step, and says what it said.
fn ask_step(round: &mut Round<'_>, step: &Step, request: &Request) -> (Answer, PartReport) {
    let earlier = round.number_of_calls();
    let (answer, members) = match step {
        Step::Policy(used) => {
            let spec = round.policies.spec(used.policy);
            let answer = round.ask(used, spec.compat, request);
            (answer.map(|response| deploy::post_process(response, &spec.deployment, &spec.name)), Vec::new())
        }
        Step::Group(index) => group::ask(round, round.policies.group(*index), request),
    };
    let name = round.policies.suite.name_of(step);
    let mut part = said(name, &answer);
    part.calls = round.calls_after(earlier);
    part.members = members;
    (answer, part)
}

/// A part that was asked once.
pub(super) fn said(name: &str, answer: &Answer) -> PartReport {
    let verdict = match answer {
        Err(_) => PartVerdict::Fault,
        Ok(AdmissionResponse { allowed: false, .. }) => PartVerdict::Deny,
        Ok(AdmissionResponse { patch: Some(_), .. }) => PartVerdict::Mutate,
        Ok(_) => PartVerdict::Allow,
    };
    PartReport {
        response: answer.as_ref().ok().cloned(),
        fault: answer.as_ref().err().cloned(),
        evaluations: 1,
        ..unasked(name, verdict)
    }
}

/// A part that was not asked.
pub(super) fn unasked(name: &str, verdict: PartVerdict) -> PartReport {
    PartReport {
        name: name.to_owned(),
        policy: name.to_owned(),
        verdict,
        evaluations: 0,
        response: None,
        fault: None,
        calls: Vec::new(),
        members: Vec::new(),
    }
}

/// What the steps of a chain have made of a request so far.
struct Chain {
    current: Request,
    warnings: Option<Vec<String>>,
    audit_annotations: Option<BTreeMap<String, String>>,
}

impl Chain {
    fn new(sent: &Request) -> Self {
        Self { current: sent.clone(), warnings: None, audit_annotations: None }
    }

    /// Takes up the answer of a step; the chain's own answer if it ends here. Warnings and annotations are all kept: the
    /// API server hands on those of every webhook, and puts its name before the key of an annotation. What a webhook says
    /// of the same key when it is asked again is dropped there too.
    fn take(&mut self, step: &str, answer: Answer) -> Option<Answer> {
        let response = match answer {
            Ok(response) => response,
            Err(fault) => return Some(Err(fault)),
        };
        if let Some(warnings) = &response.warnings {
            self.warnings.get_or_insert_default().extend(warnings.iter().cloned());
        }
        if let Some(annotations) = &response.audit_annotations {
            let kept = self.audit_annotations.get_or_insert_default();
            for (key, value) in annotations {
                kept.entry(format!("{step}/{key}")).or_insert_with(|| value.clone());
            }
        }
        if !response.allowed {
            return Some(Ok(self.with_extras(response)));
        }
        let operations = response.patch.as_deref()?;
        match self.current.mutable_document().map(|document| patch::apply(document, operations)) {
            Some(Ok(document)) => {
                self.current = self.current.with_document(document);
                None
            }
            Some(Err(reason)) => Some(Err(Fault::new(FaultKind::InvalidResponse, reason))),
            None => {
                let reason = "there is a patch, but the request has no object that could be patched";
                Some(Err(Fault::new(FaultKind::InvalidResponse, reason)))
            }
        }
    }

    /// The answer when every step allows: one patch from the first object to the last.
    fn allowed(self, sent: &Request) -> AdmissionResponse {
        let patch = match (sent.mutable_document(), self.current.mutable_document()) {
            (Some(first), Some(last)) => patch::between(first, last),
            _ => None,
        };
        let patch_type = patch.is_some().then(|| "JSONPatch".to_owned());
        let uid = sent.uid().to_owned();
        self.with_extras(AdmissionResponse { uid, allowed: true, patch, patch_type, ..AdmissionResponse::default() })
    }

    fn with_extras(&self, response: AdmissionResponse) -> AdmissionResponse {
        let (warnings, audit_annotations) = (self.warnings.clone(), self.audit_annotations.clone());
        AdmissionResponse { warnings, audit_annotations, ..response }
    }
}
