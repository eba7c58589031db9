//! What a policy may ask its host, answered for one case.
//!
//! A call is checked in the order in which policy-server checks it, access rules included, then answered by the first of the case's answerers
//! that knows the request: its own `host:` table, recording and cluster, then those of the defaults, then, if the run asks
//! for it, the real world. Nothing but [`live`] reaches a registry, a resolver or a cluster. A call nobody answers is a
//! fault of the case even when the policy gets over it, because its verdict then rests on an error the suite never meant.

pub(crate) mod access;
mod capability;
mod cluster;
mod crypto;
mod kubernetes;
pub(crate) mod live;
mod net;
mod oci;
pub(crate) mod record;
mod rego;
pub(crate) mod replay;
mod request;
mod selector;
mod table;
mod tracing;

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::model::answer::{Fault, FaultKind};
use crate::model::cluster::Cluster;
use crate::model::hosting::{AnsweredBy, Exchange, HostAnswers, HostCall, TableEntry};
use crate::model::source::Span;
use access::{Access, Refusal};
use capability::{Capability, Operation};
use cluster::Served;
use live::{Failure, Terms, World};
use record::Recorded;
use replay::{Replay, Replayed};
use request::Request;
use tracing::Log;

/// The namespaces. A new one is a file and a line here.
const CAPABILITIES: [&dyn Capability; 5] =
    [&crypto::Crypto, &kubernetes::Kubernetes, &net::Net, &oci::Oci, &tracing::Tracing];

/// The binding of all of Kubewarden's calls.
const BINDING: &str = "kubewarden";

/// Most leftovers of a recording that are named one by one.
const MAX_LEFTOVERS: usize = 10;

/// The full names of all capabilities, sorted: what the keys of a `host:` table may be.
pub(crate) fn known_capabilities() -> &'static [&'static str] {
    static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| operations().map(|operation| operation.capability).collect());
    &NAMES
}

/// Whether a pattern of `hostCapabilities` is one policy-server takes; the error is the server's.
pub(crate) fn check_pattern(pattern: &str) -> Result<(), String> {
    access::check_pattern(pattern, known_capabilities())
}

/// Whether a pattern such as `oci/*` is meant to include a capability.
pub(crate) fn covers(pattern: &str, capability: &str) -> bool {
    access::covers(pattern.trim(), capability)
}

/// Whether a value of a `host:` table can be turned into a reply of this capability; the error says what it should be.
pub(crate) fn check_answer(capability: &str, value: &Value) -> Result<(), String> {
    let operation = operations()
        .find(|operation| operation.capability == capability)
        .ok_or_else(|| format!("unknown host capability `{capability}`"))?;
    table::check(operation, value)
}

fn operations() -> impl Iterator<Item = &'static Operation> {
    CAPABILITIES.into_iter().flat_map(|capability| capability.operations())
}

/// Answers the host calls of one policy of a case and keeps the journal, which all policies of the case share.
pub(crate) struct Host {
    access: Access,
    answers: Arc<HostAnswers>,
    state: Arc<Mutex<State>>,
}

/// What a run does with host calls beside asking the suite.
#[derive(Clone, Default)]
pub(crate) struct Outside {
    /// Who answers what the suite does not.
    pub(crate) world: Option<Arc<World>>,
    /// Whether answers are kept to be recorded.
    pub(crate) is_recorded: bool,
}

/// What changes while a case runs.
#[derive(Default)]
struct State {
    outside: Outside,
    terms: Terms,
    calls: Vec<HostCall>,
    recorded: Vec<Recorded>,
    /// Time spent asking the world.
    waited: Duration,
    log: Log,
    fault: Option<Fault>,
    /// Which entries of the case's own table were used.
    is_used: Vec<bool>,
    own_replay: Option<Replay>,
    default_replay: Option<Replay>,
    /// What the user should know of the world's answers.
    remarks: Vec<String>,
}

