//! A suite as the later steps see it: defaults applied, tables and globs expanded, every name resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use serde_json::Value;

use super::answer::FaultKind;
use super::baseline::Baseline;
use super::behaviour::Class;
use super::conversion::Equivalent;
use super::deployed::UniqueName;
use super::diagnostic::Diagnostic;
use super::gate::Goal;
use super::hosting::{Grants, HostAnswers};
use super::installation::Kubewarden;
use super::kind::KnownKind;
use super::policy::{ExecutionMode, PolicyRef, Settings};
use super::relation::{Relation, RelationException};
use super::scope::Scope;
use super::signature::Requirement;
use super::source::{MemberSpans, SourceFile, Span, Spanned};
use super::stored_request::StoredRequest;
use super::written_object::WrittenObject;

/// One suite file, ready to run.
#[derive(Debug)]
pub struct Suite {
    /// Name shown in reports; the path of the file where the suite gives none.
    pub name: String,
    /// The suite file itself.
    pub file: Arc<SourceFile>,
    /// The files that it includes, in the order in which they are read: all of them before it.
    pub included: Vec<Arc<SourceFile>>,
    /// The Kubewarden whose verdicts are reproduced.
    pub kubewarden: Kubewarden,
    /// The policies, in the order of the file; paths used directly in cases come last.
    pub policies: Vec<PolicySpec>,
    /// The groups, in the order of the file.
    pub groups: Vec<GroupSpec>,
    /// All tests in the order of the file: checks, settings cases, cases.
    pub cases: Vec<Case>,
    /// Where its policies are published when they pass; empty without `publish:`.
    pub publish: Vec<PublishSpec>,
    /// What the whole run is to reach, in the order of the file.
    pub gates: Vec<Spanned<Goal>>,
    /// The kinds of its `crds:`.
    pub custom_kinds: Vec<KnownKind>,
    /// What is valid and most likely not meant, from top to bottom.
    pub warnings: Vec<Diagnostic>,
    /// Snapshots that no case has, where that is no mistake because they can be removed.
    pub unused_snapshots: Vec<UnusedSnapshot>,
}

/// Which suite of a run, counted from 0 in the order of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SuiteIndex(pub usize);

/// Index into [`Suite::policies`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyIndex(pub usize);

/// Index into [`Suite::groups`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupIndex(pub usize);

/// An entry of `publish:`.
#[derive(Debug, Clone)]
pub struct PublishSpec {
    /// What to publish.
    pub policy: PolicyIndex,
    /// Where to: `ghcr.io/acme/policies/safe-labels`, without scheme, tag and digest.
    pub repository: Spanned<String>,
    /// The tags that will point to it, at least one.
    pub tags: Vec<Spanned<String>>,
    /// Those among them that are never moved.
    pub immutable: BTreeSet<String>,
    /// Annotations of the manifest in addition to those of the metadata.
    pub annotations: BTreeMap<String, String>,
}

/// A policy as the suite names it.
#[derive(Debug)]
pub struct PolicySpec {
    /// The name cases use.
    pub name: String,
    /// Where it is defined.
    pub span: Span,
    /// Where the module is.
    pub uri: Spanned<PolicyRef>,
    /// The uri as it was written, for reports.
    pub uri_text: String,
    /// `metadata.yml` to be annotated in memory.
    pub metadata: Option<Spanned<PathBuf>>,
    /// A metadata file near the module or the suite, as the suite would name it, where the suite gives no `metadata`.
    pub nearby_metadata: Option<String>,
    /// The form of its settings, `questions-ui.yml`: the one that the suite names, or the one beside its metadata or its
    /// module.
    pub form: Option<Arc<SourceFile>>,
    /// The settings that it runs with by default and those of its variants.
    pub settings: Vec<Arc<Settings>>,
    /// Text for the usage annotation.
    pub usage: Option<Spanned<PathBuf>>,
    /// Mode of a module without metadata.
    pub execution_mode: Option<Spanned<ExecutionMode>>,
    /// How the verdict is treated after the policy gave it.
    pub deployment: Deployment,
    /// What it may ask its host.
    pub grants: Grants,
    /// Whether its faults stay faults.
    pub compat: Compat,
    /// Who must have signed it; all of these hold.
    pub signed_by: Vec<Requirement>,
    /// The version that it is compared with.
    pub baseline: Option<Baseline>,
}

