//! The host of one case: the sources of replies, their order, and what is kept of each call.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::access::{Access, Refusal};
use super::capabilities::{BINDING, Rejection, preview, read_call};
use super::capability::Operation;
use super::cluster::{self, Unsupported};
use super::journal::{Journal, leftover_warnings, unused_entry, unused_exchange};
use super::kubernetes;
use super::live::{LiveFailure, LiveHost, LiveOptions};
use super::record::Recorded;
use super::replay::{Replay, Replayed};
use super::reply::{CallError, Reply};
use super::request::Request;
use super::table;
use super::tracing::{self, Log};
use policy_verify_model::answer::{Fault, FaultKind};
use policy_verify_model::budget::{Budget, Exceeded};
use policy_verify_model::cluster::Cluster;
use policy_verify_model::hosting::{AnsweredBy, HostAnswers, HostCall, TableEntry};
use policy_verify_model::long_text::shortened;
use policy_verify_model::policy::ContextAwareResource;

/// Remarks of one case on how its policies were run.
const MAX_REMARKS: usize = 20;

/// Bytes of each text of a call that are kept.
const KEPT: usize = 64 << 10;

/// Bytes of all these texts of a case; beyond them calls are only named.
const ALL_KEPT: usize = 4 << 20;

/// Bytes of a reply that are kept for people who look into a case.
const REPLY_KEPT: usize = 16 << 10;

/// Bytes of a name.
const NAMED: usize = 200;

/// Answers the host calls of one policy of a case and keeps the journal, which all policies of the case share.
pub struct Host {
    access: Access,
    answers: Arc<HostAnswers>,
    state: Arc<Mutex<State>>,
    budget: Budget,
}

/// What answers host calls that the suite does not, and whether replies are recorded.
#[derive(Clone, Default)]
pub struct HostBackend {
    /// Answers the calls that the suite does not.
    pub live: Option<Arc<dyn LiveHost>>,
    /// Whether replies are kept for a recording.
    pub is_recorded: bool,
    /// Whether replies are kept with the calls of a case.
    pub keeps_replies: bool,
    /// What may differ from cluster to cluster differs with this number: the order of objects in lists, and the random
    /// bytes of policies. 0 is the usual one.
    pub variation: u64,
    /// Once it is set, all work for a policy is over.
    pub is_stopped: Arc<AtomicBool>,
}

/// What changes while a case runs.
#[derive(Default)]
struct State {
    backend: HostBackend,
    live_options: LiveOptions,
    calls: Vec<HostCall>,
    /// Bytes of their texts.
    kept: usize,
    recorded: Vec<Recorded>,
    /// Time spent waiting for the live host.
    waited: Duration,
    log: Log,
    fault: Option<Fault>,
    /// Which mocks of the case's own table were used.
    is_used: Vec<bool>,
    own_replay: Option<Replay>,
    default_replay: Option<Replay>,
    /// What the user should know about the live host's replies and about the run of the policy.
    remarks: Vec<String>,
    /// What instances executed.
    instructions: u64,
    /// The most that the memories of an instance had, in bytes.
    memory: u64,
}

impl Host {
    /// A host for one case. Like `kwctl run`, it lets a policy use every capability, but read no Kubernetes resource.
    pub fn new(answers: Arc<HostAnswers>) -> Self {
        let state = State {
            is_used: vec![false; answers.own_table.len()],
            own_replay: answers.own_session.clone().map(Replay::new),
            default_replay: answers.default_session.clone().map(Replay::new),
            ..State::default()
        };
        Self { access: Access::default(), answers, state: Arc::new(Mutex::new(state)), budget: Budget::default() }
    }

    /// The same host, with a live host or a recording of all replies.
    #[must_use]
    pub fn with_backend(mut self, backend: HostBackend) -> Self {
        self.budget = Budget::until(Arc::clone(&backend.is_stopped));
        self.state().backend = backend;
        self
    }

    /// What the work for the policy may use up. Whoever calls the policy begins it.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The same host, with these options for calls to the live host.
    #[must_use]
    pub fn with_live_options(self, options: LiveOptions) -> Self {
        self.state().live_options = options;
        self
    }

    /// The same sources and journal with other access rules: the host of another policy of the case.
    #[must_use]
    pub fn with_access(&self, access: Access) -> Self {
        let (answers, state) = (Arc::clone(&self.answers), Arc::clone(&self.state));
        Self { access, answers, state, budget: self.budget.clone() }
    }

    /// Which of many clusters the policies seem to run in; 0 is the usual one.
    pub fn variation(&self) -> u64 {
        self.state().backend.variation
    }

