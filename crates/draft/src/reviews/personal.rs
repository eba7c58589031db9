//! Personal data in requests, replaced by placeholders.
//!
//! The same text has the same placeholder everywhere, so that a policy that compares two of them still finds them equal.
//! Names and groups of Kubernetes itself (`system:…`, service accounts and nodes included) stay: policies know them. So do
//! the names of objects. What is not known by its key or its form stays too.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::kind::Kind;
use super::record::Recorded;
use super::{addresses, arguments, names, response, secrets};

/// The annotation in which `kubectl apply` keeps the whole object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Most bytes of a response times texts that are looked for in it.
const MOST_WORK: usize = 1 << 30;

/// The placeholders given so far.
#[derive(Debug, Default)]
pub(super) struct Personal {
    known: HashMap<(Kind, String), String>,
    numbers: HashMap<Kind, usize>,
    counts: HashMap<Kind, usize>,
    /// What was replaced in the request at hand, for the texts of its response.
    recent: IndexMap<String, String>,
    /// Whether a document inside of a text is looked into.
    is_embedded: bool,
}

impl Personal {
    /// What was replaced, and how often, in a fixed order.
    pub(super) fn counts(&self) -> IndexMap<Kind, usize> {
        let mut counts: Vec<(Kind, usize)> = self.counts.iter().map(|(kind, count)| (*kind, *count)).collect();
        counts.sort_unstable();
        counts.into_iter().collect()
    }

    /// Replaces everything personal in a request and its response.
    pub(super) fn replace(&mut self, recorded: &mut Recorded) {
        self.recent.clear();
        // Users first: labels may repeat their names.
        if let Some(user) = recorded.request.get_mut("userInfo") {
            self.value("userInfo", user);
        }
        if let Some(members) = recorded.request.as_object_mut() {
            members.remove("uid");
            members.iter_mut().filter(|(key, _)| *key != "userInfo").for_each(|(key, it)| self.value(key, it));
        }
        recorded.notes.iter_mut().for_each(|note| self.sentence(note));
        let kind = recorded.request.pointer("/object/kind");
        let is_secret = kind.is_some_and(|kind| kind == "Secret");
        let work = recorded.response.as_ref().map_or(0, |it| it.to_string().len()).saturating_mul(self.recent.len());
        if work > MOST_WORK {
            recorded.response = None;
            recorded.lost.push("the response is too long to find personal data in it".to_owned());
        }
        if let Some(response) = &mut recorded.response {
            self.response(response, is_secret);
        }
    }

    fn placeholder(&mut self, kind: Kind, text: &str) -> String {
        *self.counts.entry(kind).or_default() += 1;
        let key = (kind, text.to_owned());
        if let Some(known) = self.known.get(&key) {
            let known = known.clone();
            self.recent.insert(text.to_owned(), known.clone());
            return known;
        }
        let number = self.numbers.entry(kind).or_default();
        *number += 1;
        let placeholder = kind.placeholder(*number, text);
        self.known.insert(key, placeholder.clone());
        self.recent.insert(text.to_owned(), placeholder.clone());
        placeholder
    }

    fn text(&mut self, kind: Kind, value: &mut Value) {
        match value {
            Value::String(text) if !text.is_empty() => *text = self.placeholder(kind, text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.text(kind, item)),
            Value::Object(members) => members.values_mut().for_each(|item| self.text(kind, item)),
            _ => {}
        }
    }

    /// The name of a user or group, unless it is one of Kubernetes.
    fn name(&mut self, kind: Kind, value: &mut Value) {
        match value {
            Value::String(text) if text.starts_with("system:") => {}
            Value::Array(items) => items.iter_mut().for_each(|item| self.name(kind, item)),
            other => self.text(kind, other),
        }
    }

    fn value(&mut self, key: &str, value: &mut Value) {
        match value {
            Value::Object(members) => self.object(key, members),
            Value::Array(items) => {
                self.arguments(items, "");
                items.iter_mut().for_each(|item| self.value(key, item));
            }
            Value::String(text) => self.free_text(key, text),
            _ => {}
        }
    }

