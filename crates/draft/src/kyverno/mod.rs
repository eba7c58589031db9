//! Tests of `kyverno test` become suites for Kubewarden, as far as there is something like it.
//!
//! Kyverno has a result for each rule. A Kubewarden policy answers once, so the results of all rules of a policy for one
//! resource are one case: it is rejected if a rule fails.

mod case;
mod resources;
mod results;
mod values;

use indexmap::IndexMap;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::source::Span;
use policy_verify_model::yaml::emit::Node;

use crate::files::{Files, ReadFile};
use crate::imported::{Fixtures, Imported, Names};
use crate::scope::CustomKinds;
use crate::tree::{self, Tree};
use resources::Resources;
use values::Values;

/// What a test of Kyverno does not say.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The modules of policies, by the name of the Kyverno policy.
    pub modules: IndexMap<String, String>,
    /// The folder of the file, seen from where the new suite will be; empty if that is the same.
    pub folder: String,
}

/// Keys of a test that are translated.
const TRANSLATED: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "name",
    "policies",
    "resources",
    "variables",
    "values",
    "userinfo",
    "results",
    "clusterResources",
    "paramResources",
    "context",
];

/// Keys of a test without which its results may be others, and what they are.
const UNTRANSLATED: &[(&str, &str)] = &[
    ("exceptions", "policy exceptions"),
    ("targetResources", "existing resources that are mutated"),
    ("apiCallResponses", "answers of HTTP calls"),
    ("globalContextEntries", "global context entries"),
    ("jsonPayload", "a JSON payload"),
    ("jsonPayloads", "JSON payloads"),
    ("httpPayloads", "HTTP payloads"),
    ("envoyPayloads", "Envoy payloads"),
];

/// Whether a document is such a test; old ones have no kind.
fn is_test(document: &Tree) -> bool {
    match (document.text_at("apiVersion"), document.text_at("kind")) {
        // Kyverno does not look at the group.
        (Some(version), Some("Test")) => version.split('/').next().is_some_and(|group| group.ends_with("kyverno.io")),
        (None, None) => document.get("results").is_some() && document.get("policies").is_some(),
        _ => false,
    }
}

/// The suite that has the tests of the file at `path`; `read` reads the files that it names.
pub fn import(path: &str, text: &str, read: ReadFile<'_>, options: &Options) -> Result<Imported, Diagnostic> {
    let documents = tree::documents(path, text)?;
    let tests: Vec<&Tree> = documents.iter().filter(|document| is_test(document)).collect();
    if tests.is_empty() {
        return Err(Diagnostic::new(Code::Mistake, "no document is a Kyverno test")
            .with_help("give a file with `kind: Test` of `cli.kyverno.io`".to_owned())
            .at(&Span::unquoted(path)));
    }
    let files = Files::new(read, &options.folder);
    let (out, fixtures, names) = (Imported::default(), Fixtures::default(), Names::default());
    let kinds = CustomKinds::default();
    let mut import = Import { path, options, files, out, fixtures, names, kinds };
    for test in tests {
        import.test(test);
    }
    Ok(import.finish())
}

/// The work on one file.
struct Import<'a> {
    path: &'a str,
    options: &'a Options,
    files: Files<'a>,
    out: Imported,
    fixtures: Fixtures,
    names: Names,
    kinds: CustomKinds,
}

/// What all results of a test share.
struct Shared {
    resources: Resources,
    values: Values,
    user: Option<Node>,
    cluster: Vec<Node>,
    /// Whether policies read the cluster; namespaces may be there only for selectors.
    is_context_aware: bool,
    /// What changes results and is not translated.
    lost: Vec<String>,
}

