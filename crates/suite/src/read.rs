//! Nodes become the types of the schema, and *all* mistakes are found in one pass.
//!
//! A value that is wrong is reported and left out, so that the rest can still be checked.

use std::collections::BTreeMap;
use std::fmt;

use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde::de::value::StrDeserializer;

use super::mistake::{Mistakes, mistake, near, suggestion};
use super::yaml::{Content, Key, Node};
use policy_verify_model::answer::FaultKind;
use policy_verify_model::behaviour::Class;
use policy_verify_model::code::Code;
use policy_verify_model::gate::{Least, SameBehaviour, Verdicts};
use policy_verify_model::policy::{ExecutionMode, RuleOperation};
use policy_verify_model::relation::Relation;
use policy_verify_model::scope::{LabelOperator, MatchPolicy, RuleScope};
use policy_verify_model::source::{Span, Spanned};
use policy_verify_model::suite::{Compat, RulesMode};
use policy_verify_model::workload::Workload;

/// A type that can be read from a node.
pub(crate) trait FromNode: Sized {
    /// The value of `node`; `None` means that it is wrong, and that the mistakes say why.
    fn from_node(node: &Node, mistakes: &mut Mistakes) -> Option<Self>;
}

/// Reads `node` as a `T`; mistakes are collected, and `None` means that nothing usable is left.
pub(crate) fn read<T: FromNode>(node: &Node, mistakes: &mut Mistakes) -> Option<T> {
    T::from_node(node, mistakes)
}

impl FromNode for Node {
    fn from_node(node: &Node, _: &mut Mistakes) -> Option<Self> {
        Some(node.clone())
    }
}

impl FromNode for bool {
    fn from_node(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        match node.content {
            Content::Bool(value) => Some(value),
            _ => wrong_type("a boolean", node, mistakes),
        }
    }
}

impl FromNode for String {
    fn from_node(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        match &node.content {
            Content::String(text) => Some(text.clone()),
            _ => wrong_type(TEXT, node, mistakes),
        }
    }
}

/// A whole number that fits its type.
macro_rules! whole_numbers {
    ($($number:ty)*) => {$(
        impl FromNode for $number {
            fn from_node(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
                let Content::Number(number) = &node.content else {
                    return wrong_type("a whole number", node, mistakes);
                };
                let fitting = number.as_u64().and_then(|number| number.try_into().ok());
                if fitting.is_none() {
                    let range = match u64::from(<$number>::MAX) {
                        u64::MAX => "0 or more".to_owned(),
                        most => format!("0 to {most}"),
                    };
                    let message = format!("expected a whole number, {range}, found {number}");
                    mistakes.add_coded(Code::WrongType, &node.span, message);
                }
                fitting
            }
        }
    )*};
}

whole_numbers!(u8 u16 u64);

/// Words of which one is expected: the variants of an enum, as serde knows them.
macro_rules! words {
    ($($word:ty),* $(,)?) => {$(
        impl FromNode for $word {
            fn from_node(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
                $crate::read::word(node, mistakes)
            }
        }
    )*};
}
pub(crate) use words;

words!(
    Compat,
    ExecutionMode,
    FaultKind,
    LabelOperator,
    Least,
    MatchPolicy,
    Relation,
    RuleOperation,
    RuleScope,
    RulesMode,
    Verdicts,
    SameBehaviour,
    Class,
    Workload,
);

/// Reads one of the words of an enum.
pub(crate) fn word<T: DeserializeOwned>(node: &Node, mistakes: &mut Mistakes) -> Option<T> {
    if node.is_unknown() {
        return None;
    }
    let variant = |text| T::deserialize(StrDeserializer::<NotAWord>::new(text));
    let mistake = match node.as_str() {
        Some(text) => match variant(text) {
            Ok(word) => return Some(word),
            Err(NotAWord(known)) => mistake(&node.span, format!("unknown value `{text}`"))
                .with_code(Code::UnknownKey)
                .with_help(suggestion(text, known)),
        },
        None => {
            let known = variant("").map_or_else(|NotAWord(known)| known.join(", "), |_: T| String::new());
            mistake(&node.span, format!("expected one of: {known}")).with_code(Code::WrongType)
        }
    };
    mistakes.push(mistake);
    None
}

