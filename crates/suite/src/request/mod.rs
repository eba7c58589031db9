//! Manifests become the admission requests an API server would send.
//!
//! `admission` makes one request of one or two objects: `fixture` and `workload` change them, `complete` fills them,
//! `subresource` and `scale` say what is sent to a part of a resource, `options` and `user` are members of the request.
//! `fixture` has `set` and `unset`, `merge` its patch; `field` checks new keys, `place` finds the values of a path, and
//! `path_advice` says what a path was meant to be. `equivalent` lists the versions to which the API server can convert it.

mod admission;
mod changed;
mod complete;
mod equivalent;
mod field;
pub(crate) mod fixture;
mod merge;
mod options;
pub(crate) mod path_advice;
mod place;
mod scale;
pub(crate) mod subresource;
mod user;
mod workload;

pub(crate) use self::equivalent::of as equivalents_of;
pub(crate) use self::workload::HeldPod;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use self::admission::{Admission, Document};
use self::changed::Changed;
use self::fixture::Changes;
use super::fields::Shape;
use super::files::{Files, UnknownKinds};
use super::kinds::Kinds;
use super::mistake::{Mistakes, mistake};
use super::objects;
use super::schema::{CaseEntry, FileOr};
use super::yaml::{self, Node};
use policy_verify_model::code::Code;
use policy_verify_model::conversion::Equivalent;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::request::{AdmissionRequest, Request};
use policy_verify_model::source::{Span, Spanned};
use policy_verify_model::stored_request::StoredRequest;
use policy_verify_model::suite::RulesMode;
use policy_verify_model::written_object::{WrittenChange, WrittenObject};

/// A request of a case, and what tells it from its siblings.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// `Deployment web (all.yaml:16)`; nothing when the case has one request.
    pub(crate) label: Option<String>,
    /// The same without the line, which changes with what is above it: `Deployment web (all.yaml)`.
    pub(crate) lasting_label: Option<String>,
    /// Where the object of `objects` is written.
    pub(crate) origin: Option<Span>,
    /// Why it is not sent.
    pub(crate) skip: Option<String>,
    /// The request.
    pub(crate) request: Arc<StoredRequest>,
    /// The paths of mappings that `set` has made.
    pub(crate) created: Vec<String>,
    /// Where the members of its object are written.
    pub(crate) written: Arc<WrittenObject>,
    /// Other versions of its resource.
    pub(crate) equivalents: Vec<Equivalent>,
}

/// Everything needed to make requests.
pub(crate) struct Requests<'a> {
    files: &'a Files,
    admission: Admission<'a>,
    keeps_text: bool,
}

impl<'a> Requests<'a> {
    /// Requests about these kinds; `inherited_namespace` is where the defaults give a namespace. `keeps_text` makes them small.
    pub(crate) fn new(
        files: &'a Files,
        kinds: &'a Kinds,
        inherited_namespace: Option<&'a Span>,
        keeps_text: bool,
    ) -> Self {
        Self { files, admission: Admission { kinds, inherited_namespace }, keeps_text }
    }
}

