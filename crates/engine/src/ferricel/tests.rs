//! Modules of this mode that no compiler writes, beside those that ferricel compiled.

use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::load;
use policy_verify_host::Host;
use policy_verify_model::hosting::{HostAnswers, TableAnswer, TableEntry};
use policy_verify_model::source::{SourceFile, Span, Spanned};

/// Where the text of [`module`] is.
const TEXT: u32 = 1024;

/// A module that holds a text and evaluates like this.
fn module(text: &[u8], evaluate: &str) -> Vec<u8> {
    let text: String = text.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let text = format!(
        r#"(module
          (import "env" "cel_log" (func $log (param i32 i32)))
          (import "env" "cel_abort" (func $abort (param i64)))
          (import "env" "cel_call_extension" (func $extension (param i64) (result i64)))
          (memory (export "memory") 1)
          (global $next (mut i32) (i32.const 32768))
          (data (i32.const {TEXT}) "{text}")
          (func (export "cel_malloc") (param $len i32) (result i32)
            (global.get $next)
            (global.set $next (i32.add (global.get $next) (local.get $len))))
          (func (export "cel_set_log_level") (param i32))
          (func (export "evaluate") (param $bindings i64) (result i64) {evaluate}))"#
    );
    wat::parse_str(text).unwrap()
}

/// The packed range of a text of this length.
fn text_of(len: usize) -> String {
    format!("(i64.const {})", packed(TEXT, u32::try_from(len).unwrap()))
}

/// A module that gives this result.
fn giving(result: &[u8]) -> Vec<u8> {
    module(result, &text_of(result.len()))
}

/// A module that aborts with this error.
fn aborting(error: &[u8]) -> Vec<u8> {
    module(error, &format!("(call $abort {}) (unreachable)", text_of(error.len())))
}

fn pod() -> Request {
    let request = json!({
        "uid": "u1",
        "kind": { "group": "", "version": "v1", "kind": "Pod" },
        "resource": { "group": "", "version": "v1", "resource": "pods" },
        "operation": "CREATE",
        "userInfo": {},
        "object": { "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" } },
    });
    Request::Admission(Box::new(serde_json::from_value(request).unwrap()))
}

fn context(host: &Arc<Host>) -> Context {
    let timeout = Duration::from_secs(20);
    Context { policy_id: "kw.cap.p".into(), ..Context::new(Arc::clone(host), timeout) }
}

fn asked_with(module: &[u8], context: &Context, request: &Request, settings: Value) -> Answer {
    let engine = Engine::new(Limits::default()).unwrap();
    let policy = load(&engine, &engine.compile(module).unwrap(), MODE).unwrap();
    let settings: Settings = settings.as_object().unwrap().clone();
    policy.start(context).unwrap().validate(request, &settings)
}

fn asked(module: &[u8], settings: Value) -> Answer {
    asked_with(module, &context(&Arc::new(Host::new(Arc::default()))), &pod(), settings)
}

/// The fault of a module, and what the server rejects the request with.
#[track_caller]
fn faulty(module: &[u8]) -> (FaultKind, String, Option<String>) {
    let fault = asked(module, json!({})).unwrap_err();
    let rejection = match fault.at_server {
        Some(ServerAnswer::Rejects(text)) => Some(text),
        None => None,
        other => panic!("{other:?}"),
    };
    (fault.kind, fault.message, rejection)
}

