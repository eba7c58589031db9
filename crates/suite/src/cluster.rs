//! `cluster:` becomes objects a policy can read: files and inline manifests, indexed once for all cases that share them.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::files::Files;
use super::kinds::Kinds;
use super::mistake::Mistakes;
use super::objects;
use super::schema::{FileOr, OneOrMany};
use super::yaml::Node;
use policy_verify_model::cluster::{Cluster, ClusterKinds};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::policy::ContextAwareResource;
use policy_verify_model::source::{Span, Spanned};

/// The clusters of one suite.
pub(crate) struct Clusters<'a> {
    files: &'a Files,
    kinds: &'a Kinds,
    /// Made of `kinds` when they are first needed.
    facts: OnceCell<Arc<ClusterKinds>>,
    /// The objects of each file read so far; nothing for a file with mistakes.
    members: RefCell<HashMap<PathBuf, Arc<Vec<Member>>>>,
    /// The clusters made so far.
    clusters: RefCell<HashMap<Vec<Source>, Arc<Cluster>>>,
}

/// Where objects come from. Equal sources hold equal objects.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Source {
    File(PathBuf),
    /// A manifest in the suite, as JSON.
    Inline(String),
}

/// An object of a cluster and its place in it.
#[derive(Debug)]
struct Member {
    resource: ContextAwareResource,
    namespace: String,
    name: String,
    document: Arc<Value>,
}

impl<'a> Clusters<'a> {
    pub(crate) fn new(files: &'a Files, kinds: &'a Kinds) -> Self {
        Self { files, kinds, facts: OnceCell::default(), members: RefCell::default(), clusters: RefCell::default() }
    }

    /// All kinds the suite knows.
    pub(crate) fn kinds(&self) -> Arc<ClusterKinds> {
        Arc::clone(self.facts())
    }

    fn facts(&self) -> &Arc<ClusterKinds> {
        self.facts.get_or_init(|| Arc::new(self.kinds.of_cluster()))
    }

