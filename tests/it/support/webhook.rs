//! A webhook in the test process: it allows everything and keeps the requests of the API server.

use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::http::{self, Incoming};
use super::tls::Authority;

/// It runs as long as the process of the test.
pub(crate) struct Webhook {
    url: String,
    authority: Authority,
    requests: Arc<Mutex<Vec<Value>>>,
}

impl Webhook {
    pub(crate) fn start() -> Self {
        let authority = Authority::new();
        let config = Arc::new(authority.server(&["127.0.0.1"]));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<Value>>>::default();
        let journal = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, journal) = (Arc::clone(&config), Arc::clone(&journal));
                thread::spawn(move || serve(stream, config, &journal));
            }
        });
        Self { url, authority, requests }
    }

    /// The configuration that sends it every request.
    pub(crate) fn configuration(&self) -> Value {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "test"},
            "webhooks": [{
                "name": "all.webhook.test", "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "failurePolicy": "Fail", "timeoutSeconds": 30,
                "clientConfig": {"url": self.url, "caBundle": STANDARD.encode(&self.authority.pem)},
                "rules": [{"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "operations": ["*"]}],
            }],
        })
    }

    /// The requests since the last call.
    pub(crate) fn take(&self) -> Vec<Value> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

/// Answers one request and hangs up.
fn serve(stream: TcpStream, config: Arc<ServerConfig>, journal: &Mutex<Vec<Value>>) {
    let connection = ServerConnection::new(config).unwrap();
    let mut reader = BufReader::new(StreamOwned::new(connection, stream));
    let Some(Incoming { body, .. }) = http::read(&mut reader) else { return };
    let review: Value = serde_json::from_slice(&body).unwrap();
    let request = &review["request"];
    let answer = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "response": {"uid": request["uid"], "allowed": true}});
    journal.lock().unwrap().push(request.clone());
    let stream = reader.get_mut();
    http::write_json(stream, "200 OK", &answer.to_string());
    stream.conn.send_close_notify();
    let _ = stream.flush();
}
