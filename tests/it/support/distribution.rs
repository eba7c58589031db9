//! A real registry on loopback: Distribution, as Debian packages it.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::act::program;

/// Stopped when it is dropped.
pub(crate) struct Distribution {
    pub(crate) host: String,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Distribution {
    /// Starts one; nothing, with a word about it, where the program is missing.
    pub(crate) fn start() -> Option<Self> {
        let program = program("docker-registry")?;
        let folder = tempfile::tempdir().unwrap();
        // The port is free for as long as nobody else asks for one.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: '{}' }} }}\nhttp: {{ addr: '{address}' }}\n",
            folder.path().join("data").display()
        );
        let path = folder.path().join("config.yml");
        std::fs::write(&path, config).unwrap();
        let child = Command::new(program)
            .args(["serve".as_ref(), path.as_os_str()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let distribution = Self { host: address.to_string(), child, _folder: folder };
        for _ in 0..600 {
            if std::net::TcpStream::connect(address).is_ok() {
                return Some(distribution);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the registry does not answer");
    }
}

impl Drop for Distribution {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
