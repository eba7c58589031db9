//! One case: a policy and a resource.

use policy_verify_model::yaml::emit::Node;
use serde_json::Value;

use super::resources::{self, Resource};
use super::results::{RuleResult, Subject};
use super::{Import, Shared};
use crate::draft::Entry;
use crate::imported::Fate;
use crate::scope;

/// What a case expects.
struct Expectation {
    node: Node,
    /// How its name says it.
    verb: &'static str,
    is_weak: bool,
    notes: Vec<String>,
}

impl Import<'_> {
    pub(super) fn case(&mut self, subject: &Subject, results: &[RuleResult], shared: &Shared) {
        let resource = &shared.resources.0[subject.resource];
        let mut expectation = self.expectation(resource, results);
        let operation = subject.operation.as_deref().unwrap_or("CREATE");
        let suffix = if operation == "CREATE" { String::new() } else { format!(" on {operation}") };
        let title = format!("{} {} {} {}{suffix}", subject.policy, expectation.verb, resource.kind, resource.name);
        let name = self.names.case(&title);
        let mut entry = Entry::named(&name);
        entry.comments = self.places(results);
        entry.comments.append(&mut expectation.notes);
        entry.push("policy", Node::text(&subject.policy));
        request(&mut entry, resource, operation);
        self.rest(&mut entry, subject, resource, shared);
        entry.push("expect", expectation.node);
        self.kinds.note(&resource.value);
        for result in results {
            let row = &mut self.out.tests[result.row];
            row.cases.push(name.clone());
            if expectation.is_weak {
                row.weak.push(name.clone());
            }
        }
        entry.comments.extend(self.lost(results));
        self.policy(&subject.policy, shared.is_context_aware);
        self.out.draft.cases.push(entry);
    }

    fn lose(&mut self, row: usize, what: &str) {
        let is_known = matches!(&self.out.tests[row].fate, Fate::Partly(lost) if lost.iter().any(|it| it == what));
        if !is_known {
            self.out.tests[row].lose(what);
        }
    }

    /// `kyverno-test.yaml:12 rule: pass`
    fn places(&self, results: &[RuleResult]) -> Vec<String> {
        let place = |it: &RuleResult| {
            let place = self.out.tests[it.row].place();
            format!("{place} {}: {}", if it.rule.is_empty() { "all rules" } else { &it.rule }, it.result)
        };
        results.iter().map(place).collect()
    }

    fn lost(&self, results: &[RuleResult]) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for result in results {
            if let Fate::Partly(lost) = &self.out.tests[result.row].fate {
                let new = lost.iter().map(|it| format!("not translated: {it}")).filter(|it| !lines.contains(it));
                lines.extend(new.collect::<Vec<_>>());
            }
        }
        lines
    }

    /// User, namespace and cluster of a case.
    fn rest(&mut self, entry: &mut Entry, subject: &Subject, resource: &Resource, shared: &Shared) {
        if let Some(user) = &shared.user {
            entry.push("user", user.clone());
        }
        let namespace = shared.values.of_request(&subject.policy, "", &resource.name).namespace;
        let own = if resource.namespace.is_empty() { "default" } else { &resource.namespace };
        if let Some(namespace) = namespace.filter(|it| it != own && !scope::is_cluster_wide(&resource.value)) {
            entry.push("namespace", Node::Text(namespace));
        }
        if !shared.cluster.is_empty() {
            entry.push("cluster", Node::List(shared.cluster.clone()));
        }
    }

    fn expectation(&mut self, resource: &Resource, results: &[RuleResult]) -> Expectation {
        let mut notes = Vec::new();
        for (result, note) in [
            (
                "skip",
                "skip: the rule does not apply; if the rules of the policy leave the request out, expect not-applicable",
            ),
            ("warn", "warn: Kyverno only reports it; in Kubewarden the policy would reject, or be in monitor mode"),
        ] {
            if results.iter().any(|it| it.result == result) {
                notes.push(note.to_owned());
            }
        }
        for result in results.iter().filter(|it| it.result == "warn") {
            self.lose(result.row, "`warn`: accept does not tell it from `pass`");
        }
        if results.iter().any(|it| it.result == "fail") {
            return Expectation { node: Node::text("deny"), verb: "denies", is_weak: true, notes };
        }
        for result in results {
            let Some(path) = &result.patched else { continue };
            match self.mutation(resource, path, &mut notes) {
                Ok(node) => {
                    let is_mutated = matches!(node, Node::Map(_));
                    return Expectation {
                        node,
                        verb: if is_mutated { "mutates" } else { "allows" },
                        is_weak: false,
                        notes,
                    };
                }
                Err(why) => self.lose(result.row, &why),
            }
        }
        let verb = if results.iter().all(|it| it.result == "skip") { "leaves out" } else { "accepts" };
        Expectation { node: Node::text("accept"), verb, is_weak: true, notes }
    }

    /// The expectation of the object in a file.
    fn mutation(&mut self, resource: &Resource, path: &str, notes: &mut Vec<String>) -> Result<Node, String> {
        let documents = self.files.documents(path)?;
        let found = resources::of_documents(&self.files.in_suite(path), &documents);
        let same = |it: &&Resource| it.kind == resource.kind && it.name == resource.name;
        let in_place = |it: &&Resource| same(it) && it.namespace == resource.namespace;
        let patched = found.iter().find(in_place).or_else(|| found.iter().find(same));
        let patched = patched.or(found.first().filter(|_| found.len() == 1));
        let patched = patched.ok_or_else(|| format!("`{path}` has no {} {}", resource.kind, resource.name))?;
        if patched.value == resource.value {
            return Ok(Node::text("allow"));
        }
        let is_placed = !patched.namespace.is_empty() || scope::is_cluster_wide(&patched.value);
        if is_placed {
            return Ok(mutate("exactly", &patched.reference));
        }
        if scope::is_custom(&patched.value) {
            notes.push(
                "only the keys of the expected object are compared: its namespace is not written there".to_owned(),
            );
            return Ok(mutate("object", &patched.reference));
        }
        notes.push(format!("the object expected by {path}, in its namespace"));
        let mut placed = patched.value.clone();
        let namespace = if resource.namespace.is_empty() { "default" } else { &resource.namespace };
        if let Some(metadata) = placed.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
        let fixture = self.fixtures.add(&format!("patched {} {}", patched.kind, patched.name), &placed);
        Ok(mutate("exactly", &fixture))
    }
}

fn mutate(how: &str, path: &str) -> Node {
    Node::map([("mutate", Node::map([(how, Node::text(path))]))])
}

fn request(entry: &mut Entry, resource: &Resource, operation: &str) {
    let reference = Node::text(&resource.reference);
    if operation == "DELETE" {
        entry.push("oldObject", reference);
        return;
    }
    entry.push("object", reference);
    if operation != "CREATE" {
        entry.push("operation", Node::text(operation));
    }
}
