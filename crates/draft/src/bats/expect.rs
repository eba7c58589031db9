//! The expectation that is written for an answer.

use policy_verify_model::yaml::emit::Node;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::pattern::Pattern;
use super::problem::Problem;

/// An expectation that other answers meet, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    /// `accept`: the test did not look at the patch.
    Accept,
    /// `deny` without a message.
    Deny,
    /// `mutate` without a patch or an object.
    Mutate,
    /// `invalid` without a text.
    Invalid,
    /// `valid`: kwctl exited with 0, and the test did not look at the verdict.
    Valid,
}

/// What an answer becomes.
pub(super) struct Expected {
    pub(super) kind: Kind,
    pub(super) expect: Node,
    pub(super) weakness: Option<Weakness>,
    /// What of it is not expressed.
    pub(super) problems: Vec<Problem>,
}

/// The list of the suite that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Case,
    Settings,
}

/// The expectation for an answer. `has_settings` says whether settings were given.
pub(super) fn expected(answer: &Answer, has_settings: bool) -> Result<Expected, Problem> {
    if answer.is_empty() {
        return Err(Problem::NoAssertion);
    }
    if answer.success == Some(false) || (!answer.refusals.is_empty() && answer.verdict().is_none()) {
        return refusal(answer, has_settings);
    }
    let mut problems: Vec<Problem> = answer.refusals.iter().map(|it| Problem::Claim(it.shown())).collect();
    problems.extend(answer.unexpressed.iter().cloned().map(Problem::Claim));
    let has_text = answer.texts.iter().any(|(_, holds)| *holds);
    let allowed = match answer.verdict() {
        Some(allowed) => allowed,
        None if answer.is_mutated() => true,
        None if answer.code.is_some() || answer.messages.iter().any(|(_, holds)| *holds) => false,
        None if has_text => {
            problems.push(Problem::GuessedDenial);
            false
        }
        None if answer.has_patch == Some(false) => true,
        None => return settings_valid(answer, problems),
    };
    let mut expected = if allowed { acceptance(answer, problems) } else { denial(answer, problems) };
    extras(answer, allowed, &mut expected);
    Ok(expected)
}

fn settings_valid(answer: &Answer, mut problems: Vec<Problem>) -> Result<Expected, Problem> {
    problems.extend(answer.texts.iter().map(|(pattern, _)| Problem::Claim(pattern.shown())));
    Ok(Expected { kind: Kind::Settings, expect: Node::text("valid"), weakness: Some(Weakness::Valid), problems })
}

fn refusal(answer: &Answer, has_settings: bool) -> Result<Expected, Problem> {
    if answer.verdict().is_some() || answer.is_mutated() {
        return Err(Problem::Contradiction);
    }
    let mut texts: Vec<(Pattern, bool)> =
        answer.refusals.iter().filter(|it| !it.pieces.is_empty()).map(|it| (it.clone(), true)).collect();
    texts.extend(answer.texts.iter().chain(&answer.messages).cloned());
    let is_told = has_settings || !answer.refusals.is_empty() || !texts.is_empty();
    let problems = if is_told { Vec::new() } else { vec![Problem::Failure] };
    let (expect, weakness) = match text_node(&texts) {
        Some(texts) => (Node::map([("invalid", texts)]), None),
        None => (Node::text("invalid"), Some(Weakness::Invalid)),
    };
    Ok(Expected { kind: Kind::Settings, expect, weakness, problems })
}

fn denial(answer: &Answer, problems: Vec<Problem>) -> Expected {
    let texts: Vec<(Pattern, bool)> = answer.messages.iter().chain(&answer.texts).cloned().collect();
    let (expect, has_message) = match text_node(&texts) {
        Some(texts) => (Node::map([("deny", texts)]), true),
        None => (Node::text("deny"), false),
    };
    let is_weak = !has_message && answer.code.is_none();
    Expected { kind: Kind::Case, expect, weakness: is_weak.then_some(Weakness::Deny), problems }
}

