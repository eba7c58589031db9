//! The steps of a case, one after the other, as the API server calls its webhooks.

use std::collections::BTreeMap;

use serde_json::Value;

use super::applicability::{self, Applicability, Converted};
use super::convert;
use super::evaluated::{NotApplicable, evaluated, not_evaluated};
use super::evaluation::CaseEvaluation;
use super::policies::Policies;
use super::step::StepEvaluator;
use super::{compat, group};
use policy_verify_model::answer::{AdmissionResponse, Answer, Fault, FaultKind};
use policy_verify_model::budget::Budget;
use policy_verify_model::installation::Installation;
use policy_verify_model::outcome::{PartReport, PartVerdict};
use policy_verify_model::patch::{self, PatchError};
use policy_verify_model::request::Request;
use policy_verify_model::suite::{PolicyUse, RequestCase, RulesMode, Step};

/// Evaluates the steps of a case in their order. The answer of a single step is that of the case, and the request the one
/// it saw, where that was converted.
pub(super) fn evaluate(
    evaluator: &mut dyn StepEvaluator,
    body: &RequestCase,
    sent: &Request,
    policies: &Policies<'_>,
) -> (Result<Answer, NotApplicable>, Vec<PartReport>, Option<Request>) {
    match body.subject.steps.as_slice() {
        [step] => match applicability::of_step(step, body, sent, policies) {
            Applicability::NotApplicable(reason) => (Err(NotApplicable(reason)), Vec::new(), None),
            Applicability::Unconvertible(fault) | Applicability::Undecided(fault) => (Ok(Err(fault)), Vec::new(), None),
            Applicability::Applicable(remarks) => {
                evaluator.take_remarks(remarks);
                let (answer, part) = evaluator.evaluate_step(step, sent);
                (Ok(answer), vec![part], None)
            }
            Applicability::Converted(remarks, converted) => {
                evaluator.take_remarks(remarks);
                let (answer, part) = evaluator.evaluate_step(step, &converted.request);
                (Ok(answer), vec![part], Some(converted.request))
            }
        },
        steps => {
            let (answer, parts) = evaluate_each(evaluator, body, steps, sent, policies);
            (answer, parts, None)
        }
    }
}

/// Evaluates several steps until one denies or fails; each sees the object as the one before left it.
fn evaluate_each(
    evaluator: &mut dyn StepEvaluator,
    body: &RequestCase,
    steps: &[Step],
    sent: &Request,
    policies: &Policies<'_>,
) -> (Result<Answer, NotApplicable>, Vec<PartReport>) {
    let mut chain = Chain::new(sent);
    let mut parts = Vec::new();
    let mut passed_over = Vec::new();
    let mut end = None;
    for step in steps {
        let name = policies.suite.name_of(step);
        if end.is_some() {
            parts.push(not_evaluated(name, PartVerdict::NotAsked));
            continue;
        }
        let mut converted = None;
        match applicability::of_step(step, body, &chain.current, policies) {
            Applicability::Applicable(remarks) => evaluator.take_remarks(remarks),
            Applicability::Converted(remarks, request) => {
                evaluator.take_remarks(remarks);
                converted = Some(request);
            }
            Applicability::Unconvertible(fault) | Applicability::Undecided(fault) => {
                let answer = Err(fault);
                parts.push(PartReport { evaluations: 0, ..evaluated(name, &answer) });
                end = Some(answer);
                continue;
            }
            Applicability::NotApplicable(reason) => {
                parts.push(not_evaluated(name, PartVerdict::NotApplicable(reason.clone())));
                passed_over.push(format!("`{name}`: {reason}"));
                if body.rules == RulesMode::Skip {
                    continue;
                }
                return (Err(NotApplicable(passed_over.join("; "))), parts);
            }
        }
        let request = converted.as_ref().map_or(&chain.current, |converted| &converted.request);
        let (answer, part) = evaluator.evaluate_step(step, request);
        let webhook = policies.webhook_of(step, request);
        end = chain.take(&webhook, answer, converted.as_deref());
        parts.push(part);
    }
    if passed_over.len() == steps.len() {
        return (Err(NotApplicable(passed_over.join("; "))), parts);
    }
    (Ok(end.unwrap_or_else(|| chain.allowed(sent))), parts)
}

