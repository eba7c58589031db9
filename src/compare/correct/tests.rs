//! Parts that no module of the tests of the command has.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::compare::tests::{allowed, denied, mutated, raw, span, spanned};
use policy_verify_model::answer::{AdmissionResponse, Answer};
use policy_verify_model::hosting::{AnsweredBy, HostCall};
use policy_verify_model::outcome::{PartReport, PartVerdict};
use policy_verify_model::source::Spanned;
use policy_verify_model::suite::{
    CallExpectation, DocumentExpectation, MemberExpectation, MemberWord, TextExpectation, VerdictExpectation,
    VerdictWord,
};

/// The parts as `place: old -> new`.
fn shown(parts: &[Part]) -> Vec<String> {
    let new = |part: &Part| match &part.new {
        Ok(new) if *new == part.old => "held".to_owned(),
        Ok(new) => format!("{} -> {new}", part.old),
        Err(reason) => reason.clone(),
    };
    parts.iter().map(|part| format!("{}: {}", part.place.file.path, new(part))).collect()
}

struct Given<'a> {
    answer: &'a Answer,
    calls: &'a [HostCall],
    members: &'a [PartReport],
    is_passed_on: bool,
    strengthens: bool,
}

fn given(answer: &Answer) -> Given<'_> {
    Given { answer, calls: &[], members: &[], is_passed_on: false, strengthens: false }
}

fn parts(expect: VerdictExpectation, given: &Given<'_>) -> Vec<String> {
    let facts = Facts {
        answer: given.answer,
        request: &raw(json!({ "a": 1 })),
        calls: given.calls,
        members: given.members.iter().collect(),
        is_passed_on: given.is_passed_on,
        strengthens: given.strengthens,
    };
    shown(&request(&Expectation::Verdict(Box::new(expect)), &span("expect"), &facts))
}

fn expecting(word: VerdictWord) -> VerdictExpectation {
    VerdictExpectation::of(word)
}

