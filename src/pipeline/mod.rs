//! The steps in order: read it first. Only this folder knows more than one step.

mod against;
pub(crate) mod annotate;
mod case;
mod cases;
pub(crate) mod inspect;
mod interrupt;
mod long_texts;
mod options;
mod order;
mod overwrite;
mod policies;
pub(crate) mod policy;
mod publish;
pub(crate) mod pull;
pub(crate) mod push;
mod recording;
mod redirect;
mod runner;
pub(crate) mod server_config;
mod services;
mod suites;
mod summary;
mod trusted;

use std::io;
use std::num::NonZero;
use std::thread;
use std::time::Instant;

use policy_verify_engine::engine::{Engine, Limits, Setup};
use policy_verify_model::outcome::{RunReport, SuiteSummary};
use policy_verify_model::suite::Suite;
use policy_verify_suite::repository_around;

use self::against::Referee;
pub use self::interrupt::Interrupt;
pub use self::options::{Against, Options, Progress, usual_code_cache};
pub use self::overwrite::{Identity, check as check_outputs, check_recording_folders};
pub use self::recording::Recording;
use self::services::Services;
pub use self::suites::{ListedCase, list};
use self::trusted::Trusted;
use crate::error::Error;

/// Runs the suites: loads, resolves, prepares, evaluates and compares. The report is complete; writing it down is up to
/// the caller.
///
/// # Errors
///
/// When nothing could be run: mistakes in a suite, nothing selected, no engine. Whatever goes wrong with a policy or a
/// case is in the report.
pub fn verify(options: &Options, progress: &dyn Progress) -> Result<RunReport, Error> {
    let (started_at, start) = (jiff::Timestamp::now(), Instant::now());
    let pool = thread_pool(options)?;
    let suites = pool.install(|| suites::load_all(options))?;
    let selected = suites::select(&suites, options)?;
    let trust = Trusted::read(&options.signatures, options.kubewarden.unwrap_or_default())?;
    let referee = Referee::open(options)?;
    let summaries: Vec<SuiteSummary> =
        suites.iter().zip(&options.suites).map(|(suite, path)| summary::summary(suite, path)).collect();
    progress.loaded(&summaries);
    progress.started(selected.cases.len());
    let engine = engine(options, instances_at_a_time(&suites), progress)?;
    let services = Services::open(&selected.policies, &suites, options, trust)?;
    pool.install(|| {
        let records = policies::prepare(&selected.policies, &suites, &engine, &services, options, progress)?;
        // Who runs cases several times looks for what changes.
        let remembers_settings = options.repetitions.is_none_or(|number| number == 1);
        let backend = services.host_backend(options);
        let by_suite = policies::by_suite(&suites, &records, &backend, remembers_settings);
        let mut cases = cases::run(&selected.cases, &suites, &by_suite, referee.as_ref(), options, progress);
        engine.finish();
        let publications = publish::after(&cases, &selected.cases, &by_suite, &services, options, progress);
        cases::add_unused_policies(&mut cases, &selected.cases, &suites, &records, progress);
        let warnings =
            [suites::warnings(&suites, options), policies::warnings(&suites, &records), services.trust.warnings]
                .concat();
        let mut report = RunReport {
            suites: summaries,
            policies: records.into_iter().map(|record| summary::policy_report(&suites, record)).collect(),
            cases,
            warnings,
            publications,
            started_at,
            duration: start.elapsed(),
            shard: selected.shard,
            seed: options.seed,
            flags: options.flags.clone(),
            errors: Vec::new(),
        };
        report.sort_warnings();
        Ok(report)
    })
}

fn thread_pool(options: &Options) -> Result<rayon::ThreadPool, Error> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.jobs.unwrap_or(0)).build();
    pool.map_err(|error| Error::engine(&error))
}

/// With less, compilers run out of memory, which no program survives.
const LITTLE_ADDRESS_SPACE: u64 = 1 << 30;

/// How many instances a thread may have at a time: those of the members of a group, and some for what is asked beside them.
fn instances_at_a_time(suites: &[Suite]) -> usize {
    let groups = suites.iter().flat_map(|suite| &suite.groups);
    groups.map(|group| group.members.len()).max().unwrap_or(0) + 4
}

/// The engine of the run, with the code that earlier ones compiled. Each thread may have this many `instances` at a time.
fn engine(options: &Options, instances: usize, progress: &dyn Progress) -> Result<Engine, Error> {
    if let Some(bytes) = policy_verify_engine::address_space().filter(|bytes| *bytes < LITTLE_ADDRESS_SPACE) {
        let mib = bytes >> 20;
        progress.remarked(&format!(
            "the address space is limited to {mib} MiB (`ulimit -v`): compiling a policy may need more, and ends the process"
        ));
    }
    let limits = Limits::default();
    let limits = Limits { memory: options.memory.unwrap_or(limits.memory), ..limits };
    let threads = options.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get));
    let instances = u32::try_from(threads.saturating_mul(instances)).unwrap_or(u32::MAX);
    let setup = Setup {
        limits,
        stop: options.interrupt.flag(),
        instances,
        compiler: options.compiler,
        cage: options.cage.clone(),
    };
    let engine = Engine::set_up(setup);
    let mut engine = engine.map_err(|error| Error::engine(&error))?;
    if let Some(folder) = &options.code_cache {
        let kept = match repository_around(folder, &options.suites, options.root.as_deref()) {
            // Whoever wrote the repository could have put code of their own there.
            Some(root) => Err(io::Error::other(format!("it is inside the repository, whose root is {root}"))),
            None => engine.keep_code(folder),
        };
        if let Err(error) = kept {
            progress.remarked(&format!("compiled code is not kept: `{}`: {error}", folder.display()));
        }
    }
    Ok(engine)
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
                "no mock for kubernetes/list_resources_all(\"networking.k8s.io/v1/Ingress\"): add a mock to \
                 the case:\nhost:\n  kubernetes/list_resources_all: { \"networking.k8s.io/v1/Ingress\": [] }\nor add \
                 the objects:\ncluster: [fixtures/object.yaml]\nor run with `--live`, or record the reply with `verify \
                 record`",
                "calls no host calls; ",
                "calls host call oci/v2/verify; calls no other host calls; ",
            ]
        );
    }
}
