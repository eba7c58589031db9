//! Other requests, made of one that there is: each with a single change of its object, or with some at random. What Kubernetes
//! accepts and policies forget is among them: lists that are null, members that are missing, odd texts, huge numbers.

use policy_verify_model::split_mix::SplitMix64;
use serde_json::{Map, Number, Value};

/// Places of an object that are changed.
const MOST_PLACES: usize = 2_000;

/// Deepest place that is changed.
const DEEPEST: usize = 32;

/// Texts that programs stumble over.
const TEXTS: [&str; 6] = ["", "sabotaged", "a/b:c@d", "Ä\u{202e}\u{0301}漢字👩‍💻", "-1", "true"];

/// Numbers that programs stumble over.
const NUMBERS: [i64; 5] = [0, -1, 1, i64::MAX, i64::MIN];

/// Members of which some programs have a limit.
pub(crate) const MANY: usize = 10_000;

/// A change at a place of a document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    /// JSON pointer.
    pub(crate) at: String,
    /// What is done there.
    pub(crate) edit: Edit,
}

/// What is done at a place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Edit {
    /// The member or item is taken away.
    Remove,
    /// Another value takes its place.
    Set(Value),
    /// A member that is not there gets this value.
    Insert(Value),
    /// The item comes once more, behind itself.
    Repeat,
    /// An object with very many members takes its place.
    Crowd,
}

impl Change {
    /// The document with the change; nothing where the place is gone, or the value is there already.
    pub(crate) fn applied(&self, document: &Value) -> Option<Value> {
        let mut changed = document.clone();
        let (parent, last) = self.at.rsplit_once('/')?;
        let name = last.replace("~1", "/").replace("~0", "~");
        match (changed.pointer_mut(parent)?, &self.edit) {
            (Value::Object(members), Edit::Remove) => {
                members.remove(&name)?;
            }
            (Value::Object(members), Edit::Set(value)) => {
                let present = members.get_mut(&name)?;
                *present = value.clone();
            }
            (Value::Object(members), Edit::Crowd) => *members.get_mut(&name)? = many(),
            (Value::Object(members), Edit::Insert(value)) if !members.contains_key(&name) => {
                members.insert(name, value.clone());
            }
            (Value::Array(items), edit) => {
                let index = name.parse::<usize>().ok().filter(|index| *index < items.len())?;
                match edit {
                    Edit::Remove => {
                        items.remove(index);
                    }
                    Edit::Set(value) => items[index] = value.clone(),
                    Edit::Repeat => items.insert(index, items[index].clone()),
                    Edit::Insert(_) | Edit::Crowd => return None,
                }
            }
            _ => return None,
        }
        (changed != *document).then_some(changed)
    }
}

/// Every single change of a document, its members first.
pub(crate) fn changes(document: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    let mut places = 0;
    collect(document, &mut String::new(), 0, &mut places, &mut found);
    found
}

fn collect(value: &Value, at: &mut String, depth: usize, places: &mut usize, found: &mut Vec<Change>) {
    let children: Vec<(String, &Value, bool)> = match value {
        Value::Object(members) => {
            members.iter().map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value, false)).collect()
        }
        Value::Array(items) => items.iter().enumerate().map(|(index, item)| (index.to_string(), item, true)).collect(),
        _ => return,
    };
    for (name, child, is_item) in children {
        *places += 1;
        if *places > MOST_PLACES || depth >= DEEPEST {
            return;
        }
        // Whatever else an object is, an API server knows its kind.
        if depth == 0 && ["apiVersion", "kind"].contains(&name.as_str()) {
            continue;
        }
        let before = at.len();
        at.push('/');
        at.push_str(&name);
        let mut add = |edit| found.push(Change { at: at.clone(), edit });
        add(Edit::Remove);
        if is_item {
            add(Edit::Repeat);
        }
        instead(child).into_iter().for_each(|value| add(Edit::Set(value)));
        if ["labels", "annotations"].contains(&name.as_str()) && child.is_object() {
            add(Edit::Crowd);
        }
        collect(child, at, depth + 1, places, found);
        at.truncate(before);
    }
}

