//! Compares two JSON documents field by field, and renders the differences for people.
//!
//! Numbers are compared as they are written: `1` and `1.0` differ, as in the patch computation of the server. The
//! rendering keeps the two apart, so that the mismatch explains itself.

use std::collections::{BTreeSet, HashMap};
use std::io;

use serde_json::Value;

use policy_verify_model::long_text::shortened;
use policy_verify_model::outcome::{Mismatch, MismatchKind};
use policy_verify_model::source::Span;
use policy_verify_model::suite::DocumentExpectation;
use policy_verify_model::yaml::emit;

/// Longest rendering of a value, in characters.
const LONGEST: usize = 300;

/// Longest rendering of a mapping or list in one line, in bytes; a longer one is YAML.
const LONGEST_IN_A_LINE: usize = 60;

/// Lines of a value that is rendered as YAML.
const MOST_LINES: usize = 200;

/// How many differences one expectation reports; inserting at the front of a long array would otherwise flood the report.
const MOST_DIFFERENCES: usize = 20;

/// Bytes of the differences that are kept; a path repeats the keys on its way, and a value may be the whole document.
const MOST_BYTES: usize = 4 << 20;

/// Bytes of a value beyond which only its beginning is rendered.
const LARGE: usize = 256 << 10;

/// Bytes of a place in a mismatch.
const LONGEST_PLACE: usize = 1000;

/// How strictly two documents are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Objects match by the given keys, arrays by index or, where all items have names, by name; a longer actual array
    /// fits, `{}` matches any value that is there, and `null` means absent or null.
    Subset,
    /// Both documents are equal.
    Exact,
}

/// One place at which two documents differ.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    /// JSON pointer of the place.
    pub(crate) pointer: String,
    /// What was expected there; nothing when the place should not exist.
    pub(crate) expected: Option<Value>,
    /// What is there.
    pub(crate) actual: Option<Value>,
}

/// Where two documents differ: the first places, and how many more there are.
#[derive(Debug, Default)]
pub(crate) struct Differences {
    /// The first of them.
    pub(crate) first: Vec<Difference>,
    /// How many were only counted.
    pub(crate) more: usize,
}

/// Where `actual` differs from `expected`, in the order of the expected keys.
pub(crate) fn differences(expected: &Value, actual: &Value, mode: Mode) -> Differences {
    let mut found = Found::new(&|_| true);
    match mode {
        Mode::Subset => subset(expected, Some(actual), &mut found),
        Mode::Exact => exact(Some(expected), Some(actual), Depth::Whole, &mut found),
    }
    found.differences
}

/// Every leaf that is not the same before and after, and whose place is wanted: scalars, empty containers, and members of
/// containers that appeared or disappeared. `expected` of each entry is the value before, `actual` the value after.
pub(crate) fn changed_leaves(before: &Value, after: &Value, is_wanted: &dyn Fn(&str) -> bool) -> Differences {
    let mut found = Found::new(is_wanted);
    exact(Some(before), Some(after), Depth::Leaves, &mut found);
    found.differences
}

/// The differences found so far, and the place at which the next is looked for. What is kept is bounded, so that two long
/// lists do not become a list of all their items.
struct Found<'a> {
    is_wanted: &'a dyn Fn(&str) -> bool,
    differences: Differences,
    at: String,
    bytes: usize,
}

impl<'a> Found<'a> {
    fn new(is_wanted: &'a dyn Fn(&str) -> bool) -> Self {
        Self { is_wanted, differences: Differences::default(), at: String::new(), bytes: 0 }
    }

    /// Looks at a member, whose name is escaped as in RFC 6901.
    fn at_member(&mut self, key: &str, look: impl FnOnce(&mut Self)) {
        let len = self.at.len();
        self.at.push('/');
        match key.contains(['~', '/']) {
            true => self.at.push_str(&key.replace('~', "~0").replace('/', "~1")),
            false => self.at.push_str(key),
        }
        look(self);
        self.at.truncate(len);
    }

    /// Looks at an item.
    fn at_item(&mut self, index: usize, look: impl FnOnce(&mut Self)) {
        self.at_member(&index.to_string(), look);
    }

    /// Keeps a difference here.
    fn push(&mut self, expected: Option<&Value>, actual: Option<&Value>) {
        if !(self.is_wanted)(&self.at) {
            return;
        }
        if self.differences.first.len() == MOST_DIFFERENCES || self.bytes > MOST_BYTES {
            self.differences.more += 1;
            return;
        }
        self.bytes += self.at.len() + expected.map_or(0, size) + actual.map_or(0, size);
        let (expected, actual) = (expected.cloned(), actual.cloned());
        self.differences.first.push(Difference { pointer: self.at.clone(), expected, actual });
    }
}

