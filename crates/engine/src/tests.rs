//! Every hostile guest of `testdata/wat`, driven through the traits.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::engine::Limits;
use super::policy::default_clock;
use super::sandbox::{HostServices, ServerLimits, Surroundings};
use super::wapc::WapcGuest;
use super::wasi::WasiGuest;
use std::sync::Arc;

use super::*;
use crate::engine::{Engine, Module};
use policy_verify_host::Host;
use policy_verify_host::reply::Reply;
use policy_verify_model::answer::{Fault, FaultKind, ServerAnswer, SettingsVerdict};
use policy_verify_model::hosting::HostAnswers;
use policy_verify_model::installation::Kubewarden;
use policy_verify_model::policy::{Digest, ExecutionMode, ProtocolVersion, Settings};
use policy_verify_model::release::Release;
use policy_verify_model::request::Request;

/// Long enough for every guest that ends by itself; no test waits for it.
const TIMEOUT: Duration = Duration::from_secs(60);

/// For guests that never end by themselves.
const SHORT_TIMEOUT: Duration = Duration::from_millis(50);

fn engine() -> Engine {
    Engine::new(Limits::default()).unwrap()
}

fn module(engine: &Engine, name: &str) -> Module {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/wat").join(name).with_extension("wat");
    engine.compile(&wat::parse_file(path).unwrap()).unwrap()
}

fn mode_of(name: &str) -> ExecutionMode {
    if name.starts_with("wasi-") { ExecutionMode::Wasi } else { ExecutionMode::KubewardenWapc }
}

fn linked(engine: &Engine, name: &str) -> Result<Arc<dyn Policy>, LinkError> {
    load(engine, &module(engine, name), mode_of(name))
}

fn context(timeout: Duration) -> Context {
    Context::new(Arc::new(Host::new(Arc::new(HostAnswers::default()))), timeout)
}

fn start_with(name: &str, timeout: Duration, limits: Limits) -> Result<Box<dyn Instance>, Fault> {
    linked(&Engine::new(limits).unwrap(), name).unwrap().start(&context(timeout))
}

fn start(name: &str) -> Box<dyn Instance> {
    start_with(name, TIMEOUT, Limits::default()).unwrap()
}

fn request() -> Request {
    Request::Raw(json!({"uid": "u1", "b": 1, "a": 2}))
}

fn settings() -> Settings {
    json!({"y": true, "x": null}).as_object().unwrap().clone()
}

fn verdict(instance: &mut dyn Instance) -> Value {
    serde_json::to_value(instance.validate(&request(), &settings()).unwrap()).unwrap()
}

fn fault_within(name: &str, timeout: Duration) -> Fault {
    let mut instance = match start_with(name, timeout, Limits::default()) {
        Ok(instance) => instance,
        Err(fault) => return fault,
    };
    let fault = instance.validate(&request(), &settings()).unwrap_err();
    // Unless the policy itself failed, its settings are as unknown as its verdict.
    if fault.kind != FaultKind::Guest && fault.kind != FaultKind::InvalidResponse {
        let mut another = start_with(name, timeout, Limits::default()).unwrap();
        assert_eq!(another.validate_settings(&settings()).unwrap_err().kind, fault.kind);
    }
    fault
}

/// Asserts how a guest fails, be it while it starts or when it is asked.
fn fails(name: &str, kind: FaultKind, text: &str) {
    assert_fault(name, &fault_within(name, TIMEOUT), kind, text);
}

fn assert_fault(name: &str, fault: &Fault, kind: FaultKind, text: &str) {
    assert_eq!(fault.kind, kind, "{name}: {}", fault.message);
    assert!(fault.message.contains(text), "{name}: {}", fault.message);
}

/// A host that answers every call alike and remembers how often it was asked.
struct Alike {
    answer: Result<&'static str, &'static str>,
    calls: AtomicUsize,
}

impl Alike {
    fn new(answer: Result<&'static str, &'static str>) -> Arc<Self> {
        Arc::new(Self { answer, calls: AtomicUsize::new(0) })
    }
}

