//! `verify pull` and `verify digest`: what a registry has.

use std::sync::Arc;

use super::policy::{self, Network};
use crate::error::Error;
use crate::resolve::StoreUse;
use policy_verify_model::policy::Digest;
use policy_verify_registry::network;
use policy_verify_registry::publish;

/// A module that was fetched.
#[derive(Debug)]
#[non_exhaustive]
pub struct Pulled {
    /// The URI, its scheme included.
    pub uri: String,
    /// The module.
    pub bytes: Arc<[u8]>,
    /// Digest of the module.
    pub digest: Digest,
}

/// Fetches a policy, or takes it from the store where its registry says that it is the same. Without a scheme,
/// `registry://` is meant. `keeps` puts it into the store, where kwctl finds it too.
///
/// # Errors
///
/// It is unavailable or not a module, or the store cannot be written.
pub fn pull(uri: &str, keeps: bool, network: &Network) -> Result<Pulled, Error> {
    let place = policy::command_line();
    let refused = |problem| Error::policy(vec![problem], &place);
    let registry = policy::registry(network)?;
    let uri = if uri.contains("://") { uri.to_owned() } else { format!("registry://{uri}") };
    let store_use = if keeps { StoreUse::ReadWrite } else { StoreUse::Read };
    let bytes = policy::remote(&uri, &registry, store_use, &place).map_err(refused)?.module;
    Ok(Pulled { digest: Digest::of(&bytes), uri, bytes })
}

/// The digest of the manifest that a reference leads to now, behind the reference as it was typed.
///
/// # Errors
///
/// The reference is none, or leads nowhere.
pub fn digest(uri: &str, network: &Network) -> Result<String, Error> {
    let place = policy::command_line();
    let image = publish::reference(uri).map_err(|error| Error::Usage(Box::new(error)))?;
    let registry = policy::registry(network)?;
    let digest = network::wait(registry.digest(&image))
        .map_err(|error| Error::policy(vec![policy::of_registry(error, &place)], &place))?;
    match image.digest() {
        Some(_) => Ok(uri.to_owned()),
        None => Ok(format!("{uri}@{digest}")),
    }
}
