//! What a policy may ask its host, answered for one case.
//!
//! A call is checked in the order in which policy-server checks it, access rules included, then answered by the first of the case's answerers
//! that knows the request: its own `host:` table, recording and cluster, then those of the defaults, then, if the run asks
//! for it, the real world. Nothing but [`live`] reaches a registry, a resolver or a cluster. A call nobody answers is a
//! fault of the case even when the policy gets over it, because its verdict then rests on an error the suite never meant.

pub mod access;
pub mod capability;
pub mod cluster;
mod crypto;
mod kubernetes;
pub mod live;
mod net;
mod oci;
pub mod record;
mod rego;
pub mod replay;
pub mod request;
mod selector;
mod table;
#[cfg(test)]
mod tests;
mod tracing;
pub mod wire;

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use access::{Access, Refusal};
use capability::{Capability, Operation};
use cluster::Served;
use live::{LiveFailure, LiveHost, LiveOptions};
use policy_verify_model::answer::{Fault, FaultKind};
use policy_verify_model::cluster::Cluster;
use policy_verify_model::hosting::{AnsweredBy, Exchange, HostAnswers, HostCall, TableEntry};
use policy_verify_model::source::Span;
use record::Recorded;
use replay::{Replay, Replayed};
use request::Request;
use tracing::Log;

/// The namespaces. A new one is a file and a line here.
const CAPABILITIES: [&dyn Capability; 5] =
    [&crypto::Crypto, &kubernetes::Kubernetes, &net::Net, &oci::Oci, &tracing::Tracing];

/// The binding of all of Kubewarden's calls.
pub const BINDING: &str = "kubewarden";

/// Most leftovers of a recording that are named one by one.
const MAX_LEFTOVERS: usize = 10;

/// The full names of all capabilities, sorted: what the keys of a `host:` table may be.
pub fn known_capabilities() -> &'static [&'static str] {
    static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| operations().map(|operation| operation.capability).collect());
    &NAMES
}

/// Whether a pattern of `hostCapabilities` is one policy-server takes; the error is the server's.
pub fn check_pattern(pattern: &str) -> Result<(), String> {
    access::check_pattern(pattern, known_capabilities())
}

/// Whether a pattern such as `oci/*` is meant to include a capability.
pub fn covers(pattern: &str, capability: &str) -> bool {
    access::covers(pattern.trim(), capability)
}

/// Whether a value of a `host:` table can be turned into a reply of this capability; the error says what it should be.
pub fn check_answer(capability: &str, value: &Value) -> Result<(), String> {
    let operation = operations()
        .find(|operation| operation.capability == capability)
        .ok_or_else(|| format!("unknown host capability `{capability}`"))?;
    table::check(operation, value)
}

fn operations() -> impl Iterator<Item = &'static Operation> {
    CAPABILITIES.into_iter().flat_map(|capability| capability.operations())
}

/// Answers the host calls of one policy of a case and keeps the journal, which all policies of the case share.
pub struct Host {
    access: Access,
    answers: Arc<HostAnswers>,
    state: Arc<Mutex<State>>,
}

/// What answers host calls after the suite, and whether answers are kept.
#[derive(Clone, Default)]
pub struct HostBackend {
    /// Answers what the suite does not.
    pub live: Option<Arc<dyn LiveHost>>,
    /// Whether answers are kept to be recorded.
    pub is_recorded: bool,
}

/// What changes while a case runs.
#[derive(Default)]
struct State {
    backend: HostBackend,
    live_options: LiveOptions,
    calls: Vec<HostCall>,
    recorded: Vec<Recorded>,
    /// Time spent waiting for the live host.
    waited: Duration,
    log: Log,
    fault: Option<Fault>,
    /// Which entries of the case's own table were used.
    is_used: Vec<bool>,
    own_replay: Option<Replay>,
    default_replay: Option<Replay>,
    /// What the user should know of the live host's answers.
    remarks: Vec<String>,
}

/// What happened between a policy and its host.
#[derive(Debug, Default)]
pub struct Journal {
    /// The calls, in order.
    pub calls: Vec<HostCall>,
    /// Lines logged through `tracing/log`.
    pub log_lines: Vec<String>,
    /// Whether lines are missing at the end of `log_lines` because there were too many.
    pub is_log_truncated: bool,
    /// Entries of the case's own `host:` that nobody asked for, and leftovers of a strict recording.
    pub unused: Vec<Unused>,
    /// Leftovers of the case's own recording when its order is not strict.
    pub warnings: Vec<String>,
    /// The calls that were answered, if they are to be recorded. Nothing if one of them was not: who replays the rest would
    /// not see what is missing.
    pub recorded: Option<Vec<Recorded>>,
}

