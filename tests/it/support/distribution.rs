//! A real registry on loopback: Distribution, Debian's or another one, or that of go-containerregistry.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::program::program;
use super::registry::{Reply, Seen};

/// The programs there are: Debian's `docker-registry` is Distribution 2, a `registry` on the path is taken for
/// Distribution 3. What is missing is skipped, and said.
pub(crate) fn registries() -> Vec<PathBuf> {
    ["docker-registry", "registry"].into_iter().filter_map(program).collect()
}

/// What the registry at `host` answers to a request that somebody else was asked.
pub(crate) fn forwarded(host: &str, seen: &Seen) -> Reply {
    let mut stream = TcpStream::connect(host).unwrap();
    // By this version nobody sends chunks, and the end of the answer is the end of the connection.
    let mut head = format!("{} {} HTTP/1.0\r\n", seen.method, seen.path);
    for (name, value) in &seen.headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(&[head.as_bytes(), b"\r\n", &seen.body].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": ")).filter(|(name, _)| *name != "Connection");
    headers.fold(Reply::new(status, &answer[end + 4..]), |reply, (name, value)| reply.header(name, value))
}

/// An address whose port is free for as long as nobody else asks for one.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Stopped when it is dropped.
pub(crate) struct Distribution {
    pub(crate) host: String,
    child: Child,
    folder: tempfile::TempDir,
}

/// What a registry is configured with; `FOLDER` stands for where its files are.
#[derive(Default)]
pub(crate) struct Setup<'a> {
    /// Further members of `http`, each with a comma in front.
    pub(crate) http: &'a str,
    /// Further lines.
    pub(crate) more: &'a str,
    /// Names and texts of files.
    pub(crate) files: &'a [(&'a str, &'a str)],
}

impl Distribution {
    /// Starts Debian's, open to everybody; nothing, with a word about it, where the program is missing.
    pub(crate) fn start() -> Option<Self> {
        Some(Self::configured(&program("docker-registry")?, &Setup::default()))
    }

    /// Starts this one.
    pub(crate) fn configured(program: &Path, setup: &Setup<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        for (name, text) in setup.files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: 'FOLDER/data' }} }}\n\
             http: {{ addr: '{address}'{} }}\n{}",
            setup.http, setup.more
        );
        let path = folder.path().join("config.yml");
        fs::write(&path, config.replace("FOLDER", &folder.path().display().to_string())).unwrap();
        let mut command = Command::new(program);
        command.args(["serve".as_ref(), path.as_os_str()]).env("OTEL_TRACES_EXPORTER", "none");
        Self::started(command, address, folder)
    }

    /// Starts the registry of go-containerregistry, which `crane` has in it and which shares nothing with Distribution.
    pub(crate) fn of_crane(program: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let mut command = Command::new(program);
        command.args(["registry", "serve", "--address", &address.to_string(), "--disk"]).arg(folder.path());
        Self::started(command, address, folder)
    }

    fn started(mut command: Command, address: SocketAddr, folder: tempfile::TempDir) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let distribution = Self { host: address.to_string(), child, folder };
        let is_up = (0..1200).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            TcpStream::connect(address).is_ok()
        });
        assert!(is_up, "the registry does not answer");
        distribution
    }
}

impl Distribution {
    /// Where it keeps what belongs to the tags of a repository.
    pub(crate) fn tags(&self, repository: &str) -> PathBuf {
        self.folder.path().join(format!("data/docker/registry/v2/repositories/{repository}/_manifests/tags"))
    }
}

impl Drop for Distribution {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
