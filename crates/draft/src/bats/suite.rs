//! The policies and cases of the suite.

use indexmap::IndexMap;
use policy_verify_model::yaml::emit::Node;

use super::expect::{Expected, Kind};
use super::invocation::{Document, Invocation};
use super::paths;
use super::problem::Problem;
use crate::draft::{Draft, Entry};

/// The suite that is written: its policies, and the names that are taken.
pub(super) struct Suite<'a> {
    /// The folder of the suite, seen from the root.
    pub(super) folder: &'a str,
    /// Name of the policy that the tests are about.
    pub(super) policy_name: &'a str,
    pub(super) draft: Draft,
    /// Name of the policy of each case, for which `policy:` is left out if there is one policy.
    policies_of: Vec<(Kind, usize, String)>,
    kinds: IndexMap<String, PolicyKind>,
    names: std::collections::HashSet<String>,
}

/// What a case has whatever it runs.
pub(super) struct Head<'a> {
    pub(super) name: &'a str,
    pub(super) tags: &'a [String],
    pub(super) skip: Option<&'a str>,
    pub(super) comments: Vec<String>,
}

/// What makes two policies different.
#[derive(Debug, Clone, PartialEq)]
struct PolicyKind {
    module: String,
    execution_mode: Option<String>,
    is_context_aware: bool,
    capabilities: Option<Vec<String>>,
}

impl<'a> Suite<'a> {
    pub(super) fn new(folder: &'a str, policy_name: &'a str) -> Self {
        Self {
            folder,
            policy_name,
            draft: Draft::default(),
            policies_of: Vec::new(),
            kinds: IndexMap::new(),
            names: std::collections::HashSet::new(),
        }
    }

    /// A name that no other case has.
    pub(super) fn unique(&mut self, name: &str) -> String {
        let mut unique = name.to_owned();
        let mut number = 1;
        while !self.names.insert(unique.clone()) {
            number += 1;
            unique = format!("{name} ({number})");
        }
        unique
    }

    /// Adds a case, or a settings case.
    pub(super) fn add(&mut self, head: Head<'_>, invocation: &Invocation, expected: &Expected) -> Result<(), Problem> {
        let mut entry = Entry::named(head.name);
        entry.comments = head.comments;
        if !head.tags.is_empty() {
            entry.push("tags", Node::List(head.tags.iter().map(Node::text).collect()));
        }
        if let Some(reason) = head.skip {
            entry.push("skip", Node::text(reason));
        }
        let settings = invocation.settings.as_ref().map(|settings| self.document(settings, "settings")).transpose()?;
        match expected.kind {
            Kind::Settings => entry.push("value", settings.unwrap_or_else(|| Node::map([]))),
            Kind::Case => {
                let request = invocation.request.as_ref().ok_or(Problem::MissingFlag("--request-path"))?;
                let request = self.document(request, "request")?;
                entry.push(if invocation.is_raw { "raw" } else { "request" }, request);
                if let Some(settings) = settings.filter(|settings| *settings != Node::map([])) {
                    entry.push("settings", settings);
                }
            }
        }
        if let Some(replay) = &invocation.replay {
            let Document::File(path) = replay else { return Err(Problem::Document("recording")) };
            entry.push("replay", Node::text(self.path(path)?));
        }
        entry.push("expect", expected.expect.clone());
        let policy = self.policy(invocation, expected.kind)?;
        let list = match expected.kind {
            Kind::Case => &mut self.draft.cases,
            Kind::Settings => &mut self.draft.settings_cases,
        };
        self.policies_of.push((expected.kind, list.len(), policy));
        list.push(entry);
        Ok(())
    }

    fn path(&self, path: &str) -> Result<String, Problem> {
        paths::seen_from(self.folder, path).ok_or_else(|| Problem::Path(path.to_owned()))
    }