impl Import<'_> {
    fn test(&mut self, test: &Tree) {
        let metadata = test.get("metadata").unwrap_or(test);
        // Not its `name`: several files may have the same one, and suites may not.
        let name = metadata.text_at("name").map(|name| format!(", test {name}")).unwrap_or_default();
        self.out.draft.comments.push(format!("Made from {}{name}.", self.path));
        let mut lost = self.untranslated(test);
        let mut resources = Resources::default();
        for path in test.texts_at("resources") {
            if let Err(why) = resources.add(path, &mut self.files) {
                self.out.draft.comments.push(format!("{}: {why}", self.path));
            }
        }
        let values = self.values(test, &mut lost);
        let user = self.user(test, &mut lost);
        let mut cluster = self.cluster(test, &mut lost);
        let is_context_aware = !cluster.is_empty();
        cluster.extend(values.namespaces.iter().cloned());
        self.results(test, &Shared { resources, values, user, cluster, is_context_aware, lost });
    }

    /// What of a test has no counterpart.
    fn untranslated(&mut self, test: &Tree) -> Vec<String> {
        let others = test.entries().iter().filter(|(key, _)| !TRANSLATED.contains(&key.as_str()));
        let mut lost = Vec::new();
        for (key, value) in others {
            let known = UNTRANSLATED.iter().find(|(name, _)| name == key);
            let what = known.map_or_else(|| format!("`{key}` is unknown"), |(_, what)| format!("`{key}`: {what}"));
            self.out.draft.comments.push(format!("{}:{}: not translated: {what}", self.path, value.line));
            lost.push(what);
        }
        lost
    }

    fn values(&mut self, test: &Tree, lost: &mut Vec<String>) -> Values {
        if let Some(inline) = test.get("values") {
            return Values::of(inline);
        }
        let Some(path) = test.text_at("variables") else { return Values::default() };
        match self.files.documents(path) {
            Ok(documents) => documents.first().map(Values::of).unwrap_or_default(),
            Err(why) => {
                lost.push(format!("variables: {why}"));
                Values::default()
            }
        }
    }

    /// The user of the requests.
    fn user(&mut self, test: &Tree, lost: &mut Vec<String>) -> Option<Node> {
        let path = test.text_at("userinfo")?;
        let documents = self.files.documents(path).map_err(|why| lost.push(format!("userinfo: {why}"))).ok()?;
        let document = documents.first()?;
        for key in ["roles", "clusterRoles"].iter().filter(|key| document.get(key).is_some()) {
            lost.push(format!("`{key}` of the user in {path}: a request has no roles"));
        }
        crate::admission::user(&document.json_at("userInfo"))
    }

    /// The objects of the cluster that the policy may read.
    fn cluster(&mut self, test: &Tree, lost: &mut Vec<String>) -> Vec<Node> {
        let paths: Vec<&str> =
            ["clusterResources", "paramResources"].iter().flat_map(|key| test.texts_at(key)).collect();
        for path in &paths {
            match self.files.documents(path) {
                Ok(documents) => documents.iter().for_each(|document| self.kinds.note(&document.json())),
                Err(why) => lost.push(why),
            }
        }
        let mut cluster: Vec<Node> = paths.into_iter().map(|path| Node::text(self.files.in_suite(path))).collect();
        if let Some(path) = test.text_at("context") {
            match self.files.documents(path) {
                Ok(documents) => documents.iter().for_each(|it| self.context(it, &mut cluster, lost)),
                Err(why) => lost.push(why),
            }
        }
        cluster
    }

    /// The objects of a context file; images and the like have mocks of another shape.
    fn context(&mut self, document: &Tree, cluster: &mut Vec<Node>, lost: &mut Vec<String>) {
        let spec = document.get("spec").unwrap_or(document);
        for object in spec.list_at("resources") {
            let (kind, name) = (object.text_at("kind"), object.get("metadata").and_then(|it| it.text_at("name")));
            let title = format!("cluster {} {}", kind.unwrap_or_default(), name.unwrap_or_default());
            let value = object.json();
            self.kinds.note(&value);
            cluster.push(Node::text(self.fixtures.add(&title, &value)));
        }
        let known = ["apiVersion", "kind", "metadata", "spec", "resources"];
        let others = spec.entries().iter().map(|(key, _)| key.as_str()).filter(|key| !known.contains(key));
        lost.extend(others.map(|key| format!("`{key}` of the context: mock the host call with `host`")));
    }

    /// Notes a policy, by the name that Kyverno has for it.
    fn policy(&mut self, name: &str, is_context_aware: bool) {
        let uri = self.options.modules.get(name).cloned();
        let uri = uri.unwrap_or_else(|| format!("{}.wasm", crate::imported::slug(name)));
        let known = self.out.draft.policies.entry(name.to_owned());
        let policy = known.or_insert_with(|| Node::map([("uri", Node::text(uri))]));
        if is_context_aware {
            policy.push("contextAware", Node::Bool(true));
        }
    }

    fn finish(mut self) -> Imported {
        let names = self.out.draft.policies.keys();
        let missing: Vec<&str> =
            names.filter(|name| !self.options.modules.contains_key(*name)).map(String::as_str).collect();
        if !missing.is_empty() {
            let line = format!(
                "Name the Kubewarden policies that replace those of Kyverno under `uri`: {}.",
                missing.join(", ")
            );
            self.out.draft.comments.push(line);
        }
        if self.out.draft.policies.len() == 1 {
            for entry in &mut self.out.draft.cases {
                entry.keys.shift_remove("policy");
            }
        }
        self.out.files = self.fixtures.into_files();
        self.kinds.define(&mut self.out);
        self.out
    }
}

#[cfg(test)]
mod tests;
