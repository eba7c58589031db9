//! The steps in order: read it first. Only this folder knows more than one step.

pub(crate) mod annotate;
mod case;
mod course;
pub(crate) mod inspect;
mod interrupt;
mod options;
mod order;
pub(crate) mod policy;
mod publish;
pub(crate) mod pull;
pub(crate) mod push;
mod recording;
mod redirect;
mod sources;
mod suites;
mod summary;
mod trusted;

use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;

use self::course::Course;
pub use self::interrupt::Interrupt;
pub use self::options::{Options, Progress, usual_code_cache};
pub use self::recording::Recording;
use self::sources::Source;
pub use self::suites::{ListedCase, list};
use self::trusted::Trusted;
use crate::error::Error;
use crate::evaluate::Policies;
use crate::live::LiveServices;
use crate::{prepare, resolve, select};
use policy_verify_engine::engine::{Engine, Limits};
use policy_verify_host::live::LiveHost;
use policy_verify_host::{HostBackend, record};
use policy_verify_model::outcome::{CaseReport, PolicyReport, RunReport, SuiteSummary};
use policy_verify_model::source::Span;
use policy_verify_model::suite::PolicySpec;
use policy_verify_registry::Registry;
use policy_verify_registry::signature::TrustRoot;

/// Runs the suites: loads, resolves, prepares, evaluates and compares. The report is complete; writing it down is up to
/// the caller.
///
/// # Errors
///
/// When nothing could be run: mistakes in a suite, nothing selected, no engine. Whatever goes wrong with a policy or a
/// case is in the report.
pub fn verify(options: &Options, progress: &dyn Progress) -> Result<RunReport, Error> {
    let started_at = jiff::Timestamp::now();
    let start = Instant::now();
    let mut suites = suites::load_all(options)?;
    if options.publish.is_some() {
        redirect::apply(&mut suites, &options.redirection)?;
        publish::check(&suites, &options.selection)?;
    }
    let selected = suites::select(&suites, options)?;
    let trusted = Trusted::read(&options.signatures)?;
    let summaries: Vec<SuiteSummary> =
        suites.iter().zip(&options.suites).map(|(suite, path)| summary::summary(suite, path)).collect();
    progress.loaded(&summaries);
    progress.started(selected.cases.len());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.jobs.unwrap_or(0)).build();
    let pool = pool.map_err(|error| Error::engine(&error))?;
    let engine = engine(options, progress)?;
    let wanted = &selected.policies;
    let specs: Vec<&PolicySpec> = wanted.iter().map(|(suite, policy)| &suites[*suite].policies[*policy]).collect();
    // One door for everybody, opened only where something is behind it.
    let is_remote = specs.iter().any(|spec| resolve::is_remote(spec));
    let has_door = is_remote || options.is_live || options.publish.is_some();
    let registry = has_door.then(|| policy::registry(&options.network)).transpose()?;
    let backend = host_backend(options, registry.as_ref(), &trusted.root);
    pool.install(|| {
        let resolved = sources::resolve(wanted, &specs, options, registry.as_ref(), &trusted, progress)?;
        let sources: Vec<Source> = resolved.iter().map(Source::of).collect();
        let modules = resolved.into_iter().map(|resolved| resolved.map(|resolved| resolved.module)).collect();
        let prepared = prepare::policies(&specs, modules, &engine);
        progress.prepared();
        let names = options.is_recorded.then(|| recording::names(&suites));
        let of_suite = |suite| Policies { suite, prepared: vec![None; suite.policies.len()], backend: backend.clone() };
        let mut policies: Vec<Policies<'_>> = suites.iter().map(of_suite).collect();
        for (&(suite, policy), prepared) in wanted.iter().zip(&prepared) {
            policies[suite].prepared[policy] = Some(prepared);
        }
        let positions = order::positions(&suites);
        let course = Course::new(options);
        let cases = order::shuffled(&selected.cases, options.seed).into_par_iter().map(|(suite, case)| {
            let (mut report, recorded) = course.run(suite, case, &policies[suite]);
            report.position = positions.of(case);
            if let Some((names, recorded)) = names.as_ref().zip(recorded) {
                progress.recorded(&Recording {
                    suite,
                    case: case.id.clone(),
                    name: names[&case.id].clone(),
                    text: record::session(&recorded),
                });
            }
            progress.case_finished(&report);
            report
        });
        let mut cases: Vec<CaseReport> = cases.collect();
        // Whatever the order in which they ran, from here on cases stand as they were selected.
        cases.sort_by_key(|case| (case.suite, case.position));
        let publications = match options.publish.zip(registry.as_ref()) {
            Some((mode, registry)) if !options.interrupt.is_stopped() => {
                progress.publishing();
                publish::publish(registry, mode, &policies, &selected.cases, &cases, progress)
            }
            _ => Vec::new(),
        };
        let policies = wanted.iter().zip(&prepared).zip(sources).map(|((&(suite, policy), prepared), source)| {
            summary::policy_report(suite, policy, &suites[suite], prepared, source)
        });
        let policies: Vec<PolicyReport> = policies.collect();
        let used = select::used_policies(&suites, &selected.cases);
        let idle = wanted.iter().zip(&policies).filter(|(policy, _)| !used.contains(policy));
        for mut report in idle.filter_map(|(_, policy)| summary::idle_policy(&suites, policy)) {
            report.position = positions.before(report.suite, &report.span);
            progress.case_finished(&report);
            cases.push(report);
        }
        cases.sort_by_key(|case| (case.suite, case.position));
        let (shard, seed) = (selected.shard, options.seed);
        Ok(RunReport {
            suites: summaries,
            policies,
            cases,
            publications,
            started_at,
            duration: start.elapsed(),
            shard,
            seed,
        })
    })
}