/// What becomes of a fault that policy-server has an answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compat {
    /// It stays a fault: neither a denial nor a pass.
    #[default]
    Strict,
    /// It becomes the server's answer: a rejection with code 500, or what else the server makes of it.
    Server,
}

/// What the cluster's configuration makes of a policy's verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// `monitor` lets everything pass.
    pub is_monitor: bool,
    /// Whether a patch is let through.
    pub allowed_to_mutate: bool,
    /// Message that replaces the policy's own when it rejects.
    pub message: Option<String>,
    /// Name under which it is deployed, where that is not its name in the suite.
    pub unique_name: Option<UniqueName>,
    /// Which requests the cluster sends to it; what its metadata wants where nothing says.
    pub scope: Option<Scope>,
    /// Deadline of its evaluations, for cases that have none of their own.
    pub timeout: Option<Duration>,
    /// Whether the audit scanner may ask it; what its metadata says where nothing does.
    pub is_audited: Option<bool>,
}

impl Default for Deployment {
    fn default() -> Self {
        Self {
            is_monitor: false,
            allowed_to_mutate: true,
            message: None,
            unique_name: None,
            scope: None,
            timeout: None,
            is_audited: None,
        }
    }
}

impl Deployment {
    /// The name in messages of the server about a request of this namespace; `name` is that in the suite.
    pub fn policy_id(&self, name: &str, namespace: Option<&str>) -> String {
        self.unique_name.as_ref().map_or_else(|| name.to_owned(), |unique| unique.for_request(namespace))
    }
}

/// A policy and the settings it runs with; they are validated before every evaluation.
#[derive(Debug, Clone)]
pub struct PolicyUse {
    /// The policy.
    pub policy: PolicyIndex,
    /// Its settings.
    pub settings: Arc<Settings>,
}

/// Policies that answer as one: an expression says how the verdicts of the members make the verdict of the group.
#[derive(Debug)]
pub struct GroupSpec {
    /// The name cases use.
    pub name: String,
    /// Where it is defined.
    pub span: Span,
    /// The members, in the order of the file.
    pub members: Vec<Member>,
    /// The expression over the ids of the members, `owned() && signed()`.
    pub expression: Spanned<String>,
    /// Message of a rejection.
    pub message: String,
    /// How its verdict is treated. It is never allowed to mutate, and its message is no replacement.
    pub deployment: Deployment,
    /// Whether faults of its members, and of its expression, stay faults.
    pub compat: Compat,
}

/// A member of a group. How its policy is deployed elsewhere means nothing here, but for what it may ask its host.
#[derive(Debug)]
pub struct Member {
    /// Its name in the expression.
    pub id: String,
    /// What is asked.
    pub policy: PolicyUse,
}

/// What a request is put to: one step, or several one after the other, which make a chain. Each step of a chain sees the
/// object as the step before left it; the first denial ends it.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The steps; at least one.
    pub steps: Vec<Step>,
}

/// One step of a [`Subject`].
#[derive(Debug, Clone)]
pub enum Step {
    /// A policy.
    Policy(PolicyUse),
    /// A group of policies.
    Group(GroupIndex),
}

impl Suite {
    /// Whether a gate has a goal like this.
    pub fn has_gate(&self, is_wanted: impl Fn(&Goal) -> bool) -> bool {
        self.gates.iter().any(|gate| is_wanted(&gate.value))
    }

    /// The files in which its cases and policies are written.
    pub fn files(&self) -> impl Iterator<Item = &Arc<SourceFile>> {
        self.included.iter().chain([&self.file])
    }

    /// How the policy or group of a step is deployed.
    pub fn deployment_of(&self, step: &Step) -> &Deployment {
        match step {
            Step::Policy(used) => &self.policies[used.policy.0].deployment,
            Step::Group(group) => &self.groups[group.0].deployment,
        }
    }

