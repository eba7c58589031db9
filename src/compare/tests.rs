//! Every word of `expect` with every kind of answer, and the helpers that build both.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use policy_verify_model::answer::Status;
use policy_verify_model::source::{SourceFile, Spanned};
use policy_verify_model::suite::{DocumentExpectation, MutateExpectation, TextExpectation, VerdictExpectation};

/// A span that is recognised by the name of its file.
pub(super) fn span(name: &str) -> Span {
    Span::start_of(&Arc::new(SourceFile { path: name.into(), text: String::new() }))
}

pub(super) fn spanned<T>(value: T, name: &str) -> Spanned<T> {
    Spanned::new(value, span(name))
}

pub(super) fn raw(document: Value) -> Request {
    Request::Raw(document)
}

pub(super) fn allowed() -> AdmissionResponse {
    AdmissionResponse { allowed: true, ..Default::default() }
}

pub(super) fn denied(message: &str) -> AdmissionResponse {
    let status = Status { message: Some(message.into()), ..Default::default() };
    AdmissionResponse { status: Some(status), ..Default::default() }
}

pub(super) fn patched(patch: &str) -> AdmissionResponse {
    AdmissionResponse { patch: Some(patch.into()), patch_type: Some("JSONPatch".into()), ..allowed() }
}

pub(super) fn mutated_by(operations: &Value) -> AdmissionResponse {
    patched(&STANDARD.encode(operations.to_string()))
}

pub(super) fn mutated(before: &Value, after: &Value) -> AdmissionResponse {
    mutated_by(&serde_json::to_value(json_patch::diff(before, after)).unwrap())
}

fn expecting(word: VerdictWord) -> Expectation {
    Expectation::Verdict(Box::new(VerdictExpectation::of(word)))
}

fn deny(text: &str) -> VerdictWord {
    VerdictWord::Deny(TextExpectation { exact: Some(spanned(text.to_owned(), "text")), ..Default::default() })
}

fn fault(kind: FaultKind, contains: &[&str]) -> Expectation {
    let contains = contains.iter().map(|part| spanned((*part).to_owned(), "text")).collect();
    let text = TextExpectation { contains, ..Default::default() };
    Expectation::Fault(FaultExpectation { kind: spanned(kind, "kind"), text })
}

fn response(expected: Value, is_exact: bool) -> Expectation {
    let spans = Arc::new([("/status".to_owned(), span("status"))].into());
    Expectation::Response(DocumentExpectation { expected: spanned(expected, "document"), spans, is_exact })
}

/// One line for each mismatch, `holds`, or the fault.
fn shown(judgement: &Judgement) -> Vec<String> {
    match judgement {
        Judgement::Holds => vec!["holds".into()],
        Judgement::Mismatches(mismatches) => {
            assert!(!mismatches.is_empty());
            let line = |m: &Mismatch| format!("{} {}: {} but {}", m.kind.word(), m.at, m.expected, m.actual);
            mismatches.iter().map(line).collect()
        }
        Judgement::Fault(fault) => vec![format!("fault {}: {}", fault.kind, fault.message)],
    }
}

fn judge(expect: &Expectation, given: &Answer) -> Vec<String> {
    shown(&answer(expect, &span("expect"), &raw(json!({"a": 1})), given, None))
}

