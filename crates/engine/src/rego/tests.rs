//! Both Rego modules of `testdata/policies`, and modules that are wrong.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::builtins;
use crate::engine::{Engine, Limits};
use crate::link::LinkError;
use crate::{Context, Policy};
use policy_verify_host::Host;
use policy_verify_model::answer::{Answer, Fault, FaultKind};
use policy_verify_model::hosting::HostAnswers;
use policy_verify_model::policy::ExecutionMode;
use policy_verify_model::request::Request;

const TIMEOUT: Duration = Duration::from_secs(60);

fn testdata(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(path)
}

#[test]
fn the_documentation_names_every_builtin() {
    let page = std::fs::read_to_string(testdata("../docs/modes.md")).unwrap();
    let (_, section) = page.split_once("\n### Built-ins\n").unwrap();
    let list = section.split("\n\n").nth(1).unwrap();
    let documented: Vec<&str> = list.split(',').map(|name| name.trim().trim_matches('`')).collect();
    assert_eq!(documented, builtins::names());
}

fn guest_of(module: &[u8], mode: ExecutionMode) -> Result<Arc<dyn Policy>, LinkError> {
    let engine = Engine::new(Limits::default()).unwrap();
    crate::load(&engine, &engine.compile(module).unwrap(), mode)
}

fn context() -> Context {
    Context::new(Arc::new(Host::new(Arc::new(HostAnswers::default()))), TIMEOUT)
}

fn ask(guest: &dyn Policy, request: &Request, settings: Json) -> Answer {
    let settings = settings.as_object().unwrap().clone();
    let mut instance = guest.start(&context())?;
    assert!(instance.validate_settings(&settings)?.valid);
    instance.validate(request, &settings)
}

fn pod(labels: Json) -> Request {
    Request::Admission(Box::new(
        serde_json::from_value(json!({
            "uid": "u1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "operation": "CREATE",
            "userInfo": {},
            "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": labels}}
        }))
        .unwrap(),
    ))
}

fn policy(name: &str) -> Vec<u8> {
    std::fs::read(testdata("policies").join(name).join("policy.wasm")).unwrap()
}

fn as_json(answer: &Answer) -> Json {
    serde_json::to_value(answer.as_ref().unwrap()).unwrap()
}

#[test]
fn an_opa_policy_allows_and_denies() {
    let guest = guest_of(&policy("rego-labels"), ExecutionMode::Opa).unwrap();
    let settings = json!({"mandatory_labels": ["owner", "tier"], "owner": "^team-"});
    let allowed = ask(&*guest, &pod(json!({"owner": "team-a", "tier": "web"})), settings.clone());
    assert_eq!(as_json(&allowed), json!({"uid": "u1", "allowed": true, "auditAnnotations": null, "warnings": null}));
    let denied = ask(&*guest, &pod(json!({"owner": "me"})), settings);
    assert_eq!(
        as_json(&denied)["status"],
        json!({"message": "owner me is not one of ours; 1 of 2 mandatory labels are missing: [tier]", "code": 422})
    );
}

#[test]
fn a_raw_request_is_the_request_of_an_opa_policy() {
    let guest = guest_of(&policy("rego-labels"), ExecutionMode::Opa).unwrap();
    let request = Request::Raw(json!({"uid": "raw", "object": {"metadata": {"labels": {}}}}));
    let denied = ask(&*guest, &request, json!({"mandatory_labels": ["owner"]}));
    assert_eq!((&as_json(&denied)["uid"], &as_json(&denied)["allowed"]), (&json!("raw"), &json!(false)));
}

#[test]
fn a_gatekeeper_policy_allows_and_denies() {
    let guest = guest_of(&policy("gatekeeper-labels"), ExecutionMode::Gatekeeper).unwrap();
    let settings = json!({"labels": ["owner"]});
    let allowed = ask(&*guest, &pod(json!({"owner": "team-a"})), settings.clone());
    assert_eq!(as_json(&allowed), json!({"uid": "u1", "allowed": true, "auditAnnotations": null, "warnings": null}));
    let denied = ask(&*guest, &pod(json!({})), settings);
    assert_eq!(as_json(&denied)["status"], json!({"message": "Pod web has no label owner"}));
}

#[test]
fn a_module_of_an_old_compiler_allows_and_denies() {
    let module = std::fs::read(testdata("rego/abi-1.1/policy.wasm")).unwrap();
    let guest = guest_of(&module, ExecutionMode::Gatekeeper).unwrap();
    let settings = json!({"labels": ["owner", "tier"]});
    let allowed = ask(&*guest, &pod(json!({"owner": "team-a", "tier": "web"})), settings.clone());
    assert!(allowed.unwrap().allowed);
    let denied = ask(&*guest, &pod(json!({"owner": "team-a"})), settings).unwrap();
    assert_eq!(denied.message(), Some("missing labels: [tier]"));
}

