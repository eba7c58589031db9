//! A raw policy: its request is no Kubernetes object but a sentence, user, action and resource.
//!
//! Refuses what may not be eaten, and calls dishes by their new names.

use std::collections::{BTreeMap, BTreeSet};

use kubewarden_policy_sdk::{
    accept_request, mutate_request, protocol_version_guest, reject_request,
    settings::Validatable,
    validate_settings,
    wapc_guest::{CallResult, register_function},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Called by the host right after the module was instantiated.
#[unsafe(no_mangle)]
pub extern "C" fn wapc_init() {
    register_function("validate", validate);
    register_function("validate_settings", validate_settings::<Settings>);
    register_function("protocol_version", protocol_version_guest);
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    forbidden: BTreeSet<String>,
    /// Old name of a resource to its new name.
    rename: BTreeMap<String, String>,
}

impl Validatable for Settings {
    fn validate(&self) -> Result<(), String> {
        match self.rename.values().find(|new| self.forbidden.contains(*new)) {
            Some(new) => Err(format!("{new} is forbidden and cannot be a new name")),
            None => Ok(()),
        }
    }
}

/// The whole payload: the SDK's own type is for Kubernetes requests only.
#[derive(Debug, Deserialize)]
struct Payload {
    request: Value,
    #[serde(default)]
    settings: Settings,
}

fn validate(payload: &[u8]) -> CallResult {
    let Payload { mut request, settings } = serde_json::from_slice(payload)?;
    let text = |key| request.get(key).and_then(Value::as_str);
    let (Some(user), Some(action), Some(resource)) = (text("user"), text("action"), text("resource")) else {
        let message = "a request needs user, action and resource".to_owned();
        return reject_request(Some(message), Some(400), None, None);
    };
    if action == "eats" && settings.forbidden.contains(resource) {
        return reject_request(Some(format!("{user} may not eat {resource}")), None, None, None);
    }
    match settings.rename.get(resource) {
        Some(new) if new != resource => {
            request["resource"] = json!(new);
            mutate_request(request)
        }
        _ => accept_request(),
    }
}