impl StepEvaluator for CaseEvaluation<'_> {
    fn evaluate_step(&mut self, step: &Step, request: &Request) -> (Answer, PartReport) {
        if let Some(response) = accepted_unseen(self, step, request) {
            let answer = Ok(response);
            let part = evaluated(self.policies.suite.name_of(step), &answer);
            return (answer, part);
        }
        let earlier = self.number_of_calls();
        let policies = self.policies;
        let compat_of = |used: &PolicyUse| policies.compat(policies.spec(used.policy).compat);
        let (own, members) = match step {
            Step::Policy(used) => (self.evaluate(used, compat_of(used), request), Vec::new()),
            Step::Group(index) => group::evaluate(self, policies.group(*index), request),
        };
        let monitored = own.as_ref().ok().filter(|_| policies.deployment_of(step).is_monitor).cloned();
        let deployed = own.map(|response| policies.deployed(response, step, request));
        let answer = match step {
            Step::Policy(used) => compat::not_served(deployed, compat_of(used), request.uid()),
            Step::Group(_) => deployed,
        };
        let mut part = evaluated(policies.suite.name_of(step), &answer);
        if monitored.as_ref().is_some_and(|response| !response.allowed) {
            part.verdict = PartVerdict::Warn;
        }
        let calls = self.calls_after(earlier);
        (answer, PartReport { monitored, calls, members, ..part })
    }

    fn take_remarks(&mut self, remarks: Vec<String>) {
        self.remark(remarks);
    }
}

/// The answer of policy-server about a request in the namespace of the controller, where it allows everything before it
/// looks at a policy. Only a manifest deploys a policy beside that controller. Source: `api/service.rs` of policy-server.
fn accepted_unseen(evaluation: &mut CaseEvaluation<'_>, step: &Step, request: &Request) -> Option<AdmissionResponse> {
    let Installation { namespace, always_accepts_own_namespace, .. } =
        &evaluation.policies.suite.kubewarden.installation;
    let is_own = *always_accepts_own_namespace && request.namespace() == Some(namespace);
    evaluation.policies.deployment_of(step).scope.as_ref().filter(|_| is_own)?;
    let name = evaluation.policies.suite.name_of(step);
    let remark = format!(
        "`{name}`: not evaluated, because policy-server allows every request in its own namespace `{namespace}`"
    );
    evaluation.remark(vec![remark]);
    let uid = request.uid().to_owned();
    Some(AdmissionResponse { uid, allowed: true, ..AdmissionResponse::default() })
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
    fn take(&mut self, webhook: &str, answer: Answer, converted: Option<&Converted>) -> Option<Answer> {
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
                kept.entry(format!("{webhook}/{key}")).or_insert_with(|| value.clone());
            }
        }
        if !response.allowed {
            return Some(Ok(self.with_extras(response)));
        }
        let operations = response.patch.as_deref()?;
        match self.patched(operations, converted) {
            Ok(document) => {
                self.current = self.current.with_document(document);
                None
            }
            Err(fault) => Some(Err(fault)),
        }
    }

    /// The object after a patch. One that was converted for the step is patched in its version, and converted back.
    fn patched(&self, operations: &str, converted: Option<&Converted>) -> Result<Value, Fault> {
        let invalid = |reason: &str| Fault::new(FaultKind::InvalidResponse, reason);
        let nothing = || invalid("there is a patch, but the request has no object that could be patched");
        let original = self.current.mutable_document().ok_or_else(nothing)?;
        let seen = converted.map_or(Some(original), |it| it.request.mutable_document()).ok_or_else(nothing)?;
        let document = patch::apply(seen, operations, &Budget::default()).map_err(|error| match error {
            PatchError::Exceeded(exceeded) => exceeded.fault("the patch of the step"),
            error => invalid(&error.to_string()),
        })?;
        let Some(converted) = converted else { return Ok(document) };
        convert::back(&document, original, &converted.equivalent).map_err(|reason| {
            let message = format!("the API server converts the mutated object back: {reason}");
            Fault::new(FaultKind::Conversion, message)
                .with_help("test this policy in a case of its own, with the object in the version of the rule")
        })
    }

    /// The answer when every step allows: one patch from the first object to the last.
    fn allowed(self, sent: &Request) -> Answer {
        let patch = match (sent.mutable_document(), self.current.mutable_document()) {
            (Some(first), Some(last)) => patch::between(first, last, &Budget::default())
                .map_err(|exceeded| exceeded.fault("the patch from the first object to the last"))?,
            _ => None,
        };
        let patch_type = patch.is_some().then(|| "JSONPatch".to_owned());
        let uid = sent.uid().to_owned();
        Ok(self.with_extras(AdmissionResponse {
            uid,
            allowed: true,
            patch,
            patch_type,
            ..AdmissionResponse::default()
        }))
    }

    fn with_extras(&self, response: AdmissionResponse) -> AdmissionResponse {
        let (warnings, audit_annotations) = (self.warnings.clone(), self.audit_annotations.clone());
        AdmissionResponse { warnings, audit_annotations, ..response }
    }
}
