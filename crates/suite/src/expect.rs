//! The words of `expect` become expectations.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::Regex;
use serde_json::Value;

use super::files::Files;
use super::mistake::{Mistakes, mistake, suggestion};
use super::pointers;
use super::read::read;
use super::schema::{
    CallWritten, Data, DeploymentMode, Either, ExpectEntry, ExpectWord, FaultEntry, FileOr, MemberDenies, MemberSays,
    MutateEntry, OneOrMany, SettingsExpectEntry, SettingsWord, TextEntry,
};
use super::yaml::{Content, Node};
use policy_verify_host as host;
use policy_verify_model::answer::FaultKind;
use policy_verify_model::code::Code;
use policy_verify_model::source::Spanned;
use policy_verify_model::suite::{
    CallExpectation, DocumentExpectation, Expectation, FaultExpectation, MemberExpectation, MemberWord,
    MutateExpectation, SettingsExpectation, TextExpectation, VerdictExpectation, VerdictWord,
};

/// Reads the expectation of a case.
pub(crate) fn expectation(node: &Node, files: &Files, mistakes: &mut Mistakes) -> Option<Expectation> {
    let entry = match read::<Either<ExpectWord, ExpectEntry>>(node, mistakes)? {
        Either::Scalar(word) => return Some(from_word(word)),
        Either::Mapping(entry) => entry,
    };
    refuse_empty(node, mistakes);
    let given = [
        ("allow", entry.allow.0.is_some()),
        ("accept", entry.accept.0.is_some()),
        ("mutate", entry.mutate.0.is_some()),
        ("deny", entry.deny.0.is_some()),
        ("fault", entry.fault.0.is_some()),
        ("response", entry.response.is_some()),
    ];
    let words: Vec<&str> = given.iter().filter(|(_, is_given)| *is_given).map(|(word, _)| *word).collect();
    match words.as_slice() {
        ["fault"] => {
            refuse_with(&entry, "fault", mistakes);
            fault(entry.fault.0.as_ref()?, mistakes).map(Expectation::Fault)
        }
        ["response"] => {
            refuse_with(&entry, "response", mistakes);
            let is_exact = entry.exactly.as_ref().is_some_and(|exactly| exactly.value);
            let expected = document(entry.response.as_ref()?, is_exact, files, mistakes)?;
            check_members(&expected, mistakes);
            Some(Expectation::Response(expected))
        }
        [_] => verdict(&entry, files, mistakes),
        [] if node.entries().iter().any(|(_, value)| value.is_unknown()) => None,
        [] => {
            mistakes.add_with_help(
                &node.span,
                "the expectation has no verdict",
                "add one of `allow`, `deny`, `mutate`, `accept`, `fault`, `response`",
            );
            None
        }
        several => {
            let message = format!("`{}` cannot be combined", several.join("` and `"));
            mistakes.add_coded(Code::Contradiction, &node.span, message);
            None
        }
    }
}

/// Reads the expectation of a settings case.
pub(crate) fn settings_expectation(node: &Node, mistakes: &mut Mistakes) -> Option<SettingsExpectation> {
    Some(match read::<Either<SettingsWord, SettingsExpectEntry>>(node, mistakes)? {
        Either::Scalar(SettingsWord::Valid) => SettingsExpectation::Valid,
        Either::Scalar(SettingsWord::Invalid) => SettingsExpectation::Invalid(TextExpectation::default()),
        Either::Mapping(entry) => SettingsExpectation::Invalid(match entry.invalid {
            Either::Scalar(exact) => TextExpectation { exact: Some(exact), ..TextExpectation::default() },
            Either::Mapping(entry) => text(entry, mistakes),
        }),
    })
}

/// A key without a value looks like an expectation, but is ignored.
fn refuse_empty(node: &Node, mistakes: &mut Mistakes) {
    let may_be_empty = ["allow", "accept", "mutate", "deny"];
    for (key, value) in node.entries() {
        if matches!(value.content, Content::Null) && !may_be_empty.contains(&key.name.as_str()) {
            let help = format!("write a value, or remove `{}`", key.name);
            mistakes.add_with_help(&key.span, format!("`{}` is empty", key.name), help);
        }
    }
}