/// About how many bytes a value takes.
fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(size).sum::<usize>() + 32,
        Value::Object(members) => members.iter().map(|(key, member)| key.len() + size(member) + 64).sum::<usize>() + 32,
        Value::String(text) => text.len() + 32,
        Value::Null | Value::Bool(_) | Value::Number(_) => 32,
    }
}

fn subset(expected: &Value, actual: Option<&Value>, found: &mut Found<'_>) {
    let is_met = match (expected, actual) {
        (Value::Null, None | Some(Value::Null)) => true,
        (Value::Object(wanted), Some(_)) if wanted.is_empty() => true,
        (Value::Object(wanted), Some(Value::Object(given))) => {
            for (key, value) in wanted {
                found.at_member(key, |found| subset(value, given.get(key), found));
            }
            true
        }
        (Value::Array(wanted), Some(Value::Array(given))) => {
            let named = both_named(wanted, given);
            for (index, value) in wanted.iter().enumerate() {
                let same = match &named {
                    Some((wanted, given)) => given.get(wanted.names[index]),
                    None => given.get(index),
                };
                found.at_item(index, |found| subset(value, same, found));
            }
            true
        }
        // `{status: {message: null}}` expects no message; a missing status has none either.
        (Value::Object(_), None | Some(Value::Null)) => holds_for_absent(expected),
        (expected, actual) => Some(expected) == actual,
    };
    if !is_met {
        found.push(Some(expected), actual);
    }
}

/// Whether an expected member is satisfied by an absent parent. An empty object is not: it expects a value.
fn holds_for_absent(expected: &Value) -> bool {
    match expected {
        Value::Null => true,
        Value::Object(members) => !members.is_empty() && members.values().all(holds_for_absent),
        _ => false,
    }
}

/// How far [`exact`] looks into a container that only one side has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// The container is one difference.
    Whole,
    /// Each of its leaves is one.
    Leaves,
}

fn exact(expected: Option<&Value>, actual: Option<&Value>, depth: Depth, found: &mut Found<'_>) {
    match (expected, actual) {
        (Some(Value::Object(wanted)), Some(Value::Object(given))) => {
            let keys: BTreeSet<&String> = wanted.keys().chain(given.keys()).collect();
            for key in keys {
                found.at_member(key, |found| exact(wanted.get(key), given.get(key), depth, found));
            }
        }
        (Some(Value::Array(wanted)), Some(Value::Array(given))) => {
            let named = if depth == Depth::Whole { both_named(wanted, given) } else { None };
            match named.filter(|(wanted, given)| wanted.names != given.names) {
                Some((wanted, given)) => exact_by_name(&wanted, &given, found),
                None => {
                    for index in 0..wanted.len().max(given.len()) {
                        found.at_item(index, |found| exact(wanted.get(index), given.get(index), depth, found));
                    }
                }
            }
        }
        (Some(Value::Object(members)), None) if depth == Depth::Leaves && !members.is_empty() => {
            for (key, value) in members {
                found.at_member(key, |found| exact(Some(value), None, depth, found));
            }
        }
        (None, Some(Value::Object(members))) if depth == Depth::Leaves && !members.is_empty() => {
            for (key, value) in members {
                found.at_member(key, |found| exact(None, Some(value), depth, found));
            }
        }
        (Some(Value::Array(items)), None) if depth == Depth::Leaves && !items.is_empty() => {
            for (index, value) in items.iter().enumerate() {
                found.at_item(index, |found| exact(Some(value), None, depth, found));
            }
        }
        (None, Some(Value::Array(items))) if depth == Depth::Leaves && !items.is_empty() => {
            for (index, value) in items.iter().enumerate() {
                found.at_item(index, |found| exact(None, Some(value), depth, found));
            }
        }
        (expected, actual) if expected == actual => {}
        (expected, actual) => found.push(expected, actual),
    }
}

/// A list such as `containers`: each item has a name, and no other the same.
struct NamedItems<'a> {
    /// In the order of the list.
    names: Vec<&'a str>,
    by_name: HashMap<&'a str, &'a Value>,
}