    /// The cluster a `cluster:` describes; an empty list is a cluster without objects.
    pub(crate) fn read(&self, written: Option<&OneOrMany<FileOr>>, mistakes: &mut Mistakes) -> Option<Arc<Cluster>> {
        let mut sources: Vec<(Source, Span, Arc<Vec<Member>>)> = Vec::new();
        for entry in &written?.0 {
            match entry {
                FileOr::File(named) => {
                    let paths = self.files.glob(named).map_err(|mistake| mistakes.push(mistake)).unwrap_or_default();
                    for path in paths {
                        if mistakes.is_full() {
                            break;
                        }
                        let members = self.of_file(&path, &named.span, mistakes);
                        sources.push((Source::File(path), named.span.clone(), members));
                    }
                }
                FileOr::Inline(node) => {
                    let document = node.to_json();
                    let source = Source::Inline(document.to_string());
                    let members = self.members(document, node, mistakes);
                    sources.push((source, node.span.clone(), Arc::new(members)));
                }
            }
        }
        // Globs may overlap, and a file may have several names.
        let mut seen = std::collections::HashSet::new();
        sources.retain(|(source, ..)| match source {
            Source::Inline(_) => true,
            Source::File(path) => seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())),
        });
        let key: Vec<Source> = sources.iter().map(|(source, ..)| source.clone()).collect();
        if let Some(known) = self.clusters.borrow().get(&key) {
            return Some(Arc::clone(known));
        }
        let cluster = Arc::new(self.assemble(&sources, mistakes));
        self.clusters.borrow_mut().insert(key, Arc::clone(&cluster));
        Some(cluster)
    }

    fn assemble(&self, sources: &[(Source, Span, Arc<Vec<Member>>)], mistakes: &mut Mistakes) -> Cluster {
        let mut cluster = Cluster { kinds: Arc::clone(self.facts()), ..Cluster::default() };
        for (_, span, members) in sources {
            for member in members.iter() {
                let place = (member.namespace.clone(), member.name.clone());
                let objects = cluster.objects.entry(member.resource.clone()).or_default();
                if objects.insert(place, Arc::clone(&member.document)).is_some() {
                    mistakes.add(span, format!("duplicate object in the cluster: {member}"));
                }
            }
        }
        cluster
    }

    fn of_file(&self, path: &Path, span: &Span, mistakes: &mut Mistakes) -> Arc<Vec<Member>> {
        if let Some(known) = self.members.borrow().get(path) {
            return Arc::clone(known);
        }
        let mut members = Vec::new();
        match self.files.objects(path, None, span) {
            Ok(objects) => {
                for object in objects.iter().filter(|object| !object.value.is_null()) {
                    let member = self.member(&object.value).map_err(|mistake| mistakes.push(mistake.at(&object.span)));
                    members.extend(member);
                }
            }
            Err(mistake) => mistakes.push(mistake),
        }
        let members = Arc::new(members);
        self.members.borrow_mut().insert(path.to_path_buf(), Arc::clone(&members));
        members
    }

    /// The objects of a document: itself, or the items of a list as `kubectl get -o yaml` prints it.
    fn members(&self, document: Value, node: &Node, mistakes: &mut Mistakes) -> Vec<Member> {
        let objects = objects::unrolled(&Spanned::new(document, node.span.clone()), Some(node));
        let member = |object: &Spanned<Value>| {
            self.member(&object.value).map_err(|mistake| mistakes.push(mistake.at(&object.span))).ok()
        };
        objects.iter().filter_map(member).collect()
    }

    fn member(&self, object: &Value) -> Result<Member, Diagnostic> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (Some(api_version), Some(kind)) = (text("/apiVersion"), text("/kind")) else {
            return Err(Diagnostic::new(Code::MissingKey, "the document has no `apiVersion` and `kind`")
                .with_help("write the manifest of a Kubernetes object".to_owned()));
        };
        let resource = ContextAwareResource { api_version: api_version.into(), kind: kind.into() };
        let Some(info) = self.facts().get(&resource) else {
            return Err(self.kinds.unknown(api_version, kind));
        };
        let Some(name) = text("/metadata/name") else {
            return Err(Diagnostic::new(Code::MissingKey, format!("the {kind} has no `metadata.name`")));
        };
        let mut document = object.clone();
        let namespace = match (info.is_namespaced, text("/metadata/namespace")) {
            (true, Some(namespace)) => namespace.to_owned(),
            // Where `kubectl apply` would put it.
            (true, None) => {
                document["metadata"]["namespace"] = "default".into();
                "default".to_owned()
            }
            (false, None) => String::new(),
            (false, Some(_)) => {
                let message = format!("{kind} {name:?} has a namespace, but {kind} is not namespaced");
                return Err(
                    Diagnostic::new(Code::Contradiction, message).with_help("remove `metadata.namespace`".to_owned())
                );
            }
        };
        Ok(Member { resource, namespace, name: name.to_owned(), document: Arc::new(document) })
    }
}