/// What happened between a policy and its host.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// The calls, in order.
    pub(crate) calls: Vec<HostCall>,
    /// Lines logged through `tracing/log`.
    pub(crate) log_lines: Vec<String>,
    /// Whether lines are missing at the end of `log_lines` because there were too many.
    pub(crate) is_log_truncated: bool,
    /// Entries of the case's own `host:` that nobody asked for, and leftovers of a strict recording.
    pub(crate) unused: Vec<Unused>,
    /// Leftovers of the case's own recording when its order is not strict.
    pub(crate) warnings: Vec<String>,
    /// The calls that were answered, if they are to be recorded. Nothing if one of them was not: who replays the rest would
    /// not see what is missing.
    pub(crate) recorded: Option<Vec<Recorded>>,
}

impl Journal {
    /// Adds to the recording what only a further round was told, so that a replay can answer both.
    pub(crate) fn record_more(&mut self, further: Self) {
        self.recorded = self.recorded.take().zip(further.recorded).map(|(mut recorded, further)| {
            let new: Vec<Recorded> = further.into_iter().filter(|call| !recorded.contains(call)).collect();
            recorded.extend(new);
            recorded
        });
    }
}

/// An answer nobody asked for.
#[derive(Debug)]
pub(crate) struct Unused {
    /// Full name of the capability.
    pub(crate) capability: String,
    /// The request it answers.
    pub(crate) request: String,
    /// Where it is written.
    pub(crate) span: Span,
}

impl Host {
    /// A host for one case. Like `kwctl run`, it lets a policy use every capability, but read no Kubernetes resource.
    pub(crate) fn new(answers: Arc<HostAnswers>) -> Self {
        let state = State {
            is_used: vec![false; answers.own_table.len()],
            own_replay: answers.own_session.clone().map(Replay::new),
            default_replay: answers.default_session.clone().map(Replay::new),
            ..State::default()
        };
        Self { access: Access::default(), answers, state: Arc::new(Mutex::new(state)) }
    }

    /// The same host, which may ask the world outside and keep what was answered.
    #[must_use]
    pub(crate) fn with_outside(self, outside: Outside) -> Self {
        self.state().outside = outside;
        self
    }

    /// The same host, which asks the world on these terms from now on.
    #[must_use]
    pub(crate) fn with_terms(self, terms: Terms) -> Self {
        self.state().terms = terms;
        self
    }

    /// The same answers and the same journal under other access rules: the host of another policy of the case.
    #[must_use]
    pub(crate) fn with_access(&self, access: Access) -> Self {
        Self { access, answers: Arc::clone(&self.answers), state: Arc::clone(&self.state) }
    }

    /// Answers one call. The error is the text the guest is given.
    pub(crate) fn call(
        &self,
        binding: &str,
        namespace: &str,
        operation: &str,
        payload: &[u8],
    ) -> Result<Vec<u8>, String> {
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
                state.keep_call(capability, preview(payload), AnsweredBy::Nobody, Some(&text));
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
    pub(crate) fn console_log(&self, text: &str) {
        self.state().log.keep_console(text);
    }

    /// Time spent asking the world outside so far. The deadline of the policy goes on meanwhile.
    pub(crate) fn waited(&self) -> Duration {
        self.state().waited
    }

    /// The first call nobody could answer.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.state().fault.clone()
    }

    /// The calls made so far but for the first `earlier`.
    pub(crate) fn calls_after(&self, earlier: usize) -> Vec<HostCall> {
        self.state().calls.get(earlier..).unwrap_or_default().to_vec()
    }

    /// What happened so far.
    pub(crate) fn journal(&self) -> Journal {
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
                if self.outside.is_recorded {
                    self.recorded.push(Recorded::new(request, &reply));
                }
                (by, reply)
            }
            Found::Trouble(text, fault) => {
                self.fault.get_or_insert(fault);
                (AnsweredBy::Nobody, Err(text))
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
        if let Some(found) = self.ask_world(operation, request) {
            return found;
        }
        let message = format!("nobody answers {} for {short:?}", operation.capability);
        let fault = Fault::new(FaultKind::Host, message).with_help(self.advice(operation, request));
        Found::Trouble(format!("the suite has no answer to {} {short:?}", operation.capability), fault)
    }

    fn recorded(&self) -> Option<Vec<Recorded>> {
        (self.outside.is_recorded && self.fault.is_none()).then(|| self.recorded.clone())
    }