/// The engine of the run, with the code that earlier ones compiled.
fn engine(options: &Options, progress: &dyn Progress) -> Result<Engine, Error> {
    let limits = Limits::default();
    let limits = Limits { memory: options.memory.unwrap_or(limits.memory), ..limits };
    let engine = Engine::until(limits, options.interrupt.flag());
    let mut engine = engine.map_err(|error| Error::engine(&error))?;
    if let Some(folder) = &options.code_cache
        && let Err(error) = engine.keep_code(folder)
    {
        progress.remarked(&format!("compiled code is not kept: `{}`: {error}", folder.display()));
    }
    Ok(engine)
}

/// Who answers host calls beside the suites, and whether that is recorded.
fn host_backend(options: &Options, registry: Option<&Registry>, trust_root: &TrustRoot) -> HostBackend {
    let registry = registry.filter(|_| options.is_live);
    let live = registry
        .map(|registry| -> Arc<dyn LiveHost> { Arc::new(LiveServices::new(registry.clone(), trust_root.clone())) });
    HostBackend { live, is_recorded: options.is_recorded }
}

/// The place of what was typed: nothing can be quoted there.
fn command_line() -> Span {
    Span::unquoted("")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use policy_verify_model::outcome::Outcome;

    const TESTDATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata");

    fn run(suite: PathBuf) -> RunReport {
        verify(&Options { suites: vec![suite], ..Options::default() }, &()).unwrap()
    }

    #[test]
    fn the_suite_of_both_rego_modes_passes() {
        let report = run([TESTDATA, "suites/rego/suite.yml"].iter().collect());
        assert_eq!(report.cases.len(), 8);
        for case in &report.cases {
            assert!(!case.outcome.is_bad(), "{:?}", case.outcome);
        }
    }

    #[test]
    fn a_context_aware_policy_is_served_by_manifests() {
        let report = run([TESTDATA, "suites/context-aware/suite.yml"].iter().collect());
        let bad: Vec<_> = report.cases.iter().filter(|case| case.outcome.is_bad()).collect();
        assert!(bad.is_empty(), "{bad:#?}");
        assert_eq!(report.cases.len(), 42);
        let calls: Vec<(&str, &str)> = report.cases[0]
            .calls
            .iter()
            .map(|call| (call.capability.as_str(), serde_json::to_value(call.answered_by).unwrap()))
            .map(|(capability, by)| (capability, if by == "cluster" { "cluster" } else { "somebody else" }))
            .collect();
        assert_eq!(calls, [("kubernetes/list_resources_all", "cluster")]);
    }

    /// Cases that go wrong in the ways the suite above goes right.
    #[test]
    fn what_a_context_aware_case_lacks_is_said() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["policy.wasm", "metadata.yml"] {
            std::fs::copy(format!("{TESTDATA}/policies/unique-host/{file}"), folder.path().join(file)).unwrap();
        }
        let suite = folder.path().join("suite.yml");
        std::fs::write(
            &suite,
            "version: 1\n\
             policies:\n\
             \x20 granted: { uri: policy.wasm, metadata: metadata.yml, contextAware: true }\n\
             \x20 plain: { uri: policy.wasm, metadata: metadata.yml }\n\
             defaults:\n\
             \x20 object:\n\
             \x20   apiVersion: networking.k8s.io/v1\n\
             \x20   kind: Ingress\n\
             \x20   metadata: { name: shop }\n\
             \x20   spec: { rules: [{ host: a.test }] }\n\
             cases:\n\
             \x20 - { name: a, policy: plain, cluster: [], expect: accept }\n\
             \x20 - { name: b, policy: granted, expect: accept }\n\
             \x20 - { name: c, policy: granted, cluster: [], expect: { allow: , calls: [] } }\n\
             \x20 - { name: d, policy: granted, cluster: [], expect: { allow: , calls: [oci/v2/verify] } }\n",
        )
        .unwrap();
        let outcomes: Vec<String> = run(suite)
            .cases
            .into_iter()
            .map(|case| match case.outcome {
                Outcome::Error(fault) => format!("{}: {}", fault.message, fault.help.unwrap_or_default()),
                Outcome::Failed(mismatches) => {
                    mismatches.iter().map(|it| format!("{} {}; ", it.kind.word(), it.expected)).collect()
                }
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(
            outcomes,
            [
                "Policy has not been granted access to Kubernetes networking.k8s.io/v1/Ingress resources. The violation \
                 has been reported.: add `contextAware: true` to the policy in the suite: it grants what the metadata \
                 declares",
                "nobody answers kubernetes/list_resources_all for \"networking.k8s.io/v1/Ingress\": add the answer to \
                 the case:\nhost:\n  kubernetes/list_resources_all: { \"networking.k8s.io/v1/Ingress\": [] }\nor a \
                 cluster to read from:\ncluster: [fixtures/object.yaml]\nor ask the real world: `--live`; `verify \
                 record` keeps what it says for later runs",
                "calls no host calls; ",
                "calls the policy asks oci/v2/verify; calls no other host calls; ",
            ]
        );
    }
}
