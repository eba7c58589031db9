//! The steps in order: read it first. Only this folder knows more than one step.

mod against;
pub(crate) mod annotate;
mod bench;
mod bless;
mod case;
mod cases;
mod coverage;
mod dead_settings;
mod debug;
mod diff;
mod effort;
mod fuzz;
mod gates;
pub(crate) mod inspect;
mod interrupt;
mod long_texts;
mod mutants;
mod options;
mod order;
mod overwrite;
mod policies;
pub(crate) mod policy;
mod privileges;
mod probe;
mod publish;
mod publishable;
pub(crate) mod pull;
pub(crate) mod push;
mod ready;
mod recording;
mod redirect;
mod rehearse;
mod relations;
mod repetition;
mod runner;
mod sabotage;
pub(crate) mod scaffold;
pub(crate) mod server_config;
mod services;
mod suite_words;
mod suites;
mod summary;
mod trusted;
mod uses;
mod why;

use std::time::Instant;

use policy_verify_model::outcome::RunReport;
use policy_verify_suite::SnapshotUse;

pub use self::bench::bench;
pub use self::bless::{BlessedFile, Blessing, Left, Rewriting, bless};
pub use self::debug::debug;
pub use self::diff::{DiffOptions, VersionName, diff};
pub use self::effort::{Effort, SearchEffort};
pub use self::fuzz::fuzz;
pub use self::interrupt::Interrupt;
pub use self::mutants::MutantEffort;
pub use self::options::{Against, Options, Progress, usual_code_cache};
pub use self::overwrite::{Identity, check as check_outputs, check_recording_folders};
use self::ready::Code;
pub use self::recording::Recording;
pub use self::rehearse::{RehearsalOptions, RehearsedPolicy, rehearse};
pub use self::sabotage::sabotage;
pub use self::suites::{ListedCase, inputs, list};
pub use self::why::why;
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
    ready::with_suites(options, SnapshotUse::Compared, progress, |loaded| {
        loaded.with_policies(options, Code::Plain, progress, |ready| {
            let cases = cases::run(ready, options, progress);
            ready.engine.finish();
            let mut report = RunReport {
                suites: loaded.summaries.clone(),
                policies: ready.records.iter().map(|record| summary::policy_report(loaded.suites, record)).collect(),
                cases,
                warnings: ready.warnings(options),
                shard: loaded.selected.shard.clone(),
                seed: options.seed,
                flags: options.flags.clone(),
                ..RunReport::not_started(Vec::new(), started_at)
            };
            if policies::measures_coverage(loaded.suites, options) {
                report.coverage = coverage::measure(ready, &report.cases, options);
            }
            gates::add(&mut report, ready, options, progress);
            report.publications = publish::after(&report.cases, ready, options, progress);
            cases::add_unused_policies(&mut report.cases, ready, progress);
            report.duration = start.elapsed();
            report.sort_warnings();
            report
        })
    })
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
        assert_eq!(report.cases.len(), 9);
        for case in &report.cases {
            assert!(!case.outcome.is_bad(), "{:?}", case.outcome);
        }
    }

    #[test]
    fn a_context_aware_policy_is_served_by_manifests() {
        let report = run([TESTDATA, "suites/context-aware/suite.yml"].iter().collect());
        let bad: Vec<_> = report.cases.iter().filter(|case| case.outcome.is_bad()).collect();
        assert!(bad.is_empty(), "{bad:#?}");
        assert_eq!(report.cases.len(), 43);
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
