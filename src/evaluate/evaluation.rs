//! One case while it is evaluated: the host its policies share, and an instance for each evaluation of a policy.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::accepted_settings::Validation;
use super::compat;
use super::evaluated::Evaluated;
use super::policies::Policies;
use crate::prepare::PreparedPolicy;
use policy_verify_engine::{Context, GuestOutput, Instance};
use policy_verify_host::Host;
use policy_verify_host::access::Access;
use policy_verify_host::live::LiveOptions;
use policy_verify_model::answer::{Answer, Fault, FaultKind, SETTINGS_ARE_INVALID, ServerAnswer, SettingsVerdict};
use policy_verify_model::hosting::{GuestLog, HostAnswers};
use policy_verify_model::policy::Settings;
use policy_verify_model::request::Request;
use policy_verify_model::suite::{Case, Compat, PolicyIndex, PolicyUse};

/// Most bytes kept of what all instances of a case write to one of their streams.
const MAX_OUTPUT: usize = 1024 * 1024;

/// Most characters of rejected settings in a message.
const MAX_SETTINGS: usize = 500;

/// One case while its policies are asked.
pub(super) struct CaseEvaluation<'a> {
    pub(super) policies: &'a Policies<'a>,
    case: &'a Case,
    host: Host,
    output: GuestOutput,
    remarks: Vec<String>,
    is_doubtful: bool,
}

impl<'a> CaseEvaluation<'a> {
    pub(super) fn new(case: &'a Case, answers: &Arc<HostAnswers>, policies: &'a Policies<'a>) -> Self {
        let host = Host::new(Arc::clone(answers)).with_backend(policies.backend.clone());
        Self { policies, case, host, output: GuestOutput::default(), remarks: Vec::new(), is_doubtful: false }
    }

    /// A new instance of a policy, not yet started.
    pub(super) fn new_instance(&self, policy: PolicyIndex, compat: Compat) -> PolicyInstance<'a> {
        let (spec, policy) = (self.policies.spec(policy), self.policies.prepared(policy));
        let kubewarden = &self.policies.suite.kubewarden;
        let timeout = self.case.timeout.or(spec.deployment.timeout).unwrap_or(kubewarden.installation.timeout);
        let timeout = self.policies.call_time.of(timeout);
        let live_options = LiveOptions { timeout, clock: self.case.clock };
        let host = self
            .host
            .with_access(Access::new(&spec.grants, policy.metadata.as_ref(), compat))
            .with_live_options(live_options);
        let mut context = Context::new(Arc::new(host), timeout);
        (context.release, context.memory_limit) = (kubewarden.release, kubewarden.memory_limit());
        context.clock = self.case.clock.unwrap_or_else(|| later(context.clock, self.policies.backend.variation));
        PolicyInstance { policy, compat, context, running: None, is_provisional: false, is_doubtful: false }
    }

    /// Evaluates a policy once. The answer is the policy's own: what its deployment makes of it comes later.
    pub(super) fn evaluate(&mut self, used: &PolicyUse, compat: Compat, request: &Request) -> Answer {
        let mut instance = self.new_instance(used.policy, compat);
        let spec = self.policies.spec(used.policy);
        instance.context.policy_id = spec.deployment.policy_id(&spec.name, request.namespace());
        let answer = guarded(|| {
            let checked = self.check_settings(&mut instance, used);
            checked.map_or_else(
                |fault| compat::answer(Err(fault), compat, request.uid()),
                |()| instance.validate(request, &used.settings),
            )
        });
        self.close(instance, answer)
    }

    /// Validates settings before they are used, unless that is known to have been done.
    fn check_settings(&self, instance: &mut PolicyInstance<'_>, used: &PolicyUse) -> Result<(), Fault> {
        let validation = Validation::of(used, self.case.clock);
        if self.policies.accepted.as_ref().is_some_and(|accepted| accepted.has(validation)) {
            return Ok(());
        }
        let traces = self.host.traces();
        instance.check_settings(&used.settings)?;
        let is_silent = self.host.traces() == traces && instance.has_printed_nothing();
        if let Some(accepted) = self.policies.accepted.as_ref().filter(|_| is_silent) {
            accepted.add(validation);
        }
        Ok(())
    }

    /// Ends an instance. A host call without an answer outranks what the policy made of it: a policy may swallow the error.
    pub(super) fn close<T>(&mut self, instance: PolicyInstance<'a>, answer: Result<T, Fault>) -> Result<T, Fault> {
        self.is_doubtful |= instance.is_doubtful;
        if let Some(instance) = &instance.running {
            let output = instance.output();
            let is_whole = keep(&mut self.output.stdout, output.stdout) & keep(&mut self.output.stderr, output.stderr);
            self.output.is_truncated |= output.is_truncated || !is_whole;
        }
        match self.host.fault() {
            Some(fault) => Err(fault),
            None => answer.map_err(|fault| after_waiting(fault, self.host.waited())),
        }
    }

    /// Remarks for the report of the case.
    pub(super) fn remark(&mut self, remarks: Vec<String>) {
        self.remarks.extend(remarks);
    }

    /// How many host calls were made so far.
    pub(super) fn number_of_calls(&self) -> usize {
        self.host.number_of_calls()
    }

    /// The host calls made after the first `earlier`.
    pub(super) fn calls_after(&self, earlier: usize) -> Vec<policy_verify_model::hosting::HostCall> {
        self.host.calls_after(earlier)
    }

    /// The end of the evaluation.
    pub(super) fn finish<T>(self, answer: T) -> Evaluated<T> {
        let mut journal = self.host.journal();
        journal.warnings.extend(self.remarks);
        let log = GuestLog {
            lines: std::mem::take(&mut journal.log_lines),
            stdout: String::from_utf8_lossy(&self.output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&self.output.stderr).into_owned(),
            is_truncated: self.output.is_truncated || journal.is_log_truncated,
        };
        Evaluated { answer, journal, log, is_doubtful: self.is_doubtful }
    }
}