impl HostServices for Alike {
    fn call(&self, binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Reply {
        self.calls.fetch_add(1, Ordering::Relaxed);
        assert_eq!((binding, namespace, operation), ("kubewarden", "fake", "v1/answer"));
        assert_eq!(payload, br#"{"question":1}"#);
        self.answer.map(Into::into).map_err(Into::into)
    }

    fn console_log(&self, _: &str) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    fn remark(&self, text: &str) {
        panic!("no remark is expected: {text}")
    }
}

fn start_before(host: &Arc<Alike>, name: &str) -> Box<dyn Instance> {
    let engine = engine();
    let module = module(&engine, name);
    let surroundings =
        Surroundings { host: host.clone(), timeout: TIMEOUT, clock: default_clock(), server: ServerLimits::default() };
    match mode_of(name) {
        ExecutionMode::Wasi => Box::new(WasiGuest::new(&engine, &module).unwrap().start_in(surroundings)),
        _ => Box::new(WapcGuest::new(&engine, &module).unwrap().start_in(&surroundings).unwrap()),
    }
}

#[test]
fn an_ordinary_guest_gives_a_verdict() {
    for name in ["wapc-accepts", "wasi-accepts", "wasi-exit-0"] {
        let mut instance = start(name);
        let settings_verdict = instance.validate_settings(&settings()).unwrap();
        assert_eq!(settings_verdict, SettingsVerdict { valid: true, message: None, at_server: None }, "{name}");
        let expected = json!({"uid": "u1", "allowed": true, "auditAnnotations": null, "warnings": null});
        assert_eq!(verdict(&mut *instance), expected, "{name}");
    }
}

#[test]
fn a_denial_is_a_verdict_in_both_modes() {
    for name in ["wapc-denies", "wasi-denies"] {
        let mut instance = start(name);
        let settings_verdict = instance.validate_settings(&settings()).unwrap();
        assert!(!settings_verdict.valid, "{name}");
        assert_eq!(settings_verdict.message.as_deref(), Some("not today"), "{name}");
        let verdict = verdict(&mut *instance);
        assert_eq!(verdict["allowed"], false, "{name}");
        assert_eq!(verdict["status"], json!({"message": "not today", "code": 422}), "{name}");
    }
}

#[test]
fn a_mutated_object_becomes_a_patch() {
    let verdict = verdict(&mut *start("wapc-mutates"));
    assert_eq!(verdict["patchType"], "JSONPatch");
    assert!(verdict["patch"].is_string());
}

#[test]
fn guests_that_never_return_meet_the_deadline() {
    for name in ["wapc-loop", "wapc-init-loops", "wapc-sleeps-for-ever", "wasi-loop"] {
        assert_fault(name, &fault_within(name, SHORT_TIMEOUT), FaultKind::Timeout, "did not answer within 50ms");
    }
    let name = "wapc-memory-hog-loops";
    let limits = Limits { memory: 1 << 20, ..Limits::default() };
    // Ten times longer, for the refusal has to come before the deadline on a busy machine too.
    let fault = start_with(name, SHORT_TIMEOUT * 10, limits).unwrap().validate(&request(), &settings()).unwrap_err();
    assert_fault(name, &fault, FaultKind::Timeout, "refused more memory");
}

#[test]
fn an_interrupted_guest_leaves_the_guest_usable() {
    let guest = linked(&engine(), "wapc-loop").unwrap();
    for _ in 0..2 {
        let fault = guest.start(&context(SHORT_TIMEOUT)).unwrap().validate(&request(), &settings()).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Timeout);
    }
}

#[test]
fn too_much_memory_is_a_fault_unless_the_guest_makes_do() {
    fails("wapc-memory-hog-traps", FaultKind::Memory, "more than the 256 MiB it may have; then: wasm trap: ");
    fails("wapc-memory-hog-reports", FaultKind::Memory, "it reported: no memory left");
    fails("wapc-memory-minimum", FaultKind::Memory, "the policy wanted 313 MiB");
    fails("wapc-table-hog", FaultKind::Memory, "a table of 1000001 elements, more than the 262144 it may have");
    fails("wasi-memory-hog", FaultKind::Memory, "it exited with code 2: out of memory");
    assert_eq!(verdict(&mut *start("wapc-memory-hog-answers"))["allowed"], true);
}

#[test]
fn the_memory_limit_is_the_one_given() {
    let limits = Limits { memory: 400 << 20, ..Limits::default() };
    let guest = linked(&Engine::new(limits).unwrap(), "wapc-memory-minimum").unwrap();
    let unlimited = Context { memory_limit: None, ..context(TIMEOUT) };
    assert_eq!(verdict(&mut *guest.start(&unlimited).unwrap())["allowed"], true);
    assert_eq!(guest.start(&context(TIMEOUT)).err().unwrap().kind, FaultKind::Memory);
}

#[test]
fn wild_pointers_are_traps_that_name_the_import() {
    for (name, text) in [
        ("wapc-response-out-of-range", "`__guest_response` was given 1 bytes at address 0x10000"),
        ("wapc-response-overflow", "4294967280 bytes at address 0x800, outside the policy's memory of 65536 bytes"),
        ("wapc-error-out-of-range", "`__guest_error` was given 7 bytes at address 0xfffa"),
        ("wapc-request-out-of-range", "`__guest_request` was given"),
        ("wapc-host-call-out-of-range", "`__host_call` was given 16 bytes at address 0x7fff0000"),
        ("wapc-wasi-out-of-range", "`random_get` was given 2 bytes at address 0xffff"),
        ("wasi-host-call-out-of-range", "`host.call` was given 1 bytes at address 0xffffffff"),
    ] {
        fails(name, FaultKind::Trap, text);
    }
}

#[test]
fn traps_say_what_happened_and_where() {
    fails("wapc-trap", FaultKind::Trap, "wasm `unreachable` instruction executed, in `give_up`");
    fails("wapc-stack-overflow", FaultKind::Trap, "call stack exhausted, in `deeper`");
    fails("wapc-exits", FaultKind::Trap, "the policy exited with code 2");
    fails("wasi-trap", FaultKind::Trap, "wasm `unreachable` instruction executed");
}

#[test]
fn failing_to_start_is_a_fault_of_its_own() {
    fails("wapc-init-traps", FaultKind::Init, "the policy failed in its `wapc_init`: wasm trap: wasm `unreachable`");
    fails("wapc-start-exits", FaultKind::Init, "the policy failed in its `_start`: the policy exited with code 1");
    fails("wapc-start-section-traps", FaultKind::Init, "could not be instantiated: wasm trap: wasm `unreachable`");
}

#[test]
fn guests_are_initialised_as_the_server_does() {
    for name in ["wapc-tinygo", "wapc-start-and-initialize"] {
        assert_eq!(verdict(&mut *start(name))["allowed"], true, "{name}");
    }
    let fault = fault_within("wapc-initialize", TIMEOUT);
    assert_fault("wapc-initialize", &fault, FaultKind::Trap, "unreachable");
    assert!(fault.help.unwrap().starts_with("the module exports `_initialize`, which policy-server does not call"));
}

#[test]
fn the_policys_own_errors_are_guest_faults() {
    fails("wapc-guest-error", FaultKind::Guest, "cannot \"do\" this");
    fails("wapc-fails-silently", FaultKind::Guest, "No error message set for call failure");
    fails("wapc-succeeds-silently", FaultKind::Guest, "No error message OR response set for call success");
    fails("wasi-exit-1", FaultKind::Guest, "bad thing");
    fails("wasi-exit-134", FaultKind::Guest, "exited with code 134");
}

#[test]
fn settings_the_policy_fails_to_read_count_as_refused() {
    for (name, text) in
        [("wapc-guest-error", "cannot \"do\" this"), ("wasi-exit-1", "bad thing"), ("wasi-exit-134", "")]
    {
        let settings_verdict = start(name).validate_settings(&settings()).unwrap();
        assert!(!settings_verdict.valid, "{name}");
        assert_eq!(settings_verdict.message.as_deref(), Some(text), "{name}");
    }
}

#[test]
fn unreadable_replies_are_faults_for_settings_too() {
    for (name, text) in [
        ("wapc-garbage-reply", "it begins with `I think so`"),
        ("wapc-empty-reply", "reply is empty"),
        ("wapc-accepted-missing", "missing field `accepted`"),
        ("wasi-garbage-reply", "expected value at line 1 column 1"),
        ("wasi-silent", "reply is empty"),
    ] {
        fails(name, FaultKind::InvalidResponse, text);
        let fault = start(name).validate_settings(&settings()).unwrap_err();
        assert_eq!(fault.kind, FaultKind::InvalidResponse, "{name}");
    }
}

/// The proposals that policy-server has switched on: GC, exceptions with references, atomics.
#[test]
fn modules_with_newer_proposals_give_verdicts() {
    for (name, message) in
        [("wapc-gc", "collected words"), ("wapc-exceptions", "thrown and caught"), ("wapc-atomics", "counted")]
    {
        let verdict = verdict(&mut *start(name));
        assert_eq!((&verdict["allowed"], &verdict["status"]["message"]), (&json!(false), &json!(message)), "{name}");
    }
    assert_eq!(verdict(&mut *start("wapc-gc-garbage"))["allowed"], true, "what is garbage is collected");
}

#[test]
fn modules_with_newer_proposals_are_kept_between_runs() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["wapc-gc", "wapc-exceptions", "wapc-atomics"] {
        let digest = Digest::of(name.as_bytes());
        let engine = || {
            let mut engine = engine();
            engine.keep_code(folder.path()).unwrap();
            engine
        };
        let first = engine();
        let path = format!("{}/../../testdata/wat/{name}.wat", env!("CARGO_MANIFEST_DIR"));
        first.compile_and_keep(digest, &wat::parse_file(path).unwrap()).unwrap();
        let second = engine();
        let kept = second.kept(digest).unwrap_or_else(|| panic!("{name} is not kept"));
        let policy = load(&second, &kept, mode_of(name)).unwrap();
        assert_eq!(verdict(&mut *policy.start(&context(TIMEOUT)).unwrap())["allowed"], false, "{name}");
    }
}

