//! Adds the labels that an object lacks, and on request puts its own values in place of others.
//!
//! An object that calls itself immutable is refused instead.

use std::collections::{BTreeMap, HashMap};

use kubewarden_policy_sdk::{
    accept_request, protocol_version_guest, reject_request,
    request::ValidationRequest,
    response::ValidationResponse,
    settings::Validatable,
    validate_settings,
    wapc_guest::{CallResult, register_function},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// An object with this annotation set to `"true"` is refused rather than changed.
const IMMUTABLE: &str = "labels.example.com/immutable";

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
    labels: BTreeMap<String, String>,
    /// Whether a label that is there with another value gets ours.
    #[serde(rename = "override")]
    replaces: bool,
}

impl Validatable for Settings {
    fn validate(&self) -> Result<(), String> {
        if self.labels.is_empty() {
            return Err("labels must name at least one label".to_owned());
        }
        Ok(())
    }
}

fn validate(payload: &[u8]) -> CallResult {
    let ValidationRequest { settings, request } = ValidationRequest::<Settings>::new(payload)?;
    let mut object = request.object;
    if object.is_null() {
        return accept_request();
    }
    if is_immutable(&object) {
        let message = "labels of this object are immutable".to_owned();
        return reject_request(Some(message), Some(409), None, None);
    }
    let labels = labels_of(&mut object).ok_or("metadata.labels is not an object")?;
    let changes = apply(&settings, labels);
    if changes.is_empty() {
        return accept_request();
    }
    Ok(serde_json::to_vec(&changes.into_response(object))?)
}

fn is_immutable(object: &Value) -> bool {
    let annotations = object.pointer("/metadata/annotations");
    annotations.and_then(|annotations| annotations.get(IMMUTABLE)) == Some(&json!("true"))
}

/// The labels of the object, made when there were none; nothing if something else is there.
fn labels_of(object: &mut Value) -> Option<&mut Map<String, Value>> {
    let mut place = object;
    for key in ["metadata", "labels"] {
        place = place.as_object_mut()?.entry(key).or_insert(Value::Null);
        if place.is_null() {
            *place = json!({});
        }
    }
    place.as_object_mut()
}

fn apply(settings: &Settings, labels: &mut Map<String, Value>) -> Changes {
    let mut changes = Changes::default();
    for (label, value) in &settings.labels {
        match labels.get(label) {
            None => changes.added.push(label.clone()),
            Some(present) if settings.replaces && present != value => {
                changes.replaced.push(label.clone());
            }
            Some(_) => continue,
        }
        labels.insert(label.clone(), json!(value));
    }
    changes
}

#[derive(Debug, Default)]
struct Changes {
    added: Vec<String>,
    replaced: Vec<String>,
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.added.is_empty() && self.replaced.is_empty()
    }

    /// By hand, because the SDK's helper for mutations knows neither warnings nor annotations.
    fn into_response(self, object: Value) -> ValidationResponse {
        let kinds = [("added", self.added), ("replaced", self.replaced)];
        let mut warnings = Vec::new();
        let mut audit_annotations = HashMap::new();
        for (what, labels) in kinds.into_iter().filter(|(_, labels)| !labels.is_empty()) {
            warnings.extend(labels.iter().map(|label| format!("label {label:?} was {what}")));
            audit_annotations.insert(format!("{what}-labels"), labels.join(", "));
        }
        ValidationResponse {
            accepted: true,
            message: None,
            code: None,
            mutated_object: Some(object),
            audit_annotations: Some(audit_annotations),
            warnings: Some(warnings),
        }
    }
}
