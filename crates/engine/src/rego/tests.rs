//! Both Rego modules of `testdata/policies`, and the built-ins held against what the real `opa eval` gave.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::builtins::{self, Builtin, Environment, server};
use super::value::Value;
use crate::engine::{Engine, Limits};
use crate::link::LinkError;
use crate::policy::default_clock;
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

/// A row of the table of recorded answers: a call, OPA's value, and the value or error of policy-server 1.36.
struct Recorded {
    builtin: &'static Builtin,
    /// As texts of Rego.
    arguments: String,
    opa: Option<Value>,
    server: Result<Json, String>,
}

impl Recorded {
    fn values(&self) -> Vec<Value> {
        let Value::Array(values) = Value::parse(&self.arguments).unwrap() else { panic!("{}", self.arguments) };
        values
    }
}

fn recorded() -> Vec<Recorded> {
    let text = std::fs::read_to_string(testdata("server/rego-builtins.jsonl")).unwrap();
    let rows: Vec<_> = text.lines().map(recorded_row).collect();
    assert!(rows.len() > 250, "{}", rows.len());
    rows
}

fn recorded_row(line: &str) -> Recorded {
    let row: Json = serde_json::from_str(line).unwrap();
    // OPA's value with all digits of its numbers.
    let Value::Object(members) = Value::parse(line).unwrap() else { panic!("{line}") };
    let opa = members.into_iter().find(|(name, _)| *name == Value::text("value")).map(|(_, value)| value);
    let server = match row["server"].get("error") {
        Some(error) => Err(error.as_str().unwrap().to_owned()),
        None => Ok(row["server"]["value"].clone()),
    };
    let builtin = builtins::find(row["builtin"].as_str().unwrap()).unwrap();
    Recorded { builtin, arguments: row["arguments"].as_str().unwrap().into(), opa, server }
}

fn environment() -> Environment {
    Environment { now: default_clock() }
}

