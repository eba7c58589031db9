//! The result of an evaluation: the verdict of the policy, or a fault.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::code::Code;

/// A verdict, or the reason why there is none. A fault is never a denial.
pub type Answer = Result<AdmissionResponse, Fault>;

/// The verdict in the shape policy-server sends it: order of the keys, presence and nulls included.
///
/// Source: AdmissionResponse of policy-evaluator 0.32, which differs from Kubernetes' own in that
/// `auditAnnotations` and `warnings` are always present.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionResponse {
    /// The uid of the request; empty for raw requests that carry none.
    pub uid: String,
    /// The verdict itself.
    pub allowed: bool,
    /// `JSONPatch` when there is a patch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch_type: Option<String>,
    /// RFC 6902 operations as compact JSON in padded base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
    /// Present when the policy gave a message or a code, also with `allowed: true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Annotations for the audit log; `null` when the policy gave none.
    pub audit_annotations: Option<BTreeMap<String, String>>,
    /// Warnings for the client; `null` when the policy gave none.
    pub warnings: Option<Vec<String>>,
}

impl AdmissionResponse {
    /// A rejection by policy-server itself: code 500 and a message.
    pub fn internal_error(uid: &str, message: String) -> Self {
        let status = Status { message: Some(message), code: Some(500), ..Status::default() };
        Self { uid: uid.to_owned(), status: Some(status), ..Self::default() }
    }

    /// The message of the status, if any.
    pub fn message(&self) -> Option<&str> {
        self.status.as_ref()?.message.as_deref()
    }

    /// The code of the status, if any.
    pub fn code(&self) -> Option<u16> {
        self.status.as_ref()?.code
    }
}

/// The status of an [`AdmissionResponse`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// `Success` or `Failure`; only Rego policies set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Text for the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// A reason word of Kubernetes; only Rego policies set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Details, among them the causes that post-processing adds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<StatusDetails>,
    /// HTTP status code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
}

/// Details of a [`Status`]. The keys are *not* camelCase: the server's type has no such renaming.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StatusDetails {
    /// Name of the object; only OPA policies set this and the members below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its uid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Why the request was refused, one entry for each reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<StatusCause>,
    /// Seconds after which it is worth trying again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<i32>,
}

/// One cause; absent members are written as `null`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StatusCause {
    /// A reason word.
    pub reason: Option<String>,
    /// Text for the user.
    pub message: Option<String>,
    /// The field the cause is about.
    pub field: Option<String>,
}

/// What a waPC or WASI policy writes back for `validate`; unknown keys are ignored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ValidationResponse {
    /// Whether the request is accepted: the only required key.
    pub accepted: bool,
    /// Text for the user.
    pub message: Option<String>,
    /// HTTP status code.
    pub code: Option<u16>,
    /// The complete new object (not a patch); null means no mutation.
    pub mutated_object: Option<Value>,
    /// Annotations for the audit log.
    pub audit_annotations: Option<BTreeMap<String, String>>,
    /// Warnings for the client.
    pub warnings: Option<Vec<String>>,
}

/// What a policy writes back for `validate_settings`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
// The name of the type is part of the server's text about a reply that is none.
#[serde(expecting = "struct SettingsValidationResponse")]
pub struct SettingsVerdict {
    /// Whether the settings are usable.
    pub valid: bool,
    /// Why they are not.
    pub message: Option<String>,
    /// Why they are not, as policy-server words it where its text is another one: it quotes its own error about a policy
    /// that fails while it validates settings.
    #[serde(skip)]
    pub at_server: Option<String>,
}

impl SettingsVerdict {
    /// The reason in the words of policy-server.
    pub fn server_reason(&self) -> Option<&str> {
        self.at_server.as_deref().or(self.message.as_deref())
    }
}

