//! The dump of a cluster, in memory: a request for each object as text, the objects that policies may read, and who owns what.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy_verify_model::cluster::Cluster;
use policy_verify_model::conversion::Equivalent;
use policy_verify_model::policy::ContextAwareResource;
use policy_verify_model::rehearsal::Unread;
use policy_verify_model::stored_request::StoredRequest;
use policy_verify_suite::dump::{DumpedObject, ObjectReader, Piece, Pieces, ReadObject, Unreadable};
use policy_verify_suite::{FileLimit, UnknownKinds, is_stream, shown};
use rayon::prelude::*;

use super::causes::Causes;
use super::owners::Owners;

/// Pieces that are read at a time: on all threads, and then put into their order.
const AT_A_TIME: usize = 512;

/// Bytes that the objects that policies may read take in memory, by an estimate.
const MOST_OF_CLUSTER: u64 = 2 << 30;

/// Where a dump is, and what is wanted of it.
pub(super) struct DumpOptions<'a> {
    pub(super) files: &'a [PathBuf],
    pub(super) definitions: &'a [PathBuf],
    pub(super) limit: FileLimit,
    pub(super) unknown_kinds: UnknownKinds,
    pub(super) root: Option<&'a Path>,
    /// The resources that policies may read.
    pub(super) kept: BTreeSet<ContextAwareResource>,
}

/// The objects of a cluster.
pub(super) struct Dump {
    /// The objects in the order of the files.
    pub(super) objects: Vec<StoredObject>,
    /// What policies find in the cluster.
    pub(super) cluster: Arc<Cluster>,
    pub(super) owners: Owners,
    /// How many objects are there more than once.
    pub(super) repeated: usize,
    pub(super) unread: Vec<Unread>,
    pub(super) passed_over: Vec<Unread>,
}

/// An object of the dump.
pub(super) struct StoredObject {
    pub(super) kind: Arc<str>,
    /// Empty outside of namespaces.
    pub(super) namespace: Arc<str>,
    pub(super) name: Box<str>,
    pub(super) file: Arc<str>,
    pub(super) line: usize,
    /// The request that would create it.
    pub(super) request: Arc<StoredRequest>,
    pub(super) equivalents: Arc<[Equivalent]>,
}

impl StoredObject {
    /// `Pod shop/web`
    pub(super) fn title(&self) -> String {
        let slash = if self.namespace.is_empty() || &*self.kind == "Namespace" { "" } else { "/" };
        let namespace = if slash.is_empty() { "" } else { &self.namespace };
        format!("{} {namespace}{slash}{}", self.kind, self.name)
    }
}

impl Dump {
    /// Reads all files. What cannot be read is part of the result.
    pub(super) fn read(options: &DumpOptions<'_>) -> Self {
        let mut reader = ObjectReader::new(options.kept.clone());
        let mut reading = Reading::default();
        for piece in reading.pieces_of(options.definitions, options) {
            if let Err(problem) = reader.define(&piece) {
                reading.unread.add((), problem.reason.clone(), || problem);
            }
        }
        for path in options.files {
            reading.file(path, &reader, options);
        }
        reading.resolve_unknown(&mut reader, options.unknown_kinds);
        reading.finish(&reader)
    }
}

/// A dump while it is read.
#[derive(Default)]
struct Reading {
    /// How many objects were found so far, whatever became of them.
    found: usize,
    objects: Vec<(usize, StoredObject)>,
    cluster: BTreeMap<ContextAwareResource, BTreeMap<(String, String), Arc<serde_json::Value>>>,
    /// Bytes that these objects take, by an estimate.
    cluster_bytes: u64,
    owners: Owners,
    /// Texts that many objects share.
    texts: HashSet<Arc<str>>,
    versions: Vec<Arc<[Equivalent]>>,
    seen: HashSet<String>,
    repeated: usize,
    definitions: Vec<Piece>,
    unknown: Vec<(usize, Unreadable, Piece)>,
    unread: Causes<(), Unreadable>,
    passed_over: Causes<(), Unreadable>,
}

impl Reading {
    /// Reads a file, piece by piece.
    fn file(&mut self, path: &Path, reader: &ObjectReader, options: &DumpOptions<'_>) {
        let (shown, text) = opened(path, options);
        let mut pieces = match text {
            Ok(text) => Pieces::new(text, &shown, options.limit),
            Err(error) => return self.unreadable(&shown, &error),
        };
        loop {
            let (mut batch, mut problem) = (Vec::new(), None);
            for piece in pieces.by_ref().take(AT_A_TIME) {
                match piece {
                    Ok(piece) => batch.push(piece),
                    Err(error) => problem = Some(error),
                }
            }
            let is_last = batch.len() < AT_A_TIME;
            let read: Vec<Vec<DumpedObject>> = batch.par_iter().map(|piece| reader.read(piece)).collect();
            for (piece, objects) in batch.into_iter().zip(read) {
                let defines =
                    |it: &DumpedObject| matches!(it, DumpedObject::Read(it) if it.kind == "CustomResourceDefinition");
                if objects.iter().any(defines) {
                    self.definitions.push(piece);
                }
                objects.into_iter().for_each(|object| self.add(object));
            }
            if let Some(error) = problem {
                return self.unreadable(&shown, &error);
            }
            if is_last {
                return;
            }
        }
    }

    /// All pieces of some files.
    fn pieces_of(&mut self, files: &[PathBuf], options: &DumpOptions<'_>) -> Vec<Piece> {
        let mut all = Vec::new();
        for path in files {
            let (shown, text) = opened(path, options);
            let pieces = text.and_then(|text| Pieces::new(text, &shown, options.limit).collect::<io::Result<Vec<_>>>());
            match pieces {
                Ok(pieces) => all.extend(pieces),
                Err(error) => self.unreadable(&shown, &error),
            }
        }
        all
    }