#[test]
fn gatekeeper_refuses_raw_requests() {
    let guest = guest_of(&policy("gatekeeper-labels"), ExecutionMode::Gatekeeper).unwrap();
    let fault = ask(&*guest, &Request::Raw(json!({})), json!({})).unwrap_err();
    assert_eq!(fault.message, "Gatekeeper does not support raw validation requests");
}

#[test]
fn the_wrong_mode_shows_in_the_result() {
    let opa = guest_of(&policy("rego-labels"), ExecutionMode::Gatekeeper).unwrap();
    let fault = ask(&*opa, &pod(json!({})), json!({})).unwrap_err();
    assert_eq!(fault.kind, FaultKind::InvalidResponse);
    assert!(
        fault.message.contains("the entry point is an object, and not an array of violations"),
        "{}",
        fault.message
    );
    let gatekeeper = guest_of(&policy("gatekeeper-labels"), ExecutionMode::Opa).unwrap();
    let fault = ask(&*gatekeeper, &pod(json!({})), json!({})).unwrap_err();
    assert_eq!((fault.kind, &*fault.message), (FaultKind::InvalidResponse, "cannot interpret OPA policy result"));
}

#[test]
fn a_builtin_that_fails_is_a_fault() {
    let guest = guest_of(&policy("rego-labels"), ExecutionMode::Opa).unwrap();
    let fault = ask(&*guest, &pod(json!({"owner": "me"})), json!({"mandatory_labels": [], "owner": "("})).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Trap);
    assert!(fault.message.starts_with("the built-in `regex.find_n` failed: "), "{}", fault.message);
}

/// A module with everything the ABI asks for; `builtins` is the text of its list, `eval` the body of that function.
fn synthetic(builtins: &str, eval: &str, rest: &str) -> Vec<u8> {
    synthetic_with_imports(r#"(import "env" "memory" (memory 2))"#, builtins, eval, rest)
}

fn synthetic_with_imports(imports: &str, builtins: &str, eval: &str, rest: &str) -> Vec<u8> {
    let list = builtins.replace('"', "\\22");
    wat::parse_str(format!(
        r#"(module
            {imports}
            (import "env" "opa_abort" (func $opa_abort (param i32)))
            (import "env" "opa_println" (func $opa_println (param i32)))
            (import "env" "opa_builtin0" (func $opa_builtin0 (param i32 i32) (result i32)))
            (export "memory" (memory 0))
            (data (i32.const 1000) "{list}\00")
            (data (i32.const 2000) "[{{\22result\22:[]}}]\00")
            (data (i32.const 3000) "it is all over\00")
            (func (export "builtins") (result i32) (i32.const 1000))
            (func (export "entrypoints") (result i32) (i32.const 1000))
            (func (export "opa_heap_ptr_get") (result i32) (i32.const 65536))
            (func (export "opa_heap_ptr_set") (param i32))
            (func (export "opa_malloc") (param i32) (result i32) (i32.const 65536))
            (func (export "opa_json_parse") (param i32 i32) (result i32) (local.get 0))
            (func (export "opa_json_dump") (param i32) (result i32) (local.get 0))
            (func (export "opa_eval_ctx_new") (result i32) (i32.const 4000))
            (func (export "opa_eval_ctx_set_input") (param i32 i32))
            (func (export "opa_eval_ctx_set_data") (param i32 i32))
            (func (export "opa_eval_ctx_set_entrypoint") (param i32 i32))
            (func $result (export "opa_eval_ctx_get_result") (param i32) (result i32) (global.get $answer))
            (func (export "eval") (param i32) (result i32) {eval} (i32.const 0))
            (global $answer (mut i32) (i32.const 2000))
            {rest})"#
    ))
    .unwrap()
}

fn fault_of(module: &[u8], timeout: Duration) -> Fault {
    let guest = guest_of(module, ExecutionMode::Gatekeeper).unwrap();
    let context = Context { timeout, ..context() };
    match guest.start(&context) {
        Ok(mut instance) => instance.validate(&pod(json!({})), &serde_json::Map::new()).unwrap_err(),
        Err(fault) => fault,
    }
}

#[track_caller]
fn fails(module: &[u8], kind: FaultKind, text: &str) {
    let fault = fault_of(module, TIMEOUT);
    assert_eq!(fault.kind, kind, "{}", fault.message);
    assert!(fault.message.contains(text), "{}", fault.message);
}

