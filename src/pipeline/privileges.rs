//! How the metadata of a policy would declare what its cases use, and no more.

use policy_verify_model::privilege::{PrivilegeGap, Privileges, covers};
use policy_verify_model::suite::PolicySpec;
use policy_verify_report::changes;
use policy_verify_suite::edit::with_document;
use serde_json::json;

use crate::prepare::{PreparedPolicy, single};

/// The same privileges with what explains their gaps and closes them.
pub(super) fn explained(privileges: &Privileges, spec: &PolicySpec, prepared: &PreparedPolicy) -> Privileges {
    let gaps = privileges.gaps();
    let unused = |name: &&String| {
        gaps.iter().any(|gap| matches!(gap, PrivilegeGap::UnusedCapability { pattern, .. } if covers(pattern, name)))
    };
    let is_any_unused = gaps.iter().any(|gap| matches!(gap, PrivilegeGap::UnusedCapability { .. }));
    let found = if is_any_unused { single::found(&prepared.module) } else { Vec::new() };
    Privileges {
        found: found.iter().filter(unused).cloned().collect(),
        patch: if gaps.is_empty() { None } else { patch(privileges, spec) },
        ..privileges.clone()
    }
}

/// The change of the metadata file, if there is one that can be changed.
fn patch(privileges: &Privileges, spec: &PolicySpec) -> Option<String> {
    let file = single::text(&spec.metadata.as_ref()?.value, &spec.metadata.as_ref()?.span).ok()?;
    let Privileges { declared, used, .. } = privileges;
    let changed = with_document(&file, |metadata| {
        if declared.host_capabilities != used.host_capabilities {
            metadata["hostCapabilities"] = json!(used.host_capabilities);
        }
        if declared.context_aware_resources != used.context_aware_resources {
            metadata["contextAwareResources"] = json!(used.context_aware_resources);
        }
    });
    Some(changes::unified(&file.path, Some(&file.text), Some(&changed.ok()?)))
}
