//! `suite.lock`: what the policies of a suite were, by URI and digest.
//!
//! It stands beside the suite and is meant to be committed. For a policy of a registry the digest is that of its manifest,
//! for one of a web server that of its module. A URI with a digest of its own needs no entry.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use policy_verify_files::durable::{self, Flush};
use policy_verify_registry::bounded::read_file;
use policy_verify_registry::digest::OciDigest;

/// Thousands of policies.
const MOST_BYTES: u64 = 1024 * 1024;

/// The entries of a lock file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lock {
    entries: BTreeMap<String, OciDigest>,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockFile {
    version: u64,
    #[serde(default)]
    policies: BTreeMap<String, String>,
}

/// The lock of a suite: `suite.yml` has `suite.lock`.
pub(super) fn path_of(suite: &Path) -> PathBuf {
    suite.with_extension("lock")
}

impl Lock {
    /// Reads a lock; none when there is no file.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, String> {
        let shown = path.display();
        // A link may lead to a file that is nobody's business.
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Ok(metadata) if metadata.is_file() => {}
            _ => return Err(format!("the lock `{shown}` is no regular file")),
        }
        let bytes = read_file(path, MOST_BYTES).map_err(|error| format!("cannot read the lock `{shown}`: {error}"))?;
        let text = String::from_utf8(bytes).map_err(|_| format!("the lock `{shown}` is not UTF-8"))?;
        Self::parse(&text).map(Some).map_err(|message| format!("the lock `{shown}`: {message}"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: LockFile = serde_saphyr::from_str(text).map_err(|error| {
            let text = error.to_string();
            text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
        })?;
        if file.version != 1 {
            return Err(format!("version {} is not known to this verify", file.version));
        }
        let entries = file.policies.into_iter().map(|(uri, digest)| match digest.parse() {
            Ok(digest) => Ok((uri, digest)),
            Err(message) => Err(format!("`{uri}` has {message}")),
        });
        Ok(Self { entries: entries.collect::<Result<_, _>>()? })
    }

    /// The digest of a URI.
    pub(super) fn digest(&self, uri: &str) -> Option<&OciDigest> {
        self.entries.get(uri)
    }

    /// Sets the digest of a URI.
    pub(super) fn set(&mut self, uri: &str, digest: OciDigest) {
        self.entries.insert(uri.to_owned(), digest);
    }

    /// Keeps the entries of these URIs only.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&str) -> bool) {
        self.entries.retain(|uri, _| is_wanted(uri));
    }

    /// Writes the lock, whole or not at all.
    pub(super) fn write(&self, path: &Path) -> Result<(), String> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        durable::replace(path, folder, self.text().as_bytes(), Flush::Yes)
            .map_err(|error| format!("cannot write the lock `{}`: {error}", path.display()))
    }

    fn text(&self) -> String {
        let mut text = "# What the policies of the suite were when `verify --update` wrote this. Commit it.\n\
                        version: 1\npolicies:"
            .to_owned();
        if self.entries.is_empty() {
            text.push_str(" {}");
        }
        text.push('\n');
        for (uri, digest) in &self.entries {
            // What JSON quotes, YAML reads.
            let _ = writeln!(text, "  {}: {digest}", serde_json::Value::from(uri.as_str()));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_of(&folder.path().join("labels.suite.yml"));
        assert_eq!(path.file_name().unwrap(), "labels.suite.lock");
        assert_eq!(Lock::read(&path), Ok(None));
        let mut lock = Lock::default();
        for uri in ["registry://a.test:5000/p:v1", "https://a.test/x?y=\"z\"&w=1: 2"] {
            lock.write(&path).unwrap();
            assert_eq!(Lock::read(&path), Ok(Some(lock.clone())));
            lock.set(uri, OciDigest::of(uri.as_bytes()));
        }
        lock.write(&path).unwrap();
        assert_eq!(Lock::read(&path), Ok(Some(lock)));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn broken_locks_are_told() {
        for (text, says) in [
            ("version: 2", "version 2"),
            ("version: 1\npolicies: { a: sha256:abc }", "`a` has no digest"),
            ("version: 1\npolices: {}", "polices"),
            ("[", "line"),
        ] {
            let error = Lock::parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("suite.lock");
        std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
        assert!(Lock::read(&path).unwrap_err().contains("no regular file"));
    }
}
