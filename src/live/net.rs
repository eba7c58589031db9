//! Addresses of hosts, from the resolver of the system.

use serde_json::json;

use policy_verify_host::capability::to_bytes;
use policy_verify_host::live::{LiveFailure, LiveReply};

/// Looks up a host. What the resolver reports is what the policy is told: it does not say whether it was reached.
pub(super) async fn look_up(host: &str) -> LiveReply {
    // The resolver wants a port, and gives it back.
    let found = tokio::net::lookup_host((host, 0)).await.map_err(|error| LiveFailure::Refused(error.to_string()))?;
    let addresses: Vec<String> = found.map(|address| address.ip().to_string()).collect();
    to_bytes(&json!({ "ips": addresses })).map_err(LiveFailure::Refused)
}