    /// A path, or the document itself.
    fn document(&self, document: &Document, what: &'static str) -> Result<Node, Problem> {
        match document {
            Document::File(path) => self.path(path).map(Node::text),
            Document::Text(text) => match serde_json::from_str(text) {
                Ok(Node::Null) => Ok(Node::map([])),
                Ok(node @ Node::Map(_)) => Ok(node),
                _ => match serde_saphyr::from_str(text) {
                    Ok(node @ Node::Map(_)) => Ok(node),
                    _ => Err(Problem::Document(what)),
                },
            },
        }
    }

    /// The name of the policy of a run. Settings cases take any policy with the module: they ask nothing else of it.
    fn policy(&mut self, invocation: &Invocation, kind: Kind) -> Result<String, Problem> {
        let wanted = PolicyKind {
            module: invocation.policy.clone(),
            execution_mode: invocation.execution_mode.clone(),
            is_context_aware: invocation.is_context_aware,
            capabilities: invocation.capabilities.clone(),
        };
        let is_equal = |known: &PolicyKind| match kind {
            Kind::Case => *known == wanted,
            Kind::Settings => known.module == wanted.module && known.execution_mode == wanted.execution_mode,
        };
        if let Some((name, _)) = self.kinds.iter().find(|(_, known)| is_equal(known)) {
            return Ok(name.clone());
        }
        let node = self.policy_node(&wanted)?;
        let name = self.policy_key(&wanted);
        self.kinds.insert(name.clone(), wanted);
        self.draft.policies.insert(name.clone(), node);
        Ok(name)
    }

    fn policy_key(&self, wanted: &PolicyKind) -> String {
        let last = wanted.module.rsplit('/').next().unwrap_or_default();
        let stem = last.split(['@', ':']).next().unwrap_or_default();
        let stem = [".wasm", ".yaml", ".yml"].iter().find_map(|suffix| stem.strip_suffix(suffix)).unwrap_or(stem);
        let is_own = matches!(stem, "annotated-policy" | "policy" | "annotated_policy" | "");
        let base = if is_own { self.policy_name } else { stem };
        let mut name = base.to_owned();
        if self.kinds.contains_key(&name) && wanted.is_context_aware {
            name = format!("{base}-context-aware");
        }
        let mut number = 1;
        while self.kinds.contains_key(&name) {
            number += 1;
            name = format!("{base}-{number}");
        }
        name
    }

    fn policy_node(&self, kind: &PolicyKind) -> Result<Node, Problem> {
        let is_manifest = kind.module.ends_with(".yml") || kind.module.ends_with(".yaml");
        let module = if kind.module.contains("://") { kind.module.clone() } else { self.path(&kind.module)? };
        let mut node = Node::map([(if is_manifest { "manifest" } else { "uri" }, Node::text(module))]);
        if let Some(mode) = &kind.execution_mode {
            node.push("executionMode", Node::text(mode));
        }
        if kind.is_context_aware {
            node.push("contextAware", Node::Bool(true));
        }
        if let Some(names) = &kind.capabilities {
            node.push("hostCapabilities", Node::List(names.iter().map(Node::text).collect()));
        }
        Ok(node)
    }

    /// The suite: cases name their policy if there are several.
    pub(super) fn finish(mut self) -> Draft {
        if self.kinds.len() > 1 {
            for (kind, index, policy) in &self.policies_of {
                let list = if *kind == Kind::Case { &mut self.draft.cases } else { &mut self.draft.settings_cases };
                // `policy` is the second key.
                list[*index].keys.shift_insert(1, "policy".to_owned(), Node::text(policy));
            }
        }
        if self.policies_of.iter().any(|(kind, ..)| *kind == Kind::Case) {
            self.draft.keys.insert("defaults".to_owned(), Node::map([("rules", Node::text("ignore"))]));
            let why =
                "kwctl runs a policy whatever the rules of its metadata are. Without this default, they are enforced.";
            self.draft.notes.insert("defaults".to_owned(), vec![why.to_owned()]);
        }
        self.draft
    }
}