/// A text that is none of the words serde knows.
#[derive(Debug)]
struct NotAWord(&'static [&'static str]);

impl fmt::Display for NotAWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an unknown word")
    }
}

impl std::error::Error for NotAWord {}

impl serde::de::Error for NotAWord {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }

    fn unknown_variant(_: &str, known: &'static [&'static str]) -> Self {
        Self(known)
    }
}

impl<T: FromNode> FromNode for Spanned<T> {
    fn from_node(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        T::from_node(node, mistakes).map(|value| Self::new(value, node.span.clone()))
    }
}

/// Nothing is `None`.
impl<T: FromNode> FromNode for Option<T> {
    fn from_node(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        match node.content {
            Content::Null => Some(None),
            _ => T::from_node(node, mistakes).map(Some),
        }
    }
}

/// Items that are wrong are left out.
impl<T: FromNode> FromNode for Vec<T> {
    fn from_node(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        match &node.content {
            Content::List(items) => Some(items.iter().filter_map(|item| T::from_node(item, mistakes)).collect()),
            _ => wrong_type(LIST, node, mistakes),
        }
    }
}

impl<T: FromNode> FromNode for BTreeMap<String, T> {
    fn from_node(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        Some(members(node, mistakes)?.into_iter().map(|(key, value)| (key.name.clone(), value)).collect())
    }
}

impl<T: FromNode> FromNode for IndexMap<String, T> {
    fn from_node(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        Some(members(node, mistakes)?.into_iter().map(|(key, value)| (key.name.clone(), value)).collect())
    }
}

/// The members of a mapping whose keys are up to the user; members that are wrong are left out.
pub(crate) fn members<'a, T: FromNode>(node: &'a Node, mistakes: &mut Mistakes) -> Option<Vec<(&'a Key, T)>> {
    match &node.content {
        Content::Map(entries) => {
            let entries = entries.iter();
            Some(entries.filter_map(|(key, value)| Some((key, T::from_node(value, mistakes)?))).collect())
        }
        _ => wrong_type("a mapping", node, mistakes),
    }
}

/// What messages call a string.
const TEXT: &str = "a text";

/// What messages call a list.
const LIST: &str = "a list";

fn wrong_type<T>(expected: &str, node: &Node, mistakes: &mut Mistakes) -> Option<T> {
    if node.is_unknown() {
        return None;
    }
    // `contains: 503` is a number to YAML.
    let help = match &node.content {
        Content::Number(number) if number.is_u64() => Some(format!("put it in quotes: \"{number}\"")),
        Content::Number(_) | Content::Bool(_) => Some("put it in quotes".to_owned()),
        _ => None,
    };
    let help = help.filter(|_| expected == TEXT);
    let is_item = expected == LIST && matches!(node.content, Content::Map(_));
    let help = help.or_else(|| is_item.then(|| "begin each item with `- `".to_owned()));
    let message = format!("expected {expected}, found {}", node.description());
    let mistake = mistake(&node.span, message).with_code(Code::WrongType);
    mistakes.push(mistake.with_help(help));
    None
}

