//! A suite as it is going to be written, with comments, and its text.

use indexmap::IndexMap;
use policy_verify_model::yaml::emit::Node;
use policy_verify_model::yaml::flow;
use serde_json::Value;

/// Longest line that a value is put on, in characters.
const WIDTH: usize = 110;

/// A suite that is not written yet. Texts are literal: what looks like a variable is written so that it is none.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// Lines at the top of the file, without `#`.
    pub comments: Vec<String>,
    /// Its name; left out where it is empty.
    pub name: String,
    /// What stands between the name and the cases, in this order: `crds`, `defaults` and such.
    pub keys: IndexMap<String, Node>,
    /// Lines above such a key, or above `policies`, without `#`.
    pub notes: IndexMap<String, Vec<String>>,
    /// The policies by name.
    pub policies: IndexMap<String, Node>,
    /// `cases`.
    pub cases: Vec<Entry>,
    /// `settingsCases`.
    pub settings_cases: Vec<Entry>,
}

/// A case, a settings case, or only comments where there is something that could be none.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// Lines above it, without `#`.
    pub comments: Vec<String>,
    /// Its keys, `name` first; without any, it is its comments.
    pub keys: IndexMap<String, Node>,
}

impl Entry {
    /// A case of this name.
    pub fn named(name: &str) -> Self {
        Self { comments: Vec::new(), keys: IndexMap::from([("name".to_owned(), Node::text(name))]) }
    }

    /// Nothing but comments.
    pub fn comment(lines: impl IntoIterator<Item = String>) -> Self {
        Self { comments: lines.into_iter().collect(), keys: IndexMap::new() }
    }

    /// Adds a key at the end, or replaces its value.
    pub fn push(&mut self, key: &str, value: Node) {
        self.keys.insert(key.to_owned(), value);
    }
}

impl Draft {
    /// The text of the suite.
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        comments(&mut out, "", &self.comments);
        out.push_str("version: 1\n");
        if !self.name.is_empty() {
            member(&mut out, 0, "name", &literal(Node::text(&self.name)));
        }
        for (key, value) in &self.keys {
            out.push('\n');
            comments(&mut out, "", self.notes_of(key));
            member(&mut out, 0, key, &literal(value.clone()));
        }
        if !self.policies.is_empty() {
            out.push('\n');
            comments(&mut out, "", self.notes_of("policies"));
            out.push_str("policies:\n");
            for (name, policy) in &self.policies {
                out.push_str(&format!("  {}:\n", flow::text(&escape(name))));
                match policy {
                    Node::Map(members) if !members.is_empty() => {
                        members.iter().for_each(|(key, value)| member(&mut out, 4, key, &literal(value.clone())));
                    }
                    _ => out.push_str("    {}\n"),
                }
            }
        }
        for (key, list) in [("cases", &self.cases), ("settingsCases", &self.settings_cases)] {
            entries(&mut out, key, list);
        }
        out
    }

    fn notes_of(&self, key: &str) -> &[String] {
        self.notes.get(key).map_or(&[], Vec::as_slice)
    }
}

fn entries(out: &mut String, key: &str, entries: &[Entry]) {
    if entries.is_empty() {
        return;
    }
    // A list of comments alone would be null.
    let has_any = entries.iter().any(|entry| !entry.keys.is_empty());
    out.push_str(&format!("\n{key}:{}\n", if has_any { "" } else { " []" }));
    out.push_str(&items(entries, 2));
}

/// Cases as items of a list whose dashes stand in this column, counted from 0.
pub fn items(entries: &[Entry], column: usize) -> String {
    let (mut out, indentation) = (String::new(), " ".repeat(column));
    for (index, entry) in entries.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { "\n" });
        comments(&mut out, &indentation, &entry.comments);
        for (index, (key, value)) in entry.keys.iter().enumerate() {
            out.push_str(&format!("{indentation}{}", if index == 0 { "- " } else { "  " }));
            // The key stands behind the indentation that is there already.
            let mut text = String::new();
            member(&mut text, column + 2, key, &literal(value.clone()));
            out.push_str(text.trim_start_matches(' '));
        }
    }
    out
}

/// A case about an object, to be pasted below `cases:`.
pub fn case(name: &str, policy: &str, object: &Value, expect: Node) -> String {
    let mut entry = Entry::named(name);
    entry.push("policy", Node::text(policy));
    entry.push("object", Node::of(object).unwrap_or(Node::Null));
    entry.push("expect", expect);
    items(&[entry], 2)
}

/// Lines of comments; no text in them can end one.
fn comments(out: &mut String, indentation: &str, lines: &[String]) {
    for line in lines.iter().flat_map(|text| text.split(['\n', '\r'])) {
        let line: String = line.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
        out.push_str(format!("{indentation}# {line}").trim_end());
        out.push('\n');
    }
}

