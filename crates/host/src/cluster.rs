//! Replies from the `cluster:` of a suite: what an API server with these objects would reply.
//!
//! Behaviour and texts are those of the Kubernetes client of policy-evaluator 0.32. Two of them are not obvious: a
//! namespace given with an object outside of namespaces is ignored when the object is looked up, and list items always
//! have `annotations` and `managedFields`, which the server empties to save memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::reply::{CallError, Reply, to_bytes};
use super::request::Request;
use super::selector::{Fields, Labels, SelectorError};
use super::wire::kubernetes::{
    KubernetesGetResource, KubernetesListResourceAll, KubernetesListResourceNamespace, ObjectList,
};
use policy_verify_model::budget::{Budget, Exceeded};
use policy_verify_model::cluster::{Cluster, ClusterKinds};
use policy_verify_model::policy::ContextAwareResource;

/// Why the objects of a suite cannot answer a request.
///
/// A server retries a list that the API server rejects until the policy times out, so an invalid selector is not an error
/// that the policy could receive.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unsupported {
    #[error("the API server rejects the label selector: {0}")]
    Labels(SelectorError),
    #[error("the API server rejects the field selector: {0}")]
    Fields(SelectorError),
    /// A field that an API server may know.
    #[error("{0}")]
    Field(SelectorError),
    /// It would take too long, or too much memory.
    #[error("it {0}")]
    Exceeded(#[from] Exceeded),
}

/// Steps of an object that goes into a list.
const ITEM: u64 = 500;

/// The annotation that is taken out of list items.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Answers a request about objects, also with the errors an API server would cause; nothing if it is about something else.
/// Lists are sorted by namespace and name, and begin with another object in each `variation`.
pub(super) fn answer(
    cluster: &Cluster,
    request: &Request,
    variation: u64,
    budget: &Budget,
) -> Option<Result<Reply, Unsupported>> {
    match request {
        Request::KubernetesGetResource(request) => Some(Ok(get(cluster, request))),
        Request::KubernetesListResourceAll(request) => Some(List::from(request).answer(cluster, variation, budget)),
        Request::KubernetesListResourceNamespace(request) => {
            Some(List::from(request).answer(cluster, variation, budget))
        }
        _ => None,
    }
}

/// The plural name of a kind, from the kinds that the suite knows. An API server gives the same, so no cluster is needed.
pub(super) fn plural_name(kinds: &ClusterKinds, request: &Request) -> Option<Reply> {
    let Request::KubernetesGetResourcePluralName(request) = request else { return None };
    let resource = ContextAwareResource { api_version: request.api_version.clone(), kind: request.kind.clone() };
    kinds.get(&resource).map(|known| Ok(to_bytes(&known.plural)))
}

/// Whether the objects of a kind live in namespaces; an error if there is no such kind.
fn is_namespaced(cluster: &Cluster, api_version: &str, kind: &str) -> Result<bool, CallError> {
    let resource = ContextAwareResource { api_version: api_version.into(), kind: kind.into() };
    match cluster.kinds.get(&resource) {
        Some(info) => Ok(info.is_namespaced),
        None if cluster.kinds.keys().any(|known| known.api_version == api_version) => {
            Err(CallError(format!("Cannot find resource {api_version}/{kind}")))
        }
        None => Err(CallError(format!("error finding resource {api_version} / {kind}: 404 page not found"))),
    }
}

/// The objects of a kind in the order of lists.
fn objects<'a>(
    cluster: &'a Cluster,
    api_version: &str,
    kind: &str,
) -> impl Iterator<Item = (&'a (String, String), &'a Arc<Value>)> {
    let resource = ContextAwareResource { api_version: api_version.into(), kind: kind.into() };
    cluster.objects.get(&resource).into_iter().flatten()
}

fn get(cluster: &Cluster, request: &KubernetesGetResource) -> Reply {
    let KubernetesGetResource { api_version, kind, name, namespace, disable_cache: _, field_masks } = request;
    let in_namespace = match (is_namespaced(cluster, api_version, kind)?, namespace) {
        (true, Some(namespace)) => namespace.as_str(),
        (true, None) => return Err(CallError(request.without_namespace())),
        (false, _) => "",
    };
    let found =
        objects(cluster, api_version, kind).find(|((namespace, it), _)| namespace == in_namespace && it == name);
    let Some((_, object)) = found else { return Err(CallError(request.not_found())) };
    let mut object = Value::clone(object);
    prune(&mut object, field_masks.as_ref());
    Ok(to_bytes(&object))
}

/// A request for a list, of a namespace or of all.
#[derive(Debug, Clone, Copy)]
pub struct List<'a> {
    /// Group and version, `apps/v1`.
    pub api_version: &'a str,
    /// The kind, `Pod`.
    pub kind: &'a str,
    /// The namespace; none for cluster-wide resources.
    pub namespace: Option<&'a str>,
    /// Label selector.
    pub labels: Option<&'a str>,
    /// Field selector.
    pub fields: Option<&'a str>,
    masks: Option<&'a BTreeSet<String>>,
}

