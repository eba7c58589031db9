//! Step 2: where a policy is becomes the bytes it is made of.
//!
//! Files are read where they lie. What is in registries and on web servers is fetched side by side, each once however many
//! suites name it, and held against the lock of the suite. Nothing is looked at but the first bytes. A policy that cannot be
//! had does not end the run.

mod local;
mod lock;
mod module;
mod remote;
mod signed;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::lock::Lock;
pub(crate) use self::remote::StoreUse;
use self::remote::{Fetched, Fetcher, Missed, Wanted};
pub(crate) use self::signed::signed;
use policy_verify_model::outcome::{Unavailable, UnavailableStage};
use policy_verify_model::policy::PolicyRef;
use policy_verify_model::source::Span;
use policy_verify_model::suite::PolicySpec;
use policy_verify_registry::Registry;
use policy_verify_registry::digest::OciDigest;
use policy_verify_registry::network;
use policy_verify_registry::store::Store;

/// How policies are fetched.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Fetching {
    /// Whether nothing may be asked: policies come from the store, or not at all.
    pub is_offline: bool,
    /// What the locks of suites are for.
    pub lock: LockUse,
    /// Whether new policies are added to a lock there is. Not in CI: what is written there is lost.
    pub adds_to_lock: bool,
}

/// What the locks of suites are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LockUse {
    /// Locked policies are what the lock says; others are looked up.
    #[default]
    Usual,
    /// Everything has to be locked, and to be what it was.
    Required,
    /// Everything is looked up, and the lock written anew.
    Updated,
}

/// A policy's module, and what is known of where it is from.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    /// The module.
    pub(crate) module: Arc<[u8]>,
    /// The digest of the manifest of a policy from a registry, of the module itself from a web server; none for files.
    pub(crate) digest: Option<OciDigest>,
    /// What is worth knowing without being in the way, such as a tag that has moved.
    pub(crate) remarks: Vec<String>,
}

/// A policy of a suite, and which suite: an index into the paths of the suites.
pub(crate) type OfSuite<'a> = (usize, &'a PolicySpec);

/// Whether a policy has to be fetched.
pub(crate) fn is_remote(spec: &PolicySpec) -> bool {
    !matches!(spec.uri.value, PolicyRef::File(_))
}

