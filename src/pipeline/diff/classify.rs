//! How two answers, and the host calls on the way to them, differ, and what that means. Pure.

use std::collections::{BTreeMap, BTreeSet};

use policy_verify_model::answer::{Fault, FaultKind, SettingsVerdict};
use policy_verify_model::behaviour::Class;
use policy_verify_model::hosting::HostCall;
use serde_json::Value;

use super::observe::{Seen, Verdict};
use crate::compare::diff;

/// How faults about settings begin.
const REFUSED: &str = "the policy rejects these settings: ";

/// Characters of what a version does, and of a cause.
const LONGEST: usize = 300;

/// Paths that are named in the cause of another mutation.
const MOST_PATHS: usize = 5;

/// Texts of a request that are looked for in messages, and bytes of one.
const MOST_TEXTS: usize = 2_000;
const SHORTEST_TEXT: usize = 3;

/// One way in which two versions differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pipeline) struct Change {
    /// What it means.
    pub(in crate::pipeline) class: Class,
    /// What other requests may share with this one.
    pub(in crate::pipeline) cause: String,
    /// What the old version does.
    pub(in crate::pipeline) old: String,
    /// What the new version does.
    pub(in crate::pipeline) new: String,
}

/// How the answers of two versions differ. `document` is the object of the request: its texts do not count in causes.
pub(in crate::pipeline) fn answers(old: &Seen, new: &Seen, document: Option<&Value>) -> Vec<Change> {
    let texts = texts(document);
    let of = |class, cause: String| {
        vec![Change { class, cause: short(&cause), old: short(&described(old)), new: short(&described(new)) }]
    };
    let general = |text: Option<&str>| generalised(text.unwrap_or("without a message"), &texts);
    match (old, new) {
        (Seen::Fault(old), Seen::Fault(new)) => faults(old, new, &texts),
        (_, Seen::Fault(fault)) if fault.kind == FaultKind::Settings => {
            of(Class::NewDenial, format!("settings are refused: {}", general(Some(reason(fault)))))
        }
        (Seen::Fault(fault), _) if fault.kind == FaultKind::Settings => {
            of(Class::NewAllowance, format!("settings are accepted: {}", general(Some(reason(fault)))))
        }
        (_, Seen::Fault(fault)) => {
            of(Class::Faults, format!("new fault: {}: {}", fault.kind, general(Some(&fault.message))))
        }
        (Seen::Fault(fault), _) => {
            of(Class::Faults, format!("no fault any more: {}: {}", fault.kind, general(Some(&fault.message))))
        }
        (Seen::Settings(one), Seen::Settings(other)) => match (one.valid, other.valid) {
            (true, false) => {
                of(Class::NewDenial, format!("settings are refused: {}", general(other.message.as_deref())))
            }
            (false, true) => {
                of(Class::NewAllowance, format!("settings are accepted: {}", general(one.message.as_deref())))
            }
            (false, false) => settings_words(one, other),
            // Nobody sees what is said about settings that are accepted.
            (true, true) => Vec::new(),
        },
        (one, other) => match (passes(one), passes(other)) {
            (Ok(_), Err(denied)) => of(Class::NewDenial, general(denied.message.as_deref())),
            (Err(denied), Ok(_)) => of(Class::NewAllowance, general(denied.message.as_deref())),
            (Err(one), Err(other)) => words(one, other, &texts),
            (Ok(one), Ok(other)) => {
                let mut found = mutation(one, other, document);
                // What a policy says that is not evaluated any more went with its rule.
                if let (Some(one), Some(other)) = (one, other) {
                    found.extend(words(one, other, &texts));
                }
                found
            }
        },
    }
}

/// What an answer is about, without what differs from request to request, and the answer itself; nothing for one that lets the
/// object pass as it is.
pub(in crate::pipeline) fn cause(seen: &Seen, document: Option<&Value>) -> Option<(String, String)> {
    let general = |text: &str| short(&general(text, document));
    match seen {
        Seen::Fault(fault) if fault.kind == FaultKind::Settings => {
            Some((format!("settings: {}", general(reason(fault))), short(&fault.message)))
        }
        Seen::Fault(fault) => Some((format!("{}: {}", fault.kind, general(&fault.message)), short(&fault.message))),
        Seen::Verdict(verdict) if !verdict.is_allowed => {
            let message = verdict.message.as_deref().unwrap_or("without a message");
            Some((general(message), short(message)))
        }
        Seen::Verdict(verdict) => {
            mutation(None, Some(verdict), document).into_iter().next().map(|change| (change.cause, change.new))
        }
        Seen::Settings(_) | Seen::NotApplicable => None,
    }
}

