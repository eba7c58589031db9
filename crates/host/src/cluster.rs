//! Answers from the `cluster:` of the suite: what an API server holding its objects would answer.
//!
//! Behaviour and texts are those of the Kubernetes client of policy-evaluator 0.32. Two of them are not obvious: a
//! namespace given with an object outside of namespaces is ignored when the object is looked up, and list items always
//! have `annotations` and `managedFields`, which the server empties to save memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::capability::to_bytes;
use super::request::Request;
use super::selector::{Fields, Labels};
use super::wire::kubernetes::{
    KubernetesGetResource, KubernetesListResourceAll, KubernetesListResourceNamespace, ObjectList,
};
use policy_verify_model::cluster::Cluster;
use policy_verify_model::policy::ContextAwareResource;

/// What a cluster says to a request.
pub(super) enum Served {
    /// An answer, or the error an API server would cause.
    Reply(Result<Vec<u8>, String>),
    /// The policy asks for more than the cluster can do; the text says what.
    Unable(String),
}

/// The annotation that is taken out of list items.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Answers a request about objects; nothing if it is about something else.
pub(super) fn answer(cluster: &Cluster, request: &Request) -> Option<Served> {
    match request {
        Request::KubernetesGetResource(asked) => Some(Served::Reply(get(cluster, asked))),
        Request::KubernetesListResourceAll(asked) => Some(List::from(asked).answer(cluster)),
        Request::KubernetesListResourceNamespace(asked) => Some(List::from(asked).answer(cluster)),
        _ => None,
    }
}

/// Whether the objects of a kind live in namespaces; an error if there is no such kind.
fn is_namespaced(cluster: &Cluster, api_version: &str, kind: &str) -> Result<bool, String> {
    let resource = ContextAwareResource { api_version: api_version.into(), kind: kind.into() };
    match cluster.kinds.get(&resource) {
        Some(info) => Ok(info.is_namespaced),
        None if cluster.kinds.keys().any(|known| known.api_version == api_version) => {
            Err(format!("Cannot find resource {api_version}/{kind}"))
        }
        None => Err(format!("error finding resource {api_version} / {kind}: 404 page not found")),
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

fn get(cluster: &Cluster, asked: &KubernetesGetResource) -> Result<Vec<u8>, String> {
    let KubernetesGetResource { api_version, kind, name, namespace, disable_cache: _, field_masks } = asked;
    let wanted = match (is_namespaced(cluster, api_version, kind)?, namespace) {
        (true, Some(namespace)) => namespace.as_str(),
        (true, None) => return Err(asked.without_namespace()),
        (false, _) => "",
    };
    let found = objects(cluster, api_version, kind).find(|((namespace, it), _)| namespace == wanted && it == name);
    let Some((_, object)) = found else { return Err(asked.not_found()) };
    let mut object = Value::clone(object);
    prune(&mut object, field_masks.as_ref());
    to_bytes(&object)
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
    fn from(asked: &'a KubernetesListResourceAll) -> Self {
        Self {
            api_version: &asked.api_version,
            kind: &asked.kind,
            namespace: None,
            labels: asked.label_selector.as_deref(),
            fields: asked.field_selector.as_deref(),
            masks: asked.field_masks.as_ref(),
        }
    }
}

impl<'a> From<&'a KubernetesListResourceNamespace> for List<'a> {
    fn from(asked: &'a KubernetesListResourceNamespace) -> Self {
        Self {
            api_version: &asked.api_version,
            kind: &asked.kind,
            namespace: Some(&asked.namespace),
            labels: asked.label_selector.as_deref(),
            fields: asked.field_selector.as_deref(),
            masks: asked.field_masks.as_ref(),
        }
    }
}

impl List<'_> {
    fn answer(&self, cluster: &Cluster) -> Served {
        let Self { api_version, kind, .. } = self;
        match is_namespaced(cluster, api_version, kind) {
            Ok(false) if self.namespace.is_some() => return Served::Reply(Err(self.cluster_wide())),
            Ok(_) => {}
            Err(text) => return Served::Reply(Err(text)),
        }
        // A server retries a list that the API server refuses until the policy runs out of time. That is an answer to
        // nothing, so these are troubles of the case instead.
        let labels = match Labels::parse(self.labels.unwrap_or_default()) {
            Ok(labels) => labels,
            Err(problem) => return Served::Unable(format!("the API server refuses the label selector: {problem}")),
        };
        let fields = match Fields::parse(self.fields.unwrap_or_default()) {
            Ok(fields) => fields,
            Err(problem) => return Served::Unable(problem),
        };
        let items: Vec<Value> = objects(cluster, api_version, kind)
            .filter(|((namespace, _), _)| self.namespace.is_none_or(|wanted| namespace == wanted))
            .filter(|((namespace, name), _)| fields.select(namespace, name))
            .filter(|(_, object)| labels.select(object.pointer("/metadata/labels")))
            .map(|(_, object)| self.item(object))
            .collect();
        let kind = format!("{kind}List");
        Served::Reply(to_bytes(&ObjectList { api_version, kind, metadata: json!({}), items: &items }))
    }

    /// The server's text for a kind outside of namespaces that is looked for in one.
    pub fn cluster_wide(&self) -> String {
        let Self { api_version, kind, .. } = self;
        format!("resource {api_version}/{kind} is cluster wide. Cannot search for it inside of a namespace")
    }

    /// An object as it stands in a list.
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
    let paths: Vec<Vec<&str>> = masks.iter().map(|mask| mask.split('.').collect()).collect();
    let paths: Vec<&[&str]> = paths.iter().map(Vec::as_slice).collect();
    let Value::Object(members) = object else { return };
    members.retain(|key, value| ["apiVersion", "kind", "metadata"].contains(&key.as_str()) || keep(key, value, &paths));
}

