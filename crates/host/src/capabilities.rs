//! The table of all capabilities, and the checks of a call before it is answered.

use std::sync::LazyLock;

use serde_json::Value;

use super::access::{self, Access, InvalidPattern, Refusal};
use super::capability::{Capability, Operation};
use super::reply::{CallError, InvalidMock};
use super::request::Request;
use super::{crypto, kubernetes, net, oci, table, tracing};
use policy_verify_model::policy::ContextAwareResource;

/// The namespaces. A new one is a file and a line here.
const CAPABILITIES: [&dyn Capability; 5] =
    [&crypto::Crypto, &kubernetes::Kubernetes, &net::Net, &oci::Oci, &tracing::Tracing];

/// The binding of all of Kubewarden's calls.
pub const BINDING: &str = "kubewarden";

/// The full names of all capabilities, sorted: what the keys of a `host:` table may be.
pub fn known_capabilities() -> &'static [&'static str] {
    static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| operations().map(|operation| operation.capability).collect());
    &NAMES
}

/// Whether policy-server accepts a pattern of `hostCapabilities`.
pub fn check_pattern(pattern: &str) -> Result<(), InvalidPattern> {
    access::check_pattern(pattern, known_capabilities())
}

/// Whether the value of a mock can be turned into a reply of this capability.
pub fn check_answer(capability: &str, value: &Value) -> Result<(), InvalidMock> {
    let operation = operations()
        .find(|operation| operation.capability == capability)
        .ok_or_else(|| InvalidMock::UnknownCapability(capability.into()))?;
    table::check(operation, value)
}

pub(crate) fn operations() -> impl Iterator<Item = &'static Operation> {
    CAPABILITIES.into_iter().flat_map(|capability| capability.operations())
}

/// Why a call is not answered.
pub(crate) enum Rejection {
    /// There is no such call, or its payload is invalid. The text is the server's.
    Invalid(CallError),
    /// The access rules do not allow it; `request` is the short form, or the payload if that was not read.
    Denied { request: String, resource: Option<ContextAwareResource>, refusal: Refusal },
}

impl From<String> for Rejection {
    fn from(text: String) -> Self {
        Self::Invalid(CallError(text))
    }
}

/// Checks a call in the order of policy-server (callback.rs of policy-evaluator 0.32) and reads its payload: binding,
/// capability (all but those of `tracing`), namespace, operation, payload, Kubernetes resource.
pub(crate) fn read_call(
    access: &Access,
    binding: &str,
    namespace: &str,
    operation: &str,
    payload: &[u8],
) -> Result<(&'static Operation, Request), Rejection> {
    if binding != BINDING {
        return Err(format!("unknown binding: {binding}").into());
    }
    if namespace != tracing::LOG.0 {
        let denied = |refusal| Rejection::Denied { request: preview(payload), resource: None, refusal };
        access.check_capability(&format!("{namespace}/{operation}")).map_err(denied)?;
    }
    let capability = CAPABILITIES
        .into_iter()
        .find(|capability| capability.namespace() == namespace)
        .ok_or_else(|| format!("unknown namespace: {namespace}"))?;
    let operation = capability
        .operations()
        .iter()
        .find(|known| known.name == operation)
        .ok_or_else(|| format!("unknown operation: {operation}"))?;
    let request = (operation.read)(payload).map_err(|error| error.to_string())?;
    match access.check_resource(&request) {
        Ok(()) => Ok((operation, request)),
        Err(refusal) => {
            let resource = kubernetes::resource(&request);
            Err(Rejection::Denied { request: request.short(), resource, refusal })
        }
    }
}

/// The beginning of a payload that was not read.
pub(crate) fn preview(payload: &[u8]) -> String {
    const MOST: usize = 100;
    let text = String::from_utf8_lossy(&payload[..payload.len().min(4 * MOST)]);
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}
