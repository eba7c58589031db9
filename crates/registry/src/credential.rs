//! What a registry accepts as proof of who the client is.

use super::secrets::Secret;

/// What a registry accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Credential {
    /// A user and a password, or what a registry accepts in place of one (`_json_key` and a key file, `AWS` and a token).
    Password { user: String, password: Secret },
    /// A refresh token, to be exchanged for an access token.
    IdentityToken(Secret),
}