impl<'a> NamedItems<'a> {
    /// Nothing for a list of any other kind.
    fn of(items: &'a [Value]) -> Option<Self> {
        let names: Vec<&str> = items.iter().map(|item| item.get("name")?.as_str()).collect::<Option<_>>()?;
        let by_name: HashMap<&str, &Value> = names.iter().copied().zip(items).collect();
        (by_name.len() == names.len()).then_some(Self { names, by_name })
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.by_name.get(name).copied()
    }

    /// The names that another list has as well, in the order of this one.
    fn shared_with(&self, other: &Self) -> Vec<Value> {
        self.names.iter().filter(|name| other.get(name).is_some()).map(|name| Value::from(*name)).collect()
    }
}

/// Two lists whose items match by name.
fn both_named<'a>(wanted: &'a [Value], given: &'a [Value]) -> Option<(NamedItems<'a>, NamedItems<'a>)> {
    NamedItems::of(wanted).zip(NamedItems::of(given))
}

/// Lists with names, item by item. Another order is a difference, too.
fn exact_by_name(wanted: &NamedItems<'_>, given: &NamedItems<'_>, found: &mut Found<'_>) {
    for (index, name) in wanted.names.iter().enumerate() {
        found.at_item(index, |found| exact(wanted.get(name), given.get(name), Depth::Whole, found));
    }
    for (index, name) in given.names.iter().enumerate().filter(|(_, name)| wanted.get(name).is_none()) {
        found.at_item(index, |found| exact(None, given.get(name), Depth::Whole, found));
    }
    let (left, right) = (wanted.shared_with(given), given.shared_with(wanted));
    if left != right {
        found.push(Some(&left.into()), Some(&right.into()));
    }
}

/// Turns differences into mismatches. `prefix` goes in front of every pointer; `span_of` finds the place in the suite.
pub(crate) fn mismatches(
    differences: &Differences,
    kind: MismatchKind,
    prefix: &str,
    span_of: impl Fn(&str) -> Span,
) -> Vec<Mismatch> {
    let each = |difference: &Difference| {
        let (expected, actual) = render_pair(difference.expected.as_ref(), difference.actual.as_ref());
        let at = place(prefix, &difference.pointer);
        Mismatch { kind, at, expected, actual, span: span_of(&difference.pointer) }
    };
    at_most(differences, kind, prefix, span_of(""), each)
}

/// A place in a document for people.
pub(crate) fn place(prefix: &str, pointer: &str) -> String {
    format!("{prefix}{}", shortened(pointer, LONGEST_PLACE))
}

/// The mismatches of the first differences, and one more that counts the others.
pub(crate) fn at_most(
    differences: &Differences,
    kind: MismatchKind,
    prefix: &str,
    span: Span,
    each: impl Fn(&Difference) -> Mismatch,
) -> Vec<Mismatch> {
    let mut mismatches: Vec<Mismatch> = differences.first.iter().map(each).collect();
    if differences.more > 0 {
        mismatches.push(Mismatch {
            kind,
            at: prefix.to_owned(),
            expected: "no further differences".into(),
            actual: format!("{} more", differences.more),
            span,
        });
    }
    mismatches
}

/// The span closest to a pointer into an expected document: its own, that of the nearest parent, or that of the document.
pub(crate) fn nearest_span(document: &DocumentExpectation, pointer: &str) -> Span {
    let mut rest = pointer;
    loop {
        if let Some(span) = document.spans.get(rest) {
            return span.clone();
        }
        match rest.rfind('/') {
            Some(end) => rest = &rest[..end],
            None => return document.expected.span.clone(),
        }
    }
}

/// A value for people: compact JSON of a bounded length.
pub(crate) fn render(value: Option<&Value>) -> String {
    cut(&compact(value), 0)
}

/// Two values for people. Where both are long, the part in which they differ stays visible.
pub(crate) fn render_pair(expected: Option<&Value>, actual: Option<&Value>) -> (String, String) {
    let is_document = |value: &Value| value.is_object() || value.is_array();
    let is_long = |value: Option<&Value>| {
        value.is_some_and(|value| is_document(value) && compact(Some(value)).len() > LONGEST_IN_A_LINE)
    };
    let is_large = |value: Option<&Value>| value.is_some_and(|value| is_document(value) && size(value) > LARGE);
    if (is_long(expected) || is_long(actual)) && !is_large(expected) && !is_large(actual) {
        return (in_lines(expected), in_lines(actual));
    }
    let (expected, actual) = (compact(expected), compact(actual));
    let focus = expected.chars().zip(actual.chars()).take_while(|(left, right)| left == right).count();
    (cut(&expected, focus), cut(&actual, focus))
}

