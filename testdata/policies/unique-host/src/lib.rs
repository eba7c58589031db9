//! No two ingresses of the cluster may answer for the same host.
//!
//! Asks the host for all ingresses; a list that cannot be had fails the call.

use std::collections::BTreeSet;

use k8s_openapi::api::networking::v1::Ingress;
use kubewarden_policy_sdk::{
    accept_request,
    host_capabilities::kubernetes::{ListAllResourcesRequest, list_all_resources},
    protocol_version_guest, reject_request,
    request::ValidationRequest,
    settings::Validatable,
    validate_settings,
    wapc_guest::{CallResult, register_function},
};
use serde::Deserialize;

/// Called by the host right after the module was instantiated.
#[unsafe(no_mangle)]
pub extern "C" fn wapc_init() {
    register_function("validate", validate);
    register_function("validate_settings", validate_settings::<Settings>);
    register_function("protocol_version", protocol_version_guest);
}

/// There is nothing to set.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {}

impl Validatable for Settings {
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}

fn validate(payload: &[u8]) -> CallResult {
    let request = ValidationRequest::<Settings>::new(payload)?.request;
    if request.object.is_null() {
        return accept_request();
    }
    let ingress: Ingress = serde_json::from_value(request.object)?;
    if hosts_of(&ingress).is_empty() {
        return accept_request();
    }

    let others = all_ingresses()?;
    let mut ours = name_of(&ingress);
    if ours.0.is_empty() {
        ours.0 = &request.namespace;
    }
    let problems: Vec<String> = hosts_of(&ingress)
        .into_iter()
        .filter_map(|host| {
            let taker =
                others.iter().filter(|other| name_of(other) != ours).find(|other| hosts_of(other).contains(host))?;
            let (namespace, name) = name_of(taker);
            Some(format!("host {host} is already used by ingress {namespace}/{name}"))
        })
        .collect();
    if problems.is_empty() { accept_request() } else { reject_request(Some(problems.join("; ")), None, None, None) }
}

fn all_ingresses() -> kubewarden_policy_sdk::Result<Vec<Ingress>> {
    let ingresses = list_all_resources::<Ingress>(&ListAllResourcesRequest {
        api_version: "networking.k8s.io/v1".to_owned(),
        kind: "Ingress".to_owned(),
        label_selector: None,
        field_selector: None,
        field_masks: None,
    })?;
    Ok(ingresses.items)
}

/// A rule without a host is for every host and takes none.
fn hosts_of(ingress: &Ingress) -> BTreeSet<&str> {
    let rules = ingress.spec.iter().flat_map(|spec| spec.rules.iter().flatten());
    rules.filter_map(|rule| rule.host.as_deref()).filter(|host| !host.is_empty()).collect()
}

/// Namespace and name.
fn name_of(ingress: &Ingress) -> (&str, &str) {
    let metadata = &ingress.metadata;
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    (namespace, metadata.name.as_deref().unwrap_or_default())
}
