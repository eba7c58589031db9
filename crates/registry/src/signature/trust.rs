//! Trust roots: certificate authorities of keyless signatures, and transparency logs with their signing time.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::TrustAnchor;
use serde_json::Value;
use sigstore::crypto::CosignVerificationKey;
use sigstore::trust::TrustRoot as _;
use sigstore::trust::sigstore::SigstoreTrustRoot;
use tokio::sync::OnceCell;

use super::error::TrustError;
use crate::bounded::format_bytes;
use policy_verify_files::bounded;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;

/// Timeout of Sigstore's repository of trust roots.
const LOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The trust configuration of Sigstore has ten thousand bytes.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// A trust root, loaded on first use and once per run.
#[derive(Debug, Clone, Default)]
pub struct TrustRoot(Arc<OnceCell<Result<Arc<Trust>, TrustError>>>);

impl TrustRoot {
    /// The trust root of a file. The file is read immediately.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is not a trust configuration.
    pub fn from_file(path: &Path) -> Result<Self, Diagnostic> {
        let invalid = |cause: String| {
            Diagnostic::new(Code::Usage, format!("invalid trust configuration `{}`: {cause}", path.display()))
                .with_help("pass a `ClientTrustConfig` in JSON with `--sigstore-trust-config FILE`".to_owned())
        };
        // Not only regular files: shells pass pipes.
        let json = bounded::read_any(path, MAX_BYTES).map_err(|error| {
            invalid(match error.kind() {
                ErrorKind::FileTooLarge => format!("larger than {}", format_bytes(MAX_BYTES)),
                _ => error.to_string(),
            })
        })?;
        let trust = Trust::from_config(&json).map_err(|error| invalid(error.to_string()))?;
        Ok(Self(Arc::new(OnceCell::new_with(Some(Ok(Arc::new(trust)))))))
    }

    /// The trust root: of the file, else of the public Sigstore, fetched once.
    pub(super) async fn get(&self) -> Result<Arc<Trust>, TrustError> {
        let load = || async {
            let loaded = tokio::time::timeout(LOAD_TIMEOUT, Trust::public()).await;
            loaded.unwrap_or(Err(TrustError::TimedOut(LOAD_TIMEOUT))).map(Arc::new)
        };
        self.0.get_or_init(load).await.clone()
    }

    /// The trust root, if it is loaded already.
    pub(super) fn if_loaded(&self) -> Option<Arc<Trust>> {
        self.0.get()?.as_ref().ok().cloned()
    }
}

/// The authorities and logs of a trust root.
#[derive(Debug)]
pub(super) struct Trust {
    pub(super) authorities: Vec<TrustAnchor<'static>>,
    /// Keys of transparency logs, by the id of the log.
    pub(super) rekor: BTreeMap<String, CosignVerificationKey>,
}

impl Trust {
    /// Reads a `ClientTrustConfig` in JSON, as `--sigstore-trust-config` of kwctl takes it.
    pub(super) fn from_config(json: &[u8]) -> Result<Self, TrustError> {
        let config: Value = serde_json::from_slice(json).map_err(TrustError::invalid)?;
        let root = config.get("trustedRoot").ok_or(TrustError::NoTrustedRoot)?;
        let root = serde_json::to_vec(root).map_err(TrustError::invalid)?;
        let root = SigstoreTrustRoot::from_trusted_root_json_unchecked(&root).map_err(TrustError::invalid)?;
        Self::from_root(&root)
    }

    /// The public instance of Sigstore, from its TUF repository on the network.
    pub(super) async fn public() -> Result<Self, TrustError> {
        let root = SigstoreTrustRoot::new(None).await.map_err(TrustError::invalid)?;
        Self::from_root(&root)
    }

    fn from_root(root: &SigstoreTrustRoot) -> Result<Self, TrustError> {
        let certificates = root.fulcio_certs().map_err(TrustError::invalid)?;
        let anchors = certificates.iter().map(|certificate| {
            let anchor = webpki::anchor_from_trusted_cert(certificate);
            anchor.map(|anchor| anchor.to_owned()).map_err(|error| TrustError::Authority(error.to_string()))
        });
        let authorities = anchors.collect::<Result<_, _>>()?;
        // A log with a key of an unknown kind only costs the entries of that log, as in policy-server.
        let keys = root.rekor_keys().map_err(TrustError::invalid)?;
        let keys = keys.into_iter().filter_map(|(id, key)| Some((id, CosignVerificationKey::try_from_der(key).ok()?)));
        Ok(Self { authorities, rekor: keys.collect() })
    }
}
