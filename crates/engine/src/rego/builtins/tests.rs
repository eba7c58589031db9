//! The built-ins held against what policy-server 1.36 and `opa eval` 1.4.2 gave, and what bounds them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::server::BuiltinError;
use super::{Builtin, Environment, call, find};
use crate::engine::{Engine, Limits};
use crate::policy::default_clock;
use crate::rego::value::Value;
use crate::rego::{RegoModule, entry_point_value};
use crate::sandbox::{HostServices, ServerLimits, Surroundings};
use policy_verify_host::reply::Reply;
use policy_verify_model::answer::{Fault, FaultKind, ServerAnswer};
use policy_verify_model::budget::{Budget, Exceeded};
use policy_verify_model::policy::ExecutionMode;

fn testdata(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(path)
}

/// A row of the table of recorded answers: a call, OPA's value, and the value or error of policy-server 1.36.
struct Recorded {
    builtin: &'static Builtin,
    /// As texts of Rego.
    arguments: String,
    opa: Option<Value>,
    /// None where OPA's compiler refuses the call.
    server: Option<Result<Json, String>>,
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
    assert!(rows.len() > 280, "{}", rows.len());
    rows
}

fn recorded_row(line: &str) -> Recorded {
    let row: Json = serde_json::from_str(line).unwrap();
    // OPA's value with all digits of its numbers.
    let Value::Object(members) = Value::parse(line).unwrap() else { panic!("{line}") };
    let opa = members.into_iter().find(|(name, _)| *name == Value::text("value")).map(|(_, value)| value);
    let server = row.get("server").map(|server| match server.get("error") {
        Some(error) => Err(error.as_str().unwrap().to_owned()),
        None => Ok(server["value"].clone()),
    });
    let builtin = find(row["builtin"].as_str().unwrap()).unwrap();
    Recorded { builtin, arguments: row["arguments"].as_str().unwrap().into(), opa, server }
}

fn environment() -> Environment {
    Environment { now: default_clock(), budget: Budget::default() }
}

