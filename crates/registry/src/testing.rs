//! A fake registry for tests, on loopback. It behaves correctly unless a rule of the test overrides a response, down to
//! the bytes on the wire.
//!
//! It uses threads and sockets only, so that it can interrupt a response anywhere. It records all requests.

#![expect(clippy::unwrap_used, missing_docs, reason = "for tests, which end where they cannot go on")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sha2::Digest as _;
use tempfile::TempDir;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::client::{Registry, RegistryOptions};

/// A running registry; it ends when it is dropped.
pub struct FakeRegistry {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// The configuration of its clients.
    folder: TempDir,
}

/// A recorded request.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// The reaction to a request.
#[derive(Debug, Clone)]
pub enum Reaction {
    /// The correct response.
    Usual,
    /// A response of the test; the connection stays open.
    Answer(Reply),
    /// Raw bytes and pauses; then the connection is closed.
    Steps(Vec<Step>),
}

/// A complete response.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Things that can happen to a connection.
#[derive(Debug, Clone)]
pub enum Step {
    Bytes(Vec<u8>),
    /// The same bytes, many times.
    Repeat(Vec<u8>, usize),
    Pause(Duration),
    /// No more bytes, without closing.
    Stall,
    /// RST instead of FIN.
    Reset,
}

type Rule = Box<dyn FnMut(&Seen) -> Reaction + Send>;

#[derive(Default)]
struct Content {
    /// By repository and digest.
    blobs: BTreeMap<(String, String), Vec<u8>>,
    /// By repository and tag or digest; with their media type.
    manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    /// Bytes of open uploads.
    uploads: BTreeMap<String, Vec<u8>>,
    next_upload: usize,
}

struct Shared {
    content: Mutex<Content>,
    rule: Mutex<Rule>,
    seen: Mutex<Vec<Seen>>,
    latency: Mutex<Duration>,
    tls: Option<Arc<ServerConfig>>,
    is_over: AtomicBool,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The bytes on the wire, to send only some of them.
    pub fn bytes(&self, has_body: bool) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Status\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
            head += &format!("content-length: {}\r\n", self.body.len());
        }
        let mut bytes = (head + "\r\n").into_bytes();
        if has_body {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

impl From<Reply> for Reaction {
    fn from(reply: Reply) -> Self {
        Self::Answer(reply)
    }
}

impl Seen {
    pub fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// The digest of bytes, as registries write it.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))
}

/// The manifest of a policy with this module.
pub fn policy_manifest(module: &[u8]) -> Vec<u8> {
    let (config, layer) = (digest(b"{}"), digest(module));
    format!(
        "{{\"config\":{{\"digest\":\"{config}\",\"mediaType\":\"application/vnd.wasm.config.v1+json\",\"size\":2}},\
         \"layers\":[{{\"digest\":\"{layer}\",\"mediaType\":\"application/vnd.wasm.content.layer.v1+wasm\",\
         \"size\":{}}}],\"schemaVersion\":2}}",
        module.len()
    )
    .into_bytes()
}

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

impl FakeRegistry {
    /// Speaks plain HTTP.
    pub fn start() -> Self {
        Self::run(None)
    }

    /// Speaks TLS.
    pub fn start_with_tls(config: ServerConfig) -> Self {
        Self::run(Some(Arc::new(config)))
    }

    fn run(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            content: Mutex::default(),
            rule: Mutex::new(Box::new(|_| Reaction::Usual)),
            seen: Mutex::default(),
            latency: Mutex::default(),
            tls,
            is_over: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if serving.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&serving);
                thread::spawn(move || {
                    let _ = shared.connection(stream);
                });
            }
        });
        Self { address, shared, folder: tempfile::tempdir().unwrap() }
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// A `sources.yaml` that lets clients speak plain HTTP with it.
    pub fn sources(&self) -> String {
        format!("insecure_sources: [\"{}\"]\n", self.host())
    }

    /// A client of this registry with these contents of Docker's `config.json`, and a timeout of 20 seconds.
    pub fn client(&self, docker_config: &str) -> Registry {
        let folder = self.folder.path();
        let sources = folder.join("sources.yaml");
        fs::write(&sources, self.sources()).unwrap();
        fs::write(folder.join("config.json"), docker_config).unwrap();
        let options = RegistryOptions {
            sources: Some(sources),
            docker_config: Some(folder.to_owned()),
            timeout: Some(Duration::from_secs(20)),
        };
        Registry::new(&options).unwrap()
    }

    /// Sets the reaction to requests from now on.
    pub fn rule(&self, rule: impl FnMut(&Seen) -> Reaction + Send + 'static) -> &Self {
        *self.shared.rule.lock().unwrap() = Box::new(rule);
        self
    }

    /// Delays every response.
    pub fn latency(&self, latency: Duration) -> &Self {
        *self.shared.latency.lock().unwrap() = latency;
        self
    }

    /// Adds a policy under a tag; the digest of its manifest.
    pub fn add_policy(&self, repository: &str, tag: &str, module: &[u8]) -> String {
        self.add_blob(repository, b"{}");
        self.add_blob(repository, module);
        self.add_manifest(repository, tag, OCI_MANIFEST, &policy_manifest(module))
    }

    /// Adds a blob; its digest.
    pub fn add_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = digest(bytes);
        let key = (repository.to_owned(), digest.clone());
        self.shared.content.lock().unwrap().blobs.insert(key, bytes.to_vec());
        digest
    }

    /// Adds a manifest under its digest and a tag; its digest.
    pub fn add_manifest(&self, repository: &str, tag: &str, media_type: &str, bytes: &[u8]) -> String {
        let digest = digest(bytes);
        let mut content = self.shared.content.lock().unwrap();
        for target in [tag, &digest] {
            let value = (media_type.to_owned(), bytes.to_vec());
            content.manifests.insert((repository.to_owned(), target.to_owned()), value);
        }
        digest
    }

    /// The manifest of a tag or a digest.
    pub fn manifest(&self, repository: &str, target: &str) -> Option<Vec<u8>> {
        let content = self.shared.content.lock().unwrap();
        content.manifests.get(&(repository.to_owned(), target.to_owned())).map(|(_, bytes)| bytes.clone())
    }

    /// A blob by its digest.
    pub fn blob(&self, repository: &str, digest: &str) -> Option<Vec<u8>> {
        self.shared.content.lock().unwrap().blobs.get(&(repository.to_owned(), digest.to_owned())).cloned()
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// How many requests were of this method, with this in their path.
    pub fn count(&self, method: &str, part: &str) -> usize {
        self.seen().iter().filter(|seen| seen.is(method, part)).count()
    }
}