#[test]
fn newer_proposals_stay_within_the_limits() {
    fails("wapc-gc-hog", FaultKind::Memory, "more than the 256 MiB it may have; then: ");
    let rejects = |name: &str, text: &str| match fault_in("1.38", name).at_server {
        Some(ServerAnswer::Rejects(told)) => assert!(told.starts_with(text), "{name}: {told}"),
        other => panic!("{name}: {other:?}"),
    };
    rejects("wapc-gc-hog", "internal server error: Guest call failure: ");
    fails("wapc-throws", FaultKind::Trap, "exception");
    rejects("wapc-throws", "internal server error: Guest call failure: ");
    fails("wapc-shared-memory", FaultKind::Init, "the policy could not be instantiated");
}

#[test]
fn floods_are_cut_off() {
    for (name, text) in [
        ("wapc-stdout-flood", "too much to stdout; the limit is 1048576 bytes"),
        ("wapc-console-log-flood", "too much to its log"),
        ("wapc-host-call-flood", "more than 10000 host calls"),
        ("wapc-reply-too-long", "reply of 17825792 bytes"),
        ("wasi-stdout-flood", "policy exceeded the maximum allowed size of 67108864 bytes for stdout"),
        ("wasi-stderr-flood", "policy exceeded the maximum allowed size of 8388608 bytes for stderr"),
        ("wasi-host-call-flood", "more than 10000 host calls"),
    ] {
        fails(name, FaultKind::Limit, text);
    }
}

