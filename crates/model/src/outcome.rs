//! The results of a run: complete before any report is written.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::answer::{AdmissionResponse, Fault, FaultKind};
use super::baseline::SuiteChanges;
use super::code::Code;
use super::compiler::Compiler;
use super::cost::SuiteUse;
use super::coverage::PolicyCoverage;
use super::diagnostic::Diagnostic;
use super::gate::Gate;
use super::hosting::{GuestLog, HostCall};
use super::policy::{Digest, ExecutionMode};
use super::privilege::Privileges;
use super::publication::Publication;
use super::release::Release;
use super::rule_coverage::{RuleCoverage, VerdictCounts};
use super::sabotage::HollowCases;
use super::settings_coverage::SettingsCoverage;
use super::source::Span;
use super::stored_request::StoredRequest;
use super::weakness::Weakness;

/// One way in which an answer differs from the expectation.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// What it is about; the `type` of JUnit's `failure`.
    pub kind: MismatchKind,
    /// JSON pointer into the response (`/status/message`) or into the mutated object (`/object/spec/replicas`).
    pub at: String,
    /// What was expected, for people.
    pub expected: String,
    /// The actual value, for people.
    pub actual: String,
    /// Where the expectation is written.
    pub span: Span,
}

/// What a [`Mismatch`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MismatchKind {
    /// Allowed, denied, applicable or not.
    Verdict,
    /// The text of the message, or the code.
    Message,
    /// The mutated object or the patch.
    Mutation,
    /// Warnings or audit annotations.
    Warnings,
    /// The response as a document.
    Response,
    /// Which host calls were made.
    Calls,
    /// Another fault than the expected one.
    Fault,
    /// The verdict of the settings validation.
    Settings,
    /// A static check.
    Check,
    /// Another answer when the case was repeated.
    Stability,
    /// Another answer of the policy-server of `--against`.
    Server,
    /// What the whole run was to reach.
    Gate,
    /// Another answer to a request that must have the same one.
    Relation,
    /// Another answer than the one that is kept beside the suite, or none is kept.
    Snapshot,
}

impl MismatchKind {
    /// The word used in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Verdict => "verdict",
            Self::Message => "message",
            Self::Mutation => "mutation",
            Self::Warnings => "warnings",
            Self::Response => "response",
            Self::Calls => "calls",
            Self::Fault => "fault",
            Self::Settings => "settings",
            Self::Check => "check",
            Self::Stability => "stability",
            Self::Server => "server",
            Self::Gate => "gate",
            Self::Relation => "relation",
            Self::Snapshot => "snapshot",
        }
    }
}

impl From<MismatchKind> for Code {
    fn from(kind: MismatchKind) -> Self {
        match kind {
            MismatchKind::Verdict => Self::Verdict,
            MismatchKind::Message => Self::Message,
            MismatchKind::Mutation => Self::Mutation,
            MismatchKind::Warnings => Self::Warnings,
            MismatchKind::Response => Self::Response,
            MismatchKind::Calls => Self::Calls,
            MismatchKind::Fault => Self::OtherFault,
            MismatchKind::Settings => Self::SettingsVerdict,
            MismatchKind::Check => Self::Check,
            MismatchKind::Stability => Self::Unstable,
            MismatchKind::Server => Self::ServerDiffers,
            MismatchKind::Gate => Self::Gate,
            MismatchKind::Relation => Self::Relation,
            MismatchKind::Snapshot => Self::Snapshot,
        }
    }
}

/// Why a policy is unavailable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// At which step: the `type` of JUnit's `error`.
    pub stage: UnavailableStage,
    /// What happened.
    pub message: String,
    /// What the user can do about it.
    pub help: Option<String>,
    /// The place in a file the user wrote, where there is one.
    pub span: Option<Span>,
}

impl From<Unavailable> for Diagnostic {
    fn from(it: Unavailable) -> Self {
        let Unavailable { stage, message, help, span } = it;
        Self { code: stage.into(), message, help, span, related: Vec::new() }
    }
}

/// The step at which a policy became unavailable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnavailableStage {
    /// Reading or downloading the module.
    Fetch,
    /// Checking its signatures.
    Signature,
    /// Reading, checking or attaching the metadata.
    Metadata,
    /// Compiling the module or linking its imports.
    Compile,
}

