//! `suite.lock`: the digests of the policies of a suite, by URI.
//!
//! It is next to the suite, and to be committed. For policies in registries the digest is that of the manifest, for those on
//! web servers that of the module. A URI with a digest needs no entry.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use policy_verify_files::bounded;
use policy_verify_files::durable::{self, Flush};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_registry::digest::{InvalidDigest, OciDigest};
use policy_verify_suite::{is_stream, root_of};

/// Enough for thousands of policies.
const MAX_BYTES: u64 = 1024 * 1024;

/// The entries of a lock file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lock {
    entries: BTreeMap<String, OciDigest>,
}

/// The format of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockFile {
    version: u64,
    #[serde(default)]
    policies: BTreeMap<String, String>,
}

/// The lock of a suite: `suite.yml` has `suite.lock`, and so has `suite.yaml`, unless there are both. None for a suite from
/// stdin.
pub(crate) fn path_of(suite: &Path) -> Option<PathBuf> {
    if is_stream(suite) {
        return None;
    }
    let is_second = suite.extension().is_some_and(|it| it == "yaml") && suite.with_extension("yml").exists();
    Some(suite.with_extension(if is_second { "yaml.lock" } else { "lock" }))
}

/// Why the text of a lock is invalid.
#[derive(Debug)]
enum LockError {
    /// The first line of the parser's message.
    Yaml(String),
    Version(u64),
    Digest {
        uri: String,
        error: InvalidDigest,
    },
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yaml(message) => f.write_str(message),
            Self::Version(version) => write!(f, "unsupported version {version}, expected 1"),
            Self::Digest { uri, error } => write!(f, "`{uri}`: {error}"),
        }
    }
}

impl Lock {
    /// Reads a lock; `None` without a file. `root` is that of the command line.
    pub(super) fn read(path: &Path, root: Option<&Path>) -> Result<Option<Self>, Diagnostic> {
        let shown = path.display();
        let error = |message: String| Diagnostic::new(Code::Sources, message);
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Ok(metadata) if metadata.is_file() => {}
            // A link could point to a private file; in a volume or a tree of links, every file is one.
            Ok(metadata) if metadata.is_symlink() && root_of(path, root).is_some_and(|root| root.contains(path)) => {}
            Ok(metadata) if metadata.is_symlink() => {
                return Err(error(format!("the lock `{shown}` is a link to a file outside the repository")));
            }
            _ => return Err(error(format!("the lock `{shown}` is not a regular file"))),
        }
        let bytes = bounded::read(path, MAX_BYTES)
            .map_err(|cause| error(format!("cannot read the lock `{shown}`: {cause}")))?;
        let text = String::from_utf8(bytes).map_err(|_| error(format!("the lock `{shown}` is not UTF-8")))?;
        Self::parse(&text).map(Some).map_err(|cause| {
            error(format!("invalid lock `{shown}`: {cause}"))
                .with_help("run `verify --update` to write it again".to_owned())
        })
    }

    fn parse(text: &str) -> Result<Self, LockError> {
        let file: LockFile = serde_saphyr::from_str(text).map_err(|error| {
            let text = error.to_string();
            LockError::Yaml(text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned())
        })?;
        if file.version != 1 {
            return Err(LockError::Version(file.version));
        }
        let entries = file.policies.into_iter().map(|(uri, digest)| match digest.parse() {
            Ok(digest) => Ok((uri, digest)),
            Err(error) => Err(LockError::Digest { uri, error }),
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

    /// Removes the entries of other URIs.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&str) -> bool) {
        self.entries.retain(|uri, _| is_wanted(uri));
    }

    /// Writes the lock atomically.
    pub(super) fn write(&self, path: &Path) -> Result<(), Diagnostic> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        durable::replace(path, folder, self.text().as_bytes(), Flush::Yes).map_err(|error| {
            Diagnostic::new(Code::Sources, format!("cannot write the lock `{}`: {error}", path.display()))
        })
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
            // A JSON string is valid YAML.
            let _ = writeln!(text, "  {}: {digest}", serde_json::Value::from(uri.as_str()));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_lock_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_of(&folder.path().join("labels.suite.yml")).unwrap();
        assert_eq!(path.file_name().unwrap(), "labels.suite.lock");
        assert_eq!(Lock::read(&path, None), Ok(None));
        let mut lock = Lock::default();
        for uri in ["registry://a.test:5000/p:v1", "https://a.test/x?y=\"z\"&w=1: 2"] {
            lock.write(&path).unwrap();
            assert_eq!(Lock::read(&path, None), Ok(Some(lock.clone())));
            lock.set(uri, OciDigest::of(uri.as_bytes()));
        }
        lock.write(&path).unwrap();
        assert_eq!(Lock::read(&path, None), Ok(Some(lock)));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_suite_has_a_lock_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_of(&folder.path().join("labels.suite.yml"));
        let second = folder.path().join("labels.suite.yaml");
        assert_eq!(path_of(&second), path);
        std::fs::write(folder.path().join("labels.suite.yml"), "").unwrap();
        assert_eq!(path_of(&second), Some(folder.path().join("labels.suite.yaml.lock")));
        assert_eq!(path_of(Path::new("-")), None);
    }

    #[test]
    fn invalid_locks_are_errors() {
        for (text, says) in [
            ("version: 2", "unsupported version 2"),
            ("version: 1\npolicies: { a: sha256:abc }", "`a`: invalid digest `sha256:abc`"),
            ("version: 1\npolices: {}", "polices"),
            ("[", "line"),
        ] {
            let error = Lock::parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_read_inside_the_repository_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("suite.lock");
        std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
        assert!(Lock::read(&path, None).unwrap_err().message.contains("outside the repository"));
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("..data/suite.lock", &path).unwrap();
        assert!(Lock::read(&path, None).is_err());
        std::fs::create_dir(folder.path().join("..data")).unwrap();
        Lock::default().write(&folder.path().join("..data/suite.lock")).unwrap();
        assert_eq!(Lock::read(&path, None), Ok(Some(Lock::default())));
        assert_eq!(Lock::read(&path, Some(folder.path())), Ok(Some(Lock::default())));
        assert!(Lock::read(folder.path(), None).unwrap_err().message.contains("not a regular file"));
    }
}