impl Requests<'_> {
    /// The requests of a case: one, or one for each document of `objects`.
    pub(crate) fn of_case(&self, case: &CaseEntry, mistakes: &mut Mistakes) -> Vec<Arrival> {
        if !self.has_one_source(case, mistakes) {
            return Vec::new();
        }
        if let Some(raw) = &case.raw {
            return self.raw(case, raw, mistakes).into_iter().map(|it| self.arrival(None, it)).collect();
        }
        if let Some(request) = &case.request {
            return self.complete(case, request, mistakes).into_iter().map(|it| self.arrival(None, it)).collect();
        }
        if let Some(globs) = &case.objects {
            return globs.0.iter().flat_map(|glob| self.each_object(case, glob, mistakes)).collect();
        }
        let before = mistakes.added();
        let object = case.object.as_ref().and_then(|object| self.load(object, mistakes));
        let old_object = case.old_object.as_ref().and_then(|object| self.load(object, mistakes));
        if mistakes.added() > before {
            return Vec::new();
        }
        let request = self.admission.request(case, object, old_object, mistakes);
        request.into_iter().map(|it| self.arrival(None, it)).collect()
    }

    fn arrival(&self, label: Option<String>, changed: Changed) -> Arrival {
        let Changed { request, created, written } = changed;
        let equivalents = match &request {
            Request::Admission(request) => equivalent::of(request, self.admission.kinds),
            Request::Raw(_) => Vec::new(),
        };
        let request = if self.keeps_text { request.into() } else { StoredRequest::quick(request) };
        Arrival {
            label,
            lasting_label: None,
            origin: None,
            skip: None,
            request: Arc::new(request),
            created,
            written: Arc::new(written),
            equivalents,
        }
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
            FileOr::Inline(node) => {
                warn_of_booleans(node, mistakes);
                Ok(Spanned::new(node.to_json(), node.span.clone()))
            }
            FileOr::File(path) => self.files.document(path),
        };
        let document = loaded.map_err(|mistake| mistakes.push(mistake)).ok()?;
        Some(Document { value: document.value, span: document.span, named: source.span().clone() })
    }

    fn raw(&self, case: &CaseEntry, source: &FileOr, mistakes: &mut Mistakes) -> Option<Changed> {
        for (name, _, span) in admission_keys(case) {
            let message = format!("`{name}` cannot be combined with `raw`");
            let mistake = mistake(span, message).with_code(Code::Contradiction);
            mistakes.push(mistake.with_help(format!("remove `{name}`: only Kubernetes requests have it")));
        }
        let Document { value: mut document, span, .. } = self.load(source, mistakes)?;
        let Changes { created, written: changes } = fixture::change(&mut document, Shape::RAW, case, mistakes);
        let written = WrittenObject { document: Some(span), changes, ..WrittenObject::default() };
        Some(Changed { request: Request::Raw(document), created, written })
    }

    /// An AdmissionReview or AdmissionRequest, read as policy-server reads it: unknown members are dropped, and
    /// missing ones are an error in the server's words.
    fn complete(&self, case: &CaseEntry, source: &FileOr, mistakes: &mut Mistakes) -> Option<Changed> {
        for (name, member, span) in admission_keys(case) {
            let help = match member {
                Some(member) => format!("write it into the request, or use `set: {{ {member}: … }}`"),
                None => format!("remove `{name}`: the request is sent as it is"),
            };
            let message = format!("`{name}` cannot be combined with `request`");
            mistakes.push(mistake(span, message).with_code(Code::Contradiction).with_help(help));
        }
        let Document { value: document, named: span, span: place } = self.load(source, mistakes)?;
        let mut root = "";
        let mut request = match document {
            Value::Object(mut review) if review.get("kind").and_then(Value::as_str) == Some("AdmissionReview") => {
                root = "/request";
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
        let Changes { created, written: changes } =
            fixture::change(&mut request, Shape::admission_request(), case, mistakes);
        match serde_json::from_value::<AdmissionRequest>(request) {
            Ok(request) => {
                let written = written_in_request(&request, root, place, changes);
                Some(Changed { request: Request::Admission(Box::new(request)), created, written })
            }
            Err(error) => {
                let message = format!("cannot build AdmissionRequest object from given input: {error}");
                let mistake = mistake(&span, message);
                mistakes.push(mistake.with_help("write `object:` instead of `request:` to send a manifest".to_owned()));
                None
            }
        }
    }

    /// A request for each object of the files that a path or glob names.
    fn each_object(&self, case: &CaseEntry, glob: &Spanned<String>, mistakes: &mut Mistakes) -> Vec<Arrival> {
        let (named, chosen) = self.files.split_name(glob);
        let paths = self.files.glob(&named).map_err(|mistake| mistakes.push(mistake)).unwrap_or_default();
        let mut arrivals = Vec::new();
        for path in paths {
            if mistakes.is_full() {
                break;
            }
            match self.files.objects(&path, chosen.as_deref(), &glob.span) {
                Ok(objects) if objects.is_empty() && self.files.typed.is_some() => {}
                Ok(objects) if objects.is_empty() => {
                    mistakes.add(&glob.span, format!("`{}` has no objects", self.files.shown(&path)));
                }
                Ok(objects) => {
                    let shown = self.files.shown_from(&glob.span, &path);
                    let labels = labels(&objects, &shown).into_iter().zip(lasting_labels(&objects, &shown));
                    for (object, (label, lasting_label)) in objects.iter().zip(labels) {
                        let arrival = self.of_object(case, object, label, &glob.span, mistakes);
                        arrivals
                            .extend(arrival.map(|arrival| Arrival { lasting_label: Some(lasting_label), ..arrival }));
                    }
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
        arrivals
    }

    fn of_object(
        &self,
        case: &CaseEntry,
        object: &Spanned<Value>,
        label: String,
        named: &Span,
        mistakes: &mut Mistakes,
    ) -> Option<Arrival> {
        let Spanned { value, span } = object.clone();
        let is_refused = self.files.typed == Some(UnknownKinds::Refused);
        let is_skipped = case.rules == Some(RulesMode::Skip) && !is_refused;
        let unknown = self.admission.unknown_kind(&value).filter(|_| is_skipped);
        let arrival = match unknown {
            Some(unknown) => {
                let reason = format!("{}; {}", unknown.message, unknown.help.unwrap_or_default());
                let request = Request::Raw(value);
                let changed = Changed { request, created: Vec::new(), written: WrittenObject::default() };
                Arrival { skip: Some(reason), ..self.arrival(Some(label), changed) }
            }
            None => {
                let document = Document { value, span: span.clone(), named: named.clone() };
                let request = self.admission.request(case, Some(document), None, mistakes)?;
                self.arrival(Some(label), request)
            }
        };
        Some(Arrival { origin: Some(span), ..arrival })
    }
}

/// The request about an object that a cluster has, as if it were created again; or what is wrong with it.
pub(crate) fn of_dumped(
    kinds: &Kinds,
    case: &CaseEntry,
    object: Spanned<Value>,
) -> Result<(Request, Vec<Equivalent>), Vec<Diagnostic>> {
    let mut mistakes = Mistakes::default();
    let Spanned { value, span } = object;
    let document = Document { value, named: span.clone(), span };
    let changed = Admission { kinds, inherited_namespace: None }.request(case, Some(document), None, &mut mistakes);
    match changed.filter(|_| mistakes.is_empty()) {
        Some(Changed { request: Request::Admission(request), .. }) => {
            let equivalents = equivalent::of(&request, kinds);
            Ok((Request::Admission(request), equivalents))
        }
        _ => Err(mistakes.into_sorted()),
    }
}

/// How the object of a request came about that is written whole: it is the new one, or the old one where there is no other.
fn written_in_request(
    request: &AdmissionRequest,
    root: &'static str,
    document: Span,
    changes: Vec<WrittenChange>,
) -> WrittenObject {
    let (member, root) = match (request.object.is_some(), root) {
        (true, "") => ("/object", "/object"),
        (true, _) => ("/object", "/request/object"),
        (false, "") => ("/oldObject", "/oldObject"),
        (false, _) => ("/oldObject", "/request/oldObject"),
    };
    let in_object = |change: WrittenChange| {
        let at = change.at.strip_prefix(member).filter(|rest| rest.is_empty() || rest.starts_with('/'))?.to_owned();
        Some(WrittenChange { at, ..change })
    };
    let changes = changes.into_iter().filter_map(in_object).collect();
    WrittenObject { document: Some(document), root, is_wrapped: false, changes }
}

/// `Deployment web (all.yaml:16)` for each object of a file; objects on one line that are called alike have numbers.
fn labels(objects: &[Spanned<Value>], path: &str) -> Vec<String> {
    let place = |(index, object): (usize, &Spanned<Value>)| {
        format!("{} ({path}:{})", objects::title(&object.value, index + 1), object.span.line)
    };
    let places: Vec<String> = objects.iter().enumerate().map(place).collect();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut labels: Vec<String> = Vec::new();
    for place in &places {
        let number = seen.entry(place).and_modify(|number| *number += 1).or_insert(1);
        labels.push(if *number == 1 { place.clone() } else { format!("{place} #{number}") });
    }
    labels
}

/// The same without lines; objects that are called alike have numbers.
fn lasting_labels(objects: &[Spanned<Value>], path: &str) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut label = |(index, object): (usize, &Spanned<Value>)| {
        let label = format!("{} ({path})", objects::title(&object.value, index + 1));
        let number = seen.entry(label.clone()).and_modify(|number| *number += 1).or_insert(1);
        if *number == 1 { label } else { format!("{label} #{number}") }
    };
    objects.iter().enumerate().map(&mut label).collect()
}

/// Suites are YAML 1.2, where `yes` is a text; in a manifest of its own `kubectl` sends a boolean.
fn warn_of_booleans(node: &Node, mistakes: &mut Mistakes) {
    if !yaml::is_manifest(node) {
        return;
    }
    for (node, value) in yaml::sent_as_booleans(node) {
        let text = node.as_str().unwrap_or_default();
        let message = format!("`{text}` is a text in a suite; in a file of its own, kubectl sends `{value}`");
        mistakes.warn(mistake(&node.span, message).with_help(format!("write `{value}`, or `\"{text}\"` for the text")));
    }
}

/// Keys that only make sense where the request is built here, and what they are called in a request.
fn admission_keys(case: &CaseEntry) -> Vec<(&'static str, Option<&'static str>, &Span)> {
    [
        ("operation", Some("operation"), case.operation.as_ref().map(|key| &key.span)),
        ("subresource", Some("subResource"), case.subresource.as_ref().map(|key| &key.span)),
        ("namespace", Some("namespace"), case.namespace.as_ref().map(|key| &key.span)),
        ("dryRun", Some("dryRun"), case.dry_run.as_ref().map(|key| &key.span)),
        ("options", Some("options"), case.options.as_ref().map(|key| &key.span)),
        ("user", Some("userInfo"), case.user.as_ref().map(|_| &case.name.span)),
        ("complete", None, case.complete.as_ref().map(|key| &key.span)),
        ("wrap", None, case.wrap.as_ref().map(|key| &key.span)),
    ]
    .into_iter()
    .filter_map(|(name, member, span)| Some((name, member, span?)))
    .collect()
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