impl Drop for FakeRegistry {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn connection(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        match &self.tls {
            None => self.serve(&stream, &stream),
            Some(config) => {
                let session = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                self.serve(StreamOwned::new(session, stream.try_clone()?), &stream)
            }
        }
    }

    fn serve(&self, mut wire: impl Read + Write, stream: &TcpStream) -> io::Result<()> {
        let mut buffer = Vec::new();
        while let Some(seen) = read_request(&mut wire, &mut buffer)? {
            if self.is_over.load(Ordering::Relaxed) {
                return Ok(());
            }
            // Not in one expression: the lock would be held during the sleep.
            let latency = *self.latency.lock().unwrap();
            thread::sleep(latency);
            self.seen.lock().unwrap().push(seen.clone());
            let reaction = (self.rule.lock().unwrap())(&seen);
            let reply = match reaction {
                Reaction::Usual => self.content.lock().unwrap().answer(&seen),
                Reaction::Answer(reply) => reply,
                Reaction::Steps(steps) => return self.take(&steps, &mut wire, stream),
            };
            wire.write_all(&reply.bytes(seen.method != "HEAD"))?;
            wire.flush()?;
        }
        Ok(())
    }

    fn take(&self, steps: &[Step], wire: &mut impl Write, stream: &TcpStream) -> io::Result<()> {
        for step in steps {
            match step {
                Step::Bytes(bytes) => wire.write_all(bytes)?,
                Step::Repeat(bytes, times) => (0..*times).try_for_each(|_| wire.write_all(bytes))?,
                Step::Pause(pause) => thread::sleep(*pause),
                Step::Stall => {
                    wire.flush()?;
                    while !self.is_over.load(Ordering::Relaxed) {
                        thread::sleep(Duration::from_millis(20));
                    }
                }
                Step::Reset => {
                    wire.flush()?;
                    // Closing with unread bytes makes the kernel send RST.
                    thread::sleep(Duration::from_millis(20));
                    return stream.shutdown(std::net::Shutdown::Both);
                }
            }
            wire.flush()?;
        }
        stream.shutdown(std::net::Shutdown::Both)
    }
}

