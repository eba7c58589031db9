//! The verdict, and what stands beside it.

use std::collections::BTreeMap;

use policy_verify_model::answer::AdmissionResponse;
use policy_verify_model::hosting::{HostCall, PLURAL_NAME};
use policy_verify_model::outcome::{PartReport, PartVerdict};
use policy_verify_model::source::{Span, Spanned};
use policy_verify_model::suite::{CallExpectation, MemberExpectation, MemberWord, VerdictExpectation, VerdictWord};
use serde_json::{Map, Value, json};

use super::part::{Facts, Part, denial};
use super::{mutation, text};
use crate::compare::calls::matches;

/// The parts of an expectation of a verdict.
pub(super) fn parts(
    expect: &VerdictExpectation,
    span: &Span,
    response: &AdmissionResponse,
    facts: &Facts<'_>,
) -> Vec<Part> {
    if !response.allowed && response.patch.is_some() {
        return vec![Part::left(span, "the policy rejects and mutates, which only `response:` can say")];
    }
    let is_other = !is_of(&expect.word, response, facts) || (facts.strengthens && is_loose(&expect.word));
    if facts.is_passed_on && is_other {
        return vec![Part::left(
            span,
            "monitor mode lets every request pass: add `mode: monitor` to expect the policy's own answer",
        )];
    }
    if is_other {
        return vec![Part::new(span, as_written(expect), of(response, facts, Some(expect)))];
    }
    let mut parts = match &expect.word {
        VerdictWord::Allow | VerdictWord::Accept => vec![Part::held(span)],
        VerdictWord::Deny(expected) if expected.is_empty() => vec![Part::held(span)],
        VerdictWord::Deny(expected) => text::parts(expected, response.message()),
        VerdictWord::Mutate(expected) => mutation::parts(expected, span, response, facts),
    };
    parts.extend(beside(expect, response, facts));
    parts
}

/// The expectation as a mapping, as far as it has to be known to change it key by key.
fn as_written(expect: &VerdictExpectation) -> Value {
    let word = match &expect.word {
        VerdictWord::Allow => "allow",
        VerdictWord::Accept => "accept",
        VerdictWord::Deny(_) => "deny",
        VerdictWord::Mutate(_) => "mutate",
    };
    let mut written = Map::from_iter([(word.to_owned(), Value::Null)]);
    let mode = expect.mode.as_ref().map(|mode| ("mode", json!(if mode.value { "monitor" } else { "protect" })));
    let code = expect.code.as_ref().map(|code| ("code", json!(code.value)));
    let warnings = expect.warnings.as_ref().map(|it| ("warnings", json!(it.value)));
    let annotations = expect.audit_annotations.as_ref().map(|it| ("auditAnnotations", json!(it.value)));
    let calls = expect.calls.as_ref().map(|calls| ("calls", calls.value.iter().map(written_call).collect()));
    let members = expect.members.iter().map(|member| (member.id.value.clone(), Value::Null));
    let members = (!expect.members.is_empty()).then(|| ("members", Value::Object(members.collect())));
    let beside = [mode, code, warnings, annotations, calls, members].into_iter().flatten();
    written.extend(beside.map(|(key, value)| (key.to_owned(), value)));
    Value::Object(written)
}

/// Whether a response has the verdict of a word.
fn is_of(word: &VerdictWord, response: &AdmissionResponse, facts: &Facts<'_>) -> bool {
    match word {
        VerdictWord::Deny(_) => !response.allowed,
        VerdictWord::Accept => response.allowed,
        VerdictWord::Allow => response.allowed && response.patch.is_none(),
        VerdictWord::Mutate(_) => response.allowed && mutation::change(response, facts).is_some(),
    }
}

/// Whether a word holds for different answers of the same verdict.
fn is_loose(word: &VerdictWord) -> bool {
    match word {
        VerdictWord::Allow => false,
        VerdictWord::Accept => true,
        VerdictWord::Deny(text) => text.is_empty(),
        VerdictWord::Mutate(mutation) => mutation.is_empty(),
    }
}

/// The expectation that a response meets and no other one does. `written` is what stands there: the keys beside its verdict
/// stay, as far as they can.
pub(super) fn of(response: &AdmissionResponse, facts: &Facts<'_>, written: Option<&VerdictExpectation>) -> Value {
    let word = match (response.allowed, mutation::change(response, facts), mutation::operations(response)) {
        (false, _, _) => denial(response),
        (true, Some(_), Some(operations)) => json!({ "mutate": { "patch": operations } }),
        (true, _, _) if response.patch.is_some() => json!("accept"),
        (true, _, _) => json!("allow"),
    };
    let beside: Vec<(&str, Value)> = written.map(|it| kept(it, response, facts)).unwrap_or_default();
    if beside.is_empty() {
        return word;
    }
    let mut members: Map<String, Value> = match word {
        Value::Object(members) => members,
        word => Map::from_iter([(word.as_str().unwrap_or_default().to_owned(), Value::Bool(true))]),
    };
    members.extend(beside.into_iter().map(|(key, value)| (key.to_owned(), value)));
    Value::Object(members)
}