/// A text without what differs from request to request.
pub(in crate::pipeline) fn general(text: &str, document: Option<&Value>) -> String {
    generalised(text, &texts(document))
}

/// The verdict of what passes, none where no rule selects it; else the denial.
fn passes(seen: &Seen) -> Result<Option<&Verdict>, &Verdict> {
    match seen {
        Seen::Verdict(verdict) if verdict.is_allowed => Ok(Some(verdict)),
        Seen::Verdict(verdict) => Err(verdict),
        _ => Ok(None),
    }
}

fn faults(old: &Fault, new: &Fault, texts: &BTreeSet<&str>) -> Vec<Change> {
    let (one, other) = (generalised(&old.message, texts), generalised(&new.message, texts));
    let (class, cause) = match old.kind == new.kind {
        true if old.message == new.message => return Vec::new(),
        true => (Class::Wording, format!("message of a fault: {one} → {other}")),
        false => (Class::Faults, format!("another fault: {} → {}: {other}", old.kind, new.kind)),
    };
    let described = |fault: &Fault| short(&format!("{}: {}", fault.kind, fault.message));
    vec![Change { class, cause: short(&cause), old: described(old), new: described(new) }]
}

/// What a policy says about settings that it refuses, without what is said around it.
fn reason(fault: &Fault) -> &str {
    let line = fault.message.lines().next().unwrap_or_default();
    line.strip_prefix(REFUSED).unwrap_or(line)
}

fn settings_words(old: &SettingsVerdict, new: &SettingsVerdict) -> Vec<Change> {
    let none = BTreeSet::new();
    differing("message about settings", old.message.as_deref(), new.message.as_deref(), &none).into_iter().collect()
}

/// How the same verdict is worded.
fn words(old: &Verdict, new: &Verdict, texts: &BTreeSet<&str>) -> Vec<Change> {
    let message = differing("message", old.message.as_deref(), new.message.as_deref(), texts);
    let code = |verdict: &Verdict| verdict.code.map(|code| format!("code {code}"));
    let code = (old.code != new.code).then(|| {
        let shown = |code: Option<String>| code.unwrap_or_else(|| "no code".to_owned());
        let (old, new) = (shown(code(old)), shown(code(new)));
        Change { class: Class::Wording, cause: format!("{old} → {new}"), old, new }
    });
    let warnings = |verdict: &Verdict| Some(verdict.warnings.join("\n")).filter(|text| !text.is_empty());
    let warnings = differing("warnings", warnings(old).as_deref(), warnings(new).as_deref(), texts);
    let annotations = annotations(&old.audit_annotations, &new.audit_annotations);
    [message, code, warnings, annotations].into_iter().flatten().collect()
}

fn differing(what: &str, old: Option<&str>, new: Option<&str>, texts: &BTreeSet<&str>) -> Option<Change> {
    if old == new {
        return None;
    }
    let general = |text: Option<&str>| text.map_or_else(|| "none".to_owned(), |text| generalised(text, texts));
    let shown = |text: Option<&str>| short(text.unwrap_or("none"));
    let cause = short(&format!("{what}: {} → {}", general(old), general(new)));
    Some(Change { class: Class::Wording, cause, old: shown(old), new: shown(new) })
}