/// A value as YAML, whose lines a report can compare; its last lines are left out where there are too many.
fn in_lines(value: Option<&Value>) -> String {
    let yaml = value.and_then(|value| match value {
        Value::Object(_) | Value::Array(_) => Some(emit::Node::of(value).ok()?.to_yaml()),
        _ => None,
    });
    let Some(yaml) = yaml else { return cut(&compact(value), 0) };
    let lines: Vec<&str> = yaml.trim_end().lines().collect();
    let mut shown: Vec<String> = lines.iter().take(MOST_LINES).map(|line| cut(line, 0)).collect();
    if lines.len() > MOST_LINES {
        shown.push(format!("… {} more lines", lines.len() - MOST_LINES));
    }
    shown.join("\n")
}

/// A text for people: quoted and escaped as in JSON, of a bounded length, the character number `focus` being visible.
pub(crate) fn quote(text: &str, focus: usize) -> String {
    cut(&Value::from(text).to_string(), focus)
}

/// A value as JSON; of a large document the beginning, and how large it is.
fn compact(value: Option<&Value>) -> String {
    let Some(value) = value else { return "(absent)".to_owned() };
    let bytes = size(value);
    if bytes <= LARGE || value.is_string() {
        return value.to_string();
    }
    let mut beginning = Beginning(Vec::new());
    // It ends with an error once there is enough.
    let _ = serde_json::to_writer(&mut beginning, value);
    format!("{}… (a document of about {} KiB)", String::from_utf8_lossy(&beginning.0), bytes >> 10)
}

/// Keeps the first bytes that are written.
struct Beginning(Vec<u8>);

