//! Signatures that are about the image. Whether one of them satisfies a requirement is decided in `judge.rs`.

use sigstore::cosign::SignatureLayer;

use super::certificate::Identity;
use super::error::SignatureError;

/// A signature of the image. Constraints decide whether its signer is accepted.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) form: Form,
    /// Position among those of its form, from 1, for messages.
    pub(super) number: usize,
    pub(super) layer: SignatureLayer,
    /// The signer according to a trusted certificate, or why there is none.
    pub(super) identity: Result<Identity, SignatureError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Tag,
    Bundle,
}

/// A signature that is ignored.
#[derive(Debug, thiserror::Error)]
#[error("{} ignored: {reason}", .form.named(*.number))]
pub(super) struct Discarded {
    pub(super) form: Form,
    pub(super) number: usize,
    pub(super) reason: SignatureError,
}

impl Form {
    /// `signature 2`, `bundle 1`.
    pub(super) fn named(self, number: usize) -> String {
        match self {
            Self::Tag => format!("signature {number}"),
            Self::Bundle => format!("bundle {number}"),
        }
    }
}

impl Signature {
    pub(super) fn named(&self) -> String {
        self.form.named(self.number)
    }
}
