//! Whom to believe: certificate authorities that issue to keyless signers, transparency logs that say when.

use std::collections::BTreeMap;

use rustls_pki_types::TrustAnchor;
use serde_json::Value;
use sigstore::crypto::CosignVerificationKey;
use sigstore::trust::TrustRoot as _;
use sigstore::trust::sigstore::SigstoreTrustRoot;

/// The authorities and logs of a trust root.
#[derive(Debug)]
pub(crate) struct Trust {
    pub(super) authorities: Vec<TrustAnchor<'static>>,
    /// Keys of transparency logs, by the id of the log.
    pub(super) rekor: BTreeMap<String, CosignVerificationKey>,
}

impl Trust {
    /// Reads a `ClientTrustConfig` in JSON, as `--sigstore-trust-config` of kwctl takes it.
    pub(crate) fn from_config(json: &[u8]) -> Result<Self, String> {
        let config: Value = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let root = config.get("trustedRoot").ok_or("the member `trustedRoot` is missing")?;
        let root = serde_json::to_vec(root).map_err(|error| error.to_string())?;
        let root = SigstoreTrustRoot::from_trusted_root_json_unchecked(&root).map_err(|error| error.to_string())?;
        Self::from_root(&root)
    }

    /// The public instance of Sigstore. Asks its TUF repository on the network.
    pub(crate) async fn public() -> Result<Self, String> {
        let root = SigstoreTrustRoot::new(None).await.map_err(|error| error.to_string())?;
        Self::from_root(&root)
    }

    fn from_root(root: &SigstoreTrustRoot) -> Result<Self, String> {
        let certificates = root.fulcio_certs().map_err(|error| error.to_string())?;
        let anchors = certificates.iter().map(|certificate| {
            let anchor = webpki::anchor_from_trusted_cert(certificate);
            anchor.map(|anchor| anchor.to_owned()).map_err(|error| format!("an authority cannot be used: {error}"))
        });
        let authorities = anchors.collect::<Result<_, _>>()?;
        // A log with a key of an unknown kind only costs the entries of that log, as in policy-server.
        let keys = root.rekor_keys().map_err(|error| error.to_string())?;
        let keys = keys.into_iter().filter_map(|(id, key)| Some((id, CosignVerificationKey::try_from_der(key).ok()?)));
        Ok(Self { authorities, rekor: keys.collect() })
    }
}
