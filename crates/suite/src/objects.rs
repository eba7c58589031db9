//! The objects of a file: its documents, with lists unrolled, and one of them by its name.

use serde_json::Value;

use super::mistake::nearest;
use super::yaml::Node;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::source::Spanned;

/// Most objects named in a message.
const MOST_NAMES: usize = 10;

/// The items of a list: `List` as `kubectl get` prints it, `PodList` and so on as the API server sends them.
pub(crate) fn items(document: &Value) -> Option<&[Value]> {
    let is_list = text(document, "/kind").is_some_and(|kind| kind.ends_with("List"));
    document.get("items").and_then(Value::as_array).filter(|_| is_list).map(Vec::as_slice)
}

/// The objects of a document: itself, or the items of a list, each with its own place where `node` has one.
pub(crate) fn unrolled(document: &Spanned<Value>, node: Option<&Node>) -> Vec<Spanned<Value>> {
    let Some(items) = items(&document.value) else { return vec![document.clone()] };
    let nodes = node.and_then(|node| node.get("items")).map(Node::items).unwrap_or_default();
    let object = |(index, item): (usize, &Value)| {
        let node = nodes.get(index);
        let span = node.map_or(&document.span, |node| &node.span).clone();
        unrolled(&Spanned::new(of_list(item, &document.value), span), node)
    };
    items.iter().enumerate().flat_map(object).collect()
}

/// An item with the kind that its list has: the API server leaves it out in a `PodList`.
fn of_list(item: &Value, list: &Value) -> Value {
    let mut object = item.clone();
    let kind = text(list, "/kind").and_then(|kind| kind.strip_suffix("List")).filter(|kind| !kind.is_empty());
    if let (Some(members), Some(kind), Some(version)) = (object.as_object_mut(), kind, text(list, "/apiVersion"))
        && !members.contains_key("kind")
    {
        members.insert("kind".into(), kind.into());
        members.entry("apiVersion").or_insert_with(|| version.into());
    }
    object
}

/// `Deployment web`; `document 2` for one without a kind.
pub(crate) fn title(object: &Value, number: usize) -> String {
    match (text(object, "/kind"), text(object, "/metadata/name")) {
        (Some(kind), Some(name)) => format!("{kind} {name}"),
        (Some(kind), None) => kind.to_owned(),
        (None, _) => format!("document {number}"),
    }
}

/// The object that `wanted` names: `web`, `Deployment/web`, or `2` for the second one; an error has no place.
pub(crate) fn choose<'a>(
    objects: &'a [Spanned<Value>],
    path: &str,
    wanted: &str,
) -> Result<&'a Spanned<Value>, Diagnostic> {
    let named: Vec<&Spanned<Value>> = objects.iter().filter(|object| is_named(&object.value, wanted)).collect();
    match named.as_slice() {
        [object] => Ok(object),
        [] => {
            let number = wanted.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            number.and_then(|index| objects.get(index)).ok_or_else(|| unknown(objects, path, wanted))
        }
        several => {
            let message = format!("`{wanted}` is ambiguous: `{path}` has {} such objects", several.len());
            let is_candidate = |object: &Spanned<Value>| is_named(&object.value, wanted);
            let names = names(objects, is_candidate).iter().map(|name| format!("`{path}#{name}`")).collect::<Vec<_>>();
            Err(Diagnostic::new(Code::UnknownName, message).with_help(format!("write one of: {}", names.join(", "))))
        }
    }
}

fn unknown(objects: &[Spanned<Value>], path: &str, wanted: &str) -> Diagnostic {
    let all = objects.iter().filter_map(|object| text(&object.value, "/metadata/name"));
    let help = match nearest(wanted, all) {
        Some(near) => format!("did you mean `{path}#{near}`?"),
        None => format!("write one of: {}", listed(objects)),
    };
    Diagnostic::new(Code::UnknownName, format!("no object `{wanted}` in `{path}`")).with_help(help)
}

/// The names that choose the objects of a file, as a message lists them.
pub(crate) fn listed(objects: &[Spanned<Value>]) -> String {
    let names = names(objects, |_| true);
    let mut listed: Vec<String> = names.iter().take(MOST_NAMES).map(|name| format!("`#{name}`")).collect();
    if names.len() > MOST_NAMES {
        listed.push(format!("and {} more", names.len() - MOST_NAMES));
    }
    listed.join(", ")
}

