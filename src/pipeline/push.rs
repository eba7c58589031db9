//! `verify push MODULE URI`: one module, as it is, into a registry.

use std::collections::{BTreeMap, BTreeSet};

use super::policy::{self, Network};
use crate::error::Error;
use crate::model::inspection::Looks;
use crate::model::publication::{Publication, PublishMode, PublishOutcome};
use crate::network;
use crate::prepare::single::{self, Named};
use crate::publish::{self, Artifact};

/// What to push, and where to.
#[derive(Debug, Clone)]
pub struct PushOptions {
    /// The module: a path, the beginning of a digest in the store, or a URI.
    pub module: String,
    /// Where to, with or without `registry://`.
    pub to: String,
    /// Whether a module without metadata is fine.
    pub is_forced: bool,
    /// How far to go.
    pub mode: PublishMode,
    /// How registries are reached.
    pub network: Network,
}

/// Pushes one module. That it cannot be pushed is in the publication.
///
/// # Errors
///
/// The module cannot be had or is none, or what was typed makes no sense.
pub fn push(options: &PushOptions) -> Result<Publication, Error> {
    let place = super::command_line();
    let refused = |problem| Error::policy(vec![problem], &place);
    let to = publish::reference(&options.to).map_err(Error::Usage)?;
    let registry = policy::registry(&options.network)?;
    let fetched = policy::fetch(&options.module, &registry, &place).map_err(refused)?;
    let named = Named { name: &options.module, place: &place, bytes: &fetched };
    let inspection = single::inspect(&named).map_err(refused)?;
    let tags: Vec<String> = match to.digest() {
        Some(_) => Vec::new(),
        None => vec![to.tag().unwrap_or("latest").to_owned()],
    };
    let mut unannotated = Vec::new();
    if inspection.metadata.is_none() {
        let problem = |message: &str| refusal(options, publish::shown(&to), message);
        if inspection.looks == Looks::Rego {
            return Ok(problem("Rego policies cannot be pushed without metadata"));
        }
        if !options.is_forced {
            return Ok(problem("Cannot push a policy that is not annotated. Use `annotate` command or `push --force`"));
        }
        unannotated.push("pushing a non-annotated policy!".to_owned());
    }
    let artifact = Artifact {
        policy: options.module.clone(),
        suite: None,
        module: fetched,
        metadata: inspection.metadata,
        repository: to.clone(),
        tags,
        immutable: BTreeSet::new(),
        annotations: BTreeMap::new(),
        span: None,
    };
    let mut published = network::wait(publish::publish(&registry, vec![artifact], options.mode));
    let publication = published.pop().expect("one artifact makes one publication");
    Ok(Publication { warnings: [unannotated, publication.warnings.clone()].concat(), ..publication })
}

/// As kwctl words it.
fn refusal(options: &PushOptions, repository: String, message: &str) -> Publication {
    Publication {
        policy: options.module.clone(),
        suite: None,
        repository,
        manifest: None,
        size: None,
        digest: None,
        tags: Vec::new(),
        outcome: PublishOutcome::Refused { message: message.into(), help: None },
        warnings: Vec::new(),
        span: None,
    }
}
