//! The flags about signatures of policies; they have the names and take the files of kwctl.

use std::path::PathBuf;

use clap::Args;
use policy_verify::SignatureOptions;

/// Which signatures policies of registries need.
#[derive(Debug, Args)]
#[command(next_help_heading = "Signatures of policies")]
pub(crate) struct SignatureArgs {
    /// kwctl's verification-config.yml: what every policy of a registry must be signed with
    #[arg(long, value_name = "FILE", env = "VERIFY_VERIFICATION_CONFIG_PATH")]
    pub(crate) verification_config_path: Option<PathBuf>,

    /// Trust root in JSON (ClientTrustConfig) in place of the public Sigstore's
    #[arg(long, value_name = "FILE", env = "VERIFY_SIGSTORE_TRUST_CONFIG")]
    pub(crate) sigstore_trust_config: Option<PathBuf>,
}

impl SignatureArgs {
    pub(crate) fn signatures(&self) -> SignatureOptions {
        let mut options = SignatureOptions::default();
        options.verification_config.clone_from(&self.verification_config_path);
        options.trust_config.clone_from(&self.sigstore_trust_config);
        options
    }
}