#[test]
fn the_second_opinion_is_what_opa_gives() {
    let mut wrong = Vec::new();
    for row in recorded() {
        let ours = row.builtin.opa(&environment(), &row.values());
        let is_equal = match (&ours, &row.opa) {
            (Some(ours), Some(theirs)) => ours.equals(theirs),
            (None, None) => true,
            _ => false,
        };
        if !is_equal {
            wrong.push(format!("{}{}\n  ours:   {ours:?}\n  theirs: {:?}", row.builtin.name, row.arguments, row.opa));
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

/// The error of a built-in at the end of what the server reports about the trap.
fn cause(error: &str) -> &str {
    error.split_once("Caused by:\n    ").map_or(error, |(_, cause)| cause)
}

#[test]
fn builtins_give_what_policy_server_gives() {
    let mut wrong = Vec::new();
    for row in recorded() {
        // JSON has no sets, and no number of this size.
        let Ok(Json::Array(arguments)) = serde_json::from_str(&row.arguments) else { continue };
        // OPA compiles its own `json.is_valid`, and calls the other two by names the server does not have.
        if matches!(row.builtin.name, "json.is_valid" | "date" | "parse_rfc3339_ns") {
            continue;
        }
        let ours = builtins::call(row.builtin, &environment(), &arguments);
        let is_equal = match (&ours, &row.server) {
            (Ok(ours), Ok(theirs)) => ours == theirs,
            (Err(server::BuiltinError::Panicked(_)), Err(theirs)) => theirs.starts_with("Remote end closed"),
            (Err(server::BuiltinError::Failed { name, message }), Err(theirs)) => {
                let error = format!("Builtin error [{name:?}]: {message:?}");
                // After the message of `gtmpl` comes a backtrace of the server, inside the quotes.
                let (error, theirs) = (error.trim_end_matches('"'), cause(theirs));
                theirs.starts_with(error) || theirs.contains("sprintf") && error.starts_with(theirs)
            }
            _ => false,
        };
        if !is_equal {
            wrong
                .push(format!("{}{}\n  ours:   {ours:?}\n  theirs: {:?}", row.builtin.name, row.arguments, row.server));
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_documentation_names_every_builtin() {
    let page = std::fs::read_to_string(testdata("../docs/modes.md")).unwrap();
    let (_, section) = page.split_once("\n### Built-ins\n").unwrap();
    let list = section.split("\n\n").nth(1).unwrap();
    let documented: Vec<&str> = list.split(',').map(|name| name.trim().trim_matches('`')).collect();
    assert_eq!(documented, builtins::names());
}

/// A call of a built-in as the server evaluates it.
fn called(name: &str, arguments: Json) -> Result<Json, server::BuiltinError> {
    let Json::Array(arguments) = arguments else { panic!("{arguments}") };
    builtins::call(builtins::find(name).unwrap(), &environment(), &arguments)
}

fn is_limit(result: Result<Json, server::BuiltinError>) -> bool {
    matches!(result, Err(server::BuiltinError::Limit(_)))
}

fn is_panic(result: Result<Json, server::BuiltinError>) -> bool {
    matches!(result, Err(server::BuiltinError::Panicked(_)))
}

#[test]
fn wide_second_opinions_are_possible_and_bounded() {
    let result = |format: &str| {
        let arguments = [Value::text(format), Value::parse("[1.5, 7]").unwrap()];
        builtins::find("sprintf").unwrap().opa(&environment(), &arguments).map(|value| {
            let Value::Text(text) = value else { panic!("sprintf gives a text") };
            text.len()
        })
    };
    for verb in ["%70000f %d", "%070000f %d", "%.69998f %d", "%.69994e %d", "%.69994x %[2]d", "%f%069993d"] {
        assert!(result(verb).unwrap() > 69_990, "{verb}");
    }
    assert_eq!(result("%9999999f%9999999d"), None);
    let digits = Value::Array(vec![Value::Number("9".repeat(1_000_000))]);
    assert_eq!(builtins::find("sprintf").unwrap().opa(&environment(), &[Value::text("%x"), digits]), None);
}

#[test]
fn widths_of_16_bits_are_printed_and_others_end_the_worker() {
    assert_eq!(called("sprintf", json!(["%65535d", [7]])).unwrap().as_str().unwrap().len(), 65_535);
    assert!(is_panic(called("sprintf", json!(["%65536d", [7]]))));
    assert!(is_panic(called("sprintf", json!(["%*d", [99999, 7]]))));
    assert!(is_limit(called("sprintf", json!(["%65535d".repeat(2000), [7]]))));
    assert!(is_limit(called("sprintf", json!(["%[1]s".repeat(20_000), ["x".repeat(10_000)]]))));
}

#[test]
fn a_format_cannot_bring_its_own_template() {
    for format in [
        r#"a" }}{{ define "b" }}{{ template "b" }}{{ end }}{{ template "b" }}{{ printf "c"#,
        r#"a" 1 }}{{ printf "b"#,
        &format!("a\" {}", "(".repeat(5000)),
    ] {
        assert!(is_limit(called("sprintf", json!([format, []]))), "{format}");
    }
    // What is in arguments is no code.
    assert_eq!(called("sprintf", json!(["%s", ["\"}}{{ end"]])).unwrap(), "\"}}{{ end");
    let error = called("sprintf", json!([r#"label "%s" is missing"#, ["owner"]])).unwrap_err().to_string();
    assert!(
        error.starts_with("Cannot render go template '{{ printf \"label \"%s\" is missing\" (index . 0)}}'"),
        "{error}"
    );
    assert_eq!(
        called("sprintf", json!([r#"label \"%s\" is missing"#, ["owner"]])).unwrap(),
        "label \"owner\" is missing"
    );
}

#[test]
fn members_are_printed_in_order_where_the_server_has_none() {
    let value = json!({"b": [{"y": 1, "x": {"z": 2, "a": null}}], "a": 1});
    assert_eq!(
        called("sprintf", json!(["%v", [value]])).unwrap(),
        r#"map[a:1 b:[Map({"x": Map({"a": Nil, "z": Number(Number { n: U(2) })}), "y": Number(Number { n: U(1) })})]]"#
    );
    assert_eq!(called("sprintf", json!(["%v", [{"b": "x", "a": 1}]])).unwrap(), "map[a:1 b:x]");
    assert_eq!(
        called("sprintf", json!(["%v", [[{"b": "x", "a": 1}, ["c"]]]])).unwrap(),
        r#"[{"a": Number(Number { n: U(1) }), "b": String("x")} [String("c")]]"#
    );
    assert_eq!(called("sprintf", json!(["%v %v", [{}, {"a": true}]])).unwrap(), "map[] map[a:true]");
}

#[test]
fn arguments_cannot_exhaust_the_host() {
    let deepening = json!({"op": "copy", "from": "", "path": "/a"});
    assert!(is_limit(called("json.patch", json!([{}, vec![deepening; 600]]))));
    let growing = json!({"op": "copy", "from": "/a", "path": "/a/-"});
    assert!(is_limit(called("json.patch", json!([{"a": [1]}, vec![growing; 64]]))));
    let bomb: String = (1..40).map(|n| format!("- &a{n} [*a{p}, *a{p}]\n", p = n - 1)).collect();
    for yaml in [format!("- &a0 x\n{bomb}"), "[".repeat(100_000)] {
        assert!(called("yaml.unmarshal", json!([yaml])).is_err());
        assert_eq!(builtins::find("yaml.unmarshal").unwrap().opa(&environment(), &[Value::text(yaml)]), None);
    }
}

#[test]
fn the_time_is_that_of_the_suite() {
    assert_eq!(called("time.now_ns", json!([])).unwrap(), 1_767_225_600_000_000_000_i64);
}

#[test]
fn the_wrong_number_of_arguments_is_an_error() {
    assert_eq!(called("sprintf", json!([])).unwrap_err().to_string(), "wrong number of arguments");
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