fn read_request(wire: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<Option<Seen>> {
    let head_end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        // Other bytes, such as a TLS handshake, end the connection.
        if !more(wire, buffer)? || !buffer[0].is_ascii_uppercase() {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    buffer.drain(..head_end + 4);
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let known = headers.entry(name.to_lowercase());
        // A header may come in several lines, and means the same in one.
        known.and_modify(|known| *known += &format!(", {}", value.trim())).or_insert_with(|| value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while buffer.len() < length {
        if !more(wire, buffer)? {
            return Ok(None);
        }
    }
    let body = buffer.drain(..length).collect();
    Ok(Some(Seen { method, path, headers, body }))
}

fn more(wire: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<bool> {
    let mut chunk = [0; 16 * 1024];
    let read = wire.read(&mut chunk)?;
    buffer.extend_from_slice(&chunk[..read]);
    Ok(read > 0)
}

impl Content {
    fn answer(&mut self, seen: &Seen) -> Reply {
        let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
        let Some(path) = path.strip_prefix("/v2/") else { return Reply::new(404, "") };
        if path.is_empty() {
            return Reply::new(200, "{}");
        }
        if let Some((repository, target)) = path.rsplit_once("/manifests/") {
            return self.answer_manifest(seen, repository, target);
        }
        if let Some((repository, upload)) = path.split_once("/blobs/uploads/") {
            return self.answer_upload(seen, repository, upload, query);
        }
        if let Some((repository, digest)) = path.rsplit_once("/blobs/") {
            return match self.blobs.get(&(repository.to_owned(), digest.to_owned())) {
                Some(bytes) => Reply::new(200, bytes.clone()).header("docker-content-digest", digest),
                None => unknown("BLOB_UNKNOWN"),
            };
        }
        unknown("UNSUPPORTED")
    }

    fn answer_manifest(&mut self, seen: &Seen, repository: &str, target: &str) -> Reply {
        if seen.method == "PUT" {
            let media_type = seen.header("content-type").unwrap_or_default().to_owned();
            for target in [target.to_owned(), digest(&seen.body)] {
                self.manifests.insert((repository.to_owned(), target), (media_type.clone(), seen.body.clone()));
            }
            let digest = digest(&seen.body);
            let location = format!("/v2/{repository}/manifests/{digest}");
            return Reply::new(201, "").header("location", location).header("docker-content-digest", digest);
        }
        match self.manifests.get(&(repository.to_owned(), target.to_owned())) {
            Some((media_type, bytes)) => Reply::new(200, bytes.clone())
                .header("content-type", media_type)
                .header("docker-content-digest", digest(bytes)),
            None => unknown("MANIFEST_UNKNOWN"),
        }
    }

    fn answer_upload(&mut self, seen: &Seen, repository: &str, upload: &str, query: &str) -> Reply {
        if seen.method == "POST" {
            self.next_upload += 1;
            let upload = format!("u{}", self.next_upload);
            self.uploads.insert(upload.clone(), Vec::new());
            return Reply::new(202, "").header("location", format!("/v2/{repository}/blobs/uploads/{upload}?state=1"));
        }
        let Some(bytes) = self.uploads.get_mut(upload) else { return unknown("BLOB_UPLOAD_UNKNOWN") };
        bytes.extend_from_slice(&seen.body);
        if seen.method == "PATCH" {
            return Reply::new(202, "").header("location", format!("/v2/{repository}/blobs/uploads/{upload}?state=2"));
        }
        let bytes = self.uploads.remove(upload).unwrap_or_default();
        let wanted = query.split('&').find_map(|pair| pair.strip_prefix("digest=")).unwrap_or_default();
        let digest = digest(&bytes);
        if wanted.replace("%3A", ":") != digest {
            return Reply::new(400, r#"{"errors":[{"code":"DIGEST_INVALID","message":"digest"}]}"#);
        }
        self.blobs.insert((repository.to_owned(), digest.clone()), bytes);
        Reply::new(201, "")
            .header("location", format!("/v2/{repository}/blobs/{digest}"))
            .header("docker-content-digest", digest)
    }
}

fn unknown(code: &str) -> Reply {
    Reply::new(404, format!(r#"{{"errors":[{{"code":"{code}","message":"unknown to the registry"}}]}}"#))
}