#[test]
fn the_second_opinion_is_what_opa_gives() {
    let mut wrong = Vec::new();
    for row in recorded() {
        let ours = row.builtin.opa(&environment(), &row.values()).unwrap();
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

/// Keeps the remarks of an evaluation.
#[derive(Default)]
struct Remarks(std::sync::Mutex<Vec<String>>);

impl HostServices for Remarks {
    fn call(&self, _: &str, _: &str, _: &str, _: &[u8]) -> Reply {
        panic!("Rego makes no host calls")
    }

    fn console_log(&self, _: &str) {}

    fn remark(&self, text: &str) {
        self.0.lock().unwrap().push(text.into());
    }
}

/// The module that makes the calls of the table.
fn calls() -> RegoModule {
    let engine = Engine::new(Limits::default()).unwrap();
    let module = engine.compile(&std::fs::read(testdata("rego/calls.wasm")).unwrap()).unwrap();
    RegoModule::new(&engine, &module, ExecutionMode::Opa).unwrap()
}

/// What the call in a line of the table gives a policy, and the remarks on it.
fn evaluated(calls: &RegoModule, line: usize) -> (Result<Json, Fault>, Vec<String>) {
    let remarks = Arc::new(Remarks::default());
    let surroundings = Surroundings {
        host: Arc::clone(&remarks) as Arc<dyn HostServices>,
        timeout: Duration::from_secs(60),
        clock: default_clock(),
        server: ServerLimits::default(),
    };
    let result =
        calls.start(&surroundings).and_then(|mut instance| instance.evaluate(&json!({"line": line}), &json!({})));
    let value = result.map(|result| {
        let text = entry_point_value(&result).and_then(Json::as_str).unwrap_or_else(|| panic!("line {line}: {result}"));
        serde_json::from_str(text).unwrap()
    });
    let remarks = remarks.0.lock().unwrap().clone();
    (value, remarks)
}

/// A recorded value with the last digit that later releases give a float of 24 digits: `sigstore` 0.14, which came with
/// 1.36.0, switches on `float_roundtrip` of `serde_json`. The recording was made before.
fn with_all_digits(recorded: &Json) -> Json {
    recorded.as_str().map_or(Json::Null, |text| text.replace("1.2345678901234567e23", "1.2345678901234569e23").into())
}

/// Whether a fault is what the server reports. Addresses of the trap are those of another module, and after a message of
/// `gtmpl` the server has a backtrace of its own.
fn is_reported(fault: &Fault, server: &str) -> bool {
    if server.starts_with("Remote end closed connection without response") {
        return fault.at_server.is_none() && fault.message.contains("ends the worker of policy-server");
    }
    let Some(ServerAnswer::Rejects(ours)) = &fault.at_server else { return false };
    let (Some((ours, our_cause)), Some((theirs, their_cause))) =
        (ours.split_once("\n\nCaused by:\n    "), server.split_once("\n\nCaused by:\n    "))
    else {
        return false;
    };
    const TRAP: &str = "internal server error: wasm engine error: error invoking opa_eval function: error while executing at \
                        wasm backtrace:\n    0: ";
    let is_same = match their_cause.strip_suffix("\\n\\n") {
        Some(beginning) => our_cause.starts_with(beginning),
        None => our_cause == their_cause,
    };
    is_same && ours.starts_with(TRAP) && theirs.starts_with(TRAP)
}

#[test]
fn a_policy_gets_what_policy_server_gives() {
    let calls = calls();
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (line, row) in recorded().iter().enumerate() {
        let Some(server) = &row.server else { continue };
        if matches!(row.builtin.name, "date" | "parse_rfc3339_ns") {
            let refusal = format!("Missing Rego builtins: time.{}", row.builtin.name);
            assert!(server.as_ref().is_err_and(|error| error.ends_with(&refusal)), "{server:?}");
            continue;
        }
        compared += 1;
        let (ours, remarks) = evaluated(&calls, line);
        let is_equal = match (&ours, server) {
            (Ok(ours), Ok(theirs)) => ours == theirs || *ours == with_all_digits(theirs),
            (Err(fault), Err(theirs)) => is_reported(fault, theirs),
            _ => false,
        };
        if !is_equal {
            wrong.push(format!("{}{}\n  ours:   {ours:?}\n  theirs: {server:?}", row.builtin.name, row.arguments));
        }
        // A remark where OPA's value is another one, and only there. OPA's own `json.is_valid` is in the module.
        if let (Ok(server), false) = (server, matches!(row.builtin.name, "json.is_valid" | "trace")) {
            let is_other = !row.opa.as_ref().is_some_and(|opa| opa.equals(&Value::from(server)));
            assert_eq!(!remarks.is_empty(), is_other, "{}{}: {remarks:?}", row.builtin.name, row.arguments);
        }
    }
    assert!(wrong.is_empty(), "{} of {compared} differ\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 240, "{compared}");
}

#[test]
fn a_remark_quotes_both_values() {
    let line = recorded().iter().position(|row| row.builtin.name == "regex.split").unwrap();
    let (value, remarks) = evaluated(&calls(), line);
    assert_eq!(value.unwrap(), "abc");
    assert_eq!(remarks, [r#"policy-server's `regex.split` gives `"abc"`, OPA's gives `["a", "b", "", "c"]`"#]);
}

#[test]
fn a_fault_says_what_opa_gives() {
    let is_float = |row: &Recorded| row.builtin.name == "sprintf" && row.arguments == r#"["%f", [3]]"#;
    let line = recorded().iter().position(is_float).unwrap();
    let fault = evaluated(&calls(), line).0.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Trap);
    assert!(fault.message.starts_with("the built-in `sprintf` failed: Cannot render go template"), "{}", fault.message);
    assert_eq!(
        fault.help.unwrap(),
        "write the rule without this call: policy-server's `sprintf` fails, OPA's gives `\"%!f(int=3)\"`"
    );
}

/// A call of a built-in as the server evaluates it.
fn called(name: &str, arguments: Json) -> Result<Json, BuiltinError> {
    let Json::Array(arguments) = arguments else { panic!("{arguments}") };
    call(find(name).unwrap(), &environment(), &arguments)
}

fn is_limit(result: Result<Json, BuiltinError>) -> bool {
    matches!(result, Err(BuiltinError::Limit(_) | BuiltinError::Exceeded(_)))
}

fn is_panic(result: Result<Json, BuiltinError>) -> bool {
    matches!(result, Err(BuiltinError::Panicked(_)))
}

#[test]
fn wide_second_opinions_are_possible_and_bounded() {
    let result = |format: &str| {
        let arguments = [Value::text(format), Value::parse("[1.5, 7]").unwrap()];
        find("sprintf").unwrap().opa(&environment(), &arguments).map(|value| {
            let value = value.unwrap();
            let Value::Text(text) = value else { panic!("sprintf gives a text") };
            text.len()
        })
    };
    for verb in ["%70000f %d", "%070000f %d", "%.69998f %d", "%.69994e %d", "%.69994x %[2]d", "%f%069993d"] {
        assert!(result(verb).unwrap() > 69_990, "{verb}");
    }
    assert!(result("%9999999f%9999999d").is_err());
    let digits = Value::Array(vec![Value::Number("9".repeat(1_000_000))]);
    assert!(find("sprintf").unwrap().opa(&environment(), &[Value::text("%x"), digits]).is_err());
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
        let opa = find("yaml.unmarshal").unwrap().opa(&environment(), &[Value::text(yaml)]);
        assert!(!matches!(opa, Ok(Some(_))));
    }
}

/// Why a call of a built-in is ended.
fn exceeded(name: &str, arguments: Json) -> Option<Exceeded> {
    match called(name, arguments) {
        Err(BuiltinError::Exceeded(exceeded)) => Some(exceeded),
        other => {
            assert!(other.is_ok(), "{name}: {other:?}");
            None
        }
    }
}

#[test]
fn searches_end_before_they_take_long() {
    let text = |length: usize| "ab".repeat(length / 2);
    for (pattern, length) in
        [("(?:[a-z]{0,40}x){0,40}y", 400_000), ("(?:.{100}){100}z", 1_000_000), ("[a-y]{400}!", 1_000_000)]
    {
        for (name, more) in [("regex.find_n", vec![json!(-1)]), ("regex.split", vec![])] {
            let arguments = [vec![json!(pattern), json!(text(length))], more].concat();
            let why = exceeded(name, Json::Array(arguments));
            assert!(matches!(why, Some(Exceeded::Steps(_))), "{name} {pattern}: {why:?}");
        }
        let template = format!("<{pattern}>");
        let why = exceeded("regex.template_match", json!([template, text(length), "<", ">"]));
        assert!(matches!(why, Some(Exceeded::Steps(_))), "{pattern}: {why:?}");
    }
    // A long template is a long pattern.
    let why = exceeded("regex.template_match", json!([text(100_000), text(1_000_000), "<", ">"]));
    assert!(matches!(why, Some(Exceeded::Steps(_))), "{why:?}");
}

#[test]
fn large_patterns_are_not_read() {
    for pattern in ["a".repeat(1_000_000), r"\w".repeat(20_000), r"\pL".repeat(20_000)] {
        let why = exceeded("regex.find_n", json!([pattern, "a", 1]));
        assert!(matches!(why, Some(Exceeded::Memory(_))), "{}: {why:?}", &pattern[..2]);
    }
}

#[test]
fn usual_searches_have_room_enough() {
    let text = "registry.acme.test/team/app:1.2.3\n".repeat(30_000);
    for pattern in [r"^[a-z0-9.-]+(:[0-9]+)?/", r"\w+", r"(?i)ACME", r"[0-9]{1,3}\.[0-9]{1,3}", "app|web|db|cache"] {
        assert_eq!(exceeded("regex.find_n", json!([pattern, text, 100_000])), None, "{pattern}");
    }
    let names: Vec<String> = (0..2_000).map(|number| format!("image-{number}")).collect();
    assert_eq!(exceeded("regex.find_n", json!([names.join("|"), "image-77", -1])), None);
}

#[test]
fn a_search_ends_with_the_run() {
    let environment = Environment { now: default_clock(), budget: Budget::until(Arc::new(true.into())) };
    let arguments = [json!("a"), json!("a".repeat(100_000)), json!(-1)];
    let result = call(find("regex.find_n").unwrap(), &environment, &arguments);
    assert_eq!(result, Err(BuiltinError::Exceeded(Exceeded::Stopped)));
}

#[test]
fn patches_end_before_they_take_long_or_much() {
    let many = |operation: Json, number: usize| Json::Array(vec![operation; number]);
    let text = json!({"t": "x".repeat(1 << 20), "l": []});
    let copies = exceeded("json.patch", json!([text, many(json!({"op": "copy", "from": "/t", "path": "/l/-"}), 200)]));
    assert!(matches!(copies, Some(Exceeded::Memory(_))), "{copies:?}");
    let list = json!({"l": vec![0; 100_000]});
    for operation in [
        json!({"op": "add", "path": "/l/0", "value": 0}),
        json!({"op": "remove", "path": "/l/0"}),
        json!({"op": "move", "from": "/l/0", "path": "/l/5"}),
    ] {
        let why = exceeded("json.patch", json!([list, many(operation.clone(), 40_000)]));
        assert!(matches!(why, Some(Exceeded::Steps(_))), "{operation}: {why:?}");
        assert_eq!(exceeded("json.patch", json!([list, many(operation.clone(), 100)])), None, "{operation}");
        let arguments = [&list, &many(operation.clone(), 40_000)].map(Value::from);
        let opa = find("json.patch").unwrap().opa(&environment(), &arguments);
        assert!(opa.is_err(), "{operation}");
    }
    let opa = find("json.patch").unwrap().opa(
        &environment(),
        &[&text, &many(json!({"op": "copy", "from": "/t", "path": "/l/-"}), 200)].map(Value::from),
    );
    assert!(opa.is_err());
}

#[test]
fn aliases_of_texts_are_counted_in_bytes() {
    let text = format!("a: &a {}\nb: [{}]", "x".repeat(100_000), vec!["*a"; 20_000].join(", "));
    for name in ["yaml.unmarshal", "yaml.is_valid"] {
        let why = exceeded(name, json!([text]));
        assert!(matches!(why, Some(Exceeded::Memory(_))), "{name}: {why:?}");
    }
    assert!(find("yaml.unmarshal").unwrap().opa(&environment(), &[Value::text(text)]).is_err());
    for (document, is_bomb) in [("- {}\n", true), ("[],", true), ("word word word\n", false)] {
        let why = exceeded("yaml.is_valid", json!([document.repeat(400_000)]));
        assert_eq!(why.is_some(), is_bomb, "{document}");
    }
    let few = format!("a: &a {}\nb: [*a, *a, !tag *a, 340282366920938463463374607431768211455]", "x".repeat(1000));
    assert_eq!(exceeded("yaml.is_valid", json!([few])), None);
}

#[test]
fn many_values_are_printed_only_where_there_is_time() {
    let why = exceeded("sprintf", json!(["%v", vec!["0123456789"; 10_000]]));
    assert!(matches!(why, Some(Exceeded::Steps(_))), "{why:?}");
    assert_eq!(exceeded("sprintf", json!(["%v", vec!["0123456789"; 500]])), None);
}

#[test]
fn an_unknown_opinion_is_no_remark() {
    let arguments =
        [json!({"l": vec![0; 100_000]}), Json::Array(vec![json!({"op": "add", "path": "/l/0", "value": 0}); 40_000])];
    let builtin = find("json.patch").unwrap();
    let values = arguments.each_ref().map(Value::from);
    assert_eq!(super::second_opinion(builtin, &environment(), &values, Ok(&json!({}))), None);
    let stopped = BuiltinError::Exceeded(Exceeded::Stopped);
    assert_eq!(super::second_opinion(builtin, &environment(), &[], Err(&stopped)), None);
}

#[test]
fn the_time_is_that_of_the_suite() {
    assert_eq!(called("time.now_ns", json!([])).unwrap(), 1_767_225_600_000_000_000_i64);
}

#[test]
fn the_wrong_number_of_arguments_is_an_error() {
    assert_eq!(called("sprintf", json!([])).unwrap_err().to_string(), "wrong number of arguments");
}
