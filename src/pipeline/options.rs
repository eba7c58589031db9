//! What to run, and how; and who is told about it.

use std::path::PathBuf;

use super::interrupt::Interrupt;
use super::policy::Network;
use super::recording::Recording;
use crate::error::OnlyRefusal;
use crate::resolve::Fetching;
use crate::select::Selection;
use policy_verify_engine::cage::Cage;
use policy_verify_engine::compiler::CompilerChoice;
use policy_verify_model::outcome::{CaseReport, SuiteSummary};
use policy_verify_model::publication::{PublishMode, Redirection};
use policy_verify_model::release::Release;
use policy_verify_registry::signature::SignatureOptions;
use policy_verify_suite::{Environment, FileLimit, Written};

/// What to run, and how.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// Suite files, as the user typed them.
    pub suites: Vec<PathBuf>,
    /// How large suites and the files that they name may be.
    pub file_limit: FileLimit,
    /// The only suite, in place of what a stream among `suites` has.
    pub written: Option<Written>,
    /// The root of the repository: nothing outside of it is read, and reports name files from it. By default it is found,
    /// for each suite.
    pub root: Option<PathBuf>,
    /// Files that the caller is going to write: a run that reads one of them is refused.
    pub outputs: Vec<PathBuf>,
    /// Values for variables of the suites: name and text.
    pub variables: Vec<(String, String)>,
    /// Variables of the environment that the suites may read; none by default.
    pub environment: Environment,
    /// The release of Kubewarden whose verdicts are reproduced, in place of what the suites say.
    pub kubewarden: Option<Release>,
    /// Which cases to run.
    pub selection: Selection,
    /// How many cases run at once; as many as there are processors by default.
    pub jobs: Option<usize>,
    /// Most memory one instance of a policy may have, in bytes; 256 MiB by default.
    pub memory: Option<u64>,
    /// Why `only:` is refused, if it is: a forgotten one hides the rest of a suite.
    pub refuses_only: Option<OnlyRefusal>,
    /// Whether it is fine that nothing is selected.
    pub allows_empty: bool,
    /// Whether policies are published that pass, and how far that goes.
    pub publish: Option<PublishMode>,
    /// Where they go, in place of what the suites say.
    pub redirection: Redirection,
    /// How registries are reached.
    pub network: Network,
    /// Whether host calls without a mock are answered live: by the cluster, registries and name servers.
    pub is_live: bool,
    /// Whether what policies are told is recorded; see [`Progress::recorded`].
    pub is_recorded: bool,
    /// Whether what policies are told is kept with the host calls of their cases.
    pub keeps_replies: bool,
    /// The folder that the caller puts the recordings of each suite into: a run in which one would replace a report, or what
    /// is read, is refused.
    pub recordings: Vec<PathBuf>,
    /// A policy-server that gets every request too.
    pub against: Option<Against>,
    /// How policies are fetched that are not files.
    pub fetching: Fetching,
    /// How their signatures are checked.
    pub signatures: SignatureOptions,
    /// After how many bad cases no further one is begun.
    pub most_failures: Option<usize>,
    /// Whether it is measured which code of the policies the cases execute: the cases then run twice more, in code that
    /// counts.
    pub measures_coverage: bool,
    /// How often each case runs; once by default. Whatever changes from one time to the next fails the case.
    pub repetitions: Option<usize>,
    /// What to make a random order of; cases run in suite order by default. Reports keep the suite order.
    pub seed: Option<u64>,
    /// Words of the caller's command line that decide about outcomes, for the command in reports that repeats a case.
    pub flags: Vec<String>,
    /// Stops the run from another thread.
    pub interrupt: Interrupt,
    /// Which compiler makes the code of policies; Cranelift, as in policy-server, by default.
    pub compiler: CompilerChoice,
    /// How policies are compiled in processes of their own, with limits; in this one by default.
    pub cage: Option<Cage>,
    /// Where the folder `compiled-code` is, which later runs use too; none by default. See [`usual_code_cache`].
    pub code_cache: Option<PathBuf>,
}

/// A running policy-server whose answers are compared with the expectations and with ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Against {
    /// Its address, `http://HOST:PORT` or `https://HOST:PORT`.
    pub url: String,
    /// PEM file with the authorities of its certificate, in addition to those of the system.
    pub authorities: Option<PathBuf>,
    /// Whether it is also asked as the audit scanner asks.
    pub audits: bool,
}

/// Where compiled code is in the cache of this user; none for a user without a home.
pub fn usual_code_cache() -> Option<PathBuf> {
    Some(directories::ProjectDirs::from("", "", "policy-verify")?.cache_dir().to_owned())
}

/// Is told how a run goes on, from several threads at once.
pub trait Progress: Sync {
    /// Suites are read: these.
    fn loaded(&self, _suites: &[SuiteSummary]) {}
    /// Suites are read; this many cases will run.
    fn started(&self, cases: usize);
    /// Policies that are not files are being fetched.
    fn fetching(&self) {}
    /// One of them is fetched, or unavailable.
    fn fetched(&self) {}
    /// A remark that is not part of the report.
    fn remarked(&self, _text: &str) {}
    /// A policy of this name is being compiled.
    fn compiling(&self, _policy: &str) {}
    /// It is compiled, or cannot be.
    fn compiled(&self, _policy: &str) {}
    /// All policies are compiled.
    fn prepared(&self) {}
    /// All cases are over, and what passed is being published.
    fn publishing(&self) {}
    /// All host calls of a case were answered, and the run records them. Comes before `case_finished`.
    fn recorded(&self, _recording: &Recording) {}
    /// One case is over.
    fn case_finished(&self, report: &CaseReport);
    /// So many objects of a cluster were put to all policies.
    fn objects_finished(&self, _number: usize) {}
    /// Policies are being published: so many bytes of so many are sent.
    fn sending(&self, _sent: u64, _total: u64) {}
}

/// For callers that do not want to know.
impl Progress for () {
    fn started(&self, _cases: usize) {}
    fn case_finished(&self, _report: &CaseReport) {}
}
