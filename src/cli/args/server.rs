//! The flags about a running policy-server.

use std::path::PathBuf;

use clap::Args;
use clap::builder::FalseyValueParser;
use policy_verify::Against;

use super::fetch::{FetchArgs, LockArgs};
use super::policy::NetworkArgs;
use super::variable::{EnvironmentNames, environment_names, variable};

/// The policy-server that gets every request too.
#[derive(Debug, Args)]
#[command(next_help_heading = "Comparison with a server")]
pub(crate) struct AgainstArgs {
    /// Send every request to this policy-server too; its answers must equal ours and meet the expectations
    #[arg(long, value_name = "URL", env = "VERIFY_AGAINST")]
    pub(crate) against: Option<String>,

    /// With --against: PEM file with the authorities of the server's certificate
    #[arg(long, value_name = "FILE", env = "VERIFY_AGAINST_CA")]
    pub(crate) against_ca: Option<PathBuf>,

    /// With --against: ask as the audit scanner does, too
    #[arg(long, env = "VERIFY_AGAINST_AUDIT", value_parser = FalseyValueParser::new())]
    pub(crate) against_audit: bool,
}

impl AgainstArgs {
    pub(crate) fn against(&self) -> Option<Against> {
        let mut against = Against::default();
        against.url.clone_from(self.against.as_ref()?);
        against.authorities.clone_from(&self.against_ca);
        against.audits = self.against_audit;
        Some(against)
    }
}

pub(crate) const SERVER_CONFIG_HELP: &str =
    "The server's answers are compared with `verify SUITE --against URL`. Each policy has an entry for
every module, settings and deployment that the cases use; --filter changes nothing.

Exit codes: 0 written, 2 bad flags, an invalid suite or an unwritable file, 3 a policy is unavailable.

Example:
  verify server-config suite.yml --output policies.yml
  policy-server --policies policies.yml
  verify suite.yml --against http://127.0.0.1:3000";

#[derive(Debug, Args)]
pub(crate) struct ServerConfigArgs {
    /// Suite files, folders, globs, or - for stdin; by default suite.yml and *.suite.yml here
    #[arg(value_name = "SUITE")]
    pub(crate) suites: Vec<PathBuf>,

    /// Root of the repository: nothing outside is read. By default the nearest folder with .git
    #[arg(long, value_name = "DIR", env = "VERIFY_ROOT")]
    pub(crate) root: Option<PathBuf>,

    /// File to write; stdout without it
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Folder for modules whose metadata is in the suite; by default `modules` in the folder of FILE
    #[arg(long, value_name = "DIR")]
    pub(crate) modules: Option<PathBuf>,

    /// Set a variable of the suite; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable, env = "VERIFY_VAR")]
    pub(crate) variables: Vec<(String, String)>,

    /// Let suites read this variable of the environment, as ${env:NAME}; may be repeated
    #[arg(long = "allow-env", value_name = "NAME", value_parser = environment_names, env = "VERIFY_ALLOW_ENV")]
    pub(crate) allow_env: Vec<EnvironmentNames>,

    #[command(flatten)]
    pub(crate) network: NetworkArgs,

    #[command(flatten)]
    pub(crate) fetching: FetchArgs,

    #[command(flatten)]
    pub(crate) lock: LockArgs,
}