/// The fault of a guest in a release of Kubewarden.
fn fault_in(release: &str, name: &str) -> Fault {
    let release: Release = release.parse().unwrap();
    let memory_limit = Kubewarden { release, ..Kubewarden::default() }.memory_limit();
    let context = Context { release, memory_limit, ..context(TIMEOUT) };
    let guest = linked(&engine(), name).unwrap();
    guest.start(&context).and_then(|mut instance| instance.validate(&request(), &settings())).unwrap_err()
}

/// Rows 7 and 11 of the differences between releases: from 1.38 the server has the limit, too.
#[test]
fn limits_of_the_server_have_its_answer() {
    let rejection = |fault: &Fault| match &fault.at_server {
        Some(ServerAnswer::Rejects(text)) => Some(text.clone()),
        _ => None,
    };
    for (name, kind, text) in [
        (
            "wapc-memory-hog-traps",
            FaultKind::Memory,
            "internal server error: Guest call failure: error while executing at wasm backtrace:",
        ),
        ("wapc-memory-hog-reports", FaultKind::Memory, "internal server error: Guest call failure: no memory left"),
        ("wasi-memory-hog", FaultKind::Memory, "out of memory"),
        ("wasi-stdout-flood", FaultKind::Limit, ""),
        ("wasi-stderr-flood", FaultKind::Limit, ""),
    ] {
        let (before, since) = (fault_in("1.37", name), fault_in("1.38", name));
        assert_eq!((before.kind, since.kind), (kind, kind), "{name}");
        assert_eq!(rejection(&before), None, "{name}");
        assert!(rejection(&since).is_some_and(|told| told.starts_with(text)), "{name}: {:?}", since.at_server);
    }
    for name in ["wapc-table-hog", "wapc-stdout-flood", "wapc-host-call-flood"] {
        assert_eq!(rejection(&fault_in("1.38", name)), None, "{name}");
    }
}

