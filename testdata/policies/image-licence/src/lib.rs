//! Every image of a pod must name, in an annotation of its manifest, a licence that is allowed.
//!
//! The manifests come from the host. `image-licence-go` does the same in Go, in the same words.

use std::collections::HashMap;

use kubewarden_policy_sdk::{
    Error, accept_request,
    host_capabilities::oci::{OciManifestResponse, get_manifest},
    protocol_version_guest, reject_request,
    request::ValidationRequest,
    settings::SettingsValidationResponse,
    wapc_guest::{CallResult, register_function},
};
use serde::Deserialize;
use serde_json::Value;

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
    allowed: Vec<String>,
    annotation: Option<String>,
}

fn validate(payload: &[u8]) -> CallResult {
    let ValidationRequest { settings, request } = ValidationRequest::<Settings>::new(payload)?;
    let problems: Vec<String> =
        containers_of(&request.object).filter_map(|container| settings.check(container).err()).collect();
    if problems.is_empty() { accept_request() } else { reject_request(Some(problems.join("; ")), None, None, None) }
}

/// Unlike the SDK's helper this answers unreadable settings with "invalid" and a message
/// rather than with a failed call.
fn validate_settings(payload: &[u8]) -> CallResult {
    let message = match serde_json::from_slice::<Settings>(payload) {
        Ok(settings) if settings.allowed.is_empty() => Some("allowed must name at least one licence".to_owned()),
        Ok(_) => None,
        Err(error) => Some(format!("Settings cannot be read: {error}")),
    };
    Ok(serde_json::to_vec(&SettingsValidationResponse { valid: message.is_none(), message })?)
}

/// In the order in which a pod starts them.
fn containers_of(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers", "ephemeralContainers"]
        .into_iter()
        .filter_map(move |list| pod.get("spec")?.get(list)?.as_array())
        .flatten()
}

impl Settings {
    fn check(&self, container: &Value) -> Result<(), String> {
        let text = |key| container.get(key).and_then(Value::as_str).unwrap_or_default();
        let image = text("image");
        if image.is_empty() {
            return Err(format!("container {}: no image", text("name")));
        }
        let manifest = get_manifest(image)
            .map_err(|error| format!("image {image}: manifest not available: {}", host_text(&error)))?;
        let licences = self.licences_in(&manifest);
        let licences = licences.ok_or_else(|| format!("image {image}: no licence annotation"))?;
        match licences.iter().find(|licence| !self.allowed.contains(licence)) {
            Some(licence) => Err(format!("image {image}: licence \"{licence}\" is not allowed")),
            None => Ok(()),
        }
    }

    /// One licence for an image or for an index that names it itself, else one for each entry of
    /// the index; nothing if there is a gap.
    fn licences_in(&self, manifest: &OciManifestResponse) -> Option<Vec<String>> {
        match manifest {
            OciManifestResponse::Image(image) => Some(vec![self.licence(image.annotations())?]),
            OciManifestResponse::ImageIndex(index) => match self.licence(index.annotations()) {
                Some(licence) => Some(vec![licence]),
                None if index.manifests().is_empty() => None,
                None => index.manifests().iter().map(|entry| self.licence(entry.annotations())).collect(),
            },
        }
    }

    fn licence(&self, annotations: &Option<HashMap<String, String>>) -> Option<String> {
        let annotation = self.annotation.as_deref();
        let annotation = annotation.unwrap_or("org.opencontainers.image.licenses");
        let licence = annotations.as_ref()?.get(annotation)?;
        (!licence.is_empty()).then(|| licence.clone())
    }
}

/// What the host said, without what the SDK puts before it.
fn host_text(error: &Error) -> String {
    match error {
        Error::HostCall { source, .. } => {
            let text = source.to_string();
            text.strip_prefix("Host error: ").map(str::to_owned).unwrap_or(text)
        }
        other => other.to_string(),
    }
}
