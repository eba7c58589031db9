//! `verify inspect`: what can be known of a module without running it.

use std::path::PathBuf;

use super::policy::{self, Network};
use crate::error::Error;
use crate::prepare::single::{self, Named};
use crate::resolve::StoreUse;
use policy_verify_model::inspection::Inspection;
use policy_verify_registry::network;
use policy_verify_registry::publish;
use policy_verify_registry::signature::{TrustRoot, Verifier};

/// What to look at.
#[derive(Debug, Clone)]
pub struct InspectOptions {
    /// The module: a path, the beginning of a digest in the store, or a URI.
    pub module: String,
    /// The file with its metadata, in place of what the module carries.
    pub metadata: Option<PathBuf>,
    /// Whether its registry is asked for signatures.
    pub lists_signatures: bool,
    /// Whether nothing may be asked: a URI then leads to the store, or nowhere.
    pub is_offline: bool,
    /// How registries are reached.
    pub network: Network,
}

/// Gets a module and says what it is.
///
/// # Errors
///
/// The module is unavailable or not a module, its metadata cannot be read, or its registry does not list its signatures.
pub fn inspect(options: &InspectOptions) -> Result<Inspection, Error> {
    let place = policy::command_line();
    let refused = |problem| Error::policy(vec![problem], &place);
    let name = &options.module;
    let registry = policy::registry(&options.network)?;
    let store_use = if options.is_offline { StoreUse::Only } else { StoreUse::Read };
    let fetched = policy::fetch(name, &registry, store_use, &place).map_err(refused)?;
    let named = Named { name, place: &place, bytes: &fetched.module };
    let mut inspection = single::inspect(&named).map_err(refused)?;
    inspection.remarks = fetched.remarks;
    if let Some(path) = &options.metadata {
        let file = single::text(path, &place).map_err(refused)?;
        let attached = single::attach(&named, &file, None);
        inspection.metadata = attached.map_err(|problems| Error::policy(problems, &place))?.metadata;
    }
    // Only registries have signatures; the report says so.
    if options.lists_signatures && !options.is_offline && name.starts_with("registry://") {
        let image = publish::reference(name).map_err(|error| Error::Usage(Box::new(error)))?;
        let verifier = Verifier::new(registry, TrustRoot::default());
        let asked = network::wait(async { Ok((verifier.listed(&image).await?, verifier.manifest(&image).await?)) });
        let (listed, manifest) = asked.map_err(|error| refused(policy::of_registry(error, &place)))?;
        inspection.signatures = Some(listed);
        inspection.signature_manifest = manifest.and_then(|manifest| serde_json::to_string(&manifest).ok());
    }
    Ok(inspection)
}
