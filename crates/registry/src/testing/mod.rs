//! A fake registry for tests, on loopback. It behaves correctly unless a rule of the test overrides a response, down to
//! the bytes on the wire.
//!
//! It uses threads and sockets only, so that it can interrupt a response anywhere. It records all requests.

#![expect(clippy::unwrap_used, missing_docs, reason = "for tests, which end where they cannot go on")]

mod content;
mod wire;

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

pub use self::content::{Content, OCI_MANIFEST, digest};
use self::wire::read_request;
pub use self::wire::{Reply, Seen, Step};
use super::client::{Registry, RegistryOptions};

/// A running registry; it ends when it is dropped.
pub struct FakeRegistry {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// The configuration of its clients.
    folder: TempDir,
}

/// The reaction to a request.
#[derive(Debug, Clone)]
pub enum Reaction {
    /// The correct response.
    Usual,
    /// The request is carried out, and the response lacks this header.
    Without(&'static str),
    /// The request is carried out, and this header of the response has this value.
    With(&'static str, String),
    /// The request is carried out, and the response has the digest of something else.
    OtherDigest,
    /// The request is carried out, and the connection is closed without a response.
    Unanswered,
    /// A response of the test; the connection stays open.
    Answer(Reply),
    /// Raw bytes and pauses; then the connection is closed.
    Steps(Vec<Step>),
}

type Rule = Box<dyn FnMut(&Seen) -> Reaction + Send>;

struct Shared {
    content: Arc<Mutex<Content>>,
    rule: Mutex<Rule>,
    /// The `Authorization` it requires.
    authorization: Mutex<Option<String>>,
    seen: Mutex<Vec<Seen>>,
    latency: Mutex<Duration>,
    tls: Option<Arc<ServerConfig>>,
    is_over: AtomicBool,
}

impl Reaction {
    /// A response with this status, and nothing else.
    pub fn status(status: u16) -> Self {
        Self::Answer(Reply::new(status, ""))
    }

    /// The connection is closed; nothing is carried out.
    pub fn reset() -> Self {
        Self::Steps(vec![Step::Reset])
    }
}

impl From<Reply> for Reaction {
    fn from(reply: Reply) -> Self {
        Self::Answer(reply)
    }
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

impl FakeRegistry {
    /// Speaks plain HTTP.
    pub fn start() -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// Speaks plain HTTP at the address of a listener.
    pub fn start_on(listener: TcpListener) -> Self {
        Self::run(listener, None)
    }

    /// Speaks TLS.
    pub fn start_with_tls(config: ServerConfig) -> Self {
        Self::run(TcpListener::bind("127.0.0.1:0").unwrap(), Some(Arc::new(config)))
    }

    fn run(listener: TcpListener, tls: Option<Arc<ServerConfig>>) -> Self {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            content: Arc::default(),
            rule: Mutex::new(Box::new(|_| Reaction::Usual)),
            authorization: Mutex::default(),
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
            ..RegistryOptions::default()
        };
        Registry::new(&options).unwrap()
    }

    /// Sets the reaction to requests from now on.
    pub fn rule(&self, rule: impl FnMut(&Seen) -> Reaction + Send + 'static) -> &Self {
        *self.shared.rule.lock().unwrap() = Box::new(rule);
        self
    }

    /// Sets the reaction to requests from now on: what `fault` returns, else the correct response. `GET /v2/` is always
    /// answered.
    pub fn fails(&self, mut fault: impl FnMut(&Seen) -> Option<Reaction> + Send + 'static) -> &Self {
        self.rule(move |seen| match seen.path.as_str() {
            "/v2/" => Reaction::Usual,
            _ => fault(seen).unwrap_or(Reaction::Usual),
        })
    }

    /// Requests without this `Authorization` get a Basic challenge, unless the rule answers them.
    pub fn requires(&self, authorization: &str) -> &Self {
        *self.shared.authorization.lock().unwrap() = Some(authorization.to_owned());
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
        self.content().blobs.insert(key, bytes.to_vec());
        digest
    }

    /// Adds a manifest under its digest and a tag; its digest.
    pub fn add_manifest(&self, repository: &str, tag: &str, media_type: &str, bytes: &[u8]) -> String {
        self.content().store_manifest(repository, tag, media_type, bytes)
    }

    /// Its content.
    pub fn content(&self) -> MutexGuard<'_, Content> {
        self.shared.content.lock().unwrap()
    }

    /// Its content, for rules that change it.
    pub fn storage(&self) -> Arc<Mutex<Content>> {
        Arc::clone(&self.shared.content)
    }

    /// The digest to which a tag points.
    pub fn tag(&self, repository: &str, tag: &str) -> Option<String> {
        self.content().tags.get(&(repository.to_owned(), tag.to_owned())).cloned()
    }

    /// The manifest of a tag or a digest.
    pub fn manifest(&self, repository: &str, target: &str) -> Option<Vec<u8>> {
        self.content().manifest(repository, target).map(|(_, bytes)| bytes.clone())
    }

    /// A blob by its digest.
    pub fn blob(&self, repository: &str, digest: &str) -> Option<Vec<u8>> {
        self.content().blobs.get(&(repository.to_owned(), digest.to_owned())).cloned()
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The requests since the last call, without `GET /v2/`.
    pub fn take_seen(&self) -> Vec<Seen> {
        let seen = std::mem::take(&mut *self.shared.seen.lock().unwrap());
        seen.into_iter().filter(|seen| seen.path != "/v2/").collect()
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
                Reaction::Answer(reply) => reply,
                Reaction::Steps(steps) => return self.take(&steps, &mut wire, stream),
                Reaction::Usual => self.usual(&seen),
                Reaction::Without(name) => self.usual(&seen).without(name),
                Reaction::With(name, value) => self.usual(&seen).without(name).header(name, value),
                Reaction::OtherDigest => {
                    let reply = self.usual(&seen).without("docker-content-digest");
                    reply.header("docker-content-digest", digest(b"something else"))
                }
                Reaction::Unanswered => {
                    self.usual(&seen);
                    return Ok(());
                }
            };
            wire.write_all(&reply.bytes(seen.method != "HEAD"))?;
            wire.flush()?;
        }
        Ok(())
    }

    /// The correct response; the request is carried out.
    fn usual(&self, seen: &Seen) -> Reply {
        let required = self.authorization.lock().unwrap().clone();
        match required {
            Some(required) if seen.header("authorization") != Some(&required) => {
                Reply::new(401, "").header("www-authenticate", "Basic realm=\"fake\"")
            }
            _ => self.content.lock().unwrap().answer(seen),
        }
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
