//! Files of other tools: YAML and JSON as values that know their line.
//!
//! Booleans are those of YAML 1.1, as the tools read them: a plain `yes` is `true`.

use std::sync::Arc;

use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::source::SourceFile;
use policy_verify_model::yaml;
use policy_verify_model::yaml::emit::Node;
use policy_verify_model::yaml::raw::Raw;
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

/// Most bytes of a file.
pub(crate) const LONGEST: usize = 16 << 20;

/// Bytes of stack for the deepest document: without optimisation the parser, which takes 64 levels, needs some 40 KiB each.
const STACK: usize = 16 << 20;

/// A value and its line.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    /// Where it begins, counted from 1.
    pub(crate) line: usize,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// The member of a mapping, unless it is null.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let found = self.entries().iter().find(|(name, _)| name == key)?;
        (!found.1.is_null()).then_some(&found.1)
    }

    /// The text of a member.
    pub(crate) fn text_at(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Self::text)
    }

    /// Whether a member is `true`.
    pub(crate) fn is_true(&self, key: &str) -> bool {
        matches!(self.get(key).map(|it| &it.content), Some(Content::Bool(true)))
    }

    /// The items of a member that is a list, or its only value.
    pub(crate) fn list_at(&self, key: &str) -> Vec<&Self> {
        match self.get(key) {
            Some(Self { content: Content::List(items), .. }) => items.iter().collect(),
            Some(single) => vec![single],
            None => Vec::new(),
        }
    }

    /// The texts of such a member.
    pub(crate) fn texts_at(&self, key: &str) -> Vec<&str> {
        self.list_at(key).into_iter().filter_map(Self::text).collect()
    }

    /// The text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The members of a mapping.
    pub(crate) fn entries(&self) -> &[(String, Self)] {
        match &self.content {
            Content::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value of a member, for everything that is no text.
    pub(crate) fn json_at(&self, key: &str) -> Value {
        self.get(key).map_or(Value::Null, Self::json)
    }

    fn is_null(&self) -> bool {
        matches!(self.content, Content::Null)
    }

    /// The value without its lines.
    pub(crate) fn json(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(value) => Value::Number(value.clone()),
            Content::Text(text) => Value::String(text.clone()),
            Content::List(items) => Value::Array(items.iter().map(Self::json).collect()),
            Content::Map(entries) => {
                Value::Object(entries.iter().map(|(key, it)| (key.clone(), it.json())).collect::<Map<_, _>>())
            }
        }
    }

    /// The value as it is written into a suite, its members in their order.
    pub(crate) fn node(&self) -> Node {
        match &self.content {
            Content::Null => Node::Null,
            Content::Bool(value) => Node::Bool(*value),
            Content::Number(value) => Node::Number(value.clone()),
            Content::Text(text) => Node::text(text),
            Content::List(items) => Node::List(items.iter().map(Self::node).collect()),
            Content::Map(entries) => Node::Map(entries.iter().map(|(key, it)| (key.clone(), it.node())).collect()),
        }
    }
}

/// A JSON value as it is written into a suite.
pub(crate) fn node_of(value: &Value) -> Node {
    match value {
        Value::Null => Node::Null,
        Value::Bool(value) => Node::Bool(*value),
        Value::Number(value) => Node::Number(value.clone()),
        Value::String(text) => Node::text(text),
        Value::Array(items) => Node::List(items.iter().map(node_of).collect()),
        Value::Object(members) => Node::Map(members.iter().map(|(key, it)| (key.clone(), node_of(it))).collect()),
    }
}

/// The documents of a file, without empty ones.
pub(crate) fn documents(path: &str, text: &str) -> Result<Vec<Tree>, Diagnostic> {
    if text.len() > LONGEST {
        let message = format!("`{path}` is longer than {} MiB", LONGEST >> 20);
        return Err(Diagnostic::new(Code::Mistake, message).with_help("divide the file".to_owned()));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
    let file = Arc::new(SourceFile { path: path.to_owned(), text });
    with_stack(|| parse(&file))
}

/// `apiVersion` and kind of the only object of a file; nothing for what is not a single object of Kubernetes.
pub fn single_object(text: &str) -> Option<(String, String)> {
    let documents = documents("", text).ok()?;
    let [object] = documents.as_slice() else { return None };
    Some((object.text_at("apiVersion")?.to_owned(), object.text_at("kind")?.to_owned()))
}

fn parse(file: &Arc<SourceFile>) -> Result<Vec<Tree>, Diagnostic> {
    let raws: Vec<Spanned<Raw>> = serde_saphyr::from_multiple_with_options(&file.text, yaml::options())
        .map_err(|error| syntax_error(file, &error))?;
    let trees = raws.into_iter().map(|raw| tree(raw, file));
    Ok(trees.filter(|tree| !tree.is_null()).collect())
}

/// Runs the parser where the deepest document fits, whatever thread asks.
fn with_stack<T: Send>(parse: impl FnOnce() -> Result<T, Diagnostic> + Send) -> Result<T, Diagnostic> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, parse);
        let failed = || Diagnostic::new(Code::Internal, "the YAML could not be parsed");
        thread.map_err(|_| failed())?.join().map_err(|_| failed())?
    })
}

