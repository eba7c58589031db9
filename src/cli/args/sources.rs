//! The flags about where policies come from, of every command that runs some.

use clap::Args;
use policy_verify::Options;

use super::fetch::FetchArgs;
use super::policy::NetworkArgs;
use super::signature::SignatureArgs;

/// Where policies come from, and who must have signed them.
#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    #[command(flatten)]
    pub(crate) network: NetworkArgs,

    #[command(flatten)]
    pub(crate) fetching: FetchArgs,

    #[command(flatten)]
    pub(crate) signatures: SignatureArgs,
}

impl SourceArgs {
    /// Makes them options of a run.
    pub(crate) fn apply(&self, options: &mut Options) {
        options.network = self.network.network();
        self.fetching.apply(options);
        options.signatures = self.signatures.signatures();
    }
}