    /// The name of a step: that of its policy or group.
    pub fn name_of(&self, step: &Step) -> &str {
        match step {
            Step::Policy(used) => &self.policies[used.policy.0].name,
            Step::Group(group) => &self.groups[group.0].name,
        }
    }

    /// The policies a step may ask.
    pub fn policies_of(&self, step: &Step) -> Vec<PolicyIndex> {
        match step {
            Step::Policy(used) => vec![used.policy],
            Step::Group(group) => self.groups[group.0].members.iter().map(|member| member.policy.policy).collect(),
        }
    }

    /// Whether manifests have rules for a policy: its own, or those of every group that it is a member of.
    pub fn is_scoped(&self, policy: PolicyIndex) -> bool {
        let is_member = |group: &&GroupSpec| group.members.iter().any(|member| member.policy.policy == policy);
        let mut groups = self.groups.iter().filter(is_member).peekable();
        let is_in_groups = groups.peek().is_some();
        let has_rules = |deployment: &Deployment| deployment.scope.is_some();
        has_rules(&self.policies[policy.0].deployment)
            || (is_in_groups && groups.all(|group| has_rules(&group.deployment)))
    }

    /// The policies a case asks with their settings, in the order in which they are asked.
    pub fn settings_uses<'a>(&'a self, case: &'a Case) -> Vec<&'a PolicyUse> {
        match &case.body {
            CaseBody::Request(request) => {
                let of_step = |step: &'a Step| match step {
                    Step::Policy(policy) => vec![policy],
                    Step::Group(group) => self.groups[group.0].members.iter().map(|it| &it.policy).collect(),
                };
                request.subject.steps.iter().flat_map(of_step).collect()
            }
            CaseBody::Settings(settings) => vec![&settings.policy],
            CaseBody::Check { .. } | CaseBody::Relation(_) => Vec::new(),
        }
    }

    /// The settings a case puts to its policies, in the same order.
    pub fn settings_for(&self, case: &Case) -> Vec<Arc<Settings>> {
        self.settings_uses(case).into_iter().map(|used| Arc::clone(&used.settings)).collect()
    }

    /// The policies a case needs, members of groups and steps of chains included.
    pub fn policies_for(&self, case: &Case) -> Vec<PolicyIndex> {
        match &case.body {
            CaseBody::Request(request) => {
                request.subject.steps.iter().flat_map(|step| self.policies_of(step)).collect()
            }
            CaseBody::Settings(settings) => vec![settings.policy.policy],
            CaseBody::Check { policy, .. } | CaseBody::Relation(RelationCase { policy, .. }) => vec![*policy],
        }
    }
}

/// One test of a suite.
#[derive(Debug)]
pub struct Case {
    /// `suite › case [owner=team-a]`: unique within a run, the same in every report.
    pub id: String,
    /// The part of the id behind the suite's name.
    pub name: String,
    /// What it is about, as reports name it: a policy, a group, or the steps of a chain.
    pub subject: String,
    /// Where its name is written.
    pub span: Span,
    /// Where the row of its table or its object of several is written.
    pub origin: Option<Span>,
    /// Where its expectation is written; the same as `span` where there is none.
    pub expect_span: Span,
    /// Words for `--tag`.
    pub tags: Vec<String>,
    /// Why it is not to be run.
    pub skip: Option<String>,
    /// Whether only cases like this one are to be run.
    pub is_only: bool,
    /// How it is known to fail.
    pub xfail: Option<Xfail>,
    /// Deadline of each call into a policy, where the suite gives one.
    pub timeout: Option<Duration>,
    /// What the policy takes for the present time; a fixed one where the suite says nothing.
    pub clock: Option<jiff::Timestamp>,
    /// The answer that is kept beside the suite, for cases with `snapshot: true`.
    pub snapshot: Option<Snapshot>,
    /// How its answer is meant to differ from that of the baselines.
    pub expected_changes: Vec<Class>,
    /// What is done and what is expected.
    pub body: CaseBody,
}

