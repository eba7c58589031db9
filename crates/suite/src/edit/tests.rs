//! Texts before and after a change.

use std::sync::Arc;

use policy_verify_model::source::SourceFile;
use serde_json::{Value, json};

use super::*;

/// The text after the value that begins at `start`, read as YAML, has become another one.
fn changed_in(path: &str, text: &str, start: &str, change: impl FnOnce(&mut Value)) -> Result<String, Obstacle> {
    let file = Arc::new(SourceFile { path: path.into(), text: text.into() });
    let editor = Editor::new(&file, path == "suite.yml");
    let offset = text.find(start).unwrap();
    let root = crate::yaml::parse(&file).unwrap();
    let places = root.places();
    let (pointer, place) = places.iter().find(|(_, span)| span.offset == offset).expect("nothing begins there");
    let old = root.to_json().pointer(pointer).unwrap().clone();
    let mut new = old.clone();
    change(&mut new);
    let wanted = Replacement { place: place.clone(), old, new: new.clone(), row: None };
    let text = editor.apply(editor.edits(&wanted)?)?;
    let file = Arc::new(SourceFile { path: path.into(), text: text.clone() });
    let read = crate::yaml::parse(&file).unwrap_or_else(|error| panic!("{text}\n{error:?}")).to_json();
    assert_eq!(read.pointer(pointer), Some(&new), "{text}");
    Ok(text)
}

fn changed(text: &str, start: &str, change: impl FnOnce(&mut Value)) -> String {
    changed_in("expected.yml", text, start, change).unwrap()
}

#[test]
fn scalars_keep_the_way_they_are_written() {
    for (text, start, new, wanted) in [
        ("a: one # why\nb: 2\n", "one", json!("two"), "a: two # why\nb: 2\n"),
        ("a: one\n", "one", json!("two: three"), "a: \"two: three\"\n"),
        ("a: 'it''s'\n", "'it", json!("isn't"), "a: 'isn''t'\n"),
        ("a: 'one'\n", "'one", json!("two\nlines"), "a: \"two\\nlines\"\n"),
        ("a: \"one\"\n", "\"one", json!("two"), "a: \"two\"\n"),
        ("a: 400\n", "400", json!(403), "a: 403\n"),
        ("a: true\n", "true", json!("true"), "a: \"true\"\n"),
        ("a: |\n  one\n  two\nb: 1\n", "one", json!("three\nfour\n"), "a: |\n  three\n  four\nb: 1\n"),
        ("- a: |-\n    one\n    two\n", "one", json!("three\n\nfour"), "- a: |-\n    three\n\n    four\n"),
        ("a: |\n  one\n\nb: 1\n", "one", json!("short"), "a: short\n\nb: 1\n"),
        ("a: >-\n  one\n  two\nb: 1\n", "one", json!("three"), "a: three\nb: 1\n"),
        ("a: one\n  two # why\n", "one", json!("three"), "a: three # why\n"),
        ("a: &x one\nb: *x\n", "one", json!("two"), "a: &x two\nb: *x\n"),
        ("é: ü\n", "ü", json!("ö"), "é: ö\n"),
        ("{ a: deny, b: 1 }\n", "deny", json!({ "deny": "no, never" }), "{ a: { deny: \"no, never\" }, b: 1 }\n"),
        ("a: deny\r\nb: 1\r\n", "deny", json!("allow"), "a: allow\r\nb: 1\r\n"),
    ] {
        assert_eq!(changed(text, start, |value| *value = new), wanted, "{text}");
    }
}

