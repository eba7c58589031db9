//! A client for OCI registries and for web servers with WebAssembly modules.
//!
//! It pulls, verifies and pushes Kubewarden policies: OCI artifacts whose layer is a module. Every download has a size limit,
//! and is checked against its digest where one is known. Errors have a [class](error::Class) to match on, and never contain
//! a credential.
//!
//! | module | content |
//! |---|---|
//! | [`Registry`] | the client: digests, manifests, blobs and downloads, with the credentials and sources of kwctl |
//! | [`manifest`], [`policy`] | parsing manifests, and finding the module of a policy |
//! | [`digest`] | digests as registries write them |
//! | [`signature`] | verifying signatures of images as Kubewarden does |
//! | [`publish`] | pushing modules and moving their tags |
//! | [`store`] | kwctl's store on this machine |
//! | [`error`] | the errors of the client |
//! | [`bounded`] | the size limit of modules, and reading files up to a limit |
//! | [`network`] | blocking on the asynchronous functions |
//!
//! A [`Registry`] is asynchronous; [`network::wait`] blocks on it:
//!
//! ```no_run
//! use policy_verify_registry::{Registry, RegistryOptions, network, publish};
//!
//! let image = publish::reference("registry://ghcr.io/kubewarden/policies/safe-labels:v1.0.0")?;
//! let registry = Registry::new(&RegistryOptions::default())?;
//! println!("{}", network::wait(registry.digest(&image))?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! From a manifest to the layer that is the module:
//!
//! ```
//! use policy_verify_registry::policy::{ManifestTarget, manifest_target};
//! use policy_verify_registry::{manifest, publish};
//!
//! let image = publish::reference("registry://ghcr.io/acme/policies/safe-labels:v1")?;
//! let json = r#"{
//!     "schemaVersion": 2,
//!     "config": { "mediaType": "application/vnd.wasm.config.v1+json", "digest": "sha256:44136f", "size": 2 },
//!     "layers": [
//!         { "mediaType": "application/vnd.wasm.content.layer.v1+wasm", "digest": "sha256:9f86d0", "size": 2097152 }
//!     ]
//! }"#;
//! let manifest = manifest::read(json.as_bytes(), None)?;
//! let ManifestTarget::Layer(layer) = manifest_target(&image, &manifest, false)? else { panic!("not an index") };
//! assert_eq!(layer.size, 2 << 20);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address_range;
mod auth;
mod auth_file;
pub mod bounded;
mod client;
mod credential;
pub mod digest;
mod display;
pub mod error;
#[doc(hidden)]
pub mod fuzzing;
mod helper;
pub mod hosts;
mod http;
pub mod manifest;
mod meter;
pub mod network;
pub mod policy;
mod proxy;
pub mod publish;
mod pull;
mod push;
mod read_back;
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
mod tls;
mod token;
mod transport;
mod upload;

pub use client::{Registry, RegistryOptions};