impl std::fmt::Display for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let slash = if self.namespace.is_empty() { "" } else { "/" };
        write!(f, "{} `{}{slash}{}`", self.resource.kind, self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{read, yaml};
    use policy_verify_model::cluster::ClusterKind;
    use policy_verify_model::source::SourceFile;

    /// A folder with manifests.
    fn folder() -> (tempfile::TempDir, Files) {
        let folder = tempfile::tempdir().unwrap();
        let ingress = |name: &str, namespace: &str| {
            format!("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{ name: {name}{namespace} }}\n")
        };
        for (path, text) in [
            (".git/HEAD", String::new()),
            ("suite.yml", String::new()),
            ("web.yaml", format!("---\n{}---\n{}", ingress("b", ", namespace: web"), ingress("a", ", namespace: web"))),
            ("default.yaml", ingress("z", "")),
            ("again.yaml", ingress("z", ", namespace: default")),
            (
                "list.yaml",
                "kind: List\napiVersion: v1\nitems:\n- { apiVersion: v1, kind: Node, metadata: { name: node } }\n"
                    .into(),
            ),
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let files = Files::of_suite(&folder.path().join("suite.yml"), None, |_| Ok(())).unwrap();
        (folder, files)
    }

    fn entries(text: &str) -> OneOrMany<FileOr> {
        let file = Arc::new(SourceFile { path: "suite.yml".into(), text: text.into() });
        read::read(&yaml::parse(&file).unwrap(), &mut Mistakes::default()).unwrap()
    }

    fn listed(cluster: &Cluster) -> Vec<String> {
        let objects = cluster.objects.iter();
        objects
            .flat_map(|(resource, objects)| {
                objects.keys().map(move |(namespace, name)| format!("{} {namespace}/{name}", resource.kind))
            })
            .collect()
    }

    #[test]
    fn files_globs_lists_and_inline_manifests_make_a_cluster() {
        let (_folder, files) = folder();
        let kinds = Kinds::default();
        let clusters = Clusters::new(&files, &kinds);
        let mut mistakes = Mistakes::default();
        let written = entries(
            "[web.yaml, 'we*.yaml', default.yaml, list.yaml, { apiVersion: v1, kind: Namespace, metadata: { name: web } }]",
        );
        let cluster = clusters.read(Some(&written), &mut mistakes).unwrap();
        assert!(mistakes.is_empty(), "{:?}", mistakes.into_sorted());
        assert_eq!(
            listed(&cluster),
            ["Ingress default/z", "Ingress web/a", "Ingress web/b", "Namespace /web", "Node /node"]
        );
        let ingress = ContextAwareResource { api_version: "networking.k8s.io/v1".into(), kind: "Ingress".into() };
        let z = &cluster.objects[&ingress][&("default".to_owned(), "z".to_owned())];
        assert_eq!(z["metadata"]["namespace"], "default");
        assert_eq!(cluster.kinds[&ingress], ClusterKind { plural: "ingresses".into(), is_namespaced: true });
        let again = clusters.read(Some(&written), &mut mistakes).unwrap();
        assert!(Arc::ptr_eq(&cluster, &again), "cases share a cluster");
        assert!(listed(&clusters.read(Some(&entries("[]")), &mut mistakes).unwrap()).is_empty());
        assert!(clusters.read(None, &mut mistakes).is_none());
    }

    #[test]
    fn invalid_cluster_objects_are_mistakes() {
        let (_folder, files) = folder();
        let kinds = Kinds::default();
        for (text, message) in [
            ("[default.yaml, again.yaml]", "duplicate object in the cluster: Ingress `default/z`"),
            ("{ kind: Pod }", "the document has no `apiVersion` and `kind`"),
            ("{ apiVersion: v1, kind: Pod, metadata: {} }", "the Pod has no `metadata.name`"),
            ("{ apiVersion: v1, kind: Pods, metadata: { name: p } }", "unknown kind `Pods` of `v1`"),
            (
                "{ apiVersion: v1, kind: PodExecOptions, metadata: { name: p } }",
                "unknown kind `PodExecOptions` of `v1`",
            ),
            (
                "{ apiVersion: v1, kind: Node, metadata: { name: n, namespace: web } }",
                "Node \"n\" has a namespace, but Node is not namespaced",
            ),
            ("[none.yaml]", "file not found: `none.yaml`"),
        ] {
            let mut mistakes = Mistakes::default();
            Clusters::new(&files, &kinds).read(Some(&entries(text)), &mut mistakes);
            let messages: Vec<String> = mistakes.into_sorted().into_iter().map(|mistake| mistake.message).collect();
            assert_eq!(messages, [message], "{text}");
        }
    }
}
