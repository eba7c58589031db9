//! The referee of a run: a policy-server gets every request, and its answers are held against the expectation and
//! against ours.

use policy_verify_model::answer::{AdmissionResponse, Answer, Fault, FaultKind};
use policy_verify_model::hosting::{AnsweredBy, HostCall};
use policy_verify_model::outcome::{Mismatch, PartReport};
use policy_verify_model::policy::PolicyRef;
use policy_verify_model::request::Request;
use policy_verify_model::suite::{Case, Expectation, PolicyIndex, RequestCase, Step};

use super::options::Options;
use crate::compare::{self, Judgement};
use crate::error::Error;
use crate::evaluate::{self, NotApplicable, Policies, RequestAnswers, StepEvaluator, View};
use crate::server::{self, Endpoint, Entry, NotServed, PolicyServer, ServedModule, ServerAddress};

/// A policy-server that gets every request too.
pub(super) struct Referee {
    server: PolicyServer,
    /// Whether it is also asked as the audit scanner asks.
    audits: bool,
}

/// What came of asking the server about a case.
#[derive(Debug)]
pub(super) enum Comparison {
    /// Its answer would say nothing, for this reason; nothing was sent.
    NotComparable(String),
    /// Its answer was compared; what differs, if anything.
    Compared(Vec<Mismatch>),
    /// It gave no usable answer.
    Fault(Fault),
}

/// What we found out about a case before the server is asked.
pub(super) struct OwnResult<'a> {
    /// The case.
    pub(super) case: &'a Case,
    /// Its body.
    pub(super) body: &'a RequestCase,
    /// The request.
    pub(super) sent: &'a Request,
    /// Our answer.
    pub(super) answer: &'a Answer,
    /// The host calls of the policy.
    pub(super) calls: &'a [HostCall],
    /// What the expectation says of our answer.
    pub(super) judgement: &'a Judgement,
    /// Makes the request of a second pass.
    pub(super) follow_up: &'a dyn Fn(&Request, &AdmissionResponse) -> Option<Request>,
}

impl Referee {
    /// The referee that the options name, if they name one. Nothing is sent.
    ///
    /// # Errors
    ///
    /// An invalid address, or certificates that cannot be read.
    pub(super) fn open(options: &Options) -> Result<Option<Self>, Error> {
        let Some(against) = &options.against else { return Ok(None) };
        let open = || {
            let address = ServerAddress::read(&against.url, against.authorities.as_deref())?;
            PolicyServer::new(address, options.interrupt.flag())
        };
        let server = open().map_err(|problem| Error::Usage(Box::new(problem)))?;
        Ok(Some(Self { server, audits: against.audits }))
    }

    /// Asks the server about a case.
    pub(super) fn judge(&self, own: &OwnResult<'_>, policies: &Policies<'_>) -> Comparison {
        if let Some(reason) = not_comparable(own, policies) {
            return Comparison::NotComparable(reason);
        }
        let Some(predicted) = predicted(own, policies, View::Validate) else {
            let kind = own.answer.as_ref().err().map(|fault| fault.kind.to_string()).unwrap_or_default();
            return Comparison::NotComparable(format!("policy-server's answer after a fault `{kind}` is not known"));
        };
        let mut asked = ServerSteps { server: &self.server, endpoint: Endpoint::Validate, policies };
        let RequestAnswers { answer, second, .. } =
            evaluate::request_elsewhere(&mut asked, own.body, own.sent, policies, own.follow_up);
        let answer = match answer {
            Ok(answer) => answer,
            Err(NotApplicable(reason)) => return Comparison::NotComparable(reason),
        };
        let differences = self.differences(own, policies, &predicted, &answer, second.as_ref());
        differences.map_or_else(Comparison::Fault, Comparison::Compared)
    }

    /// In what the server's answers differ from the expectation and from ours.
    fn differences(
        &self,
        own: &OwnResult<'_>,
        policies: &Policies<'_>,
        predicted: &AdmissionResponse,
        answer: &Answer,
        second: Option<&Answer>,
    ) -> Result<Vec<Mismatch>, Fault> {
        let response = answer.as_ref().map_err(Fault::clone)?;
        let mut found = missed_expectation(own, answer, second)?;
        found.extend(compare::responses(predicted, response, &own.case.expect_span));
        // What a policy in monitor mode answers is shown to the audit scanner alone.
        if self.audits || own.body.expect.is_monitored() {
            found.extend(self.audit(own, policies)?);
        }
        Ok(found)
    }

    /// Holds the server's answer to the audit scanner against ours. The scanner asks single policies about stored
    /// objects: chains and raw requests are left out.
    fn audit(&self, own: &OwnResult<'_>, policies: &Policies<'_>) -> Result<Vec<Mismatch>, Fault> {
        let ([step], Request::Admission(_)) = (own.body.subject.steps.as_slice(), own.sent) else {
            return Ok(Vec::new());
        };
        let Some(predicted) = predicted(own, policies, View::Audit) else { return Ok(Vec::new()) };
        let asked = ServerSteps { server: &self.server, endpoint: Endpoint::Audit, policies };
        let response = asked.answer(step, own.sent)?;
        let differences = compare::responses(&predicted, &response, &own.case.expect_span).into_iter();
        Ok(differences.map(|it| Mismatch { actual: format!("{} (audit)", it.actual), ..it }).collect())
    }
}

