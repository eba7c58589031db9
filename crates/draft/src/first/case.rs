//! Cases for requests, and the files with their objects.

use std::collections::HashMap;

use indexmap::{IndexMap, IndexSet};
use policy_verify_model::policy::RuleOperation;
use policy_verify_model::yaml::emit::Node;

use super::present::{Nothing, Present};
use super::templates;
use crate::draft::Entry;
use crate::imported::{Names, WrittenFile, slug};
use crate::requests::Wanted;
use crate::scope;

/// Longest name of a case, in characters.
const LONGEST_NAME: usize = 200;

/// The cases so far.
#[derive(Debug, Default)]
pub(super) struct Cases {
    pub(super) entries: Vec<Entry>,
    pub(super) names: Vec<String>,
    taken: Names,
    file_names: Names,
    /// Files that are there already, by `apiVersion` and kind.
    present: HashMap<(String, String), String>,
    /// Files to be written, by `apiVersion` and kind.
    files: IndexMap<(String, String), WrittenFile>,
    /// Plurals and versions by group and kind.
    custom: IndexMap<(String, String), (String, IndexSet<String>)>,
}

impl Cases {
    /// Adds the case of a request to a suite that has nothing yet.
    pub(super) fn add(&mut self, wanted: &Wanted) {
        self.add_to(wanted, &Nothing);
    }

    /// Adds the case of a request to a suite that has something already.
    pub(super) fn add_to(&mut self, wanted: &Wanted, present: &dyn Present) {
        let what = if wanted.subresource.is_some() { &wanted.resource } else { &wanted.kind };
        let mut case = self.named(&format!("{} {what}", wanted.operation.word()), present);
        let file = Node::text(self.file(&wanted.api_version, &wanted.kind, present));
        if let (true, Some((group, version))) = (wanted.is_custom, wanted.api_version.rsplit_once('/')) {
            let kind = (group.to_owned(), wanted.kind.clone());
            let known = self.custom.entry(kind).or_insert_with(|| (wanted.resource.clone(), IndexSet::new()));
            known.1.insert(version.to_owned());
        }
        if wanted.operation != RuleOperation::Delete {
            case.push("object", file.clone());
        }
        match &wanted.subresource {
            // The kind of what is sent tells of which subresource it is.
            Some(part) if sends_whole(part) => case.push("subresource", Node::text(part)),
            Some(_) => {}
            None if wanted.operation != RuleOperation::Create => case.push("oldObject", file),
            None => {}
        }
        case.push("expect", Node::text("accept"));
        self.entries.push(case);
    }

    /// Adds the case of a document that is not of Kubernetes.
    pub(super) fn add_raw(&mut self) {
        let mut case = self.named("example document", &Nothing);
        case.comments.push("Replace the document with one that the policy is made for.".to_owned());
        let members = [("user", "alice"), ("action", "eats"), ("resource", "banana")];
        case.push("raw", Node::map(members.map(|(key, value)| (key, Node::text(value)))));
        case.push("expect", Node::text("accept"));
        self.entries.push(case);
    }

    fn named(&mut self, title: &str, present: &dyn Present) -> Entry {
        let title: String = title.chars().map(|it| if it.is_control() { ' ' } else { it }).take(LONGEST_NAME).collect();
        let mut name = self.taken.case(&title);
        while present.has_case(&name) {
            name = self.taken.case(&title);
        }
        self.names.push(name.clone());
        Entry::named(&name)
    }

    /// The path of the file with the object of a kind: one that is there, or one to be written.
    fn file(&mut self, api_version: &str, kind: &str, present: &dyn Present) -> String {
        let key = (api_version.to_owned(), kind.to_owned());
        if let Some(path) = self.files.get(&key).map(|file| &file.path).or(self.present.get(&key)) {
            return path.clone();
        }
        let path = loop {
            let name = self.file_names.unique(&slug(kind), |name, number| format!("{name}-{number}"));
            let path = format!("fixtures/{name}.yaml");
            match present.object_in(&path) {
                None => break path,
                Some(object) if object == key => {
                    self.present.insert(key, path.clone());
                    return path;
                }
                Some(_) => {}
            }
        };
        self.files.insert(key, WrittenFile { path: path.clone(), text: templates::object(api_version, kind) });
        path
    }

    /// The path of the first object.
    pub(super) fn first_file(&self) -> Option<&str> {
        self.files.first().map(|(_, file)| file.path.as_str())
    }

    /// The kinds whose definitions are guesses.
    pub(super) fn guessed(&self) -> Vec<&str> {
        self.custom.keys().map(|(_, kind)| kind.as_str()).collect()
    }

    /// All files.
    pub(super) fn into_files(self) -> Vec<WrittenFile> {
        let definitions = self
            .custom
            .iter()
            .map(|((group, kind), (plural, versions))| scope::definition(group, kind, plural, versions).to_yaml());
        let definitions: Vec<String> = definitions.collect();
        let crds = (!definitions.is_empty())
            .then(|| WrittenFile { path: scope::FILE.to_owned(), text: definitions.join("---\n") });
        self.files.into_values().chain(crds).collect()
    }
}

/// Whether what is sent about a subresource is the object itself, or made of it.
fn sends_whole(part: &str) -> bool {
    !["attach", "binding", "eviction", "exec", "portforward", "proxy", "token"].contains(&part)
}
