//! Manifests become the admission requests an API server would send.

use std::sync::Arc;

use serde_json::{Value, json};

use super::files::Files;
use super::fixture;
use super::kinds::{KindInfo, Kinds};
use super::mistake::{Mistakes, mistake};
use super::schema::{CaseEntry, Either, FileOr, Operation, UserEntry};
use super::workload;
use super::yaml::Node;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::request::{AdmissionRequest, Request, UserInfo};
use policy_verify_model::source::{Span, Spanned};

/// The uid of every request made from a manifest: the example of Kubernetes' documentation, which `kwctl scaffold
/// admission-request` uses too.
const UID: &str = "705ab4f5-6393-11e8-b7cc-42010a800002";

/// A request of a case, and what tells it from its siblings.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// `rendered/a.yaml`, or `rendered/a.yaml#2` in a file of several documents; nothing when the case has one request.
    pub(crate) label: Option<String>,
    /// The request.
    pub(crate) request: Arc<Request>,
}

/// A document that a request is made of.
#[derive(Clone)]
struct Document {
    value: Value,
    /// Where it is written: in the suite, or in a file of its own.
    span: Span,
    /// Where the suite names it.
    named: Span,
}

/// Everything needed to make requests.
pub(crate) struct Requests<'a> {
    pub(crate) files: &'a Files,
    pub(crate) kinds: &'a Kinds,
    /// Where the defaults give a namespace: one that came from there is ignored for kinds that have none.
    pub(crate) inherited_namespace: Option<&'a Span>,
}

