//! One resource of a file with several: named as `path`, `path#name`, `path#Kind/name` or `path#Kind/namespace/name`.

use super::files::Files;
use super::mistake::{mistake, nearest};
use super::yaml::{self, Node};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::source::Spanned;

/// Name of a resource that has none, as kwctl calls it.
pub(crate) const NAMELESS: &str = "crd-without-name";

/// What is looked for.
pub(crate) struct Wanted<'a> {
    /// What messages call it.
    pub(crate) one: &'a str,
    /// What messages call several of them.
    pub(crate) several: &'a str,
    /// Its possible kinds, at least one.
    pub(crate) kinds: &'a [&'a str],
}

/// The resource that a suite names, and its kind. Other documents of the file are passed over.
pub(crate) fn find<'a>(
    named: &Spanned<String>,
    wanted: &Wanted<'a>,
    files: &Files,
) -> Result<(Node, &'a str), Diagnostic> {
    let Wanted { one, several, kinds } = wanted;
    let (path, name) = match named.value.split_once('#') {
        Some((path, name)) => (path, Some(name)),
        None => (named.value.as_str(), None),
    };
    let at = |message: String| mistake(&named.span, message);
    let real = files.resolve(&Spanned::new(path.to_owned(), named.span.clone()))?;
    let file = files.read_text(&real).map_err(|mistake| mistake.at(&named.span))?;
    let mut found = Vec::new();
    let documents = yaml::parse_documents(&file, files.limit)?;
    for node in unrolled(&documents) {
        let kind = node.get("kind").and_then(Node::as_str);
        if let Some(kind) = kinds.iter().copied().find(|known| kind == Some(known)) {
            found.push((node.clone(), kind));
        }
    }
    let listed = found.iter().map(|(node, _)| name_of(node).to_owned()).collect::<Vec<_>>();
    if found.is_empty() {
        let help = match kinds {
            [kind] => format!("write a resource of the kind {kind}"),
            kinds => format!("write a resource of one of the kinds {}", kinds.join(", ")),
        };
        return Err(at(format!("no {one} in `{path}`")).with_help(help));
    }
    let mut meant = found.into_iter().filter(|(node, kind)| name.is_none_or(|name| is_meant(name, node, kind)));
    match (meant.next(), meant.next(), name) {
        (Some(found), None, _) => Ok(found),
        (Some(_), Some(_), None) => Err(at(format!("expected one {one}, found {} in `{path}`", listed.len()))
            .with_help(format!("add the name of one, `{path}#{}`: {}", listed[0], listed.join(", ")))),
        (Some((_, kind)), Some(_), Some(name)) => Err(at(format!("several {several} `{name}` in `{path}`"))
            .with_help(format!("add the kind, as in `{path}#{kind}/{name}`"))),
        (None, _, name) => {
            let name = name.unwrap_or_default();
            let help = match nearest(name, listed.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{path}#{near}`?"),
                None => format!("write one of: {}", listed.join(", ")),
            };
            Err(at(format!("no {one} `{name}` in `{path}`")).with_code(Code::UnknownName).with_help(help))
        }
    }
}

/// The resources of documents: themselves, or the items of a `List`, as `kubectl get` prints them.
pub(crate) fn unrolled(documents: &[Node]) -> Vec<&Node> {
    let is_list = |node: &Node| node.get("kind").and_then(Node::as_str).is_some_and(|kind| kind.ends_with("List"));
    let of = |node| match Node::get(node, "items").filter(|_| is_list(node)) {
        Some(items) => items.items().iter().collect(),
        None => vec![node],
    };
    documents.iter().flat_map(of).collect()
}

pub(crate) fn namespace_of(node: &Node) -> Option<&str> {
    node.get("metadata")?.get("namespace")?.as_str()
}

pub(crate) fn name_of(node: &Node) -> &str {
    node.get("metadata").and_then(|metadata| metadata.get("name")?.as_str()).unwrap_or(NAMELESS)
}

/// Whether `name`, `Kind/name` or `Kind/namespace/name` means a document.
fn is_meant(wanted: &str, node: &Node, kind: &str) -> bool {
    let Some((word, name)) = wanted.split_once('/') else { return wanted == name_of(node) };
    let is_named = match name.split_once('/') {
        Some((namespace, name)) => namespace_of(node) == Some(namespace) && name == name_of(node),
        None => name == name_of(node),
    };
    word == kind && is_named
}
