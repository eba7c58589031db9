//! What a run has before its first case: the suites, what is selected, and the policies, ready to be evaluated.

use std::io;
use std::num::NonZero;
use std::path::Path;
use std::thread;

use policy_verify_engine::compiler::CompilerChoice;
use policy_verify_engine::engine::{Engine, Limits, Setup};
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::outcome::SuiteSummary;
use policy_verify_model::suite::Suite;
use policy_verify_suite::{SnapshotUse, repository_around};

use super::against::Referee;
use super::options::{Options, Progress};
use super::policies::{self, PolicyRecord};
use super::services::Services;
use super::trusted::Trusted;
use super::{suites, summary};
use crate::error::Error;
use crate::evaluate::Policies;
use crate::select::{PolicyKey, Selected};

/// Which code is made of policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// The fastest there is.
    Plain,
    /// Code that counts its instructions.
    Counting,
}

/// What a run has before its policies.
pub(super) struct Loaded<'a> {
    /// The suites, in the order of the options.
    pub(super) suites: &'a [Suite],
    /// The reports about them.
    pub(super) summaries: Vec<SuiteSummary>,
    /// What is selected.
    pub(super) selected: Selected<'a>,
    /// Registries, trust, live answers.
    pub(super) services: Services,
    /// The policy-server whose answers are compared.
    pub(super) referee: Option<Referee>,
}

/// What a run has before its first case.
pub(super) struct Ready<'a> {
    /// The suites, and what is selected of them.
    pub(super) loaded: &'a Loaded<'a>,
    /// What runs policies.
    pub(super) engine: &'a Engine,
    /// The policies that are needed, available or not.
    pub(super) records: &'a [PolicyRecord],
    /// The same for each suite, as its cases are evaluated with them.
    pub(super) policies: Vec<Policies<'a>>,
}

impl Ready<'_> {
    /// What is valid and most likely not meant.
    pub(super) fn warnings(&self, options: &Options) -> Vec<Diagnostic> {
        let Loaded { suites, services, .. } = self.loaded;
        let of_suites = suites::warnings(suites, options);
        let of_policies = policies::warnings(suites, self.records);
        [of_suites, of_policies, services.trust.warnings.clone()].concat()
    }
}

/// Reads the suites, once, and runs `run` with them on the threads of the options. `snapshots` says what they are for.
///
/// # Errors
///
/// Mistakes in a suite, nothing selected: what `run` is not worth being called for; and those of `run`.
pub(super) fn with_suites<T: Send>(
    options: &Options,
    snapshots: SnapshotUse,
    progress: &dyn Progress,
    run: impl FnOnce(&Loaded<'_>) -> Result<T, Error> + Send,
) -> Result<T, Error> {
    thread_pool(options)?.install(|| {
        let suites = suites::load_all(options, snapshots)?;
        let selected = suites::select(&suites, options)?;
        let trust = Trusted::read(&options.signatures, options.kubewarden.unwrap_or_default())?;
        let referee = Referee::open(options)?;
        let typed = |path| if options.written.is_some() { Path::new("") } else { path };
        let summaries: Vec<SuiteSummary> =
            suites.iter().zip(&options.suites).map(|(suite, path)| summary::summary(suite, typed(path))).collect();
        progress.loaded(&summaries);
        progress.started(selected.cases.len());
        let services = Services::open(&selected.policies, &suites, options, trust)?;
        run(&Loaded { suites: &suites, summaries, selected, services, referee })
    })
}

impl Loaded<'_> {
    /// Makes the policies ready, and runs `run` with them.
    ///
    /// # Errors
    ///
    /// There is no engine, or a lock cannot be used.
    pub(super) fn with_policies<T>(
        &self,
        options: &Options,
        code: Code,
        progress: &dyn Progress,
        run: impl FnOnce(&Ready<'_>) -> T,
    ) -> Result<T, Error> {
        self.with_policies_but(&[], options, code, progress, run)
    }

    /// The same without some policies, in whose place `run` has others.
    ///
    /// # Errors
    ///
    /// There is no engine, or a lock cannot be used.
    pub(super) fn with_policies_but<T>(
        &self,
        replaced: &[PolicyKey],
        options: &Options,
        code: Code,
        progress: &dyn Progress,
        run: impl FnOnce(&Ready<'_>) -> T,
    ) -> Result<T, Error> {
        let engine = engine(options, code, instances_at_a_time(self.suites), progress)?;
        let wanted: Vec<PolicyKey> =
            self.selected.policies.iter().filter(|key| !replaced.contains(key)).copied().collect();
        let records = policies::prepare(&wanted, self.suites, &engine, &self.services, options, progress)?;
        // Who runs cases several times looks for what changes.
        let remembers_settings = options.repetitions.is_none_or(|number| number == 1);
        let backend = self.services.host_backend(options);
        Ok(run(&Ready {
            loaded: self,
            engine: &engine,
            records: &records,
            policies: policies::by_suite(self.suites, &records, &backend, remembers_settings),
        }))
    }
}

fn thread_pool(options: &Options) -> Result<rayon::ThreadPool, Error> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.jobs.unwrap_or(0)).build();
    pool.map_err(|error| Error::engine(&error))
}

/// With less, compilers run out of memory, which no program survives.
const LITTLE_ADDRESS_SPACE: u64 = 1 << 30;

/// How many instances a thread may have at a time: those of the members of a group, and some for what is asked beside them.
pub(super) fn instances_at_a_time(suites: &[Suite]) -> usize {
    let groups = suites.iter().flat_map(|suite| &suite.groups);
    groups.map(|group| group.members.len()).max().unwrap_or(0) + 4
}

/// The engine of the run, with the code that earlier ones compiled. Each thread may have this many `instances` at a time.
pub(super) fn engine(
    options: &Options,
    code: Code,
    instances: usize,
    progress: &dyn Progress,
) -> Result<Engine, Error> {
    engine_with(options, options.compiler, code, instances, progress)
}

/// The same with another compiler than that of the options.
pub(super) fn engine_with(
    options: &Options,
    compiler: CompilerChoice,
    code: Code,
    instances: usize,
    progress: &dyn Progress,
) -> Result<Engine, Error> {
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
        compiler,
        cage: options.cage.clone(),
        counts_instructions: code == Code::Counting,
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