impl Requests<'_> {
    /// The requests of a case: one, or one for each document of `objects`.
    pub(crate) fn of_case(&self, case: &CaseEntry, mistakes: &mut Mistakes) -> Vec<Arrival> {
        if !self.has_one_source(case, mistakes) {
            return Vec::new();
        }
        if let Some(raw) = &case.raw {
            return self.raw(case, raw, mistakes).into_iter().map(single).collect();
        }
        if let Some(request) = &case.request {
            return self.complete(case, request, mistakes).into_iter().map(single).collect();
        }
        if let Some(globs) = &case.objects {
            return globs.0.iter().flat_map(|glob| self.each_document(case, glob, mistakes)).collect();
        }
        let before = mistakes.added();
        let object = case.object.as_ref().and_then(|object| self.load(object, mistakes));
        let old_object = case.old_object.as_ref().and_then(|object| self.load(object, mistakes));
        if mistakes.added() > before {
            return Vec::new();
        }
        let request = self.about_objects(case, object, old_object, mistakes);
        request.into_iter().map(|request| single(Request::Admission(Box::new(request)))).collect()
    }

    fn has_one_source(&self, case: &CaseEntry, mistakes: &mut Mistakes) -> bool {
        let sources = [
            ("object` or `oldObject", case.object.is_some() || case.old_object.is_some()),
            ("objects", case.objects.is_some()),
            ("request", case.request.is_some()),
            ("raw", case.raw.is_some()),
        ];
        let given: Vec<&str> = sources.iter().filter(|(_, is_given)| *is_given).map(|(name, _)| *name).collect();
        match given.as_slice() {
            [_] => true,
            [] if mistakes.is_case_wrong() => false,
            [] => {
                mistakes.add_with_help(
                    &case.name.span,
                    "the case has no request",
                    "add `object`, `oldObject`, `objects`, `request` or `raw`",
                );
                false
            }
            several => {
                let list = several.join("` and `");
                let message = format!("`{list}` cannot be combined");
                let mistake = mistake(&case.name.span, message).with_code(Code::Contradiction);
                mistakes.push(mistake.with_help("keep one of them".to_owned()));
                false
            }
        }
    }

    fn load(&self, source: &FileOr, mistakes: &mut Mistakes) -> Option<Document> {
        let loaded = match source {
            FileOr::Inline(node) => Ok(Spanned::new(node.to_json(), node.span.clone())),
            FileOr::File(path) => self.files.document(path),
        };
        let document = loaded.map_err(|mistake| mistakes.push(mistake)).ok()?;
        Some(Document { value: document.value, span: document.span, named: source.span().clone() })
    }

    fn raw(&self, case: &CaseEntry, source: &FileOr, mistakes: &mut Mistakes) -> Option<Request> {
        for (name, _, span) in admission_keys(case) {
            let message = format!("`{name}` cannot be combined with `raw`");
            let mistake = mistake(span, message).with_code(Code::Contradiction);
            mistakes.push(mistake.with_help(format!("remove `{name}`: only Kubernetes requests have it")));
        }
        let Document { value: mut document, .. } = self.load(source, mistakes)?;
        fixture::change(&mut document, &case.set, &case.unset, mistakes);
        Some(Request::Raw(document))
    }

    /// An AdmissionReview or AdmissionRequest, read as policy-server reads it: unknown members are dropped, and
    /// missing ones are an error in the server's words.
    fn complete(&self, case: &CaseEntry, source: &FileOr, mistakes: &mut Mistakes) -> Option<Request> {
        for (name, member, span) in admission_keys(case) {
            let help = match member {
                Some(member) => format!("write it into the request, or use `set: {{ {member}: … }}`"),
                None => format!("remove `{name}`: the request is sent as it is"),
            };
            let message = format!("`{name}` cannot be combined with `request`");
            mistakes.push(mistake(span, message).with_code(Code::Contradiction).with_help(help));
        }
        let Document { value: document, named: span, .. } = self.load(source, mistakes)?;
        let mut request = match document {
            Value::Object(mut review) if review.get("kind").and_then(Value::as_str) == Some("AdmissionReview") => {
                match review.remove("request") {
                    Some(request) => request,
                    None => {
                        mistakes.add(&span, "invalid AdmissionReview object: it has no `request`");
                        return None;
                    }
                }
            }
            Value::Object(_) => document,
            _ => {
                mistakes.add(&span, "invalid request object: expected an AdmissionReview or AdmissionRequest");
                return None;
            }
        };
        fixture::change(&mut request, &case.set, &case.unset, mistakes);
        match serde_json::from_value::<AdmissionRequest>(request) {
            Ok(request) => Some(Request::Admission(Box::new(request))),
            Err(error) => {
                let message = format!("cannot build AdmissionRequest object from given input: {error}");
                let mistake = mistake(&span, message);
                mistakes.push(mistake.with_help("write `object:` instead of `request:` to send a manifest".to_owned()));
                None
            }
        }
    }

    fn each_document(&self, case: &CaseEntry, glob: &Spanned<String>, mistakes: &mut Mistakes) -> Vec<Arrival> {
        let paths = match self.files.glob(glob) {
            Ok(paths) => paths,
            Err(mistake) => {
                mistakes.push(mistake);
                return Vec::new();
            }
        };
        let mut arrivals = Vec::new();
        for path in paths {
            let documents = match self.files.documents(&path, &glob.span) {
                Ok(documents) => documents,
                Err(mistake) => {
                    mistakes.push(mistake);
                    continue;
                }
            };
            if documents.is_empty() {
                mistakes.add(&glob.span, format!("`{}` is empty", self.files.shown(&path)));
            }
            for (number, document) in documents.iter().enumerate() {
                let shown = self.files.shown_from_suite(&path);
                let label = if documents.len() == 1 { shown } else { format!("{shown}#{}", number + 1) };
                let Spanned { value, span } = document.clone();
                let object = Some(Document { value, span, named: glob.span.clone() });
                if let Some(request) = self.about_objects(case, object, None, mistakes) {
                    let request = Arc::new(Request::Admission(Box::new(request)));
                    arrivals.push(Arrival { label: Some(label), request });
                }
            }
        }
        arrivals
    }

    fn about_objects(
        &self,
        case: &CaseEntry,
        object: Option<Document>,
        old_object: Option<Document>,
        mistakes: &mut Mistakes,
    ) -> Option<AdmissionRequest> {
        let operation = match &case.operation {
            Some(operation) => operation.value,
            None => match (&object, &old_object) {
                (Some(object), None) => self.usual_operation(&object.value),
                (None, Some(_)) => Operation::Delete,
                _ => Operation::Update,
            },
        };
        let origin = object.as_ref().or(old_object.as_ref())?.clone();
        let span = origin.named.clone();
        let (object, old_object) = (object.map(|it| it.value), old_object.map(|it| it.value));
        let (mut object, mut old_object) = match (operation, object, old_object) {
            (Operation::Create | Operation::Connect, None, Some(_)) => {
                mistakes.add(&span, format!("{} needs `object`, found `oldObject`", operation.word()));
                return None;
            }
            (Operation::Create | Operation::Connect | Operation::Delete, Some(_), Some(_)) => {
                mistakes.add(&span, format!("{} needs one object, found `object` and `oldObject`", operation.word()));
                return None;
            }
            (Operation::Update, None, Some(_)) => {
                mistakes.add(&span, "UPDATE needs `object`: the object after the change");
                return None;
            }
            // The old object of an update is the fixture without the changes of the case.
            (Operation::Update, Some(object), None) => (Some(object.clone()), Some(object)),
            (Operation::Delete, Some(object), None) => (None, Some(object)),
            (_, object, old_object) => (object, old_object),
        };
        let changed = if object.is_some() { object.as_mut() } else { old_object.as_mut() };
        if let Some(changed) = changed {
            fixture::change(changed, &case.set, &case.unset, mistakes);
        }
        for document in [&mut object, &mut old_object].into_iter().flatten() {
            self.finish_object(case, document, mistakes);
        }
        self.assemble(case, operation, object, old_object, &origin, mistakes)
    }

    /// What an object alone means: it is created, unless its kind is only ever connected to (`PodExecOptions`).
    fn usual_operation(&self, object: &Value) -> Operation {
        let is_connected =
            self.info_of(object).and_then(|info| info.subresource).is_some_and(|sub| sub.operation == "CONNECT");
        if is_connected { Operation::Connect } else { Operation::Create }
    }

    fn info_of(&self, object: &Value) -> Option<&KindInfo> {
        let (api_version, kind) = text_at(object, "/apiVersion").zip(text_at(object, "/kind"))?;
        self.kinds.lookup(&api_version, &kind)
    }

    /// Applies `wrap` and `namespace` to one of the objects.
    fn finish_object(&self, case: &CaseEntry, document: &mut Value, mistakes: &mut Mistakes) {
        if let Some(workload) = &case.wrap {
            match workload::wrap(document.take(), workload.value) {
                Ok(wrapped) => *document = wrapped,
                Err(mistake) => mistakes.push(mistake.at(&workload.span)),
            }
        }
        if let Some(namespace) = &case.namespace
            && let Some(members) = document.as_object_mut()
        {
            let is_namespaced = self.info_of(&Value::Object(members.clone())).is_none_or(|info| info.is_namespaced);
            let metadata = members.entry("metadata").or_insert_with(|| json!({}));
            if let (true, Some(metadata)) = (is_namespaced, metadata.as_object_mut()) {
                metadata.insert("namespace".into(), namespace.value.clone().into());
            }
        }
    }

    fn assemble(
        &self,
        case: &CaseEntry,
        operation: Operation,
        object: Option<Value>,
        old_object: Option<Value>,
        origin: &Document,
        mistakes: &mut Mistakes,
    ) -> Option<AdmissionRequest> {
        let subject = object.as_ref().or(old_object.as_ref())?;
        let info = self.kind_of(subject, case, origin).map_err(|mistake| mistakes.push(mistake)).ok()?;
        let kind = info.group_version_kind();
        let resource = info.group_version_resource();
        let name = text_at(subject, "/metadata/name");
        let namespace = if info.is_namespaced {
            Some(text_at(subject, "/metadata/namespace").unwrap_or_else(|| "default".into()))
        } else {
            if let Some(namespace) = &case.namespace
                && self.inherited_namespace != Some(&namespace.span)
            {
                let message = format!("`namespace` cannot be combined with {}, which is not namespaced", info.kind);
                mistakes.add_coded(Code::Contradiction, &namespace.span, message);
            }
            // The API server names a namespace as the namespace of its own request.
            (kind.kind == "Namespace" && kind.group.is_empty()).then(|| name.clone()).flatten()
        };
        let sub_resource = match &case.subresource {
            Some(written) => Some(written.value.clone()),
            None => info.subresource.map(|subresource| subresource.name.to_owned()),
        };
        Some(AdmissionRequest {
            uid: UID.into(),
            request_kind: Some(kind.clone()),
            request_resource: Some(resource.clone()),
            request_sub_resource: sub_resource.clone(),
            kind,
            resource,
            sub_resource,
            name,
            namespace,
            operation: operation.word().into(),
            user_info: user_info(case.user.as_ref()),
            object,
            old_object,
            dry_run: Some(case.dry_run.as_ref().is_some_and(|dry_run| dry_run.value)),
            options: options_of(operation),
        })
    }

    fn kind_of(&self, object: &Value, case: &CaseEntry, origin: &Document) -> Result<&KindInfo, Diagnostic> {
        let of = |value: &Value| (text_at(value, "/apiVersion"), text_at(value, "/kind"));
        // What is wrong with a file is wrong there, unless the case has changed it.
        let place = if of(object) == of(&origin.value) { &origin.span } else { &origin.named };
        if let Some(word) = admission_word(object) {
            let key = match (&case.objects, &case.object) {
                (Some(_), _) => "objects",
                (None, Some(_)) => "object",
                (None, None) => "oldObject",
            };
            let help = format!("write `request:` instead of `{key}:`");
            return Err(mistake(&origin.named, format!("this is an {word}")).with_help(help));
        }
        let (Some(api_version), Some(kind)) = of(object) else {
            return Err(mistake(place, "the object has no `apiVersion` and `kind`")
                .with_code(Code::MissingKey)
                .with_help("write `raw:` to send a document that is not about Kubernetes".to_owned()));
        };
        self.kinds.lookup(&api_version, &kind).ok_or_else(|| self.kinds.unknown(&api_version, &kind).at(place))
    }
}