impl UnavailableStage {
    /// The word used in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Signature => "signature",
            Self::Metadata => "metadata",
            Self::Compile => "compile",
        }
    }
}

impl From<UnavailableStage> for Code {
    fn from(stage: UnavailableStage) -> Self {
        match stage {
            UnavailableStage::Fetch => Self::Fetch,
            UnavailableStage::Signature => Self::Unsigned,
            UnavailableStage::Metadata => Self::Metadata,
            UnavailableStage::Compile => Self::Compile,
        }
    }
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The answer matches the expectation.
    Passed,
    /// The answer differs from the expectation; at least one mismatch.
    Failed(Vec<Mismatch>),
    /// No usable answer where one was expected.
    Error(Fault),
    /// The policy is unavailable.
    Unavailable(Arc<Unavailable>),
    /// Skipped, for this reason.
    Skipped(String),
    /// Selected, but the run was stopped before, for this reason: not green.
    NotRun(String),
    /// Failed, and is marked `xfail` for this reason.
    Xfailed(String),
    /// Passed, but is marked `xfail` for this reason.
    Xpassed(String),
}

impl Outcome {
    /// The word of the JSON report.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::Error(_) | Self::Unavailable(_) => "error",
            Self::Skipped(_) => "skipped",
            Self::NotRun(_) => "not-run",
            Self::Xfailed(_) => "xfailed",
            Self::Xpassed(_) => "xpassed",
        }
    }

    /// Whether the case was selected, but the run was stopped before.
    pub fn is_not_run(&self) -> bool {
        matches!(self, Self::NotRun(_))
    }

    /// Whether the case makes the run fail: it is bad, or it was selected and not run.
    pub fn is_red(&self) -> bool {
        self.is_bad() || self.is_not_run()
    }

    /// Whether the case says nothing about what its policy does.
    pub fn shows_nothing(&self) -> bool {
        matches!(self, Self::Skipped(_) | Self::Xfailed(_))
    }

    /// Whether the case failed, has an error, or passed unexpectedly.
    pub fn is_bad(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Error(_) | Self::Unavailable(_) | Self::Xpassed(_))
    }
}

/// What kind of test a [`CaseReport`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaseKind {
    /// A request and its expected answer.
    Case,
    /// A settings case.
    Settings,
    /// A static check.
    Check,
    /// A relation between the answers of a policy.
    Relation,
    /// What the whole run was to reach.
    Gate,
    /// Not written in the suite: stands for a policy that is unavailable and that no case uses, so that the run fails.
    /// Reports call it a check.
    #[serde(rename = "check", skip_deserializing)]
    UnusedPolicy,
}

/// Everything known about one case after the run.
#[derive(Debug, Clone)]
pub struct CaseReport {
    /// `suite › case [owner=team-a]`.
    pub id: String,
    /// The part of the id behind the suite's name.
    pub name: String,
    /// Index into [`RunReport::suites`].
    pub suite: usize,
    /// What it is about: name of the policy or group, or the steps of a chain.
    pub policy: String,
    /// Which kind of test.
    pub kind: CaseKind,
    /// How it ended.
    pub outcome: Outcome,
    /// Where its name is written.
    pub span: Span,
    /// Where the row of its table, its object of several, or the settings that its policy rejects are written.
    pub origin: Option<Span>,
    /// Time from the start of the case to its outcome.
    pub duration: Duration,
    /// How many WebAssembly instructions its policies executed, in a run that counts them. Not in reports.
    pub instructions: Option<u64>,
    /// The most memory that one of its policies took, in bytes. Not in reports.
    pub memory: Option<u64>,
    /// The request as the policy saw it.
    pub request: Option<Arc<StoredRequest>>,
    /// The response as policy-server would send it.
    pub response: Option<AdmissionResponse>,
    /// What the policy itself answered, where monitor mode lets every request pass.
    pub monitored: Option<AdmissionResponse>,
    /// The fault, expected or not.
    pub fault: Option<Fault>,
    /// Host calls in the order they were made.
    pub calls: Vec<HostCall>,
    /// What the policy logged or printed.
    pub log: GuestLog,
    /// Remarks that do not fail the case, such as leftovers of a recording.
    pub warnings: Vec<String>,
    /// Why the expectation is weak, if it is.
    pub weakness: Option<Weakness>,
    /// The steps of a chain; empty for other cases.
    pub steps: Vec<PartReport>,
    /// The members of a group; empty for other cases.
    pub members: Vec<PartReport>,
    /// Its place among everything its suite could have run, the same whatever was selected.
    pub position: usize,
}

