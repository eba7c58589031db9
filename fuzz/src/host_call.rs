//! What a policy asks its host: the name of a call, and its payload.

use std::sync::Arc;
use std::time::Duration;

use policy_verify_host::{BINDING, Host, HostBackend, known_capabilities, record, replay};
use policy_verify_model::hosting::{HostAnswers, TableAnswer, TableEntry};
use policy_verify_model::source::{SourceFile, Span, Spanned};
use serde_json::{Value, json};

/// Bytes of a call's texts that are kept.
const KEPT: usize = 256 << 10;

/// A line with the name of a call, then its payload: only what has a mock is answered, what is kept is bounded, and a
/// recording of the call can be read.
pub fn host_call(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let name = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let payload = bytes.get(end + 1..).unwrap_or_default();
    let (namespace, operation) = name.split_once('/').unwrap_or((&name, ""));
    for answer in answers() {
        let mocks = known_capabilities().iter().map(|capability| mock(capability, answer.clone())).collect();
        let answers = HostAnswers { own_table: mocks, ..HostAnswers::default() };
        called(Host::new(Arc::new(answers)), namespace, operation, payload);
    }
    let bare = Host::new(Arc::default());
    bare.budget().begin(Duration::from_secs(2), 0);
    let reply = bare.call(BINDING, namespace, operation, payload);
    assert!(reply.is_err() || (namespace, operation) == ("tracing", "log"), "nobody could answer {name}");
}

/// Replies of different shapes, so that each capability has one that fits it.
fn answers() -> [TableAnswer; 4] {
    let digest = format!("sha256:{}", "0".repeat(64));
    [
        TableAnswer::Value(json!(["10.0.0.7"])),
        TableAnswer::Value(json!({ "digest": digest, "is_trusted": true, "trusted": true, "items": [] })),
        TableAnswer::Value(json!(digest)),
        TableAnswer::Error("not today".into()),
    ]
}

fn mock(capability: &str, answer: TableAnswer) -> TableEntry {
    let file = Arc::new(SourceFile { path: "suite.yml".into(), text: String::new() });
    let request = Spanned::new("*".to_owned(), Span::start_of(&file));
    TableEntry { capability: capability.into(), request, answer }
}

fn called(host: Host, namespace: &str, operation: &str, payload: &[u8]) {
    let host = host.with_backend(HostBackend { is_recorded: true, ..HostBackend::default() });
    host.budget().begin(Duration::from_secs(2), 0);
    let reply = host.call(BINDING, namespace, operation, payload);
    let journal = host.journal();
    let kept: usize = journal.calls.iter().map(|call| call.capability.len() + call.request.len()).sum();
    assert!(kept <= KEPT, "{kept} bytes of a call are kept");
    if let Some(reply) = reply.as_ref().ok().filter(|reply| !reply.is_empty()) {
        serde_json::from_slice::<Value>(reply).unwrap_or_else(|error| panic!("{error}: {reply:?}"));
    }
    let Some(recorded) = journal.recorded.filter(|recorded| !recorded.is_empty()) else { return };
    let text = record::session(&recorded);
    let file = Arc::new(SourceFile { path: "session.yml".into(), text });
    let session = replay::read_session(Arc::clone(&file), Span::start_of(&file), false)
        .unwrap_or_else(|mistakes| panic!("{}: {:?}", file.text, mistakes));
    let again = Host::new(Arc::new(HostAnswers { own_session: Some(Arc::new(session)), ..HostAnswers::default() }));
    again.budget().begin(Duration::from_secs(2), 0);
    assert_eq!(again.call(BINDING, namespace, operation, payload), reply, "replayed: {}", file.text);
}
