//! Modules in registries and on web servers: looked up, fetched side by side, taken from the store where their digest
//! says that they are what is meant.

use std::sync::Arc;

use oci_client::Reference;
use oci_client::manifest::OciDescriptor;
use reqwest::Url;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::module;
use policy_verify_model::policy::PolicyRef;
use policy_verify_registry::digest::OciDigest;
use policy_verify_registry::error::{Class, RegistryError, Stage};
use policy_verify_registry::manifest::{self, FetchedManifest};
use policy_verify_registry::policy::{Lead, lead};
use policy_verify_registry::store::Store;
use policy_verify_registry::{MAX_MODULE_BYTES, Registry};

/// How many policies are fetched at once. Each waits for its server most of the time.
const AT_ONCE: usize = 32;

/// One policy to be had.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Wanted {
    pub(super) policy: PolicyRef,
    /// What a lock says it is.
    pub(super) locked: Option<OciDigest>,
}

/// One policy that was had.
#[derive(Debug, Clone)]
pub(super) struct Fetched {
    pub(super) module: Arc<[u8]>,
    /// What it is: the digest of its manifest, or of its module where it has none. Unknown when nobody was asked.
    pub(super) digest: Option<OciDigest>,
    /// What its URI stands for now, where that was looked up.
    pub(super) current: Option<OciDigest>,
    /// What is worth knowing about it.
    pub(super) remark: Option<String>,
    /// Why the store does not have it now, where it should.
    pub(super) unkept: Option<String>,
}

/// Why a policy was not had: a message, and what to do about it.
pub(super) type Missed = (String, Option<String>);

/// What the store is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreUse {
    /// What is in it need not be fetched.
    Read,
    /// The same, and modules that were fetched are kept in it.
    Kept,
    /// What is not in it cannot be had: nobody is asked.
    Only,
}

/// Where policies are fetched from.
#[derive(Clone)]
pub(super) struct Fetcher {
    pub(super) registry: Registry,
    pub(super) store: Option<Store>,
    pub(super) store_use: StoreUse,
}

impl Fetcher {
    /// Fetches policies side by side; the results are in their order. `done` is told whenever one is there.
    pub(super) async fn fetch_all(&self, wanted: &[Wanted], done: &(dyn Fn() + Sync)) -> Vec<Result<Fetched, Missed>> {
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        let mut tasks = JoinSet::new();
        for (index, wanted) in wanted.iter().cloned().enumerate() {
            let (fetcher, slots) = (self.clone(), Arc::clone(&slots));
            tasks.spawn(async move {
                let _slot = slots.acquire_owned().await;
                (index, fetcher.fetch(&wanted).await)
            });
        }
        let mut results: Vec<Result<Fetched, Missed>> =
            wanted.iter().map(|_| Err(("the fetch ended without a result".into(), None))).collect();
        while let Some(joined) = tasks.join_next().await {
            if let Ok((index, result)) = joined {
                results[index] = result;
            }
            done();
        }
        results
    }

    fn is_offline(&self) -> bool {
        self.store_use == StoreUse::Only
    }

    /// Fetches one policy.
    pub(super) async fn fetch(&self, wanted: &Wanted) -> Result<Fetched, Missed> {
        let fetched = match &wanted.policy {
            PolicyRef::Registry(name) => match name.parse::<Reference>() {
                Ok(image) => self.in_registry(wanted, &image).await,
                Err(error) => return Err((format!("`registry://{name}`: {error}"), None)),
            },
            PolicyRef::Web(url) => match Url::parse(url) {
                Ok(url) => self.on_web(wanted, &url).await,
                Err(error) => return Err((format!("`{url}`: {error}"), None)),
            },
            PolicyRef::File(path) => return Err((format!("`{}` is a file", path.display()), None)),
        };
        let (bytes, fetched) = fetched.map_err(|error| (error.to_string(), error.help))?;
        let module = module::checked(bytes, &shown(&wanted.policy))?;
        // Nothing but modules comes into the store.
        let store = self.store.as_ref().filter(|_| fetched.is_new && self.store_use == StoreUse::Kept);
        let kept = store.map_or(Ok(()), |store| store.keep_module(&wanted.policy, &module));
        let unkept = kept.err().map(|error| format!("the policy could not be kept in the store: {error}"));
        let Found { digest, current, remark, .. } = fetched;
        Ok(Fetched { module, digest, current, remark, unkept })
    }