fn annotations(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Option<Change> {
    if old == new {
        return None;
    }
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changed: Vec<&str> =
        keys.into_iter().filter(|key| old.get(*key) != new.get(*key)).map(String::as_str).collect();
    let shown = |all: &BTreeMap<String, String>| short(&Value::from_iter(all.clone()).to_string());
    let cause = short(&format!("audit annotations: {}", changed.join(", ")));
    Some(Change { class: Class::Wording, cause, old: shown(old), new: shown(new) })
}

/// How the objects differ that pass.
fn mutation(old: Option<&Verdict>, new: Option<&Verdict>, document: Option<&Value>) -> Vec<Change> {
    let object = |verdict: Option<&Verdict>| verdict.and_then(|verdict| verdict.object.clone());
    let (old, new) = (object(old), object(new));
    if old == new {
        return Vec::new();
    }
    let unchanged = document.cloned().unwrap_or_default();
    let (one, other) = (old.as_ref().unwrap_or(&unchanged), new.as_ref().unwrap_or(&unchanged));
    let found = diff::differences(one, other, diff::Mode::Exact);
    let Some(first) = found.first.first() else { return Vec::new() };
    let paths: BTreeSet<String> = found.first.iter().map(|it| without_indices(&it.pointer)).collect();
    let mut named: Vec<String> = paths.iter().take(MOST_PATHS).cloned().collect();
    if paths.len() > MOST_PATHS || found.more > 0 {
        named.push("…".to_owned());
    }
    let shown = |whole: &Option<Value>, value: Option<&Value>| match whole {
        None => "no mutation".to_owned(),
        Some(_) => match value {
            None => format!("without {}", first.pointer),
            Some(value) => format!("{}: {}", first.pointer, diff::render(Some(value))),
        },
    };
    vec![Change {
        class: Class::OtherMutation,
        cause: short(&named.join(", ")),
        old: short(&shown(&old, first.expected.as_ref())),
        new: short(&shown(&new, first.actual.as_ref())),
    }]
}

/// `/spec/containers/0/image` → `/spec/containers/*/image`
fn without_indices(pointer: &str) -> String {
    let is_index = |step: &str| !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit());
    let steps = pointer.split('/').map(|step| if is_index(step) { "*" } else { step });
    steps.collect::<Vec<_>>().join("/")
}

/// How the host calls of two versions differ. How often each is made, and in which order, does not count.
pub(super) fn calls(old: &[HostCall], new: &[HostCall]) -> Vec<Change> {
    fn made(calls: &[HostCall]) -> BTreeSet<(&str, &str)> {
        calls.iter().map(|call| (call.capability.as_str(), call.request.as_str())).collect()
    }
    let (old, new) = (made(old), made(new));
    let capabilities = |calls: &BTreeSet<(&str, &str)>, name: &str| calls.iter().any(|(known, _)| *known == name);
    let cause = |name: &str, request: &str, is_known: bool| match name.starts_with("kubernetes/") {
        // Resources are few, while images and hosts come from the request.
        true => short(&format!("{name} of {request}")),
        false if is_known => format!("{name} with other requests"),
        false => name.to_owned(),
    };
    let added = new.difference(&old).map(|(name, request)| Change {
        class: Class::Privilege,
        cause: format!("host call {}", cause(name, request, capabilities(&old, name))),
        old: "no such host call".to_owned(),
        new: short(&format!("{name}({request})")),
    });
    let gone = old.difference(&new).map(|(name, request)| Change {
        class: Class::Other,
        cause: format!("no host call {} any more", cause(name, request, capabilities(&new, name))),
        old: short(&format!("{name}({request})")),
        new: "no such host call".to_owned(),
    });
    let mut changes: Vec<Change> = added.chain(gone).collect();
    let mut causes = BTreeSet::new();
    changes.retain(|change| causes.insert(change.cause.clone()));
    changes
}

/// An answer in a line.
fn described(seen: &Seen) -> String {
    let with = |word: &str, message: Option<&str>| match message {
        Some(message) => format!("{word}: {message}"),
        None => word.to_owned(),
    };
    match seen {
        Seen::Verdict(verdict) => match (verdict.is_allowed, &verdict.object) {
            (false, _) => with("deny", verdict.message.as_deref()),
            (true, Some(_)) => "mutate".to_owned(),
            (true, None) => "allow".to_owned(),
        },
        Seen::Settings(verdict) if verdict.valid => "settings accepted".to_owned(),
        Seen::Settings(verdict) => with("settings refused", verdict.message.as_deref()),
        Seen::NotApplicable => "not evaluated: no rule selects the request".to_owned(),
        Seen::Fault(fault) => format!("fault: {}: {}", fault.kind, fault.message),
    }
}

/// Whether two answers have the same verdict, so that their costs can be compared.
pub(super) fn is_same_verdict(old: &Seen, new: &Seen) -> bool {
    match (old, new) {
        (Seen::Verdict(old), Seen::Verdict(new)) => old.is_allowed == new.is_allowed,
        (Seen::Settings(old), Seen::Settings(new)) => old.valid == new.valid,
        _ => false,
    }
}

