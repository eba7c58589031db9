//! What the command line says about signatures, read before anything runs.

use crate::error::Error;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::release::Release;
use policy_verify_model::signature::Requirement;
use policy_verify_registry::signature::check_key;
use policy_verify_registry::signature::{SignatureOptions, TrustRoot};
use policy_verify_suite as load;

/// Whose signatures are trusted, and which are required of every policy.
pub(super) struct Trusted {
    /// Authorities and logs.
    pub(super) root: TrustRoot,
    /// What every policy of a registry has to show.
    pub(super) for_all: Option<Requirement>,
    /// The warnings about that requirement.
    pub(super) warnings: Vec<Diagnostic>,
}

impl Trusted {
    /// Reads the named files, the configuration as `release` does. The trust root of the public Sigstore is fetched when
    /// it is first needed.
    pub(super) fn read(options: &SignatureOptions, release: Release) -> Result<Self, Error> {
        let root = options.trust_config.as_deref().map(TrustRoot::from_file).transpose();
        let for_all = {
            let check_key = |pem: &str| check_key(pem).map_err(|error| error.to_string());
            let path = options.verification_config.as_deref();
            path.map(|path| load::verification_config(path, release, check_key)).transpose()
        };
        let root = root.map_err(|error| Error::Usage(Box::new(error)))?.unwrap_or_default();
        let (for_all, warnings) = for_all.map_err(Error::Suites)?.unzip();
        Ok(Self { root, for_all, warnings: warnings.unwrap_or_default() })
    }
}
