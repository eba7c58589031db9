//! The steps in order: read it first. Only this folder knows more than one step.

pub(crate) mod annotate;
mod case;
mod course;
pub(crate) mod inspect;
mod interrupt;
mod order;
pub(crate) mod policy;
mod publish;
pub(crate) mod pull;
pub(crate) mod push;
mod recording;
mod redirect;
mod sources;
mod trusted;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use self::policy::Network;
use crate::error::Error;
use crate::evaluate::Policies;
use crate::host::live::World;
use crate::host::{Outside, record};
use crate::load::{self, Mistake};
use crate::model::hosting::GuestLog;
use crate::model::outcome::{CaseKind, CaseReport, Outcome, PolicyReport, RunReport, SuiteSummary, Unavailable};
use crate::model::policy::Settings;
use crate::model::publication::{PublishMode, Redirection};
use crate::model::request::Request;
use crate::model::source::{SourceFile, Span};
use crate::model::suite::{CaseBody, PolicySpec, Suite};
use crate::prepare::{self, PreparedPolicy};
use crate::registry::Registry;
use crate::resolve::{self, Fetching};
use crate::runtime::engine::{Engine, Limits};
use crate::select::{self, Selected, Selection};
use crate::signature::{SignatureOptions, TrustRoot};
pub use interrupt::Interrupt;
pub use recording::Recording;
use sources::Source;
use trusted::Trusted;

use self::course::Course;

/// What to run, and how.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// Suite files, as the user typed them.
    pub suites: Vec<PathBuf>,
    /// Values for variables of the suites: name and text.
    pub variables: Vec<(String, String)>,
    /// Which cases to run.
    pub selection: Selection,
    /// How many cases run at once; as many as there are processors by default.
    pub jobs: Option<usize>,
    /// Most memory one instance of a policy may have, in bytes; 256 MiB by default.
    pub memory: Option<u64>,
    /// Whether `only:` is refused, so that a forgotten one cannot hide the rest of a suite.
    pub refuses_only: bool,
    /// Whether it is fine that nothing is selected.
    pub allows_empty: bool,
    /// Whether policies are published that pass, and how far that goes.
    pub publish: Option<PublishMode>,
    /// Where they go, in place of what the suites say.
    pub redirection: Redirection,
    /// How registries are reached.
    pub network: Network,
    /// Whether what no suite answers is asked of the real world.
    pub is_live: bool,
    /// Whether what policies are told is recorded; see [`Progress::recorded`].
    pub is_recorded: bool,
    /// How policies are fetched that are not files.
    pub fetching: Fetching,
    /// How their signatures are checked.
    pub signatures: SignatureOptions,
    /// After how many bad cases no further one is begun.
    pub most_failures: Option<usize>,
    /// How often each case runs; once by default. Whatever changes from one time to the next fails the case.
    pub repetitions: Option<usize>,
    /// What to make a random order of; cases run in suite order by default. Reports keep the suite order.
    pub seed: Option<u64>,
    /// Stops the run from another thread.
    pub interrupt: Interrupt,
    /// Folder in which compiled code is kept for later runs; none by default. See [`usual_code_cache`].
    pub code_cache: Option<PathBuf>,
}

/// The folder for compiled code in the cache of this user; none for a user without a home.
pub fn usual_code_cache() -> Option<PathBuf> {
    Some(directories::ProjectDirs::from("", "", "policy-verify")?.cache_dir().join("compiled"))
}

/// Is told how a run goes on, from several threads at once.
pub trait Progress: Sync {
    /// Suites are read: these.
    fn loaded(&self, _suites: &[SuiteSummary]) {}
    /// Suites are read; this many cases will run.
    fn started(&self, cases: usize);
    /// Policies that are not files are being fetched.
    fn fetching(&self) {}
    /// One of them is there, or cannot be had.
    fn fetched(&self) {}
    /// Something to know that is no part of the report.
    fn remarked(&self, _text: &str) {}
    /// All policies are compiled.
    fn prepared(&self) {}
    /// All cases are over, and what passed is being published.
    fn publishing(&self) {}
    /// All host calls of a case were answered, and the run records them. Comes before `case_finished`.
    fn recorded(&self, _recording: &Recording) {}
    /// One case is over.
    fn case_finished(&self, report: &CaseReport);
    /// Policies are being published: so many bytes of so many are sent.
    fn sending(&self, _sent: u64, _total: u64) {}
}