/// What an object is that was meant as a whole request.
fn admission_word(object: &Value) -> Option<&'static str> {
    if object.get("kind").and_then(Value::as_str) == Some("AdmissionReview") {
        return Some("AdmissionReview");
    }
    let is_request = object.get("kind").is_some_and(Value::is_object) && object.get("operation").is_some();
    is_request.then_some("AdmissionRequest")
}

fn single(request: Request) -> Arrival {
    Arrival { label: None, request: Arc::new(request) }
}

/// Keys that only make sense where the request is built here, and what they are called in a request.
fn admission_keys(case: &CaseEntry) -> Vec<(&'static str, Option<&'static str>, &Span)> {
    [
        ("operation", Some("operation"), case.operation.as_ref().map(|key| &key.span)),
        ("subresource", Some("subResource"), case.subresource.as_ref().map(|key| &key.span)),
        ("namespace", Some("namespace"), case.namespace.as_ref().map(|key| &key.span)),
        ("dryRun", Some("dryRun"), case.dry_run.as_ref().map(|key| &key.span)),
        ("user", Some("userInfo"), case.user.as_ref().map(|_| &case.name.span)),
        ("wrap", None, case.wrap.as_ref().map(|key| &key.span)),
    ]
    .into_iter()
    .filter_map(|(name, member, span)| Some((name, member, span?)))
    .collect()
}

