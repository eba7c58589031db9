//! A real registry on loopback: Distribution, Debian's or another one.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::act::program;

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
        // The port is free for as long as nobody else asks for one.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
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
        let child = Command::new(program)
            .args(["serve".as_ref(), path.as_os_str()])
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
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
    pub(crate) fn tags(&self, repository: &str) -> std::path::PathBuf {
        self.folder.path().join(format!("data/docker/registry/v2/repositories/{repository}/_manifests/tags"))
    }
}

impl Drop for Distribution {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
