//! Objects become the AdmissionRequest that the API server sends about them.
//!
//! Recorded: `testdata/kube-apiserver`, against which a test holds every request.

use serde_json::{Map, Value, json};

use super::changed::Changed;
use super::complete;
use super::fixture::{self, Changes};
use super::options;
use super::scale;
use super::subresource::{self, Sent};
use super::user;
use super::workload;
use crate::fields::Shape;
use crate::kinds::{KindInfo, Kinds};
use crate::mistake::{Mistakes, mistake, suggestion};
use crate::objects;
use crate::schema::{CaseEntry, Operation};
use policy_verify_model::code::Code;
use policy_verify_model::deployed::DEFAULT_NAMESPACE;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::request::{AdmissionRequest, GroupVersionKind, Request, split_api_version};
use policy_verify_model::source::{Span, Spanned};
use policy_verify_model::workload::Workload;
use policy_verify_model::written_object::WrittenObject;

/// The uid of every request made from a manifest: the example of Kubernetes' documentation, which `kwctl scaffold
/// admission-request` uses too.
const UID: &str = "705ab4f5-6393-11e8-b7cc-42010a800002";

/// A document that a request is made of.
#[derive(Clone)]
pub(super) struct Document {
    pub(super) value: Value,
    /// Where it is written: in the suite, or in a file of its own.
    pub(super) span: Span,
    /// Where the suite names it.
    pub(super) named: Span,
}

/// Makes requests of objects.
pub(super) struct Admission<'a> {
    pub(super) kinds: &'a Kinds,
    /// Where the defaults give a namespace: one that came from there is ignored for kinds that have none.
    pub(super) inherited_namespace: Option<&'a Span>,
}

/// The objects of a request, as far as the operation has them.
struct Objects {
    new: Option<Value>,
    old: Option<Value>,
}

impl Objects {
    fn each(&mut self) -> impl Iterator<Item = &mut Value> {
        [&mut self.new, &mut self.old].into_iter().flatten()
    }

    /// The object that a case changes: the new one, or the only one.
    fn changed(&mut self) -> Option<&mut Value> {
        self.new.as_mut().or(self.old.as_mut())
    }

    /// The object that names the request.
    fn subject(&self) -> Option<&Value> {
        self.new.as_ref().or(self.old.as_ref())
    }
}

/// What a request is about.
struct Target<'a> {
    /// The resource; for kinds that are sent to a subresource only, the kind.
    info: &'a KindInfo,
    subresource: Option<&'static str>,
    sent: Sent,
    /// The only operation of the subresource.
    operation: Option<Operation>,
}

impl Target<'_> {
    /// `pods/status`
    fn shown(&self) -> String {
        match self.subresource {
            Some(name) => format!("{}/{name}", self.info.plural),
            None => self.info.plural.clone().into_owned(),
        }
    }

    fn kind(&self) -> GroupVersionKind {
        match self.sent {
            Sent::Scale => gvk(scale::API_VERSION, scale::KIND),
            Sent::Other(api_version, kind) if self.info.subresource.is_none() => gvk(api_version, kind),
            _ => self.info.group_version_kind(),
        }
    }
}

fn gvk(api_version: &str, kind: &str) -> GroupVersionKind {
    let (group, version) = split_api_version(api_version);
    GroupVersionKind { group: group.into(), version: version.into(), kind: kind.into() }
}

