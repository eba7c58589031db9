//! A policy-server in the test process: it answers what a test wants, over plain HTTP.

use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::http::{self, Incoming};

/// A request to the server.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// `/validate/ID`.
    pub(crate) path: String,
    pub(crate) body: Value,
}

impl Asked {
    /// The response of a server that allows.
    pub(crate) fn allowed(&self) -> Value {
        json!({"uid": self.body["request"]["uid"].as_str().unwrap_or(""), "allowed": true, "auditAnnotations": null,
            "warnings": null})
    }

    /// The response of a server that denies.
    pub(crate) fn denied(&self, message: &str, code: Option<u16>) -> Value {
        let mut response = self.allowed();
        response["allowed"] = false.into();
        response["status"] = json!({"message": message});
        if let Some(code) = code {
            response["status"]["code"] = code.into();
        }
        response
    }
}

/// How the server replies.
pub(crate) enum Reply {
    /// A verdict, wrapped as the path demands.
    Response(Value),
    /// This status and body.
    Status(u16, String),
    /// A body without an end.
    Endless,
    /// The connection is closed, as when a worker ends.
    Close,
    /// Nothing, for this long.
    Silence(Duration),
}

/// A running server, for as long as the process.
pub(crate) struct PolicyServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl PolicyServer {
    pub(crate) fn new(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (journal, answer) = (Arc::clone(&asked), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (journal, answer) = (Arc::clone(&journal), Arc::clone(&answer));
                thread::spawn(move || serve(stream, &journal, &*answer));
            }
        });
        Self { address, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// Answers one request and hangs up.
fn serve(mut stream: TcpStream, journal: &Mutex<Vec<Asked>>, answer: &(dyn Fn(&Asked) -> Reply + Send + Sync)) {
    let Some(Incoming { target, body }) = http::read(&mut BufReader::new(stream.try_clone().unwrap())) else { return };
    let asked = Asked { path: target, body: serde_json::from_slice(&body).unwrap() };
    journal.lock().unwrap().push(asked.clone());
    let body = match answer(&asked) {
        Reply::Response(response) if asked.path.starts_with("/validate_raw/") => json!({ "response": response }),
        Reply::Response(response) => {
            json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
        }
        Reply::Status(status, text) => return http::write_json(&mut stream, &format!("{status} Status"), &text),
        Reply::Close => return,
        Reply::Silence(time) => return thread::sleep(time),
        Reply::Endless => {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n");
            while stream.write_all(&[b' '; 64 * 1024]).is_ok() {}
            return;
        }
    };
    http::write_json(&mut stream, "200 OK", &body.to_string());
}