fn acceptance(answer: &Answer, mut problems: Vec<Problem>) -> Expected {
    // An allowed answer seldom has a message, and nothing but a whole response can expect one.
    for (pattern, holds) in answer.texts.iter().chain(&answer.messages) {
        let is_expressed =
            *holds && answer.messages.iter().any(|(other, _)| other == pattern) && exact_text(pattern).is_some();
        if !is_expressed {
            let not = if *holds { "" } else { "not " };
            problems.push(Problem::Claim(format!("{not}{}", pattern.shown())));
        }
    }
    let (expect, weakness) = match (mutation(answer, &mut problems), answer.has_patch) {
        (Some(mutation), _) => (Node::map([("mutate", mutation)]), None),
        (None, Some(true)) => (Node::text("mutate"), Some(Weakness::Mutate)),
        (None, Some(false)) => (Node::text("allow"), None),
        (None, None) if answer.is_mutated() => (Node::text("mutate"), Some(Weakness::Mutate)),
        (None, None) => (Node::text("accept"), Some(Weakness::Accept)),
    };
    Expected { kind: Kind::Case, expect, weakness, problems }
}

/// `mutate: {…}`
fn mutation(answer: &Answer, problems: &mut Vec<Problem>) -> Option<Node> {
    let mut members = Node::map([]);
    if let Some(patch) = &answer.patch {
        members.push("patch", Node::of(patch).ok()?);
        return Some(members);
    }
    let mut object = Value::Null;
    for (item, steps, value) in &answer.values {
        let path =
            answer.operations.iter().find(|(other, _)| other.as_ref() == Some(item)).and_then(|(_, it)| it.get("path"));
        let is_set = path.and_then(Value::as_str).is_some_and(|path| set(&mut object, path, steps, value));
        if !is_set {
            problems.push(Problem::Claim(format!("patch[].value.{} == {value}", steps.join("."))));
        }
    }
    let operations: Vec<&Map<String, Value>> =
        answer.operations.iter().map(|(_, members)| members).filter(|it| !it.is_empty()).collect();
    if !object.is_null() {
        members.push("object", Node::of(&object).ok()?);
    }
    if !operations.is_empty() {
        members.push("includes", Node::of(&operations).ok()?);
    }
    (members != Node::map([])).then_some(members)
}

/// Puts a value where an operation put it. Items of lists before it match anything.
fn set(object: &mut Value, path: &str, steps: &[String], value: &Value) -> bool {
    let unescape = |step: &str| step.replace("~1", "/").replace("~0", "~");
    let all: Vec<String> = path.split('/').skip(1).map(unescape).chain(steps.iter().cloned()).collect();
    let mut at = object;
    for step in &all {
        if step == "-" {
            return false;
        }
        at = match step.parse::<usize>() {
            Ok(index) if index < 100 && !at.is_object() => {
                if !at.is_array() {
                    *at = Value::Array(Vec::new());
                }
                let Value::Array(items) = at else { return false };
                while items.len() <= index {
                    items.push(Value::Object(Map::new()));
                }
                &mut items[index]
            }
            _ => {
                if !at.is_object() {
                    *at = Value::Object(Map::new());
                }
                let Value::Object(members) = at else { return false };
                members.entry(step.clone()).or_insert(Value::Null)
            }
        };
    }
    *at = value.clone();
    true
}

/// Code, warnings and annotations. What is only known in part needs the whole response.
fn extras(answer: &Answer, allowed: bool, expected: &mut Expected) {
    let message = answer.messages.iter().find_map(|(pattern, holds)| exact_text(pattern).filter(|_| *holds));
    let is_partial =
        !answer.some_annotations.is_empty() || warnings(answer).is_none() || (allowed && message.is_some());
    if is_partial {
        let is_simple = answer.texts.is_empty()
            && answer.messages.len() <= 1
            && answer.messages.len() == usize::from(message.is_some());
        if is_simple && !matches!(expected.expect, Node::Map(ref members) if members.contains_key("mutate")) {
            expected.expect = response(answer, allowed, message);
            expected.weakness = None;
        } else {
            expected.problems.push(Problem::Claim("warnings and annotations".to_owned()));
        }
        return;
    }
    let mut members: Vec<(&str, Node)> = Vec::new();
    members.extend(answer.code.map(|code| ("code", Node::Number(code.into()))));
    members.extend(warnings(answer).flatten().and_then(|it| Node::of(&it).ok()).map(|it| ("warnings", it)));
    members.extend(answer.annotations.as_ref().and_then(|it| Node::of(it).ok()).map(|it| ("auditAnnotations", it)));
    if members.is_empty() {
        return;
    }
    if let Node::Text(word) = &expected.expect {
        expected.expect = Node::map([(word.as_str(), Node::Bool(true))]);
        // `deny: true` would be a message.
        if let Node::Map(map) = &mut expected.expect {
            map.iter_mut().filter(|(key, _)| *key != "allow").for_each(|(_, value)| *value = Node::Null);
        }
    }
    members.into_iter().for_each(|(key, value)| expected.expect.push(key, value));
}

