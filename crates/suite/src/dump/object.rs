//! A piece of a dump becomes the requests that would create its objects again, with what tells to whom they belong.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::pieces::{Form, Piece};
use crate::file_limit::FileLimit;
use crate::kinds::Kinds;
use crate::mistake::Mistakes;
use crate::read::read;
use crate::schema::CaseEntry;
use crate::yaml::{self, Node};
use crate::{json, objects, request};
use policy_verify_model::budget::Room;
use policy_verify_model::cluster::ClusterKinds;
use policy_verify_model::code::Code;
use policy_verify_model::conversion::Equivalent;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::policy::ContextAwareResource;
use policy_verify_model::source::{SourceFile, Span, Spanned};
use policy_verify_model::stored_request::StoredRequest;

/// The case that every object is put to policies with. Only what a request is made of counts.
const CASE: &str = "{ name: dump, objects: '-', expect: accept }";

/// Bytes that an object may take in memory, by an estimate.
const MOST_OF_PIECE: u64 = 128 << 20;

/// The kind of definitions of other kinds.
const DEFINITION: &str = "CustomResourceDefinition";

/// Makes requests of the pieces of dumps.
pub struct ObjectReader {
    kinds: Kinds,
    case: CaseEntry,
    /// The kinds whose objects are kept as they are, too.
    kept: BTreeSet<ContextAwareResource>,
}

/// What an object of a dump is.
#[derive(Debug)]
pub struct ReadObject {
    /// Its group and version, `apps/v1`.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace; none outside of namespaces.
    pub namespace: Option<String>,
    /// Its name; empty where it has none.
    pub name: String,
    /// The object that controls it.
    pub owner: Option<Owner>,
    /// The file that has it, as reports show it, and its line.
    pub place: (Arc<str>, usize),
    /// The request that would create it again.
    pub request: StoredRequest,
    /// Other versions of its resource.
    pub equivalents: Vec<Equivalent>,
    /// The object as a policy finds it in the cluster, if its kind is kept; with the bytes that it takes, by an estimate.
    pub document: Option<(Arc<Value>, u64)>,
}

/// The object that controls another one in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// Why an object is not among those that were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The file and the line.
    pub place: (Arc<str>, usize),
}

/// What became of an object of a dump.
#[derive(Debug)]
pub enum DumpedObject {
    /// It was read.
    Read(Box<ReadObject>),
    /// Its kind is unknown so far: a definition in the dump may come later.
    UnknownKind(Unreadable, Box<Piece>),
    /// It cannot be read.
    Unreadable(Unreadable),
}

impl ObjectReader {
    /// What reads objects of the kinds of Kubernetes. Those of `kept` are kept as they are.
    pub fn new(kept: BTreeSet<ContextAwareResource>) -> Self {
        let file = Arc::new(SourceFile { path: String::new(), text: CASE.to_owned() });
        let node = yaml::parse(&file).expect("the case is YAML");
        let case = read(&node, &mut Mistakes::default()).expect("the case has all keys");
        Self { kinds: Kinds::default(), case, kept }
    }

    /// Learns the kind that a CustomResourceDefinition defines; whether the piece has one.
    ///
    /// # Errors
    ///
    /// It is invalid.
    pub fn define(&mut self, piece: &Piece) -> Result<bool, Unreadable> {
        let mut defines = false;
        for document in self.documents(piece)?.iter().filter(|it| it.value["kind"] == DEFINITION) {
            self.kinds.add_crds(&document.value).map_err(|mistake| unreadable(mistake.at(&document.span), piece))?;
            defines = true;
        }
        Ok(defines)
    }

    /// All kinds that are known.
    pub fn kinds(&self) -> ClusterKinds {
        self.kinds.of_cluster()
    }

    /// The objects of a piece.
    pub fn read(&self, piece: &Piece) -> Vec<DumpedObject> {
        let objects = match self.documents(piece) {
            Ok(objects) => objects,
            Err(reason) => return vec![DumpedObject::Unreadable(reason)],
        };
        if piece.form == Form::Frame {
            return Vec::new();
        }
        objects.into_iter().filter(|object| !object.value.is_null()).map(|object| self.object(object, piece)).collect()
    }

