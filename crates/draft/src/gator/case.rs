//! A case of a Gatekeeper test.

use policy_verify_model::yaml::emit::Node;
use serde_json::Value;

use super::assertions::{Expectation, expectation};
use super::{Import, Test};
use crate::admission;
use crate::draft::Entry;
use crate::imported::TestRow;
use crate::tree::Tree;

/// Keys of a case.
const KEYS: &[&str] = &["name", "object", "inventory", "assertions", "skip"];

impl Import<'_> {
    pub(super) fn case(&mut self, test: &Test<'_>, tree: &Tree, policy: &str, variant: &str, comments: Vec<String>) {
        let name = tree.text_at("name").unwrap_or("unnamed");
        let full = format!("{}: {name}", test.name);
        let mut row = TestRow::new(self.path, tree.line, full.as_str());
        let mut entry = Entry::named("");
        entry.comments = comments;
        entry.push("policy", Node::text(policy));
        entry.push("variant", Node::text(variant));
        let made = self.object(test, tree, &mut entry, &mut row).and_then(|()| {
            let expectation = expectation(tree)?;
            self.inventory(tree, policy, &mut entry)?;
            Ok(expectation)
        });
        let expectation = match made {
            Ok(expectation) => expectation,
            Err(why) => return self.out.skip(row.not(why)),
        };
        for (key, _) in tree.entries().iter().filter(|(key, _)| !KEYS.contains(&key.as_str())) {
            row.lose(format!("`{key}` of the case"));
        }
        if test.tree.get("expansion").is_some() {
            row.lose("`expansion`: write a case for each object that is expanded to");
        }
        let unique = self.names.case(if self.is_single { name } else { &full });
        entry.push("name", Node::text(&unique));
        let skip = if tree.is_true("skip") { Some("the Gatekeeper case is skipped") } else { test.skip };
        if let Some(why) = skip {
            entry.push("skip", Node::text(why));
        }
        expect(&mut entry, &mut row, unique, expectation);
        self.out.add(row, entry);
    }

    /// The request of a case.
    fn object(&mut self, test: &Test<'_>, case: &Tree, entry: &mut Entry, row: &mut TestRow) -> Result<(), String> {
        let path = case.text_at("object").ok_or("the case has no `object`")?;
        let documents = self.files.documents(path)?;
        let [document] = documents.as_slice() else {
            return Err(format!("`{path}` has {} documents, Gatekeeper takes one", documents.len()));
        };
        let value = document.json();
        let is_review = document.text_at("kind") == Some("AdmissionReview")
            && document.text_at("apiVersion").is_some_and(|it| it.starts_with("admission.k8s.io/"));
        let (matched, operation) = if is_review {
            let request = admission::member(&value, "request").ok_or_else(|| format!("`{path}` has no `request`"))?;
            self.review(path, request, entry)?;
            let object = admission::member(request, "object").or_else(|| admission::member(request, "oldObject"));
            (object.cloned().unwrap_or_default(), request.get("operation").and_then(Value::as_str))
        } else {
            entry.push("object", Node::text(self.files.in_suite(path)));
            (value.clone(), None)
        };
        self.kinds.note(&matched);
        if operation == Some("DELETE") {
            entry
                .comments
                .push("Gatekeeper gives a deleted object as `object`, too; Kubewarden only as `oldObject`".into());
        }
        if let Some(part) = test.constraint.left_out(&matched) {
            row.lose(format!(
                "`match.{part}` of the constraint leaves this object out; the rules of the policy have to"
            ));
        }
        Ok(())
    }

    fn review(&mut self, path: &str, request: &Value, entry: &mut Entry) -> Result<(), String> {
        if admission::is_complete(request) {
            entry.push("request", Node::text(self.files.in_suite(path)));
            return Ok(());
        }
        let notes = admission::add_parts(request, entry, &mut self.fixtures)?;
        entry.comments.push(format!("the request of {path} is not complete: verify completes it"));
        entry.comments.extend(notes);
        Ok(())
    }

    /// The objects of `data.inventory`.
    fn inventory(&mut self, case: &Tree, policy: &str, entry: &mut Entry) -> Result<(), String> {
        let paths = case.texts_at("inventory");
        if paths.is_empty() {
            return Ok(());
        }
        for path in &paths {
            let documents = self.files.documents(path)?;
            documents.iter().for_each(|document| self.kinds.note(&document.json()));
        }
        if let Some(policy) = self.policies.get_mut(policy) {
            policy.is_context_aware = true;
        }
        let paths = paths.into_iter().map(|path| Node::text(self.files.in_suite(path))).collect();
        entry.push("cluster", Node::List(paths));
        Ok(())
    }
}

fn expect(entry: &mut Entry, row: &mut TestRow, name: String, expectation: Expectation) {
    entry.comments.extend(expectation.notes);
    expectation.lost.into_iter().for_each(|lost| row.lose(lost));
    if expectation.is_weak {
        row.weak.push(name.clone());
    }
    row.cases.push(name);
    entry.push("expect", expectation.node);
}
