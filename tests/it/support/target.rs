//! A registry to push to, in the process of the test: it keeps what it is sent, writes down what it is asked, and goes
//! wrong where a test wants it to.
//!
//! It speaks plain HTTP on loopback, and as much of the distribution specification as pushing and pulling need.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::digest;

/// What a client asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    /// `PUT /v2/acme/p/manifests/v1`, with digests and sessions shortened.
    pub(crate) fn line(&self) -> String {
        let path = self.target.split('?').next().unwrap();
        let parts = path.split('/').map(|part| if part.starts_with("sha256:") { "<digest>" } else { part });
        format!("{} {}", self.method, parts.collect::<Vec<_>>().join("/"))
    }
}

/// What goes wrong.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    /// This status, with these headers and this body.
    Status(u16, Vec<(&'static str, String)>, String),
    /// The request is carried out, and this header of the answer is missing.
    Without(&'static str),
    /// The request is carried out, and the connection closed without an answer.
    SilentDeath,
    /// The connection is closed, and nothing carried out.
    Reset,
    /// The answer claims another digest.
    Lie,
}

impl Trouble {
    pub(crate) fn status(code: u16) -> Self {
        Self::Status(code, Vec::new(), String::new())
    }
}

type Fault = dyn FnMut(&Asked) -> Option<Trouble> + Send;

/// What the registry holds.
#[derive(Default)]
pub(crate) struct Content {
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
    /// By repository and digest.
    pub(crate) manifests: BTreeMap<(String, String), Vec<u8>>,
    /// By repository and tag.
    pub(crate) tags: BTreeMap<(String, String), String>,
    uploads: BTreeMap<String, Vec<u8>>,
    sessions: usize,
}

struct State {
    content: Mutex<Content>,
    asked: Mutex<Vec<Asked>>,
    fault: Mutex<Box<Fault>>,
    latency: Duration,
    authorization: Option<String>,
}

/// The registry; it stops with the process of the test.
#[derive(Clone)]
pub(crate) struct Target {
    address: SocketAddr,
    state: Arc<State>,
}

impl Target {
    pub(crate) fn new() -> Self {
        Self::start(Duration::ZERO, None)
    }

    /// Every answer takes a while.
    pub(crate) fn slow(latency: Duration) -> Self {
        Self::start(latency, None)
    }

    /// Only requests with this header are answered.
    pub(crate) fn with_authorization(header: &str) -> Self {
        Self::start(Duration::ZERO, Some(header.to_owned()))
    }

    fn start(latency: Duration, authorization: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = State {
            content: Mutex::default(),
            asked: Mutex::default(),
            fault: Mutex::new(Box::new(|_| None)),
            latency,
            authorization,
        };
        let target = Self { address: listener.local_addr().unwrap(), state: Arc::new(state) };
        let server = target.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                thread::spawn(move || drop(server.serve(&stream)));
            }
        });
        target
    }

    /// `127.0.0.1:40123`
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// A sources file that lets clients speak HTTP with it.
    pub(crate) fn sources(&self) -> String {
        format!("insecure_sources: ['{}']\n", self.address)
    }

    /// From now on requests go wrong as `fault` says.
    pub(crate) fn fails(&self, fault: impl FnMut(&Asked) -> Option<Trouble> + Send + 'static) {
        *self.state.fault.lock().unwrap() = Box::new(fault);
    }

    /// What was asked since the last time, `GET /v2/` left out.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let asked = std::mem::take(&mut *self.state.asked.lock().unwrap());
        asked.into_iter().filter(|asked| asked.target != "/v2/").collect()
    }

    pub(crate) fn content(&self) -> std::sync::MutexGuard<'_, Content> {
        self.state.content.lock().unwrap()
    }

    /// The digest a tag leads to.
    pub(crate) fn tag(&self, repository: &str, tag: &str) -> Option<String> {
        self.content().tags.get(&(repository.to_owned(), tag.to_owned())).cloned()
    }

    /// Everything the tags lead to is there, and is what its digest says.
    #[track_caller]
    pub(crate) fn is_consistent(&self) {
        let content = self.content();
        for ((repository, tag), leads_to) in &content.tags {
            let manifest = content.manifests.get(&(repository.clone(), leads_to.clone()));
            let manifest = manifest.unwrap_or_else(|| panic!("{repository}:{tag} leads to nothing"));
            assert_eq!(&digest(manifest), leads_to);
            let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
            let layers = manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]);
            for layer in layers {
                let named = layer["digest"].as_str().unwrap();
                let blob = content.blobs.get(named).unwrap_or_else(|| panic!("{repository}:{tag} lacks {named}"));
                assert_eq!((digest(blob).as_str(), blob.len() as u64), (named, layer["size"].as_u64().unwrap()));
            }
        }
    }

    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(asked) = read(&mut reader, stream)? {
            thread::sleep(self.state.latency);
            self.state.asked.lock().unwrap().push(asked.clone());
            let trouble = if asked.target == "/v2/" { None } else { (self.state.fault.lock().unwrap())(&asked) };
            let mut answer = match (&trouble, &self.state.authorization) {
                (Some(Trouble::Reset), _) => return Ok(()),
                (Some(Trouble::Status(code, headers, body)), _) => {
                    let headers = headers.iter().map(|(name, value)| (*name, value.clone())).collect();
                    Answer { code: *code, headers, body: body.clone().into_bytes() }
                }
                (_, Some(wanted)) if asked.headers.get("authorization") != Some(wanted) => {
                    Answer::new(401).with("WWW-Authenticate", "Basic realm=\"target\"")
                }
                _ => self.answer(&asked),
            };
            match trouble {
                Some(Trouble::SilentDeath) => return Ok(()),
                Some(Trouble::Without(name)) => answer.headers.retain(|(header, _)| *header != name),
                Some(Trouble::Lie) => {
                    answer.headers.retain(|(header, _)| *header != "Docker-Content-Digest");
                    answer = answer.with("Docker-Content-Digest", &digest(b"a lie"));
                }
                _ => {}
            }
            answer.write(stream, asked.method == "HEAD")?;
        }
        Ok(())
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
        let Some(path) = path.strip_prefix("/v2/") else { return Answer::new(404) };
        let mut content = self.content();
        if path.is_empty() {
            return Answer::new(200);
        }
        if let Some((repository, reference)) = path.split_once("/manifests/") {
            return content.manifest(asked, repository, reference);
        }
        if let Some((repository, session)) = path.split_once("/blobs/uploads/") {
            return content.upload(asked, repository, session, query);
        }
        match path.split_once("/blobs/").and_then(|(_, named)| content.blobs.get(named)) {
            Some(blob) => Answer::new(200).body(blob.clone()),
            None => Answer::new(404),
        }
    }
}