/// What may stand in place of a value. Lists and objects may be null: an API server makes nothing else of them, while a text
/// that is null is an empty one to it.
fn instead(value: &Value) -> Vec<Value> {
    let mut values = Vec::new();
    if value.is_array() || value.is_object() {
        values.push(Value::Null);
    }
    match value {
        Value::Null => {}
        Value::Bool(is_true) => values.push(Value::Bool(!is_true)),
        Value::Number(_) => values.extend(NUMBERS.map(|number| Value::Number(Number::from(number)))),
        Value::String(text) => {
            values.extend(TEXTS.map(|text| Value::String(text.to_owned())));
            values.push(Value::String(format!("{text}-x")));
        }
        Value::Array(_) => values.push(Value::Array(Vec::new())),
        Value::Object(_) => values.push(Value::Object(Map::new())),
    }
    values
}

/// Members that a document lacks and another one has, and labels called like one of these `words`.
pub(crate) fn additions(document: &Value, others: &[&Value], words: &[String]) -> Vec<Change> {
    let mut found = Vec::new();
    for other in others {
        missing(document, other, String::new(), 0, &mut found);
    }
    let labels = document.pointer("/metadata/labels");
    for word in words {
        let (name, value) = (word.replace('~', "~0").replace('/', "~1"), Value::String("x".to_owned()));
        let (at, value) = match labels {
            Some(_) => (format!("/metadata/labels/{name}"), value),
            None => ("/metadata/labels".to_owned(), Map::from_iter([(word.clone(), value)]).into()),
        };
        found.push(Change { at, edit: Edit::Insert(value) });
    }
    found.truncate(MOST_PLACES);
    found
}

fn missing(document: &Value, other: &Value, at: String, depth: usize, found: &mut Vec<Change>) {
    if depth > DEEPEST || found.len() > MOST_PLACES {
        return;
    }
    match (document, other) {
        (Value::Object(members), Value::Object(others)) => {
            for (key, value) in others {
                let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                match members.get(key) {
                    Some(present) => missing(present, value, at, depth + 1, found),
                    None => {
                        let change = Change { at, edit: Edit::Insert(value.clone()) };
                        if !found.contains(&change) {
                            found.push(change);
                        }
                    }
                }
            }
        }
        (Value::Array(items), Value::Array(others)) => {
            for (index, (item, other)) in items.iter().zip(others).enumerate() {
                missing(item, other, format!("{at}/{index}"), depth + 1, found);
            }
        }
        _ => {}
    }
}

fn many() -> Value {
    (0..MANY).map(|number| (format!("label-{number}"), Value::String("x".to_owned()))).collect::<Map<_, _>>().into()
}

/// The document with one to four changes at random places; with what was changed.
pub(crate) fn at_random(document: &Value, random: &mut SplitMix64) -> (Value, Vec<Change>) {
    let (mut changed, mut made) = (document.clone(), Vec::new());
    for _ in 0..=random.below(4) {
        let possible = changes(&changed);
        let Some(change) = possible.get(random.below(possible.len())) else { break };
        if let Some(next) = change.applied(&changed) {
            changed = next;
            made.push(change.clone());
        }
    }
    (changed, made)
}

