//! Step 4: a case becomes an answer. Each case has its own instance and its own host; whatever goes wrong in one of
//! them stays there.

mod deploy;
mod rules;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::host::access::Access;
use crate::host::{Host, Journal};
use crate::model::answer::{AdmissionResponse, Answer, Fault, FaultKind, SettingsVerdict};
use crate::model::hosting::{GuestLog, HostAnswers};
use crate::model::policy::{PolicyType, Settings};
use crate::model::request::Request;
use crate::model::suite::{Case, Expectation, PolicySpec, RequestCase, RulesMode, SettingsCase};
use crate::prepare::PreparedPolicy;
use crate::runtime::{Context, Instance};

/// What evaluating a case found.
pub(crate) struct Evaluated<T> {
    /// The answer.
    pub(crate) answer: T,
    /// The answer to the follow-up question, if one was asked.
    pub(crate) second: Option<Answer>,
    /// What happened between the policy and its host.
    pub(crate) journal: Journal,
    /// What the policy logged or printed.
    pub(crate) log: GuestLog,
}

/// Whether the policy would be asked about a request at all.
pub(crate) enum Applicability {
    /// It is asked, or nothing says that it is not.
    Asked,
    /// No rule of the metadata selects the request, for this reason.
    NotAsked(String),
}

/// Holds the request of a case against the rules of the policy's metadata.
pub(crate) fn applicability(case: &RequestCase, policy: &PreparedPolicy) -> Applicability {
    let is_held = case.rules != RulesMode::Ignore || matches!(*case.expect, Expectation::NotApplicable);
    match (&*case.request, &policy.metadata) {
        (Request::Admission(request), Some(metadata))
            if is_held
                && metadata.policy_type == PolicyType::Kubernetes
                && !rules::selects(&metadata.rules, request) =>
        {
            Applicability::NotAsked(rules::explain(&metadata.rules, request))
        }
        _ => Applicability::Asked,
    }
}

/// Asks the policy about `request`, which [`as_the_policy_takes_it`] gave. `follow_up` makes the next request out of the response, for
/// expectations about a second pass.
pub(crate) fn request(
    case: &Case,
    asked: &RequestCase,
    request: &Request,
    policy: &PreparedPolicy,
    spec: &PolicySpec,
    follow_up: &dyn Fn(&Request, &AdmissionResponse) -> Option<Request>,
) -> Evaluated<Answer> {
    let ask = |session: &mut Session, request: &Request| -> Answer {
        session.check_settings(&asked.settings)?;
        let response = session.instance()?.validate(request, &asked.settings)?;
        Ok(deploy::post_process(response, &spec.deployment, &spec.name))
    };
    let mut session = Session::new(case, policy, spec, Arc::clone(&asked.answers));
    let answer = guarded(|| ask(&mut session, request));
    let mut evaluated = session.finish(answer);
    let next = evaluated.answer.as_ref().ok().and_then(|response| follow_up(request, response));
    if let Some(next) = next {
        let mut session = Session::new(case, policy, spec, Arc::clone(&asked.answers));
        let answer = guarded(|| ask(&mut session, &next));
        evaluated.second = Some(session.finish(answer).answer);
    }
    evaluated
}

/// Asks the policy about the settings of a case.
pub(crate) fn settings(
    case: &Case,
    asked: &SettingsCase,
    policy: &PreparedPolicy,
    spec: &PolicySpec,
) -> Evaluated<Result<SettingsVerdict, Fault>> {
    let mut session = Session::new(case, policy, spec, Arc::clone(&asked.answers));
    let verdict = guarded(|| session.instance()?.validate_settings(&asked.settings));
    session.finish(verdict)
}

/// Raw policies see a document, whatever it is made from.
pub(crate) fn as_the_policy_takes_it(request: &Arc<Request>, policy: &PreparedPolicy) -> Arc<Request> {
    let is_raw = policy.metadata.as_ref().is_some_and(|metadata| metadata.policy_type == PolicyType::Raw);
    if is_raw { Arc::new(Request::Raw(request.to_json())) } else { Arc::clone(request) }
}

/// A panic in our own code is a fault of one case, not the end of the run.
fn guarded<T>(evaluate: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(evaluate)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Fault::new(FaultKind::Internal, format!("verify itself failed while evaluating the case: {text}"))
            .with_help("this is a bug in verify; please report it with the suite"))
    })
}

/// One instance of a policy with its host.
struct Session<'a> {
    policy: &'a PreparedPolicy,
    context: Context,
    instance: Option<Box<dyn Instance>>,
}

impl<'a> Session<'a> {
    fn new(case: &Case, policy: &'a PreparedPolicy, spec: &PolicySpec, answers: Arc<HostAnswers>) -> Self {
        let host = Host::new(answers).with_access(Access::new(&spec.grants, policy.metadata.as_ref()));
        let mut context = Context::new(Arc::new(host), case.timeout);
        if let Some(clock) = case.clock {
            context.clock = clock;
        }
        Self { policy, context, instance: None }
    }

    /// The instance, started when it is first needed.
    fn instance(&mut self) -> Result<&mut Box<dyn Instance>, Fault> {
        if self.instance.is_none() {
            self.instance = Some(self.policy.guest.start(&self.context)?);
        }
        Ok(self.instance.as_mut().expect("it was started above"))
    }

    /// Settings are validated before every evaluation, as the server does.
    fn check_settings(&mut self, settings: &Settings) -> Result<(), Fault> {
        let verdict = self.instance()?.validate_settings(settings)?;
        if verdict.valid {
            return Ok(());
        }
        let reason = verdict.message.unwrap_or_else(|| "no reason given".into());
        Err(Fault::new(FaultKind::Settings, format!("the policy refuses the settings of the case: {reason}"))
            .with_help("a refusal that is wanted is written under `settingsCases:`"))
    }

    /// A call nobody could answer outranks what the policy made of it: a policy may swallow the error.
    fn finish<T>(self, answer: Result<T, Fault>) -> Evaluated<Result<T, Fault>> {
        let output = self.instance.as_ref().map(|instance| instance.output()).unwrap_or_default();
        let mut journal = self.context.host.journal();
        let answer = match journal.fault.take() {
            Some(fault) => Err(fault),
            None => answer,
        };
        let log = GuestLog {
            lines: std::mem::take(&mut journal.log_lines),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            is_truncated: output.is_truncated || journal.is_log_truncated,
        };
        Evaluated { answer, second: None, journal, log }
    }
}
