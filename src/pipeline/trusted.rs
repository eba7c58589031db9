//! What the command line says about signatures, read before anything runs.

use crate::error::Error;
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
}

impl Trusted {
    /// Reads the named files; the trust root of the public Sigstore is fetched when it is first needed.
    pub(super) fn read(options: &SignatureOptions) -> Result<Self, Error> {
        let root = options.trust_config.as_deref().map(TrustRoot::from_file).transpose();
        let for_all = {
            let check_key = |pem: &str| check_key(pem).map_err(|error| error.to_string());
            options.verification_config.as_deref().map(|path| load::verification_config(path, check_key)).transpose()
        };
        Ok(Self {
            root: root.map_err(|error| Error::Usage(Box::new(error)))?.unwrap_or_default(),
            for_all: for_all.map_err(Error::Suites)?,
        })
    }
}
