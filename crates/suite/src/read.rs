//! Nodes become the types of the schema, and *all* mistakes are found in one go.
//!
//! Serde stops at the first error. So each read is tried again without the entry that was wrong, until it succeeds:
//! every try adds one mistake, and what is left can still be checked. Reading is single-threaded; the state of the
//! read in progress is kept beside it, because serde has no room for it.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::mistake::{Mistakes, mistake, suggestion};
use super::yaml::{Content, Key, Node};
use policy_verify_model::code::Code;
use policy_verify_model::source::{self, SPANNED, Span};

/// More mistakes than anybody reads; a bound for hostile files.
const MOST_MISTAKES: usize = 200;

/// Name under which a type asks for the node itself.
const CAPTURE: &str = "policy-verify node";

thread_local! {
    static CAPTURED: RefCell<Option<Node>> = const { RefCell::new(None) };
    static SKIPPED: RefCell<HashSet<u32>> = RefCell::new(HashSet::new());
}

/// Reads `node` as a `T`; mistakes are collected, and `None` means that nothing usable is left.
pub(crate) fn read<T: DeserializeOwned>(node: &Node, mistakes: &mut Mistakes) -> Option<T> {
    SKIPPED.with_borrow_mut(HashSet::clear);
    for _ in 0..MOST_MISTAKES {
        let error = match T::deserialize(NodeReader(node)) {
            Ok(value) => return Some(value),
            Err(error) => PENDING.take().unwrap_or(error),
        };
        let span = error.span.clone().unwrap_or_else(|| node.span.clone());
        if !error.is_consequence {
            let mistake = mistake(&span, error.message.clone()).with_code(error.code);
            mistakes.push(mistake.with_help(error.help.clone()));
        }
        let is_progress = error.culprit.is_some_and(|id| SKIPPED.with_borrow_mut(|skipped| skipped.insert(id)));
        if !is_progress {
            return None;
        }
    }
    None
}

/// Why a node could not be read.
#[derive(Debug)]
pub(crate) struct ReadError {
    message: String,
    help: Option<String>,
    code: Code,
    span: Option<Span>,
    /// Id of the node to leave out in the next try.
    culprit: Option<u32>,
    /// The key whose absence is the error.
    missing: Option<&'static str>,
    /// Whether another mistake is the reason, so that this one need not be reported.
    is_consequence: bool,
}

impl ReadError {
    fn text(message: String, help: Option<String>) -> Self {
        Self { message, help, code: Code::WrongType, span: None, culprit: None, missing: None, is_consequence: false }
    }

    /// Fills in the place unless a deeper node has done so.
    fn at(mut self, span: &Span) -> Self {
        self.span.get_or_insert_with(|| span.clone());
        self
    }

    /// Blames the entry `node` unless a deeper one is blamed.
    fn blaming(mut self, node: &Node) -> Self {
        self.culprit.get_or_insert(node.id);
        self
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        match message.split_once("\nhelp: ") {
            Some((message, help)) => Self::text(message.to_owned(), Some(help.to_owned())),
            None => Self::text(message, None),
        }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let help = Some(suggestion(field, expected));
        Self { code: Code::UnknownKey, ..Self::text(format!("unknown key `{field}`"), help) }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let help = Some(suggestion(variant, expected));
        Self { code: Code::UnknownKey, ..Self::text(format!("unknown word `{variant}`"), help) }
    }

    fn missing_field(field: &'static str) -> Self {
        let error = Self::text(format!("the key `{field}` is missing"), None);
        Self { missing: Some(field), code: Code::MissingKey, ..error }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::text(format!("the key `{field}` is given twice"), None)
    }

    fn invalid_type(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match unexpected {
            de::Unexpected::Bool(_) => "a boolean",
            de::Unexpected::Unsigned(_) | de::Unexpected::Signed(_) | de::Unexpected::Float(_) => "a number",
            de::Unexpected::Str(_) => "a text",
            de::Unexpected::Unit | de::Unexpected::Option => "nothing",
            de::Unexpected::Seq => "a list",
            de::Unexpected::Map => "a mapping",
            _ => "something else",
        };
        let expected = match expected.to_string() {
            text if text.starts_with("struct ") || text == "a map" => "a mapping".to_owned(),
            text if text.contains("sequence") => "a list".to_owned(),
            text if text == "a string" => "a text".to_owned(),
            text if ["u8", "u16", "u32", "u64", "usize"].contains(&text.as_str()) => "a whole number".to_owned(),
            text => text,
        };
        // `contains: 503` is a number to YAML.
        let help = match unexpected {
            de::Unexpected::Unsigned(number) => Some(format!("put it in quotes: \"{number}\"")),
            de::Unexpected::Bool(_) | de::Unexpected::Signed(_) | de::Unexpected::Float(_) => {
                Some("put it in quotes".to_owned())
            }
            _ => None,
        };
        Self::text(format!("expected {expected}, found {found}"), help.filter(|_| expected == "a text"))
    }
}

