//! What is known about a module without running it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::policy::{Digest, ExecutionMode, Metadata};
use super::source::Spanned;

/// A module and its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Where it came from.
    pub uri: String,
    /// Digest of its bytes.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
    /// The kind of module, detected from its exports.
    pub detected_kind: DetectedKind,
    /// Its metadata, if it has any.
    pub metadata: Option<Metadata>,
    /// Host capabilities it seems to use, and those it declares.
    pub capabilities: CapabilityUse,
    /// Remarks about its source, such as a tag that has moved.
    pub remarks: Vec<String>,
    /// The signatures in its registry, unverified; `None` where they were not requested, or for a local module.
    pub signatures: Option<Vec<ListedSignature>>,
    /// The manifest under the tag `sha256-….sig` as JSON, where it was requested and exists.
    pub signature_manifest: Option<String>,
}

impl Inspection {
    /// The execution mode of the metadata; without metadata that of the exports, where they leave no choice.
    pub fn execution_mode(&self) -> Option<ExecutionMode> {
        let detected = match self.detected_kind {
            DetectedKind::Wapc => Some(ExecutionMode::KubewardenWapc),
            DetectedKind::Wasi => Some(ExecutionMode::Wasi),
            DetectedKind::Ferricel => Some(ExecutionMode::Ferricel),
            DetectedKind::Rego | DetectedKind::Unknown => None,
        };
        self.metadata.as_ref().map(|metadata| metadata.execution_mode).or(detected)
    }
}

/// A signature of a policy in a registry. Nothing about it has been verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedSignature {
    /// How it is kept.
    pub form: SignatureForm,
    /// Digest of the signed document, or of the bundle.
    pub digest: String,
    /// Annotations of its layer, such as the signature itself and a certificate.
    pub annotations: BTreeMap<String, String>,
}

/// How a signature is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SignatureForm {
    /// As a layer under the tag `sha256-….sig`, which is what Kubewarden looks at.
    Tag,
    /// As a Sigstore bundle that refers to the manifest.
    Bundle,
}

/// An unknown key of `metadata.yml`, which is ignored.
#[derive(Debug, Clone)]
pub struct IgnoredKey {
    /// The key.
    pub name: Spanned<String>,
    /// The object that has no such key.
    pub place: String,
    /// The known key with the most similar name.
    pub meant: Option<&'static str>,
}

impl fmt::Display for IgnoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown key `{}` in {}", self.name.value, self.place)
    }
}

/// The kind of module, detected from its exports. The two Rego modes have the same exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum DetectedKind {
    /// Some export begins with `opa_`.
    #[serde(rename = "rego")]
    Rego,
    /// There is a `__guest_call`.
    #[serde(rename = "kubewarden-wapc")]
    Wapc,
    /// There is a `_start`, and nothing of the above.
    #[serde(rename = "wasi")]
    Wasi,
    /// There is a `cel_malloc`, and a section with the source of a ValidatingAdmissionPolicy.
    #[serde(rename = "ferricel")]
    Ferricel,
    /// None of these.
    #[serde(rename = "unknown")]
    Unknown,
}

/// The host capabilities of a module, each list sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CapabilityUse {
    /// Those whose names the module holds; dead code counts.
    pub found: Vec<String>,
    /// `hostCapabilities` of the metadata, patterns included.
    pub declared: Vec<String>,
    /// Found, and no declared pattern includes it.
    pub undeclared: Vec<String>,
    /// Declared, and nothing was found that it includes.
    pub unused: Vec<String>,
}