impl CaseReport {
    /// The report about what evaluates no request: it has only an outcome, and nothing is known of its place among others.
    /// `suite` is its index and its name.
    pub fn without_answer(
        suite: (usize, &str),
        name: String,
        policy: String,
        kind: CaseKind,
        outcome: Outcome,
        span: Span,
    ) -> Self {
        Self {
            id: format!("{} › {name}", suite.1),
            name,
            suite: suite.0,
            policy,
            kind,
            outcome,
            span,
            origin: None,
            duration: Duration::ZERO,
            instructions: None,
            memory: None,
            request: None,
            response: None,
            monitored: None,
            fault: None,
            calls: Vec::new(),
            log: GuestLog::default(),
            warnings: Vec::new(),
            weakness: None,
            steps: Vec::new(),
            members: Vec::new(),
            position: 0,
        }
    }

    /// The place that tells it from other cases: that of its row or object, else that of its name.
    pub fn place(&self) -> &Span {
        self.origin.as_ref().unwrap_or(&self.span)
    }

    /// What to do about a failed test that says so itself: a gate or a relation.
    pub fn advice(&self) -> &[String] {
        let has_advice = match self.kind {
            CaseKind::Gate => true,
            CaseKind::Relation => self.outcome.is_bad(),
            _ => false,
        };
        if has_advice { &self.warnings } else { &[] }
    }

    /// Whether running it again tells more about what its policies execute: it ran, in time, and is no relation, which puts the
    /// requests of other cases to them.
    pub fn is_worth_counting(&self) -> bool {
        let is_late = self.fault.as_ref().is_some_and(|fault| fault.kind == FaultKind::Timeout);
        let is_run = !matches!(self.outcome, Outcome::Skipped(_) | Outcome::NotRun(_) | Outcome::Unavailable(_));
        is_run && !is_late && self.kind != CaseKind::Relation
    }

    /// Its warnings, without what to do about a failure.
    pub fn remarks(&self) -> &[String] {
        if self.advice().is_empty() { &self.warnings } else { &[] }
    }

    /// Whether a policy in monitor mode rejects the request: it passes, and the policy only warns.
    pub fn is_warned(&self) -> bool {
        self.monitored.as_ref().is_some_and(|response| !response.allowed)
            || self.steps.iter().any(|step| step.verdict == PartVerdict::Warn)
    }

    /// The error code; none for a case that did not fail.
    pub fn code(&self) -> Option<Code> {
        match &self.outcome {
            Outcome::Failed(mismatches) => Some(mismatches.first().map_or(Code::Verdict, |first| first.kind.into())),
            Outcome::Error(fault) => Some(fault.kind.into()),
            Outcome::Unavailable(why) => Some(why.stage.into()),
            Outcome::Xpassed(_) => Some(Code::UnexpectedPass),
            Outcome::NotRun(_) => Some(Code::NotRun),
            Outcome::Passed | Outcome::Skipped(_) | Outcome::Xfailed(_) => None,
        }
    }
}

/// The result of a step of a chain or a member of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct PartReport {
    /// Name of the step's policy or group, or id of the member.
    pub name: String,
    /// Name of the policy or group that was evaluated.
    pub policy: String,
    /// Its verdict.
    pub verdict: PartVerdict,
    /// How often it was evaluated: an expression may name a member twice.
    pub evaluations: usize,
    /// Its response: of a step as it was deployed, of a member as the policy gave it. The last one, if there are several.
    pub response: Option<AdmissionResponse>,
    /// What the policy of a step itself answered, where monitor mode lets every request pass.
    pub monitored: Option<AdmissionResponse>,
    /// Why it has no response.
    pub fault: Option<Fault>,
    /// The host calls it made.
    pub calls: Vec<HostCall>,
    /// The members, where the step is a group.
    pub members: Vec<PartReport>,
}

