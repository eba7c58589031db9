//! Values as they are written into a text that is there already.

use granit_parser::ScalarStyle;
use policy_verify_model::yaml::emit::{self, Node};
use policy_verify_model::yaml::flow;
use serde_json::Value;

use super::tree::Layout;

/// What the text is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// Whether it is JSON, which has fewer ways to write a text.
    pub(super) is_json: bool,
    /// Whether `${` begins a variable.
    pub(super) has_variables: bool,
}

/// Longest line of a collection, in characters.
const WIDTH: usize = 100;

/// A value in place of a scalar of a style. Blocks of text are indented further than `indentation`, the column of their key.
pub(super) fn value(
    new: &Value,
    style: Option<ScalarStyle>,
    indentation: usize,
    column: usize,
    dialect: Dialect,
) -> String {
    let Value::String(text) = new else { return collection(new, indentation, column, dialect) };
    let text = &dialect.escape(text);
    let is_printable = !text.chars().any(|letter| letter.is_control() && letter != '\n');
    match style {
        _ if dialect.is_json => Value::from(text.as_str()).to_string(),
        Some(ScalarStyle::SingleQuoted) if is_printable && !text.contains('\n') => {
            format!("'{}'", text.replace('\'', "''"))
        }
        Some(ScalarStyle::Literal) if is_printable && text.contains('\n') && begins_with_a_line(text) => {
            emit::literal(text, indentation + 2)
        }
        Some(ScalarStyle::DoubleQuoted) => emit::double_quoted(text),
        _ => flow::text(text),
    }
}

/// A member of a mapping.
pub(super) fn entry(name: &str, new: &Value, layout: Layout, indentation: usize, dialect: Dialect) -> String {
    if dialect.is_json {
        return format!("{}: {}", Value::from(name), collection(new, indentation, 0, dialect));
    }
    let name = flow::text(&dialect.escape(name));
    match layout {
        Layout::Flow => format!("{name}: {}", one_line(new, dialect)),
        Layout::Block => {
            let value = collection(new, indentation, indentation + name.len() + 2, dialect);
            let separator = if value.starts_with('\n') { "" } else { " " };
            format!("{name}:{separator}{value}")
        }
    }
}

/// An item of a list, with its dash where it has one.
pub(super) fn item(new: &Value, layout: Layout, indentation: usize, dialect: Dialect) -> String {
    match layout {
        Layout::Flow => collection(new, indentation, 0, dialect),
        Layout::Block => format!("- {}", one_line(new, dialect)),
    }
}

/// On one line; long JSON as its usual layout.
fn collection(new: &Value, indentation: usize, column: usize, dialect: Dialect) -> String {
    let line = one_line(new, dialect);
    if !dialect.is_json || column + line.chars().count() <= WIDTH {
        return line;
    }
    let pretty = serde_json::to_string_pretty(new).unwrap_or(line);
    pretty.replace('\n', &format!("\n{:indentation$}", ""))
}

fn one_line(new: &Value, dialect: Dialect) -> String {
    if dialect.is_json {
        return new.to_string();
    }
    match Node::of(&dialect.escape_all(new)) {
        Ok(node) => flow::flow(&node),
        Err(_) => new.to_string(),
    }
}

/// Whether the first line of a text has more than blanks: else readers differ about how far it is indented.
fn begins_with_a_line(text: &str) -> bool {
    text.lines().next().is_some_and(|line| !line.trim().is_empty())
}

impl Dialect {
    fn escape(self, text: &str) -> String {
        if self.has_variables { text.replace("${", "$${") } else { text.to_owned() }
    }

    fn escape_all(self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.escape(text)),
            Value::Array(items) => items.iter().map(|item| self.escape_all(item)).collect(),
            Value::Object(members) => {
                members.iter().map(|(name, value)| (self.escape(name), self.escape_all(value))).collect()
            }
            other => other.clone(),
        }
    }
}