/// A misspelt member that is expected to be null would match every response.
fn check_members(response: &DocumentExpectation, mistakes: &mut Mistakes) {
    const RESPONSE: [&str; 7] = ["uid", "allowed", "patchType", "patch", "status", "auditAnnotations", "warnings"];
    const STATUS: [&str; 5] = ["status", "message", "reason", "details", "code"];
    let span_of = |pointer: &str| response.spans.get(pointer).unwrap_or(&response.expected.span);
    let whole = &response.expected.value;
    let is_review = whole.get("kind").is_some_and(|kind| kind == "AdmissionReview");
    let (prefix, expected) = if is_review { ("/response", &whole["response"]) } else { ("", whole) };
    let Value::Object(members) = expected else {
        mistakes.add_coded(Code::WrongType, &response.expected.span, "invalid AdmissionResponse: expected a mapping");
        return;
    };
    if members.is_empty() {
        let mistake = mistake(&response.expected.span, "an empty response matches any response");
        mistakes.push(mistake.with_code(Code::HoldsAlways).with_help("add `allowed` at least".to_owned()));
    }
    let status = members.get("status").and_then(Value::as_object);
    let in_status = status.into_iter().flat_map(|status| status.keys()).map(|key| ("/status", key, &STATUS[..]));
    let in_response = members.keys().map(|key| ("", key, &RESPONSE[..]));
    for (folder, key, known) in in_response.chain(in_status).filter(|(_, key, known)| !known.contains(&key.as_str())) {
        let mistake =
            mistake(span_of(&format!("{prefix}{folder}/{key}")), format!("unknown member `{key}` of a response"));
        mistakes.push(mistake.with_code(Code::UnknownKey).with_help(suggestion(key, known)));
    }
}

fn from_word(word: ExpectWord) -> Expectation {
    let word = match word {
        ExpectWord::NotApplicable => return Expectation::NotApplicable,
        ExpectWord::Allow => VerdictWord::Allow,
        ExpectWord::Accept => VerdictWord::Accept,
        ExpectWord::Mutate => VerdictWord::Mutate(Box::default()),
        ExpectWord::Deny => VerdictWord::Deny(TextExpectation::default()),
    };
    Expectation::Verdict(Box::new(VerdictExpectation::of(word)))
}

/// `fault` and `response` cannot be combined with other keys.
fn refuse_with(entry: &ExpectEntry, word: &str, mistakes: &mut Mistakes) {
    let keys = [
        ("code", entry.code.as_ref().map(|key| &key.span)),
        ("warnings", entry.warnings.as_ref().map(|key| &key.span)),
        ("auditAnnotations", entry.audit_annotations.as_ref().map(|key| &key.span)),
        ("calls", entry.calls.as_ref().map(|key| &key.span)),
        ("exactly", entry.exactly.as_ref().map(|key| &key.span).filter(|_| word != "response")),
        ("members", entry.members.0.first().map(|(id, _)| &id.span)),
        ("mode", entry.mode.as_ref().map(|key| &key.span)),
    ];
    for (key, span) in keys.into_iter().filter_map(|(key, span)| Some((key, span?))) {
        let mistake = mistake(span, format!("`{key}` cannot be combined with `{word}`"));
        mistakes.push(mistake.with_code(Code::Contradiction).with_help(format!("remove `{key}`")));
    }
}

fn verdict(entry: &ExpectEntry, files: &Files, mistakes: &mut Mistakes) -> Option<Expectation> {
    if let Some(exactly) = &entry.exactly {
        mistakes.add_with_help(
            &exactly.span,
            "`exactly` needs `response`",
            "write it under `mutate` to compare the object",
        );
    }
    let word = if let Some(node) = &entry.deny.0 {
        VerdictWord::Deny(deny(node, mistakes)?)
    } else if let Some(node) = &entry.mutate.0 {
        VerdictWord::Mutate(Box::new(mutate(node, files, mistakes)?))
    } else {
        let (node, word) = match (&entry.allow.0, &entry.accept.0) {
            (Some(node), _) => (node, VerdictWord::Allow),
            (_, node) => (node.as_ref()?, VerdictWord::Accept),
        };
        if !matches!(node.content, Content::Null | Content::Bool(true) | Content::Unknown) {
            let key = if matches!(word, VerdictWord::Allow) { "allow" } else { "accept" };
            let help = match node.content {
                Content::Bool(_) => "to expect a rejection write `deny`".to_owned(),
                _ => format!("write `{key}: true`"),
            };
            let mistake = mistake(&node.span, format!("`{key}` takes no value"));
            mistakes.push(mistake.with_code(Code::WrongType).with_help(help));
        }
        word
    };
    Some(Expectation::Verdict(Box::new(VerdictExpectation {
        word,
        code: entry.code.clone(),
        warnings: entry.warnings.clone(),
        audit_annotations: entry
            .audit_annotations
            .clone()
            .map(|annotations| annotations.map(|map| map.into_iter().collect::<BTreeMap<_, _>>())),
        calls: entry
            .calls
            .as_ref()
            .map(|calls| Spanned::new(expected_calls(&calls.value, mistakes), calls.span.clone())),
        members: entry.members.0.iter().filter_map(|(id, written)| member(id, &written.0, mistakes)).collect(),
        mode: entry.mode.clone().map(|mode| mode.map(DeploymentMode::is_monitor)),
    })))
}