/// Reads a struct from a mapping. Every field is named with whether its key is `required`; an `optional` one that is
/// absent or wrong has its default. The key of a field is its name in camel case, without an underscore at its start.
/// Keys that begin with `x-` are ignored, other unknown ones are mistakes, except after `and others`.
macro_rules! keys {
    ($entry:ident and others { $($need:ident $field:ident),* $(,)? }) => {
        keys!(@read $entry [others] $($need $field),*);
    };
    ($entry:ident { $($need:ident $field:ident),* $(,)? }) => {
        keys!(@read $entry [no_others] $($need $field),*);
    };
    (@read $entry:ident [$others:ident] $($need:ident $field:ident),*) => {
        impl $crate::read::FromNode for $entry {
            fn from_node(node: &$crate::yaml::Node, mistakes: &mut $crate::mistake::Mistakes) -> Option<Self> {
                let entry = $crate::read::Entry::$others(node, &[$(stringify!($field)),*], mistakes)?;
                // All fields are read before the first missing one ends the work.
                $(let $field = entry.$need(stringify!($field), mistakes);)*
                Some(Self { $($field: $field?),* })
            }
        }

        #[cfg(test)]
        impl $crate::read::Fields for $entry {
            const FIELDS: &[(&str, &str)] = &[$((stringify!($need), stringify!($field))),*];
        }
    };
}
pub(crate) use keys;

/// The fields of a struct, each behind `required` or `optional`: for the comparison with the schema.
#[cfg(test)]
pub(crate) trait Fields {
    const FIELDS: &[(&str, &str)];
}

/// A mapping that is read into the fields of a struct.
pub(crate) struct Entry<'a> {
    node: &'a Node,
    /// Values of fields whose keys are most likely misspelt, so that they are not missing as well.
    misspelt: Vec<(&'static str, &'a Node)>,
}

impl<'a> Entry<'a> {
    /// A mapping that may have keys without a field.
    pub(crate) fn others(node: &'a Node, _: &[&'static str], mistakes: &mut Mistakes) -> Option<Self> {
        match node.content {
            Content::Map(_) => Some(Self { node, misspelt: Vec::new() }),
            _ => wrong_type("a mapping", node, mistakes),
        }
    }

    /// A mapping whose keys all have a field.
    pub(crate) fn no_others(node: &'a Node, fields: &[&'static str], mistakes: &mut Mistakes) -> Option<Self> {
        let mut entry = Self::others(node, fields, mistakes)?;
        let mut seen: Vec<&str> = Vec::new();
        for (key, value) in node.entries().iter().filter(|(key, _)| !key.name.starts_with("x-")) {
            let Some(field) = fields.iter().find(|field| is_key_of(&key.name, field)) else {
                let known: Vec<String> = fields.iter().map(|field| key_of(field)).collect();
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let meant = near(&key.name, &known);
                let meant = fields.iter().filter(|field| meant.is_some_and(|key| is_key_of(key, field)));
                entry.misspelt.extend(meant.map(|field| (*field, value)));
                let mistake = mistake(&key.span, format!("unknown key `{}`", key.name)).with_code(Code::UnknownKey);
                mistakes.push(mistake.with_help(suggestion(&key.name, &known)));
                continue;
            };
            // The parser refuses repeated keys, but variables can make them.
            if seen.contains(field) {
                let message = format!("duplicate key `{}`", key.name);
                mistakes.add_coded(Code::WrongType, &key.span, message);
            }
            seen.push(field);
        }
        Some(entry)
    }

    fn value(&self, field: &str) -> Option<&'a Node> {
        self.node.entries().iter().find(|(key, _)| is_key_of(&key.name, field)).map(|(_, value)| value)
    }

    /// The value of a misspelt key. Its own mistakes are not reported: another key may be meant.
    fn misspelt<T: FromNode>(&self, field: &str) -> Option<Option<T>> {
        let (_, value) = self.misspelt.iter().find(|(name, _)| *name == field)?;
        Some(T::from_node(value, &mut Mistakes::default()))
    }

    /// The value of a field that has to be there.
    pub(crate) fn required<T: FromNode>(&self, field: &'static str, mistakes: &mut Mistakes) -> Option<T> {
        if let Some(value) = self.value(field) {
            return T::from_node(value, mistakes);
        }
        self.misspelt(field).unwrap_or_else(|| {
            missing(&key_of(field), &self.node.span, mistakes);
            None
        })
    }

    /// The value of a field that may be left out.
    pub(crate) fn optional<T: FromNode + Default>(&self, field: &'static str, mistakes: &mut Mistakes) -> Option<T> {
        let value = match self.value(field) {
            Some(value) => T::from_node(value, mistakes),
            None => self.misspelt(field).flatten(),
        };
        Some(value.unwrap_or_default())
    }
}

