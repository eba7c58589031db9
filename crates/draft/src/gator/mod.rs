//! Suites of Gatekeeper's `gator verify` become suites for Kubewarden.
//!
//! Each constraint's parameters are the settings of its cases. What a constraint matches is not: in Kubewarden that is the
//! rules and selectors of the policy's deployment.

mod assertions;
mod case;
mod constraint;

use std::rc::Rc;

use indexmap::IndexMap;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::source::Span;
use policy_verify_model::yaml::emit::Node;

use crate::draft::Entry;
use crate::files::{Files, ReadFile};
use crate::imported::{Fixtures, Imported, Names, TestRow};
use crate::scope::CustomKinds;
use crate::tree::{self, Tree};
use constraint::Constraint;

/// What a suite of Gatekeeper does not say.
#[derive(Debug, Clone)]
pub struct Options {
    /// The module of every template without one of its own.
    pub module: String,
    /// The modules of templates, by the name of the template.
    pub modules: IndexMap<String, String>,
    /// The folder of the file, seen from where the new suite will be; empty if that is the same.
    pub folder: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { module: "policy.wasm".to_owned(), modules: IndexMap::new(), folder: String::new() }
    }
}

/// Whether a document is such a suite.
fn is_suite(document: &Tree) -> bool {
    document.text_at("kind") == Some("Suite")
        && document.text_at("apiVersion").is_some_and(|it| it.starts_with("test.gatekeeper.sh/"))
}

/// The suite that has the tests of the one at `path`; `read` reads the files that it names.
pub fn import(path: &str, text: &str, read: ReadFile<'_>, options: &Options) -> Result<Imported, Diagnostic> {
    let documents = tree::documents(path, text)?;
    let suites: Vec<&Tree> = documents.iter().filter(|document| is_suite(document)).collect();
    if suites.is_empty() {
        return Err(Diagnostic::new(Code::Mistake, "no document is a Gatekeeper suite")
            .with_help("give a file with `kind: Suite` of `test.gatekeeper.sh`".to_owned())
            .at(&Span::unquoted(path)));
    }
    let is_single = suites.iter().map(|suite| suite.list_at("tests").len()).sum::<usize>() == 1;
    let mut import = Import {
        path,
        options,
        files: Files::new(read, &options.folder),
        out: Imported::default(),
        fixtures: Fixtures::default(),
        names: Names::default(),
        is_single,
        policies: IndexMap::new(),
        kinds: CustomKinds::default(),
    };
    for suite in suites {
        import.suite(suite);
    }
    Ok(import.finish())
}

/// A policy of the new suite: the settings of its tests by name, and whether it reads the cluster.
#[derive(Default)]
struct Policy {
    variants: IndexMap<String, Node>,
    is_context_aware: bool,
}

/// The work on one file.
struct Import<'a> {
    path: &'a str,
    options: &'a Options,
    files: Files<'a>,
    out: Imported,
    fixtures: Fixtures,
    names: Names,
    /// Whether there is only one test, whose name no case needs.
    is_single: bool,
    policies: IndexMap<String, Policy>,
    kinds: CustomKinds,
}

/// A test whose files are read.
struct Test<'a> {
    tree: &'a Tree,
    name: &'a str,
    constraint: Constraint,
    /// Why its cases are skipped.
    skip: Option<&'static str>,
}

