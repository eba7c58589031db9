//! YAML as kwctl writes it, byte for byte: blocks, lists at the column of their key, texts plain where they can be, else in
//! single quotes, as literal blocks if they have lines, and in double quotes if nothing else will do.
//!
//! The rules are those of libyaml, which serde_yaml 0.9 in kwctl writes with. Quotes are added to a few texts that other
//! readers take for something else: `<<`, `1_000`, `+.nan`, and those with breaks of lines that only some readers know.

use std::sync::LazyLock;

use indexmap::IndexMap;
use regex::Regex;
use serde::{Deserialize, Serialize};

/// Longest key that stands on the line of its value, in bytes.
const LONGEST_SIMPLE_KEY: usize = 128;

/// A document that keeps the order of its members.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Node {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// A text.
    Text(String),
    /// A sequence.
    List(Vec<Self>),
    /// A mapping.
    Map(IndexMap<String, Self>),
}

impl Node {
    /// The document that a value would be as JSON, its members in their order.
    pub fn of(value: &impl Serialize) -> serde_json::Result<Self> {
        serde_json::from_str(&serde_json::to_string(value)?)
    }

    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A mapping with these members, in their order.
    pub fn map<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Map(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// Adds a member at the end of a map.
    pub fn push(&mut self, key: &str, value: Self) {
        if let Self::Map(members) = self {
            members.insert(key.to_owned(), value);
        }
    }

    /// The document, ending in a line break.
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0, Place::Line);
        out
    }

    /// Writes the node and its line break.
    fn write(&self, out: &mut String, column: usize, place: Place) {
        match self {
            Self::Map(members) if !members.is_empty() => {
                let (column, mut is_first) = place.open(out, column, 2);
                for (key, value) in members {
                    indent(out, column, &mut is_first);
                    write_key(out, key, column);
                    value.write(out, column, Place::Member);
                }
            }
            Self::List(items) if !items.is_empty() => {
                let (column, mut is_first) = place.open(out, column, 0);
                for item in items {
                    indent(out, column, &mut is_first);
                    out.push('-');
                    item.write(out, column, Place::Item);
                }
            }
            scalar => {
                if place != Place::Line {
                    out.push(' ');
                }
                match scalar {
                    Self::Null => out.push_str("null"),
                    Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
                    Self::Number(number) => out.push_str(&number.to_string()),
                    Self::Text(text) => write_text(out, text, column + 2),
                    Self::List(_) => out.push_str("[]"),
                    Self::Map(_) => out.push_str("{}"),
                }
                out.push('\n');
            }
        }
    }
}

/// Where a node begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the start of a line.
    Line,
    /// Behind `key:`.
    Member,
    /// Behind `-`.
    Item,
}

impl Place {
    /// Opens a collection: the column of its entries, and whether the first one goes on in this line. `deeper` is how much
    /// further to the right than its key it stands.
    fn open(self, out: &mut String, column: usize, deeper: usize) -> (usize, bool) {
        match self {
            Self::Line => (column, false),
            Self::Member => {
                out.push('\n');
                (column + deeper, false)
            }
            Self::Item => {
                out.push(' ');
                (column + 2, true)
            }
        }
    }
}

fn indent(out: &mut String, column: usize, is_first: &mut bool) {
    if !std::mem::take(is_first) {
        out.extend(std::iter::repeat_n(' ', column));
    }
}

fn write_key(out: &mut String, key: &str, column: usize) {
    let is_simple = key.len() <= LONGEST_SIMPLE_KEY && !key.contains(['\n', '\r']);
    if !is_simple {
        out.push_str("? ");
    }
    match style(key) {
        Style::Plain if !is_simple || !key.is_empty() => out.push_str(key),
        Style::Single | Style::Plain => write_single_quoted(out, key),
        Style::Literal if !is_simple => write_literal(out, key, column + 2),
        Style::Literal | Style::Double => write_double_quoted(out, key),
    }
    if !is_simple {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', column));
    }
    out.push(':');
}

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Literal,
    Double,
}

fn write_text(out: &mut String, text: &str, column: usize) {
    match style(text) {
        Style::Plain => out.push_str(text),
        Style::Single => write_single_quoted(out, text),
        Style::Literal => write_literal(out, text, column),
        Style::Double => write_double_quoted(out, text),
    }
}