impl Admission<'_> {
    /// The request about one or two objects.
    pub(super) fn request(
        &self,
        case: &CaseEntry,
        object: Option<Document>,
        old_object: Option<Document>,
        mistakes: &mut Mistakes,
    ) -> Option<Changed> {
        let operation = self.operation(case, object.as_ref(), old_object.as_ref());
        let origin = object.as_ref().or(old_object.as_ref())?.clone();
        let (new, old) = (object.map(|it| it.value), old_object.map(|it| it.value));
        let mut objects =
            objects_of(operation, new, old, &origin.named).map_err(|mistake| mistakes.push(mistake)).ok()?;
        // A Scale has nothing of the Pod: what a case changes is then the workload.
        let is_changed_late = case.wrap.is_some() && name_of(case).is_some_and(|name| name == "scale");
        let mut changes = Changes::default();
        if !is_changed_late {
            changes = change(case, &mut objects, mistakes);
        }
        for object in objects.each() {
            wrap(case, object, mistakes);
        }
        if is_changed_late {
            changes = change(case, &mut objects, mistakes);
        }
        if case.complete.as_ref().is_some_and(|complete| complete.value) {
            objects.each().for_each(complete::complete);
        }
        let request = self.assemble(case, operation, objects, &origin, mistakes)?;
        let written = WrittenObject {
            document: Some(origin.span).filter(|_| !is_changed_late),
            is_wrapped: case.wrap.as_ref().is_some_and(|wrap| wrap.value != Workload::Pod),
            changes: changes.written,
            root: "",
        };
        Some(Changed { request: Request::Admission(Box::new(request)), created: changes.created, written })
    }

    /// The mistake of an object of an unknown kind.
    pub(super) fn unknown_kind(&self, object: &Value) -> Option<Diagnostic> {
        let (api_version, kind) = text_at(object, "/apiVersion").zip(text_at(object, "/kind"))?;
        let is_known = is_scale(object) || admission_word(object).is_some();
        (!is_known && self.kinds.lookup(&api_version, &kind).is_none()).then(|| self.kinds.unknown(&api_version, &kind))
    }

    /// The operation of the case: an object alone is created, an old one deleted, and two are an update. Subresources,
    /// and kinds that are sent to one, have an operation of their own.
    fn operation(&self, case: &CaseEntry, object: Option<&Document>, old_object: Option<&Document>) -> Operation {
        if let Some(operation) = &case.operation {
            return operation.value;
        }
        match (object, old_object) {
            (Some(object), None) => {
                let of_kind = || self.info_of(&object.value).and_then(|info| info.subresource);
                let name = name_of(case).or_else(of_kind);
                let is_scale = is_scale(&object.value).then_some(Operation::Update);
                name.and_then(subresource::usual_operation).or(is_scale).unwrap_or(Operation::Create)
            }
            (None, Some(_)) => Operation::Delete,
            _ => Operation::Update,
        }
    }

    fn assemble(
        &self,
        case: &CaseEntry,
        operation: Operation,
        mut objects: Objects,
        origin: &Document,
        mistakes: &mut Mistakes,
    ) -> Option<AdmissionRequest> {
        let target = self.target(case, &objects, origin).map_err(|mistake| mistakes.push(mistake)).ok()?;
        check_operation(case, operation, &target, origin).map_err(|mistake| mistakes.push(mistake)).ok()?;
        for object in objects.each() {
            convert(object, &target);
        }
        let (kind, resource) = (target.kind(), target.info.group_version_resource());
        let name = objects.subject().and_then(|object| text_at(object, "/metadata/name"));
        if let (None, Some(subresource)) = (&name, target.info.subresource) {
            mistakes.push(nameless(&target, subresource, &origin.named));
            return None;
        }
        let namespace = self.namespace(case, &kind, name.as_deref(), &target, &objects, mistakes);
        for object in objects.each() {
            place(object, operation, target.info.is_namespaced, namespace.as_deref(), case);
            if target.subresource == Some("token") {
                forget_name(object);
            }
        }
        let options = options::of(case, operation, &resource, objects.old.as_ref(), mistakes);
        let sub_resource = target.subresource.map(str::to_owned);
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
            user_info: user::user_info(case.user.as_ref()),
            object: objects.new,
            old_object: objects.old,
            dry_run: Some(options::is_dry_run(case)),
            options,
        })
    }

    fn info_of(&self, object: &Value) -> Option<&KindInfo> {
        let (api_version, kind) = text_at(object, "/apiVersion").zip(text_at(object, "/kind"))?;
        self.kinds.lookup(&api_version, &kind)
    }

    /// The resource and subresource that the objects and the case name.
    fn target(&self, case: &CaseEntry, objects: &Objects, origin: &Document) -> Result<Target<'_>, Diagnostic> {
        let subject = objects.subject().expect("a request has an object");
        if is_scale(subject) {
            return self.scaled(case, objects, origin);
        }
        let info = self.kind_of(subject, case, origin)?;
        let Some(written) = &case.subresource else {
            return Ok(whole(info));
        };
        let (resource, name) = split(&written.value);
        if resource.is_some_and(|resource| !is_resource(info, resource)) {
            let message = format!("`subresource: {}` does not fit {}", written.value, info.kind);
            let help = format!("write `subresource: {}/{name}`, or another object", info.plural);
            return Err(mistake(&written.span, message).with_code(Code::Contradiction).with_help(help));
        }
        if let Some(own) = info.subresource {
            if own == name {
                return Ok(whole(info));
            }
            let message = format!("`{}` is sent to `{}/{own}`, not to `{name}`", info.kind, info.plural);
            let mistake = mistake(&written.span, message).with_code(Code::Contradiction);
            return Err(mistake.with_help("remove `subresource`".to_owned()));
        }
        part(info, name, written)
    }

    /// The resource of a real `Scale`: the subresource names it, or the other object is it.
    fn scaled(&self, case: &CaseEntry, objects: &Objects, origin: &Document) -> Result<Target<'_>, Diagnostic> {
        let scaled = || self.kinds.stored().filter(|info| has_scale(info));
        let target =
            |info| Target { info, subresource: Some("scale"), sent: Sent::Scale, operation: Some(Operation::Update) };
        let other = objects.old.as_ref().and_then(|object| self.info_of(object)).filter(|info| has_scale(info));
        let nameless = || {
            mistake(&origin.named, "`Scale` does not tell its resource")
                .with_code(Code::MissingKey)
                .with_help("write `subresource: deployments/scale`".to_owned())
        };
        let Some(written) = &case.subresource else {
            return other.map(target).ok_or_else(nameless);
        };
        match split(&written.value) {
            (None, "scale") => other.map(target).ok_or_else(nameless),
            (Some(resource), "scale") => {
                scaled().find(|info| is_resource(info, resource)).map(target).ok_or_else(|| {
                    let known: Vec<&str> = scaled().map(|info| info.plural.as_ref()).collect();
                    let message = format!("no resource `{resource}` has the subresource `scale`");
                    mistake(&written.span, message).with_code(Code::UnknownName).with_help(suggestion(resource, &known))
                })
            }
            _ => {
                let message = format!("`subresource: {}` does not fit Scale", written.value);
                let mistake = mistake(&written.span, message).with_code(Code::Contradiction);
                Err(mistake.with_help("write `subresource: deployments/scale`".to_owned()))
            }
        }
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
        if let Some(items) = objects::items(object) {
            let message = format!("this is a list of {} objects", items.len());
            let help = "write `objects:` to make a case of each, or add the name of one to the path: `all.yaml#web`";
            return Err(mistake(&origin.named, message).with_help(help.to_owned()));
        }
        let (Some(api_version), Some(kind)) = of(object) else {
            return Err(mistake(place, "the object has no `apiVersion` and `kind`")
                .with_code(Code::MissingKey)
                .with_help("write `raw:` to send a document that is not about Kubernetes".to_owned()));
        };
        self.kinds.lookup(&api_version, &kind).ok_or_else(|| self.kinds.unknown(&api_version, &kind).at(place))
    }

    /// The namespace of the request.
    fn namespace(
        &self,
        case: &CaseEntry,
        kind: &GroupVersionKind,
        name: Option<&str>,
        target: &Target<'_>,
        objects: &Objects,
        mistakes: &mut Mistakes,
    ) -> Option<String> {
        if target.info.is_namespaced {
            let of_case = case.namespace.as_ref().map(|namespace| namespace.value.clone());
            let of_object = || objects.subject().and_then(|object| text_at(object, "/metadata/namespace"));
            let named = of_case.or_else(of_object).filter(|namespace| !namespace.is_empty());
            return Some(named.unwrap_or_else(|| DEFAULT_NAMESPACE.into()));
        }
        if let Some(namespace) = &case.namespace
            && self.inherited_namespace != Some(&namespace.span)
        {
            let message = format!("`namespace` cannot be combined with {}, which is not namespaced", kind.kind);
            mistakes.add_coded(Code::Contradiction, &namespace.span, message);
        }
        // The API server names a namespace as the namespace of its own request.
        (kind.kind == "Namespace" && kind.group.is_empty()).then(|| name.map(str::to_owned)).flatten()
    }
}

