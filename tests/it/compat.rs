//! `compat: server`: what is a fault by default has policy-server's answer, as far as the server has one.

use serde_json::{Value, json};

use crate::support::{POD, Report, Repository, guests, line_of, testdata};

const NO_TIME: &str = "Policy execution interrupted because it exceeded the allowed execution time";

/// What a guest does when it is asked for a verdict.
struct Guest {
    name: &'static str,
    mode: &'static str,
    /// WAT in the place of a reply.
    body: &'static str,
    /// The fault it is by default.
    kind: &'static str,
    /// How the server's message begins; none where the server has no answer either.
    message: Option<&'static str>,
}

const GUESTS: [Guest; 11] = [
    Guest {
        name: "error",
        mode: "kubewarden-wapc",
        body: "(call $fail (i32.const 1024) (i32.const 9)) (i32.const 0)",
        kind: "guest",
        message: Some("internal server error: Guest call failure: bad thing"),
    },
    Guest {
        name: "no-error",
        mode: "kubewarden-wapc",
        body: "(i32.const 0)",
        kind: "guest",
        message: Some("internal server error: Guest call failure: No error message set for call failure"),
    },
    Guest {
        name: "trap",
        mode: "kubewarden-wapc",
        body: "(unreachable)",
        kind: "trap",
        message: Some("internal server error: Guest call failure: error while executing at wasm backtrace:"),
    },
    Guest {
        name: "garbage",
        mode: "kubewarden-wapc",
        body: "(call $respond (i32.const 1024) (i32.const 9)) (i32.const 1)",
        kind: "invalid-response",
        message: Some("internal server error: invalid response from policy: expected value at line 1 column 1"),
    },
    Guest {
        name: "loop",
        mode: "kubewarden-wapc",
        body: "(loop $forever (br $forever)) (unreachable)",
        kind: "timeout",
        message: Some(NO_TIME),
    },
    Guest {
        name: "wild-pointer",
        mode: "kubewarden-wapc",
        body: "(call $respond (i32.const -1) (i32.const 9)) (i32.const 1)",
        kind: "trap",
        message: None,
    },
    Guest {
        name: "memory",
        mode: "kubewarden-wapc",
        body: "(drop (memory.grow (i32.const 5000))) (unreachable)",
        kind: "memory",
        message: Some("internal server error: Guest call failure: error while executing at wasm backtrace:"),
    },
    Guest {
        name: "exit",
        mode: "wasi",
        body: "(call $print (i32.const 2) (i32.const 1024) (i32.const 10)) (call $exit (i32.const 3))",
        kind: "guest",
        message: Some("bad thing"),
    },
    Guest {
        name: "wasi-trap",
        mode: "wasi",
        body: "(call $print (i32.const 2) (i32.const 1024) (i32.const 10)) (unreachable)",
        kind: "trap",
        message: Some("bad thing"),
    },
    Guest {
        name: "wasi-loop",
        mode: "wasi",
        body: "(call $print (i32.const 2) (i32.const 1024) (i32.const 10)) (loop $l (br $l))",
        kind: "timeout",
        message: Some("bad thing"),
    },
    Guest {
        name: "wasi-garbage",
        mode: "wasi",
        body: "(call $print (i32.const 1) (i32.const 1024) (i32.const 9))",
        kind: "invalid-response",
        message: Some(
            "internal server error: Cannot deserialize policy validation response: expected value at line 1 column 1",
        ),
    },
];

/// A module that takes all settings.
fn module(guest: &Guest) -> Vec<u8> {
    match guest.mode {
        "wasi" => guests::wasi_when_asked(guest.body),
        _ => guests::wapc_when_asked(guest.body),
    }
}