fn text_at(document: &Value, pointer: &str) -> Option<String> {
    Some(document.pointer(pointer)?.as_str()?.to_owned())
}

fn options_of(operation: Operation) -> Option<Value> {
    let kind = match operation {
        Operation::Create => "CreateOptions",
        Operation::Update => "UpdateOptions",
        Operation::Delete => "DeleteOptions",
        Operation::Connect => return None,
    };
    Some(json!({ "apiVersion": "meta.k8s.io/v1", "kind": kind }))
}

/// The user of the request. A name alone gets the groups the API server adds; the default is an ordinary user.
fn user_info(user: Option<&Either<String, UserEntry>>) -> UserInfo {
    match user {
        None => named_user("test-user"),
        Some(Either::Scalar(name)) => named_user(name),
        Some(Either::Mapping(entry)) => UserInfo {
            username: entry.username.clone(),
            uid: entry.uid.clone(),
            groups: entry.groups.clone(),
            extra: entry.extra.as_ref().map(|extra| extra.0.to_json()),
        },
    }
}

fn named_user(name: &str) -> UserInfo {
    let mut groups = Vec::new();
    // Source: Kubernetes' serviceaccount.MakeGroupNames.
    if let Some((namespace, _)) = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':')) {
        groups.push("system:serviceaccounts".to_owned());
        groups.push(format!("system:serviceaccounts:{namespace}"));
    }
    groups.push("system:authenticated".to_owned());
    UserInfo { username: Some(name.to_owned()), groups: Some(groups), ..UserInfo::default() }
}

/// The settings of a policy or case: a mapping, inline or in a file; nothing counts as an empty one.
pub(crate) fn settings(source: &FileOr, files: &Files) -> Result<serde_json::Map<String, Value>, Diagnostic> {
    let (document, span) = match source {
        FileOr::Inline(node) => (Node::to_json(node), &node.span),
        FileOr::File(path) => (files.document(path)?.value, &path.span),
    };
    match document {
        Value::Object(settings) => Ok(settings),
        Value::Null => Ok(serde_json::Map::new()),
        _ => Err(mistake(span, "invalid settings: expected a mapping").with_code(Code::WrongType)),
    }
}

/// The same settings; where they are a mistake, none.
pub(crate) fn settings_or_none(
    source: &FileOr,
    files: &Files,
    mistakes: &mut Mistakes,
) -> serde_json::Map<String, Value> {
    settings(source, files).unwrap_or_else(|mistake| {
        mistakes.push(mistake);
        serde_json::Map::new()
    })
}
