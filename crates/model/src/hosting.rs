//! What a policy may ask its host, what a suite answers, and what was asked in the end.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cluster::{Cluster, ClusterKinds};
use super::policy::ContextAwareResource;
use super::source::{SourceFile, Span, Spanned};

/// What the deployment of a policy lets it ask.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// Patterns of host capabilities such as `oci/*`, checked; none given is all of them, an empty list nothing.
    pub host_capabilities: Option<Vec<String>>,
    /// The Kubernetes resources it may read.
    pub context_aware: ContextAware,
}

/// The Kubernetes resources a policy may read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ContextAware {
    /// The suite does not say. None then, whatever its metadata declares: as `kwctl run` without
    /// `--allow-context-aware`.
    #[default]
    Nothing,
    /// Those its metadata declares.
    Declared,
    /// These.
    Listed(BTreeSet<ContextAwareResource>),
}

/// Everything a case has to answer host calls with, in the order in which it is asked: the case's own `host:`, its
/// `replay:`, its `cluster:`, then those of `defaults`.
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

/// One line of a `host:` table: this capability, asked this, answers that.
#[derive(Debug, Clone)]
pub struct TableEntry {
    /// Full name of the capability, `oci/v1/manifest_digest`.
    pub capability: String,
    /// What is asked, in the short form the capability defines (an image, a host name …), or `*`.
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
    /// The recorded reply: the text the guest receives, or the text of the error.
    pub response: Result<String, String>,
    /// Where the exchange begins.
    pub span: Span,
}

/// What the host asks for OPA policies to build their `data.kubernetes`. It stands among the calls, but is no capability:
/// no policy can ask it, be granted it, or be expected to ask it.
pub const PLURAL_NAME: &str = "kubernetes/get_resource_plural_name";

/// A call a policy made while its case ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostCall {
    /// Full name of the capability.
    pub capability: String,
    /// What was asked, in short form.
    pub request: String,
    /// Who answered.
    pub answered_by: AnsweredBy,
    /// The error text the policy was given, if the call failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Who answered a host call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnsweredBy {
    /// The `host:` table of the case or of the defaults.
    Host,
    /// The recording of the case or of the defaults.
    Replay,
    /// The cluster of the case or of the defaults.
    Cluster,
    /// The world outside, in a run with `--live`.
    Live,
    /// The kinds that verify and the suite's `crds` know: plural names only.
    Kinds,
    /// The access rules: the call was refused before anybody was asked, a fault.
    AccessRules,
    /// Nobody: a fault.
    Nobody,
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
            Self::Nobody => "nobody",
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
