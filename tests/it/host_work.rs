//! What policies leave to their host ends with a fault of the case, and other cases pass beside it.

use serde_json::{Value, json};

use crate::support::{POD, Report, Repository, guests};

/// A guest whose reply is this verdict.
fn with_verdict(repository: Repository, name: &str, mutated: &str) -> Repository {
    let reply = format!("{{\"valid\":true,\"accepted\":true,\"mutated_object\":{mutated}}}");
    repository.replying(name, &reply)
}

/// A guest that makes this many host calls of an operation whose name has `length` bytes, and then allows.
fn calling(times: u32, length: u32) -> Vec<u8> {
    guests::wapc_from(&format!(
        r#"(module
          (import "wapc" "__host_call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
          (import "wapc" "__guest_response" (func $respond (param i32 i32)))
          (memory (export "memory") 64)
          (data (i32.const 0) "kubewarden")
          (data (i32.const 64) "{{\22valid\22:true,\22accepted\22:true}}")
          (func (export "__guest_call") (param i32 i32) (result i32)
            (local $left i32)
            (local.set $left (i32.const {times}))
            (memory.fill (i32.const 1024) (i32.const 110) (i32.const {length}))
            (loop $again
              (drop (call $host_call
                (i32.const 0) (i32.const 10) (i32.const 1024) (i32.const {length})
                (i32.const 1024) (i32.const 4) (i32.const 0) (i32.const 0)))
              (local.set $left (i32.sub (local.get $left) (i32.const 1)))
              (br_if $again (local.get $left)))
            (call $respond (i32.const 64) (i32.const 30))
            (i32.const 1)))"#
    ))
}

