//! The flags about what is fetched for a suite, and what its lock is for.

use clap::Args;
use clap::builder::FalseyValueParser;
use policy_verify::{LockUse, Options};

use super::hosts::{HostNames, host_names};

/// What may be fetched.
#[derive(Debug, Args)]
#[command(next_help_heading = "Fetching policies")]
pub(crate) struct FetchArgs {
    /// Fetch nothing: take policies from the store
    #[arg(long, env = "VERIFY_OFFLINE", value_parser = FalseyValueParser::new())]
    pub(crate) offline: bool,

    /// Let suites reach only these hosts, or none; may be repeated
    #[arg(long = "allow-hosts", value_name = "HOST", value_parser = host_names, env = "VERIFY_ALLOW_HOSTS")]
    pub(crate) allow_hosts: Vec<HostNames>,
}

/// What becomes of the locks of suites.
#[derive(Debug, Args)]
#[command(next_help_heading = "Fetching policies")]
pub(crate) struct LockArgs {
    /// Refuse policies that are not what suite.lock says
    #[arg(long, env = "VERIFY_LOCKED", value_parser = FalseyValueParser::new())]
    pub(crate) locked: bool,

    /// Write into suite.lock what the policies are now
    #[arg(long, env = "VERIFY_UPDATE", value_parser = FalseyValueParser::new())]
    pub(crate) update: bool,
}

impl FetchArgs {
    /// Makes them options of a run.
    pub(crate) fn apply(&self, options: &mut Options) {
        options.fetching.is_offline = self.offline;
        options.network.hosts = HostNames::rules(&self.allow_hosts);
    }
}

impl LockArgs {
    /// Makes them options of a run. `is_ci` keeps locks from being added to where the addition would be lost.
    pub(crate) fn apply(&self, options: &mut Options, is_ci: bool) {
        options.fetching.lock = match (self.locked, self.update) {
            (true, _) => LockUse::Required,
            (_, true) => LockUse::Updated,
            _ => LockUse::Usual,
        };
        options.fetching.adds_to_lock = !is_ci;
    }
}
