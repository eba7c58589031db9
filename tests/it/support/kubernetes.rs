//! A real API server with its etcd, for one test: `.ci/run` builds the one and installs the other.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use reqwest::{Certificate, Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::program::program;
use super::tls::Authority;

/// Members of an AdmissionRequest whose value does not depend on the cluster; a missing one is null.
pub(crate) const MEMBERS: [&str; 10] = [
    "kind",
    "resource",
    "subResource",
    "requestKind",
    "requestResource",
    "requestSubResource",
    "name",
    "namespace",
    "operation",
    "dryRun",
];

/// More than a start takes on a machine that compiles at the same time.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// The token of a member of `system:masters`.
const TOKEN: &str = "token-of-the-test";

/// A running API server; it ends with the test.
pub(crate) struct Kubernetes {
    server: Child,
    etcd: Child,
    folder: TempDir,
    url: String,
    client: Client,
    runtime: tokio::runtime::Runtime,
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        for process in [&mut self.server, &mut self.etcd] {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Kubernetes {
    /// Starts one. Nothing where a program is missing, which is a reason to skip the test.
    pub(crate) fn start() -> Option<Self> {
        let (etcd, server) = (program("etcd")?, program("kube-apiserver")?);
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let [clients, peers, port] = free_ports();
        let (clients, peers) = (format!("http://127.0.0.1:{clients}"), format!("http://127.0.0.1:{peers}"));
        let mut command = Command::new(etcd);
        command.args(["--unsafe-no-fsync", "--log-level=error", "--data-dir=etcd"]);
        command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
        command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
        command.args(["--initial-cluster", &format!("default={peers}")]);
        let etcd = started(command, folder.path(), "etcd.log");

        write_keys(folder.path(), &authority);
        let mut command = Command::new(server);
        command.args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"]);
        command.args(["--etcd-servers", &clients, "--secure-port", &port.to_string()]);
        command.args(["--tls-cert-file=server.crt", "--tls-private-key-file=server.key", "--cert-dir=certificates"]);
        command.args([
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.0.0.0/24",
        ]);
        command.args(["--service-account-key-file=server.pub", "--service-account-signing-key-file=server.key"]);
        command.args(["--authorization-mode=RBAC", "--token-auth-file=tokens.csv"]);
        let server = started(command, folder.path(), "server.log");

        let client = Client::builder().tls_certs_only([Certificate::from_pem(authority.pem.as_bytes()).unwrap()]);
        let mut kubernetes = Self {
            server,
            etcd,
            url: format!("https://127.0.0.1:{port}"),
            client: client.build().unwrap(),
            runtime: tokio::runtime::Runtime::new().unwrap(),
            folder,
        };
        kubernetes.wait_until_ready();
        Some(kubernetes)
    }

    fn wait_until_ready(&mut self) {
        let begin = Instant::now();
        while !matches!(self.try_send(Method::GET, "/readyz", &[], None), Ok((200, _))) {
            let has_ended = self.server.try_wait().unwrap().is_some();
            if has_ended || begin.elapsed() > START_TIMEOUT {
                let log = |name: &str| std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
                panic!("the API server did not start\n{}\n{}", log("etcd.log"), log("server.log"));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// A kubeconfig with all rights. The certificate of the server names its address and nothing else.
    pub(crate) fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": self.url, "certificate-authority": self.folder.path().join("authority.crt")}}],
            "users": [{"name": "admin", "user": {"token": TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        })
        .to_string()
    }

    /// Creates an object.
    #[track_caller]
    pub(crate) fn create(&self, path: &str, object: &Value) {
        self.send(Method::POST, path, &[], Some(object));
    }

    /// Sends a request that succeeds.
    #[track_caller]
    pub(crate) fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Value {
        let (status, answer) = self.try_send(method, path, headers, body).unwrap();
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        serde_json::from_str(&answer).unwrap()
    }

    fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> reqwest::Result<(u16, String)> {
        let mut request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(TOKEN);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        self.runtime.block_on(async {
            let response = request.send().await?;
            Ok((response.status().as_u16(), response.text().await?))
        })
    }
}

/// Ports that were free a moment ago.
fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn write_keys(folder: &Path, authority: &Authority) {
    let (certificate, key) = authority.certificate(&["127.0.0.1"]);
    for (name, text) in [
        ("authority.crt", authority.pem.as_str()),
        ("server.crt", &certificate.pem()),
        ("server.key", &key.serialize_pem()),
        ("server.pub", &key.public_key_pem()),
        ("tokens.csv", &format!("{TOKEN},kubernetes-admin,1,\"system:masters\"")),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

fn started(mut command: Command, folder: &Path, log: &str) -> Child {
    let log = File::create(folder.join(log)).unwrap();
    command.current_dir(folder).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}