/// Whether a text needs no quotes, for readers of YAML 1.1 either.
pub(super) fn is_plain(text: &str) -> bool {
    let words = ["y", "yes", "on", "n", "no", "off"];
    matches!(style(text), Style::Plain) && !words.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// A text in double quotes.
pub fn double_quoted(text: &str) -> String {
    let mut out = String::new();
    write_double_quoted(&mut out, text);
    out
}

/// A text as a literal block whose lines are indented by `column`, two columns further than its parent.
pub fn literal(text: &str, column: usize) -> String {
    let mut out = String::new();
    write_literal(&mut out, text, column);
    out
}

fn style(text: &str) -> Style {
    let facts = Facts::of(text);
    if text.contains('\n') {
        return if facts.is_special || facts.ends_with_space { Style::Double } else { Style::Literal };
    }
    if facts.is_special {
        Style::Double
    } else if facts.is_no_plain || is_something_else(text) {
        Style::Single
    } else {
        Style::Plain
    }
}

/// What a text is made of, as far as its style depends on it.
#[derive(Default)]
struct Facts {
    /// Only double quotes will do.
    is_special: bool,
    /// It cannot go without quotes.
    is_no_plain: bool,
    ends_with_space: bool,
}

impl Facts {
    fn of(text: &str) -> Self {
        let mut facts = Self { is_no_plain: text.starts_with("---") || text.starts_with("..."), ..Self::default() };
        facts.is_no_plain |= text.starts_with(' ') || text.ends_with(' ');
        facts.ends_with_space = text.ends_with(' ');
        let mut previous = None;
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            let is_before_blank = letters.peek().is_none_or(|next| is_blank(*next));
            facts.is_no_plain |= match (letter, previous) {
                (
                    '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`',
                    None,
                ) => true,
                ('?' | '-', None) | (':', _) => is_before_blank,
                ('#', Some(previous)) => is_blank(previous),
                _ => false,
            };
            facts.is_special |= !is_printable(letter) || (letter == '\n' && previous == Some(' '));
            previous = Some(letter);
        }
        facts
    }
}

/// Whether a plain text would be read as something other than a text.
fn is_something_else(text: &str) -> bool {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = r"(?i)^[-+]?(0x[0-9a-f_]+|0o[0-7_]+|0b[01_]+|\.(inf|nan)|([0-9][0-9_]*\.?[0-9_]*|\.[0-9_]+)(e[-+]?[0-9]+)?)$";
        Regex::new(pattern).expect("the pattern is written here")
    });
    let words = ["", "~", "null", "Null", "NULL", "true", "True", "TRUE", "false", "False", "FALSE", "<<"];
    words.contains(&text) || NUMBER.is_match(text)
}

fn write_single_quoted(out: &mut String, text: &str) {
    out.push('\'');
    out.push_str(&text.replace('\'', "''"));
    out.push('\'');
}

/// Writes the text below, at `column`. What follows is up to the caller, so the last line break is left out.
fn write_literal(out: &mut String, text: &str, column: usize) {
    out.push('|');
    if text.starts_with([' ', '\n']) {
        out.push('2');
    }
    let body = text.trim_end_matches('\n');
    match text.len() - body.len() {
        0 => out.push('-'),
        1 if !body.is_empty() => {}
        _ => out.push('+'),
    }
    let lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
    for line in lines {
        out.push('\n');
        if !line.is_empty() {
            out.extend(std::iter::repeat_n(' ', column));
            out.push_str(line);
        }
    }
}

fn write_double_quoted(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\0' => out.push_str("\\0"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\x1b' => out.push_str("\\e"),
            '\u{85}' => out.push_str("\\N"),
            '\u{2028}' => out.push_str("\\L"),
            '\u{2029}' => out.push_str("\\P"),
            letter if is_printable(letter) => out.push(letter),
            letter => out.push_str(&match u32::from(letter) {
                code @ ..0x100 => format!("\\x{code:02X}"),
                code @ ..0x10000 => format!("\\u{code:04X}"),
                code => format!("\\U{code:08X}"),
            }),
        }
    }
    out.push('"');
}

fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\0' | '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether a character is written as it is.
fn is_printable(letter: char) -> bool {
    matches!(letter, '\n' | ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
}