/// A key and its value: on one line where it fits there, else as a block.
fn member(out: &mut String, column: usize, key: &str, value: &Node) {
    let key = flow::text(key);
    let line = flow::flow(value);
    let is_block = matches!(value, Node::Text(text) if text.trim_end_matches('\n').contains('\n'));
    if !is_block && (column + key.chars().count() + 2 + line.chars().count() <= WIDTH || is_scalar(value)) {
        out.push_str(&format!("{:column$}{key}: {line}\n", ""));
        return;
    }
    match value {
        Node::Map(members) => {
            out.push_str(&format!("{:column$}{key}:\n", ""));
            members.iter().for_each(|(key, value)| member(out, column + 2, key, value));
        }
        Node::List(items) => {
            out.push_str(&format!("{:column$}{key}:\n", ""));
            items.iter().for_each(|item| self::item(out, column + 2, item));
        }
        scalar => block(out, column, &format!("{key}:"), scalar),
    }
}

fn item(out: &mut String, column: usize, value: &Node) {
    let line = flow::flow(value);
    let fits = column + 2 + line.chars().count() <= WIDTH || is_scalar(value);
    match value {
        Node::Map(members) if !fits => {
            for (index, (key, value)) in members.iter().enumerate() {
                let mut text = String::new();
                member(&mut text, column + 2, key, value);
                let indentation = if index == 0 { "- " } else { "  " };
                out.push_str(&format!("{:column$}{indentation}{}", "", text.trim_start_matches(' ')));
            }
        }
        _ => out.push_str(&format!("{:column$}- {line}\n", "")),
    }
}

/// A text of several lines, as kwctl's YAML writes it.
fn block(out: &mut String, column: usize, key: &str, value: &Node) {
    let text = Node::map([("a", value.clone())]).to_yaml();
    for (index, line) in text.lines().enumerate() {
        match index {
            0 => out.push_str(&format!("{:column$}{key}{}\n", "", line.trim_start_matches("a:"))),
            _ if line.is_empty() => out.push('\n'),
            _ => out.push_str(&format!("{:column$}{line}\n", "")),
        }
    }
}

fn is_scalar(value: &Node) -> bool {
    !matches!(value, Node::Map(members) if !members.is_empty()) && !matches!(value, Node::List(it) if !it.is_empty())
}

/// The value with texts in which nothing is a variable.
fn literal(value: Node) -> Node {
    match value {
        Node::Text(text) => Node::Text(escape(&text)),
        Node::List(items) => Node::List(items.into_iter().map(literal).collect()),
        Node::Map(members) => {
            Node::Map(members.into_iter().map(|(key, value)| (escape(&key), literal(value))).collect())
        }
        other => other,
    }
}

fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(value: Value) -> Node {
        Node::of(&value).unwrap()
    }

    #[test]
    fn a_draft_is_the_suite_that_people_write() {
        let mut draft = Draft { comments: vec!["Made from e2e.bats.".to_owned()], ..Draft::default() };
        draft.keys.insert("defaults".to_owned(), node(json!({ "rules": "ignore" })));
        draft.notes.insert("defaults".to_owned(), vec!["As kwctl does.".to_owned()]);
        draft.policies.insert("labels".to_owned(), node(json!({ "uri": "policy.wasm" })));
        let mut case = Entry::named("rejects: a \"pod\"");
        case.comments.push("e2e.bats:12\nweak".to_owned());
        case.push("object", Node::text("fixtures/pod.yaml"));
        case.push("expect", node(json!({ "deny": { "contains": ["owner", "cost, center"] } })));
        draft.cases = vec![case, Entry::comment(["not translated".to_owned()])];
        let written = "# Made from e2e.bats.\nversion: 1\n\n# As kwctl does.\ndefaults: { rules: ignore }\n\npolicies:\n  labels:\n    uri: policy.wasm\n\ncases:\n  # e2e.bats:12\n  # weak\n  - name: \"rejects: a \\\"pod\\\"\"\n    object: fixtures/pod.yaml\n    expect: { deny: { contains: [owner, \"cost, center\"] } }\n\n  # not translated\n";
        assert_eq!(draft.to_yaml(), written);
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let long = "word ".repeat(40);
        for value in [
            json!("${team} and $${x}"),
            json!("two\nlines\n"),
            json!(" led by a space\nand more"),
            json!({ "deep": { "list": [{ "text": long, "more": [long, { "a": { "b": long } }] }, [1, [2, long]], {}] } }),
            json!([{ "a": "x\ny" }, long, "- dash", "# hash", "é\u{85}\u{7f}\0"]),
            json!({ "${key}": { "": [long, null, true, 1.5] }, "a: b": "" }),
        ] {
            let mut draft = Draft::default();
            draft.keys.insert("x-key".to_owned(), node(value.clone()));
            let mut entry = Entry::named("a");
            entry.push("value", node(value.clone()));
            draft.cases.push(entry);
            let text = draft.to_yaml();
            let read: Value = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{text}\n{error}"));
            let written = serde_json::to_string(&value).unwrap().replace("${", "$${");
            let written: Value = serde_json::from_str(&written).unwrap();
            assert_eq!((&read["x-key"], &read["cases"][0]["value"]), (&written, &written), "{text}");
        }
    }
}
