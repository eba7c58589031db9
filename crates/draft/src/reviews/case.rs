//! Cases and fixtures of recorded requests.

use std::collections::HashMap;

use indexmap::IndexMap;
use policy_verify_model::yaml::emit::Node;
use policy_verify_model::yaml::flow;
use serde_json::Value;

use super::kind::Kind;
use super::personal::Personal;
use super::record::{NoRequest, Options, Recorded, Reviews};
use super::response::{self, Expectation};
use crate::admission;
use crate::draft::Entry;
use crate::imported::{Fixtures, Imported, Names, TestRow, one_line};

/// The uid of every request: the same that verify gives those that it makes, and that kwctl prints.
const UID: &str = "705ab4f5-6393-11e8-b7cc-42010a800002";

/// The cases so far.
pub(super) struct Cases<'a> {
    options: &'a Options,
    personal: Personal,
    fixtures: Fixtures,
    names: Names,
    imported: Imported,
    /// The name of the case with a request and an expectation.
    known: HashMap<(String, String), String>,
}

impl<'a> Cases<'a> {
    pub(super) fn new(options: &'a Options) -> Self {
        Self {
            options,
            personal: Personal::default(),
            fixtures: Fixtures::default(),
            names: Names::default(),
            imported: Imported::default(),
            known: HashMap::new(),
        }
    }

    pub(super) fn finish(self) -> Reviews {
        let files = self.fixtures.into_files();
        let imported = Imported { files, ..self.imported };
        let replaced: IndexMap<Kind, usize> = self.personal.counts();
        Reviews { imported, replaced }
    }

    /// Adds a request. One that is there already adds no case, but its row.
    pub(super) fn add(&mut self, path: &str, line: usize, mut recorded: Recorded) -> Result<(), NoRequest> {
        if self.known.len() >= self.options.most_cases {
            let why = format!("there are more than {} cases already", self.options.most_cases);
            return Err(NoRequest { what: "a request".to_owned(), why });
        }
        if self.options.replaces_personal_data {
            self.personal.replace(&mut recorded);
        }
        let title = title(&recorded.request);
        let mut row = TestRow::new(path, line, title.as_str());
        recorded.lost.drain(..).for_each(|lost| row.lose(lost));
        let mut entry = Entry::named(&title);
        entry.comments = std::mem::take(&mut recorded.notes);
        if let Err(why) = self.source(&mut recorded.request, &mut entry) {
            return Err(NoRequest { what: title, why });
        }
        let expectation = expectation(&recorded, &mut entry);
        expectation.lost.iter().for_each(|lost| row.lose(lost));
        let keys: Vec<String> =
            entry.keys.iter().skip(1).map(|(key, value)| format!("{key}: {}", flow::flow(value))).collect();
        let key = (keys.join("\n"), flow::flow(&expectation.node));
        if let Some(known) = self.known.get(&key) {
            row.cases.push(known.clone());
            self.imported.tests.push(row);
            return Ok(());
        }
        let name = self.names.case(&title);
        self.known.insert(key, name.clone());
        entry.push("name", Node::text(&name));
        entry.push("expect", expectation.node);
        if expectation.is_weak {
            row.weak.push(name.clone());
        }
        row.cases.push(name);
        self.imported.add(row, entry);
        Ok(())
    }

    /// Adds the request to its case: a file, or its parts if it is not complete.
    fn source(&mut self, request: &mut Value, entry: &mut Entry) -> Result<(), String> {
        if let Some(members) = request.as_object_mut() {
            members.insert("uid".to_owned(), UID.into());
            members.entry("userInfo").or_insert_with(|| Value::Object(serde_json::Map::new()));
        }
        if admission::is_complete(request) {
            let path = self.fixtures.add(&file_title(request), request);
            entry.push("request", Node::text(path));
            return Ok(());
        }
        let notes = admission::add_parts(request, entry, &mut self.fixtures)?;
        entry.comments.push("the recorded request is not complete: verify completes it".to_owned());
        entry.comments.extend(notes);
        Ok(())
    }
}

fn expectation(recorded: &Recorded, entry: &mut Entry) -> Expectation {
    let found = recorded.response.as_ref().and_then(response::expectation);
    found.unwrap_or_else(|| {
        entry.comments.push("to be filled in: no answer was recorded".to_owned());
        Expectation { node: Node::text("accept"), is_weak: true, lost: Vec::new() }
    })
}

fn text<'a>(request: &'a Value, pointer: &str) -> &'a str {
    request.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The first of these texts that is not empty.
fn first<'a>(request: &'a Value, pointers: &[&str]) -> &'a str {
    pointers.iter().map(|pointer| text(request, pointer)).find(|it| !it.is_empty()).unwrap_or_default()
}

fn name(request: &Value) -> String {
    let name = first(request, &["/name", "/object/metadata/name", "/oldObject/metadata/name"]);
    match first(request, &["/object/metadata/generateName"]) {
        prefix if name.is_empty() && !prefix.is_empty() => format!("{prefix}*"),
        _ => name.to_owned(),
    }
}

fn kind(request: &Value) -> &str {
    first(request, &["/kind/kind", "/object/kind", "/oldObject/kind"])
}

fn operation(request: &Value) -> &str {
    first(request, &["/operation"]).trim()
}

/// `CREATE Pod default/nginx`
fn title(request: &Value) -> String {
    let operation = if operation(request).is_empty() { "CREATE" } else { operation(request) };
    let part = match text(request, "/subResource") {
        "" => String::new(),
        part => format!(" ({}/{part})", text(request, "/resource/resource")),
    };
    let namespace = match first(request, &["/namespace", "/object/metadata/namespace", "/oldObject/metadata/namespace"])
    {
        namespace if namespace.is_empty() || kind(request) == "Namespace" => String::new(),
        namespace => format!("{namespace}/"),
    };
    let title = format!("{operation} {} {namespace}{}{part}", kind(request), name(request));
    one_line(&title.chars().take(200).collect::<String>())
}

/// `CREATE Pod nginx`: the namespace would only make the name of the file longer.
fn file_title(request: &Value) -> String {
    format!("{} {} {} {}", operation(request), kind(request), text(request, "/subResource"), name(request))
}
