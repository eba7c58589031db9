//! A cluster in the test process: an API server that knows ingresses and namespaces, and the kubeconfig that leads to it.

use std::io::BufReader;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use super::http;

/// A running server, for as long as the process.
pub(crate) struct ApiServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ApiServer {
    /// A cluster with these ingresses.
    pub(crate) fn with_ingresses(ingresses: Value) -> Self {
        Self::with_changing_ingresses(vec![ingresses])
    }

    /// A cluster whose ingresses change with every list of them; after the last of these lists comes the first again.
    pub(crate) fn with_changing_ingresses(lists: Vec<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let journal = Arc::clone(&asked);
        let lists = Arc::new(Mutex::new(lists.into_iter().cycle()));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (journal, lists) = (Arc::clone(&journal), Arc::clone(&lists));
                thread::spawn(move || serve(stream, &journal, || lists.lock().unwrap().next().unwrap()));
            }
        });
        Self { address, asked }
    }

    pub(crate) fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "tester", "user": {"token": "secret"}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "tester"}}],
        })
        .to_string()
    }

    /// The paths asked so far, without queries.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Answers one request and hangs up.
fn serve(mut stream: TcpStream, journal: &Mutex<Vec<String>>, ingresses: impl FnOnce() -> Value) {
    let Some(incoming) = http::read(&mut BufReader::new(stream.try_clone().unwrap())) else { return };
    let path = incoming.target.split('?').next().unwrap_or_default().to_owned();
    let (status, body) = answer(&path, ingresses);
    journal.lock().unwrap().push(path);
    http::write_json(&mut stream, status, &body.to_string());
}

fn answer(path: &str, ingresses: impl FnOnce() -> Value) -> (&'static str, Value) {
    let kinds = |version: &str, name: &str, kind: &str, namespaced: bool| {
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version,
            "resources": [{"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["list"]}]})
    };
    match path {
        "/apis/networking.k8s.io/v1" => ("200 OK", kinds("networking.k8s.io/v1", "ingresses", "Ingress", true)),
        "/apis/networking.k8s.io/v1/ingresses" => (
            "200 OK",
            json!({"kind": "IngressList", "apiVersion": "networking.k8s.io/v1", "metadata": {}, "items": ingresses()}),
        ),
        _ => (
            "404 Not Found",
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "NotFound",
                "message": format!("{path} not found"), "code": 404}),
        ),
    }
}
