//! What a registry holds about the signatures of an image, as bytes.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::RegistryError;

/// What a registry holds about the signatures of an image.
#[derive(Debug, Default)]
pub(super) struct StoredSignatures {
    /// The image, with registry and tag: the name errors use.
    pub(super) image: String,
    /// Digest of its manifest.
    pub(super) digest: String,
    /// What is under the tag `sha256-<digest>.sig`.
    pub(super) tag: TagForm,
    /// The bundles that refer to the manifest.
    pub(super) bundles: Vec<Vec<u8>>,
}

/// What is under the tag for signatures.
#[derive(Debug, Default)]
pub(super) enum TagForm {
    /// The tag does not exist.
    #[default]
    Absent,
    /// The manifest cannot be used, for this reason.
    Unusable(String),
    /// Its layers.
    Layers(Vec<Layer>),
}

/// A layer of the manifest with signatures.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    /// Its descriptor.
    pub(super) descriptor: Descriptor,
    /// The blob, checked against the digest of the descriptor; or why it is skipped.
    pub(super) payload: Result<Vec<u8>, RegistryError>,
}

/// A descriptor, as far as signatures need it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) digest: String,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
}
