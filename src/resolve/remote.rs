//! Modules in registries and on web servers: looked up, fetched concurrently, and taken from the store if the digest
//! matches.

use std::sync::Arc;

use oci_client::Reference;
use oci_client::manifest::OciDescriptor;
use reqwest::Url;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::module::checked;
use super::room::{Full, Room};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::policy::PolicyRef;
use policy_verify_model::reference;
use policy_verify_registry::Registry;
use policy_verify_registry::bounded::MAX_MODULE_BYTES;
use policy_verify_registry::digest::OciDigest;
use policy_verify_registry::error::{Class, RegistryError, Stage};
use policy_verify_registry::manifest::{self, FetchedManifest};
use policy_verify_registry::policy::{ManifestTarget, manifest_target};
use policy_verify_registry::store::Store;

/// Policies fetched at the same time. Most of the time is spent waiting for servers.
const MAX_CONCURRENT: usize = 32;

/// Modules of web servers fetched at the same time: how long they are is known when they are here.
const MAX_DOWNLOADS: usize = 4;

/// A policy to fetch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct FetchRequest {
    pub(super) policy: PolicyRef,
    /// The digest of the lock.
    pub(super) locked: Option<OciDigest>,
}

/// A fetched policy.
#[derive(Debug, Clone)]
pub(super) struct Fetched {
    pub(super) module: Arc<[u8]>,
    /// The digest of its manifest, or of its module on a web server. Unknown offline without a lock.
    pub(super) digest: Option<OciDigest>,
    /// The digest to which its URI points now, if that was looked up.
    pub(super) current: Option<OciDigest>,
    /// A note for the report.
    pub(super) remark: Option<String>,
    /// Why it was not written to the store.
    pub(super) store_error: Option<String>,
}

/// How the store is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreUse {
    /// Stored modules are not fetched again.
    Read,
    /// The same, and fetched modules are written to it.
    ReadWrite,
    /// Only stored modules are available: offline.
    Only,
}

/// Where policies are fetched from.
#[derive(Clone)]
pub(super) struct Fetcher {
    registry: Registry,
    store: Option<Store>,
    store_use: StoreUse,
    room: Room,
    /// Downloads from web servers at the same time, which may be longer than there is room.
    downloads: Arc<Semaphore>,
}

impl Fetcher {
    /// Fetches what there is room for.
    pub(super) fn new(registry: &Registry, store: Option<Store>, store_use: StoreUse, room: &Room) -> Self {
        let downloads = Arc::new(Semaphore::new(MAX_DOWNLOADS));
        Self { registry: registry.clone(), store, store_use, room: room.clone(), downloads }
    }

    /// Fetches policies concurrently; the results are in their order. `done` is called for each complete one.
    pub(super) async fn fetch_all(
        &self,
        wanted: &[FetchRequest],
        done: &(dyn Fn() + Sync),
    ) -> Vec<Result<Fetched, Diagnostic>> {
        let slots = Arc::new(Semaphore::new(MAX_CONCURRENT));
        let mut tasks = JoinSet::new();
        for (index, wanted) in wanted.iter().cloned().enumerate() {
            let (fetcher, slots) = (self.clone(), Arc::clone(&slots));
            tasks.spawn(async move {
                let _slot = slots.acquire_owned().await;
                (index, fetcher.fetch(&wanted).await)
            });
        }
        let mut results: Vec<Result<Fetched, Diagnostic>> =
            wanted.iter().map(|_| Err(unavailable("the fetch ended without a result"))).collect();
        while let Some(joined) = tasks.join_next().await {
            if let Ok((index, result)) = joined {
                results[index] = result;
            }
            done();
        }
        results
    }

    /// Takes room for a module.
    fn take(&self, bytes: u64, policy: &PolicyRef) -> Result<(), RegistryError> {
        self.room.take(bytes).map_err(|error| full(policy, error))
    }

    fn is_offline(&self) -> bool {
        self.store_use == StoreUse::Only
    }