impl io::Write for Beginning {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = LONGEST.saturating_sub(self.0.len());
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() > room { Err(io::ErrorKind::WriteZero.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Shortens a text in its middle, or around `focus` where the middle is what matters.
pub(crate) fn cut(text: &str, focus: usize) -> String {
    let length = text.chars().count();
    if length <= LONGEST {
        return text.to_owned();
    }
    let slice = |from: usize, count: usize| text.chars().skip(from).take(count).collect::<String>();
    let half = (LONGEST - 1) / 2;
    // A focus close to either end is visible when the middle is left out; the margin shows what follows it.
    let margin = 20;
    if focus + margin < half || focus > length - half {
        return format!("{}…{}", slice(0, LONGEST - 1 - half), slice(length - half, half));
    }
    let shown = LONGEST - 2;
    let from = focus.saturating_sub(shown / 2).min(length - shown);
    format!("…{}…", slice(from, shown))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(found: &Differences) -> Vec<String> {
        let render = |value: &Option<Value>| render(value.as_ref());
        assert_eq!(found.more, 0);
        found.first.iter().map(|d| format!("{} {} {}", d.pointer, render(&d.expected), render(&d.actual))).collect()
    }

    #[test]
    fn a_subset_looks_only_at_what_is_given() {
        let nothing: [&str; 0] = [];
        for (expected, actual, wanted) in [
            (json!({}), json!({"a": 1}), nothing.as_slice()),
            (json!({}), json!("text"), &[]),
            (json!({"a": {}}), json!({"a": [1]}), &[]),
            (json!({"a": {}}), json!({"a": null}), &[]),
            (json!({"a": {}}), json!({}), &["/a {} (absent)"]),
            (json!({"a": 1}), json!({"a": 1, "b": 2}), &[]),
            (json!({"a": 1}), json!({"a": 2}), &["/a 1 2"]),
            (json!({"a": 1}), json!({"a": 1.0}), &["/a 1 1.0"]),
            (json!({"a": 1}), json!({"a": "1"}), &["/a 1 \"1\""]),
            (json!({"a": null}), json!({}), &[]),
            (json!({"a": null}), json!({"a": null}), &[]),
            (json!({"a": null}), json!({"a": 0}), &["/a null 0"]),
            (json!({"a": {"b": null}}), json!({}), &[]),
            (json!({"a": {"b": {"c": null}}}), json!({"a": null}), &[]),
            (json!({"a": {"b": null}}), json!({"a": 1}), &["/a {\"b\":null} 1"]),
            (json!({"a": {"b": null, "c": 1}}), json!({}), &["/a {\"b\":null,\"c\":1} (absent)"]),
            (json!([]), json!([1]), &[]),
            (json!([]), json!({}), &[" [] {}"]),
            (json!([1]), json!([1, 2]), &[]),
            (json!([1, 2]), json!([1]), &["/1 2 (absent)"]),
            (json!([null]), json!([]), &[]),
            (json!([{"a": 1}]), json!([{"a": 2, "b": 1}]), &["/0/a 1 2"]),
            (json!({"a/b": {"c~d": 1}}), json!({"a/b": {"c~d": 2}}), &["/a~1b/c~0d 1 2"]),
            (json!({"a": 1, "b": 2}), json!({}), &["/a 1 (absent)", "/b 2 (absent)"]),
        ] {
            let found = shown(&differences(&expected, &actual, Mode::Subset));
            assert_eq!(found, wanted, "{expected} against {actual}");
        }
    }

    #[test]
    fn lists_of_objects_match_by_name() {
        let list =
            |names: &[&str]| -> Value { names.iter().map(|name| json!({"name": name, "image": name})).collect() };
        let nothing: [&str; 0] = [];
        for (expected, actual, wanted) in [
            (list(&["b"]), list(&["a", "b"]), nothing.as_slice()),
            (list(&["b", "a"]), list(&["a", "b"]), &[]),
            (json!([{"name": "b", "image": "x"}]), list(&["a", "b"]), &["/0/image \"x\" \"b\""]),
            (json!([{"name": "c"}]), list(&["a", "b"]), &["/0 {\"name\":\"c\"} (absent)"]),
            // Without names, or with one name twice, the index decides.
            (json!([{"image": "b"}]), list(&["a", "b"]), &["/0/image \"b\" \"a\""]),
            (list(&["b"]), list(&["a", "b", "b"]), &["/0/image \"b\" \"a\"", "/0/name \"b\" \"a\""]),
        ] {
            let found = shown(&differences(&expected, &actual, Mode::Subset));
            assert_eq!(found, wanted, "{expected} against {actual}");
        }
        for (expected, actual, wanted) in [
            (list(&["a", "b"]), list(&["a", "b"]), nothing.as_slice()),
            (list(&["a", "b"]), list(&["b", "a"]), &[" [\"a\",\"b\"] [\"b\",\"a\"]"]),
            (list(&["a"]), list(&["side", "a"]), &["/0 (absent) {\"image\":\"side\",\"name\":\"side\"}"]),
            (list(&["a", "b"]), list(&["b"]), &["/0 {\"image\":\"a\",\"name\":\"a\"} (absent)"]),
            (
                json!([{"name": "a", "image": 1}, {"name": "b"}]),
                json!([{"name": "b"}, {"name": "a", "image": 2}]),
                &["/0/image 1 2", " [\"a\",\"b\"] [\"b\",\"a\"]"],
            ),
        ] {
            let found = shown(&differences(&expected, &actual, Mode::Exact));
            assert_eq!(found, wanted, "{expected} against {actual}");
        }
    }

    #[test]
    fn nested_values_are_yaml() {
        let value = json!({"name": "web", "image": "ghcr.io/acme/web:1", "resources": {"limits": {"cpu": "1"}}});
        let (expected, actual) = render_pair(Some(&value), None);
        assert_eq!(expected.lines().count(), 5, "{expected}");
        assert!(expected.contains("\nresources:\n  limits:\n    cpu: '1'") && actual == "(absent)", "{expected}");
        let short = json!({"name": "web"});
        assert_eq!(render_pair(Some(&short), None).0, short.to_string());
        let long: Value = (0..MOST_LINES + 7).collect::<Vec<_>>().into();
        assert!(render_pair(Some(&long), None).0.ends_with("\n… 7 more lines"));
    }

    #[test]
    fn exact_means_equal() {
        for (expected, actual, wanted) in [
            (json!({"a": [1, {"b": 2}]}), json!({"a": [1, {"b": 2}]}), [].as_slice()),
            (json!({}), json!({"a": {"b": 1}}), &["/a (absent) {\"b\":1}"]),
            (json!({"a": null}), json!({}), &["/a null (absent)"]),
            (json!({"a": [1]}), json!({"a": [1, 2]}), &["/a/1 (absent) 2"]),
            (json!({"a": [1, 2]}), json!({"a": [1]}), &["/a/1 2 (absent)"]),
            (json!({"a": 1, "c": 3}), json!({"a": 2, "b": 2}), &["/a 1 2", "/b (absent) 2", "/c 3 (absent)"]),
            (json!(1), json!(1.0), &[" 1 1.0"]),
        ] {
            assert_eq!(shown(&differences(&expected, &actual, Mode::Exact)), wanted, "{expected} against {actual}");
        }
    }

    #[test]
    fn changed_leaves_are_the_ends_of_the_changed_branches() {
        for (before, after, wanted) in [
            (json!({"a": 1}), json!({"a": 1}), [].as_slice()),
            (json!({}), json!({"a": {"b": 1, "c": [2]}}), &["/a/b (absent) 1", "/a/c/0 (absent) 2"]),
            (json!({"a": {"b": [1]}}), json!({}), &["/a/b/0 1 (absent)"]),
            (json!({}), json!({"a": {}}), &["/a (absent) {}"]),
            (json!({"a": {"b": 1}}), json!({"a": "x"}), &["/a {\"b\":1} \"x\""]),
            (json!([1, 2]), json!([0, 1, 2]), &["/0 1 0", "/1 2 1", "/2 (absent) 2"]),
        ] {
            assert_eq!(shown(&changed_leaves(&before, &after, &|_| true)), wanted, "{before} to {after}");
        }
    }

    #[test]
    fn long_values_are_cut_where_nothing_is_lost() {
        let long = |middle: &str| format!("{}{middle}{}", "a".repeat(600), "z".repeat(600));
        let (expected, actual) = render_pair(Some(&json!(long("ONE"))), Some(&json!(long("TWO"))));
        assert_eq!((expected.chars().count(), actual.chars().count()), (LONGEST, LONGEST));
        assert!(expected.contains("ONE") && actual.contains("TWO"), "{expected}\n{actual}");

        let plain = render(Some(&json!(long("ONE"))));
        assert_eq!(plain.chars().count(), LONGEST);
        assert!(plain.starts_with("\"aaa") && plain.ends_with("zzz\"") && plain.contains("a…z"), "{plain}");
    }

    #[test]
    fn every_focus_is_visible_and_no_cut_is_too_long() {
        for length in [301, 302, 310, 449, 450, 451, 700] {
            let text: String = (0..length).map(|i| char::from_u32(0x4e00 + i).expect("a letter")).collect();
            for (focus, letter) in text.chars().enumerate() {
                let shown = cut(&text, focus);
                assert!(shown.chars().count() <= LONGEST, "{length} {focus}");
                assert!(shown.contains(letter), "{length} {focus}");
            }
        }
    }

    #[test]
    fn floods_end_in_a_count() {
        let found = changed_leaves(&json!([]), &json!((0..50).collect::<Vec<_>>()), &|_| true);
        let mismatches =
            mismatches(&found, MismatchKind::Mutation, "/object", |_| crate::compare::tests::span("expect"));
        assert_eq!(mismatches.len(), MOST_DIFFERENCES + 1);
        assert_eq!(mismatches[MOST_DIFFERENCES].actual, "30 more");
        assert_eq!(mismatches[1].at, "/object/1");
    }

    #[test]
    fn large_documents_are_compared_whole_and_shown_in_part() {
        let list = |from: usize| Value::from((from..from + 200_000).collect::<Vec<_>>());
        let found = differences(&list(0), &list(1), Mode::Exact);
        assert_eq!((found.first.len(), found.more), (MOST_DIFFERENCES, 200_000 - MOST_DIFFERENCES));
        let (expected, actual) = render_pair(Some(&list(0)), Some(&list(1)));
        assert!(expected.starts_with("[0,1,2,") && expected.ends_with("(a document of about 6250 KiB)"), "{expected}");
        assert!(actual.starts_with("[1,2,3,") && actual.len() < 2 * LONGEST, "{actual}");
        assert_eq!(render_pair(Some(&list(0)), None).1, "(absent)");
    }

    #[test]
    fn long_keys_are_not_kept_for_each_difference() {
        let key = "k".repeat(1 << 20);
        let members = |value: i32| (0..1000).map(|number| (number.to_string(), json!(value))).collect::<Value>();
        let found = differences(&json!({ &key: members(1) }), &json!({ &key: members(2) }), Mode::Subset);
        assert!(found.first.len() < 8 && found.first.len() + found.more == 1000, "{}", found.first.len());
        let mismatches = mismatches(&found, MismatchKind::Mutation, "/object", |_| crate::compare::tests::span("e"));
        assert!(mismatches.iter().all(|mismatch| mismatch.at.len() < 2 * LONGEST_PLACE));
        assert!(mismatches[0].at.ends_with(" more bytes)"), "{}", &mismatches[0].at[LONGEST_PLACE..]);
    }
}