#[test]
fn every_word_against_every_answer() {
    let patch = || mutated(&json!({"a": 1}), &json!({"a": 2}));
    let answers: [(&str, Answer); 6] = [
        ("allowed", Ok(allowed())),
        ("mutated", Ok(patch())),
        ("denied", Ok(denied("no"))),
        ("denied silently", Ok(AdmissionResponse::default())),
        ("denied with patch", Ok(AdmissionResponse { patch: patch().patch, ..denied("no") })),
        ("fault", Err(Fault::new(FaultKind::Trap, "unreachable"))),
    ];
    const FAULT: &str = "fault trap: unreachable";
    let table: Vec<(&str, Expectation, [&str; 6])> = vec![
        (
            "allow",
            expecting(VerdictWord::Allow),
            [
                "holds",
                "mutation /patch: allowed, not mutated but allowed and mutated: replace /a",
                "verdict /allowed: allowed, not mutated but denied: \"no\"",
                "verdict /allowed: allowed, not mutated but denied, without a message",
                "verdict /allowed: allowed, not mutated but denied with a patch (replace /a): \"no\"",
                FAULT,
            ],
        ),
        (
            "accept",
            expecting(VerdictWord::Accept),
            [
                "holds",
                "holds",
                "verdict /allowed: allowed, mutated or not but denied: \"no\"",
                "verdict /allowed: allowed, mutated or not but denied, without a message",
                "verdict /allowed: allowed, mutated or not but denied with a patch (replace /a): \"no\"",
                FAULT,
            ],
        ),
        (
            "mutate",
            expecting(VerdictWord::Mutate(Box::default())),
            [
                "mutation /patch: allowed and mutated but allowed, not mutated",
                "holds",
                "verdict /allowed: allowed and mutated but denied: \"no\"",
                "verdict /allowed: allowed and mutated but denied, without a message",
                "verdict /allowed: allowed and mutated but denied with a patch (replace /a): \"no\"",
                FAULT,
            ],
        ),
        (
            "deny",
            expecting(VerdictWord::Deny(TextExpectation::default())),
            [
                "verdict /allowed: denied, without a patch but allowed, not mutated",
                "verdict /allowed: denied, without a patch but allowed and mutated: replace /a",
                "holds",
                "holds",
                "mutation /patch: denied, without a patch but denied with a patch (replace /a): \"no\"",
                FAULT,
            ],
        ),
        (
            "deny: never",
            expecting(deny("never")),
            [
                "verdict /allowed: denied, without a patch but allowed, not mutated",
                "verdict /allowed: denied, without a patch but allowed and mutated: replace /a",
                "message /status/message: \"never\" but \"no\"",
                "message /status/message: \"never\" but (absent)",
                concat!(
                    "mutation /patch: denied, without a patch but denied with a patch (replace /a): \"no\"\n",
                    "message /status/message: \"never\" but \"no\"",
                ),
                FAULT,
            ],
        ),
        (
            "not-applicable",
            Expectation::NotApplicable,
            [
                "verdict /allowed: not applicable: no rule in the metadata matches the request but allowed, not mutated",
                concat!(
                    "verdict /allowed: not applicable: no rule in the metadata matches the request ",
                    "but allowed and mutated: replace /a",
                ),
                "verdict /allowed: not applicable: no rule in the metadata matches the request but denied: \"no\"",
                "verdict /allowed: not applicable: no rule in the metadata matches the request but denied, without a message",
                concat!(
                    "verdict /allowed: not applicable: no rule in the metadata matches the request ",
                    "but denied with a patch (replace /a): \"no\"",
                ),
                FAULT,
            ],
        ),
        (
            "fault: trap",
            fault(FaultKind::Trap, &["reach"]),
            [
                "fault /allowed: fault: trap but allowed, not mutated",
                "fault /allowed: fault: trap but allowed and mutated: replace /a",
                "fault /allowed: fault: trap but denied: \"no\"",
                "fault /allowed: fault: trap but denied, without a message",
                "fault /allowed: fault: trap but denied with a patch (replace /a): \"no\"",
                "holds",
            ],
        ),
        (
            "response",
            response(json!({"allowed": false, "status": {"message": "no"}, "patch": null}), false),
            [
                "response /allowed: false but true\nresponse /status: {\"message\":\"no\"} but (absent)",
                concat!(
                    "response /allowed: false but true\n",
                    "response /patch: null but [{\"op\":\"replace\",\"path\":\"/a\",\"value\":2}]\n",
                    "response /status: {\"message\":\"no\"} but (absent)",
                ),
                "holds",
                "response /status: {\"message\":\"no\"} but (absent)",
                "response /patch: null but [{\"op\":\"replace\",\"path\":\"/a\",\"value\":2}]",
                FAULT,
            ],
        ),
    ];
    for (word, expect, wanted) in &table {
        for ((name, answer), wanted) in answers.iter().zip(wanted) {
            assert_eq!(judge(expect, answer).join("\n"), *wanted, "{word} against {name}");
        }
    }
}