    async fn in_registry(&self, wanted: &Wanted, image: &Reference) -> Result<(Vec<u8>, Found), RegistryError> {
        let pinned = image.digest().and_then(|digest| digest.parse::<OciDigest>().ok());
        let stored = self.store.as_ref().and_then(|store| store.module(&wanted.policy));
        let mut found = Found::default();
        let mut first = None;
        let digest = match pinned {
            Some(digest) => digest,
            None if self.is_offline() => match &wanted.locked {
                Some(digest) => digest.clone(),
                None => {
                    found.remark = Some(UNCHECKED.into());
                    return Ok((stored.ok_or_else(|| offline(&wanted.policy, ABSENT))?, found));
                }
            },
            None => {
                let current = match stored.is_some() || wanted.locked.is_some() {
                    // Probably known already: its digest is enough.
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
            return Ok((stored, found));
        }
        if self.is_offline() {
            return Err(offline(&wanted.policy, why));
        }
        found.is_new = true;
        Ok((self.registry.blob(image, &layer, MAX_MODULE_BYTES).await?, found))
    }

    /// The layer that is the module, by the manifest of this digest and perhaps one more.
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
        match lead(image, &first.manifest, false)? {
            Lead::Layer(layer) => Ok(layer),
            Lead::Manifest(chosen) => {
                match lead(image, &self.manifest(image, &chosen, policy).await?.manifest, true)? {
                    Lead::Layer(layer) => Ok(layer),
                    Lead::Manifest(_) => Err(offline(policy, ABSENT)),
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

    /// A manifest that cannot be kept is fetched again next time: nothing to tell anybody.
    fn keep(&self, fetched: &FetchedManifest) {
        let _ = self.store.as_ref().map(|store| store.keep_manifest(&fetched.digest, &fetched.bytes));
    }

    async fn on_web(&self, wanted: &Wanted, url: &Url) -> Result<(Vec<u8>, Found), RegistryError> {
        let stored = self.store.as_ref().and_then(|store| store.module(&wanted.policy));
        let is_locked = |bytes: &[u8]| wanted.locked.as_ref().is_none_or(|digest| digest.matches(bytes));
        if self.is_offline() {
            let why = if stored.is_some() { ANOTHER } else { ABSENT };
            let bytes = stored.filter(|bytes| is_locked(bytes)).ok_or_else(|| offline(&wanted.policy, why))?;
            // What a file happens to be is not what its server said.
            let remark = wanted.locked.is_none().then(|| UNCHECKED.to_owned());
            return Ok((bytes, Found { digest: wanted.locked.clone(), remark, ..Found::default() }));
        }
        let bytes = self.registry.download(url, MAX_MODULE_BYTES).await?;
        let current = OciDigest::of(&bytes);
        if is_locked(&bytes) {
            let is_new = stored.as_ref() != Some(&bytes);
            return Ok((bytes, Found { digest: Some(current.clone()), current: Some(current), is_new, remark: None }));
        }
        // What the lock means is gone from the server; the store may still have it.
        let bytes = stored.filter(|bytes| is_locked(bytes)).ok_or_else(|| RegistryError {
            uri: shown(&wanted.policy),
            stage: Stage::Download,
            class: Class::WrongContent,
            message: format!("the lock says {}, and the server now has {current}", text(wanted.locked.as_ref())),
            help: Some("if the change is right, take it into the lock by `--update`".into()),
        })?;
        Ok((bytes, Found { digest: wanted.locked.clone(), current: Some(current), ..Found::default() }))
    }
}

/// What is known of bytes that were found.
#[derive(Debug, Default)]
struct Found {
    digest: Option<OciDigest>,
    current: Option<OciDigest>,
    /// Whether the store does not have them.
    is_new: bool,
    remark: Option<String>,
}

/// The URI of a policy, normalised: also its name in a lock.
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

/// What is told of a policy that nothing says anything about.
const UNCHECKED: &str = "--offline: taken from the store as it is; without a lock nobody can tell whether that is what the \
                         URI means";

// Why the store does not have a policy.
const ABSENT: &str = "it is not in the store";
const WITHOUT_MANIFEST: &str = "the store has a module of this name, but not the manifest to check it by";
const ANOTHER: &str = "the store has another module of this name";

fn offline(policy: &PolicyRef, why: &str) -> RegistryError {
    RegistryError {
        uri: shown(policy),
        stage: Stage::Download,
        class: Class::Offline,
        message: format!("{why}, and --offline forbids to fetch it"),
        help: Some("run once without --offline, or fetch it by `verify pull`".into()),
    }
}
