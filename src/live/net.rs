//! Addresses of hosts, from the resolver of the system.

use serde_json::json;

use policy_verify_host::live::{LiveFailure, LiveReply};
use policy_verify_host::reply::to_bytes;

/// Looks up a host. Errors are passed to the policy: the resolver does not tell an outage from an unknown host.
pub(super) async fn lookup(host: &str) -> LiveReply {
    // The resolver requires a port, and returns it.
    let found = tokio::net::lookup_host((host, 0)).await.map_err(|error| LiveFailure::Refused(error.to_string()))?;
    let addresses: Vec<String> = found.map(|address| address.ip().to_string()).collect();
    Ok(to_bytes(&json!({ "ips": addresses })))
}
