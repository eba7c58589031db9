//! The assertions of a case as one expectation.
//!
//! Gatekeeper counts the violations whose message matches. Kubewarden answers once, with all messages joined by `, `: as a
//! message may have a comma too, nothing in the answer counts them.

use std::sync::LazyLock;

use policy_verify_model::yaml::emit::Node;
use regex::{Captures, Regex};
use serde_json::Value;

use crate::imported::one_or_list;
use crate::tree::Tree;

/// Why a case says less than its assertions.
const NOT_COUNTED: &str = "the number of violations is not asserted: Kubewarden answers with one message";

/// What a case expects.
#[derive(Debug)]
pub(super) struct Expectation {
    /// `expect`
    pub(super) node: Node,
    /// Whether it allows different answers.
    pub(super) is_weak: bool,
    /// What it says differently.
    pub(super) notes: Vec<String>,
    /// What it does not say.
    pub(super) lost: Vec<String>,
}

/// How many violations match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    Any,
    Exactly(u64),
}

struct Assertion {
    count: Count,
    message: Option<String>,
}

impl Assertion {
    fn of(tree: &Tree) -> Result<Self, String> {
        let count = match tree.json_at("violations") {
            Value::Null | Value::Bool(true) => Count::Any,
            Value::Bool(false) => Count::Exactly(0),
            Value::Number(number) => {
                Count::Exactly(number.as_u64().ok_or_else(|| format!("`violations: {number}` is invalid"))?)
            }
            Value::String(text) if text == "yes" => Count::Any,
            Value::String(text) if text == "no" => Count::Exactly(0),
            other => return Err(format!("`violations: {other}` is invalid")),
        };
        let message = tree.text_at("message").filter(|message| !message.is_empty()).map(str::to_owned);
        Ok(Self { count, message })
    }
}

/// The expectation of a case, or why there is none.
pub(super) fn expectation(case: &Tree) -> Result<Expectation, String> {
    let all = case.list_at("assertions").into_iter().map(Assertion::of).collect::<Result<Vec<_>, _>>()?;
    if all.is_empty() {
        return Err("the case has no assertions, which Gatekeeper refuses".to_owned());
    }
    let unknown = case.list_at("assertions").into_iter().flat_map(Tree::entries);
    let unknown = unknown.filter(|(key, _)| key != "violations" && key != "message");
    let mut lost: Vec<String> = unknown.map(|(key, _)| format!("`{key}` of an assertion")).collect();
    let (wanted, unwanted): (Vec<_>, Vec<_>) = all.into_iter().partition(|it| it.count != Count::Exactly(0));
    if !wanted.is_empty() {
        if unwanted.iter().any(|it| it.message.is_none()) {
            return Err("the assertions contradict each other".to_owned());
        }
        return Ok(Denial::of(&wanted, &unwanted, lost).expectation());
    }
    if unwanted.iter().all(|it| it.message.is_some()) {
        let messages: Vec<&str> = unwanted.iter().filter_map(|it| it.message.as_deref()).collect();
        lost.push(format!("violations with another message than `{}` are fine for Gatekeeper", messages.join("`, `")));
    }
    Ok(Expectation { node: Node::text("accept"), is_weak: true, notes: Vec::new(), lost })
}

/// A rejection, and what is known of its message.
#[derive(Default)]
struct Denial {
    contains: Vec<String>,
    matches: Vec<String>,
    not: Vec<String>,
    notes: Vec<String>,
    lost: Vec<String>,
    /// Whether Gatekeeper counts: an answer with another number of violations is not the one that is meant.
    is_counted: bool,
}