    /// The objects of a piece as values; of a frame none, if it is that of a list.
    fn documents(&self, piece: &Piece) -> Result<Vec<Spanned<Value>>, Unreadable> {
        let Some(text) = &piece.text else {
            let reason = "the object is larger than 16 MiB".to_owned();
            return Err(Unreadable { reason, help: None, place: (Arc::clone(&piece.path), piece.line) });
        };
        let file = Arc::new(SourceFile { path: piece.path.to_string(), text: text.clone() });
        let of = |mistake: Diagnostic| unreadable(mistake, piece);
        if piece.form == Form::Json {
            // The parser of YAML counts for itself.
            Room::of(MOST_OF_PIECE).take_json(text.as_bytes()).map_err(|_| {
                let most = MOST_OF_PIECE >> 20;
                of(Diagnostic::new(Code::Mistake, format!("the object would take more than {most} MiB of memory")))
            })?;
            let value = json::parse(text).map_err(|error| {
                let text = error.to_string();
                let text = text.split(" at line ").next().unwrap_or(&text).to_owned();
                of(Diagnostic::new(Code::Syntax, format!("invalid JSON: {text}")).at(&file.line(error.line())))
            })?;
            return Ok(objects::unrolled(&Spanned::new(value, Span::start_of(&file)), None));
        }
        let nodes = yaml::parse_documents(&file, FileLimit::default()).map_err(of)?;
        if piece.form == Form::Frame {
            return frame(&nodes, piece).map(|()| Vec::new());
        }
        let unrolled = |node: &Node| objects::unrolled(&Spanned::new(node.to_json(), node.span.clone()), Some(node));
        Ok(nodes.iter().flat_map(unrolled).collect())
    }

