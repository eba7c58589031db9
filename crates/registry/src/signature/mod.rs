//! Signatures of images, judged as Kubewarden judges them.
//!
//! [`Verifier`] fetches what the registry holds; whether that satisfies a requirement is decided on bytes, without I/O. The
//! cryptography is that of `sigstore`, the crate policy-server uses; nothing outside of this folder names it.
//!
//! Two forms of signatures are supported, and make one list. Those in *tag form* are layers of a manifest under the tag
//! `sha256-<digest>.sig`: what cosign made before version 3. *Bundles* are Sigstore's newer documents (media type
//! `application/vnd.dev.sigstore.bundle.v0.3+json`) that refer to the image. Kubewarden reads keyless ones since 1.36; others
//! count only with `acceptBundles`.

#[cfg(test)]
mod authority;
mod bundle;
mod candidate;
mod certificate;
mod constraint;
mod error;
mod judge;
mod payload;
mod refusal;
mod rekor;
mod stored;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod trust;
mod verify;

use std::path::PathBuf;

pub use constraint::check_key;
pub use error::{InvalidKey, TrustError};
pub use judge::Verified;
pub use refusal::Refusal;
pub use trust::TrustRoot;
pub use verify::{Verifier, VerifyError};

/// How signatures are checked. By default only required ones are, with the trust root of the public Sigstore.
#[derive(Debug, Clone, Default)]
pub struct SignatureOptions {
    /// A verification-config.yml of kwctl, required of every policy in a registry.
    pub verification_config: Option<PathBuf>,
    /// A trust root: a `ClientTrustConfig` in JSON.
    pub trust_config: Option<PathBuf>,
}
