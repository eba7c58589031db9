//! Objects of a real cluster and what its users may do, from the API server that the kubeconfig names.
//!
//! policy-server lists by watching, and retries a refused list until the policy exceeds its timeout. A refused list is
//! therefore an outage here. Every other refusal of the API server is passed to the policy.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, PostParams};
use kube::{Client, Config};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use policy_verify_host::live::{LiveFailure, LiveReply};

use super::causes::with_causes;
use policy_verify_host::cluster::{List, prune};
use policy_verify_host::reply::to_bytes;
use policy_verify_host::wire::kubernetes::{KubernetesCanI, KubernetesGetResource, ObjectList};
use policy_verify_host::wire::rego::KubernetesGetResourcePluralName;
use policy_verify_model::request::split_api_version;

/// Objects of one page, as in the watches of policy-server.
const PAGE: u32 = 500;

/// Objects of a list. Far more than a policy could read within its timeout.
const MAX_OBJECTS: usize = 100_000;

/// The API server, connected on first use.
#[derive(Default)]
pub(super) struct ApiServer {
    client: OnceCell<Client>,
    /// The kinds of each group and version, fetched once.
    known: Mutex<HashMap<String, APIResourceList>>,
}

/// A kind of the API server.
struct Kind {
    resource: ApiResource,
    is_namespaced: bool,
}

impl ApiServer {
    /// An API server with this client.
    #[cfg(test)]
    pub(super) fn of(client: Client) -> Self {
        Self { client: OnceCell::new_with(Some(client)), known: Mutex::default() }
    }

    /// Lists objects.
    pub(super) async fn list(&self, asked: &List<'_>) -> LiveReply {
        let List { api_version, kind, namespace, labels, fields, .. } = *asked;
        let Kind { resource, is_namespaced } = self.find(api_version, kind).await?;
        let client = self.client().await?.clone();
        let api: Api<DynamicObject> = match namespace {
            Some(_) if !is_namespaced => return Err(LiveFailure::Refused(asked.cluster_wide())),
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        };
        let mut page = ListParams { limit: Some(PAGE), ..ListParams::default() };
        page.label_selector = labels.map(str::to_owned);
        page.field_selector = fields.map(str::to_owned);
        let mut items = Vec::new();
        loop {
            let listed = api.list(&page).await.map_err(|error| refused_list(&error))?;
            for object in &listed.items {
                items.push(asked.item(&to_value(object)?));
            }
            if items.len() > MAX_OBJECTS {
                return Err(LiveFailure::outage(format!("the list has more than {MAX_OBJECTS} objects")));
            }
            match listed.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page.continue_token = Some(token),
                None => break,
            }
        }
        let kind = format!("{kind}List");
        Ok(to_bytes(&ObjectList { api_version, kind, metadata: json!({}), items: &items }))
    }

    /// Looks up one object.
    pub(super) async fn get(&self, asked: &KubernetesGetResource) -> LiveReply {
        let KubernetesGetResource { api_version, kind, name, namespace, disable_cache: _, field_masks } = asked;
        let Kind { resource, is_namespaced } = self.find(api_version, kind).await?;
        let client = self.client().await?.clone();
        let api: Api<DynamicObject> = match (is_namespaced, namespace) {
            (true, Some(namespace)) => Api::namespaced_with(client, namespace, &resource),
            (true, None) => return Err(LiveFailure::Refused(asked.without_namespace())),
            (false, _) => Api::all_with(client, &resource),
        };
        match api.get_opt(name).await {
            Ok(Some(object)) => {
                let mut object = to_value(&object)?;
                prune(&mut object, field_masks.as_ref());
                Ok(to_bytes(&object))
            }
            Ok(None) => Err(LiveFailure::Refused(asked.not_found())),
            Err(error) => Err(failure(&error)),
        }
    }

    /// Checks whether a user may do something.
    pub(super) async fn can_i(&self, asked: &KubernetesCanI) -> LiveReply {
        let review: SubjectAccessReview = serde_json::from_value(json!({ "spec": asked.spec() }))
            .map_err(|error| LiveFailure::Refused(error.to_string()))?;
        let api: Api<SubjectAccessReview> = Api::all(self.client().await?.clone());
        let review = api.create(&PostParams::default(), &review).await.map_err(|error| failure(&error))?;
        let status = review
            .status
            .ok_or_else(|| LiveFailure::Refused("SubjectAccessReview did not return a response".into()))?;
        Ok(to_bytes(&status))
    }

    /// The plural name of a kind, for the data of Rego policies.
    pub(super) async fn plural(&self, asked: &KubernetesGetResourcePluralName) -> LiveReply {
        let kind = self.find(&asked.api_version, &asked.kind).await?;
        Ok(to_bytes(&kind.resource.plural))
    }

    /// Finds a kind in its group.
    async fn find(&self, api_version: &str, kind: &str) -> Result<Kind, LiveFailure> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(api_version).cloned();
        let listed = match known {
            Some(listed) => listed,
            None => {
                let listed = self.discover(api_version, kind).await?;
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                known.insert(api_version.to_owned(), listed.clone());
                listed
            }
        };
        let found = listed.resources.into_iter().find(|resource| resource.kind == kind);
        let found = found.ok_or_else(|| LiveFailure::Refused(format!("Cannot find resource {api_version}/{kind}")))?;
        let (group, version) = split_api_version(api_version);
        let resource = ApiResource {
            group: group.into(),
            version: version.into(),
            api_version: api_version.into(),
            kind: kind.into(),
            plural: found.name,
        };
        Ok(Kind { resource, is_namespaced: found.namespaced })
    }

    async fn discover(&self, api_version: &str, kind: &str) -> Result<APIResourceList, LiveFailure> {
        let client = self.client().await?;
        if api_version == "v1" {
            return client.list_core_api_resources(api_version).await.map_err(|error| failure(&error));
        }
        client.list_api_group_resources(api_version).await.map_err(|error| match failure(&error) {
            LiveFailure::Refused(_) => {
                LiveFailure::Refused(format!("error finding resource {api_version} / {kind}: {error}"))
            }
            outage => outage,
        })
    }

    async fn client(&self) -> Result<&Client, LiveFailure> {
        self.client.get_or_try_init(connect).await
    }
}

