//! Claims about members of the response and the patch, as facts.

use serde_json::{Map, Value};

use super::claim::{Claim, Key, Place, Root};
use super::fact::Fact;
use super::member::{equal, exact, members_equal};
use super::pattern::Pattern;
use super::problem::Problem;
use super::{json_text, patch_text};

/// The facts of a claim that holds, or does not.
pub(super) fn facts(claim: &Claim, holds: bool) -> Result<Vec<Fact>, Problem> {
    let facts = if holds { positive(claim) } else { negative(claim) };
    facts.map_err(|problem| problem.unwrap_or_else(|| Problem::Claim(shown(claim, holds))))
}

type Facts = Result<Vec<Fact>, Option<Problem>>;

fn positive(claim: &Claim) -> Facts {
    match claim {
        Claim::Success(_) => Ok(vec![Fact::Success(true)]),
        Claim::Matches(place, pattern) => matching(place, pattern),
        Claim::Equals(place, value) => equals(place, value).ok_or(None),
        Claim::Present(place) if place.is(&["allowed"]) => Ok(vec![Fact::Allowed(true)]),
        Claim::Present(place) if is_patch(place) => Ok(vec![Fact::HasPatch(true)]),
        // An operation that was selected: how is another claim.
        Claim::Present(place) if place.root == Root::Patch && matches!(place.path.as_slice(), [Key::Some(_)]) => {
            Ok(vec![Fact::HasPatch(true)])
        }
        // A message that is there says nothing about its text.
        Claim::Present(place) if place.is(&["status", "message"]) || place.is(&["status"]) => Ok(Vec::new()),
        Claim::Length(place, count) if place.is(&["warnings"]) => Ok(vec![Fact::WarningCount(*count)]),
        Claim::Present(_) | Claim::Length(..) => Err(None),
    }
}

fn negative(claim: &Claim) -> Facts {
    match claim {
        Claim::Success(_) => Ok(vec![Fact::Success(false)]),
        Claim::Present(place) | Claim::Equals(place, Value::Bool(true)) if place.is(&["allowed"]) => {
            Ok(vec![Fact::Allowed(false)])
        }
        Claim::Equals(place, Value::Bool(false)) if place.is(&["allowed"]) => Ok(vec![Fact::Allowed(true)]),
        Claim::Equals(place, Value::String(text)) if place.is(&["allowed"]) => Ok(vec![Fact::Allowed(text != "true")]),
        Claim::Present(place) if is_patch(place) => Ok(vec![Fact::HasPatch(false)]),
        Claim::Present(place) if place.is(&["warnings"]) => Ok(vec![Fact::Warnings(Vec::new())]),
        Claim::Equals(place, Value::Null) if is_patch(place) => Ok(vec![Fact::HasPatch(true)]),
        Claim::Equals(place, Value::String(text)) if is_patch(place) && matches!(text.as_str(), "" | "JSONPatch") => {
            Ok(vec![Fact::HasPatch(text.is_empty())])
        }
        Claim::Equals(place, Value::String(text)) if place.is(&["status", "message"]) && !text.is_empty() => {
            Ok(vec![Fact::Message(exact(text), false)])
        }
        Claim::Equals(place, Value::Null) if place.is(&["status", "message"]) => Ok(Vec::new()),
        Claim::Length(place, 0) if is_patch(place) || (place.root == Root::Patch && place.path.is_empty()) => {
            Ok(vec![Fact::HasPatch(true)])
        }
        Claim::Length(place, 0) if place.is(&["status", "message"]) => Ok(Vec::new()),
        Claim::Matches(place, pattern) => opposite(matching(place, pattern)?),
        _ => Err(None),
    }
}

/// The opposite of one fact; of several, one is wrong, and which is not known.
fn opposite(facts: Vec<Fact>) -> Facts {
    let [fact] = facts.as_slice() else { return Err(None) };
    Ok(vec![match fact {
        Fact::Allowed(allowed) => Fact::NotAllowed(*allowed),
        Fact::HasPatch(true) => Fact::HasPatch(false),
        Fact::Message(pattern, _) => Fact::Message(pattern.clone(), false),
        Fact::Text(pattern, _) => Fact::Text(pattern.clone(), false),
        // Settings that are not refused are those kwctl goes on with.
        Fact::Refusal(_) => return Ok(Vec::new()),
        _ => return Err(None),
    }])
}

