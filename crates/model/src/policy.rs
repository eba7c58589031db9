//! Policies: how they are named, what their metadata says, what settings they take.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Settings of a policy: always a JSON object (null becomes an empty one).
pub type Settings = Map<String, Value>;

/// SHA-256 of a module's bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex::encode(self.0))
    }
}

/// A text that is not a SHA-256 digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid SHA-256 digest `{0}`")]
pub struct InvalidDigest(pub String);

impl std::str::FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let bytes = text.strip_prefix("sha256:").and_then(|digits| hex::decode(digits).ok());
        let digest = bytes.and_then(|bytes| bytes.try_into().ok());
        digest.map(Self).ok_or_else(|| InvalidDigest(text.to_owned()))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a policy's module is to be had.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyRef {
    /// A file, already resolved against the suite's folder and checked to lie inside the repository.
    File(PathBuf),
    /// A name in a registry, complete: `ghcr.io/acme/labels:v1`.
    Registry(String),
    /// A URL of a web server.
    Web(String),
}

/// How a module is called. The names are those of `executionMode` in Kubewarden's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExecutionMode {
    /// waPC functions `validate`, `validate_settings`, `protocol_version`.
    #[default]
    KubewardenWapc,
    /// A command-line program that reads stdin and writes stdout.
    Wasi,
    /// Rego whose entry point yields an AdmissionReview.
    Opa,
    /// Rego whose entry point yields violations.
    Gatekeeper,
    /// A ValidatingAdmissionPolicy compiled by ferricel: experimental, from Kubewarden 1.39.
    Ferricel,
}

impl fmt::Display for ExecutionMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KubewardenWapc => "kubewarden-wapc",
            Self::Wasi => "wasi",
            Self::Opa => "opa",
            Self::Gatekeeper => "gatekeeper",
            Self::Ferricel => "ferricel",
        })
    }
}

/// Version of the waPC protocol a module speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProtocolVersion {
    /// The only version there is.
    #[serde(rename = "v1")]
    V1,
    /// Modules that are not called by waPC.
    Unknown,
}

/// What a policy expects to be asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyType {
    /// Kubernetes admission requests.
    #[default]
    Kubernetes,
    /// Any JSON document.
    Raw,
}

/// An operation of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RuleOperation {
    /// `CREATE`
    #[serde(rename = "CREATE")]
    Create,
    /// `UPDATE`
    #[serde(rename = "UPDATE")]
    Update,
    /// `DELETE`
    #[serde(rename = "DELETE")]
    Delete,
    /// `CONNECT`
    #[serde(rename = "CONNECT")]
    Connect,
    /// Every operation.
    #[serde(rename = "*")]
    All,
}

impl RuleOperation {
    /// The word of requests and of metadata.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::All => "*",
        }
    }
}

/// One rule of the metadata: which requests the API server is to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// API groups; `""` is the core group, `*` every group.
    pub api_groups: Vec<String>,
    /// Versions; `*` is every version.
    pub api_versions: Vec<String>,
    /// Resources: `pods`, `pods/log`, `*`, `*/scale`, `pods/*`, `*/*`.
    pub resources: Vec<String>,
    /// Operations.
    pub operations: Vec<RuleOperation>,
}

/// A Kubernetes resource type that a context-aware policy wants to read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextAwareResource {
    /// `v1`, `apps/v1`, …
    pub api_version: String,
    /// `Pod`, `Deployment`, …
    pub kind: String,
}

impl fmt::Display for ContextAwareResource {
    /// `apps/v1/Deployment`, as policy-server writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.api_version, self.kind)
    }
}

/// The metadata of a policy, as `metadata.yml` states it and the module's custom section carries it.
///
/// The order of the fields is the order of the emitted JSON. Source: policy-evaluator 0.32, `policy_metadata.rs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Detected, never trusted from the file.
    #[serde(default)]
    pub protocol_version: Option<ProtocolVersion>,
    /// Which requests the policy wants.
    pub rules: Vec<Rule>,
    /// Free-form texts: title, version, usage and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Whether the policy says that it mutates.
    pub mutating: bool,
    /// Whether the audit scanner may run it.
    #[serde(default = "yes")]
    pub background_audit: bool,
    /// How the module is called.
    #[serde(default)]
    pub execution_mode: ExecutionMode,
    /// Kubernetes requests or any JSON.
    #[serde(default)]
    pub policy_type: PolicyType,
    /// Resource types it wants to read.
    #[serde(default)]
    pub context_aware_resources: BTreeSet<ContextAwareResource>,
    /// Host capabilities it says it uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_capabilities: Option<BTreeSet<String>>,
    /// Oldest Kubewarden that can run it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_kubewarden_version: Option<semver::Version>,
}

fn yes() -> bool {
    true
}
