//! Refuses documents that hold a forbidden word, and replaces old words by new ones.
//!
//! A WASI program: it reads a document from stdin and writes its answer to stdout. The words are looked for in the object
//! of a Kubernetes request, and in the whole of a raw one, so it serves both types of policies.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::{Read, Write};

use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    forbidden: BTreeSet<String>,
    /// Old word to its new one.
    replace: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Payload {
    request: Value,
    #[serde(default)]
    settings: Settings,
}

fn main() {
    if let Err(error) = run() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input)?;
    let answer = match std::env::args().nth(1).as_deref() {
        Some("validate") => validate(serde_json::from_slice(&input)?),
        Some("validate-settings") => validate_settings(serde_json::from_slice(&input)?),
        other => return Err(format!("unknown operation {other:?}").into()),
    };
    std::io::stdout().write_all(answer.to_string().as_bytes())?;
    Ok(())
}

fn validate_settings(settings: Settings) -> Value {
    match settings.replace.values().find(|new| settings.forbidden.contains(*new)) {
        Some(new) => json!({"valid": false, "message": format!("{new} is forbidden and cannot be a new word")}),
        None => json!({"valid": true}),
    }
}

fn validate(Payload { request, settings }: Payload) -> Value {
    let is_kubernetes = request.get("kind").is_some_and(Value::is_object);
    let document = if is_kubernetes { request.get("object") } else { Some(&request) };
    // A deleted object says nothing any more.
    let Some(document) = document else { return json!({"accepted": true}) };
    if let Some(word) = first_forbidden(document, &settings) {
        return json!({"accepted": false, "message": format!("the word {word} is forbidden")});
    }
    let mut changed = document.clone();
    replace(&mut changed, &settings);
    if changed == *document { json!({"accepted": true}) } else { json!({"accepted": true, "mutated_object": changed}) }
}

fn first_forbidden<'a>(value: &'a Value, settings: &Settings) -> Option<&'a str> {
    match value {
        Value::String(word) => settings.forbidden.contains(word).then_some(word),
        Value::Array(values) => values.iter().find_map(|value| first_forbidden(value, settings)),
        Value::Object(members) => members.values().find_map(|value| first_forbidden(value, settings)),
        _ => None,
    }
}

fn replace(value: &mut Value, settings: &Settings) {
    match value {
        Value::String(word) => {
            if let Some(new) = settings.replace.get(word) {
                word.clone_from(new);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, settings)),
        Value::Object(members) => members.values_mut().for_each(|value| replace(value, settings)),
        _ => {}
    }
}