fn is_patch(place: &Place) -> bool {
    place.is(&["patch"]) || place.is(&["patchType"]) || (place.root == Root::Patch && place.path.is_empty())
}

fn matching(place: &Place, pattern: &Pattern) -> Facts {
    match (place.root, place.path.is_empty()) {
        (Root::Output, _) | (Root::Response, true) => json_text::facts(pattern).map_err(Some),
        (Root::Patch, true) => Ok(patch_text::facts(pattern)),
        _ if place.is(&["status", "message"]) => Ok(vec![Fact::Message(pattern.clone(), true)]),
        _ if place.is(&["status"]) => json_text::facts(pattern).map_err(Some),
        _ if is_patch(place) && pattern.as_text() == Some("null") => Ok(vec![Fact::HasPatch(false)]),
        _ if is_patch(place) => match pattern.as_text().and_then(patch_text::decoded) {
            Some(operations) => Ok(vec![Fact::Patch(operations)]),
            None => Ok(vec![Fact::HasPatch(true)]),
        },
        _ if place.is(&["allowed"]) => match pattern.as_text() {
            Some("true") => Ok(vec![Fact::Allowed(true)]),
            Some("false") => Ok(vec![Fact::Allowed(false)]),
            _ => Err(None),
        },
        _ => Err(None),
    }
}

fn equals(place: &Place, value: &Value) -> Option<Vec<Fact>> {
    match place.root {
        Root::Output | Root::Response => match (place.path.is_empty(), value) {
            (true, Value::Object(members)) => members_equal(&[], members),
            (true, Value::String(text)) => match serde_json::from_str(text) {
                Ok(Value::Object(members)) => members_equal(&[], &members),
                _ => json_text::facts(&Pattern::fixed(text)).ok(),
            },
            _ => match place.path.as_slice() {
                [Key::Name(list), Key::Index(index)] if list == "warnings" => {
                    Some(vec![Fact::Warning(usize::try_from(*index).ok()?, value.as_str()?.to_owned())])
                }
                _ => equal(&place.names()?, value),
            },
        },
        Root::Patch => match place.path.as_slice() {
            [] => Some(vec![Fact::Patch(value.as_array()?.clone())]),
            [item @ Key::Index(_)] | [item @ Key::Some(_)] => {
                Some(vec![Fact::Operation(Some(item.clone()), value.as_object()?.clone())])
            }
            [item, Key::Name(member)] if matches!(member.as_str(), "op" | "path" | "value" | "from") => {
                let value = if member == "value" && !place.is_json { typed(value) } else { value.clone() };
                Some(vec![Fact::Operation(Some(item.clone()), Map::from_iter([(member.clone(), value)]))])
            }
            [item, Key::Name(member), rest @ ..] if member == "value" => {
                let steps = rest.iter().map(|key| match key {
                    Key::Name(name) => Some(name.clone()),
                    Key::Index(index) if *index >= 0 => Some(index.to_string()),
                    _ => None,
                });
                Some(vec![Fact::Value(item.clone(), steps.collect::<Option<_>>()?, value.clone())])
            }
            _ => None,
        },
    }
}

/// A text that jq printed without quotes, as the value it was: numbers and booleans are taken for what they look like.
fn typed(value: &Value) -> Value {
    let parsed = value.as_str().and_then(|text| serde_json::from_str(text).ok());
    parsed.filter(|it: &Value| it.is_number() || it.is_boolean()).unwrap_or_else(|| value.clone())
}

fn shown(claim: &Claim, holds: bool) -> String {
    let not = if holds { "" } else { "not " };
    match claim {
        Claim::Success(_) => format!("{not}exit code 0"),
        Claim::Matches(place, pattern) => format!("{not}{place} =~ {}", pattern.shown()),
        Claim::Equals(place, value) => format!("{not}{place} == {value}"),
        Claim::Present(place) => format!("{not}{place}"),
        Claim::Length(place, count) => format!("{not}{place} | length == {count}"),
    }
}