#[test]
fn a_synthetic_module_answers() {
    let guest = guest_of(&synthetic("{}", "", ""), ExecutionMode::Gatekeeper).unwrap();
    assert!(ask(&*guest, &pod(json!({})), json!({})).unwrap().allowed);
}

#[test]
fn a_second_opinion_that_fails_changes_no_verdict() {
    let imports = r#"(import "env" "memory" (memory 2))
        (import "env" "opa_builtin1" (func $opa_builtin1 (param i32 i32 i32) (result i32)))"#;
    let call = "(drop (call $opa_builtin1 (i32.const 1) (i32.const 0) (i32.const 5000)))";
    let rest = r#"(data (i32.const 5000) "\22a\22\00")
        (func (export "opa_value_dump") (param i32) (result i32) unreachable)"#;
    let module = synthetic_with_imports(imports, r#"{"hex.encode": 1}"#, call, rest);
    let guest = guest_of(&module, ExecutionMode::Gatekeeper).unwrap();
    assert!(ask(&*guest, &pod(json!({})), json!({})).unwrap().allowed);
}

#[test]
fn missing_builtins_are_listed_and_nothing_runs() {
    let module =
        synthetic(r#"{"uuid.rfc4122": 1, "sprintf": 2, "time.date": 3, "crypto.sha256": 0}"#, "unreachable", "");
    let fault = fault_of(&module, TIMEOUT);
    assert_eq!(fault.kind, FaultKind::MissingBuiltins);
    assert_eq!(fault.message, "Missing Rego builtins: crypto.sha256, time.date, uuid.rfc4122");
    assert!(fault.help.unwrap().contains("policy-server refuses this module"));
}

#[test]
fn what_a_module_does_wrong_is_told() {
    fails(
        &synthetic("{}", "(call $opa_abort (i32.const 3000))", ""),
        FaultKind::Trap,
        "the policy aborted: it is all over",
    );
    fails(
        &synthetic("{}", "(call $opa_abort (i32.const -1))", ""),
        FaultKind::Trap,
        "the address 0xffffffff at `opa_abort` is outside the policy's memory of 327680 bytes",
    );
    fails(
        &synthetic(
            "{}",
            "(memory.fill (i32.const 3000) (i32.const 97) (i32.const 324680)) (call $opa_println (i32.const 3000))",
            "",
        ),
        FaultKind::Trap,
        "the text at `opa_println` has no end inside the policy's memory",
    );
    fails(
        &synthetic("{}", "(drop (call $opa_builtin0 (i32.const 7) (i32.const 0)))", ""),
        FaultKind::Trap,
        "called the built-in number 7, which it does not list",
    );
    fails(
        &synthetic("{}", "(global.set $answer (i32.const 327680))", ""),
        FaultKind::Trap,
        "0x50000 at `opa_json_dump`",
    );
    fails(&synthetic("{}", "(global.set $answer (i32.const 3000))", ""), FaultKind::InvalidResponse, "it is all over");
    fails(&synthetic("nonsense", "", ""), FaultKind::Init, "list of built-ins cannot be read");
    fails(&synthetic("{}", "", "(func $f unreachable) (start $f)"), FaultKind::Init, "could not be started");
    fails(
        &synthetic("{}", "(loop $again (call $opa_println (i32.const 3000)) (br $again))", ""),
        FaultKind::Limit,
        "its log",
    );
    let hungry =
        "(if (i32.eq (memory.grow (i32.const 60000)) (i32.const -1)) (then (call $opa_abort (i32.const 3000))))";
    fails(&synthetic("{}", hungry, ""), FaultKind::Memory, "it is all over");
}

#[test]
fn a_rego_loop_meets_its_deadline() {
    let fault = fault_of(&synthetic("{}", "(loop $again (br $again))", ""), Duration::from_millis(50));
    assert_eq!(fault.kind, FaultKind::Timeout);
}

#[test]
fn what_is_not_of_the_abi_does_not_link() {
    let refusal = |module: &[u8]| guest_of(module, ExecutionMode::Opa).err().unwrap().to_string();
    let empty = wat::parse_str("(module (func (export \"opa_malloc\")))").unwrap();
    assert!(refusal(&empty).contains("does not export `builtins`, `entrypoints`"), "{}", refusal(&empty));
    let wide = synthetic_with_imports(r#"(import "env" "memory" (memory 6))"#, "{}", "", "");
    assert!(refusal(&wide).contains("incompatible import type for `env::memory`"), "{}", refusal(&wide));
    let imports = r#"(import "env" "memory" (memory 5)) (import "env" "opa_wish" (func))"#;
    let wishing = synthetic_with_imports(imports, "{}", "", "");
    assert!(refusal(&wishing).contains("it imports `env.opa_wish`"), "{}", refusal(&wishing));
}