/// The keys beside a verdict with the values that hold now.
fn kept<'a>(written: &VerdictExpectation, response: &AdmissionResponse, facts: &Facts<'_>) -> Vec<(&'a str, Value)> {
    let mut kept = Vec::new();
    kept.extend(written.mode.as_ref().map(|mode| ("mode", json!(if mode.value { "monitor" } else { "protect" }))));
    let code = written.code.as_ref().and_then(|_| response.code());
    kept.extend(code.map(|code| ("code", json!(code))));
    kept.extend(written.warnings.as_ref().map(|_| ("warnings", warnings(response))));
    kept.extend(written.audit_annotations.as_ref().map(|_| ("auditAnnotations", annotations(response))));
    kept.extend(written.calls.as_ref().map(|calls| ("calls", self::calls(&calls.value, facts.calls))));
    if !written.members.is_empty() {
        let members = written.members.iter().filter_map(|member| {
            let word = said(report_of(member, facts)).ok()?;
            Some((member.id.value.clone(), word))
        });
        kept.push(("members", Value::Object(members.collect())));
    }
    kept
}

/// The parts beside a verdict that is right.
fn beside(expect: &VerdictExpectation, response: &AdmissionResponse, facts: &Facts<'_>) -> Vec<Part> {
    let mut parts = Vec::new();
    parts.extend(expect.code.as_ref().map(|code| match response.code() {
        Some(actual) => Part::new(&code.span, code.value.into(), actual.into()),
        None => Part::left(&code.span, "the response has no code"),
    }));
    let warned = expect.warnings.as_ref();
    parts.extend(warned.map(|it| Part::new(&it.span, json!(it.value), warnings(response))));
    let annotated = expect.audit_annotations.as_ref();
    parts.extend(annotated.map(|it| Part::new(&it.span, json!(it.value), annotations(response))));
    parts.extend(expect.calls.as_ref().map(|calls| calls_part(calls, facts.calls)));
    parts.extend(expect.members.iter().flat_map(|expected| member(expected, facts)));
    parts
}

fn warnings(response: &AdmissionResponse) -> Value {
    json!(response.warnings.as_deref().unwrap_or_default())
}

fn annotations(response: &AdmissionResponse) -> Value {
    json!(response.audit_annotations.as_ref().unwrap_or(&BTreeMap::new()))
}

fn calls_part(expected: &Spanned<Vec<CallExpectation>>, made: &[HostCall]) -> Part {
    let old = expected.value.iter().map(written_call).collect();
    Part::new(&expected.span, old, calls(&expected.value, made))
}

/// The calls that were made: those that are written first, then each other capability.
fn calls(expected: &[CallExpectation], made: &[HostCall]) -> Value {
    let is_made = |call: &&CallExpectation| made.iter().any(|made| matches(call, made));
    let mut all: Vec<Value> = expected.iter().filter(is_made).map(written_call).collect();
    for call in made.iter().filter(|call| call.capability != PLURAL_NAME) {
        let is_written = expected.iter().any(|expected| matches(expected, call));
        let capability = Value::from(call.capability.as_str());
        if !is_written && !all.contains(&capability) {
            all.push(capability);
        }
    }
    Value::Array(all)
}

fn written_call(call: &CallExpectation) -> Value {
    match &call.request {
        Some(request) => json!({ "capability": call.capability, "request": request }),
        None => call.capability.as_str().into(),
    }
}

fn report_of<'a>(expected: &MemberExpectation, facts: &Facts<'a>) -> Option<&'a PartReport> {
    facts.members.iter().copied().find(|report| report.name == expected.id.value)
}

fn member(expected: &MemberExpectation, facts: &Facts<'_>) -> Vec<Part> {
    let report = report_of(expected, facts);
    let verdict = report.map_or(&PartVerdict::NotAsked, |report| &report.verdict);
    match (&expected.word, verdict) {
        (MemberWord::Allow, PartVerdict::Allow) | (MemberWord::NotAsked, PartVerdict::NotAsked) => {
            vec![Part::held(&expected.span)]
        }
        (MemberWord::Deny(text), PartVerdict::Deny) if text.is_empty() && !facts.strengthens => {
            vec![Part::held(&expected.span)]
        }
        (MemberWord::Deny(text), PartVerdict::Deny) if !text.is_empty() => {
            text::parts(text, report.and_then(|report| report.response.as_ref()?.message()))
        }
        _ => vec![match said(report) {
            Ok(word) => Part::written(&expected.span, word),
            Err(reason) => Part::left(&expected.span, reason),
        }],
    }
}

/// What a member says, as `members` words it.
fn said(report: Option<&PartReport>) -> Result<Value, &'static str> {
    match report.map_or(&PartVerdict::NotAsked, |report| &report.verdict) {
        PartVerdict::Allow => Ok("allow".into()),
        PartVerdict::NotAsked => Ok("not-asked".into()),
        PartVerdict::Deny => Ok(report.and_then(|report| report.response.as_ref()).map_or("deny".into(), denial)),
        _ => Err("no word of `members` says what the member answers"),
    }
}