impl<'a> From<&'a KubernetesListResourceAll> for List<'a> {
    fn from(request: &'a KubernetesListResourceAll) -> Self {
        Self {
            api_version: &request.api_version,
            kind: &request.kind,
            namespace: None,
            labels: request.label_selector.as_deref(),
            fields: request.field_selector.as_deref(),
            masks: request.field_masks.as_ref(),
        }
    }
}

impl<'a> From<&'a KubernetesListResourceNamespace> for List<'a> {
    fn from(request: &'a KubernetesListResourceNamespace) -> Self {
        Self {
            api_version: &request.api_version,
            kind: &request.kind,
            namespace: Some(&request.namespace),
            labels: request.label_selector.as_deref(),
            fields: request.field_selector.as_deref(),
            masks: request.field_masks.as_ref(),
        }
    }
}

impl List<'_> {
    fn answer(&self, cluster: &Cluster, variation: u64, budget: &Budget) -> Result<Reply, Unsupported> {
        let Self { api_version, kind, .. } = self;
        match is_namespaced(cluster, api_version, kind) {
            Ok(false) if self.namespace.is_some() => return Ok(Err(CallError(self.cluster_wide()))),
            Ok(_) => {}
            Err(error) => return Ok(Err(error)),
        }
        let labels = Labels::parse(self.labels.unwrap_or_default()).map_err(Unsupported::Labels)?;
        let fields = Fields::parse(self.fields.unwrap_or_default()).map_err(|error| match error {
            SelectorError::UnsupportedField(_) => Unsupported::Field(error),
            _ => Unsupported::Fields(error),
        })?;
        let in_namespace = objects(cluster, api_version, kind)
            .filter(|((namespace, _), _)| self.namespace.is_none_or(|it| namespace == it));
        let mut items = Vec::new();
        for ((namespace, name), object) in in_namespace {
            budget.spend(1 + labels.requirements() + fields.terms())?;
            if fields.select(namespace, name) && labels.select(object.pointer("/metadata/labels")) {
                budget.spend(ITEM)?;
                items.push(self.item(object));
            }
        }
        let first = usize::try_from(variation % items.len().max(1) as u64).unwrap_or(0);
        items.rotate_left(first);
        let kind = format!("{kind}List");
        Ok(Ok(to_bytes(&ObjectList { api_version, kind, metadata: json!({}), items: &items })))
    }

    /// The server's text for a list of cluster-wide objects in a namespace.
    pub fn cluster_wide(&self) -> String {
        let Self { api_version, kind, .. } = self;
        format!("resource {api_version}/{kind} is cluster wide. Cannot search for it inside of a namespace")
    }

    /// An object as an item of a list.
    pub fn item(&self, object: &Value) -> Value {
        let mut item = object.clone();
        if let Some(metadata) = item.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("managedFields".into(), json!([]));
            let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
            match annotations {
                Value::Object(annotations) => drop(annotations.remove(LAST_APPLIED)),
                other => *other = json!({}),
            }
        }
        prune(&mut item, self.masks);
        item
    }
}

/// Keeps what the masks name. Identity and metadata are kept whatever they say.
pub fn prune(object: &mut Value, masks: Option<&BTreeSet<String>>) {
    let Some(masks) = masks.filter(|masks| !masks.is_empty()) else { return };
    let mut tree = Masks::default();
    for mask in masks {
        mask.split('.').fold(&mut tree, |below, step| below.0.entry(step).or_default());
    }
    let Value::Object(members) = object else { return };
    members.retain(|key, value| ["apiVersion", "kind", "metadata"].contains(&key.as_str()) || tree.keep(key, value));
}

/// Masks by their steps, so that a member is looked up once, however many there are.
#[derive(Default)]
struct Masks<'a>(BTreeMap<&'a str, Masks<'a>>);