impl Denial {
    fn of(wanted: &[Assertion], unwanted: &[Assertion], lost: Vec<String>) -> Self {
        let is_counted = wanted.iter().any(|it| it.count != Count::Any);
        let mut denial = Self { lost, is_counted, ..Self::default() };
        if is_counted {
            denial.lost.push(NOT_COUNTED.to_owned());
        }
        let is_single = wanted.iter().any(|it| it.message.is_none() && it.count == Count::Exactly(1));
        wanted.iter().filter_map(|it| it.message.as_deref()).for_each(|message| denial.message(message, is_single));
        for message in unwanted.iter().filter_map(|it| it.message.as_deref()) {
            if is_literal(message) {
                denial.not.push(message.to_owned());
            } else {
                denial.lost.push(format!("no violation matches `{message}`"));
            }
        }
        denial
    }

    /// Violations with a message; a single one is the whole answer.
    fn message(&mut self, message: &str, is_single: bool) {
        if is_literal(message) {
            self.contains.push(message.to_owned());
            return;
        }
        let Some(pattern) = valid(message) else {
            self.lost.push(format!("the regular expression `{message}` is none for verify"));
            return;
        };
        let is_anchored = pattern.starts_with('^') || (pattern.ends_with('$') && !pattern.ends_with("\\$"));
        if is_anchored && !is_single {
            self.notes.push("the messages of several violations are joined by `, `".to_owned());
            self.matches.push(joined(&pattern));
        } else {
            self.matches.push(pattern);
        }
    }

    fn expectation(self) -> Expectation {
        let parts = [("contains", self.contains), ("matches", self.matches), ("not", self.not)];
        let said: Vec<(String, Node)> = parts
            .into_iter()
            .filter(|(_, texts)| !texts.is_empty())
            .map(|(key, texts)| (key.to_owned(), one_or_list(texts)))
            .collect();
        // What must not be there still fits different messages. The answer of a run could have another number of violations.
        let is_weak = !self.is_counted && !said.iter().any(|(key, _)| key == "contains" || key == "matches");
        let node = if said.is_empty() {
            Node::text("deny")
        } else {
            Node::map([("deny", Node::Map(said.into_iter().collect()))])
        };
        Expectation { node, is_weak, notes: self.notes, lost: self.lost }
    }
}

/// Whether a regular expression matches only itself.
fn is_literal(pattern: &str) -> bool {
    !pattern.contains(['\\', '.', '+', '*', '?', '(', ')', '|', '[', ']', '{', '}', '^', '$'])
}

/// The expression as the crate `regex` reads it: Go takes braces that repeat nothing for themselves.
fn valid(pattern: &str) -> Option<String> {
    static BRACES: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\\.|\{[0-9]+(?:,[0-9]*)?\}|\{|\}").expect("the pattern is written here"));
    if Regex::new(pattern).is_ok() {
        return Some(pattern.to_owned());
    }
    let escaped = BRACES.replace_all(pattern, |found: &Captures<'_>| match &found[0] {
        brace @ ("{" | "}") => format!("\\{brace}"),
        other => other.to_owned(),
    });
    Regex::new(&escaped).is_ok().then(|| escaped.into_owned())
}

/// The expression for one message among several.
fn joined(pattern: &str) -> String {
    let start = pattern.strip_prefix('^');
    let middle = start.unwrap_or(pattern);
    let end = middle.strip_suffix('$').filter(|it| !it.ends_with('\\'));
    let middle = end.unwrap_or(middle);
    let before = if start.is_some() { "(?:^|, )" } else { "" };
    let after = if end.is_some() { "(?:, |$)" } else { "" };
    let inner = if middle.contains('|') { format!("(?:{middle})") } else { middle.to_owned() };
    format!("{before}{inner}{after}")
}

#[cfg(test)]
mod tests {
    use policy_verify_model::yaml::flow;

    use super::*;
    use crate::tree::documents;

    fn read(assertions: &str) -> Result<Expectation, String> {
        let text = format!("assertions: {assertions}\n");
        expectation(&documents("suite.yaml", &text).unwrap()[0])
    }

