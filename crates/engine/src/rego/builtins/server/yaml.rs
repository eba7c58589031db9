//! `yaml.is_valid`, `yaml.marshal`, `yaml.unmarshal`: YAML 1.2 as the crate `serde_yaml` reads and writes it.

use std::cell::Cell;
use std::fmt;

use policy_verify_model::budget::{Budget, Exceeded, Room};
use serde::Deserializer;
use serde::de::{DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde_json::Value;

use super::builtin::{Outcome, failed, text};
use crate::rego::builtins::environment::Environment;

pub(crate) fn is_valid(environment: &Environment, arguments: &[Value]) -> Outcome {
    refuse_bombs(text("yaml.is_valid", arguments, 0)?, &environment.budget)?;
    Ok(serde_yaml::from_str::<serde_yaml::Value>(text("yaml.is_valid", arguments, 0)?).is_ok().into())
}

pub(crate) fn unmarshal(environment: &Environment, arguments: &[Value]) -> Outcome {
    const NAME: &str = "yaml.unmarshal";
    refuse_bombs(text(NAME, arguments, 0)?, &environment.budget)?;
    serde_yaml::from_str(text(NAME, arguments, 0)?)
        .map_err(|error| failed(NAME, format!("cannot convert input object to json - {error:?}")))
}

pub(crate) fn marshal(_: &Environment, arguments: &[Value]) -> Outcome {
    const NAME: &str = "yaml.marshal";
    let value = arguments.first().unwrap_or(&Value::Null);
    let text = serde_yaml::to_string(value).map_err(|error| failed(NAME, format!("marshal error - {error:?}")))?;
    Ok(text.into())
}

/// Refuses a document that grows too large while its aliases are followed: a text that is repeated is copied each time.
fn refuse_bombs(text: &str, budget: &Budget) -> Result<(), Exceeded> {
    let exceeded = Cell::new(None);
    let room = budget.room();
    let events = text.bytes().filter(|byte| b"[]{},:?-&*!|>\n".contains(byte)).count() as u64;
    budget.spend(events.saturating_mul(EVENT))?;
    room.take(text.len() as u64 + events.saturating_mul(EVENT))?;
    let measured = Measured { budget, room: &room, exceeded: &exceeded };
    // What is wrong with the document is told by who reads it.
    let _ = measured.deserialize(serde_yaml::Deserializer::from_str(text));
    exceeded.get().map_or(Ok(()), Err)
}

/// Goes through a document without keeping it.
#[derive(Clone, Copy)]
struct Measured<'a> {
    budget: &'a Budget,
    room: &'a Room,
    exceeded: &'a Cell<Option<Exceeded>>,
}

impl Measured<'_> {
    /// Counts a value with this many bytes of text.
    fn value<E: Error>(self, bytes: usize) -> Result<(), E> {
        const VALUE: u64 = 64;
        let spent = self.budget.spend(VALUE).and_then(|()| self.room.take(VALUE + bytes as u64));
        spent.map_err(|exceeded| {
            self.exceeded.set(Some(exceeded));
            E::custom(exceeded)
        })
    }
}

impl<'de> DeserializeSeed<'de> for Measured<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Measured<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.value(0)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.value(0)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.value(0)
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<(), E> {
        self.value(0)
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<(), E> {
        self.value(0)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.value(0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.value(text.len())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.value(0)
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.value(0)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.value(0)?;
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        self.value(OBJECT)?;
        while members.next_key_seed(self)?.is_some() {
            members.next_value_seed(self)?;
        }
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        let ((), content) = tagged.variant_seed(self)?;
        content.newtype_variant_seed(self)
    }
}

/// Bytes and steps of what the parser makes of a mark in the text.
const EVENT: u64 = 128;

/// Bytes of an object: a node of a tree, however few its members are.
const OBJECT: usize = 640;