#[test]
fn members_come_and_go_with_their_lines() {
    let map = "a:\n  b: 1 # one\n  # about c\n  c:\n    d: 2\n  e: 3\nf: 4\n";
    let list = "a:\n  - b\n  # about c\n  - c: 1\n    d: 2\n  - e\nf: 4\n";
    let remove = |name: &'static str| move |value: &mut Value| drop(value.as_object_mut().unwrap().remove(name));
    let add = |value: &mut Value| drop(value.as_object_mut().unwrap().insert("g".into(), json!({ "h": [1] })));
    assert_eq!(changed(map, "b: 1", remove("b")), "a:\n  c:\n    d: 2\n  e: 3\nf: 4\n");
    assert_eq!(changed(map, "b: 1", remove("c")), "a:\n  b: 1 # one\n  # about c\n  e: 3\nf: 4\n");
    assert_eq!(changed(map, "b: 1", remove("e")), "a:\n  b: 1 # one\n  # about c\n  c:\n    d: 2\nf: 4\n");
    let added = "a:\n  b: 1 # one\n  # about c\n  c:\n    d: 2\n  e: 3\n  g: { h: [1] }\nf: 4\n";
    assert_eq!(changed(map, "b: 1", add), added);
    let both = |value: &mut Value| {
        remove("b")(value);
        add(value);
    };
    assert_eq!(changed(map, "b: 1", both), "a:\n  g: { h: [1] } # one\n  # about c\n  c:\n    d: 2\n  e: 3\nf: 4\n");
    let drop_at = |index: usize| move |value: &mut Value| drop(value.as_array_mut().unwrap().remove(index));
    assert_eq!(changed(list, "- b", drop_at(0)), "a:\n  - c: 1\n    d: 2\n  - e\nf: 4\n");
    assert_eq!(changed(list, "- b", drop_at(1)), "a:\n  - b\n  # about c\n  - e\nf: 4\n");
    assert_eq!(changed(list, "- b", drop_at(2)), "a:\n  - b\n  # about c\n  - c: 1\n    d: 2\nf: 4\n");
    for (index, wanted) in [
        (0, "a:\n  - { x: \"y: z\" }\n  - b\n  # about c\n  - c: 1\n    d: 2\n  - e\nf: 4\n"),
        (1, "a:\n  - b\n  - { x: \"y: z\" }\n  # about c\n  - c: 1\n    d: 2\n  - e\nf: 4\n"),
        (3, "a:\n  - b\n  # about c\n  - c: 1\n    d: 2\n  - e\n  - { x: \"y: z\" }\nf: 4\n"),
    ] {
        let insert = |value: &mut Value| value.as_array_mut().unwrap().insert(index, json!({ "x": "y: z" }));
        assert_eq!(changed(list, "- b", insert), wanted);
    }
}

#[test]
fn members_in_brackets_come_and_go_with_their_commas() {
    for (text, start, new, wanted) in [
        ("a: { b: 1, c: 2 }\n", "{", json!({ "b": 1 }), "a: { b: 1 }\n"),
        ("a: { b: 1, c: 2 }\n", "{", json!({ "c": 2 }), "a: { c: 2 }\n"),
        ("a: { b: 1, c: 2 }\n", "{", json!({ "b": 1, "d": 3 }), "a: { b: 1, d: 3 }\n"),
        ("a: { b: 1 }\n", "{", json!({ "b": 1, "d": [3] }), "a: { b: 1, d: [3] }\n"),
        ("a: { b: 1 }\n", "{", json!({}), "a: {}\n"),
        ("a: []\n", "[", json!([1, 2]), "a: [1, 2]\n"),
        ("a: [1, 2, 3]\n", "[", json!([1, 3]), "a: [1, 3]\n"),
        ("a: [1, 2, 3]\n", "[", json!([0, 1, 2, 3, 4]), "a: [0, 1, 2, 3, 4]\n"),
        ("a: [1, 2]\n", "[", json!([]), "a: []\n"),
        ("a: { deny: , code: 1 }\n", "{", json!({ "allow": null, "code": 1 }), "a: { allow: null, code: 1 }\n"),
        ("a: {\n  b: 1, # one\n  c: 2 }\n", "{", json!({ "b": 3, "c": 2 }), "a: {\n  b: 3, # one\n  c: 2 }\n"),
    ] {
        assert_eq!(changed(text, start, |value| *value = new.clone()), wanted, "{text}");
    }
}

