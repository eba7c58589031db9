//! What a run needs besides the suites: a registry client, trusted keys, live answers for host calls.

use std::sync::Arc;

use policy_verify_host::HostBackend;
use policy_verify_host::live::LiveHost;
use policy_verify_model::suite::Suite;
use policy_verify_registry::Registry;

use super::options::Options;
use super::policy;
use super::trusted::Trusted;
use crate::error::Error;
use crate::live::LiveServices;
use crate::resolve;
use crate::select::PolicyKey;

/// The services of a run.
pub(super) struct Services {
    /// One registry client for the whole run; `None` where nothing needs it.
    pub(super) registry: Option<Registry>,
    /// Whose signatures are trusted.
    pub(super) trust: Trusted,
}

impl Services {
    /// Reads the files about registries and trust that these policies need. Nothing is connected to.
    ///
    /// # Errors
    ///
    /// A file that cannot be used.
    pub(super) fn open(keys: &[PolicyKey], suites: &[Suite], options: &Options, trust: Trusted) -> Result<Self, Error> {
        let is_remote = keys.iter().any(|key| resolve::is_remote(key.spec(suites)));
        let needs_registry = is_remote || options.is_live || options.publish.is_some();
        let registry = needs_registry.then(|| policy::registry(&options.network)).transpose()?;
        for secret in options.environment.secrets() {
            registry.iter().for_each(|registry| registry.hide(&secret));
        }
        Ok(Self { registry, trust })
    }

    /// What answers host calls after the suites, and whether answers are recorded.
    pub(super) fn host_backend(&self, options: &Options) -> HostBackend {
        let registry = self.registry.as_ref().filter(|_| options.is_live);
        let live = registry.map(|registry| -> Arc<dyn LiveHost> {
            Arc::new(LiveServices::new(registry.clone(), self.trust.root.clone()))
        });
        HostBackend {
            live,
            is_recorded: options.is_recorded,
            keeps_replies: options.keeps_replies,
            variation: 0,
            is_stopped: options.interrupt.flag(),
        }
    }
}
