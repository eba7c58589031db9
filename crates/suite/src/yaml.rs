//! YAML text becomes a tree of nodes that remember where they were written.
//!
//! The parser is `serde-saphyr`: YAML 1.2 scalars, anchors, aliases and merge keys resolved, duplicate keys refused,
//! alias expansion bounded. Manifests in files of their own have the booleans of
//! YAML 1.1, because `kubectl` and `helm` send those.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned as At;

use super::file_limit::FileLimit;
use super::{path, syntax};
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::source::{MemberSpans, SourceFile, Span};
use policy_verify_model::yaml::{self, raw::Raw};

/// A value of a YAML document and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Distinguishes nodes of one load; copies keep it.
    pub(crate) id: u32,
    /// Where the value is written.
    pub(crate) span: Span,
    /// The value.
    pub(crate) content: Content,
}

/// The value of a [`Node`].
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
    /// The value is that of an unknown variable, which is a mistake already.
    Unknown,
}

/// A key of a mapping and its place.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) span: Span,
}

impl Node {
    /// A node with a new id.
    pub(crate) fn new(span: Span, content: Content) -> Self {
        static NEXT_ID: AtomicU32 = AtomicU32::new(0);
        Self { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), span, content }
    }

    /// The member of a mapping.
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.entries().iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// The entries of a mapping; nothing for other values.
    pub(crate) fn entries(&self) -> &[(Key, Node)] {
        match &self.content {
            Content::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; nothing for other values.
    pub(crate) fn items(&self) -> &[Node] {
        match &self.content {
            Content::List(items) => items,
            _ => &[],
        }
    }

    /// Where the value and each of its members are written, by JSON pointer.
    pub(crate) fn places(&self) -> MemberSpans {
        let mut places = MemberSpans::new();
        self.collect_places(String::new(), &mut places);
        places
    }

    fn collect_places(&self, pointer: String, places: &mut MemberSpans) {
        for (key, value) in self.entries() {
            value.collect_places(format!("{pointer}/{}", path::escape(&key.name)), places);
        }
        for (index, item) in self.items().iter().enumerate() {
            item.collect_places(format!("{pointer}/{index}"), places);
        }
        places.insert(pointer, self.span.clone());
    }

    /// The text of a string.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.content {
            Content::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether the value is that of an unknown variable.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self.content, Content::Unknown)
    }

    /// Whether the value of an unknown variable is anywhere in it.
    pub(crate) fn has_unknown(&self) -> bool {
        match &self.content {
            Content::Unknown => true,
            Content::List(items) => items.iter().any(Self::has_unknown),
            Content::Map(entries) => entries.iter().any(|(_, value)| value.has_unknown()),
            _ => false,
        }
    }

    /// Bytes of the value, and how deep it is nested.
    pub(crate) fn extent(&self) -> (usize, usize) {
        let within = |parts: &mut dyn Iterator<Item = (usize, &Node)>| {
            parts.fold((size_of::<Self>(), 1), |(bytes, depth), (key, part)| {
                let (more, below) = part.extent();
                (bytes + key + more, depth.max(below + 1))
            })
        };
        match &self.content {
            Content::String(text) => (size_of::<Self>() + text.len(), 1),
            Content::List(items) => within(&mut items.iter().map(|item| (0, item))),
            Content::Map(entries) => {
                within(&mut entries.iter().map(|(key, value)| (size_of::<Key>() + key.name.len(), value)))
            }
            _ => (size_of::<Self>(), 1),
        }
    }

    /// The value without its places.
    pub(crate) fn to_json(&self) -> Value {
        match &self.content {
            Content::Null | Content::Unknown => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(value) => Value::Number(value.clone()),
            Content::String(text) => Value::String(text.clone()),
            Content::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Content::Map(entries) => Value::Object(
                entries.iter().map(|(key, node)| (key.name.clone(), node.to_json())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// What the value is, for messages.
    pub(crate) fn description(&self) -> &'static str {
        match &self.content {
            Content::Null | Content::Unknown => "nothing",
            Content::Bool(_) => "a boolean",
            Content::Number(_) => "a number",
            Content::String(_) => "a text",
            Content::List(_) => "a list",
            Content::Map(_) => "a mapping",
        }
    }
}

/// Parses one document; an empty text is null.
pub(crate) fn parse(file: &Arc<SourceFile>) -> Result<Node, Diagnostic> {
    parse_within(file, FileLimit::default())
}

/// The same for a file of up to so many values.
pub(crate) fn parse_within(file: &Arc<SourceFile>, limit: FileLimit) -> Result<Node, Diagnostic> {
    let raw: At<Raw> = serde_saphyr::from_str_with_options(&file.text, limit.options())
        .map_err(|error| syntax::mistake_of(file, &error))?;
    Ok(node(raw, file))
}

/// Parses every document of a file, in order; empty documents are left out.
pub(crate) fn parse_documents(file: &Arc<SourceFile>, limit: FileLimit) -> Result<Vec<Node>, Diagnostic> {
    let raws: Vec<At<Raw>> = serde_saphyr::from_multiple_with_options(&file.text, limit.options())
        .map_err(|e| syntax::mistake_of(file, &e))?;
    let nodes = raws.into_iter().filter(|raw| !matches!(raw.value, Raw::Null)).map(|raw| node(raw, file));
    Ok(nodes.map(|node| if is_manifest(&node) { as_sent(node) } else { node }).collect())
}

/// Whether a document is that of a Kubernetes object.
pub(crate) fn is_manifest(node: &Node) -> bool {
    let text = |key: &str| node.get(key).and_then(Node::as_str);
    text("apiVersion").is_some() && text("kind").is_some_and(|kind| kind != "AdmissionReview")
}

/// The texts of a manifest that `kubectl` sends as booleans, in the order of the file.
pub(crate) fn sent_as_booleans(node: &Node) -> Vec<(&Node, bool)> {
    match &node.content {
        Content::String(text) => sent_as(text, &node.span).map(|value| (node, value)).into_iter().collect(),
        Content::List(items) => items.iter().flat_map(sent_as_booleans).collect(),
        Content::Map(entries) => entries.iter().flat_map(|(_, value)| sent_as_booleans(value)).collect(),
        _ => Vec::new(),
    }
}

/// A manifest as `kubectl` and `helm` send it. Keys are texts in JSON, but `y: 1` has the key `true` there.
fn as_sent(node: Node) -> Node {
    let Node { id, span, content } = node;
    let content = match content {
        Content::String(text) => match sent_as(&text, &span) {
            Some(value) => Content::Bool(value),
            None => Content::String(text),
        },
        Content::List(items) => Content::List(items.into_iter().map(as_sent).collect()),
        Content::Map(entries) => Content::Map(
            entries
                .into_iter()
                .map(|(Key { name, span }, value)| {
                    let name = sent_as(&name, &span).map_or(name, |value| value.to_string());
                    (Key { name, span }, as_sent(value))
                })
                .collect(),
        ),
        other => other,
    };
    Node { id, span, content }
}

/// The boolean that a plain scalar is in YAML 1.1, where it is a text in YAML 1.2.
fn sent_as(text: &str, span: &Span) -> Option<bool> {
    let value = yaml::boolean_of_yaml_1_1(text)?;
    let (before, rest) = span.file.text.split_at_checked(span.offset)?;
    let is_plain = rest.starts_with(text) && !before.trim_end().ends_with("!!str") && !is_block(before);
    is_plain.then_some(value)
}

/// Whether the text behind this one is that of a block, which `|` or `>` opens in the line before it.
fn is_block(before: &str) -> bool {
    let Some((earlier, indentation)) = before.rsplit_once('\n') else { return false };
    let header = earlier.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let header = header.split(" #").next().unwrap_or_default().trim_end();
    let opens = header.trim_end_matches(|letter: char| "+-".contains(letter) || letter.is_ascii_digit());
    indentation.trim().is_empty() && opens.ends_with(['|', '>'])
}

fn node(raw: At<Raw>, file: &Arc<SourceFile>) -> Node {
    // For aliases and merged values this is where the text stands, not where it is used: a mistake in an anchored
    // mapping is then reported once, at the place to mend.
    let span = yaml::span_at(file, raw.defined);
    let content = match raw.value {
        Raw::Null => Content::Null,
        Raw::Bool(value) => Content::Bool(value),
        Raw::Number(value) => Content::Number(value),
        Raw::String(text) => Content::String(text),
        Raw::List(items) => Content::List(items.into_iter().map(|item| node(item, file)).collect()),
        Raw::Map(entries) => Content::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    (Key { span: yaml::span_at(file, key.defined), name: key.value }, node(value, file))
                })
                .collect(),
        ),
    };
    Node::new(span, content)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn file(text: &str) -> Arc<SourceFile> {
        Arc::new(SourceFile { path: "suite.yml".into(), text: text.into() })
    }

    #[test]
    fn modes_of_files_are_octal_as_kubectl_reads_them() {
        let node = parse(&file("{ defaultMode: 0644, other: 0o644, text: '0644' }")).unwrap();
        assert_eq!(node.to_json(), serde_json::json!({ "defaultMode": 420, "other": 420, "text": "0644" }));
    }

    #[test]
    fn scalars_are_those_of_yaml_1_2() {
        let node = parse(&file("[yes, no, true, 1, 1.5, '2', null, 2026-01-01]")).unwrap();
        assert_eq!(node.to_json(), serde_json::json!(["yes", "no", true, 1, 1.5, "2", null, "2026-01-01"]),);
    }

    #[test]
    fn manifests_have_the_booleans_that_kubectl_sends() {
        let read = |text: &str| {
            let text = format!("apiVersion: v1\nkind: Pod\n{text}\n");
            let mut value = parse_documents(&file(&text), FileLimit::default()).unwrap()[0].to_json();
            value.as_object_mut().unwrap().retain(|key, _| !["apiVersion", "kind"].contains(&key.as_str()));
            value
        };
        for (text, value) in [
            ("a: yes", json!({ "a": true })),
            (
                "a: [y, Y, Yes, YES, on, On, ON, true, True]",
                json!({ "a": [true, true, true, true, true, true, true, true, true] }),
            ),
            (
                "a: [n, N, no, No, NO, off, Off, OFF, false]",
                json!({ "a": [false, false, false, false, false, false, false, false, false] }),
            ),
            ("a: ['yes', \"no\", !!str on, yEs, yesterday]", json!({ "a": ["yes", "no", "on", "yEs", "yesterday"] })),
            ("a: |-\n  yes", json!({ "a": "yes" })),
            ("a: >-\n  no", json!({ "a": "no" })),
            ("a: |2- # a text\n  no", json!({ "a": "no" })),
            ("a:\n  no", json!({ "a": false })),
            ("y: 1\n'n': 2", json!({ "true": 1, "n": 2 })),
            ("a: &a yes\nb: *a", json!({ "a": true, "b": true })),
            ("a: 0644", json!({ "a": 420 })),
            ("a: { b: [{ c: on }] }", json!({ "a": { "b": [{ "c": true }] } })),
        ] {
            assert_eq!(read(text), value, "{text}");
        }
    }

    #[test]
    fn what_is_no_manifest_has_the_booleans_of_yaml_1_2() {
        for text in [
            "enabled: yes",
            "{ apiVersion: v1, enabled: yes }",
            "{ apiVersion: admission.k8s.io/v1, kind: AdmissionReview, enabled: yes }",
        ] {
            assert_eq!(
                parse_documents(&file(text), FileLimit::default()).unwrap()[0].to_json()["enabled"],
                "yes",
                "{text}"
            );
        }
        // The documents of a file do not share what they are.
        let documents =
            parse_documents(&file("a: yes\n---\napiVersion: v1\nkind: Pod\na: yes\n"), FileLimit::default()).unwrap();
        assert_eq!((&documents[0].to_json()["a"], &documents[1].to_json()["a"]), (&json!("yes"), &json!(true)));
    }

    #[test]
    fn merged_values_remember_where_they_are_written() {
        let node = parse(&file("x-base: &base\n  policy: a\ncase:\n  <<: *base\n  name: b\n")).unwrap();
        let case = node.get("case").unwrap();
        assert_eq!(case.get("policy").unwrap().span.line, 2);
        assert_eq!(case.get("name").unwrap().span.line, 5);
    }

    #[test]
    fn mistakes_of_the_syntax_name_their_line() {
        for (text, line, words) in [
            ("a: 1\nb: 2\na: 3\n", 3, "duplicate key `a`"),
            ("a: [1\nb: }2\n", 2, "invalid YAML"),
            ("a: 1\n---\nb: 2\n", 3, "only single YAML document expected"),
            ("a: *nowhere\n", 1, "invalid YAML"),
        ] {
            let mistake = parse(&file(text)).unwrap_err();
            assert_eq!(mistake.span.as_ref().unwrap().line, line, "{text:?}: {mistake}");
            assert!(mistake.message.contains(words), "{text:?}: {mistake}");
        }
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
        for n in 1..9 {
            let inner = vec![format!("*a{}", n - 1); 9].join(",");
            text.push_str(&format!("a{n}: &a{n} [{inner}]\n"));
        }
        assert!(parse(&file(&text)).is_err());
    }

    #[test]
    fn offsets_survive_letters_outside_ascii() {
        let node = parse(&file("ä: ü\nb: {c: ö}\n")).unwrap();
        let span = &node.get("b").unwrap().get("c").unwrap().span;
        assert_eq!(&span.file.text[span.offset..span.offset + span.len], "ö");
    }
}