impl Masks<'_> {
    /// Whether a member is kept; what is below it is cut to the masks. A mask that ends here does not keep the rest of a
    /// subtree that a longer one goes into: `spec` with `spec.replicas` keeps the replicas only, as in the server.
    fn keep(&self, key: &str, value: &mut Value) -> bool {
        let below = self.0.get(key);
        below.inspect(|below| below.cut(value)).is_some()
    }

    fn cut(&self, value: &mut Value) {
        match value {
            _ if self.0.is_empty() => {}
            Value::Object(members) => members.retain(|key, value| self.keep(key, value)),
            Value::Array(items) => items.iter_mut().for_each(|item| self.cut(item)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::cluster;

    fn served(tag: &str, members: &Value) -> Result<Value, String> {
        let request = Request::from_recorded(tag, members).expect("the request is complete");
        match answer(&cluster(), &request, 0, &Budget::default()).expect("it is about objects") {
            Ok(reply) => reply.map(|bytes| serde_json::from_slice(&bytes).unwrap()).map_err(|error| error.0),
            Err(error) => Err(format!("unsupported: {error}")),
        }
    }

    fn list(kind: (&str, &str), namespace: Option<&str>, more: &Value) -> Result<Value, String> {
        let mut members = json!({"api_version": kind.0, "kind": kind.1, "label_selector": null, "field_selector": null,
            "field_masks": null});
        for (key, value) in more.as_object().unwrap() {
            members[key] = value.clone();
        }
        match namespace {
            Some(namespace) => {
                members["namespace"] = namespace.into();
                served("KubernetesListResourceNamespace", &members)
            }
            None => served("KubernetesListResourceAll", &members),
        }
    }

    fn names(kind: (&str, &str), namespace: Option<&str>, more: &Value) -> Result<Vec<String>, String> {
        let list = list(kind, namespace, more)?;
        Ok(list["items"].as_array().unwrap().iter().map(|it| it["metadata"]["name"].as_str().unwrap().into()).collect())
    }

    fn object(kind: (&str, &str), name: &str, namespace: Option<&str>, masks: &Value) -> Result<Value, String> {
        let members = json!({"api_version": kind.0, "kind": kind.1, "name": name, "namespace": namespace,
            "disable_cache": false, "field_masks": masks});
        served("KubernetesGetResource", &members)
    }

    const DEPLOYMENT: (&str, &str) = ("apps/v1", "Deployment");

    #[test]
    fn lists_are_ordered_without_members_that_the_server_drops() {
        let all = list(DEPLOYMENT, None, &json!({})).unwrap();
        assert_eq!(
            (&all["apiVersion"], &all["kind"], &all["metadata"]),
            (&json!("apps/v1"), &json!("DeploymentList"), &json!({}))
        );
        assert_eq!(names(DEPLOYMENT, None, &json!({})).unwrap(), ["job", "api"], "by namespace, then by name");
        assert_eq!(all["items"][1]["metadata"]["annotations"], json!({"team": "a"}));
        for item in all["items"].as_array().unwrap() {
            assert_eq!(item["metadata"]["managedFields"], json!([]));
        }
        assert_eq!(all["items"][0]["metadata"]["annotations"], json!({}));
        assert_eq!(names(("v1", "Pod"), None, &json!({})).unwrap(), [""; 0], "a known kind without objects");
    }

    #[test]
    fn lists_are_narrowed_by_namespace_and_selectors() {
        for (namespace, more, expected) in [
            (Some("web"), json!({}), vec!["api"]),
            (Some("nowhere"), json!({}), vec![]),
            (None, json!({"label_selector": "tier=back,app in (x, y)"}), vec!["api"]),
            (None, json!({"label_selector": "tier!=back"}), vec!["job"]),
            (Some("batch"), json!({"label_selector": "tier=back"}), vec![]),
            (None, json!({"field_selector": "metadata.namespace=batch"}), vec!["job"]),
            (None, json!({"field_selector": "metadata.name!=job", "label_selector": ""}), vec!["api"]),
        ] {
            assert_eq!(names(DEPLOYMENT, namespace, &more).unwrap(), expected, "{namespace:?} {more}");
        }
        for (more, problem) in [
            (json!({"label_selector": "tier in back"}), "unsupported: the API server rejects the label selector"),
            (json!({"field_selector": "spec.replicas=1"}), "unsupported: unsupported field \"spec.replicas\""),
        ] {
            let error = names(DEPLOYMENT, None, &more).unwrap_err();
            assert!(error.starts_with(problem), "{error}");
        }
    }

    #[test]
    fn single_objects_are_complete() {
        let api = object(DEPLOYMENT, "api", Some("web"), &json!(null)).unwrap();
        assert_eq!(api["metadata"]["managedFields"], json!([{"manager": "kubectl"}]));
        assert_eq!(api["metadata"]["annotations"][LAST_APPLIED], "{}");
        let web = object(("v1", "Namespace"), "web", Some("ignored"), &json!(null)).unwrap();
        assert_eq!(web["metadata"]["name"], "web");
    }

    #[test]
    fn masks_keep_what_they_name_and_the_metadata() {
        let masked = |masks: Value| {
            let mut object = object(DEPLOYMENT, "api", Some("web"), &masks).unwrap();
            let metadata = object.as_object_mut().unwrap().remove("metadata").unwrap();
            assert_eq!((&metadata["name"], &metadata["labels"]["app"]), (&json!("api"), &json!("x")));
            assert_eq!((&object["apiVersion"], &object["kind"]), (&json!("apps/v1"), &json!("Deployment")));
            object["spec"].clone()
        };
        assert_eq!(masked(json!(["metadata.name"])), json!(null));
        assert_eq!(masked(json!(["spec.replicas", "status"])), json!({"replicas": 2}));
        assert_eq!(masked(json!(["spec", "spec.paused"])), json!({"paused": false}), "the longer mask wins");
        assert_eq!(
            masked(json!(["spec.template.spec.containers.image"])),
            json!({"template": {"spec": {"containers": [{"image": "i"}]}}})
        );
        assert_eq!(masked(json!([]))["replicas"], 2, "an empty list keeps everything");
        let listed = list(DEPLOYMENT, Some("web"), &json!({"field_masks": ["spec.replicas"]})).unwrap();
        assert_eq!(listed["items"][0]["spec"], json!({"replicas": 2}));
    }

    #[test]
    fn errors_are_worded_by_the_server() {
        let none = json!(null);
        for (error, expected) in [
            (
                object(("v1", "Namespace"), "n", None, &none),
                "Cannot find v1/Namespace named 'n' inside of namespace 'None'",
            ),
            (
                object(DEPLOYMENT, "api", Some("batch"), &none),
                "Cannot find apps/v1/Deployment named 'api' inside of namespace 'Some(\"batch\")'",
            ),
            (
                object(DEPLOYMENT, "api", None, &none),
                "Resource apps/v1/Deployment is namespaced, but no namespace was provided",
            ),
            (
                list(("v1", "Namespace"), Some("web"), &json!({})),
                "resource v1/Namespace is cluster wide. Cannot search for it inside of a namespace",
            ),
            (list(("v1", "Widget"), None, &json!({})), "Cannot find resource v1/Widget"),
            (object(("v1", "Widget"), "w", None, &none), "Cannot find resource v1/Widget"),
            (
                list(("acme.test/v1", "Widget"), None, &json!({})),
                "error finding resource acme.test/v1 / Widget: 404 page not found",
            ),
        ] {
            assert_eq!(error, Err(expected.to_owned()));
        }
    }

    #[test]
    fn access_reviews_are_not_for_a_cluster() {
        let review = json!({"request": {"groups": null, "user": "bob", "resource_attributes": {"verb": "get",
            "resource": "pods", "group": null, "name": null, "namespace": null, "subresource": null, "version": null}},
            "disable_cache": false});
        let request = Request::from_recorded("KubernetesCanI", &review).unwrap();
        assert!(answer(&cluster(), &request, 0, &Budget::default()).is_none());
    }

    #[test]
    fn work_of_a_list_is_counted() {
        let mut many = cluster();
        let resource = ContextAwareResource { api_version: "v1".into(), kind: "Pod".into() };
        let pod = Arc::new(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "b"}}}));
        let pods = (0..2_000).map(|number| (("web".to_owned(), format!("p{number}")), Arc::clone(&pod)));
        many.objects.insert(resource, pods.collect());
        let listed = |labels: String, fields: String| {
            let members = json!({"api_version": "v1", "kind": "Pod", "label_selector": labels, "field_selector": fields,
                "field_masks": null});
            let request = Request::from_recorded("KubernetesListResourceAll", &members).unwrap();
            let budget = Budget::default();
            let before = budget.steps_left();
            let reply = answer(&many, &request, 0, &budget).unwrap();
            (reply.map(|reply| reply.unwrap().len()), before - budget.steps_left())
        };
        // One requirement, however many values it has.
        let values: Vec<String> = (0..100_000).map(|number| number.to_string()).collect();
        let (reply, steps) = listed(format!("a in (b,{})", values.join(",")), String::new());
        assert!(reply.unwrap() > 100_000 && steps < 2_000_000, "{steps}");
        let terms = vec!["a"; 100_000].join(",");
        let names = vec!["metadata.name!=x"; 100_000].join(",");
        for (labels, fields) in [(terms, String::new()), (String::new(), names)] {
            let (reply, steps) = listed(labels, fields);
            assert!(matches!(reply, Err(Unsupported::Exceeded(Exceeded::Steps(_)))), "{reply:?}");
            assert!(steps <= 100_000_000);
        }
    }

    #[test]
    fn many_masks_are_looked_up_once() {
        let masks: BTreeSet<String> = (0..100_000).map(|number| format!("spec.a{number}.b")).collect();
        let members = (0..2_000).map(|number| (format!("a{number}"), json!({"b": 1, "c": 2}))).collect::<Value>();
        let mut object = json!({"kind": "Pod", "spec": members, "status": {}});
        prune(&mut object, Some(&masks));
        assert_eq!(object["spec"].as_object().unwrap().len(), 2_000);
        assert_eq!((&object["spec"]["a7"], object.get("status")), (&json!({"b": 1}), None));
    }
}