/// Whether a member is kept; what is below it is cut to the masks. A mask that ends here does not keep the rest of a
/// subtree that a longer one goes into: `spec` beside `spec.replicas` keeps the replicas only, as in the server.
fn keep(key: &str, value: &mut Value, paths: &[&[&str]]) -> bool {
    let below: Vec<&[&str]> = paths
        .iter()
        .filter_map(|path| path.split_first())
        .filter(|(first, _)| **first == key)
        .map(|(_, rest)| rest)
        .collect();
    if below.is_empty() {
        return false;
    }
    cut(value, &below.into_iter().filter(|rest| !rest.is_empty()).collect::<Vec<_>>());
    true
}

fn cut(value: &mut Value, paths: &[&[&str]]) {
    match value {
        _ if paths.is_empty() => {}
        Value::Object(members) => members.retain(|key, value| keep(key, value, paths)),
        Value::Array(items) => items.iter_mut().for_each(|item| cut(item, paths)),
        _ => {}
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use policy_verify_model::cluster::ClusterKind;

    /// A cluster with two deployments, a namespace, and the kinds `Pod` and `Node` of which it holds nothing.
    pub(crate) fn cluster() -> Cluster {
        let mut cluster = Cluster::default();
        let kinds = [
            ("v1", "Namespace", "namespaces", false),
            ("v1", "Node", "nodes", false),
            ("v1", "Pod", "pods", true),
            ("apps/v1", "Deployment", "deployments", true),
        ];
        let resource =
            |api_version: &str, kind: &str| ContextAwareResource { api_version: api_version.into(), kind: kind.into() };
        cluster.kinds = Arc::new(
            kinds
                .into_iter()
                .map(|(api_version, kind, plural, is_namespaced)| {
                    (resource(api_version, kind), ClusterKind { plural: plural.into(), is_namespaced })
                })
                .collect(),
        );
        let mut add = |namespace: &str, object: Value| {
            let text = |pointer: &str| object.pointer(pointer).unwrap().as_str().unwrap().to_owned();
            let (resource, name) = (resource(&text("/apiVersion"), &text("/kind")), text("/metadata/name"));
            cluster.objects.entry(resource).or_default().insert((namespace.into(), name), Arc::new(object));
        };
        add("", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web"}}));
        add(
            "web",
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "namespace": "web",
                "labels": {"tier": "back", "app": "x"}, "managedFields": [{"manager": "kubectl"}],
                "annotations": {LAST_APPLIED: "{}", "team": "a"}},
                "spec": {"replicas": 2, "paused": false,
                    "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}}),
        );
        add(
            "batch",
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "job", "namespace": "batch"},
                "spec": {"replicas": 1}, "status": {}}),
        );
        cluster
    }

    fn served(tag: &str, members: &Value) -> Result<Value, String> {
        let request = Request::from_recorded(tag, members).expect("the request is complete");
        match answer(&cluster(), &request).expect("it is about objects") {
            Served::Reply(reply) => reply.map(|bytes| serde_json::from_slice(&bytes).unwrap()),
            Served::Unable(text) => Err(format!("unable: {text}")),
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
    fn lists_are_ordered_and_free_of_what_the_server_drops() {
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
            (json!({"label_selector": "tier in back"}), "unable: the API server refuses the label selector"),
            (json!({"field_selector": "spec.replicas=1"}), "unable: the cluster of the suite selects by"),
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
        assert!(answer(&cluster(), &request).is_none());
    }
}