/// The objects that an operation has.
fn objects_of(
    operation: Operation,
    new: Option<Value>,
    old: Option<Value>,
    named: &Span,
) -> Result<Objects, Diagnostic> {
    let word = operation.word();
    let wrong = |message: String| Err(mistake(named, message));
    let (new, old) = match (operation, new, old) {
        (Operation::Create | Operation::Connect, None, Some(_)) => {
            return wrong(format!("{word} needs `object`, found `oldObject`"));
        }
        (Operation::Create | Operation::Connect | Operation::Delete, Some(_), Some(_)) => {
            return wrong(format!("{word} needs one object, found `object` and `oldObject`"));
        }
        (Operation::Update, None, Some(_)) => {
            return wrong("UPDATE needs `object`: the object after the change".into());
        }
        // The old object of an update is the fixture without the changes of the case.
        (Operation::Update, Some(object), None) => (Some(object.clone()), Some(object)),
        (Operation::Delete, Some(object), None) => (None, Some(object)),
        (_, new, old) => (new, old),
    };
    Ok(Objects { new, old })
}

fn change(case: &CaseEntry, objects: &mut Objects, mistakes: &mut Mistakes) -> Changes {
    let changed = objects.changed();
    changed.map(|object| fixture::change(object, Shape::ANY, case, mistakes)).unwrap_or_default()
}

