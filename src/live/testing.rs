//! A fake API server in the test process: a few kinds, a few objects, and typical errors.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::LiveServices;
use super::kubernetes::ApiServer;
use policy_verify_registry::signature::TrustRoot;
use policy_verify_registry::{Registry, RegistryOptions};

/// A live host with this API server, and registries that are not used.
pub(crate) fn live_with_cluster(api_server: Option<Client>) -> LiveServices {
    live_with(api_server, Registry::new(&RegistryOptions::default()).unwrap())
}

/// A live host with this API server and this registry client.
pub(crate) fn live_with(api_server: Option<Client>, registry: Registry) -> LiveServices {
    let live = LiveServices::new(registry, TrustRoot::default());
    match api_server {
        Some(client) => LiveServices { api_server: ApiServer::of(client), ..live },
        None => live,
    }
}

/// A running server.
pub(crate) struct FakeApiServer {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl FakeApiServer {
    /// Starts one. It runs as long as the process.
    pub(crate) fn start() -> Self {
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let journal = Arc::clone(&asked);
        let address = policy_verify_registry::network::wait(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(serve(listener, journal));
            format!("http://{address}")
        });
        Self { address, asked }
    }

    /// A client as it is made from a kubeconfig that names this server.
    pub(crate) fn client(&self) -> Client {
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": self.address}}],
            "users": [{"name": "tester", "user": {"token": "secret"}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "tester"}}],
        });
        let kubeconfig = Kubeconfig::from_yaml(&kubeconfig.to_string()).unwrap();
        policy_verify_registry::network::wait(async {
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
            super::kubernetes::client(config).unwrap()
        })
    }

    /// Method, path and query of all requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(listener: TcpListener, journal: Arc<Mutex<Vec<String>>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let journal = Arc::clone(&journal);
        let service = service_fn(move |request| respond(request, Arc::clone(&journal)));
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn respond(
    request: Request<Incoming>,
    journal: Arc<Mutex<Vec<String>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path_and_query().unwrap().to_string();
    journal.lock().unwrap().push(format!("{} {path}", request.method()));
    if path.contains("/slow") {
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let (status, answer) = answer(&path, &body);
    let bytes = match answer {
        Value::String(text) => text.into_bytes(),
        document => document.to_string().into_bytes(),
    };
    let response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    Ok(response.header("content-type", "application/json").body(Full::new(bytes.into())).unwrap())
}

fn answer(path_and_query: &str, body: &[u8]) -> (u16, Value) {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    match path {
        "/api/v1" => (
            200,
            kinds("v1", &[("namespaces", "Namespace", false), ("pods", "Pod", true), ("secrets", "Secret", true)]),
        ),
        "/apis/apps/v1" => {
            (200, kinds("apps/v1", &[("deployments", "Deployment", true), ("deployments/status", "Deployment", true)]))
        }
        "/api/v1/namespaces/web" => (
            200,
            json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "web", "unknownToKubernetes": 1, "annotations": {"note": "kept"}}, "spec": {"finalizers": []}}),
        ),
        "/api/v1/namespaces/web/pods/api" => (
            200,
            json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "api", "namespace": "web", "managedFields": [{"manager": "kubectl"}]},
            "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}}),
        ),
        "/api/v1/namespaces/web/secrets/token" => (403, status(403, "Forbidden", "secrets \"token\" is forbidden")),
        "/api/v1/namespaces/broken" => (503, status(503, "ServiceUnavailable", "the server is not ready")),
        "/api/v1/secrets" => (403, status(403, "Forbidden", "secrets is forbidden")),
        "/apis/apps/v1/deployments" if query.contains("continue=more") => (200, deployments(&["job"], "")),
        "/apis/apps/v1/deployments" => (200, deployments(&["api", "web"], "more")),
        "/apis/apps/v1/namespaces/web/deployments" => (200, deployments(&["web"], "")),
        "/apis/authorization.k8s.io/v1/subjectaccessreviews" => {
            let mut review: Value = serde_json::from_slice(body).unwrap();
            let is_allowed = review["spec"]["user"] == "alice";
            review["status"] = json!({"allowed": is_allowed});
            if !is_allowed {
                review["status"]["reason"] = json!(format!("{} may not", review["spec"]["resourceAttributes"]["verb"]));
            }
            (201, review)
        }
        "/apis/acme.test/v1" => (404, Value::String("404 page not found\n".into())),
        _ => (404, status(404, "NotFound", &format!("{path} not found"))),
    }
}

fn kinds(group_version: &str, kinds: &[(&str, &str, bool)]) -> Value {
    let resources = kinds.iter().map(|(name, kind, namespaced)| {
        json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"]})
    });
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources.collect::<Value>()})
}

/// Items of lists have no kind of their own, as those of a real API server.
fn deployments(names: &[&str], more: &str) -> Value {
    let items = names.iter().map(|name| {
        json!({"metadata": {"name": name, "namespace": "web", "managedFields": [{"manager": "kubectl"}],
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "a"}},
            "spec": {"replicas": 2, "paused": false}})
    });
    json!({"kind": "DeploymentList", "apiVersion": "apps/v1", "metadata": {"resourceVersion": "7", "continue": more},
        "items": items.collect::<Value>()})
}

fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code})
}
