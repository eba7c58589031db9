//! Whom to believe: certificate authorities that issue to keyless signers, transparency logs that say when.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::TrustAnchor;
use serde_json::Value;
use sigstore::crypto::CosignVerificationKey;
use sigstore::trust::TrustRoot as _;
use sigstore::trust::sigstore::SigstoreTrustRoot;
use tokio::sync::OnceCell;

/// Longest wait for Sigstore's repository of trust roots.
const PATIENCE: Duration = Duration::from_secs(30);

/// Most bytes of a trust configuration; that of Sigstore has ten thousand.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// A trust root that is had when it is needed, once per run.
#[derive(Debug, Clone, Default)]
pub struct TrustRoot(Arc<OnceCell<Result<Arc<Trust>, String>>>);

impl TrustRoot {
    /// The one of a file, `--sigstore-trust-config`. The file is read at once.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or used.
    pub fn from_file(path: &Path) -> Result<Self, String> {
        let read = || {
            let mut json = Vec::new();
            File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut json).map(|_| json)
        };
        let named = |error: String| format!("the trust configuration `{}` cannot be used: {error}", path.display());
        let json = read().map_err(|error| named(error.to_string()))?;
        if json.len() as u64 > MOST_BYTES {
            return Err(named(format!("it has more than {} MiB", MOST_BYTES >> 20)));
        }
        let trust = Trust::from_config(&json).map_err(named)?;
        Ok(Self(Arc::new(OnceCell::new_with(Some(Ok(Arc::new(trust)))))))
    }

    /// The trust root; where no file was given, that of the public Sigstore, from the network. The error is kwctl's.
    pub(super) async fn get(&self) -> Result<Arc<Trust>, String> {
        let load = || async {
            let loaded = match tokio::time::timeout(PATIENCE, Trust::public()).await {
                Ok(loaded) => loaded,
                Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
            };
            loaded.map(Arc::new).map_err(|error| format!("Error building Sigstore trust root: {error}"))
        };
        self.0.get_or_init(load).await.clone()
    }

    /// The trust root, if nobody has to be asked for it.
    pub(super) fn if_at_hand(&self) -> Option<Arc<Trust>> {
        self.0.get()?.as_ref().ok().cloned()
    }
}

/// The authorities and logs of a trust root.
#[derive(Debug)]
pub struct Trust {
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