    fn object(&self, object: Spanned<Value>, piece: &Piece) -> DumpedObject {
        let text = |pointer: &str| object.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let line = piece.line + object.span.line - 1;
        let place = (Arc::clone(&piece.path), line);
        let (api_version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
        if api_version.is_empty() || kind.is_empty() {
            let reason = "the object has no `apiVersion` and `kind`".to_owned();
            return DumpedObject::Unreadable(Unreadable { reason, help: None, place });
        }
        if self.kinds.lookup(&api_version, &kind).is_none() {
            let reason = format!("unknown kind `{kind}` of `{api_version}`");
            let help =
                "name its CustomResourceDefinition with `--crds`, or pass over such objects with `--skip-unknown`";
            let own = Piece { line, text: Some(object.value.to_string()), form: Form::Json, ..piece.clone() };
            return DumpedObject::UnknownKind(Unreadable { reason, help: Some(help.to_owned()), place }, Box::new(own));
        }
        let owner = owner(&object.value);
        let resource = ContextAwareResource { api_version, kind };
        let is_kept = self.kept.contains(&resource);
        match request::of_dumped(&self.kinds, &self.case, object) {
            Ok((request, equivalents)) => {
                let document = request.mutable_document().filter(|_| is_kept).map(|document| {
                    let text = document.to_string();
                    (Arc::new(document.clone()), Room::size_of_json(text.as_bytes()))
                });
                let namespace = request.namespace().map(str::to_owned);
                let ContextAwareResource { api_version, kind } = resource;
                let request = StoredRequest::from(request);
                DumpedObject::Read(Box::new(ReadObject {
                    api_version,
                    kind,
                    namespace,
                    name,
                    owner,
                    place,
                    request,
                    equivalents,
                    document,
                }))
            }
            Err(mistakes) => {
                let first = mistakes.into_iter().next();
                let reason =
                    first.as_ref().map_or_else(|| "no request can be made of it".to_owned(), |it| it.message.clone());
                DumpedObject::Unreadable(Unreadable { reason, help: None, place })
            }
        }
    }
}

/// Refuses a document that has `items` and is not a list.
fn frame(nodes: &[Node], piece: &Piece) -> Result<(), Unreadable> {
    let kind = |node: &Node| node.get("kind").and_then(Node::as_str).map(str::to_owned);
    match nodes.iter().find_map(kind) {
        Some(kind) if kind.ends_with("List") => Ok(()),
        kind => {
            let kind = kind.map_or_else(|| "it has no kind".to_owned(), |kind| format!("its kind is {kind}"));
            let reason = format!("the document has `items`, and {kind}: expected a List");
            Err(Unreadable { reason, help: None, place: (Arc::clone(&piece.path), piece.line) })
        }
    }
}

/// A mistake in a piece, at its place in the file.
fn unreadable(mistake: Diagnostic, piece: &Piece) -> Unreadable {
    let line = mistake.span.as_ref().map_or(1, |span| span.line);
    Unreadable { reason: mistake.message, help: mistake.help, place: (Arc::clone(&piece.path), piece.line + line - 1) }
}

/// The object that controls another one; an object has one at most.
fn owner(object: &Value) -> Option<Owner> {
    let references = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let reference = references.iter().find(|reference| reference["controller"] == true)?;
    let text = |key: &str| reference.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(Owner { kind: text("kind")?, name: text("name")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dump::Pieces;

    fn read(reader: &ObjectReader, text: &str) -> Vec<String> {
        let pieces: Vec<Piece> =
            Pieces::new(text.as_bytes(), "d.yaml", FileLimit::default()).map(|it| it.unwrap()).collect();
        let shown = |object| match object {
            DumpedObject::Read(it) => {
                let owner = it.owner.map_or_else(String::new, |owner| format!(" of {} {}", owner.kind, owner.name));
                let namespace = it.namespace.unwrap_or_default();
                format!("{} {namespace}/{}{owner} {}", it.kind, it.name, it.place.1)
            }
            DumpedObject::UnknownKind(it, _) | DumpedObject::Unreadable(it) => format!("{} {}", it.reason, it.place.1),
        };
        pieces.iter().flat_map(|piece| reader.read(piece)).map(shown).collect()
    }

    #[test]
    fn objects_know_their_place_and_owner() {
        let reader = ObjectReader::new(BTreeSet::new());
        let dump = "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: a\n    namespace: shop\n    \
                    ownerReferences:\n    - { kind: Node, name: n }\n    - { kind: ReplicaSet, name: r, controller: true }\n\
                    - apiVersion: v1\n  kind: Pod\n  metadata: { name: b }\n- apiVersion: v1\n  kind: [\n\
                    - apiVersion: v1\n  kind: Namespace\n  metadata: { name: shop }\n- a: 1\nkind: List\n";
        let found = read(&reader, dump);
        assert_eq!(found[..2], ["Pod shop/a of ReplicaSet r 3", "Pod default/b 11"]);
        assert!(found[2].contains("YAML"), "{found:?}");
        assert_eq!(found[3..], ["Namespace shop/shop 16", "the object has no `apiVersion` and `kind` 19"]);
        let json = r#"{"kind":"List","items":[
            {"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}},
            {"apiVersion":"v1","kind":"Pod","kind":"Pod"}]}"#;
        let found = read(&reader, json);
        assert_eq!(found[0], "Pod default/a 2");
        assert!(found[1].contains("duplicate") && found[1].ends_with(" 3"), "{found:?}");
    }

    #[test]
    fn kinds_of_definitions_are_known_later() {
        let mut reader = ObjectReader::new(BTreeSet::new());
        let widget = "apiVersion: acme.test/v1\nkind: Widget\nmetadata: { name: w }\n";
        assert_eq!(read(&reader, widget), ["unknown kind `Widget` of `acme.test/v1` 1"]);
        let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: { name: w }\nspec: { group: acme.test, \
                   scope: Namespaced, names: { kind: Widget, plural: widgets }, versions: [{ name: v1, served: true }] }\n";
        let piece = |text: &str| Pieces::new(text.as_bytes(), "d", FileLimit::default()).next().unwrap().unwrap();
        assert_eq!(reader.define(&piece(crd)), Ok(true));
        assert_eq!(reader.define(&piece(widget)), Ok(false));
        assert_eq!(read(&reader, widget), ["Widget default/w 1"]);
        assert!(reader.define(&piece("kind: CustomResourceDefinition\n")).is_err());
    }

    #[test]
    fn what_has_items_and_is_no_list_is_said() {
        let reader = ObjectReader::new(BTreeSet::new());
        let found = read(&reader, "items:\n- apiVersion: v1\n  kind: Pod\n  metadata: { name: a }\nkind: Menu\n");
        assert_eq!(found, ["Pod default/a 2", "the document has `items`, and its kind is Menu: expected a List 1"]);
    }

    #[test]
    fn only_wanted_kinds_are_kept() {
        let pod = ContextAwareResource { api_version: "v1".into(), kind: "Pod".into() };
        for (kept, is_kept) in [(BTreeSet::from([pod]), true), (BTreeSet::new(), false)] {
            let text = "apiVersion: v1\nkind: Pod\nmetadata: { name: a }\n";
            let piece = Pieces::new(text.as_bytes(), "d", FileLimit::default()).next().unwrap().unwrap();
            let found = ObjectReader::new(kept).read(&piece);
            let [DumpedObject::Read(object)] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!(
                object.document.as_ref().map(|(it, _)| it["metadata"]["namespace"].clone()),
                is_kept.then(|| "default".into())
            );
        }
    }
}
