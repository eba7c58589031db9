//! Which labels an object must carry, must not carry, and what their values look like.
//!
//! Reads `metadata.labels` from the object as it came, so it works for every kind.

use std::collections::{BTreeMap, BTreeSet};

use kubewarden_policy_sdk::{
    accept_request, logging::KubewardenDrain, protocol_version_guest, reject_request, request::ValidationRequest,
    settings::SettingsValidationResponse, wapc_guest,
};
use regex_lite::Regex;
use serde::Deserialize;
use serde_json::Value;
use slog::{Logger, info, o};
use wapc_guest::{CallResult, register_function};

/// Called by the host right after the module was instantiated.
#[unsafe(no_mangle)]
pub extern "C" fn wapc_init() {
    register_function("validate", validate);
    register_function("validate_settings", validate_settings);
    register_function("protocol_version", protocol_version_guest);
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    mandatory_labels: BTreeSet<String>,
    denied_labels: BTreeSet<String>,
    /// Label to regular expression, searched for anywhere in the value.
    constrained_labels: BTreeMap<String, String>,
}

fn validate(payload: &[u8]) -> CallResult {
    let ValidationRequest { settings, request } = ValidationRequest::<Settings>::new(payload)?;
    if request.object.is_null() {
        return accept_request();
    }
    let problems = settings.problems_with(&labels_of(&request.object))?;

    let log = Logger::root(KubewardenDrain::new(), o!("policy" => "safe-labels"));
    info!(log, "labels checked";
        "kind" => request.kind.kind, "name" => request.name, "problems" => problems.len());

    if problems.is_empty() { accept_request() } else { reject_request(Some(problems.join("; ")), None, None, None) }
}

/// Unlike the SDK's helper this answers unreadable settings with "invalid" and a message
/// rather than with a failed call.
fn validate_settings(payload: &[u8]) -> CallResult {
    let mistakes = match serde_json::from_slice::<Settings>(payload) {
        Ok(settings) => settings.mistakes(),
        Err(error) => vec![format!("Settings cannot be read: {error}")],
    };
    Ok(serde_json::to_vec(&SettingsValidationResponse {
        valid: mistakes.is_empty(),
        message: (!mistakes.is_empty()).then(|| mistakes.join("; ")),
    })?)
}

/// The object's labels; a value that is not a string counts as empty.
fn labels_of(object: &Value) -> BTreeMap<&str, &str> {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    labels.into_iter().flatten().map(|(label, value)| (label.as_str(), value.as_str().unwrap_or_default())).collect()
}

impl Settings {
    fn problems_with(&self, labels: &BTreeMap<&str, &str>) -> Result<Vec<String>, String> {
        let mut problems = Vec::new();

        let is_missing = |label: &str| labels.get(label).is_none_or(|value| value.is_empty());
        let missing = comma_list(self.mandatory_labels.iter().filter(|label| is_missing(label)));
        if !missing.is_empty() {
            problems.push(format!("The following mandatory labels are missing: {missing}"));
        }

        let is_present = |label: &str| labels.contains_key(label);
        let denied = comma_list(self.denied_labels.iter().filter(|label| is_present(label)));
        if !denied.is_empty() {
            problems.push(format!("The following labels are denied: {denied}"));
        }

        for (label, pattern) in &self.constrained_labels {
            let Some(value) = labels.get(label.as_str()) else { continue };
            // A mandatory label without a value was reported above.
            if self.mandatory_labels.contains(label) && value.is_empty() {
                continue;
            }
            if !regex_for(label, pattern)?.is_match(value) {
                problems.push(format!("The value of label {label} must match {pattern}"));
            }
        }
        Ok(problems)
    }

    fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();

        let constrained =
            comma_list(self.denied_labels.iter().filter(|label| self.constrained_labels.contains_key(*label)));
        if !constrained.is_empty() {
            mistakes.push(format!("These labels cannot be denied and constrained at once: {constrained}"));
        }

        let mandatory = comma_list(self.denied_labels.intersection(&self.mandatory_labels));
        if !mandatory.is_empty() {
            mistakes.push(format!("These labels cannot be denied and mandatory at once: {mandatory}"));
        }

        let patterns = self.constrained_labels.iter();
        mistakes.extend(patterns.filter_map(|(label, pattern)| regex_for(label, pattern).err()));
        mistakes
    }
}

fn regex_for(label: &str, pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| format!("Invalid regular expression for label {label}: {error}"))
}

fn comma_list<'a>(labels: impl Iterator<Item = &'a String>) -> String {
    labels.map(String::as_str).collect::<Vec<_>>().join(", ")
}
