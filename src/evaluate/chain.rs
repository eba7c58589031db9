//! The steps of a case, one after the other, as the API server calls its webhooks.

use std::collections::BTreeMap;

use super::applicability::{self, Applicability};
use super::evaluated::{NotApplicable, evaluated, not_evaluated};
use super::evaluation::CaseEvaluation;
use super::{compat, deploy, group};
use policy_verify_model::answer::{AdmissionResponse, Answer, Fault, FaultKind};
use policy_verify_model::outcome::{PartReport, PartVerdict};
use policy_verify_model::patch;
use policy_verify_model::request::Request;
use policy_verify_model::suite::{RequestCase, RulesMode, Step};

/// Evaluates the steps of a case in their order. The answer of a single step is that of the case.
pub(super) fn evaluate(
    evaluation: &mut CaseEvaluation<'_>,
    body: &RequestCase,
    sent: &Request,
) -> (Result<Answer, NotApplicable>, Vec<PartReport>) {
    match body.subject.steps.as_slice() {
        [step] => match applicability::of_step(step, body, sent, evaluation.policies) {
            Applicability::NotApplicable(reason) => (Err(NotApplicable(reason)), Vec::new()),
            Applicability::Applicable(remarks) => {
                evaluation.remark(remarks);
                let (answer, part) = evaluate_step(evaluation, step, sent);
                (Ok(answer), vec![part])
            }
        },
        steps => evaluate_each(evaluation, body, steps, sent),
    }
}

/// Evaluates several steps until one denies or fails; each sees the object as the one before left it.
fn evaluate_each(
    evaluation: &mut CaseEvaluation<'_>,
    body: &RequestCase,
    steps: &[Step],
    sent: &Request,
) -> (Result<Answer, NotApplicable>, Vec<PartReport>) {
    let mut chain = Chain::new(sent);
    let mut parts = Vec::new();
    let mut passed_over = Vec::new();
    let mut end = None;
    for step in steps {
        let name = evaluation.policies.suite.name_of(step);
        if end.is_some() {
            parts.push(not_evaluated(name, PartVerdict::NotAsked));
            continue;
        }
        match applicability::of_step(step, body, &chain.current, evaluation.policies) {
            Applicability::Applicable(remarks) => evaluation.remark(remarks),
            Applicability::NotApplicable(reason) => {
                parts.push(not_evaluated(name, PartVerdict::NotApplicable(reason.clone())));
                passed_over.push(format!("`{name}`: {reason}"));
                if body.rules == RulesMode::Skip {
                    continue;
                }
                return (Err(NotApplicable(passed_over.join("; "))), parts);
            }
        }
        let (answer, part) = evaluate_step(evaluation, step, &chain.current);
        end = chain.take(&part.name, answer);
        parts.push(part);
    }
    if passed_over.len() == steps.len() {
        return (Err(NotApplicable(passed_over.join("; "))), parts);
    }
    (Ok(end.unwrap_or_else(|| Ok(chain.allowed(sent)))), parts)
}

/// Evaluates one step, and reports its answer.
fn evaluate_step(evaluation: &mut CaseEvaluation<'_>, step: &Step, request: &Request) -> (Answer, PartReport) {
    let earlier = evaluation.number_of_calls();
    let (answer, members) = match step {
        Step::Policy(used) => {
            let spec = evaluation.policies.spec(used.policy);
            let answer = evaluation.evaluate(used, spec.compat, request);
            let deployed = answer.map(|response| deploy::post_process(response, &spec.deployment, &spec.name));
            (compat::not_served(deployed, spec.compat, request.uid()), Vec::new())
        }
        Step::Group(index) => group::evaluate(evaluation, evaluation.policies.group(*index), request),
    };
    let name = evaluation.policies.suite.name_of(step);
    let mut part = evaluated(name, &answer);
    part.calls = evaluation.calls_after(earlier);
    part.members = members;
    (answer, part)
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
    /// of the same key in a second call is dropped there too.
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
            Some(Err(error)) => Some(Err(Fault::new(FaultKind::InvalidResponse, error.to_string()))),
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
