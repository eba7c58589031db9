//! Filters on an answer that is not known yet.

use serde_json::Value;

use super::found::Found;
use super::parse::Expression;
use crate::bats::claim::{Claim, Cond, Key, Place, Root};
use crate::bats::pattern::{Dialect, Pattern};

/// `None` for what cannot be told of an answer.
pub(super) struct Evaluation<'a> {
    pub(super) variables: &'a dyn Fn(&str) -> Option<Value>,
    pub(super) items: &'a mut usize,
}

impl Evaluation<'_> {
    pub(super) fn of(&mut self, expression: &Expression, input: Found) -> Option<Found> {
        match expression {
            Expression::Identity => Some(input),
            Expression::Known(value) => Some(Found::Known(value.clone())),
            Expression::Variable(name) => (self.variables)(name).map(Found::Known),
            Expression::Key(of, name) => self.step(of, input, Key::Name(name.clone())),
            Expression::Index(of, index) => self.step(of, input, Key::Index(*index)),
            Expression::Each(of) => {
                *self.items += 1;
                let item = Key::Some(*self.items);
                self.step(of, input, item)
            }
            Expression::Pipe(left, right) => {
                let left = self.of(left, input)?;
                self.of(right, left)
            }
            Expression::List(inner) => self.of(inner, input),
            Expression::Binary(left, operator, right) => self.binary(left, operator, right, input),
            Expression::Call(name, arguments) => self.call(name, arguments, input),
        }
    }

    fn step(&mut self, of: &Expression, input: Found, key: Key) -> Option<Found> {
        match self.of(of, input)? {
            Found::At(place, conds) => Some(Found::At(place.child(key), conds)),
            Found::Known(value) => match key {
                Key::Name(name) => Some(Found::Known(value.get(name)?.clone())),
                Key::Index(index) => Some(Found::Known(value.get(usize::try_from(index).ok()?)?.clone())),
                Key::Some(_) => None,
            },
            Found::Truth(_) | Found::Length(_) | Found::Selected(_) => None,
        }
    }

    fn binary(&mut self, left: &Expression, operator: &str, right: &Expression, input: Found) -> Option<Found> {
        match operator {
            "and" | "or" => {
                let conds = [self.of(left, input.clone())?.truth(), self.of(right, input)?.truth()];
                Some(Found::Truth(if operator == "and" { Cond::all(conds) } else { Cond::any(conds) }))
            }
            // The default counts where the value is null or false, and changes no comparison with another value.
            "//" => self.of(left, input),
            _ => {
                let (left, right) = (self.of(left, input.clone())?, self.of(right, input)?);
                compare(left, operator, right).map(Found::Truth)
            }
        }
    }

    fn call(&mut self, name: &str, arguments: &[Expression], input: Found) -> Option<Found> {
        match (name, arguments) {
            ("not", []) => Some(Found::Truth(input.truth().negated())),
            ("select", [cond]) => {
                let Found::At(place, mut conds) = input else { return None };
                conds.push(self.of(cond, Found::At(place.clone(), Vec::new()))?.truth());
                Some(Found::At(place, conds))
            }
            ("any", [cond]) => {
                *self.items += 1;
                let Found::At(place, mut conds) = input else { return None };
                let item = place.child(Key::Some(*self.items));
                conds.push(self.of(cond, Found::At(item, Vec::new()))?.truth());
                Some(Found::Truth(Cond::all(conds)))
            }
            ("any", [items, cond]) => {
                let items = self.of(items, input)?;
                self.of(cond, items).map(|found| Found::Truth(found.truth()))
            }
            ("any", []) => Some(Found::Truth(input.truth())),
            ("length", []) => match input {
                Found::At(place, conds) if conds.is_empty() => Some(Found::Length(place)),
                Found::At(_, conds) => Some(Found::Selected(Cond::all(conds))),
                _ => None,
            },
            ("@base64d", []) => match input {
                Found::At(place, _) if place.is(&["patch"]) => {
                    Some(Found::At(Place::whole(place.run, Root::Patch), Vec::new()))
                }
                _ => None,
            },
            ("fromjson" | "tojson" | "tostring" | "@text" | "first" | "last" | "values" | "tonumber", []) => {
                Some(input)
            }
            ("has", [key]) => {
                let Found::Known(Value::String(key)) = self.of(key, input.clone())? else { return None };
                let Found::At(place, conds) = input else { return None };
                let has = Cond::Claim(Claim::Present(place.child(Key::Name(key))));
                Some(Found::Truth(Cond::all(conds.into_iter().chain([has]))))
            }
            ("contains" | "test" | "startswith" | "endswith" | "match" | "index", [argument, ..]) => {
                let Found::Known(Value::String(text)) = self.of(argument, input.clone())? else { return None };
                let Found::At(place, conds) = input else { return None };
                let matches = Cond::Claim(Claim::Matches(place, pattern(name, &text)?));
                Some(Found::Truth(Cond::all(conds.into_iter().chain([matches]))))
            }
            _ => None,
        }
    }
}

fn pattern(name: &str, text: &str) -> Option<Pattern> {
    let mut pattern = match name {
        "test" | "match" => Pattern::regex(&[(text.to_owned(), false)], Dialect::Extended).ok()?,
        _ => Pattern::fixed(text),
    };
    pattern.starts |= name == "startswith";
    pattern.ends |= name == "endswith";
    Some(pattern)
}

/// A comparison; `None` if it cannot be told.
fn compare(left: Found, operator: &str, right: Found) -> Option<Cond> {
    let (cond, is_equal) = match (left, right) {
        (Found::At(place, conds), Found::Known(value)) | (Found::Known(value), Found::At(place, conds)) => {
            (Cond::all(conds.into_iter().chain([Cond::Claim(Claim::Equals(place, value))])), operator == "==")
        }
        (Found::Truth(cond), Found::Known(Value::Bool(value)))
        | (Found::Known(Value::Bool(value)), Found::Truth(cond)) => {
            (if value { cond } else { cond.negated() }, operator == "==")
        }
        (Found::Length(place), Found::Known(value)) => return lengths(place, operator, value.as_u64()?),
        // How many more than one is not told: an operation of a patch is expected once.
        (Found::Selected(cond), Found::Known(value)) => return selected(cond, operator, value.as_u64()?),
        (Found::Known(left), Found::Known(right)) => (Cond::Known(left == right), operator == "=="),
        _ => return None,
    };
    match operator {
        "==" | "!=" => Some(if is_equal { cond } else { cond.negated() }),
        _ => None,
    }
}

fn selected(cond: Cond, operator: &str, number: u64) -> Option<Cond> {
    match (operator, number) {
        ("==" | ">=", 1) | ("!=" | ">", 0) => Some(cond),
        ("==" | "<=", 0) | ("<", 1) => Some(cond.negated()),
        _ => None,
    }
}

/// Only bounds that say whether there is anything are told.
pub(in crate::bats) fn lengths(place: Place, operator: &str, number: u64) -> Option<Cond> {
    let none = Cond::Claim(Claim::Length(place.clone(), 0));
    match (operator, number) {
        ("==", _) => Some(Cond::Claim(Claim::Length(place, number))),
        ("!=" | ">", 0) | (">=", 1) => Some(none.negated()),
        ("<", 1) | ("<=", 0) => Some(none),
        _ => None,
    }
}