/// The verdict of a [`PartReport`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartVerdict {
    /// Allowed and not mutated.
    Allow,
    /// Allowed and mutated; a member that mutates denies.
    Mutate,
    /// Rejected.
    Deny,
    /// Rejected by a policy in monitor mode: the request passes.
    Warn,
    /// No usable answer.
    Fault,
    /// Not evaluated: the verdict did not depend on it.
    NotAsked,
    /// No rule matches the request, for this reason.
    NotApplicable(String),
}

impl PartVerdict {
    /// The word used in reports.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Mutate => "mutate",
            Self::Deny => "deny",
            Self::Warn => "warn",
            Self::Fault => "fault",
            Self::NotAsked => "not-asked",
            Self::NotApplicable(_) => "not-applicable",
        }
    }
}

/// A suite in the report.
#[derive(Debug, Clone)]
pub struct SuiteSummary {
    /// Its name.
    pub name: String,
    /// Its path as shown: relative to the repository root.
    pub path: String,
    /// Its path as the user would type it, for commands that reproduce a case; empty for one that a command has written.
    pub argument: String,
    /// Its file, for quoting.
    pub span: Span,
    /// The release of Kubewarden whose verdicts its cases have.
    pub kubewarden: Release,
}

/// A policy in the report.
#[derive(Debug, Clone)]
pub struct PolicyReport {
    /// Name in the suite.
    pub name: String,
    /// Index into [`RunReport::suites`].
    pub suite: usize,
    /// Where the module is, as a URI.
    pub uri: String,
    /// What the URI stood for: the digest of the manifest in a registry, of the module on a web server.
    pub source_digest: Option<String>,
    /// Remarks about its source, such as a tag that has moved.
    pub remarks: Vec<String>,
    /// Digest of the bytes that were run, annotated ones included.
    pub digest: Option<Digest>,
    /// Size of these bytes.
    pub size: Option<u64>,
    /// How the module is called.
    pub execution_mode: Option<ExecutionMode>,
    /// What compiled the code that its cases ran, in this order.
    pub compilers: Vec<Compiler>,
    /// Time spent compiling, zero when another policy had the same bytes.
    pub compile_time: Duration,
    /// Where the suite defines it.
    pub span: Span,
    /// Why it is unavailable.
    pub unavailable: Option<Arc<Unavailable>>,
    /// Its place among the policies of its suite.
    pub position: usize,
    /// What it answered to the cases of the run, as a member of groups, too.
    pub verdicts: VerdictCounts,
    /// What it may ask its host for, and what it does; nothing where cases were left out.
    pub privileges: Option<Privileges>,
}

/// One of several parts of a selection, each run on a machine of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// How cases were divided.
    pub by: PartitionBy,
    /// Which part, counted from 1.
    pub number: usize,
    /// Of how many.
    pub of: usize,
    /// How many cases were divided.
    pub total: usize,
    /// A digest of their names.
    pub fingerprint: String,
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.by.word(), self.number, self.of)
    }
}

/// How cases are divided into shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartitionBy {
    /// By the hash of the full name.
    Hash,
    /// All cases of a policy together.
    Policy,
}

impl PartitionBy {
    /// The word used on the command line and in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::Policy => "policy",
        }
    }
}