/// The time that a policy sees in a variation, where the case does not set it: day, hour, minute and second are others.
fn later(clock: jiff::Timestamp, variation: u64) -> jiff::Timestamp {
    const STEP: i64 = 24 * 3600 + 3600 + 60 + 1;
    let seconds = i64::try_from(variation).unwrap_or(i64::MAX).saturating_mul(STEP);
    clock.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(clock)
}

/// A timeout that passed while the host waited for live answers, explained.
fn after_waiting(fault: Fault, waited: Duration) -> Fault {
    if fault.kind != FaultKind::Timeout || waited.is_zero() {
        return fault;
    }
    let waited = humantime::format_duration(Duration::from_millis(waited.as_millis().try_into().unwrap_or(u64::MAX)));
    let message = format!("{}; its host was waiting for live answers for {waited}", fault.message);
    Fault { message, ..fault }.with_help("raise `timeout`: it includes the time of host calls, as in the cluster")
}

/// Appends as much as there is room for; whether that is all.
fn keep(kept: &mut Vec<u8>, more: Vec<u8>) -> bool {
    let room = MAX_OUTPUT.saturating_sub(kept.len());
    kept.extend_from_slice(&more[..more.len().min(room)]);
    more.len() <= room
}

/// One instance of a policy.
pub(super) struct PolicyInstance<'a> {
    policy: &'a PreparedPolicy,
    compat: Compat,
    context: Context,
    running: Option<Box<dyn Instance>>,
    /// Whether it runs code that may be replaced by better code.
    is_provisional: bool,
    /// Whether it had a fault that better code may not have.
    is_doubtful: bool,
}

impl PolicyInstance<'_> {
    /// The running instance, started when it is first needed.
    fn running(&mut self) -> Result<&mut Box<dyn Instance>, Fault> {
        if self.running.is_none() {
            self.is_provisional = self.policy.guest.is_provisional();
            let started = self.policy.guest.start(&self.context);
            self.running = Some(self.noted(started)?);
        }
        Ok(self.running.as_mut().expect("it was started above"))
    }

    pub(super) fn validate_settings(&mut self, settings: &Settings) -> Result<SettingsVerdict, Fault> {
        let verdict = self.running()?.validate_settings(settings);
        self.noted(verdict)
    }

    pub(super) fn validate(&mut self, request: &Request, settings: &Settings) -> Answer {
        let answer = self.running()?.validate(request, settings);
        let answer = self.noted(answer);
        compat::answer(answer, self.compat, request.uid())
    }

    /// Notes a fault that depends on how good the code is.
    fn noted<T>(&mut self, result: Result<T, Fault>) -> Result<T, Fault> {
        let depends_on_code = |kind| matches!(kind, FaultKind::Trap | FaultKind::Timeout | FaultKind::Init);
        self.is_doubtful |= self.is_provisional && result.as_ref().is_err_and(|fault| depends_on_code(fault.kind));
        result
    }

    /// Whether nothing came out of its standard streams.
    fn has_printed_nothing(&self) -> bool {
        let output = self.running.as_ref().map(|instance| instance.output()).unwrap_or_default();
        output.stdout.is_empty() && output.stderr.is_empty()
    }

    /// Settings are validated before every evaluation, as the server does.
    fn check_settings(&mut self, settings: &Settings) -> Result<(), Fault> {
        self.validate_settings(settings).and_then(|verdict| accepted(verdict, settings))
    }
}

/// Settings as JSON in one line, cut where they are long.
fn shown(settings: &Settings) -> String {
    let json = serde_json::to_string(settings).unwrap_or_default();
    match json.char_indices().nth(MAX_SETTINGS) {
        Some((end, _)) => format!("{}…", &json[..end]),
        None => json,
    }
}

/// Whether settings are valid; if not, the fault of the evaluation.
pub(super) fn accepted(verdict: SettingsVerdict, settings: &Settings) -> Result<(), Fault> {
    if verdict.valid {
        return Ok(());
    }
    let at_server = verdict.server_reason().map(|reason| format!("{SETTINGS_ARE_INVALID}{reason}"));
    let reason = verdict.message.unwrap_or_else(|| "no reason given".into());
    let fault =
        rejected_settings(format!("the policy rejects these settings: {reason}\nsettings: {}", shown(settings)));
    Err(Fault { at_server: at_server.map(ServerAnswer::NotServed), ..fault })
}

/// The fault of a case whose settings are rejected.
pub(super) fn rejected_settings(message: String) -> Fault {
    Fault::new(FaultKind::Settings, message)
        .with_help("to test a rejection of settings, write it under `settingsCases:`")
}

/// A panic in our own code is a fault of one case, not the end of the run.
pub(super) fn guarded<T>(evaluate: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(evaluate)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Fault::new(FaultKind::Internal, format!("a bug in verify, while evaluating the case: {text}"))
            .with_help("this is a bug in verify; please report it with the suite"))
    })
}
