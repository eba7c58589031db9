//! Digests as registries write them: an algorithm and hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use sha2::Digest as _;

use policy_verify_model::policy::Digest;

/// `sha256:…` or `sha512:…`, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OciDigest(String);

impl OciDigest {
    /// The digest of `bytes`, by SHA-256.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Digest::of(bytes).to_string())
    }

    /// Whether it is the digest of `bytes`.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        match self.algorithm() {
            "sha512" => self.hex() == hex::encode(sha2::Sha512::digest(bytes)),
            "sha384" => self.hex() == hex::encode(sha2::Sha384::digest(bytes)),
            _ => self.hex() == hex::encode(sha2::Sha256::digest(bytes)),
        }
    }

    /// The text, `sha256:…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `sha256`.
    pub(crate) fn algorithm(&self) -> &str {
        self.0.split_once(':').map_or("", |(algorithm, _)| algorithm)
    }

    /// The digits.
    pub(crate) fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, digits)| digits)
    }
}

/// A text that is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid digest `{}`: expected `sha256:` and 64 lower-case hexadecimal digits", .0.escape_debug())]
pub struct InvalidDigest(String);

impl FromStr for OciDigest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let digits = match text.split_once(':') {
            Some(("sha256", digits)) if digits.len() == 64 => digits,
            Some(("sha384", digits)) if digits.len() == 96 => digits,
            Some(("sha512", digits)) if digits.len() == 128 => digits,
            _ => return Err(InvalidDigest(text.to_owned())),
        };
        match digits.chars().all(|digit| matches!(digit, '0'..='9' | 'a'..='f')) {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidDigest(text.to_owned())),
        }
    }
}

impl fmt::Display for OciDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_and_checked() {
        let empty: OciDigest =
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".parse().unwrap();
        assert!(empty.matches(b"") && !empty.matches(b"a"));
        assert_eq!(OciDigest::of(b""), empty);
        let long = format!("sha512:{}", hex::encode(sha2::Sha512::digest(b"a")));
        assert!(long.parse::<OciDigest>().unwrap().matches(b"a"));
        for text in ["", "sha256:", "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", "e3b0c442", "sha256:é"] {
            assert!(text.parse::<OciDigest>().is_err(), "{text}");
        }
        assert!(empty.as_str().to_uppercase().replace("SHA", "sha").parse::<OciDigest>().is_err());
    }
}
