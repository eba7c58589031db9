//! Loads Kubewarden policies and evaluates requests with them, in all execution modes, with the responses of policy-server.
//!
//! A policy runs in a sandbox: its memory, output and host calls are limited, its clock and its random bytes are the same
//! in every run, and every failure is a [`Fault`](policy_verify_model::answer::Fault) of a kind instead of a verdict. No
//! other crate of the workspace uses wasmtime.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use policy_verify_engine::engine::{Engine, Limits};
//! use policy_verify_engine::{Context, load};
//! use policy_verify_host::Host;
//! use policy_verify_model::policy::{ExecutionMode, Settings};
//! use policy_verify_model::request::Request;
//!
//! let engine = Engine::new(Limits::default())?;
//! let module = engine.compile(&wat::parse_file("../../testdata/wat/wapc-denies.wat")?)?;
//! let policy = load(&engine, &module, ExecutionMode::KubewardenWapc)?;
//!
//! let host = Arc::new(Host::new(Arc::default()));
//! let mut instance = policy.start(&Context::new(host, Duration::from_secs(2))).map_err(|fault| fault.message)?;
//! let request = Request::Raw(serde_json::json!({ "user": "alice" }));
//! let response = instance.validate(&request, &Settings::new()).map_err(|fault| fault.message)?;
//! assert!(!response.allowed);
//! println!("denied: {}", response.message().unwrap_or_default());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`engine`] | compiles modules, with limits, timeouts and a cache of compiled code |
//! | [`compiler`] | the choice of a compiler; `tiers` is a policy that gets better code while it runs |
//! | `counters` | [`Counters`]: what modules count that have counters in them |
//! | [`cage`] | compiling in a process of its own, with limits; `caged` is that process |
//! | `wasmtimes`, `pool` | the engines of wasmtime behind it, and where the memory of instances comes from |
//! | `policy` | [`Policy`], [`Instance`] and their [`Context`] |
//! | `wapc`, `wasi`, `opa`, `gatekeeper`, `ferricel` | one execution mode each; `rego` is what the two Rego modes share |
//! | `sandbox` | the limits of an instance, its streams, clock and host |
//! | `fault` | errors of wasmtime as faults |

pub mod cage;
mod caged;
mod cel_error;
mod clock;
mod code_cache;
pub mod compiler;
mod counters;
pub mod engine;
mod fault;
mod ferricel;
#[doc(hidden)]
pub mod fuzzing;
mod gatekeeper;
mod link;
mod load;
mod memory;
mod opa;
mod policy;
mod pool;
mod process_limits;
mod random;
mod rego;
mod response;
mod sandbox;
mod store;
#[cfg(test)]
mod tests;
mod tiers;
mod wapc;
mod wasi;
mod wasi_ctx;
mod wasmtimes;

pub use self::caged::compile_inside;
pub use self::counters::Counters;
pub use self::ferricel::extension_capabilities;
pub use self::link::LinkError;
pub use self::load::load;
pub use self::policy::{Context, GuestOutput, Instance, Policy};
pub use self::process_limits::address_space;
pub use self::tiers::load_with_tiers;
pub use self::wapc::{ProtocolError, protocol_version};
