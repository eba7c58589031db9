//! Answers the calls a Kubewarden policy makes to its host: from tables, recordings and Kubernetes objects.
//!
//! A call is checked in the order in which policy-server checks it, access rules included. The first source that has a
//! reply answers: the `host:` table, recording and cluster of the case, then those of the defaults, then the live host,
//! if there is one. A call without an answer is a fault of the case even if the policy handles the error, because the
//! verdict then rests on an error that the cluster would not cause. This crate opens no connections: a live host is
//! whatever implements [`live::LiveHost`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use policy_verify_host::{BINDING, Host};
//! use policy_verify_model::hosting::{HostAnswers, TableAnswer, TableEntry};
//! use policy_verify_model::source::{SourceFile, Span, Spanned};
//!
//! let file = Arc::new(SourceFile { path: "suite.yml".into(), text: String::new() });
//! let mock = TableEntry {
//!     capability: "net/v1/dns_lookup_host".into(),
//!     request: Spanned::new("registry.acme.test".into(), Span::start_of(&file)),
//!     answer: TableAnswer::Value(serde_json::json!(["10.0.0.7"])),
//! };
//! let host = Host::new(Arc::new(HostAnswers { own_table: vec![mock], ..HostAnswers::default() }));
//!
//! let reply = host.call(BINDING, "net", "v1/dns_lookup_host", br#""registry.acme.test""#)?;
//! assert_eq!(reply, br#"{"ips":["10.0.0.7"]}"#);
//! assert!(host.call(BINDING, "net", "v1/dns_lookup_host", br#""elsewhere.test""#).is_err());
//! assert_eq!(host.fault().unwrap().message, r#"no mock for net/v1/dns_lookup_host("elsewhere.test")"#);
//! # Ok::<(), policy_verify_host::reply::CallError>(())
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`access`] | the access rules of a policy: patterns of capabilities, Kubernetes resources |
//! | [`cluster`] | lists and look-ups in a set of Kubernetes objects |
//! | [`live`] | the interface of a live host |
//! | [`record`] | writes recordings in the format of `kwctl run --record-host-capabilities-interactions` |
//! | [`replay`] | reads recordings, and replays them |
//! | [`reply`] | replies and errors as the guest receives them |
//! | [`request`] | a request to the host, whichever capability makes it |
//! | [`wire`] | the payloads of all requests and replies |

pub mod access;
mod capabilities;
mod capability;
pub mod cluster;
mod crypto;
mod host;
mod journal;
mod kubernetes;
pub mod live;
mod net;
mod oci;
pub mod record;
mod rego;
pub mod replay;
pub mod reply;
pub mod request;
mod selector;
mod table;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tracing;
pub mod wire;

pub use capabilities::{BINDING, check_answer, check_pattern, known_capabilities};
pub use host::{Host, HostBackend};
pub use journal::{Journal, Unused};
