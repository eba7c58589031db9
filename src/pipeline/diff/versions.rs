//! The two versions: named on the command line, fetched once, and made ready for each engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy_verify_engine::engine::Engine;
use policy_verify_model::behaviour::PolicyVersion;
use policy_verify_model::hosting::Grants;
use policy_verify_model::inspection::CapabilityUse;
use policy_verify_model::outcome::Unavailable;
use policy_verify_model::policy::{ExecutionMode, PolicyRef};
use policy_verify_model::release::Release;
use policy_verify_model::source::{Span, Spanned};
use policy_verify_model::suite::{Compat, Deployment, PolicySpec};
use policy_verify_registry::Registry;
use policy_verify_suite::RepositoryLink;

use crate::error::Error;
use crate::pipeline::options::Options;
use crate::pipeline::policy;
use crate::prepare::single::{self, Named};
use crate::prepare::{self, PreparedPolicy};
use crate::resolve::StoreUse;

/// The annotation with the version of a policy.
const VERSION: &str = "io.kubewarden.policy.version";

/// Names of metadata files beside a module.
const BESIDE: [&str; 2] = ["metadata.yml", "metadata.yaml"];

/// A version as it is named.
#[derive(Debug, Clone, Default)]
pub struct VersionName {
    /// A path, the beginning of a digest in the store, or a URI.
    pub module: String,
    /// Its metadata, in place of what it carries. By default that of a module in a file that carries none is `metadata.yml`
    /// beside it.
    pub metadata: Option<PathBuf>,
    /// The metadata of a module that has none at all.
    pub metadata_otherwise: Option<PathBuf>,
}

/// A version, ready to be evaluated.
pub(super) type Prepared = Result<PreparedPolicy, Arc<Unavailable>>;

/// A version that was fetched.
pub(super) struct Version {
    spec: PolicySpec,
    module: Arc<[u8]>,
    remarks: Vec<String>,
    metadata: Option<PathBuf>,
    /// What its code may call, against its own metadata.
    pub(super) capabilities: CapabilityUse,
}

impl Version {
    /// Fetches a version. `mode` is that of the suite's policy, for a module without metadata.
    ///
    /// # Errors
    ///
    /// It is unavailable or not a module, or its metadata is behind a link that leads out of the repository.
    pub(super) fn fetch(
        name: &VersionName,
        mode: Option<ExecutionMode>,
        registry: &Registry,
        options: &Options,
    ) -> Result<Self, Error> {
        let place = policy::command_line();
        let refused = |problem: Unavailable| Error::policy(vec![problem], &place);
        let store_use = if options.fetching.is_offline { StoreUse::Only } else { StoreUse::Read };
        let module = &name.module;
        let fetched = policy::fetch(module, registry, store_use, &place).map_err(refused)?;
        let inspection = single::inspect(&Named { name: module, place: &place, bytes: &fetched.module });
        let inspection = inspection.map_err(refused)?;
        let path = Path::new(module.strip_prefix("file://").unwrap_or(module));
        let metadata = match (&name.metadata, &inspection.metadata) {
            (Some(path), _) => Some(path.clone()),
            (None, None) if path.is_file() => {
                BESIDE.map(|name| path.with_file_name(name)).into_iter().find(|it| it.is_file())
            }
            (None, _) => None,
        };
        let metadata = metadata.or_else(|| name.metadata_otherwise.clone().filter(|_| inspection.metadata.is_none()));
        // What the metadata says is quoted.
        if let Some((path, link)) = metadata.as_ref().and_then(|path| Some((path, RepositoryLink::leading_out(path)?)))
        {
            return Err(Error::read_behind_link(path, &link));
        }
        let has_metadata = metadata.is_some() || inspection.metadata.is_some();
        let uri = match module.contains("://") {
            true => policy::located(module).map_err(|error| Error::Policy(vec![error.at(&place)]))?,
            false => PolicyRef::File(PathBuf::from(module)),
        };
        Ok(Self {
            spec: spec(module, uri, metadata.clone(), mode.filter(|_| !has_metadata), &place),
            module: fetched.module,
            remarks: fetched.remarks,
            metadata,
            capabilities: inspection.capabilities,
        })
    }

    /// Makes it ready for an engine.
    ///
    /// # Errors
    ///
    /// Its metadata is wrong, or it cannot be compiled and linked.
    pub(super) fn prepare(&self, release: Release, engine: &Engine) -> Result<Prepared, Error> {
        let modules = vec![Ok(Arc::clone(&self.module))];
        let mut prepared = prepare::policies(&[(&self.spec, release)], modules, engine, &|_, _| ());
        match prepared.pop().expect("one policy was prepared") {
            Ok(policy) => Ok(Ok(policy)),
            Err(unavailable) => Err(Error::policy(vec![(*unavailable).clone()], &policy::command_line())),
        }
    }

    /// What a report says about it.
    pub(super) fn report(&self, prepared: &PreparedPolicy) -> PolicyVersion {
        let annotations = prepared.metadata.as_ref().and_then(|metadata| metadata.annotations.as_ref());
        PolicyVersion {
            uri: self.spec.uri_text.clone(),
            metadata: self.metadata.as_ref().map(|path| path.display().to_string()),
            digest: prepared.digest.to_string(),
            size: prepared.module.len() as u64,
            version: annotations.and_then(|annotations| annotations.get(VERSION)).cloned(),
            remarks: self.remarks.clone(),
        }
    }
}

fn spec(
    name: &str,
    uri: PolicyRef,
    metadata: Option<PathBuf>,
    mode: Option<ExecutionMode>,
    place: &Span,
) -> PolicySpec {
    PolicySpec {
        name: name.to_owned(),
        span: place.clone(),
        uri: Spanned::new(uri, place.clone()),
        uri_text: name.to_owned(),
        metadata: metadata.map(|path| Spanned::new(path, place.clone())),
        nearby_metadata: None,
        form: None,
        settings: Vec::new(),
        usage: None,
        execution_mode: mode.map(|mode| Spanned::new(mode, place.clone())),
        deployment: Deployment::default(),
        grants: Grants::default(),
        compat: Compat::default(),
        signed_by: Vec::new(),
        baseline: None,
    }
}
