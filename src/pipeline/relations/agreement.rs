//! Whether two answers agree, as a relation wants it.

use policy_verify_model::answer::{AdmissionResponse, Fault};
use policy_verify_model::relation::Relation;
use policy_verify_model::source::Span;
use policy_verify_suite::related::order;
use serde_json::Value;

use super::asked::{Answered, Asked};
use super::variants::{self, Variant};
use crate::compare;

/// How the answer to a variant differs from what the relation wants.
pub(super) struct Difference {
    /// What it wants.
    pub(super) expected: String,
    /// What there is.
    pub(super) actual: String,
}

/// The difference; nothing where the answers agree. No verdict agrees with no other.
pub(super) fn difference(relation: Relation, usual: &Answered, variant: &Variant, asked: &Asked) -> Option<Difference> {
    let answered = match asked {
        Asked::NotSelected => return None,
        Asked::Fault(fault) => {
            let expected = if relation == Relation::Itself { "allowed".to_owned() } else { shown(&usual.response) };
            return Some(Difference { expected, actual: of_fault(fault) });
        }
        Asked::Answered(answered) => answered,
    };
    let (one, other) = (&usual.response, &answered.response);
    let is_other = match relation {
        Relation::Workloads | Relation::Update => verdict(one) != verdict(other),
        Relation::Order => return in_other_order(usual, answered),
        Relation::Idempotent => return second_pass(variant, answered),
        Relation::Itself => !other.allowed,
    };
    let expected = || if relation == Relation::Itself { "allowed".to_owned() } else { shown(one) };
    is_other.then(|| Difference { expected: expected(), actual: shown(other) })
}

fn shown(response: &AdmissionResponse) -> String {
    compare::described(response)
}

fn of_fault(fault: &Fault) -> String {
    format!("fault: {}: {}", fault.kind, fault.message)
}

/// Whether it is let pass, and whether it is mutated.
fn verdict(response: &AdmissionResponse) -> (bool, bool) {
    (response.allowed, response.allowed && response.patch.is_some())
}

fn second_pass(variant: &Variant, answered: &Answered) -> Option<Difference> {
    let mutated = variant.request.mutable_document()?;
    let answer = Ok(answered.response.clone());
    match compare::second_pass(mutated, Some(&answer), &Span::unquoted("")) {
        Ok(found) => found.map(|found| Difference { expected: found.expected, actual: found.actual }),
        Err(fault) => Some(Difference { expected: "an answer".to_owned(), actual: of_fault(&fault) }),
    }
}

/// The order of words and of lists may be another one in the answer as well.
fn in_other_order(usual: &Answered, answered: &Answered) -> Option<Difference> {
    let (one, other) = (&usual.response, &answered.response);
    if verdict(one) != verdict(other) || words(one.message()) != words(other.message()) {
        return Some(Difference { expected: shown(one), actual: shown(other) });
    }
    let mutated = |answered: &Answered| {
        let mutated = compare::mutated_document(&answered.request, &answered.response);
        mutated.map(|mutated| mutated.map(|object| order::normalised(&object))).map_err(|error| error.to_string())
    };
    let (one, other) = (mutated(usual), mutated(answered));
    if one == other {
        return None;
    }
    let actual = match (one, other) {
        (Ok(Some(one)), Ok(Some(other))) => format!("allowed and mutated otherwise: {}", of_objects(&one, &other)),
        (_, Err(error)) => error,
        _ => shown(&answered.response),
    };
    Some(Difference { expected: shown(&usual.response), actual })
}

fn of_objects(one: &Value, other: &Value) -> String {
    variants::changes(one, other)
}

/// The words of a message in one order. Where in a list something is does not count: that has changed.
fn words(message: Option<&str>) -> Vec<String> {
    let is_between = |letter: char| letter.is_whitespace() || ",;()[]{}\"'`".contains(letter);
    let is_place = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let without_places = |word: &str| {
        let steps = word.split('/').map(|step| if is_place(step) && word.contains('/') { "*" } else { step });
        steps.collect::<Vec<_>>().join("/")
    };
    let trimmed = |word: &str| without_places(word.trim_matches(|letter| ".:!?".contains(letter)));
    let message = indexes_left_out(message.unwrap_or_default());
    let mut words: Vec<String> = message.split(is_between).map(trimmed).filter(|word| !word.is_empty()).collect();
    words.sort_unstable();
    words
}

/// `containers[0].image` → `containers[].image`
fn indexes_left_out(message: &str) -> String {
    let mut left = String::with_capacity(message.len());
    let mut parts = message.split('[');
    left.push_str(parts.next().unwrap_or_default());
    for part in parts {
        left.push('[');
        left.push_str(part.trim_start_matches(|digit: char| digit.is_ascii_digit()));
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_words_and_places_in_lists_do_not_count() {
        for (one, other, is_same) in [
            ("missing: a, b", "missing: b, a", true),
            ("missing: [\"a\" \"b\"]", "missing: [\"b\", \"a\"]", true),
            ("spec.containers[0].image is bad", "spec.containers[12].image is bad", true),
            ("/spec/containers/0 is bad", "/spec/containers/1 is bad", true),
            ("a is bad; b is bad.", "b is bad; a is bad.", true),
            ("1 of 2", "2 of 2", false),
            ("container a is bad", "container b is bad", false),
            ("a", "a a", false),
            ("image/1", "image/2", true),
            ("v1.2", "v1.3", false),
        ] {
            assert_eq!(words(Some(one)) == words(Some(other)), is_same, "{one} and {other}");
        }
        assert_ne!(words(None), words(Some("a")));
    }
}
