//! A client for OCI registries and for web servers with WebAssembly modules.
//!
//! It pulls, verifies and pushes Kubewarden policies: OCI artifacts whose layer is a module. Every download is bounded, and
//! checked against its digest where one is known; every error is a [`RegistryError`](error::RegistryError), which never
//! contains a credential.

mod auth;
pub mod bounded;
mod client;
mod credential;
pub mod digest;
mod display;
pub mod error;
mod helper;
mod http;
pub mod manifest;
mod meter;
pub mod network;
pub mod policy;
pub mod publish;
mod pull;
mod push;
mod referrers;
mod reply;
mod retry;
mod secrets;
pub mod signature;
mod sources;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod token;

pub use bounded::MAX_MODULE_BYTES;
pub use client::{Registry, RegistryOptions};