#[test]
fn faults_of_another_kind_or_text() {
    let given: Answer = Err(Fault::new(FaultKind::Guest, "missing field `kind`"));
    assert_eq!(judge(&fault(FaultKind::Guest, &["missing"]), &given), ["holds"]);
    assert_eq!(judge(&fault(FaultKind::Trap, &["missing"]), &given), ["fault guest: missing field `kind`"]);
    assert_eq!(
        judge(&fault(FaultKind::Guest, &["object"]), &given),
        [r#"fault : contains "object" but "missing field `kind`""#]
    );
}

#[test]
fn code_warnings_and_annotations() {
    let annotations = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    };
    let expect = |code: Option<u16>, warnings: Option<&[&str]>, audit: Option<&[(&str, &str)]>| {
        Expectation::Verdict(Box::new(VerdictExpectation {
            code: code.map(|code| spanned(code, "code")),
            warnings: warnings.map(|all| spanned(all.iter().map(|&one| one.to_owned()).collect(), "warnings")),
            audit_annotations: audit.map(|pairs| spanned(annotations(pairs), "annotations")),
            ..VerdictExpectation::of(VerdictWord::Accept)
        }))
    };
    let plain = allowed();
    let empty = AdmissionResponse { warnings: Some(Vec::new()), audit_annotations: Some(BTreeMap::new()), ..allowed() };
    let full = AdmissionResponse {
        status: Some(Status { code: Some(400), ..Default::default() }),
        warnings: Some(vec!["one".into(), "two".into()]),
        audit_annotations: Some(annotations(&[("missing", "2")])),
        ..allowed()
    };
    for (expect, response, wanted) in [
        (expect(None, None, None), &full, "holds"),
        (expect(Some(400), Some(&["one", "two"]), Some(&[("missing", "2")])), &full, "holds"),
        (expect(None, Some(&[]), Some(&[])), &plain, "holds"),
        (expect(None, Some(&[]), Some(&[])), &empty, "holds"),
        (expect(Some(400), None, None), &plain, "message /status/code: 400 but (absent)"),
        (expect(Some(422), None, None), &full, "message /status/code: 422 but 400"),
        (expect(None, Some(&["two", "one"]), None), &full, r#"warnings /warnings: ["two","one"] but ["one","two"]"#),
        (expect(None, Some(&["one"]), None), &plain, r#"warnings /warnings: ["one"] but []"#),
        (
            expect(None, None, Some(&[("missing", "3")])),
            &full,
            r#"warnings /auditAnnotations: {"missing":"3"} but {"missing":"2"}"#,
        ),
        (expect(None, None, Some(&[])), &full, r#"warnings /auditAnnotations: {} but {"missing":"2"}"#),
    ] {
        assert_eq!(judge(&expect, &Ok(response.clone())), [wanted]);
    }
}

#[test]
fn responses_as_documents() {
    let review =
        |response: Value| json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
    let whole = json!({"uid": "", "allowed": true, "auditAnnotations": null, "warnings": null});
    for (expect, given, wanted) in [
        (response(json!({}), false), allowed(), "holds"),
        (response(whole.clone(), true), allowed(), "holds"),
        (response(json!({"uid": "", "allowed": true}), false), allowed(), "holds"),
        (response(json!({"uid": "", "allowed": true}), true), allowed(), "holds"),
        (response(json!({"allowed": true}), true), allowed(), "response /uid: (absent) but \"\""),
        (response(review(whole.clone()), true), allowed(), "holds"),
        (response(review(json!({"allowed": false})), false), allowed(), "response /allowed: false but true"),
        (
            response(json!({"status": {"message": "no", "code": null}}), false),
            denied("never"),
            "response /status/message: \"no\" but \"never\"",
        ),
        (response(json!({"patch": "W10="}), false), patched("W10="), "holds"),
        (response(json!({"patch": "W10="}), false), patched("WyBd"), "response /patch: \"W10=\" but \"WyBd\""),
        (response(json!({"patch": "W10="}), false), patched("W3t9XQ=="), "response /patch: [] but [{}]"),
    ] {
        assert_eq!(judge(&expect, &Ok(given.clone())).join("\n"), wanted, "{given:?}");
    }
}

#[test]
fn mismatches_have_the_place_of_the_expectation() {
    let place =
        |expect: &Expectation, given: Answer| match answer(expect, &span("expect"), &raw(json!({})), &given, None) {
            Judgement::Mismatches(mismatches) => mismatches[0].span.file.path.clone(),
            other => panic!("{other:?}"),
        };
    assert_eq!(place(&expecting(VerdictWord::Allow), Ok(denied("no"))), "expect");
    assert_eq!(place(&expecting(deny("yes")), Ok(denied("no"))), "text");
    assert_eq!(place(&fault(FaultKind::Trap, &[]), Ok(allowed())), "kind");
    assert_eq!(place(&response(json!({"status": {"code": 1}}), false), Ok(denied("no"))), "status");
    assert_eq!(place(&response(json!({"allowed": true}), false), Ok(denied("no"))), "document");
}

#[test]
fn only_idempotent_needs_a_second_pass() {
    let idempotent = |value| MutateExpectation { idempotent: Some(spanned(value, "idempotent")), ..Default::default() };
    assert!(needs_second_pass(&expecting(VerdictWord::Mutate(Box::new(idempotent(true))))));
    assert!(!needs_second_pass(&expecting(VerdictWord::Mutate(Box::new(idempotent(false))))));
    assert!(!needs_second_pass(&expecting(VerdictWord::Mutate(Box::default()))));
    assert!(!needs_second_pass(&expecting(VerdictWord::Allow)));
    assert!(!needs_second_pass(&Expectation::NotApplicable));
}

#[test]
fn a_fault_of_the_second_pass_is_a_fault() {
    let idempotent = MutateExpectation { idempotent: Some(spanned(true, "idempotent")), ..Default::default() };
    let first: Answer = Ok(mutated(&json!({"a": 1}), &json!({"a": 2})));
    let second: Answer = Err(Fault::new(FaultKind::Timeout, "too slow").with_help("give it more time"));
    let expect = expecting(VerdictWord::Mutate(Box::new(idempotent)));
    match answer(&expect, &span("expect"), &raw(json!({"a": 1})), &first, Some(&second)) {
        Judgement::Fault(fault) => {
            assert_eq!(fault.kind, FaultKind::Timeout);
            assert_eq!(fault.message, "in the second pass, over the mutated object: too slow");
            assert_eq!(fault.help.as_deref(), Some("give it more time"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn settings_words_against_every_verdict() {
    let invalid = |contains: &[&str]| {
        let contains = contains.iter().map(|part| spanned((*part).to_owned(), "text")).collect();
        SettingsExpectation::Invalid(TextExpectation { contains, ..Default::default() })
    };
    let verdicts: [Result<SettingsVerdict, Fault>; 5] = [
        Ok(SettingsVerdict { valid: true, message: None, at_server: None }),
        Ok(SettingsVerdict { valid: false, message: Some("bad".into()), at_server: None }),
        Ok(SettingsVerdict { valid: false, message: None, at_server: None }),
        Err(Fault::new(FaultKind::Guest, "cannot be read")),
        Err(Fault::new(FaultKind::Trap, "unreachable")),
    ];
    for (expect, wanted) in [
        (
            SettingsExpectation::Valid,
            [
                "holds",
                "settings /valid: valid but invalid: \"bad\"",
                "settings /valid: valid but invalid, without a message",
                "settings /valid: valid but invalid: \"cannot be read\"",
                "fault trap: unreachable",
            ],
        ),
        (invalid(&[]), ["settings /valid: invalid but valid", "holds", "holds", "holds", "fault trap: unreachable"]),
        (
            invalid(&["bad"]),
            [
                "settings /valid: invalid but valid",
                "holds",
                "settings /message: contains \"bad\" but (absent)",
                "settings /message: contains \"bad\" but \"cannot be read\"",
                "fault trap: unreachable",
            ],
        ),
    ] {
        for (verdict, wanted) in verdicts.iter().zip(wanted) {
            assert_eq!(shown(&settings(&expect, &span("expect"), verdict)), [wanted], "{expect:?} {verdict:?}");
        }
    }
}
