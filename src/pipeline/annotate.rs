//! `verify annotate`: a module and its metadata become a module that can be published.

use std::path::PathBuf;
use std::sync::Arc;

use super::policy;
use crate::error::Error;
use crate::prepare::single::{self, Named};
use crate::resolve;
use policy_verify_engine::cage::Cage;
use policy_verify_engine::engine::{Engine, Setup};
use policy_verify_model::inspection::{CapabilityUse, IgnoredKey};
use policy_verify_model::outcome::Unavailable;
use policy_verify_model::policy::{Digest, Metadata};
use policy_verify_suite::RepositoryLink;

/// What to annotate, and with what.
#[derive(Debug, Clone)]
pub struct AnnotateOptions {
    /// The module.
    pub module: PathBuf,
    /// Its `metadata.yml`.
    pub metadata: PathBuf,
    /// Text that becomes the usage annotation.
    pub usage: Option<PathBuf>,
    /// How the module is compiled in a process of its own, with limits; in this one by default.
    pub cage: Option<Cage>,
}

/// An annotated module.
#[derive(Debug)]
#[non_exhaustive]
pub struct Annotated {
    /// The module, metadata attached.
    pub bytes: Arc<[u8]>,
    /// Digest of `bytes`.
    pub digest: Digest,
    /// The metadata as it was attached.
    pub metadata: Metadata,
    /// Host capabilities it seems to use, against those the metadata declares.
    pub capabilities: CapabilityUse,
    /// Unknown keys of the metadata, from top to bottom.
    pub ignored: Vec<IgnoredKey>,
}

/// Annotates a module as suites do that have `metadata:`, and makes sure that the result can be hosted. Nothing is
/// written.
///
/// # Errors
///
/// A link that leads out of the repository; files that cannot be read, all of them; else what is wrong with the metadata,
/// all of it; else what is wrong with the module.
pub fn annotate(options: &AnnotateOptions) -> Result<Annotated, Error> {
    // What the metadata says is quoted and published.
    for path in [Some(&options.metadata), options.usage.as_ref()].into_iter().flatten() {
        if let Some(link) = RepositoryLink::leading_out(path) {
            return Err(Error::read_behind_link(path, &link));
        }
    }
    let name = options.module.to_string_lossy();
    let place = policy::command_line();
    let refused = |problems: Vec<Unavailable>| Error::policy(problems, &place);
    let module = resolve::file(&options.module, &name, &place);
    let metadata = single::text(&options.metadata, &place);
    let usage = options.usage.as_ref().map(|path| single::text(path, &place)).transpose();
    let (module, metadata, usage) = match (module, metadata, usage) {
        (Ok(module), Ok(metadata), Ok(usage)) => (module, metadata, usage),
        (module, metadata, usage) => {
            return Err(refused([module.err(), metadata.err(), usage.err()].into_iter().flatten().collect()));
        }
    };
    let setup = Setup { cage: options.cage.clone(), ..Setup::default() };
    let engine = Engine::set_up(setup).map_err(|error| Error::engine(&error))?;
    let named = Named { name: &name, place: &place, bytes: &module };
    let usage = usage.map(|file| file.text.clone());
    let (annotated, capabilities, ignored) = single::annotate(&named, &metadata, usage, &engine).map_err(refused)?;
    let metadata = annotated.metadata.expect("metadata has just been attached");
    Ok(Annotated { bytes: annotated.bytes, digest: annotated.digest, metadata, capabilities, ignored })
}
