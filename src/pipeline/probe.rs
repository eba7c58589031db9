//! The policies of a case, asked about another request. Nothing is expected, and rules are not checked.

use policy_verify_model::answer::{AdmissionResponse, Answer};
use policy_verify_model::request::Request;
use policy_verify_model::suite::{Case, CaseBody, RequestCase, RulesMode};
use policy_verify_model::written_object::WrittenObject;
use serde_json::Value;

use crate::evaluate::{self, NotApplicable, Policies};
use crate::select::SelectedCase;

/// A case whose policies are asked.
pub(super) struct Probe<'a> {
    case: &'a Case,
    body: RequestCase,
    request: Request,
}

impl<'a> Probe<'a> {
    /// The policies of a case with its own request; nothing for a case without one.
    pub(super) fn of(selected: SelectedCase<'a>, policies: &Policies<'_>) -> Option<Self> {
        let CaseBody::Request(body) = &selected.case.body else { return None };
        let request = evaluate::effective_request(body, policies).request.into_owned();
        let body = body.about_other_requests(RulesMode::Ignore, Vec::new());
        Some(Self { case: selected.case, body, request })
    }

    /// The object that is sent: the new one, the old one where there is no other, or the raw document.
    pub(super) fn object(&self) -> Option<&Value> {
        match &self.request {
            Request::Raw(document) => Some(document),
            Request::Admission(request) => request.object.as_ref().or(request.old_object.as_ref()),
        }
    }

    /// Where the members of that object are written.
    pub(super) fn written(&self) -> &WrittenObject {
        &self.body.written
    }

    /// The request about another object, in place of the new one and of the old one that is equal to it.
    pub(super) fn with_object(&self, object: Value) -> Request {
        let Request::Admission(request) = &self.request else { return Request::Raw(object) };
        let mut request = request.clone();
        let is_alone = request.object.is_none();
        if is_alone || request.old_object == request.object {
            request.old_object = request.old_object.as_ref().map(|_| object.clone());
        }
        request.object = (!is_alone).then_some(object);
        Request::Admission(request)
    }

    /// What the policies answer to a request.
    pub(super) fn ask(&self, request: &Request, policies: &Policies<'_>) -> Answer {
        let once = || evaluate::request(self.case, &self.body, request, policies, &|_, _| None);
        let evaluated = policies.settled(self.case, once);
        match evaluated.answer.answer {
            Ok(answer) => answer,
            // Rules are not checked; whatever else keeps a request from a policy lets it pass.
            Err(NotApplicable(_)) => Ok(AdmissionResponse { allowed: true, ..AdmissionResponse::default() }),
        }
    }

    /// What they answer to the request of the case.
    pub(super) fn usual(&self, policies: &Policies<'_>) -> Answer {
        self.ask(&self.request, policies)
    }
}
