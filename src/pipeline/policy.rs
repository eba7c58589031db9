//! A policy that the command line names: a file, or something to be fetched.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::model::outcome::{Unavailable, UnavailableStage};
use crate::model::source::Span;
use crate::network;
use crate::publish;
use crate::registry::error::RegistryError;
use crate::registry::{MOST_OF_A_MODULE, Registry, RegistryOptions};
use crate::resolve;

/// How registries and web servers are reached. The default is what kwctl does without flags.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Network {
    /// kwctl's `sources.yaml`.
    pub sources: Option<PathBuf>,
    /// Folder of docker's `config.json`.
    pub docker_config: Option<PathBuf>,
    /// Longest time for a manifest, a module or a blob, retries included; five minutes by default.
    pub timeout: Option<Duration>,
}

/// Opens the door.
pub(super) fn registry(network: &Network) -> Result<Registry, Error> {
    let options = RegistryOptions {
        sources: network.sources.clone(),
        docker_config: network.docker_config.clone(),
        time: network.timeout,
    };
    Registry::new(&options).map_err(Error::Fetching)
}

/// The bytes of a module that `run` and its like name: an existing file, else a URI.
pub(super) fn fetch(text: &str, registry: &Registry, place: &Span) -> Result<Arc<[u8]>, Unavailable> {
    let path = Path::new(text.strip_prefix("file://").unwrap_or(text));
    if path.exists() || text.starts_with("file://") || !text.contains("://") {
        return resolve::file(path, text, place);
    }
    let fetched = match text.strip_prefix("registry://") {
        Some(_) => {
            let image = publish::reference(text).map_err(|message| unavailable(message, None, place))?;
            network::wait(registry.policy(&image)).map(|policy| policy.module)
        }
        None => {
            let url = text.parse().map_err(|error| unavailable(format!("`{text}`: {error}"), None, place))?;
            network::wait(registry.download(&url, MOST_OF_A_MODULE))
        }
    };
    fetched.map(Arc::from).map_err(|error| of_registry(error, place))
}

/// What a registry refused, as a policy that cannot be had.
pub(super) fn of_registry(error: RegistryError, place: &Span) -> Unavailable {
    unavailable(error.to_string(), error.help, place)
}

pub(super) fn unavailable(message: String, help: Option<String>, place: &Span) -> Unavailable {
    Unavailable { stage: UnavailableStage::Fetch, message, help, span: Some(place.clone()) }
}
