//! `verify push MODULE URI`: one module, as it is, into a registry.

use std::collections::BTreeSet;

use oci_client::Reference;

use super::options::Progress;
use super::policy::{self, Network};
use crate::error::Error;
use crate::prepare::single::{self, Named};
use crate::resolve::StoreUse;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::inspection::DetectedKind;
use policy_verify_model::name;
use policy_verify_model::publication::{Publication, PublishMode};
use policy_verify_registry::network;
use policy_verify_registry::publish::{self, Artifact};

/// What to push, and where to.
#[derive(Debug, Clone)]
pub struct PushOptions {
    /// The module: a path, the beginning of a digest in the store, or a URI.
    pub module: String,
    /// Where to, with or without `registry://`.
    pub to: String,
    /// Tags in addition to that of `to`. If there are any, a `to` without tag does not mean `latest`.
    pub tags: Vec<String>,
    /// Those among all tags that are never moved.
    pub immutable: Vec<String>,
    /// Annotations of the manifest in addition to those of the metadata: key and value.
    pub annotations: Vec<(String, String)>,
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
/// The module is unavailable or not a module, or an argument is invalid.
pub fn push(options: &PushOptions, progress: &dyn Progress) -> Result<Publication, Error> {
    let place = policy::command_line();
    let refused = |problem| Error::policy(vec![problem], &place);
    let to = publish::reference(&options.to).map_err(|error| Error::Usage(Box::new(error)))?;
    let (tags, immutable) = tags(options, &to).map_err(|error| Error::Usage(Box::new(error)))?;
    let annotations = publish::annotations(&options.annotations).map_err(|error| Error::Usage(Box::new(error)))?;
    let registry = policy::registry(&options.network)?;
    let fetched = policy::fetch(&options.module, &registry, StoreUse::Read, &place).map_err(refused)?.module;
    let named = Named { name: &options.module, place: &place, bytes: &fetched };
    let inspection = single::inspect(&named).map_err(refused)?;
    let mut unannotated = Vec::new();
    if inspection.metadata.is_none() {
        // As kwctl words it.
        let problem = |message: &str| {
            Publication::refused(&options.module, &publish::repository_name(&to), message.to_owned(), None)
        };
        if inspection.detected_kind == DetectedKind::Rego {
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
        immutable,
        annotations,
        span: None,
    };
    let mut published = network::wait(publish::publish(&registry, vec![artifact], options.mode, &|sent, total| {
        progress.sending(sent, total)
    }));
    let publication = published.pop().expect("one artifact makes one publication");
    Ok(Publication { warnings: [unannotated, publication.warnings.clone()].concat(), ..publication })
}

/// The tags of the module, and those among them that are never moved.
fn tags(options: &PushOptions, to: &Reference) -> Result<(Vec<String>, BTreeSet<String>), Diagnostic> {
    let own = match (to.digest(), name::without_tag(&options.to)) {
        (None, (_, None)) if options.tags.is_empty() => to.tag(),
        (None, (_, typed)) => typed,
        (Some(_), _) => None,
    };
    let tags = name::tags(own.into_iter().chain(options.tags.iter().map(String::as_str)))?;
    if let Some(other) = options.immutable.iter().find(|name| !tags.contains(name)) {
        let message = format!("--immutable: `{}` is not among the tags", other.escape_debug());
        let help = format!("add `--tag`, or name one of {}", tags.join(", "));
        return Err(Diagnostic::new(Code::Usage, message).with_help(help));
    }
    Ok((tags, options.immutable.iter().cloned().collect()))
}
