//! Steps 2 and 3 of a run: its policies, resolved, checked for signatures, and prepared.

use std::sync::Arc;

use policy_verify_engine::engine::Engine;
use policy_verify_host::HostBackend;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::gate::Goal;
use policy_verify_model::outcome::Unavailable;
use policy_verify_model::release::Release;
use policy_verify_model::suite::{PolicySpec, Suite, SuiteIndex};
use policy_verify_registry::Registry;
use policy_verify_registry::signature::Verifier;

use super::options::{Options, Progress};
use super::services::Services;
use crate::error::Error;
use crate::evaluate::{CallTime, Policies, View};
use crate::prepare::{self, PreparedPolicy};
use crate::resolve::{self, OfSuite, Resolved};
use crate::select::PolicyKey;

/// One policy of a run.
pub(super) struct PolicyRecord {
    /// Which policy it is.
    pub(super) key: PolicyKey,
    /// Where its module comes from.
    pub(super) source: Source,
    /// The policy, ready to be evaluated, or why it is unavailable.
    pub(super) prepared: Result<PreparedPolicy, Arc<Unavailable>>,
}

/// Where a module comes from.
pub(super) struct Source {
    /// Digest of what was fetched; `None` for files.
    pub(super) digest: Option<String>,
    /// Notes for the report, such as a tag that has moved.
    pub(super) remarks: Vec<String>,
    /// The module before metadata was attached to it, in a run that measures coverage.
    pub(super) built: Option<Arc<[u8]>>,
}

/// Resolves and prepares the policies with these keys, in their order.
///
/// # Errors
///
/// A lock that cannot be read or written. Whatever is wrong with a policy is in its record.
pub(super) fn prepare(
    keys: &[PolicyKey],
    suites: &[Suite],
    engine: &Engine,
    services: &Services,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Vec<PolicyRecord>, Error> {
    let specs: Vec<&PolicySpec> = keys.iter().map(|key| key.spec(suites)).collect();
    let resolved = resolve(keys, &specs, services, options, progress)?;
    let (mut sources, modules): (Vec<Source>, Vec<_>) = resolved.into_iter().map(split).unzip();
    if measures_coverage(suites, options) {
        let modules: &Vec<Result<Arc<[u8]>, Unavailable>> = &modules;
        sources
            .iter_mut()
            .zip(modules)
            .for_each(|(source, module)| source.built = module.as_ref().ok().map(Arc::clone));
    }
    let releases = keys.iter().map(|key| suites[key.suite.0].kubewarden.release);
    let released: Vec<(&PolicySpec, Release)> = specs.into_iter().zip(releases).collect();
    let compiling = |name: &str, is_begun: bool| match is_begun {
        true => progress.compiling(name),
        false => progress.compiled(name),
    };
    let prepared = prepare::policies(&released, modules, engine, &compiling);
    progress.prepared();
    let records = keys.iter().zip(sources).zip(prepared);
    Ok(records.map(|((key, source), prepared)| PolicyRecord { key: *key, source, prepared }).collect())
}

/// Whether a run measures which code is executed: it was asked to, or a suite has a gate about it.
pub(super) fn measures_coverage(suites: &[Suite], options: &Options) -> bool {
    let has_gate = |suite: &Suite| suite.has_gate(|goal| matches!(goal, Goal::Coverage(_)));
    options.measures_coverage || suites.iter().any(has_gate)
}

fn split(resolved: Result<Resolved, Unavailable>) -> (Source, Result<Arc<[u8]>, Unavailable>) {
    match resolved {
        Ok(Resolved { module, digest, remarks }) => {
            (Source { digest: digest.as_ref().map(ToString::to_string), remarks, built: None }, Ok(module))
        }
        Err(unavailable) => (Source { digest: None, remarks: Vec::new(), built: None }, Err(unavailable)),
    }
}

/// The modules of the policies: fetched where they are not files, and checked for the required signatures.
fn resolve(
    keys: &[PolicyKey],
    specs: &[&PolicySpec],
    services: &Services,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Vec<Result<Resolved, Unavailable>>, Error> {
    let of_suites: Vec<OfSuite<'_>> = keys.iter().zip(specs).map(|(key, spec)| (key.suite.0, *spec)).collect();
    let registry: Option<&Registry> =
        services.registry.as_ref().filter(|_| specs.iter().any(|spec| resolve::is_remote(spec)));
    if registry.is_some() {
        progress.fetching();
    }
    let (fetching, is_whole) = (&options.fetching, options.selection.is_everything());
    let fetched = || progress.fetched();
    let resolved =
        resolve::policies(&of_suites, &options.suites, options.root.as_deref(), is_whole, fetching, registry, &fetched);
    let resolved = resolved.map_err(Error::sources)?;
    let Some(registry) = registry else { return Ok(resolved) };
    let verifier = Verifier::new(registry.clone(), services.trust.root.clone());
    Ok(resolve::signed(&of_suites, resolved, services.trust.for_all.as_ref(), fetching.is_offline, &verifier))
}

/// The warnings about modules that policy-server would not serve, one for each policy.
pub(super) fn warnings(suites: &[Suite], records: &[PolicyRecord]) -> Vec<Diagnostic> {
    let warning = |record: &PolicyRecord| {
        let PolicyKey { suite, policy } = record.key;
        let metadata = record.prepared.as_ref().ok()?.metadata.as_ref();
        prepare::served::warning(record.key.spec(suites), metadata, suites[suite.0].is_scoped(policy))
    };
    records.iter().filter_map(warning).collect()
}

/// The policies of every suite, as its cases are evaluated with them. Settings that a policy has accepted may be remembered.
pub(super) fn by_suite<'a>(
    suites: &'a [Suite],
    records: &'a [PolicyRecord],
    backend: &HostBackend,
    remembers_settings: bool,
) -> Vec<Policies<'a>> {
    let of_suite = |(index, suite): (usize, &'a Suite)| {
        let mut prepared = vec![None; suite.policies.len()];
        for record in records.iter().filter(|record| record.key.suite == SuiteIndex(index)) {
            prepared[record.key.policy.0] = Some(&record.prepared);
        }
        let accepted = remembers_settings.then(Arc::default);
        let (backend, view, call_time) = (backend.clone(), View::default(), CallTime::default());
        Policies { suite, prepared, accepted, backend, view, call_time }
    };
    suites.iter().enumerate().map(of_suite).collect()
}