/// Why there is no usable answer. The words are those of `expect: {fault: …}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The policy reported an error of its own instead of a verdict.
    Guest,
    /// The policy trapped.
    Trap,
    /// The policy ran into its deadline.
    Timeout,
    /// The policy wanted more memory than it may have.
    Memory,
    /// The policy failed while it was being started.
    Init,
    /// The policy answered, but not with a readable verdict.
    InvalidResponse,
    /// A host call was unanswered, or refused by the access rules.
    Host,
    /// The module needs Rego built-ins that policy-server does not offer.
    MissingBuiltins,
    /// The policy wrote or asked for more than the limits allow.
    Limit,
    /// The expression of a group could not be evaluated.
    Expression,
    /// The policy refused the settings of the case. Not a word of `expect`: wanted refusals are `settingsCases`.
    #[serde(skip_deserializing)]
    Settings,
    /// No rule of the metadata selects the request, so that the policy would never be asked in the cluster. Not a word
    /// of `expect: {fault: …}`: it is written `expect: not-applicable`.
    #[serde(skip_deserializing)]
    NotApplicable,
    /// The API server would convert the request to another version, and verify cannot. Not a word of `expect`.
    #[serde(skip_deserializing)]
    Conversion,
    /// The policy-server of `--against` gave no usable answer. Not a word of `expect`.
    #[serde(skip_deserializing)]
    Server,
    /// A bug in verify itself. Not a word of `expect`.
    #[serde(skip_deserializing)]
    Internal,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::Guest,
        Self::Trap,
        Self::Timeout,
        Self::Memory,
        Self::Init,
        Self::InvalidResponse,
        Self::Host,
        Self::MissingBuiltins,
        Self::Limit,
        Self::Expression,
        Self::Settings,
        Self::NotApplicable,
        Self::Conversion,
        Self::Server,
        Self::Internal,
    ];

    /// Whether a suite can name it, as in `expect: { fault: trap }`.
    pub fn is_word_of_suites(self) -> bool {
        !matches!(self, Self::Settings | Self::NotApplicable | Self::Conversion | Self::Server | Self::Internal)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Guest => "guest",
            Self::Trap => "trap",
            Self::Timeout => "timeout",
            Self::Memory => "memory",
            Self::Init => "init",
            Self::InvalidResponse => "invalid-response",
            Self::Host => "host",
            Self::MissingBuiltins => "missing-builtins",
            Self::Limit => "limit",
            Self::Expression => "expression",
            Self::Settings => "settings",
            Self::NotApplicable => "not-applicable",
            Self::Conversion => "conversion",
            Self::Server => "server",
            Self::Internal => "internal",
        })
    }
}

impl From<FaultKind> for Code {
    fn from(kind: FaultKind) -> Self {
        match kind {
            FaultKind::Guest => Self::Guest,
            FaultKind::Trap => Self::Trap,
            FaultKind::Timeout => Self::Timeout,
            FaultKind::Memory => Self::Memory,
            FaultKind::Init => Self::Init,
            FaultKind::InvalidResponse => Self::InvalidResponse,
            FaultKind::Host => Self::Host,
            FaultKind::MissingBuiltins => Self::MissingBuiltins,
            FaultKind::Limit => Self::Limit,
            FaultKind::Settings => Self::Settings,
            FaultKind::NotApplicable => Self::NotApplicable,
            FaultKind::Conversion => Self::Conversion,
            FaultKind::Expression => Self::Expression,
            FaultKind::Server => Self::Server,
            FaultKind::Internal => Self::Internal,
        }
    }
}

/// No usable answer, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The kind of fault.
    pub kind: FaultKind,
    /// What happened, in one or more lines; may hold text of the policy.
    pub message: String,
    /// What the user can do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The answer of policy-server in this situation; `None` where it would not answer, or where the situation cannot occur.
    #[serde(skip)]
    pub at_server: Option<ServerAnswer>,
}

/// How policy-server begins its answer to every request for a policy whose settings are not valid (measured, with a server
/// that starts in spite of such a policy).
pub const SETTINGS_ARE_INVALID: &str = "Policy settings are invalid: ";

/// What policy-server answers to a request about which the policy gives no verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerAnswer {
    /// It rejects with code 500 and this message.
    Rejects(String),
    /// It allows: an unreadable result of Gatekeeper counts as no violation.
    Allows,
    /// It does not serve the policy: it rejects every request with code 500 and this message, whatever the mode and the
    /// message of the deployment (measured, with a server that starts in spite of such a policy).
    NotServed(String),
}

impl Fault {
    /// A fault without advice.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), help: None, at_server: None }
    }

    /// The same fault with advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same fault, with what policy-server makes of it.
    #[must_use]
    pub fn at_server(mut self, answer: ServerAnswer) -> Self {
        self.at_server = Some(answer);
        self
    }
}
