//! What can be known of a module without running it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::policy::{Digest, ExecutionMode, Metadata};
use super::source::Spanned;

/// What a module is and what its metadata says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Where it came from.
    pub uri: String,
    /// Digest of its bytes.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
    /// What its exports show it to be.
    pub looks: Looks,
    /// Its metadata, if it has any.
    pub metadata: Option<Metadata>,
    /// Host capabilities it seems to use, and those it declares.
    pub capabilities: CapabilityUse,
    /// What is worth knowing about where it came from.
    pub remarks: Vec<String>,
    /// What calls itself a signature in its registry; none where nobody asked, or where it is in no registry.
    pub signatures: Option<Vec<ListedSignature>>,
    /// The manifest under the tag `sha256-….sig` as JSON, where somebody asked and there is one.
    pub signature_manifest: Option<String>,
}

impl Inspection {
    /// The execution mode of the metadata; without metadata that of the exports, where they leave no choice.
    pub fn execution_mode(&self) -> Option<ExecutionMode> {
        let detected = match self.looks {
            Looks::Wapc => Some(ExecutionMode::KubewardenWapc),
            Looks::Wasi => Some(ExecutionMode::Wasi),
            Looks::Rego | Looks::Unknown => None,
        };
        self.metadata.as_ref().map(|metadata| metadata.execution_mode).or(detected)
    }
}

/// Something in a registry that calls itself a signature of a policy. Nothing about it has been verified.
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

/// A key of `metadata.yml` that means nothing and is ignored.
#[derive(Debug, Clone)]
pub struct IgnoredKey {
    /// The key.
    pub name: Spanned<String>,
    /// What it is no key of.
    pub place: String,
    /// What it was probably meant to be.
    pub meant: Option<&'static str>,
}

impl fmt::Display for IgnoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no key of {}", self.name.value, self.place)
    }
}

/// What the exports of a module say about it. Rego does not show which of its two modes a module was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Looks {
    /// Some export begins with `opa_`.
    #[serde(rename = "rego")]
    Rego,
    /// There is a `__guest_call`.
    #[serde(rename = "kubewarden-wapc")]
    Wapc,
    /// There is a `_start`, and nothing of the above.
    #[serde(rename = "wasi")]
    Wasi,
    /// Nothing of all this.
    #[serde(rename = "unknown")]
    Unknown,
}

/// The host capabilities of a module, each list sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CapabilityUse {
    /// Those whose names the module holds; dead code counts.
    pub found: Vec<String>,
    /// What `hostCapabilities` of the metadata says, patterns included.
    pub declared: Vec<String>,
    /// Found, and no declared pattern includes it.
    pub undeclared: Vec<String>,
    /// Declared, and nothing was found that it includes.
    pub unused: Vec<String>,
}