/// Gives a type its own node: the way to [`Spanned`] values and to parts that are read later.
pub(crate) fn capture<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
    struct CaptureVisitor;
    impl Visitor<'_> for CaptureVisitor {
        type Value = Node;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a node of a suite")
        }

        fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
            CAPTURED.take().ok_or_else(|| E::custom("this type can only be read from a suite file"))
        }
    }
    deserializer.deserialize_newtype_struct(CAPTURE, CaptureVisitor)
}

/// Reads a captured node as a `T`. The caller's error type is generic, so the error with its place is kept aside and
/// put back by the [`NodeReader`] around it.
pub(crate) fn inside<T: DeserializeOwned, E: de::Error>(node: &Node) -> Result<T, E> {
    T::deserialize(NodeReader(node)).map_err(|error| {
        let error = PENDING.take().unwrap_or(error);
        let placeholder = E::custom(&error.message);
        PENDING.set(Some(error));
        placeholder
    })
}

thread_local! {
    static PENDING: RefCell<Option<ReadError>> = const { RefCell::new(None) };
}

/// A serde deserializer over a [`Node`].
struct NodeReader<'a>(&'a Node);

impl NodeReader<'_> {
    fn finish<T>(&self, result: Result<T, ReadError>) -> Result<T, ReadError> {
        result.map_err(|error| {
            let mut error = PENDING.take().unwrap_or(error);
            if let Some(key) = error.missing.take() {
                let was_skipped = |id: u32| SKIPPED.with_borrow(|skipped| skipped.contains(&id));
                error.is_consequence =
                    self.0.entries().iter().any(|(name, value)| name.name == key && was_skipped(value.id));
            }
            error.at(&self.0.span)
        })
    }
}

impl<'de> Deserializer<'de> for NodeReader<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let result = match &self.0.content {
            Content::Null => visitor.visit_unit(),
            Content::Bool(value) => visitor.visit_bool(*value),
            Content::Number(value) => match (value.as_u64(), value.as_i64(), value.as_f64()) {
                (Some(value), _, _) => visitor.visit_u64(value),
                (_, Some(value), _) => visitor.visit_i64(value),
                (_, _, value) => visitor.visit_f64(value.unwrap_or_default()),
            },
            Content::String(text) => visitor.visit_str(text),
            Content::List(items) => visitor.visit_seq(Items(items.iter())),
            Content::Map(entries) => {
                visitor.visit_map(Entries { entries: entries.iter(), value: None, ignores_extensions: false })
            }
        };
        self.finish(result)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.0.content {
            Content::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        if name == CAPTURE {
            CAPTURED.set(Some(self.0.clone()));
            return visitor.visit_unit();
        }
        if name == SPANNED {
            source::hand_over(self.0.span.clone());
        }
        let result = visitor.visit_newtype_struct(NodeReader(self.0));
        self.finish(result)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.0.content {
            Content::Map(entries) => {
                let entries = Entries { entries: entries.iter(), value: None, ignores_extensions: true };
                let result = visitor.visit_map(entries);
                self.finish(result)
            }
            _ => {
                Err(ReadError::text(format!("expected a mapping, found {}", self.0.description()), None)
                    .at(&self.0.span))
            }
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let result = match &self.0.content {
            Content::String(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            _ => Err(ReadError::text(format!("expected a word, found {}", self.0.description()), None)),
        };
        self.finish(result)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'a>(std::slice::Iter<'a, Node>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let Some(node) = self.0.by_ref().find(|node| !is_skipped(node)) else { return Ok(None) };
        seed.deserialize(NodeReader(node)).map(Some).map_err(|error| settle(error, node))
    }
}

struct Entries<'a> {
    entries: std::slice::Iter<'a, (Key, Node)>,
    value: Option<&'a Node>,
    /// Whether keys that start with `x-` are left out: in the mappings of the suite itself, not in data.
    ignores_extensions: bool,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        let ignores_extensions = self.ignores_extensions;
        let is_wanted =
            |(key, node): &&(Key, Node)| !(is_skipped(node) || ignores_extensions && key.name.starts_with("x-"));
        let Some((key, node)) = self.entries.by_ref().find(is_wanted) else { return Ok(None) };
        self.value = Some(node);
        // The key is read as a node of its own, so that spanned keys work like spanned values.
        let key_node = Node { id: node.id, span: key.span.clone(), content: Content::String(key.name.clone()) };
        let result = if ignores_extensions {
            seed.deserialize(StrDeserializer::<ReadError>::new(&key.name))
        } else {
            seed.deserialize(NodeReader(&key_node))
        };
        result.map(Some).map_err(|error| settle(error.at(&key.span), node))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let node = self.value.take().expect("serde asks for a value only after its key");
        seed.deserialize(NodeReader(node)).map_err(|error| settle(error, node))
    }
}

/// An error of an entry: its place, and the entry to leave out next time.
fn settle(error: ReadError, node: &Node) -> ReadError {
    PENDING.take().unwrap_or(error).at(&node.span).blaming(node)
}

fn is_skipped(node: &Node) -> bool {
    SKIPPED.with_borrow(|skipped| skipped.contains(&node.id))
}
