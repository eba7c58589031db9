//! `verify server-config`: what makes a policy-server serve the policies of suites.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy_verify_model::hosting::ContextAware;
use policy_verify_model::outcome::Unavailable;
use policy_verify_model::policy::PolicyRef;
use policy_verify_model::suite::{CaseBody, PolicyIndex, PolicySpec, Step, Suite};
use policy_verify_suite::SnapshotUse;

use super::options::Options;
use super::{policy, suites};
use crate::error::Error;
use crate::prepare::{self, AnnotatedModule};
use crate::resolve::{self, OfSuite};
use crate::server::{self, Entry, NotServed, ServedModule, file_uri, plain_name};

/// The configuration of a policy-server.
#[derive(Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The text of `policies.yml`.
    pub policies: String,
    /// The modules it names that have to be written: those with metadata of a suite.
    pub modules: Vec<(PathBuf, Arc<[u8]>)>,
    /// Policies that no policy-server serves.
    pub remarks: Vec<String>,
}

/// Makes the configuration for all cases of the suites of `options`, whatever they select. `modules` is an absolute path
/// of the folder for modules that have to be written. Nothing is written.
///
/// # Errors
///
/// Mistakes in a suite, an unavailable policy, or a module that has to be written without a folder for it.
pub fn server_config(options: &Options, modules: Option<&Path>) -> Result<ServerConfig, Error> {
    let suites = suites::load_all(options, SnapshotUse::Written)?;
    let mut config = ServerConfig { policies: String::new(), modules: Vec::new(), remarks: Vec::new() };
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    let mut order = Vec::new();
    for (index, suite) in suites.iter().enumerate() {
        let read = read_modules((index, suite), options)?;
        let module = |policy: PolicyIndex| served_module(suite, policy, read.get(&policy), modules);
        let mut reported = BTreeSet::new();
        for step in steps(suite) {
            match server::entry(suite, step, &module) {
                Ok(entry) if entries.contains_key(&entry.id) => {}
                Ok(entry) => {
                    order.push(entry.id.clone());
                    entries.insert(entry.id.clone(), entry);
                }
                Err(reason) => {
                    if reported.insert(reason.to_string()) {
                        config.remarks.push(reason.to_string());
                    }
                }
            }
        }
        for (policy, module) in read.iter().filter(|(policy, _)| suite.policies[policy.0].metadata.is_some()) {
            config.modules.push((written_module(suite, *policy, module, modules)?, Arc::clone(&module.bytes)));
        }
    }
    config.modules.sort();
    config.modules.dedup();
    let ordered: Vec<Entry> = order.iter().filter_map(|id| entries.remove(id)).collect();
    config.policies = server::policies_yml(&ordered);
    Ok(config)
}

/// The steps of all cases with a request, in suite order.
fn steps(suite: &Suite) -> impl Iterator<Item = &Step> {
    suite.cases.iter().flat_map(|case| match &case.body {
        CaseBody::Request(request) => request.subject.steps.as_slice(),
        CaseBody::Settings(_) | CaseBody::Check { .. } | CaseBody::Relation(_) => &[],
    })
}

/// The modules that have to be read: files, and those of which the metadata counts.
fn read_modules(
    (index, suite): (usize, &Suite),
    options: &Options,
) -> Result<BTreeMap<PolicyIndex, AnnotatedModule>, Error> {
    let used: BTreeSet<PolicyIndex> = steps(suite).flat_map(|step| suite.policies_of(step)).collect();
    let needed: Vec<PolicyIndex> = used.into_iter().filter(|policy| is_read(&suite.policies[policy.0])).collect();
    let specs: Vec<OfSuite<'_>> = needed.iter().map(|policy| (index, &suite.policies[policy.0])).collect();
    let is_remote = specs.iter().any(|(_, spec)| resolve::is_remote(spec));
    let registry = is_remote.then(|| policy::registry(&options.network)).transpose()?;
    let resolved = resolve::policies(
        &specs,
        &options.suites,
        options.root.as_deref(),
        false,
        &options.fetching,
        registry.as_ref(),
        &|| (),
    );
    let resolved = resolved.map_err(Error::sources)?;
    let (mut read, mut problems): (_, Vec<Unavailable>) = (BTreeMap::new(), Vec::new());
    for ((policy, (_, spec)), resolved) in needed.into_iter().zip(&specs).zip(resolved) {
        match resolved.and_then(|resolved| prepare::module(spec, resolved.module)) {
            Ok(module) => drop(read.insert(policy, module)),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(read) } else { Err(Error::policy(problems, &policy::command_line())) }
}

fn is_read(spec: &PolicySpec) -> bool {
    !resolve::is_remote(spec) || spec.metadata.is_some() || spec.grants.context_aware == ContextAware::Declared
}

/// A policy as the server finds it; `read` is its module where it was read.
fn served_module(
    suite: &Suite,
    policy: PolicyIndex,
    read: Option<&AnnotatedModule>,
    modules: Option<&Path>,
) -> Result<ServedModule, NotServed> {
    let spec = &suite.policies[policy.0];
    let Some(module) = read else {
        return Ok(ServedModule { uri: spec.uri_text.clone(), identity: spec.uri_text.clone(), metadata: None });
    };
    let metadata = module.metadata.clone().ok_or_else(|| NotServed::NoMetadata(spec.name.clone()))?;
    let digest = module.digest.to_string();
    let (uri, identity) = match &spec.uri.value {
        _ if spec.metadata.is_some() => (file_uri(&module_path(spec, module, modules)), digest),
        PolicyRef::File(path) => (file_uri(path), digest),
        PolicyRef::Registry(_) | PolicyRef::Web(_) => (spec.uri_text.clone(), spec.uri_text.clone()),
    };
    Ok(ServedModule { uri, identity, metadata: Some(metadata) })
}

/// The path of an annotated module: its name and the beginning of its digest.
fn module_path(spec: &PolicySpec, module: &AnnotatedModule, modules: Option<&Path>) -> PathBuf {
    let digest = module.digest.to_string();
    let digits: String = digest.trim_start_matches("sha256:").chars().take(12).collect();
    modules.unwrap_or(Path::new("")).join(format!("{}-{digits}.wasm", plain_name(&spec.name)))
}

/// The path of a module that has to be written.
fn written_module(
    suite: &Suite,
    policy: PolicyIndex,
    module: &AnnotatedModule,
    modules: Option<&Path>,
) -> Result<PathBuf, Error> {
    let spec = &suite.policies[policy.0];
    if modules.is_none() {
        let message = format!("no folder for the module of `{}`, which has its metadata from the suite", spec.name);
        let help = "add `--output policies.yml`, or `--modules DIR`, for modules with their metadata";
        return Err(Error::usage(message, help.to_owned()));
    }
    Ok(module_path(spec, module, modules))
}