fn wrap(case: &CaseEntry, object: &mut Value, mistakes: &mut Mistakes) {
    let Some(workload) = &case.wrap else { return };
    match workload::wrap(object.take(), workload.value) {
        Ok(wrapped) => *object = wrapped,
        Err(mistake) => mistakes.push(mistake.at(&workload.span)),
    }
}

/// The name of the subresource of a case, without its resource.
fn name_of(case: &CaseEntry) -> Option<&str> {
    case.subresource.as_ref().map(|written| split(&written.value).1)
}

/// `deployments/scale`, or `scale` alone.
fn split(written: &str) -> (Option<&str>, &str) {
    match written.split_once('/') {
        Some((resource, name)) => (Some(resource), name),
        None => (None, written),
    }
}

/// Whether `deployments` or `deployments.apps` is the resource of a kind.
fn is_resource(info: &KindInfo, written: &str) -> bool {
    let rest = written.strip_prefix(info.plural.as_ref());
    rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('.') == Some(info.group.as_ref()))
}

fn is_scale(object: &Value) -> bool {
    let is = |key: &str, text: &str| object.get(key).is_some_and(|value| value == text);
    is("apiVersion", scale::API_VERSION) && is("kind", scale::KIND)
}

fn has_scale(info: &KindInfo) -> bool {
    subresource::of(info).iter().any(|known| known.sent == Sent::Scale)
}

/// A request about the object itself, or about the subresource that its kind is for.
fn whole(info: &KindInfo) -> Target<'_> {
    let operation = info.subresource.and_then(subresource::usual_operation);
    Target { info, subresource: info.subresource, sent: Sent::Whole, operation }
}

/// A subresource of a resource.
fn part<'a>(info: &'a KindInfo, name: &str, written: &Spanned<String>) -> Result<Target<'a>, Diagnostic> {
    let known = subresource::of(info);
    let plural = &info.plural;
    let Some(found) = known.iter().find(|known| known.name == name) else {
        let names: Vec<&str> = known.iter().filter(|it| it.sent != Sent::Never).map(|it| it.name).collect();
        let help = match names.is_empty() {
            true => format!("remove `subresource`: `{plural}` has none"),
            false => suggestion(name, &names),
        };
        let message = format!("`{plural}` ({}) has no subresource `{name}`", info.api_version());
        return Err(mistake(&written.span, message).with_code(Code::UnknownName).with_help(help));
    };
    let target = |sent| Target { info, subresource: Some(found.name), sent, operation: Some(found.operation) };
    match found.sent {
        Sent::Never => Err(mistake(&written.span, format!("`{plural}/{name}` is never sent to a policy"))
            .with_code(Code::NeverRuns)
            .with_help("remove the case: the API server asks no webhook about reading".to_owned())),
        // All that an eviction says is the name of the Pod.
        Sent::Other(_, "Eviction") => Ok(target(found.sent)),
        Sent::Other(api_version, kind) => {
            let message = format!("`{plural}/{name}` needs {kind}, found {}", info.kind);
            let help = format!(
                "write `object: {{ apiVersion: {api_version}, kind: {kind}, metadata: {{ name: … }} }}` with the name of \
                 the {}",
                info.kind
            );
            Err(mistake(&written.span, message).with_code(Code::Contradiction).with_help(help))
        }
        sent => Ok(target(sent)),
    }
}