/// The modules of policies, in their order. `is_whole` says that no policy of the suites was left out. `registry` is needed
/// where one of them is remote. `fetched` is told whenever one of them is there.
///
/// # Errors
///
/// A lock that cannot be read or written.
pub(crate) fn policies(
    specs: &[OfSuite<'_>],
    suites: &[PathBuf],
    is_whole: bool,
    fetching: &Fetching,
    registry: Option<&Registry>,
    fetched: &(dyn Fn() + Sync),
) -> Result<Vec<Result<Resolved, Unavailable>>, String> {
    let locks = Locks::read(specs, suites, fetching.lock)?;
    let wanted: BTreeSet<Wanted> = specs.iter().filter_map(|spec| locks.wanted(spec, fetching.lock)).collect();
    let wanted: Vec<Wanted> = wanted.into_iter().collect();
    let results = match registry {
        Some(registry) if !wanted.is_empty() => {
            let store_use = if fetching.is_offline { StoreUse::Only } else { StoreUse::Kept };
            let fetcher = Fetcher { registry: registry.clone(), store: Store::usual(), store_use };
            network::wait(fetcher.fetch_all(&wanted, fetched))
        }
        _ => Vec::new(),
    };
    let results: BTreeMap<&Wanted, &Result<Fetched, Missed>> = wanted.iter().zip(&results).collect();
    let resolved: Vec<Result<Resolved, Unavailable>> = specs
        .iter()
        .map(|(suite, spec)| match &spec.uri.value {
            PolicyRef::File(path) => local::read(path, &spec.uri_text, &spec.uri.span).map(|module| Resolved {
                module,
                digest: None,
                remarks: Vec::new(),
            }),
            _ => {
                let result =
                    locks.wanted(&(*suite, spec), fetching.lock).and_then(|wanted| results.get(&wanted).copied());
                locks.judged(*suite, spec, result, fetching).map_err(|(message, help)| Unavailable {
                    stage: UnavailableStage::Fetch,
                    message,
                    help,
                    span: Some(spec.uri.span.clone()),
                })
            }
        })
        .collect();
    locks.write(specs, &resolved, is_whole, fetching)?;
    Ok(resolved)
}

/// A single policy that is no file, whatever a lock says of it.
pub(crate) fn single(
    policy: &PolicyRef,
    registry: &Registry,
    store_use: StoreUse,
) -> Result<Resolved, (String, Option<String>)> {
    let store = Store::usual();
    if store.is_none() && store_use == StoreUse::Kept {
        let help = "say by -o where to write it";
        return Err(("there is no home folder for the store".into(), Some(help.into())));
    }
    let fetcher = Fetcher { registry: registry.clone(), store, store_use };
    let fetched = network::wait(fetcher.fetch(&Wanted { policy: policy.clone(), locked: None }))?;
    match fetched.unkept {
        Some(message) => Err((message, None)),
        None => {
            let remarks = fetched.remark.into_iter().collect();
            Ok(Resolved { module: fetched.module, digest: fetched.digest, remarks })
        }
    }
}

/// Takes bytes from elsewhere for a module if they begin like one. `shown` is where they are from.
pub(crate) fn checked(bytes: Vec<u8>, shown: &str) -> Result<Arc<[u8]>, (String, Option<String>)> {
    module::checked(bytes, shown)
}

/// The module in a file that the command line names. `shown` is its path as it was typed, `place` stands for the place.
pub(crate) fn file(path: &Path, shown: &str, place: &Span) -> Result<Arc<[u8]>, Unavailable> {
    local::read(path, shown, place)
}

/// The locks of the suites that have remote policies.
struct Locks<'a> {
    suites: &'a [PathBuf],
    /// By suite: the path, and the lock if there is a file.
    by_suite: BTreeMap<usize, (PathBuf, Option<Lock>)>,
}