/// The texts of a document.
fn texts(document: Option<&Value>) -> BTreeSet<&str> {
    fn collect<'a>(value: &'a Value, texts: &mut BTreeSet<&'a str>) {
        match value {
            _ if texts.len() >= MOST_TEXTS => {}
            Value::String(text) if text.len() >= SHORTEST_TEXT => drop(texts.insert(text)),
            Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
            Value::Object(members) => members.values().for_each(|value| collect(value, texts)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    document.iter().for_each(|document| collect(document, &mut found));
    found
}

/// A message without what differs from request to request: quoted parts, numbers, and words that are texts of the request.
fn generalised(message: &str, texts: &BTreeSet<&str>) -> String {
    let message: String = message.chars().take(4 * LONGEST).collect();
    let (mut general, mut word, mut closing) = (String::new(), String::new(), None);
    for letter in message.chars() {
        match closing {
            Some(quote) if letter == quote => {
                general.push('…');
                general.push(letter);
                closing = None;
            }
            Some(_) => {}
            None if matches!(letter, '"' | '`') || (letter == '\'' && word.is_empty()) => {
                push_word(&mut general, &mut word, texts);
                general.push(letter);
                closing = Some(letter);
            }
            None if letter.is_whitespace() || matches!(letter, ',' | ';' | '(' | ')' | '[' | ']' | '{' | '}') => {
                push_word(&mut general, &mut word, texts);
                general.push(if letter.is_whitespace() { ' ' } else { letter });
            }
            None => word.push(letter),
        }
    }
    push_word(&mut general, &mut word, texts);
    general
}

fn push_word(general: &mut String, word: &mut String, texts: &BTreeSet<&str>) {
    let bare = word.trim_matches(['.', ':', '!', '?']);
    if !bare.is_empty() && texts.contains(bare) {
        general.push_str(&word.replacen(bare, "…", 1));
    } else {
        let mut is_in_number = false;
        for letter in word.chars() {
            match (letter.is_ascii_digit(), is_in_number) {
                (true, true) => {}
                (true, false) => general.push('#'),
                (false, _) => general.push(letter),
            }
            is_in_number = letter.is_ascii_digit();
        }
    }
    word.clear();
}

fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn allowed() -> Verdict {
        Verdict {
            is_allowed: true,
            message: None,
            code: None,
            warnings: Vec::new(),
            audit_annotations: BTreeMap::new(),
            object: None,
        }
    }

    fn denied(message: &str) -> Seen {
        Seen::Verdict(Verdict { is_allowed: false, message: Some(message.to_owned()), ..allowed() })
    }

    fn settings(message: Option<&str>) -> Seen {
        let message = message.map(str::to_owned);
        Seen::Settings(SettingsVerdict { valid: message.is_none(), message, at_server: None })
    }

    fn mutated(object: Value) -> Seen {
        Seen::Verdict(Verdict { object: Some(object), ..allowed() })
    }

    fn fault(kind: FaultKind, message: &str) -> Seen {
        Seen::Fault(Fault::new(kind, message))
    }

    /// `class: cause` of each change.
    fn found(old: &Seen, new: &Seen) -> Vec<String> {
        let document = json!({ "metadata": { "name": "web" }, "spec": { "a": [{ "b": 1 }] } });
        answers(old, new, Some(&document)).into_iter().map(|it| format!("{}: {}", it.class, it.cause)).collect()
    }

    #[test]
    fn every_change_of_an_answer_has_its_class() {
        let allow = Seen::Verdict(allowed());
        let warned = Seen::Verdict(Verdict { warnings: vec!["old".into()], code: Some(200), ..allowed() });
        let changed = |value: i32| mutated(json!({ "metadata": { "name": "web" }, "spec": { "a": [{ "b": value }] } }));
        for (old, new, wanted) in [
            (allow.clone(), denied("pod web has 3 \"x y\""), vec!["new-denial: pod … has # \"…\""]),
            (Seen::NotApplicable, denied("no"), vec!["new-denial: no"]),
            (denied("no"), allow.clone(), vec!["new-allowance: no"]),
            (denied("no"), Seen::NotApplicable, vec!["new-allowance: no"]),
            (Seen::NotApplicable, allow.clone(), vec![]),
            (denied("no"), denied("never"), vec!["wording: message: no → never"]),
            (allow.clone(), warned, vec!["wording: no code → code 200", "wording: warnings: none → old"]),
            (allow.clone(), changed(2), vec!["other-mutation: /spec/a/*/b"]),
            (changed(2), changed(3), vec!["other-mutation: /spec/a/*/b"]),
            (changed(2), Seen::NotApplicable, vec!["other-mutation: /spec/a/*/b"]),
            (settings(None), settings(Some("unknown `x`")), vec!["new-denial: settings are refused: unknown `…`"]),
            (settings(Some("a")), settings(None), vec!["new-allowance: settings are accepted: a"]),
            (settings(Some("a")), settings(Some("b")), vec!["wording: message about settings: a → b"]),
            (allow.clone(), fault(FaultKind::Settings, "s"), vec!["new-denial: settings are refused: s"]),
            (fault(FaultKind::Settings, "s"), denied("no"), vec!["new-allowance: settings are accepted: s"]),
            (allow.clone(), fault(FaultKind::Trap, "unreachable"), vec!["faults: new fault: trap: unreachable"]),
            (fault(FaultKind::Trap, "a"), denied("no"), vec!["faults: no fault any more: trap: a"]),
            (fault(FaultKind::Trap, "a"), fault(FaultKind::Trap, "b"), vec!["wording: message of a fault: a → b"]),
            (fault(FaultKind::Trap, "a"), fault(FaultKind::Guest, "b"), vec!["faults: another fault: trap → guest: b"]),
        ] {
            assert_eq!(found(&old, &new), wanted, "{old:?} → {new:?}");
            assert!(found(&old, &old).is_empty() && found(&new, &new).is_empty(), "{old:?}, {new:?}");
        }
    }

    #[test]
    fn an_answer_has_the_cause_of_all_that_are_alike() {
        let document = json!({ "metadata": { "name": "web" } });
        let found = |seen: &Seen| cause(seen, Some(&document));
        let pair = |cause: &str, message: &str| Some((cause.to_owned(), message.to_owned()));
        assert_eq!(found(&denied("pod web has 3 of \"x\"")), pair("pod … has # of \"…\"", "pod web has 3 of \"x\""));
        let changed = mutated(json!({ "metadata": { "name": "web", "labels": { "a": "b" } } }));
        assert_eq!(found(&changed), pair("/metadata/labels", r#"/metadata/labels: {"a":"b"}"#));
        assert_eq!(found(&fault(FaultKind::Trap, "web at 7")), pair("trap: … at #", "web at 7"));
        let refused = fault(FaultKind::Settings, &format!("{REFUSED}unknown `x`\nsettings: {{}}"));
        assert_eq!(found(&refused).unwrap().0, "settings: unknown `…`");
        assert!(found(&Seen::Verdict(allowed())).is_none() && found(&Seen::NotApplicable).is_none());
    }

    #[test]
    fn calls_are_privileges() {
        let call = |capability: &str, request: &str| HostCall {
            capability: capability.to_owned(),
            request: request.to_owned(),
            answered_by: policy_verify_model::hosting::AnsweredBy::Host,
            error: None,
            resource: None,
            reply: None,
        };
        let pods = call("kubernetes/list_resources_all", "v1/Pod");
        let one = call("oci/v1/manifest_digest", "a:1");
        let other = call("oci/v1/manifest_digest", "b:1");
        let found = |old: &[HostCall], new: &[HostCall]| {
            calls(old, new).into_iter().map(|it| format!("{}: {}", it.class, it.cause)).collect::<Vec<_>>()
        };
        assert!(found(&[one.clone(), pods.clone()], &[pods.clone(), one.clone(), pods.clone()]).is_empty());
        assert_eq!(
            found(std::slice::from_ref(&one), &[one.clone(), other.clone(), pods.clone()]),
            [
                "privilege: host call kubernetes/list_resources_all of v1/Pod",
                "privilege: host call oci/v1/manifest_digest with other requests"
            ]
        );
        assert_eq!(found(&[], &[one.clone(), other]), ["privilege: host call oci/v1/manifest_digest"]);
        assert_eq!(found(&[pods], &[]), ["other: no host call kubernetes/list_resources_all of v1/Pod any more"]);
    }

    #[test]
    fn hostile_messages_are_bounded() {
        let long = denied(&"é".repeat(100_000));
        for change in answers(&Seen::Verdict(allowed()), &long, None) {
            assert!(change.cause.chars().count() <= LONGEST + 1 && change.new.chars().count() <= LONGEST + 1);
        }
        assert_eq!(generalised("it's \"open", &BTreeSet::new()), "it's \"");
    }
}