/// Reads the kubeconfig as kubectl does: `$KUBECONFIG`, `~/.kube/config`, or the service account of a pod.
async fn connect() -> Result<Client, LiveFailure> {
    let config = Config::infer().await.map_err(|error| unusable(error.to_string()))?;
    client(config).map_err(|error| unusable(with_causes(&error)))
}

fn unusable(text: String) -> LiveFailure {
    let help = "set `KUBECONFIG` to a kubeconfig file, or add a `cluster:` to the case";
    LiveFailure::Outage { text, help: Some(help.into()) }
}

/// A client without retries: the timeout of a policy leaves no time for them, and they would hide the error.
pub(super) fn client(mut config: Config) -> kube::Result<Client> {
    config.default_retry = false;
    Client::try_from(config)
}

/// A refusal of the API server is a reply; an unreachable or overloaded API server is an outage.
fn failure(error: &kube::Error) -> LiveFailure {
    match error {
        kube::Error::Api(status) if status.code < 500 && status.code != 429 => LiveFailure::Refused(with_causes(error)),
        kube::Error::BuildRequest(_) => LiveFailure::Refused(with_causes(error)),
        other => LiveFailure::Outage { text: with_causes(other), help: None },
    }
}

fn refused_list(error: &kube::Error) -> LiveFailure {
    LiveFailure::Outage {
        text: format!("the API server refuses the list: {}", with_causes(error)),
        help: Some("policy-server would try again until the policy runs out of time".into()),
    }
}

