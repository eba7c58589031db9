//! Requests to a running policy-server.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use policy_verify_model::answer::{Answer, Fault, FaultKind};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::request::Request;
use policy_verify_registry::bounded::format_bytes;
use policy_verify_registry::network;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, StatusCode, Url, redirect};
use serde_json::json;

use super::address::ServerAddress;
use super::reply;

/// Longest time until a connection is open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time of a request: the longest `timeoutSeconds` that a webhook may have.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Largest response; a patch may hold a whole object, which etcd keeps below 2 MiB.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// How often a waiting request looks whether the run is stopped.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(50);

/// What a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// As the API server asks: the verdict as it is deployed.
    Validate,
    /// As the audit scanner asks: the verdict of the policy alone.
    Audit,
}

impl Endpoint {
    /// The first part of the path.
    fn path(self, request: &Request) -> &'static str {
        match (self, request) {
            (Self::Validate, Request::Admission(_)) => "validate",
            (Self::Validate, Request::Raw(_)) => "validate_raw",
            (Self::Audit, _) => "audit",
        }
    }
}

/// A running policy-server.
pub(crate) struct PolicyServer {
    base: Url,
    client: Client,
    is_stopped: Arc<AtomicBool>,
    timeout: Duration,
    /// Why no connection can be opened: further cases need not wait for it.
    unreachable: OnceLock<Fault>,
}

impl PolicyServer {
    /// A client for a server. Nothing is sent.
    ///
    /// # Errors
    ///
    /// TLS cannot be set up.
    pub(crate) fn new(address: ServerAddress, is_stopped: Arc<AtomicBool>) -> Result<Self, Diagnostic> {
        Self::with_timeout(address, is_stopped, TIMEOUT)
    }

    fn with_timeout(
        address: ServerAddress,
        is_stopped: Arc<AtomicBool>,
        timeout: Duration,
    ) -> Result<Self, Diagnostic> {
        let builder = Client::builder()
            .user_agent(concat!("policy-verify/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            // A connection that the server closes is then always about the request that was sent on it.
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            .tls_certs_merge(address.authorities);
        let client = builder.build().map_err(|error| {
            Diagnostic::new(Code::Usage, format!("cannot set up TLS for --against: {}", innermost(&error)))
                .with_help("check the file of `--against-ca`, and the certificates of the system".to_owned())
        })?;
        Ok(Self { base: address.base, client, is_stopped, timeout, unreachable: OnceLock::new() })
    }

    /// What the server answers to a request about the policy `id`.
    pub(crate) fn answer(&self, endpoint: Endpoint, id: &str, request: &Request) -> Answer {
        if let Some(fault) = self.unreachable.get() {
            return Err(fault.clone());
        }
        let url = self.base.join(&format!("{}/{id}", endpoint.path(request)));
        let url = url.map_err(|error| Fault::new(FaultKind::Server, format!("invalid policy id `{id}`: {error}")))?;
        let (status, body) = network::wait(async {
            tokio::select! {
                result = self.exchange(url, body(request)) => result,
                () = self.stopped() => Err(Fault::new(FaultKind::Server, "the run was interrupted")),
            }
        })?;
        reply::read(status, &body, id)
    }

    async fn stopped(&self) {
        while !self.is_stopped.load(Ordering::Relaxed) {
            tokio::time::sleep(INTERRUPT_INTERVAL).await;
        }
    }

    async fn exchange(&self, url: Url, body: Vec<u8>) -> Result<(StatusCode, Vec<u8>), Fault> {
        let json = HeaderValue::from_static("application/json");
        let sent = self.client.post(url).header(CONTENT_TYPE, json).body(body).send().await;
        let mut response = sent.map_err(|error| self.failure(&error))?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failure(&error))? {
            if bytes.len() + chunk.len() > MAX_BYTES {
                let limit = format_bytes(MAX_BYTES as u64);
                return Err(Fault::new(FaultKind::Server, format!("policy-server's response exceeds {limit}")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((status, bytes))
    }

    /// The fault of a request without a response.
    fn failure(&self, error: &reqwest::Error) -> Fault {
        let server = &self.base;
        if error.is_connect() {
            let message = format!("policy-server is unreachable at {server}: {}", innermost(error));
            let fault = Fault::new(FaultKind::Server, message)
                .with_help("start the server with the file of `verify server-config`, or correct `--against`");
            if error.is_timeout() {
                return self.unreachable.get_or_init(|| fault).clone();
            }
            return fault;
        }
        if error.is_timeout() {
            let message = format!("policy-server did not answer within {} s", self.timeout.as_secs_f32());
            return Fault::new(FaultKind::Server, message);
        }
        let message = format!("policy-server closed the connection without an answer: {}", innermost(error));
        Fault::new(FaultKind::Server, message)
            .with_help("look into the log of the server: a policy may have ended the process or its worker")
    }
}

/// The body of a request. Source: policy-server 1.36, `admission_review.rs` and `raw_review.rs`.
fn body(request: &Request) -> Vec<u8> {
    let document = match request {
        Request::Admission(request) => {
            json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
        }
        Request::Raw(document) => json!({ "request": document }),
    };
    document.to_string().into_bytes()
}

/// The first cause of an error: the others repeat it.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// The answer of a server that sends `head` and then nothing.
    fn answer_after(head: &'static str) -> Answer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(head.as_bytes());
            // Until the client hangs up.
            while stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {}
        });
        let address = ServerAddress::read(&address, None).unwrap();
        let server = PolicyServer::with_timeout(address, Arc::default(), Duration::from_millis(500)).unwrap();
        server.answer(Endpoint::Validate, "p", &Request::Raw(json!({})))
    }

    #[test]
    fn a_silent_server_is_a_fault() {
        for head in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"] {
            let fault = answer_after(head).unwrap_err();
            assert_eq!(fault.message, "policy-server did not answer within 0.5 s", "{head:?}");
        }
    }
}