fn member(id: &Spanned<String>, node: &Node, mistakes: &mut Mistakes) -> Option<MemberExpectation> {
    let word = match read::<Either<MemberSays, MemberDenies>>(node, mistakes)? {
        Either::Scalar(MemberSays::Allow) => MemberWord::Allow,
        Either::Scalar(MemberSays::Deny) => MemberWord::Deny(TextExpectation::default()),
        Either::Scalar(MemberSays::NotAsked) => MemberWord::NotAsked,
        Either::Mapping(entry) => MemberWord::Deny(deny(&entry.deny.0, mistakes)?),
    };
    Some(MemberExpectation { id: id.clone(), word, span: node.span.clone() })
}

fn expected_calls(written: &[CallWritten], mistakes: &mut Mistakes) -> Vec<CallExpectation> {
    let known = host::known_capabilities();
    let mut calls = Vec::new();
    for call in written {
        let (capability, request) = match call {
            Either::Scalar(capability) => (capability, None),
            Either::Mapping(entry) => (&entry.capability, entry.request.as_ref()),
        };
        if !known.contains(&capability.value.as_str()) {
            let message = format!("unknown host capability `{}`", capability.value);
            let mistake = mistake(&capability.span, message).with_code(Code::UnknownName);
            mistakes.push(mistake.with_help(suggestion(&capability.value, known)));
        }
        calls.push(CallExpectation {
            capability: capability.value.clone(),
            request: request.map(|request| request.value.clone()),
            span: capability.span.clone(),
        });
    }
    calls
}

fn deny(node: &Node, mistakes: &mut Mistakes) -> Option<TextExpectation> {
    if matches!(node.content, Content::Null | Content::Bool(true)) {
        return Some(TextExpectation::default());
    }
    Some(match read::<Either<Spanned<String>, TextEntry>>(node, mistakes)? {
        Either::Scalar(exact) => TextExpectation { exact: Some(exact), ..TextExpectation::default() },
        Either::Mapping(entry) => text(entry, mistakes),
    })
}

fn text(entry: TextEntry, mistakes: &mut Mistakes) -> TextExpectation {
    let texts = [
        ("an empty `contains` matches any message", &entry.contains),
        ("an empty `not` matches no message", &entry.not),
    ];
    for (message, texts) in texts {
        for empty in texts.0.iter().filter(|text| text.value.is_empty()) {
            let mistake = mistake(&empty.span, message).with_code(Code::HoldsAlways);
            mistakes.push(mistake.with_help("write a part of the message".to_owned()));
        }
    }
    TextExpectation {
        exact: None,
        contains: entry.contains.0,
        matches: patterns(&entry.matches, mistakes),
        not: entry.not.0,
    }
}

fn patterns(texts: &OneOrMany<Spanned<String>>, mistakes: &mut Mistakes) -> Vec<Spanned<Regex>> {
    let mut patterns = Vec::new();
    for text in &texts.0 {
        match Regex::new(&text.value) {
            Ok(pattern) if pattern.is_match("") => {
                let mistake = mistake(&text.span, format!("the pattern `{}` matches any message", text.value));
                mistakes.push(mistake.with_code(Code::HoldsAlways).with_help("write a part of the message".to_owned()));
            }
            Ok(pattern) => patterns.push(Spanned::new(pattern, text.span.clone())),
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or("unknown error").trim_start_matches("error: ");
                mistakes.add(&text.span, format!("invalid regular expression `{}`: {reason}", text.value));
            }
        }
    }
    patterns
}

fn fault(node: &Node, mistakes: &mut Mistakes) -> Option<FaultExpectation> {
    // A key without a value is a mistake already.
    if matches!(node.content, Content::Null) {
        return None;
    }
    Some(match read::<Either<Spanned<FaultKind>, FaultEntry>>(node, mistakes)? {
        Either::Scalar(kind) => FaultExpectation { kind, text: TextExpectation::default() },
        Either::Mapping(entry) => {
            let matches = patterns(&entry.matches, mistakes);
            let text = TextExpectation { contains: entry.contains.0, matches, ..TextExpectation::default() };
            FaultExpectation { kind: entry.kind, text }
        }
    })
}