/// A repository with the guests as policies, each asked once; `more` are further keys of each policy.
fn repository(defaults: &str, more: &str) -> Repository {
    let mut policies = format!("version: 1\n{defaults}policies:\n");
    let mut cases = "cases:\n".to_owned();
    for Guest { name, mode, kind, .. } in &GUESTS {
        let timeout = if *kind == "timeout" { "100ms" } else { "60s" };
        policies += &format!("  {name}: {{ uri: {name}.wasm, executionMode: {mode}{more} }}\n");
        cases += &format!(
            "  - {{ name: {name}, policy: {name}, object: {POD}, timeout: {timeout}, expect: {{ deny: , code: 500 }} }}\n"
        );
    }
    GUESTS.iter().fold(Repository::with_suite(&(policies + &cases)), |repository, guest| {
        repository.write(&format!("{}.wasm", guest.name), module(guest))
    })
}

#[track_caller]
fn answers_as_the_server(report: &Report) {
    for Guest { name, kind, message, .. } in &GUESTS {
        let case = report.case(name);
        match message {
            Some(message) => {
                let response = &case["response"];
                let said = response["status"]["message"].as_str().unwrap_or_else(|| panic!("{case:#}"));
                assert!(!message.is_empty() && said.starts_with(message), "{name}: {said}");
                assert_eq!((&response["allowed"], &response["status"]["code"]), (&json!(false), &json!(500)));
                assert_eq!((&case["outcome"], &case["fault"]), (&json!("passed"), &Value::Null), "{name}");
            }
            None => assert_eq!(
                (&case["outcome"], &case["fault"]["kind"], &case["response"]),
                (&json!("error"), &json!(kind), &Value::Null),
                "{name}"
            ),
        }
    }
}

#[test]
fn faults_become_rejections_where_the_server_has_them() {
    answers_as_the_server(&repository("", ", compat: server").report(&[]));
}

#[test]
fn compat_is_inherited_from_the_defaults_and_can_be_overridden() {
    answers_as_the_server(&repository("defaults: { compat: server }\n", "").report(&[]));
    let strict = repository("defaults: { compat: server }\n", ", compat: strict").report(&[]);
    for Guest { name, kind, .. } in &GUESTS {
        assert_eq!(strict.case(name)["fault"]["kind"], *kind, "{name}");
    }
}

/// The server applies monitor mode and custom messages to its own rejections as well.
#[test]
fn rejections_of_the_server_are_deployed_like_any_others() {
    let text = format!(
        "version: 1\ndefaults: {{ compat: server, object: {POD} }}\npolicies:\n  monitored: {{ uri: g.wasm, mode: monitor }}\n  \
         worded: {{ uri: g.wasm, message: ask us }}\ncases:\n  - {{ name: a, policy: monitored, expect: allow }}\n  \
         - {{ name: b, policy: worded, expect: {{ deny: ask us, code: 500 }} }}\n"
    );
    Repository::with_suite(&text).write("g.wasm", guests::wapc_when_asked("(unreachable)")).report(&[]).all_passed();
}

/// Settings are validated when the server starts; a policy that fails there is never asked.
#[test]
fn settings_that_cannot_be_validated_are_rejected_whatever_the_deployment_says() {
    let text = format!(
        "version: 1\npolicies: {{ p: {{ uri: g.wasm, compat: server, mode: monitor, message: ours }} }}\ncases:\n  - {{ name: a, object: {POD}, \
         expect: {{ deny: 'Policy settings are invalid: Error invoking settings validation callback: GuestCallFailure(\"no\")', code: 500 }} }}\n"
    );
    Repository::with_suite(&text).write("g.wasm", guests::failing("no")).verify(&[]).run().exits_with(0);
    let strict = text.replace("compat: server", "compat: strict").replace("mode: monitor, ", "");
    let report = Repository::with_suite(&strict).write("g.wasm", guests::failing("no")).report(&[]);
    assert_eq!(report.case("a")["fault"]["kind"], "settings");
}