/// For callers that do not want to know.
impl Progress for () {
    fn started(&self, _cases: usize) {}
    fn case_finished(&self, _report: &CaseReport) {}
}

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
    let mut suites = load_all(options)?;
    if options.publish.is_some() {
        redirect::apply(&mut suites, &options.redirection)?;
        publish::check(&suites, &options.selection)?;
    }
    let selected = select(&suites, options)?;
    let trusted = Trusted::read(&options.signatures)?;
    let summaries: Vec<SuiteSummary> =
        suites.iter().zip(&options.suites).map(|(suite, path)| summary(suite, path)).collect();
    progress.loaded(&summaries);
    progress.started(selected.cases.len());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.jobs.unwrap_or(0)).build();
    let pool = pool.map_err(|error| Error::Engine(error.to_string()))?;
    let limits = Limits::default();
    let limits = Limits { memory: options.memory.unwrap_or(limits.memory), ..limits };
    let mut engine =
        Engine::until(limits, options.interrupt.flag()).map_err(|error| Error::Engine(error.to_string()))?;
    if let Some(folder) = &options.code_cache
        && let Err(error) = engine.keep_code(folder)
    {
        progress.remarked(&format!("compiled code is not kept: `{}`: {error}", folder.display()));
    }
    let wanted = &selected.policies;
    let specs: Vec<&PolicySpec> = wanted.iter().map(|(suite, policy)| &suites[*suite].policies[*policy]).collect();
    // One door for everybody, opened only where something is behind it.
    let is_remote = specs.iter().any(|spec| resolve::is_remote(spec));
    let has_door = is_remote || options.is_live || options.publish.is_some();
    let registry = has_door.then(|| policy::registry(&options.network)).transpose()?;
    let outside = outside(options, registry.as_ref(), &trusted.root);
    pool.install(|| {
        let resolved = sources::resolve(wanted, &specs, options, registry.as_ref(), &trusted, progress)?;
        let sources: Vec<Source> = resolved.iter().map(Source::of).collect();
        let modules = resolved.into_iter().map(|resolved| resolved.map(|resolved| resolved.module)).collect();
        let prepared = prepare::policies(&specs, modules, &engine);
        progress.prepared();
        let names = options.is_recorded.then(|| recording::names(&suites));
        let of_suite = |suite| Policies { suite, prepared: vec![None; suite.policies.len()], outside: outside.clone() };
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
            policy_report(suite, policy, &suites[suite], prepared, source)
        });
        let policies: Vec<PolicyReport> = policies.collect();
        let used = select::used_policies(&suites, &selected.cases);
        let idle = wanted.iter().zip(&policies).filter(|(policy, _)| !used.contains(policy));
        for mut report in idle.filter_map(|(_, policy)| idle_policy(&suites, policy)) {
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

/// Who answers host calls beside the suites, and whether that is recorded.
fn outside(options: &Options, registry: Option<&Registry>, trust_root: &TrustRoot) -> Outside {
    let registry = registry.filter(|_| options.is_live);
    let world = registry.map(|registry| Arc::new(World::new(registry.clone(), trust_root.clone())));
    Outside { world, is_recorded: options.is_recorded }
}

/// A case, as `verify list` shows it.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct ListedCase {
    /// `suite › case [owner=team-a]`.
    pub id: String,
    /// Name of its policy.
    pub policy: String,
    /// Path of the suite, relative to the repository root.
    pub file: String,
    /// Line of its name.
    pub line: usize,
    /// Its tags.
    pub tags: Vec<String>,
    /// What would be sent, for requests; a raw policy sees the same document.
    #[serde(skip)]
    pub request: Option<Arc<Request>>,
    /// The settings of each policy that would be asked.
    #[serde(skip)]
    pub settings: Vec<Arc<Settings>>,
}