    fn unreadable(&mut self, shown: &str, error: &io::Error) {
        let problem =
            Unreadable { reason: format!("cannot read the file: {error}"), help: None, place: (shown.into(), 1) };
        self.unread.add((), problem.reason.clone(), || problem);
    }

    fn add(&mut self, object: DumpedObject) {
        self.found += 1;
        match object {
            DumpedObject::Read(object) => self.keep(self.found, *object),
            DumpedObject::UnknownKind(problem, piece) => self.unknown.push((self.found, problem, *piece)),
            DumpedObject::Unreadable(problem) => self.unread.add((), problem.reason.clone(), || problem),
        }
    }

    fn keep(&mut self, number: usize, object: ReadObject) {
        let ReadObject { api_version, kind, namespace, name, owner, place, request, equivalents, document } = object;
        let namespace = namespace.unwrap_or_default();
        if !self.seen.insert(format!("{api_version}/{kind}/{namespace}/{name}")) && !name.is_empty() {
            self.repeated += 1;
        }
        if let Some(owner) = owner {
            self.owners.add(&kind, &namespace, &name, owner);
        }
        let kept = StoredObject {
            kind: self.shared(&kind),
            namespace: self.shared(&namespace),
            name: name.clone().into(),
            file: place.0,
            line: place.1,
            request: Arc::new(request),
            equivalents: self.shared_versions(equivalents),
        };
        if let Some((document, bytes)) = document {
            self.cluster_bytes = self.cluster_bytes.saturating_add(bytes);
            if self.cluster_bytes > MOST_OF_CLUSTER {
                let most = MOST_OF_CLUSTER >> 20;
                let reason =
                    format!("policies do not find it: the objects that they may read would take more than {most} MiB");
                let help = Some("dump fewer objects of the kinds in `contextAwareResources`".to_owned());
                let problem = Unreadable { reason, help, place: (Arc::clone(&kept.file), kept.line) };
                self.unread.add((), problem.reason.clone(), || problem);
                self.objects.push((number, kept));
                return;
            }
            let in_namespace = document.pointer("/metadata/namespace").and_then(serde_json::Value::as_str);
            let key = (in_namespace.unwrap_or_default().to_owned(), name);
            let resource = ContextAwareResource { api_version, kind };
            self.cluster.entry(resource).or_default().entry(key).or_insert(document);
        }
        self.objects.push((number, kept));
    }

    fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&shared));
        shared
    }

    fn shared_versions(&mut self, versions: Vec<Equivalent>) -> Arc<[Equivalent]> {
        // There are fewer of them than kinds.
        if let Some(known) = self.versions.iter().find(|known| known[..] == versions[..]) {
            return Arc::clone(known);
        }
        let shared: Arc<[Equivalent]> = versions.into();
        self.versions.push(Arc::clone(&shared));
        shared
    }

    /// Reads the objects of unknown kinds again: the definitions of the dump may have them.
    fn resolve_unknown(&mut self, reader: &mut ObjectReader, unknown_kinds: UnknownKinds) {
        if self.unknown.is_empty() {
            return;
        }
        for piece in std::mem::take(&mut self.definitions) {
            // An object like any other; only its kind stays unknown.
            let _ = reader.define(&piece);
        }
        let unknown = std::mem::take(&mut self.unknown);
        let read: Vec<_> = unknown.par_iter().map(|(_, _, piece)| reader.read(piece)).collect();
        for ((number, problem, _), objects) in unknown.into_iter().zip(read) {
            for object in objects {
                match object {
                    DumpedObject::Read(object) => {
                        let place = (Arc::clone(&problem.place.0), problem.place.1);
                        self.keep(number, ReadObject { place, ..*object });
                    }
                    DumpedObject::UnknownKind(..) if unknown_kinds == UnknownKinds::Skipped => {
                        self.passed_over.add((), problem.reason.clone(), || problem.clone());
                    }
                    DumpedObject::UnknownKind(..) => {
                        self.unread.add((), problem.reason.clone(), || problem.clone());
                    }
                    DumpedObject::Unreadable(found) => self.unread.add((), found.reason.clone(), || found),
                }
            }
        }
        self.objects.sort_by_key(|(number, _)| *number);
    }

    fn finish(self, reader: &ObjectReader) -> Dump {
        Dump {
            objects: self.objects.into_iter().map(|(_, object)| object).collect(),
            cluster: Arc::new(Cluster { kinds: Arc::new(reader.kinds()), objects: self.cluster }),
            owners: self.owners,
            repeated: self.repeated,
            unread: counted(self.unread),
            passed_over: counted(self.passed_over),
        }
    }
}

fn counted(causes: Causes<(), Unreadable>) -> Vec<Unread> {
    let unread = |((), reason, number, example): ((), String, usize, Option<Unreadable>)| {
        let (help, (file, line)) = example.map_or((None, ("".into(), 0)), |it| (it.help, it.place));
        Unread { reason, help, number, file: file.to_string(), line }
    };
    causes.finish().into_iter().map(unread).collect()
}

/// What reports call a file, and its text.
fn opened(path: &Path, options: &DumpOptions<'_>) -> (String, io::Result<Box<dyn BufRead>>) {
    if is_stream(path) {
        return ("<stdin>".to_owned(), Ok(Box::new(BufReader::new(io::stdin()))));
    }
    let text = File::open(path).map(|file| Box::new(BufReader::with_capacity(1 << 20, file)) as Box<dyn BufRead>);
    (shown(path, options.root), text)
}