/// The answer to a case as it is kept in a file of its own.
#[derive(Debug)]
pub struct Snapshot {
    /// The name of the case as it stands in the file: without the line of an object, which changes with what is above it.
    pub case: String,
    /// Where the file is, whether or not it is there.
    pub path: PathBuf,
    /// The same as reports show it.
    pub shown: String,
    /// What it holds.
    pub stored: StoredAnswer,
}

/// What the file of a [`Snapshot`] holds.
#[derive(Debug)]
pub enum StoredAnswer {
    /// There is no such file.
    Absent,
    /// It is no document. Only for who writes it anew: else it is a mistake.
    Unreadable(Arc<SourceFile>),
    /// An answer.
    Document(Spanned<Value>),
}

impl StoredAnswer {
    /// The text of the file.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Absent => None,
            Self::Unreadable(file) => Some(&file.text),
            Self::Document(document) => Some(&document.span.file.text),
        }
    }
}

/// The file of a snapshot that no case has.
#[derive(Debug, Clone)]
pub struct UnusedSnapshot {
    /// Where it is.
    pub path: PathBuf,
    /// The file itself.
    pub file: Arc<SourceFile>,
}

/// How a case is known to fail. A fault says nothing about what the policy decides, so one is only covered by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Xfail {
    /// Why.
    pub reason: String,
    /// The fault it is known for; without one it is known for another answer than expected.
    pub fault: Option<FaultKind>,
}

impl Xfail {
    /// Whether this is the known failure: a fault of the kind, or a mismatch where no kind is named.
    pub fn covers(&self, fault: Option<FaultKind>) -> bool {
        self.fault == fault
    }
}

impl Case {
    /// The place that tells it from other cases: that of its row or object, else that of its name.
    pub fn place(&self) -> &Span {
        self.origin.as_ref().unwrap_or(&self.span)
    }

    /// The policy that its request is put to, where it is a single one.
    pub fn only_policy(&self) -> Option<PolicyIndex> {
        let CaseBody::Request(body) = &self.body else { return None };
        match body.subject.steps.as_slice() {
            [Step::Policy(used)] => Some(used.policy),
            _ => None,
        }
    }
}

/// The kinds of test.
#[derive(Debug)]
pub enum CaseBody {
    /// A request and the expected answer.
    Request(Box<RequestCase>),
    /// Settings and whether the policy takes them.
    Settings(SettingsCase),
    /// A static check of the module or its metadata.
    Check {
        /// The policy.
        policy: PolicyIndex,
        /// What is checked.
        check: Check,
    },
    /// A relation between the answers of a policy.
    Relation(RelationCase),
}

impl CaseBody {
    /// Whether it sends requests of its own, or settings: no check of the module, and no relation between other cases.
    pub fn has_own_requests(&self) -> bool {
        matches!(self, Self::Request(_) | Self::Settings(_))
    }
}

/// A request and the expected answer.
#[derive(Debug)]
pub struct RequestCase {
    /// What it is put to.
    pub subject: Subject,
    /// What arrives. Shared with the report of the case.
    pub request: Arc<StoredRequest>,
    /// The paths of mappings that the fixture lacks and `set` has made.
    pub created: Vec<String>,
    /// Where the members of its object are written. Shared by the policies that it is put to.
    pub written: Arc<WrittenObject>,
    /// Where the settings of a single policy are written.
    pub settings_span: Option<Span>,
    /// Other versions of its resource, in the order in which rules with `matchPolicy: Equivalent` try them.
    pub equivalents: Vec<Equivalent>,
    /// What becomes of a request that no metadata rule selects.
    pub rules: RulesMode,
    /// Answers for host calls.
    pub answers: Arc<HostAnswers>,
    /// What is expected.
    pub expect: Arc<Expectation>,
}

impl RequestCase {
    /// The same policies and mocks for other requests: what becomes of those that no rule selects, and the other versions of
    /// their resource.
    #[must_use]
    pub fn about_other_requests(&self, rules: RulesMode, equivalents: Vec<Equivalent>) -> Self {
        Self {
            subject: self.subject.clone(),
            request: Arc::clone(&self.request),
            created: Vec::new(),
            written: Arc::clone(&self.written),
            settings_span: None,
            equivalents,
            rules,
            answers: Arc::clone(&self.answers),
            expect: Arc::clone(&self.expect),
        }
    }
}