/// All warnings, if they are known; the inner `None` if nothing is asserted about them.
fn warnings(answer: &Answer) -> Option<Option<Vec<String>>> {
    match (&answer.warnings, answer.some_warnings.len(), answer.warning_count) {
        (Some(all), 0, _) => Some(Some(all.clone())),
        (None, 0, None) => Some(None),
        (None, 0, Some(0)) => Some(Some(Vec::new())),
        (None, known, Some(count)) if known as u64 == count => {
            Some(Some(answer.some_warnings.values().cloned().collect()))
        }
        _ => None,
    }
}

fn response(answer: &Answer, allowed: bool, message: Option<&str>) -> Node {
    let mut response = Node::map([("allowed", Node::Bool(allowed))]);
    let mut status = Node::map([]);
    if let Some(message) = message {
        status.push("message", Node::text(message));
    }
    if let Some(code) = answer.code {
        status.push("code", Node::Number(code.into()));
    }
    if status != Node::map([]) {
        response.push("status", status);
    }
    if answer.has_patch == Some(false) {
        response.push("patch", Node::Null);
    }
    let last = answer.some_warnings.keys().next_back().filter(|last| **last < 100);
    if let Some(last) = last {
        // `{}` matches any value.
        let texts = (0..=*last).map(|index| answer.some_warnings.get(&index).map_or_else(|| Node::map([]), Node::text));
        response.push("warnings", Node::List(texts.collect()));
    }
    if !answer.some_annotations.is_empty() {
        response.push("auditAnnotations", Node::of(&answer.some_annotations).unwrap_or(Node::Null));
    }
    Node::map([("response", response)])
}

/// `text`, or `{contains, matches, not}`.
fn text_node(texts: &[(Pattern, bool)]) -> Option<Node> {
    let (mut contains, mut matches, mut not, mut exact) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (pattern, holds) in texts {
        let list = match (holds, exact_text(pattern), pattern.as_text()) {
            (true, Some(text), _) => (&mut exact, text.to_owned()),
            (true, None, Some("")) => continue,
            (true, None, Some(text)) if !pattern.starts && !pattern.ends => (&mut contains, text.to_owned()),
            (true, ..) => (&mut matches, pattern.to_regex()),
            (false, _, Some(text)) => (&mut not, text.to_owned()),
            (false, _, None) => (&mut not, pattern.shown()),
        };
        if !list.0.contains(&list.1) {
            list.0.push(list.1);
        }
    }
    // A whole text says all that parts of it say.
    if let ([text], true) = (exact.as_slice(), not.is_empty()) {
        return Some(Node::text(text));
    }
    matches.extend(exact.iter().map(|text| Pattern { starts: true, ends: true, ..Pattern::fixed(text) }.to_regex()));
    let mut node = Node::map([]);
    for (key, mut list) in [("contains", contains), ("matches", matches), ("not", not)] {
        match list.len() {
            0 => {}
            1 => node.push(key, Node::text(list.remove(0))),
            _ => node.push(key, Node::List(list.into_iter().map(Node::text).collect())),
        }
    }
    (node != Node::map([])).then_some(node)
}

/// The text that the pattern is equal to.
fn exact_text(pattern: &Pattern) -> Option<&str> {
    pattern.as_text().filter(|text| pattern.starts && pattern.ends && !text.is_empty())
}
