//! Requests of the host itself, on behalf of Rego policies. No guest can send them; recordings hold them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Payload;

/// The plural name of a kind. Recordings of OPA policies hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubernetesGetResourcePluralName {
    /// Group and version, `apps/v1`.
    pub api_version: String,
    /// The kind, `Pod`.
    pub kind: String,
}

impl Payload for KubernetesGetResourcePluralName {
    fn short(&self) -> String {
        format!("{}/{}", self.api_version, self.kind)
    }
}

/// Whether a list is still the same. Recordings of Gatekeeper policies hold it where one process evaluated several times;
/// each case is a process of its own, so it is never sent here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HasKubernetesListResourceAllResultChangedSinceInstant {
    api_version: String,
    kind: String,
    label_selector: Option<String>,
    field_selector: Option<String>,
    field_masks: Option<BTreeSet<String>>,
    since: Duration,
}

impl Payload for HasKubernetesListResourceAllResultChangedSinceInstant {
    fn short(&self) -> String {
        format!("{}/{}", self.api_version, self.kind)
    }
}