/// What becomes of a request that no metadata rule selects, so that the policy would not be asked in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RulesMode {
    /// It is an error.
    #[default]
    Enforce,
    /// The case is skipped: for `objects`, of which a policy is asked about some.
    Skip,
    /// The policy is asked all the same.
    Ignore,
}

/// Settings and whether the policy takes them.
#[derive(Debug)]
pub struct SettingsCase {
    /// The policy and the document handed to it.
    pub policy: PolicyUse,
    /// Answers for host calls.
    pub answers: Arc<HostAnswers>,
    /// What is expected.
    pub expect: Arc<SettingsExpectation>,
}

/// What a settings case expects.
#[derive(Debug)]
pub enum SettingsExpectation {
    /// The policy takes the settings.
    Valid,
    /// The policy refuses them, with this text.
    Invalid(TextExpectation),
}

/// A static check, reported as a test of its own.
#[derive(Debug)]
pub enum Check {
    /// The annotation `io.kubewarden.policy.version` equals this.
    Version(Spanned<String>),
    /// The metadata's `mutating` equals this.
    Mutating(Spanned<bool>),
    /// The metadata declares exactly these host capabilities.
    HostCapabilities(Spanned<Vec<String>>),
    /// The module's size satisfies this.
    Size(Spanned<SizeLimit>),
    /// The policy takes what this form sends.
    Questions(Spanned<Arc<SourceFile>>),
}

impl Check {
    /// Its key under `check:`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Version(_) => "version",
            Self::Mutating(_) => "mutating",
            Self::HostCapabilities(_) => "hostCapabilities",
            Self::Size(_) => "size",
            Self::Questions(_) => "questions",
        }
    }

    /// Where the check is written.
    pub fn span(&self) -> &Span {
        match self {
            Self::Version(wanted) => &wanted.span,
            Self::Mutating(wanted) => &wanted.span,
            Self::HostCapabilities(wanted) => &wanted.span,
            Self::Size(wanted) => &wanted.span,
            Self::Questions(form) => &form.span,
        }
    }
}

/// A bound on the size of a module, `<= 5MiB`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SizeLimit {
    /// Whether exactly this many bytes are still allowed.
    pub is_inclusive: bool,
    /// The bound in bytes.
    pub bytes: u64,
    /// The limit as it was written.
    pub text: String,
}

/// A relation that a policy has to keep in all cases that are about it alone.
#[derive(Debug, Clone)]
pub struct RelationCase {
    /// The policy.
    pub policy: PolicyIndex,
    /// The relation.
    pub relation: Relation,
    /// What is left out.
    pub exceptions: Vec<RelationException>,
}

/// What a case expects.
#[derive(Debug)]
pub enum Expectation {
    /// A verdict and what stands beside it.
    Verdict(Box<VerdictExpectation>),
    /// No rule of the metadata selects the request.
    NotApplicable,
    /// No usable answer, of this kind and with this text.
    Fault(FaultExpectation),
    /// The AdmissionResponse itself.
    Response(DocumentExpectation),
}

impl VerdictExpectation {
    /// A verdict of which nothing else is expected.
    pub fn of(word: VerdictWord) -> Self {
        Self { word, code: None, warnings: None, audit_annotations: None, calls: None, members: Vec::new(), mode: None }
    }
}

impl Expectation {
    /// Whether this is about the answer of a policy in monitor mode, not about the response.
    pub fn is_monitored(&self) -> bool {
        matches!(self, Self::Verdict(expected) if expected.mode.as_ref().is_some_and(|mode| mode.value))
    }
}

/// A document to compare with.
#[derive(Debug)]
pub struct DocumentExpectation {
    /// The expected document.
    pub expected: Spanned<Value>,
    /// Where its members are written, in the suite or in a file of its own, by JSON pointer.
    pub spans: Arc<MemberSpans>,
    /// Whether the whole document must be equal; otherwise every given key must match.
    pub is_exact: bool,
}

