//! Recorded requests become a first suite: AdmissionReviews, AdmissionRequests, and events of Kubernetes' audit log.
//!
//! Each request is a file of its own, and its case expects `accept` unless a response was recorded. Personal data can be
//! replaced on the way; the same text always gets the same placeholder.

mod addresses;
mod arguments;
mod audit;
mod case;
mod kind;
mod names;
mod personal;
mod record;
mod records;
mod response;
mod secrets;

use indexmap::IndexMap;
use policy_verify_model::yaml::emit::Node;
use serde_json::Value;

pub use self::kind::Kind;
pub use self::record::{Options, Reviews};

use self::case::Cases;
use self::record::{NoRequest, Recorded};
use self::records::each_record;
use crate::imported::TestRow;

/// The suite of the requests in these files, which are paths and texts.
pub fn import<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>, options: &Options) -> Reviews {
    let mut import = Import { cases: Cases::new(options), missing: IndexMap::new() };
    for (path, text) in files {
        each_record(path, text, &mut |line, record| match record {
            Ok(record) => import.document(path, line, record, 0),
            Err(why) => import.no_request(path, line, NoRequest { what: "a document".to_owned(), why }),
        });
    }
    import.finish(options)
}

/// Deepest list of lists that is looked into.
const DEEPEST: usize = 4;

/// The work on all files.
struct Import<'a> {
    cases: Cases<'a>,
    /// What is no request by file and kind: the first line, and how many there are.
    missing: IndexMap<(String, NoRequest), (usize, usize)>,
}

impl Import<'_> {
    /// A document of a file, or an item of one.
    fn document(&mut self, path: &str, line: usize, mut document: Value, depth: usize) {
        let kind = document.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        let items = match document.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) if kind.ends_with("List") => Some(items),
            Some(other) => {
                document["items"] = other;
                None
            }
            None => None,
        };
        let items = items.or_else(|| document.as_array_mut().map(std::mem::take));
        if let Some(items) = items.filter(|_| depth < DEEPEST) {
            return items.into_iter().for_each(|item| self.document(path, line, item, depth + 1));
        }
        let found = match kind.as_str() {
            "Event" if is_audit(&document) => audit::request(&document),
            _ => review(document),
        };
        match found {
            Ok(recorded) => {
                if let Err(none) = self.cases.add(path, line, recorded) {
                    self.no_request(path, line, none);
                }
            }
            Err(none) => self.no_request(path, line, none),
        }
    }

    fn no_request(&mut self, path: &str, line: usize, none: NoRequest) {
        let (_, count) = self.missing.entry((path.to_owned(), none)).or_insert((line, 0));
        *count += 1;
    }

    fn finish(self, options: &Options) -> Reviews {
        let Reviews { mut imported, replaced } = self.cases.finish();
        for ((path, NoRequest { what, why }), (line, count)) in self.missing {
            let name = if count == 1 { what } else { format!("{count} times {what}") };
            imported.skip(TestRow::new(&path, line, name).not(why));
        }
        in_order(&mut imported.tests);
        if !imported.draft.cases.is_empty() {
            let policy = Node::map([("uri", Node::text(&options.module))]);
            imported.draft.policies.insert("policy".to_owned(), policy);
        }
        let comments = &mut imported.draft.comments;
        comments.push("Made from recorded requests.".to_owned());
        if imported.tests.iter().any(|row| !row.weak.is_empty()) {
            comments.push("`accept` is a placeholder: replace it with the answer that you expect.".to_owned());
        }
        comments.extend(summary(&replaced));
        Reviews { imported, replaced }
    }
}

/// Puts rows into the order of their files and lines.
fn in_order(rows: &mut [TestRow]) {
    let mut files: IndexMap<String, usize> = IndexMap::new();
    for row in rows.iter() {
        let next = files.len();
        files.entry(row.file.clone()).or_insert(next);
    }
    rows.sort_by_key(|row| (files.get(&row.file).copied(), row.line));
}

/// `Replaced: 3 user names, 1 email address.`
fn summary(replaced: &IndexMap<Kind, usize>) -> Option<String> {
    let counts: Vec<String> = replaced.iter().map(|(kind, count)| format!("{count} {}", kind.name(*count))).collect();
    let found = "what is personal elsewhere in texts is still there: look through the fixtures before you share them";
    (!counts.is_empty()).then(|| format!("Replaced: {}; {found}.", counts.join(", ")))
}

fn is_audit(document: &Value) -> bool {
    let version = document.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    version.starts_with("audit.k8s.io/")
}

/// The request of an AdmissionReview, or one without it.
fn review(mut document: Value) -> Result<Recorded, NoRequest> {
    let take = |document: &mut Value, key: &str| document.get_mut(key).map(Value::take).filter(Value::is_object);
    let response = take(&mut document, "response");
    if let Some(request) = take(&mut document, "request") {
        return Ok(Recorded { request, response, ..Recorded::default() });
    }
    let is_request = document.get("kind").is_some_and(Value::is_object)
        || (document.get("operation").is_some() && document.get("kind").is_none());
    let has_object = ["object", "oldObject"].iter().any(|key| document.get(key).is_some_and(Value::is_object));
    if is_request && (has_object || document.get("operation").is_some()) {
        return Ok(Recorded { request: document, ..Recorded::default() });
    }
    let what = match document.get("kind").and_then(Value::as_str) {
        Some(kind) => format!("a document of kind {kind}"),
        None => "a document".to_owned(),
    };
    let why =
        if response.is_some() { "a response without its request" } else { "no admission request and no audit event" };
    Err(NoRequest { what, why: why.to_owned() })
}

#[cfg(test)]
mod tests;