    /// Fetches one policy.
    pub(super) async fn fetch(&self, wanted: &FetchRequest) -> Result<Fetched, Diagnostic> {
        let fetched = match &wanted.policy {
            PolicyRef::Registry(name) => match reference::parse(name) {
                Ok(image) => self.in_registry(wanted, &image).await,
                Err(error) => return Err(unavailable(error.message)),
            },
            PolicyRef::Web(url) => match Url::parse(url) {
                Ok(url) => self.on_web(wanted, &url).await,
                Err(error) => return Err(unavailable(format!("invalid URL `{url}`: {error}"))),
            },
            PolicyRef::File(path) => return Err(unavailable(format!("`{}` is a file", path.display()))),
        };
        let fetched = fetched.map_err(|error| unavailable(error.to_string()).with_help(error.help))?;
        let module = checked(fetched.bytes, &shown(&wanted.policy))?;
        // Only modules are written to the store.
        let store = self.store.as_ref().filter(|_| fetched.is_new && self.store_use == StoreUse::ReadWrite);
        let kept = store.map_or(Ok(()), |store| store.write_module(&wanted.policy, &module));
        let store_error = kept.err().map(|error| format!("cannot write the policy to the store: {error}"));
        let FetchedBytes { digest, current, remark, .. } = fetched;
        Ok(Fetched { module, digest, current, remark, store_error })
    }

    async fn in_registry(&self, wanted: &FetchRequest, image: &Reference) -> Result<FetchedBytes, RegistryError> {
        let pinned = image.digest().and_then(|digest| digest.parse::<OciDigest>().ok());
        let stored = self.store.as_ref().and_then(|store| store.module(&wanted.policy));
        let mut found = FetchedBytes::default();
        let mut first = None;
        let digest = match pinned {
            Some(digest) => digest,
            None if self.is_offline() => match &wanted.locked {
                Some(digest) => digest.clone(),
                None => {
                    found.remark = Some(UNCHECKED.into());
                    found.bytes = stored.ok_or_else(|| offline(&wanted.policy, ABSENT))?;
                    return Ok(found);
                }
            },
            None => {
                let current = match stored.is_some() || wanted.locked.is_some() {
                    // Probably stored already: the digest suffices.
                    true => self.registry.digest(image).await?,
                    false => first.insert(self.registry.manifest(image).await?).digest.clone(),
                };
                found.current = Some(current.clone());
                wanted.locked.clone().unwrap_or(current)
            }
        };
        let layer = self.layer(image, &digest, first.filter(|it| it.digest == digest), &wanted.policy).await;
        let layer = layer.map_err(|error| match error.class {
            Class::Offline if stored.is_some() => offline(&wanted.policy, WITHOUT_MANIFEST),
            _ => error,
        })?;
        found.digest = Some(digest);
        let is_layer = |bytes: &Vec<u8>| layer.digest.parse::<OciDigest>().is_ok_and(|digest| digest.matches(bytes));
        let why = if stored.is_some() { ANOTHER } else { ABSENT };
        if let Some(stored) = stored.filter(is_layer) {
            self.take(stored.len() as u64, &wanted.policy)?;
            found.bytes = stored;
            return Ok(found);
        }
        if self.is_offline() {
            return Err(offline(&wanted.policy, why));
        }
        // A layer that is no size of a module is refused below.
        let bytes = u64::try_from(layer.size).ok().filter(|bytes| *bytes <= MAX_MODULE_BYTES);
        self.take(bytes.unwrap_or(0), &wanted.policy)?;
        found.is_new = true;
        found.bytes = self.registry.blob(image, &layer, MAX_MODULE_BYTES).await?;
        Ok(found)
    }

    /// The layer of the module, from the manifest with this digest, or from one that an index points to.
    async fn layer(
        &self,
        image: &Reference,
        digest: &OciDigest,
        first: Option<FetchedManifest>,
        policy: &PolicyRef,
    ) -> Result<OciDescriptor, RegistryError> {
        let first = match first {
            Some(fetched) => {
                self.keep(&fetched);
                fetched
            }
            None => self.manifest(image, digest, policy).await?,
        };
        match manifest_target(image, &first.manifest, false)? {
            ManifestTarget::Layer(layer) => Ok(layer),
            ManifestTarget::Manifest(chosen) => {
                match manifest_target(image, &self.manifest(image, &chosen, policy).await?.manifest, true)? {
                    ManifestTarget::Layer(layer) => Ok(layer),
                    ManifestTarget::Manifest(_) => Err(offline(policy, ABSENT)),
                }
            }
        }
    }

    async fn manifest(
        &self,
        image: &Reference,
        digest: &OciDigest,
        policy: &PolicyRef,
    ) -> Result<FetchedManifest, RegistryError> {
        let kept = self.store.as_ref().and_then(|store| store.manifest(digest));
        let read = kept.and_then(|bytes| Some((manifest::read(&bytes, None).ok()?, bytes)));
        if let Some((manifest, bytes)) = read {
            return Ok(FetchedManifest { manifest, bytes, digest: digest.clone() });
        }
        if self.is_offline() {
            return Err(offline(policy, ABSENT));
        }
        let fetched = self.registry.manifest(&image.clone_with_digest(digest.to_string())).await?;
        self.keep(&fetched);
        Ok(fetched)
    }