#[test]
fn weak_expectations_are_strengthened_on_request() {
    let bare = || expecting(VerdictWord::Deny(TextExpectation::default()));
    let accept = || expecting(VerdictWord::Accept);
    let change = mutated(&json!({ "a": 1 }), &json!({ "a": 2 }));
    for (expect, answer, plain, strong) in [
        (bare(), denied("no"), "expect: held", r#"expect: {"deny":null} -> {"deny":"no"}"#),
        (accept(), allowed(), "expect: held", r#"expect: {"accept":null} -> "allow""#),
        (
            accept(),
            change,
            "expect: held",
            r#"expect: {"accept":null} -> {"mutate":{"patch":[{"op":"replace","path":"/a","value":2}]}}"#,
        ),
    ] {
        let answer = Ok(answer);
        let again = VerdictExpectation::of(match &expect.word {
            VerdictWord::Accept => VerdictWord::Accept,
            _ => VerdictWord::Deny(TextExpectation::default()),
        });
        assert_eq!(parts(expect, &given(&answer)), [plain]);
        assert_eq!(parts(again, &Given { strengthens: true, ..given(&answer) }), [strong]);
    }
}

#[test]
fn calls_are_those_that_were_made() {
    let call = |capability: &str, request: &str| HostCall {
        capability: capability.into(),
        request: request.into(),
        answered_by: AnsweredBy::Host,
        error: None,
        resource: None,
        reply: None,
    };
    let expected = |capability: &str, request: Option<&str>| CallExpectation {
        capability: capability.into(),
        request: request.map(str::to_owned),
        span: span("call"),
    };
    let calls = vec![expected("a/b", Some("x")), expected("c/d", None)];
    let expect = VerdictExpectation { calls: Some(spanned(calls, "calls")), ..expecting(VerdictWord::Accept) };
    let made = [call("c/d", "1"), call("e/f", "2"), call("e/f", "3")];
    let wanted = r#"calls: [{"capability":"a/b","request":"x"},"c/d"] -> ["c/d","e/f"]"#;
    let answer = Ok(allowed());
    assert_eq!(parts(expect, &Given { calls: &made, ..given(&answer) }), ["expect: held", wanted]);
}

#[test]
fn members_say_what_they_said() {
    let member = |name: &str, verdict: PartVerdict, response: Option<AdmissionResponse>| PartReport {
        name: name.into(),
        policy: name.into(),
        verdict,
        evaluations: 1,
        response,
        monitored: None,
        fault: None,
        calls: Vec::new(),
        members: Vec::new(),
    };
    let reports = [
        member("denies", PartVerdict::Deny, Some(denied("no"))),
        member("allows", PartVerdict::Allow, Some(allowed())),
        member("mutates", PartVerdict::Mutate, Some(allowed())),
    ];
    let expected =
        |id: &str, word: MemberWord| MemberExpectation { id: spanned(id.into(), "id"), word, span: span(id) };
    let exact = TextExpectation { exact: Some(Spanned::new("yes".to_owned(), span("text"))), ..Default::default() };
    let members = vec![
        expected("denies", MemberWord::Deny(exact)),
        expected("allows", MemberWord::Deny(TextExpectation::default())),
        expected("mutates", MemberWord::Allow),
        expected("absent", MemberWord::Allow),
    ];
    let expect = VerdictExpectation { members, ..expecting(VerdictWord::Accept) };
    assert_eq!(
        parts(expect, &Given { members: &reports, ..given(&Ok(allowed())) }),
        [
            "expect: held",
            r#"text: "yes" -> "no""#,
            r#"allows: null -> "allow""#,
            "mutates: no word of `members` says what the member answers",
            r#"absent: null -> "not-asked""#,
        ]
    );
}

#[test]
fn a_fault_is_never_written_down_as_a_verdict() {
    let fault = Err(Fault::new(FaultKind::Trap, "unreachable"));
    assert_eq!(
        parts(expecting(VerdictWord::Accept), &Given { strengthens: true, ..given(&fault) }),
        ["expect: there is no answer to write down: unreachable"]
    );
    let of_server = AdmissionResponse::internal_error("", "internal server error: Guest call failure: x".into());
    let left = ["expect: policy-server answers so to a fault, which is never written down"];
    assert_eq!(parts(expecting(VerdictWord::Allow), &given(&Ok(of_server))), left);
    let passed = Ok(allowed());
    let bare = expecting(VerdictWord::Deny(TextExpectation::default()));
    let told = parts(bare, &Given { is_passed_on: true, ..given(&passed) });
    assert!(told[0].contains("add `mode: monitor`"), "{told:?}");
    let rejected = AdmissionResponse { patch: Some("W10=".into()), ..denied("no") };
    let left = ["expect: the policy rejects and mutates, which only `response:` can say"];
    assert_eq!(parts(expecting(VerdictWord::Accept), &given(&Ok(rejected))), left);
}

#[test]
fn documents_keep_what_they_are_about() {
    let document = |expected: Value, actual: Value| {
        let expect =
            DocumentExpectation { expected: spanned(expected, "document"), spans: Arc::default(), is_exact: false };
        document::part(&expect, &actual).new
    };
    let container = |name: &str, image: &str| json!({ "name": name, "image": image });
    for (expected, actual, wanted) in [
        (
            json!([container("side", "s:1")]),
            json!([container("web", "w:1"), container("side", "s:2")]),
            Ok(json!([container("side", "s:2")])),
        ),
        (json!([container("gone", "s:1")]), json!([container("web", "w:1")]), Err("there is no item `gone` any more")),
        (json!({ "labels": { "gone": "x" } }), json!({ "labels": {} }), Ok(json!({ "labels": { "gone": null } }))),
        (json!({ "a": {} }), json!({ "a": 1 }), Ok(json!({ "a": {} }))),
        (json!([1, 2]), json!([3]), Err("a list has fewer items than expected")),
        (json!([1]), json!([3, 4]), Ok(json!([3]))),
    ] {
        assert_eq!(document(expected.clone(), actual), wanted.map_err(str::to_owned), "{expected}");
    }
}