fn syntax_error(file: &Arc<SourceFile>, error: &serde_saphyr::Error) -> Diagnostic {
    let message = format!("invalid YAML: {}", yaml::message(error));
    let help = format!("correct `{}`, or leave it out", file.path);
    Diagnostic::new(Code::Syntax, message).with_help(help).at(&yaml::span_of_error(file, error))
}

fn tree(raw: Spanned<Raw>, file: &Arc<SourceFile>) -> Tree {
    let content = match raw.value {
        Raw::Null => Content::Null,
        Raw::Bool(value) => Content::Bool(value),
        Raw::Number(value) => Content::Number(value),
        Raw::String(text) => match boolean(&text, &file.text, raw.defined.span().byte_offset()) {
            Some(value) => Content::Bool(value),
            None => Content::Text(text),
        },
        Raw::List(items) => Content::List(items.into_iter().map(|item| tree(item, file)).collect()),
        Raw::Map(entries) => Content::Map(entries.into_iter().map(|(key, it)| (key.value, tree(it, file))).collect()),
    };
    Tree { line: usize::try_from(raw.defined.line()).unwrap_or(1).max(1), content }
}

/// The boolean that a plain word is in YAML 1.1. A word that begins its line may be that of a block, and stays a text.
fn boolean(text: &str, file: &str, offset: Option<u64>) -> Option<bool> {
    let value = yaml::boolean_of_yaml_1_1(text)?;
    let (before, rest) = file.split_at_checked(usize::try_from(offset?).ok()?)?;
    let line = before.rsplit('\n').next().unwrap_or(before);
    let is_plain = rest.starts_with(text) && !line.trim().is_empty() && !line.trim_end().ends_with("!!str");
    is_plain.then_some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_know_their_line_and_keep_their_order() {
        let read = documents("a.yaml", "\u{feff}---\n---\nb: 1\na: { c: [x] }\n---\n- 0644\n").unwrap();
        assert_eq!(
            read.iter().map(Tree::json).collect::<Vec<_>>(),
            [json!({ "b": 1, "a": { "c": ["x"] } }), json!([420])]
        );
        assert_eq!((read[0].get("a").unwrap().line, read[1].line), (4, 6));
        assert_eq!(read[0].node().to_yaml(), "b: 1\na:\n  c:\n  - x\n");
    }

    #[test]
    fn plain_words_are_the_booleans_of_yaml_1_1() {
        let text = "a: [yes, No, on, 'yes', \"no\", !!str off]\nb: |-\n  yes\nc: yesterday\n";
        let wanted = json!({ "a": [true, false, true, "yes", "no", "off"], "b": "yes", "c": "yesterday" });
        assert_eq!(documents("a.yaml", text).unwrap()[0].json(), wanted);
    }

    #[test]
    fn hostile_files_are_refused() {
        let aliases = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned()
            + &('b'..='i')
                .map(|it| format!("{it}: &{it} [{}]\n", vec![format!("*{}", char::from(it as u8 - 1)); 9].join(", ")))
                .collect::<String>();
        for text in [
            "[".repeat(100_000),
            format!("{}1", "- ".repeat(5_000)),
            aliases,
            "a: 1\na: 2\n".to_owned(),
            "x".repeat(LONGEST + 1),
        ] {
            let error = documents("a.yaml", &text).unwrap_err();
            assert!(error.help.is_some(), "{error:?}");
        }
        let nested = |levels: usize| documents("a.yaml", &format!("{}1{}", "[".repeat(levels), "]".repeat(levels)));
        assert!(nested(50).is_ok() && nested(64).is_ok() && nested(65).is_err());
    }
}