/// The cases a run would have, in order. Nothing is fetched or compiled.
///
/// # Errors
///
/// Mistakes in a suite, or nothing selected.
pub fn list(options: &Options) -> Result<Vec<ListedCase>, Error> {
    let suites = load_all(options)?;
    let selected = select(&suites, options)?;
    let listed = selected.cases.into_iter().map(|(suite, case)| ListedCase {
        id: case.id.clone(),
        policy: case.subject.clone(),
        file: case.span.file.path.clone(),
        line: case.span.line,
        tags: case.tags.clone(),
        request: match &case.body {
            CaseBody::Request(asked) => Some(Arc::clone(&asked.request)),
            CaseBody::Settings(_) | CaseBody::Check { .. } => None,
        },
        settings: suites[suite].settings_for(case),
    });
    Ok(listed.collect())
}

/// The selected cases; a shard may be left without any.
fn select<'a>(suites: &'a [Suite], options: &Options) -> Result<Selected<'a>, Error> {
    let selected = select::select(suites, &options.selection, options.refuses_only)?;
    if selected.total == 0 && !options.allows_empty {
        return Err(Error::NothingSelected { total: suites.iter().map(|suite| suite.cases.len()).sum() });
    }
    Ok(selected)
}

/// The place of what was typed: nothing can be quoted there.
fn command_line() -> Span {
    Span::start_of(&Arc::new(SourceFile { path: String::new(), text: String::new() }))
}

/// Reads every suite, so that the mistakes of all of them are known at once.
fn load_all(options: &Options) -> Result<Vec<Suite>, Error> {
    let mut suites = Vec::new();
    let mut mistakes = Vec::new();
    for path in &options.suites {
        match load::suite(path, &options.variables) {
            Ok(suite) => suites.push(suite),
            Err(found) => mistakes.extend(found),
        }
    }
    for (index, suite) in suites.iter().enumerate() {
        if let Some(twin) = suites[..index].iter().find(|twin| twin.name == suite.name) {
            let message = format!("`{}` is also the name of {}", suite.name, twin.file.path);
            let help = "names of suites tell their cases apart in every report: change one `name:`";
            mistakes.push(Mistake::new(&Span::start_of(&suite.file), message).with_help(help.to_owned()));
        }
    }
    if mistakes.is_empty() { Ok(suites) } else { Err(Error::Suites(mistakes)) }
}

fn summary(suite: &Suite, path: &std::path::Path) -> SuiteSummary {
    SuiteSummary {
        name: suite.name.clone(),
        path: suite.file.path.clone(),
        argument: path.to_string_lossy().into_owned(),
        span: Span::start_of(&suite.file),
    }
}

fn policy_report(
    suite: usize,
    policy: usize,
    read: &Suite,
    prepared: &Result<PreparedPolicy, Arc<Unavailable>>,
    source: Source,
) -> PolicyReport {
    let (spec, ready) = (&read.policies[policy], prepared.as_ref().ok());
    PolicyReport {
        name: spec.name.clone(),
        suite,
        uri: spec.uri_text.clone(),
        source_digest: source.digest,
        remarks: source.remarks,
        digest: ready.map(|policy| policy.digest),
        size: ready.map(|policy| policy.module.len() as u64),
        execution_mode: ready.map(|policy| policy.execution_mode),
        compile_time: ready.map_or(Duration::ZERO, |policy| policy.compile_time),
        span: spec.span.clone(),
        unavailable: prepared.as_ref().err().cloned(),
        position: policy,
    }
}

/// An error for a policy that could not be had and that no case uses: it decides about the exit code, so no report may be
/// all green.
fn idle_policy(suites: &[Suite], policy: &PolicyReport) -> Option<CaseReport> {
    let unavailable = policy.unavailable.as_ref()?;
    let name = format!("policy {}", policy.name);
    Some(CaseReport {
        id: format!("{} › {name}", suites[policy.suite].name),
        name,
        suite: policy.suite,
        policy: policy.name.clone(),
        kind: CaseKind::Check,
        outcome: Outcome::Unavailable(Arc::clone(unavailable)),
        span: policy.span.clone(),
        duration: Duration::ZERO,
        request: None,
        response: None,
        fault: None,
        calls: Vec::new(),
        log: GuestLog::default(),
        warnings: Vec::new(),
        is_weak: false,
        steps: Vec::new(),
        members: Vec::new(),
        position: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TESTDATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata");

    fn run(suite: PathBuf) -> RunReport {
        verify(&Options { suites: vec![suite], ..Options::default() }, &()).unwrap()
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