    #[test]
    fn assertions_are_one_expectation() {
        for (assertions, expect, is_weak, lost) in [
            ("[{ violations: no }]", "accept", true, 0),
            ("[{ violations: 0 }]", "accept", true, 0),
            ("[{ violations: 'no' }]", "accept", true, 0),
            ("[{ violations: no, message: x }]", "accept", true, 1),
            ("[{ violations: yes }]", "deny", true, 0),
            ("[{}]", "deny", true, 0),
            ("[{ violations: 1 }]", "deny", false, 1),
            ("[{ violations: 3 }]", "deny", false, 1),
            ("[{ message: no owner }]", "{ deny: { contains: no owner } }", false, 0),
            ("[{ violations: 1, message: a.b }]", "{ deny: { matches: a.b } }", false, 1),
            ("[{ violations: 1, message: a }]", "{ deny: { contains: a } }", false, 1),
            ("[{ violations: yes }, { violations: 2 }]", "deny", false, 1),
            ("[{ message: a }, { message: b }]", "{ deny: { contains: [a, b] } }", false, 0),
            ("[{ message: '^a.b$' }]", "{ deny: { matches: \"(?:^|, )a.b(?:, |$)\" } }", false, 0),
            ("[{ message: '^a|b' }]", "{ deny: { matches: \"(?:^|, )(?:a|b)\" } }", false, 0),
            ("[{ violations: 1 }, { message: '^a$' }]", "{ deny: { matches: ^a$ } }", false, 1),
            ("[{ violations: 2, message: a }]", "{ deny: { contains: a } }", false, 1),
            ("[{ violations: 2, message: ^a }]", "{ deny: { matches: \"(?:^|, )a\" } }", false, 1),
            ("[{ violations: 900 }]", "deny", false, 1),
            ("[{ message: a }, { violations: no, message: b }]", "{ deny: { contains: a, not: b } }", false, 0),
            ("[{ violations: yes }, { violations: 0, message: b }]", "{ deny: { not: b } }", true, 0),
            ("[{ message: a }, { violations: no, message: b.c }]", "{ deny: { contains: a } }", false, 1),
            ("[{ message: 'missing {\"a\"}.' }]", "{ deny: { matches: 'missing \\{\"a\"\\}.' } }", false, 0),
            ("[{ message: '(' }]", "deny", true, 1),
            ("[{ violations: yes, futureKey: 1 }]", "deny", true, 1),
        ] {
            let found = read(assertions).unwrap_or_else(|error| panic!("{assertions}: {error}"));
            let shown = flow::flow(&found.node).replace("\\\"", "\"").replace("\\\\", "\\");
            let wanted = expect.replace('\'', "\"");
            assert_eq!(
                (shown.as_str(), found.is_weak, found.lost.len()),
                (wanted.as_str(), is_weak, lost),
                "{assertions}"
            );
        }
    }

    #[test]
    fn assertions_that_cannot_hold_are_no_expectation() {
        for assertions in
            ["[]", "[{ violations: maybe }]", "[{ violations: -1 }]", "[{ violations: no }, { violations: 1 }]"]
        {
            assert!(read(assertions).is_err(), "{assertions}");
        }
    }

    #[test]
    fn expressions_find_their_message_among_several() {
        for (assertions, message, is_found) in [
            ("[{ message: '^a.c$' }]", "x, abc", true),
            ("[{ message: '^a.c$' }]", "x, abc, y", true),
            ("[{ message: '^a.c$' }]", "xabc", false),
            ("[{ violations: 2, message: '^a.c$' }]", "abc, adc", true),
            ("[{ violations: 1 }, { message: '^a.c$' }]", "abc, adc", false),
        ] {
            let node = serde_json::to_value(read(assertions).unwrap().node).unwrap();
            let pattern = Regex::new(node["deny"]["matches"].as_str().unwrap()).unwrap();
            assert_eq!(pattern.is_match(message), is_found, "{assertions} {message}");
        }
    }
}
