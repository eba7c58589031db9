//! Host calls: what a policy may call, the mocks of a suite, and the calls that were made.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cluster::{Cluster, ClusterKinds};
use super::policy::ContextAwareResource;
use super::source::{SourceFile, Span, Spanned};

/// The host calls that the deployment of a policy allows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// Patterns of host capabilities such as `oci/*`, checked; `None` allows all, an empty list nothing.
    pub host_capabilities: Option<Vec<String>>,
    /// The Kubernetes resources it may read.
    pub context_aware: ContextAware,
}

/// The Kubernetes resources a policy may read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ContextAware {
    /// Not set in the suite: none, whatever the metadata declares, as `kwctl run` without `--allow-context-aware`.
    #[default]
    Nothing,
    /// Those its metadata declares.
    Declared,
    /// These.
    Listed(BTreeSet<ContextAwareResource>),
}

/// The mocks of a case, in the order of precedence: the case's own `host:`, its `replay:`, its `cluster:`, then those of
/// `defaults`.
#[derive(Debug, Clone, Default)]
pub struct HostAnswers {
    /// Entries of the case's own `host:`; each of them must be used.
    pub own_table: Vec<TableEntry>,
    /// The session of the case's own `replay:`.
    pub own_session: Option<Arc<Session>>,
    /// The case's own `cluster:`.
    pub own_cluster: Option<Arc<Cluster>>,
    /// Entries of `defaults.host`; they may stay unused.
    pub default_table: Arc<[TableEntry]>,
    /// The session of `defaults.replay`.
    pub default_session: Option<Arc<Session>>,
    /// `defaults.cluster`.
    pub default_cluster: Option<Arc<Cluster>>,
    /// All kinds the suite knows.
    pub kinds: Arc<ClusterKinds>,
}

/// One line of a `host:` table: capability, request and answer.
#[derive(Debug, Clone)]
pub struct TableEntry {
    /// Full name of the capability, `oci/v1/manifest_digest`.
    pub capability: String,
    /// The request in the short form that the capability defines (an image, a host name …), or `*`.
    pub request: Spanned<String>,
    /// The answer.
    pub answer: TableAnswer,
}

/// The answer of a [`TableEntry`].
#[derive(Debug, Clone, PartialEq)]
pub enum TableAnswer {
    /// The call fails with this text.
    Error(String),
    /// The call succeeds; the capability turns the value into the bytes the guest receives.
    Value(Value),
}

/// A recording of host calls in kwctl's format.
#[derive(Debug)]
pub struct Session {
    /// The file it was read from.
    pub file: Arc<SourceFile>,
    /// Where the suite names it.
    pub named_at: Span,
    /// Whether calls must come in the recorded order, as in `kwctl run`.
    pub is_strict: bool,
    /// The exchanges, in file order.
    pub exchanges: Vec<Exchange>,
}

/// One recorded call and its answer.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Name of the request variant as kwctl writes it, `OciManifestDigest`.
    pub variant: String,
    /// The members of the request.
    pub members: Value,
    /// The recorded reply: the text the guest receives, or the text of the error, which is handed to the guest unchanged.
    pub response: Result<String, String>,
    /// Where the exchange begins.
    pub span: Span,
}

/// A call of the host itself, which builds `data.kubernetes` for OPA policies. It is listed with the calls, but is not a
/// capability: policies cannot call it, and suites can neither grant nor expect it.
pub const PLURAL_NAME: &str = "kubernetes/get_resource_plural_name";

/// A call a policy made while its case ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostCall {
    /// Full name of the capability.
    pub capability: String,
    /// The request, in short form.
    pub request: String,
    /// What answered.
    pub answered_by: AnsweredBy,
    /// The error text the policy was given, if the call failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The Kubernetes resource that it reads. Not in reports.
    #[serde(skip)]
    pub resource: Option<ContextAwareResource>,
    /// What the policy received, in a run that keeps it. Not in reports.
    #[serde(skip)]
    pub reply: Option<String>,
}

/// What answered a host call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnsweredBy {
    /// The `host:` table of the case or of the defaults.
    Host,
    /// The recording of the case or of the defaults.
    Replay,
    /// The cluster of the case or of the defaults.
    Cluster,
    /// The cluster, registry or network, in a run with `--live`.
    Live,
    /// The kinds that verify and the suite's `crds` know: plural names only.
    Kinds,
    /// Denied by the access rules: a fault.
    AccessRules,
    /// No mock matches: a fault.
    #[serde(rename = "nobody")]
    Unanswered,
}

impl AnsweredBy {
    /// The word used in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Replay => "replay",
            Self::Cluster => "cluster",
            Self::Live => "live",
            Self::Kinds => "kinds",
            Self::AccessRules => "access-rules",
            Self::Unanswered => "nobody",
        }
    }
}

/// A line the policy logged through the host, or text it wrote to its standard streams.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GuestLog {
    /// Lines of `tracing/log` and `__console_log`: level, message and further members in one line.
    pub lines: Vec<String>,
    /// What the policy wrote to stdout (waPC only; in WASI mode stdout is the reply).
    pub stdout: String,
    /// What the policy wrote to stderr.
    pub stderr: String,
    /// Whether anything was cut because it exceeded the limits.
    pub is_truncated: bool,
}
