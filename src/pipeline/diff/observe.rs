//! What a version of a policy does with the request or the settings of a case: nothing is expected, all is kept that can differ.

use std::collections::BTreeMap;

use policy_verify_model::answer::{AdmissionResponse, Answer, Fault, FaultKind, SettingsVerdict};
use policy_verify_model::hosting::{HostCall, PLURAL_NAME};
use policy_verify_model::request::Request;
use policy_verify_model::suite::{Case, CaseBody};
use serde_json::Value;

use crate::compare;
use crate::evaluate::{self, Evaluated, NotApplicable, Policies};

/// What a version does with a case.
pub(super) struct Observation {
    /// Its answer.
    pub(super) seen: Seen,
    /// What it asked its host.
    pub(super) calls: Vec<HostCall>,
    /// How many instructions it executed; 0 where they are not counted.
    pub(super) instructions: u64,
}

/// The answer of a version.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::pipeline) enum Seen {
    /// To a request.
    Verdict(Verdict),
    /// To settings.
    Settings(SettingsVerdict),
    /// No rule selects the request: it passes, and the policy is not evaluated.
    NotApplicable,
    /// There is none.
    Fault(Fault),
}

/// The verdict about a request.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::pipeline) struct Verdict {
    pub(in crate::pipeline) is_allowed: bool,
    pub(in crate::pipeline) message: Option<String>,
    pub(in crate::pipeline) code: Option<u16>,
    pub(in crate::pipeline) warnings: Vec<String>,
    pub(in crate::pipeline) audit_annotations: BTreeMap<String, String>,
    /// The object that passes, where it is another one than that of the request; whatever operations make it that.
    pub(in crate::pipeline) object: Option<Value>,
}

impl Seen {
    /// What an answer to a request comes to.
    pub(in crate::pipeline) fn of(request: &Request, answer: Answer) -> Self {
        let response = match answer {
            Ok(response) => response,
            Err(fault) => return Self::Fault(fault),
        };
        let mutated = if response.allowed { compare::mutated_document(request, &response) } else { Ok(None) };
        let object = match mutated {
            Ok(mutated) => mutated.filter(|mutated| request.mutable_document() != Some(mutated)),
            Err(error) => return Self::Fault(Fault::new(FaultKind::InvalidResponse, error.to_string())),
        };
        let (message, code) = (response.message().map(str::to_owned), response.code());
        let AdmissionResponse { allowed, warnings, audit_annotations, .. } = response;
        Self::Verdict(Verdict {
            is_allowed: allowed,
            message,
            code,
            warnings: warnings.unwrap_or_default(),
            audit_annotations: audit_annotations.unwrap_or_default(),
            object,
        })
    }

    /// Whether the suite is to blame for the lack of an answer: nothing can be said about the policy then.
    pub(super) fn without_mock(&self) -> Option<&Fault> {
        match self {
            Self::Fault(fault) if matches!(fault.kind, FaultKind::Host | FaultKind::Conversion) => Some(fault),
            _ => None,
        }
    }
}

/// Puts the request or the settings of a case to its policies; nothing for a check, which puts nothing to them.
pub(super) fn of_case(case: &Case, policies: &Policies<'_>) -> Option<Observation> {
    match &case.body {
        CaseBody::Request(body) => {
            let sent = evaluate::effective_request(body, policies).request;
            let once = || evaluate::request(case, body, &sent, policies, &|_, _| None);
            Some(observed(policies.settled(case, once), |answers| match answers.answer {
                Ok(answer) => Seen::of(answers.converted.as_ref().unwrap_or(&sent), answer),
                Err(NotApplicable(_)) => Seen::NotApplicable,
            }))
        }
        CaseBody::Settings(body) => {
            let once = || evaluate::settings(case, body, policies);
            Some(observed(policies.settled(case, once), |verdict| verdict.map_or_else(Seen::Fault, Seen::Settings)))
        }
        CaseBody::Check { .. } | CaseBody::Relation(_) => None,
    }
}

fn observed<T>(evaluated: Evaluated<T>, seen: impl FnOnce(T) -> Seen) -> Observation {
    let Evaluated { answer, journal, .. } = evaluated;
    let calls = journal.calls.into_iter().filter(|call| call.capability != PLURAL_NAME).collect();
    Observation { seen: seen(answer), calls, instructions: journal.instructions }
}