fn to_value(object: &impl Serialize) -> Result<Value, LiveFailure> {
    serde_json::to_value(object).map_err(|error| LiveFailure::Refused(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::LiveServices;
    use crate::live::testing::{self, FakeApiServer};
    use policy_verify_host::live::{LiveHost as _, LiveOptions};
    use policy_verify_host::request::Request;

    fn live_host(server: &FakeApiServer) -> LiveServices {
        testing::live_with_cluster(Some(server.client()))
    }

    /// The reply, the error of the call, or `outage:` and its message.
    fn ask(live: &LiveServices, tag: &str, mut members: Value) -> Result<Value, String> {
        for optional in ["label_selector", "field_selector", "field_masks", "namespace"] {
            if members.get(optional).is_none() {
                members[optional] = Value::Null;
            }
        }
        let request = Request::from_recorded(tag, &members).expect("the request is complete");
        let options = LiveOptions { timeout: std::time::Duration::from_secs(20), clock: None };
        match live.answer(&request, &options).expect("it is about the cluster") {
            Ok(reply) => Ok(serde_json::from_slice(&reply).unwrap()),
            Err(LiveFailure::Refused(text) | LiveFailure::Unseen { text, .. }) => Err(text),
            Err(LiveFailure::Outage { text, .. }) => Err(format!("outage: {text}")),
        }
    }

    fn list(live: &LiveServices, api_version: &str, kind: &str, more: &Value) -> Result<Value, String> {
        let mut members = json!({"api_version": api_version, "kind": kind});
        for (key, value) in more.as_object().unwrap() {
            members[key] = value.clone();
        }
        let tag = match members.get("namespace") {
            Some(_) => "KubernetesListResourceNamespace",
            None => "KubernetesListResourceAll",
        };
        ask(live, tag, members)
    }

    fn get(
        live: &LiveServices,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
        masks: &Value,
    ) -> Result<Value, String> {
        let members = json!({"api_version": "v1", "kind": kind, "name": name, "namespace": namespace,
            "disable_cache": false, "field_masks": masks});
        ask(live, "KubernetesGetResource", members)
    }

    #[test]
    fn a_list_has_all_pages_without_dropped_members() {
        let server = FakeApiServer::start();
        let live = live_host(&server);
        let all = list(
            &live,
            "apps/v1",
            "Deployment",
            &json!({"label_selector": "app=x", "field_selector": "metadata.name!=y"}),
        );
        let all = all.unwrap();
        assert_eq!(
            (&all["apiVersion"], &all["kind"], &all["metadata"]),
            (&json!("apps/v1"), &json!("DeploymentList"), &json!({}))
        );
        let names: Vec<&str> =
            all["items"].as_array().unwrap().iter().map(|it| it["metadata"]["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["api", "web", "job"]);
        let api = json!({"metadata": {"name": "api", "namespace": "web", "annotations": {"team": "a"}, "managedFields": []},
            "spec": {"replicas": 2, "paused": false}});
        assert_eq!(all["items"][0], api);
        let selectors = "labelSelector=app%3Dx";
        let asked = server.asked();
        assert_eq!(asked.len(), 3, "{asked:?}");
        assert_eq!(asked[0], "GET /apis/apps/v1");
        assert!(asked[1].contains(selectors) && asked[1].contains("fieldSelector=metadata.name%21%3Dy"), "{asked:?}");
        assert!(asked[2].contains(selectors) && asked[2].contains("continue=more"), "{asked:?}");
    }

    #[test]
    fn a_list_is_narrowed_by_namespace_and_masks() {
        let server = FakeApiServer::start();
        let live = live_host(&server);
        let masked =
            list(&live, "apps/v1", "Deployment", &json!({"namespace": "web", "field_masks": ["spec.replicas"]}));
        assert_eq!(masked.unwrap()["items"][0]["spec"], json!({"replicas": 2}));
        assert!(server.asked()[1].starts_with("GET /apis/apps/v1/namespaces/web/deployments"));
        let error = list(&live, "v1", "Namespace", &json!({"namespace": "web"}));
        assert_eq!(
            error.unwrap_err(),
            "resource v1/Namespace is cluster wide. Cannot search for it inside of a namespace"
        );
        let refused = list(&live, "v1", "Secret", &json!({})).unwrap_err();
        assert!(
            refused.starts_with("outage: the API server refuses the list: ApiError: secrets is forbidden"),
            "{refused}"
        );
    }

    #[test]
    fn an_object_is_complete_unless_masked() {
        let server = FakeApiServer::start();
        let live = live_host(&server);
        let pod = get(&live, "Pod", Some("web"), "api", &json!(null)).unwrap();
        assert_eq!(pod["metadata"]["managedFields"], json!([{"manager": "kubectl"}]));
        assert_eq!((&pod["apiVersion"], &pod["kind"]), (&json!("v1"), &json!("Pod")));
        let masked = get(&live, "Pod", Some("web"), "api", &json!(["spec.containers.image"])).unwrap();
        assert_eq!(masked["spec"], json!({"containers": [{"image": "i"}]}));
        let namespace = get(&live, "Namespace", Some("ignored"), "web", &json!(null)).unwrap();
        assert_eq!(namespace["metadata"], json!({"name": "web", "annotations": {"note": "kept"}}));
        assert_eq!(server.asked().iter().filter(|path| *path == "GET /api/v1").count(), 1, "kinds are found out once");
    }

    #[test]
    fn errors_are_those_of_the_server() {
        let server = FakeApiServer::start();
        let live = live_host(&server);
        let none = json!(null);
        for (error, expected) in [
            (
                get(&live, "Namespace", None, "n", &none),
                "Cannot find v1/Namespace named 'n' inside of namespace 'None'",
            ),
            (
                get(&live, "Pod", Some("batch"), "p", &none),
                "Cannot find v1/Pod named 'p' inside of namespace 'Some(\"batch\")'",
            ),
            (get(&live, "Pod", None, "p", &none), "Resource v1/Pod is namespaced, but no namespace was provided"),
            (get(&live, "Widget", None, "w", &none), "Cannot find resource v1/Widget"),
        ] {
            assert_eq!(error, Err(expected.to_owned()));
        }
        let unknown = list(&live, "acme.test/v1", "Widget", &json!({})).unwrap_err();
        assert!(unknown.starts_with("error finding resource acme.test/v1 / Widget: ApiError: "), "{unknown}");
        let forbidden = get(&live, "Secret", Some("web"), "token", &none).unwrap_err();
        assert!(forbidden.starts_with("ApiError: secrets \"token\" is forbidden"), "{forbidden}");
        assert!(forbidden.contains("\n\nCaused by:\n    secrets \"token\" is forbidden"), "{forbidden}");
    }

    #[test]
    fn a_failing_api_server_is_an_outage() {
        let server = FakeApiServer::start();
        let broken = get(&live_host(&server), "Namespace", None, "broken", &json!(null)).unwrap_err();
        assert!(broken.starts_with("outage: ApiError: the server is not ready"), "{broken}");
        let unreachable = async { Client::try_from(Config::new("http://127.0.0.1:1".parse().unwrap())) };
        let unreachable = testing::live_with_cluster(Some(policy_verify_registry::network::wait(unreachable).unwrap()));
        let refused = get(&unreachable, "Namespace", None, "web", &json!(null)).unwrap_err();
        assert!(refused.starts_with("outage: ") && refused.contains("refused"), "{refused}");
    }

    #[test]
    fn can_i_is_a_subject_access_review() {
        let server = FakeApiServer::start();
        let live = live_host(&server);
        let ask = |user: &str| {
            let attributes = json!({"group": "apps", "name": null, "namespace": "web", "resource": "deployments",
                "subresource": null, "verb": "create", "version": null});
            let request = json!({"groups": ["dev"], "resource_attributes": attributes, "user": user});
            ask(&live, "KubernetesCanI", json!({"request": request, "disable_cache": true})).unwrap()
        };
        assert_eq!(ask("alice"), json!({"allowed": true}));
        assert_eq!(ask("bob"), json!({"allowed": false, "reason": "\"create\" may not"}));
    }

    #[test]
    fn plural_names_are_discovered() {
        let server = FakeApiServer::start();
        let plural = |kind: &str| {
            ask(&live_host(&server), "KubernetesGetResourcePluralName", json!({"api_version": "apps/v1", "kind": kind}))
        };
        assert_eq!(plural("Deployment"), Ok(json!("deployments")));
        assert_eq!(plural("Widget"), Err("Cannot find resource apps/v1/Widget".into()));
    }
}