impl Content {
    /// What a garbage collector leaves.
    pub(crate) fn forget_what_no_tag_leads_to(&mut self) {
        let tags: Vec<String> = self.tags.values().cloned().collect();
        self.manifests.retain(|(_, digest), _| tags.contains(digest));
        let texts: Vec<String> =
            self.manifests.values().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
        self.blobs.retain(|digest, _| texts.iter().any(|text| text.contains(digest)));
        self.uploads.clear();
    }

    fn manifest(&mut self, asked: &Asked, repository: &str, reference: &str) -> Answer {
        let key = |digest: &str| (repository.to_owned(), digest.to_owned());
        if asked.method == "PUT" {
            let named = digest(&asked.body);
            if reference.starts_with("sha256:") && reference != named {
                return Answer::new(400);
            }
            self.manifests.insert(key(&named), asked.body.clone());
            if !reference.starts_with("sha256:") {
                self.tags.insert(key(reference), named.clone());
            }
            return Answer::new(201)
                .with("Location", &format!("/v2/{repository}/manifests/{named}"))
                .with("Docker-Content-Digest", &named);
        }
        if asked.method == "DELETE" {
            let is_gone = self.tags.remove(&key(reference)).is_some();
            return Answer::new(if is_gone { 202 } else { 404 });
        }
        let named = if reference.starts_with("sha256:") {
            Some(reference.to_owned())
        } else {
            self.tags.get(&key(reference)).cloned()
        };
        match named.and_then(|named| Some((self.manifests.get(&key(&named))?.clone(), named))) {
            Some((bytes, named)) => Answer::new(200)
                .with("Content-Type", "application/vnd.oci.image.manifest.v1+json")
                .with("Docker-Content-Digest", &named)
                .body(bytes),
            None => Answer::new(404),
        }
    }

    fn upload(&mut self, asked: &Asked, repository: &str, session: &str, query: &str) -> Answer {
        let location = |session: &str| format!("/v2/{repository}/blobs/uploads/{session}");
        if asked.method == "POST" {
            self.sessions += 1;
            let session = format!("session-{}", self.sessions);
            self.uploads.insert(session.clone(), Vec::new());
            return Answer::new(202).with("Location", &location(&session));
        }
        let Some(received) = self.uploads.get_mut(session) else { return Answer::new(404) };
        received.extend_from_slice(&asked.body);
        if asked.method == "PATCH" {
            return Answer::new(202).with("Location", &location(session));
        }
        let named = query.split('&').find_map(|pair| pair.strip_prefix("digest=")).unwrap_or("").replace("%3A", ":");
        let received = self.uploads.remove(session).unwrap_or_default();
        if digest(&received) != named {
            return Answer::new(400).body(br#"{"errors":[{"code":"DIGEST_INVALID","message":"no"}]}"#.to_vec());
        }
        self.blobs.insert(named.clone(), received);
        Answer::new(201).with("Location", &location("done")).with("Docker-Content-Digest", &named)
    }
}

struct Answer {
    code: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn new(code: u16) -> Self {
        Self { code, headers: Vec::new(), body: Vec::new() }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn body(self, body: Vec<u8>) -> Self {
        Self { body, ..self }
    }

    fn write(&self, mut stream: &TcpStream, is_head: bool) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {} Something\r\nContent-Length: {}\r\n", self.code, self.body.len());
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let mut bytes = format!("{head}\r\n").into_bytes();
        if !is_head {
            bytes.extend_from_slice(&self.body);
        }
        stream.write_all(&bytes)
    }
}

/// The next request on a connection; none when it was closed, or when it begins with something else than HTTP.
fn read(reader: &mut BufReader<TcpStream>, mut stream: &TcpStream) -> io::Result<Option<Asked>> {
    // A client that tries TLS first is told off at once.
    match reader.fill_buf()? {
        [] => return Ok(None),
        [first, ..] if !first.is_ascii_uppercase() => return Ok(None),
        _ => {}
    }
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let (method, target) = (method.to_owned(), target.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    if headers.contains_key("expect") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Asked { method, target, headers, body }))
}
