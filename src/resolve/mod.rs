//! Step 2: policies are resolved to their modules.
//!
//! Files are read in place. Policies in registries and on web servers are fetched concurrently, each once however many suites
//! use it, and compared with the lock of the suite. Only the first bytes of a module are checked. A policy that is
//! unavailable does not end the run.

mod local;
mod lock;
mod locks;
mod module;
mod options;
mod policy;
mod remote;
mod room;
mod signed;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use self::lock::path_of as lock_of;
use self::locks::Locks;
pub(crate) use self::module::{checked, unavailable};
pub use self::options::{Fetching, LockUse};
pub(crate) use self::policy::{OfSuite, Resolved, is_remote};
pub(crate) use self::remote::StoreUse;
use self::remote::{FetchRequest, Fetched, Fetcher};
use self::room::{Full, Room};
pub(crate) use self::signed::signed;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::outcome::{Unavailable, UnavailableStage};
use policy_verify_model::policy::PolicyRef;
use policy_verify_model::source::Span;
use policy_verify_registry::Registry;
use policy_verify_registry::network;
use policy_verify_registry::store::Store;

/// The modules of policies, in their order. `root` is that of the command line; `is_whole` says that the selection includes
/// all policies of the suites. `registry` is needed if one of them is remote. `fetched` is called whenever one of them is
/// complete.
///
/// # Errors
///
/// A lock cannot be read, is invalid, or cannot be written.
pub(crate) fn policies(
    specs: &[OfSuite<'_>],
    suites: &[PathBuf],
    root: Option<&Path>,
    is_whole: bool,
    fetching: &Fetching,
    registry: Option<&Registry>,
    fetched: &(dyn Fn() + Sync),
) -> Result<Vec<Result<Resolved, Unavailable>>, Diagnostic> {
    let locks = Locks::read(specs, suites, root, fetching.lock)?;
    let requests: BTreeSet<FetchRequest> =
        specs.iter().filter_map(|spec| locks.fetch_request(spec, fetching.lock)).collect();
    let requests: Vec<FetchRequest> = requests.into_iter().collect();
    let room = Room::default();
    let results = match registry {
        Some(registry) if !requests.is_empty() => {
            let store_use = if fetching.is_offline { StoreUse::Only } else { StoreUse::ReadWrite };
            let fetcher = Fetcher::new(registry, Store::of_user(), store_use, &room);
            network::wait(fetcher.fetch_all(&requests, fetched))
        }
        _ => Vec::new(),
    };
    let results: BTreeMap<&FetchRequest, &Result<Fetched, Diagnostic>> = requests.iter().zip(&results).collect();
    // A file that many policies name is in memory once.
    let mut files: BTreeMap<&Path, Arc<[u8]>> = BTreeMap::new();
    let resolved: Vec<Result<Resolved, Unavailable>> = specs
        .iter()
        .map(|(suite, spec)| match &spec.uri.value {
            PolicyRef::File(path) => {
                let module = match files.get(path.as_path()) {
                    Some(module) => Ok(Arc::clone(module)),
                    None => local::read(path, &spec.uri_text, &spec.uri.span).and_then(|module| {
                        let taken = room.take(module.len() as u64);
                        taken.map(|()| module).map_err(|full| no_room(full, &spec.uri.span))
                    }),
                };
                module.map(|module| {
                    files.insert(path, Arc::clone(&module));
                    Resolved { module, digest: None, remarks: Vec::new() }
                })
            }
            _ => {
                let request = locks.fetch_request(&(*suite, spec), fetching.lock);
                let result = request.and_then(|request| results.get(&request).copied());
                let checked = locks.check(*suite, spec, result, fetching);
                checked.map_err(|error| unavailable(UnavailableStage::Fetch, error, &spec.uri.span))
            }
        })
        .collect();
    locks.write(specs, &resolved, is_whole, fetching)?;
    Ok(resolved)
}

/// The reason why a file is not among the modules.
fn no_room(full: Full, span: &Span) -> Unavailable {
    let diagnostic = Diagnostic::new(Code::Fetch, full.to_string()).with_help(Full::HELP.to_owned());
    unavailable(UnavailableStage::Fetch, diagnostic, span)
}

/// A single policy from a registry or a web server, without a lock.
pub(crate) fn single(policy: &PolicyRef, registry: &Registry, store_use: StoreUse) -> Result<Resolved, Diagnostic> {
    let store = Store::of_user();
    if store.is_none() && store_use == StoreUse::ReadWrite {
        return Err(Diagnostic::new(Code::Fetch, "no home folder for the store")
            .with_help("write the policy to a file with `-o FILE`".to_owned()));
    }
    let fetcher = Fetcher::new(registry, store, store_use, &Room::default());
    let fetched = network::wait(fetcher.fetch(&FetchRequest { policy: policy.clone(), locked: None }))?;
    match fetched.store_error {
        Some(message) => Err(Diagnostic::new(Code::Fetch, message)),
        None => {
            let remarks = fetched.remark.into_iter().collect();
            Ok(Resolved { module: fetched.module, digest: fetched.digest, remarks })
        }
    }
}

/// The module in a file that the command line names. `shown` is its path as typed, `place` stands for the command line.
pub(crate) fn file(path: &Path, shown: &str, place: &Span) -> Result<Arc<[u8]>, Unavailable> {
    local::read(path, shown, place)
}