/// Why the server's answer would say nothing about the case.
fn not_comparable(own: &OwnResult<'_>, policies: &Policies<'_>) -> Option<String> {
    if let Some(call) = own.calls.iter().find(|call| is_mocked(call)) {
        return Some(format!("the suite answers the host call {}, which no server can be told", call.capability));
    }
    if own.case.clock.is_some() {
        return Some("the case sets `clock`, and the server has the present time".to_owned());
    }
    if own.case.timeout.is_some() && own.answer.as_ref().is_err_and(|fault| fault.kind == FaultKind::Timeout) {
        return Some("the case sets `timeout`, which the server does not know".to_owned());
    }
    if own.body.expect.is_monitored() && matches!(own.sent, Request::Raw(_)) {
        return Some("policy-server does not show what a policy in monitor mode answers to a raw request".to_owned());
    }
    let entries = own.body.subject.steps.iter().map(|step| entry(policies, step).err());
    entries.flatten().next().map(|reason| reason.to_string())
}

/// Our answer as the server would send it; none after a fault whose answer is not known.
fn predicted(own: &OwnResult<'_>, policies: &Policies<'_>, view: View) -> Option<AdmissionResponse> {
    if let (Ok(response), View::Validate) = (own.answer, view) {
        return Some(response.clone());
    }
    let evaluated = evaluate::request(own.case, own.body, own.sent, &policies.with_view(view), &|_, _| None);
    evaluated.answer.answer.ok()?.ok()
}

/// Whether the suite answered a call. Calls of a run with `--live` are answered by what the server asks too.
fn is_mocked(call: &HostCall) -> bool {
    matches!(call.answered_by, AnsweredBy::Host | AnsweredBy::Replay | AnsweredBy::Cluster)
}

/// In what the server's answer misses the expectation, where ours does not miss it in the same way.
fn missed_expectation(own: &OwnResult<'_>, answer: &Answer, second: Option<&Answer>) -> Result<Vec<Mismatch>, Fault> {
    // A server has no faults; what it makes of one is compared as a response. An answer before monitor mode is compared with
    // ours, which the expectation is about.
    if matches!(*own.body.expect, Expectation::Fault(_)) || own.body.expect.is_monitored() {
        return Ok(Vec::new());
    }
    let known: &[Mismatch] = match own.judgement {
        Judgement::Mismatches(known) => known,
        Judgement::Holds | Judgement::Fault(_) => &[],
    };
    match compare::answer(&own.body.expect, &own.case.expect_span, own.sent, answer, second) {
        Judgement::Holds => Ok(Vec::new()),
        Judgement::Mismatches(found) => {
            Ok(found.into_iter().filter(|it| !known.contains(it)).map(compare::of_server).collect())
        }
        Judgement::Fault(fault) => Err(fault),
    }
}

/// A module of the run as the server has it.
fn served_module(policies: &Policies<'_>, policy: PolicyIndex) -> Result<ServedModule, NotServed> {
    let (spec, prepared) = (&policies.suite.policies[policy.0], policies.prepared(policy));
    if prepared.metadata.is_none() {
        return Err(NotServed::NoMetadata(spec.name.clone()));
    }
    let is_read_by_us = matches!(spec.uri.value, PolicyRef::File(_)) || spec.metadata.is_some();
    let identity = if is_read_by_us { prepared.digest.to_string() } else { spec.uri_text.clone() };
    Ok(ServedModule { uri: spec.uri_text.clone(), identity, metadata: prepared.metadata.clone() })
}

/// What the server serves for a step.
fn entry(policies: &Policies<'_>, step: &Step) -> Result<Entry, NotServed> {
    server::entry(policies.suite, step, &|policy| served_module(policies, policy))
}

/// The steps of a case, evaluated by a server.
struct ServerSteps<'a> {
    server: &'a PolicyServer,
    endpoint: Endpoint,
    policies: &'a Policies<'a>,
}

impl ServerSteps<'_> {
    /// The answer for a step, with the name of the policy instead of the id.
    fn answer(&self, step: &Step, request: &Request) -> Answer {
        let entry = entry(self.policies, step).map_err(|reason| Fault::new(FaultKind::Server, reason.to_string()))?;
        let mut response = self.server.answer(self.endpoint, &entry.id, request)?;
        if let Some(message) = response.status.as_mut().and_then(|status| status.message.as_mut()) {
            *message = entry.with_name(message);
        }
        Ok(response)
    }
}

impl StepEvaluator for ServerSteps<'_> {
    fn evaluate_step(&mut self, step: &Step, request: &Request) -> (Answer, PartReport) {
        let answer = self.answer(step, request);
        let part = evaluate::evaluated(self.policies.suite.name_of(step), &answer);
        (answer, part)
    }

    /// Our own evaluation has made them already.
    fn take_remarks(&mut self, _remarks: Vec<String>) {}
}