/// A verdict and what stands beside it.
#[derive(Debug)]
pub struct VerdictExpectation {
    /// The verdict.
    pub word: VerdictWord,
    /// Status code.
    pub code: Option<Spanned<u16>>,
    /// All warnings, in order; empty means none.
    pub warnings: Option<Spanned<Vec<String>>>,
    /// These audit annotations and no others; empty means none.
    pub audit_annotations: Option<Spanned<BTreeMap<String, String>>>,
    /// The host calls: each of these at least once, and no others; empty means none.
    pub calls: Option<Spanned<Vec<CallExpectation>>>,
    /// What members of the group say; the others are free.
    pub members: Vec<MemberExpectation>,
    /// Whether the policy is deployed in monitor mode, where the suite says so: everything above is then about its own
    /// answer, not about the response that lets the request pass.
    pub mode: Option<Spanned<bool>>,
}

/// What a member of a group is to say.
#[derive(Debug)]
pub struct MemberExpectation {
    /// Its id, and where it is written.
    pub id: Spanned<String>,
    /// What it says.
    pub word: MemberWord,
    /// Where that is written.
    pub span: Span,
}

/// What a member of a group can say.
#[derive(Debug)]
pub enum MemberWord {
    /// It allows.
    Allow,
    /// It denies, with this text. A mutation counts as a denial.
    Deny(TextExpectation),
    /// The expression is decided without it.
    NotAsked,
}

/// A host call that a case expects.
#[derive(Debug)]
pub struct CallExpectation {
    /// Full name of the capability.
    pub capability: String,
    /// What is asked, in the short form of `host:` tables; anything if not given.
    pub request: Option<String>,
    /// Where it is written.
    pub span: Span,
}

/// The words for verdicts.
#[derive(Debug)]
pub enum VerdictWord {
    /// Allowed and not mutated.
    Allow,
    /// Allowed, mutated or not.
    Accept,
    /// Allowed and mutated as described.
    Mutate(Box<MutateExpectation>),
    /// Rejected by the policy itself, without a patch, with this text.
    Deny(TextExpectation),
}

/// How an object is to be mutated; nothing given means in whatever way.
#[derive(Debug, Default)]
pub struct MutateExpectation {
    /// The mutated object holds these keys.
    pub object: Option<DocumentExpectation>,
    /// The mutated object is exactly this one.
    pub exactly: Option<DocumentExpectation>,
    /// JSON pointers: nothing outside them may change.
    pub only: Option<Spanned<Vec<Spanned<String>>>>,
    /// The patch has at least these operations, in any order.
    pub includes: Option<Spanned<Vec<Spanned<Value>>>>,
    /// The patch is exactly this one.
    pub patch: Option<Spanned<Value>>,
    /// Whether a second pass over the mutated object must change nothing.
    pub idempotent: Option<Spanned<bool>>,
}

impl MutateExpectation {
    /// Whether any mutation satisfies it.
    pub fn is_empty(&self) -> bool {
        let Self { object, exactly, only, includes, patch, idempotent: _ } = self;
        object.is_none() && exactly.is_none() && only.is_none() && includes.is_none() && patch.is_none()
    }
}

/// What a text must look like; all given conditions must hold.
#[derive(Debug, Default)]
pub struct TextExpectation {
    /// Equal to this.
    pub exact: Option<Spanned<String>>,
    /// Contains each of these.
    pub contains: Vec<Spanned<String>>,
    /// Matches each of these, anywhere unless anchored.
    pub matches: Vec<Spanned<Regex>>,
    /// Contains none of these.
    pub not: Vec<Spanned<String>>,
}

impl TextExpectation {
    /// Whether any text satisfies it.
    pub fn is_empty(&self) -> bool {
        self.exact.is_none() && self.contains.is_empty() && self.matches.is_empty() && self.not.is_empty()
    }
}

/// A fault that a case expects.
#[derive(Debug)]
pub struct FaultExpectation {
    /// The kind.
    pub kind: Spanned<FaultKind>,
    /// What its message must look like.
    pub text: TextExpectation,
}