impl Import<'_> {
    fn suite(&mut self, suite: &Tree) {
        // Not its `name`: several files may have the same one, and suites may not.
        if let Some(name) = suite.get("metadata").and_then(|it| it.text_at("name")) {
            self.out.draft.comments.push(format!("Made from {}, suite {name}.", self.path));
        }
        let known = ["apiVersion", "kind", "metadata", "tests", "skip"];
        self.tell_unknown(suite, &known, "the suite");
        let skip = suite.is_true("skip").then_some("the whole Gatekeeper suite is skipped");
        for test in suite.list_at("tests") {
            self.test(test, skip);
        }
    }

    /// Keys that Gatekeeper does not have either, or has since this was written.
    fn tell_unknown(&mut self, tree: &Tree, known: &[&str], what: &str) {
        for (key, value) in tree.entries().iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            let line = format!("{}:{}: `{key}` of {what} is not translated", self.path, value.line);
            self.out.draft.comments.push(line);
        }
    }

    fn test(&mut self, tree: &Tree, skip: Option<&'static str>) {
        let known = ["name", "template", "constraint", "expansion", "cases", "invalid", "skip"];
        let name = tree.text_at("name").unwrap_or("unnamed");
        self.tell_unknown(tree, &known, &format!("test `{name}`"));
        let skip = if tree.is_true("skip") { Some("the Gatekeeper test is skipped") } else { skip };
        match self.constraint(tree) {
            Ok(constraint) => {
                let test = Test { tree, name, constraint, skip };
                if tree.is_true("invalid") { self.invalid(&test) } else { self.cases(&test) }
            }
            Err(why) => self.lost(tree, name, &why),
        }
    }

    /// A test whose constraint is unknown: none of its cases has settings.
    fn lost(&mut self, tree: &Tree, name: &str, why: &str) {
        let cases = tree.list_at("cases");
        if cases.is_empty() {
            self.out.skip(TestRow::new(self.path, tree.line, name).not(why));
        }
        for case in cases {
            let name = format!("{name}: {}", case.text_at("name").unwrap_or("unnamed"));
            self.out.skip(TestRow::new(self.path, case.line, name).not(why));
        }
    }

    fn constraint(&mut self, test: &Tree) -> Result<Constraint, String> {
        let path = test.text_at("constraint").ok_or("the test has no `constraint`")?;
        let documents = self.files.documents(path)?;
        match documents.as_slice() {
            [constraint] => Constraint::of(path, constraint),
            other => Err(format!("`{path}` has {} documents, Gatekeeper reads one", other.len())),
        }
    }

    /// The template, where it can be read: it only tells what else the policy needs.
    fn template(&mut self, test: &Tree) -> Option<Rc<Vec<Tree>>> {
        self.files.documents(test.text_at("template")?).ok()
    }

    fn cases(&mut self, test: &Test<'_>) {
        let policy = test.constraint.policy.clone();
        let template = self.template(test.tree);
        let text = template.iter().flat_map(|it| it.iter()).map(|it| it.json().to_string()).collect::<String>();
        let variant = self.variant(test, text.contains("data.inventory"));
        let mut comments = test.constraint.comments();
        if !text.is_empty() && !text.contains("\"rego\"") {
            comments.push("the template has no Rego: the module has to be a port of it".to_owned());
        }
        for (index, case) in test.tree.list_at("cases").into_iter().enumerate() {
            let above = if index == 0 { std::mem::take(&mut comments) } else { Vec::new() };
            self.case(test, case, &policy, &variant, above);
        }
    }

    /// Notes the settings of a test; the name of their variant.
    fn variant(&mut self, test: &Test<'_>, is_context_aware: bool) -> String {
        let policy = self.policies.entry(test.constraint.policy.clone()).or_default();
        policy.is_context_aware |= is_context_aware;
        let settings = &test.constraint.parameters;
        let known = policy.variants.iter().find(|(name, it)| *it == settings && *name == test.name);
        if let Some((name, _)) = known {
            return name.clone();
        }
        let numbered = |number| if number == 1 { test.name.to_owned() } else { format!("{}-{number}", test.name) };
        let name = (1..).map(numbered).find(|name| !policy.variants.contains_key(name)).unwrap_or_default();
        policy.variants.insert(name.clone(), settings.clone());
        name
    }

    /// A constraint that its template has to refuse.
    fn invalid(&mut self, test: &Test<'_>) {
        self.policies.entry(test.constraint.policy.clone()).or_default();
        let mut row = TestRow::new(self.path, test.tree.line, test.name);
        let name = self.names.case(&format!("{}: the settings are invalid", test.name));
        let mut entry = Entry::named(&name);
        entry.comments = vec![
            row.place(),
            "Gatekeeper refuses the constraint for the schema of the template; a Rego policy accepts any settings"
                .into(),
        ];
        entry.push("policy", Node::text(&test.constraint.policy));
        entry.push("value", test.constraint.parameters.clone());
        if let Some(why) = test.skip {
            entry.push("skip", Node::text(why));
        }
        entry.push("expect", Node::text("invalid"));
        row.cases = vec![name.clone()];
        row.weak = vec![name];
        row.lose("the schema of the template is not part of a Kubewarden policy");
        self.out.draft.settings_cases.push(entry);
        self.out.tests.push(row);
    }

    fn finish(mut self) -> Imported {
        let is_single = self.policies.len() == 1;
        let reads_cluster = self.policies.values().any(|policy| policy.is_context_aware);
        if !self.out.draft.comments.iter().any(|line| line.starts_with("Made from")) {
            self.out.draft.comments.insert(0, format!("Made from {}.", self.path));
        }
        if reads_cluster {
            // A case without an inventory has an empty one.
            self.out.draft.keys.insert("defaults".into(), Node::map([("cluster", Node::List(Vec::new()))]));
        }
        if !is_single {
            let line = "Every template is a policy of its own: correct their `uri`.";
            self.out.draft.comments.push(line.to_owned());
        }
        let mut without_variants = Vec::new();
        for (name, policy) in std::mem::take(&mut self.policies) {
            if policy.variants.len() < 2 {
                without_variants.push(Node::text(&name));
            }
            let node = policy_node(self.options, &name, policy);
            self.out.draft.policies.insert(name, node);
        }
        for entry in self.out.draft.cases.iter_mut().chain(&mut self.out.draft.settings_cases) {
            if entry.keys.get("policy").is_some_and(|policy| without_variants.contains(policy)) {
                entry.keys.shift_remove("variant");
            }
            if is_single {
                entry.keys.shift_remove("policy");
            }
        }
        self.out.files = self.fixtures.into_files();
        self.kinds.define(&mut self.out);
        self.out
    }
}

fn policy_node(options: &Options, name: &str, policy: Policy) -> Node {
    let uri = options.modules.get(name).unwrap_or(&options.module);
    let mut node = Node::map([("uri", Node::text(uri))]);
    match policy.variants.len() {
        0 => {}
        1 => policy.variants.into_iter().for_each(|(_, settings)| node.push("settings", settings)),
        _ => node.push("variants", Node::Map(policy.variants)),
    }
    if policy.is_context_aware {
        node.push("contextAware", Node::Bool(true));
    }
    node
}

#[cfg(test)]
mod tests;