fn mutate(node: &Node, files: &Files, mistakes: &mut Mistakes) -> Option<MutateExpectation> {
    if matches!(node.content, Content::Null | Content::Bool(true)) {
        return Some(MutateExpectation::default());
    }
    let entry = read::<MutateEntry>(node, mistakes)?;
    if let (Some(_), Some(exactly)) = (&entry.object, &entry.exactly) {
        mistakes.add_coded(Code::Contradiction, &exactly.span, "`object` cannot be combined with `exactly`");
    }
    for operations in [&entry.includes, &entry.patch].into_iter().flatten() {
        pointers::check_operations(&operations.value, mistakes);
    }
    if let Some(includes) = &entry.includes {
        let is_empty = |operation: &&Data| operation.0.entries().is_empty();
        let empty = includes.value.iter().find(is_empty).map(|operation| &operation.0.span);
        if let Some(span) = empty.or(includes.value.is_empty().then_some(&includes.span)) {
            let mistake = mistake(span, "an empty `includes` matches any patch");
            let help = "write an operation: `{ op: …, path: …, value: … }`";
            mistakes.push(mistake.with_code(Code::HoldsAlways).with_help(help.to_owned()));
        }
    }
    let operations = |list: Vec<Data>| list.into_iter().map(|op| Spanned::new(op.0.to_json(), op.0.span)).collect();
    Some(MutateExpectation {
        object: entry.object.and_then(|object| document(&object, false, files, mistakes)),
        exactly: entry.exactly.and_then(|object| document(&object, true, files, mistakes)),
        only: entry.only.map(|only| only.map(|paths| pointers::of_paths(&paths.0, mistakes))),
        includes: entry.includes.map(|includes| includes.map(operations)),
        patch: entry.patch.map(|patch| patch.map(|list| list.iter().map(|op| op.0.to_json()).collect::<Value>())),
        idempotent: entry.idempotent,
    })
}

fn document(
    source: &Spanned<FileOr>,
    is_exact: bool,
    files: &Files,
    mistakes: &mut Mistakes,
) -> Option<DocumentExpectation> {
    let (expected, spans) = match &source.value {
        FileOr::Inline(node) => (node.to_json(), Arc::new(node.places())),
        FileOr::File(path) => match files.document(path) {
            Ok(document) => {
                let spans = files.places_in(&document);
                (document.value, spans)
            }
            Err(mistake) => {
                mistakes.push(mistake);
                return None;
            }
        },
    };
    Some(DocumentExpectation { expected: Spanned::new(expected, source.span.clone()), spans, is_exact })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;
    use policy_verify_model::source::SourceFile;

    /// The expectation, and the mistakes as `column message`.
    fn read_expectation(text: &str) -> (Option<Expectation>, Vec<String>) {
        let file = Arc::new(SourceFile { path: "suite.yml".into(), text: text.into() });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("suite.yml"), text).unwrap();
        let files = Files::of_suite(&folder.path().join("suite.yml"), None, |_| Ok(())).unwrap();
        let mut mistakes = Mistakes::default();
        let expectation = expectation(&yaml::parse(&file).unwrap(), &files, &mut mistakes);
        let line = |mistake: policy_verify_model::diagnostic::Diagnostic| {
            format!("{} {}", mistake.span.as_ref().unwrap().column, mistake.message)
        };
        (expectation, mistakes.into_sorted().into_iter().map(line).collect())
    }

    #[test]
    fn calls_are_names_or_names_with_requests() {
        let (expectation, mistakes) = read_expectation(
            "{ allow, calls: [oci/v2/verify, { capability: net/v1/dns_lookup_host, request: a.test }] }",
        );
        assert!(mistakes.is_empty(), "{mistakes:?}");
        let Some(Expectation::Verdict(verdict)) = expectation else { panic!("it is a verdict") };
        let calls = verdict.calls.unwrap().value;
        let calls: Vec<_> = calls.iter().map(|call| (call.capability.as_str(), call.request.as_deref())).collect();
        assert_eq!(calls, [("oci/v2/verify", None), ("net/v1/dns_lookup_host", Some("a.test"))]);
        let (expectation, _) = read_expectation("{ deny, calls: [] }");
        assert!(matches!(expectation, Some(Expectation::Verdict(verdict)) if verdict.calls.is_some()));
    }

    #[test]
    fn calls_are_known_and_need_a_verdict() {
        let (_, mistakes) = read_expectation("{ allow, calls: [oci/v3/verify] }");
        assert_eq!(mistakes, ["18 unknown host capability `oci/v3/verify`"]);
        let (_, mistakes) = read_expectation("{ fault: host, calls: [] }");
        assert_eq!(mistakes, ["23 `calls` cannot be combined with `fault`"]);
    }
}