#[test]
fn an_empty_value_is_filled() {
    assert_eq!(changed("a:\n  b:\n  c: 1\n", "b:", |it| it["b"] = json!("x")), "a:\n  b: x\n  c: 1\n");
    assert_eq!(changed("a: { b: , c: 1 }\n", "{", |it| it["b"] = json!("x")), "a: { b: x , c: 1 }\n");
}

#[test]
fn json_stays_json() {
    let text = "{\n  \"a\": {\n    \"b\": \"one\",\n    \"c\": 2\n  }\n}\n";
    let change = |start: &str, change: &dyn Fn(&mut Value)| changed_in("a.json", text, start, change).unwrap();
    assert_eq!(change("\"one", &|it| *it = json!("it's \"two\"")), text.replace("\"one\"", "\"it's \\\"two\\\"\""));
    assert_eq!(
        change("{\n    \"b", &|it| it["d"] = json!({ "e": [1, "x"] })),
        text.replace("\"c\": 2", "\"c\": 2, \"d\": {\"e\":[1,\"x\"]}")
    );
    assert_eq!(
        change("{\n    \"b", &|it| drop(it.as_object_mut().unwrap().remove("c"))),
        "{\n  \"a\": {\n    \"b\": \"one\"\n  }\n}\n"
    );
}

#[test]
fn a_suite_has_variables() {
    let change = |text: &str, start: &str, old: Value, new: Value| {
        let file = Arc::new(SourceFile { path: "suite.yml".into(), text: text.into() });
        let root = crate::yaml::parse(&file).unwrap();
        let span = |start: &str| {
            let places = root.places();
            places.values().find(|span| text.find(start) == Some(span.offset)).cloned()
        };
        let editor = Editor::new(&file, true);
        let wanted = Replacement { place: span(start).unwrap(), old, new, row: span("{ row") };
        editor.edits(&wanted).and_then(|edits| editor.apply(edits))
    };
    let suite = |rest: &str| format!("cases:\n  - each: [{{ row: 1, word: allow }}]\n    {rest}\n");
    let text = suite("expect: ${word}");
    assert_eq!(
        change(&text, "${word}", json!("allow"), json!({ "deny": "no ${x}" })).unwrap(),
        text.replace("word: allow", "word: { deny: \"no $${x}\" }")
    );
    let used = change(&suite("expect: ${word}\n    tags: [\"t-${word}\"]"), "${word}", json!("allow"), json!("deny"));
    assert_eq!(used, Err(Obstacle::Used("word".to_owned())));
    let unknown = change("expect: ${word}\n", "${word}", json!("allow"), json!("deny"));
    assert_eq!(unknown, Err(Obstacle::Variable("word".to_owned())));
    let joined = change("{ deny: \"no ${word}\" }\n", "{", json!({ "deny": "no a" }), json!({ "deny": "no b" }));
    assert_eq!(joined, Err(Obstacle::Variable("word".to_owned())));
    let text = "cases: [{ expect: { deny: \"$${a}\", code: 1 } }]\n";
    let literal = change(text, "{ deny", json!({ "deny": "${a}", "code": 1 }), json!({ "deny": "b", "code": 1 }));
    assert_eq!(literal.unwrap(), text.replace("$${a}", "b"));
}

