//! The locks of all suites of a run: which digests they require, and their update.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::outcome::Unavailable;
use policy_verify_model::policy::PolicyRef;
use policy_verify_model::suite::PolicySpec;
use policy_verify_registry::digest::OciDigest;

use super::lock::{self, Lock};
use super::options::{Fetching, LockUse};
use super::policy::{OfSuite, Resolved, is_remote};
use super::remote::{self, FetchRequest, Fetched};

/// The locks of the suites that have remote policies.
pub(super) struct Locks<'a> {
    suites: &'a [PathBuf],
    /// By suite: the path, and the lock if there is a file.
    by_suite: BTreeMap<usize, (PathBuf, Option<Lock>)>,
}

impl<'a> Locks<'a> {
    pub(super) fn read(
        specs: &[OfSuite<'_>],
        suites: &'a [PathBuf],
        root: Option<&Path>,
        usage: LockUse,
    ) -> Result<Self, Diagnostic> {
        let mut by_suite = BTreeMap::new();
        for (suite, _) in specs.iter().filter(|(_, spec)| is_remote(spec)) {
            if !by_suite.contains_key(suite) {
                let suite_path = suites.get(*suite).map_or(Path::new("suite.yml"), PathBuf::as_path);
                let Some(path) = lock::path_of(suite_path) else { continue };
                let lock = match Lock::read(&path, root) {
                    // An invalid lock is rewritten.
                    Err(_) if usage == LockUse::Updated => None,
                    read => read?,
                };
                by_suite.insert(*suite, (path, lock));
            }
        }
        Ok(Self { suites, by_suite })
    }

    /// The locked digest of a policy.
    fn entry(&self, suite: usize, spec: &PolicySpec) -> Option<&OciDigest> {
        self.by_suite.get(&suite)?.1.as_ref()?.digest(&remote::shown(&spec.uri.value))
    }

    /// The file name of the lock, for messages.
    fn shown(&self, suite: usize) -> String {
        let name = self.by_suite.get(&suite).and_then(|(path, _)| path.file_name());
        name.map_or_else(|| "a lock".to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// The command that updates the lock of a suite.
    fn update(&self, suite: usize) -> String {
        match self.suites.get(suite) {
            Some(path) => format!("`verify {} --update`", path.display()),
            None => "`verify --update`".into(),
        }
    }

    /// What to fetch for a policy; `None` for files, and for policies that must be locked and are not.
    pub(super) fn fetch_request(&self, (suite, spec): &OfSuite<'_>, usage: LockUse) -> Option<FetchRequest> {
        if !is_remote(spec) {
            return None;
        }
        let entry = self.entry(*suite, spec).filter(|_| !is_pinned(&spec.uri.value)).cloned();
        match usage {
            LockUse::Required if entry.is_none() && !is_pinned(&spec.uri.value) => None,
            LockUse::Updated => Some(FetchRequest { policy: spec.uri.value.clone(), locked: None }),
            _ => Some(FetchRequest { policy: spec.uri.value.clone(), locked: entry }),
        }
    }

    /// Compares a fetched policy with the lock.
    pub(super) fn check(
        &self,
        suite: usize,
        spec: &PolicySpec,
        result: Option<&Result<Fetched, Diagnostic>>,
        fetching: &Fetching,
    ) -> Result<Resolved, Diagnostic> {
        let (uri, lock) = (remote::shown(&spec.uri.value), self.shown(suite));
        let Some(result) = result else {
            let help = format!("run {}, and commit the lock", self.update(suite));
            let message = format!("`{uri}` is not in `{lock}`, which --locked requires");
            return Err(Diagnostic::new(Code::Fetch, message).with_help(help));
        };
        let fetched = result.as_ref().map_err(Clone::clone)?;
        let mut remarks: Vec<String> = fetched.remark.iter().chain(&fetched.store_error).cloned().collect();
        let entry = self.entry(suite, spec).filter(|_| !is_pinned(&spec.uri.value));
        match (entry, &fetched.current) {
            (Some(entry), Some(current)) if entry != current => {
                let moved = format!("`{lock}` is outdated: `{uri}` has moved from {entry} to {current}");
                match fetching.lock {
                    LockUse::Required => {
                        let help = format!("to accept the new digest, run {}, and commit the lock", self.update(suite));
                        return Err(Diagnostic::new(Code::Fetch, moved).with_help(help));
                    }
                    LockUse::Usual => remarks.push(format!("{moved}; the locked one was run")),
                    LockUse::Updated => remarks.push(format!("{moved}; the lock was updated")),
                }
            }
            (None, Some(_)) if self.has_lock(suite) && !is_pinned(&spec.uri.value) && !fetching.adds_to_lock => {
                remarks.push(format!("`{uri}` is not in `{lock}`: run {}, and commit it", self.update(suite)));
            }
            _ => {}
        }
        Ok(Resolved { module: Arc::clone(&fetched.module), digest: fetched.digest.clone(), remarks })
    }

    fn has_lock(&self, suite: usize) -> bool {
        self.by_suite.get(&suite).is_some_and(|(_, lock)| lock.is_some())
    }

    /// Writes the locks that have changed: with `--update` all of them, else existing ones with a new entry.
    pub(super) fn write(
        &self,
        specs: &[OfSuite<'_>],
        resolved: &[Result<Resolved, Unavailable>],
        is_whole: bool,
        fetching: &Fetching,
    ) -> Result<(), Diagnostic> {
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

/// Whether a URI has a digest.
fn is_pinned(policy: &PolicyRef) -> bool {
    matches!(policy, PolicyRef::Registry(name) if name.contains('@'))
}