impl<'a> Locks<'a> {
    fn read(specs: &[OfSuite<'_>], suites: &'a [PathBuf], usage: LockUse) -> Result<Self, String> {
        let mut by_suite = BTreeMap::new();
        for (suite, _) in specs.iter().filter(|(_, spec)| is_remote(spec)) {
            if !by_suite.contains_key(suite) {
                let path = lock::path_of(suites.get(*suite).map_or(Path::new("suite.yml"), PathBuf::as_path));
                let lock = match Lock::read(&path) {
                    // What is to be written anew may be broken.
                    Err(_) if usage == LockUse::Updated => None,
                    read => read?,
                };
                by_suite.insert(*suite, (path, lock));
            }
        }
        Ok(Self { suites, by_suite })
    }

    /// What a lock says about a policy.
    fn entry(&self, suite: usize, spec: &PolicySpec) -> Option<&OciDigest> {
        self.by_suite.get(&suite)?.1.as_ref()?.digest(&remote::shown(&spec.uri.value))
    }

    /// The lock as messages name it.
    fn shown(&self, suite: usize) -> String {
        let name = self.by_suite.get(&suite).and_then(|(path, _)| path.file_name());
        name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The command that writes the lock of a suite.
    fn update(&self, suite: usize) -> String {
        match self.suites.get(suite) {
            Some(path) => format!("`verify {} --update`", path.display()),
            None => "`verify --update`".into(),
        }
    }

    /// What to fetch for a policy; nothing for files and for what has to be locked and is not.
    fn wanted(&self, (suite, spec): &OfSuite<'_>, usage: LockUse) -> Option<Wanted> {
        if !is_remote(spec) {
            return None;
        }
        let entry = self.entry(*suite, spec).filter(|_| !is_pinned(&spec.uri.value)).cloned();
        match usage {
            LockUse::Required if entry.is_none() && !is_pinned(&spec.uri.value) => None,
            LockUse::Updated => Some(Wanted { policy: spec.uri.value.clone(), locked: None }),
            _ => Some(Wanted { policy: spec.uri.value.clone(), locked: entry }),
        }
    }

    /// Holds what was fetched against the lock.
    fn judged(
        &self,
        suite: usize,
        spec: &PolicySpec,
        result: Option<&Result<Fetched, Missed>>,
        fetching: &Fetching,
    ) -> Result<Resolved, Missed> {
        let (uri, lock) = (remote::shown(&spec.uri.value), self.shown(suite));
        let Some(result) = result else {
            let help = format!("run {}, and commit the lock", self.update(suite));
            return Err((format!("`{uri}` has no entry in `{lock}`, and --locked wants one"), Some(help)));
        };
        let fetched = result.as_ref().map_err(Clone::clone)?;
        let mut remarks: Vec<String> = fetched.remark.iter().chain(&fetched.unkept).cloned().collect();
        let entry = self.entry(suite, spec).filter(|_| !is_pinned(&spec.uri.value));
        match (entry, &fetched.current) {
            (Some(entry), Some(current)) if entry != current => {
                let moved = format!("`{uri}` has moved: `{lock}` says {entry}, and it is {current} now");
                match fetching.lock {
                    LockUse::Required => {
                        let help = format!("if the move is right, run {}, and commit the lock", self.update(suite));
                        return Err((moved, Some(help)));
                    }
                    LockUse::Usual => remarks.push(format!("{moved}; what the lock says was run")),
                    LockUse::Updated => remarks.push(format!("{moved}; the lock was updated")),
                }
            }
            (None, Some(_)) if self.has_lock(suite) && !is_pinned(&spec.uri.value) && !fetching.adds_to_lock => {
                remarks.push(format!("`{uri}` has no entry in `{lock}`: run {}, and commit it", self.update(suite)));
            }
            _ => {}
        }
        Ok(Resolved { module: Arc::clone(&fetched.module), digest: fetched.digest.clone(), remarks })
    }

    fn has_lock(&self, suite: usize) -> bool {
        self.by_suite.get(&suite).is_some_and(|(_, lock)| lock.is_some())
    }

    /// Writes the locks that have changed: with `--update` all of them, else those that are there and lack an entry.
    fn write(
        &self,
        specs: &[OfSuite<'_>],
        resolved: &[Result<Resolved, Unavailable>],
        is_whole: bool,
        fetching: &Fetching,
    ) -> Result<(), String> {
        let is_updated = fetching.lock == LockUse::Updated;
        let may_add = fetching.lock == LockUse::Usual && fetching.adds_to_lock && !fetching.is_offline;
        if !is_updated && !may_add {
            return Ok(());
        }
        for (suite, (path, lock)) in self.by_suite.iter().filter(|(_, (_, lock))| is_updated || lock.is_some()) {
            let before = lock.clone().unwrap_or_default();
            let mut after = before.clone();
            let of_suite = specs.iter().zip(resolved).filter(|((owner, _), _)| owner == suite);
            let of_suite: Vec<_> = of_suite.filter(|((_, spec), _)| is_remote(spec)).collect();
            if is_updated && is_whole {
                let uris: BTreeSet<String> =
                    of_suite.iter().map(|((_, spec), _)| remote::shown(&spec.uri.value)).collect();
                after.retain(|uri| uris.contains(uri));
            }
            for ((_, spec), resolved) in of_suite {
                let uri = remote::shown(&spec.uri.value);
                let digest = resolved.as_ref().ok().and_then(|resolved| resolved.digest.clone());
                let is_missing = after.digest(&uri).is_none();
                if let Some(digest) = digest.filter(|_| !is_pinned(&spec.uri.value) && (is_updated || is_missing)) {
                    after.set(&uri, digest);
                }
            }
            if after != before || (is_updated && lock.is_none()) {
                after.write(path)?;
            }
        }
        Ok(())
    }
}

/// Whether a URI says by itself which bytes it means.
fn is_pinned(policy: &PolicyRef) -> bool {
    matches!(policy, PolicyRef::Registry(name) if name.contains('@'))
}