    /// Answers one call.
    pub fn call(&self, binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Reply {
        let mut state = self.state();
        if binding == BINDING && (namespace, operation) == tracing::LOG {
            match self.budget.room().take_json(payload) {
                Ok(()) => state.log.keep(payload),
                Err(exceeded) => state.fail(exceeded.fault("an entry of the log")),
            }
            return Ok(Vec::new());
        }
        if let Err(exceeded) = self.afford(payload) {
            state.fail(
                exceeded.fault(&format!("the host call {}", shortened(&capability(namespace, operation), NAMED))),
            );
            return Err(CallError(format!("the call {exceeded}")));
        }
        let capability = capability(namespace, operation);
        match read_call(&self.access, binding, namespace, operation, payload) {
            Ok((operation, request)) => {
                let in_server_words = |CallError(text)| CallError(format!("Callback evaluation failure: {text}"));
                state.answer(&self.answers, operation, &request, in_server_words, &self.budget)
            }
            // The server rejects these calls in the same words, so they are errors of the policy and no fault.
            Err(Rejection::Invalid(error)) => {
                state.keep_call(capability, preview(payload), AnsweredBy::Unanswered, Some(&error));
                Err(error)
            }
            // The server rejects these too, but a policy that violates its access rules is not set up right.
            Err(Rejection::Denied { request, resource, refusal: Refusal { error, fault } }) => {
                state.keep_call(capability, request, AnsweredBy::AccessRules, Some(&error));
                state.keep_resource(resource);
                if let Some(fault) = fault {
                    state.fail(*fault);
                }
                Err(error)
            }
        }
    }

    /// Counts what a payload takes while it is read.
    fn afford(&self, payload: &[u8]) -> Result<(), Exceeded> {
        self.budget.spend(payload.len() as u64)?;
        self.budget.room().take_json(payload)
    }

    /// The access rules.
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// Answers a request of the host itself.
    pub(crate) fn answer(&self, operation: &Operation, request: &Request) -> Reply {
        let mut state = self.state();
        // The policy does not run yet, so its time does not pass.
        let budget = Budget::until(Arc::clone(&state.backend.is_stopped));
        state.answer(&self.answers, operation, request, |error| error, &budget)
    }

    /// Keeps a line of waPC's `__console_log`.
    pub fn console_log(&self, text: &str) {
        self.state().log.keep_console(text);
    }

    /// Keeps a remark about how the policy was run, once; of many of them the first.
    pub fn remark(&self, text: &str) {
        let mut state = self.state();
        if state.remarks.len() < MAX_REMARKS && !state.remarks.iter().any(|remark| remark == text) {
            state.remarks.push(text.to_owned());
        }
    }

    /// Counts instructions that an instance executed.
    pub fn executed(&self, instructions: u64) {
        let mut state = self.state();
        state.instructions = state.instructions.saturating_add(instructions);
    }

    /// Keeps how many bytes the memories of an instance had, if none had more.
    pub fn used_memory(&self, bytes: u64) {
        let mut state = self.state();
        state.memory = state.memory.max(bytes);
    }

    /// Time spent waiting for the live host so far. The timeout of the policy includes it.
    pub fn waited(&self) -> Duration {
        self.state().waited
    }

    /// The fault of the first call without an answer.
    pub fn fault(&self) -> Option<Fault> {
        self.state().fault.clone()
    }

    /// How much the policies of the case left so far for its report: calls, lines of the log and remarks.
    pub fn traces(&self) -> usize {
        let state = self.state();
        state.calls.len() + state.log.lines.len() + usize::from(state.log.is_truncated) + state.remarks.len()
    }

    /// How many calls were made so far.
    pub fn number_of_calls(&self) -> usize {
        self.state().calls.len()
    }

    /// The calls made so far but for the first `earlier`.
    pub fn calls_after(&self, earlier: usize) -> Vec<HostCall> {
        self.state().calls.get(earlier..).unwrap_or_default().to_vec()
    }

    /// The calls so far.
    pub fn journal(&self) -> Journal {
        let state = self.state();
        let mut journal = Journal {
            calls: state.calls.clone(),
            log_lines: state.log.lines.clone(),
            is_log_truncated: state.log.is_truncated,
            recorded: state.recorded(),
            instructions: state.instructions,
            memory: state.memory,
            ..Journal::default()
        };
        let own_table = self.answers.own_table.iter().zip(&state.is_used);
        journal.unused.extend(own_table.filter(|(_, is_used)| !**is_used).map(|(entry, _)| unused_entry(entry)));
        for replay in [&state.own_replay, &state.default_replay].into_iter().flatten().filter(|it| it.is_strict()) {
            journal.unused.extend(replay.leftovers().map(unused_exchange));
        }
        // A recording of the defaults serves many cases, so no single case has to use all of it.
        if let Some(replay) = state.own_replay.as_ref().filter(|replay| !replay.is_strict()) {
            journal.warnings = leftover_warnings(replay);
        }
        journal.warnings.extend(state.remarks.iter().cloned());
        journal
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held is reported where it is caught; the journal is still worth reading.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the sources have for a request.
enum Resolution {
    /// A reply, or an error that the suite or the live host gives on purpose.
    Reply(AnsweredBy, Reply),
    /// No usable reply: the error is for the guest, the fault for the case.
    Failed(CallError, Fault),
}

impl State {
    /// Answers a request and keeps the call. `in_server_words` gives an error the words of the server.
    fn answer(
        &mut self,
        answers: &HostAnswers,
        operation: &Operation,
        request: &Request,
        in_server_words: fn(CallError) -> CallError,
        budget: &Budget,
    ) -> Reply {
        let (by, reply) = match self.resolve(answers, operation, request, budget) {
            Resolution::Reply(by, reply) => {
                if self.backend.is_recorded {
                    self.recorded.push(Recorded::new(request, &reply));
                }
                (by, reply)
            }
            Resolution::Failed(error, fault) => {
                self.fail(fault);
                (AnsweredBy::Unanswered, Err(error))
            }
        };
        let reply = reply.map_err(in_server_words);
        self.keep_call(operation.capability.into(), request.short(), by, reply.as_ref().err());
        self.keep_resource(kubernetes::resource(request));
        if let (true, Ok(bytes), Some(call)) = (self.backend.keeps_replies, &reply, self.calls.last_mut()) {
            call.reply = Some(shortened(&String::from_utf8_lossy(bytes), REPLY_KEPT).into_owned());
        }
        reply
    }

    /// Looks for a reply in the sources, in their order.
    fn resolve(
        &mut self,
        answers: &HostAnswers,
        operation: &Operation,
        request: &Request,
        budget: &Budget,
    ) -> Resolution {
        let short = request.short();
        if let Some((index, entry)) = table::find(&answers.own_table, operation.capability, &short) {
            self.is_used[index] = true;
            return from_table(entry, operation, request);
        }
        if let Some(found) = self.own_replay.as_mut().and_then(|replay| from_recording(replay, operation, request)) {
            return found;
        }
        let variation = self.backend.variation;
        if let Some(found) = from_cluster(answers.own_cluster.as_deref(), operation, request, variation, budget) {
            return found;
        }
        if let Some((_, entry)) = table::find(&answers.default_table, operation.capability, &short) {
            return from_table(entry, operation, request);
        }
        if let Some(found) = self.default_replay.as_mut().and_then(|replay| from_recording(replay, operation, request))
        {
            return found;
        }
        if let Some(found) = from_cluster(answers.default_cluster.as_deref(), operation, request, variation, budget) {
            return found;
        }
        if let Some(reply) = cluster::plural_name(&answers.kinds, request) {
            return Resolution::Reply(AnsweredBy::Kinds, reply);
        }
        if let Some(found) = self.call_live(operation, request) {
            return found;
        }
        let message = format!("no mock for {}({:?})", operation.capability, shortened(&short, KEPT));
        let fault = Fault::new(FaultKind::Host, message);
        // Only the first fault is shown, and help for a policy that asks ten thousand times takes its time.
        let fault = if self.fault.is_none() { fault.with_help(self.help(operation, request)) } else { fault };
        Resolution::Failed(CallError(format!("the suite has no answer to {} {short:?}", operation.capability)), fault)
    }

    fn recorded(&self) -> Option<Vec<Recorded>> {
        (self.backend.is_recorded && self.fault.is_none()).then(|| self.recorded.clone())
    }

    /// Nothing if there is no live host, or it does not serve such requests.
    fn call_live(&mut self, operation: &Operation, request: &Request) -> Option<Resolution> {
        let live = self.backend.live.as_ref()?;
        let start = Instant::now();
        let reply = live.answer(request, &self.live_options);
        self.waited += start.elapsed();
        Some(match reply? {
            Ok(reply) => Resolution::Reply(AnsweredBy::Live, Ok(reply)),
            Err(LiveFailure::Refused(text)) => Resolution::Reply(AnsweredBy::Live, Err(CallError(text))),
            Err(LiveFailure::Unseen { text, remark }) => {
                self.remarks.push(format!("{}({:?}): {remark}", operation.capability, request.short()));
                Resolution::Reply(AnsweredBy::Live, Err(CallError(text)))
            }
            Err(LiveFailure::Outage { text, help }) => {
                let message = format!("live call failed: {}({:?}): {text}", operation.capability, request.short());
                let fault = Fault::new(FaultKind::Host, message);
                Resolution::Failed(
                    CallError(text),
                    match help {
                        Some(help) => fault.with_help(help),
                        None => fault,
                    },
                )
            }
        })
    }

    /// The mock to add, and the closest recorded request.
    fn help(&self, operation: &Operation, request: &Request) -> String {
        if let Request::KubernetesGetResourcePluralName(_) = request {
            let kind = request.short();
            return format!("add the file of the CustomResourceDefinition of {kind} to `crds`");
        }
        let key = Value::String(shortened(&request.short(), KEPT).into_owned());
        let value = (operation.example)(request);
        let mut help = format!("add a mock to the case:\nhost:\n  {}: {{ {key}: {value} }}", operation.capability);
        if kubernetes::resource_of(request).is_some() {
            help.push_str("\nor add the objects:\ncluster: [fixtures/object.yaml]");
        }
        if self.backend.live.is_none() {
            help.push_str("\nor run with `--live`, or record the reply with `verify record`");
        }
        for replay in [&self.own_replay, &self.default_replay].into_iter().flatten() {
            if let Some(nearest) = replay.nearest(request) {
                help.push('\n');
                help.push_str(&nearest);
            }
        }
        help
    }

    /// Keeps the first fault.
    fn fail(&mut self, fault: Fault) {
        self.fault.get_or_insert_with(|| Fault { message: shortened(&fault.message, KEPT).into_owned(), ..fault });
    }

    /// Keeps a call for the report, with the beginning of texts that are too long for one.
    fn keep_call(&mut self, capability: String, request: String, answered_by: AnsweredBy, error: Option<&CallError>) {
        let most = if self.kept < ALL_KEPT { KEPT } else { NAMED };
        let kept = |text: &str| shortened(text, most).into_owned();
        let (capability, request) = (kept(&capability), kept(&request));
        let error = error.map(|CallError(text)| kept(text));
        self.kept += capability.len() + request.len() + error.as_ref().map_or(0, String::len);
        self.calls.push(HostCall { capability, request, answered_by, error, resource: None, reply: None });
    }

    /// Adds the resource that the last call reads.
    fn keep_resource(&mut self, resource: Option<ContextAwareResource>) {
        if let Some(call) = self.calls.last_mut() {
            call.resource = resource;
        }
    }
}

/// The full name of what is called.
fn capability(namespace: &str, operation: &str) -> String {
    format!("{namespace}/{operation}")
}

fn from_table(entry: &TableEntry, operation: &Operation, request: &Request) -> Resolution {
    match table::reply(&entry.answer, operation, request) {
        Ok(reply) => Resolution::Reply(AnsweredBy::Host, reply),
        Err(error) => {
            let place = entry.request.span.file_and_line();
            let message = format!("{place}: invalid mock for {}: {error}", operation.capability);
            Resolution::Failed(CallError(error.to_string()), Fault::new(FaultKind::Host, message))
        }
    }
}

/// Nothing if the recording does not hold the request.
fn from_recording(replay: &mut Replay, operation: &Operation, request: &Request) -> Option<Resolution> {
    match replay.answer(request) {
        Replayed::Reply(reply) => Some(Resolution::Reply(AnsweredBy::Replay, reply.map(String::into_bytes))),
        Replayed::Unknown => None,
        Replayed::OutOfOrder(error) => {
            let message = format!("out of order: {}({:?}): {error}", operation.capability, request.short());
            let fault = Fault::new(FaultKind::Host, message);
            let help = "remove `order: strict` to match recorded calls by content";
            Some(Resolution::Failed(error, fault.with_help(help)))
        }
    }
}

/// Nothing if there is no cluster, or the request is not about its objects.
fn from_cluster(
    cluster: Option<&Cluster>,
    operation: &Operation,
    request: &Request,
    variation: u64,
    budget: &Budget,
) -> Option<Resolution> {
    match cluster::answer(cluster?, request, variation, budget)? {
        Ok(reply) => Some(Resolution::Reply(AnsweredBy::Cluster, reply)),
        Err(Unsupported::Exceeded(exceeded)) => {
            let fault = exceeded.fault(&format!("the host call {}", operation.capability));
            Some(Resolution::Failed(CallError(format!("the call {exceeded}")), fault))
        }
        Err(error) => {
            let message = format!("`cluster` cannot answer {}({:?}): {error}", operation.capability, request.short());
            let help = format!("mock the call with `{}` under `host:`", operation.capability);
            Some(Resolution::Failed(CallError(error.to_string()), Fault::new(FaultKind::Host, message).with_help(help)))
        }
    }
}