    /// Stores a manifest. An error is ignored: the manifest is fetched again next time.
    fn keep(&self, fetched: &FetchedManifest) {
        let _ = self.store.as_ref().map(|store| store.write_manifest(&fetched.digest, &fetched.bytes));
    }

    async fn on_web(&self, wanted: &FetchRequest, url: &Url) -> Result<FetchedBytes, RegistryError> {
        let stored = self.store.as_ref().and_then(|store| store.module(&wanted.policy));
        let is_locked = |bytes: &[u8]| wanted.locked.as_ref().is_none_or(|digest| digest.matches(bytes));
        if self.is_offline() {
            let why = if stored.is_some() { ANOTHER } else { ABSENT };
            let bytes = stored.filter(|bytes| is_locked(bytes)).ok_or_else(|| offline(&wanted.policy, why))?;
            // The digest of the stored file is not one the server confirmed.
            let remark = wanted.locked.is_none().then(|| UNCHECKED.to_owned());
            return Ok(FetchedBytes { bytes, digest: wanted.locked.clone(), remark, ..FetchedBytes::default() });
        }
        let bytes = {
            let _slot = self.downloads.acquire().await;
            // One byte is enough to find out that there is no room.
            let most = MAX_MODULE_BYTES.min(self.room.left().max(1));
            let downloaded = self.registry.download(url, most).await;
            let bytes = downloaded.map_err(|error| match error.class {
                Class::TooLarge if most < MAX_MODULE_BYTES => full(&wanted.policy, Full),
                _ => error,
            })?;
            self.take(bytes.len() as u64, &wanted.policy)?;
            bytes
        };
        let current = OciDigest::of(&bytes);
        if is_locked(&bytes) {
            let is_new = stored.as_ref() != Some(&bytes);
            return Ok(FetchedBytes {
                bytes,
                digest: Some(current.clone()),
                current: Some(current),
                is_new,
                remark: None,
            });
        }
        // The server no longer has the locked module; the store may have it.
        let bytes = stored.filter(|bytes| is_locked(bytes)).ok_or_else(|| RegistryError {
            uri: shown(&wanted.policy),
            stage: Stage::Download,
            class: Class::WrongContent,
            message: format!("digest mismatch: {} in the lock, {current} on the server", text(wanted.locked.as_ref())),
            help: Some("to accept the new module, run `verify --update`".into()),
        })?;
        Ok(FetchedBytes { bytes, digest: wanted.locked.clone(), current: Some(current), ..FetchedBytes::default() })
    }
}

/// The bytes of a policy, and their origin.
#[derive(Debug, Default)]
struct FetchedBytes {
    bytes: Vec<u8>,
    digest: Option<OciDigest>,
    current: Option<OciDigest>,
    /// Whether they are missing in the store.
    is_new: bool,
    remark: Option<String>,
}

/// The normalised URI of a policy, as in locks.
pub(super) fn shown(policy: &PolicyRef) -> String {
    match policy {
        PolicyRef::Registry(name) => format!("registry://{name}"),
        PolicyRef::Web(url) => url.clone(),
        PolicyRef::File(path) => format!("file://{}", path.display()),
    }
}

fn text(digest: Option<&OciDigest>) -> String {
    digest.map(ToString::to_string).unwrap_or_default()
}

/// The remark on a policy whose digest is unknown.
const UNCHECKED: &str = "--offline: taken from the store unverified: no lock has its digest";

// Why the store cannot provide a policy.
const ABSENT: &str = "not in the store";
const WITHOUT_MANIFEST: &str = "the store has a module of this name, but not its manifest";
const ANOTHER: &str = "the store has another module of this name";

fn unavailable(message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Code::Fetch, message)
}

fn full(policy: &PolicyRef, error: Full) -> RegistryError {
    RegistryError {
        uri: shown(policy),
        stage: Stage::Download,
        class: Class::TooLarge,
        message: error.to_string(),
        help: Some(Full::HELP.into()),
    }
}

fn offline(policy: &PolicyRef, why: &str) -> RegistryError {
    RegistryError {
        uri: shown(policy),
        stage: Stage::Download,
        class: Class::Offline,
        message: format!("{why}, and `--offline` prevents fetching it"),
        help: Some("run once without `--offline`, or fetch it with `verify pull`".into()),
    }
}