#[test]
fn what_was_printed_before_the_limit_is_kept() {
    for (name, stdout, stderr) in [("wapc-stdout-flood", 1 << 20, 0), ("wasi-stderr-flood", 0, 8 << 20)] {
        let mut instance = start(name);
        instance.validate(&request(), &settings()).unwrap_err();
        let output = instance.output();
        assert_eq!((output.stdout.len(), output.stderr.len()), (stdout, stderr), "{name}");
        assert!(output.is_truncated, "{name}");
    }
}

#[test]
fn answers_of_the_host_count_against_a_limit() {
    for name in ["wapc-host-call-flood", "wasi-host-call-flood"] {
        let limits = Limits { host_bytes: 1000, ..Limits::default() };
        let mut instance = start_with(name, TIMEOUT, limits).unwrap();
        let fault = instance.validate(&request(), &settings()).unwrap_err();
        assert_fault(name, &fault, FaultKind::Limit, "more than 1000 bytes");
    }
}

#[test]
fn guests_print_into_their_output() {
    let mut instance = start("wapc-prints");
    assert_eq!(verdict(&mut *instance)["allowed"], true);
    let output = instance.output();
    assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
    assert!(!output.is_truncated);
}

#[test]
fn in_wasi_mode_stderr_of_all_calls_is_kept_and_stdout_is_the_reply() {
    let mut instance = start("wasi-exit-1");
    instance.validate_settings(&settings()).unwrap();
    instance.validate(&request(), &settings()).unwrap_err();
    let output = instance.output();
    assert_eq!((&output.stdout[..], &output.stderr[..]), (&b""[..], &b"bad thing\nbad thing\n"[..]));
}

#[test]
fn guests_receive_exactly_the_documented_payload() {
    let payload = r#"{"request":{"a":2,"b":1,"uid":"u1"},"settings":{"x":null,"y":true}}"#;
    fails("wapc-echo", FaultKind::Guest, &format!("validate {payload}"));
    fails("wasi-echo", FaultKind::Guest, &format!("policy.wasm\0validate\0{payload}"));
    for (name, expected) in [
        ("wapc-echo", "validate_settings {\"x\":null,\"y\":true}"),
        ("wasi-echo", "policy.wasm\0validate-settings\0{\"x\":null,\"y\":true}"),
    ] {
        let message = start(name).validate_settings(&settings()).unwrap().message;
        assert_eq!(message.as_deref(), Some(expected), "{name}");
    }
}