/// A finished run.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// The suites, in the order of the command line.
    pub suites: Vec<SuiteSummary>,
    /// The policies, in suite order.
    pub policies: Vec<PolicyReport>,
    /// The cases, in suite order.
    pub cases: Vec<CaseReport>,
    /// What in the suites is valid and most likely not meant: in suite order, from top to bottom.
    pub warnings: Vec<Diagnostic>,
    /// What the cases exercise of the rules of their policies, in suite order; empty where cases were left out.
    pub rules: Vec<RuleCoverage>,
    /// What they exercise of the settings of their policies; empty where cases were left out.
    pub settings: Vec<SettingsCoverage>,
    /// The cases that notice nothing when their policies are sabotaged, for suites with a gate about it; empty where cases were left
    /// out.
    pub hollow: Vec<HollowCases>,
    /// What policies do differently than their baselines, for suites with a gate about it; empty where cases were left out.
    pub changes: Vec<SuiteChanges>,
    /// What cases use, for suites with a gate about it; empty where cases were left out.
    pub uses: Vec<SuiteUse>,
    /// What the run was to reach, in suite order. The reports about it are among the cases.
    pub gates: Vec<Gate>,
    /// The results of publishing, in suite order; empty in a run that does not publish.
    pub publications: Vec<Publication>,
    /// Which code of the policies was executed, in suite order; empty in a run that does not measure it.
    pub coverage: Vec<PolicyCoverage>,
    /// Start of the run, seconds since 1970 (UTC).
    pub started_at: jiff::Timestamp,
    /// Wall time of the whole run.
    pub duration: Duration,
    /// Which part of a larger run this is, if it is one.
    pub shard: Option<Shard>,
    /// The seed of the order of the cases, if they were shuffled.
    pub seed: Option<u64>,
    /// Words of the command line that decide about outcomes: a command that repeats a case needs them.
    pub flags: Vec<String>,
    /// Why nothing was run; empty for a run that took place. Such a report is red, and has no cases.
    pub errors: Vec<Diagnostic>,
}

/// The counts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Summary {
    /// All cases.
    pub total: usize,
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed, unexpected passes included.
    pub failed: usize,
    /// Cases without a usable answer, unavailable policies included.
    pub errors: usize,
    /// Cases that were skipped.
    pub skipped: usize,
    /// Cases that failed and are marked `xfail`.
    pub xfailed: usize,
    /// Cases whose expectation matches different answers.
    pub weak: usize,
    /// Cases in which a policy in monitor mode rejects the request, which passes.
    pub warned: usize,
    /// Selected cases that had not started when the run was stopped.
    pub not_run: usize,
}

impl Summary {
    /// Counts `cases`.
    pub fn of<'a>(cases: impl IntoIterator<Item = &'a CaseReport>) -> Self {
        let mut summary = Self::default();
        for case in cases {
            summary.total += 1;
            summary.weak += usize::from(case.weakness.is_some());
            summary.warned += usize::from(case.is_warned());
            let counter = match &case.outcome {
                Outcome::Passed => &mut summary.passed,
                Outcome::Failed(_) | Outcome::Xpassed(_) => &mut summary.failed,
                Outcome::Error(_) | Outcome::Unavailable(_) => &mut summary.errors,
                Outcome::Skipped(_) => &mut summary.skipped,
                Outcome::NotRun(_) => &mut summary.not_run,
                Outcome::Xfailed(_) => &mut summary.xfailed,
            };
            *counter += 1;
        }
        summary
    }
}

impl RunReport {
    /// Puts the warnings into suite order, from top to bottom. Those without a place come first, those about other files last.
    pub fn sort_warnings(&mut self) {
        let suites = &self.suites;
        self.warnings.sort_by_cached_key(|warning| {
            let span = warning.span.as_ref()?;
            let suite = suites.iter().position(|suite| suite.path == span.file.path).unwrap_or(suites.len());
            Some((suite, span.file.path.clone(), span.line, span.column))
        });
    }

    /// Whether no case says what a policy does: all of them were skipped, or failed as known. A gate alone shows nothing.
    pub fn shows_nothing(&self) -> bool {
        let of_suites = |case: &&CaseReport| case.kind != CaseKind::Gate;
        self.cases.iter().filter(of_suites).all(|case| case.outcome.shows_nothing())
    }

    /// The report about a run that did not take place.
    pub fn not_started(errors: Vec<Diagnostic>, at: jiff::Timestamp) -> Self {
        Self {
            suites: Vec::new(),
            policies: Vec::new(),
            cases: Vec::new(),
            warnings: Vec::new(),
            rules: Vec::new(),
            settings: Vec::new(),
            hollow: Vec::new(),
            changes: Vec::new(),
            uses: Vec::new(),
            gates: Vec::new(),
            publications: Vec::new(),
            coverage: Vec::new(),
            started_at: at,
            duration: Duration::ZERO,
            shard: None,
            seed: None,
            flags: Vec::new(),
            errors,
        }
    }

    /// The counts of the run.
    pub fn summary(&self) -> Summary {
        Summary::of(&self.cases)
    }
}