    /// What a key with a secret name holds; references to other objects in it stay.
    fn secret(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => self.secret_text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.secret(item)),
            Value::Object(members) => {
                for (key, value) in members {
                    if names::is_reference(key) { self.value(key, value) } else { self.secret(value) }
                }
            }
            _ => {}
        }
    }

    /// A secret, behind the scheme that headers have in front of it.
    fn secret_text(&mut self, text: &mut String) {
        const SCHEMES: [&str; 5] = ["basic", "bearer", "digest", "negotiate", "token"];
        let is_scheme = |word: &str| SCHEMES.contains(&word.to_ascii_lowercase().as_str());
        let start = text.split_once(' ').filter(|(word, _)| is_scheme(word)).map_or(0, |(word, _)| word.len() + 1);
        if start < text.len() && !arguments::is_reference(&text[start..]) {
            let placeholder = self.placeholder(Kind::Token, &text[start..]);
            text.replace_range(start.., &placeholder);
        }
    }

    /// Words of a command line; the image may be the program.
    fn arguments(&mut self, items: &mut [Value], image: &str) {
        let words: Vec<&str> = items.iter().map(|item| item.as_str().unwrap_or_default()).collect();
        // The last ones first, so that the places in a word stay.
        for (index, range, kind) in arguments::secrets(&words, image).into_iter().rev() {
            if let Some(Value::String(text)) = items.get_mut(index) {
                let placeholder = self.placeholder(kind, &text[range.clone()]);
                text.replace_range(range, &placeholder);
            }
        }
    }

    /// A text that says nothing of itself, such as a label.
    fn free_text(&mut self, key: &str, text: &mut String) {
        if (key == "labels" || key == "annotations")
            && let Some(known) = self.known.get(&(Kind::User, text.clone())).cloned()
        {
            *self.counts.entry(Kind::User).or_default() += 1;
            *text = known;
            return;
        }
        if text.starts_with(['{', '[']) && self.embedded(text) {
            return;
        }
        let end = if key == "image" { addresses::tag(text) } else { text.len() };
        if let Some(replaced) = secrets::replaced(&text[..end], |kind, found| self.placeholder(kind, found)) {
            text.replace_range(..end, &replaced);
        }
    }

    /// A document inside of a text; one in the texts of that is only a text.
    fn embedded(&mut self, text: &mut String) -> bool {
        let Some(document) = serde_json::from_str::<Value>(text).ok().filter(|_| !self.is_embedded) else {
            return false;
        };
        let mut replaced = document.clone();
        self.is_embedded = true;
        self.value("", &mut replaced);
        self.is_embedded = false;
        if replaced != document {
            *text = replaced.to_string();
        }
        true
    }

    fn object(&mut self, key: &str, members: &mut Map<String, Value>) {
        if members.remove("managedFields").is_some() {
            *self.counts.entry(Kind::ManagedFields).or_default() += 1;
        }
        let is_user = ["username", "user"].iter().any(|key| members.get(*key).is_some_and(Value::is_string));
        let is_secret = members.get("kind").is_some_and(|kind| kind == "Secret");
        let subject = members.get("kind").and_then(Value::as_str).and_then(|kind| match kind {
            "User" => Some(Kind::User),
            "Group" => Some(Kind::Group),
            _ => None,
        });
        self.signing_request(members);
        let image = members.get("image").and_then(Value::as_str).unwrap_or_default().to_owned();
        for list in ["args", "command"].iter().filter(|_| !image.is_empty()) {
            if let Some(Value::Array(items)) = members.get_mut(*list) {
                self.arguments(items, &image);
            }
        }
        let is_named_secret =
            ["name", "key"].iter().any(|key| members.get(*key).and_then(Value::as_str).is_some_and(names::is_secret));
        for (name, value) in members.iter_mut() {
            match name.as_str() {
                "username" => self.name(Kind::User, value),
                "user" if key == "spec" => self.name(Kind::User, value),
                "groups" if is_user => self.name(Kind::Group, value),
                "extra" if is_user => self.text(Kind::Extra, value),
                "name" if subject.is_some() && key == "subjects" => self.name(subject.unwrap_or(Kind::User), value),
                "uid" | "uids" => self.text(Kind::Uid, value),
                "fieldManager" if value.is_string() => self.text(Kind::Manager, value),
                "binaryData" => self.data(Kind::Binary, value),
                "sourceIPs" => self.text(Kind::Address, value),
                "data" if is_secret => self.data(Kind::Secret, value),
                "stringData" if is_secret => self.text(Kind::Secret, value),
                "env" => self.variables(value),
                LAST_APPLIED => self.last_applied(value),
                "value" | "values" if is_named_secret => self.secret(value),
                other if names::is_secret(other) => self.secret(value),
                other if value.as_str().is_some_and(|it| addresses::is_version(other, it)) => {}
                // The texts of labels and annotations are known by the key of their mapping.
                _ if key == "labels" || key == "annotations" => self.value(key, value),
                other => self.value(other, value),
            }
        }
    }

    /// Values that are base64.
    fn data(&mut self, kind: Kind, value: &mut Value) {
        for item in value.as_object_mut().into_iter().flat_map(|members| members.values_mut()) {
            self.encoded(kind, item);
        }
    }

    /// A request for a certificate has the name of its user, and so has the certificate.
    fn signing_request(&mut self, members: &mut Map<String, Value>) {
        if members.get("kind").is_none_or(|kind| kind != "CertificateSigningRequest") {
            return;
        }
        for (part, key) in [("spec", "request"), ("status", "certificate")] {
            if let Some(value) = members.get_mut(part).and_then(|part| part.get_mut(key)) {
                self.encoded(Kind::Token, value);
            }
        }
    }

    /// A text that is base64, and stays it.
    fn encoded(&mut self, kind: Kind, value: &mut Value) {
        if let Value::String(text) = value {
            *text = STANDARD.encode(self.placeholder(kind, text));
        }
    }

    /// An environment variable, or a list of them.
    fn variables(&mut self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.variables(item)),
            Value::Object(members) => {
                // Else a mapping of names to values.
                let is_one = members.get("name").is_some_and(Value::is_string);
                for (key, value) in members {
                    let is_value = if is_one { key == "value" } else { value.is_string() };
                    if is_value { self.text(Kind::Variable, value) } else { self.value(key, value) }
                }
            }
            other => self.value("env", other),
        }
    }

    fn last_applied(&mut self, value: &mut Value) {
        *self.counts.entry(Kind::LastApplied).or_default() += 1;
        *value = "{}".into();
    }

    /// The response, with what was replaced in its request; its patch is written anew.
    fn response(&mut self, response: &mut Value, is_secret: bool) {
        let patch = response.get("patch").and_then(response::operations);
        let known = self.recent.clone();
        let Some(members) = response.as_object_mut() else { return };
        for (_, value) in members.iter_mut().filter(|(key, _)| *key != "patch") {
            self.sentences(value);
        }
        if let Some(mut patch) = patch {
            let operations = patch.as_array_mut().into_iter().flatten();
            operations.for_each(|operation| self.operation(operation, is_secret));
            self.recent = known;
            self.sentences(&mut patch);
            members.insert("patch".to_owned(), STANDARD.encode(patch.to_string()).into());
        }
    }

    /// A step of a patch: its path tells what its value is.
    fn operation(&mut self, operation: &mut Value, is_secret: bool) {
        let path = operation.get("path").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut parts = path.trim_start_matches('/').split('/').rev();
        let (last, before) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let (last, before) = (last.replace("~1", "/").replace("~0", "~"), before.to_owned());
        let is_variable = before.chars().all(|it| it.is_ascii_digit()) && path.contains("/env/");
        let Some(value) = operation.get_mut("value") else { return };
        match (last.as_str(), before.as_str()) {
            (LAST_APPLIED, _) => self.last_applied(value),
            (_, "data") if is_secret => self.encoded(Kind::Secret, value),
            ("data", _) if is_secret => self.data(Kind::Secret, value),
            (_, "binaryData") => self.encoded(Kind::Binary, value),
            ("binaryData", _) => self.data(Kind::Binary, value),
            (_, "stringData") | ("stringData", _) if is_secret => self.text(Kind::Secret, value),
            ("value", _) if is_variable => self.text(Kind::Variable, value),
            ("env", _) | (_, "env") => self.variables(value),
            ("uid", _) => self.text(Kind::Uid, value),
            (key, _) if names::is_secret(key) => self.secret(value),
            (_, key) if value.is_string() => self.value(key, value),
            (key, _) => self.value(key, value),
        }
    }

    fn sentences(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => self.sentence(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.sentences(item)),
            Value::Object(members) => members.values_mut().for_each(|item| self.sentences(item)),
            _ => {}
        }
    }

    /// A sentence that may name what was replaced. Short texts are left: they are words of their own too often.
    fn sentence(&mut self, text: &mut String) {
        const SHORTEST: usize = 4;
        let mut known: Vec<(&String, &String)> = self.recent.iter().filter(|(it, _)| it.len() >= SHORTEST).collect();
        known.sort_by_key(|(it, _)| std::cmp::Reverse(it.len()));
        for (original, placeholder) in known {
            if text.contains(original.as_str()) {
                *text = text.replace(original.as_str(), placeholder);
            }
        }
        if let Some(replaced) = secrets::replaced(text, |kind, found| self.placeholder(kind, found)) {
            *text = replaced;
        }
    }
}