#[test]
fn no_call_shares_an_instance_with_another() {
    let mut instance = start("wapc-remembers");
    assert!(instance.validate_settings(&settings()).unwrap().valid);
    for _ in 0..2 {
        assert_eq!(verdict(&mut *instance)["allowed"], true);
    }
}

#[test]
fn the_answer_of_the_host_reaches_the_guest() {
    for name in ["wapc-host-call", "wasi-host-call", "wasi-javy"] {
        let host = Alike::new(Ok(r#"{"accepted":true,"message":"said the host"}"#));
        let verdict = verdict(&mut *start_before(&host, name));
        assert_eq!(verdict["status"]["message"], "said the host", "{name}");
        assert_eq!(host.calls.load(Ordering::Relaxed), 1, "{name}");
    }
}

#[test]
fn the_error_of_the_host_reaches_the_guest() {
    for name in ["wapc-host-call", "wasi-host-call", "wasi-javy"] {
        let host = Alike::new(Err("the host cannot"));
        let fault = start_before(&host, name).validate(&request(), &settings()).unwrap_err();
        assert_eq!((fault.kind, &fault.message[..]), (FaultKind::Guest, "the host cannot"), "{name}");
    }
}

#[test]
fn the_host_of_the_context_is_the_one_asked() {
    let host = Host::new(Arc::new(HostAnswers::default()));
    let expected = host.call("kubewarden", "fake", "v1/answer", br#"{"question":1}"#).unwrap_err();
    fails("wapc-host-call", FaultKind::Guest, &expected.0);
    fails("wasi-host-call", FaultKind::Guest, &expected.0);
}

#[test]
fn lines_of_the_console_reach_the_host() {
    let host = Alike::new(Err("no"));
    assert_eq!(verdict(&mut *start_before(&host, "wapc-console-log"))["allowed"], true);
    assert_eq!(host.calls.load(Ordering::Relaxed), 1);
}

#[test]
fn time_stands_still_and_the_suite_may_set_it() {
    let shown = |clock: &str| {
        let mut context = context(TIMEOUT);
        context.clock = clock.parse().unwrap();
        let mut instance = linked(&engine(), "wapc-wall-clock").unwrap().start(&context).unwrap();
        [(); 2].map(|()| verdict(&mut *instance)["status"]["message"].as_str().unwrap().to_owned())
    };
    let new_year = format!("{:016x}", 1_767_225_600_000_000_000_u64);
    assert_eq!(shown("2026-01-01T00:00:00Z"), [new_year.clone(), new_year.clone()]);
    assert_eq!(shown("1970-01-01T00:00:00.000000001Z")[0], "0000000000000001");
    assert_eq!(shown("1950-01-01T00:00:00Z")[0], "0000000000000000");
    assert_eq!(verdict(&mut *start("wapc-wall-clock"))["status"]["message"], new_year);
}

#[test]
fn waiting_in_a_loop_comes_to_an_end() {
    let verdict = verdict(&mut *start("wapc-busy-wait"));
    assert_eq!(verdict["status"]["message"], format!("{:016x}", 1_000_000_000));
}

#[test]
fn sleeping_takes_no_time_but_counts_against_the_deadline() {
    let name = "wapc-sleeps";
    let mut instance = start_with(name, Duration::from_secs(3600), Limits::default()).unwrap();
    let one_o_clock = 1_767_225_600_000_000_000_u64 + 3_600_000_000_000;
    assert_eq!(verdict(&mut *instance)["status"]["message"], format!("{one_o_clock:016x}"));
    assert_fault(name, &fault_within(name, Duration::from_secs(3599)), FaultKind::Timeout, "did not answer");
}

#[test]
fn random_bytes_are_the_same_in_every_instance() {
    let mut instance = start("wapc-random");
    let shown = [(); 2].map(|()| verdict(&mut *instance)["status"]["message"].clone());
    assert_eq!(shown, ["e220a8397b1dcdaf"; 2]);
}

#[test]
fn wasi_under_its_first_name_works_as_well() {
    let mut instance = start("wapc-wasi-unstable");
    assert_eq!(verdict(&mut *instance)["allowed"], true);
    assert_eq!(instance.output().stdout, b"out\n");
}

#[test]
fn the_protocol_version_is_asked_without_a_host() {
    let engine = engine();
    let version = |name| protocol_version(&engine, &module(&engine, name));
    assert_eq!(version("wapc-protocol-v1").unwrap(), ProtocolVersion::V1);
    let text = |name| version(name).unwrap_err().to_string();
    assert!(text("wapc-protocol-v2").contains("unknown variant `v2`"), "{}", text("wapc-protocol-v2"));
    assert_eq!(text("wapc-host-call"), "Cannot process Wasm guest request: callback channel not provided");
    assert_eq!(text("wapc-echo"), "protocol_version ");
    assert!(matches!(version("wasi-accepts"), Err(ProtocolError::Link(_))));
}

#[test]
fn modules_that_do_not_fit_their_mode_are_refused_with_names() {
    let engine = engine();
    let error = |name, mode| load(&engine, &module(&engine, name), mode).err().unwrap().to_string();
    for (name, mode, expected) in [
        ("wapc-accepts", ExecutionMode::Wasi, "the module cannot run as `wasi`: it does not export `_start`"),
        (
            "wasi-accepts",
            ExecutionMode::KubewardenWapc,
            "the module cannot run as `kubewarden-wapc`: it does not export `__guest_call`",
        ),
        (
            "wapc-no-memory",
            ExecutionMode::KubewardenWapc,
            "the module cannot run as `kubewarden-wapc`: it does not export `memory`",
        ),
        (
            "wapc-unknown-import",
            ExecutionMode::KubewardenWapc,
            "the module cannot run as `kubewarden-wapc`: it imports `env.abort`, `wapc.__guest_wish`, \
             which this mode does not offer",
        ),
        (
            "wapc-odd-signature",
            ExecutionMode::KubewardenWapc,
            "the module cannot run as `kubewarden-wapc`: its export `__guest_call` has the type \
             `(type (func (param i64) (result i32)))`",
        ),
        (
            "wapc-accepts",
            ExecutionMode::Opa,
            "the module cannot run as `opa`: it does not export `builtins`, `entrypoints`, `opa_heap_ptr_get`, \
             `opa_heap_ptr_set`, `opa_malloc`, `opa_json_parse`, `opa_json_dump`, `opa_eval_ctx_new`, \
             `opa_eval_ctx_set_input`, `opa_eval_ctx_set_data`, `opa_eval_ctx_set_entrypoint`, \
             `opa_eval_ctx_get_result`, `eval`",
        ),
    ] {
        assert_eq!(error(name, mode), expected);
    }
}

#[test]
fn instances_of_one_guest_run_side_by_side() {
    let guest = linked(&engine(), "wapc-random").unwrap();
    let messages: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(|| verdict(&mut *guest.start(&context(TIMEOUT)).unwrap()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(messages.iter().all(|message| message["status"]["message"] == "e220a8397b1dcdaf"), "{messages:?}");
}

#[test]
fn a_panicking_host_unwinds_through_the_guest() {
    struct Panics;
    impl HostServices for Panics {
        fn call(&self, _: &str, _: &str, _: &str, _: &[u8]) -> Reply {
            panic!("on purpose")
        }

        fn console_log(&self, _: &str) {}

        fn remark(&self, _: &str) {}
    }
    let engine = engine();
    for name in ["wapc-host-call", "wasi-host-call"] {
        let module = module(&engine, name);
        let surroundings = Surroundings {
            host: Arc::new(Panics),
            timeout: TIMEOUT,
            clock: default_clock(),
            server: ServerLimits::default(),
        };
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut instance: Box<dyn Instance> = match mode_of(name) {
                ExecutionMode::Wasi => Box::new(WasiGuest::new(&engine, &module).unwrap().start_in(surroundings)),
                _ => Box::new(WapcGuest::new(&engine, &module).unwrap().start_in(&surroundings).unwrap()),
            };
            instance.validate(&request(), &settings()).map(drop)
        }));
        assert!(caught.is_err(), "{name}");
    }
}