/// Adds the mistake that a key is not there.
pub(crate) fn missing(key: &str, span: &Span, mistakes: &mut Mistakes) {
    mistakes.add_coded(Code::MissingKey, span, format!("the key `{key}` is missing"));
}

/// The key of a field: `old_object` is `oldObject`.
pub(crate) fn key_of(field: &str) -> String {
    let mut key = String::with_capacity(field.len());
    let mut parts = field.trim_start_matches('_').split('_');
    key.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (first, rest) = part.split_at(1);
        key.push_str(&first.to_ascii_uppercase());
        key.push_str(rest);
    }
    key
}

/// The same as `key == key_of(field)`, for the many keys of a long suite.
fn is_key_of(key: &str, field: &str) -> bool {
    let field = field.trim_start_matches('_');
    if field.contains('_') { key == key_of(field) } else { key == field }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::yaml;
    use policy_verify_model::source::SourceFile;

    #[derive(Debug, PartialEq)]
    struct Pair {
        first_name: String,
        count: Option<u8>,
        _unused: Vec<bool>,
    }

    keys! { Pair { required first_name, optional count, optional _unused } }

    /// What a text is read into, and the mistakes as `line:column message`.
    fn read_text<T: FromNode>(text: &str) -> (Option<T>, Vec<String>) {
        let file = Arc::new(SourceFile { path: "suite.yml".into(), text: text.into() });
        let mut mistakes = Mistakes::default();
        let value = read(&yaml::parse(&file).unwrap(), &mut mistakes);
        let shown = mistakes.into_sorted().into_iter().map(|it| {
            let span = it.span.as_ref().unwrap();
            format!("{}:{} {}", span.line, span.column, it.message)
        });
        (value, shown.collect())
    }

    #[test]
    fn keys_are_fields_in_camel_case() {
        for (field, key) in [("name", "name"), ("old_object", "oldObject"), ("_vars", "vars"), ("a_b_c", "aBC")] {
            assert_eq!(key_of(field), key);
            assert!(is_key_of(key, field) && !is_key_of("x", field), "{field}");
        }
    }

    #[test]
    fn all_mistakes_of_a_mapping_are_found_in_one_pass() {
        let (pair, mistakes) = read_text::<Pair>("{ count: x, unused: [1, true], color: red, x-note: 1 }");
        assert_eq!(pair, None);
        assert_eq!(
            mistakes,
            [
                "1:1 the key `firstName` is missing",
                "1:10 expected a whole number, found a text",
                "1:22 expected a boolean, found a number",
                "1:32 unknown key `color`",
            ]
        );
    }

    #[test]
    fn optional_values_that_are_wrong_are_left_out() {
        let (pair, mistakes) = read_text::<Pair>("{ firstName: a, count: 256, unused: [1, true] }");
        assert_eq!(pair, Some(Pair { first_name: "a".into(), count: None, _unused: vec![true] }));
        assert_eq!(
            mistakes,
            ["1:24 expected a whole number, 0 to 255, found 256", "1:38 expected a boolean, found a number"]
        );
    }

    #[test]
    fn a_misspelt_key_is_not_missing_as_well() {
        let (pair, mistakes) = read_text::<Pair>("{ firstNme: a }");
        assert_eq!(pair.unwrap().first_name, "a");
        assert_eq!(mistakes, ["1:3 unknown key `firstNme`"]);
    }

    #[test]
    fn words_are_those_of_the_type() {
        assert_eq!(read_text::<Compat>("server"), (Some(Compat::Server), vec![]));
        assert_eq!(read_text::<Compat>("serve"), (None, vec!["1:1 unknown value `serve`".to_owned()]));
        let (_, mistakes) = read_text::<FaultKind>("[trap]");
        assert!(mistakes[0].starts_with("1:1 expected one of: guest, trap, "), "{mistakes:?}");
    }
}