/// Requests, settings and other parts of a suite stay what they are.
#[test]
fn nothing_but_expectations_changes() {
    let shared = "x-o: &o { deny: a }\ncases:\n  - { expect: *o }\n  - { expect: *o }\n";
    assert_eq!(
        changed_in("suite.yml", shared, "{ deny", |it| it["deny"] = json!("b")).unwrap(),
        shared.replace("deny: a", "deny: b")
    );
    for (text, start) in [
        ("policies: { p: { settings: { a: &w [team] } } }\ncases: [{ expect: { warnings: *w } }]\n", "[team"),
        ("cases:\n  - set: { a: &v nobody }\n    expect: { deny: *v }\n", "nobody"),
        ("cases:\n  - expect: { deny: &v nobody }\n  - set: { a: *v }\n    expect: allow\n", "nobody"),
    ] {
        let change = |value: &mut Value| *value = if value.is_array() { json!([]) } else { json!("other") };
        assert_eq!(changed_in("suite.yml", text, start, change), Err(Obstacle::Shared), "{text}");
    }
    // The anchor would go with the value.
    let text = "cases:\n  - expect: { deny: &v nobody }\n  - expect: { deny: *v }\n";
    assert_eq!(changed_in("suite.yml", text, "{ deny: &", |it| *it = json!("allow")), Err(Obstacle::Shared));
}

#[test]
fn dashes_below_their_key_belong_to_the_list() {
    let text = "a:\n  b:\n  - oops # c\n  - é\n  c:\n  - x\n";
    assert_eq!(changed(text, "é", |it| *it = json!("with: colon")), text.replace('é', "\"with: colon\""));
    let file = Arc::new(SourceFile { path: "a.yml".into(), text: text.into() });
    let editor = Editor::new(&file, false);
    let place = crate::yaml::parse(&file).unwrap().places()["/a/b/0"].clone();
    let replace = |old: Value, new: Value| {
        let wanted = Replacement { place: place.clone(), old, new, row: None };
        editor.edits(&wanted).and_then(|edits| editor.apply(edits)).unwrap()
    };
    assert_eq!(replace(json!("oops"), json!("fine")), text.replace("oops", "fine"));
    assert_eq!(replace(json!(["oops", "é"]), json!(["oops", "é", "z"])), text.replace("- é", "- é\n  - z"));
    assert_eq!(replace(json!(["oops", "é"]), json!(["é"])), text.replace("- oops # c\n  ", ""));
}

#[test]
fn overlapping_changes_are_refused() {
    let file = Arc::new(SourceFile { path: "a.yml".into(), text: "a: [1, 2]\n".into() });
    let edit = |range: std::ops::Range<usize>, text: &str| Edit { of: range.clone(), range, text: Some(text.into()) };
    let apply = |edits: Vec<Edit>| Editor::new(&file, false).apply(edits);
    assert_eq!(apply(vec![edit(3..9, "[]"), edit(4..5, "3")]), Err(Obstacle::Shared));
    assert_eq!(apply(vec![edit(4..5, "3"), edit(4..5, "4")]), Err(Obstacle::Shared));
    assert_eq!(apply(vec![edit(4..5, "3"), edit(4..5, "3")]).unwrap(), "a: [3, 2]\n");
    assert_eq!(apply(vec![edit(4..5, "[")]), Err(Obstacle::Shared));
}

#[test]
fn what_stays_is_told() {
    let text = "a: { b: 1, c: 2 }\n";
    let file = Arc::new(SourceFile { path: "a.yml".into(), text: text.into() });
    let place = crate::yaml::parse(&file).unwrap().places()["/a"].clone();
    let (old, new) = (json!({ "b": 1, "c": 2 }), json!({ "b": 1, "c": 3 }));
    let edits = Editor::new(&file, false).edits(&Replacement { place, old, new, row: None }).unwrap();
    let told: Vec<(&str, Option<&str>)> =
        edits.iter().map(|edit| (&text[edit.range.clone()], edit.text.as_deref())).collect();
    assert_eq!(told, [("1", None), ("2", Some("3"))]);
}

#[test]
fn merged_members_are_not_changed() {
    let text = "x: &x { b: 1 }\na: { <<: *x, c: 2 }\n";
    let change = |new: Value| changed_in("a.yml", text, "{ <<", move |value| *value = new);
    assert_eq!(change(json!({ "b": 2, "c": 2 })), Err(Obstacle::Merged("b".to_owned())));
    assert_eq!(change(json!({ "b": 1, "c": 3 })).unwrap(), "x: &x { b: 1 }\na: { <<: *x, c: 3 }\n");
}