/// Refuses an operation that the subresource does not have.
fn check_operation(
    case: &CaseEntry,
    operation: Operation,
    target: &Target<'_>,
    origin: &Document,
) -> Result<(), Diagnostic> {
    let Some(wanted) = target.operation.filter(|wanted| *wanted != operation) else { return Ok(()) };
    let message = format!("`{}` has no {}", target.shown(), operation.word());
    let wrong = match &case.operation {
        Some(written) => mistake(&written.span, message).with_help(format!("write `operation: {}`", wanted.word())),
        None => mistake(&origin.named, message).with_help(format!("write `object:` alone: {}", wanted.word())),
    };
    Err(wrong.with_code(Code::Contradiction))
}

/// Makes of an object what is sent to the subresource.
fn convert(object: &mut Value, target: &Target<'_>) {
    match (target.sent, &target.info.custom) {
        (Sent::Scale, _) if is_scale(object) => {}
        (Sent::Scale, Some(custom)) => {
            if let Some(paths) = &custom.scale {
                *object = scale::of_custom(object, paths);
            }
        }
        (Sent::Scale, None) => *object = scale::of_workload(object),
        (Sent::Other(api_version, kind), _) if target.info.subresource.is_none() => {
            let metadata = object.get("metadata");
            let kept: Map<String, Value> = (["name", "namespace"].into_iter())
                .filter_map(|key| Some((key.to_owned(), metadata?.get(key)?.clone())))
                .collect();
            *object = json!({ "apiVersion": api_version, "kind": kind, "metadata": kept });
        }
        _ => {}
    }
}

fn nameless(target: &Target<'_>, subresource: &str, named: &Span) -> Diagnostic {
    let kind = &target.info.kind;
    mistake(named, format!("the {kind} has no `metadata.name`")).with_code(Code::MissingKey).with_help(format!(
        "add `metadata: {{ name: … }}`: it names the object of `{}/{subresource}`",
        target.info.plural
    ))
}

/// Puts an object into its namespace, or out of all of them, as the API server does before admission. The options of a
/// connection have no metadata: there it only tells name and namespace of the request.
fn place(object: &mut Value, operation: Operation, is_namespaced: bool, namespace: Option<&str>, case: &CaseEntry) {
    let Some(members) = object.as_object_mut() else { return };
    if operation == Operation::Connect {
        members.remove("metadata");
        return;
    }
    let metadata = members.entry("metadata").or_insert_with(|| json!({}));
    if metadata.is_null() {
        *metadata = json!({});
    }
    let Some(metadata) = metadata.as_object_mut() else { return };
    match namespace.filter(|_| is_namespaced) {
        None => {
            metadata.remove("namespace");
        }
        Some(namespace) => {
            let is_missing = metadata.get("namespace").is_none_or(|it| it.is_null() || it == "");
            if is_missing || case.namespace.is_some() {
                metadata.insert("namespace".into(), namespace.into());
            }
        }
    }
}

/// A TokenRequest has no name when `kubectl create token` sends it: only its path names the ServiceAccount.
fn forget_name(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("name");
    }
}

/// What an object is that was meant as a whole request.
fn admission_word(object: &Value) -> Option<&'static str> {
    if object.get("kind").and_then(Value::as_str) == Some("AdmissionReview") {
        return Some("AdmissionReview");
    }
    let is_request = object.get("kind").is_some_and(Value::is_object)
        && ["operation", "object", "oldObject", "userInfo"].iter().any(|key| object.get(key).is_some());
    is_request.then_some("AdmissionRequest")
}

fn text_at(document: &Value, pointer: &str) -> Option<String> {
    Some(document.pointer(pointer)?.as_str()?.to_owned())
}