/// The document without the members and items that it can do without and still be one that `shows` what is wanted. Whole
/// branches are taken away first.
pub(crate) fn smallest(mut document: Value, mut shows: impl FnMut(&Value) -> bool) -> Value {
    loop {
        let removals = changes(&document).into_iter().filter(|change| change.edit == Edit::Remove);
        let mut smaller = removals.filter_map(|change| change.applied(&document));
        match smaller.find(|candidate| shows(candidate)) {
            Some(candidate) => document = candidate,
            None => return document,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_member_and_item_is_taken_away_and_replaced() {
        let document = json!({ "a": [{ "b/c": "x" }], "n": 2 });
        let found: Vec<Value> = changes(&document).iter().filter_map(|it| it.applied(&document)).collect();
        for wanted in [
            json!({ "n": 2 }),
            json!({ "a": null, "n": 2 }),
            json!({ "a": [], "n": 2 }),
            json!({ "a": [{}], "n": 2 }),
            json!({ "a": [{ "b/c": "x" }, { "b/c": "x" }], "n": 2 }),
            json!({ "a": [{ "b/c": "" }], "n": 2 }),
            json!({ "a": [{ "b/c": "x" }], "n": -1 }),
            json!({ "a": [{ "b/c": "x" }] }),
        ] {
            assert!(found.contains(&wanted), "{wanted}");
        }
        assert!(!found.contains(&document));
    }

    #[test]
    fn what_others_have_is_added() {
        let document = json!({ "metadata": { "name": "a" }, "spec": { "list": [{ "x": 1 }] } });
        let other =
            json!({ "metadata": { "name": "b", "labels": { "team": "t" } }, "spec": { "list": [{ "y": 2 }, {}] } });
        let found = additions(&document, &[&other, &other], &["a/b".to_owned()]);
        let made: Vec<Value> = found.iter().filter_map(|change| change.applied(&document)).collect();
        assert_eq!(made.len(), 3, "{found:?}");
        assert_eq!(made[0]["metadata"], json!({ "name": "a", "labels": { "team": "t" } }));
        assert_eq!(made[1]["spec"]["list"][0], json!({ "x": 1, "y": 2 }));
        assert_eq!(made[2]["metadata"]["labels"], json!({ "a/b": "x" }));
        let labelled = json!({ "metadata": { "labels": {} } });
        let made = additions(&labelled, &[], &["a/b".to_owned()])[0].applied(&labelled);
        assert_eq!(made, Some(json!({ "metadata": { "labels": { "a/b": "x" } } })));
    }

    #[test]
    fn large_and_deep_documents_have_bounded_changes() {
        let wide = Value::Array(vec![json!(1); 100_000]);
        assert!(changes(&json!({ "a": wide })).len() < 20 * MOST_PLACES);
        let deep = (0..1000).fold(json!(1), |inner, _| json!([inner]));
        assert!(changes(&deep).len() < 10 * DEEPEST);
    }

    #[test]
    fn the_same_seed_makes_the_same_documents() {
        let document = json!({ "a": { "b": [1, 2, 3] }, "c": "d" });
        let of = |seed| {
            let mut random = SplitMix64::of_seed(seed);
            (0..20).map(|_| at_random(&document, &mut random).0).collect::<Vec<_>>()
        };
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn a_change_without_its_place_is_none() {
        let change = Change { at: "/a/1".to_owned(), edit: Edit::Remove };
        assert_eq!(change.applied(&json!({ "a": [1] })), None);
        assert_eq!(change.applied(&json!({ "a": { "1": 2 } })), Some(json!({ "a": {} })));
    }

    #[test]
    fn what_is_not_needed_is_taken_away() {
        let document = json!({ "kind": "Pod", "a": { "b": [1, { "c": 2, "d": 3 }] }, "e": {} });
        let has = |at: &'static str| move |candidate: &Value| candidate.pointer(at).is_some();
        assert_eq!(smallest(document.clone(), has("/x")), document);
        assert_eq!(
            smallest(document.clone(), has("/a/b/1/c")),
            json!({ "kind": "Pod", "a": { "b": [1, { "c": 2 }] } })
        );
        assert_eq!(smallest(document.clone(), has("/e")), json!({ "kind": "Pod", "e": {} }));
        assert_eq!(smallest(document, |_| true), json!({ "kind": "Pod" }));
    }

    #[test]
    fn a_crowd_is_made_where_it_is_wanted() {
        let document = json!({ "metadata": { "labels": { "a": "b" } } });
        let crowd = changes(&document).into_iter().find(|change| change.edit == Edit::Crowd).unwrap();
        let labels = crowd.applied(&document).unwrap();
        assert_eq!(labels["metadata"]["labels"].as_object().map(Map::len), Some(MANY));
    }
}