/// The shortest name that chooses each of the wanted objects.
fn names(objects: &[Spanned<Value>], is_wanted: impl Fn(&Spanned<Value>) -> bool) -> Vec<String> {
    let is_one = |name: &str| objects.iter().filter(|object| is_named(&object.value, name)).count() == 1;
    let numbered = objects.iter().enumerate().filter(|(_, object)| is_wanted(object));
    let name = |(index, object): (usize, &Spanned<Value>)| {
        let name = text(&object.value, "/metadata/name").unwrap_or_default().to_owned();
        let full = format!("{}/{name}", text(&object.value, "/kind").unwrap_or_default());
        [name, full].into_iter().find(|name| is_one(name)).unwrap_or_else(|| (index + 1).to_string())
    };
    numbered.map(name).collect()
}

/// Whether `name` or `Kind/name` means an object.
fn is_named(object: &Value, wanted: &str) -> bool {
    let name = text(object, "/metadata/name");
    match wanted.split_once('/') {
        Some((kind, wanted)) => text(object, "/kind") == Some(kind) && name == Some(wanted),
        None => name == Some(wanted),
    }
}

fn text<'a>(document: &'a Value, pointer: &str) -> Option<&'a str> {
    document.pointer(pointer).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::yaml;
    use policy_verify_model::source::SourceFile;

    fn objects(text: &str) -> Vec<Spanned<Value>> {
        let file = Arc::new(SourceFile { path: "all.yaml".into(), text: text.into() });
        let nodes = yaml::parse_documents(&file, Default::default()).unwrap();
        nodes.iter().flat_map(|node| unrolled(&Spanned::new(node.to_json(), node.span.clone()), Some(node))).collect()
    }

    #[test]
    fn lists_are_unrolled_with_the_places_of_their_items() {
        let found = objects(
            "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: { name: a }\n\
             - apiVersion: v1\n  kind: PodList\n  items:\n  - metadata: { name: b }\n  - metadata: { name: c }\n",
        );
        let shown: Vec<String> =
            found.iter().map(|object| format!("{} {}", title(&object.value, 1), object.span.line)).collect();
        assert_eq!(shown, ["Pod a 4", "Pod b 10", "Pod c 11"]);
        assert_eq!(found[1].value, json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "b" } }));
        assert!(objects("apiVersion: v1\nkind: List\nitems: []\n").is_empty());
        // Without items it is an object like any other.
        assert_eq!(objects("apiVersion: acme.test/v1\nkind: AllowList\nspec: {}\n").len(), 1);
    }

    #[test]
    fn objects_are_chosen_by_name_kind_and_number() {
        let found = objects(
            "kind: Pod\nmetadata: { name: web }\n---\nkind: Service\nmetadata: { name: web }\n---\nkind: Pod\nmetadata: { name: bad }\n---\na: 1\n",
        );
        let line = |wanted: &str| choose(&found, "r.yml", wanted).map(|object| object.span.line);
        for (wanted, number) in [("bad", 7), ("Service/web", 4), ("Pod/web", 1), ("1", 1), ("4", 10)] {
            assert_eq!(line(wanted).unwrap(), number, "{wanted}");
        }
        for (wanted, message, help) in [
            (
                "web",
                "`web` is ambiguous: `r.yml` has 2 such objects",
                "write one of: `r.yml#Pod/web`, `r.yml#Service/web`",
            ),
            ("bat", "no object `bat` in `r.yml`", "did you mean `r.yml#bad`?"),
            ("other", "no object `other` in `r.yml`", "write one of: `#Pod/web`, `#Service/web`, `#bad`, `#4`"),
            ("0", "no object `0` in `r.yml`", "write one of: `#Pod/web`, `#Service/web`, `#bad`, `#4`"),
            ("5", "no object `5` in `r.yml`", "write one of: `#Pod/web`, `#Service/web`, `#bad`, `#4`"),
        ] {
            let found = line(wanted).unwrap_err();
            assert_eq!((found.message.as_str(), found.help.as_deref()), (message, Some(help)), "{wanted}");
        }
    }
}