#[test]
fn an_expected_fault_is_a_mistake() {
    let text = format!(
        "version: 1\npolicies:\n  lenient: {{ uri: g.wasm, compat: server }}\n  strict: {{ uri: g.wasm }}\ncases:\n  - name: a\n    \
         policy: [lenient, strict]\n    object: {POD}\n    expect:\n      fault: trap\n"
    );
    let line = format!("suite.yml:{}:", line_of(&text, "fault: trap"));
    let repository = Repository::with_suite(&text).write("g.wasm", guests::failing("no"));
    let run = repository.verify(&[]).run().exits_with(2);
    run.says(&["`fault` cannot be combined with `compat: server` of `lenient`", "compat: strict", &line])
        .never_says("of `strict`");
}

/// Where the server leaves it to the policy what becomes of a refusal, `compat: server` does so too.
#[test]
fn access_rules_are_the_business_of_the_policy() {
    let ingress = "{ apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: { name: a }, spec: { rules: [{ host: a.test }] } }";
    let text = format!(
        "version: 1\ndefaults: {{ compat: server, object: {ingress}, cluster: [] }}\npolicies:\n  waPC: {{ uri: unique-host/policy.wasm, metadata: \
         unique-host/metadata.yml }}\n  opa: {{ uri: unique-host-opa/policy.wasm, metadata: unique-host-opa/metadata.yml }}\ncases:\n  - name: refused\n    \
         policy: waPC\n    expect: {{ deny: {{ contains: [internal server error, Policy has not been granted access] }}, code: 500 }}\n  - {{ name: empty, \
         policy: opa, expect: {{ allow: , calls: [] }} }}\n"
    );
    let report = Repository::with_suite(&text).policy("unique-host").policy("unique-host-opa").report(&[]);
    report.all_passed();
    assert_eq!(report.case("refused")["calls"][0]["answered_by"], "access-rules");
}

/// A member without a verdict denies in the server, and so may leave the group to the others.
#[test]
fn members_of_a_group_answer_as_in_the_server() {
    let group = |name: &str, more: &str| {
        format!(
            "  {name}: {{ expression: a() || b(), message: no, members: {{ a: {{ policy: a }}, b: {{ policy: b }} }}{more} }}\n"
        )
    };
    let text = format!(
        "version: 1\ndefaults: {{ object: {POD} }}\npolicies: {{ a: {{ uri: a.wasm, compat: server }}, b: {{ uri: b.wasm }} }}\ngroups:\n{}{}\
         cases:\n  - {{ name: strict, group: strict, expect: {{ fault: trap }} }}\n  - name: server\n    group: server\n    expect: {{ deny: no, members: \
         {{ a: deny, b: deny }} }}\n",
        group("strict", ""),
        group("server", ", compat: server")
    );
    let trap = guests::wapc_when_asked("(unreachable)");
    let repository = Repository::with_suite(&text).write("a.wasm", &trap).write("b.wasm", guests::denying("b says no"));
    let report = repository.report(&[]);
    report.all_passed();
    let causes = &report.case("server")["response"]["status"]["details"]["causes"];
    let message = causes[0]["message"].as_str().unwrap();
    assert!(message.starts_with("internal server error: Guest call failure: error while executing"), "{message}");
    assert_eq!(causes[1], json!({"reason": null, "message": "b says no", "field": "spec.policies.b"}));
}

#[test]
fn unmocked_host_call_stays_a_fault_with_compat_server() {
    let text = "version: 1\npolicies:\n  p: { uri: image-licence/policy.wasm, metadata: image-licence/metadata.yml, settings: { allowed: [MIT] }, \
                compat: server }\ncases:\n  - { name: a, object: pod.yaml, expect: deny }\n";
    let pod = std::fs::read(testdata().join("suites/docs/readme/pod.yaml")).unwrap();
    let report = Repository::with_suite(text).write("pod.yaml", pod).policy("image-licence").report(&[]);
    assert_eq!(report.case("a")["fault"]["kind"], "host", "{:#}", report.case("a"));
}
