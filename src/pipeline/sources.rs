//! Step 2 of a run: the modules of its policies, fetched where they are not files and held against who must have signed them.

use super::trusted::Trusted;
use super::{Options, Progress};
use crate::error::Error;
use crate::resolve::{self, OfSuite, Resolved};
use policy_verify_model::outcome::Unavailable;
use policy_verify_model::suite::PolicySpec;
use policy_verify_registry::Registry;
use policy_verify_registry::signature::Verifier;

/// What is told of where a policy is from.
pub(super) struct Source {
    /// Digest of what was fetched; none for files.
    pub(super) digest: Option<String>,
    /// What is worth knowing, such as a tag that has moved.
    pub(super) remarks: Vec<String>,
}

impl Source {
    pub(super) fn of(resolved: &Result<Resolved, Unavailable>) -> Self {
        match resolved {
            Ok(it) => Self { digest: it.digest.as_ref().map(ToString::to_string), remarks: it.remarks.clone() },
            Err(_) => Self { digest: None, remarks: Vec::new() },
        }
    }
}

/// The modules of the `wanted` policies, in their order. `registry` is there where one of them is remote.
///
/// # Errors
///
/// A lock that cannot be read or written.
pub(super) fn resolve(
    wanted: &[(usize, usize)],
    specs: &[&PolicySpec],
    options: &Options,
    registry: Option<&Registry>,
    trusted: &Trusted,
    progress: &dyn Progress,
) -> Result<Vec<Result<Resolved, Unavailable>>, Error> {
    let of_suites: Vec<OfSuite<'_>> = wanted.iter().zip(specs).map(|((suite, _), spec)| (*suite, *spec)).collect();
    let registry = registry.filter(|_| specs.iter().any(|spec| resolve::is_remote(spec)));
    if registry.is_some() {
        progress.fetching();
    }
    let (fetching, is_whole) = (&options.fetching, options.selection.is_everything());
    let fetched = || progress.fetched();
    let resolved = resolve::policies(&of_suites, &options.suites, is_whole, fetching, registry, &fetched);
    let resolved = resolved.map_err(Error::sources)?;
    Ok(match registry {
        Some(registry) => {
            let verifier = Verifier::new(registry.clone(), trusted.root.clone());
            resolve::signed(&of_suites, resolved, trusted.for_all.as_ref(), fetching.is_offline, &verifier)
        }
        None => resolved,
    })
}
