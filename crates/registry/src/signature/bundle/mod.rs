//! Sigstore bundles: one document that refers to the image, with the signed statement, the signature and its proofs.
//!
//! <https://docs.sigstore.dev/about/bundle/>, version 0.3, with a DSSE envelope around an in-toto statement, as cosign 3
//! writes it for images. [`counted`](counted::counted) reads a bundle as Kubewarden does since 1.36;
//! [`accepted`](accepted::accepted) reads more of them, for `acceptBundles`.

mod accepted;
mod counted;
mod document;

use sha2::{Digest as _, Sha256};
use sigstore::cosign::SignatureLayer;

use super::certificate::Identity;
use super::error::SignatureError;

pub(super) use self::accepted::accepted;
pub(super) use self::counted::counted;
pub(super) use self::document::MEDIA_TYPE;

/// A signature, and its signer according to a trusted certificate.
pub(super) type Read = (SignatureLayer, Result<Identity, SignatureError>);

/// The digest of a bundle.
fn digest_of(bundle: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bundle)))
}
