//! Where the members of an object are written, after whatever a case changes in its fixture: looked up when somebody asks,
//! because few commands do.

use std::cell::RefCell;
use std::collections::HashMap;

use policy_verify_model::source::Span;
use policy_verify_model::written_object::WrittenObject;

use super::file_limit::FileLimit;
use super::path::unescape;
use super::yaml::{self, Node};

/// Finds where members of objects are written. Each file is parsed once.
pub struct MemberPlaces {
    limit: FileLimit,
    /// The documents of files, by path; none of a file that cannot be parsed.
    files: RefCell<HashMap<String, Vec<Node>>>,
}

impl MemberPlaces {
    /// Places in files of at most this size.
    pub fn new(limit: FileLimit) -> Self {
        Self { limit, files: RefCell::default() }
    }

    /// Where the member at a JSON pointer of an object is written: the change of the suite that made it, or its line in the
    /// fixture. Of a member that is not there, the nearest one that it would be in.
    pub fn of(&self, written: &WrittenObject, pointer: &str) -> Option<Span> {
        let document = written.document.as_ref()?;
        let mut pointer = if written.is_wrapped { in_pod(pointer)? } else { pointer };
        loop {
            let found = self
                .changed(written, pointer)
                .or_else(|| self.member(document, &format!("{}{pointer}", written.root)))
                .or_else(|| Some(written.changes.iter().find(|it| below(&it.at, pointer).is_some())?.span.clone()));
            match (found, pointer.rfind('/')) {
                (Some(place), _) => return Some(place),
                (None, Some(end)) => pointer = &pointer[..end],
                (None, None) => return Some(document.clone()),
            }
        }
    }

    /// The place in the last change that made this member, or that removed what it is in.
    fn changed(&self, written: &WrittenObject, pointer: &str) -> Option<Span> {
        let mut latest = written.changes.iter().rev();
        let (change, rest) = latest.find_map(|change| Some((change, below(pointer, &change.at)?)))?;
        let inside = change.value.as_ref().filter(|_| !rest.is_empty());
        Some(inside.and_then(|value| self.member(value, rest)).unwrap_or_else(|| change.span.clone()))
    }

    /// Where a member of a value is written: the line of its key.
    fn member(&self, value: &Span, pointer: &str) -> Option<Span> {
        let mut files = self.files.borrow_mut();
        let documents = files
            .entry(value.file.path.clone())
            .or_insert_with(|| yaml::parse_documents(&value.file, self.limit).unwrap_or_default());
        let mut node = match documents.iter().find_map(|document| at(document, value)) {
            Some(node) => node,
            // A file with one document may have been read in another way.
            None => documents.first().filter(|_| documents.len() == 1)?,
        };
        let mut place = node.span.clone();
        for token in pointer.split('/').skip(1) {
            let name = unescape(token).ok()?;
            match node.entries().iter().find(|(key, _)| key.name == name) {
                Some((key, member)) => (node, place) = (member, key.span.clone()),
                None => {
                    node = node.items().get(name.parse::<usize>().ok()?)?;
                    place = node.span.clone();
                }
            }
        }
        Some(place)
    }
}

/// The node that is written there, in a document or below.
fn at<'a>(node: &'a Node, place: &Span) -> Option<&'a Node> {
    if (node.span.offset, node.span.len) == (place.offset, place.len) {
        return Some(node);
    }
    let members = node.entries().iter().map(|(_, member)| member);
    members.chain(node.items()).find_map(|inner| at(inner, place))
}

/// The rest of a pointer behind another one that it is equal to or inside of.
fn below<'a>(pointer: &'a str, around: &str) -> Option<&'a str> {
    pointer.strip_prefix(around).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A pointer into a workload as one into its Pod; none for what a Pod has not.
fn in_pod(pointer: &str) -> Option<&str> {
    match pointer.split_once("/template/") {
        Some((before, rest)) => pointer.get(before.len() + "/template".len()..).filter(|_| !rest.is_empty()),
        None => Some(pointer).filter(|_| below(pointer, "/metadata").is_some()),
    }
}