    /// Nothing if the run does not ask the world, or the world has no answer to such requests.
    fn ask_world(&mut self, operation: &Operation, request: &Request) -> Option<Found> {
        let world = self.outside.world.as_ref()?;
        let start = Instant::now();
        let said = world.answer(request, &self.terms);
        self.waited += start.elapsed();
        Some(match said? {
            Ok(reply) => Found::Reply(AnsweredBy::Live, Ok(reply)),
            Err(Failure::Refused(text)) => Found::Reply(AnsweredBy::Live, Err(text)),
            Err(Failure::Unseen { text, remark }) => {
                self.remarks.push(format!("{} {:?}: {remark}", operation.capability, request.short()));
                Found::Reply(AnsweredBy::Live, Err(text))
            }
            Err(Failure::Outage { text, help }) => {
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
        if let Request::KubernetesGetResourcePluralName(asked) = request {
            let kind = asked.short();
            return format!("name the file of the CustomResourceDefinition that defines {kind} under `crds:`");
        }
        let key = Value::String(request.short());
        let answer = (operation.example)(request);
        let mut advice =
            format!("add the answer to the case:\nhost:\n  {}: {{ {key}: {answer} }}", operation.capability);
        if kubernetes::resource_of(request).is_some() {
            advice.push_str("\nor a cluster to read from:\ncluster: [fixtures/object.yaml]");
        }
        if self.outside.world.is_none() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hosting::{ContextAware, Grants, Session, TableAnswer};
    use crate::model::policy::ContextAwareResource;
    use crate::model::source::{SourceFile, Spanned};
    use crate::model::suite::Compat;
    use serde_json::json;

    const DIGEST: (&str, &str) = ("oci", "v1/manifest_digest");

    fn span() -> Span {
        Span::start_of(&Arc::new(SourceFile { path: "suite.yml".into(), text: String::new() }))
    }

    fn entry(request: &str, answer: TableAnswer) -> TableEntry {
        let capability = "oci/v1/manifest_digest".into();
        TableEntry { capability, request: Spanned::new(request.into(), span()), answer }
    }

    fn digest(text: &str) -> TableAnswer {
        TableAnswer::Value(json!(text))
    }

    fn session(images: &[(&str, &str)], is_strict: bool) -> Option<Arc<Session>> {
        let text: String = images
            .iter()
            .map(|(image, reply)| {
                format!("- request: |\n    !OciManifestDigest\n    image: {image}\n  response: {{type: Success, payload: '{reply}'}}\n")
            })
            .collect();
        let file = Arc::new(SourceFile { path: "session.yml".into(), text });
        Some(Arc::new(replay::read_session(file, span(), is_strict).unwrap()))
    }

    fn ask(host: &Host, image: &str) -> Result<String, String> {
        let payload = json!(image).to_string();
        host.call(BINDING, DIGEST.0, DIGEST.1, payload.as_bytes()).map(|reply| String::from_utf8(reply).unwrap())
    }

    #[test]
    fn the_names_are_those_of_the_capability_tree() {
        assert_eq!(
            known_capabilities(),
            [
                "crypto/v1/is_certificate_trusted",
                "kubernetes/can_i",
                "kubernetes/get_resource",
                "kubernetes/list_resources_all",
                "kubernetes/list_resources_by_namespace",
                "net/v1/dns_lookup_host",
                "oci/v1/manifest_digest",
                "oci/v1/oci_manifest",
                "oci/v1/oci_manifest_config",
                "oci/v1/verify",
                "oci/v2/verify",
            ]
        );
        for operation in operations() {
            assert!(operation.capability.ends_with(&format!("/{}", operation.name)));
        }
    }

    #[test]
    fn answers_are_checked_by_the_capability() {
        assert_eq!(check_answer("oci/v1/manifest_digest", &json!("sha256:a")), Ok(()));
        assert!(check_answer("oci/v1/manifest_digest", &json!(1)).is_err());
        assert_eq!(check_answer("kubernetes/list_resources_all", &json!([{}])), Ok(()));
        assert!(check_answer("oci/v3/verify", &json!(true)).unwrap_err().contains("unknown host capability"));
    }

    #[test]
    fn calls_are_refused_in_the_words_of_the_server() {
        let host = Host::new(Arc::default());
        let refused = |binding, namespace, operation, payload: &[u8]| {
            host.call(binding, namespace, operation, payload).unwrap_err()
        };
        assert_eq!(refused("wapc", "tracing", "log", b"{}"), "unknown binding: wapc");
        assert_eq!(refused(BINDING, "tracing", "span", b"{}"), "unknown operation: span");
        assert_eq!(refused(BINDING, "oci", "v3/verify", b"{}"), "unknown operation: v3/verify");
        assert_eq!(refused(BINDING, "ldap", "v1/bind", b"{}"), "unknown namespace: ldap");
        assert_eq!(refused(BINDING, DIGEST.0, DIGEST.1, b""), "EOF while parsing a value at line 1 column 0");
        let journal = host.journal();
        assert_eq!(host.fault(), None, "the server refuses these too");
        assert_eq!(journal.calls.len(), 5);
        assert_eq!(journal.calls[3].capability, "ldap/v1/bind");
        assert_eq!(journal.calls[3].error.as_deref(), Some("unknown namespace: ldap"));
        assert!(journal.calls.iter().all(|call| call.answered_by == AnsweredBy::Nobody));
    }

    #[test]
    fn access_rules_come_before_everything_else_but_logging() {
        let grants = Grants { host_capabilities: Some(vec!["kubernetes/*".into()]), ..Grants::default() };
        let answers = HostAnswers { own_table: vec![entry("*", digest("x"))], ..Default::default() };
        let host = Host::new(Arc::new(answers)).with_access(Access::new(&grants, None, Compat::Strict));
        let call = |binding, namespace, operation, payload: &[u8]| {
            host.call(binding, namespace, operation, payload).map_err(|text| text.replace(" has not been granted", ""))
        };
        let refused = |name: &str| {
            Err(format!("Policy access to the '{name}' host capability. The violation has been reported."))
        };
        assert_eq!(call("wapc", "oci", "v1/manifest_digest", b"").unwrap_err(), "unknown binding: wapc");
        assert_eq!(call(BINDING, "tracing", "log", b"{}"), Ok(Vec::new()));
        assert_eq!(call(BINDING, "tracing", "span", b"{}").unwrap_err(), "unknown operation: span");
        assert_eq!(host.fault(), None);
        assert_eq!(call(BINDING, "oci", "v1/manifest_digest", b"no JSON"), refused("oci/v1/manifest_digest"));
        assert_eq!(call(BINDING, "ldap", "v1/bind", b""), refused("ldap/v1/bind"));
        assert_eq!(call(BINDING, "kubernetes", "watch", b"").unwrap_err(), "unknown operation: watch");
        assert!(call(BINDING, "kubernetes", "list_resources_all", b"{}").unwrap_err().starts_with("missing field"));
        let pods = br#"{"api_version":"v1","kind":"Pod"}"#;
        assert_eq!(
            call(BINDING, "kubernetes", "list_resources_all", pods).unwrap_err(),
            "Policy access to Kubernetes v1/Pod resources. The violation has been reported."
        );
        let journal = host.journal();
        let fault = host.fault().unwrap();
        assert_eq!(fault.kind, FaultKind::Host);
        assert!(fault.message.contains("'oci/v1/manifest_digest'"), "the first one counts: {}", fault.message);
        let by_rules: Vec<(&str, &str)> = journal
            .calls
            .iter()
            .filter(|call| call.answered_by == AnsweredBy::AccessRules)
            .map(|call| (call.capability.as_str(), call.request.as_str()))
            .collect();
        assert_eq!(
            by_rules,
            [("oci/v1/manifest_digest", "no JSON"), ("ldap/v1/bind", ""), ("kubernetes/list_resources_all", "v1/Pod")]
        );
        assert_eq!(journal.unused.len(), 1, "nobody was asked");
    }

    /// Every capability, in every way a call can end.
    #[test]
    fn every_capability_is_granted_answered_refused_and_missed_alike() {
        let signed = json!({"type": "SigstorePubKeyVerify", "image": "app:1", "pub_keys": ["k"], "annotations": null});
        let signed_v1 = json!({"SigstorePubKeyVerify": {"image": "app:1", "pub_keys": ["k"], "annotations": null}});
        let certificate = json!({"cert": {"encoding": "Der", "data": [48]}, "cert_chain": null, "not_after": null});
        let review = json!({"user": "bob", "resource_attributes": {"verb": "get", "resource": "pods"}});
        let pods = json!({"api_version": "v1", "kind": "Pod", "namespace": "web", "name": "p", "disable_cache": false});
        let pod = json!({"kind": "Pod"});
        let table = [
            ("crypto/v1/is_certificate_trusted", certificate, json!(true)),
            ("kubernetes/can_i", json!({"subject_access_review": review, "disable_cache": false}), json!(true)),
            ("kubernetes/get_resource", pods.clone(), pod.clone()),
            ("kubernetes/list_resources_all", pods.clone(), json!([pod])),
            ("kubernetes/list_resources_by_namespace", pods, json!([pod])),
            ("net/v1/dns_lookup_host", json!("a.test"), json!(["10.0.0.7"])),
            ("oci/v1/manifest_digest", json!("app:1"), json!("sha256:a")),
            ("oci/v1/oci_manifest", json!("app:1"), json!({"schemaVersion": 2, "layers": []})),
            ("oci/v1/oci_manifest_config", json!("app:1"), json!({"manifest": {}, "digest": "sha256:a", "config": {}})),
            ("oci/v1/verify", signed_v1, json!(true)),
            ("oci/v2/verify", signed, json!(true)),
        ];
        assert_eq!(table.each_ref().map(|row| row.0), known_capabilities());
        let pod = ContextAwareResource { api_version: "v1".into(), kind: "Pod".into() };
        let granted = Grants { context_aware: ContextAware::Listed([pod].into()), ..Grants::default() };
        let nothing = Grants { host_capabilities: Some(Vec::new()), ..granted.clone() };
        for (capability, payload, value) in table {
            let run = |grants: &Grants, answer: Option<TableAnswer>| {
                let entry = answer.map(|answer| TableEntry { capability: capability.into(), ..entry("*", answer) });
                let answers = HostAnswers { own_table: entry.into_iter().collect(), ..Default::default() };
                let host = Host::new(Arc::new(answers)).with_access(Access::new(grants, None, Compat::Strict));
                let (namespace, operation) = capability.split_once('/').unwrap();
                let reply = host.call(BINDING, namespace, operation, payload.to_string().as_bytes());
                let (Journal { calls, unused, .. }, fault) = (host.journal(), host.fault());
                assert_eq!(calls[0].capability, capability);
                (reply, calls[0].answered_by, fault, unused.len())
            };
            let value = || Some(TableAnswer::Value(value.clone()));
            let (reply, by, fault, unused) = run(&granted, value());
            assert!(reply.is_ok() && fault.is_none(), "{capability}: {reply:?} {fault:?}");
            assert_eq!((by, unused), (AnsweredBy::Host, 0), "{capability}");
            let (reply, by, fault, unused) = run(&granted, Some(TableAnswer::Error("down".into())));
            assert_eq!(reply, Err("Callback evaluation failure: down".into()), "{capability}");
            assert_eq!((by, fault, unused), (AnsweredBy::Host, None, 0), "{capability}");
            let (reply, by, fault, unused) = run(&granted, None);
            assert!(reply.is_err() && fault.unwrap().message.starts_with("nobody answers"), "{capability}");
            assert_eq!((by, unused), (AnsweredBy::Nobody, 0), "{capability}");
            let (reply, by, fault, unused) = run(&nothing, value());
            assert!(reply.unwrap_err().contains(&format!("'{capability}' host capability")), "{capability}");
            assert_eq!((by, fault.is_some(), unused), (AnsweredBy::AccessRules, true, 1), "{capability}");
            let (_, by, fault, unused) = run(&Grants::default(), value());
            let is_listed = capability.starts_with("kubernetes/") && capability != "kubernetes/can_i";
            let expected = if is_listed { (AnsweredBy::AccessRules, true, 1) } else { (AnsweredBy::Host, false, 0) };
            assert_eq!((by, fault.is_some(), unused), expected, "{capability}");
        }
    }

    #[test]
    fn the_nearer_answerer_wins() {
        let host = Host::new(Arc::new(HostAnswers {
            own_table: vec![entry("a", digest("own table"))],
            own_session: session(&[("a", "own-session"), ("b", "own-session")], false),
            default_table: ["a", "b", "c"].map(|image| entry(image, digest("default table"))).into(),
            default_session: session(&[("c", "default-session"), ("d", "default-session")], false),
            ..Default::default()
        }));
        assert_eq!(ask(&host, "a").unwrap(), r#"{"digest":"own table"}"#);
        assert_eq!(ask(&host, "b").unwrap(), "own-session");
        assert_eq!(ask(&host, "c").unwrap(), r#"{"digest":"default table"}"#);
        assert_eq!(ask(&host, "d").unwrap(), "default-session");
        let journal = host.journal();
        let by: Vec<AnsweredBy> = journal.calls.iter().map(|call| call.answered_by).collect();
        assert_eq!(by, [AnsweredBy::Host, AnsweredBy::Replay, AnsweredBy::Host, AnsweredBy::Replay]);
        assert!(host.fault().is_none() && journal.unused.is_empty());
        assert_eq!(
            journal.warnings,
            [r#"session.yml:1: nobody asked for the recorded oci/v1/manifest_digest "a""#],
            "leftovers of the defaults are nobody's debt"
        );
    }

    #[test]
    fn a_cluster_answers_between_the_recordings_and_the_defaults() {
        let table = |request: &str, text: &str| TableEntry {
            capability: "kubernetes/get_resource".into(),
            request: Spanned::new(request.into(), span()),
            answer: TableAnswer::Error(text.into()),
        };
        let own = HostAnswers {
            own_table: vec![table("v1/Namespace/own", "own table")],
            own_cluster: Some(Arc::new(cluster::tests::cluster())),
            default_table: vec![table("*", "default table")].into(),
            ..Default::default()
        };
        let default = HostAnswers { own_cluster: None, default_cluster: own.own_cluster.clone(), ..own.clone() };
        let nothing = HostAnswers { default_table: Vec::new().into(), default_cluster: None, ..default.clone() };
        let pod = ContextAwareResource { api_version: "v1".into(), kind: "Namespace".into() };
        let grants = Grants { context_aware: ContextAware::Listed([pod].into()), ..Grants::default() };
        let host = |answers| Host::new(Arc::new(answers)).with_access(Access::new(&grants, None, Compat::Strict));
        let ask = |host: &Host, operation: &str, name: &str, selector: &str| {
            let asked = json!({"api_version": "v1", "kind": "Namespace", "name": name, "disable_cache": true, "label_selector": selector});
            let reply = host.call(BINDING, "kubernetes", operation, asked.to_string().as_bytes());
            reply
                .map(|reply| String::from_utf8(reply).unwrap())
                .map_err(|text| text.replace("Callback evaluation failure: ", ""))
        };
        let own = host(own);
        assert_eq!(ask(&own, "get_resource", "own", "").unwrap_err(), "own table");
        assert!(ask(&own, "get_resource", "web", "").unwrap().contains(r#""name":"web""#));
        assert!(
            ask(&own, "get_resource", "none", "").unwrap_err().starts_with("Cannot find v1/Namespace named 'none'")
        );
        assert!(
            ask(&own, "list_resources_all", "", "")
                .unwrap()
                .starts_with(r#"{"apiVersion":"v1","kind":"NamespaceList""#)
        );
        let journal = own.journal();
        let by: Vec<AnsweredBy> = journal.calls.iter().map(|call| call.answered_by).collect();
        assert_eq!(by, [AnsweredBy::Host, AnsweredBy::Cluster, AnsweredBy::Cluster, AnsweredBy::Cluster]);
        assert!(own.fault().is_none() && journal.unused.is_empty(), "a cluster owes nothing");
        ask(&own, "list_resources_all", "", "a b c").unwrap_err();
        assert!(own.fault().unwrap().message.contains("refuses the label selector"));
        let default = host(default);
        assert_eq!(ask(&default, "get_resource", "web", "").unwrap_err(), "default table");
        assert!(ask(&default, "list_resources_all", "", "").is_ok());
        let nothing = host(nothing);
        ask(&nothing, "list_resources_all", "", "").unwrap_err();
        assert!(nothing.fault().unwrap().help.unwrap().contains("cluster: ["));
    }

    #[test]
    fn an_error_of_the_suite_is_worded_like_one_of_the_server() {
        let answers =
            HostAnswers { own_table: vec![entry("*", TableAnswer::Error("503".into()))], ..Default::default() };
        let host = Host::new(Arc::new(answers));
        assert_eq!(ask(&host, "a").unwrap_err(), "Callback evaluation failure: 503");
        let journal = host.journal();
        assert_eq!(host.fault(), None, "the suite wanted this error");
        assert_eq!(journal.calls[0].error.as_deref(), Some("Callback evaluation failure: 503"));
        assert_eq!(journal.calls[0].answered_by, AnsweredBy::Host);
    }

    #[test]
    fn an_unanswered_call_is_a_fault_with_the_entry_to_add() {
        let answers = HostAnswers {
            own_table: vec![entry("a", digest("x"))],
            own_session: session(&[("ghcr.io/acme/app:2", "x")], false),
            ..Default::default()
        };
        let host = Host::new(Arc::new(answers));
        let text = ask(&host, "ghcr.io/acme/app:1").unwrap_err();
        assert_eq!(
            text,
            r#"Callback evaluation failure: the suite has no answer to oci/v1/manifest_digest "ghcr.io/acme/app:1""#
        );
        ask(&host, "another").unwrap_err();
        let journal = host.journal();
        let fault = host.fault().unwrap();
        assert_eq!(fault.kind, FaultKind::Host);
        assert_eq!(fault.message, r#"nobody answers oci/v1/manifest_digest for "ghcr.io/acme/app:1""#);
        assert_eq!(
            fault.help.unwrap(),
            "add the answer to the case:\nhost:\n  oci/v1/manifest_digest: { \"ghcr.io/acme/app:1\": \"sha256:…\" }\n\
             or ask the real world: `--live`; `verify record` keeps what it says for later runs\n\
             the nearest recorded request, session.yml:1, differs in `image`: recorded \"ghcr.io/acme/app:2\", asked \
             \"ghcr.io/acme/app:1\""
        );
        assert_eq!(journal.calls[0].answered_by, AnsweredBy::Nobody);
        assert_eq!(journal.unused.len(), 1);
        assert_eq!(
            (journal.unused[0].capability.as_str(), journal.unused[0].request.as_str()),
            ("oci/v1/manifest_digest", "a")
        );
    }

    #[test]
    fn a_strict_recording_lets_nobody_else_answer() {
        let host = Host::new(Arc::new(HostAnswers {
            own_session: session(&[("a", "1"), ("b", "2"), ("c", "3")], true),
            default_table: [entry("*", digest("default"))].into(),
            ..Default::default()
        }));
        assert_eq!(ask(&host, "a").unwrap(), "1");
        let text = ask(&host, "c").unwrap_err();
        assert_eq!(
            text,
            "Callback evaluation failure: Replay error: unexpected request. Was expecting OciManifestDigest { image: \
             \"b\" }, got OciManifestDigest { image: \"c\" } instead"
        );
        let journal = host.journal();
        assert_eq!(host.fault().unwrap().kind, FaultKind::Host);
        assert_eq!(journal.unused[0].request, "c");
        assert_eq!(journal.unused[0].span.line, 9);
        assert!(journal.warnings.is_empty());
    }

    #[test]
    fn an_answer_of_the_wrong_shape_is_a_fault() {
        let answers = HostAnswers { own_table: vec![entry("*", TableAnswer::Value(json!([])))], ..Default::default() };
        let host = Host::new(Arc::new(answers));
        ask(&host, "a").unwrap_err();
        assert!(host.fault().unwrap().message.contains("not a list"));
    }

    #[test]
    fn logging_is_always_possible_and_no_call() {
        let host = Host::new(Arc::default());
        assert_eq!(host.call(BINDING, "tracing", "log", b"garbage"), Ok(Vec::new()));
        assert_eq!(host.call(BINDING, "tracing", "log", br#"{"level":"info","message":"hi"}"#), Ok(Vec::new()));
        host.console_log("one\ntwo");
        let journal = host.journal();
        assert_eq!(journal.log_lines[1..], ["INFO hi", "INFO one", "INFO two"]);
        assert!(journal.calls.is_empty() && !journal.is_log_truncated);
    }

    #[test]
    fn previews_end_at_a_character() {
        assert_eq!(preview(b"short"), "short");
        assert_eq!(preview("é".repeat(500).as_bytes()), "é".repeat(100) + "…");
    }
}
