//! A policy that the command line names: a file, or something to be fetched.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::resolve::{self, Resolved, StoreUse};
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::location;
use policy_verify_model::name;
use policy_verify_model::outcome::{Unavailable, UnavailableStage};
use policy_verify_model::policy::PolicyRef;
use policy_verify_model::source::Span;
use policy_verify_registry::error::RegistryError;
use policy_verify_registry::hosts::HostRules;
use policy_verify_registry::store::Store;
use policy_verify_registry::{Registry, RegistryOptions};

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
    /// Which hosts may be reached; all of them by default.
    pub hosts: HostRules,
}

/// The place of what was typed: nothing can be quoted there.
pub(super) fn command_line() -> Span {
    Span::unquoted("")
}

/// A registry client with these options.
pub(super) fn registry(network: &Network) -> Result<Registry, Error> {
    let options = RegistryOptions {
        sources: network.sources.clone(),
        docker_config: network.docker_config.clone(),
        timeout: network.timeout,
        hosts: network.hosts.clone(),
    };
    Registry::new(&options).map_err(Error::sources)
}

/// The bytes of a module that `inspect` and `push` name: an existing file, else a URI, else the beginning of the digest of
/// a module in the store, as in kwctl.
pub(super) fn fetch(
    text: &str,
    registry: &Registry,
    store_use: StoreUse,
    place: &Span,
) -> Result<Resolved, Unavailable> {
    let local = |module| Resolved { module, digest: None, remarks: Vec::new() };
    let path = Path::new(text.strip_prefix("file://").unwrap_or(text));
    if path.exists() || text.starts_with("file://") {
        return resolve::file(path, text, place).map(local);
    }
    if text.contains("://") {
        return remote(text, registry, store_use, place);
    }
    let digits = text.strip_prefix("sha256:").unwrap_or(text).to_lowercase();
    if digits.is_empty() || !digits.chars().all(|letter| letter.is_ascii_hexdigit()) {
        return resolve::file(path, text, place).map(local).map_err(|problem| with_scheme(problem, text));
    }
    in_store(&digits, text, place).map(local)
}

/// What has no scheme is a file, as in kwctl; what looks like a reference was perhaps meant to be one.
fn with_scheme(problem: Unavailable, text: &str) -> Unavailable {
    let is_host = text.starts_with(|letter: char| letter.is_ascii_alphanumeric()) && !text.ends_with(".wasm");
    match name::repository(name::without_tag(text).0) {
        Ok(_) if is_host => {
            let help = format!("write `registry://{text}` for a policy in a registry, or correct the path");
            Unavailable { help: Some(help), ..problem }
        }
        _ => problem,
    }
}

fn in_store(digits: &str, text: &str, place: &Span) -> Result<Arc<[u8]>, Unavailable> {
    let mut found = Store::of_user().map(|store| store.with_digest(digits)).unwrap_or_default();
    // One module may be there under several names.
    let names: Vec<String> = found.iter().map(|(name, _)| name.clone()).collect();
    found.dedup_by(|(_, one), (_, other)| one == other);
    match (found.pop(), found.is_empty()) {
        (Some((name, bytes)), true) => {
            resolve::checked(bytes, &name).map_err(|error| resolve::unavailable(UnavailableStage::Fetch, error, place))
        }
        (Some(_), false) => {
            let help = format!("give more digits; there are {}", names.join(", "));
            Err(unavailable(format!("several policies in the store begin with `{text}`"), Some(help), place))
        }
        (None, _) => {
            let help =
                "name a file, a URI such as registry://ghcr.io/acme/p:v1, or the digest of a policy in the store";
            Err(unavailable(format!("Cannot find policy with uri: {text}"), Some(help.into()), place))
        }
    }
}

/// The module a URI leads to.
pub(super) fn remote(
    uri: &str,
    registry: &Registry,
    store_use: StoreUse,
    place: &Span,
) -> Result<Resolved, Unavailable> {
    let unavailable = |error| resolve::unavailable(UnavailableStage::Fetch, error, place);
    match located(uri).map_err(unavailable)? {
        PolicyRef::File(path) => {
            let module = resolve::file(&path, uri, place)?;
            Ok(Resolved { module, digest: None, remarks: Vec::new() })
        }
        policy => resolve::single(&policy, registry, store_use).map_err(unavailable),
    }
}

/// What a URI names; without a scheme, something in a registry.
pub(super) fn located(uri: &str) -> Result<PolicyRef, Diagnostic> {
    match uri.split_once("://") {
        Some(("file", path)) => Ok(PolicyRef::File(path.into())),
        Some((scheme, _)) => location::parse(scheme, uri),
        None => location::parse("registry", uri),
    }
}

/// The error of a registry, as the reason why a policy is unavailable.
pub(super) fn of_registry(error: RegistryError, place: &Span) -> Unavailable {
    unavailable(error.to_string(), error.help, place)
}

pub(super) fn unavailable(message: String, help: Option<String>, place: &Span) -> Unavailable {
    Unavailable { stage: UnavailableStage::Fetch, message, help, span: Some(place.clone()) }
}
