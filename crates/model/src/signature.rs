//! Who must have signed: the constraints of a suite, of kwctl's verification-config.yml and of host calls, as one kind
//! of plain data.

use std::collections::BTreeMap;
use std::fmt;

use url::Url;

/// What the signatures of an image must show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Requirement {
    /// Each of these must have signed.
    pub all_of: Vec<Signer>,
    /// Of these, enough must have signed.
    pub any_of: Option<AnyOf>,
    /// Whether Sigstore bundles count that do not in Kubewarden: signed with a key, or with annotations.
    pub accepts_bundles: bool,
}

/// Some of several signers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnyOf {
    /// How many entries of the list must be met. One signature may meet several, as in kwctl.
    pub minimum_matches: u8,
    /// The list.
    pub signers: Vec<Signer>,
}

/// Somebody who may have signed, and what the signature must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Who.
    pub by: SignedBy,
    /// Annotations the signature must carry, with these values.
    pub annotations: Option<BTreeMap<String, String>>,
}

/// How somebody is recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedBy {
    /// By a public key.
    PublicKey {
        /// Free text, shown only.
        owner: Option<String>,
        /// The key, PEM.
        key: String,
    },
    /// By the certificate of a keyless signature.
    Issuer {
        /// The identity provider, exactly.
        issuer: String,
        /// E-mail address or URI.
        subject: Subject,
    },
    /// By the certificate of a keyless signature that a workflow on GitHub made.
    GithubAction {
        /// Owner of the repository.
        owner: String,
        /// Its name; any of the owner's by default.
        repo: Option<String>,
    },
    /// By the key of a certificate the user names.
    Certificate(Certificate),
}

/// A certificate that was used for signing.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate, PEM.
    pub certificate: Vec<u8>,
    /// Certificates that vouch for it, PEM, each of them trusted as a root. Without them the certificate is believed.
    pub chain: Option<Vec<Vec<u8>>>,
    /// Whether the transparency log must have seen the signature while the certificate was valid.
    pub require_rekor_bundle: bool,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("certificate", &String::from_utf8_lossy(&self.certificate))
            .field("chain", &self.chain.as_ref().map(Vec::len))
            .field("require_rekor_bundle", &self.require_rekor_bundle)
            .finish()
    }
}

/// The subject of a keyless certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// This one.
    Equal(String),
    /// Any that begins with this URL, which ends with a slash.
    UrlPrefix(String),
}

impl Subject {
    /// A prefix as Kubewarden understands it: a slash is added, so that `https://github.com/acme` does not stand for
    /// `https://github.com/acme-evil/…`.
    ///
    /// # Errors
    ///
    /// Not a URL.
    pub fn url_prefix(text: &str) -> Result<Self, url::ParseError> {
        let mut url = Url::parse(text)?;
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(Self::UrlPrefix(url.into()))
    }

    /// Whether a certificate for `subject` meets it.
    pub fn is_met_by(&self, subject: &str) -> bool {
        match self {
            Self::Equal(wanted) => wanted == subject,
            Self::UrlPrefix(prefix) => subject.starts_with(prefix),
        }
    }
}

impl Requirement {
    /// Every signer of `signers`.
    pub fn all_of(signers: Vec<Signer>) -> Self {
        Self { all_of: signers, ..Self::default() }
    }

    /// All signers that are named.
    pub fn signers(&self) -> impl Iterator<Item = &Signer> {
        self.all_of.iter().chain(self.any_of.iter().flat_map(|any_of| &any_of.signers))
    }

    /// Whether it can only be judged with the keys of a transparency log and a certificate authority.
    pub fn needs_trust_root(&self) -> bool {
        self.signers().any(|signer| match &signer.by {
            SignedBy::PublicKey { .. } => false,
            SignedBy::Issuer { .. } | SignedBy::GithubAction { .. } => true,
            SignedBy::Certificate(certificate) => certificate.require_rekor_bundle,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_a_name_ends() {
        for text in ["https://github.com/acme", "https://github.com/acme/", "https://GitHub.com:443/acme"] {
            let prefix = Subject::url_prefix(text).unwrap();
            assert_eq!(prefix, Subject::UrlPrefix("https://github.com/acme/".into()), "{text}");
            assert!(prefix.is_met_by("https://github.com/acme/app/.github/workflows/ci.yml@refs/heads/main"));
            for other in ["https://github.com/acme-evil/app", "https://github.com/acme", "http://github.com/acme/app"] {
                assert!(!prefix.is_met_by(other), "{other}");
            }
        }
        assert_eq!(Subject::url_prefix("github.com/acme"), Err(url::ParseError::RelativeUrlWithoutBase));
    }

    #[test]
    fn keys_need_no_trust_root() {
        let signer = |by| Signer { by, annotations: None };
        let certificate = |require_rekor_bundle| {
            SignedBy::Certificate(Certificate { certificate: Vec::new(), chain: None, require_rekor_bundle })
        };
        let key = || signer(SignedBy::PublicKey { owner: None, key: String::new() });
        assert!(!Requirement::all_of(vec![key(), signer(certificate(false))]).needs_trust_root());
        assert!(Requirement::all_of(vec![key(), signer(certificate(true))]).needs_trust_root());
        let github = signer(SignedBy::GithubAction { owner: "acme".into(), repo: None });
        let any_of = Some(AnyOf { minimum_matches: 1, signers: vec![key(), github] });
        assert!(Requirement { any_of, ..Requirement::default() }.needs_trust_root());
    }
}
