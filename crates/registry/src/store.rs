//! Local storage of policies: kwctl's store, and manifests by digest in a cache folder of verify.
//!
//! Files of the store are named as kwctl names them; callers check their content. Writes are atomic: a file is written to
//! another folder, flushed and renamed, so concurrent processes and `kill -9` leave no partial file for kwctl to list.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use reqwest::Url;

use super::bounded::MAX_MODULE_BYTES;
use super::digest::OciDigest;
use super::display;
use policy_verify_files::bounded;
use policy_verify_files::durable::{self, Flush};
use policy_verify_model::policy::PolicyRef;
use policy_verify_model::reference;

/// The limit of fetched manifests.
const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;

/// Names of policies have fewer parts.
const MAX_DEPTH: usize = 32;

/// kwctl's store, and the cache of manifests.
#[derive(Debug, Clone)]
pub struct Store {
    /// The store of kwctl.
    policies: PathBuf,
    /// The folder of verify: `manifests/`, and `unfinished/` for files that are being written.
    own: PathBuf,
}

impl Store {
    /// The store in the cache folder of this user; `None` for a user without a home folder.
    pub fn of_user() -> Option<Self> {
        let policies = directories::ProjectDirs::from("io", "kubewarden", "kubewarden")?.cache_dir().join("store");
        let own = directories::ProjectDirs::from("", "", "policy-verify")?.cache_dir().to_owned();
        Some(Self { policies, own })
    }

    /// The stored module of a policy, unchecked.
    pub fn module(&self, policy: &PolicyRef) -> Option<Vec<u8>> {
        bounded::read(&self.module_path(policy)?, MAX_MODULE_BYTES).ok()
    }

    /// The modules whose digests begin with these hexadecimal digits, each with its name within the store. Links are
    /// ignored.
    pub fn with_digest(&self, digits: &str) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![(self.policies.clone(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() && depth < MAX_DEPTH => folders.push((path, depth + 1)),
                    Ok(kind) if kind.is_file() => {
                        let Ok(bytes) = bounded::read(&path, MAX_MODULE_BYTES) else { continue };
                        if OciDigest::of(&bytes).hex().starts_with(digits) {
                            let name = path.strip_prefix(&self.policies).unwrap_or(&path);
                            found.push((name.to_string_lossy().into_owned(), bytes));
                        }
                    }
                    _ => {}
                }
            }
        }
        found.sort();
        found
    }

    /// Stores a module. A policy whose URI cannot be a file name is skipped.
    pub fn write_module(&self, policy: &PolicyRef, module: &[u8]) -> io::Result<()> {
        match self.module_path(policy) {
            Some(path) => self.write(&path, module),
            None => Ok(()),
        }
    }

    /// The stored manifest with this digest, checked against it.
    pub fn manifest(&self, digest: &OciDigest) -> Option<Vec<u8>> {
        let bytes = bounded::read(&self.manifest_path(digest), MAX_MANIFEST_BYTES).ok()?;
        digest.matches(&bytes).then_some(bytes)
    }

    /// Stores a manifest, which has this digest.
    pub fn write_manifest(&self, digest: &OciDigest, bytes: &[u8]) -> io::Result<()> {
        self.write(&self.manifest_path(digest), bytes)
    }

    fn manifest_path(&self, digest: &OciDigest) -> PathBuf {
        self.own.join("manifests").join(format!("{}-{}.json", digest.algorithm(), digest.hex()))
    }

    /// `<store>/<scheme>/<host[:port]>/<path…>/<name:tag or name@digest>`.
    fn module_path(&self, policy: &PolicyRef) -> Option<PathBuf> {
        let parts: Vec<String> = match policy {
            PolicyRef::Registry(name) => {
                let image = reference::parse(name).ok()?;
                let whole = image.to_string();
                let path = whole.strip_prefix(image.registry())?.strip_prefix('/')?;
                ["registry", image.registry()].into_iter().chain(path.split('/')).map(str::to_owned).collect()
            }
            PolicyRef::Web(url) => {
                let url = Url::parse(url).ok()?;
                // Another query may be another module, and kwctl's file name has no query.
                if url.query().is_some() {
                    return None;
                }
                let host = display::authority(&url);
                [url.scheme().to_owned(), host].into_iter().chain(url.path_segments()?.map(str::to_owned)).collect()
            }
            PolicyRef::File(_) => return None,
        };
        let is_name =
            |part: &String| !part.is_empty() && part != "." && part != ".." && !part.contains(['/', '\\', '\0']);
        if !parts.iter().all(is_name) {
            return None;
        }
        Some(parts.iter().fold(self.policies.clone(), |path, part| path.join(file_name(part))))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        // As readable as kwctl leaves them; the content is public.
        durable::write(path, &self.own.join("unfinished"), bytes, Flush::Yes)
    }
}

/// On Windows a name may not hold `:`; kwctl writes base64url there.
fn file_name(part: &str) -> String {
    if cfg!(windows) {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(part)
    } else {
        part.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store =
            Store { policies: folder.path().join("kubewarden/store"), own: folder.path().join("policy-verify") };
        (folder, store)
    }

    #[cfg(unix)]
    #[test]
    fn files_are_named_as_kwctl_names_them() {
        let (_folder, store) = store();
        let digest = format!("sha256:{}", "0".repeat(64));
        let path = |policy: PolicyRef| {
            let path = store.module_path(&policy)?;
            Some(path.strip_prefix(&store.policies).unwrap().to_str().unwrap().to_owned())
        };
        let registry = |name: &str| path(PolicyRef::Registry(name.into())).unwrap();
        assert_eq!(registry("localhost:5005/foo/bar:v1"), "registry/localhost:5005/foo/bar:v1");
        assert_eq!(registry(&format!("ghcr.io/a@{digest}")), format!("registry/ghcr.io/a@{digest}"));
        assert_eq!(registry(&format!("ghcr.io/a:v1@{digest}")), format!("registry/ghcr.io/a:v1@{digest}"));
        let web = |url: &str| path(PolicyRef::Web(url.into()));
        assert_eq!(web("https://a.test:8443/x/p.wasm").as_deref(), Some("https/a.test:8443/x/p.wasm"));
        for url in ["https://a.test/p.wasm?v=1", "https://a.test/", "https://a.test//p", "https://a.test/a%5Cb/.."] {
            assert_eq!(web(url), None, "{url}");
        }
    }

    #[test]
    fn stored_modules_are_read_and_no_partial_file_remains() {
        let (_folder, store) = store();
        let policy = PolicyRef::Registry("a.test/p:v1".into());
        assert_eq!(store.module(&policy), None);
        store.write_module(&policy, b"one").unwrap();
        store.write_module(&policy, b"two").unwrap();
        assert_eq!(store.module(&policy).unwrap(), b"two");
        assert_eq!(fs::read_dir(store.own.join("unfinished")).unwrap().count(), 0);
    }

    #[test]
    fn a_modified_manifest_is_not_returned() {
        let (_folder, store) = store();
        let digest = OciDigest::of(b"{}");
        store.write_manifest(&digest, b"{}").unwrap();
        assert_eq!(store.manifest(&digest).unwrap(), b"{}");
        fs::write(store.manifest_path(&digest), b"{ }").unwrap();
        assert_eq!(store.manifest(&digest), None);
    }
}