#[test]
fn results_become_responses() {
    let answer = asked(&giving(br#"{"accepted":true}"#), json!({})).unwrap();
    assert_eq!(
        serde_json::to_string(&answer).unwrap(),
        r#"{"uid":"u1","allowed":true,"auditAnnotations":null,"warnings":null}"#
    );
    let denied = br#"{"accepted":false,"message":"no","code":403,"warnings":["skipped"]}"#;
    assert_eq!(
        serde_json::to_value(asked(&giving(denied), json!({})).unwrap()).unwrap(),
        json!({
            "uid": "u1", "allowed": false, "status": { "message": "no", "code": 403 }, "auditAnnotations": null,
            "warnings": ["skipped"],
        })
    );
}

#[test]
fn bindings_have_the_request_and_two_settings() {
    let settings = json!({ "failurePolicy": "Ignore", "paramRef": { "name": "n" }, "other": 1 });
    let bindings = bindings(&pod(), settings.as_object().unwrap()).unwrap();
    let names: Vec<&String> = bindings.as_object().unwrap().keys().collect();
    assert_eq!(names, ["failurePolicy", "object", "oldObject", "paramRef", "request"]);
    assert_eq!((&bindings["failurePolicy"], &bindings["paramRef"]), (&json!("Ignore"), &json!({ "name": "n" })));
    assert_eq!((&bindings["oldObject"], &bindings["request"]["uid"]), (&Value::Null, &json!("u1")));
    assert_eq!(bindings["object"], bindings["request"]["object"]);
    // The module reads what it was given: the range of the bindings is the result.
    let (kind, message, _) = faulty(&module(b"", "(local.get $bindings)"));
    assert_eq!(kind, FaultKind::InvalidResponse);
    assert!(message.contains(r#"it begins with `{"failurePolicy":null,"object":{"apiVersion":"v1""#), "{message}");
}

#[test]
fn errors_of_expressions_are_faults_unless_they_are_ignored() {
    for (error, text) in [
        (&br#"{"message":"no such key: owner"}"#[..], "CEL runtime error: no such key: owner"),
        (
            br#"{"message":"boom","origin":{"namespace":"kw.k8s","function":"get"}}"#,
            "CEL runtime error: kw.k8s.get: boom",
        ),
        (br#"{"message":"boom","origin":{"namespace":null,"function":"digest"}}"#, "CEL runtime error: digest: boom"),
    ] {
        let module = aborting(error);
        let rejection = format!("internal server error: {text}");
        assert_eq!(faulty(&module), (FaultKind::Guest, text.to_owned(), Some(rejection)));
        let ignored = asked(&module, json!({ "failurePolicy": "Ignore" })).unwrap();
        assert!(ignored.allowed && ignored.status.is_none() && ignored.audit_annotations.is_none());
        assert_eq!(ignored.warnings.unwrap(), [format!("policy kw.cap.p skipped (failurePolicy is Ignore): {text}")]);
    }
}

#[test]
fn other_failures_are_faults_whatever_the_settings_say() {
    let outside = packed(TEXT, 1 << 20);
    let modules = [
        (module(b"", "(unreachable)"), "unreachable"),
        (module(b"", &format!("(i64.const {outside})")), "outside the policy's memory"),
        (module(b"", &format!("(call $abort (i64.const {outside})) (unreachable)")), "outside the policy's memory"),
        (module(b"", "(call $log (i32.const 60000) (i32.const 60000)) (i64.const 0)"), "outside the policy's memory"),
        (module(b"", &format!("(call $extension (i64.const {outside}))")), "outside the policy's memory"),
        (module(b"", "(call $extension (i64.const 0))"), "Failed to deserialize extension payload: "),
        (aborting(b"no JSON"), "Invalid cel_abort payload from the guest: "),
        (
            module(b"", "(global.set $next (i32.const -8)) (call $extension (i64.const 0))"),
            "Failed to deserialize extension payload: ",
        ),
    ];
    for (module, text) in modules {
        let (kind, message, rejection) = faulty(&module);
        assert_eq!(kind, FaultKind::Trap, "{message}");
        assert!(message.contains(text), "{message}");
        let rejection = rejection.unwrap();
        assert!(rejection.starts_with("internal server error: ferricel evaluation failed: "), "{rejection}");
        assert!(asked(&module, json!({ "failurePolicy": "Ignore" })).is_err());
    }
}

#[test]
fn memory_that_the_policy_gives_is_checked() {
    let request = br#"{"namespace":null,"function":"digest","args":[{"digest":"d"}]}"#;
    let wild =
        module(request, &format!("(global.set $next (i32.const -8)) (call $extension {})", text_of(request.len())));
    let (kind, message, _) = faulty(&wild);
    assert_eq!(kind, FaultKind::Trap);
    assert!(message.contains("`cel_call_extension` was given 10 bytes at address 0xfffffff8"), "{message}");
}

#[test]
fn results_that_cannot_be_read_are_faults() {
    for (result, rejection) in [
        (&b"[]"[..], "internal server error: Cannot deserialize ferricel response: "),
        (b"", "internal server error: Cannot deserialize ferricel response: "),
        (b"\xff", "internal server error: ferricel evaluation failed: Failed to parse result as UTF-8: "),
    ] {
        let (kind, _, told) = faulty(&giving(result));
        assert_eq!(kind, FaultKind::InvalidResponse);
        assert!(told.as_ref().unwrap().starts_with(rejection), "{told:?}");
    }
}

#[test]
fn limits_are_those_of_every_mode() {
    let endless = module(b"", "(loop $more (br $more)) (unreachable)");
    let host = Arc::new(Host::new(Arc::default()));
    let context = Context { timeout: Duration::from_millis(50), ..context(&host) };
    let fault = asked_with(&endless, &context, &pod(), json!({ "failurePolicy": "Ignore" })).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Timeout);
    assert_eq!(fault.at_server, Some(ServerAnswer::Rejects(OUT_OF_TIME.into())));

    let hungry =
        module(b"", "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 64)) (i32.const -1)))) (unreachable)");
    let (kind, _, rejection) = faulty(&hungry);
    assert_eq!(kind, FaultKind::Memory);
    assert!(rejection.unwrap().starts_with("internal server error: ferricel evaluation failed: "));

    let request = br#"{"namespace":null,"function":"digest","args":[{"digest":"d"}]}"#;
    let range = text_of(request.len());
    let forgets = "(global.set $next (i32.const 32768))";
    let chatty = format!("(loop $more {forgets} (drop (call $extension {range})) (br $more)) (unreachable)");
    let chatty = module(request, &chatty);
    let (kind, message, rejection) = faulty(&chatty);
    assert_eq!((kind, rejection), (FaultKind::Limit, None), "{message}");
}

#[test]
fn raw_requests_are_refused() {
    let host = Arc::new(Host::new(Arc::default()));
    let fault =
        asked_with(&giving(br#"{"accepted":true}"#), &context(&host), &Request::Raw(json!({})), json!({})).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Guest);
    let text = "internal server error: ferricel runtime does not support raw validation requests";
    assert_eq!(fault.at_server, Some(ServerAnswer::Rejects(text.into())));
}

#[test]
fn extensions_are_answered_by_the_host() {
    let request = br#"{"namespace":"kw.net","function":"lookupHost","args":["acme.test"]}"#;
    let calls = module(request, &format!("(call $extension {})", text_of(request.len())));
    let file = Arc::new(SourceFile { path: "suite.yml".into(), text: String::new() });
    let mock = TableEntry {
        capability: "net/v1/dns_lookup_host".into(),
        request: Spanned::new("acme.test".into(), Span::start_of(&file)),
        answer: TableAnswer::Value(json!(["10.0.0.7"])),
    };
    let host = Arc::new(Host::new(Arc::new(HostAnswers { own_table: vec![mock], ..HostAnswers::default() })));
    // The reply is the result, which shows it.
    let fault = asked_with(&calls, &context(&host), &pod(), json!({})).unwrap_err();
    assert!(fault.message.ends_with(r#"it begins with `{"ok":["10.0.0.7"]}`"#), "{}", fault.message);
    assert_eq!(host.calls_after(0).len(), 1);

    // Without a mock the guest gets an error, and the case a fault.
    let host = Arc::new(Host::new(Arc::default()));
    let fault = asked_with(&calls, &context(&host), &pod(), json!({})).unwrap_err();
    assert!(fault.message.contains(r#"{"error":"#), "{}", fault.message);
    assert_eq!(host.fault().unwrap().kind, FaultKind::Host);
}

#[test]
fn log_entries_are_kept_with_the_case() {
    let entry = br#"{"level":"Warn","message":"odd","file":"a.rs","line":1,"column":2,"policy":"p"}"#;
    let accepts = br#"{"accepted":true}"#;
    let text = [&entry[..], accepts].concat();
    let (start, len) = (TEXT + u32::try_from(entry.len()).unwrap(), u32::try_from(accepts.len()).unwrap());
    let logs = module(
        &text,
        &format!("(call $log (i32.const {TEXT}) (i32.const {})) (i64.const {})", entry.len(), packed(start, len)),
    );
    let host = Arc::new(Host::new(Arc::default()));
    assert!(asked_with(&logs, &context(&host), &pod(), json!({})).unwrap().allowed);
    assert_eq!(host.journal().log_lines, ["WARNING odd policy=p"]);
    assert!(host.calls_after(0).is_empty(), "a log is no host call");
}

#[test]
fn other_modules_cannot_be_linked() {
    let engine = Engine::new(Limits::default()).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/wat/wapc-accepts.wat");
    let compiled = engine.compile(&wat::parse_file(path).unwrap()).unwrap();
    let error = load(&engine, &compiled, MODE).err().unwrap().to_string();
    assert_eq!(
        error,
        "the module cannot run as `ferricel`: it does not export `cel_malloc`, `cel_set_log_level`, `evaluate`"
    );
}