impl Journal {
    /// Adds to the recording what only a further round was told, so that a replay can answer both.
    pub fn record_more(&mut self, further: Self) {
        self.recorded = self.recorded.take().zip(further.recorded).map(|(mut recorded, further)| {
            let new: Vec<Recorded> = further.into_iter().filter(|call| !recorded.contains(call)).collect();
            recorded.extend(new);
            recorded
        });
    }
}

/// An answer nobody asked for.
#[derive(Debug)]
pub struct Unused {
    /// Full name of the capability.
    pub capability: String,
    /// The request it answers.
    pub request: String,
    /// Where it is written.
    pub span: Span,
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
        Self { access: Access::default(), answers, state: Arc::new(Mutex::new(state)) }
    }

    /// The same host, with a live host behind it or a recording of what was answered.
    #[must_use]
    pub fn with_backend(self, backend: HostBackend) -> Self {
        self.state().backend = backend;
        self
    }

    /// The same host, which asks the live host with these options from now on.
    #[must_use]
    pub fn with_live_options(self, options: LiveOptions) -> Self {
        self.state().live_options = options;
        self
    }

    /// The same answers and the same journal under other access rules: the host of another policy of the case.
    #[must_use]
    pub fn with_access(&self, access: Access) -> Self {
        Self { access, answers: Arc::clone(&self.answers), state: Arc::clone(&self.state) }
    }

    /// Answers one call. The error is the text the guest is given.
    pub fn call(&self, binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        let mut state = self.state();
        if binding == BINDING && (namespace, operation) == tracing::LOG {
            state.log.keep(payload);
            return Ok(Vec::new());
        }
        let capability = format!("{namespace}/{operation}");
        match understand(&self.access, binding, namespace, operation, payload) {
            Ok((operation, request)) => {
                state.answer(&self.answers, operation, &request, |text| format!("Callback evaluation failure: {text}"))
            }
            // The server refuses these calls in the same words, so they are the policy's error and no fault.
            Err(NotAsked::Misunderstood(text)) => {
                state.keep_call(capability, preview(payload), AnsweredBy::Unanswered, Some(&text));
                Err(text)
            }
            // The server refuses these too, but a policy that runs into its access rules is not set up right.
            Err(NotAsked::Refused { asked, refusal: Refusal { text, fault } }) => {
                state.keep_call(capability, asked, AnsweredBy::AccessRules, Some(&text));
                if let Some(fault) = fault {
                    state.fault.get_or_insert(*fault);
                }
                Err(text)
            }
        }
    }

    /// Keeps a line of waPC's `__console_log`.
    pub fn console_log(&self, text: &str) {
        self.state().log.keep_console(text);
    }

    /// Time spent waiting for the live host so far. The deadline of the policy goes on meanwhile.
    pub fn waited(&self) -> Duration {
        self.state().waited
    }

    /// The first call nobody could answer.
    pub fn fault(&self) -> Option<Fault> {
        self.state().fault.clone()
    }

    /// The calls made so far but for the first `earlier`.
    pub fn calls_after(&self, earlier: usize) -> Vec<HostCall> {
        self.state().calls.get(earlier..).unwrap_or_default().to_vec()
    }

    /// What happened so far.
    pub fn journal(&self) -> Journal {
        let state = self.state();
        let mut journal = Journal {
            calls: state.calls.clone(),
            log_lines: state.log.lines.clone(),
            is_log_truncated: state.log.is_truncated,
            recorded: state.recorded(),
            ..Journal::default()
        };
        let own_table = self.answers.own_table.iter().zip(&state.is_used);
        journal.unused.extend(own_table.filter(|(_, is_used)| !**is_used).map(|(entry, _)| unused_entry(entry)));
        for replay in [&state.own_replay, &state.default_replay].into_iter().flatten().filter(|it| it.is_strict()) {
            journal.unused.extend(replay.leftovers().map(unused_exchange));
        }
        // A recording of the defaults serves many cases, so it owes nothing to any one of them.
        if let Some(replay) = state.own_replay.as_ref().filter(|replay| !replay.is_strict()) {
            journal.warnings = leftover_warnings(replay);
        }
        journal.warnings.extend(state.remarks.iter().cloned());
        journal
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held is reported by whoever caught it; the journal is still worth reading.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why nobody is asked for an answer.
enum NotAsked {
    /// The call makes no sense.
    Misunderstood(String),
    /// The policy may not make it; `asked` is what it wanted, as far as that was read.
    Refused { asked: String, refusal: Refusal },
}

impl From<String> for NotAsked {
    fn from(text: String) -> Self {
        Self::Misunderstood(text)
    }
}

/// Checks a call in the order of policy-server (callback.rs of policy-evaluator 0.32) and reads its payload: binding,
/// capability (all but those of `tracing`), namespace, operation, payload, Kubernetes resource.
fn understand(
    access: &Access,
    binding: &str,
    namespace: &str,
    operation: &str,
    payload: &[u8],
) -> Result<(&'static Operation, Request), NotAsked> {
    if binding != BINDING {
        return Err(format!("unknown binding: {binding}").into());
    }
    if namespace != tracing::LOG.0 {
        let refused = |refusal| NotAsked::Refused { asked: preview(payload), refusal };
        access.check_capability(&format!("{namespace}/{operation}")).map_err(refused)?;
    }
    let capability = CAPABILITIES
        .into_iter()
        .find(|capability| capability.namespace() == namespace)
        .ok_or_else(|| format!("unknown namespace: {namespace}"))?;
    let operation = capability
        .operations()
        .iter()
        .find(|known| known.name == operation)
        .ok_or_else(|| format!("unknown operation: {operation}"))?;
    let request = (operation.read)(payload).map_err(|error| error.to_string())?;
    match access.check_resource(&request) {
        Ok(()) => Ok((operation, request)),
        Err(refusal) => Err(NotAsked::Refused { asked: request.short(), refusal }),
    }
}

/// What the answerers have for a request.
enum Found {
    /// A reply, or an error the suite wants.
    Reply(AnsweredBy, Result<Vec<u8>, String>),
    /// Nothing usable: the text is for the guest, the fault for the case.
    Trouble(String, Fault),
}

impl State {
    /// Answers a request and keeps what happened. `worded` makes the text of an error what the server would say.
    fn answer(
        &mut self,
        answers: &HostAnswers,
        operation: &Operation,
        request: &Request,
        worded: fn(String) -> String,
    ) -> Result<Vec<u8>, String> {
        let (by, reply) = match self.find(answers, operation, request) {
            Found::Reply(by, reply) => {
                if self.backend.is_recorded {
                    self.recorded.push(Recorded::new(request, &reply));
                }
                (by, reply)
            }
            Found::Trouble(text, fault) => {
                self.fault.get_or_insert(fault);
                (AnsweredBy::Unanswered, Err(text))
            }
        };
        let reply = reply.map_err(worded);
        self.keep_call(operation.capability.into(), request.short(), by, reply.as_ref().err());
        reply
    }

    /// Asks the answerers in their order.
    fn find(&mut self, answers: &HostAnswers, operation: &Operation, request: &Request) -> Found {
        let short = request.short();
        if let Some((index, entry)) = table::find(&answers.own_table, operation.capability, &short) {
            self.is_used[index] = true;
            return from_table(entry, operation, request);
        }
        if let Some(found) = self.own_replay.as_mut().and_then(|replay| from_recording(replay, operation, request)) {
            return found;
        }
        if let Some(found) = from_cluster(answers.own_cluster.as_deref(), operation, request) {
            return found;
        }
        if let Some((_, entry)) = table::find(&answers.default_table, operation.capability, &short) {
            return from_table(entry, operation, request);
        }
        if let Some(found) = self.default_replay.as_mut().and_then(|replay| from_recording(replay, operation, request))
        {
            return found;
        }
        if let Some(found) = from_cluster(answers.default_cluster.as_deref(), operation, request) {
            return found;
        }
        if let Some(reply) = rego::plural(&answers.kinds, request) {
            return Found::Reply(AnsweredBy::Kinds, reply);
        }
        if let Some(found) = self.ask_live(operation, request) {
            return found;
        }
        let message = format!("nobody answers {} for {short:?}", operation.capability);
        let fault = Fault::new(FaultKind::Host, message).with_help(self.advice(operation, request));
        Found::Trouble(format!("the suite has no answer to {} {short:?}", operation.capability), fault)
    }

    fn recorded(&self) -> Option<Vec<Recorded>> {
        (self.backend.is_recorded && self.fault.is_none()).then(|| self.recorded.clone())
    }

    /// Nothing if there is no live host, or it does not serve such requests.
    fn ask_live(&mut self, operation: &Operation, request: &Request) -> Option<Found> {
        let live = self.backend.live.as_ref()?;
        let start = Instant::now();
        let said = live.answer(request, &self.live_options);
        self.waited += start.elapsed();
        Some(match said? {
            Ok(reply) => Found::Reply(AnsweredBy::Live, Ok(reply)),
            Err(LiveFailure::Refused(text)) => Found::Reply(AnsweredBy::Live, Err(text)),
            Err(LiveFailure::Unseen { text, remark }) => {
                self.remarks.push(format!("{} {:?}: {remark}", operation.capability, request.short()));
                Found::Reply(AnsweredBy::Live, Err(text))
            }
            Err(LiveFailure::Outage { text, help }) => {
                let message = format!("nobody could be asked {} {:?}: {text}", operation.capability, request.short());
                let fault = Fault::new(FaultKind::Host, message);
                Found::Trouble(
                    text,
                    match help {
                        Some(help) => fault.with_help(help),
                        None => fault,
                    },
                )
            }
        })
    }

    /// The entry to add, and what the recordings have that comes close.
    fn advice(&self, operation: &Operation, request: &Request) -> String {
        if let Request::KubernetesGetResourcePluralName(_) = request {
            let kind = request.short();
            return format!("name the file of the CustomResourceDefinition that defines {kind} under `crds:`");
        }
        let key = Value::String(request.short());
        let answer = (operation.example)(request);
        let mut advice =
            format!("add the answer to the case:\nhost:\n  {}: {{ {key}: {answer} }}", operation.capability);
        if kubernetes::resource_of(request).is_some() {
            advice.push_str("\nor a cluster to read from:\ncluster: [fixtures/object.yaml]");
        }
        if self.backend.live.is_none() {
            advice.push_str("\nor ask the real world: `--live`; `verify record` keeps what it says for later runs");
        }
        for replay in [&self.own_replay, &self.default_replay].into_iter().flatten() {
            if let Some(nearest) = replay.nearest(request) {
                advice.push('\n');
                advice.push_str(&nearest);
            }
        }
        advice
    }

    fn keep_call(&mut self, capability: String, request: String, answered_by: AnsweredBy, error: Option<&String>) {
        self.calls.push(HostCall { capability, request, answered_by, error: error.cloned() });
    }
}

fn from_table(entry: &TableEntry, operation: &Operation, request: &Request) -> Found {
    match table::reply(&entry.answer, operation, request) {
        Ok(reply) => Found::Reply(AnsweredBy::Host, reply),
        Err(text) => {
            let place = entry.request.span.file_and_line();
            let message = format!("{place}: the answer to {} cannot be used: {text}", operation.capability);
            Found::Trouble(text, Fault::new(FaultKind::Host, message))
        }
    }
}

/// Nothing if the recording does not hold the request.
fn from_recording(replay: &mut Replay, operation: &Operation, request: &Request) -> Option<Found> {
    match replay.answer(request) {
        Replayed::Reply(reply) => Some(Found::Reply(AnsweredBy::Replay, reply.map(String::into_bytes))),
        Replayed::Unknown => None,
        Replayed::OutOfOrder(text) => {
            let message =
                format!("{} {:?} is not the next recorded call: {text}", operation.capability, request.short());
            let fault = Fault::new(FaultKind::Host, message);
            Some(Found::Trouble(text, fault.with_help("without `order: strict` recorded calls are found by content")))
        }
    }
}

/// Nothing if there is no cluster, or the request is not about its objects.
fn from_cluster(cluster: Option<&Cluster>, operation: &Operation, request: &Request) -> Option<Found> {
    match cluster::answer(cluster?, request)? {
        Served::Reply(reply) => Some(Found::Reply(AnsweredBy::Cluster, reply)),
        Served::Unable(text) => {
            let message =
                format!("the cluster has no answer to {} {:?}: {text}", operation.capability, request.short());
            let help = format!("if this is how it should be, answer under `host:`, `{}`", operation.capability);
            Some(Found::Trouble(text, Fault::new(FaultKind::Host, message).with_help(help)))
        }
    }
}

/// The beginning of a payload that could not be read.
fn preview(payload: &[u8]) -> String {
    const MOST: usize = 100;
    let text = String::from_utf8_lossy(&payload[..payload.len().min(4 * MOST)]);
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

fn unused_entry(entry: &TableEntry) -> Unused {
    let TableEntry { capability, request, .. } = entry;
    Unused { capability: capability.clone(), request: request.value.clone(), span: request.span.clone() }
}

fn unused_exchange(exchange: &Exchange) -> Unused {
    let (capability, request) = described(exchange);
    Unused { capability, request, span: exchange.span.clone() }
}

/// Capability and short form of a recorded request.
fn described(exchange: &Exchange) -> (String, String) {
    match Request::from_recorded(&exchange.variant, &exchange.members) {
        Some(request) => (request.capability().to_owned(), request.short()),
        None => (exchange.variant.clone(), exchange.members.to_string()),
    }
}

fn leftover_warnings(replay: &Replay) -> Vec<String> {
    let mut warnings: Vec<String> = replay
        .leftovers()
        .take(MAX_LEFTOVERS)
        .map(|exchange| {
            let (capability, request) = described(exchange);
            format!("{}: nobody asked for the recorded {capability} {request:?}", exchange.span.file_and_line())
        })
        .collect();
    let more = replay.leftovers().count().saturating_sub(MAX_LEFTOVERS);
    if more > 0 {
        warnings.push(format!("{more} more recorded exchanges were not asked for"));
    }
    warnings
}