/// Runs one raw case for each policy, and a case that passes between them.
fn run(repository: Repository, cases: &[(&str, &Value, &str)]) -> Report {
    let mut policies = "version: 1\npolicies:\n  yes: { uri: yes.wasm }\n".to_owned();
    let mut text = "cases:\n".to_owned();
    let mut repository = repository;
    for (policy, raw, expect) in cases {
        repository = repository.write(&format!("{policy}.json"), raw.to_string());
        policies += &format!("  {policy}: {{ uri: {policy}.wasm }}\n");
        text += &format!(
            "  - {{ name: {policy}, policy: {policy}, raw: {policy}.json, timeout: 60s, expect: {expect} }}\n"
        );
        text += &format!("  - {{ name: beside {policy}, policy: yes, object: {POD}, timeout: 60s, expect: allow }}\n");
    }
    let repository =
        repository.write("suite.yml", policies + &text).replying("yes", r#"{"valid":true,"accepted":true}"#);
    let run = repository.verify(&["--report=json=report.json", "--report=human=report.txt"]).run();
    let report = Report(repository.read_json("report.json"));
    for (policy, ..) in cases {
        let beside = report.case(&format!("beside {policy}"));
        assert_eq!(beside["outcome"], "passed", "{beside:#}\n{}", run.stderr);
    }
    let written = repository.read("report.json").len();
    assert!(written < 32 << 20, "the report has {written} bytes");
    report
}

#[test]
fn a_reply_of_millions_of_small_values_is_a_fault() {
    let list = |item: &str, number: usize| format!("{{\"l\":[{}]}}", vec![item; number].join(","));
    let repository = with_verdict(Repository::new(), "objects", &list("{}", 2_000_000));
    let repository = with_verdict(repository, "members", &list("{\"a\":1}", 1_000_000));
    let repository = with_verdict(repository, "numbers", &list("1", 4_000_000));
    let raw = json!({"uid": "u"});
    let names = ["objects", "members", "numbers"];
    let report = run(repository, &names.map(|name| (name, &raw, "accept")));
    for name in names {
        let fault = &report.case(name)["fault"];
        assert_eq!(fault["kind"], "limit", "{name}: {fault}");
        assert_eq!(fault["message"], "the policy's reply needs more than 64 MiB of memory on the host");
        assert!(fault["help"].as_str().unwrap().starts_with("the limit is fixed"), "{fault}");
    }
}

#[test]
fn a_patch_that_repeats_a_long_key_is_a_fault() {
    let key = "k".repeat(1 << 20);
    let members: serde_json::Map<_, _> = (0..200).map(|number| (number.to_string(), json!(1))).collect();
    let repository = with_verdict(Repository::new(), "keys", &json!({ &key: members }).to_string());
    let repository = with_verdict(repository, "lists", &json!({"l": []}).to_string());
    let raw: serde_json::Map<_, _> = (0..200).map(|number| (number.to_string(), json!(2))).collect();
    let (raw, list) = (json!({ &key: raw }), json!({"l": vec![0; 900_000]}));
    let report = run(repository, &[("keys", &raw, "accept"), ("lists", &list, "accept")]);
    for name in ["keys", "lists"] {
        let fault = &report.case(name)["fault"];
        assert_eq!(fault["kind"], "limit", "{name}: {fault}");
        assert!(
            fault["message"].as_str().unwrap().starts_with("the patch to the mutated object needs more"),
            "{fault}"
        );
    }
}

#[test]
fn long_lists_are_compared_and_summed_up() {
    let list = |from: usize| json!({"l": (from..from + 50_000).collect::<Vec<_>>()});
    let repository = with_verdict(Repository::new(), "shifts", &list(1).to_string());
    let expect = "{ mutate: { only: [/x], includes: [{ op: add }] } }";
    let report = run(repository, &[("shifts", &list(0), expect)]);
    let case = report.case("shifts");
    assert_eq!(case["outcome"], "failed");
    let mismatches = case["mismatches"].as_array().unwrap();
    assert_eq!(mismatches.len(), 22, "{}", mismatches[0]);
    assert_eq!(mismatches[20]["actual"], "49980 more");
}

#[test]
fn names_of_host_calls_are_bounded() {
    let repository = Repository::new()
        .write("long.wasm", calling(1, 1 << 20))
        .write("many.wasm", calling(9_999, 10_000))
        .write("few.wasm", calling(3, 10_000));
    let raw = json!({"uid": "u"});
    let report = run(repository, &["long", "many", "few"].map(|name| (name, &raw, "accept")));
    let fault = &report.case("long")["fault"];
    assert_eq!(fault["kind"], "limit", "{fault}");
    assert_eq!(fault["message"], "the name of a host call has 1048576 bytes, more than 16384");
    for (name, calls) in [("many", 19_998), ("few", 6)] {
        let case = report.case(name);
        assert_eq!((&case["outcome"], case["calls"].as_array().unwrap().len()), (&json!("passed"), calls), "{name}");
    }
}

#[test]
fn long_texts_are_compared_whole_and_kept_in_part() {
    let message = format!("{}the end", "m".repeat(8 << 20));
    let denial = json!({"valid": true, "accepted": false, "message": message}).to_string();
    let names: Vec<String> = (0..12).map(|number| format!("denies {number}")).collect();
    let mut text = "version: 1\npolicies:\n  no: { uri: no.wasm }\ncases:\n".to_owned();
    for name in &names {
        text += &format!(
            "  - {{ name: {name}, object: {POD}, timeout: 60s, expect: {{ deny: {{ contains: the end }} }} }}\n"
        );
    }
    text +=
        &format!("  - {{ name: wrong, object: {POD}, timeout: 60s, expect: {{ deny: {{ contains: nowhere }} }} }}\n");
    let repository = Repository::with_suite(&text).replying("no", &denial);
    repository.verify(&["--report=json=report.json", "--report=junit=report.xml"]).run().exits_with(1);
    let report = Report(repository.read_json("report.json"));
    for name in names.iter().map(String::as_str).chain(["wrong"]) {
        let case = report.case(name);
        assert_eq!(case["outcome"] == "passed", name != "wrong", "{name}");
        let kept = case["response"]["status"]["message"].as_str().unwrap();
        // 64 MiB for 13 cases.
        assert!(kept.starts_with("mmm") && kept.ends_with("… (3226395 more bytes)"), "{name}: {} bytes", kept.len());
    }
    for (file, most) in [("report.json", 80 << 20), ("report.xml", 4 << 20)] {
        let written = repository.read(file).len();
        assert!(written < most, "{file} has {written} bytes");
    }
}

/// Calls of built-ins that would take minutes, or all memory; and some that have room enough.
fn calls_of_builtins() -> Vec<(&'static str, &'static str, Vec<Value>, Option<&'static str>)> {
    let text = |length: usize| json!("ab".repeat(length / 2));
    let many = |operation: Value, number: usize| Value::Array(vec![operation; number]);
    let steps = Some("needs more than 3000000000 steps of work on the host");
    let memory = Some("needs more than 64 MiB of memory on the host");
    vec![
        ("searches", "regex.find_n", vec![json!("(?:.{100}){100}z"), text(1 << 20), json!(-1)], steps),
        ("splits", "regex.split", vec![json!("(?:[a-z]{0,100}x){0,100}y"), text(1 << 20)], steps),
        ("templates", "regex.template_match", vec![text(100_000), text(1 << 20), json!("<"), json!(">")], steps),
        (
            "copies",
            "json.patch",
            vec![
                json!({"t": "x".repeat(1 << 20), "l": []}),
                many(json!({"op": "copy", "from": "/t", "path": "/l/-"}), 1_000),
            ],
            memory,
        ),
        (
            "aliases",
            "yaml.unmarshal",
            vec![json!(format!("a: &a {}\nb: [{}]", "x".repeat(100_000), vec!["*a"; 20_000].join(", ")))],
            memory,
        ),
        ("arguments", "yaml.marshal", vec![json!(vec![json!({}); 500_000])], memory),
        ("finds", "regex.find_n", vec![json!("a[a-z]"), text(1 << 20), json!(10)], None),
        ("patches", "json.patch", vec![json!({}), many(json!({"op": "add", "path": "/a", "value": 1}), 10)], None),
    ]
}

#[test]
fn builtins_end_before_they_take_long_or_much() {
    let mut text = "version: 1\npolicies:\n  yes: { uri: yes.wasm }\n".to_owned();
    let mut cases = "cases:\n".to_owned();
    let mut repository = Repository::new().replying("yes", r#"{"valid":true,"accepted":true}"#);
    for (name, builtin, arguments, _) in calls_of_builtins() {
        let arguments: Vec<String> = arguments.iter().map(Value::to_string).collect();
        repository = repository.write(&format!("{name}.wasm"), guests::opa_calling(builtin, &arguments));
        text += &format!("  {name}: {{ uri: {name}.wasm, executionMode: opa }}\n");
        cases += &format!("  - {{ name: {name}, policy: {name}, object: {POD}, timeout: 60s, expect: allow }}\n");
        cases += &format!("  - {{ name: beside {name}, policy: yes, object: {POD}, timeout: 60s, expect: allow }}\n");
    }
    let repository = repository.write("suite.yml", text + &cases);
    repository.verify(&["--report=json=report.json"]).run().exits_with(1);
    let report = Report(repository.read_json("report.json"));
    for (name, builtin, _, limit) in calls_of_builtins() {
        assert_eq!(report.case(&format!("beside {name}"))["outcome"], "passed", "{name}");
        let case = report.case(name);
        let Some(limit) = limit else {
            assert_eq!(case["outcome"], "passed", "{name}: {}", case["fault"]);
            continue;
        };
        assert_eq!(case["fault"]["kind"], "limit", "{name}: {}", case["fault"]);
        assert_eq!(case["fault"]["message"], format!("the built-in `{builtin}` {limit}"), "{name}");
        let flag = if limit.contains("steps") { "raise `timeout`" } else { "raise `--max-memory`" };
        assert!(case["fault"]["help"].as_str().unwrap().starts_with(flag), "{name}: {}", case["fault"]);
    }
}
