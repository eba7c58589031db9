//! Sigstore bundles: one document that refers to the image, with the signed statement, the signature and its proofs.
//!
//! <https://docs.sigstore.dev/about/bundle/>, version 0.3, with a DSSE envelope around an in-toto statement, as cosign 3
//! writes it for images. [`counted`](counted::counted) reads a bundle as Kubewarden does since 1.36;
//! [`accepted`](accepted::accepted) reads more of them, for `acceptBundles`.

mod accepted;
mod counted;
mod document;

pub(super) use self::accepted::accepted;
pub(super) use self::counted::counted;
pub(super) use self::document::{MEDIA_TYPE, Read};
